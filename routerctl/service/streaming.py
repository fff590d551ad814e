"""A provider's stream -> the client's stream: held until there is content, kept alive in silence, properly ended.

Until the first content nothing is sent, and the place that serves may change. If that takes long, the response begins
with comments or pings that keep the connection open; from then on an error is sent within the stream. A stream that
breaks off ends with the API's own error event, and without the event that marks success.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from routerctl.errors import TimedOut
from routerctl.service.exchange import Exchange
from routerctl.service.forward import came_whole
from routerctl.service.problems import Problem
from routerctl.service.request import api_format_of
from routerctl.service.response import EVENT_STREAM, Header, dropped_fields, forwarded_headers, routerctl_headers
from routerctl.types import Answer, RawReply, Serving

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_BUFFERING: Header = (b"x-accel-buffering", b"no")  # nginx would buffer the stream
_UNCACHED: Header = (b"cache-control", b"no-cache")


class StreamingResponse:
    """One response that is streamed to a client."""

    def __init__(  # noqa: PLR0917 - what, to whom, by which rules, since when
        self,
        exchange: Exchange,
        send: Send,
        send_last: Callable[[bytes], Awaitable[None]],
        serving: Serving,
        began: float,
        clock: Callable[[], float],
    ) -> None:
        """`send_last`: sends the last piece of the response."""
        self._exchange, self._send, self._serving, self._clock = exchange, send, serving, clock
        self._send_last = send_last
        self._began = began
        self.has_started = False
        self._loop = asyncio.get_running_loop()
        self._sent_at = self._loop.time()
        self._alive: asyncio.TimerHandle | None = self._loop.call_later(serving.keepalive_s, self._keep_alive)
        self._pinging: asyncio.Task[None] | None = None

    async def serve(self) -> int:
        """Route, stream what comes, and give the status that was sent."""
        try:
            answer = await self._exchange.begin()
            if self._pinging:
                await self._pinging
            if isinstance(answer, RawReply) and not came_whole(answer):
                await self._pass(answer)
            else:
                await self._write_whole(answer)
        finally:
            if self._alive:
                self._alive.cancel()
        return 200

    async def fail(self, problem: Problem) -> None:
        """End a stream that has begun with the API's own error."""
        await self._end(self._exchange.failure_event(problem))

    async def _pass(self, raw: RawReply) -> None:
        """Stream what comes, in the client's format."""
        stream = raw.stream
        transform = self._exchange.transform_for(raw)
        first = transform.feed(raw.body)
        if not self.has_started:
            await self._start(forwarded_headers(raw.headers))
        if first:
            await self._body(first)
        if stream is not None:
            left_s = max(0.0, self._serving.total_s - (self._clock() - self._began))
            late = TimedOut(f"the reply was not complete within {self._serving.total_s:g} s (routing.serve.total_s)")
            ends = self._loop.call_later(left_s, stream.abort, late)
            began = self._clock()
            try:
                async for piece in stream:
                    out = transform.feed(piece)
                    if out:
                        await self._body(out)
            finally:
                ends.cancel()
                self._exchange.facts.streamed_s = self._clock() - began
        await self._end(transform.end())

    async def _write_whole(self, answer: RawReply | Answer) -> None:
        """Stream an answer that is complete already."""
        written = self._exchange.as_stream(answer)
        if not self.has_started:
            await self._start(forwarded_headers(answer.headers) if isinstance(answer, RawReply) else [])
        await self._end(written)

    async def _start(self, headers: list[Header]) -> None:
        self.has_started = True
        facts = self._exchange.facts
        overhead_s = self._clock() - self._began - facts.waited_s
        own = routerctl_headers(
            facts.decision, overhead_s=overhead_s, with_cost=False, dropped=dropped_fields(self._exchange.forwarder)
        )
        everything = [EVENT_STREAM, _UNCACHED, _BUFFERING, *own, *headers]
        await self._send({"type": "http.response.start", "status": 200, "headers": everything})

    async def _body(self, piece: bytes) -> None:
        self._sent_at = self._loop.time()
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def _end(self, piece: bytes) -> None:
        """Send the last piece; a sign of life that still waits for a slow client goes before it."""
        if self._alive:
            self._alive.cancel()
        if self._pinging:
            await self._pinging
        await self._send_last(piece)

    def _keep_alive(self) -> None:
        """Send a keepalive if nothing else was sent for long; one timer per stream, not per piece."""
        silent_s = self._loop.time() - self._sent_at
        wait_s = self._serving.keepalive_s - silent_s
        if wait_s <= 0 and (self._pinging is None or self._pinging.done()):
            self._pinging, wait_s = asyncio.ensure_future(self._ping()), self._serving.keepalive_s
        self._alive = self._loop.call_later(max(wait_s, 0.01), self._keep_alive)

    async def _ping(self) -> None:
        if not self.has_started:
            await self._start([])
        await self._body(PING[api_format_of(self._exchange.request.wire)])


PING = {
    "chat": b": ping\n\n",
    "responses": b": ping\n\n",
    "messages": b'event: ping\ndata: {"type": "ping"}\n\n',
}
