"""Two tables -> the rows that concern no single class: risk, ladder, rules, providers, candidates, prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from routerctl.evaluation.differences import NONE
from routerctl.review.diff.values import Difference, parts, price_words, settings_words
from routerctl.types import Classifier, Routing, Table
from routerctl.words import as_written


def general(before: Table, after: Table) -> Iterator[Difference]:
    """Compare what two tables say once for all classes, but their versions and digests."""
    for field in fields(Table):
        old, new = getattr(before, field.name), getattr(after, field.name)
        what = field.name.replace("_", " ")
        if field.name in ("table_version", "digest", "routes"):
            continue
        if field.name in _NAMED:
            yield from _named(*_NAMED[field.name], old, new)
        elif field.name == "rules":
            yield from _rules(before, after)
        elif field.name in _WRITTEN:
            before_words, after_words = (_WRITTEN[field.name](value) for value in (old, new))
            if before_words != after_words:
                yield Difference(what=what, before=before_words, after=after_words)
        elif field.name in _SETTINGS:
            yield from parts(what, old or _SETTINGS[field.name], new or _SETTINGS[field.name], "")
        else:
            yield from parts(what, old, new, "")


_SETTINGS: Mapping[str, Any] = {"classifier": Classifier(), "routing": Routing()}
_WRITTEN: Mapping[str, Callable[[Any], str]] = {
    "risk": as_written,
    "margin": as_written,
    "ladder": lambda names: ", ".join(names) or NONE,
}
_NAMED: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "providers": ("provider", settings_words),
    "candidates": ("candidate", settings_words),
    "prices": ("price of", price_words),
}


def _named(
    what: str, words: Callable[[Any], str], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Difference]:
    """Compare entry by entry: prices as a whole, of providers and candidates the parts that differ."""
    for name in dict.fromkeys([*old, *new]):
        ours, theirs = old.get(name), new.get(name)
        whole = Difference(what=f"{what} {name}", before=words(ours), after=words(theirs))
        at_once = ours is None or theirs is None or words is price_words
        if at_once and whole.before != whole.after:
            yield whole
        else:
            yield from parts(f"{what} {name}", ours, theirs, "")


def _rules(before: Table, after: Table) -> Iterator[Difference]:
    ours, theirs = ({rule.name: rule for rule in table.rules} for table in (before, after))
    yield from _named("rule", settings_words, ours, theirs)
    common = [[name for name in rules if name in ours and name in theirs] for rules in (ours, theirs)]
    if common[0] != common[1]:  # the first rule that holds decides
        yield Difference(what="order of rules", before=", ".join(ours), after=", ".join(theirs))
