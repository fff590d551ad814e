"""One candidate at one place, asked as its evidence was made -> a hop, and an answer where it replied.

Place: the request line, under the order of steps, which decides who is asked. A failed call is a hop, not an error.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from routerctl.classify.decide import Guesser
from routerctl.errors import OverBudget, ProviderError, RouterctlError
from routerctl.providers.pins import served_of
from routerctl.routing.steps import Spot
from routerctl.types import Answer, Candidate, Hop, Inquiry, Json, Reply, Request, Route, Table

if TYPE_CHECKING:
    from routerctl.providers.base import Again
    from routerctl.routing.budget_gate import Ask, Paying

OVER_BUDGET = "over budget"  # the outcome of a hop that was not called, since a budget had no room for it
SKIPPED = "skipped"  # likewise, since something speaks against calling it
_SHARE = 0.5  # of the time that is left: what one call may take while others wait for its end


class Call(Protocol):
    """The wire: (provider name, request, deadline on `Line.clock`) -> a priced reply."""

    def __call__(self, provider: str, request: Request, *, until: float, again: Again = None) -> Awaitable[Reply]:
        """Ask; `again` allows each further attempt; raises ProviderError."""


class Watch(Protocol):
    """What is known of the health of places, given as provider and model id."""

    def allows(self, provider: str, model: str, /) -> bool:
        """Tell whether a place may be called now; a yes to a place on trial is meant for this caller alone."""

    def skipped(self, provider: str, model: str, /) -> str | None:
        """Say why a place is not called."""

    def retired(self, provider: str, model: str, /) -> str | None:
        """Say since when a place has retired its model, as it told a probe; None: not that anybody knows."""

    def record(self, provider: str, model: str, problem: ProviderError | None, latency_s: float | None, /) -> None:
        """Note how a call ended."""

    def latency_s(self, provider: str, model: str, share: float, /) -> float | None:
        """Give a quantile of the place's latest latencies."""


class NoWatch:
    """Nothing is known of any place."""

    def allows(self, _provider: str, _model: str, /) -> bool:
        """Let every call through."""
        return True

    def skipped(self, _provider: str, _model: str, /) -> str | None:
        """No place is skipped."""
        return None

    def retired(self, _provider: str, _model: str, /) -> str | None:
        """No model is."""
        return None

    def record(self, _provider: str, _model: str, _problem: ProviderError | None, _latency_s: float | None, /) -> None:
        """Forget it."""

    def latency_s(self, _provider: str, _model: str, _share: float, /) -> float | None:
        """Nothing was measured."""
        return None


def _today() -> date:
    return datetime.now(UTC).date()


def _new_id() -> str:
    return uuid.uuid4().hex


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
class Line:
    """What serving needs of the outside."""

    call: Call
    clock: Callable[[], float] = time.monotonic  # seconds; the wire's
    today: Callable[[], date] = _today  # UTC
    new_id: Callable[[], str] = _new_id
    guesser: Guesser | None = None  # the trained classifier that the table names
    ready: Callable[[str], Awaitable[None]] | None = None  # imports what a provider needs; None: all is there
    watch: Watch = field(default_factory=NoWatch)
    warm: Callable[[str, str], bool] | None = None  # (provider, model) -> answers at once; None: all do
    arm: str = ""  # of the experiment that this line belongs to
    unit: str = ""  # digest of what put the inquiry into the arm
    propensity: float = 1.0  # the arm's share of the inquiries
    rival: Table | None = None  # the other arm's: whom both choose has the chance 1
    paying: Paying | None = None  # None: there are no budgets
    paid: Ask | None = None  # asks from the purses of one inquiry

    def paid_by(self, inquiry: Inquiry, task_class: str | None) -> Line:
        """Give the line on which every call is paid for by an inquiry; its class may not be known yet."""
        if self.paying is None:
            return self
        return replace(self, paid=self.paying.for_inquiry(inquiry, task_class, self.call))

    async def ask(self, candidate: Candidate, request: Request, until: float) -> Reply:
        """Ask a candidate's provider; raises ProviderError, OverBudget."""
        return await (self.paid or self._plain)(candidate, request, until)

    def speaks_against(self, spot: Spot, *, spill: bool = False) -> str | None:
        """Say why a place is not called now; `spill`: a model that has to be loaded first is passed by meanwhile.

        A None to a place on trial is meant for this caller alone.
        """
        retired = self.watch.retired(*spot.key)
        if retired:
            return retired
        if spill and self.warm and not self.warm(*spot.key):
            return "is not loaded yet; it is being loaded"
        if self.watch.allows(*spot.key):
            return None
        return self.watch.skipped(*spot.key) or "is not well"

    def deadline(self, seconds: float | None) -> Deadline:
        """Give the deadline of an inquiry that has so many seconds from now; None: as many as it takes."""
        return Deadline(clock=self.clock, at=self.clock() + seconds if seconds else math.inf)

    async def make_ready(self, spot: Spot, deadline: Deadline) -> None:
        """Import what a place's provider needs, once a process; the time that this takes is not the inquiry's."""
        if self.ready is not None:
            began = self.clock()
            await self.ready(spot.candidate.provider)
            deadline.at += self.clock() - began

    async def _plain(self, candidate: Candidate, request: Request, until: float) -> Reply:
        return await self.call(candidate.provider, request, until=until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """How asking one place ended."""

    hop: Hop
    answer: Answer | None = None
    problem: RouterctlError | None = None


async def ask_spot(line: Line, route: Route, spot: Spot, value: Json, *, until: float, why: str) -> Tried:
    """Ask one place: same prompt, same strategy as in the evaluation.

    Raises: InputError where the input does not fit the class's template.
    """
    from routerctl.strategies import answer as strategies
    from routerctl.strategies.prompts import render_prompt

    prompt = render_prompt(route.prompt, value)
    paid: list[Reply] = []
    try:
        answer = await strategies.answer(
            recorded(line, spot.candidate, paid, until), spot.candidate, prompt, route.reply, route.scorer
        )
    except ProviderError as error:
        return Tried(hop=_failed_hop(spot, error, paid, why), problem=error)
    except OverBudget as error:
        spent = sum((reply.cost_usd for reply in paid), error.cost_usd)
        return Tried(hop=replace(idle_hop(spot, OVER_BUDGET, str(error), why), cost_usd=spent), problem=error)
    return Tried(hop=_served_hop(spot, answer, why), answer=answer)


def recorded(
    line: Line, candidate: Candidate, paid: list[Reply], until: float
) -> Callable[[Request], Awaitable[Reply]]:
    """Make the function that asks a candidate's place, keeps what was paid for and notes how each call ended."""
    place = candidate.provider, candidate.model

    async def ask(request: Request) -> Reply:
        try:
            reply = await line.ask(candidate, request, until)
        except ProviderError as error:
            line.watch.record(*place, error, None)
            raise
        line.watch.record(*place, None, reply.latency_s)
        paid.append(reply)
        return reply

    return ask


def _served_hop(spot: Spot, answer: Answer, why: str) -> Hop:
    return Hop(
        candidate=spot.candidate.name,
        provider=spot.candidate.provider,
        model=spot.candidate.model,
        served_model=served_of(spot.candidate.model, answer.replies),
        outcome="served",
        cost_usd=answer.cost_usd,
        latency_s=answer.latency_s,
        attempts=sum(reply.attempts for reply in answer.replies),
        why=why,
    )


def _failed_hop(spot: Spot, error: ProviderError, paid: Sequence[Reply], why: str) -> Hop:
    """A strategy may fail after some of its calls were paid for: their cost stays in the books."""
    return replace(
        idle_hop(spot, type(error).__name__, str(error), why),
        cost_usd=sum((reply.cost_usd for reply in paid), Decimal(0)),
        attempts=sum(reply.attempts for reply in paid) + error.attempts,
    )


def idle_hop(spot: Spot, outcome: str, detail: str, why: str) -> Hop:
    """Make the hop of a place that gave nothing."""
    return Hop(
        candidate=spot.candidate.name,
        provider=spot.candidate.provider,
        model=spot.candidate.model,
        served_model=None,
        outcome=outcome,
        cost_usd=Decimal(0),
        latency_s=None,
        attempts=0,
        detail=detail,
        why=why,
    )


async def ask_hedged(
    ask: Callable[[Spot, str], Awaitable[Tried]], spot: Spot, other: Callable[[], Spot], why: str, after_s: float
) -> tuple[Tried, ...]:
    """Ask a place, after a while another one of the same model as well; the last of what is given counts.

    `other` is asked for only then: looking whether a place may be called can be a promise to call it.

    The tail at scale (Dean & Barroso, CACM 56(2), 2013): few requests are asked twice, the slowest ones are cut off.
    """
    first: asyncio.Future[Tried] = asyncio.ensure_future(ask(spot, why))
    flying = {first: (spot, why)}
    try:
        done, _ = await asyncio.wait({first}, timeout=after_s)
        if not done:
            second = other()
            flying[asyncio.ensure_future(ask(second, "hedge"))] = (second, "hedge")
        spots = dict(flying)
        ended: list[Tried] = []
        while flying:
            done, _ = await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                flying.pop(task)
                ended.append(task.result())
            won = next((one for one in ended if one.answer), None)
            if won:
                late = [_late(one) for one in ended if one is not won]
                lost = [Tried(hop=idle_hop(spots[task][0], "cancelled", _LOST, spots[task][1])) for task in flying]
                return (*late, *lost, won)
        return tuple(ended)
    finally:
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)


def _late(one: Tried) -> Tried:
    """The half of a hedge that is not delivered: where it replied as well, it was paid for in vain."""
    return replace(one, hop=replace(one.hop, outcome="cancelled"), answer=None) if one.answer else one


_LOST = "the other request of the hedge replied first; what this one cost is not known"
