"""An inquiry -> its task class, asked of a model where the table's classifier is one.

An answer does not depend on it: so it gets a share of the time that is left, is skipped where its places cannot be
called now, and sees the prompt only where the residency rules let it.
"""

from __future__ import annotations

from dataclasses import replace

from routerctl.classify.decide import NOT_ASKED, ClassDecision, name_class, named_at_once, named_by_classifier
from routerctl.classify.rules import inquiry_text
from routerctl.errors import OverBudget, ProviderError
from routerctl.providers.pins import served_of
from routerctl.routing.context import Context, Deadline
from routerctl.routing.hops import SKIPPED, first_place, idle_hop, recorded
from routerctl.routing.noted_calls import NotedCalls, PlaceCalls
from routerctl.routing.steps import Place, allowed_regions
from routerctl.types import Hop, Inquiry, Table


async def named(
    table: Table, context: Context, calls: NotedCalls, inquiry: Inquiry, deadline: Deadline
) -> tuple[ClassDecision, list[Hop]]:
    """Name the class; a model that classifies is asked only where neither caller nor rule has named it.

    Raises: InputError where nothing names one.
    """
    asked = table.classifier.candidate if table.classifier else None
    if asked is None:
        return name_class(table, inquiry, context.classifier), []
    at_once = named_at_once(table, inquiry)
    if at_once:
        return at_once, []
    place, against = first_place(table, context, asked, allowed_regions(table.routing.residency, inquiry, None))
    if against:
        hop = idle_hop(place, SKIPPED, against, "classify")
        return named_by_classifier(table, None, NOT_ASKED, unasked=f"the classifier {asked}: {against}"), [hop]
    paying = context.with_budget(inquiry, None)
    task_class, hop = await _classified(table, paying, place, inquiry, deadline, calls=calls.begin(place.candidate))
    return named_by_classifier(table, task_class, NOT_ASKED), [hop]


async def _classified(
    table: Table, context: Context, place: Place, inquiry: Inquiry, deadline: Deadline, *, calls: PlaceCalls
) -> tuple[str | None, Hop]:
    """Ask the model; None where it fails or does not know."""
    from routerctl.classify.classifier.ask_model import ask_class

    classes = {name: item.description for name, item in table.routes.items()}
    await context.make_ready(place, deadline)
    ask = recorded(context, place.candidate, calls, deadline.share())
    try:
        task_class = await ask_class(ask, place.candidate, classes, inquiry_text(inquiry.prompt))
    except (ProviderError, OverBudget) as error:
        return None, calls.hop(type(error).__name__, str(error), "classify")
    return task_class, replace(
        calls.hop("classified", "", "classify"),
        served_model=served_of(place.candidate.model, calls.replies) if calls.replies else None,
        latency_s=sum(reply.latency_s for reply in calls.replies),
    )
