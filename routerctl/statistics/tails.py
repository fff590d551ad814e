"""What the tests of this folder share: binomial tails, bisection, and the check of a test's parameters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

Counts = NDArray[np.int64]
Probabilities = NDArray[np.float64]

ENOUGH = 1.12  # normal approximation -> a set size from which the exact power stays reached


def check(n: int, bar: float, alpha: float) -> None:
    """Raise ValueError where n < 1 or bar or alpha is out of range."""
    if n < 1 or not 0 < bar <= 1 or not 0 < alpha < 1:
        raise ValueError(f"a test needs n >= 1, 0 < bar <= 1 and 0 < alpha < 1, not {n}, {bar}, {alpha}")


def tails(k: Counts, n: Counts, p: float | Probabilities) -> Probabilities:
    """P(Bin(n, p) >= k), elementwise."""
    inside = special.betainc(np.clip(k, 1, None), np.clip(n - k + 1, 1, None), p)
    result: Probabilities = np.where(k <= 0, 1.0, np.where(k > n, 0.0, inside))
    return result


def tail(k: int, n: int, p: float) -> float:
    """P(Bin(n, p) >= k)."""
    return float(tails(np.asarray(k), np.asarray(n), p))


def least_passes(sizes: Counts, bar: float, alpha: float) -> Counts:
    """Return, for each number of cases n, the least k with P(Bin(n, bar) >= k) <= alpha; n + 1: none."""
    low, high = np.zeros_like(sizes), sizes + 1  # at `low` too likely, as 0 passes always are
    while (high - low > 1).any():
        middle = (low + high) // 2
        within = tails(middle, sizes, bar) <= alpha
        low, high = np.where(within, low, middle), np.where(within, middle, high)
    return high


def bisect(holds: Callable[[float], bool], low: float, high: float, steps: int) -> tuple[float, float]:
    """Halve an interval so many times; `holds` is taken to be false at its first end and true at its second."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return low, high


def edge(kept: Callable[[float], bool], outside: float, inside: float, steps: int) -> float:
    """Return where `kept` begins between an end and a point where it is taken to hold, rounded towards the end."""
    return outside if kept(outside) else bisect(kept, outside, inside, steps)[0]
