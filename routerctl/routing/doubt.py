"""A reply -> whether it is confident enough to be served, by the thresholds of its step.

A judge, which costs a call, is asked only where its word can change what is served; it gets a share of the time that is
left, is skipped where its places cannot be called now, and sees the prompt only where the residency rules let it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from routerctl.errors import InputError, OverBudget, ProviderError
from routerctl.routing.context import Context
from routerctl.routing.hops import first_place, recorded
from routerctl.routing.places import PlaceCaller
from routerctl.routing.steps import RungStep, allowed_regions
from routerctl.strategies.confidence import YES, delivered_of_answer, first_below, is_cut_off, signal_values
from routerctl.types import Answer, Inquiry, Route, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a judge said of a reply."""

    value: float | None  # in [0, 1]; None: it gave no verdict
    detail: str = ""  # why not
    cost_usd: Decimal = Decimal(0)
    perhaps_usd: Decimal = Decimal(0)


async def doubt(  # noqa: PLR0917 - whose reply, to what, by which step
    table: Table,
    context: Context,
    inquiry: Inquiry,
    caller: PlaceCaller,
    step: RungStep,
    answer: Answer,
    *,
    more: Callable[[], bool],
) -> str | None:
    """Name the signal that is below its threshold where `more` steps could be asked, and write it into the last hop.

    An answer that is still coming is not doubted: its first words are the caller's already.
    """
    if answer.is_coming:
        return None
    wanted = step.below
    is_half = not caller.may_be_cut and is_cut_off(answer, caller.route)
    if "complete" not in wanted and is_half:  # half an answer is none, threshold or not
        wanted = {**wanted, "complete": YES}
    if not wanted:
        return None
    is_more = more()
    below = {name: least for name, least in wanted.items() if is_more or name != "judge"}
    values, detail = await _values(table, context, inquiry, caller, below, answer)
    signal = first_below(values, below) if is_more else None
    outcome = "served"
    if signal is not None:
        outcome, detail = "not confident", f"{signal} is {values[signal]:.3g}, below {below[signal]:g}"
    caller.hops[-1] = replace(caller.hops[-1], outcome=outcome, detail=detail, confidence=values)
    return signal


async def _values(  # noqa: PLR0917 - as above
    table: Table, context: Context, inquiry: Inquiry, caller: PlaceCaller, below: Mapping[str, float], answer: Answer
) -> tuple[Mapping[str, float], str]:
    """Measure the signals that have a threshold; give them, and why a judge gave no verdict."""
    route, hops = caller.route, caller.hops
    delivered, detail = delivered_of_answer(answer, route.reply, route.scorer), ""
    if "judge" in below:
        said = await judged(table, context, inquiry, caller, answer)
        delivered, detail = replace(delivered, judge_score=said.value), said.detail
        hops[-1] = replace(
            hops[-1],
            cost_usd=hops[-1].cost_usd + said.cost_usd,
            perhaps_usd=hops[-1].perhaps_usd + said.perhaps_usd,
        )
        caller.calls.settle()
    if "schema" in below:  # a schema with a costly pattern is given seconds, in which others are served
        return await asyncio.to_thread(signal_values, delivered, below), detail
    return signal_values(delivered, below), detail


def unfinished(table: Table, route: Route, answer: Answer) -> str:
    """Say of a reply that is served what it lacks to be whole; "" where nothing, or where the table wants no more.

    A threshold of 0 says that half an answer is as good as any.
    """
    thresholds = table.routing.thresholds
    of_class = thresholds.get(route.task_class, thresholds.get("default", {}))
    if of_class.get("complete") == 0 or answer.is_coming or not is_cut_off(answer, route):
        return ""
    return (
        f"the reply was cut off ({answer.stop_reason.value}), and no later rung gave a whole one; raise max_tokens, or "
        f"accept it: routing: thresholds: {{{route.task_class}: {{complete: 0}}}}"
    )


async def judged(table: Table, context: Context, inquiry: Inquiry, caller: PlaceCaller, answer: Answer) -> Judged:
    """Have the class's own judge score a reply; a class whose scorer is no judge has none."""
    route, deadline = caller.route, caller.deadline
    if route.scorer.name != "judge":
        return Judged(value=None, detail=f"no judge: the class's scorer is {route.scorer.name}")
    from routerctl.scorers import Unscorable
    from routerctl.strategies.judge import judge_named, judge_reply

    try:
        judge = judge_named(route.scorer, table.candidates)
    except InputError as error:
        return Judged(value=None, detail=f"no judge: {error}")
    allowed = allowed_regions(table.routing.residency, inquiry, route.task_class)
    place, against = first_place(table, context, judge.name, allowed)
    if against:
        return Judged(value=None, detail=f"the judge {judge.name}: {against}")
    await context.make_ready(place, deadline)
    calls = caller.calls.begin(place.candidate)
    ask = recorded(context, place.candidate, calls, deadline.share())
    value, detail = None, ""
    try:
        score, _ = await judge_reply(ask, place.candidate, route.scorer, inquiry.prompt, None, answer.text)
        value = score.value
    except ProviderError as error:
        detail = f"the judge gave no verdict: {error.brief}"
    except (Unscorable, OverBudget) as error:  # without its words, which may quote the reply
        detail = f"the judge gave no verdict: {type(error).__name__}"
    spent = calls.spent()
    return Judged(value=value, detail=detail, cost_usd=spent.cost_usd, perhaps_usd=spent.perhaps_usd)
