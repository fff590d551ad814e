"""A reply -> the JSON value in it: bare, in a code fence, or surrounded by prose.

It knows no field and no schema. Strict JSON: NaN, Infinity, numbers beyond a double and a name with two values are
refused, and so is nesting deeper than any real answer's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator

from routerctl.scorers.base import NoAnswer
from routerctl.scorers.candidates import Candidate, the_one, with_finals
from routerctl.scorers.reply import fenced
from routerctl.types import Json

_MAX_DEPTH = 64
# A failed attempt may read to the end of the text: without a bound, 100,000 braces cost 100,000 readings.
_MAX_ATTEMPTS = 200
_NAMES: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}


def _refuse(text: str) -> Json:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs) and any(made[name] != value for name, value in pairs):
        raise ValueError("a name has two values")  # readers differ in which of them they take
    return made


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_object)
_OPENING = re.compile(r"[{\[]")
_LOOKS_LIKE_JSON = re.compile(r"(?:\{\s*[\"'{\[}]|\[\s*[\"'{\[\]])")
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]]', re.DOTALL)


def read_json(text: str, *, kinds: tuple[type, ...]) -> Json | None:
    """Give the reply's value of one of these kinds (dict, list), or None.

    The whole reply if it is JSON; else the fenced block that is; else the value that stands in the prose; of several
    the one that `candidates.the_one` takes for the answer.

    Raises: NoAnswer where that is a value of another kind, or it is not clear which of several is meant.
    """
    whole = _whole(text)
    found = the_one(text, _candidates(text, kinds)) if whole is None else whole
    if found is not None and not isinstance(found, kinds):
        raise NoAnswer(f"{_NAMES.get(type(found), 'a value')} where {_NAMES[kinds[0]]} is expected")
    return found


def _candidates(text: str, kinds: tuple[type, ...]) -> list[Candidate[Json]]:
    prose = _in_prose(text, kinds)
    return with_finals(text, _in_blocks(text), prose) or prose


def _in_blocks(text: str) -> list[Candidate[Json]]:
    found = []
    for block in fenced(text):
        value = _whole(block.content)
        if isinstance(value, dict | list):
            found.append(Candidate(value=value, key=canonical(value), start=block.start, end=block.end))
    return found


def _in_prose(text: str, kinds: tuple[type, ...]) -> list[Candidate[Json]]:
    found = list(_embedded(text))
    holders = [one for one in found if isinstance(one.value, dict) or any(isinstance(item, dict) for item in one.value)]
    if holders or list not in kinds:
        return holders  # a list without objects in prose is a reference, [1]
    return found


def canonical(value: Json) -> str:
    """Write a JSON value one way only."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(", ", ": "))


def _whole(text: str) -> Json | None:
    try:
        value = _DECODER.decode(text.strip())
    except (ValueError, RecursionError):  # ValueError: also an integer beyond Python's limit of digits
        return None
    return value if _shallow(value) else None


def _embedded(text: str) -> Iterator[Candidate[Json]]:
    """Give the values in a text that are in no other one, be that broken JSON."""
    place, attempts = 0, 0
    while attempts < _MAX_ATTEMPTS and (opening := _OPENING.search(text, place)):
        start, attempts = opening.start(), attempts + 1
        try:
            value, place = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            place = _after_broken(text, start) if _LOOKS_LIKE_JSON.match(text, start) else start + 1
            continue
        if _shallow(value):
            yield Candidate(value=value, key=canonical(value), start=start, end=place)


def _after_broken(text: str, start: int) -> int:
    """Find where brackets balance again: what is inside a value that is not JSON is no value by itself."""
    depth = 0
    for found in _BRACKET.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        if not depth:
            return found.end()
    return len(text)


def _shallow(value: Json) -> bool:
    layer = [value]
    for _ in range(_MAX_DEPTH):
        layer = [item for outer in layer for item in _items(outer)]
        if not layer:
            return True
    return False


def _items(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
