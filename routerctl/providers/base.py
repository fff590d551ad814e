"""Turns a provider's name and a `Request` into a priced `Reply`: the only door to models.

`Wire` owns what all providers share: one retry loop, one gate per provider, bounded concurrency, time limits, keys.
A provider makes one attempt and classifies what went wrong. Place: the wire floor, below files and arithmetic;
does not know eval sets, strategies or routes, nor what a token costs (the pricer is handed in).
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from routerctl import errors
from routerctl.costs import Pricer, cost_of_reply
from routerctl.providers.abilities import Loading, Probed, Probing, probed
from routerctl.providers.kinds import kind_class
from routerctl.providers.pins import as_pinned
from routerctl.providers.timing import Turns
from routerctl.types import Json, ProviderSpec, Reply, Request, Usage

T = TypeVar("T")

# HTTP's own meanings; a provider's table of stable error codes goes before it.
BY_STATUS: Mapping[int, type[errors.ProviderError]] = {
    401: errors.KeyRefused,
    402: errors.BillingProblem,
    403: errors.KeyRefused,
    404: errors.ModelNotFound,
    408: errors.TimedOut,
    409: errors.ServerFault,  # both vendors use it for a lock that timed out; their SDKs try again too
    429: errors.RateLimited,
    499: errors.ConnectionFailed,  # a proxy thinks that we hung up
    503: errors.Overloaded,
    529: errors.Overloaded,
}

BACKOFF_S, BACKOFF_CAP_S = 0.5, 16.0
CONNECT_TIMEOUT_S = 10.0
FAR_TEXT_CHARS = 300  # of a message from the far side: enough to say what is wrong, too little to flood a log

Again = Callable[[errors.ProviderError], Awaitable[bool]] | None  # (failed attempt) -> may be made again; None: yes
PricerFor = Callable[[ProviderSpec, str], Pricer]  # (provider, model id); raises InputError for an unpriced model


class Provider(Protocol):
    """One way to reach models; a kind's class is built as `Class(spec, outside)`."""

    async def reply(self, request: Request) -> Reply:
        """Make exactly one attempt.

        `latency_s` is measured around the request itself; `cost_usd`, `attempts`, `lost_s` are the wire's to fill in.

        Raises:
            ProviderError: nothing else, except cancellation.
        """

    async def close(self) -> None:
        """Give back connections and processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The outside world as arguments, so that a test can hand in its own."""

    env: Mapping[str, str] = field(repr=False)  # holds keys
    clock: Callable[[], float] = time.monotonic  # seconds, never going back
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    rng: random.Random = field(default_factory=random.Random)
    turns: Turns = field(default_factory=Turns)  # of the loop that all calls share


@dataclass(slots=True)
class _Lane:
    """One provider in use, with its gate: nobody calls it before `shut_until`."""

    spec: ProviderSpec
    provider: Provider
    slots: asyncio.Semaphore
    shut_until: float = -math.inf
    shut_by: errors.ProviderError | None = None


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
    ) -> None:
        """`longest_wait_s`: a provider that asks to wait longer is given up at once, so that a fallback may serve."""
        self._specs = {spec.name: spec for spec in specs}
        self._outside, self._pricer_for, self._longest_wait_s = outside, pricer_for, longest_wait_s
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
        kind = self._spec(provider).kind
        if kind not in self._imported and provider not in self._ready:
            async with self._importing:
                await asyncio.to_thread(kind_class, kind)
                self._imported.add(kind)

    async def call(self, provider: str, request: Request, *, until: float = math.inf, again: Again = None) -> Reply:
        """Ask a provider's model, trying again while the failure is of a transient kind and there is time.

        `until`: the deadline on the clock of `Outside`, all waiting included; `again`: asked before a further attempt.

        Raises:
            InputError: no such provider, or its model has no price (found before anything is paid for).
            ProviderError: the last attempt's failure; `attempts` counts those that reached the provider.
        """
        price = self._pricer(self._spec(provider), request.model)
        lane = self._lane(provider)
        attempt, lost_s = 1, 0.0
        while True:
            try:
                reply = await self._attempt(lane, request, until)
            except errors.ProviderError as problem:
                problem.lost_s = lost_s
                problem.attempts += attempt - 1
                if not problem.retryable or attempt >= lane.spec.max_attempts or self._asks_too_much(problem):
                    raise
                wait_s = (problem.retry_after_s or 0.0) + self._backoff_s(attempt)
                if self._outside.clock() + wait_s >= until or not (again is None or await again(problem)):
                    raise
                lost_s += problem.spent_s
                await self._outside.sleep(wait_s)
                attempt += 1
            else:
                # Where time is the price, the attempts that failed cost, too; tokens of theirs nobody tells.
                served = as_pinned(request.model, reply.served_model)
                reply = replace(reply, attempts=attempt, lost_s=lost_s, served_model=served)
                return replace(reply, cost_usd=cost_of_reply(reply, price))

    async def probe(self, provider: str, model: str) -> Probed | None:
        """Ask a place about its model, not for a reply; None where this kind of provider cannot be asked.

        It takes no slot and waits for no gate: a busy place is asked, too. Raises: InputError; ProviderError.
        """
        lane = self._lane(provider)
        if not isinstance(lane.provider, Probing):
            return None
        return await probed(lane.provider, lane.spec, model, lambda: self._outside.sleep(self._backoff_s(1)))

    def warm(self, provider: str, model: str) -> bool:
        """Tell whether a model would answer at once; one that has to be loaded first is loaded meanwhile."""
        far = self._lane(provider).provider
        if not isinstance(far, Loading) or far.is_warm(model):
            return True
        if (provider, model) not in self._warming:
            task = asyncio.ensure_future(self._warm_up(far, provider, model))
            self._warming[provider, model] = task
        return False

    async def _warm_up(self, far: Loading, provider: str, model: str) -> None:
        try:
            await far.warm_up(model)
        except errors.ProviderError:
            pass  # whoever asks for the model next meets the same problem, and says it
        finally:
            self._warming.pop((provider, model), None)

    async def _attempt(self, lane: _Lane, request: Request, until: float) -> Reply:
        """One attempt in one of the provider's slots; `timeout_s` does not count the wait for it, the deadline does."""
        async with self._slot(lane, until):
            await self._pass_gate(lane, until)
            started = self._outside.clock()
            limit_s = min(lane.spec.timeout_s, until - started)
            if limit_s <= 0:
                raise errors.Busy("no time was left of the deadline", provider=lane.spec.name)
            try:
                async with asyncio.timeout(limit_s):
                    return await lane.provider.reply(request)
            except TimeoutError:
                whose = "timeout_s" if limit_s == lane.spec.timeout_s else "what was left of the deadline"
                timed_out = errors.TimedOut(
                    f"no complete reply within {limit_s:.3g} s ({whose})", provider=lane.spec.name
                )
                timed_out.spent_s, timed_out.attempts = limit_s, 1  # that it was noticed later is our own doing
                raise timed_out from None
            except errors.ProviderError as problem:
                problem.spent_s, problem.attempts = self._outside.clock() - started, 0 if problem.unasked else 1
                if problem.retryable and problem.retry_after_s is not None:
                    lane.shut_until = max(lane.shut_until, self._outside.clock() + problem.retry_after_s)
                    lane.shut_by = problem
                raise

    @asynccontextmanager
    async def _slot(self, lane: _Lane, until: float) -> AsyncIterator[None]:
        """Hold one of the provider's slots.

        Raises:
            Busy: none became free before the deadline; nobody was called.
        """
        left_s = until - self._outside.clock()
        try:
            async with asyncio.timeout(None if math.isinf(left_s) else left_s):
                await lane.slots.acquire()
        except TimeoutError:
            raise errors.Busy("no slot of its concurrency was free in time", provider=lane.spec.name) from None
        try:
            yield
        finally:
            lane.slots.release()

    async def _pass_gate(self, lane: _Lane, until: float) -> None:
        """Wait until the provider wants to be called again; go round again if that moved while waiting."""
        waited_for = -math.inf
        while lane.shut_by is not None and lane.shut_until > max(waited_for, self._outside.clock()):
            wait_s = lane.shut_until - self._outside.clock()
            if wait_s > self._longest_wait_s or lane.shut_until > until:
                problem = f"wants no calls for {wait_s:.0f} s after {lane.shut_by.brief}"
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
            spec = self._spec(name)
            provider = self._ready.get(name) or kind_class(spec.kind)(spec, self._outside)
            self._closing.push_async_callback(provider.close)
            self._lanes[name] = _Lane(spec, provider, asyncio.Semaphore(spec.concurrency))
        return self._lanes[name]

    def _spec(self, name: str) -> ProviderSpec:
        if name not in self._specs:
            raise errors.InputError(f"no provider named '{name}'{errors.nearest(name, self._specs)}")
        return self._specs[name]

    def _pricer(self, spec: ProviderSpec, model: str) -> Pricer:
        key = (spec.name, model)
        if key not in self._pricers:
            self._pricers[key] = self._pricer_for(spec, model)
        return self._pricers[key]


def key_of(spec: ProviderSpec, env: Mapping[str, str], default_variable: str) -> str:
    """Read the provider's key from its environment variable.

    Raises:
        KeyMissing: the variable is unset or empty.
        KeyRefused: it holds something that cannot be sent as a header (a pasted quote mark, a line break).
    """
    variable = spec.api_key_env or default_variable
    key = env.get(variable, "").strip()  # a file's last line break is the usual guest
    if not key:
        raise errors.KeyMissing(f"set the environment variable {variable} to its API key", provider=spec.name)
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise errors.KeyRefused(f"{variable} holds characters that no API key has", provider=spec.name)
    return key


def checked_options(spec: ProviderSpec, known: Mapping[str, type]) -> Mapping[str, Json]:
    """Return the spec's options after refusing unknown names and wrong types.

    Raises:
        InputError: an option that this kind of provider does not have, or of another type.
    """
    for name, value in spec.options.items():
        if name not in known:
            raise errors.InputError(f"provider '{spec.name}': no option '{name}'{errors.nearest(name, known)}")
        kind = (int, float) if known[name] is float else known[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise errors.InputError(f"provider '{spec.name}': option '{name}' is a {known[name].__name__}")
    return spec.options


def checked_url(spec: ProviderSpec, url: str | None) -> str | None:
    """Return a base URL that can be called, or None for the vendor's own.

    Raises:
        InputError: it has no scheme or no host, which the SDKs would report as a failed connection.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url or "")
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        whole = False
    if url and not whole:
        raise errors.InputError(f"provider '{spec.name}': base_url: expected http(s)://HOST..., got '{url}'")
    return url or None


def typed(value: Any, kind: type[T]) -> T:
    """Return a value of the far side's answer if it has this type; raises TypeError otherwise."""
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def counted(total: Any, *, output: Any, read: Any = None, written: Any = None) -> Usage:
    """Return the tokens of a call after checking that they are counts and that the parts fit into the whole.

    Raises:
        TypeError, ValueError: they are not, so that the call cannot be priced.
    """
    counts = [typed(number, int) for number in (total, output, read or 0, written or 0)]
    if min(counts) < 0 or counts[2] + counts[3] > counts[0]:
        raise ValueError(f"input, output, cache read and cache write tokens of {counts}")
    return Usage(
        input_tokens=counts[0], output_tokens=counts[1], cache_read_tokens=counts[2], cache_write_tokens=counts[3]
    )


def far_text(text: object, *secrets: str) -> str:
    """Make a message from the far side fit to show: one line, no control characters, no keys, not long."""
    shown = str(text)
    for secret in filter(None, secrets):
        shown = shown.replace(secret, "[key]")
    shown = re.sub(r"\bsk-[\w*.-]{6,}", "[key]", shown)  # vendors quote a wrong key back, half masked
    shown = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
    return shown if len(shown) <= FAR_TEXT_CHARS else shown[: FAR_TEXT_CHARS - 1] + "…"


def error_for_status(status: int) -> type[errors.ProviderError]:
    """Class of error for an HTTP status that no stable error code explains better."""
    return BY_STATUS.get(status) or (errors.ServerFault if status >= 500 else errors.BadRequest)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds the far side asks to wait; None where it does not say (RFC 9110 section 10.2.3, and `retry-after-ms`)."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        return wait_s if math.isfinite(wait_s) and wait_s >= 0 else None
    from email.utils import parsedate_to_datetime

    try:
        # Against the far side's own clock: ours may be wrong.
        until, now = (parsedate_to_datetime(headers[name]) for name in ("retry-after", "date"))
        return max(0.0, (until - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None
