"""The emulator itself: takes connections, reads requests, lets `post` answer, keeps what came in and what it cost."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import unquote

from routerctl.testing.emulator import small
from routerctl.testing.emulator.faults import OK, Fault
from routerctl.testing.emulator.http import Reader, body_of, response
from routerctl.testing.emulator.ledger import Entry, Ledger, Prices, price
from routerctl.testing.emulator.post import Pace, Post, served
from routerctl.testing.emulator.said import Body, Said
from routerctl.testing.emulator.wires import ROUTES, Wire

MODELS = "/v1/models/"
TIMES = "/times"  # gives and forgets how long the answers since the last look took, by the server's own clock


@dataclass(frozen=True, slots=True)
class Received:
    """One POST as it came in."""

    path: str  # without the query
    headers: Mapping[str, str]  # names in lower case
    body: Body
    query: str = ""


class Emulator:
    """Answers with `answer(request body)`; serves on 127.0.0.1 between `async with` and its end."""

    def __init__(
        self,
        answer: Callable[[Body], str | Said] = lambda _body: "ok",
        *,
        port: int = 0,
        latency_s: float = 0.0,  # before an answer's first byte
        first_token_s: float = 0.0,  # from a stream's opening events to its first delta
        chunk_gap_s: float = 0.0,  # between a stream's deltas
        chunks: int = 4,  # pieces of each text of a stream
        models: Collection[str] | None = None,  # None = knows every model
        about: Mapping[str, Body] | None = None,  # model -> what its GET /v1/models/{id} says beside the usual
        record: bool = True,  # a benchmark turns it off
        chance: Callable[[int], Fault] = lambda _number: OK,  # what happens to the n-th POST, from 1, unless played
        serves: Mapping[str, str] | None = None,  # model -> which one answers in its place
        strict: bool = False,  # refuses what the vendors refuse
        prices: Mapping[str, Prices] | None = None,  # model -> USD a million tokens; with them, `ledger` is kept anyway
    ) -> None:
        self._chance, self._strict, self._prices = chance, strict, dict(prices or {})
        self._answer, self._port, self._latency_s, self._models, self._record = answer, port, latency_s, models, record
        self._first_token_s, self._chunk_gap_s, self._chunks = first_token_s, chunk_gap_s, chunks
        self._about = dict(about or {})
        self.serves = dict(serves or {})
        self._faults: deque[Fault] = deque()
        self._get_faults: dict[str, deque[Fault]] = {"anthropic": deque(), "openai": deque()}
        self._connections: set[asyncio.Task[None]] = set()
        self.received: list[Received] = []
        self.delivered: list[Received] = []  # of these: answered while the client was still there
        self.ledger = Ledger()
        self.took_s: list[float] = []  # from a request that has been read to its answer that has been written
        self.posts = 0
        self.gets = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.url = ""

    def play(self, *faults: Fault) -> None:
        """Queue what happens to the next POSTs; after the last one all is well."""
        self._faults.extend(faults)

    def forget(self) -> None:
        """Drop what is queued: from here on all is well."""
        self._faults.clear()

    def play_gets(self, vendor: str, *faults: Fault) -> None:
        """Queue what happens to a vendor's next questions about models: HTTP errors or silence."""
        self._get_faults[vendor].extend(faults)

    def know(self, models: Collection[str] | None, about: Mapping[str, Body] | None = None) -> None:
        """Change which models there are, and what is said of them."""
        self._models, self._about = models, dict(about or {})

    def books(self) -> Mapping[str, Decimal]:
        """Give what each model would be billed so far, in USD; calls that have not ended are not in it."""
        return self.ledger.books()

    async def __aenter__(self) -> Emulator:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(Reader(), self._serve, loop=loop),
            "127.0.0.1",
            self._port,
            backlog=1024,
        )
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(reader, Reader)  # noqa: S101 - the protocol was given it
        task = asyncio.current_task()
        if task is not None:  # which a callback of the server always is
            self._connections.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client closed a kept-alive connection
        except asyncio.CancelledError:
            pass  # the emulator closes; asyncio's stream callback would log it otherwise
        finally:
            if task is not None:
                self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: Reader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False ends the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        path, _, query = target.partition("?")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        raw = await body_of(reader, headers)
        keep = headers.get("connection", "").lower() != "close"
        if method == "GET" and path == TIMES:
            self.took_s, told = [], self.took_s
            writer.write(response(200, json.dumps(told).encode()))
            return keep
        if method == "GET" and f"{path}/".startswith(MODELS):
            return await self._get(path, reader, writer, anthropic="anthropic-version" in headers) and keep
        wire = ROUTES.get(path) if method == "POST" else None
        if wire is None:
            writer.write(response(404, b"<html><body>404 no such route</body></html>", {"content-type": "text/html"}))
            return keep
        return await self._post(wire, Received(path, headers, _parsed(raw), query), reader, writer) and keep

    async def _post(self, wire: Wire, received: Received, reader: Reader, writer: asyncio.StreamWriter) -> bool:
        started = time.monotonic()
        self.posts += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self._record:
            self.received.append(received)
        fault = self._faults.popleft() if self._faults else self._chance(self.posts)
        post = self._made(wire, received.body, fault)
        try:
            keep = await post.answer(self._answer, reader, writer)
            if reader.left_s is None or post.complete:
                self.took_s.append(time.monotonic() - started)
            if self._record and reader.left_s is None:
                self.delivered.append(received)
            return keep
        finally:
            self.in_flight -= 1
            self._enter(post, started, reader.left_s)

    def _made(self, wire: Wire, body: Body, fault: Fault) -> Post:
        pace = Pace(
            latency_s=self._latency_s,
            first_token_s=self._first_token_s,
            chunk_gap_s=self._chunk_gap_s,
            chunks=self._chunks,
        )
        if fault.answers:
            complaint = wire.complaint(body, served(body, self.serves)) if self._strict else None
            if complaint is not None:
                fault = Fault(400, code=complaint.code, message=complaint.message, param=complaint.param)
            elif self._models is not None and body.get("model") not in self._models:
                fault = Fault(404, message=f"model: {body.get('model')}")
        return Post(number=self.posts, wire=wire, body=body, fault=fault, serves=self.serves, pace=pace)

    def _enter(self, post: Post, began_s: float, left_s: float | None) -> None:
        if not self._record and not self._prices:
            return
        self.ledger.append(
            Entry(
                id=post.number,
                wire=post.wire.name,
                model=post.model,
                stream=post.streaming is not None,
                usage=post.usage,
                usd=price(post.usage, self._prices, post.model),
                status=post.status,
                complete=post.complete,
                left_s=None if post.complete else left_s,
                began_s=began_s,
                ended_s=time.monotonic(),
            )
        )

    async def _get(self, path: str, reader: Reader, writer: asyncio.StreamWriter, *, anthropic: bool) -> bool:
        self.gets += 1
        played = self._get_faults["anthropic" if anthropic else "openai"]
        fault = played.popleft() if played else OK
        if fault.way == "silent":
            await reader.leaves()
            return False
        wire = ROUTES["/v1/messages" if anthropic else "/v1/chat/completions"]
        name = unquote(f"{path}/".removeprefix(MODELS).removesuffix("/"))
        known = self._models is None or name in self._models
        if fault.status == 200 and name and not known:
            fault = Fault(404, message=f"model: {name}")
        if fault.status != 200:
            body = wire.error(fault, 1) if fault.body is None else fault.body
            writer.write(response(fault.status, body, fault.headers))
            return True
        if name:
            told = small.model(name, self._about, anthropic=anthropic)
        else:
            told = small.models_page(self._models or (), self._about, anthropic=anthropic)
        writer.write(response(200, json.dumps(told).encode()))
        return True


def _parsed(raw: bytes) -> Body:
    """Read a body; what is no object is one without fields, which no strict vendor takes."""
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
