"""Turns a candidate's outcomes beside a reference's, case by case, into a verdict: not worse by more than a margin.

A bar against a model asks for pairs. The reference runs all planned cases first, so that it is known what the rest can
still bring: a test ends once the score cannot come within the margin any more, or with the last case, where the exact
test of the whole set has its one look. Early looks would cost it power. `stopping` and `judge` do the same for a bar
that is a number.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

from routerctl.evaluation.selection.question import Outcome, Question
from routerctl.evaluation.selection.tally import TOLERANCE, StoppingRule
from routerctl.statistics import anytime_interval, betting_interval
from routerctl.statistics.noninferiority import noninferiority_p, paired_interval
from routerctl.statistics.noninferiority_power import cases_for_noninferiority
from routerctl.statistics.noninferiority_values import clustered_noninferiority_p, noninferiority_bets
from routerctl.statistics.shrinkage import paired_mean
from routerctl.statistics.sizes import first_from
from routerctl.types import Against, Judgement, Verdict

_Z_95 = 1.959963984540054
_MOST_PAIRS = 100_000  # no set that anybody will make is larger


class PairedRule(StoppingRule):
    """The stopping rule of one candidate beside a reference; of the reference itself: all cases."""

    __slots__ = ("_pairs", "_rest", "lost")

    def __init__(self, question: Question) -> None:
        """Before the first case; `question.reference` holds the reference's values, where they are known."""
        super().__init__(question)
        self._pairs: list[tuple[Outcome, float]] = []
        self.lost = 0.0  # weight * (reference - candidate), summed
        # What the cases from each place on may gain at most: no more than the reference leaves.
        gains = [1 - value for value in question.reference] if question.reference and not question.weighted else []
        self._rest = [*itertools.accumulate(reversed(gains), initial=0.0)][::-1] if gains else []

    @property
    def standing(self) -> Verdict:
        """See `StoppingRule`."""
        complete = self.seen.cases >= self._question.there
        if self._question.is_reference:
            return Verdict.REFERENCE if complete else Verdict.NOT_PROVEN
        if self._slack < -TOLERANCE:
            return Verdict.NOT_REACHED
        if not complete:
            return Verdict.NOT_PROVEN
        asked = self._question.mode != "point" and self.seen.cases == self._question.n
        proven = asked and paired_p(self._pairs, self._question) <= self._question.alpha
        return Verdict.PROVEN if proven else Verdict.PROVISIONAL

    def feed(self, outcome: Outcome) -> Verdict | None:
        """See `StoppingRule`.

        Raises: ValueError for an outcome that the question did not announce or that has no pair.
        """
        if outcome.reference is None:
            raise ValueError("an outcome beside a reference needs the reference's")
        weight = self.seen.take(outcome)
        self._pairs.append((outcome, weight))
        self.lost += weight * (outcome.reference - outcome.value)
        out = self._slack < -TOLERANCE and not self._question.is_reference
        if self.stopped_at is None and (out or self.seen.cases >= self._question.there):
            self.stopped_at = self.seen.cases
        return self.verdict

    def surely_needed(self) -> int:
        """See `StoppingRule`; a lower bound."""
        if self.stopped_at is not None:
            return 0
        left = self._question.there - self.seen.cases
        if self._question.is_reference:
            return left
        return max(1, min(left, math.floor((self._slack + TOLERANCE) / self._question.greatest_weight) + 1))

    @property
    def _slack(self) -> float:
        """What may still be lost, in weights, before the margin is out of reach."""
        rest = self.seen.weight_until(self._question.there)
        gain = self._rest[self.seen.cases] if self.seen.cases < len(self._rest) else rest
        return self._question.within * (self.seen.weight + rest) + gain - self.lost


def paired_p(pairs: Sequence[tuple[Outcome, float]], question: Question) -> float:
    """Return the p-value of "the candidate is worse by less than the margin": exact for independent 0/1 cases."""
    if not pairs:
        return 1.0
    differences = [one.value - (one.reference or 0.0) for one, _ in pairs]
    plain = not question.weighted and all(value in (-1, 0, 1) for value in differences)
    clusters = _clusters(pairs, question)
    if plain and clusters is None:
        lost, gained = (sum(value == side for value in differences) for side in (-1, 1))
        return noninferiority_p(len(pairs), lost, gained, question.within)
    if plain and clusters is not None:
        whole = [round(value) for value in differences]
        return clustered_noninferiority_p(whole, clusters, question.within, question.alpha)
    weights = [weight for _, weight in pairs] if question.weighted else None
    return noninferiority_bets(differences, question.within, question.alpha, weights=weights, clusters=clusters)


def _clusters(pairs: Sequence[tuple[Outcome, float]], question: Question) -> list[str] | None:
    if question.method != "clusters":
        return None
    return [f"\0{place}" if one.cluster is None else one.cluster for place, (one, _) in enumerate(pairs)]


# --- the judgement ----------------------------------------------------------------------------------------------------


def judge_beside(outcomes: Sequence[Outcome], question: Question, beyond: Sequence[Outcome] = ()) -> Judgement:
    """Judge one candidate beside the reference by all its outcomes, as `judge` does against a number.

    Raises: ValueError where more outcomes than planned cases are given, or one has no pair.
    """
    rule = PairedRule(question)
    for outcome in outcomes:
        rule.feed(outcome)
    verdict, ended, seen = rule.standing, rule.stopped_at, rule.seen
    pairs = [(one, question.weight_of(one)) for one in outcomes]
    pairs += [(one, seen.take(one)) for one in beyond]
    against = _against(pairs, question)
    target = _mean([((one.reference or 0.0), weight) for one, weight in pairs]) - question.within
    return Judgement(
        verdict=verdict,
        cases=seen.cases,
        passes=seen.passes,
        n=question.n,
        bar=min(max(target, 0.0), 1.0),
        alpha=question.alpha,
        interval=_interval([one for one, _ in pairs], question),
        good_enough=None,
        least_cases=least_pairs(question.within, question.alpha),
        needed_cases=None if verdict.settled else _needed(against, question, verdict),
        stopped_at=None if ended in (0, seen.cases) else ended,
        risk=paired_p(pairs, question) if verdict is Verdict.PROVISIONAL else None,
        method=question.method,
        mean=None if question.method == "exact" else seen.mean,
        clusters=len(seen.clusters),
        attempt=question.attempt_shown,
        total_alpha=question.total_alpha,
        trust=question.trust,
        against=against,
    )


def _against(pairs: Sequence[tuple[Outcome, float]], question: Question) -> Against:
    differences = [one.value - (one.reference or 0.0) for one, _ in pairs]
    lost, gained = (math.fsum(max(side * value, 0.0) for value in differences) for side in (-1, 1))
    return Against(
        reference=question.of,
        itself=question.is_reference,
        within=question.within,
        pairs=len(pairs),
        lost=lost,
        gained=gained,
        difference=_mean([(value, weight) for value, (_, weight) in zip(differences, pairs, strict=True)]),
        interval=_difference_interval(differences, pairs, question),
    )


def _difference_interval(
    differences: Sequence[float], pairs: Sequence[tuple[Outcome, float]], question: Question
) -> tuple[float, float]:
    """Tango's for independent 0/1 pairs, else a normal one by the spread of cases or clusters, each of 95 %."""
    if question.is_reference:
        return 0.0, 0.0
    if not pairs:
        return -1.0, 1.0
    if question.method == "exact":
        lost, gained = (sum(value == side for value in differences) for side in (-1, 1))
        return paired_interval(len(pairs), lost, gained, 0.05)
    weights = [weight for _, weight in pairs]
    mean, error = paired_mean(differences, weights, _clusters(pairs, question))
    return max(mean - _Z_95 * error, -1.0), min(mean + _Z_95 * error, 1.0)


def _mean(pairs: Sequence[tuple[float, float]]) -> float:
    total = sum(weight for _, weight in pairs)
    return sum(value * weight for value, weight in pairs) / total if total else 0.0


def _interval(outcomes: Sequence[Outcome], question: Question) -> tuple[float, float]:
    """The interval of the candidate's own score, at any stopping time."""
    if question.method == "exact":
        return anytime_interval(sum(one.value > 0.5 for one in outcomes), len(outcomes), question.alpha)
    weights, values = [question.weight_of(one) for one in outcomes], [one.value for one in outcomes]
    return betting_interval(values, weights, question.alpha, question.n, question.greatest_weight)


def _needed(against: Against, question: Question, verdict: Verdict) -> int | None:
    """Enough pairs for 80 % power if the difference is what there is hope for; None: there is none."""
    difference = against.hoped
    if not against.pairs or question.is_reference or difference is None:
        return None
    # One discordant pair more than was seen: few pairs that agreed do not show that all will.
    discordance = min(1.0, max((against.lost + against.gained + 1) / (against.pairs + 1), abs(difference)))
    needed = cases_for_noninferiority(discordance, difference, against.within, question.alpha)
    return more_than_seen(needed, verdict, against.pairs)


def more_than_seen(needed: int | None, verdict: Verdict, cases: int) -> int | None:
    """Say how many cases a proof takes where so many were run without one: more, unless the test has not ended."""
    return needed if needed is None or verdict is Verdict.NOT_PROVEN else max(needed, cases + 1)


@lru_cache(maxsize=256)
def least_pairs(within: float, alpha: float) -> int | None:
    """Return the number of pairs from which two that never differ prove the margin; None: more than anybody has."""
    if noninferiority_p(_MOST_PAIRS, 0, 0, within) > alpha:
        return None
    return first_from(lambda pairs: noninferiority_p(pairs, 0, 0, within) <= alpha)
