"""A request -> a reply from the cache, or from the wire within the spending limit.

What was paid for is in the cache before anybody else sees it. Place: the evaluation line, between a strategy and the
wire; it knows prices and budgets, not cases or scores.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from routerctl.cache import ReplyCache, reply_key
from routerctl.costs import Pricer, cost_of_reply, lost_usd
from routerctl.errors import BudgetSpent, ProviderError, RouterctlError
from routerctl.types import Candidate, ProviderSpec, Reply, Request, Usage

Again = Callable[[ProviderError], Awaitable[bool]]  # whether a call that failed so may be tried again
Ceiling = Callable[[Candidate, Request], Decimal]  # the most that one call can cost


class Call(Protocol):
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
    cached_calls: int = 0
    lost_calls: int = 0  # of runs that were killed: perhaps paid for, and asked again
    _settled: asyncio.Event = field(default_factory=asyncio.Event, repr=False, compare=False)

    async def room_for(self, amount_usd: Decimal, what: str = "it") -> None:
        """Set the most that a call can cost aside, first waiting for calls in flight where these may leave room.

        `what`: whose call it is, and what decides its most. Raises: BudgetSpent where the limit could be passed though
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
                f"the next call could pass the limit of ${self.limit_usd}: ${self.spent_usd:.6f} is spent, and {what} "
                f"may cost ${amount_usd:.6f}; what was paid for is kept, and running again goes on from there"
            )
        self.reserved_usd += amount_usd

    def settle(self, reserved_usd: Decimal, cost_usd: Decimal, calls: int, perhaps_usd: Decimal = Decimal(0)) -> None:
        """Replace what was set aside by what it cost in truth, and what attempts without a reply may have cost."""
        self.reserved_usd -= reserved_usd
        self.spent_usd += cost_usd
        self.perhaps_usd += perhaps_usd
        self.paid_calls += calls
        self._settled.set()  # wakes all who wait; the next wait is for the next settlement
        self._settled = asyncio.Event()


class Caller:
    """Asks one candidate on behalf of one case.

    `paid` tells whether any reply had to be paid for in this run; `replies` are all it got, for the books of a case
    that fails halfway.
    """

    def __init__(
        self,
        candidate: Candidate,
        provider: ProviderSpec,
        *,
        call: Call,
        cache: ReplyCache | None,
        spending: Spending,
        pricer: Pricer,
        ceiling: Ceiling,
        now: Callable[[], datetime],
    ) -> None:
        self._candidate, self._provider = candidate, provider
        self._call, self._cache, self._spending, self._now = call, cache, spending, now
        self._pricer, self._ceiling = pricer, ceiling
        self.paid = False
        self.replies: list[Reply] = []

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
            self._spending.cached_calls += 1
            self.replies.append(replace(known, cost_usd=cost_of_reply(known, self._pricer)))
            return self.replies[-1]
        ceiling_usd = self._ceiling(self._candidate, request)
        await self._spending.room_for(ceiling_usd, self._most_words(request))
        billed_usd = lost_usd(self._pricer, request, 1, 0.0)  # an attempt without a reply, at most
        cost_usd, calls, held_usd, perhaps_usd = Decimal(0), 0, ceiling_usd, Decimal(0)

        async def again(problem: ProviderError) -> bool:
            """Hold the next attempt as well; it is not waited for, as calls that wait for each other never end."""
            nonlocal held_usd, perhaps_usd
            if problem.may_be_billed:
                try:
                    self._spending.reserve(billed_usd)
                except BudgetSpent:
                    return False
                held_usd, perhaps_usd = held_usd + billed_usd, perhaps_usd + billed_usd
            return True

        try:
            reply = await self._noted(key, request, again)
            cost_usd, calls, self.paid = reply.cost_usd, 1, True
        except ProviderError as error:  # where time is the price, it was paid for
            cost_usd = self._pricer(Usage(), error.lost_s + error.spent_s)
            perhaps_usd += billed_usd if error.may_be_billed else 0
            raise
        finally:
            self._spending.settle(held_usd, cost_usd, calls, perhaps_usd)
        self.replies.append(reply)
        return reply

    def _most_words(self, request: Request) -> str:
        """Say what decides the most that a call can cost."""
        timed = self._pricer(Usage(), 1.0) > 0
        most = f"timeout_s {self._provider.timeout_s:g}" if timed else f"max_tokens {request.reply.max_tokens}"
        return f"a call of {self._candidate.name} with {most}, which decides that,"

    async def _noted(self, key: str, request: Request, again: Again) -> Reply:
        """Call, leaving a note until the reply is kept: where the process is killed in between, the note tells."""
        if self._cache is None:
            return await self._call(self._provider.name, request, again=again)
        note = self._cache.asking(key, at=self._now())
        try:
            reply = await self._call(self._provider.name, request, again=again)
        except RouterctlError:  # told to have failed; a cancelled call may have been paid for, its note stays
            self._cache.answered(note)
            raise
        self._cache.put(key, reply, created_at=self._now())
        self._cache.answered(note)
        return reply
