"""Outcomes of a cascade in planned order -> a lower bound of what is compared with the bar, and what would settle it.

It knows no signal and no threshold. The bound is one-sided, of level 1 - alpha:

- every planned case was run whatever came out (`eval --full`), cases 0/1 and alike: Clopper & Pearson's exact bound,
  which reaches the bar just where the exact binomial p-value against it is at most alpha;
- the run stopped when it knew enough for its own question: a bound that holds at any stopping time, since cases that
  were good enough to go on, or bad enough to stop, are no fixed sample;
- scores between 0 and 1, weights, clusters: bets, which hold at any stopping time, too; a cluster counts as one value.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from functools import lru_cache

from routerctl.evaluation.selection import Outcome, Question
from routerctl.statistics import (
    anytime_interval,
    betting_interval,
    betting_needed_cases,
    least_cases,
    needed_cases,
)
from routerctl.statistics.calibration import accuracy_lower

_ROUNDING = 1e-12  # what a bisected bound may be off by
_HALF = 0.5


def mean_of(outcomes: Sequence[Outcome]) -> float:
    """Return the (weighted) mean, which is compared with the bar."""
    weight = sum(one.weight for one in outcomes)
    return sum(one.weight * one.value for one in outcomes) / weight if weight else 0.0


def lower_bound(outcomes: Sequence[Outcome], question: Question, *, fixed: bool) -> float:
    """Return the bound; `fixed`: how many outcomes there are was settled before the first one."""
    if not outcomes:
        return 0.0
    if question.method == "exact":
        return _of_counts(sum(one.value > _HALF for one in outcomes), len(outcomes), question.alpha, fixed)
    if question.method == "betting":
        values, weights = [one.value for one in outcomes], [one.weight for one in outcomes]
        return _of_bets(values, weights, question, question.n, question.greatest_weight)
    whole = _clusters(outcomes, finished=len(outcomes) >= question.n)
    return _of_bets(*whole, question, question.clusters or question.n, None) if whole[0] else 0.0


def proves(outcomes: Sequence[Outcome], question: Question, *, fixed: bool) -> bool:
    """Tell whether the bar is proven: the bound reaches it (less the margin, where the mean itself reaches the bar)."""
    enough = mean_of(outcomes) >= question.bar - _ROUNDING
    # No bound reaches 1, so that a bar of 1 is proven by nothing, as everywhere.
    return enough and lower_bound(outcomes, question, fixed=fixed) >= question.proof_bar - _ROUNDING


def needed(outcomes: Sequence[Outcome], question: Question) -> int | None:
    """Return how many cases, all run, prove the bar with 80 % power if the truth is what was seen; None: no number.

    With clusters, dependence makes each case worth less: the number is that of clusters times their mean size.
    """
    bar, alpha, mean = question.proof_bar, question.alpha, mean_of(outcomes)
    if mean < question.bar - _ROUNDING or least_cases(bar, alpha) is None:
        return None
    truth = min(max(mean, bar + 0.01), 1.0)  # a score at the bar itself would need endless cases
    if question.method == "exact":
        return needed_cases(bar, truth, alpha)
    values = [one.value for one in outcomes]
    size = 1.0
    if question.method == "clusters":
        values, weights = _clusters(outcomes, finished=True)
        size = sum(weights) / len(weights)
    deviation = max(statistics.pstdev(values), 0.5 / math.sqrt(len(values) + 1))  # alike so far is not alike for ever
    return math.ceil(size * betting_needed_cases(bar, truth, deviation, alpha))


@lru_cache(maxsize=4096)
def _of_counts(passes: int, cases: int, alpha: float, fixed: bool) -> float:
    return accuracy_lower(passes, cases, alpha) if fixed else anytime_interval(passes, cases, alpha)[0]


def _of_bets(
    values: Sequence[float], weights: Sequence[float], question: Question, n: int, greatest: float | None
) -> float:
    """Half of the interval's bets are for a higher mean: at twice alpha, its lower end alone has level 1 - alpha."""
    return betting_interval(values, weights, min(2 * question.alpha, 0.99), n, greatest)[0]


def _clusters(outcomes: Sequence[Outcome], *, finished: bool) -> tuple[list[float], list[float]]:
    """Give the clusters' means and weights; one that may have been broken off tells nothing yet."""
    named = [(one.cluster or f"\0{place}", one) for place, one in enumerate(outcomes)]  # no name contains a NUL
    groups = [[one for _, one in group] for _, group in itertools.groupby(named, key=lambda item: item[0])]
    whole = groups if finished or (len(groups[-1]) == 1 and groups[-1][0].cluster is None) else groups[:-1]
    return [mean_of(group) for group in whole], [sum(one.weight for one in group) for group in whole]
