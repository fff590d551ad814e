"""A table and the one that its evidence gives -> the first places at which they differ, and what is right there.

For `check`, which names values where `diff` compares decisions.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from routerctl.evaluation.project import PROJECT_FILE
from routerctl.files.codec import encode, json_text
from routerctl.types import POLICY_FIELDS, Table

NONE = "none"
_WIDTH = 72  # characters shown of a long text
_CONTEXT = 24  # of these, before the first that differs
_SHOWN_DIFFERENCES = 5
_Place = tuple[str, Any, Any]  # where two tables differ, and what stands there in each
_POLICY = ("rules", "default_class", "classifier", "routing", "retirements", "objective")
_OF_CLASS = ("stakes", "when_unproven", "today")  # an eval set says them, else routerctl.yaml, else the run
# The parts of a class that follow from the rest, each from those before it; all others are settings.
_FOLLOWS = (("chosen", "level", "rungs", "evidence"), ("verdict", "rule"))
_SENTENCE = len(_FOLLOWS)
_IN_ALL_SENTENCES = ("mode", "risk", "margin", "ladder", "objective")


def first_differences(old: Table, new: Table) -> Iterator[str]:
    """Name the first places at which two tables differ, with what stands there: of long texts the part that differs.

    What causes others comes first: settings, then choices with their numbers; sentences where nothing else differs.
    """
    asked = {one.provider for table in (old, new) for one in table.candidates.values()}
    ours, theirs = (encode(table, keep_defaults=True) for table in (old, new))  # a default by its name
    found = _by_cause(one for one in _walk(ours, theirs, "") if one[0] not in ("table_version", "digest"))
    for place, before, after in found[:_SHOWN_DIFFERENCES]:
        told = leaf_pair(_said(before), _said(after))
        differs = f"is {told[0]}, {_source(place, asked)} says {told[1]}" if told else "is written differently"
        yield f"{place} {differs}"
    if len(found) > _SHOWN_DIFFERENCES:
        yield "and more"


def _by_cause(found: Iterable[_Place]) -> list[_Place]:
    """Put places in order, and leave out the sentences of a class that follow from something else that differs."""
    ranked = sorted(((_rank(one[0]), one) for one in found), key=lambda each: each[0])
    caused = {_class_of(one[0]) for rank, one in ranked if rank < _SENTENCE}
    everywhere = not caused.isdisjoint(_IN_ALL_SENTENCES)
    return [one for rank, one in ranked if rank < _SENTENCE or not (everywhere or _class_of(one[0]) in caused)]


def _rank(place: str) -> int:
    top, *rest = place.split(".")
    part = rest[1] if top == "routes" and len(rest) > 1 else ""
    return next((rank for rank, parts in enumerate(_FOLLOWS, 1) if part in parts), 0)


def _class_of(place: str) -> str:
    """Name the class that a place belongs to, else the part of the table."""
    top, *rest = place.split(".")
    return f"{top}.{rest[0]}" if top == "routes" and rest else top


def _source(place: str, asked: Collection[str]) -> str:
    """Name the source of a part of the table: routerctl.yaml or the project, where it is policy, or the evidence.

    `asked`: providers that made evidence; all that is said of another one is policy.
    """
    top, *rest = place.split(".")
    if top == "routes" and not set(_OF_CLASS).isdisjoint(rest[1:2]):
        return "the project"
    is_policy = top in _POLICY or (top == "prices" and "@" in place)
    if top in ("providers", "candidates"):
        is_policy = not POLICY_FIELDS.isdisjoint(rest) or (top == "providers" and rest[0] not in asked)
    return PROJECT_FILE if is_policy else "the evidence"


def _said(value: Any) -> Any:
    """Leave the empty parts out of a value."""
    if isinstance(value, Mapping):
        return {key: _said(item) for key, item in value.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        return [_said(item) for item in value]
    return format(value, "f") if isinstance(value, Decimal) else value


def _walk(old: Any, new: Any, path: str) -> Iterator[_Place]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if old.keys() == new.keys() and list(old) != list(new):
            yield f"the order of {path}", list(old), list(new)
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _walk(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _walk(before, after, f"{path}.{place}")
    elif json_text(old) != json_text(new):  # unlike ==, it tells true from 1
        yield path, old, new


def leaf_pair(old: Any, new: Any) -> tuple[str, str] | None:
    """Show two values where they differ, None where they are the same; `1` is not `1.0` in a file, nor `true`."""
    if json_text(old) == json_text(new):
        return None
    before, after = _leaf(old), _leaf(new)
    if before == after:  # a text "none", an empty one and no text
        before, after = (NONE if one is None else json_text(one) for one in (old, new))
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))
    start = max(0, sum(1 for _ in same) - _CONTEXT)
    if max(len(before), len(after)) <= _WIDTH:
        start = 0
    return _cut(before, start), _cut(after, start)


def _leaf(value: Any) -> str:
    """Show a text as it is where that shows all of it, else as JSON, in which line breaks are visible; "" as `none`."""
    if value is None or value == "":
        return NONE
    plain = isinstance(value, str) and value and value == " ".join(value.split())
    return str(value) if plain else json_text(value)


def _cut(text: str, start: int) -> str:
    end = start + _WIDTH
    return ("\u2026" if start else "") + text[start:end] + ("\u2026" if len(text) > end else "")
