"""What the checks of all wires share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from routerctl.testing.emulator.said import Body

CHAT_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MESSAGES_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
MESSAGES_ID = re.compile(r"[a-zA-Z0-9_-]+")


class Complaint(NamedTuple):
    """Why a request is refused; `param` and `code` are OpenAI's."""

    message: str
    param: str | None = None
    code: str | None = None


def first(*checks: Iterator[Complaint]) -> Complaint | None:
    """Give the first complaint; a shape that trips a check is one that its vendor refuses as well."""
    try:
        return next(chain(*checks), None)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        return Complaint(f"Invalid request body: {error}")


def dicts(value: Any) -> list[Body]:
    """Give the objects of a list; of anything else none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def open_objects(schema: Any, place: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Find the objects of a JSON schema that do not forbid other properties, each with its place."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            yield place, schema
        for name, one in schema.items():
            yield from open_objects(one, f"{place}.{name}" if place else name)
    elif isinstance(schema, list):
        for index, one in enumerate(schema):
            yield from open_objects(one, f"{place}.{index}")


def not_a_name(name: Any, param: str) -> Iterator[Complaint]:
    """Complain of a tool's name or id that OpenAI does not take."""
    if not isinstance(name, str):
        yield Complaint(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    elif len(name) > 64:
        yield Complaint(
            f"Invalid '{param}': string too long. Expected a string with maximum length 64, but got a string with "
            f"length {len(name)} instead.",
            param,
            "string_above_max_length",
        )


def not_a_tool_name(name: Any, param: str) -> Iterator[Complaint]:
    """Complain of a tool's name that OpenAI does not take."""
    yield from not_a_name(name, param)
    if isinstance(name, str) and not CHAT_NAME.fullmatch(name):
        yield Complaint(
            f"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            param,
            "invalid_value",
        )


def loose_schema(schema: Any, name: Any, param: str) -> Iterator[Complaint]:
    """Complain of a strict schema that leaves properties open or optional."""
    for place, _one in open_objects(schema):
        yield Complaint(
            f"Invalid schema for {param} '{name}': In context=({place}), 'additionalProperties' is required to be "
            "supplied and to be false.",
            param,
            "invalid_json_schema",
        )
    optional = (
        {*(schema.get("properties") or ())} - {*(schema.get("required") or ())} if isinstance(schema, dict) else ()
    )
    for one in sorted(optional):
        yield Complaint(
            f"Invalid schema for {param} '{name}': In context=(), 'required' is required to be supplied and to be an "
            f"array including every key in properties. Missing '{one}'.",
            param,
            "invalid_json_schema",
        )
