"""Turns weighted sums of what was seen into means with intervals: of heavy-tailed amounts, and of shares.

`Sums`: counts and power sums of values that had the same chance to be seen; `weighted`, `ips_mean`: several of them ->
the mean over all that could have been seen; `amount_interval`, `share_interval`; `combine`: independent parts -> their
weighted sum. Place: arithmetic, below `replay`. It knows numbers only.

Only sums are needed, so that a database can make them: n, sum, sum of squares, sum of cubes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

_NO_VARIANCE = 1e-60  # in squared dollars: rounding, and below it powers underflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Values that were each seen with the same chance."""

    chance: float  # that each value had of being seen, in (0, 1]
    n: int
    total: float  # sum of values
    squares: float  # sum of squares
    cubes: float = 0.0  # sum of cubes


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """A mean over all that could have been seen, and how it varies."""

    mean: float
    n: int  # values seen
    effective: float  # as many values of equal weight tell as much (Kish)
    deviation: float  # of one value, over all that could have been seen
    variance: float  # of the mean
    third: float  # third central moment of the mean's error: how skewed it is
    moment: float  # third central moment of one value


def ips_mean(seen: Iterable[Sums], population: float) -> float:
    """Return the mean over a population of which each value was seen with its chance: sum of value / chance, divided.

    Unbiased whatever the values, as long as none had a chance of 0.
    Source: Horvitz & Thompson, JASA 47 (1952).

    Raises: ValueError where the population is not positive or a chance is out of range.
    """
    if population <= 0:
        raise ValueError(f"a population is positive, not {population}")
    return math.fsum(one.total / _chance(one) for one in seen) / population


def weighted(seen: Sequence[Sums]) -> Weighted:
    """Return the self-normalised mean: values weigh 1 / chance, and the weights are divided by their sum.

    Slightly biased for few values, but much less variable than `ips_mean`, since how many were seen by chance does not
    matter. Variances by linearisation.
    Source: Hajek (1971); Swaminathan & Joachims, NeurIPS 28 (2015).

    Raises: ValueError where nothing was seen or a chance is out of range.
    """
    weights = [1 / _chance(one) for one in seen]
    whole = math.fsum(w * one.n for w, one in zip(weights, seen, strict=True))
    if whole <= 0:
        raise ValueError("nothing was seen")
    mean = math.fsum(w * one.total for w, one in zip(weights, seen, strict=True)) / whole
    n = sum(one.n for one in seen)
    second = [max(one.squares - 2 * mean * one.total + one.n * mean**2, 0.0) for one in seen]
    third = [
        one.cubes - 3 * mean * one.squares + 3 * mean**2 * one.total - one.n * mean**3 if one.cubes else 0.0
        for one in seen
    ]
    small = n / (n - 1) if n > 1 else 1.0
    return Weighted(
        mean=mean,
        n=n,
        effective=whole**2 / math.fsum(w**2 * one.n for w, one in zip(weights, seen, strict=True)),
        deviation=math.sqrt(math.fsum(w * s for w, s in zip(weights, second, strict=True)) / whole * small),
        variance=math.fsum(w**2 * s for w, s in zip(weights, second, strict=True)) / whole**2 * small,
        third=math.fsum(w**3 * s for w, s in zip(weights, third, strict=True)) / whole**3,
        moment=math.fsum(w * s for w, s in zip(weights, third, strict=True)) / whole,
    )


def _chance(one: Sums) -> float:
    if not 0 < one.chance <= 1:
        raise ValueError(f"a chance is above 0 and at most 1, not {one.chance}")
    return one.chance


# --- intervals --------------------------------------------------------------------------------------------------------


def amount_interval(seen: Weighted, *, future: float, level: float) -> tuple[float, float]:
    """Return an interval for the mean that `future` further values will be measured to have; inf: for the true mean.

    Skewness moves both ends up: a few dear ones that were not seen are likelier than as many cheap ones. The quantiles
    are those of Student's t, corrected to first order for the skewness of the difference and for its correlation with
    its own estimated variance. Skewed values leave their variance uncertain: fewer degrees of freedom.
    Source: Hall, The Bootstrap and Edgeworth Expansion (1992), section 2.4, here for a prediction.
    """
    later = seen.deviation**2 / future
    variance = seen.variance + later
    if variance < _NO_VARIANCE:
        return seen.mean, seen.mean
    # The future's error has the sign that makes its skewness count against the estimate's own.
    third = seen.third - seen.moment / future**2
    shared = seen.third * (1 + later / seen.variance) if seen.variance > 0 else 0.0
    root = variance**1.5
    first, cube = -shared / (2 * root), (third - 3 * shared) / root
    student = -float(special.stdtrit(_freedom(seen), (1 - level) / 2))
    shift = first + cube * (student**2 - 1) / 6
    spread = math.sqrt(variance)
    most = 2 * student  # a correction as large as the interval says that too little was seen, not how much to correct
    shift = max(-most, min(most, shift))
    return max(0.0, seen.mean - spread * (student + shift)), seen.mean + spread * (student - shift)


def _freedom(seen: Weighted) -> float:
    """Degrees of freedom of an estimated variance: 2 / (its squared relative error), which is 2 n / (kurtosis - 1).

    A sample's kurtosis is worth little; the one of a lognormal distribution with the sample's skewness stands for it,
    3 + 16 / 9 skewness^2 to leading order.
    Source: Satterthwaite, Biometrics Bulletin 2 (1946).
    """
    skewness = seen.moment / seen.deviation**3 if seen.deviation > 0 else 0.0
    return max(min(seen.effective - 1, 2 * seen.effective / (2 + 16 / 9 * skewness**2)), 1.0)


def share_interval(seen: Weighted, *, level: float) -> tuple[float, float]:
    """Return an interval for a mean of values in [0, 1]: Clopper and Pearson's at the effective number of values.

    Source: Korn & Graubard, Survey Methodology 24 (1998). Graded values vary less than 0/1 ones and count more.
    """
    p, n = min(max(seen.mean, 0.0), 1.0), seen.effective
    if seen.variance > 0 and 0 < p < 1:
        n = max(n, min(p * (1 - p) / seen.variance, float(seen.n) * 100))
    tail = (1 - level) / 2
    low = float(special.betaincinv(p * n, (1 - p) * n + 1, tail)) if p > 0 else 0.0
    high = float(special.betaincinv(p * n + 1, (1 - p) * n, 1 - tail)) if p < 1 else 1.0
    return low, high


def ratio_interval(mean: float, log_deviation: float, *, level: float) -> tuple[float, float]:
    """Return an interval for a product of factors, each known up to a share: symmetrical on the log scale."""
    z = -float(special.ndtri((1 - level) / 2))
    return mean * math.exp(-z * log_deviation), mean * math.exp(z * log_deviation)


def combine(parts: Iterable[tuple[float, float, tuple[float, float]]]) -> tuple[float, tuple[float, float]]:
    """Return the weighted sum of independent parts (weight, value, interval) with an interval of the same level.

    Each side's distances add up like errors, so that skewed intervals stay so.
    Source: Zou & Donner, Statistics in Medicine 27 (2008).
    """
    kept = list(parts)
    value = math.fsum(weight * one for weight, one, _ in kept)
    below = math.sqrt(math.fsum((weight * (one - low)) ** 2 for weight, one, (low, _) in kept))
    above = math.sqrt(math.fsum((weight * (high - one)) ** 2 for weight, one, (_, high) in kept))
    return value, (value - below, value + above)
