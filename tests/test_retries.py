"""The wire's one retry loop, its gate, its slots and its time limits, on scripted providers and a clock of our own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from routerctl import errors
from routerctl.providers.base import Outside, Provider
from routerctl.providers.fake import FakeProvider, Script, Turn, reply_of
from routerctl.providers.wire import Wire
from routerctl.types import Message, Prompt, ProviderSpec, Reply, ReplySpec, Request, Usage

REQUEST = Request(
    model="m", prompt=Prompt(system="", messages=(Message(role="user", content="Hello?"),)), reply=ReplySpec()
)
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ProviderError)]


class World:
    """A clock that only moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self.now + seconds
        await asyncio.sleep(0)
        self.now = max(self.now, until)

    def outside(self, rng: random.Random | None = None) -> Outside:
        return Outside(env={}, clock=lambda: self.now, sleep=self.sleep, rng=rng or Longest())


class Longest(random.Random):
    """Jitter at its upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Shortest(random.Random):
    """Jitter at its lower end."""

    def uniform(self, a: float, b: float) -> float:
        return a


class Crowd:
    """Counts how many calls are in it at once; each stays until `door` opens."""

    def __init__(self) -> None:
        self.inside, self.most, self.closed = 0, 0, False
        self.entered, self.door = asyncio.Event(), asyncio.Event()

    async def reply(self, request: Request) -> Reply:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.entered.set()
        try:
            await self.door.wait()
            return reply_of("ok", request)
        finally:
            self.inside -= 1

    async def close(self) -> None:
        self.closed = True


def _price(_spec: ProviderSpec, _model: str) -> Callable[[Usage, float], Decimal]:
    return lambda usage, seconds: Decimal(usage.output_tokens) + Decimal(str(seconds))


def _wire(world: World, provider: Provider, rng: random.Random | None = None, **spec: Any) -> Wire:
    made = ProviderSpec(name="p", kind="fake", **spec)
    return Wire([made], world.outside(rng), _price, ready={"p": provider})


def _fake(script: Script, world: World, latency_s: float = 0.0) -> FakeProvider:
    spec = ProviderSpec(name="p", kind="fake", options={"latency_s": latency_s})
    return FakeProvider(spec, world.outside(), script)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_only_transient_kinds_are_tried_again(kind: type[errors.ProviderError]) -> None:
    """A retryable error is met max_attempts times, any other once, and comes out as it was."""
    world = World()
    provider = _fake(lambda _request: kind("no", provider="p"), world)
    async with _wire(world, provider, max_attempts=3) as wire:
        with pytest.raises(kind):
            await wire.call("p", REQUEST)
    assert len(provider.requests) == (3 if kind.retryable else 1)


async def test_a_reply_after_failures_says_how_many_attempts_it_took() -> None:
    """The reply is the last attempt's with their number; where time is the price, lost seconds are paid for, too."""
    world = World()
    script: list[Turn] = [errors.Overloaded("busy"), errors.BrokenReply("odd"), "four"]
    async with _wire(world, _fake(script, world, latency_s=0.5)) as wire:
        reply = await wire.call("p", REQUEST)
    assert (reply.text, reply.attempts, reply.latency_s, reply.cost_usd) == ("four", 3, 0.5, Decimal("2.5"))


async def test_another_attempt_is_made_only_where_it_may_be() -> None:
    """Who pays is told of each attempt that failed, and ends the call with that failure, which tells the time lost."""
    world, told = World(), list[float]()
    provider = _fake(lambda _request: errors.Overloaded("busy"), world, latency_s=0.5)

    async def again(problem: errors.ProviderError) -> bool:
        told.append(problem.spent_s)
        return len(told) < 2

    async with _wire(world, provider, max_attempts=5) as wire:
        with pytest.raises(errors.Overloaded) as caught:
            await wire.call("p", REQUEST, again=again)
    assert (len(provider.requests), told) == (2, [0.5, 0.5])
    assert (caught.value.lost_s, caught.value.spent_s) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("script", "attempts"),
    [
        ([errors.Overloaded("busy")] * 3, 3),
        ([errors.Overloaded("busy"), errors.BadRequest("no")], 2),
        ([errors.KeyMissing("no key")], 0),
    ],
)
async def test_an_error_says_how_many_attempts_reached_the_provider(
    script: list[errors.ProviderError], attempts: int
) -> None:
    """All that were made, the last one included; none where nobody was called."""
    world = World()
    async with _wire(world, _fake(script, world), max_attempts=3) as wire:
        with pytest.raises(errors.ProviderError) as caught:
            await wire.call("p", REQUEST)
        assert caught.value.attempts == attempts
        with pytest.raises(errors.Busy) as late:
            await wire.call("p", REQUEST, until=world.now)
    assert late.value.attempts == 0


async def test_who_is_kept_waiting_does_not_read_what_another_was_told() -> None:
    """The message that shut the gate may quote another caller's prompt; class and status say enough."""
    world = World()
    shut = errors.RateLimited("my secret prompt is too much", provider="p", status=429, retry_after_s=900.0)
    async with _wire(world, _fake([shut, "never"], world)) as wire:
        with pytest.raises(errors.RateLimited, match="secret"):
            await wire.call("p", REQUEST)
        with pytest.raises(errors.RateLimited) as caught:
            await wire.call("p", REQUEST)
    assert str(caught.value) == "p: asked for no calls for 900 s after RateLimited (HTTP 429)"
    assert caught.value.attempts == 0


async def test_what_a_provider_needs_is_imported_beforehand() -> None:
    """The SDK, and nothing else: no provider is made yet, so no key is read."""
    world = World()
    specs = [ProviderSpec(name="p", kind="fake"), ProviderSpec(name="q", kind="nothing")]
    async with Wire(specs, world.outside(), _price) as wire:
        await wire.ready("p")
        await wire.ready("p")
        with pytest.raises(errors.InputError, match="no provider kind 'nothing'"):
            await wire.ready("q")


@pytest.mark.parametrize(
    ("rng", "pauses"),
    [(Longest(), [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 16.0]), (Shortest(), [0.0] * 7)],
    ids=["longest", "shortest"],
)
async def test_backoff_doubles_up_to_a_cap(rng: random.Random, pauses: list[float]) -> None:
    """The pause is drawn from zero to a bound that doubles and is capped (full jitter)."""
    world = World()
    provider = _fake(lambda _request: errors.ServerFault("down"), world)
    async with _wire(world, provider, rng, max_attempts=8) as wire:
        with pytest.raises(errors.ServerFault):
            await wire.call("p", REQUEST)
    assert world.slept == pauses


async def test_retry_after_is_honoured() -> None:
    """The next attempt comes no earlier than the provider asked for."""
    world, asked_at = World(), list[float]()

    def script(_request: Request) -> str | errors.ProviderError:
        asked_at.append(world.now)
        return "ok" if len(asked_at) == 2 else errors.RateLimited("slow down", retry_after_s=7.0)

    async with _wire(world, _fake(script, world), Shortest()) as wire:
        assert (await wire.call("p", REQUEST)).attempts == 2
    assert asked_at == [0.0, 7.0]


async def test_one_rate_limit_pauses_everybody() -> None:
    """After one 429 with retry-after, callers that come later wait at the gate instead of hitting the provider."""
    world, asked_at = World(), list[float]()

    def script(_request: Request) -> str | errors.ProviderError:
        asked_at.append(world.now)
        return "ok" if len(asked_at) > 1 else errors.RateLimited("slow down", retry_after_s=9.0)

    async with _wire(world, _fake(script, world), Shortest(), concurrency=1) as wire:
        replies = await asyncio.gather(*(wire.call("p", REQUEST) for _ in range(6)))
    assert [reply.text for reply in replies] == ["ok"] * 6
    assert asked_at[0] == 0.0
    assert min(asked_at[1:]) >= 9.0


async def test_a_pause_that_grows_while_waiting_is_waited_out() -> None:
    """A caller at the gate goes round again when a call still in flight brings a longer pause."""
    asked_at, in_flight = list[float](), asyncio.Event()

    class Busy(World):
        async def sleep(self, seconds: float) -> None:
            in_flight.set()  # the first call gets its 429 while the others already wait
            for _ in range(5):
                await asyncio.sleep(0)
            await super().sleep(seconds)

    class Slow(Crowd):
        async def reply(self, request: Request) -> Reply:
            asked_at.append(world.now)
            if len(asked_at) == 1:
                await in_flight.wait()
                raise errors.RateLimited("come back much later", retry_after_s=20.0)
            if len(asked_at) == 2:
                raise errors.RateLimited("come back later", retry_after_s=5.0)
            return reply_of("ok", request)

    world = Busy()
    async with _wire(world, Slow(), Shortest(), concurrency=2) as wire:
        replies = await asyncio.gather(*(wire.call("p", REQUEST) for _ in range(3)))
    assert sorted(reply.attempts for reply in replies) == [1, 2, 2]
    assert asked_at[:2] == [0.0, 0.0]
    assert min(asked_at[2:]) >= 20.0


async def test_a_provider_that_asks_too_long_is_given_up() -> None:
    """A wait beyond the wire's patience ends the call at once, and later calls too, without reaching the provider."""
    world = World()
    provider = _fake([errors.RateLimited("daily limit", retry_after_s=3600.0, status=429), "ok"], world)
    async with _wire(world, provider) as wire:
        with pytest.raises(errors.RateLimited):
            await wire.call("p", REQUEST)
        world.now += 600
        with pytest.raises(errors.RateLimited, match="asked for no calls for 3000 s after RateLimited") as caught:
            await wire.call("p", REQUEST)
        assert (caught.value.retry_after_s, caught.value.status, len(provider.requests)) == (3000.0, 429, 1)
        world.now += 3000
        assert (await wire.call("p", REQUEST)).text == "ok"
    assert world.slept == []


async def test_concurrency_is_bounded() -> None:
    """Never more calls in flight than the provider's spec allows."""
    crowd = Crowd()
    async with _wire(World(), crowd, concurrency=3) as wire:
        calls = [asyncio.create_task(wire.call("p", REQUEST)) for _ in range(10)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert crowd.inside == 3
        crowd.door.set()
        await asyncio.gather(*calls)
    assert crowd.most == 3


async def test_a_cancelled_call_gives_its_slot_back() -> None:
    """Cancellation is no provider error, is not tried again, and the next caller gets the slot."""
    crowd = Crowd()
    async with _wire(World(), crowd, concurrency=1) as wire:
        first = asyncio.create_task(wire.call("p", REQUEST))
        await crowd.entered.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        crowd.door.set()
        assert (await wire.call("p", REQUEST)).attempts == 1


async def test_a_call_cancelled_while_it_waits_for_a_slot_takes_none() -> None:
    """A waiter that gives up does not leave the slot counted as taken."""
    crowd = Crowd()
    async with _wire(World(), crowd, concurrency=1) as wire:
        first, second = (asyncio.create_task(wire.call("p", REQUEST)) for _ in range(2))
        for _ in range(3):
            await asyncio.sleep(0)
        second.cancel()
        crowd.door.set()
        assert (await first).text == (await wire.call("p", REQUEST)).text == "ok"
        assert second.cancelled()


async def test_no_reply_in_time_is_a_timeout() -> None:
    """A provider that does not answer within timeout_s is tried again, then the call fails as TimedOut."""
    crowd, world = Crowd(), World()
    async with _wire(world, crowd, timeout_s=0.01, max_attempts=2) as wire:
        with pytest.raises(errors.TimedOut, match=r"p: no complete reply within 0.01 s \(timeout_s\)"):
            await wire.call("p", REQUEST)
    assert crowd.inside == 0
    assert len(world.slept) == 1


async def test_an_unpriced_model_is_never_called() -> None:
    """The price is asked for before the first request, so that nothing is paid for a reply that cannot be compared."""
    provider = _fake(["ok"], World())

    def unpriced(_spec: ProviderSpec, model: str) -> Callable[[Usage, float], Decimal]:
        raise errors.InputError(f"no price for {model}")

    async with Wire([ProviderSpec(name="p", kind="fake")], World().outside(), unpriced, ready={"p": provider}) as wire:
        with pytest.raises(errors.InputError, match="no price for m"):
            await wire.call("p", REQUEST)
    assert provider.requests == []


async def test_every_provider_is_closed_even_if_one_fails_to() -> None:
    """Leaving the wire closes all the providers it used, in spite of an error in one."""

    class Stuck(Crowd):
        async def close(self) -> None:
            raise OSError("stuck")

    crowds = {"a": Crowd(), "b": Stuck(), "c": Crowd(), "unused": Crowd()}
    specs = [ProviderSpec(name=name, kind="fake") for name in crowds]
    wire = await Wire(specs, World().outside(), _price, ready=crowds).__aenter__()
    for name in "abc":
        crowds[name].door.set()
        await wire.call(name, REQUEST)
    with pytest.raises(OSError, match="stuck"):
        await wire.__aexit__(None, None, None)
    assert [crowd.closed for crowd in crowds.values()] == [True, False, True, False]


async def test_an_unknown_provider_is_named_with_the_nearest() -> None:
    """A slip in a provider's name gets the right one suggested."""
    async with Wire([ProviderSpec(name="anthropic", kind="fake")], World().outside(), _price) as wire:
        with pytest.raises(errors.InputError, match="no provider named 'antropic'; did you mean 'anthropic'"):
            await wire.call("antropic", REQUEST)


# --- what anybody's provider may do -----------------------------------------------------------------------------------


class Strange:
    """A provider of somebody else's, which raises or gives whatever it is told to."""

    def __init__(self, does: Any) -> None:
        self.does, self.asked = does, 0

    async def reply(self, request: Request) -> Any:
        self.asked += 1
        if isinstance(self.does, BaseException):
            raise self.does
        return self.does(request) if callable(self.does) else self.does

    async def probe(self, model: str) -> Any:
        raise self.does

    def is_warm(self, model: str) -> bool:
        return False

    async def warm_up(self, model: str) -> None:
        raise self.does

    async def close(self) -> None:
        pass


NOBODY: Any = None
MOST_USD = Decimal(ReplySpec().max_tokens)  # of an attempt at a call, at the price above
STRANGE = [
    KeyError("secret"),
    TypeError("secret"),
    ValueError("secret"),
    RecursionError("secret"),
    AssertionError("secret"),
    StopAsyncIteration("secret"),
    OSError("secret"),
    ExceptionGroup("secret", [ValueError("secret")]),
    errors.RouterctlError("secret"),
]


@pytest.mark.parametrize("raised", STRANGE, ids=lambda raised: type(raised).__name__)
async def test_whatever_a_provider_raises_is_an_error_of_ours(raised: Exception) -> None:
    """It is tried again and may be billed; its type is named and where, its words, which may be anybody's, are not."""
    world, strange = World(), Strange(raised)
    async with _wire(world, strange, max_attempts=2) as wire:
        with pytest.raises(errors.BrokenReply) as caught:
            await wire.call("p", REQUEST)
        with pytest.raises(errors.BrokenReply):
            await wire.probe("p", "m")
        assert not wire.is_warm("p", "m")
        wire.load("p", "m")
        await asyncio.sleep(0.01)
    assert (strange.asked, caught.value.attempts, caught.value.perhaps_usd) == (2, 2, 2 * MOST_USD)
    assert type(raised).__name__ in str(caught.value)
    assert "test_retries.py:" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        None,
        "text",
        lambda request: replace(reply_of("ok", request), served_model=NOBODY),
        lambda request: replace(reply_of("ok", request), usage=Usage(input_tokens=-1)),
        lambda request: replace(reply_of("ok", request), latency_s=float("nan")),
    ],
)
async def test_what_a_provider_gives_is_a_reply_or_broken(given: Any) -> None:
    """What cannot be priced or written down is served to nobody."""
    async with _wire(World(), Strange(given), max_attempts=1) as wire:
        with pytest.raises(errors.BrokenReply, match="not a reply: "):
            await wire.call("p", REQUEST)


async def test_a_provider_that_gives_up_waiting_itself_timed_out() -> None:
    """Its own time limit is no limit of the wire's."""
    async with _wire(World(), Strange(TimeoutError()), max_attempts=1) as wire:
        with pytest.raises(errors.TimedOut, match="it gave up waiting"):
            await wire.call("p", REQUEST)


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), KeyboardInterrupt(), errors.InputError("no")])
async def test_an_end_of_the_inquiry_passes_through(raised: BaseException) -> None:
    """A person's or the user's own: no fault of the place."""
    async with _wire(World(), Strange(raised)) as wire:
        call = wire.call("p", REQUEST)
        with pytest.raises(type(raised)):
            call.send(None)


def test_a_provider_that_cannot_be_made_is_the_users_to_mend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An installed package's own failure is told with the provider's name and kind."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[routerctl.providers]\nacme = tests.test_retries:Strange\n")
    monkeypatch.syspath_prepend(tmp_path)
    wire = Wire([ProviderSpec(name="p", kind="acme")], World().outside(), _price)
    with pytest.raises(errors.InputError, match=r"provider 'p' of kind 'acme' cannot be made: TypeError: "):
        wire.is_warm("p", "m")


# --- what failed attempts cost ----------------------------------------------------------------------------------------


def _failed(kind: type[errors.ProviderError], tokens: int | None) -> errors.ProviderError:
    problem = kind("no", provider="p")
    problem.usage = None if tokens is None else Usage(output_tokens=tokens)
    return problem


async def test_the_cost_of_failed_attempts_is_told_by_the_reply_after_them() -> None:
    """Of those that told their tokens; those that may be billed and told none are counted."""
    world = World()
    script: list[Turn] = [
        _failed(errors.ServerFault, 5),
        _failed(errors.BrokenReply, None),
        _failed(errors.Overloaded, None),
        "four",
    ]
    async with _wire(world, _fake(script, world), Shortest()) as wire:
        reply = await wire.call("p", REQUEST)
    assert (reply.attempts, reply.cost_usd, reply.failed_usd, reply.perhaps_usd) == (
        4,
        Decimal(1),
        Decimal(5),
        MOST_USD,
    )


async def test_the_cost_of_failed_attempts_is_told_by_the_last_error() -> None:
    """Of all of them, the last included, with their time where that is the price."""
    world = World()
    script: list[Turn] = [
        _failed(errors.ServerFault, 5),
        _failed(errors.TimedOut, None),
        _failed(errors.ServerFault, 3),
        _failed(errors.BadRequest, None),
    ]
    async with _wire(world, _fake(script, world, latency_s=0.5), Shortest()) as wire:
        with pytest.raises(errors.BadRequest) as caught:
            await wire.call("p", REQUEST)
    assert (caught.value.attempts, caught.value.cost_usd, caught.value.perhaps_usd) == (4, Decimal("10.0"), MOST_USD)


async def test_attempts_of_free_tokens_leave_nothing_unpriced() -> None:
    """Where time alone is the price, it is known."""
    world = World()
    provider = _fake([_failed(errors.BrokenReply, None)], world, latency_s=0.5)
    by_time = Wire(
        [ProviderSpec(name="p", kind="fake", max_attempts=1)],
        world.outside(),
        lambda _spec, _model: lambda _usage, seconds: Decimal(str(seconds)),
        ready={"p": provider},
    )
    async with by_time as wire:
        with pytest.raises(errors.BrokenReply) as caught:
            await wire.call("p", REQUEST)
    assert (caught.value.cost_usd, caught.value.perhaps_usd) == (Decimal("0.5"), Decimal(0))


@pytest.mark.parametrize(("left_s", "hurried"), [(0.05, True), (60.0, False)])
async def test_who_was_left_too_little_time_says_so(left_s: float, hurried: bool) -> None:
    """A deadline that left a call less than its own limit is told apart from a place that is silent."""
    world, crowd = World(), Crowd()
    async with _wire(world, crowd, timeout_s=0.1, max_attempts=1) as wire:
        with pytest.raises(errors.TimedOut) as caught:
            await wire.call("p", REQUEST, until=left_s)
    assert caught.value.hurried is hurried
