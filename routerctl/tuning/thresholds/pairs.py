"""A run -> two candidates' results on the same cases in planned order, with what the signals say of the first's.

Both candidates' results are cut to the gap-free prefix that they share: which cases are looked at then depends on the
order that was fixed before the first answer, and on nothing that was answered later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from routerctl.evaluation.build import planned_prefix
from routerctl.evaluation.labels import Label, labels_of
from routerctl.strategies.confidence import SIGNALS, first_below, recorded_values
from routerctl.types import Result, Run, Status, Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredPair:
    """One case, answered by both; of several epochs the first."""

    first: Result
    second: Result
    values: Mapping[str, float]  # signal -> of the first's answer; () where its call failed

    def accepted(self, below: Mapping[str, float]) -> bool:
        """Tell whether the first's answer would be served; a failed call falls back, which is the same next rung."""
        return self.first.status is not Status.FAILED and first_below(self.values, below) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """All of them, and whose word it is that an answer is right."""

    of: tuple[AnsweredPair, ...]
    trust: Trust

    @property
    def known(self) -> frozenset[str]:
        """The signals that have a value for some answer."""
        return frozenset(name for pair in self.of for name in pair.values)


def pairs_of(run: Run, task_class: str, first: str, second: str, labels: Sequence[Label] = ()) -> Pairs:
    """Pair two candidates of a run on one class.

    Where a judge scored and humans labelled replies of both, only the cases that they labelled count, by their word.
    """
    of_class = run.header.classes[task_class]
    results = [one for one in run.results if one.task_class == task_class]
    both = zip(
        _first_epochs(results, first, of_class.epochs),
        _first_epochs(results, second, of_class.epochs),
        strict=False,
    )
    pairs = [
        AnsweredPair(first=one, second=other, values=recorded_values(one, of_class.reply, of_class.scorer, SIGNALS))
        for one, other in both
    ]
    if not of_class.judge:
        return Pairs(of=tuple(pairs), trust="scorer")
    said = [labels_of(labels, results, name) for name in (first, second)]
    labelled = tuple(_held_to(pair, *said) for pair in pairs if all(pair.first.index in one for one in said))
    return Pairs(of=labelled, trust="labels") if labelled else Pairs(of=tuple(pairs), trust="judge")


def _first_epochs(results: Sequence[Result], candidate: str, epochs: int) -> list[Result]:
    of_candidate = (one for one in results if one.candidate == candidate)
    return [case[0] for case in planned_prefix(of_candidate, max(epochs, 1))]


def _held_to(pair: AnsweredPair, first: Mapping[int, bool], second: Mapping[int, bool]) -> AnsweredPair:
    place = pair.first.index
    return replace(pair, first=_said(pair.first, first[place]), second=_said(pair.second, second[place]))


def _said(result: Result, passed: bool) -> Result:
    return replace(result, passed=passed, score=float(passed))
