"""uvicorn's HTTP protocol, with what a service needs that others reach without a proxy in front of it.

Writes of one moment leave together: uvicorn writes an answer's head and body apart, and a write to a socket costs more
than most of what is done for a request. A request that offers another protocol, as Java's client does of its own accord
(`Upgrade: h2c`), keeps its body, which uvicorn loses. A client that is silent in the midst of its request, or takes
nothing of its answer, is not waited for without end: it holds a place, and perhaps a part of a budget.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from routerctl.service.response import WHOLE_RESPONSE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_HELD = 65_536  # bytes that are not written yet
_MOST_HEAD = 65_536  # bytes of a request's line and headers
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class JoinedWrites:
    """A transport that holds what is written until the event loop comes round."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._held, self._size = transport, list[bytes](), 0
        self._call_soon = asyncio.get_running_loop().call_soon
        self.is_closing: Callable[[], bool] = transport.is_closing

    def write(self, data: bytes) -> None:
        """Have it written in a moment; much of it at once, as the transport says when there is too much."""
        if not self._held:
            self._call_soon(self._flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > _MOST_HELD:
            self._flush()

    def write_now(self, data: bytes) -> None:
        """Write it at once, behind what is held."""
        if self._held:
            self._flush()
        self._transport.write(data)

    def close(self) -> None:
        """Write what is held, and close it."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held, self._size = self._held, [], 0
        if held and not self._transport.is_closing():
            self._transport.write(held[0] if len(held) == 1 else b"".join(held))

    def __getattr__(self, name: str) -> Any:
        """Give whatever else the transport has."""
        return getattr(self._transport, name)


def _respond(cycle: Any, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
    """Write a whole response as uvicorn would in two steps, a line of checks for each header; False: it has to wait.

    `headers`: names in small letters, without those on length and connection.
    """
    if cycle.disconnected:
        return True
    if cycle.response_started or cycle.flow.write_paused:
        return False
    lines = [STATUS_LINE[status], *[b"%s: %s\r\n" % header for header in (*cycle.default_headers, *headers)]]
    lines.append(b"content-length: %d\r\n" % len(body))
    lines.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
    head, ends = b"".join(lines), len(lines) if cycle.keep_alive else len(lines) + 1
    if head.count(b"\n") != ends or head.count(b"\r") != ends:
        raise RuntimeError("a response header holds a line break")
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write_now(head + body)
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True


class HttpProtocol(HttpToolsProtocol):
    """One connection of a client."""

    silent_s: ClassVar[float] = 75.0  # longer than load balancers keep a connection that is not used: 60 by default

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        joined: Any = JoinedWrites(cast("asyncio.Transport", transport))
        super().connection_made(joined)
        self._served: Any = None  # uvicorn's cycle of the request that is being answered
        self._head_bytes = 0  # of a request's head that came behind its first ones
        self._came_at = self.loop.time()
        self._silence: asyncio.TimerHandle | None = self.loop.call_later(self.silent_s, self._look)
        self._unread: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End; the request that is being answered hears of it, too, where a later one waits behind it."""
        for timer in (self._silence, self._unread):
            if timer is not None:
                timer.cancel()
        if self._served is not None and not self._served.response_complete:
            self._served.disconnected = True
            self._served.message_event.set()
        super().connection_lost(exc)

    # --- what a client sends ------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self._unset_keepalive_if_required()
        before = self.scope
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offered:
            if self._should_upgrade():
                self.data_received(self._without_upgrade(data[offered.args[0] :]))
                return
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self._is_head():
            self._head_bytes = self._head_bytes + len(data) if self.scope is before else 0
            self._wait()
        elif self.cycle.more_body:
            self._wait()

    def _is_head(self) -> bool:
        """Whether a head is coming, or none ever came: uvicorn begins with its scope, and has a cycle at its end."""
        return self.cycle is None or self.cycle.scope is not self.scope

    def _is_coming(self) -> bool:
        """Whether a request is coming that is not answered yet."""
        return self._is_head() or (self.cycle.more_body and not self.cycle.response_complete)

    def _wait(self) -> None:
        """Wait for the rest of a request."""
        self._came_at = self.loop.time()
        if self._head_bytes > _MOST_HEAD and self._is_head():
            self.transport.write(_TOO_LONG)
            self.transport.close()
        elif self._silence is None:
            self._silence = self.loop.call_later(self.silent_s, self._look)

    def _should_upgrade(self) -> bool:
        """Whether uvicorn is to leave a request alone which it was offered another protocol with."""
        return self.scope["method"] != "CONNECT"

    def _without_upgrade(self, rest: bytes) -> bytes:
        """Write the request as one that offers nothing: none is spoken here, and what follows is its body."""
        lines = [b"%s: %s\r\n" % line for line in self.headers if line[0] != b"upgrade"]
        start = b"%s %s HTTP/%s\r\n" % (
            self.scope["method"].encode(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return b"".join([start, *lines, b"\r\n", rest])

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._served = cycle
        cycle.scope["extensions"] = {WHOLE_RESPONSE: partial(_respond, cycle)}
        super()._start_asgi_task(cycle, app)

    # --- a client that is silent --------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Close the connection where a request has begun, or none ever came, and nothing more of it comes."""
        self._silence = None
        if not self._is_coming():
            return
        left_s = self._came_at + self.silent_s - self.loop.time()
        if left_s > 0:
            self._silence = self.loop.call_later(left_s, self._look)
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """Have the application wait for a client that takes what it gets slowly; one that takes nothing is left."""
        super().pause_writing()
        self._look_again(self.transport.get_write_buffer_size())

    def _look_again(self, unread: int) -> None:
        self._unread = self.loop.call_later(self.silent_s, self._leave, unread)

    def _leave(self, unread: int) -> None:
        """Cut the connection where its client has taken nothing of so many bytes."""
        left = self.transport.get_write_buffer_size()
        if left < unread:
            self._look_again(left)
        else:
            self.transport.abort()

    def resume_writing(self) -> None:
        """Go on."""
        if self._unread is not None:
            self._unread.cancel()
        super().resume_writing()
