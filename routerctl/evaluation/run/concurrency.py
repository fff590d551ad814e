"""One provider's concurrency, shared by the classes that test one of its candidates: who may start a case, and when.

It counts cases in flight and knows nothing of what they are.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial

from routerctl.types import Result

_Task = asyncio.Task[tuple[Result, ...] | None]


class Places:
    """One provider's concurrency, shared by the classes that test one of its candidates right now."""

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.in_flight = 0
        self.shares: list[Share] = []

    @asynccontextmanager
    async def share(self) -> AsyncIterator[Share]:
        """Give a class its share; what is still in flight when it leaves by an error is cancelled."""
        share = Share(self)
        self.shares.append(share)
        try:
            await asyncio.sleep(0)  # all classes register before the first takes its share
            yield share
        finally:
            for task in share.flying:
                task.cancel()
            await asyncio.gather(*share.flying, return_exceptions=True)
            self.shares.remove(share)
            self.wake()

    def wake(self) -> None:
        """Tell every class to look again whether there is room."""
        for share in self.shares:
            share.changed.set()


class Share:
    """One class's part of the places, and its cases in flight."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._done: list[tuple[int, _Task]] = []
        self._free: set[int] = set()  # cases in flight that need no call that costs, as far as is known
        self._fewer_free = asyncio.Event()
        self.flying: set[_Task] = set()
        self.changed = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether one more case may start: within an equal share, or in a place that the others leave empty."""
        equal = math.ceil(self._places.concurrency / len(self._places.shares))
        return len(self.flying) < equal or self._places.in_flight < self._places.concurrency

    def start(self, index: int, case: Coroutine[None, None, tuple[Result, ...] | None]) -> None:
        """Put a case in flight."""
        task = asyncio.ensure_future(case)
        self.flying.add(task)
        self._free.add(index)
        self._places.in_flight += 1
        task.add_done_callback(partial(self._land, index))

    async def must_pay(self, index: int) -> None:
        """Wait for the cases before this one that cost nothing: they may decide, and running again stays free."""
        self.settled(index)
        while any(other < index for other in self._free):
            await self._fewer_free.wait()

    def settled(self, index: int) -> None:
        """Note that a case costs something, or that its result has been taken."""
        self._free.discard(index)
        self._fewer_free.set()
        self._fewer_free = asyncio.Event()

    def _land(self, index: int, task: _Task) -> None:
        self.flying.discard(task)
        self._done.append((index, task))
        self._places.in_flight -= 1
        self.changed.set()  # first: the class of this case may fill the place before the others
        self._places.wake()

    async def landed(self) -> list[tuple[int, _Task]]:
        """Wait until something changed, and give the cases that have landed; perhaps there is only room now."""
        await self.changed.wait()
        self.changed.clear()
        done, self._done = self._done, []
        return done
