"""A call and the budgets it falls under -> the call, made once there is room for it, and booked at what it cost.

Every call of the request line goes through here where there are budgets: samples, hedges, fallbacks, judges and
classifiers cost money like any other. Place: the request line, under `asking`; what the books mean is the arithmetic's.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from weakref import WeakValueDictionary

from routerctl.budgets import Purse, Room, purses_of, room_for, settled, with_hold
from routerctl.errors import OverBudget, ProviderError, StateDown
from routerctl.state import Documents, StateStore
from routerctl.types import Budget, Candidate, Inquiry, Reply, Request

Ask = Callable[[Candidate, Request, float], Awaitable[Reply]]  # (who, what, deadline on `clock`)

_KEPT_S = 40 * 86400.0  # how long the books of a period that is over can be looked at
_GRACE_S = 5.0  # beyond the longest that a call can take: then its process has died
_LOOK_S = 0.02  # between two looks whether a call under way has left room; doubles
_LONGEST_LOOK_S = 0.25


def _wall() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paying:
    """Budgets with their books; one for all inquiries."""

    store: StateStore
    budgets: Sequence[Budget]
    most_usd: Callable[[Candidate, Request], Decimal]
    longest_s: Callable[[Candidate], float]  # that a call can take, attempts and all
    new_id: Callable[[], str]
    now: Callable[[], datetime] = _wall
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    # Of one process only the first in line asks again and again whether there is room, and who came first is first.
    queues: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def for_inquiry(self, inquiry: Inquiry, task_class: str | None, ask: Ask) -> Ask:
        """Give the function that asks, and pays from the purses of one inquiry."""

        async def paid(candidate: Candidate, request: Request, until: float) -> Reply:
            purses = purses_of(self.budgets, inquiry, task_class, self.now())
            if not purses:
                return await ask(candidate, request, until)
            hold = _Hold(self, purses, self.new_id(), self.most_usd(candidate, request))
            await hold.take(candidate, until)
            spent = hold.usd  # unless it is known better: whoever cancels a call may be billed for it
            try:
                reply = await ask(candidate, request, until)
                spent = reply.cost_usd
            except ProviderError as error:
                spent = hold.usd if error.may_be_billed else Decimal(0)
                raise
            finally:
                hold.settle(spent)
            return reply

        return paid


class _Hold:
    """What one call may cost, held in each of its purses."""

    def __init__(self, paying: Paying, purses: Sequence[Purse], name: str, usd: Decimal) -> None:
        self._paying, self._name, self.usd = paying, name, usd
        self._purses = purses
        self._keys = [purse.key for purse in purses]
        self._taken = False

    async def take(self, candidate: Candidate, until: float) -> None:
        """Wait for room, and hold it.

        Raises: OverBudget where there is none, or none in time.
        """
        binding = [purse for purse in self._purses if candidate.name not in purse.budget.cheap]
        if not binding:
            await self._take(candidate, binding, until)
            return
        queue = self._paying.queues.setdefault(tuple(purse.key for purse in binding), asyncio.Lock())
        left_s = until - self._paying.clock()
        try:
            async with asyncio.timeout(left_s if math.isfinite(left_s) else None):
                await queue.acquire()
        except TimeoutError:
            raise _over(binding[0], Room(wait=True), self.usd) from None
        try:
            await self._take(candidate, binding, until)
        finally:
            queue.release()

    async def _take(self, candidate: Candidate, binding: Sequence[Purse], until: float) -> None:
        look_s = _LOOK_S
        while True:
            try:
                room = await asyncio.to_thread(self._try, binding, self._lease_s(candidate, until))
            except StateDown as error:
                self._without_books(binding, error)
                return
            if room.short is None:
                self._taken = True
                return
            if not room.wait or self._paying.clock() + look_s >= until:
                raise _over(room.short, room, self.usd)
            await self._paying.sleep(look_s)
            look_s = min(_LONGEST_LOOK_S, look_s * 2)

    def _lease_s(self, candidate: Candidate, until: float) -> float:
        """How long the money is held at most."""
        return min(until - self._paying.clock(), self._paying.longest_s(candidate)) + _GRACE_S

    def _try(self, binding: Sequence[Purse], lease_s: float) -> Room:
        """Hold the money if it is there; `binding`: the purses whose cap matters to this candidate."""
        now_s = self._paying.now().timestamp()

        def change(books: Documents) -> tuple[Documents, Room]:
            room = room_for(binding, books, self.usd, now_s)
            if room.short is not None:
                return {}, room
            return {key: with_hold(books[key], self._name, self.usd, now_s + lease_s) for key in self._keys}, room

        return self._paying.store.update(self._keys, change, ttl_s=self._ttl_s(now_s))

    def settle(self, usd: Decimal) -> None:
        """Book what the call did cost.

        At once and not in a thread, since it has to happen also while the call is being cancelled; a store that is down
        now said so already, and the hold stays in the books as spent.
        """
        if not self._taken:
            return
        now_s = self._paying.now().timestamp()

        def change(books: Documents) -> tuple[Documents, None]:
            return {key: settled(books[key], self._name, usd) for key in self._keys}, None

        try:
            self._paying.store.update(self._keys, change, ttl_s=self._ttl_s(now_s))
        except StateDown:
            self._taken = False

    def _ttl_s(self, now_s: float) -> float:
        return max(purse.until.timestamp() for purse in self._purses) - now_s + _KEPT_S

    def _without_books(self, binding: Sequence[Purse], error: StateDown) -> None:
        closed = next((purse for purse in binding if purse.budget.when_down == "fail_closed"), None)
        if closed:
            raise OverBudget(
                f"budget {closed.budget.name}: the books cannot be read, and it is fail_closed: {error}"
            ) from None


def _over(short: Purse, room: Room, usd: Decimal) -> OverBudget:
    budget, until = short.budget, short.until
    why = "all of it is held by calls under way" if room.wait else "not enough is left"
    return OverBudget(
        f"budget {budget.name}: {why}: ${room.left_usd:f} of ${budget.cap_usd:f} a {budget.period}, the call may cost "
        f"${usd:.6f}; it begins anew at {until:%Y-%m-%d %H:%M} UTC",
        cheap=budget.cheap if budget.over == "cheap" else (),
    )
