"""A project -> what is wrong with it, without a call; and whether its tables follow from their evidence.

`build-table` and `check` share `assemble`, so a table is compared with exactly what would be built.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from routerctl.classify.rules import rule_warnings
from routerctl.costs import lacks_tiers, listed_price
from routerctl.errors import GateError, InputError
from routerctl.evaluation.assemble import imported_classes, project_and_sets, table_of
from routerctl.evaluation.differences import first_differences
from routerctl.evaluation.labels import Label, read_labels
from routerctl.evaluation.ladder_order import costs_behind, order_warning
from routerctl.evaluation.outdated import (
    TableFile,
    other_classes,
    other_evidence,
    other_labels,
    other_prices,
    other_sets,
    places,
)
from routerctl.evaluation.policy import (
    classifier_warnings,
    limit_notes,
    limit_warnings,
    policy_warnings,
    uncompiled,
)
from routerctl.evaluation.project import Project
from routerctl.evaluation.project_routing import check_classes
from routerctl.evaluation.repricing import at_present_prices
from routerctl.evaluation.run.header import pin_warnings, pinned_candidate, prices_of
from routerctl.evaluation.run.session import EvalOptions, plan_run, provable, warnings_of
from routerctl.evaluation.run_files import read_run, run_folder
from routerctl.evaluation.unpinned import ADVICE, unpinned_in
from routerctl.providers.base import checked_options
from routerctl.providers.kinds import check_kind, kind_class
from routerctl.providers.retirements import missing_lists, retirements_of
from routerctl.table import load_table, same_content
from routerctl.types import EvalSet, Route, Run, Table
from routerctl.words import count, plain, plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What `check` found: `notes` say what is in order, `warnings` what soon may not be."""

    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def check_project(root: Path, today: date) -> Checked:
    """Check everything that can be checked without a call.

    Raises: InputError for the first thing that is wrong, GateError where routes.yaml does not follow from its evidence.
    """
    project, eval_sets = project_and_sets(root)
    warnings, notes = list[str](), list[str]()
    imported = imported_classes(root)
    if project:
        _check_providers(project)
        scorers = {name: item.scorer.name for name, item in imported.items()}
        scorers |= {item.name: item.scorer.name for item in eval_sets}
        check_classes(scorers, uncompiled(project))
        warnings += classifier_warnings(project.classifier, root, scorers)
        warnings += [*_candidate_warnings(project, today), *_order_warnings(project, today)]
        warnings += [*policy_warnings(project, scorers), *limit_warnings(project, eval_sets)]
        warnings += rule_warnings(project.rules)
        if eval_sets:
            planned = plan_run(root, EvalOptions(), lambda: datetime.combine(today, time.min, UTC))
            warnings += [*warnings_of(planned), *provable(planned)]
        both = plural(len(project.candidates), "candidate"), plural(len(project.ladders), "ladder")
        notes.append(plain(f"{' on '.join(both)}, pinned and priced"))
        notes += limit_notes(project, eval_sets)
    if eval_sets:
        notes.append(_counted(eval_sets, "eval set", "eval sets", sum(len(item.cases) for item in eval_sets)))
    if imported:
        cases = sum(item.n for item in imported.values())
        notes.append(_counted(imported, "class with imported outcomes", "classes with imported outcomes", cases))
    for at in places(project):
        if not (root / at.file).exists():
            warnings.append(f"{at.file}: not there yet; `{at.build}` writes it")
            continue
        table = load_table(root / at.file)
        _check_follows(root, project, eval_sets, table, at)
        _check_served(table, at)
        notes.append(f"{at.file}: version {table.table_version} follows from its evidence")
        warnings += [*_price_news(table, at), *(_retirement_news(project, table, at.file) if project else ())]
        unreached = [name for name, item in table.routes.items() if not item.passing]
        warnings += [f"{at.file}: {name}: no candidate reaches the bar" for name in unreached]
    return Checked(notes=tuple(notes), warnings=tuple(dict.fromkeys(warnings)))


def _counted(these: Collection[Any], noun: str, nouns: str, cases: int) -> str:
    return plain(f"{plural(len(these), noun, nouns)}, {plural(cases, 'case')}")


def _check_providers(project: Project) -> None:
    """Check that every provider could be made, also where no candidate uses it; none is, as that may take a key.

    Raises: InputError for a kind that nobody registered, or an option that it does not have.
    """
    for name, spec in project.providers.items():
        part = "kind"
        try:
            check_kind(spec.kind)
            part = "options"  # looked at only where there are some: a vendor's SDK takes long to import
            known = getattr(kind_class(spec.kind), "OPTIONS", None) if spec.options else None
            if known is not None:
                checked_options(spec, known)
        except InputError as error:
            raise project.error(("providers", name, part), error.problem) from None


def _candidate_warnings(project: Project, today: date) -> Iterator[str]:
    pinned = {name: pinned_candidate(project, name) for name in project.candidates}
    prices_of(project, pinned, today)
    yield from missing_lists(project.providers.values())
    yield from pin_warnings(pinned, project.providers)
    yield from _flat_prices(project, today)
    for name, candidate in pinned.items():
        for model, day in retirements_of([candidate], project.providers).items():
            left = (date.fromisoformat(day) - today).days
            yield f"candidates.{name}: {model} " + (
                f"retires on {day}, in {left} days" if left > 0 else f"was retired on {day}"
            )


def _flat_prices(project: Project, today: date) -> Iterator[str]:
    """Name the stated prices that say nothing of longer prompts though the list does; a tier of the same price may."""
    for place, stated in enumerate(project.prices):
        listed = None if stated.tiers else listed_price(project.providers[stated.provider], stated.model, today)
        if listed and listed.tiers:
            yield (
                f"prices.{place}: {listed.source} has another price of {stated.model} above "
                f"{count(listed.tiers[0].above_input_tokens)} input tokens; without `tiers` this one holds there, too"
            )


def _order_warnings(project: Project, today: date) -> list[str]:
    pinned = {name: pinned_candidate(project, name) for name in project.candidates}
    prices, costs = prices_of(project, pinned, today), costs_behind(project.root, project, pinned)
    ladders = project.ladders.items()
    found = [order_warning(name, ladder, pinned, prices, costs) for name, ladder in ladders]
    return [words for words in found if words]


def _retirement_news(project: Project, table: Table, file: str) -> Iterator[str]:
    """Say which models' ends have become known since the table was built, and which have no successor."""
    known = retirements_of(table.candidates.values(), project.providers)
    for model, day in known.items():
        if table.retirements.get(model) != day:
            yield f"{file}: {model} retires on {day}, which was not known when the table was built"
    for model, day in {**table.retirements, **known}.items():
        if model not in table.routing.successors:
            yield f"{file}: {model} retires on {day} and has no successor (routing.successors)"


def _price_news(table: Table, at: TableFile) -> Iterator[str]:
    for name, price in table.prices.items():
        if lacks_tiers(price):
            yield (
                f"{at.file}: the price of {name} is pinned without what longer prompts cost; run `{at.eval}`, then "
                f"`{at.build}`"
            )


def _check_follows(
    root: Path, project: Project | None, eval_sets: Sequence[EvalSet], table: Table, at: TableFile
) -> None:
    """Build the table anew from the runs it names and compare.

    Raises: GateError naming what differs.
    """
    if at.ladder not in (None, table.ladder_name):
        raise GateError(f"{at.file} is of ladder {table.ladder_name!r}, its tier has {at.ladder!r}; run `{at.build}`")
    read: dict[str, Run] = {}  # classes may share a run
    if project:
        _stop_at_first(other_prices(project, table, at))
    behind = {name: _run_behind(root, name, route, read, at) for name, route in table.routes.items()}
    priced = {id(run): at_present_prices(run, project) for run in behind.values()}
    runs = {name: priced[id(run)] for name, run in behind.items()}
    imported = {name for name, run in runs.items() if run.header.imported}
    _stop_at_first(other_classes(table, eval_sets, imported, at))
    _stop_at_first(other_sets(table, eval_sets, imported, at))
    _stop_at_first(other_labels(table, [name for name in runs if runs[name].header.classes[name].judge], root, at))
    labels = {name: read_labels(root, name) for name in runs}
    _check_same(root, runs, project, eval_sets, labels, table, at)
    if project:
        _stop_at_first(other_evidence(project, table, at, own_ladder=len(imported) == len(runs)))


def _run_behind(root: Path, name: str, route: Route, read: dict[str, Run], at: TableFile) -> Run:
    """Read the run that a route names, unless it is among those already `read`.

    Raises: GateError where it is gone, broken or not of that class.
    """
    try:
        run = read.get(route.run_id) or read.setdefault(route.run_id, read_run(run_folder(root, route.run_id)))
    except InputError as error:
        raise GateError(f"{at.file}: the evidence of {name} cannot be read: {error}") from None
    if name not in run.header.classes or not run.header.finished:
        raise GateError(f"{at.file}: {name} rests on run {route.run_id}, which did not finish that class")
    return run


def _check_same(  # noqa: PLR0917 - all that a table is built from
    root: Path,
    runs: Mapping[str, Run],
    project: Project | None,
    eval_sets: Sequence[EvalSet],
    labels: Mapping[str, Sequence[Label]],
    table: Table,
    at: TableFile,
) -> None:
    try:
        # When a model ends is news, not evidence: a warning says it, and the table stays.
        ends = table.retirements
        built = table_of(root, project, eval_sets, runs, labels=labels, previous=table, retirements=ends)
    except InputError as error:
        raise GateError(f"{at.file} does not follow from its evidence: {error}") from None
    if not same_content(built, table):
        found = "; ".join(first_differences(table, built))
        raise GateError(f"{at.file} does not follow from its evidence: {found}; run `{at.build}`")


def _check_served(table: Table, at: TableFile) -> None:
    """Check that the evidence is of the models that are pinned.

    Raises: GateError naming every class with another one.
    """
    found = "; ".join(unpinned_in(table))
    if found:
        raise GateError(f"{at.file}: {found}; {ADVICE}, then `{at.build}`")


def _stop_at_first(found: Iterator[str]) -> None:
    """End the check with the first thing found.

    Raises: GateError.
    """
    for problem in found:
        raise GateError(problem)
