"""Turns a route into sentences on its level: who serves, how well it is shown, and what would show it better.

`wording` speaks of one judgement, `routerctl.levels` names the level; terminal, report, CI and diff take them there.
"""

from __future__ import annotations

from collections.abc import Sequence

from routerctl.evaluation.selection.paired_wording import settle_words
from routerctl.evaluation.selection.wording import hope_words, too_small, verdict_words
from routerctl.levels import chosen_evidence, cut_off
from routerctl.scorers import IMPORTED
from routerctl.types import Evidence, Route, Table, Verdict
from routerctl.words import (
    bar_change,
    bar_words,
    count,
    lowered_words,
    missing_words,
    out_of,
    plain,
    plural,
)


def bar_change_words(route: Route) -> tuple[str, str]:
    """Name the change of a bar at which scores had been seen, and put it in a sentence; "" where it was not lowered."""
    if route.lowered_from is None:
        return "", ""
    bars = route.lowered_from, route.bar
    asks_for = route.target if any(one.judgement.cases for one in route.evidence) else None
    scores = route.lowered_score, asks_for
    return bar_change(*bars, *scores), lowered_words(*bars, *scores)


def nobody_words(route: Route) -> str:
    """Say of a class where no candidate qualifies what that means and which candidate serves."""
    bar = bar_words(route.bar)
    if route.when_unproven == "top_rung":
        return f"No candidate is proven to reach the bar of {bar}; the top rung, {route.chosen}, serves."
    as_what = " as the best available" if chosen_evidence(route) else ", which was not run"
    if one := cut_off(route):
        as_what += f", undecided: {count(one.judgement.cases)} of {count(one.judgement.n)} planned cases were run"
    is_open = any(one.judgement.verdict is Verdict.NOT_PROVEN for one in route.evidence)
    reaches = "has been shown to reach" if is_open else "reaches"  # as planned cases are missing
    return f"No candidate {reaches} the bar of {bar}; {route.chosen} serves{as_what}."


def not_asked(route: Route, table: Table) -> tuple[str, ...]:
    """Name the candidates that a run would ask now and did not: a provisional one served then, and no longer does.

    Where the set proves nothing, only the top rung is run, as it serves.
    """
    asked = {one.candidate for one in route.evidence}
    if route.when_unproven != "top_rung" or route.chosen in asked or not asked:
        return ()
    tested = table.ladder[:-1] if table.top_rung == "skip" else table.ladder
    if any(too_small(one.judgement) for one in route.evidence):
        tested = tuple(name for name in tested if name == table.ladder[-1])
    return tuple(name for name in tested if name not in asked)


def not_asked_words(route: Route, table: Table) -> str:
    """Say how to measure the candidates that were not asked; "" where all were."""
    names = ", ".join(not_asked(route, table))
    if not names:
        return ""
    if route.scorer.name == IMPORTED:
        return f"no outcomes of {names} were imported"
    return f"`routerctl eval` runs the candidates not yet run: {names}"


def unproven_words(route: Route, table: Table) -> str:
    """Say of a class that is not proven which candidate serves, with its counts, and what would prove it."""
    one = chosen_evidence(route)
    head = f"{route.chosen} is provisional" if route.passing else nobody_words(route)[:-1]
    if missing := not_asked_words(route, table):
        return f"{route.task_class}: {head}; {missing}"
    if one is None:
        return f"{route.task_class}: {head}{_would_prove(route)}"
    judgement, missing = one.judgement, plain(missing_words(one.failed, one.unscored))
    counts = f"{out_of(judgement.passes, judgement.cases)}{f' ({missing})' if missing else ''}"
    return f"{route.task_class}: {head}, {counts}{_would_prove(route)}"


def _would_prove(route: Route) -> str:
    """The fewest cases that would prove the chosen candidate, else another, if it is as good as one may hope."""
    one = chosen_evidence(route)
    if one is not None and one.judgement.against:
        return f"; {settle_words(one.judgement, one.judgement.against)}"
    if one is not None and one.judgement.risk is not None and one.judgement.risk <= one.judgement.alpha:
        few = one.judgement.method == "clusters"
        return "; so few clusters prove nothing" if few else "; no proof was asked for on these cases"
    if not route.evidence:
        return "; no case was run"
    hopes = [one for one in route.evidence if one.judgement.needed_cases and one.judgement.hoped]
    if not hopes:
        return "; more cases would prove no candidate: improve the prompt, add a stronger one or lower the bar"
    one = min(hopes, key=lambda each: (each.candidate != route.chosen, each.judgement.needed_cases or 0))
    hope = hope_words(one.judgement)
    return (
        f"; {count(one.judgement.needed_cases or 0)} cases in all would prove {one.candidate} if its accuracy is {hope}"
    )


def chosen_words(chosen: str, evidence: Sequence[Evidence]) -> str:
    """Say what was found of the candidate that serves, with what went wrong among its cases."""
    found = next((item for item in evidence if item.candidate == chosen), None)
    if found is None:
        return "Not run."
    nothing = [plain(plural(found.failed, "call")) + " failed"] if found.failed else []
    nothing += [f"{found.unscored} could not be scored"] if found.unscored else []
    among = f" Among those that did not pass: {', '.join(nothing)}." if nothing else ""
    return verdict_words(found.judgement) + among
