"""Health of places: the circuit breaker as arithmetic, its latencies, and what processes share of it."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl import errors
from routerctl.routing.health import Health
from routerctl.routing.health.breaker import (
    ALONE_S,
    CLOSING,
    FORGIVEN_S,
    IN_A_ROW,
    LASTING_S,
    LEASE_S,
    LEAST_CALLS,
    OPEN_CAP_S,
    OPEN_S,
    TRIAL_S,
    WINDOW_S,
    Breaker,
    Event,
)
from routerctl.routing.health.latency import PERIOD_S, Sketch
from routerctl.routing.state import STATE_FILE, Change, Documents, StateStore, open_state
from routerctl.routing.state.base import T
from routerctl.routing.state.sqlite import SqliteStore
from routerctl.types import Json, PlaceKey
from tests.redis_server import running_redis

ROOT = Path(__file__).parents[1]
START = 1_000_000.0
PLACE = PlaceKey("anthropic", "claude/small:1")


def jitter(seed: int) -> random.Random:
    """Chance that a test can repeat."""
    return random.Random(seed)  # noqa: S311 - no secrets


def event(at: float, good: bool | None = False, **more: Any) -> Event:
    """A call that took no time."""
    given = Event(at=START + at, began=START + at, good=good, error="" if good else "Overloaded")
    return replace(given, **more)


def after(*events: Event) -> Breaker:
    """The breaker after these events, written down and read again after each."""
    breaker = Breaker()
    for one in events:
        breaker.note(one)
        breaker = Breaker(breaker.document())
    return breaker


def opened(times: int = 1) -> tuple[Breaker, float]:
    """A breaker that was opened so many times in a row, and when it may be tried next, from START."""
    breaker = after(*(event(0) for _ in range(IN_A_ROW)))
    for _ in range(times - 1):
        now = breaker.until
        assert breaker.try_by("somebody", now)
        breaker.note(event(now - START))
    return breaker, breaker.until - START


# --- the breaker ------------------------------------------------------------------------------------------------------


def test_failures_in_a_row_open_it() -> None:
    """At any rate of calls; a success in between starts the row anew."""
    few = [event(100.0 * number) for number in range(IN_A_ROW - 1)]
    assert after(*few).state == "closed"
    assert after(*few, event(900, True), *few).state == "closed"
    assert after(*few, event(1000)).state == "open"


def test_a_process_that_fails_alone_shuts_nothing_for_the_others() -> None:
    """Its network is broken, or its key: the place answers everybody else. Once it answers nobody, it is shut."""
    for more in ({}, {"lasting": True}):
        there = [one for second in range(30) for one in (*[event(second, True)] * 9, event(second + 0.5, **more))]
        assert after(*there).state == "closed"
        broken = [event(29.5 + ALONE_S * number / IN_A_ROW, **more) for number in range(IN_A_ROW)]
        assert after(*there, *broken).state == "open"


def test_half_of_the_calls_of_the_window_open_it() -> None:
    """Where successes keep breaking the row; with fewer calls than the least, nothing is concluded."""
    mixed = [event(number, number % 2 == 0) for number in range(LEAST_CALLS)]
    assert after(*mixed[:-1]).state == "closed"
    assert after(*mixed).state == "open"


def test_what_left_the_window_does_not_count() -> None:
    """The same failures spread over more than a minute are no outage."""
    step = 2 * WINDOW_S / LEAST_CALLS
    assert after(*(event(number * step, number % 2 == 0) for number in range(4 * LEAST_CALLS))).state == "closed"


def test_many_good_calls_outweigh_some_failures() -> None:
    """A place that fails one call in three stays, and the failures are remembered for whoever looks."""
    breaker = after(*(event(number * 0.1, number % 3 != 0) for number in range(300)))
    assert breaker.state == "closed"
    assert breaker.error["name"] == "Overloaded"


def test_nothing_learned_changes_nothing() -> None:
    """A bad request or a full queue of our own says nothing of the place."""
    assert after(*(event(number, None) for number in range(100))).document() == Breaker().document()


def test_it_opens_longer_each_time_up_to_a_cap() -> None:
    """Doubling; without jitter here."""
    waits = []
    for times in range(1, 10):
        breaker, until = opened(times)
        waits.append(until - (breaker.since - START))
    assert waits == [min(OPEN_CAP_S, OPEN_S * 2**number) for number in range(9)]


def test_jitter_takes_a_fifth_at_most() -> None:
    """Places that went down together are not tried together."""
    breaker = after(*(event(0, jitter=0.999) for _ in range(IN_A_ROW)))
    assert 0.8 * OPEN_S < breaker.until - START < 0.801 * OPEN_S


def test_a_place_that_says_when_is_not_tried_before() -> None:
    """Jitter does not take from what was asked for; the cap does."""
    assert after(*(event(0, wait_s=42.0, jitter=0.9) for _ in range(IN_A_ROW))).until == START + 42.0
    assert after(*(event(0, wait_s=86400.0) for _ in range(IN_A_ROW))).until == START + OPEN_CAP_S


def test_a_wrong_key_opens_it_at_once_and_for_long() -> None:
    """One such answer is enough: the next call would get the same one."""
    assert after(event(0, lasting=True)).until == START + LASTING_S


def test_after_a_long_good_time_it_starts_small_again() -> None:
    """The trouble of yesterday does not make today's longer."""
    for quiet_s, opens_s in ((FORGIVEN_S - 1, 2 * OPEN_S), (FORGIVEN_S, OPEN_S)):
        breaker, until = opened()
        for number in range(CLOSING):
            assert breaker.try_by("me", START + until + number)
            breaker.note(event(until + number, True))
        again = breaker.closed_at + quiet_s
        for _ in range(IN_A_ROW):
            breaker.note(event(again - START))
        assert breaker.until == again + opens_s


def test_one_caller_may_try_and_only_when_it_is_time() -> None:
    """Everybody else waits for how that goes."""
    breaker, until = opened()
    assert not breaker.try_by("early", START + until - 0.001)
    assert breaker.try_by("first", START + until)
    assert breaker.state == "half_open"
    assert not breaker.try_by("second", START + until)


def test_tries_that_go_well_close_it() -> None:
    """One after the other; the old failures do not open it again."""
    breaker, until = opened()
    for number in range(CLOSING):
        assert breaker.state != "closed"
        assert breaker.try_by("me", START + until + number)
        breaker.note(event(until + number, True))
    assert breaker.state == "closed"
    breaker.note(event(until + CLOSING))
    assert breaker.state == "closed"


def test_a_try_that_told_nothing_frees_the_place_for_another() -> None:
    """The request was bad, say."""
    breaker, until = opened()
    assert breaker.try_by("first", START + until)
    breaker.note(event(until + 1, None))
    assert breaker.try_by("second", START + until + 1)


def test_a_call_from_before_is_no_try() -> None:
    """A late success does not close an open place, a late failure does not make it longer."""
    breaker, until = opened()
    before = breaker.document()
    breaker.note(event(until + 1, True, began=START - 1))
    assert breaker.document() == before
    assert breaker.try_by("me", START + until)
    breaker.note(event(until + 2, began=START - 1))
    assert breaker.state == "half_open"


def test_whoever_was_asked_in_spite_of_it_counts_as_a_try() -> None:
    """Where everybody is shut, somebody is asked all the same; what that shows is used."""
    breaker, _ = opened()
    breaker.note(event(1, True))
    assert (breaker.state, breaker.wins) == ("half_open", 1)


def test_the_right_to_try_ends_with_the_process_that_has_it() -> None:
    """Renewed while it lives, up to a bound; then somebody else may."""
    breaker, until = opened()
    now = START + until
    assert breaker.try_by("first", now)
    while breaker.renew("first", now):
        assert not breaker.renew("second", now)
        assert not breaker.try_by("second", now)
        now += LEASE_S / 2
    assert now == START + until + TRIAL_S
    assert breaker.try_by("second", now + LEASE_S)


def test_a_probe_speaks_where_nobody_calls() -> None:
    """A failed one opens an idle place at once; beside good traffic it is one failure among many."""
    assert after(event(0, probe=True)).state == "open"
    assert after(event(0, True), event(1, probe=True)).state == "closed"


events = st.builds(
    event,
    st.floats(0, 1000),
    st.sampled_from([True, False, None]),
    lasting=st.booleans(),
    probe=st.booleans(),
    jitter=st.floats(0, 0.999),
    wait_s=st.floats(0, 1000),
)


@given(st.lists(events, max_size=60))
def test_any_history_leaves_a_breaker_that_heals(history: Sequence[Event]) -> None:
    """In whatever order events came: it is tried within the cap, by one, and good tries close it."""
    breaker = after(*sorted(history, key=lambda one: one.at))
    now = START + 1000 + OPEN_CAP_S
    for number in range(CLOSING):
        assert breaker.try_by("me", now + number)
        assert breaker.state == "closed" or not breaker.try_by("other", now + number)
        breaker.note(event(now + number - START, True))
    assert breaker.state == "closed"
    assert Breaker(breaker.document()).document() == breaker.document()


@pytest.mark.parametrize("ahead_s", [3600.0, 86_400.0, 500_000.0])
def test_what_a_clock_noted_that_was_ahead_is_forgotten(ahead_s: float) -> None:
    """An open breaker may be tried, a trial of the future is nobody's, and what is counted is what is now."""
    breaker, _ = opened(3)
    breaker.forget_future(START - ahead_s)
    assert breaker.may_be_tried(START - ahead_s)
    assert (breaker.since, breaker.until <= START - ahead_s) == (START - ahead_s, True)
    trying, until = opened()
    assert trying.try_by("gone", START + until)
    trying.forget_future(START - ahead_s)
    assert trying.try_by("me", START - ahead_s)
    well = after(*(event(number, True) for number in range(LEAST_CALLS)))
    well.forget_future(START - ahead_s)
    for _ in range(IN_A_ROW):
        well.note(event(-ahead_s))
    assert well.state == "open"


def test_clocks_that_differ_a_little_forget_nothing() -> None:
    """Another machine's clock may be ahead by a second or two, and a wait be as long as it gets."""
    breaker, _ = opened()
    breaker.note(event(0, lasting=True))
    before = breaker.document()
    breaker.forget_future(START - 2)
    assert breaker.document() == before
    breaker.forget_future(START + 1e9)
    assert breaker.document() == before


# --- which errors count -----------------------------------------------------------------------------------------------


def test_errors_say_themselves_whether_they_speak_of_the_place() -> None:
    """Policy is data: a new kind of error says it, or does not count."""
    kinds = errors.ProviderError.__subclasses__()
    assert {kind.__name__ for kind in kinds if kind.unhealthy and not kind.lasting} >= {
        "BrokenReply",
        "ConnectionFailed",
        "Overloaded",
        "RateLimited",
        "ServerFault",
        "TimedOut",
        "WrongAddress",
    }
    assert {kind.__name__ for kind in kinds if kind.lasting} == {"BillingProblem", "KeyRefused"}
    ours = (errors.BadRequest, errors.ModelNotFound, errors.Busy, errors.KeyMissing)
    assert not any(kind.unhealthy for kind in ours)
    assert all(kind.unhealthy for kind in kinds if kind.lasting)


# --- latencies --------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.001, 3600), min_size=20, max_size=200))
def test_a_quantile_is_within_five_percent(latencies: Sequence[float]) -> None:
    """Of the exact one, by nearest rank."""
    sketch = Sketch()
    for one in latencies:
        sketch.add(one, START)
    found = Sketch(sketch.document()).latency(START)
    for share, got in ((0.5, found.p50_s), (0.95, found.p95_s)):
        exact = sorted(latencies)[math.ceil(share * len(latencies)) - 1]
        assert got is not None
        assert exact / 1.051 <= got <= exact * 1.051


@given(st.lists(st.tuples(st.floats(0.001, 3600), st.floats(0, 3000)), max_size=60), st.randoms())
def test_merging_is_counting_in_any_order(calls: list[tuple[float, float]], rng: random.Random) -> None:
    """What two processes saw, put together, is what one would have seen."""
    calls.sort(key=lambda call: call[1])
    whole, parts = Sketch(), [Sketch(), Sketch()]
    for latency_s, at in calls:
        whole.add(latency_s, START + at)
        rng.choice(parts).add(latency_s, START + at)
    rng.shuffle(parts)
    parts[0].merge(parts[1])
    assert parts[0].latency(START + 3000) == whole.latency(START + 3000)


def test_too_few_calls_have_no_quantile() -> None:
    """A p95 of ten calls would be their maximum."""
    sketch = Sketch()
    for calls in range(1, 21):
        sketch.add(1.0, START)
        found = sketch.latency(START)
        assert (found.calls, found.p50_s is None, found.p95_s is None) == (calls, calls < 5, calls < 20)


def test_old_latencies_are_forgotten() -> None:
    """Those of the last period and this one count."""
    sketch = Sketch()
    for _ in range(30):
        sketch.add(9.0, START)
    for _ in range(10):
        sketch.add(1.0, START + PERIOD_S)
    assert sketch.latency(START + PERIOD_S).calls == 40
    assert sketch.latency(START + 2 * PERIOD_S).calls == 10
    assert sketch.latency(START + 3 * PERIOD_S).calls == 0


def test_odd_latencies_are_kept_within_the_scale() -> None:
    """Zero, and a day: the scale is bounded, so what is stored is."""
    sketch = Sketch()
    for number in range(10_000):
        sketch.add(number * 10.0, START)
    assert len(sketch.document()["steps"]) < 160


# --- what processes share ---------------------------------------------------------------------------------------------


class Clock:
    """Seconds since the epoch, moved by the test."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Stands still unless moved."""
    return Clock()


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this module's own."""
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["sqlite", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path | str, str]:
    """A place for shared state and the project's name there."""
    if request.param == "sqlite":
        return tmp_path / STATE_FILE, "test"
    return request.getfixturevalue("redis_url"), tmp_path.name


def health_at(where: tuple[Path | str, str], clock: Clock, seed: int = 0) -> Health:
    """One process's health, without its thread."""
    store = open_state(where[0], warn=pytest.fail, project=where[1])
    return Health(store, clock=clock, rng=jitter(seed), every_s=None)


def fail(health: Health, times: int = IN_A_ROW, problem: errors.ProviderError | None = None) -> None:
    """Note failures of the place."""
    for _ in range(times):
        health.record(PLACE, problem or errors.Overloaded("full", provider="anthropic"), None)


def test_an_unknown_place_is_well(where: tuple[Path | str, str], clock: Clock) -> None:
    """Nothing speaks against it, and nothing is known of its latency."""
    health = health_at(where, clock)
    assert health.allows(PLACE)
    assert health.skipped(PLACE) is None
    assert health.latency(PLACE).p50_s is None
    health.close()


def test_a_place_that_one_process_shut_is_shut_for_all(where: tuple[Path | str, str], clock: Clock) -> None:
    """Those that run see it with their next look, those that start later at once; both say why."""
    one, other = (health_at(where, clock, seed) for seed in (1, 2))
    assert other.allows(PLACE)
    fail(one)
    assert not one.allows(PLACE)
    one.sync()
    other.sync()
    later = health_at(where, clock, 3)
    for health in (other, later):
        assert not health.allows(PLACE)
        assert (health.skipped(PLACE) or "").startswith("shut for 0 s after Overloaded; tried again in ")
    for health in (one, other, later):
        health.close()


@pytest.mark.parametrize("jump_s", [86_400.0, -86_400.0])
def test_a_clock_that_was_wrong_shuts_nothing_for_as_long(
    where: tuple[Path | str, str], clock: Clock, jump_s: float
) -> None:
    """What it noted is not believed once it is right: not by its own process, by others, nor by those that come."""
    one, other = (health_at(where, clock, seed) for seed in (1, 2))
    assert other.allows(PLACE)
    clock.now += jump_s
    for _ in range(3 * LEAST_CALLS):
        one.record(PLACE, None, 9.0)
    clock.now += ALONE_S
    fail(one, 9 * LEAST_CALLS)
    one.sync()
    clock.now = START
    one.record(PLACE, errors.BadRequest("no"), None)  # speaks of nothing
    other.sync()
    later = health_at(where, clock, 3)
    for health in (one, other, later):
        told = health.shown(PLACE)
        assert told.state == "closed" or (told.since or 0.0) <= START
        assert health.skipped(PLACE) is None or "tried again in 0 s" in (health.skipped(PLACE) or "")
        assert "-" not in (health.skipped(PLACE) or "").partition("after")[0]
    assert later.allows(PLACE)  # a try, or it is well
    for _ in range(CLOSING):
        clock.now += 1
        later.record(PLACE, None, 0.5)
    later.sync()
    other.sync()
    assert (later.shown(PLACE).state, other.allows(PLACE)) == ("closed", True)
    clock.now += 60
    fail(other)
    assert not other.allows(PLACE)  # the failures of now count as ever
    for health in (one, other, later):
        health.close()


def test_latencies_of_a_clock_that_was_ahead_are_forgotten(where: tuple[Path | str, str], clock: Clock) -> None:
    """They would be taken for the latest for as long as it was ahead."""
    one, other = (health_at(where, clock, seed) for seed in (1, 2))
    clock.now += 86_400
    for _ in range(30):
        one.record(PLACE, None, 60.0)
    one.sync()
    clock.now = START
    for health in (one, other):
        for _ in range(30):
            health.record(PLACE, None, 0.1)
        health.sync()
    one.sync()
    for health in (one, other):
        found = health.latency(PLACE)
        assert found.calls == 60
        assert found.p95_s == pytest.approx(0.1, rel=0.06)
        health.close()


def _hurried(spent_s: float) -> errors.TimedOut:
    problem = errors.TimedOut("no reply", provider="anthropic")
    problem.hurried, problem.spent_s = True, spent_s
    return problem


def test_a_deadline_that_others_used_up_is_not_this_places_fault(where: tuple[Path | str, str], clock: Clock) -> None:
    """A place that had less time than it usually takes said nothing of itself; one that had it is silent."""
    health = health_at(where, clock)
    fail(health, 5 * IN_A_ROW, _hurried(0.4))
    assert health.allows(PLACE)
    for _ in range(30):
        health.record(PLACE, None, 0.5)
    clock.now += 2 * WINDOW_S
    fail(health, 5 * IN_A_ROW, _hurried(0.4))
    assert health.allows(PLACE)
    fail(health, 5 * IN_A_ROW, _hurried(1.0))
    assert not health.allows(PLACE)
    health.close()


def test_silence_counts_where_nothing_is_known(where: tuple[Path | str, str], clock: Clock) -> None:
    """A deadline shorter than its own limit does not hide a place that hangs from the first call on."""
    health = health_at(where, clock)
    fail(health, IN_A_ROW, _hurried(10.0))
    assert not health.allows(PLACE)
    health.close()


def test_failures_of_several_processes_add_up(where: tuple[Path | str, str], clock: Clock) -> None:
    """None of them saw enough alone."""
    fleet = [health_at(where, clock, seed) for seed in range(IN_A_ROW)]
    assert all(health.allows(PLACE) for health in fleet)
    for health in fleet:
        fail(health, 1)
        assert health.allows(PLACE)
    for health in (*fleet, fleet[0]):
        health.sync()
    assert not fleet[0].allows(PLACE)
    for health in fleet:
        health.close()


def test_a_place_heals_for_all(where: tuple[Path | str, str], clock: Clock) -> None:
    """One tries, twice; then all call again."""
    one, other = (health_at(where, clock, seed) for seed in (1, 2))
    fail(one)
    one.sync()
    for _ in range(CLOSING):
        clock.now += OPEN_S
        assert one.allows(PLACE)
        assert not one.allows(PLACE)
        assert not other.allows(PLACE)
        assert "tried again by one caller" in (other.skipped(PLACE) or "")
        clock.now += 1
        one.record(PLACE, None, 0.5)
        one.sync()
    other.sync()
    assert one.allows(PLACE)
    assert other.allows(PLACE)
    one.close()
    other.close()


def test_latencies_of_all_processes_count(where: tuple[Path | str, str], clock: Clock) -> None:
    """Ten calls here and ten there are twenty."""
    one, other = (health_at(where, clock, seed) for seed in (1, 2))
    for _ in range(10):
        one.record(PLACE, None, 1.0)
        other.record(PLACE, None, 1.0)
    one.sync()
    other.sync()
    found = other.latency(PLACE)
    assert found.calls == 20
    assert found.p95_s == pytest.approx(1.0, rel=0.05)
    one.close()
    other.close()


def test_what_was_noted_is_shared_at_the_end(where: tuple[Path | str, str], clock: Clock) -> None:
    """A process that lives for one prompt leaves what it saw."""
    brief = health_at(where, clock)
    fail(brief, problem=errors.KeyRefused("no to: my secret prompt", status=401), times=1)
    brief.close()
    after_it = health_at(where, clock)
    shown = after_it.shown(PLACE)
    assert (shown.state, shown.error, shown.words, shown.error_at) == ("open", "KeyRefused", "HTTP 401", START)
    after_it.close()


def test_what_the_far_side_said_is_not_kept(where: tuple[Path | str, str], clock: Clock) -> None:
    """It may quote the prompt of one caller, and is read by all: class and status say enough."""
    one = health_at(where, clock)
    fail(one, problem=errors.ServerFault("crashed on: my secret prompt", status=500))
    assert (one.skipped(PLACE) or "").startswith("shut for 0 s after ServerFault (HTTP 500); tried again in ")
    one.sync()
    assert "secret" not in str(open_state(where[0], warn=pytest.fail, project=where[1]).scan("health/"))
    one.close()


def test_a_retired_model_is_known_to_all(where: tuple[Path | str, str], clock: Clock) -> None:
    """One probe tells it, others see it with their next look; and what is told anew counts."""
    one, other = (health_at(where, clock, seed) for seed in (1, 2))
    assert other.retired(PLACE) is None
    one.tell_retired(PLACE, "is retired since 2026-11-01")
    one.record(PLACE, None, 1.0)
    one.sync()
    other.sync()
    assert one.retired(PLACE) == other.retired(PLACE) == "is retired since 2026-11-01"
    other.record(PLACE, None, 1.0)
    other.sync()
    assert other.retired(PLACE) == "is retired since 2026-11-01"
    other.tell_retired(PLACE, "")
    other.sync()
    one.sync()
    assert one.retired(PLACE) is None
    one.close()
    other.close()


def test_one_process_probes_a_place_in_a_while(where: tuple[Path | str, str], clock: Clock) -> None:
    """However many ask."""
    fleet = [health_at(where, clock, seed) for seed in range(3)]
    assert [health.due(PLACE, 60) for health in fleet] == [True, False, False]
    clock.now += 60
    assert [health.due(PLACE, 60) for health in reversed(fleet)] == [True, False, False]
    for health in fleet:
        health.close()


FLEET = """
import random, sys
from pathlib import Path
from routerctl.routing.health import Health, PlaceKey
from routerctl.routing.state import open_state
where, project, now, seed = sys.argv[1:]
place = PlaceKey("anthropic", "claude/small:1")
store = open_state(where if where.startswith("redis") else Path(where), warn=sys.exit, project=project)
health = Health(store, clock=lambda: float(now), rng=random.Random(seed), every_s=None)
health.skipped(place)
print("ready", flush=True)
sys.stdin.readline()
print(sum(health.allows(place) for _ in range(300)), flush=True)
sys.stdin.readline()  # killed here: whoever may try dies without a word
"""


def given_to_a_fleet(where: tuple[Path | str, str], now: float) -> list[int]:
    """How often each of four processes that ask at once may call the place; all are killed afterwards."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", FLEET, str(where[0]), where[1], str(now), str(seed)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(4)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        return [int(worker.stdout.readline()) for worker in workers if worker.stdout]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def test_one_caller_of_a_whole_fleet_tries(where: tuple[Path | str, str], clock: Clock) -> None:
    """Four processes ask 300 times each; when the one that got it is killed, another one gets it after the lease."""
    health = health_at(where, clock)
    fail(health)
    health.close()
    assert sum(given_to_a_fleet(where, START + OPEN_S)) == 1
    assert sum(given_to_a_fleet(where, START + OPEN_S + LEASE_S - 1)) == 0
    assert sum(given_to_a_fleet(where, START + OPEN_S + LEASE_S)) == 1


class Counting:
    """A store that counts what is asked of it, and can be down."""

    def __init__(self, store: StateStore) -> None:
        self._store, self.down = store, False
        self.reads, self.writes = 0, 0

    def get(self, keys: Sequence[str]) -> dict[str, Json | None]:
        self.reads += 1
        self._check()
        return self._store.get(keys)

    def update(self, keys: Sequence[str], change: Change[T], *, ttl_s: float | None = None, wait: bool = True) -> T:
        self.writes += 1
        self._check()
        return self._store.update(keys, change, ttl_s=ttl_s, wait=wait)

    def scan(self, prefix: str) -> dict[str, Json]:
        self.reads += 1
        self._check()
        return self._store.scan(prefix)

    def close(self) -> None:
        self._store.close()

    def _check(self) -> None:
        if self.down:
            raise errors.StateDown("pulled the plug")


@pytest.fixture
def counting(tmp_path: Path) -> Counting:
    """Over an empty file."""
    return Counting(SqliteStore(tmp_path / "state.sqlite"))


def test_a_call_does_not_touch_the_store(counting: Counting, clock: Clock) -> None:
    """A thousand calls, and one look at the start; then one write for all of them."""
    health = Health(counting, clock=clock, rng=jitter(0), every_s=None)
    for number in range(1000):
        assert health.allows(PLACE)
        clock.now += 0.01
        health.record(PLACE, None, 0.5)
        health.latency(PLACE)
        if number % 5 == 0:
            health.record(PLACE, errors.TimedOut("late"), None)
    assert (counting.reads, counting.writes) == (1, 0)
    health.sync()
    assert (counting.reads, counting.writes) == (1, 1)
    health.sync()
    assert (counting.reads, counting.writes) == (2, 1)
    health.close()


def test_a_store_that_is_down_stops_no_answer(counting: Counting, clock: Clock) -> None:
    """Breaker, tries and latencies go on in this process, and all of it is shared once the store is back."""
    counting.down = True
    health = Health(counting, clock=clock, rng=jitter(0), every_s=None)
    for _ in range(20):
        health.record(PLACE, None, 0.5)
    clock.now += ALONE_S
    fail(health)
    health.sync()
    assert not health.allows(PLACE)
    assert health.latency(PLACE).calls == 20
    clock.now += OPEN_S
    assert [health.allows(PLACE), health.allows(PLACE)] == [True, False]
    assert [health.due(PLACE, 60), health.due(PLACE, 60)] == [True, False]
    counting.down = False
    health.sync()
    other = Health(counting, clock=clock, rng=jitter(1), every_s=None)
    assert (other.shown(PLACE).error, other.latency(PLACE).calls) == ("Overloaded", 20)
    health.close()


def test_an_outage_does_not_fill_the_memory(counting: Counting, clock: Clock) -> None:
    """Of the failures of a long one, the latest thousand are kept."""
    counting.down = True
    health = Health(counting, clock=clock, rng=jitter(0), every_s=None)
    for _ in range(3000):
        fail(health, 1)
    health.sync()
    fail(health, 10)
    health.sync()
    assert len(health._entries[PLACE].unsent) == 1000
    health.close()


def test_the_thread_shares_a_change_at_once(tmp_path: Path, clock: Clock) -> None:
    """Long before its next look is due."""
    where = (tmp_path / STATE_FILE, "test")
    store = open_state(where[0], warn=pytest.fail)
    health = Health(store, clock=clock, rng=jitter(0), every_s=3600)
    fail(health)
    for _ in range(1000):
        if _states(where[0]) == ["open"]:
            break
        time.sleep(0.01)
    assert _states(where[0]) == ["open"]
    health.close()


def _states(path: Path) -> list[str]:
    store = SqliteStore(path)
    documents: Documents = store.scan("health/")
    store.close()
    return [document["breaker"]["state"] for document in documents.values() if document]
