"""Calls paid from budgets: held before they are made, booked at what they cost, waited for, or not made at all."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from routerctl import errors
from routerctl.costs import most_tokens
from routerctl.providers.base import Again, Leaving
from routerctl.providers.fake import reply_of
from routerctl.routing.budget_gate import BudgetGate
from routerctl.routing.budgets import held_usd, purses_of, spent_usd, with_hold
from routerctl.routing.context import Context
from routerctl.routing.route import NoBudgetLeft, Routed, route
from routerctl.routing.state import StateStore
from routerctl.routing.state.sqlite import SqliteStore
from routerctl.routing.user_salt import salt_of
from routerctl.table import load_table
from routerctl.types import Budget, Candidate, Inquiry, Prompt, Reply, ReplySpec, Request, StopReason, Table

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ASKED = Inquiry(prompt="hello", task_class="sums", user="ann")
ANYTHING = Request(model="m", prompt=Prompt(system="", messages=()), reply=ReplySpec())
SMALL = Candidate(name="small", provider="fake", model="m")


def cents(number: float) -> Decimal:
    """So many cents, in dollars."""
    return Decimal(str(number)) / 100


ZERO, _TWO_CENTS, _TEN_CENTS = Decimal(0), cents(2), cents(10)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateStore]:
    """Books in a file."""
    made = SqliteStore(tmp_path / "state.sqlite")
    yield made
    made.close()


class Down:
    """A store that cannot be reached."""

    def update(self, *_: Any, **__: Any) -> Any:
        raise errors.StateDown("no answer")


def budget_gate(store: Any, *budgets: Budget, most: Decimal = _TWO_CENTS, **more: Any) -> BudgetGate:
    """Budgets of which each attempt may take two cents."""
    ids = count()
    gate = BudgetGate(
        store=store,
        budgets=budgets,
        most_usd=lambda _candidate, _request: most,
        new_id=lambda: f"hold-{next(ids)}",
        longest_s=lambda _candidate: 10.0,
        now=lambda: NOW,
    )
    return replace(gate, **more)


def paid_ask(gate: BudgetGate, call: Any, inquiry: Inquiry = ASKED) -> Any:
    """The function that asks through `call`, and pays from the purses of an inquiry."""
    ask = gate.for_inquiry(inquiry, "sums")
    return lambda candidate, request, until: ask(candidate, request, until, call)


def budget(cap: Decimal = _TEN_CENTS, **changes: Any) -> Budget:
    """Ten cents a month."""
    return replace(Budget(name="all", cap_usd=cap), **changes)


def books(store: StateStore, one: Budget, inquiry: Inquiry = ASKED) -> tuple[Decimal, Decimal]:
    """What is spent and what is held."""
    (purse,) = purses_of([one], inquiry, "sums", NOW, salt=salt_of(store))
    found = store.get([purse.key])[purse.key]
    return spent_usd(found), held_usd(found)


async def _ask(store: Any, one: Budget, turn: Any, most: Decimal = _TWO_CENTS) -> Reply:
    async def far(provider: str, request: Any, *, leaving: Leaving, **_: object) -> Reply:
        assert leaving is not None
        await leaving()
        if isinstance(turn, errors.ProviderError):
            turn.perhaps_usd = turn.may_be_billed * most
        if isinstance(turn, BaseException):
            raise turn
        return replace(reply_of("hi", request, latency_s=0.1), cost_usd=turn)

    reply: Reply = await paid_ask(budget_gate(store, one, most=most), far)(SMALL, ANYTHING, float("inf"))
    return reply


async def test_a_call_is_booked_at_what_it_cost(store: StateStore) -> None:
    """Not at what it might have cost; nothing stays held."""
    one = budget()
    await _ask(store, one, cents(0.5))
    await _ask(store, one, cents(1.25))
    assert books(store, one) == (cents(1.75), ZERO)


@pytest.mark.parametrize(
    ("problem", "spent"),
    [
        (errors.Overloaded("full"), ZERO),
        (errors.KeyRefused("no"), ZERO),
        (errors.ConnectionFailed("refused"), ZERO),
        (errors.TimedOut("slow"), cents(2)),
        (errors.BrokenReply("cut"), cents(2)),
        (asyncio.CancelledError(), cents(2)),
    ],
)
async def test_a_failed_call_gives_its_money_back_unless_it_may_be_billed(
    problem: BaseException, spent: Decimal, store: StateStore
) -> None:
    """Where the far side may have done the work, the most it can cost is taken for spent: never over the cap."""
    one = budget()
    with pytest.raises(type(problem)):
        await _ask(store, one, problem)
    assert books(store, one) == (spent, ZERO)


class Retried:
    """A wire that fails with each of these problems, and tries again where it may; then it replies for a cent."""

    def __init__(self, *problems: errors.ProviderError, replies: bool = True, second: Decimal = ZERO) -> None:
        """`second`: what one costs that is lost, where time is the price."""
        self._problems, self._replies, self._second = problems, replies, second
        self.held: list[Any] = []  # by whom is at the books, before each attempt
        self.look: Any = lambda: None

    async def call(self, provider: str, request: Any, *, until: float, again: Again = None, **_: object) -> Reply:
        for number, problem in enumerate(self._problems):
            self.held.append(self.look())
            so_far = self._problems[: number + 1]
            problem.perhaps_usd = ZERO if self._second else sum(one.may_be_billed for one in so_far) * _TWO_CENTS
            problem.cost_usd = sum((int(one.spent_s) * self._second for one in so_far), ZERO)
            if number + 1 == len(self._problems) and not self._replies:
                raise problem
            assert again is not None
            if not await again(problem):
                raise problem
        self.held.append(self.look())
        reply = reply_of("hi", request, latency_s=0.1)
        last = self._problems[-1]
        return replace(reply, cost_usd=cents(1) + last.cost_usd, perhaps_usd=last.perhaps_usd)


def _lost(kind: type[errors.ProviderError], spent_s: float = 0.0) -> errors.ProviderError:
    made = kind("lost")
    made.spent_s = spent_s
    return made


async def test_attempts_that_may_be_billed_are_held_and_booked_each(store: StateStore) -> None:
    """Two time-outs before the reply are two times the most; what was surely not billed holds nothing more."""
    one = budget()
    far = Retried(_lost(errors.TimedOut), _lost(errors.Overloaded), _lost(errors.TimedOut))
    far.look = lambda: books(store, one)
    ask = paid_ask(budget_gate(store, one), far.call)
    await ask(SMALL, ANYTHING, float("inf"))
    assert far.held == [(ZERO, cents(2)), (ZERO, cents(4)), (ZERO, cents(4)), (ZERO, cents(6))]
    assert books(store, one) == (cents(5), ZERO)


async def test_a_call_that_failed_is_booked_with_all_its_attempts(store: StateStore) -> None:
    """Three time-outs without a reply may be billed three times."""
    one = budget()
    far = Retried(*(_lost(errors.TimedOut) for _ in range(3)), replies=False)
    with pytest.raises(errors.TimedOut):
        await paid_ask(budget_gate(store, one), far.call)(SMALL, ANYTHING, float("inf"))
    assert books(store, one) == (cents(6), ZERO)


async def test_nothing_is_tried_again_beyond_the_cap(store: StateStore) -> None:
    """There is room for one attempt and a half: the failure stands, it is said why, and nothing stays held."""
    one, said = budget(cap=cents(3)), list[str]()
    ask = paid_ask(budget_gate(store, one, warn=said.append), Retried(_lost(errors.TimedOut)).call)
    with pytest.raises(errors.TimedOut):
        await ask(SMALL, ANYTHING, float("inf"))
    assert books(store, one) == (cents(2), ZERO)
    assert said == ["budget all: too little is left to try a failed call again"]


async def test_where_time_is_the_price_lost_seconds_are_held_and_booked_once(store: StateStore) -> None:
    """A second costs a cent: two lost ones are held beside the next attempt, and the reply's own cost has them."""
    one = budget(cap=cents(4))
    far = Retried(_lost(errors.Overloaded, spent_s=2.0), second=cents(1))
    far.look = lambda: books(store, one)
    ask = paid_ask(budget_gate(store, one), far.call)
    await ask(SMALL, ANYTHING, float("inf"))
    assert far.held == [(ZERO, cents(2)), (ZERO, cents(4))]
    assert books(store, one) == (cents(3), ZERO)
    failing = Retried(_lost(errors.Overloaded, spent_s=1.0), replies=False, second=cents(1))
    with pytest.raises(errors.OverBudget):
        await paid_ask(budget_gate(store, one), failing.call)(SMALL, ANYTHING, 1e9)
    assert failing.held == []


async def test_a_long_call_holds_its_money_anew(store: StateStore) -> None:
    """The lease is short, so that others do not wait long for a process that died; a living one renews it."""
    one, now, naps, beaten = budget(cap=cents(2)), [NOW], count(), asyncio.Event()

    async def sleep(_seconds: float) -> None:
        if next(naps) == 2:
            beaten.set()
        await asyncio.sleep(0.01)

    pay = budget_gate(store, one, longest_s=lambda _candidate: 3600.0, now=lambda: now[0], sleep=sleep)

    def until_s() -> float:
        (purse,) = purses_of([one], ASKED, "sums", NOW)
        book: Any = store.get([purse.key])[purse.key]
        ((_, ends),) = book["held"].values()
        return float(ends) - NOW.timestamp()

    async def far(provider: str, request: Any, **_: object) -> Reply:
        assert until_s() == 30
        now[0] += timedelta(seconds=25)
        await beaten.wait()
        assert until_s() == 55
        return replace(reply_of("hi", request, latency_s=0.1), cost_usd=cents(1))

    await paid_ask(pay, far)(SMALL, ANYTHING, float("inf"))
    assert books(store, one) == (cents(1), ZERO)


async def test_a_long_wait_for_the_money_of_others_is_said(store: StateStore) -> None:
    """Once a budget, and with what they hold."""
    one, said, seconds = budget(cap=cents(3)), list[str](), count()
    (purse,) = purses_of([one], ASKED, "sums", NOW)
    under_way = with_hold(None, "theirs", cents(2), NOW.timestamp() + 60)
    store.update([purse.key], lambda _: ({purse.key: under_way}, None))
    pay = budget_gate(store, one, warn=said.append, clock=lambda: float(next(seconds)))

    async def far(provider: str, request: Any, **_: object) -> Reply:
        return reply_of("hi", request, latency_s=0.1)

    for _ in range(2):
        with pytest.raises(errors.OverBudget, match="under way"):
            await paid_ask(pay, far)(SMALL, ANYTHING, next(seconds) + 12.0)
    assert said == ["budget all: waiting for $0.02 that other calls hold"]


async def test_a_call_cancelled_while_it_is_held_gives_all_back(store: StateStore) -> None:
    """Nobody was called; the thread that writes the books is too late, or is undone."""
    one, started = budget(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow:
        def update(self, *given: Any, **named: Any) -> Any:
            loop.call_soon_threadsafe(started.set)
            time.sleep(0.05)
            return store.update(*given, **named)

    call = asyncio.ensure_future(_ask(Slow(), one, cents(1)))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await loop.shutdown_default_executor()
    assert books(store, one) == (ZERO, ZERO)


async def test_a_call_cancelled_between_two_attempts_is_booked_with_the_first(store: StateStore) -> None:
    """The second one was held, but never left."""
    one, failed = budget(), asyncio.Event()

    async def far(provider: str, request: Any, *, again: Again, leaving: Leaving, **_: object) -> Reply:
        assert leaving is not None
        assert again is not None
        await leaving()
        lost = _lost(errors.TimedOut)
        lost.perhaps_usd = _TWO_CENTS
        assert await again(lost)
        failed.set()
        await asyncio.sleep(60)
        raise AssertionError

    call = asyncio.ensure_future(paid_ask(budget_gate(store, one), far)(SMALL, ANYTHING, float("inf")))
    await failed.wait()
    assert books(store, one) == (ZERO, cents(4))
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert books(store, one) == (cents(2), ZERO)


async def test_no_call_is_made_without_room(store: StateStore) -> None:
    """The error says whose cap it is, what is left and when it begins anew."""
    one = budget(cap=cents(3))
    await _ask(store, one, cents(1.5))
    with pytest.raises(errors.OverBudget, match=r"budget all: not enough is left: \$0.015 of \$0.03 a month") as caught:
        await _ask(store, one, cents(1))
    assert "2026-12-01 00:00 UTC" in str(caught.value)
    assert books(store, one) == (cents(1.5), ZERO)


async def test_money_held_by_calls_under_way_is_waited_for(store: StateStore) -> None:
    """Five at once on a cap with room for one at its most, but for all at what they cost: each is served."""
    one, together, most_together = budget(cap=cents(4)), 0, 0
    pay = budget_gate(store, one)

    async def far(provider: str, request: Any, **_: object) -> Reply:
        nonlocal together, most_together
        together += 1
        most_together = max(most_together, together)
        await asyncio.sleep(0.01)
        together -= 1
        return replace(reply_of("hi", request, latency_s=0.1), cost_usd=cents(0.4))

    ask = paid_ask(pay, far)
    await asyncio.gather(*(ask(SMALL, ANYTHING, float("inf")) for _ in range(5)))
    assert books(store, one) == (cents(2), ZERO)
    assert most_together <= 2


async def test_waiting_ends_with_the_deadline(store: StateStore) -> None:
    """What is held by a call that does not end is not there for another."""
    one, stuck, under_way = budget(cap=cents(2)), asyncio.Event(), asyncio.Event()
    pay = budget_gate(store, one)

    async def far(provider: str, request: Any, **_: object) -> Reply:
        under_way.set()
        await stuck.wait()
        return reply_of("hi", request, latency_s=0.1)

    ask = paid_ask(pay, far)
    first = asyncio.ensure_future(ask(SMALL, ANYTHING, float("inf")))
    await under_way.wait()
    with pytest.raises(errors.OverBudget, match="all of it is held by calls under way"):
        await ask(SMALL, ANYTHING, pay.clock() + 0.05)
    stuck.set()
    await first


async def test_every_budget_needs_room(store: StateStore) -> None:
    """A user's cap and the project's: where one has none, nothing is held in the other."""
    mine, everybody = budget(cap=cents(2), name="mine", per="user"), budget(name="everybody")
    pay = budget_gate(store, everybody, mine)

    async def far(provider: str, request: Any, **_: object) -> Reply:
        return replace(reply_of("hi", request, latency_s=0.1), cost_usd=cents(1))

    await paid_ask(pay, far)(SMALL, ANYTHING, float("inf"))
    with pytest.raises(errors.OverBudget, match="budget mine"):
        await paid_ask(pay, far)(SMALL, ANYTHING, float("inf"))
    bob = replace(ASKED, user="bob")
    await paid_ask(pay, far, bob)(SMALL, ANYTHING, float("inf"))
    assert books(store, everybody) == (cents(2), ZERO)
    assert (books(store, mine), books(store, mine, bob)) == ((cents(1), ZERO), (cents(1), ZERO))


async def test_books_kept_under_a_users_name_still_count(store: StateStore) -> None:
    """An earlier version's money and holds are taken over by the digest's books, once; the name is gone."""
    mine = budget(cap=cents(4), name="mine", per="user")
    (old,) = purses_of([mine], ASKED, "sums", NOW)
    assert old.key.split("/")[3] == "ann"
    held = with_hold({"spent": "0.02", "held": {}}, "theirs", cents(1), NOW.timestamp() + 60)
    store.update([old.key], lambda _: ({old.key: held}, None))
    pay = budget_gate(store, mine)

    async def far(provider: str, request: Any, **_: object) -> Reply:
        return replace(reply_of("hi", request, latency_s=0.1), cost_usd=cents(1))

    with pytest.raises(errors.OverBudget, match="budget mine"):  # 2 spent and 1 held of 4: a call may cost 2
        await pay.for_inquiry(ASKED, "sums")(SMALL, ANYTHING, 0.0, far)
    assert books(store, mine) == (cents(2), cents(1))
    assert store.get([old.key]) == {old.key: None}
    roomy = replace(mine, cap_usd=cents(10))
    await budget_gate(store, roomy).for_inquiry(ASKED, "sums")(SMALL, ANYTHING, float("inf"), far)
    assert books(store, mine) == (cents(3), cents(1))
    # A process of the earlier version goes on meanwhile.
    store.update([old.key], lambda _: ({old.key: {"spent": "0.03", "held": {}}}, None))
    await budget_gate(store, roomy).for_inquiry(ASKED, "sums")(SMALL, ANYTHING, float("inf"), far)
    assert books(store, mine) == (cents(7), cents(1))
    assert "ann" not in json.dumps(store.scan("budget/"))


async def test_a_store_that_is_down_follows_the_budget_s_policy() -> None:
    """Open: served without books, which is said once. Closed: not served."""
    assert (await _ask(Down(), budget(), cents(1))).text == "hi"
    said: list[str] = []
    pay = budget_gate(Down(), budget(), warn=said.append)

    async def far(provider: str, request: Any, **_: object) -> Reply:
        return reply_of("hi", request, latency_s=0.1)

    for _ in range(3):
        await paid_ask(pay, far)(SMALL, ANYTHING, float("inf"))
    (words,) = said
    assert words.startswith("budget all is not enforced and its spending not booked")
    with pytest.raises(errors.OverBudget, match="fail_closed: no answer"):
        await _ask(Down(), budget(when_down="fail_closed"), cents(1))


# --- a lower limit where the whole does not fit -----------------------------------------------------------------------

TOKEN = cents(0.01)  # what a token of a reply costs; 1,024 may be written: $0.1024


class Writer:
    """A model that writes so many tokens, or as many as it may; keeps the limits that it was given."""

    def __init__(self, *lengths: int) -> None:
        self._lengths, self.limits = iter(lengths), list[int]()

    async def call(self, provider: str, request: Any, **_: object) -> Reply:
        await asyncio.sleep(0.001)
        wanted, most = next(self._lengths), request.reply.max_tokens
        self.limits.append(most)
        cut = StopReason.MAX_TOKENS if wanted > most else StopReason.END
        written = replace(reply_of("hi", request, latency_s=0.1), cost_usd=min(wanted, most) * TOKEN)
        return replace(written, stop_reason=cut)


def _by_token(store: Any, *budgets: Budget, usual: int | None = 20, **more: Any) -> BudgetGate:
    return replace(
        budget_gate(store, *budgets, **more),
        most_usd=lambda _candidate, request: most_tokens(request)[1] * TOKEN,
        usual_tokens=lambda *_: usual,
    )


async def test_where_the_most_does_not_fit_a_usual_reply_may(store: StateStore) -> None:
    """A cap of two cents holds no reply of 1,024 tokens, but eleven of 18 that may have 20, each held at its most."""
    one, writer = budget(cap=cents(2)), Writer(*[18] * 20)
    ask = paid_ask(_by_token(store, one), writer.call)
    for _ in range(11):
        await ask(SMALL, ANYTHING, float("inf"))
    with pytest.raises(errors.OverBudget, match=r"may cost \$0\.002000 \(small, a reply of 20 tokens\)"):
        await ask(SMALL, ANYTHING, float("inf"))
    assert writer.limits == [20] * 11
    assert books(store, one) == (11 * 18 * TOKEN, ZERO)
    unknown = _by_token(store, budget(cap=cents(2), name="other"), usual=None)
    with pytest.raises(errors.OverBudget, match="a reply of 1024 tokens"):
        await paid_ask(unknown, writer.call)(SMALL, ANYTHING, float("inf"))


async def test_with_room_for_the_most_no_limit_is_lowered(store: StateStore) -> None:
    """A reply may be as long as it was in the evaluation for as long as the budget has room for that."""
    one, writer = budget(cap=cents(11)), Writer(900, 18)
    ask = paid_ask(_by_token(store, one), writer.call)
    await ask(SMALL, ANYTHING, float("inf"))
    await ask(SMALL, ANYTHING, float("inf"))
    assert writer.limits == [1024, 20]


async def test_a_reply_that_the_budget_cut_is_delivered_to_nobody(store: StateStore) -> None:
    """It is booked; asked again with the whole limit where calls under way leave room for it, else over budget."""
    one, writer = budget(cap=cents(2)), Writer(50)
    with pytest.raises(errors.OverBudget, match="a reply of 1024 tokens"):
        await paid_ask(_by_token(store, one), writer.call)(SMALL, ANYTHING, float("inf"))
    assert books(store, one) == (20 * TOKEN, ZERO)
    two, writer = budget(cap=cents(15), name="two"), Writer(18, 50, 50)
    ask = paid_ask(_by_token(store, two), writer.call)
    _, reply = await asyncio.gather(*(ask(SMALL, ANYTHING, float("inf")) for _ in range(2)))
    assert writer.limits == [1024, 20, 1024]
    assert (reply.stop_reason, reply.cost_usd, reply.attempts) == (StopReason.END, 50 * TOKEN, 1)
    assert books(store, two) == (88 * TOKEN, ZERO)


@pytest.mark.parametrize("seed", range(5))
async def test_no_moment_of_many_calls_passes_the_cap(seed: int, store: StateStore) -> None:
    """Whatever the replies' lengths, what is spent and held together stays within the cap, and little of it is left."""
    rng = random.Random(seed)  # noqa: S311
    one, seen = budget(cap=cents(30)), list[Decimal]()
    writer = Writer(*(1024 if rng.random() < 0.01 else rng.randint(1, 25) for _ in range(2000)))

    async def call(provider: str, request: Any, **more: Any) -> Reply:
        seen.append(sum(books(store, one), Decimal(0)))
        reply = await writer.call(provider, request, **more)
        seen.append(sum(books(store, one), Decimal(0)))
        return reply

    ask = paid_ask(_by_token(store, one), call)
    ended = await asyncio.gather(*(ask(SMALL, ANYTHING, float("inf")) for _ in range(400)), return_exceptions=True)
    assert all(isinstance(one, Reply | errors.OverBudget) for one in ended)
    spent, held = books(store, one)
    assert max(seen) <= one.cap_usd
    assert held == 0
    assert one.cap_usd - 20 * TOKEN < spent <= one.cap_usd
    assert {20, 1024} == set(writer.limits)


# --- on the request line ----------------------------------------------------------------------------------------------


class Far:
    """Answers at a cent a call; keeps who was asked."""

    def __init__(self, replies: dict[str, Any]) -> None:
        self.replies, self.asked = replies, list[str]()

    async def call(self, provider: str, request: Any, *, until: float, again: Again = None, **_: object) -> Reply:
        self.asked.append(request.model)
        turn = self.replies[request.model]
        if isinstance(turn, errors.ProviderError):
            turn.perhaps_usd, turn.attempts = turn.may_be_billed * cents(2), 1
            raise turn
        stop = turn if isinstance(turn, StopReason) else StopReason.END
        text = "cut" if isinstance(turn, StopReason) else turn
        return replace(reply_of(text, request, latency_s=0.1), cost_usd=cents(1), stop_reason=stop)


@pytest.fixture
def table(built: Path) -> Table:
    """One class: `small`, then `large`; `tiny` stands beside the ladder."""
    made = load_table(built / "routes.yaml")
    tiny = replace(made.candidates["small"], name="tiny", model="model-tiny")
    return replace(
        made,
        routes={"sums": replace(made.routes["sums"], rungs=("small", "large"), chosen="small")},
        candidates={**made.candidates, "tiny": tiny},
        prices={**made.prices, "tiny": made.prices["small"]},
    )


async def _routed(table: Table, far: Far, store: StateStore, *budgets: Budget) -> Routed:
    return await route(table, Context(call=far.call, budget_gate=budget_gate(store, *budgets)), ASKED)


async def test_a_fallback_is_paid_from_the_same_budget(table: Table, store: StateStore) -> None:
    """What the first rung cost is gone when the second one asks."""
    one = budget(cap=cents(3))
    far = Far({"model-small": errors.TimedOut("slow"), "model-large": "hi"})
    with pytest.raises(NoBudgetLeft, match="sums is not served: small: slow; large: budget all") as caught:
        await _routed(table, far, store, one)
    assert [hop.outcome for hop in caught.value.decision.hops] == ["TimedOut", "over budget"]
    assert (caught.value.exit_code, far.asked) == (6, ["model-small"])


async def test_over_the_cap_the_cheap_ones_serve(table: Table, store: StateStore) -> None:
    """What they cost is booked all the same, beyond the cap; the hop says why."""
    one = budget(cap=cents(1), over="cheap", cheap=("tiny",))
    far = Far({"model-tiny": "hi"})
    routed = await _routed(table, far, store, one)
    assert [(hop.candidate, hop.outcome, hop.why) for hop in routed.decision.hops] == [
        ("small", "over budget", "first"),
        ("tiny", "served", "budget"),
    ]
    assert books(store, one) == (cents(1), ZERO)
    await _routed(table, far, store, one)
    assert books(store, one) == (cents(2), ZERO)


async def test_without_room_a_doubtful_reply_is_served(table: Table, store: StateStore) -> None:
    """Escalating costs money, too: where it is gone, what there is has to do, loudly."""
    table = replace(table, routing=replace(table.routing, thresholds={"default": {"complete": 0.5}}))
    far = Far({"model-small": StopReason.MAX_TOKENS, "model-large": "hi"})
    routed = await _routed(table, far, store, budget(cap=cents(2)))
    assert (routed.answer.text, far.asked) == ("cut", ["model-small"])
    assert "small was not confident" in routed.alarms[0]
