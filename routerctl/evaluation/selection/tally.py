"""Turns outcomes, one after the other, into the sums that the boundaries look at, and says what a stopping rule is.

It checks that an outcome is one that the question announced, and decides nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from routerctl.evaluation.selection.question import Outcome, Question
from routerctl.types import Verdict

TOLERANCE = 1e-9  # in weights: what sums of floats may be off by


class Tally:
    """The sums over the cases looked at."""

    __slots__ = ("_open", "_question", "cases", "closed", "clusters", "passes", "squares", "value", "weight")

    def __init__(self, question: Question) -> None:
        """Before the first case."""
        self._question = question
        self.cases = 0
        self.passes = 0  # of those: value above one half
        self.weight = 0.0
        self.value = 0.0  # weight * value
        self.squares = 0.0  # weight^2
        self.clusters: dict[str, tuple[float, float]] = {}  # name -> (weight * value, weight); in order of appearance
        self.closed = 0  # of the clusters, in that order: those whose last case has been seen
        self._open: str | None = None

    def take(self, outcome: Outcome) -> float:
        """Add one case and give its weight.

        Raises: ValueError for a value outside [0, 1], a weight above the greatest, or more cases than there are.
        """
        question, weight = self._question, self._question.weight_of(outcome)
        if self.cases >= question.there:
            raise ValueError(f"one more outcome than the {question.there} cases there are")
        if not 0 <= outcome.value <= 1:
            raise ValueError(f"an outcome lies in [0, 1], not {outcome.value}")
        if question.method == "exact" and outcome.value not in (0, 1):
            raise ValueError(f"the exact test takes 0 and 1, not {outcome.value}")
        if not 0 <= weight <= question.greatest_weight:
            raise ValueError(f"a weight of {weight} was not planned: the greatest is {question.greatest_weight}")
        self.cases += 1
        self.passes += outcome.value > 0.5
        self.weight += weight
        self.value += weight * outcome.value
        self.squares += weight * weight
        if question.method == "clusters":
            self._assign(outcome, weight)
        return weight

    def _assign(self, outcome: Outcome, weight: float) -> None:
        # No cluster's name contains a NUL: a case without one is a cluster of its own.
        name = f"\0{self.cases}" if outcome.cluster is None else outcome.cluster
        if name != self._open:
            self.closed = len(self.clusters)
            self._open = name
        value, size = self.clusters.get(name, (0.0, 0.0))
        self.clusters[name] = value + weight * outcome.value, size + weight
        if self.cases == self._question.there:
            self.closed = len(self.clusters)

    @property
    def left(self) -> int:
        """Cases of the plan still to come."""
        return self._question.n - self.cases

    @property
    def weight_left(self) -> float:
        """What they weigh."""
        return self.weight_until(self._question.n)

    def weight_until(self, cases: int) -> float:
        """What the cases to come weigh, up to so many in all."""
        to_come = cases - self.cases
        if to_come <= 0:
            return 0.0
        if not self._question.weighted:
            return float(to_come)
        to_be_added = max(cases - self._question.there, 0)
        return max(self._question.total_weight - self.weight, 0.0) + to_be_added * self._question.mean_weight

    @property
    def mean(self) -> float | None:
        """The weighted mean so far; None before the first case."""
        return self.value / self.weight if self.weight else None

    @property
    def effective(self) -> float:
        """Kish's effective number of cases; the number of cases where they weigh the same."""
        return self.weight**2 / self.squares if self.squares else 0.0


class StoppingRule(ABC):
    """What stops a candidate, fed with outcomes in planned order."""

    __slots__ = ("_question", "seen", "stopped_at")

    def __init__(self, question: Question) -> None:
        """Before the first case."""
        self._question = question
        self.seen = Tally(question)
        self.stopped_at: int | None = None  # cases after which the test ended; None: it goes on

    @property
    def cases(self) -> int:
        """Cases looked at."""
        return self.seen.cases

    @property
    def passes(self) -> int:
        """Of those: value above one half. That is passed; with epochs, passed in more than half of them."""
        return self.seen.passes

    @property
    def verdict(self) -> Verdict | None:
        """The verdict once the test has ended; None: go on."""
        return None if self.stopped_at is None else self.standing

    @property
    @abstractmethod
    def standing(self) -> Verdict:
        """The verdict on what was fed, whether the test has ended or not."""

    @abstractmethod
    def feed(self, outcome: Outcome) -> Verdict | None:
        """Look at the next case of the planned order and return the verdict, None while the test goes on."""

    @abstractmethod
    def surely_needed(self) -> int:
        """Say how many further cases are needed at least before the test can end; 0 once it has."""
