"""Turns two arms' outcomes, in the order in which they came, into evidence about the difference of their means.

`blocks`: outcomes -> means of small blocks, so many of each arm as the shares have it; `Gambles`: the differences of
blocks -> wealth of gamblers who bet that the mean difference is above, and below, a number; an interval; block counts.
It knows numbers only.

A block's difference has the mean difference of the arms whatever order the arms come in, since who is in which arm
was decided without looking at outcomes. A gambler starts with 1 and multiplies it by 1 + stake * (difference - m) block
by block, the stake depending on earlier blocks only and never risking more than CAP of the wealth: where the mean is at
most m, wealth ever reaches 1 / alpha with probability at most alpha, whenever one looks or stops (Ville). Nothing is
assumed of the outcomes but that they lie in a known range and that units are independent.
Source: Waudby-Smith & Ramdas, Estimating means of bounded random variables by betting, JRSS B 86 (2024); blocks of
fixed sizes as in Turner, Ly & Gruenwald, Generic e-variables for exact sequential k-sample tests (2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.betting import CAP, PRIOR
from routerctl.statistics.tails import Counts, Probabilities, edge

Numbers = Sequence[float] | NDArray[np.float64]
Flags = Sequence[bool] | NDArray[np.bool_]

LARGEST_BLOCK = 20  # units in a block for shares from 5 % on: longer ones make looks rarer, shorter ones waste units
_LEAST_VARIANCE = 1e-6  # in squared ranges: a stake stays finite where all differences were the same
_BISECTIONS = 24  # of a range of about 2: a ten-millionth
_FOREVER = 1e12  # blocks: what takes more is not worth a number


def block_sizes(share: float) -> tuple[int, int]:
    """Return how many units of A and of B make a block where B's share of the units is `share`.

    Raises: ValueError unless 0 < share < 1.
    """
    if not 0 < share < 1:
        raise ValueError(f"a share is between 0 and 1, not {share}")
    small = min(share, 1 - share)
    if small * LARGEST_BLOCK < 1:
        many, few = round((1 - small) / small), 1
    else:
        near = Fraction(small).limit_denominator(LARGEST_BLOCK)
        many, few = near.denominator - near.numerator, near.numerator
    return (many, few) if share <= 0.5 else (few, many)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Blocks of units in the order in which they became complete."""

    a: Probabilities  # [blocks] mean of A's units in each
    b: Probabilities  # [blocks] likewise
    ends: Counts  # [blocks] units of both arms that had come when it was complete
    counts: tuple[int, int]  # all units of A and of B, those that wait included
    means: tuple[float | None, float | None]  # theirs; None without any


def blocks(values: Numbers, in_b: Flags, share: float) -> Blocks:
    """Put units, in the order in which they came, into blocks; units of an incomplete block wait.

    Raises: ValueError where a value is outside [0, 1], the lengths differ or the share is out of range.
    """
    y, arm = np.asarray(values, dtype=float), np.asarray(in_b, dtype=bool)
    if y.shape != arm.shape:
        raise ValueError(f"{len(y)} outcomes have {len(arm)} arms")
    if not ((y >= 0) & (y <= 1)).all():  # NaN is neither
        raise ValueError("an outcome is a number from 0 to 1")
    sides = y[~arm], y[arm]
    per_a, per_b = block_sizes(share)
    units = np.flatnonzero(~arm), np.flatnonzero(arm)
    count = min(len(units[0]) // per_a, len(units[1]) // per_b)
    of_a, of_b = units[0][: count * per_a].reshape(count, per_a), units[1][: count * per_b].reshape(count, per_b)
    ends: Counts = np.maximum(of_a[:, -1], of_b[:, -1]) + 1
    return Blocks(
        a=y[of_a].mean(axis=1),
        b=y[of_b].mean(axis=1),
        ends=ends,
        counts=(len(sides[0]), len(sides[1])),
        means=(_mean(sides[0]), _mean(sides[1])),
    )


def _mean(values: Probabilities) -> float | None:
    return float(values.mean()) if len(values) else None


class Gambles:
    """Bets on the mean of block differences in [low, high], with stakes tuned to win by block `n`.

    Growth per block is about stake * gain - stake^2 * variance / 2: the stake sqrt(2 goal / (n variance)) needs the
    least mean gain to reach the goal at block n. After block n it falls with the blocks seen, so that any difference is
    found some day.
    """

    __slots__ = ("_high", "_low", "_n", "_stakes", "goal", "values")

    def __init__(
        self, values: Probabilities, *, low: float, high: float, deviation: float, n: float, goal: float
    ) -> None:
        """`deviation`: guess at one difference's standard deviation; `goal`: log of the wealth that wins."""
        self.values, self.goal, self._low, self._high = values, goal, low, high
        self._n = n
        self._stakes = self._tuned(deviation)

    def _tuned(self, deviation: float) -> Probabilities:
        """Stakes before the cap, each from the guess, which counts as PRIOR values, and earlier values only."""
        y, seen = self.values, np.arange(1, len(self.values) + 1)
        means = np.cumsum(y) / (PRIOR + seen)
        squares = np.concatenate([[0.0], np.cumsum((y - means) ** 2)[:-1]])
        variance = (PRIOR * deviation**2 + squares) / (PRIOR + seen - 1)
        floored = np.maximum(variance, _LEAST_VARIANCE * (self._high - self._low) ** 2)
        stakes: Probabilities = np.sqrt(2 * self.goal / (np.maximum(self._n, seen) * floored))
        return stakes

    def above(self, m: float) -> Probabilities:
        """Log wealth after each block of the gambler who bets that the mean is above m."""
        path: Probabilities = np.cumsum(self._gains_above(m))
        return path

    def below(self, m: float) -> Probabilities:
        """Log wealth after each block of the gambler who bets that the mean is below m."""
        path: Probabilities = np.cumsum(self._gains_below(m))
        return path

    def won_above(self, m: float) -> int | None:
        """The first block at which the mean is shown to be above m; None: not yet."""
        return _first(self.above(m) >= self.goal)

    def won_below(self, m: float) -> int | None:
        """The first block at which the mean is shown to be below m; None: not yet."""
        return _first(self.below(m) >= self.goal)

    @property
    def mean(self) -> float | None:
        """The mean difference; None before the first block."""
        return _mean(self.values)

    def blocks_to_go(self, m: float) -> int | None:
        """The further blocks it takes to tell the mean from m if it is what was seen; None: no number is known.

        From here log wealth grows by about stake * gain - stake^2 * variance / 2 a block, the stake falling with the
        blocks: each doubling of the blocks is looked at in turn.
        """
        if len(self.values) < 2:
            return None
        gain, variance = abs(float(self.values.mean()) - m), float(self.values.var(ddof=1))
        side = self._gains_above(m) if self.values.mean() > m else self._gains_below(m)
        wealth, seen = float(side.sum()), float(len(self.values))
        variance = max(variance, _LEAST_VARIANCE * (self._high - self._low) ** 2)
        while seen < _FOREVER:
            stake = math.sqrt(2 * self.goal / (max(self._n, seen) * variance))
            growth = stake * gain - stake**2 * variance / 2
            if growth > 0 and wealth + growth * seen >= self.goal:
                return max(1, math.ceil(seen + max(self.goal - wealth, 0.0) / growth) - len(self.values))
            wealth, seen = wealth + growth * seen, 2 * seen
        return None

    def interval(self) -> tuple[float, float]:
        """Every m that neither gambler has ruled out at the last block; rounded outwards.

        Each wealth falls (rises) with m, stakes before the cap being the same for every m: what is kept is an interval.
        """
        low = edge(lambda m: float(self._gains_above(m).sum()) < self.goal, self._low, self._high, _BISECTIONS)
        high = edge(lambda m: float(self._gains_below(m).sum()) < self.goal, self._high, self._low, _BISECTIONS)
        return min(low, high), max(low, high)  # crossed: both have won, nothing is kept, this is around it

    def _gains_above(self, m: float) -> Probabilities:
        most = CAP / max(m - self._low, 1e-100)
        return np.asarray(np.log1p(np.minimum(self._stakes, most) * (self.values - m)))

    def _gains_below(self, m: float) -> Probabilities:
        most = CAP / max(self._high - m, 1e-100)
        return np.asarray(np.log1p(np.minimum(self._stakes, most) * (m - self.values)))


def _first(reached: NDArray[np.bool_]) -> int | None:
    return int(reached.argmax()) if reached.any() else None


# --- how many ---------------------------------------------------------------------------------------------------------


def block_deviation(deviation_a: float, deviation_b: float, share: float) -> float:
    """Return the standard deviation of a block's difference from those of single units."""
    per_a, per_b = block_sizes(share)
    return math.sqrt(deviation_a**2 / per_a + deviation_b**2 / per_b)


def planned_blocks(difference: float, deviation: float, goal: float, power: float) -> int:
    """Return the blocks within which a true difference of this size is found with this power.

    `deviation`: of a block's difference. Log wealth at block n is about normal with variance 2 goal, and its mean is
    difference * sqrt(2 goal n) / deviation - goal: so n = (deviation / difference)^2 (sqrt(2 goal) + z)^2.

    Raises: ValueError where the difference is not positive.
    """
    if difference <= 0:
        raise ValueError(f"no number of outcomes shows a difference of {difference}")
    root = (math.sqrt(2 * goal) + float(special.ndtri(power))) * deviation / difference
    return max(1, math.ceil(root**2))
