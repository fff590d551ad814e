"""A small server that speaks both vendors' wire formats, and goes wrong on command: for tests, and for benchmarks.

    async with Emulator(lambda body: "42") as emu:
        emu.play(Fault(429, headers={"retry-after": "3"}), OK, CUT)   # what happens to the next three POSTs
        ... base_url=emu.url (Anthropic) or emu.url + "/v1" (OpenAI) ...
        emu.received[0].body["model"]

`python -m routerctl.testing.emulator --port 8080 --latency-ms 200` serves it by hand. It counts four characters as one
token.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

Body = dict[str, Any]
MESSAGES, CHAT, MODELS = "/v1/messages", "/v1/chat/completions", "/v1/models/"
TIMES = "/times"  # gives and forgets how long the answers since the last look took, by the server's own clock

# Status -> what the vendors call it: (Anthropic's error.type, OpenAI's error.code).
NAMES = {
    400: ("invalid_request_error", None),
    401: ("authentication_error", "invalid_api_key"),
    402: ("billing_error", None),
    403: ("permission_error", None),
    404: ("not_found_error", "model_not_found"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    529: ("overloaded_error", None),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens instead of a good answer: an HTTP error with this status, or one of the ways named below."""

    status: int = 200
    way: str = ""
    code: str | None = None  # the vendor's stable error code
    message: str = "scripted fault"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None  # sent in place of the usual one


OK = Fault()
REFUSAL = Fault(way="refusal")  # HTTP 200, declined
REFUSED_IN_WORDS = Fault(way="refused in words")  # OpenAI's message.refusal
TRUNCATED = Fault(way="truncated")  # max_tokens reached
EMPTY = Fault(way="empty")  # max_tokens reached while still thinking: no text at all
SILENT = Fault(way="silent")  # never answers
CUT = Fault(way="cut")  # the connection breaks in the middle of the body
HANG_UP = Fault(way="hang up")  # ... before the first byte
NOT_JSON = Fault(way="not json")  # HTTP 200 with a proxy's HTML page, labelled as JSON
HTML = Fault(way="html")  # the same, labelled as what it is
NOT_HTTP = Fault(way="not http")
WRONG_SHAPE = Fault(way="wrong shape")  # JSON, but of another API
NO_USAGE = Fault(way="no usage")
NO_MODEL = Fault(way="no model")  # it does not say which one answered
FAILED_WITHIN = Fault(way="failed within", message="Provider disconnected", code="502")  # HTTP 200, half an answer


@dataclass(frozen=True, slots=True)
class Received:
    """One POST as it came in."""

    path: str
    headers: Mapping[str, str]  # names in lower case
    body: Body


class Emulator:
    """Answers with `answer(request body)`; serves on 127.0.0.1 between `async with` and its end."""

    def __init__(
        self,
        answer: Callable[[Body], str] = lambda _body: "ok",
        *,
        port: int = 0,
        latency_s: float = 0.0,
        models: Collection[str] | None = None,  # None = knows every model
        about: Mapping[str, Body] | None = None,  # model -> what its GET /v1/models/{id} says beside the usual
        record: bool = True,  # a benchmark turns it off
        chance: Callable[[int], Fault] = lambda _number: OK,  # what happens to the n-th POST, from 1, unless played
        serves: Mapping[str, str] | None = None,  # model -> which one answers in its place
    ) -> None:
        self._chance = chance
        self._answer, self._port, self._latency_s, self._models, self._record = answer, port, latency_s, models, record
        self._about = dict(about or {})
        self.serves = dict(serves or {})
        self._faults: deque[Fault] = deque()
        self._get_faults: dict[str, deque[Fault]] = {"anthropic": deque(), "openai": deque()}
        self._connections: set[asyncio.Task[None]] = set()
        self.received: list[Received] = []
        self.delivered: list[Received] = []  # of these: answered while the client was still there
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

    async def __aenter__(self) -> Emulator:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False ends the connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        if method == "GET" and path == TIMES:
            self.took_s, told = [], self.took_s
            writer.write(_http(200, json.dumps(told).encode()))
            return True
        if method == "GET" and f"{path}/".startswith(MODELS):
            return await self._get(path, reader, writer, anthropic="anthropic-version" in headers)
        if method != "POST" or path not in (MESSAGES, CHAT):
            writer.write(_http(404, b"<html><body>404 no such route</body></html>", {"content-type": "text/html"}))
            return True
        return await self._post(path, headers, json.loads(raw), reader, writer)

    async def _post(
        self,
        path: str,
        headers: dict[str, str],
        body: Body,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        started = time.perf_counter()
        self.posts += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self._record:
                self.received.append(Received(path, headers, body))
            fault = self._faults.popleft() if self._faults else self._chance(self.posts)
            fault = self._unknown(body) if fault is OK else fault
            if self._latency_s:
                await asyncio.sleep(self._latency_s)
            if fault.way == "silent":
                await reader.read()  # until the client gives up
                return False
            sent, keep = self._bytes(path, body, fault)
            writer.write(sent)
            await writer.drain()
            self.took_s.append(time.perf_counter() - started)
            if self._record and not reader.at_eof():
                self.delivered.append(Received(path, headers, body))
            return keep
        finally:
            self.in_flight -= 1

    def _unknown(self, body: Body) -> Fault:
        known = self._models is None or body.get("model") in self._models
        return OK if known else Fault(404, message=f"model: {body.get('model')}")

    def _bytes(self, path: str, body: Body, fault: Fault) -> tuple[bytes, bool]:
        """What goes over the wire, and whether the connection stays open."""
        anthropic = path == MESSAGES
        page = b"<html><body>502 Bad Gateway</body></html>"
        if fault.body is not None:
            return _http(fault.status, fault.body, fault.headers), True
        if fault.status != 200:
            return _http(fault.status, _error(fault, anthropic=anthropic), fault.headers), True
        if fault.way == "hang up":
            return b"", False
        if fault.way == "not http":
            return b"220 mail.example.org ESMTP\r\n\r\n", False
        if fault.way == "html":
            return _http(200, page, {"content-type": "text/html"}), True
        if fault.way == "not json":
            return _http(200, page), True
        if fault.way == "wrong shape":
            return _http(200, b'{"object":"list","data":[]}'), True
        text = "" if fault.way in ("empty", "refusal", "refused in words") else self._answer(body)
        served = body | {"model": self.serves.get(body["model"], body["model"])}
        good = (_message if anthropic else _completion)(served, text, fault)
        if fault.way == "no model":
            del good["model"]
        if fault.way == "failed within":
            good |= {"error": {"message": fault.message, "code": fault.code}}
        sent = _http(200, json.dumps(good).encode(), fault.headers)
        return (sent[: len(sent) - 20], False) if fault.way == "cut" else (sent, True)

    async def _get(
        self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, anthropic: bool
    ) -> bool:
        self.gets += 1
        played = self._get_faults["anthropic" if anthropic else "openai"]
        fault = played.popleft() if played else OK
        if fault.way == "silent":
            await reader.read()  # until the client gives up
            return False
        name = unquote(f"{path}/".removeprefix(MODELS).removesuffix("/"))
        if fault.status != 200:
            body = _error(fault, anthropic=anthropic) if fault.body is None else fault.body
            writer.write(_http(fault.status, body, fault.headers))
        elif name:
            writer.write(self._model(name, anthropic=anthropic))
        else:
            listed = [self._told(one, anthropic=anthropic) for one in sorted(self._models or ())]
            writer.write(_http(200, json.dumps({"object": "list", "data": listed, "has_more": False}).encode()))
        return True

    def _model(self, name: str, *, anthropic: bool) -> bytes:
        if self._models is not None and name not in self._models:
            return _http(404, _error(Fault(404, message=f"model: {name}"), anthropic=anthropic))
        return _http(200, json.dumps(self._told(name, anthropic=anthropic)).encode())

    def _told(self, name: str, *, anthropic: bool) -> Body:
        return _model_body(name, anthropic=anthropic) | self._about.get(name, {})


def _model_body(name: str, *, anthropic: bool) -> Body:
    ours = {"type": "model", "display_name": name, "created_at": "2026-10-01T00:00:00Z", "lifecycle": "active"}
    theirs = {"object": "model", "created": 1790812800, "owned_by": "emulator"}
    return {"id": name} | (ours if anthropic else theirs)


def _http(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    fields = {"content-type": "application/json", "content-length": str(len(body))} | dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode("latin-1") + body


def _error(fault: Fault, *, anthropic: bool) -> bytes:
    kind, code = NAMES.get(fault.status, ("api_error", None))
    if anthropic:
        error: Body = {"type": kind, "message": fault.message}
        if fault.code:
            error["details"] = {"error_code": fault.code}
        return json.dumps({"type": "error", "error": error, "request_id": "req_1"}).encode()
    return json.dumps({"error": {"message": fault.message, "type": kind, "code": fault.code or code}}).encode()


def _tokens(value: Any) -> int:
    return len(json.dumps(value)) // 4 + 1


def _message(body: Body, text: str, fault: Fault) -> Body:
    """Anthropic's answer."""
    stop = {"refusal": "refusal", "truncated": "max_tokens", "empty": "max_tokens"}.get(fault.way, "end_turn")
    thinking = {"type": "thinking", "thinking": "", "signature": "x"}  # the answer is never content[0]
    usage: Body = {
        "input_tokens": _tokens(body["messages"]),
        "output_tokens": _tokens(text),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": _tokens(body["system"]) if "system" in body else 0,
    }
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [thinking, *([{"type": "text", "text": text}] if text else [])],
        "stop_reason": stop,
        "stop_details": {"type": "refusal", "category": "cyber"} if stop == "refusal" else None,
        "stop_sequence": None,
    } | ({} if fault.way == "no usage" else {"usage": usage})


def _completion(body: Body, text: str, fault: Fault) -> Body:
    """OpenAI's answer."""
    stop = {"refusal": "content_filter", "truncated": "length", "empty": "length"}.get(fault.way, "stop")
    refusal = "I can't help with that." if fault.way == "refused in words" else None
    asked, told = _tokens(body["messages"]), _tokens(text)
    logprobs = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]}
    usage: Body = {
        "prompt_tokens": asked,
        "completion_tokens": told,
        "total_tokens": asked + told,
        "prompt_tokens_details": {"cached_tokens": asked // 2},
    }
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1790812800,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text or None, "refusal": refusal},
                "finish_reason": stop,
                "logprobs": logprobs if body.get("logprobs") else None,
            }
        ],
    } | ({} if fault.way == "no usage" else {"usage": usage})


async def _serve_by_hand(port: int, latency_s: float) -> None:
    async with Emulator(port=port, latency_s=latency_s, record=False) as emu:
        print(emu.url, flush=True)  # noqa: T201  # the one thing a person who starts it wants to know
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Emulate the Anthropic and OpenAI APIs on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    args = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve_by_hand(args.port, args.latency_ms / 1000))
