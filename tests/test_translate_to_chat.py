from __future__ import annotations

from typing import Any

import pytest

from routerctl.types import ApiFormat
from tests.asked import (
    CACHED,
    CLOSED,
    FOUND,
    PDF,
    PDF_SOURCE,
    PICTURE,
    PNG,
    SCHEMA,
    USER,
    calls,
    given,
    result,
    text,
    translated,
    used,
    user,
)

# (client's wire, what is in its request, what is in the written one (None: it is not there), what is dropped)
TABLE: dict[str, tuple[ApiFormat, dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "its limit": ("messages", {}, {"max_completion_tokens": 9}, ()),
    "no limit is needed": ("responses", {}, {"max_completion_tokens": None}, ()),
    "sampling back": ("messages", {"temperature": 0.5, "top_k": 3}, {"temperature": 0.5, "top_k": None}, ("top_k",)),
    "system back": (
        "messages",
        {"system": [text("A", cache_control=CACHED), text("B")]},
        {"messages": [{"role": "system", "content": [text("A"), text("B")]}, USER]},
        ("system[0].cache_control",),
    ),
    "results back": (
        "messages",
        {"messages": [USER, used("x", "y"), given("x", "y", after=(text("go"),))], "tools": [FOUND]},
        {
            "messages": [
                USER,
                calls("x", "y", content=None),
                result("x"),
                result("y"),
                {"role": "user", "content": "go"},
            ]
        },
        (),
    ),
    "a picture in a result": (
        "messages",
        {
            "messages": [
                USER,
                used("x", "y"),
                user(
                    {"type": "tool_result", "tool_use_id": "x", "content": [PICTURE]},
                    {"type": "tool_result", "tool_use_id": "y", "content": "ok"},
                ),
            ],
            "tools": [FOUND],
        },
        {
            "messages": [
                USER,
                calls("x", "y", content=None),
                {
                    "role": "tool",
                    "tool_call_id": "x",
                    "content": "[The rest of this result follows in the next message.]",
                },
                result("y"),
                user(text("[Result of the tool call x:]"), {"type": "image_url", "image_url": {"url": PNG}}),
            ]
        },
        (),
    ),
    "an error of a tool": (
        "messages",
        {"messages": [USER, used("x"), given("x", is_error=True)], "tools": [FOUND]},
        {
            "messages": [
                USER,
                calls("x", content=None),
                {"role": "tool", "tool_call_id": "x", "content": "[tool error] ok"},
            ]
        },
        (),
    ),
    "tools back": (
        "messages",
        {
            "tools": [
                {
                    "name": "look",
                    "input_schema": SCHEMA,
                    "type": "custom",
                    "cache_control": CACHED,
                    "input_examples": [{"a": "b"}],
                    "strict": True,
                }
            ]
        },
        {"tools": [{"type": "function", "function": {"name": "look", "parameters": SCHEMA, "strict": False}}]},
        ("tools[0].input_examples", "tools[0].cache_control", "tools[0].strict"),
    ),
    "one tool at a time, back": (
        "messages",
        {"tools": [FOUND], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        {"tool_choice": "required", "parallel_tool_calls": False},
        (),
    ),
    "a document back": (
        "messages",
        {
            "messages": [
                user({"type": "document", "title": "a.pdf", "citations": {"enabled": True}, "source": PDF_SOURCE})
            ]
        },
        {"messages": [user({"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}})]},
        ("messages[0].content[0].citations",),
    ),
    "effort back": ("messages", {"output_config": {"effort": "max"}}, {"reasoning_effort": "max"}, ()),
    "no thinking back": ("messages", {"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}, ()),
    "adaptive": (
        "messages",
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"reasoning_effort": None},
        ("thinking.display",),
    ),
    "a schema back": (
        "messages",
        {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": CLOSED, "strict": True},
            }
        },
        (),
    ),
    "a schema that strict mode refuses": (
        "messages",
        {
            "output_format": {
                "type": "json_schema",
                "schema": {
                    "type": "object",
                    "properties": {"a": {"type": "string"}},
                    "required": [],
                    "additionalProperties": False,
                },
            }
        },
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "reply",
                    "schema": {
                        "type": "object",
                        "properties": {"a": {"type": "string"}},
                        "required": [],
                        "additionalProperties": False,
                    },
                    "strict": False,
                },
            }
        },
        ("output_format (strictness)",),
    ),
    "any JSON": (
        "responses",
        {"text": {"format": {"type": "json_object"}}},
        {"response_format": {"type": "json_object"}},
        (),
    ),
    "cache marks back": (
        "messages",
        {"messages": [user(text("a", cache_control=CACHED))], "cache_control": CACHED},
        {"messages": [{"role": "user", "content": "a"}]},
        ("messages[0].content[0].cache_control", "cache_control"),
    ),
    "stop back": ("messages", {"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}, ()),
    "the end user, back": ("messages", {"metadata": {"user_id": "u"}}, {"user": "u", "metadata": None}, ()),
    "streams tell usage": (
        "messages",
        {"stream": True},
        {"stream": True, "stream_options": {"include_usage": True}},
        (),
    ),
    "what only messages has": (
        "messages",
        {"service_tier": "auto", "inference_geo": "eu", "speed": "fast"},
        {"service_tier": None},
        ("service_tier", "inference_geo", "speed"),
    ),
    "a thought goes to nobody else": (
        "messages",
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": "s"}, text("A")]},
                USER,
            ]
        },
        {"messages": [USER, {"role": "assistant", "content": "A"}, USER]},
        ("messages[1].content[0]",),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_table(name: str) -> None:
    """Each field is carried as chat completions has it, or its name is told."""
    wire, body, expected, dropped = TABLE[name]
    written = translated(wire, body, "chat")
    assert {field: written.body.get(field) for field in expected} == expected
    assert written.dropped == dropped
