"""Turns a grid into one candidate for every class, by the bars.

A chooser sees nothing but the cases it is given, so that the same one can choose on a part of them and be measured on
the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routerctl.evaluation.worth.grid import Grid
from routerctl.types import RelativeBar, Route

if TYPE_CHECKING:
    from routerctl.statistics.outcomes import Mask, Matrix, Outcomes, Vector

Rows = tuple[int, ...]  # of the grid, by class
Chooser = Callable[[Grid], Rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What a candidate must reach on a class to be chosen for its cost."""

    bar: float | None = None  # least weighted mean; None: none is asked for
    proven_at: float | None = None  # level at which it must be shown to be above the bar; None: reaching it is enough
    within: tuple[float, int] | None = None  # (points, row): at most so much below that row on the same cases

    def met(self, outcomes: Outcomes) -> Mask:
        """Tell which rows reach it; only those that have every case do."""
        from routerctl.statistics.best import reaching, shown_at, within

        if self.within is not None:
            return within(outcomes, *self.within)
        if self.bar is None:
            return outcomes.complete()
        return reaching(outcomes, self.bar) if self.proven_at is None else shown_at(outcomes, self.bar, self.proven_at)


def floor_of(route: Route, candidates: Sequence[str]) -> Floor:
    """Give what a candidate had to reach to serve a class; `candidates`: the grid's."""
    alpha = route.evidence[0].judgement.alpha if route.evidence else None
    proven_at = alpha if route.when_unproven == "top_rung" else None
    if isinstance(route.bar, RelativeBar):
        return Floor(within=(route.bar.within, candidates.index(route.bar.of)), proven_at=proven_at)
    return Floor(bar=route.bar, proven_at=proven_at)


def by_bars(floors: Sequence[Floor]) -> Chooser:
    """Make the chooser of a table with bars: the cheapest at its bar, else the best available."""

    def choose(grid: Grid) -> Rows:
        each = zip(grid.outcomes, floors, leads(grid), strict=True)
        return tuple(_at_bar(outcomes, floor, scores) for outcomes, floor, scores in each)

    return choose


def _at_bar(outcomes: Outcomes, floor: Floor, scores: Vector) -> int:
    """Rows that reach the bar are compared by the price of a right answer, others by that of an answer."""
    from routerctl.statistics.best import cheapest, per_right

    prices = per_right(outcomes) if floor.met(outcomes).any() else outcomes.mean_costs()
    return cheapest(prices, allowed(outcomes, floor, scores), outcomes.means())


def allowed(outcomes: Outcomes, floor: Floor, scores: Vector) -> list[int]:
    """List the rows that may serve a class: at its floor, else none but the top rung or those as good as the best."""
    from routerctl.statistics.best import best_available

    met = [row for row, good in enumerate(floor.met(outcomes)) if good]
    if not met and floor.proven_at is not None:  # nothing but proof counts there, and the top rung serves without one
        return [len(outcomes.values) - 1]
    return met or best_available(outcomes, scores)[1]


def leads(grid: Grid) -> Matrix:
    """Give every candidate's shrunken difference to one of them, by class: what the best available is chosen on."""
    from routerctl.statistics.pooling import differences, shrunken

    return shrunken(*differences(grid.outcomes, most_run(grid)))


def most_run(grid: Grid) -> int:
    """Give the row that was run on most cases, the first of equals: what the others can be compared with."""
    counts = [each.counts() for each in grid.outcomes]
    return max(range(len(grid.candidates)), key=lambda row: sum(int(one[row]) for one in counts))
