"""Turns what a table is worth into the rows of the report's section on it, and results into rows of cascades.

Place: the report's second step, after `answers`; `routerctl.evaluation.worth` computes, this file lays side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from routerctl.evaluation.worth import (
    Cascade,
    Check,
    Constant,
    Figures,
    Replies,
    Worth,
    cascade,
    checks_for,
    chosen_evidence,
    class_figures,
    evidence_for,
    replies_of,
)
from routerctl.review.report.answers import Answers
from routerctl.types import Route, Table

SHOWN_CASCADES, MOST_CASCADES = 8, 48  # before a fold, and with it
SHOWN_CONSTANTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class: what the table serves beside the best constant."""

    route: Route
    requests: float | None  # per month; None: not known
    measured: bool  # the requests were counted in the decision log, not stated
    table: Figures | None
    constant: Figures | None  # None: it was not run on this class


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeRow:
    """One cascade that the results of a class allow to count."""

    task_class: str
    first: str
    second: str
    check: str
    counted: Cascade
    reaches: bool  # the bar, on these cases

    @property
    def finding(self) -> str:
        """Say what came of it."""
        if not self.counted.cheaper:
            return f"no cheaper than {self.second} alone"
        if not self.reaches:
            return f"cheaper than {self.second} alone, but below the bar here"
        return f"cheaper than {self.second} alone, and reaches the bar here"


def class_rows(table: Table, worth: Worth) -> list[ClassRow]:
    """Put each class's own figures beside those of the best constant."""
    best, of = (worth.constants[0] if worth.constants else None), worth.weighting
    return [
        ClassRow(
            route=route,
            requests=of.requests.get(name),
            measured=name in of.measured,
            table=class_figures(route, chosen_evidence(route), of),
            constant=class_figures(route, evidence_for(route, best.candidate), of) if best else None,
        )
        for name, route in table.routes.items()
    ]


def shown_constants(worth: Worth) -> list[Constant]:
    """List the constants to print: the most accurate, the one that money is told against, then the others."""
    first = [*worth.constants[:1], *([worth.against] if worth.against else [])]
    return [*dict.fromkeys(first), *(one for one in worth.constants if one not in first)]


def cascade_rows(table: Table, answers: Answers) -> list[CascadeRow]:
    """Count the cascades of two rungs that the results allow: first those that pay, then by price."""
    rows = [row for route in table.routes.values() for row in _of_class(route, table.ladder, answers)]
    return sorted(rows, key=lambda one: not (one.counted.cheaper and one.reaches))


def _of_class(route: Route, ladder: Sequence[str], answers: Answers) -> list[CascadeRow]:
    """Count the cascades with the choice, and of the others those that cost less than it and reach the bar."""
    results = {name: answers.of(route.task_class, name) for name in ladder if evidence_for(route, name)}
    checks = {name: [one for one in checks_for(ones) if any(map(one.accept, ones))] for name, ones in results.items()}
    if not any(checks.values()):  # recorded outcomes seldom have replies to look at
        return []
    replies, names = {name: replies_of(ones) for name, ones in results.items()}, list(results)
    rows = [
        row
        for place, first in enumerate(names)
        for check in checks[first]
        for row in _from(route, first, names[place + 1 :], check, replies)
    ]
    chosen = chosen_evidence(route)
    cost_usd = chosen.cost_per_case_usd if chosen else None
    return sorted((one for one in rows if _matters(one, route, cost_usd)), key=lambda one: one.counted.cost_usd)


def _from(
    route: Route, first: str, seconds: Sequence[str], check: Check, replies: Mapping[str, Replies]
) -> Iterator[CascadeRow]:
    """Count a candidate's cascades by one check to each dearer one."""
    accepted = replies[first].where(check.accept)
    for second in seconds:
        counted = cascade(replies[first], replies[second], accepted)
        if counted and counted.accepted > 0:
            yield CascadeRow(
                task_class=route.task_class,
                first=first,
                second=second,
                check=check.name,
                counted=counted,
                reaches=counted.correct >= route.target - 1e-9,
            )


def _matters(one: CascadeRow, route: Route, chosen_usd: Decimal | None) -> bool:
    """Tell a cascade that could serve in the choice's place from one of two candidates that nobody chose."""
    cheaper = chosen_usd is not None and one.counted.cost_usd < chosen_usd
    return route.chosen in (one.first, one.second) or (cheaper and one.reaches)
