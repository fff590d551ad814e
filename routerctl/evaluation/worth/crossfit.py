"""Turns a grid and a rule of choosing into what the rule's choices do on cases that it did not choose on.

Every case is looked at once, served by what the rule chose on the other folds. That is an estimate of the procedure on
so many cases, not a proof of the table: the table itself is chosen on all of them.
Source: Stone, Journal of the Royal Statistical Society B 36 (1974).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routerctl.evaluation.worth.choosers import Chooser, Rows
from routerctl.evaluation.worth.grid import Grid

if TYPE_CHECKING:
    from routerctl.statistics.outcomes import Vector
    from routerctl.statistics.pooling import Span

FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedCases:
    """What was served for each case: its values and costs, by class."""

    values: tuple[Vector, ...]
    costs: tuple[Vector, ...]
    rows: tuple[Rows, ...]  # that a class's cases were served by, once each


def served(grid: Grid, rows: Rows) -> ServedCases:
    """Give what one choice of rows made of every case."""
    return ServedCases(
        values=tuple(each.values[row] for each, row in zip(grid.outcomes, rows, strict=True)),
        costs=tuple(each.costs[row] for each, row in zip(grid.outcomes, rows, strict=True)),
        rows=tuple((row,) for row in rows),
    )


def cross_fitted(grid: Grid, choose: Chooser) -> ServedCases:
    """Serve each fold by what was chosen on the others; cases are dealt out in planned order, clusters whole."""
    from routerctl.statistics.outcomes import folds, spliced

    parts = [folds(each, FOLDS) for each in grid.outcomes]
    chosen = [choose(grid.part([~part[fold] for part in parts])) for fold in range(FOLDS)]
    picked = [[(part[fold], chosen[fold][place]) for fold in range(FOLDS)] for place, part in enumerate(parts)]
    both = [spliced(each, pick) for each, pick in zip(grid.outcomes, picked, strict=True)]
    rows = tuple(tuple(sorted({row for _, row in pick})) for pick in picked)
    return ServedCases(values=tuple(one for one, _ in both), costs=tuple(two for _, two in both), rows=rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """How what served compares with another choice of rows, over the classes where both were run on common cases."""

    right: Span  # accuracy more than the other's, a share of requests
    saved: Span  # cost less than the other's, per request; NaN where it is not known
    cases: int  # that were compared, of the classes where another candidate served
    apart: tuple[int, ...]  # classes (places) without a case in common: they count as nothing here


def leads_over(grid: Grid, ours: ServedCases, others: Sequence[Rows]) -> list[Lead]:
    """Compare what served with each of other choices, paired on common cases, classes weighed by their shares."""
    from routerctl.statistics.pooling import pooled

    by_class = [_class_leads(grid, ours, place) for place in range(len(grid.classes))]
    found = []
    for rows in others:
        cells = [each[row] for each, row in zip(by_class, rows, strict=True)]
        held = [(cell, share) for cell, share in zip(cells, grid.shares, strict=True) if cell.cases]
        weights = [share for _, share in held]
        found.append(
            Lead(
                right=pooled([cell.right for cell, _ in held], [cell.right_se for cell, _ in held], weights),
                saved=pooled([cell.saved for cell, _ in held], [cell.saved_se for cell, _ in held], weights),
                cases=sum(cell.cases for cell in cells if cell.differs),
                apart=tuple(place for place, cell in enumerate(cells) if not cell.cases),
            )
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    right: float
    right_se: float
    saved: float
    saved_se: float
    cases: int
    differs: bool


def _class_leads(grid: Grid, ours: ServedCases, place: int) -> list[_Cell]:
    from routerctl.statistics.outcomes import contrast

    each = grid.outcomes[place]
    right = contrast(each.values, ours.values[place], each.weights, each.clusters)
    saved = contrast(each.costs, ours.costs[place], each.weights, each.clusters, floor=0.0)

    def cell(row: int) -> _Cell:
        cases = int(right.cases[row])
        if ours.rows[place] == (row,):
            return _Cell(right=0.0, right_se=0.0, saved=0.0, saved_se=0.0, cases=cases, differs=False)
        return _Cell(
            right=-float(right.mean[row]),
            right_se=float(right.se[row]),
            saved=float(saved.mean[row]),
            saved_se=float(saved.se[row]),
            cases=cases,
            differs=True,
        )

    return [cell(row) for row in range(len(grid.candidates))]
