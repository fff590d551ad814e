"""Turns a provider's name and a `Request` into a priced `Reply`: the only door to models.

`wire.Wire` owns what all providers share: one retry loop, one gate per provider, bounded concurrency, time limits. A
provider makes one attempt and classifies what went wrong. It does not know eval sets, strategies or routes, nor what a
token costs (the pricer is handed in).
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from routerctl import errors
from routerctl.costs import Pricer
from routerctl.providers.timing import Turns
from routerctl.redaction import learn, redacted
from routerctl.types import Json, ProviderSpec, RawRequest, RawWire, Reply, Request

PROBE_TIMEOUT_S = 10.0  # of a question that needs no model


T = TypeVar("T")

# HTTP's own meanings; a provider's table of stable error codes goes before it.
BY_STATUS: Mapping[int, type[errors.ProviderError]] = {
    401: errors.KeyRefused,
    402: errors.BillingProblem,
    403: errors.KeyRefused,
    404: errors.WrongAddress,  # unless its body speaks of the model
    405: errors.WrongAddress,
    408: errors.TimedOut,
    409: errors.ServerFault,  # both vendors use it for a lock that timed out; their SDKs try again too
    429: errors.RateLimited,
    499: errors.ConnectionFailed,  # a proxy thinks that we hung up
    503: errors.Overloaded,
    504: errors.TimedOut,  # a gateway waited no longer for whoever did the work
    529: errors.Overloaded,
}

_KEY_VARIABLES: Mapping[str, str] = {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY"}  # by kind
BACKOFF_S, BACKOFF_CAP_S = 0.5, 16.0
CONNECT_TIMEOUT_S = 10.0
LONGEST_WAIT_S = 3600.0  # no place is left alone for longer because it asked for that: it may have meant nothing
FAR_TEXT_CHARS = 300  # of a message from the far side: enough to say what is wrong, too little to flood a log

Again = Callable[[errors.ProviderError], Awaitable[bool]] | None  # (failed attempt) -> may be made again; None: yes
Leaving = Callable[[], Awaitable[None]] | None  # told when an attempt is about to leave, all waiting done
AnyRequest = Request | RawRequest
PricerFor = Callable[[ProviderSpec, str], Pricer]  # (provider, model id); raises InputError for an unpriced model


class WireCall(Protocol):
    """The wire: (provider name, request, deadline on its clock) -> a priced reply."""

    def __call__(
        self, provider: str, request: AnyRequest, *, until: float, again: Again = None, leaving: Leaving = None
    ) -> Awaitable[Reply]:
        """Ask; `again` allows each further attempt, `leaving` is told of each; raises ProviderError."""


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


def key_variable(spec: ProviderSpec) -> str:
    """Name the variable that holds a provider's key; "" where its kind has none of its own."""
    return spec.api_key_env or _KEY_VARIABLES.get(spec.kind, "")


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
    learn([key])
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
            raise errors.InputError(f"provider '{spec.name}': option '{name}' must be of type {known[name].__name__}")
    return spec.options


def typed(value: Any, kind: type[T]) -> T:
    """Return a value of the far side's answer if it has this type; raises TypeError otherwise."""
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
    return value


def far_text(text: object, *secrets: str) -> str:
    """Make a message from the far side fit to show: one line, no control characters, no keys, not long."""
    shown = redacted(str(text))
    for secret in filter(None, secrets):
        shown = shown.replace(secret, "[key]")
    shown = re.sub(r"\bsk-[\w*.-]{6,}", "[key]", shown)  # vendors quote a wrong key back, half masked
    shown = " ".join("".join(char if char.isprintable() else " " for char in shown).split())
    return shown if len(shown) <= FAR_TEXT_CHARS else shown[: FAR_TEXT_CHARS - 1] + "…"


def error_for_status(status: int) -> type[errors.ProviderError]:
    """Class of error for an HTTP status that no stable error code explains better."""
    if status < 400:
        return errors.WrongAddress if status >= 300 else errors.BrokenReply
    return BY_STATUS.get(status) or (errors.ServerFault if status >= 500 else errors.BadRequest)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds the far side asks to wait; None where it does not say (RFC 9110 section 10.2.3, and `retry-after-ms`)."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wait_s = float(headers.get(name, "")) * unit_s
        except ValueError:
            continue
        return min(wait_s, LONGEST_WAIT_S) if math.isfinite(wait_s) and wait_s >= 0 else None
    from email.utils import parsedate_to_datetime

    try:
        # Against the far side's own clock: ours may be wrong.
        until, now = (parsedate_to_datetime(headers[name]) for name in ("retry-after", "date"))
        return min(max(0.0, (until - now).total_seconds()), LONGEST_WAIT_S)
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


@runtime_checkable
class Loading(Protocol):
    """A provider whose models take time to load may say so; others are always warm."""

    def is_warm(self, model: str) -> bool:
        """Tell whether a call would be answered without loading anything first."""

    async def warm_up(self, model: str) -> None:
        """Load the model; raises ProviderError."""


@runtime_checkable
class Forwarding(Protocol):
    """A provider whose API is a vendor's own: an application's request may be sent on in that vendor's words."""

    @property
    def wires(self) -> frozenset[RawWire]:
        """Whose words it takes."""

    def additions(self, wire: RawWire) -> Mapping[str, Json]:
        """Give the fields that it adds to a body which does not have them."""

    @property
    def forward(self) -> Callable[[RawRequest], Awaitable[Reply]]:
        """Make exactly one attempt; a stream is given with its first content. As `Provider.reply`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a place says of a model when it is asked about it and not asked it anything."""

    model: str  # the id it gives it: another one than asked for where that was an alias
    lifecycle: str = ""  # "active", "deprecated", "retired"; "" = it does not say
    retires_on: str = ""  # ISO day; "" = it does not say
    detail: str = ""  # what could not be found out


def iso_day(moment: Any) -> str:
    """Give the ISO day of a moment as an SDK gives it, a datetime or the text it could not read; "" for neither."""
    found = re.match(r"\d{4}-\d{2}-\d{2}", str(moment or ""))
    return found[0] if found else ""


@runtime_checkable
class Probing(Protocol):
    """A provider that can be asked about a model without paying for a reply."""

    async def probe(self, model: str) -> Probed:
        """Ask whether the place has the model.

        Raises:
            ModelNotFound: it does not.
            ProviderError: it did not answer.
        """


async def probed(far: Probing, spec: ProviderSpec, model: str, rest: Callable[[], Awaitable[object]]) -> Probed:
    """Ask, and once more after a rest where that may help: one lost packet is no outage.

    Raises:
        ProviderError: it did not answer in time, or what it said was wrong.
    """
    try:
        return await _probed(far, spec, model)
    except errors.ProviderError as problem:
        if not problem.retryable or problem.retry_after_s:
            raise
    await rest()
    return await _probed(far, spec, model)


async def _probed(far: Probing, spec: ProviderSpec, model: str) -> Probed:
    limit_s = min(PROBE_TIMEOUT_S, spec.timeout_s)
    try:
        async with asyncio.timeout(limit_s):
            return await far.probe(model)
    except TimeoutError:
        raise errors.TimedOut(f"no answer to a probe within {limit_s:.3g} s", provider=spec.name) from None
