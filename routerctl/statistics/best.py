"""Turns several candidates' outcomes on one task into the row to choose: the cheapest at a bar, or the best available.

Place: arithmetic, above `outcomes`. It knows rows and numbers only: no candidate, no verdict.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from routerctl.statistics.outcomes import Mask, Outcomes, Vector, contrast
from routerctl.statistics.tails import tail

NEAR = 0.02  # a mean so little below the best one is as good: no set tells such candidates apart
Z_95 = 1.959963984540054  # two-sided


def reaching(outcomes: Outcomes, bar: float) -> Mask:
    """Tell which rows have every case and a weighted mean at the bar or above; ties count as reached."""
    total = float(outcomes.weights.sum())
    sums = np.where(outcomes.complete(), outcomes.values @ outcomes.weights, -np.inf)
    return np.asarray(sums >= bar * total - 1e-9)


def shown_at(outcomes: Outcomes, bar: float, alpha: float) -> Mask:
    """Tell which rows have every case and are shown to be above the bar: P(Bin(n, bar) >= passes) <= alpha.

    For values other than 0/1 the sum is rounded down, which makes it no easier.
    """
    n, full = outcomes.cases, outcomes.complete()
    shown = [
        bool(whole) and tail(int(np.floor(sum_ + 1e-9)), n, bar) <= alpha
        for whole, sum_ in zip(full, outcomes.values.sum(axis=1), strict=True)
    ]
    return np.asarray(shown)


def within(outcomes: Outcomes, points: float, base: int) -> Mask:
    """Tell which rows have every case and are, on the cases of row `base`, at most so much below it."""
    to_base = contrast(outcomes.values, outcomes.values[base], outcomes.weights, outcomes.clusters)
    return np.asarray(outcomes.complete() & (to_base.mean >= -points - 1e-9))


def best_available(outcomes: Outcomes, scores: Vector | None = None) -> tuple[int, list[int]]:
    """Give the row to take where none reaches the bar, and every row that these cases do not tell from the best.

    The best has the highest of `scores` (one a row, as good as the means or better: shrunken ones; NaN: not to be
    taken; None: the means). Not told from it is a row whose score is at most two points less, or whose paired
    difference may be nothing (95 %). Of them the cheapest by mean cost is taken; where a cost is not known, the first.

    Raises: ValueError where no row has a score.
    """
    ranked = outcomes.means() if scores is None else scores
    best = int(np.nanargmax(ranked))
    to_best = contrast(outcomes.values, outcomes.values[best], outcomes.weights, outcomes.clusters)
    alike = (ranked >= ranked[best] - NEAR - 1e-9) | (to_best.mean + Z_95 * to_best.se >= 0)
    rows = [row for row in range(len(ranked)) if row == best or (alike[row] and not np.isnan(ranked[row]))]
    return cheapest(outcomes.mean_costs(), rows), rows


def cheapest(costs: Vector, rows: Iterable[int]) -> int:
    """Give the cheapest of some rows, the first of equals; where one of their costs is not known, the first row."""
    among = list(rows)
    return among[0] if np.isnan(costs[among]).any() else min(among, key=lambda row: float(costs[row]))


def per_right(outcomes: Outcomes) -> Vector:
    """Give each row's cost per right answer: mean cost over mean value; NaN where nothing is right or known."""
    means = outcomes.means()
    costs: Vector = np.divide(outcomes.mean_costs(), means, out=np.full(len(means), np.nan), where=means > 0)
    return costs
