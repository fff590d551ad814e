"""Turns differences of several strata (task classes) into one, and pulls each of them to what they have in common.

`outcomes` gives the differences, `shrinkage` works on one row of them. It knows numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routerctl.statistics.outcomes import Matrix, Outcomes, contrast
from routerctl.statistics.shrinkage import shrink, stratified


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An estimate with its 95 % interval."""

    mean: float
    low: float
    high: float

    def __neg__(self) -> Span:
        """Give the same seen from the other side."""
        return Span(mean=-self.mean, low=-self.high, high=-self.low)

    def times(self, factor: float) -> Span:
        """Give so many times as much; `factor` at least 0."""
        return Span(mean=self.mean * factor, low=self.low * factor, high=self.high * factor)


def differences(strata: Sequence[Outcomes], base: int) -> tuple[Matrix, Matrix]:
    """Return each row's mean difference to row `base` and its standard error, by stratum; NaN: no case in common."""
    found = [contrast(each.values, each.values[base], each.weights, each.clusters) for each in strata]
    means, errors = np.array([one.mean for one in found]), np.array([one.se for one in found])
    errors[~np.isnan(means[:, base]), base] = 0.0  # against itself nothing is left to chance
    return means, errors


def shrunken(means: Matrix, errors: Matrix) -> Matrix:
    """Pull each column's values to what they have in common (see `shrink`); NaN stay, and play no part."""
    pulled = means.copy()
    for column in range(means.shape[1]):
        known = ~np.isnan(means[:, column])
        if known.any():
            pulled[known, column] = shrink(means[known, column].tolist(), errors[known, column].tolist()).values
    return pulled


def pooled(means: Sequence[float], errors: Sequence[float], weights: Sequence[float]) -> Span:
    """Sum the strata's differences by weight, with its interval; without a stratum nothing differs."""
    total = sum(weights)
    if not total:
        return Span(mean=0.0, low=0.0, high=0.0)
    mix = stratified(means, errors, weights)
    return Span(mean=mix.mean, low=mix.interval[0], high=mix.interval[1]).times(total)
