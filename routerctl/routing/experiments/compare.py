"""Turns two arms' outcomes into better, worse, equivalent or undecided, whenever one looks; a plan before the start.

`ExperimentDesign` says what is to be found, `planned_outcomes` how many outcomes that takes, `UnitOutcomes` what came,
`compare` what follows. Pure; `trial` reads the outcomes from the log.

The answer may be asked for after every outcome and for as long as one likes: the error is that of all looks together.
What it rests on, each to be kept by the caller: units (see `in_order`) are independent; whether a unit has an outcome
does not depend on its arm; outcomes are in the order in which they became known, so that no later look changes an
earlier one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from routerctl.routing.experiments.assignment import Arm
from routerctl.statistics.two_arms import Flags, Gambles, Numbers, block_deviation, block_sizes, blocks, planned_blocks


class Standing(StrEnum):
    """What the outcomes say of B beside A."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"  # within the margin either way
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentDesign:
    """What an experiment is to find; fixed before its first outcome."""

    least_difference: float  # of the means, in (0, 1]: what is to be found with `power`
    share: float  # B's share of the units, in (0, 1)
    alpha: float = 0.05  # chance that arms without any difference are ever said to differ
    power: float = 0.9
    margin: float | None = None  # differences up to it do not matter: arms within it are equivalent; None: never said
    deviation: float = 0.5  # guess at one outcome's standard deviation; 0.5 is the greatest, sqrt(p (1 - p)) for shares

    @property
    def goal(self) -> float:
        """Log of the wealth that decides: alpha is halved, for there are two ways to differ."""
        return math.log(2 / self.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOutcome:
    """One inquiry's outcome, as logged."""

    key: str  # what the split was by
    arm: Arm
    value: float  # in [0, 1]
    at_s: float = 0.0  # when it became known, seconds from any origin


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitOutcomes:
    """Units in the order in which they became known."""

    values: Numbers  # each in [0, 1]
    in_b: Flags  # likewise long


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmComparison:
    """What two arms' outcomes say so far."""

    standing: Standing
    count_a: int  # units with an outcome
    count_b: int
    mean_a: float | None  # None without any
    mean_b: float | None
    difference: float | None  # B - A, over complete blocks; None before the first
    interval: tuple[float, float]  # holds the true difference at all looks at once with probability 1 - alpha
    alpha: float
    decided_at: int | None  # units of both arms that had come when it was decided
    planned: int  # units of both arms within which `least_difference` is found with `power`
    more: int | None  # units it takes to decide if the truth is what was seen; None: decided, or nothing was seen


def planned_outcomes(question: ExperimentDesign) -> int:
    """Return the units of both arms within which the least difference is found with the question's power."""
    return sum(block_sizes(question.share)) * _planned(question)


def _planned(question: ExperimentDesign) -> int:
    return planned_blocks(question.least_difference, _deviation(question), question.goal, question.power)


def _deviation(question: ExperimentDesign) -> float:
    return block_deviation(question.deviation, question.deviation, question.share)


# --- units ------------------------------------------------------------------------------------------------------------


def in_order(outcomes: Iterable[LoggedOutcome], *, window_s: float = 0.0) -> UnitOutcomes:
    """Turn logged outcomes into units: one a key, its mean over `window_s` from its first, known at the window's end.

    Outcomes of one key resemble each other, so a key counts once. With the window 0 that is its first outcome, which is
    all there is where the key is an inquiry's own; where it is a user's, a window of a day or a week lets the user's
    experience count. A key whose window is still open is not there yet; one that moved to B within it, since B's share
    grew, counts with what it met first. `outcomes`: in the order of `at_s`.
    """
    first: dict[str, LoggedOutcome] = {}
    sums: dict[str, tuple[float, int]] = {}
    latest = -math.inf
    for outcome in outcomes:
        latest = max(latest, outcome.at_s)
        begun = first.setdefault(outcome.key, outcome)
        total, count = sums.get(outcome.key, (0.0, 0))
        if not count or (outcome.at_s < begun.at_s + window_s and outcome.arm == begun.arm):
            sums[outcome.key] = (total + outcome.value, count + 1)
    closed = [key for key, one in first.items() if one.at_s + window_s <= latest]  # in the order of their ends
    return UnitOutcomes(
        values=[sums[key][0] / sums[key][1] for key in closed], in_b=[first[key].arm == "B" for key in closed]
    )


# --- the answer -------------------------------------------------------------------------------------------------------


def compare(outcomes: UnitOutcomes, question: ExperimentDesign) -> ArmComparison:
    """Say what the outcomes so far tell of B beside A.

    Raises: ValueError where an outcome is outside [0, 1], or the lists differ in length.
    """
    made = blocks(outcomes.values, outcomes.in_b, question.share)
    planned = _planned(question)
    gambles = Gambles(
        made.b - made.a, low=-1.0, high=1.0, deviation=_deviation(question), n=planned, goal=question.goal
    )
    standing, block = _standing(gambles, question.margin)
    per_block = sum(block_sizes(question.share))
    return ArmComparison(
        standing=standing,
        count_a=made.counts[0],
        count_b=made.counts[1],
        mean_a=made.means[0],
        mean_b=made.means[1],
        difference=gambles.mean,
        interval=gambles.interval(),
        alpha=question.alpha,
        decided_at=None if block is None else int(made.ends[block]),
        planned=planned * per_block,
        more=_more(gambles, question.margin, per_block) if standing is Standing.UNDECIDED else None,
    )


def _standing(gambles: Gambles, margin: float | None) -> tuple[Standing, int | None]:
    """The first thing that was decided, and at which block; what was decided stays decided."""
    found = [(Standing.BETTER, gambles.won_above(0.0)), (Standing.WORSE, gambles.won_below(0.0))]
    if margin is not None:
        ends = gambles.won_above(-margin), gambles.won_below(margin)
        found.append((Standing.EQUIVALENT, None if None in ends else max(end for end in ends if end is not None)))
    decided = [(block, standing) for standing, block in found if block is not None]
    if not decided:
        return Standing.UNDECIDED, None
    block, standing = min(decided, key=lambda one: one[0])
    return standing, block


def _more(gambles: Gambles, margin: float | None, per_block: int) -> int | None:
    """The units it takes to decide if the mean stays what it is: apart from 0, or within the margin."""
    mean = gambles.mean
    if mean is None:
        return None
    ways = [gambles.blocks_to_go(0.0)]
    if margin is not None and abs(mean) < margin:
        ways.append(gambles.blocks_to_go(margin if mean > 0 else -margin))
    known = [way for way in ways if way is not None]
    return min(known) * per_block if known else None
