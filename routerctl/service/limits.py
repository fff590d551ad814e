"""A key's request -> a permit, counted across all processes, or an error that says when there is room.

All requests of a key that are waiting to be counted go to the shared state in one update, in a thread, one update at a
time: under load an update serves many requests, and none of them blocks the event loop. The number of a key's requests
that run in this process is written as an absolute number, not as a change: if an update may have been lost, the next
one puts it right. `sliding_window` says what the document means.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from routerctl import notices
from routerctl.errors import InputError, RouterctlError, StateDown
from routerctl.routing.state import Documents, StateStore
from routerctl.routing.state.opening import REST_S
from routerctl.service.keys import Key
from routerctl.service.sliding_window import (
    WINDOW_S,
    ExceededLimit,
    What,
    add_request,
    correct_tokens,
    exceeded_limit,
    live_window,
    set_running,
)
from routerctl.types import WhenDown

_LEASE_S = 30.0  # how long a process's count of running requests holds; renewed three times as often
_PATIENCE_S = 2.0  # the longest that a request waits for the shared state
_WORDS: dict[What, str] = {
    "requests": "requests a minute",
    "tokens": "tokens a minute",
    "concurrency": "requests at once",
}


class LimitReached(RouterctlError):
    """A limit of a key is reached; `what`: which one, "state" where it cannot be checked."""

    def __init__(self, problem: str, *, retry_after_s: float, what: What | Literal["state"]) -> None:
        self.retry_after_s, self.what = retry_after_s, what
        super().__init__(problem)


class TooLarge(InputError):
    """A request with more tokens than its key may use in a minute: it will never fit."""


@dataclass(slots=True, kw_only=True)
class Permit:
    """An admitted request, and the tokens it was counted with."""

    counter: _Counter | None = None  # None: it is not counted
    tokens: int = 0
    second: int = 0

    async def release(self, tokens_used: int) -> None:
        """Count what it used, and make room for another; later calls do nothing."""
        counter, self.counter = self.counter, None
        if counter:
            await counter.release(self, tokens_used)


@dataclass(slots=True, kw_only=True)
class _Acquire:
    """A request that waits for its permit."""

    tokens: int
    future: asyncio.Future[Permit]


@dataclass(slots=True, kw_only=True)
class _Release:
    """A request that has ended."""

    permit: Permit
    used: int  # tokens
    future: asyncio.Future[None] | None = None  # None: nothing waits for it to be written


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """The result of an update."""

    hits: Sequence[ExceededLimit | None]  # one for each `acquires`
    running: int
    second: int


class Limits:
    """The limits of all keys; for one event loop."""

    def __init__(
        self,
        store: StateStore,
        *,
        when_down: WhenDown = "fail_open",
        lease_s: float = _LEASE_S,
        patience_s: float = _PATIENCE_S,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        warn: Callable[[str], None] = notices.warn,
    ) -> None:
        """Open nothing yet.

        `lease_s`: how long the running requests of a process count after its last update; `patience_s`: the longest
        that a request waits for the shared state; `now`: seconds since 1970.
        """
        self.store, self.lease_s, self.patience_s, self.now, self.sleep = store, lease_s, patience_s, now, sleep
        self.process = secrets.token_hex(4)
        self._when_down, self._warn, self._is_down = when_down, warn, False
        self._counters: dict[str, _Counter] = {}

    async def acquire(self, key: Key, tokens: int) -> Permit:
        """Admit a request that will use about `tokens`; costs nothing where the key has no limits.

        Raises: Limited; TooLarge.
        """
        if not key.has_limits:
            return Permit()
        if key.tokens_per_minute is not None and tokens > key.tokens_per_minute:
            raise TooLarge(
                f"about {tokens} tokens, more than this API key's limit of {key.tokens_per_minute} tokens a minute"
            )
        counter = self._counters.get(key.id)
        if counter is None:
            counter = self._counters[key.id] = _Counter(self, key)
        try:
            permit = await counter.acquire(tokens)
        except StateDown as error:
            return self._uncounted(error)
        self._is_down = False
        return permit

    def _uncounted(self, error: StateDown) -> Permit:
        """Treat a request that cannot be counted as `when_down` says; an outage is reported once."""
        is_open = self._when_down == "fail_open"
        if not self._is_down:
            self._is_down = True
            what = "the limits of API keys are not enforced" if is_open else "API keys with limits are refused"
            self._warn(f"{what} while the shared state is down ({self._when_down})")
        if is_open:
            return Permit()
        problem = "the limits of this API key cannot be checked now"
        raise LimitReached(problem, retry_after_s=REST_S, what="state") from error

    async def close(self) -> None:
        """Write everything that is pending, and stop."""
        for counter in self._counters.values():
            await counter.close()


@dataclass(slots=True, kw_only=True)
class _Batch:
    """What the next update writes."""

    acquires: list[_Acquire] = field(default_factory=list)
    releases: list[_Release] = field(default_factory=list)
    heartbeat: bool = False  # to renew the lease

    def __bool__(self) -> bool:
        return bool(self.acquires or self.releases or self.heartbeat)

    def futures(self) -> list[asyncio.Future[Any]]:
        """Give the futures that are not resolved yet."""
        futures: list[asyncio.Future[Any]] = [
            *(one.future for one in self.acquires),
            *(one.future for one in self.releases if one.future),
        ]
        return [one for one in futures if not one.done()]


class _Counter:
    """One key's requests in this process."""

    def __init__(self, limits: Limits, key: Key) -> None:
        self._limits, self._key, self._document = limits, key, f"limits/{key.id}"
        self._pending = _Batch()
        self._running = 0  # of a key with `concurrency`: as the state has it, or will have it next
        self._write_task: asyncio.Task[None] | None = None
        self._heartbeat_task: asyncio.Task[None] | None = None

    async def acquire(self, tokens: int) -> Permit:
        """Wait until it is counted; raises LimitReached, and StateDown where that takes too long."""
        waiter = _Acquire(tokens=tokens, future=asyncio.get_running_loop().create_future())
        self._pending.acquires.append(waiter)
        self._write()
        try:
            async with asyncio.timeout(self._limits.patience_s):
                return await waiter.future
        except TimeoutError:
            self._return_permit(waiter.future)
            raise StateDown("the shared state does not answer in time") from None
        except asyncio.CancelledError:
            self._return_permit(waiter.future)
            raise

    async def release(self, permit: Permit, used: int) -> None:
        """Write the end of a request; it is written even if this is cancelled."""
        if self._key.concurrency is None and self._key.tokens_per_minute is None:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.releases.append(_Release(permit=permit, used=used, future=future))
        self._write()
        with suppress(StateDown):  # what it used expires within a minute; the next update tells how many run
            await future

    async def close(self) -> None:
        """Write what is pending, and stop the heartbeats."""
        if self._write_task:
            await self._write_task
        if self._heartbeat_task:
            self._heartbeat_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._heartbeat_task

    def _write(self) -> None:
        if self._write_task is None or self._write_task.done():
            self._write_task = asyncio.ensure_future(self._write_all())

    async def _write_all(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, _Batch()
            batch.acquires = [one for one in batch.acquires if not one.future.done()]  # the rest has left
            if self._key.concurrency is not None:
                self._running -= len(batch.releases)
            try:
                done = await asyncio.to_thread(self._update, batch)
            except Exception as error:  # noqa: BLE001 - everyone who waits for this update raises it
                for future in batch.futures():
                    future.set_exception(error)
            else:
                self._running = done.running
                self._resolve(batch, done)
        if self._running and (self._heartbeat_task is None or self._heartbeat_task.done()):
            self._heartbeat_task = asyncio.ensure_future(self._send_heartbeats())

    def _update(self, batch: _Batch) -> _Counted:
        ttl_s = 2 * WINDOW_S + self._limits.lease_s
        return self._limits.store.update([self._document], lambda found: self._change(found, batch), ttl_s=ttl_s)

    def _change(self, found: Documents, batch: _Batch) -> tuple[Documents, _Counted]:
        """Count the releases, then admit requests while there is room."""
        now_s, limits = self._limits.now(), self._limits
        window = live_window(found[self._document], now_s, limits.lease_s)
        for ended in batch.releases:
            permit = ended.permit
            correct_tokens(window, permit.second, permit.tokens, ended.used, now_s)
        running, until_s, hits = self._running, now_s + limits.lease_s, list[ExceededLimit | None]()
        set_running(window, limits.process, running, until_s)
        for waiter in batch.acquires:
            hit = exceeded_limit(self._key, window, waiter.tokens, now_s)
            hits.append(hit)
            if hit is None:
                add_request(window, waiter.tokens, now_s)
                running += self._key.concurrency is not None
                set_running(window, limits.process, running, until_s)
        changed = batch.heartbeat or bool(batch.releases) or None in hits
        return {self._document: window} if changed else {}, _Counted(hits=hits, running=running, second=int(now_s))

    def _resolve(self, batch: _Batch, done: _Counted) -> None:
        for one, hit in zip(batch.acquires, done.hits, strict=True):
            if hit is None:
                permit = Permit(counter=self, tokens=one.tokens, second=done.second)
                if one.future.done():  # its client has left
                    self._pending.releases.append(_Release(permit=permit, used=0))
                else:
                    one.future.set_result(permit)
            elif not one.future.done():
                problem = f"the API key's limit of {hit.limit} {_WORDS[hit.what]} is reached"
                one.future.set_exception(LimitReached(problem, retry_after_s=hit.retry_after_s, what=hit.what))
        for future in batch.futures():
            future.set_result(None)

    def _return_permit(self, future: asyncio.Future[Permit]) -> None:
        """Return a permit that was granted just as the request stopped waiting for it."""
        if future.done() and not future.cancelled() and future.exception() is None:
            self._pending.releases.append(_Release(permit=future.result(), used=0))
            self._write()

    async def _send_heartbeats(self) -> None:
        """Keep renewing the lease while requests run here."""
        while self._running:
            await self._limits.sleep(self._limits.lease_s / 3)
            self._pending.heartbeat = True
            self._write()
