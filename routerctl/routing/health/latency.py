"""Seconds of many calls -> their quantiles: counts on a scale of equal ratios.

A sketch and not a reservoir: what two processes saw is merged by adding, exactly and in any order, without chance; a
count is at most 5 % away from what it counts; and its size is bounded by the range, not by the number of calls (Masson,
Rim, Lee, "DDSketch", VLDB 2019). The latest calls count: the sketch is of this period and the one before, so a slow
hour is forgotten in the next. Knows no clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from routerctl.types import Json

PERIOD_S = 600.0  # quantiles are of the last 10 to 20 minutes: enough calls for a p95 where there is traffic
_RATIO = 1.1  # between two steps of the scale: the middle of a step is at most 5 % away from its ends
_LOG = math.log(_RATIO)
_LEAST_S, _MOST_S = 0.001, 3600.0  # 159 steps
_FOR_P50 = 5  # calls, before the median is more than chance
_FOR_P95 = 20  # 1 in 20 is above the p95: with fewer it would be the maximum, or a guess


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """How long calls of a place took lately; None where too few were seen."""

    calls: int
    p50_s: float | None
    p95_s: float | None


NOTHING = Latency(calls=0, p50_s=None, p95_s=None)


class Sketch:
    """Counts by step of the scale, of two periods."""

    __slots__ = ("before", "number", "steps")

    def __init__(self, document: Json = None) -> None:
        """`document`: what `document()` gave."""
        given = document or {}
        self.number: int = given.get("number", -1)  # of the period, since the epoch
        self.steps: dict[int, int] = _read(given.get("steps", {}))
        self.before: dict[int, int] = _read(given.get("before", {}))

    def add(self, latency_s: float, at: float) -> None:
        """Count a call that ended at `at`, seconds since the epoch."""
        self._turn(at)
        step = round(math.log(min(max(latency_s, _LEAST_S), _MOST_S)) / _LOG)
        self.steps[step] = self.steps.get(step, 0) + 1

    def merge(self, other: Sketch) -> None:
        """Add what another one counted, each of its periods to ours."""
        self._turn(max(other.number, self.number) * PERIOD_S)
        for number, steps in ((other.number, other.steps), (other.number - 1, other.before)):
            mine = {self.number: self.steps, self.number - 1: self.before}.get(number, {})
            for step, count in steps.items():
                mine[step] = mine.get(step, 0) + count

    def forget_future(self, now: float) -> None:
        """Drop the counts of a clock that was set back by more than a period: they would stand for as long as that."""
        if self.number > int(now // PERIOD_S) + 1:
            self.number, self.steps, self.before = -1, {}, {}

    def latency(self, at: float) -> Latency:
        """Give the quantiles as of a moment."""
        self._turn(at)
        counts = dict(self.before)
        for step, count in self.steps.items():
            counts[step] = counts.get(step, 0) + count
        calls = sum(counts.values())
        p50_s = _quantile(counts, calls, 0.5) if calls >= _FOR_P50 else None
        p95_s = _quantile(counts, calls, 0.95) if calls >= _FOR_P95 else None
        return Latency(calls=calls, p50_s=p50_s, p95_s=p95_s)

    def document(self) -> Json:
        """Write it for the shared state."""
        return {"number": self.number, "steps": _write(self.steps), "before": _write(self.before)}

    def _turn(self, at: float) -> None:
        """Begin a new period where the last one is over; a clock that is behind another's counts into that period."""
        number = int(at // PERIOD_S)
        if number > self.number:
            self.before = self.steps if number == self.number + 1 else {}
            self.steps, self.number = {}, number


def _quantile(counts: Mapping[int, int], calls: int, share: float) -> float:
    """The nearest-rank quantile: the least value that at least this share of the calls did not exceed."""
    rank, seen = math.ceil(share * calls), 0
    for step in sorted(counts):
        seen += counts[step]
        if seen >= rank:
            return math.exp(step * _LOG)
    raise AssertionError("the counts do not add up")


def _read(steps: Mapping[str, int]) -> dict[int, int]:
    return {int(step): count for step, count in steps.items()}


def _write(steps: Mapping[int, int]) -> dict[str, int]:
    return {str(step): steps[step] for step in sorted(steps)}
