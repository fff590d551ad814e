"""A step -> its places, asked one after the other until one replies: hops, and an answer where there is one.

A place that should not be called now is skipped; where nobody else replied, the skipped ones are asked as a last
resort.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from routerctl.errors import OverBudget
from routerctl.providers.pins import foreign_of, unpinned_words
from routerctl.routing.context import Context, Deadline
from routerctl.routing.hedge import ask_hedged
from routerctl.routing.hops import NO_ANSWER, SKIPPED, AskPlace, HopResult, idle_hop
from routerctl.routing.noted_calls import NotedCalls, PlaceCalls
from routerctl.routing.steps import Place, RungStep, allowed_regions, places_for
from routerctl.types import Answer, Hop, Inquiry, PlaceKey, Route, Table


class PlaceCaller:
    """Asks the places of one inquiry's steps."""

    def __init__(
        self,
        table: Table,
        context: Context,
        calls: NotedCalls,
        inquiry: Inquiry,
        route: Route,
        *,
        ask: AskPlace,
        deadline: Deadline,
    ) -> None:
        """`calls`: of the inquiry; what is asked is added to their hops. `ask`: how a place is asked."""
        self._table, self._context, self.route = table, context, route
        self._ask_place, self.deadline, self.may_be_cut = ask, deadline, ask.may_be_cut
        self.allowed = allowed_regions(table.routing.residency, inquiry, route.task_class)
        self._passed_by: list[Place] = []
        self.calls, self.hops = calls, calls.hops
        self.alarms: list[str] = []

    def of(self, step: RungStep) -> tuple[Place, ...]:
        """Give the places of a step that may answer, in the order in which they are asked."""
        own = self._table.candidates[step.candidate]

        def median_s(provider: str, model: str) -> float | None:
            measured = self._context.watch.latency_s(PlaceKey(provider, model), 0.5)
            is_own = (provider, model) == (own.provider, own.model)
            return measured or (self._evidence_s(own.name, 0.5) if is_own else None)

        return places_for(self._table, step, self.allowed, median_s)

    async def ask(self, step: RungStep, why: str, *, after: Sequence[RungStep]) -> list[HopResult]:
        """Ask a step's places until one replies; give those that were asked, the one that counts last.

        `after`: the steps that would follow.
        """
        places, tried = self.of(step), list[HopResult]()
        asked: set[tuple[str, str]] = set()
        for number, place in enumerate(places):
            if self.deadline.is_over():
                break
            if place.key in asked:  # as the other half of a hedge
                continue
            others = places[number + 1 :]
            against = self._context.why_skipped(place, spill=self._may_spill(place, others, after))
            if against:
                self._pass_by(place, against, why)
                continue
            ended = await self._ask(place, others, why, more=bool(others or after))
            self._add(*ended)
            asked |= {(one.hop.provider, one.hop.model) for one in ended}
            tried, why = [*tried, *ended], "fallback"
            if ended[-1].answer:
                self._check_pin(ended[-1].hop, ended[-1].answer)
                break
            if isinstance(ended[-1].problem, OverBudget):  # so is the same model elsewhere, as cheap or dearer
                break
            if ended[-1].hop.outcome == NO_ANSWER:  # the model's doing, not the place's
                break
        return tried

    async def ask_passed_by(self) -> Answer | None:
        """Ask the places that were skipped: an answer from one of them is better than none."""
        for number, place in enumerate(self._passed_by):
            if self.deadline.is_over():
                return None
            more = len(self._passed_by) > number + 1
            ended = await self._ask(place, (), "fallback", more=more)
            self._add(*ended)
            tried = ended[-1]
            if tried.answer:
                self._check_pin(tried.hop, tried.answer)
                return tried.answer
        return None

    def retired(self, step: RungStep) -> list[str]:
        """Say where the step's model is retired, and since when, as places told a probe."""
        found = ((self._context.watch.retired(place.key), place) for place in self.of(step))
        return [f"{since} at {place.key.provider}" for since, place in found if since]

    def _may_spill(self, place: Place, others: Sequence[Place], after: Sequence[RungStep]) -> bool:
        """Tell whether a model that has to be loaded is passed by: only for one that need not wait for its own."""
        if not self._table.routing.spill or self._context.is_warm(place):
            return False
        later = chain(others, chain.from_iterable(map(self.of, after)))
        return any(self._context.is_at_hand(other) for other in later)

    def _add(self, *ended: HopResult) -> None:
        self.hops += [one.hop for one in ended]
        self.calls.settle()

    def _pass_by(self, place: Place, against: str, why: str) -> None:
        self.hops.append(idle_hop(place, SKIPPED, against, why))
        if all(place.key != other.key for other in self._passed_by):
            self._passed_by.append(place)

    async def _ask(self, place: Place, others: Sequence[Place], why: str, *, more: bool) -> tuple[HopResult, ...]:
        """Ask a place; `others`: of the same model, for a hedge."""
        await self._context.make_ready(place, self.deadline)
        until = self.deadline.share() if more else self.deadline.at
        after_s = self._p95_s(place) if self._table.routing.hedge and self._ask_place.whole else None
        if after_s is None:
            calls = self.calls.begin(place.candidate)
            return (await self._ask_place(self._context, self.route, place, until=until, why=why, calls=calls),)

        async def ask(at: Place, because: str, calls: PlaceCalls) -> HopResult:
            await self._context.make_ready(at, self.deadline)
            return await self._ask_place(self._context, self.route, at, until=until, why=because, calls=calls)

        spill = self._table.routing.spill

        def other() -> Place:
            return next((one for one in others if not self._context.why_skipped(one, spill=spill)), place)

        return await ask_hedged(ask, self.calls.begin, place, other, why, after_s)

    def _p95_s(self, place: Place) -> float | None:
        """The place's measured p95, else that of the candidate's evidence."""
        return self._context.watch.latency_s(place.key, 0.95) or self._evidence_s(place.candidate.name, 0.95)

    def _evidence_s(self, candidate: str, share: float) -> float | None:
        """The quantile of a candidate's latency in its evidence; None: it was not run on this class."""
        evidence = next((one for one in self.route.evidence if one.candidate == candidate), None)
        if evidence is None:
            return None
        return evidence.latency_p95_s if share > 0.5 else evidence.latency_p50_s

    def _check_pin(self, hop: Hop, answer: Answer) -> None:
        served = foreign_of(hop.model, answer.replies)
        if served:
            self.alarms.append(unpinned_words(hop.candidate, hop.model, served))
