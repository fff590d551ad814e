"""Cancels the task that serves a client as soon as the client disconnects.

No ASGI server does that: an application that only sends learns of a disconnect late or never, and the model keeps
generating for nobody. `receive` is driven by hand: a task for it would add a fifth to the cost of forwarding a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from contextlib import suppress
from typing import Any, cast

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class ClientDisconnected(Exception):
    """The client disconnected before its request had arrived."""


class DisconnectWatch:
    """Waits for a client to disconnect while its request is served; the request's body has been read."""

    def __init__(self, receive: Receive, task: asyncio.Task[Any]) -> None:
        """`task`: is cancelled when the client disconnects."""
        self.has_disconnected = False
        self._receive, self._task = receive, task
        self._loop = asyncio.get_running_loop()
        self._waiting: Coroutine[Any, Any, Message] | None = None
        self._next()

    def close(self) -> None:
        """Stop waiting."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.close()

    def _next(self) -> None:
        self._waiting = cast("Coroutine[Any, Any, Message]", self._receive())
        self._step()

    def _step(self, _done: object = None) -> None:
        """Run `receive` until it waits for something."""
        if self._waiting is None:
            return
        try:
            awaited = self._waiting.send(None)
        except StopIteration as end:
            self._waiting = None
            if end.value["type"] == "http.disconnect":
                self._left()
            else:
                self._next()
            return
        if awaited is None:  # a bare yield to the event loop
            self._loop.call_soon(self._step)
        else:
            # As a task tells a future that it will await its callback.
            awaited._asyncio_future_blocking = False  # noqa: SLF001 - the protocol of futures, PEP 3156
            awaited.add_done_callback(self._step)

    def _left(self) -> None:
        self.has_disconnected = True
        self._task.cancel()

    def __enter__(self) -> DisconnectWatch:
        """Give this object."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop waiting."""
        with suppress(RuntimeError):  # `receive` ignored being closed; nothing waits for it anyway
            self.close()
