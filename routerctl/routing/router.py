"""An inquiry -> the desk that serves it: the table of its tenant's tier, with keys, log, health and budgets of its own.

Place: the command line, between stdin and the request line. Tenants that routerctl.yaml names are kept apart: what one
of them asked, spent or broke is in files (or under names, on a server) that no other one's desk opens. Whoever it does
not name is served at the common desk.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from routerctl.cli.output.route import guesser_of
from routerctl.costs import Pricer, lost_usd, most_usd, pricer_of
from routerctl.errors import InputError, ProviderError
from routerctl.providers.base import BACKOFF_CAP_S, Outside, Wire
from routerctl.routing.decision_log import DECISIONS_FILE
from routerctl.routing.decision_log.recorder import Log
from routerctl.routing.experiments.active import Seat, Trying
from routerctl.routing.health import Health, PlaceKey
from routerctl.routing.health.probes import places_of, probe_every
from routerctl.routing.hops import Line
from routerctl.routing.state import StateStore
from routerctl.routing.tenants import budgets_at, folder_of, state_of, table_of, tenant_of, warn, with_own_key
from routerctl.table import load_table
from routerctl.types import Candidate, Decision, Inquiry, ProviderSpec, Request, Table, Tenant
from routerctl.types.trying import Experiment

if TYPE_CHECKING:
    from routerctl.routing.budget_gate import Paying
    from routerctl.types import Answer


_HEADROOM = 2  # of some dozens of replies the longest is no bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where the inquiries of one tenant, or of nobody in particular, are served."""

    table: Table
    line: Line
    log: Log
    trying: Trying
    seat: Seat | None = None  # of one inquiry in the experiment that is on

    async def append(self, inquiry: Inquiry, decision: Decision, answer: Answer | None) -> None:
        """Log a decision, before anybody sees the answer."""
        number = await self.log.append(inquiry, decision, answer)
        if self.seat and number is not None:
            self.trying.logged(self.seat.experiment, number)


class Desks:
    """All desks of a project, each opened when somebody comes to it."""

    def __init__(self, table: Table, root: Path) -> None:
        """`table`: the project's own; `root`: the folder it stands in."""
        self._table, self._root = table, root
        self._open: dict[tuple[str | None, str], Desk] = {}  # by tenant and the digest of an experiment's table
        self._opening = asyncio.Lock()
        self._closing = AsyncExitStack()
        self._states: dict[str | None, StateStore] = {}  # by tenant

    async def __aenter__(self) -> Self:
        """Open none yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was opened."""
        await self._closing.aclose()

    async def of(self, inquiry: Inquiry) -> Desk:
        """Give the desk of an inquiry.

        Raises: InputError for a tier's table or a classifier that is not there.
        """
        tenant = tenant_of(self._table, inquiry.tenant)
        desk = await self._desk(tenant, None)
        seat = await desk.trying.seat_of(inquiry, lambda: uuid.uuid4().hex)
        if seat is None:
            return desk
        try:
            tried = await self._desk(tenant, seat.experiment)
        except InputError as error:
            desk.trying.leave(seat.experiment, str(error))
            return desk
        own, other = (tried, desk) if seat.in_b else (desk, tried)
        line = replace(own.line, arm=seat.arm, unit=seat.unit, propensity=seat.propensity, rival=other.table)
        return replace(own, line=line, seat=seat)

    async def _desk(self, tenant: Tenant | None, experiment: Experiment | None) -> Desk:
        key = tenant.name if tenant else None, experiment.digest_b if experiment else ""
        async with self._opening:
            if key not in self._open:
                table = self._tried(experiment) if experiment else table_of(self._table, self._root, tenant)
                self._open[key] = await self._opened(tenant, table)
        return self._open[key]

    def _tried(self, experiment: Experiment) -> Table:
        table = load_table(self._root / experiment.table)
        if table.digest != experiment.digest_b:
            raise InputError("is not the table that the experiment began with", file=experiment.table)
        return table

    async def _opened(self, tenant: Tenant | None, table: Table) -> Desk:
        folder = folder_of(self._root, tenant)
        providers = [with_own_key(spec, tenant) for spec in table.providers.values()]
        price = pricer_for(table)
        wire = await self._closing.enter_async_context(Wire(providers, Outside(env=os.environ), price))
        state = self._state(tenant)
        watch = self._closing.enter_context(Watching(state))
        log = self._closing.enter_context(Log(folder / DECISIONS_FILE, table))
        self._closing.push_async_callback(_ended, asyncio.ensure_future(_probing(wire, watch, table)))
        line = Line(
            call=wire.call,
            ready=wire.ready,
            guesser=guesser_of(table, self._root),
            watch=watch,
            warm=wire.warm,
            paying=self._paying(tenant, table, price),
        )
        trying = Trying(state, folder / DECISIONS_FILE, table)
        self._closing.push_async_callback(trying.close)
        return Desk(table=table, line=line, log=log, trying=trying)

    def _paying(
        self, tenant: Tenant | None, table: Table, price: Callable[[ProviderSpec, str], Pricer]
    ) -> Paying | None:
        """The books are one for the whole project: a budget may be about several tenants."""
        budgets = budgets_at(table, self._table.routing.budgets, tenant)
        if not budgets:
            return None
        from routerctl.routing.budget_gate import Paying

        def most(candidate: Candidate, request: Request) -> Decimal:
            spec = table.providers[candidate.provider]
            return most_usd(price(spec, request.model), request, spec.timeout_s)

        def lost(candidate: Candidate, request: Request, billed: int, seconds: float) -> Decimal:
            return lost_usd(price(table.providers[candidate.provider], request.model), request, billed, seconds)

        def usual(candidate: Candidate, request: Request, task_class: str | None) -> int | None:
            return usual_tokens(table, candidate, request, task_class)

        books = self._state(None)

        def longest(candidate: Candidate) -> float:
            spec = table.providers[candidate.provider]
            return spec.timeout_s * spec.max_attempts + BACKOFF_CAP_S * (spec.max_attempts - 1)

        return Paying(
            longest_s=longest,
            usual_tokens=usual,
            store=books,
            budgets=budgets,
            most_usd=most,
            lost_usd=lost,
            new_id=lambda: uuid.uuid4().hex,
            warn=warn,
        )

    def _state(self, tenant: Tenant | None) -> StateStore:
        """Give the shared state of a tenant: one store, whatever it is used for, so that an outage is said once."""
        name = tenant.name if tenant else None
        if name not in self._states:
            self._states[name] = state_of(self._table, self._root, tenant)
            self._closing.callback(self._states[name].close)
        return self._states[name]


def usual_tokens(table: Table, candidate: Candidate, request: Request, task_class: str | None) -> int | None:
    """Give twice the tokens that 99 % of a candidate's replies to a class stayed within when it was evaluated.

    None where that is not known, or where the request is none of the class itself: a judge's, a critique.
    """
    route = table.routes.get(task_class or "")
    if route is None or replace(request.reply, max_tokens=route.reply.max_tokens) != route.reply:
        return None
    evidence = next((one for one in route.evidence if one.candidate == candidate.name), None)
    most = evidence.output_tokens_p99 if evidence else None
    return None if most is None else _HEADROOM * most


async def _probing(wire: Wire, watch: Watching, table: Table) -> None:
    """Probe the table's places every minute, for as long as this process serves."""
    await probe_every(wire, watch.health, places_of(table), rng=random.Random())  # noqa: S311 - jitter


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def pricer_for(table: Table) -> Callable[[ProviderSpec, str], Pricer]:
    """Give the function that finds the price of a model at a provider, as the table has it."""
    prices = {(item.provider, item.model): table.prices[name] for name, item in table.candidates.items()}
    for name, item in table.candidates.items():
        for place in item.also:
            prices.setdefault((place.provider, place.model or item.model), table.prices[f"{name}@{place.provider}"])
    return lambda spec, model: pricer_of(prices[spec.name, model], spec, model)


class Watching:
    """The health of places as all processes that share it see it; what cannot be kept stops no answer."""

    def __init__(self, store: StateStore) -> None:
        self.health = Health(store, clock=time.time, rng=random.Random())  # noqa: S311 - jitter

    def __enter__(self) -> Self:
        """Open nothing: the state opens itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Share what was noted last."""
        self.health.close()

    def allows(self, provider: str, model: str, /) -> bool:
        """Tell whether a place may be called now."""
        return self.health.allows(PlaceKey(provider, model))

    def skipped(self, provider: str, model: str, /) -> str | None:
        """Say why a place is not called."""
        return self.health.skipped(PlaceKey(provider, model))

    def retired(self, provider: str, model: str, /) -> str | None:
        """Say since when a place has retired its model."""
        return self.health.retired(PlaceKey(provider, model))

    def record(self, provider: str, model: str, problem: ProviderError | None, latency_s: float | None, /) -> None:
        """Note how a call ended."""
        self.health.record(PlaceKey(provider, model), problem, latency_s)

    def latency_s(self, provider: str, model: str, share: float, /) -> float | None:
        """Give a quantile of the place's latest latencies."""
        found = self.health.latency(PlaceKey(provider, model))
        return found.p95_s if share > 0.5 else found.p50_s
