"""A call through an SDK -> the seconds from the moment its request leaves to the moment its reply has come.

What the client does with requests and replies runs in one event loop. Of sixteen calls in flight several replies may
have come while it works on another: they would be read late, and the wait be taken for the model's. So a reply's time
is taken as soon as it has been read, before anything is done with it; and of what is then to be done, and of requests
that are about to leave, the loop gets to one at a time: between any two it reads what has come. For the providers that
use an SDK's HTTP client; it knows nothing of what is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from routerctl.errors import ProviderError

_LOOKS = 8  # turns that a reply takes at most from the socket, through the transport's layers, to whoever reads it
Hook = Callable[[Any], Awaitable[None]]  # (httpx2's request or response)


class Turns:
    """The turns of an event loop that are given to work, one at a time, first come first served."""

    def __init__(self) -> None:
        self._queue = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a turn of one's own, after as many free ones as a reply that has come needs to be read in."""
        async with self._queue:
            for _ in range(_LOOKS):
                await asyncio.sleep(0)


# Of aiohttp, httpx2 and the system; by name, as each SDK is imported only where it is called.
_NO_CONNECTION = {
    *("ClientConnectorError", "ClientConnectionResetError", "ConnectionTimeoutError", "ClientProxyConnectionError"),
    *("ConnectError", "ConnectTimeout", "ConnectionRefusedError", "gaierror", "UnsupportedProtocol", "InvalidURL"),
    *("PoolTimeout", "ProxyError", "SSLError"),
    *("BadStatusLine", "ClientResponseError"),  # what answers there is no HTTP server
}


@dataclass(slots=True)
class Timed:
    """One call: when it left, by the clock, and how long its reply took to come."""

    left_s: float = 0.0
    latency_s: float = 0.0
    status: int | None = None  # of its reply, which may yet break off

    def told_by(self, problem: ProviderError, raised: BaseException) -> ProviderError:
        """Give the error of this call: one that broke off once it had left may be billed, as the work may be done."""
        broke_off = self.status < 300 if self.status is not None else not _never_left(raised)
        if problem.status is None and broke_off:
            problem.may_be_billed = True
        return problem


def _never_left(raised: BaseException | None) -> bool:
    """Tell whether no connection was made: what names the cause stands somewhere in its chain."""
    while raised is not None:
        if any(kind.__name__ in _NO_CONNECTION for kind in type(raised).__mro__):
            return True
        raised = raised.__cause__ or raised.__context__
    return False


class Timing:
    """Times the calls of one HTTP client, whose event hooks are to be `hooks`."""

    def __init__(self, clock: Callable[[], float], turns: Turns) -> None:
        self._clock, self._turns = clock, turns
        self._call: ContextVar[Timed | None] = ContextVar("call", default=None)
        self.hooks: Mapping[str, list[Hook]] = {"request": [self._leaves], "response": [self._has_come]}

    @contextmanager
    def call(self) -> Iterator[Timed]:
        """Time the call that is made inside."""
        timed = Timed()
        token = self._call.set(timed)
        try:
            yield timed
        finally:
            self._call.reset(token)

    async def _leaves(self, _request: Any) -> None:
        await self._turns.take()
        timed = self._call.get()
        if timed:
            timed.left_s = self._clock()

    async def _has_come(self, response: Any) -> None:
        timed = self._call.get()
        if timed:
            timed.status = response.status_code
        await response.aread()
        if timed:
            timed.latency_s = self._clock() - timed.left_s
        await self._turns.take()
