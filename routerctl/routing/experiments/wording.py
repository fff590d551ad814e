"""Turns what two arms' outcomes say into plain sentences, not yet escaped, the standing first."""

from __future__ import annotations

from routerctl.routing.experiments.compare import ArmComparison, Standing
from routerctl.routing.experiments.guardrails import Guarded
from routerctl.words import NBSP, as_written, count, percent, plural

_SAID = {
    Standing.BETTER: "B is better than A",
    Standing.WORSE: "B is worse than A",
    Standing.EQUIVALENT: "A and B are alike within the margin",
    Standing.UNDECIDED: "Undecided",
}


def comparison_words(comparison: ArmComparison, *, measure: str = "quality") -> tuple[str, ...]:
    """Say who is better, by how much and how surely, and how much longer it may take."""
    found = [_standing(comparison, measure)]
    if comparison.difference is not None:
        low, high = comparison.interval
        found.append(
            f"B \u2212 A is {points(comparison.difference)}, {as_written(1 - comparison.alpha)} interval "
            f"{points(low)} to {points(high)}, valid whenever one looks."
        )
    if comparison.standing is Standing.UNDECIDED:
        found.append(_outlook(comparison))
    return tuple(found)


def _standing(comparison: ArmComparison, measure: str) -> str:
    said = f"{_SAID[comparison.standing]} in {measure}"
    if comparison.mean_a is None or comparison.mean_b is None:
        return f"{said}: {plural(comparison.count_a, 'outcome')} of A and {count(comparison.count_b)} of B are too few."
    sides = (
        f"A {percent(comparison.mean_a)} of {count(comparison.count_a)}, "
        f"B {percent(comparison.mean_b)} of {count(comparison.count_b)}"
    )
    when = f"; decided at outcome {count(comparison.decided_at)}" if comparison.decided_at else ""
    return f"{said}: {sides}{when}."


def _outlook(comparison: ArmComparison) -> str:
    seen = comparison.count_a + comparison.count_b
    plan = f"Of {plural(comparison.planned, 'planned outcome')}, {count(seen)} have come"
    if not seen:
        return f"{plan}: nothing was rated yet."
    if comparison.more is None:
        return f"{plan}; so far they tend neither way."
    return f"{plan}; if the difference is what was seen, about {count(comparison.more)} more will decide."


def guard_words(guarded: Guarded) -> str:
    """Say whether a guardrail holds; means are shares of what it counts, or of its cap."""
    if guarded.mean_a is None or guarded.mean_b is None:
        return f"{guarded.name}: nothing to compare yet."
    allowed = f"{as_written(guarded.allowed)} more" if guarded.relative else points(guarded.allowed)
    sides = f"A {percent(guarded.mean_a)}, B {percent(guarded.mean_b)}; {allowed} allowed"
    if guarded.broken_at is None:
        return f"{guarded.name}: no breach proven ({sides})."
    return f"{guarded.name}: BROKEN at outcome {count(guarded.broken_at)} ({sides}; error {as_written(guarded.alpha)})."


def points(difference: float) -> str:
    """A difference of shares with its sign: `+3.1 points`, with a minus sign that is one."""
    sign = "\u2212" if round(difference * 100, 1) < 0 else "+"
    return f"{sign}{abs(difference) * 100:.1f}{NBSP}points"
