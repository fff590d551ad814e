"""A decision -> lines that say why it fell so and who would be asked, without a call."""

from __future__ import annotations

from datetime import date

from routerctl.classify.rules import failing_condition
from routerctl.routing.steps import RungStep, allowed_regions, places_for, regions_words, steps_of
from routerctl.types import Candidate, Decision, Evidence, Inquiry, Route, Table
from routerctl.words import bar_words, count, plain, plural, risk_words, spread

_SHOWN_SCORES = 3


def explain(table: Table, inquiry: Inquiry, decision: Decision, today: date) -> list[str]:
    """Say why a decision fell as it did: each rule's outcome, the classifier's, then the rungs with their evidence."""
    lines = []
    if decision.decided_by != "caller":
        for rule in table.rules:
            failed = failing_condition(rule, inquiry)
            lines.append(f"rule {rule.name}: no, the prompt {failed}" if failed else f"rule {rule.name}: yes")
            if not failed:
                break
    lines += _classifier_lines(table, inquiry, decision)
    route = table.routes[decision.task_class]
    lines.append(f"class: {decision.task_class} (by {decision.decided_by})")
    lines += [f"rung {number}: {rung_words(table, route, name)}" for number, name in enumerate(decision.rungs, 1)]
    lines += _order_lines(table, inquiry, decision, today)
    return lines


def _classifier_lines(table: Table, inquiry: Inquiry, decision: Decision) -> list[str]:
    if table.classifier is None or decision.decided_by not in ("classifier", "default"):
        return []
    model = table.classifier.candidate
    if model:
        allowed = allowed_regions(table.routing.residency, inquiry, None)
        if not _has_place(table, model, allowed):
            return [f"classifier: {model} has no place in {regions_words(allowed)}; the default class is used"]
        return [f"classifier: {model} would be asked; without a call the default class is used"]
    if decision.known is None or decision.least_known is None:
        return []
    best = sorted(decision.scores.items(), key=lambda item: -item[1])[:_SHOWN_SCORES]
    sure, needed = _told_apart(decision.known, decision.least_known)
    how = f"{sure} sure of a class, at least {needed} is needed"
    if decision.known < decision.least_known:
        return [f"classifier: unknown ({how}; likeliest {', '.join(name for name, _ in best)})"]
    found = "known" if best[0][0] in table.routes else f"{best[0][0]}, which is not a class of this table"
    return [f"classifier: {found} ({how}; {', '.join(f'{name} {score:.0%}' for name, score in best)})"]


def _told_apart(one: float, other: float) -> tuple[str, str]:
    """Write two shares so short as they can be told apart."""
    pairs = ((f"{one:.{digits}f}", f"{other:.{digits}f}") for digits in range(3, 18))
    return next((pair for pair in pairs if pair[0] != pair[1]), (repr(one), repr(other)))


def _order_lines(table: Table, inquiry: Inquiry, decision: Decision, today: date) -> list[str]:
    """Say what the rungs alone do not: redirects, thresholds, several places, forbidden regions."""
    allowed = allowed_regions(table.routing.residency, inquiry, decision.task_class)
    lines = [] if allowed is None else [f"only in: {', '.join(sorted(allowed)) or 'no region'}"]
    for step in steps_of(table, decision, today):
        lines += step.notes
        places = places_for(table, step, allowed, lambda *_: None)
        if len(places) > 1:
            lines.append(f"{step.candidate} at: {', '.join(place.candidate.provider for place in places)}")
        if not places:
            lines.append(f"{step.candidate}: no place in an allowed region")
        lines += _threshold_lines(table, step, table.routes[decision.task_class], allowed)
    return lines


def _threshold_lines(table: Table, step: RungStep, route: Route, allowed: frozenset[str] | None) -> list[str]:
    if not step.below:
        return []
    below = " or ".join(f"{signal} < {least:g}" for signal, least in sorted(step.below.items()))
    lines = [f"{step.candidate}: escalates where {below}"]
    if "judge" in step.below and route.scorer.name != "judge":
        lines.append(f"judge: gives no value: the class's scorer is {route.scorer.name}")
    elif "judge" in step.below and not _has_place(table, route.scorer.params["candidate"], allowed):
        lines.append(f"judge: {route.scorer.params['candidate']} has no place in {regions_words(allowed)}")
    return lines


def _has_place(table: Table, name: str, allowed: frozenset[str] | None) -> bool:
    return bool(places_for(table, RungStep(candidate=name), allowed, lambda *_: None))


def rung_words(table: Table, route: Route, name: str) -> str:
    """Say what a rung is and what is known of it."""
    candidate = table.candidates[name]
    evidence = next((item for item in route.evidence if item.candidate == name), None)
    if evidence is None:
        why = ": an earlier rung serves" if route.passing else ""
        return f"{name} ({pinned(candidate)}), not run for this class{why}"
    judgement = evidence.judgement
    cases = plain(plural(judgement.cases, "case"))
    return (
        f"{name} ({pinned(candidate)}), {_verdict(route, evidence)}: {count(judgement.passes)} of {cases} "
        f"({spread(judgement.interval)}), bar {bar_words(route.bar, judgement.bar)}"
    )


def _verdict(route: Route, one: Evidence) -> str:
    """The verdict on a rung with its risk; where it serves without reaching the bar, that it is the best available."""
    verdict, risk = one.judgement.verdict.value, one.judgement.risk
    if one.candidate == route.chosen and not route.passing:
        return f"{route.level} ({verdict})"
    if risk is None:
        return verdict
    return f"{verdict}, risk {risk_words(risk, at_most=one.judgement.method == 'betting')}"


def pinned(candidate: Candidate) -> str:
    """Write a candidate's pins in one line: model, effort, strategy, whom it escalates to."""
    parts = [candidate.model, candidate.effort]
    if candidate.strategy.name != "single_shot":
        parts.append(f"{candidate.strategy.name} x{candidate.strategy.samples}")
    if candidate.escalation:
        parts.append(f"then {candidate.escalation.to}")
    return ", ".join(part for part in parts if part)
