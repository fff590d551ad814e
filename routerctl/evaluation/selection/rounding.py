"""Cuts a judgement's figures to the digits that a table keeps.

Terminal and table both show these: figures rounded twice, or at different places, would contradict each other.
"""

from __future__ import annotations

import math
from dataclasses import replace

from routerctl.types import Against, Judgement


def rounded(judgement: Judgement) -> Judgement:
    """Keep four digits, which is more than any set can tell; the interval outwards, so that it stays valid.

    The mean keeps nine, as many as are compared with the bar: fewer could show it on the other side.
    """
    good, mean = judgement.good_enough, judgement.mean
    corrected, corrected_low = judgement.corrected, judgement.corrected_low
    return replace(
        judgement,
        corrected=None if corrected is None else round(corrected, 4),
        corrected_low=None if corrected_low is None else _down(corrected_low),
        mean=None if mean is None else round(mean, 9),
        interval=_outwards(judgement.interval),
        good_enough=None if good is None else _up(good),
        bar=round(judgement.bar, 9),
        against=None if judgement.against is None else _rounded_pairs(judgement.against),
        risk=None if judgement.risk is None else float(f"{judgement.risk:.3g}"),
    )


def _rounded_pairs(against: Against) -> Against:
    return replace(
        against,
        lost=round(against.lost, 6),
        gained=round(against.gained, 6),
        difference=round(against.difference, 9),
        interval=_outwards(against.interval),
    )


def _outwards(interval: tuple[float, float]) -> tuple[float, float]:
    return _down(interval[0]), _up(interval[1])


def _down(number: float) -> float:
    return math.floor(number * 1e4) / 1e4


def _up(number: float) -> float:
    return math.ceil(number * 1e4) / 1e4
