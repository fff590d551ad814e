"""Limits of keys: the arithmetic of the window, and requests of many tasks and processes that share one limit."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.routing.state import StateStore
from routerctl.routing.state.redis import RedisStore
from routerctl.routing.state.sqlite import SqliteStore
from routerctl.service.keys import Key
from routerctl.service.limits import LimitReached, Limits, Permit, TooLarge
from routerctl.service.sliding_window import (
    Window,
    add_request,
    correct_tokens,
    exceeded_limit,
    live_window,
    set_running,
)
from tests.redis_server import running_redis
from tests.shared_state import Clock, Switched

ROOT = Path(__file__).parents[1]
LEASE_S = 30.0
START_S = 1_796_126_400.0  # 2026-12-01, noon in UTC


def key(**limits: int) -> Key:
    """A key with these limits."""
    return Key(id="key_1", name="app", created_at=datetime(2026, 12, 1, tzinfo=UTC), **limits)  # type: ignore[arg-type]


# --- the window -------------------------------------------------------------------------------------------------------

LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "requests_per_minute": st.integers(1, 6),
        "tokens_per_minute": st.integers(10, 60),
    },
).map(lambda limits: key(**limits))
# (seconds since the one before, tokens): in steps that a float holds exactly
COMERS = st.lists(st.tuples(st.integers(0, 40 * 1024).map(lambda n: n / 1024), st.integers(0, 10)), max_size=40)


def let_in(of: Key, comers: list[tuple[float, int]]) -> tuple[Window, list[tuple[float, int]], float]:
    """Give the window after all have come, who was let in and when, and the moment of the last."""
    window, inside, now_s = live_window(None, START_S, LEASE_S), [], START_S
    for gap_s, tokens in comers:
        now_s += gap_s
        window = live_window(window, now_s, LEASE_S)
        if exceeded_limit(of, window, tokens, now_s) is None:
            add_request(window, tokens, now_s)
            inside.append((now_s, tokens))
    return window, inside, now_s


@given(LIMITS, COMERS)
def test_no_minute_has_more_than_the_limit(of: Key, comers: list[tuple[float, int]]) -> None:
    """Wherever 60 seconds are cut out, no more was let in during them than the key allows."""
    _, inside, _ = let_in(of, comers)
    for first, _ in inside:
        minute = [tokens for when, tokens in inside if first <= when < first + 60]
        assert len(minute) <= (of.requests_per_minute or len(minute))
        assert sum(minute) <= (of.tokens_per_minute or sum(minute))


@given(LIMITS, COMERS, st.integers(0, 10))
def test_whoever_is_refused_fits_exactly_when_it_was_told(
    of: Key, comers: list[tuple[float, int]], tokens: int
) -> None:
    """At that moment there is room, and just before there is none; it is never later than 61 seconds."""
    window, _, now_s = let_in(of, comers)
    short = exceeded_limit(of, window, tokens, now_s)
    if short is None:
        return
    assert 0 < short.retry_after_s <= 61
    fits_s = now_s + short.retry_after_s
    assert exceeded_limit(of, live_window(window, fits_s, LEASE_S), tokens, fits_s) is None
    just_s = fits_s - 1 / 1024
    again = exceeded_limit(of, live_window(window, just_s, LEASE_S), tokens, just_s)
    assert again is not None
    assert again.retry_after_s == 1 / 1024


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 200), st.integers(0, 59)), max_size=20))
def test_what_was_used_counts_in_the_end(requests: list[tuple[int, int, int]]) -> None:
    """However wrong the first counts were: (counted, used, seconds that it took)."""
    window = live_window(None, START_S, LEASE_S)
    for counted, _, _ in requests:
        add_request(window, counted, START_S)
    for counted, used, took_s in sorted(requests, key=lambda one: one[2]):
        window = live_window(window, START_S + took_s, LEASE_S)
        correct_tokens(window, int(START_S), counted, used, START_S + took_s)
    assert sum(tokens for _, _, tokens in window["seconds"]) == sum(used for _, used, _ in requests)
    assert sum(count for _, count, _ in window["seconds"]) == len(requests)


def test_what_a_long_request_used_beyond_its_count_is_not_lost() -> None:
    """It took two minutes, and its second has left the window: what was not counted is counted now."""
    window = live_window(None, START_S, LEASE_S)
    add_request(window, 10, START_S)
    later_s = START_S + 120
    window = live_window(window, later_s, LEASE_S)
    correct_tokens(window, int(START_S), 10, 500, later_s)
    assert window["seconds"] == [[int(later_s), 0, 490]]
    correct_tokens(window, int(START_S), 10, 0, later_s)  # and nothing is given back that counts no longer
    assert window["seconds"] == [[int(later_s), 0, 490]]


def test_of_two_limits_the_one_that_has_room_last_is_told() -> None:
    """A client that waits as long as it is told is not refused again for the other one."""
    of = key(requests_per_minute=2, tokens_per_minute=100)
    window, _, now_s = let_in(of, [(0.0, 10), (10.0, 90)])
    short = exceeded_limit(of, window, 50, now_s)
    assert short is not None
    assert (short.what, short.limit, short.retry_after_s) == ("tokens", 100, 61)
    few = exceeded_limit(of, window, 5, now_s)
    assert few is not None
    assert (few.what, few.retry_after_s) == ("requests", 51)


@pytest.mark.parametrize(
    ("until_s", "counts"), [(-0.5, False), (0.0, True), (LEASE_S, True), (2 * LEASE_S, True), (3 * LEASE_S, False)]
)
def test_running_requests_count_while_their_process_speaks_for_them(until_s: float, counts: bool) -> None:
    """Not when its time is over, nor when no process can have spoken for so long: then a clock was set back."""
    window = live_window(None, START_S, LEASE_S)
    set_running(window, "other", 2, START_S + until_s)
    window = live_window(window, START_S, LEASE_S)
    assert (exceeded_limit(key(concurrency=2), window, 0, START_S) is not None) == counts


def test_a_clock_that_was_set_back_blocks_nobody_for_long() -> None:
    """What was counted an hour ahead of now counts no more."""
    of = key(requests_per_minute=1)
    window = live_window(None, START_S, LEASE_S)
    add_request(window, 0, START_S)
    assert exceeded_limit(of, live_window(window, START_S - 3600, LEASE_S), 0, START_S - 3600) is None
    assert exceeded_limit(of, live_window(window, START_S - 2, LEASE_S), 0, START_S - 2) is not None


# --- one process ------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Switched]:
    """An empty state of one project."""
    made = Switched(tmp_path / "state.sqlite")
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    """Noon, until a test says otherwise."""
    return Clock(START_S)


@pytest.fixture
def limits(store: Switched, clock: Clock) -> Limits:
    """Those of one process."""
    return limits_on(store, clock)


def limits_on(store: StateStore, clock: Clock, **more: Any) -> Limits:
    """Give the limits of a process on a store, by a test's clock."""
    return Limits(store, now=clock.now, sleep=clock.sleep, **({"when_down": "fail_closed"} | more))


async def refused(limits: Limits, of: Key, tokens: int = 1) -> LimitReached:
    """Give the refusal of a request that is to be refused."""
    with pytest.raises(LimitReached) as caught:
        await limits.acquire(of, tokens)
    return caught.value


async def test_a_key_without_limits_costs_nothing(limits: Limits, store: Switched) -> None:
    """Nobody counts its requests, so the state may be down."""
    store.is_down = True
    admitted = await limits.acquire(key(), 10**9)
    await admitted.release(10**9)
    assert store.updates == 0


async def test_requests_and_their_refusal(limits: Limits, clock: Clock) -> None:
    """The limit is let in, the next one is told in how many seconds it will fit, and then it does."""
    of = key(requests_per_minute=3)
    for _ in range(3):
        await (await limits.acquire(of, 10)).release(10)
        clock.pass_(0.25)
    error = await refused(limits, of)
    assert (str(error), error.what) == ("the API key's limit of 3 requests a minute is reached", "requests")
    assert error.retry_after_s == 60.25
    clock.pass_(60.25)
    assert await limits.acquire(of, 10)


async def test_tokens_are_put_right_when_a_request_has_ended(limits: Limits) -> None:
    """What was counted too much is free again at once, what was counted too little counts."""
    of = key(tokens_per_minute=100)
    first = await limits.acquire(of, 90)
    assert (await refused(limits, of, 20)).what == "tokens"
    await first.release(40)
    second = await limits.acquire(of, 60)
    await second.release(61)
    assert (await refused(limits, of, 1)).retry_after_s == 61


async def test_more_tokens_than_a_minute_may_have_are_no_matter_of_waiting(limits: Limits) -> None:
    """It is said that they never fit, so that no client tries for ever."""
    with pytest.raises(TooLarge, match="about 101 tokens, more than this API key's limit of 100 tokens a minute"):
        await limits.acquire(key(tokens_per_minute=100), 101)


async def test_a_place_is_given_back_once(limits: Limits) -> None:
    """Whoever leaves twice has not had two places."""
    of = key(concurrency=2)
    first, _second = await limits.acquire(of, 1), await limits.acquire(of, 1)
    error = await refused(limits, of)
    assert (str(error), error.what) == ("the API key's limit of 2 requests at once is reached", "concurrency")
    await first.release(1)
    await first.release(1)
    await limits.acquire(of, 1)
    await refused(limits, of)


async def test_what_runs_elsewhere_counts(store: Switched, clock: Clock) -> None:
    """Two processes have three places between them."""
    of, here, there = key(concurrency=3), limits_on(store, clock), limits_on(store, clock)
    first, _second, _third = await here.acquire(of, 1), await here.acquire(of, 1), await there.acquire(of, 1)
    for limits in (here, there):
        await refused(limits, of)
    await first.release(1)
    await there.acquire(of, 1)
    for limits in (here, there):
        await refused(limits, of)


async def test_keys_have_their_own_limits(limits: Limits) -> None:
    """One that is at its limit stops no other."""
    one = key(concurrency=1)
    other = Key(**{**asdict(one), "id": "key_2"})
    await limits.acquire(one, 1)
    await limits.acquire(other, 1)
    await refused(limits, one)


async def test_requests_that_come_together_are_counted_together(limits: Limits, store: Switched) -> None:
    """A hundred at once are let in to the limit exactly, in a few updates, and leave in a few."""
    of = key(requests_per_minute=60, concurrency=40)
    ended = await asyncio.gather(*(limits.acquire(of, 1) for _ in range(100)), return_exceptions=True)
    inside = [one for one in ended if isinstance(one, Permit)]
    assert (len(inside), store.updates) == (40, 1)
    await asyncio.gather(*(one.release(1) for one in inside))
    assert store.updates == 2
    more = await asyncio.gather(*(limits.acquire(of, 1) for _ in range(100)), return_exceptions=True)
    assert len([one for one in more if isinstance(one, Permit)]) == 20
    assert {one.what for one in more if isinstance(one, LimitReached)} == {"requests"}


@pytest.mark.parametrize("at", ["before it is counted", "while it is counted", "as it is told"])
async def test_whoever_goes_while_waiting_takes_no_place(limits: Limits, at: str) -> None:
    """A client that leaves before it was let in, at whatever moment, holds nothing."""
    of = key(concurrency=1)
    going = asyncio.ensure_future(limits.acquire(of, 1))
    await asyncio.sleep(0)
    if at != "before it is counted":
        await asyncio.sleep(0)  # the update has gone to its thread
    if at == "as it is told":
        counter = limits._counters[of.id]
        for _ in range(10_000_000):
            if counter._running:
                break
            await asyncio.sleep(0)
        assert not going.done()
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    await limits.close()
    assert (await limits.acquire(of, 1)).tokens == 1


async def test_a_process_that_lives_keeps_its_places(store: Switched, clock: Clock) -> None:
    """Through a request of two hours; one that is killed, and says nothing more, loses them after a lease."""
    of, here, there = key(concurrency=1), limits_on(store, clock), limits_on(store, clock)
    admitted = await here.acquire(of, 1)
    counter = here._counters[of.id]
    for _ in range(720):
        await asyncio.sleep(0)
        clock.pass_(LEASE_S / 3)
        await asyncio.sleep(0)
        assert counter._write_task
        await counter._write_task
    assert (await refused(there, of)).what == "concurrency"
    clock.pass_(LEASE_S / 3)
    await here.close()  # and does not give it back
    clock.pass_(LEASE_S + 1)
    taken = await there.acquire(of, 1)
    await admitted.release(1)
    await taken.release(1)
    await there.acquire(of, 1)


# --- a state that is down ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when_down", ["fail_open", "fail_closed"])
async def test_an_outage_is_said_once_and_met_as_it_was_chosen(store: Switched, clock: Clock, when_down: str) -> None:
    """Open: everybody is let in. Closed: nobody. The next outage is said again."""
    heard: list[str] = []
    limits, of = limits_on(store, clock, when_down=when_down, warn=heard.append), key(requests_per_minute=9)
    for outage in (1, 2):
        await limits.acquire(of, 1)
        store.is_down = True
        for _ in range(3):
            if when_down == "fail_open":
                await (await limits.acquire(of, 1)).release(1)
            else:
                error = await refused(limits, of)
                assert (error.what, error.retry_after_s) == ("state", 5.0)
        assert len(heard) == outage
        assert when_down in heard[0]
        store.is_down = False


async def test_what_ends_during_an_outage_is_made_good_after_it(store: Switched, clock: Clock) -> None:
    """A place that could not be given back then is free with the next update."""
    of, here, there = key(concurrency=2), limits_on(store, clock), limits_on(store, clock)
    first, _second = await here.acquire(of, 1), await here.acquire(of, 1)
    store.is_down = True
    await first.release(1)
    store.is_down = False
    assert (await refused(there, of)).what == "concurrency"
    again = await here.acquire(of, 1)
    await again.release(1)
    await there.acquire(of, 1)


class Stuck(Switched):
    """A store that hangs until a test lets it go."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.go = threading.Event()

    def update(self, *given: Any, **more: Any) -> Any:
        self.go.wait()
        return super().update(*given, **more)


async def test_no_request_waits_long_for_a_state_that_hangs(tmp_path: Path, clock: Clock) -> None:
    """It is treated as one that is down; a place that it gives later is given back."""
    store = Stuck(tmp_path / "state.sqlite")
    limits, of = limits_on(store, clock, warn=lambda _: None, patience_s=0.05), key(concurrency=1)
    assert (await refused(limits, of)).what == "state"
    store.go.set()
    await limits.close()
    await limits_on(store, clock).acquire(of, 1)
    store.close()


async def test_an_error_that_nobody_foresaw_reaches_who_waits(store: Switched, clock: Clock) -> None:
    """A damaged document is no outage, and hangs nobody up."""
    store.update(["limits/key_1"], lambda _: ({"limits/key_1": {"seconds": 3}}, None))
    limits = limits_on(store, clock)
    with pytest.raises(TypeError):
        await limits.acquire(key(concurrency=1), 1)


# --- many processes ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where an empty state is: a path, or a URL."""
    if request.param == "sqlite":
        yield str(tmp_path / "state.sqlite")
        return
    with running_redis(tmp_path) as url:
        yield url


CLIENT = """
import asyncio, json, os, sys, time
from datetime import UTC, datetime
from pathlib import Path
from routerctl.routing.state.redis import RedisStore
from routerctl.routing.state.sqlite import SqliteStore
from routerctl.service.keys import Key
from routerctl.service.limits import LimitReached, Limits

place, mode, wanted = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
store = RedisStore(place, project="test") if place.startswith("redis") else SqliteStore(Path(place))
limits = Limits(store, when_down="fail_closed", lease_s=1.0 if mode == "hold" else 30.0)
key = Key(id="key_1", name="app", created_at=datetime(2026, 12, 1, tzinfo=UTC), **wanted)

async def one(held_s):
    try:
        permit = await limits.acquire(key, 10)
    except LimitReached as error:
        return error.what
    began = time.monotonic()
    await asyncio.sleep(held_s)
    ended = time.monotonic()
    await permit.release(10)
    return began, ended

async def served():
    while (came := await one(0.01)) == "concurrency":
        await asyncio.sleep(0.001)
    return came

async def client(asks):
    return [await asks() for _ in range(15)]

async def clients(asks):
    return [came for each in await asyncio.gather(*(client(asks) for _ in range(8))) for came in each]

async def ask():
    return await clients(lambda: one(0.002))

async def insist():
    return await clients(served)

async def hold():
    held = [await limits.acquire(key, 10) for _ in range(key.concurrency)]
    print("held", flush=True)
    await asyncio.sleep(60)
    return len(held)

print("ready", flush=True)
sys.stdin.readline()
print(json.dumps(asyncio.run({"ask": ask, "insist": insist, "hold": hold}[mode]())), flush=True)
"""


def started(place: str, mode: str, **wanted: int) -> subprocess.Popen[str]:
    """Start a process that uses the key, and waits to be told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, place, mode, json.dumps(wanted)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def results(processes: list[subprocess.Popen[str]]) -> list[Any]:
    """Let all go at once, and give what each of their requests came to."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [one for process in processes for one in json.loads(process.communicate(timeout=60)[0])]


@pytest.mark.parametrize(
    ("wanted", "fits", "what"),
    [({"requests_per_minute": 70}, 70, "requests"), ({"tokens_per_minute": 705}, 70, "tokens")],
    ids=["requests", "tokens"],
)
def test_processes_together_let_in_the_limit_exactly(place: str, wanted: dict[str, int], fits: int, what: str) -> None:
    """Two processes with 120 requests each: as many as fit, and the others are told by which limit."""
    came = results([started(place, "ask", **wanted) for _ in range(2)])
    assert len([one for one in came if isinstance(one, list)]) == fits
    assert [one for one in came if not isinstance(one, list)] == [what] * (240 - fits)


def test_never_more_at_once_than_the_limit(place: str) -> None:
    """Two processes with eight clients each come and go: never more than three are inside, and all are served."""
    came = results([started(place, "insist", concurrency=3) for _ in range(2)])
    assert len(came) == 240
    moments = sorted([(began, 1) for began, _ in came] + [(ended, -1) for _, ended in came])
    most = running = 0
    for _, step in moments:
        running += step
        most = max(most, running)
    assert most == 3


async def test_the_places_of_a_killed_process_come_back(place: str) -> None:
    """When its lease is over; until then nobody can know that it is dead."""
    process = started(place, "hold", concurrency=2)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    assert await asyncio.to_thread(process.stdout.readline) == "held\n"
    store = RedisStore(place, project="test") if place.startswith("redis") else SqliteStore(Path(place))
    limits, of = Limits(store, when_down="fail_closed", lease_s=1.0), key(concurrency=2)
    await refused(limits, of)
    process.kill()
    process.communicate()
    for _ in range(600):
        try:
            admitted = await limits.acquire(of, 10)
            break
        except LimitReached:
            await asyncio.sleep(0.05)
    await admitted.release(10)
    store.close()
