"""A class's ladder, what is known of its candidates' outcomes, and the rule -> how likely each case is to be asked.

Climbs are simulated with the very rules that end a test, a climb and the race of those that may be the best: whatever
they say there holds here. Place: the evaluation line, under the estimate; it knows values in [0, 1], neither replies
nor money.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from routerctl.selection import Outcome, Question, Shown, contenders, qualifies, rule_of
from routerctl.types import Case

_CLIMBS, _FEWEST = 64, 8  # simulated for one class: many, unless they would take long
_FEEDS = 60_000  # of cases to a rule for one class: about half a second
_ANEW = 0.2  # share of the cases whose outcome is drawn anew where a model is asked again: its replies vary

QuestionFor = Callable[[str, Sequence[float]], Question]  # (candidate, the reference's values) -> what is asked of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """What is known of one candidate's outcomes on one class before it is asked."""

    name: str
    seen: Mapping[int, float]  # value by place in the planned order, as measured before
    kept: frozenset[int] = frozenset()  # places whose replies are in the cache: their values will be the same
    climbs: bool = True  # False: it is asked as the reference alone


def chances_asked(
    question_for: QuestionFor, cases: Sequence[Case], ladder: Sequence[Contender], *, ahead: int, full: bool
) -> list[list[float]]:
    """Give the chance that each case is asked of each candidate: [rung][place in the planned order].

    `ahead`: cases in flight beyond the one that decides; `full`: all cases are asked of all. A candidate of which
    nothing is known is taken to be as good as the bar, so that it gets there about every other time.
    """
    if full:
        return [[1.0] * len(cases) for _ in ladder]
    climbs = max(_FEWEST, min(_CLIMBS, _FEEDS // max(len(cases) * len(ladder), 1)))
    climb, ended = _Climb(question_for, cases, ladder, ahead), {one.name: [0] * (len(cases) + 1) for one in ladder}
    for _ in range(climbs):
        for name, asked in climb.once().items():  # of those that were reached
            ended[name][asked] += 1
    return [_at_least(ended[one.name], climbs) for one in ladder]


class _Climb:
    """One ladder, climbed again and again with outcomes drawn from what is known."""

    def __init__(
        self, question_for: QuestionFor, cases: Sequence[Case], ladder: Sequence[Contender], ahead: int
    ) -> None:
        self._question_for, self._cases, self._ahead = question_for, cases, ahead
        self._ladder = [(one, list(one.seen.values())) for one in ladder]
        self._common = question_for("", ())
        self._rng = random.Random(self._common.n)  # noqa: S311 - the same estimate twice

    def once(self) -> dict[str, int]:
        """Climb, and race where nobody serves: so many cases of each candidate that was reached are asked."""
        outcomes = {one.name: self._drawn(one, values) for one, values in self._ladder}
        theirs = [outcome.value for outcome in outcomes.get(self._common.of, ())]
        asked = {self._common.of: len(theirs)} if theirs else {}
        shown: dict[str, Shown] = {}
        for contender, _ in self._ladder:
            if not contender.climbs:
                continue
            name, beside = contender.name, self._beside(outcomes[contender.name], theirs)
            question = self._question_for(name, theirs)
            rule, whole = rule_of(question), name in asked
            for outcome in beside:
                if rule.verdict is not None and not whole:
                    break
                rule.feed(outcome)
            # Who would be paid waits for the cases before that are in the cache: one of them may decide.
            paid = rule.cases > 0 and rule.cases - 1 not in contender.kept
            asked[name] = min(len(beside), rule.cases + (self._ahead if paid else 0))
            shown[name] = Shown(verdict=rule.standing, outcomes=dict(enumerate(beside[: asked[name]])), costs=None)
            if qualifies(rule.standing, question.when_unproven):
                return asked
        return self._raced(asked, shown, outcomes)

    def _raced(
        self, asked: dict[str, int], shown: dict[str, Shown], outcomes: Mapping[str, Sequence[Outcome]]
    ) -> dict[str, int]:
        """Run those that may be the best on all cases, cheapest first, as a run does."""
        seen = {name: one for name, one in shown.items() if one.outcomes}
        while True:
            racing = contenders(seen, self._common.when_unproven)
            unfinished = next((name for name in racing if asked[name] < len(self._cases)), None)
            if unfinished is None:
                return asked
            asked[unfinished] = len(self._cases)
            every = dict(enumerate(outcomes[unfinished]))
            seen[unfinished] = Shown(verdict=seen[unfinished].verdict, outcomes=every, costs=None)

    def _beside(self, outcomes: Sequence[Outcome], theirs: Sequence[float]) -> Sequence[Outcome]:
        """Put the reference's values beside a candidate's, where the bar is relative."""
        if not theirs:
            return outcomes
        return [replace(outcome, reference=value) for outcome, value in zip(outcomes, theirs, strict=True)]

    def _drawn(self, contender: Contender, values: Sequence[float]) -> list[Outcome]:
        """Draw each case's outcome: as it was, else as other cases were, one more being as the bar says."""
        return [
            Outcome(value=self._value(contender, values, place), weight=case.weight, cluster=case.cluster)
            for place, case in enumerate(self._cases)
        ]

    def _value(self, contender: Contender, values: Sequence[float], place: int) -> float:
        rng = self._rng
        if place in contender.seen and (place in contender.kept or rng.random() >= _ANEW):
            return contender.seen[place]
        other = rng.randrange(len(values) + 1)
        return values[other] if other < len(values) else float(rng.random() < self._common.bar)


def _at_least(counts: Sequence[int], climbs: int) -> list[float]:
    """Turn how often just so many cases were asked into the chance of each case."""
    chances, above = [], sum(counts)
    for count in counts[:-1]:
        above -= count
        chances.append(above / climbs)
    return chances
