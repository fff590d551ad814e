"""Turns what a table is worth into the rows of the report's section on it, and results into rows of cascades.

Place: the report's second step, after `answers`; `routerctl.worth` computes, this file lays side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from routerctl.report.answers import Answers
from routerctl.types import Route, Table
from routerctl.worth import (
    Cascade,
    Constant,
    Figures,
    Worth,
    cascade,
    checks_for,
    chosen_evidence,
    class_figures,
    evidence_for,
)

SHOWN_CASCADES = 8  # before a fold


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
    """List the constants to print: the best, the one that the saving is counted against, then the others."""
    first = [one for one in worth.constants[:1] if one != worth.against]
    return [*first, *([worth.against] if worth.against else []), *_others(worth)]


def _others(worth: Worth) -> list[Constant]:
    return [one for one in worth.constants[1:] if one != worth.against]


def cascade_rows(table: Table, answers: Answers) -> list[CascadeRow]:
    """Count every cascade of two rungs that the results allow: first those that pay, then by price."""
    rows = [row for route in table.routes.values() for row in _of_class(route, table.ladder, answers)]
    return sorted(rows, key=lambda one: not (one.counted.cheaper and one.reaches))


def _of_class(route: Route, ladder: Sequence[str], answers: Answers) -> Iterator[CascadeRow]:
    run = [name for name in ladder if evidence_for(route, name)]
    results = {name: answers.of(route.task_class, name) for name in run}
    found = []
    for first, second in combinations(run, 2):
        for check in checks_for(results[first]):
            counted = cascade(results[first], results[second], check.accept)
            if counted and counted.accepted > 0:
                reaches = counted.correct >= route.target - 1e-9
                found.append(
                    CascadeRow(
                        task_class=route.task_class,
                        first=first,
                        second=second,
                        check=check.name,
                        counted=counted,
                        reaches=reaches,
                    )
                )
    yield from sorted(found, key=lambda one: one.counted.cost_usd)
