"""A run before it is made: its header, what its calls may cost, the limit, and the estimate."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.costs import pricers_of
from routerctl.errors import BudgetSpent, InputError, Overloaded, TimedOut
from routerctl.evaluation.cache import ReplyCache
from routerctl.evaluation.eval_sets import load_eval_sets, scorer_at
from routerctl.evaluation.project import load_project
from routerctl.evaluation.run.cached_call import Again, Caller, Spending
from routerctl.evaluation.run.case import Job
from routerctl.evaluation.run.climb import plan_jobs
from routerctl.evaluation.run.estimate import Amount, Estimate, Estimator, ceiling_of
from routerctl.evaluation.run.header import make_header, pinned_candidate, prices_of
from routerctl.evaluation.run.measured import Measured
from routerctl.providers.base import Outside
from routerctl.providers.fake import FakeProvider, Script, Turn, reply_of
from routerctl.providers.weights import catalog
from routerctl.providers.wire import Wire
from routerctl.strategies.answer import answer
from routerctl.strategies.prompts import render_prompt
from routerctl.types import Message, Prompt, Reply, ReplySpec, Request, RunHeader

NOW = "2026-11-23T00:00:00Z"
PROJECT = """\
schema_version: 1
ladder: main
risk: 0.15
providers:
  far: {kind: fake}
  near: {kind: fake, usd_per_hour: 3.60, timeout_s: 2}
  vendor: {kind: anthropic}
  box: {kind: local, usd_per_hour: 0.05}
candidates:
  one: {provider: far, model: m}
  three: {provider: far, model: m, strategy: {name: self_consistency, samples: 3}}
  five: {provider: far, model: m, strategy: {name: self_consistency, samples: 5}, max_tokens: 7}
  again: {provider: far, model: m, strategy: {name: reflexion}}
  timed: {provider: near, model: m}
  alias: {provider: vendor, model: claude-sonnet-4-5}
  dear: {provider: vendor, model: claude-sonnet-4-5-20250929}
  local: {provider: box, model: smollm2-135m}
  other: {provider: box, model: smollm3}
  free: {provider: far, model: unknown-model}
ladders:
  main: [one, three, five, again, timed]
  aliased: [one, alias]
  priceless: [one, free]
  listed: [dear]
  boxed: [local]
  wrong: [other]
prices:
  - {provider: far, model: m, date: 2026-01-01, source: paper, input_mtok_usd: 1, output_mtok_usd: 10}
"""
EVALS = """\
schema_version: 1
description: Sums.
prompt: {system: Add., template: "{{ input }}?"}
reply: {max_tokens: 64}
scorer: {name: number}
bar: 0.8
cases:
"""
CASES = "".join(f"  - {{id: c{number}, input: '{number} + 0', expected: {number}}}\n" for number in range(30))

Plan = Callable[..., tuple[RunHeader, tuple[Job, ...]]]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Write a project with one class of 30 cases and plan a run of it."""

    def plan(
        ladder: str | None = None, *, full: bool = False, project: str = PROJECT, evals: str = EVALS + CASES
    ) -> tuple[RunHeader, tuple[Job, ...]]:
        (tmp_path / "routerctl.yaml").write_text(project, encoding="utf-8")
        (tmp_path / "evals").mkdir(exist_ok=True)
        (tmp_path / "evals" / "sums.yaml").write_text(evals, encoding="utf-8")
        read = load_project(tmp_path)
        sets = load_eval_sets(tmp_path)
        jobs = plan_jobs(sets, {item.name: scorer_at(item, tmp_path) for item in sets}, read.seed)
        return make_header(read, jobs, ladder=ladder, full=full, moment=datetime.fromisoformat(NOW)), jobs

    return plan


# --- the plan ---------------------------------------------------------------------------------------------------------


def test_a_header_says_what_a_number_was(plan: Plan) -> None:
    """Candidates, providers, prices, the class and the software are all in the header; nobody else's are."""
    header, [job] = plan()
    assert header.ladder == tuple(header.candidates) == ("one", "three", "five", "again", "timed")
    assert set(header.providers) == {"far", "near"}
    assert (header.prices["one"].source, header.prices["one"].date) == ("routerctl.yaml: paper", "2026-01-01")
    assert header.prices["timed"].usd_per_hour == Decimal("3.60")
    assert (header.classes["sums"].digest, header.classes["sums"].n) == (job.eval_set.digest, 30)
    assert {"python", "platform", "routerctl", "numpy"} <= set(header.software)
    assert (header.finished, header.run_id[:16]) == (False, "20261123-000000-")


@pytest.mark.parametrize(
    ("ladder", "message"),
    [
        (
            "aliased",
            (
                "routerctl.yaml:15: candidates.alias.model: 'claude-sonnet-4-5' is an alias that may move; "
                "write the pinned id 'claude-sonnet-4-5-20250929'"
            ),
        ),
        (
            "priceless",
            (
                "routerctl.yaml:19: candidates.free.model: no price is known for model 'unknown-model' of provider "
                "'far' on 2026-11-23; add under `prices:` {provider: far, model: unknown-model, date: 2026-11-23, "
            ),
        ),
        ("wrong", "routerctl.yaml:18: candidates.other.model: "),
        ("mian", "routerctl.yaml: no ladder 'mian'; did you mean 'main'?"),
    ],
)
def test_refused_before_anything_is_paid(plan: Plan, ladder: str, message: str) -> None:
    """An alias, a model without a price, unknown weights or an unknown ladder stop the plan, with what to write."""
    with pytest.raises(InputError) as caught:
        plan(ladder)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("margin", "refused"), [("0.79", False), ("0.8", True), ("0.9", True)])
def test_a_margin_must_leave_something_to_prove(plan: Plan, margin: str, refused: bool) -> None:
    """A margin as large as a class's bar is refused by name before the run, not by a traceback inside it."""
    project = PROJECT.replace("risk: 0.15", f"risk: 0.15\nmode: margin\nmargin: {margin}")
    if not refused:
        assert plan(project=project)[0].margin == float(margin)
        return
    with pytest.raises(InputError, match=r"^routerctl\.yaml:5: margin: 0\.\d is not below the bar of sums \(0\.8\)"):
        plan(project=project)


def test_a_bar_that_nothing_proves_is_refused(plan: Plan) -> None:
    """No number of cases proves a bar of 1; a score on these cases can reach it."""
    always = EVALS.replace("0.8", "1") + CASES
    with pytest.raises(InputError, match=r"^evals/\w+\.yaml:\d+: bar: no number of cases .* 0\.99, or `mode: point`"):
        plan(evals=always)
    assert plan(project=PROJECT.replace("risk: 0.15", "risk: 0.15\nmode: point"), evals=always)


def test_a_listed_price(plan: Plan) -> None:
    """A vendor's pinned model is priced from the list on the day of the run."""
    price = plan("listed")[0].prices["dear"]
    assert (price.date, price.source.startswith("genai-prices")) == ("2026-11-23", True)
    assert (price.input_mtok_usd, price.output_mtok_usd) == (Decimal(3), Decimal(15))


def test_a_local_model_is_pinned_by_its_weights(plan: Plan, tmp_path: Path) -> None:
    """A local candidate's id carries its file's digest, and the header the whole of it."""
    header, _ = plan("boxed")
    sha256 = next(model.sha256 for model in catalog() if model.name == "smollm2-135m")
    assert header.candidates["local"].model == f"smollm2-135m@sha256:{sha256[:12]}"
    assert header.software[header.candidates["local"].model] == f"sha256:{sha256}"
    pinned = header.candidates["local"]
    project = load_project(tmp_path)
    again = replace(project, candidates={"local": pinned})
    assert pinned_candidate(again, "local") == pinned


def test_a_stated_price_is_of_its_provider_alone(plan: Plan, tmp_path: Path) -> None:
    """A price stated for one provider's model is not that of another provider's model of the same name."""
    plan()
    project = load_project(tmp_path)
    stranger = replace(project.candidates["one"], provider="vendor")
    with pytest.raises(InputError, match="no price is known for model 'm' of provider 'vendor'"):
        prices_of(replace(project, candidates={"one": stranger}), {"one": stranger}, date(2026, 11, 23))


# --- the caller and its spending --------------------------------------------------------------------------------------


def request(text: str = "x", **changes: Any) -> Request:
    """A request of one message."""
    prompt = Prompt(system="", messages=(Message(role="user", content=text),))
    return replace(Request(model="m", prompt=prompt, reply=ReplySpec(max_tokens=64)), **changes)


class Line:
    """A caller for each candidate, over the real wire to a scripted provider, with prices of the header."""

    def __init__(
        self,
        header: RunHeader,
        script: Script,
        *,
        spending: Spending | None = None,
        cache: ReplyCache | None = None,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self.header, self.spending, self.cache = header, spending or Spending(), cache
        outside = Outside(env={}, sleep=sleep)
        specs = [replace(spec, concurrency=99, max_attempts=1) for spec in header.providers.values()]
        self.providers = {spec.name: FakeProvider(spec, outside, script) for spec in specs}
        pricers = {(item.provider, item.model): pricers_of(header)[name] for name, item in header.candidates.items()}
        self.wire = Wire(specs, outside, lambda spec, model: pricers[spec.name, model], ready=self.providers)

    def caller(self, name: str = "one", ceiling: Callable[..., Decimal] | None = None) -> Caller:
        candidate = self.header.candidates[name]
        return Caller(
            candidate,
            self.header.providers[candidate.provider],
            call=self.wire.call,
            cache=self.cache,
            spending=self.spending,
            pricer=pricers_of(self.header)[name],
            ceiling=ceiling or ceiling_of(self.header),
            now=lambda: datetime.fromisoformat(NOW),
        )


async def test_a_kept_reply_costs_what_it_would_cost_now(plan: Plan, tmp_path: Path) -> None:
    """A price that has changed since the reply was paid for counts: a table must not pick by old prices."""
    header, _ = plan()
    dearer = replace(header.prices["one"], input_mtok_usd=Decimal(9000), output_mtok_usd=Decimal(9000))
    with ReplyCache(tmp_path / "cache.sqlite") as cache:
        paid = await Line(header, {"*": "4"}, cache=cache).caller().ask(request())
        line = Line(replace(header, prices={**header.prices, "one": dearer}), {"*": "4"}, cache=cache)
        kept = await line.caller().ask(request())
    assert kept.cost_usd == Decimal(9000) * (paid.usage.input_tokens + paid.usage.output_tokens) / 1_000_000
    assert line.spending.spent_usd == 0
    assert replace(kept, cost_usd=paid.cost_usd) == paid


async def test_a_reply_is_paid_for_once(plan: Plan, tmp_path: Path) -> None:
    """The second asking is answered from the cache, by another caller and another run too; `paid` tells which."""
    header, _ = plan()
    with ReplyCache(tmp_path / "cache.sqlite") as cache:
        line = Line(header, {"*": "4"}, cache=cache)
        first, second = line.caller(), line.caller()
        assert await first.ask(request()) == await second.ask(request())
        assert (first.paid_calls, second.paid_calls) == (1, 0)
        assert (line.spending.paid_calls, line.spending.cached_calls, line.spending.repeated_calls) == (1, 0, 1)
        assert len(line.providers["far"].requests) == 1
        await line.caller().ask(request(sample=1))
        assert len(line.providers["far"].requests) == 2
    assert line.spending.spent_usd > 0
    assert line.spending.reserved_usd == 0


async def test_without_a_cache_every_call_is_paid(plan: Plan) -> None:
    """Without a cache nothing is replayed."""
    line = Line(plan()[0], {"*": "4"})
    caller = line.caller()
    await caller.ask(request())
    await caller.ask(request())
    assert (line.spending.paid_calls, line.spending.cached_calls) == (2, 0)


async def test_a_failed_call_gives_its_reserve_back(plan: Plan, tmp_path: Path) -> None:
    """A call that failed costs nothing that is known, keeps nothing, and leaves the limit as it was."""
    with ReplyCache(tmp_path / "cache.sqlite") as cache:
        line = Line(plan()[0], [Overloaded("busy"), "4"], cache=cache)
        caller = line.caller()
        with pytest.raises(Overloaded):
            await caller.ask(request())
        assert (caller.paid_calls, line.spending) == (0, Spending())
        assert (await caller.ask(request())).text == "4"


async def test_room_is_waited_for() -> None:
    """A call that has no room beside those in flight waits for them; with nothing in flight it is refused."""
    spending = Spending(limit_usd=Decimal(3))
    await spending.room_for(Decimal(2))
    waiting = asyncio.ensure_future(spending.room_for(Decimal(2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    spending.settle(Decimal(2), Decimal(1), 1)
    await waiting
    assert (spending.reserved_usd, spending.spent_usd) == (Decimal(2), Decimal(1))
    spending.settle(Decimal(2), Decimal(2), 1)
    with pytest.raises(BudgetSpent):
        await spending.room_for(Decimal(1))


async def test_the_limit_is_said(plan: Plan) -> None:
    """The call that could pass the limit is not made; the error says what is spent, what it may cost, and why."""
    spending = Spending(limit_usd=Decimal("0.000001"))
    line = Line(plan()[0], {"*": "4"}, spending=spending)
    words = (
        r"limit of \$0\.000001: \$0 is spent, and a call of one with max_tokens 64 "
        r"may cost \$0\.000\d+; what was paid for is kept"
    )
    with pytest.raises(BudgetSpent, match=words) as caught:
        await line.caller().ask(request())
    with pytest.raises(BudgetSpent, match="a call of timed with timeout_s 2 may cost"):
        await line.caller("timed").ask(request())
    assert caught.value.exit_code == 6
    assert line.providers["far"].requests == []


async def test_a_cached_reply_needs_no_budget(plan: Plan, tmp_path: Path) -> None:
    """With nothing left to spend, what was paid for before is still given."""
    header, _ = plan()
    with ReplyCache(tmp_path / "cache.sqlite") as cache:
        await Line(header, {"*": "4"}, cache=cache).caller().ask(request())
        broke = Line(header, {"*": "4"}, cache=cache, spending=Spending(limit_usd=Decimal(0)))
        assert (await broke.caller().ask(request())).text == "4"


@given(
    sizes=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 10)), min_size=1, max_size=25),
    limit=st.integers(0, 400),
    seed=st.integers(0, 99),
)
def test_the_limit_holds_under_concurrency(sizes: list[tuple[int, int]], limit: int, seed: int) -> None:
    """However many calls fly at once and in whatever order they land, what was spent is never above the limit."""
    chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
    spending = Spending(limit_usd=Decimal(limit))
    most = Decimal(0)

    async def call(ceiling: int, saved: int) -> bool:
        nonlocal most
        await asyncio.sleep(0)
        try:
            spending.reserve(Decimal(ceiling))
        except BudgetSpent:
            return False
        for _ in range(chance.randrange(4)):
            await asyncio.sleep(0)
        spending.settle(Decimal(ceiling), Decimal(max(0, ceiling - saved)), 1)
        most = max(most, spending.spent_usd + spending.reserved_usd)
        return True

    async def all_at_once() -> list[bool]:
        return await asyncio.gather(*(call(*size) for size in sizes))

    made = asyncio.run(all_at_once())
    assert most <= limit
    assert spending.reserved_usd == 0
    assert spending.paid_calls == sum(made)
    assert spending.spent_usd == sum(max(0, a - b) for (a, b), one in zip(sizes, made, strict=True) if one)


async def test_the_limit_holds_over_the_wire(plan: Plan) -> None:
    """Many callers at once with real ceilings spend at most the limit; some calls are made, some are refused."""
    header, _ = plan()
    ceiling = ceiling_of(header)(header.candidates["one"], request("0"))
    spending = Spending(limit_usd=4 * ceiling)
    line = Line(header, lambda asked: reply_of("7" * 4 * 64, asked, latency_s=0.001), spending=spending)
    asked = [line.caller().ask(request(str(number))) for number in range(9)]
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, Reply) for one in ended) == len(line.providers["far"].requests) == 4
    assert sum(isinstance(one, BudgetSpent) for one in ended) == 5
    assert Decimal(0) < spending.spent_usd <= 4 * ceiling


@pytest.mark.parametrize("text", ["7", "73915" * 40, "\U0001f600" * 30, "𒀀" * 20, "a" * 400, " " * 99])
@pytest.mark.parametrize("ladder", ["main", "listed"])
def test_a_ceiling_is_one(plan: Plan, ladder: str, text: str) -> None:
    """Even where every byte is a token, every token comes back and the prompt is written to a cache, it costs less."""
    header, _ = plan(ladder)
    name = header.ladder[0]
    asked = request(text, model=header.candidates[name].model)
    usage = reply_of("", asked).usage
    tokens = len(text.encode())
    for cached in (0, tokens):
        dear = replace(usage, input_tokens=tokens, output_tokens=64, cache_write_tokens=cached)
        assert pricers_of(header)[name](dear, 60.0) <= ceiling_of(header)(header.candidates[name], asked)


def test_a_ceiling_counts_the_schema(plan: Plan) -> None:
    """A schema or choices that the provider puts before the model are input, too."""
    header, _ = plan()
    ceiling = ceiling_of(header)
    plain, shaped, chosen = (
        ceiling(header.candidates["one"], request(reply=ReplySpec(max_tokens=64, **shape)))
        for shape in ({}, {"json_schema": {"description": "long " * 99}}, {"choices": ("a" * 200, "b")})
    )
    assert plain < chosen < shaped


def test_a_ceiling_by_time(plan: Plan) -> None:
    """A self-hosted call costs at most the whole time limit of every attempt."""
    header, _ = plan()
    attempts = header.providers[header.candidates["timed"].provider].max_attempts
    assert ceiling_of(header)(header.candidates["timed"], request()) == Decimal("3.60") * 2 * attempts / 3600


async def test_what_is_known_of_the_cost_of_a_call_that_failed_counts(plan: Plan) -> None:
    """No attempt gave a reply, but a machine ran for all of them, or the far side told its tokens."""
    header, _ = plan()
    problem = Overloaded("down")
    problem.cost_usd, problem.perhaps_usd = Decimal("0.002"), Decimal("0.001")

    async def call(provider: str, request: Request, *, again: Again) -> Reply:
        raise problem

    line = Line(header, {})
    caller = line.caller()
    caller._call = call
    with pytest.raises(Overloaded):
        await caller.ask(request())
    assert caller.failed_usd == Decimal("0.002")
    assert (line.spending.spent_usd, line.spending.perhaps_usd) == (Decimal("0.002"), Decimal("0.001"))
    assert line.spending.reserved_usd == 0


async def test_attempts_that_may_be_billed_count_towards_the_limit(plan: Plan) -> None:
    """Two time-outs before the reply: each may cost the most; without room for another attempt none is made."""
    header, _ = plan()
    most = ceiling_of(header)(header.candidates["one"], request())
    problems = [TimedOut("slow"), Overloaded("busy"), TimedOut("slow")]

    async def call(provider: str, request: Request, *, again: Again) -> Reply:
        perhaps = Decimal(0)
        for problem in problems:
            perhaps += problem.may_be_billed * most
            problem.perhaps_usd = perhaps
            if not await again(problem):
                raise problem
        return replace(reply_of("4", request), cost_usd=most / 10, perhaps_usd=perhaps)

    line = Line(header, {}, spending=Spending(limit_usd=3 * most))
    caller = line.caller()
    caller._call = call
    await caller.ask(request())
    assert (line.spending.spent_usd, line.spending.perhaps_usd) == (most / 10, 2 * most)
    assert line.spending.reserved_usd == 0
    with pytest.raises(BudgetSpent):
        await caller.ask(request())
    short = Line(header, {}, spending=Spending(limit_usd=2 * most))
    caller = short.caller()
    caller._call = call
    with pytest.raises(TimedOut):
        await caller.ask(request())
    assert (short.spending.spent_usd, short.spending.perhaps_usd) == (Decimal(0), 2 * most)
    assert short.spending.reserved_usd == 0


# --- the estimate -----------------------------------------------------------------------------------------------------


def estimated(
    header: RunHeader, job: Job, name: str, cache: ReplyCache | None = None, measured: Measured | None = None
) -> Estimate:
    """The estimate of one candidate."""
    (found,) = Estimator(header, cache=cache, measured=measured or Measured()).estimate(job, [name])
    return found


async def run_cases(line: Line, job: Job, name: str, count: int | None = None) -> None:
    """Ask the first cases of a job as a run does."""
    for case in job.cases[:count]:
        prompt = render_prompt(job.eval_set.prompt, case.input)
        candidate = line.header.candidates[name]
        await answer(line.caller(name).ask, candidate, prompt, job.eval_set.reply, job.eval_set.scorer)


@pytest.mark.parametrize(("name", "calls"), [("one", 1), ("three", 3), ("five", 5), ("again", 3), ("timed", 1)])
def test_calls(plan: Plan, name: str, calls: int) -> None:
    """At most every case takes all calls of the strategy, each tried as often as it may be; likely are fewer."""
    header, [job] = plan()
    attempts = header.providers[header.candidates[name].provider].max_attempts
    found = estimated(header, job, name)
    assert (found.at_most.calls, found.cached_calls) == (30 * calls * attempts, 0)
    assert 10 < found.likely.calls <= 30 * calls
    assert 0 < found.likely.usd < found.at_most.usd
    full = estimated(*((made := plan(full=True))[0], made[1][0]), name)
    assert full.likely.calls >= found.likely.calls
    assert full.at_most == found.at_most


CLEVER = ("4", "no mistakes", "4", "4", "4")
STUBBORN = ("1", "it is wrong, " * 90, "2", "3", "5")  # no vote agrees, and every critique finds something


@pytest.mark.parametrize("turns", [CLEVER, STUBBORN])
@pytest.mark.parametrize("name", ["one", "three", "five", "again", "timed"])
def test_most_is_never_below_the_truth(plan: Plan, name: str, turns: tuple[str, ...]) -> None:
    """Whatever a model answers, within its token limit, a run costs no more than the estimate said."""
    header, [job] = plan(evals=EVALS + CASES.replace("+ 0", "+ 0" + "9" * 200))
    found = estimated(header, job, name)
    calls = 0

    def script(asked: Request) -> Turn:
        nonlocal calls
        calls += 1
        place = len(asked.prompt.messages) // 2 if name == "again" else asked.sample
        reply = reply_of(turns[place], asked, latency_s=2.0)
        # The worst that a provider may charge for: a byte a token, and every token that was allowed.
        tokens = sum(len(turn.content.encode()) for turn in asked.prompt.messages if turn.role == "user")
        tokens += sum(asked.reply.max_tokens for turn in asked.prompt.messages if turn.role == "assistant")
        usage = replace(reply.usage, input_tokens=tokens, output_tokens=asked.reply.max_tokens)
        return replace(reply, usage=usage)

    async def at_once(_s: float) -> None:
        """No time passes, but the reply says that it took two seconds."""

    line = Line(header, script, sleep=at_once)
    asyncio.run(run_cases(line, job, name))
    attempts = header.providers[header.candidates[name].provider].max_attempts
    once_usd = found.at_most.usd / attempts
    assert line.spending.spent_usd <= once_usd
    assert line.spending.spent_usd * 5 > once_usd or turns is CLEVER  # a bound, not any large number
    assert calls == line.spending.paid_calls <= found.at_most.calls / attempts


@pytest.mark.parametrize("turns", [CLEVER, STUBBORN])
@pytest.mark.parametrize("name", ["one", "three", "five", "again"])
def test_what_is_paid_for_is_not_estimated_again(plan: Plan, tmp_path: Path, name: str, turns: tuple[str, ...]) -> None:
    """After ten cases their calls count as cached; after all, nothing is left to pay, however early votes ended."""
    header, [job] = plan()

    def script(asked: Request) -> Turn:
        return turns[len(asked.prompt.messages) // 2 if name == "again" else asked.sample]

    with ReplyCache(tmp_path / "cache.sqlite") as cache:
        line = Line(header, script, cache=cache)
        fresh = estimated(header, job, name, cache)
        asyncio.run(run_cases(line, job, name, 10))
        part = estimated(header, job, name, cache)
        assert part.cached_calls == line.spending.paid_calls
        assert part.at_most.usd < fresh.at_most.usd
        assert part.likely.usd < fresh.likely.usd
        asyncio.run(run_cases(line, job, name))
        whole = estimated(header, job, name, cache)
        assert whole.cached_calls == line.spending.paid_calls
        nothing = Amount(calls=0, input_tokens=0, output_tokens=0, usd=Decimal(0), seconds=0.0)
        assert whole.at_most == nothing
        assert replace(whole.likely, seconds=0.0) == nothing


def test_a_vote_that_was_cut_off(plan: Plan, tmp_path: Path) -> None:
    """Where only the first of three samples was kept, the other two are still to be paid."""
    header, [job] = plan()
    with ReplyCache(tmp_path / "cache.sqlite") as cache:
        asyncio.run(run_cases(Line(header, {"*": "4"}, cache=cache), job, "one"))
        found = estimated(header, job, "three", cache)
        attempts = header.providers["far"].max_attempts
        assert (found.at_most.calls, found.cached_calls) == (60 * attempts, 30)
        assert found.at_most.usd == estimated(header, job, "one").at_most.usd * 2
