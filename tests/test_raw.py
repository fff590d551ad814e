"""Requests in a vendor's own words: what goes wrong underneath becomes an error of ours, by either HTTP client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from routerctl import errors
from routerctl.providers.base import Outside
from routerctl.providers.openai import OpenAIProvider
from routerctl.types import ProviderSpec, RawRequest, Reply
from tests.http_far_side import FarSide, Play, then_close, then_wait

MODEL = "model-1"
BODY: dict[str, Any] = {
    "model": MODEL,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2},
}
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def whole(body: bytes, status: int = 200) -> bytes:
    """Write a whole answer."""
    head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def chunk(*events: bytes) -> bytes:
    """A whole answer."""
    data = b"".join(b"data: " + event + b"\n\n" for event in events)
    return b"%x\r\n%b\r\n" % (len(data), data)


def said(text: str, **more: Any) -> bytes:
    """Events in one chunk."""
    return json.dumps({"model": MODEL, "choices": [{"index": 0, "delta": {"content": text}}], **more}).encode()


STOP = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
USAGE = b'{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":2}}'
GOOD = whole(json.dumps(BODY).encode())
STREAM = EVENTS + chunk(said("Hel")) + chunk(said("lo"), STOP) + chunk(USAGE, b"[DONE]") + b"0\r\n\r\n"


def later(rest: bytes) -> Play:
    """An event with a text."""

    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(EVENTS + chunk(said("Hel")))
        await asyncio.sleep(0.05)
        writer.write(rest)

    return play


@pytest.fixture(params=["direct", "proxied"])
def way(request: pytest.FixtureRequest) -> str:
    """How the far side is reached."""
    return str(request.param)


@asynccontextmanager
async def calling(
    way: str, monkeypatch: pytest.MonkeyPatch, *answers: bytes | Play
) -> AsyncIterator[tuple[FarSide, OpenAIProvider]]:
    """A far side, and a provider that reaches it directly or takes it for a proxy to a host that does not exist."""
    async with FarSide(list(answers)) as far:
        env: Mapping[str, str] = {"KEY": "sk-secret"}
        url = far.url
        if way == "proxied":
            proxy = f"http://127.0.0.1:{far.port}"
            monkeypatch.setenv("HTTP_PROXY", proxy)
            monkeypatch.setenv("http_proxy", proxy)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            env, url = {**env, "HTTP_PROXY": proxy}, "http://far.invalid/v1"
        spec = ProviderSpec(name="far", kind="openai", base_url=url, api_key_env="KEY", timeout_s=5.0, max_attempts=1)
        provider = OpenAIProvider(spec, Outside(env=env))
        try:
            yield far, provider
        finally:
            await provider.close()


async def called(provider: OpenAIProvider, **more: Any) -> Reply:
    """Call it as an application does."""
    request = RawRequest(
        model=MODEL,
        wire="chat",
        body=b"{}",
        most_input_tokens=100,
        most_output_tokens=1000,
        price=lambda _usage, _took_s: Decimal(1),
        **more,
    )
    return await provider.forward(request)


@pytest.mark.parametrize(
    ("answer", "kind", "may_be_billed"),
    [
        (then_close(b""), errors.ConnectionFailed, True),
        (then_close(GOOD[:20]), errors.ConnectionFailed, True),
        (then_close(GOOD[:-1]), errors.ConnectionFailed, True),
        (then_close(b"no http at all\r\n\r\n"), errors.ConnectionFailed, True),
        (then_close(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"), errors.ConnectionFailed, True),
        (then_close(whole(b"{}", 500)[:-1]), errors.ConnectionFailed, False),
        (whole(b"not JSON"), errors.BrokenReply, None),
        (whole(b"{}"), errors.BrokenReply, None),
        (whole(b"{}", 401), errors.KeyRefused, False),
        (whole(b"{}", 429), errors.RateLimited, False),
        (whole(b"{}", 500), errors.ServerFault, None),
        (whole(b"", 302), errors.WrongAddress, False),
    ],
)
def test_what_goes_wrong_is_an_error_of_ours(
    way: str,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes | Play,
    kind: type[errors.ProviderError],
    may_be_billed: bool | None,
) -> None:
    """Its kind, and whether the work may be billed; None: as the kind says."""

    async def test() -> None:
        async with calling(way, monkeypatch, answer) as (far, provider):
            with pytest.raises(errors.ProviderError) as raised:
                await called(provider)
            assert type(raised.value) is kind
            assert raised.value.may_be_billed == (kind.may_be_billed if may_be_billed is None else may_be_billed)
            assert len(far.requests) == 1

    asyncio.run(test())


def test_nobody_there_is_not_billed(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection, no work."""

    async def test() -> None:
        async with calling(way, monkeypatch) as (far, provider):
            far._server.close()
            with pytest.raises(errors.ConnectionFailed) as raised:
                await called(provider)
            assert not raised.value.may_be_billed

    asyncio.run(test())


@pytest.mark.parametrize("bad", [{"headers": {"x-a": "1\r\nx-b: 2"}}])
def test_what_cannot_be_written_is_a_bad_request(
    way: str, monkeypatch: pytest.MonkeyPatch, bad: dict[str, Any]
) -> None:
    """An application's header with a line break in it never leaves."""

    async def test() -> None:
        async with calling(way, monkeypatch, GOOD) as (far, provider):
            with pytest.raises(errors.BadRequest):
                await called(provider, **bad)
            assert not far.requests

    asyncio.run(test())


def test_a_whole_reply_is_read(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text, its tokens, its price and its bytes."""

    async def test() -> None:
        async with calling(way, monkeypatch, GOOD) as (far, provider):
            reply = await called(provider, query="a=b%20c")
            assert (reply.text, reply.usage.input_tokens, reply.usage.output_tokens) == ("42", 10, 2)
            assert reply.cost_usd == 1
            assert reply.raw is not None
            assert json.loads(reply.raw.body) == BODY
            assert far.requests[0].split(b" ")[1].endswith(b"/v1/chat/completions?a=b%20c")

    asyncio.run(test())


def test_a_stream_is_handed_over_with_its_first_content(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes are as they came, and its end tells the tokens."""

    async def test() -> None:
        async with calling(way, monkeypatch, STREAM) as (_, provider):
            reply = await called(provider, stream=True, idle_s=5.0)
            assert reply.raw is not None
            stream = reply.raw.stream
            assert stream is not None
            data = reply.raw.body + b"".join([piece async for piece in stream])
            events = [said("Hel"), said("lo"), STOP, USAGE, b"[DONE]"]
            assert data == b"".join(b"data: " + event + b"\n\n" for event in events)
            assert isinstance(stream.ended, Reply)
            assert (stream.ended.usage.output_tokens, stream.ended.usage.estimated) == (2, False)

    asyncio.run(test())


@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        (then_close(EVENTS + chunk(said("Hel"))), errors.ConnectionFailed),
        (EVENTS + chunk(said("Hel")) + b"0\r\n\r\n", errors.BrokenReply),
        (later(chunk(b'{"error":{"message":"x"}}') + b"0\r\n\r\n"), errors.ServerFault),
        (later(b"xyz\r\n"), errors.ConnectionFailed),
        (then_wait(EVENTS + chunk(said("Hel"))), errors.TimedOut),
        (
            then_wait(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: " + said("Hel") + b"\n\n"),
            errors.TimedOut,
        ),
    ],
)
def test_a_stream_that_ends_badly_says_so_and_what_it_may_cost(
    way: str, monkeypatch: pytest.MonkeyPatch, rest: bytes | Play, kind: type[errors.ProviderError]
) -> None:
    """Cut, without its last event, with an error in it, with broken chunks, silent: tokens at the most they can be."""

    async def test() -> None:
        async with calling(way, monkeypatch, rest) as (_, provider):
            reply = await called(provider, stream=True, idle_s=0.2)
            assert reply.raw is not None
            stream = reply.raw.stream
            assert stream is not None
            with pytest.raises(errors.ProviderError) as raised:
                async for _piece in stream:
                    pass
            seen_late = way == "proxied" and kind is errors.ConnectionFailed  # aiohttp tells no waiting reader of it
            assert type(raised.value) in ((kind, errors.TimedOut) if seen_late else (kind,))
            usage = raised.value.usage
            assert usage is not None
            assert usage.estimated
            assert (usage.input_tokens, usage.output_tokens) == (100, 3 + 200)
            assert stream.ended is raised.value

    asyncio.run(test())


def test_a_slow_reader_is_no_silence_of_the_far_side(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time that a client takes for a piece is not held against the provider."""

    async def test() -> None:
        async with calling(way, monkeypatch, STREAM) as (_, provider):
            reply = await called(provider, stream=True, idle_s=0.1)
            assert reply.raw is not None
            stream = reply.raw.stream
            assert stream is not None
            async for _piece in stream:
                await asyncio.sleep(0.3)
            assert isinstance(stream.ended, Reply)

    asyncio.run(test())


def test_an_aborted_stream_ends_the_connection_and_tells_what_was_used(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The far side sees it; whoever holds something is told once."""

    async def test() -> None:
        usage = said("Hel", usage={"prompt_tokens": 7, "completion_tokens": 500})
        async with calling(way, monkeypatch, then_wait(EVENTS + chunk(usage))) as (far, provider):
            reply = await called(provider, stream=True, idle_s=5.0)
            assert reply.raw is not None
            stream = reply.raw.stream
            assert stream is not None
            told: list[object] = []
            stream.then(told.append)
            stream.abort()
            stream.abort()
            await asyncio.wait_for(far.lost.wait(), 5)
            assert told == [stream.ended]
            assert isinstance(stream.ended, Reply)
            assert (stream.ended.usage.input_tokens, stream.ended.usage.output_tokens) == (7, 500)

    asyncio.run(test())


@pytest.mark.parametrize("second", [GOOD, whole(b"{}", 500)])
def test_a_request_that_left_twice_may_have_been_billed_twice(monkeypatch: pytest.MonkeyPatch, second: bytes) -> None:
    """Whatever the second sending comes to, the first one's tokens are known to nobody."""

    async def test() -> None:
        async with calling("direct", monkeypatch, GOOD, then_close(b""), second) as (far, provider):
            assert (await called(provider)).perhaps_usd == 0
            try:
                perhaps_usd = (await called(provider)).perhaps_usd
            except errors.ServerFault as problem:
                perhaps_usd = problem.perhaps_usd
            assert (perhaps_usd, len(far.requests)) == (Decimal(1), 3)

    asyncio.run(test())
