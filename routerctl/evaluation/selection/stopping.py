"""Turns a question into the rule that stops a candidate, fed with outcomes in planned order.

Each boundary tells of one condition; the rule puts them together. It knows neither a case nor a reply.
"""

from __future__ import annotations

from routerctl.evaluation.selection.boundaries import (
    Boundary,
    ClusterEvidence,
    ClusterLine,
    CountEvidence,
    CountLine,
    MeanLine,
    MissTest,
    WealthEvidence,
    WealthLine,
)
from routerctl.evaluation.selection.paired import PairedRule
from routerctl.evaluation.selection.question import Outcome, Question
from routerctl.evaluation.selection.tally import StoppingRule
from routerctl.statistics import plan, point_plan
from routerctl.statistics.tails import check
from routerctl.types import Verdict


class BarRule(StoppingRule):
    """A stopping rule: a test ends once the bar is proven, once the score cannot reach it, or with the last case.

    Outcomes that come after its end still count: they are evidence like the others, and a proof that they complete is
    one, since the line to cross allows for every look.
    """

    __slots__ = ("_below", "_evidence", "_proof", "_proven", "_reach", "_reached")

    def __init__(
        self, question: Question, *, proof: Boundary | None, reach: Boundary, evidence: MissTest | None
    ) -> None:
        """`proof` of the bar, `reach` of it by the score, `evidence` against it; None: not asked for in this mode."""
        super().__init__(question)
        self._proof, self._reach, self._evidence = proof, reach, evidence
        self._proven: bool | None = None if proof else False
        self._reached: bool | None = None
        self._below = False
        self._look(None, 0.0)

    @property
    def standing(self) -> Verdict:
        """See `StoppingRule`."""
        if self._passed:
            return Verdict.WITHIN_MARGIN if self._question.mode == "margin" else Verdict.PROVEN
        if self._reached and (self._complete or self._question.mode == "point"):
            return Verdict.PROVISIONAL
        if self._below:
            return Verdict.BELOW
        return Verdict.NOT_REACHED if self._reached is False else Verdict.NOT_PROVEN

    def feed(self, outcome: Outcome) -> Verdict | None:
        """See `StoppingRule`.

        Raises: ValueError for an outcome that the question did not announce.
        """
        weight = self.seen.take(outcome)
        self._look(outcome, weight)
        return self.verdict

    def surely_needed(self) -> int:
        """See `StoppingRule`; exact where the method is, else a lower bound."""
        if self.stopped_at is not None:
            return 0
        reach = self._reach.soonest(self.seen) if self._reached is None else (0, self._left)
        if self._proof is None:
            return min(reach)
        proof = (
            self._proof.soonest(self.seen) if self._proven is None else (0 if self._proven else self._left, self._left)
        )
        to_pass = max(proof[0], reach[0]) if self._question.mode == "margin" else proof[0]
        given_up = proof[1] if self._gives_up else self._left
        return min(to_pass, reach[1], given_up, self._left)

    @property
    def _passed(self) -> bool:
        return bool(self._proven) and (self._question.mode != "margin" or bool(self._reached))

    @property
    def _left(self) -> int:
        return self._question.there - self.seen.cases

    @property
    def _complete(self) -> bool:
        return self._left <= 0

    @property
    def _gives_up(self) -> bool:
        return self._question.when_unproven == "top_rung" and self._proof is not None

    def _look(self, outcome: Outcome | None, weight: float) -> None:
        # How many replies were in flight when a live test ended depends on the workers, and may change no verdict.
        looks = self._question.full or self.stopped_at is None
        if self._evidence is not None and not self._below and looks:
            self._below = self._evidence.look(self.seen, outcome, weight)
        # A boundary once crossed stays crossed, though the count may fall behind it later.
        if self._proof is not None and self._proven is None:
            self._proven = self._proof.look(self.seen, outcome, weight)
        if self._reached is None:
            self._reached = self._reach.look(self.seen, outcome, weight)
        if self.stopped_at is None and self._ends:
            self.stopped_at = self.seen.cases

    @property
    def _ends(self) -> bool:
        known = self._reached is not None if self._question.mode == "point" else self._reached is False
        hopeless = self._gives_up and self._proven is False
        return self._passed or known or hopeless or self._complete


def rule_of(question: Question) -> BarRule | PairedRule:
    """Make the stopping rule of one candidate on one class.

    Raises: ValueError where n < 1, or bar, alpha, margin or a weight is out of range.
    """
    if question.of:
        _check_weights(question)
        return PairedRule(question)
    return count_rule(question)


def count_rule(question: Question, *, binding: bool = True) -> BarRule:
    """Make the stopping rule for a bar that is a number.

    A test ends when the bar (mode `margin`: bar - margin, together with a score at the bar) is proven, when the score
    can no longer reach the bar on the cases there are, or with the last of these. Mode `point` asks for the score only
    and ends once that is settled. Where nothing but proof counts (`when_unproven: top_rung`) a test also ends once a
    good enough candidate would hardly be proven any more, or before the first case where no score on n cases proves
    anything. `binding`: False where all outcomes are known, so that a proof found later counts.

    Raises: ValueError where n < 1, or bar, alpha, margin or a weight is out of range.
    """
    check(question.n, question.bar, question.alpha)
    _check_weights(question)
    exact = question.method == "exact"
    reach: Boundary = CountLine(point_plan(question.there, question.bar)) if exact else MeanLine(question)
    if question.mode == "point":
        return BarRule(question, proof=None, reach=reach, evidence=None)
    give_up = binding and question.when_unproven == "top_rung"
    return BarRule(question, proof=_proof(question, give_up=give_up), reach=reach, evidence=_evidence(question))


def _proof(question: Question, *, give_up: bool) -> Boundary:
    match question.method:
        case "exact":
            return CountLine(plan(question.n, question.proof_bar, question.alpha), give_up=give_up)
        case "betting":
            return WealthLine(question, give_up=give_up)
        case "clusters":
            return ClusterLine(question)


def _evidence(question: Question) -> MissTest:
    match question.method:
        case "exact":
            return CountEvidence(question)
        case "betting":
            return WealthEvidence(question)
        case "clusters":
            return ClusterEvidence(question)


def _check_weights(question: Question) -> None:
    total, greatest, cases = question.total_weight, question.max_weight, question.there
    if question.weighted and not (greatest > 0 and total <= cases * greatest * (1 + 1e-9)):
        raise ValueError(f"{cases} cases that weigh at most {greatest} cannot weigh {total} together")


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
