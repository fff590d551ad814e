"""Turns a grid into the cheapest choices whose accuracy as a whole is within so much of a reference's.

A bar for every class spends much where a class is hard and the dear candidate adds nothing. This looks at all classes
together, and keeps to the floors of `choosers`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from routerctl.evaluation.worth.choosers import Chooser, Floor, Rows, allowed
from routerctl.evaluation.worth.grid import Grid
from routerctl.statistics.frontier import CostGain, FrontierStep, descent
from routerctl.statistics.outcomes import Vector, contrast
from routerctl.statistics.pooling import differences, shrunken

_ROUNDING = 1e-9  # of a sum of shares


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectivePath:
    """The choices, and the path on which they lie."""

    rows: Rows
    reference: int  # row
    within: float
    gain: float  # shrunken difference to the reference over all classes; below -within only where floors forbid more
    path: tuple[FrontierStep, ...]  # from the best choices to the cheapest ones, by lambda

    @property
    def constant(self) -> bool:
        """Whether one candidate serves every class."""
        return len(set(self.rows)) == 1


def by_objective(within: float, reference: int | None = None, floors: Sequence[Floor] | None = None) -> Chooser:
    """Make the chooser that `plan_of` describes."""
    return lambda grid: plan_of(grid, within, reference, floors).rows


def plan_of(
    grid: Grid, within: float, reference: int | None = None, floors: Sequence[Floor] | None = None
) -> ObjectivePath:
    """Choose the cheapest rows whose accuracy over all classes is at most `within` below the reference's.

    Each class takes the row that maximises d - lambda x cost, d being its shrunken paired difference to the reference;
    lambda is the largest at which the weighted sum of d is at least -within. A row must meet its class's floor; where
    none does, it must not be told from the best available. One candidate for all takes the place of these choices where
    it is cheaper and within too, or no dearer and not seen to be worse (see `_not_worse`): then they followed noise.

    `reference`: row; None: the best constant. `floors`: by class. Raises: ValueError where a cost is not known, or the
    reference was not run on every case.
    """
    base = best_constant(grid) if reference is None else reference
    _check(grid, base)
    options = _options(grid, base, floors or [Floor()] * len(grid.classes))
    path = descent(options, grid.shares)
    alone = _constants(options, grid.shares)
    able = [step for step in (*path, *alone) if step.gain >= -within - _ROUNDING]
    taken = min(able, key=lambda step: step.cost, default=path[0])
    taken = max(_not_worse(grid, taken, alone), key=lambda step: step.gain, default=taken)
    return ObjectivePath(rows=taken.choices, reference=base, within=within, gain=taken.gain, path=tuple(path))


def best_constant(grid: Grid) -> int:
    """Give the row with the highest accuracy over all classes, the first of equals; one not run everywhere is none.

    Raises: ValueError where no row was run everywhere.
    """
    totals = totals_of(grid, [each.means() for each in grid.outcomes])
    known = [row for row, total in enumerate(totals) if not math.isnan(total)]  # NaN: not run on some class
    if not known:
        raise ValueError("no candidate was run on every class")
    return max(known, key=lambda row: totals[row])


def totals_of(grid: Grid, by_class: Sequence[Vector]) -> list[float]:
    """Weigh one number a row and class together; NaN where a class has none."""
    return [
        float(sum(share * values[row] for share, values in zip(grid.shares, by_class, strict=True)))
        for row in range(len(grid.candidates))
    ]


def _check(grid: Grid, base: int) -> None:
    for name, outcomes in zip(grid.classes, grid.outcomes, strict=True):
        if not outcomes.complete()[base]:
            raise ValueError(f"{grid.candidates[base]} was not run on every case of {name}")
        if outcomes.unpriced():
            raise ValueError(f"what an answer costs is not known of every candidate on {name}")


def _options(grid: Grid, base: int, floors: Sequence[Floor]) -> list[list[CostGain | None]]:
    """Give each class's rows that may be chosen, as (cost, shrunken difference to the reference)."""
    gains = shrunken(*differences(grid.outcomes, base))
    found: list[list[CostGain | None]] = []
    for outcomes, floor, gain in zip(grid.outcomes, floors, gains, strict=True):
        rows, costs = allowed(outcomes, floor, gain), outcomes.mean_costs()
        found.append([(float(costs[row]), float(gain[row])) if row in rows else None for row in range(len(gain))])
    return found


def _constants(options: Sequence[Sequence[CostGain | None]], shares: Sequence[float]) -> list[FrontierStep]:
    """Give every row that may serve all classes."""
    found = []
    for row, points in enumerate(zip(*options, strict=True)):
        known = [point for point in points if point is not None]
        if len(known) == len(points):
            cost, gain = (sum(w * point[k] for w, point in zip(shares, known, strict=True)) for k in (0, 1))
            found.append(FrontierStep(choices=(row,) * len(points), cost=cost, gain=gain, slope=0.0))
    return found


def _not_worse(grid: Grid, taken: FrontierStep, alone: Sequence[FrontierStep]) -> list[FrontierStep]:
    """List the constants that cost no more than the choices and are not worse by a standard error of the difference.

    The rule of one standard error: of two that the data do not tell apart, the simpler (Breiman et al., Classification
    and Regression Trees, 1984, section 3.4.3).
    """
    found = [
        contrast(each.values, each.values[row], each.weights, each.clusters)
        for each, row in zip(grid.outcomes, taken.choices, strict=True)
    ]

    def worse(row: int) -> bool:
        places = [place for place, chosen in enumerate(taken.choices) if chosen != row]
        lead = sum(grid.shares[place] * float(found[place].mean[row]) for place in places)
        error = math.hypot(*(grid.shares[place] * float(found[place].se[row]) for place in places))
        return lead + error < 0

    return [one for one in alone if one.cost <= taken.cost * (1 + _ROUNDING) and not worse(one.choices[0])]
