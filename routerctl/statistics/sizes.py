"""How many cases a proof takes: the least with a perfect score, and enough for a given power."""

from __future__ import annotations

import math

from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.tails import ENOUGH, check


def least_cases(bar: float, alpha: float) -> int | None:
    """The set size from which a perfect score proves the bar: bar^n <= alpha; None for bar 1, which nothing proves."""
    check(1, bar, alpha)
    return None if bar == 1 else max(1, math.ceil(math.log(alpha) / math.log(bar) - 1e-12))


def needed_cases(bar: float, p: float, alpha: float, power: float = 0.8) -> int:
    """Return a set size that is enough to prove the bar with this power if the true accuracy is p > bar.

    Source: the normal approximation n = ((z_alpha sd(bar) + z_power sd(p)) / (p - bar))^2, times ENOUGH, since exact
    power goes up and down with n and the formula gives about where it first gets there. A test checks it exactly.

    Raises: ValueError where p does not exceed the bar.
    """
    least = least_cases(bar, alpha)
    if least is None or not bar < p <= 1:
        raise ValueError(f"no number of cases proves {bar} at a true accuracy of {p}")
    z_alpha, z_power = -float(special.ndtri(alpha)), float(special.ndtri(power))
    root = (z_alpha * math.sqrt(bar * (1 - bar)) + z_power * math.sqrt(p * (1 - p))) / (p - bar)
    return max(math.ceil(ENOUGH * root**2), least)
