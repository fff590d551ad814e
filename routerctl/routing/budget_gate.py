"""A call and the budgets it falls under -> the call, made once there is room for it, and booked at what it cost.

Every call of `routing` goes through here where there are budgets: samples, hedges, fallbacks, judges and classifiers
cost money like any other. What is held for a call is the most it can cost, so that what is spent and held together
never passes a cap. Where that does not fit, the call is made with a lower limit on its reply, one that replies hardly
ever reach by the evidence: then the most it can cost is close to what it does cost. What the books mean is for
`budgets` to say.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from routerctl.errors import OverBudget, ProviderError, StateDown
from routerctl.routing.budgets import Purse, Room, gathered, purses_of, renewed, room_for, settled, with_hold
from routerctl.routing.state import Documents, StateStore
from routerctl.types import Budget, Candidate, Inquiry, Reply, Request, StopReason

if TYPE_CHECKING:
    from routerctl.providers.base import WireCall

Ask = Callable[[Candidate, Request, float, "WireCall"], Awaitable[Reply]]  # (who, what, deadline on `clock`, by which)
Offer = tuple[Request, Decimal]  # what may be asked, and the most USD that an attempt at it can cost

_SALT = "salt/users"
_KEPT_S = 40 * 86400.0  # how long the books of a period that is over can be looked at
_GRACE_S = 5.0  # beyond the longest that a call can take: then its process has died
_LEASE_S, _BEAT_S = 30.0, 10.0  # a longer call holds its money anew with every beat: others wait no longer for the dead
_LOOK_S = 0.02  # between two looks whether a call under way has left room; doubles
_LONGEST_LOOK_S = 0.25
_SILENT_S = 2.0  # a longer wait for others' money is said


def _wall() -> datetime:
    return datetime.now(UTC)


def _mute(_words: str) -> None:
    """Tell nobody."""


def _nothing_measured(_candidate: Candidate, _request: Request, _task_class: str | None) -> int | None:
    """Know of no usual length."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetGate:
    """Budgets with their books; one for all inquiries."""

    store: StateStore
    budgets: Sequence[Budget]
    most_usd: Callable[[Candidate, Request], Decimal]  # that an attempt can cost
    longest_s: Callable[[Candidate], float]  # that a call can take, attempts and all
    # Tokens that a reply hardly ever has: (who, what, of which class); None: not known, or another kind of call.
    usual_tokens: Callable[[Candidate, Request, str | None], int | None] = _nothing_measured
    new_id: Callable[[], str]
    warn: Callable[[str], None] = _mute
    now: Callable[[], datetime] = _wall
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    # Of one process only the first in line asks again and again whether there is room, and who came first is first.
    queues: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = field(default_factory=WeakValueDictionary)
    said: set[str] = field(default_factory=set)
    salts: list[bytes] = field(default_factory=list)  # of users' digests, once it is known

    def for_inquiry(self, inquiry: Inquiry, task_class: str | None) -> Ask:
        """Give the function that asks, and pays from the purses of one inquiry."""

        async def paid(candidate: Candidate, request: Request, until: float, call: WireCall) -> Reply:
            purses = purses_of(self.budgets, inquiry, task_class, self.now(), salt=await self._salt())
            if not purses:
                return await call(candidate.provider, request, until=until)
            lowered = _lowered(request, self.usual_tokens(candidate, request, task_class))
            hold = Reservation(self, purses, candidate, [request, *lowered], until)
            reply = await hold.pay(call)
            if hold.request is request or reply.stop_reason is not StopReason.MAX_TOKENS:
                return reply
            # Nobody gets a reply that only the budget cut short.
            return await Reservation(self, purses, candidate, [request], until).pay(call)

        return paid

    async def _salt(self) -> bytes | None:
        """Give the salt of users' digests; None where no budget is per user."""
        if not any(one.per == "user" for one in self.budgets):
            return None
        if not self.salts:
            try:
                self.salts.append(await asyncio.to_thread(salt_of, self.store))
            except StateDown:  # whoever opens the books next hears of it, too; without them any name will do
                return secrets.token_bytes(16)
        return self.salts[0]

    def say_once(self, words: str) -> None:
        """Warn, but not twice of the same."""
        if words not in self.said:
            self.said.add(words)
            self.warn(words)


def salt_of(store: StateStore) -> bytes:
    """Give the salt of users' digests that a project's processes share, made by the first one that wants it.

    Raises: StateDown.
    """

    def change(found: Documents) -> tuple[Documents, str]:
        salt = found[_SALT] or secrets.token_hex(16)
        return {_SALT: salt}, str(salt)

    return bytes.fromhex(store.update([_SALT], change))


def _lowered(request: Request, tokens: int | None) -> list[Request]:
    """Give the request with a lower limit on its reply; nothing where the limit is as low already."""
    if tokens is None or tokens >= request.reply.max_tokens:
        return []
    return [replace(request, reply=replace(request.reply, max_tokens=tokens))]


class Reservation:
    """What one call may cost, held in each of its purses: what attempts at it have cost, and the next one's most."""

    def __init__(
        self,
        budget_gate: BudgetGate,
        purses: Sequence[Purse],
        candidate: Candidate,
        requests: Sequence[Request],
        until: float,
    ) -> None:
        """`requests`: the one wanted, and what may be asked in its place where that does not fit, dearest first."""
        self._paying, self._candidate, self._until = budget_gate, candidate, until
        self._offers = [(request, budget_gate.most_usd(candidate, request)) for request in requests]
        self.request, self._most_usd = self._offers[0]
        self._purses, self._keys, self._name = purses, [purse.key for purse in purses], budget_gate.new_id()
        self._asked_keys = [*self._keys, *(purse.older for purse in purses if purse.older)]
        # Whose cap matters to this candidate.
        self._binding = [purse for purse in purses if candidate.name not in purse.budget.cheap]
        self._usd = self._most_usd  # that all attempts may cost
        self._taken = self._done = False  # held; settled, so that a thread that is late writes nothing
        self._waits = True  # no attempt has left yet

    async def pay(self, call: WireCall) -> Reply:
        """Hold the money, make the call, and book what it cost.

        Raises: OverBudget; ProviderError.
        """
        await self.take()
        spent = None  # where it is not known better: whoever cancels a call that has left may be billed for it
        beating = asyncio.ensure_future(self.beat())
        try:
            place = self._candidate.provider
            reply = await call(place, self.request, until=self._until, again=self.again, leaving=self.leaves)
            spent = reply.cost_usd + reply.failed_usd + reply.perhaps_usd
        except ProviderError as error:
            spent = error.cost_usd + error.perhaps_usd
            raise
        finally:
            beating.cancel()
            self.settle(spent)
        return reply

    async def take(self) -> None:
        """Wait for room, and hold it.

        Raises: OverBudget where there is none, or none in time.
        """
        if not self._binding:
            await self._take()
            return
        queue = self._paying.queues.setdefault(tuple(purse.key for purse in self._binding), asyncio.Lock())
        left_s = self._until - self._paying.clock()
        try:
            async with asyncio.timeout(left_s if math.isfinite(left_s) else None):
                await queue.acquire()
        except TimeoutError:
            raise self._over(self._binding[0], Room(wait=True)) from None
        try:
            await self._take()
        finally:
            queue.release()

    async def _take(self) -> None:
        look_s, began = _LOOK_S, self._paying.clock()
        while True:
            try:
                room, (self.request, self._most_usd) = await asyncio.to_thread(self._try_offers)
                self._usd = self._most_usd
            except StateDown as error:
                self._without_books(error)
                return
            except asyncio.CancelledError:  # the thread may have held the money: nobody was called
                self._taken = True
                self.settle(Decimal(0))
                raise
            if room.short is None:
                self._taken = True
                return
            if not room.wait or self._paying.clock() + look_s >= self._until:
                raise self._over(room.short, room)
            if self._paying.clock() - began >= _SILENT_S:
                self._say_that_it_waits(room.short, room.held_usd)
            await self._paying.sleep(look_s)
            look_s = min(_LONGEST_LOOK_S, look_s * 2)

    def _say_that_it_waits(self, short: Purse, held_usd: Decimal) -> None:
        if short.key not in self._paying.said:  # the amount changes all the time
            self._paying.said.add(short.key)
            self._paying.warn(f"budget {short.budget.name}: waiting for ${held_usd:f} that other calls hold")

    async def again(self, problem: ProviderError) -> bool:
        """Hold the next attempt as well; tell whether there is room for it.

        It is not waited for: two calls that hold what the other one needs would wait for ever.
        """
        usd = problem.cost_usd + problem.perhaps_usd + self._most_usd
        if self._taken and usd > self._usd:
            try:
                room = await asyncio.to_thread(self._try, usd)
            except StateDown:
                room = Room(short=self._closed())
            if room.short is not None:
                self._paying.say_once(f"budget {room.short.budget.name}: too little is left to try a failed call again")
                return False
        self._usd = usd
        return True

    async def leaves(self) -> None:
        """Note that the call leaves: from now on it may be billed, whatever becomes of this process.

        At once and not in a thread: a call must not leave before.
        """
        if self._taken and self._waits:
            self._waits = False
            with suppress(StateDown):
                self._renew()

    async def beat(self) -> None:
        """Hold the money anew, again and again, for as long as the call runs."""
        while self._taken:
            await self._paying.sleep(_BEAT_S)
            with suppress(StateDown):  # then the hold runs out, and counts as spent until it is settled
                await asyncio.to_thread(self._renew)

    def _until_s(self, now_s: float) -> float:
        """When the money is no longer waited for unless it is held anew."""
        left_s = min(self._until - self._paying.clock(), self._paying.longest_s(self._candidate)) + _GRACE_S
        return now_s + min(left_s, _LEASE_S)

    def _try_offers(self) -> tuple[Room, Offer]:
        """Hold the money of the first offer that there is room for; without room the cheapest tells what is short."""
        for offer in self._offers[:-1]:
            room = self._try(offer[1])
            if room.short is None:
                return room, offer
        return self._try(self._offers[-1][1]), self._offers[-1]

    def _try(self, usd: Decimal) -> Room:
        """Hold the money if it is there, in place of what this call holds already."""
        now_s = self._paying.now().timestamp()

        def change(books: Documents) -> tuple[Documents, Room]:
            books, moved = gathered(self._purses, books)
            others = {key: settled(books[key], self._name, Decimal(0)) for key in self._keys}
            room = room_for(self._binding, others, usd, now_s)
            if room.short is not None or self._done:
                return moved, room
            until_s, waits = self._until_s(now_s), self._waits
            held = {key: with_hold(others[key], self._name, usd, until_s, waits=waits) for key in self._keys}
            return moved | held, room

        return self._paying.store.update(self._asked_keys, change, ttl_s=self._ttl_s(now_s))

    def _renew(self) -> None:
        now_s = self._paying.now().timestamp()

        def change(books: Documents) -> tuple[Documents, None]:
            books, moved = gathered(self._purses, books)
            until_s, left = self._until_s(now_s), not self._waits
            return moved | {key: renewed(books[key], self._name, until_s, left=left) for key in self._keys}, None

        self._paying.store.update(self._asked_keys, change, ttl_s=self._ttl_s(now_s))

    def settle(self, usd: Decimal | None) -> None:
        """Book what the call did cost; None: all that it may have cost.

        At once and not in a thread, since it has to happen also while the call is being cancelled; a store that is down
        now said so already, and the hold stays in the books as spent.
        """
        if not self._taken:
            return
        most_usd = Decimal(0) if self._waits else self._usd
        spent, now_s = most_usd if usd is None else usd, self._paying.now().timestamp()
        self._taken, self._done = False, True

        def change(books: Documents) -> tuple[Documents, None]:
            books, moved = gathered(self._purses, books)
            return moved | {key: settled(books[key], self._name, spent) for key in self._keys}, None

        with suppress(StateDown):
            self._paying.store.update(self._asked_keys, change, ttl_s=self._ttl_s(now_s))

    def _ttl_s(self, now_s: float) -> float:
        return max(purse.until.timestamp() for purse in self._purses) - now_s + _KEPT_S

    def _closed(self) -> Purse | None:
        return next((purse for purse in self._binding if purse.budget.when_down == "fail_closed"), None)

    def _without_books(self, error: StateDown) -> None:
        closed = self._closed()
        if closed:
            raise OverBudget(
                f"budget {closed.budget.name}: its spending cannot be read, and it is fail_closed: {error}"
            ) from None
        for purse in self._binding:
            self._paying.say_once(
                f"budget {purse.budget.name} is not enforced and its spending not booked while the shared state is "
                "down: it is fail_open"
            )

    def _over(self, short: Purse, room: Room) -> OverBudget:
        budget, until = short.budget, short.until
        why = "all of it is held by calls under way" if room.wait else "not enough is left"
        return OverBudget(
            f"budget {budget.name}: {why}: ${room.left_usd:f} of ${budget.cap_usd:f} a {budget.period}, the call may "
            f"cost ${self._usd:.6f} ({self._candidate.name}, a reply of {self.request.reply.max_tokens} tokens); it "
            f"resets at {until:%Y-%m-%d %H:%M} UTC",
            cheap=budget.cheap if budget.over == "cheap" else (),
        )
