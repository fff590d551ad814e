"""Changes of documents that many want at once -> one update after the other, each of all that wait by then.

A store makes an update after the other in any case, and one that serves many takes hardly longer than one that serves
one. Each change sees what the ones before it wrote. No event loop waits for another process, a disk or a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from routerctl.routing.state.base import Change, Documents, StateStore, T, WouldWait

# Between two updates, by the changes in the first: under load ever more share one, and alone nobody waits for long.
_APART_S, _MOST_APART_S = 0.001, 0.015
_SOON_S = 0.005  # by then another update has mostly taken it along, and an answer that was settled has left


@dataclass(slots=True)
class _Wanted:
    """One change that waits to be made."""

    keys: Sequence[str]
    change: Change[Any]
    ttl_s: float
    told: asyncio.Future[Any] | None  # None: nobody waits for its result


class UpdateBatch:
    """Updates of one store, for one event loop: made in it where that takes no waiting, else in a thread."""

    def __init__(self, store: StateStore) -> None:
        self._store, self._loop = store, asyncio.get_running_loop()
        self._waiting: list[_Wanted] = []
        self._next: asyncio.Handle | None = None  # makes what waits
        self._next_at = self._not_before = 0.0  # on the loop's clock
        self._running: asyncio.Task[None] | None = None  # in a thread

    async def update(self, keys: Sequence[str], change: Change[T], *, ttl_s: float) -> T:
        """Make a change, with others; as `StateStore.update`. Raises StateDown."""
        told = self._loop.create_future()
        self._waiting.append(_Wanted(keys, change, ttl_s, told))
        self._make_at(self._not_before)
        result: T = await told
        return result

    def put(self, keys: Sequence[str], change: Change[Any], *, ttl_s: float) -> None:
        """Have a change made soon, for whose result nobody waits; where the store is down it is not."""
        self._waiting.append(_Wanted(keys, change, ttl_s, None))
        self._make_at(self._loop.time() + _SOON_S)

    async def close(self) -> None:
        """Make what waits."""
        while self._running or self._waiting:
            if self._running is None:
                self._make()
            if self._running:
                await asyncio.gather(self._running, return_exceptions=True)

    def _make_at(self, at: float) -> None:
        """Make what waits at a moment, or sooner where somebody asked for that; once this turn of the loop is over."""
        if self._running is None and (self._next is None or at < self._next_at):
            if self._next:
                self._next.cancel()
            self._next, self._next_at = self._loop.call_later(max(0.0, at - self._loop.time()), self._make), at

    def _make(self) -> None:
        if self._next:
            self._next.cancel()
        self._next, batch, self._waiting = None, self._waiting, []
        self._not_before = self._loop.time() + min(len(batch) * _APART_S, _MOST_APART_S)
        try:
            self._tell(batch, self._together(batch, wait=False))
        except WouldWait:
            self._running = asyncio.ensure_future(self._make_in_thread(batch))
        except Exception as error:  # noqa: BLE001 - an outage, or a fault of ours: whoever waits is told
            self._tell(batch, [error] * len(batch))

    async def _make_in_thread(self, batch: list[_Wanted]) -> None:
        try:
            results = await asyncio.to_thread(self._together, batch, wait=True)
        except Exception as error:  # noqa: BLE001 - as above
            results = [error] * len(batch)
        finally:
            self._running = None
            if self._waiting:
                self._make_at(0.0)
        self._tell(batch, results)

    def _tell(self, batch: list[_Wanted], results: list[Any]) -> None:
        for wanted, result in zip(batch, results, strict=True):
            if wanted.told is None or wanted.told.done():  # nobody waits for it, or not any more
                continue
            if isinstance(result, Exception):
                wanted.told.set_exception(result)
            else:
                wanted.told.set_result(result)

    def _together(self, batch: list[_Wanted], *, wait: bool) -> list[Any]:
        """Make all of them in one update; a change that raises changes nothing."""
        keys = list(dict.fromkeys(key for wanted in batch for key in wanted.keys))

        def change(found: Documents) -> tuple[Documents, list[Any]]:
            now, written, results = dict(found), dict[str, Any](), list[Any]()
            for wanted in batch:
                try:
                    after, result = wanted.change({key: now[key] for key in wanted.keys})
                except Exception as error:  # noqa: BLE001 - its own caller's, who is told
                    after, result = {}, error
                now |= after
                written |= after
                results.append(result)
            return written, results

        return self._store.update(keys, change, ttl_s=max(wanted.ttl_s for wanted in batch), wait=wait)
