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
from routerctl.types import Candidate, Decision, Hop, Reply

if TYPE_CHECKING:
    from routerctl.providers.base import Again, AnyRequest, Leaving, WireCall

CANCELLED = "cancelled"  # the outcome of a hop for whose reply nobody waited any more
_NOBODY = "nobody waited for the reply any more"
_ENDED = "the process ended before the reply came"

MostUsd = Callable[[Candidate, "AnyRequest"], Decimal]  # that one attempt can cost
# Writes down what the log would hold of a decision with these hops if the process ended now.
Note = Callable[[Decision, Callable[[], tuple[Hop, ...]]], Awaitable[None]]


@dataclass(slots=True)
class _Call:
    """One call: until its end is known, with the most that its last attempt may cost."""

    cost_usd: Decimal = Decimal(0)
    perhaps_usd: Decimal = Decimal(0)
    attempts: int = 0
    under_way: Callable[[], Decimal] | None = None  # what the attempt that has left may cost; None: none has

    def leaves(self, most_usd: Callable[[], Decimal]) -> None:
        """Count an attempt that leaves."""
        self.attempts += 1
        self.under_way = most_usd

    def may_cost(self) -> Decimal:
        """Give what it may have cost beside what is known."""
        return self.perhaps_usd + (self.under_way() if self.under_way else 0)

    def ended(self, end: Reply | ProviderError) -> None:
        """Note what the call came to."""
        if isinstance(end, ProviderError):
            self.cost_usd, self.perhaps_usd = end.cost_usd, end.perhaps_usd
        else:
            self.cost_usd, self.perhaps_usd = spent_on(end)
        self.attempts, self.under_way = end.attempts, None


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
            spent.perhaps_usd += one.may_cost()
            spent.attempts += one.attempts
        return spent

    async def __call__(
        self, provider: str, request: AnyRequest, *, until: float, again: Again = None, leaving: Leaving = None
    ) -> Reply:
        """Make the call, and note each attempt before it leaves; of a stream the end tells what it came to."""
        call = _Call()
        self._made.append(call)

        async def once_more(problem: ProviderError) -> bool:
            call.ended(problem)
            return again is None or await again(problem)

        async def leaves() -> None:
            call.leaves(lambda: self._all.most_usd(self._candidate, request))
            await self._all.note()
            if leaving is not None:
                await leaving()

        try:
            reply = await self._all.call(provider, request, until=until, again=once_more, leaving=leaves)
        except ProviderError as error:
            call.ended(error)
            raise
        self.replies.append(reply)
        if reply.raw is not None and reply.raw.stream is not None:
            reply.raw.stream.then(call.ended)
        else:
            call.ended(reply)
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

    def decided(self, decision: Decision, hops: list[Hop]) -> None:
        """Go on from the decision, and the hops that it took."""
        self.decision, self.hops = decision, hops
        self.settle()

    def settle(self) -> None:
        """All that was asked so far stands in `hops`."""
        self._under_way.clear()

    async def note(self) -> None:
        """Write down what the log would hold if the process ended now."""
        if self.write and self.decision:
            await self.write(self.decision, lambda: self._so_far(_ENDED))

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
