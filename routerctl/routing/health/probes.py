"""The places of a table -> what each says when nobody needs it: found before traffic meets it.

A probe asks the place about its model where its API can be asked, which costs nothing; only `generate` asks the model
itself. Calls through the one wire; knows no routes beyond who may serve.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from routerctl.errors import InputError, ModelNotFound, ProviderError
from routerctl.providers.base import Probed
from routerctl.providers.pins import foreign_of
from routerctl.routing.health.registry import Health
from routerctl.types import Candidate, Message, PlaceKey, Prompt, Reply, ReplySpec, Request, StopReason, Table

EVERY_S = 60.0
# Room for thinking: a model that thinks first gives no text at all to a small `max_tokens`, and is not down for it.
GENERATE_TOKENS = 1024
GENERATE_S = 60.0  # for all of the wire's attempts: a person waits
_AGAIN = 0.8  # of `every_s`: a process that wakes a little early finds the place due all the same
_EARLY, _LATE = 0.9, 1.1  # processes that were started together drift apart


class ProbeWire(Protocol):
    """What of the wire a probe needs."""

    def probe(self, provider: str, model: str) -> Awaitable[Probed | None]:
        """Ask a place about its model."""

    def call(self, provider: str, request: Request, *, until: float) -> Awaitable[Reply]:
        """Ask the model; `until`: the deadline, in seconds of `time.monotonic` or whatever clock the wire has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probable:
    """One place that may serve, and for whom."""

    key: PlaceKey
    region: str | None
    candidates: tuple[str, ...]
    retires_on: str = ""  # ISO day, as the table knows it; "" = nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How a probe ended."""

    place: Probable
    words: str  # what was found, for a person
    problem: ProviderError | None = None  # None: the place is well, or cannot be asked
    warnings: tuple[str, ...] = ()  # what will go wrong if nobody acts
    took_s: float | None = None  # None: nothing was asked


def places_of(table: Table) -> tuple[Probable, ...]:
    """Give every place that may be asked by the table's routes, once each, in the order of the candidates."""
    found: dict[tuple[PlaceKey, str | None], Probable] = {}
    for name in _serving(table):
        candidate = table.candidates[name]
        for key, region in _places(table, candidate):
            known = found.get((key, region))
            names = (*known.candidates, name) if known else (name,)
            end = table.retirements.get(key.model, "")
            found[key, region] = Probable(key=key, region=region, candidates=names, retires_on=end)
    return tuple(found.values())


def _serving(table: Table) -> list[str]:
    """The candidates that a request may meet: rungs, where their cascades end, successors, a model that classifies."""
    used = {rung for route in table.routes.values() for rung in route.rungs}
    used |= set(table.routing.successors.values())
    used |= {item.escalation.to for name in used if (item := table.candidates[name]).escalation}
    if table.classifier and table.classifier.candidate:
        used.add(table.classifier.candidate)
    return [name for name in table.candidates if name in used]


def _places(table: Table, candidate: Candidate) -> Iterator[tuple[PlaceKey, str | None]]:
    yield PlaceKey(candidate.provider, candidate.model), candidate.region or table.providers[candidate.provider].region
    for place in candidate.also:
        key = PlaceKey(place.provider, place.model or candidate.model)
        yield key, place.region or table.providers[place.provider].region


async def probe(
    wire: ProbeWire,
    health: Health,
    place: Probable,
    *,
    generate: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Finding:
    """Probe one place and tell its circuit breaker; `generate`: let the model reply, which costs something.

    `clock`: seconds, the wire's.
    Raises: InputError for a place that cannot be asked at all (imported outcomes, no price).
    """
    began = clock()
    try:
        finding = await (_generated(wire, place, began + GENERATE_S) if generate else _asked(wire, health, place))
    except ProviderError as problem:
        health.record(place.key, problem, None, probe=True)
        return Finding(place=place, words=str(problem), problem=problem, took_s=clock() - began)
    if generate:  # a place that only knows its list of models may still fail to reply
        health.record(place.key, None, None)
    return replace(finding, took_s=None if finding.took_s is None else clock() - began)


async def _asked(wire: ProbeWire, health: Health, place: Probable) -> Finding:
    """Ask a place about its model; that it is retired is told to all who serve, so that they go to its successor."""
    told = await wire.probe(place.key.provider, place.key.model)
    if told is None:
        return Finding(place=place, words="cannot be probed without a reply: use --generate")
    end = told.retires_on or place.retires_on
    since = f"is retired{f' since {end}' if end else ''}" if told.lifecycle == "retired" else ""
    health.tell_retired(place.key, since)
    if since:
        raise ModelNotFound(f"{place.key.model} {since}")
    warnings = []
    if told.model != place.key.model:
        warnings.append(f"{place.key.model} is an alias there for {told.model}")
    if told.lifecycle == "deprecated" or end:
        warnings.append(f"{place.key.model} is deprecated{f' and retires on {end}' if end else ''}")
    words = "; ".join(part for part in ("ok", told.detail, *(("deprecated",) if warnings else ())) if part)
    return Finding(place=place, words=words, warnings=tuple(warnings), took_s=0.0)


async def _generated(wire: ProbeWire, place: Probable, until: float) -> Finding:
    prompt = Prompt(system="", messages=(Message(role="user", content="Reply with the word: ok"),))
    request = Request(model=place.key.model, prompt=prompt, reply=ReplySpec(max_tokens=GENERATE_TOKENS))
    reply = await wire.call(place.key.provider, request, until=until)
    words = "replied"
    if reply.stop_reason is StopReason.MAX_TOKENS and not reply.text:
        words = f"alive: it thought for all of {GENERATE_TOKENS} tokens"
    elif reply.stop_reason is StopReason.REFUSAL:
        words = "alive: it declined"
    other = foreign_of(place.key.model, [reply])
    warnings = (f"{place.key.model} is pinned, but {reply.served_model} was served",) if other else ()
    return Finding(place=place, words=words, warnings=warnings, took_s=0.0)


async def probe_every(
    wire: ProbeWire,
    health: Health,
    places: Sequence[Probable],
    *,
    every_s: float = EVERY_S,
    rng: random.Random,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Probe each place once in `every_s` for as long as this runs; of all processes, one does.

    The first probe is after `every_s`: a process that lives shorter meets the places itself. Ends when it is cancelled.
    """
    askable = list(places)
    while True:
        await sleep(every_s * rng.uniform(_EARLY, _LATE))
        for place in tuple(askable):
            # In a thread: the shared state may be slow to answer, and nobody shall wait for it.
            if not await asyncio.to_thread(health.due, place.key, every_s * _AGAIN):
                continue
            try:
                await probe(wire, health, place)
            except InputError:  # nobody can be asked there, which a request would say, too
                askable.remove(place)
