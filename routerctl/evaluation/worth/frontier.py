"""Turns a grid and a table's choices into the points of the picture: cost against accuracy, of everything in question.

Constants; the line of random mixes of them, which need no table and so are the least to beat; the path of the best
choices at each price; the table; and what serves today. The report draws it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routerctl.evaluation.worth.choosers import Rows
from routerctl.evaluation.worth.grid import Grid
from routerctl.evaluation.worth.objective import plan_of, totals_of
from routerctl.statistics.frontier import CostGain, hull, mixed


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """Points are (USD per request, share of requests that are right), over all classes by their shares."""

    constants: Mapping[str, CostGain]  # candidates run on every case
    line: tuple[CostGain, ...]  # of random mixes of constants, cheapest first
    path: tuple[CostGain, ...]  # by lambda, dearest first
    table: CostGain
    today: CostGain | None
    over_line: float | None  # how much more often the table is right than a random mix of its cost; None: it is cheaper


def frontier(grid: Grid, chosen: Rows, today: Rows | None = None) -> Frontier | None:
    """Give the picture of a table that takes these rows; None where a cost is not known or nobody was run everywhere.

    Accuracies on the path are the reference's plus shrunken differences, so that it does not show what noise would
    make of so many choices; the others are what was counted. No bar limits it.
    """
    whole = [row for row in range(len(grid.candidates)) if all(each.complete()[row] for each in grid.outcomes)]
    if not whole or any(each.unpriced() for each in grid.outcomes):
        return None
    rights = totals_of(grid, [each.means() for each in grid.outcomes])
    costs = totals_of(grid, [each.mean_costs() for each in grid.outcomes])
    base = max(whole, key=lambda row: rights[row])
    constants = {grid.candidates[row]: (costs[row], rights[row]) for row in whole}
    table, now = _of_rows(grid, chosen), _of_rows(grid, today) if today else None
    if table is None:
        return None
    mix = mixed(list(constants.values()), table[0])
    return Frontier(
        constants=constants,
        line=tuple(point for _, point in hull(list(enumerate(constants.values())))),
        path=tuple((step.cost, rights[base] + step.gain) for step in plan_of(grid, 0.0, base).path),
        table=table,
        today=now,
        over_line=None if mix is None else table[1] - mix,
    )


def _of_rows(grid: Grid, rows: Sequence[int]) -> CostGain | None:
    """Give the point of one row a class; None where one of them was not run."""
    each = list(zip(grid.shares, grid.outcomes, rows, strict=True))
    cost = sum(share * float(outcomes.mean_costs()[row]) for share, outcomes, row in each)
    right = sum(share * float(outcomes.means()[row]) for share, outcomes, row in each)
    return None if math.isnan(cost + right) else (cost, right)
