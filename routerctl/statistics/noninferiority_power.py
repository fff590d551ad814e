"""Turns a number of pairs into what the exact test of non-inferiority can show on them, and back.

`critical_lost`: what it takes to pass; `noninferiority_power`: how often a candidate does; `cases_for_noninferiority`:
how many cases would do.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.noninferiority import (
    TIE,
    allowed,
    chances,
    check_pairs,
    discordances,
    lost_within,
    most_lost,
    reaching,
    score,
    slack,
    window,
)
from routerctl.statistics.tails import Counts, Probabilities

_ROWS = 32  # discordances at a time: what is looked at together has one window and one sorting


@lru_cache(maxsize=256)
def critical_lost(n: int, margin: float, alpha: float, fewest: int, most: int) -> Counts:
    """Return the most lost cases with `noninferiority_p` <= alpha, for `fewest` ... `most` discordant ones; -1: none.

    A candidate whose estimate is at the margin or beyond never passes, whatever alpha.

    Raises: ValueError where a count, the margin or alpha is out of range.
    """
    check_pairs(n, most, 0, margin)
    if not 0 <= fewest <= most or not 0 < alpha < 1:
        raise ValueError(f"no test at alpha {alpha} of {fewest} to {most} discordant cases")
    discordant = np.arange(fewest, most + 1, dtype=np.int64)
    within = [allowed(n, margin, count) for count in discordant.tolist()]
    if alpha <= slack():  # no p-value is so small
        return np.full(len(discordant), -1, dtype=np.int64)
    first, last = min(one.start for one in within), max(one.stop for one in within)
    refused = _refused(n, margin, discordances(n, margin)[first:last], alpha - slack())
    highest = np.array([refused[one.start - first : one.stop - first].max() for one in within])
    found = most_lost(n, margin, discordant, highest + 2 * TIE)
    found.setflags(write=False)  # cached: a caller's edit would reach every later caller
    return found


def _refused(n: int, margin: float, at: Probabilities, level: float) -> Probabilities:
    """The highest score that is reached with a probability above `level` at each of these discordances; at least 0."""
    parts = np.array_split(at, math.ceil(len(at) / _ROWS))
    return np.concatenate([_refused_near(n, margin, part, level) for part in parts])


def _refused_near(n: int, margin: float, at: Probabilities, level: float) -> Probabilities:
    """The same where one window of discordant cases serves all: outcomes are added from the highest score downwards."""
    low, high = _bracket(n, margin, at, level)
    lost, gained = _outcomes(n, margin, window(n, float(at[0]), float(at[-1])), low, high)
    scores = score(n, lost, gained, margin)
    downwards = np.argsort(-scores)
    lost, gained, scores = lost[downwards], gained[downwards], scores[downwards]
    cells = np.stack([lost, gained, n - lost - gained])
    ways = special.gammaln(n + 1) - special.gammaln(cells + 1).sum(axis=0)
    shares = np.log(np.maximum([(at + margin) / 2, (at - margin) / 2, 1 - at], 1e-300))  # 0^0 is 1, 0^1 as good as 0
    each = np.exp(ways + shares.T @ cells.astype(float))
    reached = reaching(n, margin, at, high)[:, None] + each.cumsum(axis=1)
    too_often = np.array([row.searchsorted(level, side="right") for row in reached], dtype=np.int64)
    return np.append(scores, 0.0)[too_often]


def _bracket(n: int, margin: float, at: Probabilities, level: float) -> tuple[float, float]:
    """Two scores between which the one sought lies at all these discordances: usually half a unit from the normal z."""
    z = -float(special.ndtri(level))
    rarely = bool((reaching(n, margin, at, z + 0.5) <= level).all())
    often = z > 0.5 and bool((reaching(n, margin, at, z - 0.5) > level).all())
    return z - 0.5 if often else 2 * TIE, z + 0.5 if rarely else math.inf


def _outcomes(n: int, margin: float, discordant: Counts, low: float, high: float) -> tuple[Counts, Counts]:
    """All outcomes (lost, gained) with so many discordant cases and a score from `low` to below `high`."""
    first, end = (most_lost(n, margin, discordant, one) + 1 for one in (high, low))
    lost = np.concatenate([np.arange(*ends) for ends in zip(first.tolist(), end.tolist(), strict=True)])
    return lost, np.repeat(discordant, end - first) - lost


# --- power ------------------------------------------------------------------------------------------------------------


def noninferiority_power(n: int, discordance: float, difference: float, margin: float, alpha: float) -> float:
    """Return exactly how often the test at level alpha proves, on n cases, that a candidate is within the margin.

    `discordance`: the share of cases that exactly one of the two gets right; `difference`: the candidate's true
    accuracy less the reference's. At a difference of -margin this is the test's true error there.

    Raises: ValueError where a number is out of range.
    """
    _check(discordance, difference)
    discordant = window(n, discordance, discordance)
    most = critical_lost(n, margin, alpha, int(discordant[0]), int(discordant[-1]))
    each = chances(n, discordant, discordance) * lost_within(most, discordant, difference, discordance)
    return min(1.0, float(each.sum()))


def _check(discordance: float, difference: float) -> None:
    if not abs(difference) <= discordance <= 1:
        raise ValueError(f"a difference of {difference} does not come of {discordance} discordant cases")


# --- how many cases ---------------------------------------------------------------------------------------------------


def cases_for_noninferiority(
    discordance: float, difference: float, margin: float, alpha: float, power: float = 0.8
) -> int | None:
    """Return about how many cases it takes to show with this power that the candidate is within the margin.

    Parameters as of `noninferiority_power`. None where the candidate truly is worse by the margin or more. The normal
    approximation: sqrt(n) cases add so many standard errors, of which power and alpha take theirs. It gives a few
    percent more than the exact test needs, up to a third more where nearly all that differs is for the better, and it
    gives it at once: the exact number takes a second.
    Source: Connor, Biometrics 43 (1987), with the variance under the null hypothesis that Tango's score has.

    Raises: ValueError where a number is out of range.
    """
    _check(discordance, difference)
    if difference <= -margin:
        return None
    each = float(score(1, (discordance - difference) / 2, (discordance + difference) / 2, margin))
    spread = math.sqrt(discordance - difference**2) / ((difference + margin) / each)
    return max(1, math.ceil(((float(special.ndtri(power)) * spread - float(special.ndtri(alpha))) / each) ** 2))
