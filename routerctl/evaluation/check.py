"""A project -> what is wrong with it, without a call; and the table that its evidence gives.

Place: beside the build, at the end of the evaluation line. `build-table` and `check` share `assemble`, so a table is
compared with exactly what would be built.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from routerctl.classify.rules import rule_warnings
from routerctl.errors import GateError, InputError, nearest
from routerctl.evaluation.build import build_table
from routerctl.evaluation.eval_sets import EVALS_FOLDER, load_eval_set, load_eval_sets
from routerctl.evaluation.importers.as_run import check_agree, supersedes
from routerctl.evaluation.labels import Label, read_labels
from routerctl.evaluation.ladder_order import costs_behind, order_warning
from routerctl.evaluation.outdated import (
    Place,
    other_classes,
    other_evidence,
    other_labels,
    other_prices,
    other_sets,
    places,
)
from routerctl.evaluation.policy import classifier_warnings, compile_policy, retirements_of, uncompiled
from routerctl.evaluation.policy_warnings import limit_notes, limit_warnings, policy_warnings
from routerctl.evaluation.project import PROJECT_FILE, Project, load_project
from routerctl.evaluation.project_routing import check_classes
from routerctl.evaluation.repricing import at_present_prices
from routerctl.evaluation.run.header import pin_warnings, pinned_candidate, prices_of
from routerctl.evaluation.run.session import EvalOptions, plan_run, provable, warnings_of
from routerctl.evaluation.run_files import REPORTS_FOLDER, read_header, read_run, run_folder, run_folders
from routerctl.evaluation.served import ADVICE, foreign_in
from routerctl.providers.base import checked_options
from routerctl.providers.kinds import check_kind, kind_class
from routerctl.providers.lifecycle import retires_on
from routerctl.review.diff.places import first_differences
from routerctl.table import load_table, same_content
from routerctl.types import ClassHeader, EvalSet, Policy, Route, Run, RunHeader, Table, WhenUnproven
from routerctl.words import plain, plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What `check` found out: `notes` say what is well, `warnings` what will not be for long."""

    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def assemble(
    root: Path, *, ladder: str | None, wanted: Sequence[str], previous: Table | None
) -> tuple[Table, dict[str, Run]]:
    """Build the table from the runs `wanted`, else from each class's newest run; give it with its runs.

    What they cost is told at the prices that the project states now. A class without an eval set rests on imported
    outcomes, as all do where there is neither project nor eval set.
    Raises: InputError where a class has no usable run or the runs do not fit together.
    """
    project, eval_sets = _project_and_sets(root)
    ladder_name = project.ladder_named(ladder)[0] if project else ladder
    chosen = [run_folder(root, name) for name in wanted]
    # Without a project nothing says which classes there are: those of the runs that are asked for.
    others = run_folders(root) if project or not chosen else []
    asked = f" --ladder {ladder}" if ladder else ""
    runs = _runs_for(eval_sets, chosen, others, ladder_name, asked=asked, project=project)
    check_agree(runs)
    table = build_table(
        runs,
        policy=compile_policy(project, root, runs) if project else Policy(),
        previous=previous,
        stakes={item.name: item.stakes for item in eval_sets},
        labels={name: read_labels(root, name) for name in runs},
        unproven=_unproven(project, eval_sets, runs),
        today=_today(project, eval_sets, runs),
    )
    return table, runs


def _unproven(project: Project | None, eval_sets: Sequence[EvalSet], runs: Iterable[str]) -> dict[str, WhenUnproven]:
    """Say who serves each class where nothing is proven; nothing where no project says it."""
    if project is None:
        return {}
    return dict.fromkeys(runs, project.when_unproven) | {item.name: project.unproven_of(item) for item in eval_sets}


def _today(project: Project | None, eval_sets: Sequence[EvalSet], runs: Iterable[str]) -> dict[str, str]:
    """Say who serves each class now, where project or eval set says it."""
    if project is None:
        return {}
    own = {item.name: item.today for item in eval_sets if item.today}
    return (dict.fromkeys(runs, project.today) if project.today else {}) | own


def _project_and_sets(root: Path) -> tuple[Project | None, tuple[EvalSet, ...]]:
    """Read the project and its eval sets; imported outcomes need neither.

    Raises: InputError where one is missing and nothing was imported in its place.
    """
    has_sets = any((root / EVALS_FOLDER).glob("*.yaml"))
    if has_sets or not _imported_classes(root):
        return load_project(root), load_eval_sets(root)
    return (load_project(root) if (root / PROJECT_FILE).exists() else None), ()


def _runs_for(
    eval_sets: Sequence[EvalSet],
    wanted: Sequence[Path],
    newest_first: Sequence[Path],
    ladder_name: str | None,
    *,
    asked: str,
    project: Project | None,
) -> dict[str, Run]:
    """Give each class the first run that is evidence for it: of those wanted, then of all; `asked`: as an option.

    A class with an eval set needs a run that was made on the set as it is now. A run of a part of the ladder, outcomes
    imported for a class that has an eval set, and those imported again later, count only where asked for by name.
    """
    sets = {item.name: item for item in eval_sets}
    read: dict[Path, Run] = {}
    found: dict[str, Run] = {}
    later: list[RunHeader] = []
    for folder in dict.fromkeys([*wanted, *newest_first]):
        header = read_header(folder)
        if folder not in wanted and any(supersedes(one, header) for one in later):
            continue
        later.append(header)
        for name in _usable(header, sets, ladder_name, asked_for=folder in wanted):
            if name not in found:
                if folder not in read:
                    read[folder] = at_present_prices(read_run(folder), project)
                found[name] = read[folder]
    _check_found(found, eval_sets, {header.ladder_name for header in later}, ladder_name, asked)
    return {name: found[name] for name in sorted(found)}


def _check_found(
    found: Collection[str], eval_sets: Sequence[EvalSet], ladders: Collection[str], ladder_name: str | None, asked: str
) -> None:
    """See that each eval set has a run, and that there is one of the ladder; `ladders`: those of all runs.

    Raises: InputError saying what would help.
    """
    for item in eval_sets:
        if item.name not in found:
            raise InputError(
                f"no finished run of ladder {ladder_name!r} was made on this eval set as it is now; "
                f"`routerctl eval{asked} --only {item.name}` makes one (replies already paid for cost nothing)"
                f"{_example(item.digest) if found else ''}",
                file=item.file,
            )
    if ladder_name and ladders and not found and ladder_name not in ladders:
        raise InputError(
            f"no run is of ladder {ladder_name!r}{nearest(ladder_name, ladders)} (--run takes one of any ladder)",
            file=f"{REPORTS_FOLDER}/",
        )


def _example(digest: str) -> str:
    """What to do without the eval set that `init` writes; "" for any other."""
    scaffold = Path(__file__).parents[1] / "scaffold"
    if digest != load_eval_set(scaffold / EVALS_FOLDER / "ticket.yaml", scaffold).digest:
        return ""
    return (
        f"; it is the example that `init` wrote: if it is not wanted, remove it, and default_class from {PROJECT_FILE}"
    )


def _usable(
    header: RunHeader, sets: Mapping[str, EvalSet], ladder_name: str | None, *, asked_for: bool
) -> Iterator[str]:
    """Name the classes that a run is evidence for."""
    on_ladder = ladder_name in (None, header.ladder_name)
    if not header.finished or (header.rungs and not header.imported and not asked_for):
        return
    for name, of_class in header.classes.items():
        if header.imported:
            if asked_for or (on_ladder and name not in sets):
                yield name
        elif on_ladder and name in sets and of_class.digest == sets[name].digest:
            yield name


def check_project(root: Path, today: date) -> Checked:
    """Check everything that can be checked without a call.

    Raises: InputError for the first thing that is wrong, GateError where routes.yaml does not follow from its evidence.
    """
    project, eval_sets = _project_and_sets(root)
    warnings: list[str] = []
    notes: list[str] = []
    imported = _imported_classes(root)
    if project:
        _check_providers(project)
        scorers = {name: item.scorer.name for name, item in imported.items()}
        scorers |= {item.name: item.scorer.name for item in eval_sets}
        check_classes(scorers, uncompiled(project))
        warnings += classifier_warnings(project.classifier, root, scorers)
        warnings += _candidate_warnings(project, today)
        warnings += _order_warnings(project, today)
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
        warnings += _retirement_news(project, table, at.file) if project else []
        unreached = [name for name, item in table.routes.items() if not item.passing]
        warnings += [f"{at.file}: {name}: no candidate reaches the bar" for name in unreached]
    return Checked(notes=tuple(notes), warnings=tuple(dict.fromkeys(warnings)))


def _counted(these: Collection[Any], noun: str, nouns: str, cases: int) -> str:
    return plain(f"{plural(len(these), noun, nouns)}, {plural(cases, 'case')}")


def _check_providers(project: Project) -> None:
    """See that every provider could be made, those that no candidate uses too; none is, which may take a key.

    Raises: InputError for a kind that nobody registered, or an option that it does not have.
    """
    for name, spec in project.providers.items():
        try:
            check_kind(spec.kind)
        except InputError as error:
            raise project.error(("providers", name, "kind"), error.problem) from None
        try:  # only where it has options: a vendor's SDK takes long to import
            known = getattr(kind_class(spec.kind), "OPTIONS", None) if spec.options else None
            if known is not None:
                checked_options(spec, known)
        except InputError as error:
            raise project.error(("providers", name, "options"), error.problem) from None


def _imported_classes(root: Path) -> dict[str, ClassHeader]:
    """Each class that was imported, as its newest run has it."""
    found: dict[str, ClassHeader] = {}
    later: list[RunHeader] = []
    for folder in run_folders(root):
        with contextlib.suppress(InputError):  # a damaged run is evidence of nothing; who needs it names it
            header = read_header(folder)
            if header.imported and not any(supersedes(one, header) for one in later):
                found = {**header.classes, **found}
                later.append(header)
    return found


def _candidate_warnings(project: Project, today: date) -> Iterator[str]:
    pinned = {name: pinned_candidate(project, name) for name in project.candidates}
    prices_of(project, pinned, today)
    yield from pin_warnings(pinned, project.providers)
    for name, candidate in pinned.items():
        end = retires_on(candidate.model, project.providers[candidate.provider].kind)
        if end and end <= today:
            yield f"candidates.{name}: {candidate.model} was retired on {end.isoformat()}"
        elif end:
            yield f"candidates.{name}: {candidate.model} retires on {end.isoformat()}, in {(end - today).days} days"


def _order_warnings(project: Project, today: date) -> list[str]:
    pinned = {name: pinned_candidate(project, name) for name in project.candidates}
    prices, costs = prices_of(project, pinned, today), costs_behind(project.root, project, pinned)
    ladders = project.ladders.items()
    found = [order_warning(name, ladder, pinned, prices, costs) for name, ladder in ladders]
    return [words for words in found if words]


def _retirement_news(project: Project, table: Table, file: str) -> Iterator[str]:
    """Say what has become known of a model's end since the table was built, and where no successor is named."""
    known = retirements_of(project, table.candidates)
    for model, day in known.items():
        if table.retirements.get(model) != day:
            yield f"{file}: {model} retires on {day}, which was not known when it was built"
    for model, day in {**table.retirements, **known}.items():
        if model not in table.routing.successors:
            yield f"{file}: {model} retires on {day} and has no successor (routing.successors)"


def _check_follows(root: Path, project: Project | None, eval_sets: Sequence[EvalSet], table: Table, at: Place) -> None:
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


def _run_behind(root: Path, name: str, route: Route, read: dict[str, Run], at: Place) -> Run:
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
    at: Place,
) -> None:
    try:
        policy = compile_policy(project, root, runs) if project else Policy()
        # When a model ends is news, not evidence: a warning says it, and the table stays.
        policy = replace(policy, retirements=table.retirements)
        built = build_table(
            runs,
            policy=policy,
            previous=table,
            stakes={item.name: item.stakes for item in eval_sets},
            labels=labels,
            unproven=_unproven(project, eval_sets, runs),
            today=_today(project, eval_sets, runs),
        )
    except InputError as error:
        raise GateError(f"{at.file} does not follow from its evidence: {error}") from None
    if not same_content(built, table):
        found = "; ".join(first_differences(table, built))
        raise GateError(f"{at.file} does not follow from its evidence: {found}; run `{at.build}`")


def _check_served(table: Table, at: Place) -> None:
    """See that the evidence is of the models that are pinned.

    Raises: GateError naming every class with another one.
    """
    found = "; ".join(foreign_in(table))
    if found:
        raise GateError(f"{at.file}: {found}; {ADVICE}, then `{at.build}`")


def _stop_at_first(found: Iterator[str]) -> None:
    """End the check with the first thing found.

    Raises: GateError.
    """
    for problem in found:
        raise GateError(problem)
