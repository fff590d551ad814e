"""Turns the same cases, answered before and after, into p-values for "it got worse", and into what a set could show.

It knows numbers only: no case, no class, no candidate. Every p-value is one-sided: small means that things got worse;
an improvement has a large one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.tails import Counts, Probabilities, bisect, tail, tails

_LARGEST_GRID = 20_000  # steps of the exact distribution of a sum: a convolution of this length takes milliseconds
_EVERY_SIGN = 13  # 2^13 patterns are fewer than the usual 9,999 resamples
_POWER = 0.8
_ZERO = 1e-9  # two sums nearer than this are the same sum, added in another order


def mcnemar_midp(broke: int, fixed: int) -> float:
    """Return the one-sided mid-p value for "things got worse" on paired cases.

    `broke` cases passed before and fail now, `fixed` ones the reverse; the unchanged ones say nothing.
    Source: Fagerland, Lydersen & Laake, BMC Medical Research Methodology 13:91 (2013).
    """
    changed = broke + fixed
    if changed == 0:
        return 1.0
    return (tail(broke, changed, 0.5) + tail(broke + 1, changed, 0.5)) / 2


# --- sign flips -------------------------------------------------------------------------------------------------------


def sign_flip(
    differences: Sequence[float],
    *,
    clusters: Sequence[str] | None = None,
    resamples: int = 9999,
    seed: int = 0,
) -> float:
    """Return the one-sided p-value for "the mean difference before - after exceeds 0".

    `differences`: one per case. `clusters`: the cluster of each case, same length; differences of one cluster change
    sign together. The p-value is the share of sign patterns whose sum is at least the one seen. It is exact where the
    differences are multiples of one fraction (means over epochs are) or at most 13 are not 0; else it is
    (count + 1) / (resamples + 1) over random patterns. It wants differences that are symmetric about 0 when nothing
    changed: means over equally many epochs before and after are.
    Source: Fisher, The Design of Experiments (1935), section 21; Phipson & Smyth (2010) for the + 1.
    """
    units = unit_sums(differences, clusters)
    units = units[np.abs(units) > _ZERO]
    if not len(units):
        return 1.0
    if (steps := _steps(units)) is not None:
        return _exact(steps)
    if len(units) <= _EVERY_SIGN:
        return _every_pattern(units)
    return _random_patterns(units, resamples, seed)


def unit_sums(differences: Sequence[float], clusters: Sequence[str] | None) -> NDArray[np.float64]:
    """Return what changes sign together: each difference, or the sum of each cluster's."""
    values = np.asarray(differences, dtype=float)
    if clusters is None:
        return values
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    return np.asarray(np.bincount(member, weights=values), dtype=float)


def _steps(units: NDArray[np.float64]) -> Counts | None:
    """The units as whole multiples of their common fraction; None where there is none worth the work."""
    sizes = np.unique(np.abs(units).round(10))
    nearest = [Fraction(float(size)).limit_denominator(1000) for size in sizes]
    if any(abs(float(near) - size) > _ZERO for near, size in zip(nearest, sizes, strict=True)):
        return None
    scale = math.lcm(*(near.denominator for near in nearest))
    if scale * float(np.abs(units).sum()) > _LARGEST_GRID:
        return None
    whole: Counts = np.rint(units * scale).astype(np.int64)
    return whole


def _exact(steps: Counts) -> float:
    """P(sum of randomly signed steps >= the sum seen), from the distribution of the part with a plus sign."""
    sizes, counts = np.unique(np.abs(steps), return_counts=True)
    distribution = np.ones(1)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        row = np.zeros(count * size + 1)
        row[::size] = _coin_tosses(count)
        distribution = np.convolve(distribution, row)
    least_plus = int(steps.sum() + np.abs(steps).sum()) // 2
    return min(float(distribution[least_plus:].sum()), 1.0)


@lru_cache(maxsize=4096)
def _coin_tosses(count: int) -> Probabilities:
    """P(k heads of `count` tosses), k = 0 ... count."""
    return np.array([math.comb(count, heads) / 2**count for heads in range(count + 1)])


def _every_pattern(units: NDArray[np.float64]) -> float:
    sums = np.zeros(1)
    for unit in units:
        sums = np.concatenate([sums + unit, sums - unit])
    return float((sums >= units.sum() - _ZERO).mean())


def _random_patterns(units: NDArray[np.float64], resamples: int, seed: int) -> float:
    rng, count, least = np.random.default_rng(seed), 0, units.sum() - _ZERO
    for start in range(0, resamples, 1000):  # in parts: all patterns at once may not fit into memory
        signs = rng.integers(0, 2, size=(min(1000, resamples - start), len(units)), dtype=np.int8) * 2 - 1
        count += int((signs @ units >= least).sum())
    return (count + 1) / (resamples + 1)


# --- several tests ----------------------------------------------------------------------------------------------------


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return the p-values adjusted for their number, in the order given: compare each with the level of the family.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        largest = max(largest, min((len(p_values) - rank) * p_values[place], 1.0))
        adjusted[place] = largest
    return tuple(adjusted)


# --- what a set could show --------------------------------------------------------------------------------------------


def power_of(n: int, drop: float, discordance_noise: float, alpha: float) -> float:
    """Return exactly how often the mid-p McNemar test at level alpha notices this drop on n cases.

    `discordance_noise`: the share of cases that change in a rerun of the same model, half of them each way; the drop,
    a share too, comes on top as cases that break.

    Raises: ValueError where n < 1 or a share is out of range.
    """
    if n < 1 or not 0 <= drop <= 1 or not 0 <= discordance_noise <= 1 or drop + discordance_noise > 1:
        raise ValueError(f"no test of {n} cases with a drop of {drop} and a noise of {discordance_noise}")
    changing = discordance_noise + drop
    if changing == 0:
        return 0.0
    changed = np.arange(n + 1)
    all_cases = np.full(n + 1, n)
    chance = tails(changed, all_cases, changing) - tails(changed + 1, all_cases, changing)
    noticed = tails(_critical(n, alpha), changed, min((changing + drop) / (2 * changing), 1.0))
    return float((chance * noticed).sum())


@lru_cache(maxsize=1024)
def least_detectable_drop(n: int, discordance_noise: float, alpha: float) -> float | None:
    """Return the drop that the mid-p McNemar test on n cases notices with 80 % power, a share; None: not even all.

    The model is `power_of`'s. Source of the question: Connor, Biometrics 43 (1987); the answer here is exact.
    """
    return _least(lambda drop: power_of(n, drop, discordance_noise, alpha) >= _POWER, 1 - discordance_noise)


@lru_cache(maxsize=256)
def _critical(n: int, alpha: float) -> Counts:
    """For every number of changed cases 0 ... n, the fewest broken ones with mid-p <= alpha; one more: none."""
    changed = np.arange(n + 1)
    low, high = np.zeros(n + 1, dtype=np.int64), changed + 1
    while (low < high).any():
        middle = (low + high) // 2
        midp = (tails(middle, changed, 0.5) + tails(middle + 1, changed, 0.5)) / 2
        within = (midp <= alpha) | (middle > changed)
        low, high = np.where(within, low, middle + 1), np.where(within, middle, high)
    low.setflags(write=False)  # cached: a caller's edit would reach every later caller
    return low


def least_detectable_shift(units: Iterable[float], sizes: Iterable[float], alpha: float) -> float | None:
    """Return the drop of the mean that the sign-flip test notices with 80 % power, a share; None: not even all.

    `units`: what changes sign together, a case's difference or the sum of a cluster's; `sizes`: the cases of each. The
    drop comes as units that break whole, the widest spread that a drop can have, so one spread more evenly is noticed
    more often. It comes on top of the noise: the spread seen, and half a case each way, so that a lucky rerun without
    any change does not count as a promise of none. Connor's formula (Biometrics 43, 1987) with squares for counts; and
    never less than what so few units show that only their number counts, where each doubles the patterns.
    """
    values, cases = (np.asarray(list(one), dtype=float) for one in (units, sizes))
    few = _least_broken(len(values), alpha)
    if few is None:
        return None
    n, squares = float(cases.sum()), float((cases**2).sum())
    noise = float(values.var(ddof=1)) * len(values) + 1 if len(values) > 1 else 1.0

    def noticed(drop: float) -> bool:
        by_chance = noise + drop * squares
        needed = special.ndtri(1 - alpha) * math.sqrt(by_chance)
        return bool(n * drop - needed >= special.ndtri(_POWER) * math.sqrt(by_chance - drop**2 * squares))

    return max(few, least) if (least := _least(noticed, 1.0)) is not None else None


def _least_broken(n: int, alpha: float) -> float | None:
    """The chance to break at which so many of n units do that signs alone tell: k of them have p = 2^-k."""
    enough = max(math.ceil(-math.log2(alpha)), 1)
    return _least(lambda chance: tail(enough, n, chance) >= _POWER, 1.0)


def _least(holds: Callable[[float], bool], high: float) -> float | None:
    """The least share from which on something holds, to a thousandth of a point; None: not even at the highest."""
    if not holds(high):
        return None
    return bisect(holds, 0.0, high, 16)[1]  # 2^-16
