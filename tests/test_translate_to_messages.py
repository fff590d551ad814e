from __future__ import annotations

from typing import Any

import pytest

from routerctl.types import ApiFormat
from tests.asked import (
    CACHED,
    CLOSED,
    FOUND,
    LOOK,
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
    "no limit": ("chat", {}, {"max_tokens": 777}, ()),
    "the newer limit": ("chat", {"max_completion_tokens": 5}, {"max_tokens": 5}, ()),
    "the older limit": ("chat", {"max_tokens": 6}, {"max_tokens": 6}, ()),
    "sampling": ("chat", {"temperature": 0.5, "top_p": 0.9}, {"temperature": None}, ("temperature", "top_p")),
    "system": (
        "chat",
        {"messages": [{"role": "system", "content": "A"}, {"role": "developer", "content": "B"}, USER]},
        {"system": [text("A"), text("B")]},
        (),
    ),
    "a system message between others": (
        "chat",
        {"messages": [USER, {"role": "system", "content": "B"}, USER]},
        {"system": [text("B")]},
        ("messages[1] (its place)",),
    ),
    "results are together, and first": (
        "chat",
        {
            "messages": [USER, calls("x", "y"), result("x"), {"role": "user", "content": "go"}, result("y")],
            "tools": [LOOK],
        },
        {"messages": [user(text("Hi")), used("x", "y"), given("x", "y", after=(text("go"),))]},
        (),
    ),
    "an error of a tool, back": (
        "chat",
        {
            "messages": [USER, calls("x"), {"role": "tool", "tool_call_id": "x", "content": "[tool error] ok"}],
            "tools": [LOOK],
        },
        {"messages": [user(text("Hi")), used("x"), given("x", is_error=True)]},
        (),
    ),
    "texts that are empty": (
        "chat",
        {"messages": [user(text(""), text("Hi"), text(" "))]},
        {"messages": [user(text("Hi"))]},
        ("messages[0].content[2]",),
    ),
    "tools": (
        "chat",
        {"tools": [LOOK, {"type": "function", "function": {"name": "now", "description": "d", "strict": True}}]},
        {
            "tools": [
                FOUND,
                {
                    "name": "now",
                    "description": "d",
                    "strict": True,
                    "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
                },
            ]
        },
        (),
    ),
    "required": ("chat", {"tools": [LOOK], "tool_choice": "required"}, {"tool_choice": {"type": "any"}}, ()),
    "none": (
        "chat",
        {"tools": [LOOK], "tool_choice": "none", "parallel_tool_calls": False},
        {"tool_choice": {"type": "none"}},
        (),
    ),
    "auto": ("chat", {"tools": [LOOK], "tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}, ()),
    "a named tool": (
        "chat",
        {
            "tools": [LOOK],
            "tool_choice": {"type": "function", "function": {"name": "look"}},
            "parallel_tool_calls": False,
        },
        {"tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True}},
        (),
    ),
    "one tool at a time": (
        "chat",
        {"tools": [LOOK], "parallel_tool_calls": False},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        (),
    ),
    "one at a time without tools": ("chat", {"parallel_tool_calls": False}, {"tool_choice": None}, ()),
    "a tool of some": (
        "responses",
        {
            "tools": [
                {"type": "function", "name": "f", "parameters": None, "strict": False},
                {"type": "function", "name": "g", "parameters": None, "strict": False},
            ],
            "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]},
        },
        {
            "tools": [{"name": "g", "input_schema": {"type": "object", "properties": {}}}],
            "tool_choice": {"type": "any"},
        },
        (),
    ),
    "pictures": (
        "chat",
        {
            "messages": [
                user(
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "auto"}},
                )
            ]
        },
        {"messages": [user(PICTURE, {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}})]},
        ("messages[0].content[0].detail",),
    ),
    "a document": (
        "chat",
        {"messages": [user({"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}})]},
        {"messages": [user({"type": "document", "title": "a.pdf", "source": PDF_SOURCE})]},
        (),
    ),
    "effort": ("chat", {"reasoning_effort": "xhigh"}, {"output_config": {"effort": "xhigh"}}, ()),
    "no thinking": (
        "chat",
        {"reasoning_effort": "none"},
        {"thinking": {"type": "disabled"}, "output_config": None},
        (),
    ),
    "a schema": (
        "chat",
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "n",
                    "description": "d",
                    "schema": {"type": "object", "properties": {"a": SCHEMA, "b": {"type": "array", "items": SCHEMA}}},
                },
            }
        },
        {
            "output_config": {
                "format": {
                    "type": "json_schema",
                    "schema": {
                        "type": "object",
                        "properties": {"a": CLOSED, "b": {"type": "array", "items": CLOSED}},
                        "additionalProperties": False,
                    },
                }
            }
        },
        ("response_format.json_schema.description",),
    ),
    "cache marks": (
        "chat",
        {
            "messages": [
                user(
                    text("a", cache_control={"type": "ephemeral", "ttl": "1h"}),
                    {"type": "text", "text": "b", "prompt_cache_breakpoint": {"mode": "explicit"}},
                )
            ]
        },
        {
            "messages": [
                user(text("a", cache_control={"type": "ephemeral", "ttl": "1h"}), text("b", cache_control=CACHED))
            ]
        },
        (),
    ),
    "stop": ("chat", {"stop": "END"}, {"stop_sequences": ["END"]}, ()),
    "the end user": ("chat", {"user": "u"}, {"metadata": {"user_id": "u"}}, ()),
    "a stream": ("chat", {"stream": True}, {"stream": True}, ()),
    "what only chat has": (
        "chat",
        {
            "seed": 1,
            "logit_bias": {"1": 2},
            "frequency_penalty": 0.5,
            "store": False,
            "n": 1,
            "service_tier": "flex",
            "x_vendor": 1,
        },
        {"seed": None},
        ("seed", "logit_bias", "frequency_penalty", "service_tier", "x_vendor"),
    ),
    "a thought that nobody signed": (
        "chat",
        {"messages": [USER, {"role": "assistant", "content": "A", "reasoning_content": "Hm"}, USER]},
        {},
        ("messages[1].reasoning_content",),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_table(name: str) -> None:
    """Each field is carried as Anthropic has it, or its name is told."""
    wire, body, expected, dropped = TABLE[name]
    written = translated(wire, body, "messages")
    assert {field: written.body.get(field) for field in expected} == expected
    assert written.dropped == dropped
