"""A class's ladder, what is known of its candidates' outcomes, and the rule -> how likely each case is to be asked.

Climbs are simulated with the very rules that end a test, a climb and the race of the candidates that may be the best.
It knows values in [0, 1], neither replies nor money.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from routerctl.evaluation.selection import Outcome, Question, Shown, contenders, qualifies, rule_of
from routerctl.types import Case, Verdict

_CLIMBS, _FEWEST = 64, 8  # simulated for one class: many, unless they would take long
_FEEDS = 20_000  # of cases to a rule for one class: about a tenth of a second
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
    question_for: QuestionFor,
    cases: Sequence[Case],
    ladder: Sequence[Contender],
    *,
    ahead: int,
    races: bool = True,
    full: bool,
    today: str = "",
) -> list[list[float]]:
    """Give the chance that each case is asked of each candidate: [rung][place in the planned order].

    `ahead`: cases in flight beyond the one that decides; `races`: where nobody serves, those that may be the best are
    asked all cases; `full`: all are; `today`: a candidate that is, in the end. A candidate of which nothing is known is
    taken to be as good as the bar, so that it gets there about every other time.
    """
    if full:
        return [[1.0] * len(cases) for _ in ladder]
    climbs = max(_FEWEST, min(_CLIMBS, _FEEDS // max(len(cases) * len(ladder), 1)))
    climb = _Climb(question_for, cases, ladder, ahead, races=races)
    ended = {one.name: [0] * (len(cases) + 1) for one in ladder}
    always = {today: len(cases)} if today else {}
    done = 0
    while done < climbs and (climb.drew or not done):  # where nothing was drawn, all climbs are alike
        done += 1
        for name, asked in (climb.once() | always).items():  # those that were reached
            ended[name][asked] += 1
    return [_at_least(ended[one.name], done) for one in ladder]


class _Climb:
    """One ladder, climbed again and again with outcomes drawn from what is known."""

    def __init__(
        self, question_for: QuestionFor, cases: Sequence[Case], ladder: Sequence[Contender], ahead: int, *, races: bool
    ) -> None:
        self._question_for, self._cases, self._ahead, self._races = question_for, cases, ahead, races
        self._ladder = {one.name: one for one in ladder}
        self._values = {one.name: list(one.seen.values()) for one in ladder}
        self._common = question_for("", ())
        self._rng = random.Random(self._common.n)  # noqa: S311 - the same estimate twice
        self.drew = False  # whether anything was left to chance

    def once(self) -> dict[str, int]:
        """Climb, and race where nobody serves: so many cases of each candidate that was reached are asked."""
        outcomes: dict[str, list[Outcome]] = {name: [] for name in self._ladder}
        reference, shown = self._common.of, dict[str, Shown]()
        asked = {reference: len(self._cases)} if reference else {}  # first, whoever else is asked
        theirs = [one.value for one in self._drawn(outcomes, reference, len(self._cases))] if reference else []
        for name, contender in self._ladder.items():
            if not contender.climbs:
                continue
            question = self._question_for(name, theirs)
            rule = rule_of(question)
            while rule.cases < len(self._cases) and (rule.verdict is None or name == reference):
                outcome = self._drawn(outcomes, name, rule.cases + 1)[rule.cases]
                rule.feed(replace(outcome, reference=theirs[rule.cases]) if reference else outcome)
            # A case that costs something waits for earlier ones in the cache: one of them may decide.
            paid = rule.cases > 0 and rule.cases - 1 not in contender.kept
            asked[name] = min(len(self._cases), rule.cases + (self._ahead if paid else 0))
            shown[name] = self._shown(rule.standing, outcomes, name, asked[name])
            if qualifies(rule.standing, question.when_unproven):
                return asked
        return self._raced(asked, shown, outcomes) if self._races else asked

    def _raced(
        self, asked: dict[str, int], shown: dict[str, Shown], outcomes: dict[str, list[Outcome]]
    ) -> dict[str, int]:
        """Run those that may be the best on all cases, cheapest first, as a run does."""
        seen = dict(shown)
        while True:
            racing = contenders(seen, self._common.when_unproven)
            unfinished = next((name for name in racing if asked[name] < len(self._cases)), None)
            if unfinished is None:
                return asked
            asked[unfinished] = len(self._cases)
            seen[unfinished] = self._shown(seen[unfinished].verdict, outcomes, unfinished, len(self._cases))

    def _shown(self, verdict: Verdict, outcomes: dict[str, list[Outcome]], name: str, count: int) -> Shown:
        drawn = self._drawn(outcomes, name, count)
        return Shown(verdict=verdict, outcomes=dict(enumerate(drawn[:count])), costs=None)

    def _drawn(self, outcomes: dict[str, list[Outcome]], name: str, count: int) -> list[Outcome]:
        """Give a candidate's outcomes, so many at least, drawing those that are missing."""
        drawn = outcomes[name]
        for place in range(len(drawn), count):
            case, value = self._cases[place], self._value(self._ladder[name], place)
            drawn.append(Outcome(value=value, weight=case.weight, cluster=case.cluster))
        return drawn

    def _value(self, contender: Contender, place: int) -> float:
        """Draw a case's value: as it was, else as that of other cases, one more being as the bar says."""
        if place in contender.seen and place in contender.kept:
            return contender.seen[place]
        self.drew, chance = True, self._rng.random
        if place in contender.seen and chance() >= _ANEW:
            return contender.seen[place]
        values = self._values[contender.name]
        other = int(chance() * (len(values) + 1))
        return values[other] if other < len(values) else float(chance() < self._common.bar)


def _at_least(counts: Sequence[int], climbs: int) -> list[float]:
    """Turn how often just so many cases were asked into the chance of each case."""
    chances, above = [], sum(counts)
    for count in counts[:-1]:
        above -= count
        chances.append(above / climbs)
    return chances
