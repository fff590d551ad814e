r"""Thresholds, strictest first -> those that are proven, and what a cascade with each of them comes to.

Choosing the threshold that looks best and then believing its score is the mistake this file is there to avoid: the
best of thirty looks better than it is. It is Learn then Test (Angelopoulos et al., arXiv 2110.01052), with fixed-
sequence testing: the thresholds and their order are written down here, before any data, from the strictest, with which
nearly everything goes to the second candidate, to the laxest. Each is tested at the full level; the first that is not
proven ends the walk. A wrong one is called proven only if the first wrong one in the order is, so the whole walk has
the error probability of one test, however many thresholds there are, and any of the proven ones may be taken: the
cheapest. Across signals and pairs of candidates, of which a reader takes the best as well, the risk is divided
(Bonferroni), by their number and not by how many came out well.

Why not split the cases, to choose on one half and to prove on the other: it is as valid, but halves the cases of the
proof, and cases are what a team is short of. At a bar of 0.9 and a risk of 5 % a perfect cascade needs 29 cases; twice
29 to be split, but 46 where the risk is divided by six signals.

The order costs nothing where the second candidate is at least as good as the first on what is sent to it. Where it is
not, the walk ends early and proves less than there is: never more.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import takewhile

from routerctl.evaluation.selection import Outcome, Question, outcome_of
from routerctl.evaluation.worth import Cascade, cascade, replies_of
from routerctl.strategies.confidence import SIGNALS
from routerctl.tuning.thresholds.bounds import lower_bound, mean_of, proves
from routerctl.tuning.thresholds.findings import ThresholdPoint
from routerctl.tuning.thresholds.pairs import AnsweredPair
from routerctl.types import Measure, StopReason

FORM = "form"
FORM_SIGNALS = ("length", "complete", "refusal", "schema")  # what is wrong with a reply at first sight
_YES = 0.5  # the threshold of a signal that is 0 or 1
_HUNDREDTHS = (100, 99.9, 99.8, 99.5, 99, 98, 97, 95, 92.5, 90, 87.5, *range(85, 0, -5))
_GRADED = tuple(round(one / 100, 6) for one in _HUNDREDTHS)  # finer at the top, where token probabilities lie


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A sequence of thresholds, strictest first, fixed before any data."""

    signal: str  # or "form": all those of the form at once
    description: str
    steps: tuple[Mapping[str, float], ...]

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals that it looks at."""
        return tuple(self.steps[0])


def walks(known: Collection[str]) -> tuple[Walk, ...]:
    """List the walks over the signals that have values, in the order of `SIGNALS`, those of the form together first."""
    of_form = [name for name in FORM_SIGNALS if name in known]
    found = [
        Walk(signal=name, description=signal.description, steps=_steps(name))
        for name, signal in SIGNALS.items()
        if name in known
    ]
    if len(of_form) > 1:
        together = dict.fromkeys(of_form, _YES)
        found.insert(0, Walk(signal=FORM, description=f"{', '.join(of_form)} together", steps=(together,)))
    return tuple(found)


def _steps(name: str) -> tuple[Mapping[str, float], ...]:
    thresholds = _GRADED if SIGNALS[name].graded else (_YES,)
    return tuple({name: least} for least in thresholds)


def walk_of(pairs: Sequence[AnsweredPair], walk: Walk, question: Question, *, fixed: bool) -> int:
    """Return how many steps are proven, from the first one on."""
    return sum(1 for _ in takewhile(lambda below: _proven(pairs, below, question, fixed), walk.steps))


def _proven(pairs: Sequence[AnsweredPair], below: Mapping[str, float], question: Question, fixed: bool) -> bool:
    return proves(outcomes_of(pairs, below, question.measure), question, fixed=fixed)


def outcomes_of(pairs: Sequence[AnsweredPair], below: Mapping[str, float], measure: Measure) -> list[Outcome]:
    """Give what a cascade with these thresholds comes to on each case."""
    return [outcome_of([pair.first if pair.accepted(below) else pair.second], measure) for pair in pairs]


def points_of(
    pairs: Sequence[AnsweredPair], walk: Walk, question: Question, *, fixed: bool, check_usd: Decimal | None
) -> tuple[ThresholdPoint, ...]:
    """Measure every step of a walk; `check_usd`: what its signals cost per task, None where costs are not known."""
    proven = walk_of(pairs, walk, question, fixed=fixed)
    seen: dict[tuple[bool, ...], ThresholdPoint] = {}
    points: list[ThresholdPoint] = []
    for place, below in enumerate(walk.steps):
        accepted = tuple(pair.accepted(below) for pair in pairs)
        if accepted not in seen:
            seen[accepted] = _point(pairs, below, question, fixed=fixed, check_usd=check_usd)
        points.append(replace(seen[accepted], below=below, proven=place < proven))
    return tuple(points)


def _point(
    pairs: Sequence[AnsweredPair],
    below: Mapping[str, float],
    question: Question,
    *,
    fixed: bool,
    check_usd: Decimal | None,
) -> ThresholdPoint:
    outcomes = outcomes_of(pairs, below, question.measure)
    point = ThresholdPoint(
        below=below,
        rejected=0,
        escalated=0.0,
        tpr=1.0 if any(pair.first.passed for pair in pairs) else None,
        fpr=None if all(pair.first.passed for pair in pairs) else 1.0,
        q=None,
        q_interval=None,
        score=mean_of(outcomes),
        lower=lower_bound(outcomes, question, fixed=fixed),
        wrong=0.0,
        cost_usd=None,
        cost_per_correct_usd=None,
        proven=False,
    )
    counted = _counted(pairs, below, check_usd or Decimal(0))
    if counted is None:  # nothing is rejected: the first alone, and its check
        passes = sum(pair.first.passed for pair in pairs)
        wrong = sum(not pair.first.passed and pair.first.stop_reason is not StopReason.REFUSAL for pair in pairs)
        cost_usd = sum((pair.first.cost_usd for pair in pairs), Decimal(0)) / len(pairs) + (check_usd or 0)
        return _priced(replace(point, wrong=wrong / len(pairs)), cost_usd, passes / len(pairs), check_usd)
    told = replace(
        point,
        rejected=counted.rejected,
        escalated=counted.rejected / counted.cases,
        tpr=counted.tpr,
        fpr=counted.fpr,
        q=counted.q,
        q_interval=counted.q_interval,
        wrong=counted.wrong,
    )
    return _priced(told, counted.cost_usd, counted.correct, check_usd)


def _counted(pairs: Sequence[AnsweredPair], below: Mapping[str, float], check_usd: Decimal) -> Cascade | None:
    """Count a cascade as every other estimate of one does: q where the first was rejected, never the product."""
    served = {(pair.first.index, pair.first.epoch) for pair in pairs if pair.accepted(below)}
    first, second = replies_of(pair.first for pair in pairs), replies_of(pair.second for pair in pairs)
    accepted = first.where(lambda one: (one.index, one.epoch) in served)
    return cascade(first, second, accepted, check_usd=check_usd, least_rejected=1)


def _priced(point: ThresholdPoint, cost_usd: Decimal, correct: float, check_usd: Decimal | None) -> ThresholdPoint:
    """Add what it costs, where costs are known: per task, and per task that comes out right."""
    if check_usd is None:
        return point
    per_correct = cost_usd / Decimal(repr(correct)) if correct else None
    return replace(point, cost_usd=cost_usd, cost_per_correct_usd=per_correct)
