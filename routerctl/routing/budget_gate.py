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

from routerctl.costs import most_tokens
from routerctl.errors import OverBudget, ProviderError, StateDown
from routerctl.routing.budgets import Purse, Room, gathered, purses_of, renewed, room_for, settled, with_hold
from routerctl.routing.state import Documents, StateStore
from routerctl.routing.state.base import Change
from routerctl.routing.state.batch import UpdateBatch
from routerctl.routing.user_salt import salt_of
from routerctl.types import Budget, Candidate, Inquiry, RawRequest, Reply, Request, StopReason

if TYPE_CHECKING:
    from routerctl.providers.base import WireCall

AnyRequest = Request | RawRequest  # as `providers.base` has it, which is imported only to serve
Ask = Callable[[Candidate, AnyRequest, float, "WireCall"], Awaitable[Reply]]  # (who, what, deadline, by which)
Offer = tuple[AnyRequest, Decimal]  # what may be asked, and the most USD that an attempt at it can cost

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
    most_usd: Callable[[Candidate, AnyRequest], Decimal]  # that an attempt can cost
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
    batch: UpdateBatch | None = (
        None  # of the store, where many are served at once: calls leave as soon as they are held
    )
    said: set[str] = field(default_factory=set)
    salts: list[bytes] = field(default_factory=list)  # of users' digests, once it is known

    def for_inquiry(self, inquiry: Inquiry, task_class: str | None) -> Ask:
        """Give the function that asks, and pays from the purses of one inquiry."""

        async def paid(candidate: Candidate, request: AnyRequest, until: float, call: WireCall) -> Reply:
            purses = purses_of(self.budgets, inquiry, task_class, self.now(), salt=await self._salt())
            if not purses:
                return await call(candidate.provider, request, until=until)
            if isinstance(request, RawRequest):  # an application's own limit stands
                return await Reservation(self, purses, candidate, [request], until).pay(call)
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


def _lowered(request: Request, tokens: int | None) -> list[Request]:
    """Give the request with a lower limit on its reply; nothing where the limit is as low already."""
    if tokens is None or tokens >= request.reply.max_tokens:
        return []
    return [replace(request, reply=replace(request.reply, max_tokens=tokens))]


def _spent(end: Reply | ProviderError) -> Decimal:
    """Give what a call cost, and at most may have cost beside that."""
    failed = end.failed_usd if isinstance(end, Reply) else Decimal(0)
    return end.cost_usd + failed + end.perhaps_usd


class Reservation:
    """What one call may cost, held in each of its purses: what attempts at it have cost, and the next one's most."""

    def __init__(
        self,
        budget_gate: BudgetGate,
        purses: Sequence[Purse],
        candidate: Candidate,
        requests: Sequence[AnyRequest],
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
        self._beats: asyncio.Task[None] | None = None
        self._ended_usd, self._has_left = Decimal(0), False  # what those that ended may have cost; one is under way
        self._taken = self._done = False  # held; settled, so that a thread that is late writes nothing
        # No attempt has left yet; where calls wait for nothing but the money, holding it is leaving.
        self._waits = budget_gate.batch is None

    async def pay(self, call: WireCall) -> Reply:
        """Hold the money, make the call, and book what it cost.

        Raises: OverBudget; ProviderError.
        """
        await self.take()
        spent = None  # where it is not known better: whoever cancels a call that has left may be billed for it
        beating, stream = self._beating(), None

        def ended(end: Reply | ProviderError) -> None:
            self._still(beating)
            self.settle(_spent(end))

        try:
            place = self._candidate.provider
            reply = await call(place, self.request, until=self._until, again=self.again, leaving=self.leaves)
            spent = _spent(reply)
            stream = reply.raw.stream if reply.raw else None
            if stream:
                stream.then(ended)
        except ProviderError as error:
            spent = _spent(error)
            raise
        finally:
            if stream is None:
                self._still(beating)
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
        if self._paying.batch is not None and not queue.locked():  # nobody waits for room
            room = await self._looked()
            if room is None or room.short is None:
                return
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

    async def _looked(self) -> Room | None:
        """Hold the money if it is there; None where the books cannot be read and need not be.

        Raises: OverBudget where they need to be.
        """
        try:
            room, (self.request, self._most_usd) = await self._tried()
        except StateDown as error:
            self._without_books(error)
            return None
        except asyncio.CancelledError:  # the thread may have held the money: nobody was called
            self._taken = True
            self.settle(Decimal(0))
            raise
        self._usd, self._taken = self._most_usd, room.short is None
        return room

    async def _take(self) -> None:
        look_s, began = _LOOK_S, self._paying.clock()
        while True:
            room = await self._looked()
            if room is None or room.short is None:
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
        self._ended_usd, self._has_left = problem.cost_usd + problem.perhaps_usd, False
        usd = self._ended_usd + self._most_usd
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
        self._has_left = True
        if self._taken and self._waits:
            self._waits = False
            with suppress(StateDown):
                self._renew()

    def _beating(self) -> asyncio.Task[None] | asyncio.TimerHandle:
        """Hold the money anew for as long as the call runs; where many are served, most end before the first time."""
        if self._paying.batch is None:
            return asyncio.ensure_future(self.beat())
        return asyncio.get_running_loop().call_later(_BEAT_S, self._begin_to_beat)

    def _still(self, beating: asyncio.Task[None] | asyncio.TimerHandle) -> None:
        beating.cancel()
        if self._beats:
            self._beats.cancel()

    def _begin_to_beat(self) -> None:
        self._beats = asyncio.ensure_future(self.beat(at_once=True))

    async def beat(self, *, at_once: bool = False) -> None:
        """Hold the money anew, again and again, for as long as the call runs."""
        while self._taken:
            if not at_once:
                await self._paying.sleep(_BEAT_S)
            at_once = False
            with suppress(StateDown):  # then the hold runs out, and counts as spent until it is settled
                await asyncio.to_thread(self._renew)

    def _until_s(self, now_s: float) -> float:
        """When the money is no longer waited for unless it is held anew."""
        left_s = min(self._until - self._paying.clock(), self._paying.longest_s(self._candidate)) + _GRACE_S
        return now_s + min(left_s, _LEASE_S)

    async def _tried(self) -> tuple[Room, Offer]:
        batch = self._paying.batch
        if batch is None:
            return await asyncio.to_thread(self._try_offers)
        offer = self._offers[0]  # an application's own limit stands
        change, ttl_s = self._holding(offer[1])
        return await batch.update(self._asked_keys, change, ttl_s=ttl_s), offer

    def _try_offers(self) -> tuple[Room, Offer]:
        """Hold the money of the first offer that there is room for; without room the cheapest tells what is short."""
        for offer in self._offers[:-1]:
            room = self._try(offer[1])
            if room.short is None:
                return room, offer
        return self._try(self._offers[-1][1]), self._offers[-1]

    def _try(self, usd: Decimal) -> Room:
        """Hold the money if it is there, in place of what this call holds already."""
        change, ttl_s = self._holding(usd)
        return self._paying.store.update(self._asked_keys, change, ttl_s=ttl_s)

    def _holding(self, usd: Decimal) -> tuple[Change[Room], float]:
        """Give the change that holds the money, and how long books are kept."""
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

        return change, self._ttl_s(now_s)

    def _renew(self) -> None:
        now_s = self._paying.now().timestamp()

        def change(books: Documents) -> tuple[Documents, None]:
            books, moved = gathered(self._purses, books)
            until_s, left = self._until_s(now_s), not self._waits
            return moved | {key: renewed(books[key], self._name, until_s, left=left) for key in self._keys}, None

        self._paying.store.update(self._asked_keys, change, ttl_s=self._ttl_s(now_s))

    def settle(self, usd: Decimal | None) -> None:
        """Book what the call did cost; None: all that it may have cost.

        At once and not in a thread, since it has to happen also while the call is being cancelled, or with what others
        want of the books; a store that is down now said so already, and the hold stays in the books as spent.
        """
        if not self._taken:
            return
        most_usd = self._ended_usd + (self._most_usd if self._has_left else 0)
        spent, now_s = most_usd if usd is None else usd, self._paying.now().timestamp()
        self._taken, self._done = False, True

        def change(books: Documents) -> tuple[Documents, None]:
            books, moved = gathered(self._purses, books)
            return moved | {key: settled(books[key], self._name, spent) for key in self._keys}, None

        if self._paying.batch is not None:
            self._paying.batch.put(self._asked_keys, change, ttl_s=self._ttl_s(now_s))
            return
        with suppress(StateDown):
            self._paying.store.update(self._asked_keys, change, ttl_s=self._ttl_s(now_s))

    def _ttl_s(self, now_s: float) -> float:
        return max(purse.until.timestamp() for purse in self._purses) - now_s + _KEPT_S

    def _closed(self) -> Purse | None:
        return next((purse for purse in self._binding if purse.budget.when_down == "fail_closed"), None)

    def _without_books(self, error: StateDown) -> None:
        closed = self._closed()
        if closed:
            said = f"budget {closed.budget.name}: its spending cannot be read, and it is fail_closed: {error}"
            raise OverBudget(said, is_unknown=True) from None
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
            f"cost ${self._usd:.6f} ({self._candidate.name}, a reply of {most_tokens(self.request)[1]} tokens); it "
            f"resets at {until:%Y-%m-%d %H:%M} UTC",
            cheap=budget.cheap if budget.over == "cheap" else (),
        )
