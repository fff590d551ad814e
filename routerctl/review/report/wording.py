"""Turns the figures of a report into its sentences: the summary, what asks for attention, why a case did not pass.

Plain text, not yet escaped; sentences about money are in `money`. Computes nothing that `weighing` could, and says
nothing of a figure that was not measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routerctl.evaluation.selection import (
    bar_change_words,
    hope_words,
    nobody_words,
    not_asked_words,
    unproven_words,
)
from routerctl.evaluation.selection.judge_correction import why_not
from routerctl.evaluation.selection.labels_needed import label_need
from routerctl.evaluation.unpinned import unpinned_evidence
from routerctl.evaluation.worth import chosen_evidence
from routerctl.review.report.answers import Answers
from routerctl.review.report.weighing import level_counts
from routerctl.types import Result, Route, Run, Status, StopReason, Table
from routerctl.words import count, grouped, plural

_ALIKE = 5  # from so many classes on, one flag says of all of them what would be said of each


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """Something a reviewer must know before anything else."""

    what: str
    text: str
    task_class: str | None = None  # where to read on


# --- the head of the page ---------------------------------------------------------------------------------------------


def summary(table: Table) -> str:
    """Count the levels of the classes, as in `6 task classes: 4 proven, 2 provisional`."""
    parts = [f"{number} {level}" for level, number in level_counts(table)]
    return f"{plural(len(table.routes), 'task class', 'task classes')}: {', '.join(parts) or 'none'}."


# --- what asks for attention ------------------------------------------------------------------------------------------


def flags(table: Table, runs: Sequence[Run], answers: Answers) -> list[Flag]:
    """List what a reviewer must know first: classes that do not pass, foreign models, evidence that does not fit."""
    found = _not_passing(table)
    found += [flag for route in table.routes.values() for flag in _lowered(route)]
    found += [flag for route in table.routes.values() for flag in _foreign(route, table)]
    found += [flag for route in table.routes.values() for flag in _loose(route, runs)]
    known = {run.header.run_id for run in runs}
    if all(route.run_id in known for route in table.routes.values()):
        found += [Flag(what="The counts differ", text=f"{text}.") for text in answers.disagreements()]
    found += _judged(table, runs)
    if table.mode == "point":
        text = "Every verdict compares the score on these cases with the bar; it promises nothing about other traffic."
        found.append(Flag(what="Scores only", text=text))
    return found


def _lowered(route: Route) -> list[Flag]:
    """A bar that is another one since it was tested and missed: whoever reviews the table has to agree to that."""
    change, text = bar_change_words(route)
    if not text:
        return []
    what = f"{route.task_class}: {change} bar"
    return [Flag(what=what, text=f"{text[0].upper()}{text[1:]}.", task_class=route.task_class)]


def _judged(table: Table, runs: Sequence[Run]) -> list[Flag]:
    """Classes whose verdict is a model's word that no human label stands behind."""
    chosen = {name: one for name, r in table.routes.items() if (one := chosen_evidence(r))}
    judged = {name: one.judgement for name, one in chosen.items() if one.judgement.trust == "judge"}
    if not judged:
        return []
    headers = {name: run.header.classes[name] for run in runs for name in judged if name in run.header.classes}
    judges = sorted({header.judge for header in headers.values()})
    who = f" ({', '.join(judges)})" if any(judges) else ""
    needs = {name: label_need(judged[name]).least for name, header in headers.items() if not why_not(header)}
    least = [f"{count(need)} on {name}" for name, need in needs.items() if need]
    number = f": at least {', '.join(least)}; with fewer a class is provisional" if least else ""
    text = (
        f"The verdicts on {', '.join(judged)} are the word of a judge{who}: a lenient judge proves what is not true. "
        f"`routerctl label` collects human labels that put it to the test{number}."
    )
    return [Flag(what="According to a judge", text=text)]


def _not_passing(table: Table) -> list[Flag]:
    """Flag each class that does not pass; many of which the same is to be said share one flag."""
    alike: dict[str, list[Route]] = {}
    for route in table.routes.values():
        if not route.passing:
            alike.setdefault(f"{nobody_words(route)} {remedy(route, table)}", []).append(route)
    found = []
    for text, group in alike.items():
        if len(group) < _ALIKE:
            found += [Flag(what=route.task_class, text=text, task_class=route.task_class) for route in group]
        else:
            names = ", ".join(route.task_class for route in group)
            found.append(Flag(what=f"{len(group)} classes", text=f"{text} These are {names}."))
    return found


def remedy(route: Route, table: Table) -> str:
    """Say what would prove a candidate of a class: more cases, how many, or something other than cases."""
    judged = [(one.candidate, one.judgement) for one in route.evidence]
    if not judged:
        return "Nothing was run: evaluate this class."
    if missing := not_asked_words(route, table):
        return f"{missing[0].upper()}{missing[1:]}."
    if any(one.against for _, one in judged):
        more = grouped(unproven_words(route, table).partition("; ")[2])
        return f"{more[0].upper()}{more[1:]}."
    if route.target >= 1:
        return "A bar of 100% cannot be proven by any number of cases: lower it, if only to 99.9%."
    too_few = [one.least_cases for _, one in judged if one.least_cases and one.least_cases > one.n]
    if too_few:
        need, n = min(too_few), judged[0][1].n
        perfect = f"even a perfect score on {count(n)} cases could not prove it"
        return f"The set is too small: {perfect}; at least {count(need)} are needed."
    needs = [(one.needed_cases, name, one) for name, one in judged if one.needed_cases]
    if needs:
        need, name, one = min(needs, key=lambda entry: (entry[1] != route.chosen, entry[0]))
        hope = f"if its accuracy is {hope_words(one)}"
        return f"{count(need)} cases in all, instead of {count(one.n)}, would prove {name} (power 80%), {hope}."
    return (
        "More cases will prove none of these candidates: improve the prompt, add a stronger candidate, or lower the "
        "bar."
    )


def best_available(table: Table) -> str:
    """Say who serves where no candidate qualifies, in each way that classes of this table have."""
    routes = [route for route in table.routes.values() if not route.passing] or table.routes.values()
    proof_only = {route.when_unproven == "top_rung" for route in routes} or {False}
    said = []
    if False in proof_only and table.top_rung == "skip":
        said.append("no candidate reaches the bar, and the top rung serves, which is not tested (top_rung: skip)")
    elif False in proof_only:
        said.append(
            "no candidate reaches the bar, and this one scores best, or costs less and scores at most two points less"
        )
    if True in proof_only:
        said.append("no candidate is proven to reach the bar, and the top rung serves (when_unproven: top_rung)")
    return ", or ".join(said)


def _foreign(route: Route, table: Table) -> list[Flag]:
    what = f"{route.task_class}: another model"
    return [Flag(what=what, text=f"{words}.", task_class=route.task_class) for words in unpinned_evidence(table, route)]


def _loose(route: Route, runs: Sequence[Run]) -> list[Flag]:
    run = next((one for one in runs if one.header.run_id == route.run_id), None)
    header = run.header.classes.get(route.task_class) if run else None
    if run is None or header is None:
        text = f"The results of run {route.run_id} are not available: cases and costs of this class cannot be shown."
    elif header.digest != route.eval_set_digest:
        text = f"The table names the eval set {route.eval_set_digest}, run {route.run_id} used {header.digest}."
    elif not run.header.finished:
        text = f"Run {route.run_id} was not finished; its verdicts rest on what was there."
    else:
        return []
    return [Flag(what=f"{route.task_class}: evidence", text=text, task_class=route.task_class)]


def why(one: Result, pass_at: float | None) -> str:
    """Say why a case did not pass."""
    if one.status is Status.FAILED:
        return f"the call failed: {one.error}"
    if one.status is Status.UNSCORED:
        return f"could not be scored: {one.explanation or one.error}"
    ended = {StopReason.REFUSAL: "refused", StopReason.MAX_TOKENS: "cut off at the token limit"}
    least = "" if pass_at is None else f" of {pass_at:g} needed"
    scored = "" if one.score is None else f"score {one.score:g}{least}"
    said = [ended.get(one.stop_reason or StopReason.END, ""), one.explanation or scored]
    return "; ".join(part for part in said if part) or "no reason given"
