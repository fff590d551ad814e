"""A call's latency ends when its reply has come, whatever the client is at work on; the clock here counts that work."""

from __future__ import annotations

import asyncio

import pytest

from routerctl.providers.timing import Timed, Timing, Turns


class Client:
    """An HTTP client with the hooks of a `Timing`, and a clock that goes on by 1 for each reply worked on."""

    status_code = 200

    def __init__(self, hops: int) -> None:
        self.works, self.hops = 0, hops
        self.at: dict[int, asyncio.Event] = {}  # set when so many pieces of work are done
        self.timing = Timing(lambda: self.works, Turns())

    async def call(self, come: asyncio.Event) -> float:
        """Send, wait until the reply has come and passed through the transport's layers, work on it."""
        with self.timing.call() as timed:
            await self.timing.hooks["request"][0](self)
            await come.wait()
            await self.timing.hooks["response"][0](self)
        self.works += 1
        if self.works in self.at:
            self.at[self.works].set()
        return timed.latency_s

    async def aread(self) -> None:
        """Read the reply's body."""
        for _ in range(self.hops):
            await asyncio.sleep(0)


async def test_replies_that_came_together_do_not_wait_for_each_other() -> None:
    """Sixteen at once: each has its time before the first is worked on."""
    client, come = Client(hops=3), asyncio.Event()
    calls = [asyncio.ensure_future(client.call(come)) for _ in range(16)]
    await asyncio.sleep(0.01)
    come.set()
    assert await asyncio.gather(*calls) == [0.0] * 16
    assert client.works == 16


async def test_a_reply_that_comes_amidst_the_work_waits_for_one_piece_of_it_at_most() -> None:
    """However many are queued: between any two pieces of work what has come is read."""
    client, first, later = Client(hops=5), asyncio.Event(), asyncio.Event()
    early = [asyncio.ensure_future(client.call(first)) for _ in range(16)]
    late = asyncio.ensure_future(client.call(later))
    await asyncio.sleep(0.01)
    client.at[4] = later
    first.set()
    assert 4 <= await late <= 5
    await asyncio.gather(*early)


async def test_calls_side_by_side_have_times_of_their_own() -> None:
    """Two calls of one client are not mixed up, and a question that nobody times does no harm."""
    client, one, other = Client(hops=0), asyncio.Event(), asyncio.Event()
    calls = [asyncio.ensure_future(client.call(event)) for event in (one, other)]
    await asyncio.sleep(0.01)
    client.works = 7
    other.set()
    assert await calls[1] == 7
    one.set()
    assert await calls[0] == 8
    await client.timing.hooks["request"][0](client)
    await client.timing.hooks["response"][0](client)


async def test_a_turn_that_is_given_up_is_given_on() -> None:
    """A call that is cancelled while it waits for its turn stops nobody behind it."""
    turns = Turns()
    waiting = [asyncio.ensure_future(turns.take()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in done] == [type(None), asyncio.CancelledError, type(None)]


def test_a_call_without_a_reply_has_no_latency() -> None:
    """What failed before a reply came is timed by the wire, not here."""
    with Timing(lambda: 5.0, Turns()).call() as timed:
        pass
    assert timed == Timed()
    with pytest.raises(ValueError, match="x"), Timing(lambda: 5.0, Turns()).call():
        raise ValueError("x")
