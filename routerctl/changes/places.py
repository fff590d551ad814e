"""A table and the one that its evidence gives -> the first places at which they differ, and whose word is right there.

Place: the first floor of the comparison, for `check`, which names values where `diff` compares decisions.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from typing import Any

from routerctl.changes.showing import leaf_pair
from routerctl.codec import encode, json_text
from routerctl.project import PROJECT_FILE
from routerctl.types import POLICY_FIELDS, Table

_SHOWN_DIFFERENCES = 5
_POLICY = ("rules", "default_class", "classifier", "routing", "retirements", "objective")
_OF_CLASS = ("stakes", "when_unproven", "today")  # an eval set says them, else routerctl.yaml, else the run


def first_differences(old: Table, new: Table) -> Iterator[str]:
    """Name the first places at which two tables differ, with what stands there: of long texts the part that differs."""
    found, asked = 0, {one.provider for table in (old, new) for one in table.candidates.values()}
    ours, theirs = (encode(table, keep_defaults=True) for table in (old, new))  # a default by its name
    for place, before, after in _walk(ours, theirs, ""):
        if place.split(".")[0] in ("table_version", "digest"):
            continue
        if found == _SHOWN_DIFFERENCES:
            yield "and more"
            return
        found += 1
        told = leaf_pair(_said(before), _said(after))
        yield (
            f"{place} is {told[0]}, {_source(place, asked)} says {told[1]}" if told else f"{place} is written otherwise"
        )


def _source(place: str, asked: Collection[str]) -> str:
    """Name what a part of the table comes from: routerctl.yaml or the project, where it is policy, or the evidence.

    `asked`: providers that made evidence; all of another one is policy.
    """
    top, *rest = place.split(".")
    if top == "routes" and not set(_OF_CLASS).isdisjoint(rest[1:2]):
        return "the project"
    is_policy = top in _POLICY or (top == "prices" and "@" in place)
    if top in ("providers", "candidates"):
        is_policy = not POLICY_FIELDS.isdisjoint(rest) or (top == "providers" and rest[0] not in asked)
    return PROJECT_FILE if is_policy else "the evidence"


def _said(value: Any) -> Any:
    """Leave out of a value what says nothing."""
    if isinstance(value, Mapping):
        return {key: _said(item) for key, item in value.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        return [_said(item) for item in value]
    return format(value, "f") if isinstance(value, Decimal) else value


def _walk(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
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
