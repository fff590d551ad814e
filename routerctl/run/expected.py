"""A class's ladder, what is known of its candidates' outcomes, and the rule -> how likely each case is to be asked.

Climbs are simulated with the very rule that stops a run, so that whatever ends a test there ends it here: exact counts,
bets, clusters or weights. Place: the evaluation line, under the estimate; it knows values in [0, 1], neither replies
nor money.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routerctl.selection import Outcome, Question, rule_of
from routerctl.types import Case

_CLIMBS, _FEWEST = 64, 8  # simulated for one class: many, unless they would take long
_FEEDS = 120_000  # of cases to a rule for one class: about half a second
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
    climbs = max(_FEWEST, min(_CLIMBS, _FEEDS // (len(cases) * max(len(ladder), 1))))
    rng = random.Random(question.n)  # noqa: S311 - the same estimate twice
    ended = [[0] * (len(cases) + 1) for _ in ladder]  # climbs by the cases that a rung was asked
    for _ in range(climbs):
        for rung, asked in enumerate(_climb(question, cases, ladder, ahead, rng)):
            ended[rung][asked] += 1
    return [_at_least(counts, climbs) for counts in ended]


def _climb(
    question: Question, cases: Sequence[Case], ladder: Sequence[Contender], ahead: int, rng: random.Random
) -> list[int]:
    """Climb once: so many cases of each rung that was reached are asked."""
    asked = []
    for contender in ladder:
        rule = rule_of(question)
        for place, case in enumerate(cases):
            if rule.verdict is not None:
                break
            value = _drawn(contender, place, question.bar, rng)
            rule.feed(Outcome(value=value, weight=case.weight, cluster=case.cluster))
        # Who would be paid waits for the cases before that are in the cache: one of them may decide.
        paid = rule.cases > 0 and rule.cases - 1 not in contender.kept
        asked.append(min(len(cases), rule.cases + (ahead if paid else 0)))
        if rule.standing.passes:
            break
    return asked


def _drawn(contender: Contender, place: int, bar: float, rng: random.Random) -> float:
    """Draw a case's value: as it was, else as other cases were, one more being as the bar says."""
    seen = contender.seen
    if place in seen and (place in contender.kept or rng.random() >= _ANEW):
        return seen[place]
    other = rng.randrange(len(seen) + 1)
    return list(seen.values())[other] if other < len(seen) else float(rng.random() < bar)


def _at_least(counts: Sequence[int], climbs: int) -> list[float]:
    """Turn how often just so many cases were asked into the chance of each case."""
    chances, above = [], sum(counts)
    for count in counts[:-1]:
        above -= count
        chances.append(above / climbs)
    return chances
