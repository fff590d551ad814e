"""Rules -> what is odd about them: one that can never hold, or never be reached; alternatives that add nothing.

Every warning is certain: what cannot be proven is not said. Place: the arithmetic floor, for `routerctl check`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from routerctl.classify.rules.matching import refusal, said
from routerctl.classify.rules.satisfiable import can_hold, formula
from routerctl.classify.rules.texts import folded_keyword
from routerctl.classify.rules.wording import affirmed
from routerctl.types import Condition, Rule

_SHOWN = 5  # rules that shadow another together


def rule_warnings(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Say what is odd about rules in their order, one line each, which starts with the rule's place: "rules.NAME:"."""
    found: list[str] = []
    before: list[Rule] = []  # those that can hold
    for rule in rules:
        problems = list(_refused(rule.when))
        if not problems:
            never = _why_never(rule.when)
            problems = [f"can never hold: {never}"] if never else _of_live(rule, before)
            before += [] if never else [rule]
        found += [f"rules.{rule.name}: {problem}" for problem in problems]
    return tuple(found)


def _refused(condition: Condition) -> Iterator[str]:
    problem = refusal(condition.regex) if condition.regex else None
    if problem:
        yield f"can never be tried: {problem}"
    for part in (*condition.all_of, *condition.any_of, *condition.none_of):
        yield from _refused(part)


def _why_never(condition: Condition) -> str | None:
    if can_hold([formula(condition)]):
        return None
    parts = [Condition(**{name: value}) for name, value in said(condition)]
    for size in (1, 2):
        for some in combinations(parts, size):
            if not can_hold(map(formula, some)):
                return f"no prompt {' and '.join(affirmed(part) for part in some)}"
    return "its conditions contradict each other"


def _of_live(rule: Rule, before: Sequence[Rule]) -> list[str]:
    shadow = _shadow(rule, before)
    return [f"is never reached: {shadow}"] if shadow else [*_repeated(rule.when), *_idle_alternatives(rule.when)]


def _shadow(rule: Rule, before: Sequence[Rule]) -> str | None:
    this = formula(rule.when)
    for one in before:
        if not can_hold([this, formula(one.when, holds=False)]):
            return f"rule {one.name} before it {_how(one.when, rule.when)}"
    if len(before) < 2 or can_hold([this, *(formula(one.when, holds=False) for one in before)]):
        return None
    names = [one.name for one in _needed(this, before)]
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"whenever it holds, one of the rules {shown} before it does"


def _how(earlier: Condition, later: Condition) -> str:
    if earlier == later:
        return "has the same condition"
    always = not can_hold([formula(earlier, holds=False)])
    return "holds for every prompt" if always else "holds whenever it does"


def _needed(this: Any, before: Sequence[Rule]) -> list[Rule]:
    """Leave out one rule after the other without which the rest still do."""
    kept = list(before)
    for one in before:
        rest = [other for other in kept if other is not one]
        if not can_hold([this, *(formula(other.when, holds=False) for other in rest)]):
            kept = rest
    return kept


def _repeated(condition: Condition) -> Iterator[str]:
    """Name what stands twice in a list, of which any will do."""
    for name in ("keywords", "tenant", "step", "language", "attachments"):
        words = [folded_keyword(word) if name == "keywords" else word for word in getattr(condition, name)]
        for word, times in Counter(words).items():
            if times > 1:
                yield f"{name} has {word!r} {times} times" if times > 2 else f"{name} has {word!r} twice"
    for part in (*condition.all_of, *condition.any_of, *condition.none_of):
        yield from _repeated(part)


def _idle_alternatives(condition: Condition) -> Iterator[str]:
    """Name the alternatives of any_of that can never hold here, and those that another one makes needless."""
    rest = formula(replace(condition, any_of=()))
    live: list[tuple[int, Condition]] = []
    for place, one in enumerate(condition.any_of):
        if not can_hold([rest, formula(one)]):
            yield f"any_of.{place} can never hold here"
            continue
        wider = next((at for at, other in live if not can_hold([formula(one), formula(other, holds=False)])), None)
        if wider is not None:
            yield f"any_of.{place} adds nothing: any_of.{wider} holds whenever it does"
            continue
        live.append((place, one))
