"""What serving one inquiry needs of the outside: the wire, a clock, health, budgets; and its deadline."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from routerctl.classify.decide import TextClassifier
from routerctl.errors import ProviderError
from routerctl.routing.noted_calls import MostUsd, PlaceCalls
from routerctl.routing.steps import Place, RungStep, steps_of
from routerctl.types import Candidate, Decision, Inquiry, PlaceKey, Reply, Table

if TYPE_CHECKING:
    from routerctl.providers.base import AnyRequest, WireCall
    from routerctl.routing.budget_gate import Ask, BudgetGate

_MOST_STEPS = 1000  # kept
_SHARE = 0.5  # of the time that is left: what one call may take while others wait for its end


class Watch(Protocol):
    """What is known of the health of places."""

    def allows(self, place: PlaceKey, /) -> bool:
        """Tell whether a place may be called now; a yes to a place on trial holds for this caller alone."""

    def skipped(self, place: PlaceKey, /) -> str | None:
        """Say why a place is not called; None where it is. Asking is no promise to call it."""

    def retired(self, place: PlaceKey, /) -> str | None:
        """Say since when a place has retired its model, as it told a probe; None: not that anybody knows."""

    def record(self, place: PlaceKey, problem: ProviderError | None, latency_s: float | None, /) -> None:
        """Note how a call ended."""

    def latency_s(self, place: PlaceKey, share: float, /) -> float | None:
        """Give a quantile of the place's latest latencies."""


class NoWatch:
    """Nothing is known of any place."""

    def allows(self, _place: PlaceKey, /) -> bool:
        """Let every call through."""
        return True

    def skipped(self, _place: PlaceKey, /) -> str | None:
        """No place is skipped."""
        return None

    def retired(self, _place: PlaceKey, /) -> str | None:
        """No model is."""
        return None

    def record(self, _place: PlaceKey, _problem: ProviderError | None, _latency_s: float | None, /) -> None:
        """Forget it."""

    def latency_s(self, _place: PlaceKey, _share: float, /) -> float | None:
        """Nothing was measured."""
        return None


def _today() -> date:
    return datetime.now(UTC).date()


_chance = random.Random(os.urandom(32))  # noqa: S311 - what tells decisions apart is no secret
os.register_at_fork(after_in_child=lambda: _chance.seed(os.urandom(32)))


def new_id() -> str:
    """Give a name that nothing else has."""
    return f"{_chance.getrandbits(128):032x}"


def _nothing(_candidate: Candidate, _request: AnyRequest) -> Decimal:
    return Decimal(0)


@dataclass(slots=True, kw_only=True)
class Deadline:
    """Until when one inquiry is to be served."""

    clock: Callable[[], float]
    at: float  # on `clock`; infinity: there is none

    def is_over(self) -> bool:
        """Tell whether no time is left."""
        return self.clock() >= self.at

    def share(self) -> float:
        """Give the deadline of a call that must not take all of the time."""
        return self.clock() + (self.at - self.clock()) * _SHARE if math.isfinite(self.at) else self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What serving one inquiry needs of the outside."""

    call: WireCall
    clock: Callable[[], float] = time.monotonic  # seconds; the wire's
    today: Callable[[], date] = _today  # UTC
    new_id: Callable[[], str] = new_id
    classifier: TextClassifier | None = None  # the trained classifier that the table names
    ready: Callable[[str], Awaitable[None]] | None = None  # imports what a provider needs; None: all is there
    watch: Watch = field(default_factory=NoWatch)
    warm: Callable[[str, str], bool] | None = None  # (provider, model) -> answers at once; None: all do
    load: Callable[[str, str], None] | None = None  # begins to load one that does not
    most_usd: MostUsd = _nothing  # that one attempt at a call can cost
    budget_gate: BudgetGate | None = None  # None: there are no budgets
    paid: Ask | None = None  # asks from the purses of one inquiry
    made_ready: set[str] = field(default_factory=set)  # providers
    # By class, rungs and day, of the one table that is served in this context: worked out once.
    steps: dict[tuple[str, tuple[str, ...], date], tuple[RungStep, ...]] = field(default_factory=dict)

    def with_budget(self, inquiry: Inquiry, task_class: str | None) -> Context:
        """Give the context in which every call is paid for by an inquiry; its class may not be known yet."""
        if self.budget_gate is None:
            return self
        return replace(self, paid=self.budget_gate.for_inquiry(inquiry, task_class))

    def steps_of(self, table: Table, decision: Decision) -> tuple[RungStep, ...]:
        """Give the steps of a decision."""
        key = (decision.task_class, decision.rungs, self.today())
        if key not in self.steps:
            if len(self.steps) > _MOST_STEPS:
                self.steps.clear()
            self.steps[key] = steps_of(table, decision, key[2])
        return self.steps[key]

    async def ask(self, candidate: Candidate, request: AnyRequest, until: float, calls: PlaceCalls) -> Reply:
        """Ask a candidate's provider as one of the calls of a hop; raises ProviderError, OverBudget."""
        if self.paid is None:
            return await calls(candidate.provider, request, until=until)
        return await self.paid(candidate, request, until, calls)

    def is_warm(self, place: Place) -> bool:
        """Tell whether a place's model would answer without being loaded first."""
        return self.warm is None or self.warm(*place.key)

    def is_at_hand(self, place: Place) -> bool:
        """Tell whether a place would be called and answer at once; asking is no promise to call it."""
        unwell = self.watch.retired(place.key) or self.watch.skipped(place.key)
        return not unwell and self.is_warm(place)

    def why_skipped(self, place: Place, *, spill: bool = False) -> str | None:
        """Say why a place is not called now; `spill`: a model that has to be loaded first is passed by meanwhile.

        None for a place on trial lets this caller alone through.
        """
        retired = self.watch.retired(place.key)
        if retired:
            return retired
        if spill and not self.is_warm(place):
            if self.load:
                self.load(*place.key)
            return "is not loaded yet; it is being loaded"
        if self.watch.allows(place.key):
            return None
        return self.watch.skipped(place.key) or "is unhealthy"

    def deadline(self, *seconds: float | None) -> Deadline:
        """Give the deadline of an inquiry that has the least of these seconds from now; None: as many as it takes."""
        least = min((one for one in seconds if one), default=math.inf)
        return Deadline(clock=self.clock, at=self.clock() + least)

    async def make_ready(self, place: Place, deadline: Deadline) -> None:
        """Import what a place's provider needs, once a process; the time that this takes is not the inquiry's."""
        if self.ready is not None and place.candidate.provider not in self.made_ready:
            began = self.clock()
            await self.ready(place.candidate.provider)
            self.made_ready.add(place.candidate.provider)
            deadline.at += self.clock() - began
