"""Models that are asked beside the route: one names an inquiry's class, one judges its reply.

Neither is a rung, and an answer is there without them: so each gets a share of the time that is left, is passed by
where something speaks against its places, and sees the prompt only where the residency rules let it. Place: the request
line, above `asking`, under `serving`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from routerctl.classify.decide import NOT_ASKED, Named, name_class, named_at_once, named_by_guess
from routerctl.classify.rules import inquiry_text
from routerctl.errors import InputError, OverBudget, ProviderError
from routerctl.routing.hops import SKIPPED, Deadline, Line, idle_hop, recorded
from routerctl.routing.steps import Spot, Step, allowed_regions, own_spot, regions_words, spots_of
from routerctl.types import Answer, Hop, Inquiry, Reply, Route, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a judge said of a reply."""

    value: float | None  # in [0, 1]; None: it gave no verdict
    detail: str = ""  # why not
    cost_usd: Decimal = Decimal(0)


async def named(table: Table, line: Line, inquiry: Inquiry, deadline: Deadline) -> tuple[Named, list[Hop]]:
    """Name the class; a model that classifies is asked only where neither caller nor rule has named it.

    Raises: InputError where nothing names one.
    """
    asked = table.classifier.candidate if table.classifier else None
    if asked is None:
        return name_class(table, inquiry, line.guesser), []
    at_once = named_at_once(table, inquiry)
    if at_once:
        return at_once, []
    spot, against = _place(table, line, asked, allowed_regions(table.routing.residency, inquiry, None))
    if against:
        hop = idle_hop(spot, SKIPPED, against, "classify")
        return named_by_guess(table, None, NOT_ASKED, unasked=f"the classifier {asked}: {against}"), [hop]
    task_class, hop = await _classified(table, line, spot, inquiry, deadline)
    return named_by_guess(table, task_class, NOT_ASKED), [hop]


async def _classified(
    table: Table, line: Line, spot: Spot, inquiry: Inquiry, deadline: Deadline
) -> tuple[str | None, Hop]:
    """Ask the model; None where it fails or does not know."""
    from routerctl.classify.classifier.ask_model import ask_class

    classes = {name: item.description for name, item in table.routes.items()}
    paid: list[Reply] = []
    await line.make_ready(spot, deadline)
    ask = recorded(line, spot.candidate, paid, deadline.share())
    try:
        task_class = await ask_class(ask, spot.candidate, classes, inquiry_text(inquiry.prompt))
    except ProviderError as error:
        failed = idle_hop(spot, type(error).__name__, str(error), "classify")
        return None, replace(failed, attempts=error.attempts)
    except OverBudget as error:
        return None, idle_hop(spot, type(error).__name__, str(error), "classify")
    return task_class, replace(
        idle_hop(spot, "classified", "", "classify"),
        served_model=paid[-1].served_model if paid else None,
        cost_usd=sum((reply.cost_usd for reply in paid), Decimal(0)),
        latency_s=sum(reply.latency_s for reply in paid),
        attempts=sum(reply.attempts for reply in paid),
    )


async def judged(  # noqa: PLR0917 - who asks whom, of what
    table: Table, line: Line, route: Route, inquiry: Inquiry, answer: Answer, deadline: Deadline
) -> Judged:
    """Have the class's own judge score a reply; a class whose scorer is no judge has none."""
    if route.scorer.name != "judge":
        return Judged(value=None, detail=f"no judge: the class's scorer is {route.scorer.name}")
    from routerctl.scorers import Unscorable
    from routerctl.strategies.judge import judge_named, judge_reply

    try:
        judge = judge_named(route.scorer, table.candidates)
    except InputError as error:
        return Judged(value=None, detail=f"no judge: {error}")
    allowed = allowed_regions(table.routing.residency, inquiry, route.task_class)
    spot, against = _place(table, line, judge.name, allowed)
    if against:
        return Judged(value=None, detail=f"the judge {judge.name}: {against}")
    paid: list[Reply] = []
    await line.make_ready(spot, deadline)
    ask = recorded(line, spot.candidate, paid, deadline.share())
    value, detail = None, ""
    try:
        score, _ = await judge_reply(ask, spot.candidate, route.scorer, inquiry.prompt, None, answer.text)
        value = score.value
    except ProviderError as error:
        detail = f"the judge gave no verdict: {error.brief}"
    except (Unscorable, OverBudget) as error:  # without its words, which may quote the reply
        detail = f"the judge gave no verdict: {type(error).__name__}"
    return Judged(value=value, detail=detail, cost_usd=sum((reply.cost_usd for reply in paid), Decimal(0)))


def _place(table: Table, line: Line, name: str, allowed: frozenset[str] | None) -> tuple[Spot, str]:
    """Give the first place of a candidate that nothing speaks against; else one, and what does."""
    spots = spots_of(table, Step(candidate=name), allowed, lambda at, model: line.watch.latency_s(at, model, 0.5))
    if not spots:
        return own_spot(table, table.candidates[name]), f"has no place in {regions_words(allowed)}"
    first = ""
    for spot in spots:
        against = line.speaks_against(spot, spill=table.routing.spill)
        if against is None:
            return spot, ""
        first = first or against
    return spots[0], first
