"""A class's ladder, what is known of its candidates' outcomes, and the rule -> how likely each case is to be asked.

Climbs are simulated with the very rules that end a test, a climb and the race of those that may be the best: whatever
they say there holds here. Place: the evaluation line, under the estimate; it knows values in [0, 1], neither replies
nor money.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routerctl.selection import Outcome, Question, contenders, judge, qualifies, rule_of
from routerctl.types import Case, Judgement

_CLIMBS, _FEWEST = 64, 8  # simulated for one class: many, unless they would take long
_FEEDS = 60_000  # of cases to a rule for one class: about half a second
_ANEW = 0.2  # share of the cases whose outcome is drawn anew where a model is asked again: its replies vary


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """What is known of one candidate's outcomes on one class before it is asked."""

    seen: Mapping[int, float]  # value by place in the planned order, as measured before
    kept: frozenset[int] = frozenset()  # places whose replies are in the cache: their values will be the same


def chances_asked(
    question: Question, cases: Sequence[Case], ladder: Sequence[Contender], *, ahead: int, full: bool
) -> list[list[float]]:
    """Give the chance that each case is asked of each candidate: [rung][place in the planned order].

    `ahead`: cases in flight beyond the one that decides; `full`: all cases are asked of all. A candidate of which
    nothing is known is taken to be as good as the bar, so that it gets there about every other time.
    """
    if full:
        return [[1.0] * len(cases) for _ in ladder]
    climbs = max(_FEWEST, min(_CLIMBS, _FEEDS // max(len(cases) * len(ladder), 1)))
    climb, ended = _Climb(question, cases, ladder, ahead), [[0] * (len(cases) + 1) for _ in ladder]
    for _ in range(climbs):
        for counts, asked in zip(ended, climb.once(), strict=False):  # the rungs that were reached
            counts[asked] += 1
    return [_at_least(counts, climbs) for counts in ended]


class _Climb:
    """One ladder, climbed again and again with outcomes drawn from what is known."""

    def __init__(self, question: Question, cases: Sequence[Case], ladder: Sequence[Contender], ahead: int) -> None:
        self._question, self._cases, self._ahead = question, cases, ahead
        self._ladder = [(one, list(one.seen.values())) for one in ladder]
        self._rng = random.Random(question.n)  # noqa: S311 - the same estimate twice
        self._judged: dict[tuple[int, float], Judgement] = {}  # by cases and the sum of their values

    def once(self) -> list[int]:
        """Climb, and race where nobody serves: so many cases of each rung that was reached are asked."""
        asked, outcomes = list[int](), list[list[Outcome]]()
        for contender, values in self._ladder:
            drawn = [self._drawn(contender, values, place) for place in range(len(self._cases))]
            rule = rule_of(self._question)
            for outcome in drawn:
                if rule.verdict is not None:
                    break
                rule.feed(outcome)
            # Who would be paid waits for the cases before that are in the cache: one of them may decide.
            paid = rule.cases > 0 and rule.cases - 1 not in contender.kept
            asked.append(min(len(drawn), rule.cases + (self._ahead if paid else 0)))
            outcomes.append(drawn)
            if qualifies(rule.standing, self._question.when_unproven):
                return asked
        return self._raced(asked, outcomes)

    def _raced(self, asked: list[int], outcomes: Sequence[Sequence[Outcome]]) -> list[int]:
        """Run those that may be the best on all cases, cheapest first, as a run does."""
        while True:
            shown = {
                str(rung): self._judgement(drawn[:count])
                for rung, (drawn, count) in enumerate(zip(outcomes, asked, strict=True))
                if count
            }
            racing = [int(rung) for rung in contenders(shown, self._question.when_unproven)]
            unfinished = [rung for rung in racing if asked[rung] < len(self._cases)]
            if not unfinished:
                return asked
            asked[unfinished[0]] = len(self._cases)

    def _judgement(self, outcomes: Sequence[Outcome]) -> Judgement:
        """Judge outcomes; as many with the same sum are told alike."""
        key = len(outcomes), round(sum(one.value * one.weight for one in outcomes), 9)
        if key not in self._judged:
            self._judged[key] = judge(outcomes, self._question)
        return self._judged[key]

    def _drawn(self, contender: Contender, values: Sequence[float], place: int) -> Outcome:
        """Draw a case's outcome: as it was, else as other cases were, one more being as the bar says."""
        case, rng = self._cases[place], self._rng
        if place in contender.seen and (place in contender.kept or rng.random() >= _ANEW):
            value = contender.seen[place]
        else:
            other = rng.randrange(len(values) + 1)
            value = values[other] if other < len(values) else float(rng.random() < self._question.bar)
        return Outcome(value=value, weight=case.weight, cluster=case.cluster)


def _at_least(counts: Sequence[int], climbs: int) -> list[float]:
    """Turn how often just so many cases were asked into the chance of each case."""
    chances, above = [], sum(counts)
    for count in counts[:-1]:
        above -= count
        chances.append(above / climbs)
    return chances
