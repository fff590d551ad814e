"""Turns a regression result into plain sentences, not yet escaped: what fell, how surely, and what would have shown."""

from __future__ import annotations

from collections.abc import Sequence

from routerctl.evaluation.regression.alarm import ClassRegression, Regression
from routerctl.words import NBSP, count, listed, p_words, percent, plural

NAMED = 10  # case ids in a sentence
STALE_AFTER_DAYS = 90


def regression_words(regression: Regression, *, baseline_days: float | None = None) -> tuple[str, ...]:
    """Say what a comparison found, the verdict first, then a sentence or two a class; `baseline_days`: its age."""
    found = [verdict_words(regression), *(class_words(one) for one in regression.classes)]
    if regression.only_before or regression.only_after:
        found.append(
            f"Compared are common cases only: {plural(regression.only_before, 'case')} of the baseline and "
            f"{plural(regression.only_after, 'case')} of this run have no counterpart."
        )
    if baseline_days is not None and baseline_days > STALE_AFTER_DAYS:
        found.append(
            f"The baseline is {plural(round(baseline_days), 'day')} old (more than {STALE_AFTER_DAYS}): "
            "small drops add up unseen; promote a newer run."
        )
    return tuple(found)


def verdict_words(regression: Regression) -> str:
    """Say in one sentence whether it got worse, and which half of the alarm says so."""
    fell = [one.task_class for one in regression.classes if one.alarm]
    compared = [one for one in regression.classes if one.n]
    against = f"against {regression.baseline}"
    pooled = "" if regression.pooled_p is None else f" (all classes together: {p_words(regression.pooled_p)})"
    if not compared:
        return f"Nothing could be compared {against}: {_why_nothing(regression)}."
    if fell:
        return f"Regression {against} in {listed(fell, NAMED)}{pooled}."
    if regression.pooled_alarm:
        return f"Regression {against}: no class alone, but all together went {_overall(compared)}{pooled}."
    return f"No regression found {against} in {plural(len(compared), 'class', 'classes')}{pooled}."


def _why_nothing(regression: Regression) -> str:
    changed = sum(one.changed for one in regression.classes)
    failed = sum(one.failed for one in regression.classes)
    why = [f"{plural(changed, 'case')} changed in input or expected answer"] if changed else []
    if failed:
        why.append(f"the calls of {plural(failed, 'case')} failed")
    return " and ".join(why) or "no case is common to both runs"


def _overall(classes: Sequence[ClassRegression]) -> str:
    cases = sum(one.n for one in classes)
    before = sum(one.before * one.n for one in classes) / cases
    after = sum(one.after * one.n for one in classes) / cases
    return f"from {percent(before)} to {percent(after)}"


def class_words(one: ClassRegression) -> str:
    """Say what was found of one class: scores, p-values, newly broken cases by id, what would have been noticed."""
    name = f"{one.task_class} ({one.candidate})" if one.candidate else one.task_class
    parts = [f"{name}: {_what(one)}"]
    if one.broke:
        parts.append(f"newly broken: {listed(one.broke, NAMED)}")
    if one.least_detectable_drop is not None and not one.alarm:
        points, about = f"{one.least_detectable_drop * 100:.1f}{NBSP}points", "about " if one.screened else ""
        parts.append(f"a drop of {points} would have been noticed {about}4 times in 5")
    if one.too_few:
        parts.append("too few cases: not even a drop to nothing would have been noticed 4 times in 5")
    return "; ".join([*parts, *one.notes]) + "."


def _what(one: ClassRegression) -> str:
    if not one.n:
        return "not compared"
    scores = f"{percent(one.before)} before, {percent(one.after)} now on {plural(one.n, 'common case')}"
    if one.screened:
        return f"no sign of a drop in the first epoch, {scores}"
    adjusted = f"; among all classes {p_words(one.adjusted_p)}" if one.adjusted_p != one.p_value else ""
    surely = p_words(one.p_value) + adjusted
    changes = f"{count(len(one.broke))} broke, {count(len(one.fixed))} fixed"
    if one.alarm:
        fell = f"dropped from {percent(one.before)} to {percent(one.after)} on {plural(one.n, 'common case')}"
        return f"{fell}, {changes} ({surely})"
    return f"no regression found, {scores}, {changes} ({surely})"
