"""A project -> all that is wrong with it, without a call; and whether its tables follow from their evidence.

`build-table` and `check` share `assemble`, so a table is compared with exactly what would be built. What is wrong is
gathered file by file; a table is compared once the files that it is made of are in order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from routerctl.classify.rules import rule_warnings
from routerctl.costs import lacks_tiers, listed_price
from routerctl.errors import GateError, InputError
from routerctl.evaluation.assemble import imported_classes, readable, table_of
from routerctl.evaluation.differences import first_differences
from routerctl.evaluation.eval_sets import eval_set_paths
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
from routerctl.evaluation.project_routing import class_problems
from routerctl.evaluation.repricing import at_present_prices
from routerctl.evaluation.run.header import judge_of, pin_warnings, pinned_candidate, prices_of, set_problems
from routerctl.evaluation.run.session import EvalOptions, plan_run, provable, warnings_of
from routerctl.evaluation.run_files import read_run, run_folder
from routerctl.evaluation.unpinned import ADVICE, unpinned_in
from routerctl.files.document import Document
from routerctl.providers.base import checked_options
from routerctl.providers.kinds import check_kind, kind_class
from routerctl.providers.retirements import missing_lists, retirements_of
from routerctl.table import load_table, same_content
from routerctl.types import EvalSet, Policy, ProviderSpec, Run, Table
from routerctl.words import count, plain, plural


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What `check` found: `notes` say what is in order, `warnings` what soon may not be, `problems` what is not."""

    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    problems: tuple[InputError | GateError, ...]

    @property
    def exit_code(self) -> int:
        """That of the gravest: nothing can be said of a table whose files are wrong."""
        kinds = {problem.exit_code for problem in self.problems}
        return next((kind.exit_code for kind in (InputError, GateError) if kind.exit_code in kinds), 0)


@dataclass(slots=True, kw_only=True)
class _Found:
    """What was found so far."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[InputError | GateError] = field(default_factory=list)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Take down what ends a step, and go on to the next."""
        try:
            yield
        except InputError as error:
            self.problems += [error, *error.more]
        except GateError as error:
            self.problems.append(error)


def check_project(root: Path, today: date) -> Checked:
    """Check everything that can be checked without a call, and say all that is wrong."""
    read, eval_sets, wrong = readable(root)
    found, imported, project = _Found(problems=[*wrong]), imported_classes(root), None
    if read:
        project, document = read
        scorers = {path.stem: "" for path in eval_set_paths(root)}  # one that cannot be read is a class all the same
        scorers |= {name: item.scorer.name for name, item in imported.items()}
        scorers |= {item.name: item.scorer.name for item in eval_sets}
        found.problems += _project_problems(project, document, eval_sets, today)
        found.problems += class_problems(scorers, _readable_policy(project, document), project.lines)
        if not wrong:
            with found.step():
                found.warnings += classifier_warnings(project.classifier, root, scorers)
        if not found.problems:
            _warn(project, eval_sets, scorers, today, found)
    if eval_sets:
        cases = sum(len(item.cases) for item in eval_sets)
        found.notes.append(_counted(eval_sets, "eval set", "eval sets", cases))
    if imported:
        cases = sum(item.n for item in imported.values())
        found.notes.append(_counted(imported, "class with imported outcomes", "classes with imported outcomes", cases))
    in_order, sound = not found.problems, None if wrong else project
    for at in places(sound):
        with found.step():
            _check_table(root, sound, eval_sets, at, found, in_order=in_order)
    return Checked(
        notes=tuple(found.notes),
        warnings=tuple(dict.fromkeys(found.warnings)),
        problems=tuple({str(one): one for one in found.problems}.values()),
    )


def _warn(
    project: Project, eval_sets: Sequence[EvalSet], scorers: Mapping[str, str], today: date, found: _Found
) -> None:
    """Say of a project that is in order what a user should know of it."""
    found.warnings += [*_candidate_warnings(project, today), *_order_warnings(project, today)]
    found.warnings += [*policy_warnings(project, scorers), *limit_warnings(project, eval_sets)]
    found.warnings += rule_warnings(project.rules)
    with found.step():
        if eval_sets:
            planned = plan_run(project.root, EvalOptions(), lambda: datetime.combine(today, time.min, UTC))
            found.warnings += [*warnings_of(planned), *provable(planned)]
    both = plural(len(project.candidates), "candidate"), plural(len(project.ladders), "ladder")
    found.notes.append(plain(f"{' on '.join(both)}, pinned and priced"))
    found.notes += limit_notes(project, eval_sets)


def _counted(these: Collection[Any], noun: str, nouns: str, cases: int) -> str:
    return plain(f"{plural(len(these), noun, nouns)}, {plural(cases, 'case')}")


def _readable_policy(project: Project, document: Document) -> Policy:
    """Give the parts of the policy that name classes, without those that could not be read."""
    policy, parts = uncompiled(project), ("rules", "default_class", "classifier", "routing")
    return Policy(**{name: getattr(policy, name) for name in parts if not document.is_unread((name,))})


def _project_problems(
    project: Project, document: Document, eval_sets: Sequence[EvalSet], today: date
) -> Iterator[InputError]:
    """Name what is wrong with providers, candidates and what the eval sets ask of them.

    What could not be read, or leads nowhere, has been told already, and leads no further.
    """
    known = {name: spec for name, spec in project.providers.items() if not document.is_unread(("providers", name))}
    for name, spec in known.items():
        yield from _provider_problems(project, name, spec)
    for name, one in project.candidates.items():
        unread = document.is_unread(("prices",)) or document.is_unread(("candidates", name))
        if unread or not {one.provider, *(place.provider for place in one.also)} <= known.keys():
            continue
        try:
            prices_of(project, {name: pinned_candidate(project, name)}, today)
        except InputError as error:
            yield error
    for eval_set in eval_sets:
        try:
            judge_of(project, eval_set)
        except InputError as error:
            yield error
    if not (document.noted and document.noted.errors):
        yield from set_problems(project, eval_sets, *project.ladder_named(None))


def _provider_problems(project: Project, name: str, spec: ProviderSpec) -> Iterator[InputError]:
    """Check that a provider could be made, also where no candidate uses it; it is not, as that may take a key."""
    part = "kind"
    try:
        check_kind(spec.kind)
        part = "options"  # looked at only where there are some: a vendor's SDK takes long to import
        known = getattr(kind_class(spec.kind), "OPTIONS", None) if spec.options else None
        if known is not None:
            checked_options(spec, known)
    except InputError as error:
        yield project.error(("providers", name, part), error.problem)


def _candidate_warnings(project: Project, today: date) -> Iterator[str]:
    pinned = {name: pinned_candidate(project, name) for name in project.candidates}
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


def _check_table(
    root: Path, project: Project | None, eval_sets: Sequence[EvalSet], at: TableFile, found: _Found, *, in_order: bool
) -> None:
    """Check one table; `in_order`: nothing is wrong with what it is made of.

    Raises: InputError, GateError.
    """
    if not (root / at.file).exists():
        found.warnings += [f"{at.file}: not there yet; `{at.build}` writes it"] if in_order else []
        return
    table = load_table(root / at.file)
    found.warnings += [*_price_news(table, at), *(_retirement_news(project, table, at.file) if project else ())]
    unreached = [name for name, item in table.routes.items() if not item.passing]
    found.warnings += [f"{at.file}: {name}: no candidate reaches the bar" for name in unreached]
    if not in_order:
        found.warnings.append(f"{at.file}: not compared with its evidence, as the files that it is made of are wrong")
        return
    before = len(found.problems)
    with found.step():
        found.problems += _differences(root, project, eval_sets, table, at)
    if served := "; ".join(unpinned_in(table)):
        found.problems.append(GateError(f"{at.file}: {served}; {ADVICE}, then `{at.build}`"))
    if len(found.problems) == before:
        found.notes.append(f"{at.file}: version {table.table_version} follows from its evidence")


def _differences(
    root: Path, project: Project | None, eval_sets: Sequence[EvalSet], table: Table, at: TableFile
) -> list[GateError]:
    """Say what has changed since the table was built; else build it anew from the runs it names and compare.

    Raises: InputError; GateError where it differs.
    """
    if at.ladder not in (None, table.ladder_name):
        raise GateError(f"{at.file} is of ladder {table.ladder_name!r}, its tier has {at.ladder!r}; run `{at.build}`")
    found = [GateError(words) for words in (other_prices(project, table, at) if project else ())]
    behind = _runs_behind(root, table, at, found)
    # Where a price has changed, which is told, the runs may not tell what their calls would cost at it.
    priced = {id(run): run if found else at_present_prices(run, project) for run in behind.values()}
    runs = {name: priced[id(run)] for name, run in behind.items()}
    imported = {name for name, run in runs.items() if run.header.imported}
    judged = [name for name in runs if runs[name].header.classes[name].judge]
    if len(runs) == len(table.routes):  # else it is not known which of the others need an eval set
        found += map(GateError, other_classes(table, eval_sets, imported, at))
    found += map(GateError, other_sets(table, eval_sets, imported, at))
    found += map(GateError, other_labels(table, judged, root, at))
    if found:
        return found
    labels = {name: read_labels(root, name) for name in runs}
    _check_same(root, runs, project, eval_sets, labels, table, at)
    own_ladder = len(imported) == len(runs)
    return [
        GateError(words) for words in (other_evidence(project, table, at, own_ladder=own_ladder) if project else ())
    ]


def _runs_behind(root: Path, table: Table, at: TableFile, found: list[GateError]) -> dict[str, Run]:
    """Read the runs that the table names, by class; those that cannot be read are added to `found`."""
    behind = dict[str, Run]()
    for run_id in dict.fromkeys(route.run_id for route in table.routes.values()):
        names = [name for name, route in table.routes.items() if route.run_id == run_id]
        try:
            run = read_run(run_folder(root, run_id))
        except InputError as error:
            found.append(GateError(f"{at.file}: the evidence of {', '.join(names)} cannot be read: {error}"))
            continue
        for name in names:
            if name in run.header.classes and run.header.finished:
                behind[name] = run
            else:
                found.append(GateError(f"{at.file}: {name} rests on run {run_id}, which did not finish that class"))
    return {name: behind[name] for name in table.routes if name in behind}


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
