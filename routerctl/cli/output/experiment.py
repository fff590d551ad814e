"""What `routerctl experiment` does once its options are read."""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import typer

from routerctl.cli.output.terminal import folded, say
from routerctl.errors import GateError, InputError
from routerctl.files.writing import write_atomically
from routerctl.routing.experiments.assignment import ACTIVE, ENDED, ended, from_document, to_document
from routerctl.routing.experiments.compare import Standing, planned_outcomes
from routerctl.routing.experiments.trial import Stand, question_of, stand_of
from routerctl.routing.experiments.wording import comparison_words, guard_words
from routerctl.routing.state import Documents, StateStore
from routerctl.routing.tenants import DECISIONS_FILE, folder_of, known_tenant, state_of, table_of
from routerctl.table import TABLE_FILE, load_table, table_text, with_digest
from routerctl.types import Experiment, Table
from routerctl.types.routing import Routing
from routerctl.words import count, percent, plain, plural, usd

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_CAP_TIMES = 10  # an answer that costs as many times the dearest candidate's mean counts no more than that


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentOptions:
    """What `start` is told."""

    name: str
    table: Path
    share: float
    key: str
    least_difference: float
    margin: float | None
    window_s: float
    more_cost: float
    more_errors: float
    more_slow: float
    slow_s: float | None
    cost_cap_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What a command works on."""

    root: Path
    folder: Path  # of the tenant, or the project's
    file: str  # of the table that serves
    table: Table
    store: StateStore

    @property
    def active(self) -> Experiment | None:
        """The experiment that is on."""
        return from_document(self.store.get([ACTIVE])[ACTIVE])

    def stand(self, experiment: Experiment) -> Stand | None:
        """How an experiment stands; None before its first decision."""
        log = self.folder / DECISIONS_FILE
        return stand_of(experiment, log) if log.is_file() else None


@contextmanager
def _bench(tenant_name: str | None) -> Iterator[_Bench]:
    root = Path.cwd()
    project = load_table(root / TABLE_FILE)
    tenant = known_tenant(project, tenant_name)
    tier = tenant.tier if tenant else None
    store = state_of(project, root, tenant)
    try:
        yield _Bench(
            root=root,
            folder=folder_of(root, tenant),
            file=project.routing.tiers[tier].table if tier else TABLE_FILE,
            table=table_of(project, root, tenant),
            store=store,
        )
    finally:
        store.close()


def start_experiment(options: ExperimentOptions, tenant: str | None) -> None:
    """Begin an experiment.

    Raises: InputError where one is on, or the table cannot be tried; StateDown.
    """
    with _bench(tenant) as bench:
        experiment = _experiment(options, bench)

        def begin(documents: Documents) -> tuple[Documents, Experiment | None]:
            on = from_document(documents[ACTIVE]) or from_document(documents[kept])
            return ({}, on) if on else ({ACTIVE: to_document(experiment)}, None)

        kept = ENDED + experiment.name
        other = bench.store.update([ACTIVE, kept], begin)
    if other and other.ended:
        raise InputError(
            f"experiment {other.name!r} was {other.ended} at {other.ended_at}, and its decisions would count again; "
            f"take another name, such as {other.name[:61]}-2"
        )
    if other:
        raise InputError(
            f"experiment {other.name!r} has been running since {other.started_at}; promote or abort it first"
        )
    planned = planned_outcomes(question_of(experiment))
    say(
        f"{experiment.name}: {percent(experiment.share)} of the traffic, by {experiment.key}, is served by "
        f"{experiment.table}. A difference of {percent(experiment.least_difference)} in feedback will be found within "
        f"{count(planned)} rated {'answers' if experiment.key == 'id' else f'keys ({experiment.key})'} of both arms, "
        "with a chance of 90%."
    )


def _experiment(options: ExperimentOptions, bench: _Bench) -> Experiment:
    if not _NAME.match(options.name):
        raise InputError("an experiment's name is 1 to 64 letters, digits and . _ -")
    if options.table.parent.resolve() != bench.root.resolve():
        raise InputError(f"the table to try must be beside {TABLE_FILE}", file=str(options.table))
    tried = load_table(options.table)
    missing = sorted(set(bench.table.routes) - set(tried.routes))
    if missing:
        raise InputError(f"has no route for {', '.join(missing)}, which {bench.file} has", file=options.table.name)
    if tried.digest == bench.table.digest:
        raise InputError(f"is the same table as {bench.file}", file=options.table.name)
    evidence = [one for table in (bench.table, tried) for route in table.routes.values() for one in route.evidence]
    dearest = max((one.cost_per_case_usd for one in evidence if one.cost_per_case_usd is not None), default=Decimal(0))
    slowest = max((one.latency_p95_s for one in evidence if one.latency_p95_s is not None), default=0.0)
    cap, slow_s = options.cost_cap_usd or dearest * _CAP_TIMES, options.slow_s or slowest
    if cap <= 0:
        raise InputError("no candidate's cost is known; give --cost-cap-usd")
    if slow_s <= 0:
        raise InputError("no candidate's latency is known; give --slow-s")
    return Experiment(
        name=options.name,
        table=options.table.name,
        digest_a=bench.table.digest,
        digest_b=tried.digest,
        share=options.share,
        key=options.key,
        salt=secrets.token_hex(16),
        started_at=_now(),
        least_difference=options.least_difference,
        window_s=options.window_s,
        cost_cap_usd=cap,
        slow_s=slow_s,
        deviation=_deviation(bench.table),
        margin=options.margin,
        more_cost=options.more_cost,
        more_errors=options.more_errors,
        more_slow=options.more_slow,
    )


def _deviation(table: Table) -> float:
    """Guess that feedback spreads as the eval sets' scores of those who serve do."""
    passed = [
        one.judgement.passes / one.judgement.cases
        for route in table.routes.values()
        for one in route.evidence
        if one.candidate == route.chosen and one.judgement.cases
    ]
    share = min(max(sum(passed) / len(passed), 0.05), 0.95) if passed else 0.5
    return math.sqrt(share * (1 - share))


def print_status(tenant: str | None, *, as_json: bool) -> None:
    """Print how the experiment stands.

    Raises: InputError where none is on and none ended last; StateDown.
    """
    with _bench(tenant) as bench:
        experiment = bench.active or _latest(bench.store)
        if experiment is None:
            raise InputError("no experiment is running; `routerctl experiment start` begins one")
        stand = bench.stand(experiment)
    if as_json:
        typer.echo(json.dumps(_json(experiment, stand), ensure_ascii=False))
        return
    for line in _lines(experiment, stand, bench.file):
        typer.echo("\n".join(folded(line)))


def _lines(experiment: Experiment, stand: Stand | None, file: str) -> Iterator[str]:
    ended_words = f"; {experiment.ended} at {experiment.ended_at}: {experiment.why}" if experiment.ended else ""
    yield f"{experiment.name}, since {experiment.started_at}{ended_words}"
    yield f"A {file}, B {experiment.table}: {percent(experiment.share)} of the traffic, by {experiment.key}"
    if stand is None:
        yield "No decision yet."
        return
    yield f"Decisions: A {count(stand.decisions_a)}, B {count(stand.decisions_b)}."
    yield from comparison_words(stand.comparison, measure="feedback")
    if stand.decisions_a + stand.decisions_b and not stand.comparison.count_a + stand.comparison.count_b:
        yield "No answer was rated yet: routerctl log feedback ID good|bad."
    yield (
        f"Guardrails, each against the cap or limit fixed at the start (cost {usd(experiment.cost_cap_usd)}, slow "
        f"beyond {experiment.slow_s:.3g} s):"
    )
    yield from (f"  {guard_words(one)}" for one in stand.guarded)


def _json(experiment: Experiment, stand: Stand | None) -> dict[str, object]:
    shown = {key: value for key, value in to_document(experiment).items() if key != "salt"}
    if stand is None:
        return {**shown, "standing": "undecided", "decisions_a": 0, "decisions_b": 0}
    comparison = asdict(stand.comparison)
    return {
        **shown,
        "decisions_a": stand.decisions_a,
        "decisions_b": stand.decisions_b,
        **comparison,
        "guardrails": [{**asdict(one), "broken": one.broken} for one in stand.guarded],
    }


def promote_experiment(tenant: str | None, *, force: bool) -> None:
    """Put B in force.

    Raises: GateError where B is not shown to be as good, or A's file serves others than who tried it, and `force` is
        not said; InputError where a table has changed.
    """
    with _bench(tenant) as bench:
        experiment = _on(bench)
        tried = load_table(bench.root / experiment.table)
        if tried.digest != experiment.digest_b:
            raise InputError("is not the table that was tried: its digest differs", file=experiment.table)
        if bench.table.digest != experiment.digest_a:
            raise InputError("is not the table that B was compared with: it has been rebuilt since", file=bench.file)
        others = _also_served(bench, tenant)
        if others and not force:
            raise GateError(f"{experiment.name}: {bench.file} serves {others} as well (--force promotes it for all)")
        stand = bench.stand(experiment)
        standing = stand.comparison.standing if stand else Standing.UNDECIDED
        broken = stand.broken if stand else None
        if not force and (broken or standing not in (Standing.BETTER, Standing.EQUIVALENT)):
            why = guard_words(broken) if broken else f"B is not shown to be better or alike: {standing.value}"
            raise GateError(f"{experiment.name}: {why} (--force promotes it anyway)")
        version = bench.table.table_version + 1
        # Budgets, tenants and tiers are the project's: an experiment tried who serves.
        promoted = with_digest(replace(tried, table_version=version, routing=_kept(bench.table, tried)))
        write_atomically(bench.root / bench.file, table_text(promoted))
        _end(bench.store, experiment, "promoted", standing.value + (", forced" if force else ""))
    say(f"{experiment.name}: {bench.file} is now what {experiment.table} was, version {version}. Commit it.")


def _also_served(bench: _Bench, tenant: str | None) -> str:
    """Say whom the file that a tenant's experiment would change serves beside it, naming no tenant; "" = nobody."""
    if tenant is None:
        return ""
    if bench.file == TABLE_FILE:
        return "everybody without a tier"
    project = load_table(bench.root / TABLE_FILE).routing
    tiers = {name for name, tier in project.tiers.items() if tier.table == bench.file}
    others = sum(one.tier in tiers and name != tenant for name, one in project.tenants.items())
    return plain(plural(others, "other tenant")) if others else ""


def _kept(present: Table, tried: Table) -> Routing:
    """The routing of the table that serves, with the thresholds that were tried."""
    return replace(present.routing, thresholds=tried.routing.thresholds)


def abort_experiment(tenant: str | None, why: str) -> None:
    """End the experiment; A serves everything.

    Raises: InputError where none is on; StateDown.
    """
    with _bench(tenant) as bench:
        experiment = _on(bench)
        _end(bench.store, experiment, "aborted", why)
    say(f"{experiment.name} is aborted: everything is served by {bench.file}.")


def _on(bench: _Bench) -> Experiment:
    experiment = bench.active
    if experiment is None:
        raise InputError("no experiment is running; `routerctl experiment start` begins one")
    return experiment


def _end(store: StateStore, experiment: Experiment, how: str, why: str) -> None:
    keys, change = ended(experiment, how, why, _now())
    store.update(keys, change)


def _latest(store: StateStore) -> Experiment | None:
    found = [from_document(document) for document in store.scan("experiment/ended/").values()]
    return max((one for one in found if one), key=lambda one: one.ended_at, default=None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
