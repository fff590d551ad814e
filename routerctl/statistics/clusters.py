"""Turns clusters of cases that resemble each other into a lower bound for their mean.

Cases may be weighted and their values anything in [0, 1]: a cluster is its sums of weight * value and of weights. It
knows sums only: no case, no candidate, no verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.tails import Probabilities, bisect, check

_BISECTIONS = 50
_NOTHING = 1e-12  # a mean below it is 0: its variance would be lost to rounding
_NEAR_HALF = 0.5 - 1e-6  # where both t quantiles are 0, their ratio is taken beside


def korn_graubard_lower(
    cluster_passes: Sequence[float], cluster_sizes: Sequence[float], alpha: float, cases: float | None = None
) -> float:
    """Return a one-sided lower bound, level 1 - alpha, for the mean when cases of one cluster resemble each other.

    `cluster_passes`, `cluster_sizes`: sums of weight * value and of weights of each cluster, same length: passed cases
    and cases, where these are 0/1 and weigh the same. `cases`: effective number of cases after weighting (Kish), where
    they weigh differently. The Clopper-Pearson bound at the effective sample size; with fewer than two clusters nothing
    is known and the bound is 0.
    Source: Korn & Graubard, Survey Methodology 24 (1998), one-sided. A perfect score has no spread to estimate a
    design effect from: then each cluster counts as one case.
    """
    passes, sizes, p, n = _sums(cluster_passes, cluster_sizes, cases)
    clusters = len(passes)
    if clusters < 2 or p <= _NOTHING:
        return 0.0
    if p >= 1:
        return float(alpha ** (1 / min(clusters, n)))
    if n <= 1:
        return 0.0
    side = min(alpha, 1 - alpha, _NEAR_HALF)  # the ratio is the same on both sides of 1/2
    quantiles = float(special.stdtrit(n - 1, side) / special.stdtrit(clusters - 1, side))
    # Weights may leave fewer effective cases than clusters; that is no reason to know more than independent ones tell.
    effective = n / _effect(passes, sizes, p, n) * min(quantiles, 1.0) ** 2
    return float(special.betaincinv(p * effective, effective - p * effective + 1, alpha))


def korn_graubard_level(
    cluster_passes: Sequence[float], cluster_sizes: Sequence[float], bar: float, cases: float | None = None
) -> float:
    """Return the least alpha at which `korn_graubard_lower` reaches the bar, to a millionth; 1: at none."""

    def reached(alpha: float) -> bool:
        return korn_graubard_lower(cluster_passes, cluster_sizes, alpha, cases) >= bar - 1e-12

    return bisect(reached, 0.0, 1.0, 20)[1]  # 2^-20


def design_effect(cluster_passes: Sequence[float], cluster_sizes: Sequence[float], cases: float | None = None) -> float:
    """Return how many clustered cases tell as much as one independent 0/1 case, at least 1.

    A score without spread (all passed, none passed, a single cluster) shows none: then a cluster counts as one case.
    """
    passes, sizes, p, n = _sums(cluster_passes, cluster_sizes, cases)
    clusters = len(passes)
    if clusters < 2 or not _NOTHING < p < 1:
        return max(n / clusters, 1.0) if clusters else 1.0
    return _effect(passes, sizes, p, n)


def _sums(
    cluster_passes: Sequence[float], cluster_sizes: Sequence[float], cases: float | None
) -> tuple[Probabilities, Probabilities, float, float]:
    """The clusters' sums as arrays, their mean, and the effective number of cases."""
    passes, sizes = np.asarray(cluster_passes, dtype=float), np.asarray(cluster_sizes, dtype=float)
    total = float(sizes.sum())
    return passes, sizes, float(passes.sum()) / total if total else 0.0, total if cases is None else cases


def _effect(passes: Probabilities, sizes: Probabilities, p: float, n: float) -> float:
    clusters, total = len(passes), float(sizes.sum())
    spread = float(((passes - p * sizes) ** 2).sum()) * clusters / (clusters - 1) / total**2
    return max(spread / (p * (1 - p) / n), 1.0)  # below 1 is luck with few clusters, not extra knowledge


@lru_cache(maxsize=256)
def independent_need(n: int, bar: float, alpha: float) -> float:
    """Return the passes out of n independent cases, fractions allowed, at which the Clopper-Pearson bound is the bar.

    No Korn-Graubard bound of the same score is higher: below this it cannot reach the bar. More than n: no score can.

    Raises: ValueError where n < 1 or bar or alpha is out of range.
    """
    check(n, bar, alpha)
    if bar**n > alpha:
        return n + 1.0

    def within(passes: float) -> bool:
        return passes > 0 and float(special.betainc(passes, n - passes + 1, bar)) <= alpha

    return bisect(within, 0.0, float(n), _BISECTIONS)[0]
