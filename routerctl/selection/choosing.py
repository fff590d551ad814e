"""Turns the evidence of a class's candidates into the one that serves, how well that is shown, and those behind it.

Place: between the judgements and the route. It knows verdicts, outcomes and costs by case, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from routerctl.selection.question import Outcome
from routerctl.types import Level, Verdict, WhenUnproven

NEAR = 0.02  # a score so little below the best one is as good; wider, by intervals, costs more accuracy than it saves


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

    Chosen is the cheapest candidate that is proven or provisional (proven only, where `when_unproven` is top_rung), by
    its cost per accepted answer on the cases that all of them have; where a cost is not known or no case is common,
    ladder order decides. The fallbacks follow in ladder order: every other one that passed, wherever it stands, and
    those above the chosen that were not run or are merely open. A candidate that missed the bar serves nobody.

    Where none qualifies, the best available serves (see `best_available`), and behind it those as good; the top rung,
    where nothing but proof counts, where it was left `untested`, or where nothing was run.

    Raises: ValueError where the ladder is empty.
    """
    if not ladder:
        raise ValueError("a ladder needs at least one candidate")
    run = [name for name in ladder if name in shown and shown[name].outcomes]
    proof_only = when_unproven == "top_rung"
    able = [name for name in run if _qualifies(shown[name].verdict, proof_only=proof_only)]
    if able:
        return _choice(ladder, shown, cheapest(able, shown))
    if proof_only or not run or ladder[-1] in untested:
        return Choice(chosen=ladder[-1], level=_level(ladder[-1], shown), rungs=(ladder[-1],))
    best, alike = best_available(run, shown)
    behind = tuple(name for name in alike if name != best)
    return Choice(chosen=best, level=_level(best, shown), rungs=(best, *behind))


def _qualifies(verdict: Verdict, *, proof_only: bool) -> bool:
    return verdict.proven if proof_only else verdict.passes


def _level(name: str, shown: Mapping[str, Shown]) -> Level:
    return shown[name].verdict.level if name in shown else "best available"


def _choice(ladder: Sequence[str], shown: Mapping[str, Shown], chosen: str) -> Choice:
    def falls_back(name: str) -> bool:
        known = shown.get(name)
        if known is not None and known.verdict.passes:
            return True
        above = ladder.index(name) > ladder.index(chosen)
        return above and (known is None or not known.verdict.missed)

    behind = tuple(name for name in ladder if name != chosen and falls_back(name))
    return Choice(chosen=chosen, level=_level(chosen, shown), rungs=(chosen, *behind))


# --- money ------------------------------------------------------------------------------------------------------------


def cheapest(names: Sequence[str], shown: Mapping[str, Shown]) -> str:
    """Give the candidate with the least cost per accepted answer on their common cases, the first between equals."""
    costs = {name: _per_accepted(name, shown, common_cases(names, shown)) for name in names}
    known = [cost for cost in costs.values() if cost is not None]
    return min(names, key=lambda name: costs[name] or Decimal(0)) if len(known) == len(costs) else names[0]


def common_cases(names: Sequence[str], shown: Mapping[str, Shown]) -> list[int]:
    """List the cases that all these candidates have, in planned order."""
    return sorted(set.intersection(*(set(shown[name].outcomes) for name in names))) if names else []


def _per_accepted(name: str, shown: Mapping[str, Shown], cases: Sequence[int]) -> Decimal | None:
    """What an accepted answer cost on these cases; None: not known, or none was accepted."""
    one = shown[name]
    if one.costs is None or not cases:
        return None
    accepted = sum((Decimal(repr(one.outcomes[index].value)) for index in cases), Decimal(0))
    return sum((one.costs[index] for index in cases), Decimal(0)) / accepted if accepted else None


def _per_case(name: str, shown: Mapping[str, Shown], cases: Sequence[int]) -> Decimal | None:
    costs = shown[name].costs
    return None if costs is None or not cases else sum((costs[index] for index in cases), Decimal(0)) / len(cases)


# --- nobody at the bar ------------------------------------------------------------------------------------------------


def best_available(names: Sequence[str], shown: Mapping[str, Shown]) -> tuple[str, tuple[str, ...]]:
    """Give the candidate that serves where nobody reaches the bar, and all that are as good as the best.

    The best has the highest score on all its outcomes. As good is whoever scores at most two points less on the cases
    that both have. Of them the cheapest a case on their common cases serves; where costs are not known, the first on
    the ladder.
    """
    best = max(names, key=lambda name: _score(shown[name].outcomes.values()))  # the first between equals: the cheapest
    alike = tuple(name for name in names if name == best or _as_good(shown[name], shown[best]))
    costs = {name: _per_case(name, shown, common_cases(alike, shown)) for name in alike}
    if any(cost is None for cost in costs.values()):
        return alike[0], alike
    return min(alike, key=lambda name: costs[name] or Decimal(0)), alike


def _as_good(one: Shown, best: Shown) -> bool:
    cases = one.outcomes.keys() & best.outcomes.keys()
    weight = sum(best.outcomes[index].weight for index in cases)
    lost = sum(
        (best.outcomes[index].value - one.outcomes[index].value) * best.outcomes[index].weight for index in cases
    )
    return weight > 0 and lost / weight <= NEAR + 1e-9


def _score(outcomes: Iterable[Outcome]) -> float:
    found = list(outcomes)
    weight = sum(one.weight for one in found)
    return sum(one.value * one.weight for one in found) / weight if weight else 0.0
