"""Two tables -> their differences: one `Change` a class, and the rows that concern the table as a whole.

A class's differences are of two kinds: decisions (another candidate, bar, prompt ...), which `Change.what` names, and
figures that were merely measured again. Tables edited by hand are compared too, so nothing here relies on one part of a
table agreeing with another. Knows no money and no sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any

from routerctl.evaluation.differences import NONE
from routerctl.evaluation.selection import bar_change_words
from routerctl.evaluation.worth import THOUSAND, chosen_evidence
from routerctl.files.codec import encode, json_text
from routerctl.review.diff.general import general
from routerctl.review.diff.values import (
    Difference,
    beside_today,
    flat,
    number_words,
    parts,
    pin_words,
    price_words,
    risk_or_none,
    score_words,
    seconds_words,
    usd_words,
    verdict_words,
)
from routerctl.table import same_content
from routerctl.types import Candidate, Evidence, Price, Route, Table
from routerctl.words import bar_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One class before and after; None on the side where the class is missing."""

    task_class: str
    before: Route | None
    after: Route | None
    what: tuple[str, ...]  # which decisions differ, in words; () = none
    differences: tuple[Difference, ...] = ()  # row by row, measured figures included

    @property
    def chooses(self) -> bool:
        """Whether another candidate serves."""
        return self.before is None or self.after is None or self.before.chosen != self.after.chosen

    @property
    def levels(self) -> bool:
        """Whether the same candidate serves and is shown on another level than before."""
        if self.before is None or self.after is None or self.chooses:
            return False
        return self.before.level != self.after.level


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChanges:
    """Everything that differs between two tables but their versions."""

    before: Table
    after: Table
    classes: tuple[Change, ...]  # the new table's order, then the classes that are gone
    general: tuple[Difference, ...]  # what no single class has: risk, ladder, rules, candidates, prices

    @property
    def differs(self) -> bool:
        """Whether the tables differ in more than version and digest."""
        return bool(self.general) or any(one.what or one.differences for one in self.classes)


def compare(before: Table, after: Table) -> TableChanges:
    """Compare two tables; whatever their digests cover and no row names is named by a last row of its own."""
    found = TableChanges(
        before=before,
        after=after,
        classes=tuple(changes(before, after)),
        general=tuple(general(before, after)),
    )
    if found.differs or same_content(before, after):
        return found
    rest = Difference(what="order or notation", before="of the first table", after="of the second")
    return TableChanges(before=before, after=after, classes=found.classes, general=(rest,))


def changes(previous: Table, table: Table) -> list[Change]:
    """Compare two tables class by class: the new table's order, then the classes that are gone."""
    names = [*table.routes, *(name for name in previous.routes if name not in table.routes)]
    return [_change(name, previous, table) for name in names]


# --- one class --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One class in one table."""

    route: Route
    table: Table

    @property
    def chosen(self) -> Evidence | None:
        return chosen_evidence(self.route)

    @property
    def candidate(self) -> Candidate | None:
        return self.table.candidates.get(self.route.chosen)

    @property
    def price(self) -> Price | None:
        return self.table.prices.get(self.route.chosen)


def _change(name: str, previous: Table, table: Table) -> Change:
    before, after = previous.routes.get(name), table.routes.get(name)
    old = None if before is None else _Side(route=before, table=previous)
    new = None if after is None else _Side(route=after, table=table)
    if old is None or new is None:
        what = ("new class",) if new else ("class removed",)
        rows = tuple(_rows(_OF_NEW_CLASS, old, new))
        return Change(task_class=name, before=before, after=after, what=what, differences=rows)
    rows = tuple(_class_rows(old, new)) or tuple(_words(old, new))
    kinds = dict.fromkeys(row.kind for row in rows if row.kind)
    if old.route.chosen != new.route.chosen:  # another candidate has its own: saying so adds nothing
        kinds = dict.fromkeys(words for words in kinds if words not in _OF_CANDIDATE)
    return Change(task_class=name, before=before, after=after, what=tuple(kinds), differences=rows)


_OF_CANDIDATE = ("other pin or settings", "other fallbacks", "other price")


def _class_rows(old: _Side, new: _Side) -> Iterator[Difference]:
    same = old.route.chosen == new.route.chosen
    if same:
        yield from _settings(old, new)
        amounts = [_amounts(side.price) for side in (old, new)]
        yield from _row("price", old, new, _price, "other price" if amounts[0] != amounts[1] else "")
    else:
        yield from _rows((("candidate", "other candidate", _pinned), ("price", "other price", _price)), old, new)
    yield from _rows(_SETTINGS, old, new)
    yield from parts("prompt", old.route.prompt, new.route.prompt, "other prompt")
    yield from parts("reply", old.route.reply, new.route.reply, "other reply shape")
    yield from parts("scorer", old.route.scorer, new.route.scorer, "other scorer")
    yield from parts("stakes", old.route.stakes, new.route.stakes, "other stakes")
    policies = old.route.when_unproven, new.route.when_unproven
    yield from parts("when_unproven", *policies, "other when_unproven")
    yield from parts("description", old.route.description, new.route.description, "other description")
    for field in fields(Route):
        told = field.name == "lowered_score" and old.route.lowered_from != new.route.lowered_from  # with that bar
        if field.name not in _SHOWN and not told:  # a field that this file does not know yet is compared all the same
            yield from parts(field.name, getattr(old.route, field.name), getattr(new.route, field.name), "other route")
    yield from _rows(_FOLLOWING, old, new)
    yield from _measured(old, new)


_SHOWN = {
    *("task_class", "description", "bar", "chosen", "level", "verdict", "rule", "rungs", "evidence"),
    *("run_id", "eval_set_digest", "prompt", "reply", "scorer", "stakes", "when_unproven", "lowered_from", "today"),
}


def _settings(old: _Side, new: _Side) -> Iterator[Difference]:
    """Compare the pin and the settings of a candidate that both tables choose, and the provider behind its name."""
    kind = "other pin or settings"
    yield from parts("", old.candidate, new.candidate, kind)
    if old.candidate and new.candidate:
        names = old.candidate.provider, new.candidate.provider
        ours, theirs = old.table.providers.get(names[0]), new.table.providers.get(names[1])
        if names[0] == names[1]:  # what it costs is told with the price
            was, now = (spec and replace(spec, usd_per_hour=None) for spec in (ours, theirs))
            yield from parts(f"provider {names[0]}", was, now, kind)


def _measured(old: _Side, new: _Side) -> Iterator[Difference]:
    """Compare the evidence: its figures, the verdicts on the others, and of one run also what no two tables may tell.

    Two tables that rest on the same run have the same figures unless one was edited or made by another version.
    """
    rows = [*_rows(_FIGURES, old, new), *_others(old, new)]
    if old.route.run_id != new.route.run_id:
        yield from rows
        yield from _row("run", old, new, lambda side: side.route.run_id)
        return
    yield from rows or parts("evidence", _by_candidate(old.route), _by_candidate(new.route), "")


def _words(old: _Side, new: _Side) -> Iterator[Difference]:
    """Compare the words about what else is compared: of one run they differ alone only where somebody edited."""
    if old.route.run_id == new.route.run_id:
        for name in ("verdict", "rule"):
            yield from parts(f"words: {name}", getattr(old.route, name), getattr(new.route, name), "other words")


def _others(old: _Side, new: _Side) -> Iterator[Difference]:
    """Compare the verdicts on the candidates that no other row speaks of."""
    ours, theirs = _by_candidate(old.route), _by_candidate(new.route)
    for name in dict.fromkeys([*ours, *theirs]):
        left, right = ours.get(name), theirs.get(name)
        stays = name == old.route.chosen == new.route.chosen
        comes = name == new.route.chosen and left is None
        if stays or comes or (left and left.judgement.verdict) == (right and right.judgement.verdict):
            continue
        words = [f"{one.judgement.verdict.value}, {score_words(one)}" if one else "not run" for one in (left, right)]
        yield Difference(what=f"evidence of {name}", before=words[0], after=words[1])


def _by_candidate(route: Route) -> dict[str, Evidence]:
    return {one.candidate: one for one in route.evidence}


# --- what is compared of a class --------------------------------------------------------------------------------------

_Words = Callable[[_Side], str]
_Aspect = tuple[str, str, _Words]  # what, kind, in words


def _pinned(side: _Side) -> str:
    return pin_words(side.route.chosen, side.candidate)


def _price(side: _Side) -> str:
    return price_words(side.price)


def _per_month(side: _Side) -> str:
    volume = side.route.stakes.requests_per_month
    return NONE if volume is None else _of(side, lambda one: usd_words(one.cost_per_case_usd, volume))


def _fallbacks(side: _Side) -> str:
    rungs = side.route.rungs  # the first is the chosen candidate, unless somebody edited it
    return ", ".join(rungs[1:] if rungs[:1] == (side.route.chosen,) else rungs) or NONE


def _bar(side: _Side) -> str:
    before, (change, _) = side.route.lowered_from, bar_change_words(side.route)
    if before is None:
        return bar_words(side.route.bar)
    was = bar_words(before, side.route.lowered_score)
    return f"{bar_words(side.route.bar)} ({change} from {was}, at which it was not proven)"


def _level(side: _Side) -> str:
    return verdict_words(side.route, side.chosen, risk=False)  # the risk is a figure: measured again, it moves


_CHOICE: tuple[_Aspect, ...] = (("candidate", "other candidate", _pinned),)
_SETTINGS: tuple[_Aspect, ...] = (
    ("bar", "other bar", _bar),
    ("eval set", "other eval set", lambda side: side.route.eval_set_digest),
    ("today's model", "other model today", lambda side: side.route.today or NONE),
)
_FOLLOWING: tuple[_Aspect, ...] = (
    ("verdict", "other verdict", _level),
    ("fallbacks", "other fallbacks", _fallbacks),
)
_FIGURES: tuple[_Aspect, ...] = (
    ("risk", "", lambda side: risk_or_none(side.route)),
    ("score", "", lambda side: score_words(side.chosen)),
    ("per 1,000 requests", "", lambda side: _of(side, lambda one: usd_words(one.cost_per_case_usd, THOUSAND))),
    ("per month", "", _per_month),
    ("latency, median", "", lambda side: _of(side, lambda one: seconds_words(one.latency_p50_s))),
    ("latency, 95%", "", lambda side: _of(side, lambda one: seconds_words(one.latency_p95_s))),
    ("wrong in 1,000", "", lambda side: _of(side, lambda one: number_words(one.wrong_per_thousand))),
    ("beside today's model", "", lambda side: beside_today(side.route)),
)
_OF_NEW_CLASS = (*_CHOICE, ("price", "", _price), *_SETTINGS, *_FOLLOWING, *_FIGURES)


def _of(side: _Side, words: Callable[[Evidence], str]) -> str:
    return NONE if side.chosen is None else words(side.chosen)


def _amounts(price: Price | None) -> Any:
    """Give a price without its date and source."""
    return price and json_text(
        [*(value for key, value in flat(encode(price)).items() if key not in ("date", "source"))]
    )


def _rows(aspects: tuple[_Aspect, ...], old: _Side | None, new: _Side | None) -> Iterator[Difference]:
    return chain.from_iterable(_row(what, old, new, words, kind) for what, kind, words in aspects)


def _row(what: str, old: _Side | None, new: _Side | None, words: _Words, kind: str = "") -> Iterator[Difference]:
    before, after = (NONE if side is None else words(side) for side in (old, new))
    if before != after:
        yield Difference(what=what, before=before, after=after, kind=kind)
