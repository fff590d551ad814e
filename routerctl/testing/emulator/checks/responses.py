"""What OpenAI's Responses and Embeddings refuse, in their words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from routerctl.testing.emulator.checks import fields
from routerctl.testing.emulator.checks.base import Complaint, dicts, first, loose_schema, not_a_name, not_a_tool_name
from routerctl.testing.emulator.checks.chat import required, unknown_fields
from routerctl.testing.emulator.said import Body

_ROLES = ("user", "assistant", "system", "developer")
_PARTS = ("input_text", "input_image", "input_file", "output_text", "refusal")


def complaint(body: Body, _model: str) -> Complaint | None:
    """Give the first thing that is wrong with a request, if any."""
    checks = (
        unknown_fields(body, fields.RESPONSES),
        required(body, "model", "input"),
        _items(body),
        _calls(body),
        _tools(body),
    )
    return first(*checks, _format(body))


def embeddings_complaint(body: Body, _model: str) -> Complaint | None:
    """Give the first thing that is wrong with a request for embeddings, if any."""
    return first(unknown_fields(body, fields.EMBEDDINGS), required(body, "model", "input"))


def _items(body: Body) -> Iterator[Complaint]:
    for index, item in enumerate(body["input"] if isinstance(body["input"], list) else ()):
        if not isinstance(item, dict):
            yield Complaint(
                f"Invalid type for 'input[{index}]': expected an object.", f"input[{index}]", "invalid_type"
            )
        elif item.get("type", "message") == "message":
            yield from _message(item, f"input[{index}]")
        elif item["type"] == "function_call":
            yield from not_a_name(item.get("call_id"), f"input[{index}].call_id")
            yield from not_a_tool_name(item.get("name"), f"input[{index}].name")
            if not isinstance(item.get("arguments"), str):
                param = f"input[{index}].arguments"
                yield Complaint(f"Invalid type for '{param}': expected a string.", param, "invalid_type")


def _message(item: Body, place: str) -> Iterator[Complaint]:
    if item.get("role") not in _ROLES:
        told = f"Invalid value: '{item.get('role')}'. Supported values are: {_ROLES}."
        yield Complaint(told, f"{place}.role", "invalid_value")
    for number, part in enumerate(dicts(item.get("content"))):
        if part.get("type") not in _PARTS:
            told = f"Invalid value: '{part.get('type')}'. Supported values are: {_PARTS}."
            yield Complaint(told, f"{place}.content[{number}].type", "invalid_value")


def _calls(body: Body) -> Iterator[Complaint]:
    """A call and its output belong together, unless the former stands in a response that is kept."""
    items = dicts(body["input"])
    made = {item.get("call_id") for item in items if item.get("type") == "function_call"}
    given = {item.get("call_id") for item in items if item.get("type") == "function_call_output"}
    kept = body.get("previous_response_id") or body.get("conversation")
    for one in sorted(map(str, given - made)) if not kept else ():
        yield Complaint(f"No tool call found for function call output with call_id {one}.", "input")
    for one in sorted(map(str, made - given)):
        yield Complaint(f"No tool output found for function call {one}.", "input")


def _tools(body: Body) -> Iterator[Complaint]:
    for index, tool in enumerate(dicts(body.get("tools"))):
        if tool.get("type") == "function":
            yield from not_a_tool_name(tool.get("name"), f"tools[{index}].name")
            if tool.get("strict"):
                yield from loose_schema(tool.get("parameters"), tool.get("name"), f"tools[{index}].parameters")


def _format(body: Body) -> Iterator[Complaint]:
    asked: Any = (body.get("text") or {}).get("format") or {}
    if asked.get("type") == "json_schema":
        yield from not_a_tool_name(asked.get("name"), "text.format.name")
        if asked.get("strict"):
            yield from loose_schema(asked.get("schema"), asked.get("name"), "text.format.schema")
