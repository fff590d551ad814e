"""Turns differences of several strata (task classes) into one, and pulls each of them to what they have in common.

Place: arithmetic, above `outcomes`, which gives the differences. It knows numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from routerctl.statistics.outcomes import Matrix, Outcomes, Vector, contrast

Z_95 = 1.959963984540054  # two-sided


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
    """Pull each column's values to their common mean, the more the noisier they are; NaN stay.

    Random effects: value = g + (value - g) tau^2 / (tau^2 + se^2), with the between-strata variance tau^2 by moments.
    Source: DerSimonian & Laird, Controlled Clinical Trials 7 (1986).
    """
    pulled = means.copy()
    for column in range(means.shape[1]):
        known = ~np.isnan(means[:, column])
        if known.any() and (errors[known, column] > 0).all():
            pulled[known, column] = _pulled(means[known, column], errors[known, column])
    return pulled


def _pulled(means: Vector, errors: Vector) -> Vector:
    between = _between(means, errors)
    precision = 1 / (errors**2 + between)
    common = float(precision @ means / precision.sum())
    return np.asarray(common + (means - common) * between / (between + errors**2))


def _between(means: Vector, errors: Vector) -> float:
    precision = 1 / errors**2
    common = precision @ means / precision.sum()
    scale = precision.sum() - (precision**2).sum() / precision.sum()
    excess = precision @ (means - common) ** 2 - (len(means) - 1)
    return max(float(excess / scale), 0.0) if scale > 0 else 0.0


def pooled(means: Sequence[float], errors: Sequence[float], weights: Sequence[float]) -> Span:
    """Weigh the strata's differences together; the strata are independent."""
    mean = float(np.dot(weights, means))
    error = float(np.sqrt(np.dot(np.square(weights), np.square(errors))))
    return Span(mean=mean, low=mean - Z_95 * error, high=mean + Z_95 * error)
