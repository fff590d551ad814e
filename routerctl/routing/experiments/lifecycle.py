"""An experiment from its start to its end -> what is written down of it, and what a person is told."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from routerctl.errors import GateError, InputError
from routerctl.files.writing import write_atomically
from routerctl.routing.experiments.assignment import ACTIVE, ENDED, ended, experiment_document, experiment_of_document
from routerctl.routing.experiments.compare import Standing, planned_outcomes
from routerctl.routing.experiments.trial import Stand, question_of, stand_of
from routerctl.routing.experiments.wording import guard_words
from routerctl.routing.state import Documents, StateStore
from routerctl.routing.tenants import DECISIONS_FILE, folder_of, known_tenant, state_of, table_of
from routerctl.table import TABLE_FILE, load_table, table_text, with_digest
from routerctl.types import Experiment, Table
from routerctl.types.routing import Routing
from routerctl.words import count, percent, plain, plural

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_CAP_TIMES = 10  # an answer that costs as many times the dearest candidate's mean counts no more than that


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentOptions:
    """What an experiment is started with."""

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
class ExperimentFiles:
    """What an experiment is about: the table that serves, its log and the shared state."""

    root: Path
    folder: Path  # of the tenant, or the project's
    file: str  # of the table that serves
    table: Table
    store: StateStore

    @property
    def active(self) -> Experiment | None:
        """The experiment that is on."""
        return experiment_of_document(self.store.get([ACTIVE])[ACTIVE])

    def stand(self, experiment: Experiment) -> Stand | None:
        """How an experiment stands; None before its first decision."""
        log = self.folder / DECISIONS_FILE
        return stand_of(experiment, log) if log.is_file() else None


@contextmanager
def open_experiment(root: Path, tenant_name: str | None) -> Iterator[ExperimentFiles]:
    """Open what an experiment of a tenant is about, or of the project where `tenant_name` is None.

    Raises: InputError for a tenant that routerctl.yaml does not name.
    """
    project = load_table(root / TABLE_FILE)
    tenant = known_tenant(project, tenant_name)
    tier = tenant.tier if tenant else None
    store = state_of(project, root, tenant)
    try:
        yield ExperimentFiles(
            root=root,
            folder=folder_of(root, tenant),
            file=project.routing.tiers[tier].table if tier else TABLE_FILE,
            table=table_of(project, root, tenant),
            store=store,
        )
    finally:
        store.close()


def start(root: Path, options: ExperimentOptions, tenant: str | None) -> str:
    """Begin an experiment, and say what it will find.

    Raises: InputError where one is on, or the table cannot be tried; StateDown.
    """
    with open_experiment(root, tenant) as files:
        experiment = _experiment(options, files)

        def begin(documents: Documents) -> tuple[Documents, Experiment | None]:
            on = experiment_of_document(documents[ACTIVE]) or experiment_of_document(documents[kept])
            return ({}, on) if on else ({ACTIVE: experiment_document(experiment)}, None)

        kept = ENDED + experiment.name
        other = files.store.update([ACTIVE, kept], begin)
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
    return (
        f"{experiment.name}: {percent(experiment.share)} of the traffic, by {experiment.key}, is served by "
        f"{experiment.table}. A difference of {percent(experiment.least_difference)} in feedback will be found within "
        f"{count(planned)} rated {'answers' if experiment.key == 'id' else f'keys ({experiment.key})'} of both arms, "
        "with a chance of 90%."
    )


def _experiment(options: ExperimentOptions, files: ExperimentFiles) -> Experiment:
    if not _NAME.match(options.name):
        raise InputError("an experiment's name is 1 to 64 letters, digits and . _ -")
    if options.table.parent.resolve() != files.root.resolve():
        raise InputError(f"the table to try must be beside {TABLE_FILE}", file=str(options.table))
    tried = load_table(options.table)
    missing = sorted(set(files.table.routes) - set(tried.routes))
    if missing:
        raise InputError(f"has no route for {', '.join(missing)}, which {files.file} has", file=options.table.name)
    if tried.digest == files.table.digest:
        raise InputError(f"is the same table as {files.file}", file=options.table.name)
    evidence = [one for table in (files.table, tried) for route in table.routes.values() for one in route.evidence]
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
        digest_a=files.table.digest,
        digest_b=tried.digest,
        share=options.share,
        key=options.key,
        salt=secrets.token_hex(16),
        started_at=_now(),
        least_difference=options.least_difference,
        window_s=options.window_s,
        cost_cap_usd=cap,
        slow_s=slow_s,
        deviation=_deviation(files.table),
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


def promote(root: Path, tenant: str | None, *, force: bool) -> str:
    """Put B in force, and say what routes.yaml is now.

    Raises: GateError where B is not shown to be as good, or A's file serves others than who tried it, and `force` is
        not said; InputError where a table has changed.
    """
    with open_experiment(root, tenant) as files:
        experiment = _on(files)
        tried = load_table(files.root / experiment.table)
        if tried.digest != experiment.digest_b:
            raise InputError("is not the table that was tried: its digest differs", file=experiment.table)
        if files.table.digest != experiment.digest_a:
            raise InputError("is not the table that B was compared with: it has been rebuilt since", file=files.file)
        others = _also_served(files, tenant)
        if others and not force:
            raise GateError(f"{experiment.name}: {files.file} serves {others} as well (--force promotes it for all)")
        stand = files.stand(experiment)
        standing = stand.comparison.standing if stand else Standing.UNDECIDED
        broken = stand.broken if stand else None
        if not force and (broken or standing not in (Standing.BETTER, Standing.EQUIVALENT)):
            why = guard_words(broken) if broken else f"B is not shown to be better or alike: {standing.value}"
            raise GateError(f"{experiment.name}: {why} (--force promotes it anyway)")
        version = files.table.table_version + 1
        # Budgets, tenants and tiers are the project's: an experiment tried who serves.
        promoted = with_digest(replace(tried, table_version=version, routing=_kept(files.table, tried)))
        write_atomically(files.root / files.file, table_text(promoted))
        _end(files.store, experiment, "promoted", standing.value + (", forced" if force else ""))
    return f"{experiment.name}: {files.file} is now what {experiment.table} was, version {version}. Commit it."


def _also_served(files: ExperimentFiles, tenant: str | None) -> str:
    """Say whom the file that a tenant's experiment would change serves beside it, naming no tenant; "" = nobody."""
    if tenant is None:
        return ""
    if files.file == TABLE_FILE:
        return "everybody without a tier"
    project = load_table(files.root / TABLE_FILE).routing
    tiers = {name for name, tier in project.tiers.items() if tier.table == files.file}
    others = sum(one.tier in tiers and name != tenant for name, one in project.tenants.items())
    return plain(plural(others, "other tenant")) if others else ""


def _kept(present: Table, tried: Table) -> Routing:
    """The routing of the table that serves, with the thresholds that were tried."""
    return replace(present.routing, thresholds=tried.routing.thresholds)


def abort(root: Path, tenant: str | None, why: str) -> str:
    """End the experiment, so that A serves everything, and say so.

    Raises: InputError where none is on; StateDown.
    """
    with open_experiment(root, tenant) as files:
        experiment = _on(files)
        _end(files.store, experiment, "aborted", why)
    return f"{experiment.name} is aborted: everything is served by {files.file}."


def _on(files: ExperimentFiles) -> Experiment:
    experiment = files.active
    if experiment is None:
        raise InputError("no experiment is running; `routerctl experiment start` begins one")
    return experiment


def _end(store: StateStore, experiment: Experiment, how: str, why: str) -> None:
    keys, change = ended(experiment, how, why, _now())
    store.update(keys, change)


def latest_experiment(store: StateStore) -> Experiment | None:
    """Give the experiment that ended last; None where none has."""
    found = [experiment_of_document(document) for document in store.scan("experiment/ended/").values()]
    return max((one for one in found if one), key=lambda one: one.ended_at, default=None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
