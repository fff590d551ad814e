"""POSTs to a few origins -> their answers, whole or as they come, over HTTP/1.1: small, for what is done all the time.

Half of what it takes to pass a request on through a general client is that client. This one knows a method, keep-alive
and three framings of a body (RFC 9112 section 6); it follows no redirect, keeps no cookie, unpacks nothing and knows no
proxy. A body that ends too early is an error and never an end. Place: under `raw`, which takes another client where a
proxy stands between.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httptools

from routerctl.providers.http_client import BrokenResponse, NotConnected

_IDLE_S = 30.0  # that a connection is kept for the next request
_STALE_S = 1.0  # within which a connection that was closed before it was used shows so: many times a round trip
_MOST_HEADERS = 65_536  # bytes
_TOO_LONG = f"its headers are longer than {_MOST_HEADERS} bytes"
_MOST_UNREAD = 262_144  # bytes of a body that nobody has read yet
_SMALL = 65_536  # bytes of a request that is written in one piece
_NO_ADDRESS = re.compile(r"[^\x21-\x7e]")
_NO_NAME = re.compile(r"[^!-9;-~]")


class Target:
    """One API that is posted to, with the connections to it that are free."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """`url`: that paths are added to; `headers`: of every request."""
        parts = urlsplit(url)
        self.url, self.is_tls = url, parts.scheme == "https"
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if self.is_tls else 80)
        self.idle: list[_Connection] = []
        self.keeps = True  # connections for the next request
        named = f"[{self.host}]" if ":" in self.host else self.host
        host = named if parts.port is None else f"{named}:{parts.port}"
        lines = {"host": host, **headers}
        self._path = parts.path.rstrip("/")
        self._head = b"".join(_line(name, value) for name, value in lines.items())

    def written(self, path: str, body: bytes, headers: Mapping[str, str], query: str) -> list[bytes]:
        """Write a request, in pieces; raises ValueError for what would end a line of it too early."""
        where = f"{self._path}{path}{f'?{query}' if query else ''}"
        if _NO_ADDRESS.search(where):
            raise ValueError("the address holds a blank or what is no ASCII")
        more = b"".join([_line(name, value) for name, value in headers.items()]) if headers else b""
        head = b"POST %b HTTP/1.1\r\n%b%bcontent-length: %d\r\n\r\n" % (where.encode(), self._head, more, len(body))
        return [head + body] if len(body) < _SMALL else [head, body]


def _line(name: str, value: str) -> bytes:
    if not name or _NO_NAME.search(name):
        raise ValueError(f"{name!r} is no name of a header")
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError(f"the header {name} holds a line break")
    return f"{name}: {value}\r\n".encode("latin-1")


class Http1Client:
    """Posts to one API; for one event loop."""

    def __init__(self, url: str, headers: Mapping[str, str], *, connect_s: float) -> None:
        """`connect_s`: the longest that making a connection takes."""
        self._target, self._connect_s = Target(url, headers), connect_s
        self._tls: ssl.SSLContext | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def post(self, path: str, body: bytes, headers: Mapping[str, str], query: str) -> Http1Response:
        """Send a request, and give its answer once the head is there.

        One that was sent on a free connection which turns out to have been closed is sent once more, on a new one. A
        connection that is closed later than that was closed by a far side that had the request, and may bill it.
        Raises: NotConnected; BrokenAnswer; ValueError for a header that cannot be written.
        """
        pieces = self._target.written(path, body, headers, query)
        free = _taken(self._target)
        if free is not None:
            began = asyncio.get_running_loop().time()
            try:
                return await free.ask(pieces)
            except BrokenResponse as problem:
                if not problem.is_silent or asyncio.get_running_loop().time() - began > _STALE_S:
                    raise
        answer = await (await self._connected()).ask(pieces)
        answer.was_resent = free is not None
        return answer

    async def close(self) -> None:
        """Close what is free; what is being read ends with its reader."""
        if self._sweeping:
            self._sweeping.cancel()
        self._sweeping, self._target.keeps = None, False
        for connection in self._target.idle:
            connection.abort()
        self._target.idle.clear()
        await asyncio.sleep(0)

    async def _connected(self) -> _Connection:
        loop, target = asyncio.get_running_loop(), self._target
        if self._sweeping is None:
            target.keeps = True
            self._sweeping = loop.call_later(_IDLE_S / 2, self._sweep)
        if target.is_tls and self._tls is None:
            self._tls = ssl.create_default_context()
        more: dict[str, Any] = {"ssl": self._tls, "server_hostname": target.host} if target.is_tls else {}
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(target), target.host, target.port, **more
                )
        except TimeoutError:
            raise NotConnected(f"no connection within {self._connect_s:g} s") from None
        except (OSError, UnicodeError) as problem:  # TLS's are of the first; the second: a name that is none
            raise NotConnected(f"{type(problem).__name__}: {problem}") from None
        return connection

    def _sweep(self) -> None:
        """Close connections that were not used for long."""
        loop = asyncio.get_running_loop()
        oldest = loop.time() - _IDLE_S
        for connection in [one for one in self._target.idle if one.free_since < oldest]:
            self._target.idle.remove(connection)
            connection.abort()
        self._sweeping = loop.call_later(_IDLE_S / 2, self._sweep)


def _taken(target: Target) -> _Connection | None:
    """Take the connection that was used last; None where there is none that is open."""
    while target.idle:
        connection = target.idle.pop()
        if connection.is_open:
            return connection
    return None


class Http1Response:
    """What a far side answers; it may still be coming."""

    __slots__ = (
        "_connection",
        "_pieces",
        "_problem",
        "_size",
        "_waiter",
        "headers",
        "is_whole",
        "status",
        "url",
        "was_resent",
    )

    def __init__(self, connection: _Connection, url: str, status: int, headers: dict[str, str]) -> None:
        self._connection, self.url, self.status, self.headers = connection, url, status, headers
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._problem: BrokenResponse | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.is_whole = self.was_resent = False

    async def read(self) -> bytes:
        """Give all of it; raises BrokenAnswer."""
        pieces = []
        while piece := await self.readany():
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def readany(self) -> bytes:
        """Give what has come, b"" at its end; raises BrokenAnswer where there is none."""
        while not self._pieces:
            if self.is_whole:
                return b""
            if self._problem:
                raise self._problem
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        pieces, self._size = self._pieces, 0
        self._connection.read_on()
        if len(pieces) == 1:
            return pieces.popleft()
        self._pieces = deque()
        return b"".join(pieces)

    def close(self) -> None:
        """Want no more of it: where it has not ended, its connection does."""
        if not self.is_whole and self._problem is None:
            self._connection.abort()

    # --- the connection's side ----------------------------------------------------------------------------------------

    def feed(self, piece: bytes) -> bool:
        """Take a piece; tell whether the far side has to wait until some are read."""
        self._pieces.append(piece)
        self._size += len(piece)
        self._wake()
        return self._size > _MOST_UNREAD

    def end(self, problem: BrokenResponse | None) -> None:
        """It is whole, or something is in its way."""
        self.is_whole, self._problem = problem is None, problem
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Connection(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._transport: Any = None
        self._parser = httptools.HttpResponseParser(self)
        self._head: asyncio.Future[Http1Response] | None = None  # waited for
        self._answer: Http1Response | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._header_size = self._waited_bytes = 0
        self._has_come = self._is_interim = self._is_paused = self._until_close = False
        self.is_open = False
        self.free_since = 0.0

    async def ask(self, pieces: list[bytes]) -> Http1Response:
        """Send a request, and give the answer once its head is there; raises BrokenAnswer."""
        self._has_come, self._waited_bytes = False, 0
        head: asyncio.Future[Http1Response] = asyncio.get_running_loop().create_future()
        self._head = head
        for piece in pieces:
            self._transport.write(piece)
        try:
            return await head
        except BaseException:
            if not head.done() or head.cancelled():
                self.abort()
            elif head.exception() is None:
                head.result().close()  # where it is whole, somebody else may have the connection by now
            raise

    def abort(self) -> None:
        """End it at once."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def read_on(self) -> None:
        """Take more from the far side."""
        if self._is_paused and self.is_open:
            self._is_paused = False
            self._transport.resume_reading()

    # --- asyncio's calls ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport, self.is_open = transport, True

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self._has_come = True
        if self._head is None and self._answer is None:  # nobody asked for anything
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as problem:
            cause = problem.__context__
            shown = str(cause) if isinstance(cause, BrokenResponse) else f"what came is no HTTP: {problem}"
            self._fail(shown)
            return
        if self._head is not None:  # a header that does not end is not told of
            self._waited_bytes += len(data)
            if self._waited_bytes > 2 * _MOST_HEADERS:
                self._fail(_TOO_LONG)

    def eof_received(self) -> None:
        """The far side says no more."""

    def connection_lost(self, problem: Exception | None) -> None:
        """End."""
        was_open, self.is_open = self.is_open, False  # not where this side has ended it
        if self._answer is not None and self._until_close and problem is None and was_open:
            self._ended()
        else:
            self._fail(f"the connection was closed{f': {problem}' if problem else ''}")

    # --- the parser's calls -------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin an answer, where one is waited for."""
        if self._head is None:
            raise BrokenResponse("more came than was asked for")
        self._headers, self._header_size = [], 0  # trailers of the one before

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        self._header_size += len(name) + len(value)
        if self._header_size > _MOST_HEADERS:
            raise BrokenResponse(_TOO_LONG)
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Give the answer to who waits for it."""
        status, came = self._parser.get_status_code(), self._headers
        self._headers = []
        if status == 101:
            raise BrokenResponse("it changes the protocol, which was not asked for")
        if 100 <= status < 200:
            self._is_interim = True
            return
        headers: dict[str, str] = {}
        for name, value in came:
            key, text = name.lower().decode("latin-1"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        if headers.get("content-encoding", "identity") != "identity":
            raise BrokenResponse("its body is compressed, which was not asked for")
        self._until_close = "content-length" not in headers and "transfer-encoding" not in headers
        self._answer = Http1Response(self, self._target.url, status, headers)
        head, self._head = self._head, None
        if head is not None and not head.done():
            head.set_result(self._answer)

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if self._answer is not None and self._answer.feed(piece) and not self._is_paused and self.is_open:
            self._is_paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is whole: the connection is free where both sides want to keep it."""
        if self._is_interim:
            self._is_interim = False
            return
        keeps = self._parser.should_keep_alive() and self.is_open and self._target.keeps
        self._ended()
        if not keeps:
            self.abort()
            return
        self.read_on()
        self.free_since = asyncio.get_running_loop().time()
        self._target.idle.append(self)

    def _ended(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.end(None)

    def _fail(self, problem: str) -> None:
        answer, head = self._answer, self._head
        self._answer = self._head = None
        error = BrokenResponse(problem, is_silent=not self._has_come)
        if answer is not None:
            answer.end(error)
        if head is not None and not head.done():
            head.set_exception(error)
        with suppress(ValueError):
            self._target.idle.remove(self)
        self.abort()
