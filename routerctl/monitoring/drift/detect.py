"""Turns baselines and a window of the log into alarms, with one stated rate of false ones for the whole report.

A served model id that is not the pin is an alarm at its first request: nothing is estimated. All else is tested: both
sides' errors count, a change too small to matter is none however many requests show it, and all tests of a report share
one error by weighted Holm, half of it for scores, which come in hundreds and matter most, half for the rest, which
comes in thousands. So a report on undisturbed traffic alarms with probability at most `alpha`; reports on windows that
do not overlap do so independently but for their common baseline, hence 1 / alpha looks apart on average.

| quantity | test | smallest change | |---|---|---| | score | mid-p McNemar on the baseline's own cases, else mid-p
Fisher, one-sided | `score` | | refusals | Fisher's exact test, one-sided | `refusals`, and `refusals_times` | |
unanswered, served by another | likewise, of all requests | `unanswered`, `diverted`, and `fates_times` | | latency,
cost | exceedances of the baseline's order statistics, exact for any distribution | in the limits | | mix | chi-squared
of two samples | `mix` (stability index) |

Not counted: that requests of one user or hour resemble each other. Where they do, a window says less than it seems to,
and alarms more often; the smallest changes are what holds then. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from routerctl.evaluation.regression.alarm import FLATTERED
from routerctl.monitoring.drift.windows import ClassBaseline, Floors, Spread, Tail, Window
from routerctl.statistics.paired import least_detectable_drop, mcnemar_midp
from routerctl.statistics.shifts import (
    exceeding,
    fewer_midp,
    mix_p,
    more_exact,
    noticed_fall,
    stability_index,
    weighted_holm,
)

ALPHA = 0.05
SCORE_PART = 0.5  # of alpha
_LUCK = 1.5  # standard deviations that a candidate chosen for passing owes to luck, where few would have passed

Quantity = Literal[
    "served model",
    "score",
    "refusals",
    "unanswered",
    "served by another",
    "latency p50",
    "latency p95",
    "cost p50",
    "cost p95",
    "lower cost p50",
    "class mix",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One quantity that was looked at."""

    task_class: str  # "" = all of them: the mix
    quantity: Quantity
    before: float | None  # share, seconds or dollars; None for a served model
    now: float | None
    before_n: int  # values of the baseline
    now_n: int  # values of the window
    p_value: float  # after what a flattered baseline costs; 0 for a served model: nothing is estimated
    adjusted_p: float  # among all that was looked at
    alarm: bool
    names: tuple[str, ...] = ()  # a served model: the pin and what served; the mix: the class that moved most
    noticed: float | None = None  # score: a fall that would have been noticed 4 times in 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What one look found."""

    looked_at: tuple[Alarm, ...]  # the alarms first, the surest at the top
    not_looked_at: tuple[str, ...]  # `class: quantity`, since one side has no figures
    alpha: float  # chance that undisturbed traffic gives any alarm

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """What moved."""
        return tuple(one for one in self.looked_at if one.alarm)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    """An alarm before it is known what else was looked at."""

    alarm: Alarm
    large: bool  # whether the change is large enough to matter
    score: bool = False


def look(
    baselines: Mapping[str, ClassBaseline],
    windows: Mapping[str, Window],
    *,
    alpha: float = ALPHA,
    floors: Floors | None = None,
) -> Drift:
    """Compare a window of the log with the baselines, class by class and in their mix.

    Raises: ValueError where a count is out of range.
    """
    least = floors or Floors()
    served, tests, missing = [], list[_Test](), list[str]()
    for name, baseline in baselines.items():
        window = windows.get(name, Window())
        served += list(_served(name, baseline, window))
        for quantity, found in _quantities(name, baseline, window, least).items():
            tests += found
            missing += [] if found else [f"{name}: {quantity}"]
    tests += list(_mix(baselines, windows, least))
    judged = [*served, *_judged(tests, alpha, baselines, windows)]
    ordered = sorted(judged, key=lambda one: (not one.alarm, one.adjusted_p, one.p_value))
    return Drift(looked_at=tuple(ordered), not_looked_at=tuple(missing), alpha=alpha)


def _judged(
    tests: list[_Test], alpha: float, baselines: Mapping[str, ClassBaseline], windows: Mapping[str, Window]
) -> Iterator[Alarm]:
    """Holm over everything, scores having their part of alpha in common; a part without tests leaves its to the other.

    Weights depend on how many tests there are, which no outcome decides.
    """
    scores = sum(test.score for test in tests)
    others = len(tests) - scores
    weights = [SCORE_PART / scores if test.score else (1 - SCORE_PART) / others for test in tests]
    adjusted = weighted_holm([test.alarm.p_value for test in tests], weights)
    for test, p_value, weight in zip(tests, adjusted, weights, strict=True):
        name = test.alarm.task_class
        found = replace(test.alarm, adjusted_p=p_value, alarm=p_value <= alpha and test.large)
        if test.score and not found.alarm:
            found = replace(found, noticed=_noticed(baselines[name], windows[name], alpha * weight / sum(weights)))
        yield found


def _noticed(baseline: ClassBaseline, window: Window, level: float) -> float | None:
    """The fall that one look would show 4 times in 5 if this test were the only one at its share of the error."""
    if window.pairs is not None and window.pairs[2]:
        broke, fixed, n = window.pairs
        noise = round(min((2 * min(broke, fixed) + 1) / (n + 1), 0.9), 3)
        return least_detectable_drop(n, noise, level / _times(baseline))
    allowance = (baseline.passes - _unflattered(baseline)) / baseline.cases
    found = noticed_fall(baseline.passes / baseline.cases, baseline.cases, window.cases, level)
    return None if found is None else found + allowance


def _times(baseline: ClassBaseline) -> int:
    """By how much a flattered baseline multiplies the p-value of pairs; measured in `benchmarks/regression.py`."""
    return FLATTERED if baseline.flattered else 1


def _unflattered(baseline: ClassBaseline) -> int:
    """The passes of the baseline, less some standard deviations where the candidate was chosen for them.

    Who was chosen for passing passed by luck more often than not, and looks worse afterwards though nothing changed: by
    0.8 standard deviations where the chance of passing was one in two, 1.1 where one in three, 1.5 where one in seven.
    """
    if not baseline.flattered:
        return baseline.passes
    share = (baseline.passes + 1) / (baseline.cases + 2)
    return max(0, math.floor(baseline.passes - _LUCK * math.sqrt(baseline.cases * share * (1 - share))))


# --- one class --------------------------------------------------------------------------------------------------------


def _served(name: str, baseline: ClassBaseline, window: Window) -> Iterator[Alarm]:
    others = {model: count for model, count in window.served.items() if model != baseline.pin and count}
    if not window.served:
        return
    yield Alarm(
        task_class=name,
        quantity="served model",
        before=None,
        now=sum(others.values()) / max(sum(window.served.values()), 1),
        before_n=0,
        now_n=sum(window.served.values()),
        p_value=0.0 if others else 1.0,
        adjusted_p=0.0 if others else 1.0,
        alarm=bool(others),
        names=(baseline.pin, *sorted(others, key=lambda model: (-others[model], model))),
    )


def _quantities(name: str, baseline: ClassBaseline, window: Window, floors: Floors) -> dict[str, list[_Test]]:
    """Everything that is tested of one class; an empty list where a side has no figures."""
    return {
        "score": list(_score(name, baseline, window, floors)),
        "refusals": list(_refusals(name, baseline, window, floors)),
        "who answered": list(_fates(name, baseline, window, floors)),
        "latency": list(_latency(name, baseline.latency, window.latency)),
        "cost": list(_cost(name, baseline.cost, window.cost)),
    }


def _score(name: str, baseline: ClassBaseline, window: Window, floors: Floors) -> Iterator[_Test]:
    before = baseline.passes / max(baseline.cases, 1)
    if window.pairs is not None and window.pairs[2]:
        broke, fixed, n = window.pairs
        before_n, fall = n, (broke - fixed) / n
        p_value = min(1.0, mcnemar_midp(broke, fixed) * _times(baseline))
    elif baseline.cases and window.cases:
        n, before_n = window.cases, baseline.cases
        fall = before - window.passes / n
        p_value = fewer_midp(_unflattered(baseline), before_n, window.passes, n)
    else:
        return
    found = _found(name, "score", (before, before_n), (before - fall, n), p_value)
    yield _Test(alarm=found, large=fall >= floors.score, score=True)


def _refusals(name: str, baseline: ClassBaseline, window: Window, floors: Floors) -> Iterator[_Test]:
    if not baseline.replies or not window.replies:
        return
    sides = (baseline.refused, baseline.replies), (window.refused, window.replies)
    yield _risen(name, "refusals", *sides, least=(floors.refusals, floors.refusals_times))


def _fates(name: str, baseline: ClassBaseline, window: Window, floors: Floors) -> Iterator[_Test]:
    """Requests that nobody answered have no latency and no cost, those that another one served have its."""
    if not baseline.asked or not window.requests:
        return
    asked, requests, times = baseline.asked, window.requests, floors.fates_times
    unanswered = (baseline.unanswered, asked), (window.unanswered, requests)
    yield _risen(name, "unanswered", *unanswered, least=(floors.unanswered, times))
    diverted = (baseline.diverted, asked), (window.diverted, requests)
    yield _risen(name, "served by another", *diverted, least=(floors.diverted, times))


def _risen(
    name: str, quantity: Quantity, earlier: tuple[int, int], later: tuple[int, int], *, least: tuple[float, float]
) -> _Test:
    """A share of both sides, as (how many, of how many), that must have grown by a difference and by a factor."""
    before, now = earlier[0] / earlier[1], later[0] / later[1]
    found = _found(name, quantity, (before, earlier[1]), (now, later[1]), more_exact(*earlier, *later))
    return _Test(alarm=found, large=now - before >= least[0] and now >= before * least[1])


def _latency(name: str, baseline: Spread | None, tail: Tail | None) -> Iterator[_Test]:
    if baseline and tail and baseline.n and tail.n:
        yield _beyond(name, "latency p50", baseline, tail, 0.5)
        yield _beyond(name, "latency p95", baseline, tail, 0.95)


def _cost(name: str, baseline: Spread | None, tail: Tail | None) -> Iterator[_Test]:
    if baseline is None or tail is None or not baseline.n or not tail.n:
        return
    yield _beyond(name, "cost p50", baseline, tail, 0.5)
    yield _beyond(name, "cost p95", baseline, tail, 0.95)
    rank = baseline.n - baseline.rank(0.5) + 1  # from above
    p_value = exceeding(tail.below_p50, tail.n, rank, baseline.n)
    yield _Test(
        alarm=_found(name, "lower cost p50", (baseline.p50, baseline.n), (tail.p50, tail.n), p_value), large=True
    )


def _beyond(name: str, quantity: Quantity, baseline: Spread, tail: Tail, share: float) -> _Test:
    """More values beyond the raised quantile than even an unmoved distribution would put beyond the quantile itself."""
    half = share == 0.5
    count = tail.above_p50 if half else tail.above_p95
    before, now = (baseline.p50, tail.p50) if half else (baseline.p95, tail.p95)
    p_value = exceeding(count, tail.n, baseline.rank(share), baseline.n)
    return _Test(alarm=_found(name, quantity, (before, baseline.n), (now, tail.n), p_value), large=True)


def _found(
    name: str, quantity: Quantity, before: tuple[float, int], now: tuple[float | None, int], p_value: float
) -> Alarm:
    """An alarm that is not judged yet; both sides as (value, how many)."""
    return Alarm(
        task_class=name,
        quantity=quantity,
        before=before[0],
        now=now[0],
        before_n=before[1],
        now_n=now[1],
        p_value=p_value,
        adjusted_p=1.0,
        alarm=False,
    )


# --- all classes ------------------------------------------------------------------------------------------------------


def _mix(baselines: Mapping[str, ClassBaseline], windows: Mapping[str, Window], floors: Floors) -> Iterator[_Test]:
    """Classes of either side; one that the baseline does not know had no requests there."""
    names = sorted({*baselines, *windows})
    before = [baselines[name].requests if name in baselines else 0 for name in names]
    now = [windows[name].requests if name in windows else 0 for name in names]
    old, new = sum(before), sum(now)
    if not old or not new or len(names) < 2:
        return
    moved = max(range(len(names)), key=lambda place: abs(now[place] / new - before[place] / old))
    found = _found("", "class mix", (before[moved] / old, old), (now[moved] / new, new), mix_p(before, now))
    yield _Test(alarm=replace(found, names=(names[moved],)), large=stability_index(before, now) >= floors.mix)
