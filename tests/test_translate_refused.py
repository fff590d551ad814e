from __future__ import annotations

from typing import Any

import pytest

from routerctl.service.translate import Untranslatable, read_request, write_request
from routerctl.types import ApiFormat
from tests.asked import USER, result, text, translated, user

# (client's wire, upstream's, what is in the request, which field is at fault)
REFUSED: dict[str, tuple[ApiFormat, ApiFormat, dict[str, Any], str | None]] = {
    "several replies": ("chat", "messages", {"n": 2}, "n"),
    "log probabilities": ("chat", "messages", {"logprobs": True}, "logprobs"),
    "audio": ("chat", "messages", {"modalities": ["text", "audio"]}, "modalities"),
    "audio in": (
        "chat",
        "messages",
        {"messages": [user({"type": "input_audio", "input_audio": {}})]},
        "messages[0].content[0]",
    ),
    "a file by id": (
        "chat",
        "messages",
        {"messages": [user({"type": "file", "file": {"file_id": "f"}})]},
        "messages[0].content[0]",
    ),
    "web search as it comes": ("chat", "messages", {"web_search_options": {}}, "web_search_options"),
    "a custom tool": ("chat", "messages", {"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0]"),
    "any JSON": ("chat", "messages", {"response_format": {"type": "json_object"}}, "response_format"),
    "an open schema": (
        "chat",
        "messages",
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "n",
                    "schema": {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": True}}},
                },
            }
        },
        "response_format.json_schema.schema.properties.a.additionalProperties",
    ),
    "a reply that is begun": (
        "chat",
        "messages",
        {"messages": [USER, {"role": "assistant", "content": "The"}]},
        "messages[1]",
    ),
    "a reply that is begun, back": (
        "messages",
        "chat",
        {"messages": [USER, {"role": "assistant", "content": "The"}]},
        "messages[1]",
    ),
    "arguments that are no JSON": (
        "chat",
        "messages",
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{"}}],
                },
                result("x"),
            ]
        },
        "messages[1].tool_calls[0]",
    ),
    "arguments that are no object": (
        "chat",
        "messages",
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "[]"}}],
                },
                result("x"),
            ]
        },
        "messages[1].tool_calls[0]",
    ),
    "nothing but blanks": ("chat", "messages", {"messages": [{"role": "user", "content": " "}]}, "messages[0]"),
    "a stop of blanks": ("chat", "messages", {"stop": ["\n"]}, "stop"),
    "too many stops": ("messages", "chat", {"stop_sequences": ["a", "b", "c", "d", "e"]}, "stop_sequences"),
    "a server tool": (
        "messages",
        "chat",
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "tools[0]",
    ),
    "a container": ("messages", "chat", {"container": "c"}, "container"),
    "warming the cache": ("messages", "chat", {"max_tokens": 0}, "max_tokens"),
    "a document elsewhere": (
        "messages",
        "chat",
        {"messages": [user({"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}})]},
        "messages[0].content[0]",
    ),
    "a former response": ("responses", "chat", {"previous_response_id": "resp_1"}, "previous_response_id"),
    "a conversation": ("responses", "messages", {"conversation": "conv_1"}, "conversation"),
    "the background": ("responses", "messages", {"background": True}, "background"),
    "a built-in tool": ("responses", "chat", {"tools": [{"type": "web_search"}]}, "tools[0]"),
    "an item by id": ("responses", "chat", {"input": [{"id": "msg_1"}]}, "input[0]"),
    "no role": ("chat", "messages", {"messages": [{"content": "Hi"}]}, "messages[0].role"),
    "an odd role": ("messages", "chat", {"messages": [{"role": "tool", "content": "Hi"}]}, "messages[0].role"),
    "no messages": ("chat", "messages", {"messages": []}, "messages"),
    "messages that are none": ("messages", "chat", {"messages": "Hi"}, "messages"),
    "a limit that is none": ("chat", "messages", {"max_tokens": "9"}, "max_tokens"),
    "an odd effort": ("chat", "messages", {"reasoning_effort": "huge"}, "reasoning_effort"),
    "an odd picture": (
        "chat",
        "messages",
        {"messages": [user({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}})]},
        "messages[0].content[0].image_url.url",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """What cannot be carried and must not be dropped is refused by its name, as is what is malformed."""
    wire, to, body, param = REFUSED[name]
    with pytest.raises(Untranslatable) as caught:
        translated(wire, body, to)
    assert caught.value.param == param
    assert str(caught.value)


def test_reading_alone_refuses_nothing_that_its_own_wire_takes() -> None:
    """A request that stays on its wire is read for its text, whatever else is in it: only writing it is refused."""
    bodies: dict[ApiFormat, dict[str, Any]] = {
        "chat": {"messages": [user(text("Hi"), {"type": "input_audio", "input_audio": {}})], "n": 2, "logprobs": True},
        "messages": {"messages": [USER], "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "responses": {"input": [{"type": "web_search_call", "id": "ws_1"}], "previous_response_id": "resp_1"},
    }
    for wire, body in bodies.items():
        asked = read_request(wire, body)
        for to in ("chat", "messages"):
            with pytest.raises(Untranslatable):
                write_request(asked, to, model="m", max_tokens=9)
