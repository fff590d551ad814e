"""What tests of translated requests share: pieces of requests, and a translation that the vendors' checks take."""

from __future__ import annotations

import json
from typing import Any

from routerctl.service.translate import UpstreamRequest, read_request, write_request
from routerctl.testing.emulator.checks import chat as chat_checks
from routerctl.testing.emulator.checks import messages as messages_checks
from routerctl.types import ApiFormat

USER = {"role": "user", "content": "Hi"}
PNG = "data:image/png;base64,aGk="
PDF = "data:application/pdf;base64,aGk="
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
PDF_SOURCE = {"type": "base64", "media_type": "application/pdf", "data": "aGk="}
CACHED = {"type": "ephemeral"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
CLOSED = SCHEMA | {"additionalProperties": False}
LOOK = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
FOUND = {"name": "look", "input_schema": SCHEMA}


def translated(wire: ApiFormat, body: dict[str, Any], to: ApiFormat, **more: Any) -> UpstreamRequest:
    """Translate a request, and hold it against what the vendor refuses."""
    whole: dict[str, dict[str, Any]] = {
        "messages": {"messages": [USER], "max_tokens": 9},
        "chat": {"messages": [USER]},
        "responses": {"input": "Hi"},
    }
    written = write_request(read_request(wire, whole[wire] | body), to, model="m", max_tokens=777, **more)
    json.dumps(written.body)
    if not more.get("accepts"):
        checks = chat_checks if to == "chat" else messages_checks
        assert checks.complaint(written.body, "m") is None
    return written


def text(said: str, **more: Any) -> dict[str, Any]:
    """A part or block of text."""
    return {"type": "text", "text": said} | more


def user(*parts: Any) -> dict[str, Any]:
    """A user's message of parts or blocks."""
    return {"role": "user", "content": [*parts]}


def calls(*ids: str, content: str | None = "") -> dict[str, Any]:
    """An assistant's chat message that calls a tool by each id."""
    function = {"name": "look", "arguments": '{"a":"b"}'}
    made = [{"id": one, "type": "function", "function": function} for one in ids]
    return {"role": "assistant", "content": content, "tool_calls": made}


def result(made: str, content: Any = "ok") -> dict[str, Any]:
    """A chat message with the result of a call."""
    return {"role": "tool", "tool_call_id": made, "content": content}


def used(*ids: str) -> dict[str, Any]:
    """An assistant's message that uses a tool by each id."""
    return {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": i, "name": "look", "input": {"a": "b"}} for i in ids],
    }


def given(*ids: str, after: tuple[Any, ...] = (), **more: Any) -> dict[str, Any]:
    """A user's message with the results of those uses."""
    return {
        "role": "user",
        "content": [*({"type": "tool_result", "tool_use_id": i, "content": "ok"} | more for i in ids), *after],
    }
