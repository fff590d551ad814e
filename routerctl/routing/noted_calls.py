"""The calls of one inquiry -> the same calls, each noted in the log before it is made, and what they cost.

So every call that was made has a row, whatever ends its process. One whose end nobody saw counts with the most that it
may have cost. Place: between budgets, which decide what is asked, and the wire.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from routerctl.errors import ProviderError
from routerctl.types import Candidate, Decision, Hop, Reply, Request

if TYPE_CHECKING:
    from routerctl.providers.base import Again, Leaving, WireCall

CANCELLED = "cancelled"  # the outcome of a hop for whose reply nobody waited any more
_NOBODY = "nobody waited for the reply any more"
_ENDED = "the process ended before the reply came"

MostUsd = Callable[[Candidate, Request], Decimal]  # that one attempt can cost
# Writes down what the log would hold of a decision with these hops if the process ended now.
Note = Callable[[Decision, tuple[Hop, ...]], Awaitable[None]]


@dataclass(slots=True)
class _Call:
    """One call: until its end is known, with the most that its last attempt may cost."""

    cost_usd: Decimal = Decimal(0)
    perhaps_usd: Decimal = Decimal(0)
    attempts: int = 0


class PlaceCalls:
    """All calls of one hop; called like the wire."""

    def __init__(self, candidate: Candidate, calls: NotedCalls) -> None:
        self._candidate, self._all, self._made = candidate, calls, list[_Call]()
        self.replies: list[Reply] = []

    def spent(self) -> _Call:
        """Give all of them as one: what is known of their cost, what they may have cost beside that, all attempts."""
        spent = _Call()
        for one in self._made:
            spent.cost_usd += one.cost_usd
            spent.perhaps_usd += one.perhaps_usd
            spent.attempts += one.attempts
        return spent

    async def __call__(
        self, provider: str, request: Request, *, until: float, again: Again = None, leaving: Leaving = None
    ) -> Reply:
        """Make the call, and note each attempt before it leaves."""
        call = _Call()
        self._made.append(call)

        async def once_more(problem: ProviderError) -> bool:
            call.cost_usd, call.perhaps_usd, call.attempts = problem.cost_usd, problem.perhaps_usd, problem.attempts
            return again is None or await again(problem)

        async def leaves() -> None:
            call.perhaps_usd += self._all.most_usd(self._candidate, request)
            call.attempts += 1
            await self._all.note()
            if leaving is not None:
                await leaving()

        try:
            reply = await self._all.call(provider, request, until=until, again=once_more, leaving=leaves)
        except ProviderError as error:
            call.cost_usd, call.perhaps_usd, call.attempts = error.cost_usd, error.perhaps_usd, error.attempts
            raise
        call.cost_usd, call.perhaps_usd = spent_on(reply)
        call.attempts = reply.attempts
        self.replies.append(reply)
        return reply

    def hop(  # what of it the calls do not tell
        self,
        outcome: str,
        detail: str = "",
        why: str = "first",
        *,
        served_model: str | None = None,
        latency_s: float | None = None,
    ) -> Hop:
        """Make the hop of these calls."""
        one, spent = self._candidate, self.spent()
        return Hop(
            candidate=one.name,
            provider=one.provider,
            model=one.model,
            served_model=served_model,
            outcome=outcome,
            cost_usd=spent.cost_usd,
            perhaps_usd=spent.perhaps_usd,
            latency_s=latency_s,
            attempts=spent.attempts,
            detail=detail,
            why=why,
        )


@dataclass(slots=True)
class NotedCalls:
    """What one inquiry has asked so far."""

    call: WireCall
    most_usd: MostUsd
    write: Note | None = None  # None: no log is kept
    decision: Decision | None = None  # as far as it is known; None: nothing is
    hops: list[Hop] = field(default_factory=list)  # that have ended
    _under_way: list[PlaceCalls] = field(default_factory=list)

    def begin(self, candidate: Candidate) -> PlaceCalls:
        """Give the calls of a hop that begins."""
        begun = PlaceCalls(candidate, self)
        self._under_way.append(begun)
        return begun

    def settle(self) -> None:
        """All that was asked so far stands in `hops`."""
        self._under_way.clear()

    async def note(self) -> None:
        """Write down what the log would hold if the process ended now."""
        if self.write and self.decision:
            await self.write(self.decision, self._so_far(_ENDED))

    def cancelled(self) -> Decision | None:
        """Give the decision of an inquiry for which nobody waits any more; None where nobody was asked for it."""
        hops = self._so_far(_NOBODY)
        return replace(self.decision, hops=hops) if self.decision and any(hop.attempts for hop in hops) else None

    def _so_far(self, why: str) -> tuple[Hop, ...]:
        return (*self.hops, *(one.hop(CANCELLED, why) for one in self._under_way))


def spent_on(reply: Reply) -> tuple[Decimal, Decimal]:
    """Give what a call that replied cost as far as it is known, and what more it may have cost, at most.

    A reply whose tokens the provider did not count is priced by an estimate: that is not known.
    """
    if reply.usage.estimated:
        return reply.failed_usd, reply.cost_usd + reply.perhaps_usd
    return reply.cost_usd + reply.failed_usd, reply.perhaps_usd
