"""What a provider may be able to do besides replying: say whether a model is loaded, and tell of a model unasked.

Place: the wire floor, below `base`, whose `Wire` makes use of it. A provider that has the methods has the ability.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from routerctl import errors
from routerctl.types import ProviderSpec

PROBE_TIMEOUT_S = 10.0  # of a question that needs no model


@runtime_checkable
class Loading(Protocol):
    """A provider whose models take time to load may say so; others are always warm."""

    def is_warm(self, model: str) -> bool:
        """Tell whether a call would be answered without loading anything first."""

    async def warm_up(self, model: str) -> None:
        """Load the model; raises ProviderError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a place says of a model when it is asked about it and not asked it anything."""

    model: str  # the id it gives it: another one than asked for where that was an alias
    lifecycle: str = ""  # "active", "deprecated", "retired"; "" = it does not say
    retires_on: str = ""  # ISO day; "" = it does not say
    detail: str = ""  # what could not be found out


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
