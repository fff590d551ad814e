"""Turns a question into the rule that stops a candidate, fed with outcomes in planned order.

Place: between the lines, which say what each condition says, and the run and the judge, which feed them. It knows
neither a case nor a reply.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from routerctl.selection.lines import (
    ClusterEvidence,
    ClusterLine,
    CountEvidence,
    CountLine,
    Evidence,
    Line,
    MeanLine,
    WealthEvidence,
    WealthLine,
)
from routerctl.selection.question import Outcome, Question
from routerctl.selection.tally import Tally
from routerctl.statistics import plan, point_plan
from routerctl.statistics.tails import check
from routerctl.types import Mode, Verdict


class StoppingRule(Protocol):
    """What stops a candidate."""

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; None: go on."""

    @property
    def standing(self) -> Verdict:
        """The verdict; before there is one, what would have to be said if no case followed: it has not passed."""

    @property
    def cases(self) -> int:
        """Cases looked at."""

    @property
    def passes(self) -> int:
        """Of those: value above one half. That is passed; with epochs, passed in more than half of them."""

    def feed(self, outcome: Outcome) -> Verdict | None:
        """Look at the next case of the planned order and return the verdict, None while there is none."""

    def surely_needed(self) -> int:
        """Say how many further cases are needed at least before any verdict is possible; 0 once there is one."""


class Rule:
    """A stopping rule made of lines: passed once every line was passed, stopped as soon as one is out of reach.

    Once decided, further cases change neither verdict nor counts: they were in flight when the rule stopped.
    """

    __slots__ = ("_evidence", "_lines", "_mode", "_seen_below", "seen", "verdict")

    def __init__(self, question: Question, lines: tuple[Line, ...], evidence: Evidence | None) -> None:
        """`evidence`: that the bar is missed; None where the mode does not speak of it."""
        self._mode, self._lines, self._evidence = question.mode, lines, evidence
        self._seen_below = False
        self.seen = Tally(question)
        self.verdict: Verdict | None = None
        self._look(None, 0.0)

    @property
    def cases(self) -> int:
        """See `StoppingRule`."""
        return self.seen.cases

    @property
    def passes(self) -> int:
        """See `StoppingRule`."""
        return self.seen.passes

    @property
    def standing(self) -> Verdict:
        """See `StoppingRule`."""
        return self.verdict or self._failing()

    def feed(self, outcome: Outcome) -> Verdict | None:
        """See `StoppingRule`.

        Raises: ValueError for an outcome that the question did not announce.
        """
        if self.verdict is None:
            weight = self.seen.take(outcome)
            self._look(outcome, weight)
        return self.verdict

    def surely_needed(self) -> int:
        """See `StoppingRule`; exact where the method is, else a lower bound."""
        if self.verdict is not None:
            return 0
        soonest = [line.soonest(self.seen) for line in self._lines]
        return min(max(to_pass for to_pass, _ in soonest), *(to_miss for _, to_miss in soonest))

    def _look(self, outcome: Outcome | None, weight: float) -> None:
        if self._evidence is not None and not self._seen_below:
            self._seen_below = self._evidence.look(self.seen, outcome, weight)
        looks = [(line, line.look(self.seen, outcome, weight)) for line in self._lines]
        if any(passed is False for _, passed in looks):
            self.verdict = self._failing()
        else:
            # A line once crossed stays crossed, though the count may fall behind it later.
            self._lines = tuple(line for line, passed in looks if passed is None)
            if not self._lines:
                self.verdict = _PASSING[self._mode]

    def _failing(self) -> Verdict:
        if self._mode == "point":
            return Verdict.NOT_MET
        return Verdict.BELOW if self._seen_below else Verdict.NOT_PROVEN


_PASSING: Mapping[Mode, Verdict] = {
    "proven": Verdict.PROVEN,
    "margin": Verdict.WITHIN_MARGIN,
    "point": Verdict.MET,
}


def rule_of(question: Question) -> Rule:
    """Make the stopping rule of one candidate on one class.

    Mode `proven`: the test of the bar. `point`: the score on these n cases reaches the bar, stopped once that cannot
    change. `margin`: the test of bar - margin and the point rule at the bar; stops as soon as either fails or both have
    passed. Where no score on n cases could pass, the verdict stands before the first case.

    Raises: ValueError where n < 1, or bar, alpha, margin or a weight is out of range.
    """
    check(question.n, question.bar, question.alpha)
    _check_weights(question)
    point: Line = CountLine(point_plan(question.n, question.bar)) if question.method == "exact" else MeanLine(question)
    if question.mode == "point":
        return Rule(question, (point,), None)
    proof, evidence = _proof(question), _evidence(question)
    return Rule(question, (proof, point) if question.mode == "margin" else (proof,), evidence)


def _proof(question: Question) -> Line:
    match question.method:
        case "exact":
            return CountLine(plan(question.n, question.proof_bar, question.alpha))
        case "betting":
            return WealthLine(question)
        case "clusters":
            return ClusterLine(question)


def _evidence(question: Question) -> Evidence:
    match question.method:
        case "exact":
            return CountEvidence(question)
        case "betting":
            return WealthEvidence(question)
        case "clusters":
            return ClusterEvidence(question)


def _check_weights(question: Question) -> None:
    total, greatest, n = question.total_weight, question.max_weight, question.n
    if question.weighted and not (greatest > 0 and total <= n * greatest * (1 + 1e-9)):
        raise ValueError(f"{n} cases that weigh at most {greatest} cannot weigh {total} together")


class Reorder:
    """Feeds a rule with outcomes that arrive in any order, as the gap-free prefix of the planned order.

    So the verdict depends on the cases' outcomes alone, never on how long an answer took.
    """

    def __init__(self, rule: StoppingRule, n: int) -> None:
        """`n`: cases planned; indices run from 0."""
        self._rule, self._n = rule, n
        self._early: dict[int, Outcome] = {}  # arrived, but a case before them has not
        self._next = 0

    def put(self, index: int, outcome: Outcome) -> Verdict | None:
        """Take the outcome of the case at `index` and return the rule's verdict, None while there is none.

        Raises: ValueError for an index outside the plan or one that was already put.
        """
        if not self._next <= index < self._n or index in self._early:
            raise ValueError(f"case {index} of {self._n} was not expected: outside the plan, or already put")
        self._early[index] = outcome
        while self._next in self._early:
            self._rule.feed(self._early.pop(self._next))
            self._next += 1
        return self._rule.verdict
