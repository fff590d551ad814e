"""routerctl/service/server_protocol.py: what is written in one moment leaves together, and nothing is lost or held."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, cast

import pytest
import uvicorn

from routerctl.service.response import WHOLE_RESPONSE
from routerctl.service.server_protocol import HttpProtocol, JoinedWrites


class Recorded:
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        self.written, self.closed = list[bytes](), False

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written.append(data)

    def close(self) -> None:
        """Close it."""
        self.closed = True

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self.closed

    def get_extra_info(self, name: str) -> str:
        """Give the name that was asked for."""
        return name


def _joined() -> tuple[Recorded, JoinedWrites]:
    transport = Recorded()
    return transport, JoinedWrites(cast("Any", transport))


async def test_head_and_body_leave_in_one_write() -> None:
    """And what is written a moment later leaves in the next."""
    transport, joined = _joined()
    joined.write(b"head ")
    joined.write(b"body")
    assert transport.written == []
    await asyncio.sleep(0)
    joined.write(b"more")
    await asyncio.sleep(0)
    assert transport.written == [b"head body", b"more"]


async def test_what_was_written_leaves_before_it_is_closed() -> None:
    """Once."""
    transport, joined = _joined()
    joined.write(b"last")
    joined.close()
    assert (transport.written, transport.closed, joined.is_closing()) == ([b"last"], True, True)
    await asyncio.sleep(0)
    assert transport.written == [b"last"]


async def test_nothing_is_written_to_a_client_that_is_gone() -> None:
    """A transport that was closed meanwhile would only warn."""
    transport, joined = _joined()
    joined.write(b"late")
    transport.close()
    await asyncio.sleep(0)
    assert transport.written == []


async def test_whatever_else_a_transport_can_do_it_does() -> None:
    """Uvicorn asks it for addresses and pauses its reading."""
    assert _joined()[1].get_extra_info("peername") == "peername"


# --- connections ------------------------------------------------------------------------------------------------------

BIG = 32 * 1024 * 1024  # bytes: more than the kernel takes for a client that reads nothing
HEAD = b"POST /%s HTTP/1.1\r\nhost: localhost\r\n%scontent-length: %d\r\n\r\n"
H2C = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"


WHOLE = {"/whole": [], "/broken": [(b"a", b"1\r\nb: 2")], "/broken-too": [(b"a", b"1\n")]}


class Impatient(HttpProtocol):
    """The same with little patience."""

    silent_s = 0.3


class Echo:
    """An application that answers with what it was sent, with much, or never; knows who left."""

    def __init__(self) -> None:
        self.left, self.asked = list[str](), list[str]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        path, body, more = scope["path"], b"", True
        self.asked.append(path)
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.append(path)
                return
            body, more = body + message["body"], message["more_body"]
        if path == "/never":
            await receive()
            self.left.append(path)
            return
        if path in WHOLE:
            assert scope["extensions"][WHOLE_RESPONSE](200, WHOLE[path], body)
            return
        answer = body if path == "/echo" else b"x" * BIG
        length = (b"content-length", b"%d" % len(answer))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        size = BIG if path == "/at-once" else BIG // 32
        for start in range(0, len(answer), size):
            more = start + size < len(answer)
            await send({"type": "http.response.body", "body": answer[start : start + size], "more_body": more})
        if path != "/echo" and (await receive())["type"] == "http.disconnect":
            self.left.append(path)


@asynccontextmanager
async def _served(protocol: type[HttpProtocol] = HttpProtocol) -> AsyncIterator[tuple[Echo, int]]:
    """Serve an application; gives it and its port."""
    app, sock = Echo(), socket.socket()
    sock.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, loop="none", http=protocol, ws="none", lifespan="off", log_level="error", access_log=False
    )
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve(sockets=[sock]))
    await _until(lambda: server.started)
    try:
        yield app, sock.getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def _until(is_so: Callable[[], object]) -> None:
    """Wait for it; the test's own time limit ends it otherwise."""
    while not is_so():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.01)


async def _said(port: int, *pieces: bytes) -> bytes:
    """Give all that is answered to pieces that are sent each on its own, until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.02)
    try:
        return await reader.read()
    finally:
        writer.close()


def _request(body: bytes, *, path: bytes = b"echo", more: bytes = b"") -> bytes:
    return HEAD % (path, more, len(body)) + body


LAST = _request(b"last", more=b"connection: close\r\n")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("cuts", [(), (20,), (-3,), (-30, -3)])
async def test_a_request_that_offers_another_protocol_keeps_its_body(cuts: tuple[int, ...], *, chunked: bool) -> None:
    """As Java's own client offers HTTP/2 with each request; however it is cut, and the connection goes on."""
    request = _request(b"whole body", more=H2C)
    if chunked:
        head = (HEAD % (b"echo", H2C, 0)).replace(b"content-length: 0", b"transfer-encoding: chunked")
        request = head + b"5\r\nwhole\r\n5\r\n body\r\n0\r\n\r\n"
    ends = [0, *(cut % len(request) for cut in cuts), len(request)]
    async with _served() as (app, port):
        pieces = [request[begin:end] for begin, end in pairwise(ends)]
        answer = await _said(port, *pieces, request + request + LAST)
    assert app.asked == ["/echo"] * 4
    assert answer.count(b"\r\n\r\nwhole body") == 3
    assert answer.endswith(b"\r\n\r\nlast")


async def test_very_many_offers_at_once_are_all_declined() -> None:
    """One after the other, whatever their number."""
    async with _served() as (app, port):
        await _said(port, _request(b"x", more=H2C) * 1500 + LAST)
    assert len(app.asked) == 1501


@pytest.mark.parametrize("more", [b"x: " + b"y" * 100_000, b"".join(b"x-%d: y\r\n" % n for n in range(10_000))])
async def test_a_head_without_end_is_refused(more: bytes) -> None:
    """Before it has filled the memory; a long body is not a head."""
    async with _served() as (app, port):
        answer = await _said(port, b"GET / HTTP/1.1\r\n", more[:50_000], more[50_000:])
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert app.asked == []
        request = _request(b"z" * 300_000, more=b"connection: close\r\n")
        assert (await _said(port, request[:200_000], request[200_000:])).endswith(b"z" * 300_000)


@pytest.mark.parametrize("part", [b"", b"POST /ec", _request(b"body")[:-1], _request(b"a") + _request(b"body")[:-1]])
async def test_a_client_that_stops_amid_its_request_is_not_waited_for(part: bytes) -> None:
    """Whoever waits for the rest hears that it left; one that goes on slowly is waited for."""
    async with _served(Impatient) as (app, port):
        await _said(port, part)
        assert app.left == (["/echo"] if part.endswith(b"bod") else [])
        pieces = [bytes([one]) for one in LAST[-8:]]
        assert (await _said(port, LAST[:-8], *pieces, *[b""] * 5)).endswith(b"last")


async def test_a_client_that_waits_for_its_answer_is_left_alone() -> None:
    """However long that takes: its request is whole."""
    async with _served(Impatient) as (app, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_request(b"", path=b"never"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), Impatient.silent_s * 4)
        assert app.left == []
        writer.close()
        await _until(lambda: app.left)


@pytest.mark.parametrize("path", [b"much", b"at-once"])
async def test_a_client_that_takes_nothing_is_left(path: bytes) -> None:
    """What serves it hears so, and its connection is cut; one that takes it slowly gets all."""
    async with _served(Impatient) as (app, port):
        for is_read in (True, False):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=BIG // 32)
            writer.write(_request(b"", path=path, more=b"connection: close\r\n"))
            size = 0
            while is_read and (piece := await reader.read(BIG // 32)):
                size += len(piece)
                await asyncio.sleep(0.02)
            assert not is_read or size > BIG
            await _until(lambda: app.left)
            app.left.clear()
            if not is_read:
                await asyncio.sleep(Impatient.silent_s * 2)
                assert len(await reader.read()) < BIG
            writer.close()


@pytest.mark.parametrize("more", [b"", b"connection: close\r\n"])
async def test_a_response_that_is_written_at_once_is_the_same(more: bytes) -> None:
    """As one in two messages, also of pipelined requests and on a connection that is kept."""
    async with _served() as (_, port):
        said = []
        for path in (b"echo", b"whole"):
            pair = _request(b"some", path=path) + _request(b"more", path=path, more=more)
            said.append(re.sub(rb"date: .*", b"", await _said(port, pair, *([] if more else [LAST]))))
        two, one = said
        assert one == two
        assert one.endswith(b"more") == bool(more)


@pytest.mark.parametrize("path", [b"broken", b"broken-too"])
async def test_a_header_with_a_line_break_is_not_written(path: bytes) -> None:
    """Whoever brought it in cannot add headers, or an answer."""
    async with _served() as (_, port):
        assert (await _said(port, _request(b"", path=path))).startswith(b"HTTP/1.1 500 ")


async def test_whoever_is_served_hears_that_the_client_left_though_more_was_asked() -> None:
    """A second request behind the first stands in no way."""
    async with _served() as (app, port):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_request(b"", path=b"much") * 2)
        await _until(lambda: app.asked)
        writer.transport.abort()
        await _until(lambda: app.left)
    assert app.asked == ["/much"]
