"""JSON schemas as each vendor wants them: Anthropic closes every object, OpenAI's strict mode wants every property."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routerctl.service.translate.neutral_request import Untranslatable
from routerctl.types import Json

_OF_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties")  # name -> schema
_SCHEMAS = ("anyOf", "allOf", "oneOf", "prefixItems")
_SCHEMA = ("items", "not", "if", "then", "else", "contains")


def parameters(schema: Mapping[str, Json]) -> dict[str, Any]:
    """Give a tool's parameters as Anthropic wants them: an object, even of nothing."""
    if not schema:
        return {"type": "object", "properties": {}}
    return {"type": "object"} | dict(schema)


def closed(schema: Json, *, at: str) -> Json:
    """Give a schema whose objects forbid other properties, as Anthropic's structured output requires.

    Raises:
        Untranslatable: one of them allows them in so many words: closing it would change what is asked for.
    """
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for name in _OF_SCHEMAS:
        if isinstance(schema.get(name), dict):
            made[name] = {key: closed(one, at=f"{at}.{name}.{key}") for key, one in schema[name].items()}
    for name in _SCHEMAS:
        if isinstance(schema.get(name), list):
            made[name] = [closed(one, at=f"{at}.{name}[{index}]") for index, one in enumerate(schema[name])]
    for name in _SCHEMA:
        if name in schema:
            made[name] = closed(schema[name], at=f"{at}.{name}")
    if _is_object(schema):
        if schema.get("additionalProperties", False) is not False:
            raise Untranslatable(
                f"{at}.additionalProperties: expected false: Claude's structured output allows no other properties",
                param=f"{at}.additionalProperties",
            )
        made["additionalProperties"] = False
    return made


def strict(schema: Json) -> bool:
    """Tell whether OpenAI's strict mode takes a schema: every object closed, every property of it required."""
    if isinstance(schema, list):
        return all(strict(one) for one in schema)
    if not isinstance(schema, dict):
        return True
    required = _names(schema.get("required"))
    if _is_object(schema) and schema.get("additionalProperties") is not False:
        return False
    if any(name not in required for name in _names(schema.get("properties"))):
        return False
    return all(strict(one) for one in schema.values())


def _names(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list | dict) else []


def _is_object(schema: Mapping[str, Json]) -> bool:
    kind = schema.get("type")
    return (
        kind == "object" or (isinstance(kind, list) and "object" in kind) or isinstance(schema.get("properties"), dict)
    )
