"""The small HTTP client, against a far side that sends exact bytes, on both event loops."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from routerctl.providers.http1 import Http1Client, Http1Response
from routerctl.providers.http_client import BrokenResponse, NotConnected
from tests.http_far_side import FarSide, Play, in_pieces, then_close, then_wait

Run = Callable[[Coroutine[Any, Any, None]], None]
LENGTH = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b'2;a=b;c="d"\r\nhe\r\n3\r\nllo\r\n0\r\ntrailer: one\r\nX-Two: 2\r\n\r\n'
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + LENGTH
ENDED = {"length": LENGTH, "chunked": CHUNKED, "interim": INTERIM}
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhello"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n"


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a test's coroutine on one of the loops."""

    def runs(coroutine: Coroutine[Any, Any, None]) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(coroutine, 30))

    return runs


@asynccontextmanager
async def asking(*answers: bytes | Play, **more: Any) -> AsyncIterator[tuple[FarSide, Http1Client]]:
    """A far side and a client of it."""
    async with FarSide(list(answers), **more) as far:
        client = Http1Client(far.url, {"authorization": "Bearer key"}, connect_s=5.0)
        try:
            yield far, client
        finally:
            await client.close()


async def post(client: Http1Client, body: bytes = b"{}") -> Http1Response:
    """Post, with a header of its own."""
    return await client.post("/chat", body, {"x-more": "1"}, "")


async def got(client: Http1Client) -> tuple[int, bytes]:
    """Give status and body of an answer."""
    answer = await post(client)
    return answer.status, await answer.read()


async def settled(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    while not holds():  # noqa: ASYNC110 - of what the far side sees nobody tells
        await asyncio.sleep(0.001)


# --- what is sent -----------------------------------------------------------------------------------------------------


def test_a_request_is_written_as_the_protocol_says(run: Run) -> None:
    """Path, query, host, both kinds of headers, the body's length and the body, small or large."""

    async def test() -> None:
        async with asking(LENGTH, LENGTH) as (far, client):
            large = b"x" * 200_000
            for body in (b'{"a":1}', large):
                await (await client.post("/chat", body, {"x-more": "\xe9"}, "beta=true")).read()
            head = b"POST /v1/chat?beta=true HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer key\r\n" % far.port
            more = b"x-more: \xe9\r\ncontent-length: %d\r\n\r\n"
            assert far.requests == [head + more % 7 + b'{"a":1}', head + more % 200_000 + large]
            assert far.connections == 1

    run(test())


@pytest.mark.parametrize(
    ("path", "headers", "query"),
    [
        ("/chat", {"x-a": "1\r\nx-b: 2"}, ""),
        ("/chat", {"x-a": "1\nx-b: 2"}, ""),
        ("/chat", {"x-a": "1\0"}, ""),
        ("/chat", {"x-a": "\u20ac"}, ""),
        ("/chat", {"x-a: 1\r\nx-b": "2"}, ""),
        ("/chat", {"x a": "2"}, ""),
        ("/chat", {"": "2"}, ""),
        ("/chat", {}, "a=1 HTTP/1.1\r\nx-b: 2"),
        ("/chat", {}, "a= b"),
        ("/chat", {}, "a=\xe9"),
        ("/chat\r\n", {}, ""),
    ],
)
def test_nothing_can_end_a_line_of_a_request_early(run: Run, path: str, headers: dict[str, str], query: str) -> None:
    """A line break, a NUL or what cannot be written is refused before anything leaves."""

    async def test() -> None:
        async with asking(LENGTH) as (far, client):
            with pytest.raises(ValueError, match=r"header|address|latin-1"):
                await client.post(path, b"{}", headers, query)
            assert far.connections == 0

    run(test())


# --- framings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (LENGTH, (200, b"hello")),
        (CHUNKED, (200, b"hello")),
        (INTERIM, (200, b"hello")),
        (then_close(UNTIL_CLOSE), (200, b"hello")),
        (then_close(b"HTTP/1.0 200 OK\r\n\r\nhello"), (200, b"hello")),
        (then_close(b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello"), (200, b"hello")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", (304, b"")),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", (200, b"")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", (200, b"")),
        (b"HTTP/1.1 503 \r\nContent-Length: 2\r\n\r\nno", (503, b"no")),
    ],
)
def test_every_framing_of_a_body_is_read(run: Run, answer: bytes | Play, expected: tuple[int, bytes]) -> None:
    """By length, in chunks with extensions and trailers, until the end, behind interim answers, and none at all."""

    async def test() -> None:
        async with asking(answer) as (_, client):
            assert await got(client) == expected

    run(test())


def test_headers_are_told_by_names_in_lower_case(run: Run) -> None:
    """Several of one name are one, with a comma between."""

    async def test() -> None:
        async with asking(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nX-B: \xe9\r\ncontent-length: 0\r\n\r\n") as (
            _,
            client,
        ):
            answer = await post(client)
            assert dict(answer.headers) == {"x-a": "1, 2", "x-b": "\xe9", "content-length": "0"}

    run(test())


@pytest.mark.parametrize("kind", ENDED)
def test_where_an_answer_is_split_makes_no_difference(run: Run, kind: str) -> None:
    """In two pieces at every place, and byte by byte."""
    whole = ENDED[kind]
    plays = [in_pieces(whole[:at], whole[at:]) for at in range(1, len(whole))]
    plays.append(in_pieces(*[whole[at : at + 1] for at in range(len(whole))]))

    async def test() -> None:
        async with asking(*plays) as (far, client):
            for _ in range(len(whole)):
                assert await got(client) == (200, b"hello")
            assert far.connections == 1

    run(test())


@pytest.mark.parametrize("kind", ENDED)
def test_an_answer_that_is_cut_is_an_error_wherever_it_is_cut(run: Run, kind: str) -> None:
    """Never a body that is too short."""
    whole = ENDED[kind]

    async def test() -> None:
        async with asking(*[then_close(whole[:at]) for at in range(len(whole))]) as (far, client):
            for at in range(len(whole)):
                with pytest.raises(BrokenResponse, match="was closed") as raised:
                    await got(client)
                assert raised.value.is_silent == (at == 0)
            assert len(far.requests) == len(whole)

    run(test())


def test_a_reset_is_no_end_of_a_body_without_length(run: Run) -> None:
    """An orderly close is the end of a body that lasts until then; a reset is not."""

    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(UNTIL_CLOSE)
        await asyncio.sleep(0.02)
        linger = b"\1\0\0\0\0\0\0\0"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async def test() -> None:
        async with asking(reset) as (_, client):
            with pytest.raises(BrokenResponse):
                await got(client)

    run(test())


def test_the_own_close_is_no_end_of_a_body_without_length(run: Run) -> None:
    """Whoever reads it when somebody closes it is told that it is not whole."""

    async def test() -> None:
        async with asking(then_wait(UNTIL_CLOSE)) as (_, client):
            answer = await post(client)
            assert await answer.readany() == b"hello"
            reading = asyncio.ensure_future(answer.readany())
            await asyncio.sleep(0)
            answer.close()
            with pytest.raises(BrokenResponse):
                await reading
            assert not answer.is_whole

    run(test())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP"),
        (b"<html>hello</html>", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nhello", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello", "compressed"),
        (b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "changes the protocol"),
        (b"HTTP/1.1 200 OK\r\nx-a: " + b"x" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n", "longer than"),
        (b"HTTP/1.1 200 OK\r\n" + b"x-a: 1\r\n" * 17_000 + b"content-length: 0\r\n\r\n", "longer than"),
        (b"HTTP/1.1 200 OK\r\nx-a: " + b"x" * 1_000_000, "longer than"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, "longer than"),
    ],
)
def test_what_is_no_answer_is_an_error_at_once(run: Run, answer: bytes, words: str) -> None:
    """What is no HTTP, is compressed, changes the protocol or has no end of headers, with the connection left open."""

    async def test() -> None:
        async with asking(then_wait(answer)) as (far, client):
            with pytest.raises(BrokenResponse, match=words):
                await post(client)
            await far.lost.wait()

    run(test())


def test_a_chunk_that_is_none_breaks_the_body(run: Run) -> None:
    """What came before it can be read; then it is an error."""

    async def test() -> None:
        bad = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\nxyz\r\n"
        async with asking(then_wait(bad)) as (_, client):
            answer = await post(client)
            assert await answer.readany() == b"he"
            with pytest.raises(BrokenResponse, match="no HTTP"):
                await answer.readany()

    run(test())


# --- connections ------------------------------------------------------------------------------------------------------


def test_a_connection_is_used_again(run: Run) -> None:
    """One at a time is one connection; several at once are several, which are then free."""

    async def test() -> None:
        async with asking(*[LENGTH, CHUNKED, INTERIM] * 4) as (far, client):
            for _ in range(6):
                assert await got(client) == (200, b"hello")
            assert far.connections == 1
            await asyncio.gather(*[got(client) for _ in range(3)])
            await asyncio.gather(*[got(client) for _ in range(3)])
            assert far.connections == 3

    run(test())


@pytest.mark.parametrize(
    "answer",
    [
        LENGTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        LENGTH + b"garbage",
        LENGTH + b"H",
        LENGTH + LENGTH,
        LENGTH + LENGTH[:30],
        CHUNKED + CHUNKED,
        LENGTH + INTERIM,
    ],
)
def test_a_connection_that_cannot_be_trusted_is_not_used_again(run: Run, answer: bytes) -> None:
    """One that ends with its answer, or on which more came than was asked for: an answer is never somebody else's."""

    async def test() -> None:
        fresh = LENGTH.replace(b"hello", b"fresh")
        async with asking(then_wait(answer), fresh) as (far, client):
            assert await got(client) == (200, b"hello")
            await far.lost.wait()
            assert await got(client) == (200, b"fresh")
            assert far.connections == 2

    run(test())


def test_an_answer_that_nobody_asked_for_ends_its_connection(run: Run) -> None:
    """What comes on a free connection is nobody's answer."""

    async def unasked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(LENGTH)
        await asyncio.sleep(0.02)
        await then_wait(LENGTH.replace(b"hello", b"wrong"))(reader, writer)

    async def test() -> None:
        async with asking(unasked, LENGTH) as (far, client):
            assert await got(client) == (200, b"hello")
            await far.lost.wait()
            assert await got(client) == (200, b"hello")
            assert far.connections == 2

    run(test())


def test_trailers_are_no_headers_of_the_next_answer(run: Run) -> None:
    """What stood behind one body is not told with the next one's head."""

    async def test() -> None:
        async with asking(CHUNKED, LENGTH) as (far, client):
            await got(client)
            answer = await post(client)
            assert set(answer.headers) == {"content-type", "content-length"}
            assert far.connections == 1

    run(test())


def test_a_free_connection_that_the_far_side_closes_is_dropped(run: Run) -> None:
    """Nobody sees an error, and the next request makes a new connection."""

    async def test() -> None:
        async with asking(then_close(LENGTH), LENGTH) as (far, client):
            assert await got(client) == (200, b"hello")
            await far.lost.wait()
            await asyncio.sleep(0.02)
            assert await got(client) == (200, b"hello")
            assert (far.connections, len(far.requests)) == (2, 2)

    run(test())


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close without a word."""
    writer.close()


def test_a_request_on_a_stale_connection_is_sent_once_more(run: Run) -> None:
    """The far side closed it as the request left: a new connection, exactly once."""

    async def test() -> None:
        async with asking(LENGTH, hang_up, LENGTH) as (far, client):
            assert [await got(client), await got(client)] == [(200, b"hello")] * 2
            assert (far.connections, len(far.requests)) == (2, 3)
        async with asking(LENGTH, hang_up, hang_up, LENGTH) as (far, client):
            await got(client)
            with pytest.raises(BrokenResponse) as raised:
                await got(client)
            assert raised.value.is_silent
            assert (far.connections, len(far.requests)) == (2, 3)

    run(test())


def test_a_request_is_not_sent_again_where_a_byte_came_or_time_passed(run: Run) -> None:
    """The far side had the request, and may bill it; nor is one that went out on a new connection."""

    async def late(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.2)
        writer.close()

    async def test() -> None:
        for broken in (then_close(b"H"), late):
            async with asking(LENGTH, broken, LENGTH) as (far, client):
                await got(client)
                with pytest.raises(BrokenResponse):
                    await got(client)
                assert len(far.requests) == 2
        async with asking(hang_up, LENGTH) as (far, client):
            with pytest.raises(BrokenResponse):
                await got(client)
            assert len(far.requests) == 1

    run(test())


# --- wanting no more --------------------------------------------------------------------------------------------------


def test_an_answer_closed_in_its_body_ends_the_connection(run: Run) -> None:
    """The far side sees it at once, and what had come can still be read."""

    async def test() -> None:
        async with asking(then_wait(HEAD + b"abc"), LENGTH) as (far, client):
            answer = await post(client)
            answer.close()
            await asyncio.wait_for(far.lost.wait(), 5)
            assert await got(client) == (200, b"hello")
            assert far.connections == 2

    run(test())


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200", HEAD, HEAD + b"abc"])
def test_a_cancelled_task_ends_the_connection(run: Run, sent: bytes) -> None:
    """Whether it waited for the head or, closing what it had, for the body."""

    async def reads(client: Http1Client) -> None:
        answer = await post(client)
        try:
            await answer.read()
        finally:
            answer.close()

    async def test() -> None:
        async with asking(then_wait(sent)) as (far, client):
            task = asyncio.ensure_future(reads(client))
            await settled(lambda: bool(far.requests))
            await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(far.lost.wait(), 5)

    run(test())


def test_who_is_cancelled_late_ends_nobody_elses_request(run: Run) -> None:
    """Its answer was whole and its connection in another's hands before it heard that it was cancelled."""

    async def test() -> None:
        gate = asyncio.Event()

        async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await gate.wait()
            writer.write(LENGTH)

        async with asking(LENGTH, slow, LENGTH) as (far, client):
            first = asyncio.ensure_future(post(client))
            idle = client._target.idle
            second: list[asyncio.Task[Http1Response]] = []

            def watch() -> None:  # each turn of the loop, before whoever was woken in it
                if not idle:
                    asyncio.get_running_loop().call_soon(watch)
                    return
                free = idle.pop()
                second.append(asyncio.ensure_future(free.ask(client._target.written("/chat", b"{}", {}, ""))))
                first.cancel()

            watch()
            await asyncio.wait([first])
            await settled(lambda: len(far.requests) == 2)
            gate.set()
            assert await (await second[0]).read() == b"hello"
            assert far.connections == 1

    run(test())


def test_the_far_side_waits_while_nobody_reads(run: Run) -> None:
    """No more than a bounded part of a large body is held; it comes whole once somebody reads."""
    size = 64 * 1024 * 1024
    sent = 0

    async def floods(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(b"x" * 65_536)
            sent += 65_536
            await writer.drain()

    async def test() -> None:
        async with asking(floods, LENGTH) as (far, client):
            answer = await post(client)
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.1)
            assert sent < size // 2
            assert answer._size < 1024 * 1024
            assert len(await answer.read()) == size
            assert await got(client) == (200, b"hello")
            assert far.connections == 1

    run(test())


def test_a_closed_client_leaves_no_connection_open(run: Run) -> None:
    """What is free ends at once, what is being read with its answer."""

    async def test() -> None:
        gate = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await gate.wait()
            await then_wait(LENGTH)(reader, writer)

        async with asking(LENGTH, slow) as (far, client):
            await got(client)
            await client.close()
            await far.lost.wait()
            far.lost.clear()
            late = asyncio.ensure_future(got(client))
            await settled(lambda: len(far.requests) == 2)
            await client.close()
            gate.set()
            assert await late == (200, b"hello")
            await far.lost.wait()
            assert not client._target.idle

    run(test())
    gc.collect()  # a transport left open would warn here


# --- connecting -------------------------------------------------------------------------------------------------------


def test_nobody_there_is_not_connected(run: Run) -> None:
    """Nothing has left: the kind of error says so; a name that is none is the same."""

    async def test() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            for url in (f"http://127.0.0.1:{closed.getsockname()[1]}", "http://a..b:1", f"http://{'a' * 70}.b:1"):
                client = Http1Client(url, {}, connect_s=5.0)
                with pytest.raises(NotConnected):
                    await post(client)
                await client.close()

    run(test())


def test_connecting_ends_in_time(run: Run) -> None:
    """A far side that takes no more connections, and one that says nothing of TLS."""

    async def test() -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            port = full.getsockname()[1]
            others = [socket.socket() for _ in range(4)]
            for other in others:
                other.setblocking(False)
                other.connect_ex(("127.0.0.1", port))
            for scheme in ("http", "https"):
                client = Http1Client(f"{scheme}://127.0.0.1:{port}", {}, connect_s=0.2)
                with pytest.raises(NotConnected, match=r"no connection within 0\.2 s"):
                    await post(client)
                await client.close()
            for other in others:
                other.close()

    run(test())


def test_ipv6_is_spoken(run: Run) -> None:
    """The address stands in brackets in `host`."""

    async def test() -> None:
        async with asking(LENGTH, host="::1") as (far, client):
            assert await got(client) == (200, b"hello")
            assert b"host: [::1]:%d\r\n" % far.port in far.requests[0]

    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("no IPv6 here")
    run(test())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody has signed, with its key in one file."""
    folder = tmp_path_factory.mktemp("tls")
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=far", "-addext"]
    try:
        subprocess.run([*made, *names, "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl here")
    return folder


def test_tls_is_spoken_where_the_certificate_is_trusted(
    run: Run, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that SSL_CERT_FILE names is; otherwise nothing is sent. A closed answer ends it as without TLS."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

    async def refused() -> None:
        async with asking(LENGTH, tls=tls) as (far, client):
            with pytest.raises(NotConnected, match="CERTIFICATE_VERIFY_FAILED"):
                await got(client)
            assert not far.requests

    async def trusted() -> None:
        async with asking(LENGTH, CHUNKED, then_wait(HEAD + b"abc"), tls=tls) as (far, client):
            assert [await got(client), await got(client)] == [(200, b"hello")] * 2
            assert far.connections == 1
            (await post(client)).close()
            await asyncio.wait_for(far.lost.wait(), 5)

    run(refused())
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    run(trusted())
