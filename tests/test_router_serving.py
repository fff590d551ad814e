"""Serving one inquiry: places, fallbacks, escalation, hedging, deadlines, health, and what is written down of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl import errors
from routerctl.providers.base import Again
from routerctl.providers.fake import reply_of
from routerctl.routing.context import Context
from routerctl.routing.route import AllRungsFailed, NoPlaceAllowed, Routed, route
from routerctl.table import load_table
from routerctl.types import (
    Classifier,
    Condition,
    Escalation,
    Inquiry,
    OtherPlace,
    PlaceKey,
    ProviderSpec,
    Reply,
    Residency,
    ScorerSpec,
    StopReason,
    Table,
)

TODAY = date(2026, 11, 24)
ASKED = Inquiry(prompt="hello", task_class="sums")
Turn = str | StopReason | errors.ProviderError | errors.OverBudget | Callable[[], None]


class Far:
    """Answers by "provider/model" from a list of turns, the last of which stays; its clock moves 1 s a call."""

    def __init__(self, turns: Mapping[str, Sequence[Turn]]) -> None:
        self._turns = {place: list(said) for place, said in turns.items()}
        self.asked: list[tuple[str, float]] = []  # place, deadline
        self.now = 100.0
        self.seconds: dict[str, float] = {}  # a call's, by place; 1 where not said

    def clock(self) -> float:
        """Seconds."""
        return self.now

    async def call(self, provider: str, request: Any, *, until: float, again: Again = None, **_: object) -> Reply:
        """Give the next turn."""
        place = f"{provider}/{request.model}"
        self.asked.append((place, until))
        self.now += self.seconds.get(place, 1.0)
        turns = self._turns[place]
        turn = turns.pop(0) if len(turns) > 1 else turns[0]
        if isinstance(turn, Exception):
            raise turn
        reply = reply_of(turn if isinstance(turn, str) else "cut", request, latency_s=0.5)
        stop = turn if isinstance(turn, StopReason) else reply.stop_reason
        return replace(reply, cost_usd=Decimal("0.001"), served_model=request.model, stop_reason=stop)

    def places(self) -> list[str]:
        """Who was asked, in order."""
        return [place for place, _ in self.asked]


class Watch:
    """Health as a test wants it; keeps what was recorded."""

    def __init__(self, down: Sequence[str] = (), p95_s: float | None = None) -> None:
        self.down, self.p95_s = set(down), p95_s
        self.recorded: list[tuple[str, str]] = []
        self.gone: dict[str, str] = {}  # since when, by place

    def allows(self, place: PlaceKey, /) -> bool:
        return place.provider not in self.down

    def skipped(self, place: PlaceKey, /) -> str | None:
        return f"{place.provider} is open" if place.provider in self.down else None

    def retired(self, place: PlaceKey, /) -> str | None:
        return self.gone.get(f"{place.provider}/{place.model}")

    def record(self, place: PlaceKey, problem: errors.ProviderError | None, _s: float | None, /) -> None:
        self.recorded.append((place.provider, type(problem).__name__ if problem else "well"))

    def latency_s(self, _place: PlaceKey, share: float, /) -> float | None:
        return self.p95_s if share > 0.5 else None


@pytest.fixture
def table(built: Path) -> Table:
    """One class; `small` at two places, `large` at one."""
    made = load_table(built / "routes.yaml")
    cloud = ProviderSpec(name="cloud", kind="openai", region="eu")
    small = replace(made.candidates["small"], also=(OtherPlace(provider="cloud"),))
    return replace(
        made,
        routes={"sums": replace(made.routes["sums"], rungs=("small", "large"), chosen="small")},
        providers={**made.providers, "cloud": cloud},
        candidates={**made.candidates, "small": small},
        prices={**made.prices, "small@cloud": made.prices["small"]},
    )


def _routing(table: Table, **changes: Any) -> Table:
    return replace(table, routing=replace(table.routing, **changes))


async def _served(table: Table, far: Far, watch: Watch | None = None, asked: Inquiry = ASKED, **more: Any) -> Routed:
    context = Context(call=far.call, clock=far.clock, today=lambda: TODAY, watch=watch or Watch(), **more)
    return await route(table, context, asked)


def _story(routed: Routed) -> list[tuple[str, str, str, str]]:
    return [(hop.candidate, hop.provider, hop.outcome, hop.why) for hop in routed.decision.hops]


FULL = errors.Overloaded("full")
GONE = errors.ModelNotFound("no such model")
GONE_AT = ("fake/model-small", "cloud/model-small", "fake/model-heir")


async def test_the_same_model_elsewhere_comes_before_the_next_rung(table: Table) -> None:
    """A fallback keeps the evidence as long as it can."""
    far = Far({"fake/model-small": [FULL], "cloud/model-small": ["hi"], "fake/model-large": ["no"]})
    watch = Watch()
    routed = await _served(table, far, watch)
    assert _story(routed) == [
        ("small", "fake", "Overloaded", "first"),
        ("small", "cloud", "served", "fallback"),
    ]
    assert watch.recorded == [("fake", "Overloaded"), ("cloud", "well")]
    assert routed.answer.text == "hi"


async def test_all_places_down_is_the_next_rung(table: Table) -> None:
    """Only when no place of a model replies does another model serve."""
    far = Far({"fake/model-small": [FULL], "cloud/model-small": [FULL], "fake/model-large": ["hi"]})
    assert [who for who, *_ in _story(await _served(table, far))] == ["small", "small", "large"]


async def test_an_unhealthy_place_is_skipped_before_it_is_called(table: Table) -> None:
    """The hop says why, and costs nothing."""
    far = Far({"cloud/model-small": ["hi"]})
    routed = await _served(table, far, Watch(down=["fake"]))
    assert _story(routed)[0] == ("small", "fake", "skipped", "first")
    assert (routed.decision.hops[0].detail, routed.decision.hops[0].attempts) == ("fake is open", 0)
    assert far.places() == ["cloud/model-small"]


async def test_with_everybody_unhealthy_somebody_is_asked_all_the_same(table: Table) -> None:
    """A circuit breaker protects from waiting; it must not be the reason for having no answer."""
    far = Far({"fake/model-small": ["hi"]})
    routed = await _served(table, far, Watch(down=["fake", "cloud"]))
    assert routed.answer.text == "hi"
    assert [hop.outcome for hop in routed.decision.hops] == ["skipped", "skipped", "skipped", "served"]


# --- escalation -------------------------------------------------------------------------------------------------------


async def test_a_reply_that_is_not_confident_escalates(table: Table) -> None:
    """Truncated: the next rung is asked, both are paid for, and the hop says which signal it was."""
    table = _routing(table, thresholds={"default": {"complete": 0.5}})
    far = Far({"fake/model-small": [StopReason.MAX_TOKENS], "fake/model-large": ["whole"]})
    routed = await _served(table, far)
    assert _story(routed) == [("small", "fake", "not confident", "first"), ("large", "fake", "served", "escalation")]
    first, second = routed.decision.hops
    assert (first.confidence, first.detail) == ({"complete": 0.0}, "complete is 0, below 0.5")
    assert second.confidence == {"complete": 1.0}
    assert sum(hop.cost_usd for hop in routed.decision.hops) == Decimal("0.002")


async def test_the_last_rung_s_reply_is_served_as_it_is(table: Table) -> None:
    """There is nobody to escalate to."""
    table = _routing(table, thresholds={"default": {"complete": 0.5}})
    far = Far({"fake/model-small": [StopReason.MAX_TOKENS], "fake/model-large": [StopReason.MAX_TOKENS]})
    routed = await _served(table, far)
    assert [hop.outcome for hop in routed.decision.hops] == ["not confident", "served"]


async def test_a_doubtful_reply_is_better_than_none(table: Table) -> None:
    """Where everybody after it fails, the reply that was not confident is served, loudly."""
    table = _routing(table, thresholds={"default": {"complete": 0.5}})
    far = Far({"fake/model-small": [StopReason.MAX_TOKENS], "fake/model-large": [FULL]})
    routed = await _served(table, far)
    assert routed.answer.stop_reason is StopReason.MAX_TOKENS
    assert [hop.outcome for hop in routed.decision.hops] == ["served", "Overloaded"]
    assert "small was not confident" in routed.alarms[0]


async def test_a_cascade_serves_as_it_was_measured(table: Table) -> None:
    """The candidate's own thresholds, then whom it names; its reply is not held to them."""
    small = replace(table.candidates["small"], escalation=Escalation(to="large", below={"complete": 1.0}))
    table = replace(table, candidates={**table.candidates, "small": small})
    far = Far({"fake/model-small": [StopReason.MAX_TOKENS], "fake/model-large": [StopReason.MAX_TOKENS]})
    assert [hop.outcome for hop in (await _served(table, far)).decision.hops] == ["not confident", "served"]
    far = Far({"fake/model-small": ["whole"]})
    assert (await _served(table, far)).answer.text == "whole"


# --- redirect ---------------------------------------------------------------------------------------------------------


async def test_a_model_that_is_gone_is_redirected(table: Table) -> None:
    """A 404 leads to the successor the table names, loudly, before the next rung."""
    heir = replace(table.candidates["large"], name="heir", model="model-heir")
    table = replace(
        _routing(table, successors={"model-small": "heir"}),
        candidates={**table.candidates, "heir": heir},
        prices={**table.prices, "heir": table.prices["large"]},
    )
    gone = errors.ModelNotFound("model: model-small")
    far = Far({"fake/model-small": [gone], "cloud/model-small": [gone], "fake/model-heir": ["hi"]})
    routed = await _served(table, far)
    assert _story(routed)[-1] == ("heir", "fake", "served", "redirect")
    assert any("small is redirected to heir" in alarm for alarm in routed.alarms)


@pytest.fixture
def heirs(table: Table) -> Table:
    """The table with `heir` and `last`, whom no rung names."""
    made = {name: replace(table.candidates["large"], name=name, model=f"model-{name}") for name in ("heir", "last")}
    prices = dict.fromkeys(made, table.prices["large"])
    return replace(table, candidates={**table.candidates, **made}, prices={**table.prices, **prices})


async def test_one_place_without_the_model_is_enough_to_redirect(heirs: Table) -> None:
    """The other place of it failed otherwise: the successor comes before the next rung all the same."""
    far = Far({"fake/model-small": [GONE], "cloud/model-small": [FULL], "fake/model-heir": ["hi"]})
    routed = await _served(_routing(heirs, successors={"model-small": "heir"}), far)
    assert [(hop.outcome, hop.why) for hop in routed.decision.hops] == [
        ("ModelNotFound", "first"),
        ("Overloaded", "fallback"),
        ("served", "redirect"),
    ]


async def test_a_model_that_is_known_to_be_retired_is_not_asked(heirs: Table) -> None:
    """What a probe was told counts as a 404 that nobody has to wait for."""
    watch = Watch()
    watch.gone = {"fake/model-small": "is retired", "cloud/model-small": "is retired"}
    far = Far({"fake/model-heir": ["hi"]})
    routed = await _served(_routing(heirs, successors={"model-small": "heir"}), far, watch)
    assert [hop.outcome for hop in routed.decision.hops] == ["skipped", "skipped", "served"]
    assert far.places() == ["fake/model-heir"]
    far = Far({"fake/model-large": ["hi"]})
    assert (await _served(heirs, far, watch)).answer.text == "hi"


async def test_each_redirect_of_a_chain_is_an_alarm_once(heirs: Table) -> None:
    """A successor that is gone, too, has one of its own."""
    far = Far({**{place: [GONE] for place in GONE_AT}, "fake/model-last": ["hi"]})
    table = _routing(heirs, successors={"model-small": "heir", "model-heir": "last"})
    alarms = (await _served(table, far)).alarms
    assert [alarm.split(": ")[1].split(";")[0] for alarm in alarms] == [
        "small is redirected to heir",
        "heir is redirected to last",
    ]


async def test_who_named_the_class_may_still_serve(heirs: Table) -> None:
    """To be asked for the class is not to be asked for the answer: as a successor, and where a budget has no room."""
    table = replace(heirs, rules=(), default_class="sums", classifier=Classifier(candidate="heir"))
    table = _routing(table, successors={"model-small": "heir"})
    far = Far({**{place: [GONE] for place in GONE_AT[:2]}, "fake/model-heir": ["sums", "hi"]})
    routed = await _served(table, far, asked=Inquiry(prompt="hello"))
    assert _story(routed)[-1] == ("heir", "fake", "served", "redirect")
    over = errors.OverBudget("no room", cheap=("heir",))
    far = Far({"fake/model-small": [over], "fake/model-heir": ["sums", "hi"]})
    routed = await _served(table, far, asked=Inquiry(prompt="hello"))
    assert _story(routed)[-1] == ("heir", "fake", "served", "budget")


async def test_a_successor_that_is_a_later_rung_is_asked_once(table: Table) -> None:
    """It is moved to the front, not added."""
    far = Far({**{place: [GONE] for place in GONE_AT[:2]}, "fake/model-large": [FULL]})
    with pytest.raises(AllRungsFailed):
        await _served(_routing(table, successors={"model-small": "large"}), far)
    assert far.places() == ["fake/model-small", "cloud/model-small", "fake/model-large"]


# --- time -------------------------------------------------------------------------------------------------------------


async def test_hops_share_one_deadline(table: Table) -> None:
    """Each may take half of what is left while there are others; the last one all of it."""
    far = Far({"fake/model-small": [FULL], "cloud/model-small": [FULL], "fake/model-large": ["hi"]})
    await _served(_routing(table, deadline_s=8.0), far)
    assert [until for _, until in far.asked] == [104.0, 104.5, 108.0]


async def test_importing_an_sdk_counts_for_no_deadline(table: Table) -> None:
    """It takes seconds on a cold machine, once a process: the place is asked all the same, and in time."""
    far, ready = Far({"fake/model-small": [FULL], "cloud/model-small": ["hi"]}), set[str]()

    async def make_ready(provider: str) -> None:
        far.now += 0 if provider in ready else 7
        ready.add(provider)

    await _served(_routing(table, deadline_s=8.0), far, ready=make_ready)
    assert far.asked == [("fake/model-small", 111.0), ("cloud/model-small", 118.5)]


async def test_after_the_deadline_nobody_is_asked(table: Table) -> None:
    """What was tried is in the decision."""
    far = Far({"fake/model-small": [FULL]})
    far.seconds["fake/model-small"] = 9.0
    with pytest.raises(AllRungsFailed, match="every rung of sums failed: small: full") as caught:
        await _served(_routing(table, deadline_s=8.0), far)
    assert far.places() == ["fake/model-small"]
    assert caught.value.decision.total_s == 9.0


async def test_a_decision_has_its_times(table: Table) -> None:
    """Deciding apart from serving."""
    routed = await _served(table, Far({"fake/model-small": ["hi"]}))
    assert (routed.decision.decision_s, routed.decision.total_s) == (0.0, 1.0)
    assert len(routed.decision.id) == 32


class Slow(Far):
    """A place whose calls never end, until they are cancelled."""

    def __init__(self, turns: Mapping[str, Sequence[Turn]], stuck: str) -> None:
        super().__init__(turns)
        self.stuck, self.cancelled = stuck, 0

    async def call(self, provider: str, request: Any, *, until: float, again: Again = None, **_: object) -> Reply:
        if f"{provider}/{request.model}" == self.stuck:
            self.asked.append((self.stuck, until))
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return await super().call(provider, request, until=until)


async def test_a_slow_place_is_hedged(table: Table) -> None:
    """After the measured p95 the next place of the same model is asked too; the loser is cancelled and booked."""
    far = Slow({"cloud/model-small": ["hi"]}, stuck="fake/model-small")
    routed = await _served(_routing(table, hedge=True), far, Watch(p95_s=0.01))
    assert _story(routed) == [("small", "fake", "cancelled", "first"), ("small", "cloud", "served", "hedge")]
    assert (routed.answer.text, far.cancelled) == ("hi", 1)


async def test_a_hedge_leaves_out_a_place_that_is_not_well(table: Table) -> None:
    """It would be lost money; where nobody else is left, the same place is asked once more."""
    third = (*table.candidates["small"].also, OtherPlace(provider="third"))
    table = replace(
        table,
        providers={**table.providers, "third": replace(table.providers["cloud"], name="third")},
        candidates={**table.candidates, "small": replace(table.candidates["small"], also=third)},
        prices={**table.prices, "small@third": table.prices["small"]},
    )
    far = Slow({"third/model-small": ["hi"]}, stuck="fake/model-small")
    routed = await _served(_routing(table, hedge=True), far, Watch(down=["cloud"], p95_s=0.01))
    assert _story(routed) == [("small", "fake", "cancelled", "first"), ("small", "third", "served", "hedge")]
    assert "cloud/model-small" not in far.places()


async def test_a_quick_place_is_not_hedged(table: Table) -> None:
    """Nothing is asked twice that replies in time."""
    far = Far({"fake/model-small": ["hi"]})
    routed = await _served(_routing(table, hedge=True), far, Watch(p95_s=5.0))
    assert (far.places(), len(routed.decision.hops)) == (["fake/model-small"], 1)


async def test_a_hedge_whose_halves_both_fail_is_a_fallback(table: Table) -> None:
    """Two hops failed, the next rung serves."""
    far = Slow({"cloud/model-small": [FULL], "fake/model-large": ["hi"]}, stuck="")
    held = asyncio.Event()
    inner = far.call

    async def call(provider: str, request: Any, *, until: float, again: Again = None, **_: object) -> Reply:
        if provider == "fake" and request.model == "model-small":
            await held.wait()
            raise errors.ServerFault("broke")
        held.set()
        return await inner(provider, request, until=until)

    context = Context(call=call, clock=far.clock, watch=Watch(p95_s=0.01))
    routed = await route(_routing(table, hedge=True), context, ASKED)
    outcomes = [hop.outcome for hop in routed.decision.hops]
    assert (sorted(outcomes[:2]), outcomes[2:]) == (["Overloaded", "ServerFault"], ["served"])
    assert routed.decision.hops[-1].candidate == "large"


async def test_the_winner_of_a_hedge_is_held_to_its_own_pin(table: Table) -> None:
    """The same weights may have another id at another place: serving that one is no alarm."""
    small = replace(table.candidates["small"], also=(OtherPlace(provider="cloud", model="vendor.model-small"),))
    table = replace(table, candidates={**table.candidates, "small": small})
    far = Slow({"cloud/vendor.model-small": ["hi"]}, stuck="fake/model-small")
    routed = await _served(_routing(table, hedge=True), far, Watch(p95_s=0.01))
    assert (routed.answer.text, routed.alarms) == ("hi", ())


# --- spill, residency, classifier -------------------------------------------------------------------------------------


async def test_a_cold_model_is_passed_by_while_it_loads(table: Table) -> None:
    """Only where spilling is wanted, and only while there is somebody else; warm again, it serves."""
    warm: list[str] = []

    def is_warm(provider: str, _model: str) -> bool:
        return provider in warm

    far = Far({"fake/model-small": ["mine"], "cloud/model-small": ["theirs"], "fake/model-large": ["other"]})
    table = _routing(table, spill=True)
    warm.append("cloud")
    assert (await _served(table, far, warm=is_warm)).answer.text == "theirs"
    warm.append("fake")
    assert (await _served(table, far, warm=is_warm)).answer.text == "mine"
    warm.clear()
    assert (await _served(_routing(table, spill=False), far, warm=is_warm)).answer.text == "mine"
    assert (await _served(table, far, warm=is_warm)).answer.text == "mine"  # waiting for the last one gains nothing


@pytest.mark.parametrize(
    ("warm", "down", "served", "loaded"),
    [
        ((), (), "fake/model-small", []),
        ((), ("fake",), "cloud/model-small", []),
        (("other",), (), "other/model-large", ["fake/model-small", "cloud/model-small"]),
        (("other",), ("other",), "fake/model-small", []),
        (("cloud",), (), "cloud/model-small", ["fake/model-small"]),
        (("cloud",), ("cloud",), "fake/model-small", []),
        (("cloud", "other"), ("cloud",), "other/model-large", ["fake/model-small"]),
        (("fake",), (), "fake/model-small", []),
    ],
)
async def test_nobody_is_passed_by_for_one_that_is_no_quicker(
    table: Table, warm: tuple[str, ...], down: tuple[str, ...], served: str, loaded: list[str]
) -> None:
    """With nothing warm and well later on, the first rung serves; only models that are passed by are loaded."""
    large = replace(table.candidates["large"], provider="other")
    providers = {**table.providers, "other": ProviderSpec(name="other", kind="openai")}
    table = replace(table, candidates={**table.candidates, "large": large}, providers=providers)
    far = Far({place: ["hi"] for place in ("fake/model-small", "cloud/model-small", "other/model-large")})
    begun: list[str] = []
    await _served(
        _routing(table, spill=True),
        far,
        Watch(down=down),
        warm=lambda provider, _model: provider in warm,
        load=lambda provider, model: begun.append(f"{provider}/{model}"),
    )
    assert (far.places(), begun) == ([served], loaded)


async def test_a_reply_in_doubt_waits_for_the_next_rung(table: Table) -> None:
    """An escalation is for a better rung: the first of those that are left is loaded, not the last."""
    middle, large = (replace(table.candidates["large"], name=name, model=name) for name in ("middle", "best"))
    table = replace(
        table,
        candidates={**table.candidates, "middle": middle, "best": large},
        routes={"sums": replace(table.routes["sums"], rungs=("small", "middle", "best"))},
    )
    table = _routing(table, spill=True, thresholds={"default": {"complete": 0.5}})
    far = Far({"fake/model-small": [StopReason.MAX_TOKENS], "fake/middle": ["hi"]})
    routed = await _served(table, far, warm=lambda _provider, model: model == "model-small")
    assert (routed.decision.hops[-1].candidate, far.places()) == ("middle", ["fake/model-small", "fake/middle"])


async def test_residency_is_obeyed_or_refused(table: Table) -> None:
    """A place in a forbidden region is never asked, and having none left is the user's to know."""
    eu = Residency(name="eu", regions=("eu",), when=Condition(tenant=("acme",)))
    acme = replace(ASKED, tenant="acme")
    far = Far({"cloud/model-small": ["hi"]})
    routed = await _served(_routing(table, residency=(eu,)), far, asked=acme)
    assert far.places() == ["cloud/model-small"]
    assert routed.decision.hops[0].provider == "cloud"
    nowhere = replace(eu, regions=("moon",))
    with pytest.raises(NoPlaceAllowed, match="no rung of its route may answer in moon") as caught:
        await _served(_routing(table, residency=(nowhere,)), far, asked=acme)
    assert [(hop.candidate, hop.outcome, hop.detail) for hop in caught.value.decision.hops] == [
        ("small", "skipped", "has no place in moon (routing.residency)"),
        ("large", "skipped", "has no place in moon (routing.residency)"),
    ]


async def test_a_model_may_name_the_class(table: Table) -> None:
    """It is asked only where neither caller nor rule has named it; its call is a hop with its cost."""
    table = replace(
        table,
        rules=(),
        default_class="sums",
        classifier=Classifier(candidate="large"),
        routes={**table.routes, "talk": replace(table.routes["sums"], task_class="talk", description="Small talk.")},
    )
    far = Far({"fake/model-large": ["talk"], "fake/model-small": ["hi"]})
    routed = await _served(table, far, asked=Inquiry(prompt="hello"))
    assert (routed.decision.task_class, routed.decision.decided_by) == ("talk", "classifier")
    first = routed.decision.hops[0]
    assert (first.candidate, first.outcome, first.why, first.cost_usd) == (
        "large",
        "classified",
        "classify",
        Decimal("0.001"),
    )
    far = Far({"fake/model-large": [FULL], "fake/model-small": ["hi"]})
    routed = await _served(table, far, asked=Inquiry(prompt="hello"))
    assert (routed.decision.task_class, routed.decision.decided_by) == ("sums", "default")
    assert [hop.outcome for hop in routed.decision.hops] == ["Overloaded", "served"]


# --- who is asked beside the route: classifier and judge --------------------------------------------------------------

VERDICTS = {good: json.dumps({"reason": "so", "score": score}) for good, score in ((True, "pass"), (False, "fail"))}
HELLO = Inquiry(prompt="hello")


@pytest.fixture
def helped(table: Table) -> Table:
    """The table with a model at `side` that names classes and judges; `small` serves at one place."""
    side = ProviderSpec(name="side", kind="openai", region="us")
    helper = replace(table.candidates["large"], name="helper", provider="side", model="model-helper")
    scorer = ScorerSpec(name="judge", params={"candidate": "helper", "rubric": "Is it right?"})
    return replace(
        table,
        rules=(),
        default_class="sums",
        routes={"sums": replace(table.routes["sums"], scorer=scorer)},
        providers={**table.providers, "side": side},
        candidates={**table.candidates, "helper": helper, "small": replace(table.candidates["small"], also=())},
        prices={**table.prices, "helper": table.prices["large"]},
    )


def _classified(table: Table, **routing: object) -> Table:
    return _routing(replace(table, classifier=Classifier(candidate="helper")), **routing)


def _judged(table: Table, **routing: object) -> Table:
    return _routing(table, thresholds={"sums": {"judge": 0.7}}, **routing)


EU = Residency(name="eu", regions=("eu",), when=Condition(tenant=("acme",)))


async def test_residency_holds_for_who_names_the_class(helped: Table) -> None:
    """The prompt is not shown to a classifier outside of the allowed regions: the default class serves."""
    providers = {**helped.providers, "fake": replace(helped.providers["fake"], region="eu")}
    helped = _classified(replace(helped, providers=providers), residency=(EU,))
    far = Far({"fake/model-small": ["hi"], "side/model-helper": ["sums"]})
    routed = await _served(helped, far, asked=replace(HELLO, tenant="acme"))
    assert far.places() == ["fake/model-small"]
    assert (routed.decision.decided_by, _story(routed)[0]) == ("default", ("helper", "side", "skipped", "classify"))
    assert routed.decision.hops[0].detail == "has no place in eu (routing.residency)"
    assert (await _served(helped, far, asked=HELLO)).decision.decided_by == "classifier"
    with pytest.raises(errors.InputError, match="the classifier helper: has no place in eu") as caught:
        await _served(replace(helped, default_class=None), far, asked=replace(HELLO, tenant="acme"))
    assert "does not know" not in str(caught.value)


async def test_residency_holds_for_the_judge(helped: Table) -> None:
    """It sees prompt and reply; where it may not, it gives no verdict and the reply is served."""
    providers = {**helped.providers, "fake": replace(helped.providers["fake"], region="eu")}
    far = Far({"fake/model-small": ["hi"], "side/model-helper": [VERDICTS[False]]})
    table = _judged(replace(helped, providers=providers), residency=(EU,))
    routed = await _served(table, far, asked=replace(ASKED, tenant="acme"))
    assert far.places() == ["fake/model-small"]
    assert routed.decision.hops[0].detail == "the judge helper: has no place in eu (routing.residency)"


async def test_a_classifier_that_hangs_leaves_time_for_the_answer(helped: Table) -> None:
    """It gets half of what is left, as a rung does."""
    far = Far({"fake/model-small": ["hi"], "side/model-helper": [errors.TimedOut("no reply")]})
    far.seconds["side/model-helper"] = 4.0
    routed = await _served(_classified(helped, deadline_s=8.0), far, asked=HELLO)
    assert far.asked == [("side/model-helper", 104.0), ("fake/model-small", 106.0)]
    assert routed.decision.decided_by == "default"


async def test_a_classifier_that_is_not_well_is_passed_by(helped: Table) -> None:
    """Its breaker spares the wait; the default class serves."""
    far = Far({"fake/model-small": ["hi"]})
    routed = await _served(_classified(helped), far, Watch(down=["side"]), asked=HELLO)
    assert _story(routed)[0] == ("helper", "side", "skipped", "classify")
    assert (routed.answer.text, routed.decision.hops[0].detail) == ("hi", "side is open")


async def test_a_judge_that_hangs_does_not_hold_back_an_answer(helped: Table) -> None:
    """It gets a share of what is left, and that it gave no verdict stands in the hop."""
    far = Far({"fake/model-small": ["hi"], "side/model-helper": [errors.TimedOut("no reply to: hello")]})
    routed = await _served(_judged(helped, deadline_s=9.0), far)
    assert far.asked[1] == ("side/model-helper", 105.0)
    (hop,) = routed.decision.hops
    assert (hop.outcome, hop.detail, hop.confidence) == ("served", "the judge gave no verdict: TimedOut", {})
    far = Far({"fake/model-small": ["hi"]})
    routed = await _served(_judged(helped), far, Watch(down=["side"]))
    assert routed.decision.hops[0].detail == "the judge helper: side is open"


async def test_a_judge_is_asked_only_where_its_word_can_change_something(helped: Table) -> None:
    """The last rung's reply is served whatever it says; a rung that has no allowed place is no rung."""
    far = Far({"fake/model-small": ["no"], "fake/model-large": ["hi"], "side/model-helper": [VERDICTS[False]]})
    routed = await _served(_judged(helped), far)
    assert far.places() == ["fake/model-small", "side/model-helper", "fake/model-large"]
    assert [(hop.outcome, dict(hop.confidence)) for hop in routed.decision.hops] == [
        ("not confident", {"judge": 0.0}),
        ("served", {}),
    ]
    assert routed.decision.hops[0].cost_usd == Decimal("0.002")
    large = replace(helped.candidates["large"], region="us")
    table = replace(helped, candidates={**helped.candidates, "large": large})
    table = _judged(
        replace(table, providers={**table.providers, "fake": replace(table.providers["fake"], region="eu")})
    )
    far = Far({"fake/model-small": ["no"]})
    await _served(_routing(table, residency=(EU,)), far, asked=replace(ASKED, tenant="acme"))
    assert far.places() == ["fake/model-small"]


async def test_a_judge_is_no_signal_of_a_class_that_has_none(helped: Table) -> None:
    """A threshold of the default reaches such classes too: no value, so nothing escalates."""
    routes = {"sums": replace(helped.routes["sums"], scorer=ScorerSpec(name="exact"))}
    far = Far({"fake/model-small": ["hi"]})
    routed = await _served(_judged(replace(helped, routes=routes)), far)
    assert routed.answer.text == "hi"
    assert routed.decision.hops[0].detail == "no judge: the class's scorer is exact"
