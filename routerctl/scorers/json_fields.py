"""A reply with a JSON object -> the share of its named fields that are right.

Types count, since a program reads the reply: "65" is not 65, "true" is not true. Fields that are not named are ignored.
"""

from __future__ import annotations

import json

from routerctl.scorers.base import Params, Scorer, as_fraction, normalised, only, shown
from routerctl.scorers.json_reply import canonical, read_json
from routerctl.scorers.number import close, tolerance
from routerctl.types import Json

_RULES = "exact, {number: tolerance} or {choice: [labels]}"


def _extract(text: str, params: Params) -> str | None:
    found = read_json(text, kinds=(dict,))
    if found is None:
        return None
    return canonical({name: found[name] for name in params["fields"] if name in found})


def _check(params: Params, expected: Json) -> None:
    only(params, "fields")
    fields = params.get("fields")
    if not isinstance(fields, dict) or not fields:
        raise ValueError(f"fields: expected a mapping of field names to {_RULES}")
    for name, rule in fields.items():
        _check_rule(name, rule)
    if expected is None:
        return
    if not isinstance(expected, dict) or set(expected) != set(fields):
        raise ValueError(f"expected an object with the fields {', '.join(map(str, fields))}, got {shown(expected)}")
    for name, rule in fields.items():
        _check_value(name, rule, expected[name])


def _check_rule(name: str, rule: Json) -> None:
    if rule == "exact":
        return
    kind, value = next(iter(rule.items())) if isinstance(rule, dict) and len(rule) == 1 else (None, None)
    if kind == "number":
        tolerance({name: value}, name)
    elif kind != "choice" or not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise ValueError(f"fields.{name}: expected {_RULES}, got {shown(rule)}")


def _check_value(name: str, rule: Json, value: Json) -> None:
    if rule == "exact" or value is None:  # null is a fair answer for any field: "the text does not say"
        return
    if "number" in rule and as_fraction(value) is None:
        raise ValueError(f"{name}: expected a number or null, got {shown(value)}")
    if "choice" in rule and value not in rule["choice"]:
        raise ValueError(f"{name}: {shown(value)} is not one of the choices")


def _score(extracted: str, expected: Json, params: Params) -> tuple[float, str]:
    found, fields = json.loads(extracted), params["fields"]
    problems = [
        f"{name}: {shown(canonical(found[name])) if name in found else 'missing'}"
        for name, rule in fields.items()
        if name not in found or not _right(rule, found[name], expected[name])
    ]
    return 1 - len(problems) / len(fields), "wrong " + "; ".join(problems) if problems else "every field is right"


def _right(rule: Json, found: Json, expected: Json) -> bool:
    if rule != "exact" and "number" in rule and expected is not None:
        value, wanted = as_fraction(found), as_fraction(expected)
        return value is not None and wanted is not None and close(value, wanted, tolerance(rule, "number"))
    return same(found, expected)


def same(left: Json, right: Json) -> bool:
    """Compare JSON values: texts as the scorer `exact` does, numbers by value (3 is 3.0), lists in order."""
    if isinstance(left, str) and isinstance(right, str):
        return normalised(left) == normalised(right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))
    number = as_fraction(left)
    return number == as_fraction(right) if number is not None else type(left) is type(right) and left == right


JSON_FIELDS = Scorer(name="json_fields", extract=_extract, score=_score, check=_check)
