"""What the matrix of wires asks and what the models answer: each case in the words of all three client wires.

The requests are written out by hand, not by the translation that they test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from routerctl.testing.emulator import Body, Said, ToolCall
from routerctl.types import ApiFormat

SYSTEM = "Answer in the manner of Zürich. 🏔"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PAPER = "JVBERi0xLjQKJSBhIHBhcGVyIHdpdGhvdXQgcGFnZXMKJSVFT0YK"
SCHEMA: Body = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "height_m": {"type": "number"}},
    "required": ["name", "height_m"],
    "additionalProperties": False,
}
LOOK = ToolCall(name="look", arguments='{"where":"Zürich 🏔","deep":true}')
FIND = ToolCall(name="find", arguments='{"what":["x","y"],"n":3}')
NOW = ToolCall(name="now", arguments="{}")
_TOOLS: Mapping[str, Body] = {
    "look": {"type": "object", "properties": {"where": {"type": "string"}, "deep": {"type": "boolean"}}},
    "find": {
        "type": "object",
        "properties": {"what": {"type": "array", "items": {"type": "string"}}, "n": {"type": "integer"}},
    },
    "now": {"type": "object", "properties": {}},
}
RESULTS: Mapping[str, str] = {"look": "a lake at 8 °C", "find": "x lies beside y", "now": "12:00"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that is asked, and what the model says to it."""

    said: Said
    asked: Mapping[ApiFormat, Body]  # beside `model` and `stream`
    carried: tuple[str, ...] = ()  # texts that the provider must be sent, whoever it is


def chat(content: Any = "Who are you?", **more: Any) -> Body:
    """Ask in the words of Chat Completions."""
    return {"messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}], **more}


def responses(content: Any = "Who are you?", **more: Any) -> Body:
    """Ask in the words of Responses; it is not kept there, so what was thought comes along, sealed."""
    kept: Body = {"store": False, "include": ["reasoning.encrypted_content"]}
    return {"instructions": SYSTEM, "input": [{"role": "user", "content": content}], **kept, **more}


def messages(content: Any = "Who are you?", **more: Any) -> Body:
    """Ask in the words of Messages."""
    return {"system": SYSTEM, "messages": [{"role": "user", "content": content}], "max_tokens": 400, **more}


PLAIN: Mapping[ApiFormat, Body] = {"chat": chat(), "responses": responses(), "messages": messages()}
_SPOKEN: tuple[str, ...] = (SYSTEM, "Who are you?")


def _offering(*names: str) -> Mapping[ApiFormat, Body]:
    """Offer tools."""

    def fields(name: str, schema: str) -> Body:
        return {"name": name, "description": f"To {name}.", schema: _TOOLS[name]}

    as_chat = [{"type": "function", "function": fields(name, "parameters")} for name in names]
    as_responses = [{"type": "function", "strict": False, **fields(name, "parameters")} for name in names]
    return {
        "chat": chat(tools=as_chat),
        "responses": responses(tools=as_responses),
        "messages": messages(tools=[fields(name, "input_schema") for name in names]),
    }


def _offered(*names: str) -> tuple[str, ...]:
    return (
        *_SPOKEN,
        *(f"To {name}." for name in names),
        *(one for name in names for one in _TOOLS[name]["properties"]),
    )


_IMAGE: Mapping[ApiFormat, Body] = {
    "chat": chat(
        [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        ]
    ),
    "responses": responses(
        [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
        ]
    ),
    "messages": messages(
        [
            {"type": "text", "text": "What is this?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        ]
    ),
}
_PDF: Mapping[ApiFormat, Body] = {
    "chat": chat(
        [
            {
                "type": "file",
                "file": {"filename": "paper.pdf", "file_data": f"data:application/pdf;base64,{PAPER}"},
            },
            {"type": "text", "text": "What does it say?"},
        ]
    ),
    "responses": responses(
        [
            {"type": "input_file", "filename": "paper.pdf", "file_data": f"data:application/pdf;base64,{PAPER}"},
            {"type": "input_text", "text": "What does it say?"},
        ]
    ),
    "messages": messages(
        [
            {
                "type": "document",
                "title": "paper.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PAPER},
            },
            {"type": "text", "text": "What does it say?"},
        ]
    ),
}
_FORMAT: Mapping[ApiFormat, Body] = {
    "chat": chat(
        response_format={"type": "json_schema", "json_schema": {"name": "peak", "schema": SCHEMA, "strict": True}}
    ),
    "responses": responses(text={"format": {"type": "json_schema", "name": "peak", "schema": SCHEMA, "strict": True}}),
    "messages": messages(output_config={"format": {"type": "json_schema", "schema": SCHEMA}}),
}
_SHORT: Mapping[ApiFormat, Body] = {
    "chat": chat(max_completion_tokens=37),
    "responses": responses(max_output_tokens=37),
    "messages": messages() | {"max_tokens": 37},
}
_STOPPED: Mapping[ApiFormat, Body] = {
    "chat": chat(stop=["###", "END"]),
    "messages": messages(stop_sequences=["###", "END"]),
}
_CACHED = Said(text="ok", input_tokens=1000, cache_read_tokens=700, cache_write_tokens=200, output_tokens=5)
CASES: Mapping[str, Case] = {
    "text": Case(said=Said(text="Grüezi, 世界 🏔!\r\nA second line."), asked=PLAIN, carried=_SPOKEN),
    "several text blocks": Case(said=Said(text=("First. ", "Second. ", "Third.")), asked=PLAIN, carried=_SPOKEN),
    "one tool": Case(said=Said(tools=(LOOK,)), asked=_offering("look"), carried=_offered("look")),
    "a tool without input": Case(said=Said(tools=(NOW,)), asked=_offering("now"), carried=_offered("now")),
    "three tools at once": Case(
        said=Said(text="Let me see.", tools=(LOOK, FIND, NOW)),
        asked=_offering("look", "find", "now"),
        carried=_offered("look", "find", "now"),
    ),
    "thinking": Case(said=Said(text="42", thinking="Let me think of it.", reasoning_tokens=9), asked=PLAIN),
    "thinking and tools": Case(
        said=Said(text="So.", thinking="Hm.", tools=(FIND, LOOK)), asked=_offering("find", "look")
    ),
    "a refusal in words": Case(said=Said(refusal="I can't help with that."), asked=PLAIN),
    "a refusal without words": Case(said=Said(refusal=""), asked=PLAIN),
    "cut short": Case(said=Said(text="Once upon a", truncated=True), asked=_SHORT, carried=("37",)),
    "a stop sequence": Case(said=Said(text="before", stop_sequence="###"), asked=_STOPPED, carried=("###", "END")),
    "an image": Case(said=Said(text="A dot."), asked=_IMAGE, carried=(SYSTEM, "What is this?", "image/png", PIXEL)),
    "a PDF": Case(
        said=Said(text="Nothing."), asked=_PDF, carried=(SYSTEM, "What does it say?", "paper.pdf", "/pdf", PAPER)
    ),
    "a schema": Case(
        said=Said(text='{"name":"Üetliberg","height_m":870.5}'),
        asked=_FORMAT,
        carried=(SYSTEM, "json_schema", json.dumps(SCHEMA, ensure_ascii=False)),
    ),
    "cached": Case(said=_CACHED, asked=PLAIN, carried=_SPOKEN),
}


# Fields that not everybody has: whatever of them a provider is not sent is named in the answer.
EXTRAS: Mapping[ApiFormat, Body] = {
    "chat": {"seed": 7, "logit_bias": {"50256": -100}, "presence_penalty": 0.5, "user": "u-17", "temperature": 0.4},
    "responses": {"truncation": "auto", "safety_identifier": "u-17", "temperature": 0.4, "text": {"verbosity": "low"}},
    "messages": {
        "metadata": {"user_id": "u-17"},
        "service_tier": "standard_only",
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
    },
}
