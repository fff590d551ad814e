"""How many cases a proof takes: the least with a perfect score, and enough for a given power."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.betting import CAP, betting_decidable
from routerctl.statistics.sequential import pass_probability, plan, without_futility
from routerctl.statistics.tails import ENOUGH, check, least_passes, tails

_PLANNED_UP_TO = 100  # cases: a plan takes milliseconds; beyond, the fixed test asks for less than a tenth more
_EXACT_UP_TO = 2000  # cases: some milliseconds


def least_cases(bar: float, alpha: float) -> int | None:
    """The set size from which a perfect score proves the bar: bar^n <= alpha; None for bar 1, which nothing proves."""
    check(1, bar, alpha)
    return None if bar == 1 else max(1, math.ceil(math.log(alpha) / math.log(bar) - 1e-12))


@lru_cache(maxsize=1024)
def needed_cases(bar: float, p: float, alpha: float, power: float = 0.8) -> int:
    """Return the set size from which on the bar is proven with at least this power if the true accuracy is p > bar.

    Power goes up and down with n: this is one more than the last n at which it is missed. Exact for `plan` without
    futility up to _PLANNED_UP_TO cases; from there to _EXACT_UP_TO for the fixed test of Clopper and Pearson, whose
    passes are all passes of the plan too, so that a few cases less would do; beyond, the normal approximation times
    ENOUGH, from where the power about stays reached.

    Raises: ValueError where p does not exceed the bar.
    """
    least = least_cases(bar, alpha)
    if least is None or not bar < p <= 1:
        raise ValueError(f"no number of cases proves {bar} at a true accuracy of {p}")
    about = math.ceil(max(ENOUGH * _by_formula(bar, p, alpha, power), 1 / (p - bar)))  # passes differ by one at least
    if about > _EXACT_UP_TO:
        return about
    turn = max(1 / bar, 1 / (1 - bar))  # cases, with which the power goes down and comes back
    sizes = np.arange(least, math.ceil(1.25 * about + 10 * turn) + least, dtype=np.int64)
    passes = least_passes(sizes, bar, alpha)
    missed = np.flatnonzero(tails(passes, sizes, p) < power)
    enough = int(missed[-1]) + 1 if len(missed) else 0
    failures = (sizes - passes).tolist()
    while enough and sizes[enough] <= _PLANNED_UP_TO and _proves(int(sizes[enough - 1]), bar, p, alpha, power):
        enough = failures.index(failures[enough - 1])
    return int(sizes[enough])


def _by_formula(bar: float, p: float, alpha: float, power: float) -> float:
    """The normal approximation n = ((z_alpha sd(bar) + z_power sd(p)) / (p - bar))^2."""
    z_alpha, z_power = -float(special.ndtri(alpha)), float(special.ndtri(power))
    root = (z_alpha * math.sqrt(bar * (1 - bar)) + z_power * math.sqrt(p * (1 - p))) / (p - bar)
    return max(root, 0.0) ** 2


def _proves(n: int, bar: float, p: float, alpha: float, power: float) -> bool:
    """Whether the plan of n cases has this power. Among sizes that allow as many failures the largest has the least."""
    return pass_probability(without_futility(plan(n, bar, alpha)), p)[0] >= power


def betting_least_cases(bar: float, alpha: float, mean_weight: float = 1.0) -> int | None:
    """The set size from which perfect scores win the bets against the bar; None for bar 1, which nothing proves.

    `mean_weight`: of a case, the greatest being 1.
    """
    check(1, bar, alpha)
    if bar == 1:
        return None
    return first_from(lambda n: betting_decidable(n, bar, alpha, mean_weight))


def betting_needed_cases(
    bar: float, mean: float, deviation: float, alpha: float, *, mean_weight: float = 1.0, power: float = 0.8
) -> int:
    """Return a set size that is enough to win the bets against the bar with this power if the true mean is `mean`.

    `deviation`: standard deviation of one case's weight * (value - mean), the mean weight being 1; `mean_weight`: of a
    case, the greatest being 1.
    Derivation: log wealth at case n is about normal, n times the mean of log(1 + stake * (value - bar)), with the stake
    tuned to n as the bets do. Of all values in [0, 1] with this mean and deviation those that are 0 or one other number
    have the least mean log: they stand for the unknown ones. For small stakes this comes to
    n = (deviation / d)^2 (sqrt(2 log(1 / alpha)) + z_power)^2 with d = mean - bar. No factor on top: simulated power is
    .84 to .93 for 0/1 values and up to .99 for graded ones, wealth winning at any look and not only at the last.

    Raises: ValueError where the mean does not exceed the bar.
    """
    least = betting_least_cases(bar, alpha, mean_weight)
    if least is None or not bar < mean <= 1:
        raise ValueError(f"no number of cases proves {bar} at a true mean of {mean}")
    goal, z = -math.log(alpha), float(special.ndtri(power))

    def enough(n: int) -> bool:
        stake = min(math.sqrt(2 * goal / n) / deviation if deviation else math.inf, CAP * mean_weight / bar)
        growth, spread = _log_growth(stake, bar, mean, deviation)
        return n * growth - z * spread * math.sqrt(n) >= goal

    return max(first_from(enough), least)


def _log_growth(stake: float, bar: float, mean: float, deviation: float) -> tuple[float, float]:
    """Mean and deviation of log(1 + stake * (value - bar)) where a value is 0 or one other number."""
    zero = deviation**2 / (deviation**2 + mean**2)
    win, loss = math.log1p(stake * (mean / (1 - zero) - bar)), math.log1p(-stake * bar)
    return (1 - zero) * win + zero * loss, math.sqrt(zero * (1 - zero)) * (win - loss)


def first_from(holds: Callable[[int], bool]) -> int:
    """Return the least n >= 1 from which `holds` is true, for a condition that stays true."""
    reached = 1
    while not holds(reached):
        reached *= 2
    short = reached // 2
    while reached - short > 1:
        middle = (short + reached) // 2
        short, reached = (short, middle) if holds(middle) else (middle, reached)
    return reached
