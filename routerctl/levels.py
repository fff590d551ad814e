"""Turns a route into the name of its level, and a judgement into that of its verdict, as every page and line has them.

How well the candidate that serves is shown, and by whose word. Sentences on what would show it better stand in
`evaluation/selection/levels.py`. Pure; place: the ground.
"""

from __future__ import annotations

from routerctl.types import Evidence, Judgement, Route, Verdict
from routerctl.words import plural, risk_words


def evidence_for(route: Route, candidate: str) -> Evidence | None:
    """Find what one candidate showed on a class; None where it was not run."""
    return next((one for one in route.evidence if one.candidate == candidate), None)


def chosen_evidence(route: Route) -> Evidence | None:
    """Find what the chosen candidate was chosen on; None where it was not run."""
    return evidence_for(route, route.chosen)


def level_words(route: Route) -> str:
    """Name the level of a class in a few words, with the risk of what is provisional: `provisional, risk 3.3%`."""
    risk = risk_shown(route)
    return f"{level_name(route)}, risk {risk}" if risk else level_name(route)


def level_name(route: Route) -> str:
    """Name the level of a class without its risk, which each measurement moves; a margin that proved it is named."""
    one = chosen_evidence(route)
    if one is None:
        return "not run"
    within = one.judgement.verdict is Verdict.WITHIN_MARGIN and route.level == "proven"
    return one.judgement.verdict.value if within else f"{route.level}, undecided" if cut_off(route) else route.level


def risk_of(route: Route) -> float | None:
    """Give the risk of a class that is provisional; None for the other levels."""
    one = chosen_evidence(route)
    return one.judgement.risk if one and route.level == "provisional" else None


def risk_shown(route: Route) -> str:
    """Write the risk of a class that is provisional; bets give only a bound of it; "" for the other levels."""
    one, risk = chosen_evidence(route), risk_of(route)
    return "" if one is None or risk is None else risk_words(risk, at_most=one.judgement.method == "betting")


def cut_off(route: Route) -> Evidence | None:
    """Give the serving candidate's evidence where the bar is neither reached nor missed, as planned cases are missing.

    Where nothing but proof counts, a test may have ended like that: its proof was out of reach.
    """
    one = chosen_evidence(route)
    if one is None or route.when_unproven == "top_rung" or one.judgement.verdict is not Verdict.NOT_PROVEN:
        return None
    return one if one.judgement.cases < one.judgement.n else None


def verdict_name(judgement: Judgement) -> str:
    """Name a verdict with whose word it is, where that is not a program's."""
    return judgement.verdict.value if judgement.trust == "scorer" else f"{judgement.verdict.value} ({judgement.trust})"


def level_with_trust(route: Route, judgement: Judgement) -> str:
    """Name the level of a class, the risk where it is provisional, and whose word it is where not a program's."""
    return level_words(route) + ("" if judgement.trust == "scorer" else f" ({judgement.trust})")


def basis(judgement: Judgement) -> str:
    """Say what a judgement rests on besides cases that are independent and scored by a program; "" where nothing."""
    clusters = plural(judgement.clusters, "cluster") if judgement.method == "clusters" else ""
    attempt = f"attempt {judgement.attempt}" if judgement.attempt > 1 else ""
    labels = plural(judgement.labels, "human label") if judgement.labels else ""
    return ", ".join(part for part in (clusters, attempt, labels) if part)


def mishaps(one: Evidence) -> str:
    """Count what went wrong besides wrong answers; "" where nothing did."""
    kinds = {"failed": one.failed, "unscored": one.unscored, "refused": one.refused, "cut off": one.truncated}
    return ", ".join(f"{number} {kind}" for kind, number in kinds.items() if number)
