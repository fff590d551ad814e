"""The ASGI application: POSTs to the APIs go straight to `exchange`, everything else to `endpoints`.

The hot path is one callable without a framework. A request is read, parsed, admitted, routed and answered, and its end
is recorded whatever happens to it. Place: the top of the service; `serve` hands it to uvicorn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from routerctl.errors import RouterctlError
from routerctl.notices import warn
from routerctl.service.admission import Admission
from routerctl.service.count_tokens import count_tokens
from routerctl.service.disconnect import ClientDisconnected, DisconnectWatch, Receive
from routerctl.service.exchange import Exchange
from routerctl.service.observer import Observer, summary_of
from routerctl.service.problems import Refused, problem_of, unexpected
from routerctl.service.request import PATHS, ClientRequest, Headers, api_format_of, headers_by_name, parse_request
from routerctl.service.response import (
    JSON,
    WHOLE_RESPONSE,
    Header,
    dropped_fields,
    error_response,
    forwarded_headers,
    routerctl_headers,
    to_json,
)
from routerctl.service.streaming import StreamingResponse
from routerctl.service.worker import Worker
from routerctl.types import Answer, RawReply, RawWire

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class App:
    """The application."""

    def __init__(
        self,
        worker: Worker,
        admission: Admission,
        observer: Observer,
        others: Asgi,
        *,
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        """`others`: answers everything but the APIs' POSTs; `on_open`: called in the event loop."""
        self.worker, self._admission, self._observer, self._others = worker, admission, observer, others
        self._on_open = on_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the process's lifespan."""
        kind = scope["type"]
        if kind == "http":
            wire = PATHS.get(scope["path"])
            if wire is not None and scope["method"] == "POST":
                worker, observer = self.worker, self._observer
                worker.in_flight += 1
                observer.metrics.began(wire)
                posted = RequestHandler(worker, self._admission, observer, wire, scope, send)
                try:
                    await posted.serve(receive)
                finally:
                    worker.in_flight -= 1
                    posted.report()
            else:
                await self._others(scope, receive, send)
        elif kind == "lifespan":
            await self._live(receive, send)
        else:
            raise RuntimeError(f"unknown protocol {kind!r}")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.worker.open()
            await self._admission.open()
            self._observer.serves(self.worker.table)
            self._on_open()
        except RouterctlError as error:
            warn(str(error))
            await asyncio.to_thread(self._observer.close)  # which writes that line
            await send({"type": "lifespan.startup.failed"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.worker.close()
        await self._admission.close()
        await asyncio.to_thread(self._observer.close)
        await send({"type": "lifespan.shutdown.complete"})


class RequestHandler:
    """Handles one POST to an API."""

    def __init__(  # noqa: PLR0917 - what is open, then what came
        self, worker: Worker, admission: Admission, observer: Observer, wire: RawWire, scope: Scope, send: Send
    ) -> None:
        self._worker, self._admission, self._observer = worker, admission, observer
        self._wire, self._scope, self._send = wire, scope, send
        self._headers: Headers = headers_by_name(scope["headers"])
        self._span = observer.tracing.begin(wire, scope["path"], self._headers)
        self._began = worker.clock()
        self._exchange: Exchange | None = None
        self._client: DisconnectWatch | None = None
        self._stream: StreamingResponse | None = None
        self._status, self._key_id, self._error = 0, "", ""

    async def serve(self, receive: Receive) -> None:
        """Read, serve and settle the request."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("an ASGI application is called in a task")
        try:
            request, permit = await self._read(receive)
        except ClientDisconnected:  # before it had asked for anything
            return
        except RouterctlError as error:
            await self._refuse(error)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an error in its API's format
            await self._refuse(unexpected(error))
            return
        self._exchange = exchange = Exchange(worker=self._worker, request=request, span=self._span)
        with DisconnectWatch(receive, task) as client:
            self._client = client
            try:
                await self._answer(exchange)
            except RouterctlError as error:
                await self._refuse(error)
            except Exception as error:  # noqa: BLE001 - likewise
                await self._refuse(unexpected(error))
            except asyncio.CancelledError:
                exchange.facts.cancelled = True
                if not client.has_disconnected:
                    raise
                task.uncancel()
            finally:
                if permit is not None or not exchange.has_ended:
                    await asyncio.shield(self._end(exchange, permit))

    def report(self) -> None:
        """Record how it ended."""
        total_s = self._worker.clock() - self._began
        summary = summary_of(
            self._exchange,
            wire=self._wire,
            path=self._scope["path"],
            status=self._status,
            total_s=total_s,
            key_id=self._key_id,
            error=self._error,
        )
        self._observer.ended(summary, self._span)

    async def _read(self, receive: Receive) -> tuple[ClientRequest, Any]:
        headers = self._headers
        key = await self._admission.authenticate(headers, self._scope)
        self._key_id = key.id if key else ""
        raw = await self._body(headers, receive)
        query = self._scope["query_string"].decode("latin-1")
        request = self._admission.authorize(key, parse_request(self._wire, raw, headers, query))
        return request, await self._admission.admit(key, request)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused(415, "content-encoding: expected none, or identity", code="unsupported_media_type")
        most = int(self._worker.table.routing.serve.max_body_mb * 1_000_000)
        told = headers.get(b"content-length", b"")
        if told.isdigit() and int(told) > most:
            raise _too_large(most)
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                raise _too_large(most)
            parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _answer(self, exchange: Exchange) -> None:
        if self._wire == "count_tokens":
            await self._count(exchange)
            return
        if exchange.request.stream:
            serving = self._worker.table.routing.serve
            self._stream = StreamingResponse(
                exchange, self._send, self._send_last, serving, self._began, self._worker.clock
            )
            self._status = await self._stream.serve()
            return
        answer = await exchange.begin()
        decision = exchange.facts.decision
        await exchange.end()
        overhead_s = self._worker.clock() - self._began - exchange.facts.waited_s
        dropped = dropped_fields(exchange.forwarder)
        headers = routerctl_headers(decision, overhead_s=overhead_s, with_cost=True, dropped=dropped)
        if isinstance(answer, RawReply):
            headers += forwarded_headers(answer.headers)
        await self._send_whole(200, self._whole(exchange, answer), [JSON, *headers])

    async def _count(self, exchange: Exchange) -> None:
        number, candidate = await count_tokens(self._worker, exchange.request)
        body = number if isinstance(number, bytes) else to_json({"input_tokens": number})
        await self._send_whole(200, body, [JSON, (b"x-routerctl-candidate", candidate.encode())])

    def _whole(self, exchange: Exchange, answer: RawReply | Answer) -> bytes:
        """Give a whole reply in the client's format."""
        if isinstance(answer, RawReply) and answer.wire == exchange.request.wire:
            return answer.body
        return to_json(exchange.translated_reply(answer))

    async def _refuse(self, error: RouterctlError) -> None:
        """Answer with an error; where a stream has begun, within it."""
        exchange = self._exchange
        problem = problem_of(error, exchange.forwarder if exchange else None)
        self._error = problem.code
        if self._stream is not None and self._stream.has_started:
            await self._stream.fail(problem)
            return
        decision = exchange.facts.decision if exchange else None
        request_id = decision.id if decision else ""
        status, body, headers = error_response(api_format_of(self._wire), problem, request_id)
        waited_s = exchange.facts.waited_s if exchange else 0.0
        overhead_s = self._worker.clock() - self._began - waited_s
        headers += routerctl_headers(decision, overhead_s=overhead_s, with_cost=decision is not None)
        await self._send_whole(status, body, headers)

    async def _send_whole(self, status: int, body: bytes, headers: list[Header]) -> None:
        self._status = status
        if self._client is not None:
            self._client.close()
        at_once = self._scope.get("extensions", {}).get(WHOLE_RESPONSE)
        if at_once is not None and at_once(status, headers, body):
            return
        headers.append((b"content-length", b"%d" % len(body)))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send_last(body)

    async def _send_last(self, body: bytes) -> None:
        """Send the last of the response: a disconnect after it no longer matters."""
        if self._client is not None:
            self._client.close()
        await self._send({"type": "http.response.body", "body": body})

    async def _end(self, exchange: Exchange, permit: Any) -> None:
        await exchange.end()
        if permit is not None:
            await permit.release(exchange.tokens())


def _too_large(most: int) -> Refused:
    return Refused(413, f"the body is larger than {most:,} bytes (routing.serve.max_body_mb)", code="request_too_large")
