"""Turns paired values in [0, 1], weights and clusters into evidence that a candidate is not worse by a margin.

What `noninferiority` does for 0/1 pairs of the same weight is done here for the others. `noninferiority_bets`: any
values, weighted or not, clusters as units; its error holds whatever they are. `clustered_noninferiority_p`: clusters of
0/1 pairs; it finds more than bets do, and its error holds nearly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.betting import Bets
from routerctl.statistics.noninferiority import noninferiority_p
from routerctl.statistics.paired import unit_sums
from routerctl.statistics.tails import Probabilities

# Of (candidate - reference + 1) / 2 where about one pair in eight is discordant: a guess, which the pairs soon correct.
# The variance of a coin would stake so little at first that as many cases show less.
_PAIRED_VARIANCE = 0.03


def noninferiority_bets(
    differences: Sequence[float],
    margin: float,
    alpha: float,
    *,
    weights: Sequence[float] | None = None,
    clusters: Sequence[str] | None = None,
) -> float:
    """Return the p-value of "the mean difference candidate - reference is above -margin", to compare with alpha.

    `differences`: one per case, in [-1, 1], in an order that has nothing to do with them; `weights`, `clusters`: of
    each case, same length. The bets are `Bets` on (difference + 1) / 2 against (1 - margin) / 2, a cluster being one
    value of the weight of its cases; p is 1 / the greatest wealth (Ville). Stakes are tuned to alpha.

    Raises: ValueError where the margin or alpha is out of range.
    """
    if not 0 <= margin < 1:
        raise ValueError(f"a margin is at least 0 and below 1, not {margin}")
    units = list(_units(differences, weights, clusters))
    if not units:
        return 1.0
    greatest = max(weight for _, weight in units)
    mean = math.fsum(weight for _, weight in units) / len(units)
    bets = Bets((1 - margin) / 2, alpha, len(units), mean_weight=mean, max_weight=greatest, variance=_PAIRED_VARIANCE)
    most = 0.0
    for value, weight in units:
        bets.bet((value + 1) / 2, weight)
        most = max(most, bets.log_wealth)
    return math.exp(-most)


def _units(
    differences: Sequence[float], weights: Sequence[float] | None, clusters: Sequence[str] | None
) -> Iterator[tuple[float, float]]:
    """(Mean difference, weight) of each case, or of each cluster in the order of their first cases."""
    each = [1.0] * len(differences) if weights is None else weights
    if clusters is None:
        yield from zip(differences, each, strict=True)
        return
    sums: dict[str, tuple[float, float]] = {}
    for difference, weight, cluster in zip(differences, each, clusters, strict=True):
        total, size = sums.get(cluster, (0.0, 0.0))
        sums[cluster] = total + weight * difference, size + weight
    yield from ((total / size, size) for total, size in sums.values() if size)


def clustered_noninferiority_p(
    differences: Sequence[int], clusters: Sequence[str], margin: float, alpha: float
) -> float:
    """Return the p-value of `noninferiority_p` where cases of one cluster resemble each other, to compare with alpha.

    `differences`: candidate - reference of each case, -1, 0 or 1; `clusters`: of each case, same length. The exact test
    at the effective numbers: n is divided by the design effect of the difference and by Student's uncertainty of it,
    the counts go down with it, rounded against the candidate. Without a discordant case each cluster is one case.
    Source: Korn & Graubard, Survey Methodology 24 (1998), do so for one share. Measured error: see the benchmark.
    """
    values = np.asarray(differences, dtype=float)
    totals, sizes = unit_sums(differences, clusters), unit_sums([1.0] * len(values), clusters)
    if len(sizes) < 2:
        return 1.0
    n = len(values)
    effective = max(1, math.floor(_effective(values, totals, sizes, alpha) + 1e-9))
    lost, gained = (float((values == side).sum()) * effective / n for side in (-1, 1))
    fewer = min(math.ceil(lost - 1e-9), effective)
    return noninferiority_p(effective, fewer, min(math.floor(gained + 1e-9), effective - fewer), margin)


def _effective(values: Probabilities, totals: Probabilities, sizes: Probabilities, alpha: float) -> float:
    """As many independent pairs tell as much."""
    n, clusters, mean = len(values), len(sizes), float(values.mean())
    alone = float(((values - mean) ** 2).sum()) * n / (n - 1)
    if alone <= 0:
        return float(clusters)
    together = float(((totals - mean * sizes) ** 2).sum()) * clusters / (clusters - 1)
    quantiles = float(special.stdtrit(n - 1, alpha) / special.stdtrit(clusters - 1, alpha))
    return n / max(together / alone, 1.0) * min(quantiles, 1.0) ** 2
