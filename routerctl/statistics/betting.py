"""Turns values in [0, 1], weighted or not, into evidence about their mean: bets that nobody can win on average.

`Bets` tests "the mean is at most m" value by value; `betting_interval` holds the mean at any stopping time;
`sizes` says how many values it takes. They serve what the exact test of 0/1 cases cannot: means over epochs, graded
scores, unequal weights, clusters as units. It knows numbers only.

A gambler starts with 1 and stakes a part of it on each value y of weight w before it is seen: wealth is multiplied by
1 + stake * w * (y - m). Where the weighted mean is at most m, that is E[w y] <= m E[w], the expected factor is at most
1 whatever the stake, as long as the stake depends on earlier values only; and it is never negative, since
stake <= CAP / (m * the greatest weight). So wealth is a nonnegative supermartingale and, by Ville's inequality, ever
reaches 1 / alpha with probability at most alpha, whenever one stops. The greatest weight must be known beforehand;
where it is not (a cluster's), the greatest up to and including this value stands for it, which is the same as long as
the cap does not bind on a new greatest weight.
Source: Waudby-Smith & Ramdas, Estimating means of bounded random variables by betting, JRSS B 86 (2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from routerctl.statistics.tails import Probabilities, check, edge

CAP = 0.75  # the most of the wealth that one value may lose
PRIOR = 5.0  # values that the guess of how they deviate, like 0/1 values at the bar, counts as, before any was seen
_LEAST_VARIANCE = 1e-6  # in squared greatest weights: a stake stays finite where all values were the same
_OPTIMISM = 1.6448536269514722  # z of FUTILITY: runs as lucky as one in twenty of a good enough candidate go on
_POWER = 1.2815515655446004  # z of POWER: good enough is what passes nine times in ten
_BISECTIONS = 50


class Bets:
    """The wealth of a gambler who holds that the mean is above `mean`; its stakes are tuned to win by value n.

    Growth per value is about stake * gain - stake^2 * variance / 2: the stake sqrt(2 log(1 / alpha) / (n variance))
    needs the least mean gain to reach 1 / alpha at value n.
    """

    __slots__ = ("_count", "_greatest", "_n", "_squares", "_sum", "goal", "log_wealth", "mean")

    def __init__(
        self,
        mean: float,
        alpha: float,
        n: int,
        *,
        mean_weight: float = 1.0,
        max_weight: float | None = None,
        variance: float | None = None,
    ) -> None:
        """`max_weight`: no weight exceeds it; None: not known beforehand. `variance`: guessed, of a value; None: 0/1's.

        Raises: ValueError where n < 1 or mean or alpha is out of range.
        """
        check(n, mean, alpha)
        self.mean, self._n = mean, n
        self.goal = -math.log(alpha)
        self.log_wealth = 0.0
        self._greatest = max_weight or 0.0
        self._count, self._sum = PRIOR, 0.0  # of gains w * (y - mean)
        guess = mean * (1 - mean) if variance is None else variance
        self._squares = PRIOR * guess * mean_weight * (max_weight or mean_weight)

    def bet(self, value: float, weight: float = 1.0) -> None:
        """See one value in [0, 1]."""
        self._greatest = max(self._greatest, weight)
        gain = weight * (value - self.mean)
        self.log_wealth += math.log1p(self._stake(self._squares / self._count) * gain)
        self._count += 1
        self._sum += gain
        self._squares += (gain - self._sum / self._count) ** 2

    @property
    def won(self) -> bool:
        """Whether the mean is shown to be above `mean`."""
        return self.log_wealth >= self.goal

    def _stake(self, variance: float) -> float:
        most = CAP / (self.mean * self._greatest) if self._greatest else 0.0
        floored = max(variance, _LEAST_VARIANCE * self._greatest**2)
        return min(math.sqrt(2 * self.goal / (self._n * floored)), most)

    def hopeless(self, left: int, weight_left: float) -> bool:
        """Whether it is time to give up with `left` of the n values to come, which together weigh `weight_left`.

        Either a perfect rest would not do, or even a mean that wins nine times in ten would have less than about a 5 %
        chance from here. Giving up only takes wins away: it cannot raise the error.
        """
        if self.log_wealth < _forlorn(left / self._n, self.goal):
            return True
        return self.log_wealth + self._best_gain(left, weight_left, self._squares) < self.goal

    def _best_gain(self, left: int, weight_left: float, squares: float) -> float:
        """What a perfect rest adds at most: the squares only grow, and log1p is concave in the weight."""
        if left <= 0 or weight_left <= 0:
            return 0.0
        stake = self._stake(squares / (PRIOR + self._n))
        return left * math.log1p(stake * (1 - self.mean) * weight_left / left)

    def soonest(self, left: int, weight_left: float) -> tuple[int, int]:
        """Lower bounds, from 1 to `left`, for the further values it takes to win and to be given up."""
        stake = self._stake(self._squares / (PRIOR + self._n)) * self._greatest
        gain = math.log1p(stake * (1 - self.mean))
        to_win = math.ceil((self.goal - self.log_wealth) / gain - 1e-9) if gain > 0 else left
        drop = -math.log1p(-stake * self.mean)
        for more in range(1, left):
            worst = self.log_wealth - more * drop
            rest, weight_rest = left - more, weight_left - more * self._greatest
            most = self._best_gain(rest, weight_rest, self._squares + more * self._greatest**2)
            if worst < _forlorn(rest / self._n, self.goal) or worst + most < self.goal:
                return max(1, min(to_win, left)), more
        return max(1, min(to_win, left)), max(1, left)


def _forlorn(share_left: float, goal: float) -> float:
    """The log wealth below which a good enough mean reaches `goal` with a chance of less than about 5 %.

    With the tuned stake the log wealth at value n is normal with variance 2 goal; a mean that wins nine times in ten
    has the mean goal + _POWER sqrt(2 goal), of which `share_left` is still to come. Where the cap holds the stake down
    the true line is higher: this one then merely gives up later.
    """
    spread = math.sqrt(2 * goal)
    return goal - (goal + _POWER * spread) * share_left - _OPTIMISM * spread * math.sqrt(share_left)


# --- an interval ------------------------------------------------------------------------------------------------------


def betting_interval(
    values: Sequence[float], weights: Sequence[float], alpha: float, n: int, max_weight: float | None = None
) -> tuple[float, float]:
    """Return the interval (low, high) that holds the mean at all looks at once with probability 1 - alpha.

    Half the wealth bets that the mean is higher, half that it is lower than m: kept is every m at which neither half
    has multiplied to 2 / alpha. Each factor falls (rises) with m, stakes before the cap being the same for every m: so
    what is kept is an interval, whose ends are bisected and rounded outwards. `n`: values planned.
    Source: the hedged capital process of Waudby-Smith & Ramdas.
    """
    if not len(values):
        return 0.0, 1.0
    y, w = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    greatest = np.maximum.accumulate(w) if max_weight is None else np.full(len(w), max_weight)
    goal = math.log(2 / alpha)
    stakes = _stakes(y, w, greatest, goal, n)
    low = edge(lambda m: _log_wealth(y, w, greatest, stakes, m) < goal, 0.0, 1.0, _BISECTIONS)
    high = 1 - edge(lambda m: _log_wealth(1 - y, w, greatest, stakes, m) < goal, 0.0, 1.0, _BISECTIONS)
    return min(low, high), max(low, high)  # crossed ends, both halves having won: nothing is kept, this is around it


def _stakes(y: Probabilities, w: Probabilities, greatest: Probabilities, goal: float, n: int) -> Probabilities:
    """Stakes before the cap, each from earlier values only; before the first, values are taken to deviate by 1/2.

    Where one will stop is not known: each stake is tuned to twice the values so far, within n / 8 and n. Between 12 and
    n = 200 of 0/1 values the interval so is about as wide as Robbins', of graded ones down to a third of that.
    """
    ones = np.maximum(greatest, 1e-100)  # a first weight of 0 divides nothing
    means = (0.5 * ones + np.cumsum(w * y)) / (ones + np.cumsum(w))
    squares = np.concatenate([[0.0], np.cumsum((w * (y - means)) ** 2)[:-1]])
    so_far = np.arange(1, len(y) + 1)
    variance = (ones**2 / 4 + squares) / so_far
    horizon = np.clip(2 * so_far, n / 8, n)
    stakes: Probabilities = np.sqrt(2 * goal / (horizon * np.maximum(variance, _LEAST_VARIANCE * ones**2)))
    return stakes


def _log_wealth(y: Probabilities, w: Probabilities, greatest: Probabilities, stakes: Probabilities, m: float) -> float:
    most = CAP / np.maximum(m * greatest, 1e-100)
    return float(np.log1p(np.minimum(stakes, most) * w * (y - m)).sum())


# --- how many values --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def betting_decidable(n: int, bar: float, alpha: float, mean_weight: float = 1.0) -> bool:
    """Whether a perfect score on n values of this weight, the greatest being 1, wins.

    Raises: ValueError where n < 1 or bar or alpha is out of range.
    """
    bets = Bets(bar, alpha, n, mean_weight=mean_weight, max_weight=1.0)
    for _ in range(n):
        bets.bet(1.0, mean_weight)
    return bets.won
