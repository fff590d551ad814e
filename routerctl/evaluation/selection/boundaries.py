"""A candidate's outcomes, case by case -> whether a condition on it is met for good, out of reach, or open.

`CountLine` is the exact test and the score of 0/1 cases, `WealthLine` the betting test, `MeanLine` the score of values
and weights, `ClusterLine` the test of dependent cases. The `...Evidence` classes say whether the bar is shown to be
missed. A boundary knows sums, no verdict.
"""

from __future__ import annotations

import math
from typing import Protocol

from routerctl.evaluation.selection.question import Outcome, Question
from routerctl.evaluation.selection.tally import TOLERANCE, Tally
from routerctl.statistics import (
    Bets,
    StoppingPlan,
    below_line,
    betting_decidable,
    hopeless,
    independent_need,
    korn_graubard_lower,
    least_cases,
)

# Runs that miss the bar are given up long before n: bets on that are tuned to an eighth of the plan. At n = 200, bar
# .9, mean .75 this shows 81 % of such runs to be below, tuned to all of it 30 %. The error is the same either way.
_SOON = 8


class Boundary(Protocol):
    """One condition on a candidate: that the bar is proven, or that the score reaches it."""

    def look(self, seen: Tally, outcome: Outcome | None, weight: float) -> bool | None:
        """Tell whether it is passed for good (True), out of reach (False) or open; no outcome before the first case."""

    def soonest(self, seen: Tally) -> tuple[int, int]:
        """Lower bounds, at least 1, for the further cases it takes to pass and to be out of reach."""


class MissTest(Protocol):
    """Evidence that the bar is missed; once sufficient it stays so."""

    def look(self, seen: Tally, outcome: Outcome | None, weight: float) -> bool:
        """Tell whether it suffices now."""


# --- 0/1 cases --------------------------------------------------------------------------------------------------------


class CountLine:
    """The stopping lines of an exact plan."""

    def __init__(self, plan: StoppingPlan, *, give_up: bool = True) -> None:
        """Lists, not arrays: a look is a few comparisons, and numpy takes longer to hand out one number.

        `give_up`: at the plan's own lower line, else only once passing is impossible.
        """
        self._up = plan.up.tolist()
        self._low = (plan.low if give_up else hopeless(plan)).tolist()
        self._passing = self._failing = 0  # the first looks that all-passed and all-failed runs from here can be met at

    def look(self, seen: Tally, outcome: Outcome | None, weight: float) -> bool | None:
        """See `Boundary`."""
        del outcome, weight
        if seen.passes <= self._low[seen.cases]:
            return False
        return True if seen.passes >= self._up[seen.cases] else None

    def soonest(self, seen: Tally) -> tuple[int, int]:
        """See `Boundary`; exact. Both looks only move on as cases come in, so that a whole run scans the lines once."""
        last = len(self._up) - 1
        self._passing, self._failing = max(self._passing, seen.cases + 1), max(self._failing, seen.cases + 1)
        while self._passing < last and seen.passes + self._passing - seen.cases < self._up[self._passing]:
            self._passing += 1
        while self._failing < last and seen.passes > self._low[self._failing]:
            self._failing += 1
        return self._passing - seen.cases, self._failing - seen.cases


class CountEvidence:
    """Robbins' evidence, as a line of counts."""

    def __init__(self, question: Question) -> None:
        """Draw the line for the bar itself, also where less is to be proven."""
        self._line = below_line(question.n, question.bar, question.alpha).tolist()

    def look(self, seen: Tally, outcome: Outcome | None, weight: float) -> bool:
        """See `MissTest`."""
        del outcome, weight
        return bool(seen.passes <= self._line[seen.cases])


# --- values and weights -----------------------------------------------------------------------------------------------


def bets_of(question: Question) -> Bets:
    """Start bets that the mean is above what is to be proven."""
    return _bets(question, question.proof_bar, question.n)


def _bets(question: Question, mean: float, n: int) -> Bets:
    weights = {"mean_weight": question.mean_weight, "max_weight": question.greatest_weight}
    return Bets(mean, question.alpha, n, **weights)


class WealthLine:
    """The betting test of "mean >= bar"."""

    def __init__(self, question: Question, *, give_up: bool) -> None:
        """Start with a stake of 1; `give_up`: once winning is unlikely, else only after the last case."""
        bar = question.proof_bar
        self._give_up, self._bets = give_up, bets_of(question)
        self._decidable = bar < 1 and betting_decidable(question.n, bar, question.alpha, question.weight_share)

    def look(self, seen: Tally, outcome: Outcome | None, weight: float) -> bool | None:
        """See `Boundary`."""
        if outcome is None:
            return None if self._decidable else False
        self._bets.bet(outcome.value, weight)
        if self._bets.won:
            return True
        if not seen.left or (self._give_up and self._bets.hopeless(seen.left, seen.weight_left)):
            return False
        return None

    def soonest(self, seen: Tally) -> tuple[int, int]:
        """See `Boundary`."""
        to_win, to_lose = self._bets.soonest(seen.left, seen.weight_left)
        return to_win, to_lose if self._give_up else max(1, seen.left)


class WealthEvidence:
    """Bets on the mirrored values: that failures are more than 1 - bar."""

    def __init__(self, question: Question) -> None:
        """Start with a stake of 1; at bar 1 there is nothing to stake: one failure decides."""
        bar = question.bar
        self._bets = _bets(question, 1 - bar, math.ceil(question.n / _SOON)) if bar < 1 else None

    def look(self, seen: Tally, outcome: Outcome | None, weight: float) -> bool:
        """See `MissTest`."""
        del seen
        if outcome is None:
            return False
        if self._bets is None:
            return outcome.value < 1 and weight > 0
        self._bets.bet(1 - outcome.value, weight)
        return self._bets.won


class _Quota:
    """A share of the whole weight of so many cases that weight * value must reach."""

    def __init__(self, question: Question, share: float, cases: int) -> None:
        self._share, self._greatest, self._cases = share, question.greatest_weight, cases

    def gap(self, seen: Tally) -> float:
        """What is missing, in weights; below 0: reached."""
        return self._share * (seen.weight + seen.weight_until(self._cases)) - seen.value

    def slack(self, seen: Tally) -> float:
        """What may still be lost, in weights; below 0: out of reach."""
        return seen.weight_until(self._cases) - self.gap(seen)

    def fewest(self, seen: Tally) -> tuple[int, int]:
        """The fewest further cases to reach it, and to lose it; sums of floats may be off, so no more than that."""
        to_reach = math.ceil((self.gap(seen) - TOLERANCE) / self._greatest - 1e-7)
        to_lose = math.floor((self.slack(seen) + TOLERANCE) / self._greatest - 1e-7) + 1
        left = self._cases - seen.cases
        return max(1, min(to_reach, left)), max(1, min(to_lose, left))


class MeanLine:
    """The score of values and weights: the mean over all cases that are there is at least the bar."""

    def __init__(self, question: Question) -> None:
        """Ask for the bar's share of their whole weight."""
        self._quota = _Quota(question, question.bar, question.there)

    def look(self, seen: Tally, outcome: Outcome | None, weight: float) -> bool | None:
        """See `Boundary`."""
        del weight
        if outcome is None:
            return None
        if self._quota.slack(seen) < -TOLERANCE:
            return False
        return True if self._quota.gap(seen) <= TOLERANCE else None

    def soonest(self, seen: Tally) -> tuple[int, int]:
        """See `Boundary`."""
        return self._quota.fewest(seen)


# --- dependent cases --------------------------------------------------------------------------------------------------


class ClusterLine:
    """The Korn-Graubard bound, looked at once all n cases ran; out of reach once independent cases could not pass.

    No early pass: an exact line for dependent cases would need to know how dependent they are.
    """

    def __init__(self, question: Question) -> None:
        """Draw the line at which independent cases would pass."""
        bar, n, alpha = question.proof_bar, question.n, question.alpha
        need = independent_need(n, bar, alpha)
        least = least_cases(bar, alpha)
        self._decidable = least is not None and need <= n and least <= question.all_clusters
        self._bar, self._alpha, self._quota = bar, alpha, _Quota(question, need / n, n)

    def look(self, seen: Tally, outcome: Outcome | None, weight: float) -> bool | None:
        """See `Boundary`."""
        del weight
        if outcome is None:
            return None if self._decidable else False
        if seen.left:
            return False if self._quota.slack(seen) < -TOLERANCE else None
        values, sizes = zip(*seen.clusters.values(), strict=True)
        return korn_graubard_lower(values, sizes, self._alpha, seen.effective) >= self._bar - 1e-12

    def soonest(self, seen: Tally) -> tuple[int, int]:
        """See `Boundary`."""
        return max(1, seen.left), self._quota.fewest(seen)[1]


class ClusterEvidence:
    """Bets on the mirrored cluster means, each weighing what its cases weigh together, as clusters are completed."""

    def __init__(self, question: Question) -> None:
        """Start with a stake of 1."""
        clusters = question.all_clusters
        mean_weight = question.n * question.mean_weight / clusters
        bar, alpha, soon = question.bar, question.alpha, math.ceil(clusters / _SOON)
        self._bets = Bets(1 - bar, alpha, soon, mean_weight=mean_weight) if bar < 1 else None
        self._seen = 0

    def look(self, seen: Tally, outcome: Outcome | None, weight: float) -> bool:
        """See `MissTest`."""
        del weight
        if self._bets is None:
            return outcome is not None and outcome.value < 1
        if seen.closed > self._seen:
            for value, size in list(seen.clusters.values())[self._seen : seen.closed]:
                if size:
                    self._bets.bet(1 - value / size, size)
            self._seen = seen.closed
        return self._bets.won
