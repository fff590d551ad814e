"""Requests of all providers -> replies, priced: keys, limits, deadlines and the one retry loop."""

from __future__ import annotations

import asyncio
import math
import traceback
from collections.abc import Awaitable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from routerctl import errors
from routerctl.costs import Pricer, cost_of_reply, most_usd
from routerctl.providers.base import (
    BACKOFF_CAP_S,
    BACKOFF_S,
    Again,
    AnyRequest,
    Forwarding,
    Leaving,
    Loading,
    Outside,
    PricerFor,
    Probed,
    Probing,
    Provider,
    far_text,
    key_variable,
    probed,
)
from routerctl.providers.kinds import kind_class
from routerctl.providers.pins import as_pinned
from routerctl.providers.reading import Odd, checked
from routerctl.redaction import learn_variables, redacted
from routerctl.types import ProviderSpec, RawRequest, Reply, Request, Usage

T = TypeVar("T")


@dataclass(slots=True)
class _Lane:
    """One provider in use, with its gate: nobody calls it before `shut_until`."""

    spec: ProviderSpec
    provider: Provider
    slots: asyncio.Semaphore | None  # None: as many calls as there are
    forwards: Forwarding | None  # the provider, where it passes on what applications send
    shut_until: float = -math.inf
    shut_by: errors.ProviderError | None = None


@dataclass(slots=True)
class _Failed:
    """What the attempts at one call have cost that failed so far."""

    price: Pricer
    request: AnyRequest
    attempts: int = 0
    lost_s: float = 0.0
    usd: Decimal = Decimal(0)  # of the tokens that were told
    perhaps_usd: Decimal = Decimal(0)  # of those that nobody told

    def note(self, problem: errors.ProviderError) -> None:
        """Count one more, whose problem then tells of all."""
        problem.lost_s, self.lost_s = self.lost_s, self.lost_s + problem.spent_s
        self.attempts += problem.attempts
        self.perhaps_usd += problem.perhaps_usd
        if problem.usage is not None and problem.usage.estimated:
            self.perhaps_usd += self.price(problem.usage, 0.0)
        elif problem.usage is not None:
            self.usd += self.price(problem.usage, 0.0)
        elif problem.may_be_billed:
            self.perhaps_usd += most_usd(self.price, self.request, 0.0)
        problem.attempts, problem.perhaps_usd = self.attempts, self.perhaps_usd
        problem.tokens_usd, problem.cost_usd = self.usd, self.usd + self.price(Usage(), self.lost_s)

    def then(self, reply: Reply, attempt: int) -> Reply:
        """Give the reply that came after them as it leaves the wire: without keys, with what all of it cost.

        What a stream comes to is worked out at its end.
        """
        if reply.raw is not None:
            return self._raw(reply, attempt)
        return replace(
            reply,
            text=redacted(reply.text),
            detail=redacted(reply.detail),
            served_model=as_pinned(self.request.model, redacted(reply.served_model)),
            attempts=attempt,
            lost_s=self.lost_s,
            cost_usd=cost_of_reply(self.price, reply.usage, reply.latency_s, self.lost_s),
            failed_usd=self.usd,
            perhaps_usd=self.perhaps_usd,
        )

    def _raw(self, reply: Reply, attempt: int) -> Reply:
        """The same of what is passed on as it came: its texts are the application's own."""
        stream = reply.raw.stream if reply.raw else None
        if stream is not None:
            stream.priced = lambda end: self._ended(end, attempt)
        elif self.lost_s or not reply.cost_usd:  # else it is priced already
            cost_usd = cost_of_reply(self.price, reply.usage, reply.latency_s, self.lost_s)
            reply = replace(reply, cost_usd=cost_usd)
        served = as_pinned(self.request.model, reply.served_model)
        if not (self.attempts or self.perhaps_usd) and served == reply.served_model:  # as nearly always
            return reply
        return replace(
            reply,
            served_model=served,
            attempts=attempt,
            lost_s=self.lost_s,
            failed_usd=self.usd,
            perhaps_usd=self.perhaps_usd,
        )

    def _ended(self, end: Reply | errors.ProviderError, attempt: int) -> Reply | errors.ProviderError:
        """Price the end of a stream."""
        if isinstance(end, Reply):
            return self.then(end, attempt)
        end.attempts = 1
        self.note(end)
        return end


def _made(spec: ProviderSpec, outside: Outside) -> Provider:
    """Make a provider of its spec; raises InputError, or ProviderError for its key."""
    try:
        return kind_class(spec.kind)(spec, outside)
    except errors.RouterctlError:
        raise
    except Exception as problem:  # noqa: BLE001 - an SDK's of its environment, or a plug-in's own
        shown = far_text(f"{type(problem).__name__}: {problem}")
        raise errors.InputError(f"provider '{spec.name}' of kind '{spec.kind}' cannot be made: {shown}") from None


def _reply(lane: _Lane, request: AnyRequest) -> Awaitable[Reply]:
    """What a provider gives, which may be anybody's code."""
    if isinstance(request, Request):
        return _checked(lane.provider, request)
    if lane.forwards is None:
        raise errors.InputError(f"{lane.spec.name} cannot pass an application's request on")
    return lane.forwards.forward(request)


async def _checked(provider: Provider, request: Request) -> Reply:
    return checked(await provider.reply(request))


async def _guarded(answer: Awaitable[T], provider: str) -> T:
    """Wait for what a provider gives; whatever it raises that is no error of ours is an answer that cannot be read.

    Nothing that a far side sends may end an inquiry: it would be served by nobody, and its cost be in no log.
    """
    try:
        return await answer
    except (errors.ProviderError, errors.InputError):
        raise
    except TimeoutError:  # its own: the wire's end outside of this
        raise errors.TimedOut("it gave up waiting for an answer", provider=provider) from None
    except Odd as odd:
        raise errors.BrokenReply(f"not a reply: {odd}", provider=provider) from None
    except Exception as problem:  # noqa: BLE001 - that it is whatever may come is the point
        where = traceback.extract_tb(problem.__traceback__)[-1]
        # Not its words: they may be the far side's.
        shown = f"its answer could not be read: {type(problem).__name__} at {Path(where.filename).name}:{where.lineno}"
        raise errors.BrokenReply(shown, provider=provider) from None


class Wire:
    """Calls models by provider name; an async context manager that closes what it opened.

    `ready` holds providers already made (a scripted fake, say); all others are made from their spec at first use.
    """

    def __init__(
        self,
        specs: Iterable[ProviderSpec],
        outside: Outside,
        pricer_for: PricerFor,
        *,
        ready: Mapping[str, Provider] | None = None,
        longest_wait_s: float = 60.0,
        limited: bool = True,
    ) -> None:
        """`longest_wait_s`: a provider that asks to wait longer is given up at once, so that a fallback may serve.

        `limited`: by the providers' `concurrency`.
        """
        self._specs = {spec.name: spec for spec in specs}
        learn_variables(outside.env, (key_variable(spec) for spec in self._specs.values()))
        self._outside, self._pricer_for, self._longest_wait_s = outside, pricer_for, longest_wait_s
        self._limited = limited
        self._ready = dict(ready or {})
        self._lanes: dict[str, _Lane] = {}
        self._pricers: dict[tuple[str, str], Pricer] = {}
        self._warming: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._closing = AsyncExitStack()
        self._importing, self._imported = asyncio.Lock(), set[str]()  # kinds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._warming.values():
            task.cancel()
        await asyncio.gather(*self._warming.values(), return_exceptions=True)
        await self._closing.aclose()

    async def ready(self, provider: str) -> None:
        """Import what a provider needs, in a thread: at first use an SDK takes a second, in which others are served.

        Raises: InputError for a kind that nobody registered.
        """
        kind = self.spec(provider).kind
        if kind not in self._imported and provider not in self._ready:
            async with self._importing:
                await asyncio.to_thread(kind_class, kind)
                self._imported.add(kind)

    async def call(
        self,
        provider: str,
        request: AnyRequest,
        *,
        until: float = math.inf,
        again: Again = None,
        leaving: Leaving = None,
    ) -> Reply:
        """Ask a provider's model, trying again while the failure is of a transient kind and there is time.

        `until`: the deadline on the clock of `Outside`, all waiting included; `again`: asked before a further attempt;
        `leaving`: told before each, once it has its slot.

        Raises:
            InputError: no such provider, or its model has no price (found before anything is paid for).
            ProviderError: the last attempt's failure; `attempts` counts those that reached the provider.
        """
        price, lane = self.pricer(provider, request.model), self._lane(provider)
        attempt, failed = 1, _Failed(price, request)
        while True:
            try:
                reply = await self._attempt(lane, request, until, leaving)
            except errors.ProviderError as problem:
                failed.note(problem)
                if not problem.retryable or attempt >= lane.spec.max_attempts or self._asks_too_much(problem):
                    raise
                wait_s = (problem.retry_after_s or 0.0) + self._backoff_s(attempt)
                if self._outside.clock() + wait_s >= until or not (again is None or await again(problem)):
                    raise
                await self._outside.sleep(wait_s)
                attempt += 1
            else:
                failed.perhaps_usd += reply.perhaps_usd
                return failed.then(reply, attempt)

    def pricer(self, provider: str, model: str) -> Pricer:
        """Give the function from tokens and seconds to USD of a provider's model.

        Raises: InputError: no such provider, or its model has no price.
        """
        key = (provider, model)
        if key not in self._pricers:
            self._pricers[key] = self._pricer_for(self.spec(provider), model)
        return self._pricers[key]

    async def probe(self, provider: str, model: str) -> Probed | None:
        """Ask a place about its model, not for a reply; None where this kind of provider cannot be asked.

        It takes no slot and waits for no gate: a busy place is asked, too. Raises: InputError; ProviderError.
        """
        lane = self._lane(provider)
        if not isinstance(lane.provider, Probing):
            return None
        rest_s = self._backoff_s(1)
        return await _guarded(probed(lane.provider, lane.spec, model, lambda: self._outside.sleep(rest_s)), provider)

    def is_warm(self, provider: str, model: str) -> bool:
        """Tell whether a model would answer at once, without having to be loaded first."""
        far = self._lane(provider).provider
        return not isinstance(far, Loading) or far.is_warm(model)

    def load(self, provider: str, model: str) -> None:
        """Begin to load a model that is not warm; nobody waits for it."""
        far = self._lane(provider).provider
        if isinstance(far, Loading) and (provider, model) not in self._warming:
            task = asyncio.ensure_future(self._warm_up(far, provider, model))
            self._warming[provider, model] = task

    async def _warm_up(self, far: Loading, provider: str, model: str) -> None:
        try:
            await _guarded(far.warm_up(model), provider)
        except errors.ProviderError:
            pass  # whoever asks for the model next meets the same problem, and says it
        finally:
            self._warming.pop((provider, model), None)

    def forwarding(self, provider: str) -> Forwarding | None:
        """Give a provider that passes on what applications send; None where this one cannot.

        Raises: InputError, or ProviderError for its key.
        """
        return self._lane(provider).forwards

    async def _attempt(self, lane: _Lane, request: AnyRequest, until: float, leaving: Leaving) -> Reply:
        """One attempt in one of the provider's slots; `timeout_s` does not count the wait for it, the deadline does."""
        if lane.slots:
            await self._take_slot(lane, lane.slots, until)
        try:
            if lane.shut_by is not None:
                await self._pass_gate(lane, until)
            if leaving is not None:
                await leaving()
            started = self._outside.clock()
            longest_s = lane.spec.timeout_s
            if isinstance(request, RawRequest) and request.first_s is not None:
                longest_s = min(longest_s, request.first_s)
            limit_s = min(longest_s, until - started)
            if limit_s <= 0:
                raise errors.Busy("the deadline left no time for a call", provider=lane.spec.name)
            try:
                async with asyncio.timeout(limit_s):
                    return await _guarded(_reply(lane, request), lane.spec.name)
            except TimeoutError:
                hurried = limit_s < longest_s
                whose = "the rest of the deadline" if hurried else "timeout_s"
                what = "no content" if isinstance(request, RawRequest) and request.stream else "no complete reply"
                timed_out = errors.TimedOut(f"{what} within {limit_s:.3g} s ({whose})", provider=lane.spec.name)
                timed_out.spent_s, timed_out.attempts = limit_s, 1  # that it was noticed later is our own doing
                timed_out.hurried = hurried
                raise timed_out from None
            except errors.ProviderError as problem:
                problem.spent_s, problem.attempts = self._outside.clock() - started, 0 if problem.unasked else 1
                if problem.retryable and problem.retry_after_s is not None:
                    lane.shut_until = max(lane.shut_until, self._outside.clock() + problem.retry_after_s)
                    lane.shut_by = problem
                raise
        finally:
            if lane.slots:
                lane.slots.release()

    async def _take_slot(self, lane: _Lane, slots: asyncio.Semaphore, until: float) -> None:
        """Take one of the provider's slots.

        Raises:
            Busy: none became free before the deadline; nobody was called.
        """
        if not slots.locked():  # nearly always; a timeout would cost more than the slot
            await slots.acquire()
            return
        left_s = until - self._outside.clock()
        try:
            async with asyncio.timeout(None if math.isinf(left_s) else left_s):
                await slots.acquire()
        except TimeoutError:
            raise errors.Busy(
                "all slots of its concurrency were taken until the deadline", provider=lane.spec.name
            ) from None

    async def _pass_gate(self, lane: _Lane, until: float) -> None:
        """Wait until the provider wants to be called again; go round again if that moved while waiting."""
        waited_for = -math.inf
        while lane.shut_by is not None and lane.shut_until > max(waited_for, self._outside.clock()):
            wait_s = lane.shut_until - self._outside.clock()
            if wait_s > self._longest_wait_s or lane.shut_until > until:
                problem = f"asked for no calls for {wait_s:.0f} s after {lane.shut_by.brief}"
                raise type(lane.shut_by)(
                    problem, provider=lane.spec.name, status=lane.shut_by.status, retry_after_s=wait_s
                )
            waited_for = lane.shut_until
            await self._outside.sleep(wait_s)

    def _asks_too_much(self, problem: errors.ProviderError) -> bool:
        return (problem.retry_after_s or 0.0) > self._longest_wait_s

    def _backoff_s(self, attempt: int) -> float:
        """Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015)."""
        return self._outside.rng.uniform(0.0, min(BACKOFF_CAP_S, BACKOFF_S * 2.0 ** (attempt - 1)))

    def _lane(self, name: str) -> _Lane:
        """The provider, made at first use; no await in here, so two callers cannot both make it."""
        if name not in self._lanes:
            spec = self.spec(name)
            provider = self._ready.get(name) or _made(spec, self._outside)
            self._closing.push_async_callback(provider.close)
            slots = asyncio.Semaphore(spec.concurrency) if self._limited else None
            forwards = provider if isinstance(provider, Forwarding) else None
            self._lanes[name] = _Lane(spec, provider, slots, forwards)
        return self._lanes[name]

    def spec(self, name: str) -> ProviderSpec:
        """Give how a provider is called; raises InputError."""
        if name not in self._specs:
            raise errors.InputError(f"no provider named '{name}'{errors.nearest(name, self._specs)}")
        return self._specs[name]
