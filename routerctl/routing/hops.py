"""One candidate at one place, asked as its evidence was made -> a hop, and an answer where it replied.

`route` and `places` decide who is asked. A failed call is a hop, not an error.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from routerctl.errors import OverBudget, ProviderError, RouterctlError
from routerctl.providers.pins import served_of
from routerctl.routing.context import Context
from routerctl.routing.noted_calls import PlaceCalls
from routerctl.routing.steps import Place, RungStep, own_place, places_for, regions_words
from routerctl.types import Answer, Candidate, Hop, Json, PlaceKey, Prompt, Reply, Route, Table

if TYPE_CHECKING:
    from routerctl.providers.base import AnyRequest

OVER_BUDGET = "over budget"  # the outcome of a hop that was not called, since a budget had no room for it
SKIPPED = "skipped"  # likewise, since something speaks against calling it
NO_ANSWER = "no answer"  # of one that replied, but with nothing that anybody could read


@dataclass(frozen=True, slots=True, kw_only=True)
class HopResult:
    """How asking one place ended."""

    hop: Hop
    answer: Answer | None = None
    problem: RouterctlError | None = None


class AskPlace(Protocol):
    """How one place is asked what an inquiry wants of it."""

    @property
    def whole(self) -> bool:
        """Whether it waits for whole answers, which alone can be hedged."""

    @property
    def may_be_cut(self) -> bool:
        """Whether who asks limits the answer's length: one that is cut off is then what was asked for."""

    def __call__(
        self, context: Context, route: Route, place: Place, *, until: float, why: str, calls: PlaceCalls
    ) -> Awaitable[HopResult]:
        """Ask one place; `calls`: of this hop, none made yet. Raises InputError where it cannot be asked at all."""


@dataclass(frozen=True, slots=True)
class AskWithTemplate:
    """Asks with the class's own template, as its evidence was made."""

    value: Json  # the template's input
    whole: bool = True
    may_be_cut: bool = False

    async def __call__(
        self, context: Context, route: Route, place: Place, *, until: float, why: str, calls: PlaceCalls
    ) -> HopResult:
        """Ask one place; raises InputError where the input does not fit the template."""
        from routerctl.strategies.prompts import render_prompt

        prompt = render_prompt(route.prompt, self.value)
        return await ask_place(context, route, place, prompt, until=until, why=why, calls=calls)


async def ask_place(
    context: Context, route: Route, place: Place, prompt: Prompt, *, until: float, why: str, calls: PlaceCalls
) -> HopResult:
    """Ask one place in the candidate's own way; an answer in which nothing stands is none."""
    from routerctl.strategies import answer as strategies

    ask = recorded(context, place.candidate, calls, until)
    try:
        answer = await strategies.answer(ask, place.candidate, prompt, route.reply, route.scorer)
    except ProviderError as error:
        return HopResult(hop=calls.hop(type(error).__name__, str(error), why), problem=error)
    except OverBudget as error:
        return HopResult(hop=calls.hop(OVER_BUDGET, str(error), why), problem=error)
    served = served_of(place.candidate.model, answer.replies)
    if not strategies.says_something(answer.text):
        return HopResult(hop=calls.hop(NO_ANSWER, empty(answer), why, served_model=served, latency_s=answer.latency_s))
    return HopResult(hop=calls.hop("served", "", why, served_model=served, latency_s=answer.latency_s), answer=answer)


def recorded(
    context: Context, candidate: Candidate, calls: PlaceCalls, until: float
) -> Callable[[AnyRequest], Awaitable[Reply]]:
    """Make the function that asks a candidate's place as one of the calls of a hop, and notes how each one ended.

    A stream has gone well with its first content, unless it breaks off later.
    """
    place = PlaceKey(candidate.provider, candidate.model)

    def ended(end: Reply | ProviderError) -> None:
        if isinstance(end, ProviderError):
            context.watch.record(place, end, None)

    async def ask(request: AnyRequest) -> Reply:
        try:
            reply = await context.ask(candidate, request, until, calls)
        except ProviderError as error:
            context.watch.record(place, error, None)
            raise
        context.watch.record(place, None, reply.latency_s)
        if reply.raw is not None and reply.raw.stream is not None:
            reply.raw.stream.then(ended)
        return reply

    return ask


def empty(answer: Answer) -> str:
    """Say how a reply ended in which nothing stands."""
    detail = next((f", {reply.detail}" for reply in answer.replies if reply.detail), "")
    return f"replied with nothing (it ended with: {answer.stop_reason.value}{detail})"


def idle_hop(place: Place, outcome: str, detail: str, why: str) -> Hop:
    """Make the hop of a place that gave nothing."""
    return Hop(
        candidate=place.candidate.name,
        provider=place.candidate.provider,
        model=place.candidate.model,
        served_model=None,
        outcome=outcome,
        cost_usd=Decimal(0),
        latency_s=None,
        attempts=0,
        detail=detail,
        why=why,
    )


def first_place(table: Table, context: Context, name: str, allowed: frozenset[str] | None) -> tuple[Place, str]:
    """Give the first place of a candidate that nothing speaks against; else one, and what does."""
    places = places_for(
        table, RungStep(candidate=name), allowed, lambda at, model: context.watch.latency_s(PlaceKey(at, model), 0.5)
    )
    if not places:
        return own_place(table, table.candidates[name]), f"has no place in {regions_words(allowed)}"
    first = ""
    for place in places:
        against = context.why_skipped(place, spill=table.routing.spill)
        if against is None:
            return place, ""
        first = first or against
    return places[0], first
