"""One candidate's outcomes on one class as they come in -> when its test ends, and whether it may be the best.

The run asks the cases and the stopping rule judges them: this puts the two together, and makes no call.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from routerctl.evaluation.run.case import Job
from routerctl.evaluation.selection import (
    Outcome,
    Reorder,
    Shown,
    contenders,
    judge,
    outcome_of,
    qualifies,
    question_of,
    rule_of,
)
from routerctl.types import Judgement, Result, RunHeader, Status, WhenUnproven


class CandidateTest:
    """One candidate's outcomes on one class as they come in, and the rule that they are fed to in planned order."""

    def __init__(self, name: str, header: RunHeader, job: Job, beside: CandidateTest | None = None) -> None:
        """`beside`: the reference of a relative bar, which has run; None: there is none, or this is it."""
        self.name = name
        of_class = header.classes[job.eval_set.name]
        self._measure, self._cases, self._beside = of_class.measure, len(job.cases), beside
        reference = [beside.outcomes[index].value for index in sorted(beside.outcomes)] if beside else []
        self._question = question_of(of_class, header, name, reference)
        self.rule = rule_of(self._question)
        self._reorder = Reorder(self.rule, self._question.n)
        self.outcomes: dict[int, Outcome] = {}
        self.failed = 0

    @property
    def complete(self) -> bool:
        """Whether every case that is there has an outcome."""
        return len(self.outcomes) == self._cases

    def take(self, results: tuple[Result, ...]) -> None:
        """See a case's results."""
        index = results[0].index
        outcome = outcome_of(results, self._measure)
        if self._question.of:
            theirs = self._beside.outcomes[index].value if self._beside else outcome.value
            outcome = replace(outcome, reference=theirs)
        self.outcomes[index] = outcome
        self.failed += all(result.status is Status.FAILED for result in results)
        self._reorder.put(index, self.outcomes[index])

    def judgement(self) -> Judgement:
        """Judge what is there."""
        ordered = [self.outcomes[index] for index in sorted(self.outcomes)]
        gap = next(place for place in itertools.count() if place not in self.outcomes)
        return judge(ordered[:gap], self._question, ordered[gap:])

    def shown(self) -> Shown:
        """Give the outcomes up to the test's end, as the choice takes them, without those in flight then."""
        end = None if self.complete else self.rule.stopped_at
        outcomes = {index: one for index, one in self.outcomes.items() if end is None or index < end}
        return Shown(verdict=self.rule.standing, outcomes=outcomes, costs=None)

    @property
    def when_unproven(self) -> WhenUnproven:
        """What counts where nothing is proven."""
        return self._question.when_unproven

    def serves(self, judgement: Judgement) -> bool:
        """Whether no dearer candidate need be asked."""
        return qualifies(judgement.verdict, self.when_unproven)


def unfinished_contenders(tests: Sequence[CandidateTest]) -> list[CandidateTest]:
    """Give those with cases left that are to be run on all of them."""
    if not tests or any(test.serves(test.judgement()) for test in tests):
        return []
    shown = {test.name: test.shown() for test in tests}
    names = contenders(shown, tests[0].when_unproven)
    return [test for test in tests if test.name in names and not test.complete]


def untested_rung(header: RunHeader) -> str | None:
    """Name the last rung where it serves if nothing passes, whatever a test of it or the others' scores would say."""
    return header.ladder[-1] if header.top_rung == "skip" and len(header.ladder) > 1 else None
