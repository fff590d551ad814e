"""Turns pairs of 0/1 outcomes into evidence that a candidate is not worse than a reference by more than a margin.

`noninferiority_p`: the exact test; `paired_interval`: the interval of the difference that goes with its statistic;
`noninferiority_power` has what the test can show. It knows counts only: n cases that both answered, of which `lost` are
right with the reference alone and `gained` with the candidate alone.

The null hypothesis is "the candidate's accuracy is lower by the margin or more". Its outcomes also depend on how often
the two differ at all, the discordance, which nobody knows: the p-value is the greatest over all discordances that the
data allow. Given the number of discordant cases, `lost` is binomial, and a true difference beyond the margin makes the
evidence less likely than one at the margin: the margin itself is all that has to be looked at.
Sources: Tango, Statistics in Medicine 17 (1998), for the statistic; Hsueh, Liu & Chen, Biometrics 57 (2001), for its
exact test; Berger & Boos, JASA 89 (1994), for the interval of the discordance.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.tails import Counts, Probabilities, bisect, tails

# What the discordance's interval may miss is added to p. So small a share costs no power that can be measured (.0005
# costs up to 9 % of it, .001 more), and the interval is still narrow enough to look at few discordances.
MISSED = 1e-4
_STEP = 1 / 16  # between two discordances that are looked at, in standard errors of the best estimate
# Added to p too: a normal tail of up to 5 % whose mean moves that far exceeds the greater end by z f(z) _STEP^2 / 8,
# f being the density, which is less than this. Where the test was looked at closely it was a third of that at most.
_BETWEEN = 1e-4
TIE = 1e-9  # two scores nearer than this are one score, rounded differently
_REACH = 6.0  # standard deviations of the number of discordant cases; what lies beyond is small even beside _BETWEEN
_BISECTIONS = 50


def noninferiority_p(n: int, lost: int, gained: int, margin: float) -> float:
    """Return the exact p-value of "the candidate is worse than the reference by less than `margin`".

    A margin of 0 asks for a better candidate. p is never below MISSED; at a candidate that truly is worse by the
    margin or more, p <= alpha happens with probability at most alpha, whatever the discordance.

    Raises: ValueError where a count or the margin is out of range.
    """
    check_pairs(n, lost, gained, margin)
    within = discordances(n, margin)[allowed(n, margin, lost + gained)]
    reached = score(n, lost, gained, margin)
    return min(1.0, slack() + float(reaching(n, margin, within, float(reached)).max()))


def check_pairs(n: int, lost: int, gained: int, margin: float) -> None:
    """Raise ValueError where a count or the margin is out of range."""
    if min(lost, gained) < 0 or n < max(lost + gained, 1) or not 0 <= margin < 1:
        raise ValueError(f"no test of {n} pairs, {lost} lost and {gained} gained, with a margin of {margin}")


def slack() -> float:
    """Return what is added to the greatest probability found, so that p is no smaller than the greatest of all."""
    return MISSED + _BETWEEN


# --- the statistic ----------------------------------------------------------------------------------------------------


def score(n: int, lost: ArrayLike, gained: ArrayLike, margin: float) -> Probabilities:
    """Return Tango's score statistic of "gained - lost = -margin" (shares), elementwise; the candidate's side is up.

    The variance is the one that is likeliest if the difference is -margin. Without any (margin 0, no discordant case)
    the statistic is 0. `margin` may be negative here.
    """
    worse, better = np.asarray(lost, dtype=float), np.asarray(gained, dtype=float)
    linear = worse + better + (2 * n - better + worse) * margin
    root = np.sqrt(np.maximum(linear**2 - 8 * n * worse * margin * (1 + margin), 0.0))
    variance = np.maximum((linear + root) / 2 - n * margin * (1 + margin), 0.0)
    known = variance > TIE
    result: Probabilities = np.where(known, (better - worse + n * margin) / np.sqrt(np.where(known, variance, 1)), 0.0)
    return result


def most_lost(n: int, margin: float, discordant: Counts, reached: ArrayLike) -> Counts:
    """Return, for each number of discordant cases, the most lost ones whose score is at least `reached`; -1: none.

    For a given number of discordant cases the score falls with the lost ones.
    """
    low, high = np.full(discordant.shape, -1, dtype=np.int64), discordant + 1
    least = np.asarray(reached) - TIE
    while (high - low > 1).any():
        middle = (low + high) // 2
        reaches = (middle < 0) | (score(n, middle, discordant - middle, margin) >= least)
        low, high = np.where(reaches, middle, low), np.where(reaches, high, middle)
    return low


# --- the nuisance -----------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def discordances(n: int, margin: float) -> Probabilities:
    """Return the discordances at which to look for a maximum, rising from the margin to 1.

    Probabilities of n cases change with sqrt(information) * d(discordance). With this sine, which has the margin and 1
    at its ends, that is at most 2 sqrt(n (1 - margin)) d(angle): steps are even, and none is longer than _STEP.
    """
    steps = math.ceil(math.pi * math.sqrt(n * (1 - margin)) / _STEP)
    made: Probabilities = margin + (1 - margin) * np.sin(np.linspace(0, math.pi / 2, steps + 1)) ** 2
    made.setflags(write=False)  # cached: a caller's edit would reach every later caller
    return made


def allowed(n: int, margin: float, discordant: int) -> slice:
    """Return which `discordances` the Clopper-Pearson interval of level 1 - MISSED holds, rounded outwards to them."""
    grid = discordances(n, margin)
    low = float(special.betaincinv(discordant, n - discordant + 1, MISSED / 2)) if discordant else 0.0
    high = float(special.betaincinv(discordant + 1, n - discordant, 1 - MISSED / 2)) if discordant < n else 1.0
    first = max(int(grid.searchsorted(low, side="right")) - 1, 0)
    last = min(int(grid.searchsorted(high, side="left")), len(grid) - 1)
    return slice(first, max(first, last) + 1)


def window(n: int, lowest: float, highest: float) -> Counts:
    """Return the numbers of discordant cases that happen at discordances between these two, but for about 1e-8."""
    low, high = (n * p + sign * _REACH * (math.sqrt(n * p * (1 - p)) + 2) for p, sign in ((lowest, -1), (highest, 1)))
    return np.arange(max(math.floor(low), 0), min(math.ceil(high), n) + 1, dtype=np.int64)


def chances(n: int, discordant: Counts, discordance: ArrayLike) -> Probabilities:
    """Return P(so many of n cases are discordant), elementwise."""
    p = np.asarray(discordance, dtype=float)
    ways = special.gammaln(n + 1) - special.gammaln(discordant + 1) - special.gammaln(n - discordant + 1)
    result: Probabilities = np.exp(ways + special.xlogy(discordant, p) + special.xlog1py(n - discordant, -p))
    return result


def lost_within(most: Counts, discordant: Counts, difference: float, discordance: ArrayLike) -> Probabilities:
    """Return P(at most so many of the discordant cases are lost) if the candidate is better by `difference`."""
    p = np.asarray(discordance, dtype=float)
    gaining = np.where(p > 0, (1 + difference / np.where(p > 0, p, 1.0)) / 2, 0.5)
    return tails(discordant - most, discordant, np.clip(gaining, 0.0, 1.0))


def reaching(n: int, margin: float, at: Probabilities, reached: float) -> Probabilities:
    """Return P(a score of `reached` or more) of a candidate worse by the margin, at each of these discordances."""
    discordant = window(n, float(at[0]), float(at[-1]))
    most = most_lost(n, margin, discordant, reached)
    each = chances(n, discordant, at[:, None]) * lost_within(most, discordant, -margin, at[:, None])
    return np.asarray(each.sum(axis=1))


# --- an interval ------------------------------------------------------------------------------------------------------


def paired_interval(n: int, lost: int, gained: int, alpha: float) -> tuple[float, float]:
    """Return Tango's score interval (low, high), level 1 - alpha, of the candidate's accuracy less the reference's.

    For display: it is near its level, not guaranteed to have it. Without discordant cases its ends are
    +- z^2 / (n + z^2).

    Raises: ValueError where a count or alpha is out of range.
    """
    check_pairs(n, lost, gained, 0.0)
    if not 0 < alpha < 1:
        raise ValueError(f"an interval needs 0 < alpha < 1, not {alpha}")
    return -_furthest(n, lost, gained, alpha), _furthest(n, gained, lost, alpha)


def _furthest(n: int, lost: int, gained: int, alpha: float) -> float:
    """The margin by which the candidate may be worse, as far as the score can tell at alpha / 2; it may be negative."""
    z = -float(special.ndtri(alpha / 2))
    return bisect(lambda margin: float(score(n, lost, gained, margin)) > z, (lost - gained) / n, 1.0, _BISECTIONS)[1]
