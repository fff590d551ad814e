"""What is counted of one class: once where its baseline was measured, and in a window of the log.

A baseline is the table's evidence, or a window of the log in which all was well: who compares live traffic with an eval
run compares two kinds of requests, and differences that were there from the start alarm too. `limits` says beyond which
numbers the window is to be counted, so that one pass of a database does it:

    SELECT task_class, count(*), sum(refused), sum(latency_s > :slow_p50), sum(latency_s > :slow_p95),
           sum(cost > :dear_p50), sum(cost > :dear_p95), sum(cost < :cheap_p50), avg(cost), ... GROUP BY task_class

`detect` compares them. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """Changes too small to be an alarm, whatever their p-value."""

    score: float = 0.02  # a fall of the pass rate, in shares
    refusals: float = 0.005  # a rise of their share
    refusals_times: float = 1.5  # and by this factor
    unanswered: float = 0.005  # a rise of the share that nobody answered
    diverted: float = 0.02  # likewise, of the share that another one served
    fates_times: float = 1.5  # and by this factor, both
    slower: float = 0.25  # relative, of a quantile of latency; the window is counted beyond it
    dearer: float = 0.2  # relative, of a quantile of cost; likewise
    mix: float = 0.1  # stability index


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Where the baseline's values lay; seconds or dollars."""

    n: int  # values
    p50: float  # by nearest rank: value number ceil(n / 2)
    p95: float  # value number ceil(0.95 n)

    def rank(self, share: float) -> int:
        """The place of a quantile among the n values, 1-based."""
        return max(1, math.ceil(share * self.n - 1e-9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """How many of a window's values lie beyond the limits; and where they lie, which is for the words only."""

    n: int  # values that are known; NULL is not counted
    above_p50: int  # beyond `TailLimits.*_p50`
    above_p95: int  # beyond `TailLimits.*_p95`
    below_p50: int = 0  # below `TailLimits.cheap_p50`; cost only
    p50: float | None = None  # of the window's values; may be approximate
    p95: float | None = None
    mean: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassBaseline:
    """One class when the table was made; what is None or 0 is not looked at."""

    candidate: str
    pin: str  # the model id that is to serve
    cases: int = 0  # of the eval set that were run
    passes: int = 0
    flattered: bool = True  # True: the very run in which the candidate was chosen, for passing
    replies: int = 0  # that could have been refusals
    refused: int = 0
    latency: Spread | None = None  # seconds
    cost: Spread | None = None  # dollars per request
    requests: int = 0  # traffic of this class while the baseline was taken; 0 everywhere: the mix is not looked at
    asked: int = 0  # requests, or cases, of which it is known who answered
    unanswered: int = 0  # of those, that nobody did
    diverted: int = 0  # of those, that another one answered than the choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One class in a window of the log; of what is served, only what the baseline's candidate did counts.

    Fallbacks and escalations are other candidates: their latency, cost and refusals are not this one's. How many there
    are is counted of all requests.
    """

    requests: int = 0  # of this class, whoever served
    unanswered: int = 0  # of those, that nobody served
    diverted: int = 0  # of those, that another one served than was chosen
    served: Mapping[str, int] = field(default_factory=dict)  # model id that the provider names -> requests
    cases: int = 0  # shadow evals: cases of the eval set asked again, or sampled requests that were scored 0 or 1
    passes: int = 0
    pairs: tuple[int, int, int] | None = None  # shadow evals on the baseline's own cases: (broke, fixed, all of them)
    replies: int = 0
    refused: int = 0
    latency: Tail | None = None
    cost: Tail | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TailLimits:
    """Beyond which numbers a window's values are counted; None where the baseline has none."""

    slow_p50_s: float | None
    slow_p95_s: float | None
    dear_p50_usd: float | None
    dear_p95_usd: float | None
    cheap_p50_usd: float | None


def limits(baseline: ClassBaseline, floors: Floors | None = None) -> TailLimits:
    """Give the baseline's quantiles, raised (for `cheap`, lowered) by the relative change too small to matter."""
    latency, cost, least = baseline.latency, baseline.cost, floors or Floors()
    return TailLimits(
        slow_p50_s=latency.p50 * (1 + least.slower) if latency else None,
        slow_p95_s=latency.p95 * (1 + least.slower) if latency else None,
        dear_p50_usd=cost.p50 * (1 + least.dearer) if cost else None,
        dear_p95_usd=cost.p95 * (1 + least.dearer) if cost else None,
        cheap_p50_usd=cost.p50 / (1 + least.dearer) if cost else None,
    )
