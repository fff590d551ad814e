"""HTTP/1.1 as bytes, and the reader of a connection, which says at once when the client has left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

END = b"0\r\n\r\n"  # of a body in chunks


class Reader(asyncio.StreamReader):
    """A stream's reader that can be asked whether the client is still there while nothing is read."""

    def __init__(self) -> None:
        super().__init__()
        self.left_s: float | None = None  # when the client was seen to have left, by the monotonic clock
        self._watcher: asyncio.Future[None] | None = None

    def feed_eof(self) -> None:
        """Hear that the client sends no more, which of an HTTP client means that it has left."""
        super().feed_eof()
        self._leave()

    def set_exception(self, exc: Exception) -> None:
        """Hear that the connection was reset."""
        super().set_exception(exc)
        self._leave()

    async def leaves(self, within_s: float | None = None) -> bool:
        """Wait until the client leaves, at most so long; tell whether it has."""
        if self.left_s is not None or (within_s is not None and within_s <= 0):
            return self.left_s is not None
        loop = asyncio.get_running_loop()
        waiter = self._watcher = loop.create_future()
        timer = None if within_s is None else loop.call_later(within_s, _wake, waiter)
        try:
            await waiter
        finally:
            self._watcher = None
            if timer is not None:
                timer.cancel()
        return self.left_s is not None

    def _leave(self) -> None:
        if self.left_s is None:
            self.left_s = time.monotonic()
        if self._watcher is not None:
            _wake(self._watcher)


async def body_of(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    """Read a request's body: of a stated length, or in chunks without trailers."""
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    parts: list[bytes] = []
    while length := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        parts.append((await reader.readexactly(length + 2))[:-2])
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


def response(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Write a whole response; a header that is given twice is the given one."""
    fields = {"content-type": "application/json", "content-length": str(len(body))} | dict(headers or {})
    return _head(status, fields) + body


def stream_head(headers: Mapping[str, str]) -> bytes:
    """Write the head of a response whose events come in chunks."""
    fields = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "transfer-encoding": "chunked",
    }
    return _head(200, fields | dict(headers))


def chunk(data: bytes) -> bytes:
    """Write one chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _head(status: int, fields: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Scripted\r\n{lines}\r\n".encode("latin-1")


def _wake(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_result(None)
