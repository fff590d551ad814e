"""The result of routing -> the bytes and headers that a client gets, in the format of its API. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from routerctl.service.problems import Problem
from routerctl.types import ApiFormat, Decision, Json

if TYPE_CHECKING:
    from routerctl.service.forward import Forwarder

Header = tuple[bytes, bytes]
JSON: Header = (b"content-type", b"application/json")
EVENT_STREAM: Header = (b"content-type", b"text/event-stream; charset=utf-8")
# Headers of a provider that are for the client: its limits, and the ids by which it finds the request.
_PASSED = re.compile(
    r"(retry-after|retry-after-ms|x-ratelimit-[a-z-]+|anthropic-ratelimit-[a-z-]+|request-id|x-request-id"
    r"|openai-processing-ms|openai-version)\Z",
    re.IGNORECASE,
)
# In a scope's extensions, of our own HTTP protocol: (status, headers, body) -> whether the response is written.
WHOLE_RESPONSE = "routerctl.whole_response"
_MOST_DROPPED = 2000  # characters of a header; many proxies allow 4,096 bytes for all of a response's headers
_UNSAFE = re.compile(r"[^\x20-\x7e]")


def forwarded_headers(headers: Mapping[str, str]) -> list[Header]:
    """Give the headers of a provider that are passed on."""
    return [(key, value.encode("latin-1")) for name, value in headers.items() if (key := _passed(name))]


@lru_cache(maxsize=1024)
def _passed(name: str) -> bytes:
    return name.lower().encode() if _PASSED.match(name) else b""


def routerctl_headers(
    decision: Decision | None, *, overhead_s: float, with_cost: bool, dropped: Iterable[str] = ()
) -> list[Header]:
    """Give our own headers, which say what was decided."""
    found: list[Header] = [(b"x-routerctl-overhead-ms", b"%.2f" % (overhead_s * 1000))]
    if decision is None:
        return found
    found.append((b"x-routerctl-decision", decision.id.encode()))
    found += _of_route(
        decision.task_class, decision.decided_by, decision.candidate, decision.table_digest, decision.places_called
    )
    if with_cost:
        found.append((b"x-routerctl-cost-usd", (format(decision.cost_usd, "f") if decision.cost_usd else "0").encode()))
    if names := _listed(dropped):
        found.append((b"x-routerctl-dropped", _safe(names)))
    return found


def _listed(names: Iterable[str]) -> str:
    """Give names as one line, and of very many how many more there are: proxies refuse long headers."""
    shown, rest = list[str](), list(names)
    room = _MOST_DROPPED
    while rest and (room := room - len(rest[0]) - 2) >= 0:
        shown.append(rest.pop(0))
    return ", ".join([*shown, *([f"and {len(rest)} more"] if rest else [])])


@lru_cache(maxsize=1024)
def _of_route(task_class: str, decided_by: str, candidate: str | None, digest: str, hops: int) -> tuple[Header, ...]:
    """The headers that many requests share."""
    served = ((b"x-routerctl-candidate", _safe(candidate)),) if candidate else ()
    return (
        (b"x-routerctl-class", _safe(task_class)),
        (b"x-routerctl-source", _safe(decided_by.partition(" ")[0])),
        (b"x-routerctl-hops", b"%d" % hops),
        (b"x-routerctl-table", digest.encode()),
        *served,
    )


def _safe(text: str) -> bytes:
    return (text if text.isascii() and text.isprintable() else _UNSAFE.sub("?", text)).encode()


def error_response(shape: ApiFormat, problem: Problem, request_id: str) -> tuple[int, bytes, list[Header]]:
    """Give status, body and headers of a failure in the API's format."""
    from routerctl.service.translate import error_body

    status, body = error_body(
        shape, problem.status, problem.message, code=problem.code, param=problem.param, request_id=request_id
    )
    headers = [JSON]
    if problem.retry_after_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(problem.retry_after_s))))
        headers.append((b"retry-after-ms", b"%d" % max(1, math.ceil(problem.retry_after_s * 1000))))
    if problem.may_retry is not None:
        headers.append((b"x-should-retry", b"true" if problem.may_retry else b"false"))
    return status, to_json(body), headers


def to_json(body: object) -> bytes:
    """Encode a body as JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def dropped_fields(forwarder: Forwarder | None) -> tuple[str, ...]:
    """Give what one API has and the other has not, of request and whole reply, and what the application may not set."""
    if forwarder is None:
        return ()
    sent = forwarder.written.dropped if forwarder.written else ()
    return (*sent, *forwarder.overruled, *(forwarder.parsed.replied.dropped if forwarder.parsed else ()))


_NUMBER = re.compile(rb'"sequence_number":\s*(\d+)')


def response_failed_event(began: Json, last: bytes, problem: Problem) -> bytes:
    """Give the `response.failed` that ends a Responses stream which was passed through untouched.

    `last`: what was passed on before it.
    """
    numbers = _NUMBER.findall(last)
    response = {**(began or {}), "status": "failed", "error": {"code": "server_error", "message": problem.message}}
    event = {
        "type": "response.failed",
        "sequence_number": int(numbers[-1]) + 1 if numbers else 0,
        "response": response,
    }
    return b"event: response.failed\ndata: " + to_json(event) + b"\n\n"


class WholeEvents:
    """Passes a stream through by whole events: after half an event no error could follow."""

    def __init__(self) -> None:
        self._tail, self.last = bytearray(), b""  # `last`: the piece passed on last

    def feed(self, piece: bytes) -> bytes:
        """Give what may be passed on."""
        if not self._tail and piece[-2:] == b"\n\n":
            self.last = piece
            return piece  # as nearly always
        if b"\n" not in piece and b"\r" not in piece:
            self._tail += piece  # a very long event, such as an image, is joined once
            return b""
        data = bytes(self._tail) + piece
        ends = [at + len(mark) for mark in _BLANK_LINES if (at := data.rfind(mark)) >= 0]
        end = max(ends, default=0)
        self._tail, whole = bytearray(data[end:]), data[:end]
        self.last = whole or self.last
        return whole

    def end(self) -> bytes:
        """Give what is left, once the stream has ended properly."""
        left, self._tail = bytes(self._tail), bytearray()
        return left


class WithoutUsage(WholeEvents):
    """The same without the usage chunk of a chat stream, for clients that did not ask for it."""

    def feed(self, piece: bytes) -> bytes:
        """Give what may be passed on."""
        whole = super().feed(piece)
        return _ONLY_USAGE.sub(b"", whole) if b"_tokens" in whole and _EMPTY.search(whole) else whole


_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")
_EMPTY = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_END = rb"[^\r\n]*(?:\r?\n\r?\n|\r\r)"
_ONLY_USAGE = re.compile(
    rb'data:[^\r\n]*"choices"\s*:\s*\[\s*\][^\r\n]*"usage"\s*:\s*\{'
    + _END
    + rb'|data:[^\r\n]*"usage"\s*:\s*\{[^\r\n]*"choices"\s*:\s*\[\s*\]'
    + _END
)
