"""A client's stream ends once, whoever says so first, and what fails it is said in the wire's own words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from routerctl.service.translate import (
    Event,
    ReplyBegan,
    ReplyEnded,
    ReplyFailed,
    StreamWriter,
    TextDelta,
    read_request,
)
from routerctl.types import ApiFormat, StopReason

ASKED: Mapping[ApiFormat, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "Hi"}], "stream": True},
    "responses": {"input": "Hi", "stream": True},
    "messages": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9, "stream": True},
}
BEGUN: tuple[Event, ...] = (ReplyBegan(id="1", model="m"), TextDelta(text="a"))
ENDS: Mapping[str, Event] = {
    "ended": ReplyEnded(stop=StopReason.END),
    "failed": ReplyFailed(kind="overloaded_error", status=529, message="busy"),
}


def _writer(to: ApiFormat) -> StreamWriter:
    return StreamWriter(to, read_request(to, ASKED[to]), model="m", written=None)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("to", ASKED)
def test_nothing_follows_the_end(to: ApiFormat, end: str) -> None:
    """A failure that two places see is told once: an error after success, or two of them, is no stream."""
    writer = _writer(to)
    assert b"" not in [writer.write(event) for event in (BEGUN[1], ENDS[end])]
    assert writer.fail(502, "", "again") == b""
    assert [writer.write(event) for event in (*BEGUN, *ENDS.values())] == [b""] * 4


@pytest.mark.parametrize("to", ASKED)
def test_nothing_follows_our_own_failure(to: ApiFormat) -> None:
    """The same where the failure is ours."""
    writer = _writer(to)
    assert writer.fail(504, "timeout_error", "late")
    assert [writer.write(event) for event in ENDS.values()] == [b"", b""]
    assert writer.fail(504, "timeout_error", "late") == b""


def _last(stream: bytes) -> Any:
    return json.loads(stream.strip().rpartition(b"data: ")[2])


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (529, "overloaded_error", {"type": "overloaded_error", "message": "no"}),
        (502, "", {"type": "api_error", "message": "no"}),
        (503, "busy", {"type": "overloaded_error", "message": "no", "details": {"error_code": "busy"}}),
        (504, "timeout", {"type": "timeout_error", "message": "no", "details": {"error_code": "timeout"}}),
    ],
)
def test_a_code_of_our_own_is_no_type_of_anthropics(status: int, kind: str, expected: dict[str, Any]) -> None:
    """The status says the type, of which Anthropic's clients know a list; the code stands beside it."""
    assert _last(_writer("messages").fail(status, kind, "no"))["error"] == expected


def test_a_code_of_our_own_is_openais_code() -> None:
    """OpenAI's error has a field for it; that of a response has a list of its own."""
    assert _last(_writer("chat").fail(502, "provider_failed", "no"))["error"] == {
        "message": "no",
        "type": "server_error",
        "param": None,
        "code": "provider_failed",
    }
    assert _last(_writer("responses").fail(502, "provider_failed", "no"))["response"]["error"] == {
        "code": "server_error",
        "message": "no",
    }
