"""Thousands of odd answers and errors, through both SDKs and the wire: each ends as a reply or as an error of ours.

The answers are made from valid ones by a seeded generator, so that a failure names its number and comes again.
"""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from routerctl import errors
from routerctl.providers.base import Outside
from routerctl.providers.wire import Wire
from routerctl.types import Message, Prompt, ProviderSpec, Reply, ReplySpec, Request, StopReason, Usage

KEYS = {"KEY": "sk-secret-THESECRET"}
REQUEST = Request(
    model="model-1",
    prompt=Prompt(system="Be brief.", messages=(Message(role="user", content="6 x 7?"),)),
    reply=ReplySpec(max_tokens=64),
)
CHAT: dict[str, Any] = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "model-1",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "42", "refusal": None},
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "42", "logprob": -0.5}]},
        }
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "total_tokens": 110,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    },
}
MESSAGE: dict[str, Any] = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "model-1",
    "content": [{"type": "thinking", "thinking": "", "signature": "x"}, {"type": "text", "text": "42"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "stop_details": None,
    "usage": {
        "input_tokens": 96,
        "output_tokens": 10,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 4,
    },
}
GOOD = {"openai": CHAT, "anthropic": MESSAGE}
ERROR = {
    "openai": {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": "bad"}},
    "anthropic": {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "no", "details": {"error_code": "bad"}},
        "request_id": "r",
    },
}
HUGE = 10**400
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    7,
    1.5,
    float("nan"),
    float("inf"),
    HUGE,
    "",
    "error",
    "500",
    "text \ud800 half",
    "\x1b[31m\x00",
    "x" * 3000,
    [],
    [None],
    [[]],
    ["rate_limit_error"],
    {},
    {"a": 1},
    {"error": {"error": {"error": [1]}}},
    [{"type": "text"}],
    {"message": ["a"], "code": {"b": 2}, "type": ["c"]},
)
STATUSES = (200,) * 25 + (201, 203, 206, 204, 205, 300, 301, 302, 304, 307, 308, 400, 401, 402, 403, 404, 405, 408, 409)
MORE = (
    100,
    101,
    103,
    199,
    410,
    413,
    418,
    421,
    422,
    425,
    429,
    431,
    451,
    499,
    500,
    501,
    502,
    503,
    504,
    520,
    529,
    599,
    600,
    999,
)
HEADERS = (
    {"retry-after": "nan"},
    {"retry-after": "-5"},
    {"retry-after": "9" * 400},
    {"retry-after": "1e300"},
    {"retry-after": "Mon, 23 Nov 1970 12:00:00 GMT"},
    {"retry-after": "Mon, 99 Foo 99999999 99:00:00 GMT", "date": "never"},
    {"retry-after-ms": "[]"},
    {"content-type": "text/html"},
    {"content-type": "application/json; charset=klingon"},
    {"content-type": ""},
    {"content-encoding": "gzip"},
    {"content-encoding": "br, nonsense"},
    {"location": "http://127.0.0.1:1/elsewhere"},
    {"location": "http://[broken"},
    {"location": "\x80\xff"},
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a body."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _paths(item, (*path, key))


def _changed(body: Any, rng: random.Random) -> Any:
    """A body with one place changed, left out or added to."""
    body = copy.deepcopy(body)
    path = rng.choice(list(_paths(body)))
    if not path:
        return rng.choice(ODD)
    owner = body
    for key in path[:-1]:
        owner = owner[key]
    way = rng.random()
    if way < 0.15:
        del owner[path[-1]]
    elif way < 0.25 and isinstance(owner, dict):
        owner[rng.choice(("error", "finish_reason", "detail", "message", "native_finish_reason"))] = rng.choice(ODD)
    elif way < 0.3:
        owner[path[-1]] = [owner[path[-1]]]
    else:
        owner[path[-1]] = rng.choice(ODD)
    return body


def _spoilt(raw: bytes, rng: random.Random) -> bytes:
    """A body's bytes, damaged."""
    cut = rng.randrange(len(raw) + 1)
    return rng.choice(
        (
            raw[:cut],
            raw[:cut] + bytes([rng.randrange(256)]) + raw[cut:],
            b"\xef\xbb\xbf" + raw,
            raw + raw,
            b"\xff\xfe" + raw,
            b"[" * 100_000,
            b'{"error":' * 50_000 + b"1" + b"}" * 50_000,
            b'{"error":' * 300 + b"1" + b"}" * 300,
            gzip.compress(raw),
            raw.replace(b"{", b'{"usage": 1, "usage": 2, "error": null, ', 1),
            b"<html><body>502</body></html>",
            b"data: " + raw + b"\n\ndata: [DONE]\n\n",
            b'"' + b"a" * 1_000_000 + b'"',
            b"9" * 5000,
        )
    )


@dataclass(slots=True)
class Server:
    """Answers each POST with the next bytes, and closes where they say so; `url` is where it listens."""

    url: str = ""
    next: bytes = b""
    asked: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.split(b":")[1]))
                self.asked += 1
                writer.write(self.next)
                await writer.drain()
                if b"connection: close" in self.next.partition(b"\r\n\r\n")[0]:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client had enough
        finally:
            writer.close()


@asynccontextmanager
async def _server() -> AsyncIterator[Server]:
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield server


def _http(status: int, body: bytes, headers: dict[str, str], length: int | None = None) -> bytes:
    fields = {"content-type": "application/json", "content-length": str(len(body) if length is None else length)}
    fields |= {} if length is None and status >= 200 else {"connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in (fields | headers).items())
    return f"HTTP/1.1 {status} Odd\r\n{head}\r\n".encode("latin-1", "replace") + body


def _answer(kind: str, rng: random.Random) -> bytes:
    """One odd answer as it goes over the wire."""
    status = rng.choice(STATUSES + MORE)
    body = GOOD[kind] if status < 300 else ERROR[kind]
    if rng.random() < 0.05:
        body = rng.choice((GOOD[kind], ERROR[kind], list(GOOD[kind]), [ERROR[kind]]))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        body = _changed(body, rng)
    raw = json.dumps(body).encode()
    raw = _spoilt(raw, rng) if rng.random() < 0.15 else raw
    headers = rng.choice(HEADERS) if rng.random() < 0.2 else {}
    length = rng.choice((None,) * 12 + (len(raw) + 10, max(0, len(raw) - 3)))
    return _http(status, raw, headers, length)


def _free(_spec: ProviderSpec, _model: str) -> Callable[[Usage, float], Decimal]:
    return lambda usage, _seconds: Decimal(usage.input_tokens + usage.output_tokens)


def _wire(server: Server, kind: str) -> Wire:
    url = server.url + ("/v1" if kind == "openai" else "")
    spec = ProviderSpec(name=kind, kind=kind, base_url=url, api_key_env="KEY", max_attempts=1, timeout_s=5)
    return Wire([spec], Outside(env=KEYS), _free, longest_wait_s=0.0)


async def _ask(wire: Wire, kind: str) -> Reply | errors.ProviderError:
    lane = wire._lanes.get(kind)
    if lane:
        lane.shut_by = None  # what one answer asked for is not the next one's matter
    try:
        return await wire.call(kind, REQUEST)
    except errors.ProviderError as problem:
        return problem


@pytest.mark.parametrize("kind", GOOD)
async def test_the_answers_that_the_odd_ones_are_made_from_are_good(kind: str) -> None:
    """Otherwise everything below would be a failure for one and the same reason."""
    async with _server() as server, _wire(server, kind) as wire:
        server.next = _http(200, json.dumps(GOOD[kind]).encode(), {})
        reply = await _ask(wire, kind)
        server.next = _http(400, json.dumps(ERROR[kind]).encode(), {})
        problem = await _ask(wire, kind)
    assert isinstance(reply, Reply)
    assert (reply.text, reply.stop_reason, reply.served_model) == ("42", StopReason.END, "model-1")
    assert reply.usage == Usage(input_tokens=100, output_tokens=10, cache_read_tokens=4)
    assert type(problem) is errors.BadRequest
    assert "no" in str(problem)


async def _fuzz(kind: str, first: int, number: int) -> Counter[str]:
    """Ask so many times, and count how it ended by kind."""
    ended: Counter[str] = Counter()
    async with _server() as server, _wire(server, kind) as wire:
        for seed in range(first, first + number):
            server.next = _answer(kind, random.Random(f"{kind}-{seed}"))  # noqa: S311 - a seeded case
            try:
                async with asyncio.timeout(20):
                    found = await _ask(wire, kind)
            except Exception as problem:  # noqa: BLE001 - that there is none is what is tested
                pytest.fail(f"{kind} answer {seed}: {type(problem).__name__}: {problem}: {server.next[:500]!r}")
            words = found.text if isinstance(found, Reply) else str(found)
            assert "could not be read" not in words, f"{kind} answer {seed}: {words}: {server.next[:1500]!r}"
            assert isinstance(found, Reply) or ("THESECRET" not in words and words.isprintable())
            words.encode()
            ended[type(found).__name__] += 1
        assert server.asked == number
    print(kind, dict(ended.most_common()))  # noqa: T201 - what the numbers are
    return ended


@pytest.mark.parametrize("kind", GOOD)
async def test_any_odd_answer_is_a_reply_or_an_error_of_ours(kind: str) -> None:
    """None ends the call in another way, none is read by the guard for what nobody thought of, and none hangs."""
    ended = await _fuzz(kind, 0, 1000)
    assert {"Reply", "BrokenReply", "WrongAddress", "ServerFault", "RateLimited", "ConnectionFailed"} <= set(ended)


@pytest.mark.slow
@pytest.mark.parametrize("kind", GOOD)
async def test_any_of_more_odd_answers_is_a_reply_or_an_error_of_ours(kind: str) -> None:
    """The same, with other answers."""
    await _fuzz(kind, 1000, 4000)
