"""Values -> a histogram with three digits of each value: quantiles and tails of any engine's table, in one GROUP BY.

Why not the engine's own quantiles: they are interpolated here, approximate there, and of nearest rank in a third place,
and the tests of drift count order statistics. Bins are whole numbers by whole-number arithmetic, so that every engine
draws the same ones. A bin is at most 1 % wide, less than any change that is called one, and every count is on the
careful side: a bin that a limit cuts is not counted as beyond it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir

_DIGITS = 3
_LARGEST = 15  # digits; a larger value falls into bins as wide as those


class Histogram:
    """How often which value was seen, to three digits."""

    def __init__(self, bins: Iterable[tuple[int, int]] = ()) -> None:
        """Take (least value of a bin, values in it); a bin may come more than once."""
        counts: dict[int, int] = {}
        for low, number in bins:
            counts[low] = counts.get(low, 0) + number
        self.bins = tuple(sorted(counts.items()))
        self.n = sum(counts.values())

    def __add__(self, other: Histogram) -> Histogram:
        """Give both together."""
        return Histogram((*self.bins, *other.bins))

    def quantile(self, share: float) -> int:
        """Give the least value of the bin that holds value number ceil(share x n).

        Raises: ValueError without a value.
        """
        left = max(1, math.ceil(share * self.n - 1e-9))
        for low, number in self.bins:
            left -= number
            if left <= 0:
                return low
        raise ValueError("no value")

    def above(self, limit: float) -> int:
        """Count the values that are surely above a limit."""
        return sum(number for low, number in self.bins if low > limit)

    def below(self, limit: float) -> int:
        """Count the values that are surely below a limit."""
        return sum(number for low, number in self.bins if low + width(low) <= limit)

    @property
    def mean(self) -> float:
        """The mean, taking each value to lie in the middle of its bin."""
        total = math.fsum((low + (width(low) - 1) / 2) * number for low, number in self.bins)
        return total / self.n if self.n else 0.0


def width(value: int) -> int:
    """Give the width of the bin that a value lies in: 1 below 1,000."""
    return int(10 ** max(0, min(len(str(value)), _LARGEST) - _DIGITS))


def bin_of(value: ir.IntegerValue) -> ir.IntegerValue:
    """Give the least value of the bin that a whole number from 0 lies in, as an expression."""
    import ibis

    steps = range(_LARGEST - _DIGITS)
    wide = ibis.cases(
        *((value < 10 ** (step + _DIGITS), ibis.literal(10**step, "int64")) for step in steps),
        else_=ibis.literal(10 ** (_LARGEST - _DIGITS), "int64"),
    )
    lowest: ir.IntegerValue = value - value % wide
    return lowest
