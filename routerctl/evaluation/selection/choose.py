"""Turns the evidence of a class's candidates into the one that serves, how well that is shown, and those behind it.

It knows verdicts, outcomes and costs by case, nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from routerctl.evaluation.selection.question import Outcome
from routerctl.statistics import best
from routerctl.statistics.outcomes import Outcomes, outcomes_of
from routerctl.types import Level, Verdict, WhenUnproven


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one candidate showed on a class."""

    verdict: Verdict
    outcomes: Mapping[int, Outcome]  # by place in the planned order
    costs: Mapping[int, Decimal] | None  # USD of the same cases; None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Who serves a class."""

    chosen: str
    level: Level
    rungs: tuple[str, ...]  # in serving order: the chosen candidate, then its fallbacks


def choose(
    ladder: Sequence[str],
    shown: Mapping[str, Shown],
    *,
    when_unproven: WhenUnproven = "provisional",
    untested: Sequence[str] = (),
) -> Choice:
    """Choose the candidate that serves a class and those behind it; `shown`: those that were run.

    Chosen is the cheapest candidate that is proven, provisional (but where `when_unproven` is top_rung) or the
    reference that the bar is set by; by its cost per accepted answer on the cases that all of them have; where a cost
    is not known or no case is common, ladder order decides. The fallbacks follow in ladder order: every other one that
    qualifies likewise, wherever it stands, and those above the chosen that were not run or did not miss
    the bar. A candidate that missed it serves nobody.

    Where none qualifies, the best available serves (see `best_available`), and behind it those as good; the top rung,
    where nothing but proof counts, where it was left `untested`, or where nothing was run.

    Raises: ValueError where the ladder is empty.
    """
    if not ladder:
        raise ValueError("a ladder needs at least one candidate")
    run = [name for name in ladder if name in shown and shown[name].outcomes]
    able = [name for name in run if qualifies(shown[name].verdict, when_unproven)]
    if able:
        return served_by(cheapest(able, shown), ladder, shown, when_unproven)
    if when_unproven == "top_rung" or not run or ladder[-1] in untested:
        return Choice(chosen=ladder[-1], level=_level(ladder[-1], shown), rungs=(ladder[-1],))
    chosen, alike = best_available(run, shown)
    return Choice(chosen=chosen, level=_level(chosen, shown), rungs=tuple(dict.fromkeys((chosen, *alike))))


def qualifies(verdict: Verdict, when_unproven: WhenUnproven) -> bool:
    """Tell whether a candidate with this verdict serves, so that no dearer one need be asked."""
    return verdict.settled if when_unproven == "top_rung" else verdict.passes


def contenders(shown: Mapping[str, Shown], when_unproven: WhenUnproven) -> tuple[str, ...]:
    """Name those to run on all cases where none qualifies: those as good as the best score so far, if they are several.

    None where no case at all was passed: then the prompt or the scorer is at fault, and comparing candidates is no use.
    Where nothing but proof counts, the top rung serves, whatever the scores: that one, if its test ended before the
    first case, as nothing would be known of it. `shown`: of all that were tested, in ladder order.
    """
    run = [name for name, one in shown.items() if one.outcomes]
    if when_unproven == "top_rung":
        return tuple(name for name in list(shown)[-1:] if name not in run)
    if not any(one.value for name in run for one in shown[name].outcomes.values()):
        return ()
    _, alike = best_available(run, shown)
    return alike if len(alike) > 1 else ()


def _level(name: str, shown: Mapping[str, Shown]) -> Level:
    return shown[name].verdict.level if name in shown else "best available"


def served_by(chosen: str, ladder: Sequence[str], shown: Mapping[str, Shown], when_unproven: WhenUnproven) -> Choice:
    """Put behind a chosen candidate those that qualify and, above it, those that did not miss the bar."""

    def falls_back(name: str) -> bool:
        known = shown.get(name)
        if known is not None and qualifies(known.verdict, when_unproven):
            return True
        above = ladder.index(name) > ladder.index(chosen)
        return above and (known is None or not known.verdict.missed)

    behind = tuple(name for name in ladder if name != chosen and falls_back(name))
    return Choice(chosen=chosen, level=_level(chosen, shown), rungs=(chosen, *behind))


# --- money ------------------------------------------------------------------------------------------------------------


def cheapest(names: Sequence[str], shown: Mapping[str, Shown]) -> str:
    """Give the candidate with the least cost per accepted answer on their common cases.

    Between equals the one with more of them accepted, then the first.
    """
    cases = common_cases(names, shown)
    costs = {name: _per_accepted(name, shown, cases) for name in names}
    if None in costs.values():
        return names[0]
    return min(names, key=lambda name: (costs[name] or Decimal(0), -_accepted(name, shown, cases)))


def common_cases(names: Sequence[str], shown: Mapping[str, Shown]) -> list[int]:
    """List the cases that all these candidates have, in planned order."""
    return sorted(set.intersection(*(set(shown[name].outcomes) for name in names))) if names else []


def _accepted(name: str, shown: Mapping[str, Shown], cases: Sequence[int]) -> Decimal:
    found = [shown[name].outcomes[index] for index in cases]
    return sum((Decimal(repr(one.weight)) * Decimal(repr(one.value)) for one in found), Decimal(0))


def _per_accepted(name: str, shown: Mapping[str, Shown], cases: Sequence[int]) -> Decimal | None:
    """What an accepted answer cost on these cases; None: not known, or none was accepted."""
    one = shown[name]
    if one.costs is None or not cases:
        return None
    accepted = _accepted(name, shown, cases)
    cost_usd = sum((one.costs[index] * Decimal(repr(one.outcomes[index].weight)) for index in cases), Decimal(0))
    return cost_usd / accepted if accepted else None


# --- nobody at the bar ------------------------------------------------------------------------------------------------


def best_available(names: Sequence[str], shown: Mapping[str, Shown]) -> tuple[str, tuple[str, ...]]:
    """Give the candidate that serves where nobody reaches the bar, and all that are as good as the best.

    See `routerctl.statistics.best`, which does so for rows of numbers.
    """
    row, alike = best.best_available(_matrix([shown[name] for name in names]))
    return names[row], tuple(names[each] for each in alike)


def _matrix(shown: Sequence[Shown]) -> Outcomes:
    """Lay out candidates x cases; costs are compared, not added up, so that floats will do."""
    places = sorted({index for one in shown for index in one.outcomes})
    column = {index: place for place, index in enumerate(places)}
    weights = {index: outcome.weight for one in shown for index, outcome in one.outcomes.items()}
    entries = (
        (row, column[index], 0, outcome.value, math.nan if one.costs is None else float(one.costs[index]))
        for row, one in enumerate(shown)
        for index, outcome in one.outcomes.items()
    )
    return outcomes_of(entries, (len(shown), len(places), 1), [weights[index] for index in places], None)
