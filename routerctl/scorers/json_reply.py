"""A reply -> the JSON value in it: bare, in a code fence, or surrounded by prose.

It knows no field and no schema. Strict JSON: NaN, Infinity and numbers beyond a double are refused, and so is nesting
deeper than any real answer's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from routerctl.scorers.base import fenced
from routerctl.types import Json

_MAX_DEPTH = 64
# A failed attempt may read to the end of the text: without a bound, 100,000 braces cost 100,000 readings.
_MAX_ATTEMPTS = 200


def _refuse(text: str) -> Json:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def read_json(text: str, *, kinds: tuple[type, ...]) -> Json | None:
    """Give the reply's value of one of these kinds (dict, list), or None.

    The whole reply if it is JSON; else the last fenced block that is; else the last value that stands in the prose.
    """
    for candidate in (text, *(content for _, content in reversed(fenced(text)))):
        value = _whole(candidate)
        if isinstance(value, kinds):
            return value
    found = [value for value in _embedded(text, "{[" if list in kinds else "{") if isinstance(value, kinds)]
    return found[-1] if found else None


def canonical(value: Json) -> str:
    """Write a JSON value one way only."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(", ", ": "))


def _whole(text: str) -> Json | None:
    try:
        value = _DECODER.decode(text.strip())
    except (ValueError, RecursionError):  # ValueError: also an integer beyond Python's limit of digits
        return None
    return value if _shallow(value) else None


def _embedded(text: str, openings: str) -> Iterator[Json]:
    place, attempts = 0, 0
    while attempts < _MAX_ATTEMPTS:
        starts = [found for sign in openings if (found := text.find(sign, place)) >= 0]
        if not starts:
            return
        place, attempts = min(starts), attempts + 1
        try:
            value, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            place += 1
            continue
        if _shallow(value):
            yield value


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
