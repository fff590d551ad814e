"""An inquiry and what serves it -> the answer, with everything open that serving needs: wire, health, log, budgets.

Tenants that routerctl.yaml names are kept apart: what one of them asked, spent or broke is in files (or under names, on
a server) that are opened for no other one. Whoever it does not name is served in common. Place: the request line, under
the router, which opens and closes it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from routerctl.costs import most_usd, pricer_for
from routerctl.errors import RouterctlError
from routerctl.notices import alarm, warn
from routerctl.providers.base import BACKOFF_CAP_S, AnyRequest, Outside, Provider
from routerctl.providers.wire import Wire
from routerctl.redaction import learn_tenants
from routerctl.routing.budget_gate import BudgetGate
from routerctl.routing.clock import Clock
from routerctl.routing.context import Context, new_id
from routerctl.routing.decision_log.recorder import DecisionRecorder, NoRecorder, QueuedRecorder, Recorder
from routerctl.routing.experiments.active import ActiveExperiment, Assignment
from routerctl.routing.health import Health
from routerctl.routing.health.probes import places_of, probe_every
from routerctl.routing.hops import AskPlace
from routerctl.routing.noted_calls import MostUsd, NotedCalls
from routerctl.routing.route import UNSERVED, Routed, route
from routerctl.routing.state.batch import UpdateBatch
from routerctl.routing.tables import Assigned, Tables
from routerctl.routing.tenants import DECISIONS_FILE, States, budgets_at, folder_of, with_own_key
from routerctl.types import Answer, Candidate, Decision, Hop, Inquiry, Request, Table, Tenant

_HEADROOM = 2  # of some dozens of replies the longest is no bound
_WAIT_S = 60.0  # a provider that asks to be left alone for longer is passed by
_SERVICE_WAIT_S = 2.0  # the same where an application waits, which may rather try again itself


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRouter:
    """What serves the inquiries of one tenant, or of nobody in particular, by one table."""

    tenant: Tenant | None
    table: Table
    context: Context
    recorder: Recorder
    wire: Wire
    health: Health


Opened = tuple[Assigned, TenantRouter]  # the table that serves an inquiry, and what is open for its tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginOptions:
    """What an application says of how it is served; see `route`."""

    ask: AskPlace | None = None
    candidate: str | None = None
    deadline_s: float | None = None


_AS_USUAL = BeginOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An inquiry whose answer is there, or has begun to come."""

    routed: Routed
    end: Callable[[Decision, Answer | None], Awaitable[None]]  # writes down what became of it


class Runtime:
    """Everything that is open while a project serves; each part is opened when somebody needs it."""

    def __init__(
        self,
        project: Table,
        root: Path,
        *,
        env: Mapping[str, str],
        states: States,
        providers: Mapping[str, Provider],
        clock: Clock,
        serves: bool = False,
    ) -> None:
        """`root`: the folder of `project`; `env`: holds keys; `providers`: those made already, by name.

        `serves`: for many applications at once: calls are not limited by the providers' `concurrency`, nobody waits
        long for one that wants to be left alone, and the log is written beside what is served.
        """
        self._serves = serves
        self._project, self._root, self._env, self._states, self._ready = project, root, env, states, providers
        learn_tenants(project.routing, env)
        self._clock = clock
        self._open: dict[tuple[str | None, str], TenantRouter] = {}  # by tenant and the table's digest
        self._opening, self._looking = asyncio.Lock(), asyncio.Lock()
        self._checks: dict[ActiveExperiment, asyncio.Task[None]] = {}
        self._closing, self._loop = AsyncExitStack(), asyncio.get_running_loop()
        self._flying = 0  # inquiries that are being served
        self._quiet = asyncio.Event()  # none is
        self._quiet.set()

    async def close(self) -> None:
        """Wait for what is being served and for a look at guardrails that has begun; then close everything."""
        await self._quiet.wait()
        await asyncio.gather(*self._checks.values(), return_exceptions=True)
        await self._closing.aclose()

    async def serve(self, tables: Tables, inquiry: Inquiry) -> Routed:
        """Serve one inquiry; its decision is in the log before anybody sees the answer.

        Raises: InputError; EveryRungFailed; BudgetSpent; RouterctlError for our own fault, which costs no other
        inquiry its answer.
        """
        begun = await self.begin(tables, inquiry)
        await begun.end(begun.routed.decision, begun.routed.answer)
        return begun.routed

    async def begin(
        self, tables: Tables, inquiry: Inquiry, *, opened: Opened | None = None, how: BeginOptions = _AS_USUAL
    ) -> Begun:
        """Serve one inquiry up to its answer, the rest of which may still be coming; whoever gets it ends it, once.

        `opened`: what `router_for` gave. Raises: as `serve`; what is not served is in the log.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise RouterctlError("the router is used in another event loop than it was opened in")
        self._flying += 1
        self._quiet.clear()
        try:
            assigned, router = opened or await self.router_for(tables, inquiry)
            return await self._begun(assigned, router, inquiry, how)
        except BaseException as error:
            self._landed()
            if isinstance(error, RouterctlError) or not isinstance(error, Exception):
                raise
            raise RouterctlError(f"unexpected: {type(error).__name__}: {error}") from error

    def opened(self) -> Iterator[TenantRouter]:
        """Give what is open, a tenant and table each."""
        return iter(tuple(self._open.values()))

    def _landed(self) -> None:
        self._flying -= 1
        if not self._flying:
            self._quiet.set()

    async def router_for(self, tables: Tables, inquiry: Inquiry) -> Opened:
        """Give the table that serves an inquiry, and what is open for its tenant.

        Raises: InputError.
        """
        experiment = tables.experiment_for(inquiry)
        if experiment.is_stale():
            async with self._looking:
                if experiment.is_stale():
                    await asyncio.to_thread(experiment.refresh)
        assigned = tables.of(inquiry)
        return assigned, await self._router_for(assigned)

    async def _begun(self, assigned: Assigned, router: TenantRouter, inquiry: Inquiry, how: BeginOptions) -> Begun:
        async def note(decision: Decision, hops: Callable[[], tuple[Hop, ...]]) -> None:
            await router.recorder.note(inquiry, decision, hops)

        write = note if router.table.routing.log else None
        calls = NotedCalls(router.context.call, router.context.most_usd, write)
        try:
            routed = await route(
                router.table,
                router.context,
                inquiry,
                assigned=assigned,
                calls=calls,
                ask=how.ask,
                candidate=how.candidate,
                deadline_s=how.deadline_s,
            )
        except UNSERVED as error:
            for words in error.alarms:
                alarm(words)
            await self._record(router, assigned, inquiry, error.decision, None)
            raise
        except BaseException:  # Ctrl-C, or our own fault: what was asked has been paid for
            if left := calls.cancelled():
                await self._record(router, assigned, inquiry, left, None)
            raise

        async def end(decision: Decision, answer: Answer | None) -> None:
            try:
                await self._record(router, assigned, inquiry, decision, answer)
            finally:
                self._landed()

        return Begun(routed=routed, end=end)

    async def _record(
        self, router: TenantRouter, assigned: Assigned, inquiry: Inquiry, decision: Decision, answer: Answer | None
    ) -> None:
        number = await router.recorder.append(inquiry, decision, answer)
        if assigned.assignment and number is not None:
            self._check_guardrails(assigned.experiment, assigned.assignment, number)

    def _check_guardrails(self, experiment: ActiveExperiment, assignment: Assignment, number: int) -> None:
        """Look at an experiment's guardrails now and then, in a thread, one look at a time."""
        going = self._checks.get(experiment)
        if experiment.is_check_due(number) and (going is None or going.done()):
            check = asyncio.to_thread(experiment.check, assignment.experiment)
            self._checks[experiment] = asyncio.ensure_future(check)

    async def _router_for(self, assigned: Assigned) -> TenantRouter:
        key = assigned.tenant.name if assigned.tenant else None, assigned.table.digest
        if key in self._open:
            return self._open[key]
        async with self._opening:
            if key not in self._open:
                async with AsyncExitStack() as opening:  # what was opened before a problem is closed again
                    self._open[key] = await self._opened(assigned, opening)
                    self._closing.push_async_exit(opening.pop_all())
        return self._open[key]

    async def _opened(self, assigned: Assigned, opening: AsyncExitStack) -> TenantRouter:
        tenant, table, classifier = assigned.tenant, assigned.table, assigned.classifier
        providers = [with_own_key(spec, tenant) for spec in table.providers.values()]
        clock = self._clock
        outside = Outside(env=self._env, clock=clock.monotonic, sleep=clock.sleep)
        wait_s, limited = (_SERVICE_WAIT_S, False) if self._serves else (_WAIT_S, True)
        wire = Wire(providers, outside, pricer_for(table), ready=self._ready, longest_wait_s=wait_s, limited=limited)
        await opening.enter_async_context(wire)
        health = Health(self._states.of(tenant), clock=lambda: clock.now().timestamp(), rng=random.Random())  # noqa: S311 - jitter
        opening.callback(health.close)
        log = folder_of(self._root, tenant) / DECISIONS_FILE
        recorder: Recorder
        if table.routing.log:
            recorder = (QueuedRecorder if self._serves else DecisionRecorder)(log, table, now=clock.now)
        else:
            recorder = NoRecorder()
        opening.push(recorder)
        probing = probe_every(wire, health, places_of(table), rng=random.Random())  # noqa: S311 - jitter
        opening.push_async_callback(_ended, asyncio.ensure_future(probing))

        def most(candidate: Candidate, request: AnyRequest) -> Decimal:
            price = wire.pricer(candidate.provider, request.model)
            return most_usd(price, request, table.providers[candidate.provider].timeout_s)

        context = Context(
            call=wire.call,
            clock=clock.monotonic,
            today=lambda: clock.now().date(),
            ready=wire.ready,
            classifier=classifier,
            watch=health,
            warm=wire.is_warm,
            load=wire.load,
            most_usd=most,
            budget_gate=self._budget_gate(tenant, table, most),
        )
        return TenantRouter(tenant=tenant, table=table, context=context, recorder=recorder, wire=wire, health=health)

    def _budget_gate(self, tenant: Tenant | None, table: Table, most: MostUsd) -> BudgetGate | None:
        """The books are one for the whole project: a budget may be about several tenants."""
        budgets = budgets_at(table, self._project.routing.budgets, tenant)
        if not budgets:
            return None

        def usual(candidate: Candidate, request: Request, task_class: str | None) -> int | None:
            return usual_tokens(table, candidate, request, task_class)

        def longest(candidate: Candidate) -> float:
            spec = table.providers[candidate.provider]
            return spec.timeout_s * spec.max_attempts + BACKOFF_CAP_S * (spec.max_attempts - 1)

        batch = None
        if self._serves:
            batch = UpdateBatch(self._states.of(None))
            self._closing.push_async_callback(batch.close)
        return BudgetGate(
            batch=batch,
            longest_s=longest,
            usual_tokens=usual,
            store=self._states.of(None),
            budgets=budgets,
            most_usd=most,
            new_id=new_id,
            warn=warn,
            now=self._clock.now,
            clock=self._clock.monotonic,
            sleep=self._clock.sleep,
        )


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


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
