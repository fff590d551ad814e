"""A request -> a reply from the cache, or from the wire within the spending limit.

What was paid for is in the cache before anything else sees it. It knows prices and limits, not cases or scores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from routerctl.costs import Pricer, cost_of_reply, lost_usd
from routerctl.errors import BudgetSpent, ProviderError, RouterctlError
from routerctl.evaluation.cache import ReplyCache, reply_key
from routerctl.providers.pins import served_of
from routerctl.types import Candidate, ProviderSpec, Reply, Request, Usage
from routerctl.words import usd

Again = Callable[[ProviderError], Awaitable[bool]]  # whether a call that failed so may be tried again
Ceiling = Callable[[Candidate, Request], Decimal]  # the most that one call can cost


class PaidCall(Protocol):
    """The wire: (provider name, request) -> a priced reply; `again` is asked before each further attempt."""

    def __call__(self, provider: str, request: Request, *, again: Again) -> Awaitable[Reply]:
        """Ask; raises ProviderError."""


@dataclass(slots=True, kw_only=True)
class Spending:
    """What a run has spent so far; `limit_usd` None = no limit."""

    limit_usd: Decimal | None = None
    spent_usd: Decimal = Decimal(0)
    perhaps_usd: Decimal = Decimal(0)  # the most that attempts without a reply may be billed; counts towards the limit
    reserved_usd: Decimal = Decimal(0)  # by calls in flight
    paid_calls: int = 0
    cached_calls: int = 0  # answered from what earlier runs had kept
    repeated_calls: int = 0  # answered from what this run had kept: the same was asked before, for another candidate
    lost_calls: int = 0  # of runs that were killed: perhaps paid for, and made again
    kept: set[str] = field(default_factory=set, repr=False)  # keys of what this run has put into the cache
    _settled: asyncio.Event = field(default_factory=asyncio.Event, repr=False, compare=False)

    async def room_for(self, amount_usd: Decimal, what: str = "it") -> None:
        """Set the most that a call can cost aside, first waiting for calls in flight where these may leave room.

        `what`: whose call it is, and what bounds its cost. Raises: BudgetSpent where the limit could be passed though
        nothing is in flight.
        """
        while self._too_much(amount_usd) and self.reserved_usd:
            await self._settled.wait()
        self.reserve(amount_usd, what)

    def _too_much(self, amount_usd: Decimal) -> bool:
        taken_usd = self.spent_usd + self.perhaps_usd + self.reserved_usd
        return self.limit_usd is not None and taken_usd + amount_usd > self.limit_usd

    def reserve(self, amount_usd: Decimal, what: str = "it") -> None:
        """Set the most that a call can cost aside before it is made.

        Raises: BudgetSpent where the limit could be passed.
        """
        if self._too_much(amount_usd):
            raise BudgetSpent(
                f"the next call could pass the limit of ${self.limit_usd}: {usd(self.spent_usd)} is spent, and {what} "
                f"may cost {usd(amount_usd)}; what was paid for is kept, and running again continues from there"
            )
        self.reserved_usd += amount_usd

    def settle(self, reserved_usd: Decimal, cost_usd: Decimal, calls: int, perhaps_usd: Decimal = Decimal(0)) -> None:
        """Replace what was set aside by what the call really cost and what attempts without a reply may have cost."""
        self.reserved_usd -= reserved_usd
        self.spent_usd += cost_usd
        self.perhaps_usd += perhaps_usd
        self.paid_calls += calls
        self._settled.set()  # wakes all who wait; the next wait is for the next settlement
        self._settled = asyncio.Event()


@dataclass(slots=True)
class _Held:
    """What is set aside for one call and all attempts at it."""

    spending: Spending
    usd: Decimal
    failed_usd: Decimal = Decimal(0)  # of it, for the tokens of attempts that failed

    async def again(self, problem: ProviderError) -> bool:
        """Set money aside for the next attempt, without waiting for room: calls that wait for each other never end."""
        more = problem.tokens_usd + problem.perhaps_usd - self.failed_usd
        try:
            self.spending.reserve(more)
        except BudgetSpent:
            return False
        self.usd += more
        self.failed_usd += more
        return True


class Caller:
    """Asks one candidate on behalf of one case.

    `replies` are all it got, for the books of a case that fails halfway; `paid_calls` and `paid_usd` are of those that
    were not in the cache, `failed_usd` is what attempts without a reply are known to have cost: time at its price, and
    tokens that were told.
    """

    def __init__(
        self,
        candidate: Candidate,
        provider: ProviderSpec,
        *,
        call: PaidCall,
        cache: ReplyCache | None,
        spending: Spending,
        pricer: Pricer,
        ceiling: Ceiling,
        now: Callable[[], datetime],
    ) -> None:
        self._candidate, self._provider = candidate, provider
        self._call, self._cache, self._spending, self._now = call, cache, spending, now
        self._pricer, self._ceiling = pricer, ceiling
        self.replies: list[Reply] = []
        self.paid_calls, self.paid_usd, self.failed_usd = 0, Decimal(0), Decimal(0)

    @property
    def served_model(self) -> str | None:
        """The id that answered: of several calls one that is not the pin, where there is any; None before the first."""
        return served_of(self._candidate.model, self.replies) if self.replies else None

    @property
    def is_foreign(self) -> bool:
        """Whether another model than the pin answered a call."""
        return self.served_model not in (None, self._candidate.model)

    def has(self, request: Request) -> bool:
        """Tell whether the request was paid for before."""
        return self._cache is not None and self._cache.get(reply_key(request, self._provider)) is not None

    async def ask(self, request: Request) -> Reply:
        """Give the reply that was paid for before, else call and keep it.

        What was paid for before is given with what it would cost at the run's prices, which may have changed since.

        Raises: BudgetSpent before a call that could pass the limit; ProviderError.
        """
        key = reply_key(request, self._provider)
        known = self._cache.get(key) if self._cache else None
        if known is not None:
            if key in self._spending.kept:
                self._spending.repeated_calls += 1
            else:
                self._spending.cached_calls += 1
            cost_usd = cost_of_reply(self._pricer, known.usage, known.latency_s, known.lost_s)
            return self._got(replace(known, cost_usd=cost_usd, perhaps_usd=Decimal(0)))
        held = _Held(self._spending, self._ceiling(self._candidate, request))
        await self._spending.room_for(held.usd, self._most_words(request))
        cost_usd, perhaps_usd, calls = Decimal(0), Decimal(0), 0
        try:
            reply = await self._noted(key, request, held.again)
            cost_usd, perhaps_usd, calls = reply.cost_usd + reply.failed_usd, reply.perhaps_usd, 1
        except ProviderError as error:
            cost_usd, perhaps_usd = error.cost_usd, error.perhaps_usd
            self.failed_usd += cost_usd
            raise
        except asyncio.CancelledError:  # in flight: nobody will know
            perhaps_usd = held.failed_usd + lost_usd(self._pricer, request, 1, 0.0)
            raise
        finally:
            self.paid_calls, self.paid_usd = self.paid_calls + calls, self.paid_usd + cost_usd
            self._spending.settle(held.usd, cost_usd, calls, perhaps_usd)
        return self._got(reply)

    def _got(self, reply: Reply) -> Reply:
        self.replies.append(reply)
        self.failed_usd += reply.failed_usd
        return reply

    def _most_words(self, request: Request) -> str:
        """Say what bounds the cost of a call."""
        timed = self._pricer(Usage(), 1.0) > 0
        most = f"timeout_s {self._provider.timeout_s:g}" if timed else f"max_tokens {request.reply.max_tokens}"
        return f"a call of {self._candidate.name} with {most}"

    async def _noted(self, key: str, request: Request, again: Again) -> Reply:
        """Call, leaving a note until the reply is kept: where the process is killed in between, the note tells."""
        if self._cache is None:
            return await self._call(self._provider.name, request, again=again)
        note = self._cache.asking(key)
        try:
            reply = await self._call(self._provider.name, request, again=again)
        except RouterctlError:  # it is known to have failed; a cancelled call may have been paid for, its note stays
            self._cache.answered(note)
            raise
        self._cache.put(key, reply, created_at=self._now())
        self._spending.kept.add(key)
        self._cache.answered(note)
        return reply
