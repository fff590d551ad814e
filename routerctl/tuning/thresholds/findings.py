"""What calibration found, as data: per threshold, per signal, per pair of candidates, per class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from routerctl.types import Trust


class Promise(StrEnum):
    """What can be said of a cascade with one signal."""

    PAYS = "pays"  # proven, and cheaper than the second candidate alone
    DEARER = "dearer"  # proven, but the second alone costs no more
    UNPRICED = "proven"  # what it costs is not known
    NOT_PROVEN = "not proven"  # the cases reach the bar, the bound does not
    MISSES = "misses"  # the cases themselves stay below the bar at every threshold
    TELLS_NOTHING = "tells nothing"  # at no threshold do some answers escalate and others not
    OWN_WORD = "own word"  # a judge's score cannot be held to the judge's verdicts

    @property
    def proven(self) -> bool:
        """Whether the bar is kept, whatever it costs."""
        return self in (Promise.PAYS, Promise.DEARER, Promise.UNPRICED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdPoint:
    """A cascade with given thresholds, as counted on the cases; shares are in [0, 1]."""

    below: Mapping[str, float]
    rejected: int  # cases of the first candidate that escalate
    escalated: float  # their share
    tpr: float | None  # share of the first's right answers that are accepted; None: it had none
    fpr: float | None  # share of its wrong answers that are accepted; None: it had none
    q: float | None  # share of the rejected that the second has right, counted there; None: nothing is rejected
    q_interval: tuple[float, float] | None
    score: float  # of the cascade: what is compared with the bar
    lower: float  # its lower bound, at the level of the test
    wrong: float  # share of cases delivered though wrong
    cost_usd: Decimal | None  # per task; None: not known
    cost_per_correct_usd: Decimal | None  # None: not known, or nothing correct
    proven: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFinding:
    """What one signal is good for between two candidates."""

    signal: str
    description: str
    promise: Promise
    separation: float | None  # P(a right answer's value exceeds a wrong one's), ties half; 0.5: it tells nothing
    best: ThresholdPoint | None  # the cheapest proven; where none is, that with the highest score
    needed_cases: int | None = None  # where not proven: enough, all of them run, if the truth is what was seen
    points: tuple[ThresholdPoint, ...] = ()  # of all thresholds, strictest first: the ROC


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFinding:
    """A cheap candidate and whom it would escalate to."""

    first: str
    second: str
    cases: int  # that both answered
    alpha: float  # error probability of each signal's sequence of tests
    fixed: bool  # all planned cases were run, whatever came out
    trust: Trust  # whose word it is that an answer is right
    first_score: float
    second_score: float
    first_usd: Decimal | None  # per task, alone; None: not known
    second_usd: Decimal | None
    first_passes: bool  # by itself, by its own evidence
    least_cases: int | None  # with fewer, not even all right would prove the bar; None: bar 1, which nothing proves
    signals: tuple[SignalFinding, ...]

    @property
    def best(self) -> SignalFinding | None:
        """The cheapest cascade that is proven and pays; None: none is."""
        paying = [(one.best.cost_usd, place) for place, one in enumerate(self.signals) if _pays(one) and one.best]
        costs = [(cost, place) for cost, place in paying if cost is not None]
        return self.signals[min(costs)[1]] if costs else None


def _pays(one: SignalFinding) -> bool:
    return one.promise is Promise.PAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFinding:
    """What a run says of cascades on one class."""

    task_class: str
    run_id: str
    bar: float
    proof_bar: float  # bar less the margin, where the project has one
    risk: float  # probability that any cascade called proven here is below `proof_bar`
    planned: int
    pairs: tuple[PairFinding, ...]
