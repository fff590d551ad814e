"""Turns several candidates' outcomes on one task into the row to choose: the cheapest at a bar, or the best available.

It knows rows and numbers only: no candidate, no verdict.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from routerctl.statistics.outcomes import Mask, Outcomes, Vector, contrast
from routerctl.statistics.tails import tail

# A mean so little below the best one is as good. Taking whatever an interval of 95 % allows for as good chose, at 100
# cases, candidates 1.6 points below the bar instead of 1.0 (benchmarks/choosing.py), and left no money over.
NEAR = 0.02


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
    """Give the row to take where none reaches the bar, and every row that is as good as the best.

    The best has the highest mean over its own cases, or of `scores`, where these are known (one a row: paired and
    shrunken differences to one of them; NaN: not to be taken). As good is a row that is at most two points less, on the
    cases that both have, or by `scores`. Of them the cheapest is taken, by mean cost on the cases that all of them
    have, of equally cheap ones that with the better score; where a cost is not known, the first.

    Raises: ValueError where no row has a score.
    """
    ranked = outcomes.means() if scores is None else scores
    best = int(np.nanargmax(ranked))
    if scores is None:
        to_best = contrast(outcomes.values, outcomes.values[best], outcomes.weights, outcomes.clusters).mean
    else:
        to_best = scores - scores[best]
    rows = [row for row in range(len(ranked)) if row == best or to_best[row] >= -NEAR - 1e-9]
    return cheapest(outcomes.common(rows).mean_costs(), rows, ranked), rows


def cheapest(costs: Vector, rows: Iterable[int], scores: Vector) -> int:
    """Give the cheapest of some rows, of equals the one with the best score, then the first.

    Where one of their costs is not known it is the first row.
    """
    among = list(rows)
    if np.isnan(costs[among]).any():
        return among[0]
    return min(among, key=lambda row: (float(costs[row]), -float(scores[row])))


def per_right(outcomes: Outcomes) -> Vector:
    """Give each row's cost per right answer: mean cost over mean value; NaN where nothing is right or known."""
    means = outcomes.means()
    costs: Vector = np.divide(outcomes.mean_costs(), means, out=np.full(len(means), np.nan), where=means > 0)
    return costs
