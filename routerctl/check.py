"""A project -> what is wrong with it, without a call; and the table that its evidence gives.

Place: beside the build, at the end of the evaluation line. `build-table` and `check` share `assemble`, so a table is
compared with exactly what would be built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from routerctl.build import build_table, check_classes
from routerctl.codec import encode, json_text
from routerctl.errors import GateError, InputError
from routerctl.evalsets import load_eval_sets
from routerctl.project import PROJECT_FILE, Project, load_project
from routerctl.providers.lifecycle import retires_on
from routerctl.results import read_header, read_run, run_folder, run_folders
from routerctl.run.plan import pinned_candidate, prices_of
from routerctl.scorers.base import shown
from routerctl.table import TABLE_FILE, load_table, same_content
from routerctl.types import EvalSet, Run, Table

_SHOWN_DIFFERENCES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What `check` found out: `notes` say what is well, `warnings` what will not be for long."""

    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def assemble(
    root: Path, *, ladder: str | None, wanted: Sequence[str], previous: Table | None
) -> tuple[Table, dict[str, Run]]:
    """Build the project's table from the runs `wanted`, else from each class's newest run; give it with its runs.

    Raises: InputError where a class has no usable run or the runs do not fit together.
    """
    project = load_project(root)
    eval_sets = load_eval_sets(root)
    ladder_name, _ = project.ladder_named(ladder)
    runs = _runs_for(eval_sets, [run_folder(root, name) for name in wanted], run_folders(root), ladder_name)
    table = build_table(
        {item.name: runs[item.name] for item in eval_sets},
        rules=project.rules,
        default_class=project.default_class,
        previous=previous,
    )
    return table, runs


def _runs_for(
    eval_sets: Sequence[EvalSet], wanted: Sequence[Path], newest_first: Sequence[Path], ladder_name: str
) -> dict[str, Run]:
    """Give each class the first run that was made on its eval set as it is now: of those wanted, then of all.

    A run of a part of the ladder is evidence only where it is asked for by name.
    """
    read: dict[Path, Run] = {}
    found: dict[str, Run] = {}
    for folder in [*wanted, *newest_first]:
        header = read_header(folder)
        if header.rungs and folder not in wanted:
            continue
        for item in eval_sets:
            of_class = header.classes.get(item.name)
            fits = of_class is not None and of_class.digest == item.digest and header.ladder_name == ladder_name
            if item.name not in found and header.finished and fits:
                if folder not in read:
                    read[folder] = read_run(folder)
                found[item.name] = read[folder]
    for item in eval_sets:
        if item.name not in found:
            raise InputError(
                f"no finished run of ladder {ladder_name!r} was made on this eval set as it is now; "
                f"`routerctl eval --only {item.name}` makes one (replies already paid for cost nothing)",
                file=item.file,
            )
    return found


def check_project(root: Path, today: date) -> Checked:
    """Check everything that can be checked without a call.

    Raises: InputError for the first thing that is wrong, GateError where routes.yaml does not follow from its evidence.
    """
    project = load_project(root)
    eval_sets = load_eval_sets(root)
    check_classes({item.name for item in eval_sets}, project.rules, project.default_class)
    cases = sum(len(item.cases) for item in eval_sets)
    warnings = list(_candidate_warnings(project, today))
    notes = [
        f"{len(project.candidates)} candidates on {len(project.ladders)} ladders, pinned and priced",
        f"{len(eval_sets)} eval sets, {cases} cases",
    ]
    if (root / TABLE_FILE).exists():
        table = load_table(root / TABLE_FILE)
        _check_follows(root, project, eval_sets, table)
        notes.append(f"{TABLE_FILE}: version {table.table_version} follows from its evidence")
        warnings += [f"{TABLE_FILE}: {name}: nothing passed" for name, item in table.routes.items() if not item.passing]
    else:
        warnings.append(f"{TABLE_FILE}: not there yet; `routerctl build-table` writes it")
    return Checked(notes=tuple(notes), warnings=tuple(warnings))


def _candidate_warnings(project: Project, today: date) -> Iterator[str]:
    pinned = {name: pinned_candidate(project, name) for name in project.candidates}
    prices_of(project, pinned, today)
    for name, candidate in pinned.items():
        end = retires_on(candidate.model, project.providers[candidate.provider].kind)
        if end and end <= today:
            yield f"candidates.{name}: {candidate.model} was retired on {end.isoformat()}"
        elif end:
            yield f"candidates.{name}: {candidate.model} retires on {end.isoformat()}, in {(end - today).days} days"


def _check_follows(root: Path, project: Project, eval_sets: Sequence[EvalSet], table: Table) -> None:
    """Build the table anew from the runs it names and compare.

    Raises: GateError naming what differs.
    """
    sets = {item.name: item for item in eval_sets}
    if sets.keys() != table.routes.keys():
        odd = ", ".join(sorted(sets.keys() ^ table.routes.keys()))
        raise GateError(f"{TABLE_FILE} and evals/ do not have the same classes: {odd}; run `routerctl build-table`")
    runs: dict[str, Run] = {}
    for name, route in table.routes.items():
        if route.eval_set_digest != sets[name].digest:
            raise GateError(
                f"{TABLE_FILE}: {name} rests on another eval set than {sets[name].file} is now; run `routerctl eval`"
            )
        try:
            runs[name] = read_run(run_folder(root, route.run_id))
        except InputError as error:
            raise GateError(f"{TABLE_FILE}: the evidence of {name} cannot be read: {error}") from None
        if name not in runs[name].header.classes or not runs[name].header.finished:
            raise GateError(f"{TABLE_FILE}: {name} rests on run {route.run_id}, which did not finish that class")
    try:
        built = build_table(runs, rules=project.rules, default_class=project.default_class, previous=table)
    except InputError as error:
        raise GateError(f"{TABLE_FILE} does not follow from its evidence: {error}") from None
    if not same_content(built, table):
        found = "; ".join(_differences(encode(table), encode(built)))
        raise GateError(f"{TABLE_FILE} does not follow from its evidence: {found}; run `routerctl build-table`")
    _check_settings(project, table)


def _check_settings(project: Project, table: Table) -> None:
    """Compare the project with what the evidence was made with.

    Raises: GateError naming the setting, the provider or the candidate.
    """
    for name in ("mode", "risk", "margin", "seed"):
        if getattr(project, name) != getattr(table, name):
            was, now = getattr(table, name), getattr(project, name)
            raise GateError(f"{name} is {now} now, {TABLE_FILE} was built with {was}; run `routerctl eval`")
    if project.ladders.get(table.ladder_name) != table.ladder:
        raise GateError(f"ladder {table.ladder_name!r} is not what {TABLE_FILE} was built with; run `routerctl eval`")
    for name, provider in table.providers.items():
        if project.providers.get(name) != provider:
            raise GateError(f"provider {name!r} is not what {TABLE_FILE} was built with; run `routerctl eval`")
    for name, candidate in table.candidates.items():
        if name not in project.candidates or pinned_candidate(project, name) != candidate:
            raise GateError(f"candidate {name!r} is not what {TABLE_FILE} was built with; run `routerctl eval`")
    for name, price in table.prices.items():  # the list's prices may move on, those the user states are the user's
        now = prices_of(project, {name: table.candidates[name]}, date.fromisoformat(price.date))[name]
        if now != price and any(one.source.startswith(PROJECT_FILE) for one in (now, price)):
            raise GateError(f"the price of {name!r} is not what {TABLE_FILE} was built with; run `routerctl eval`")


def _differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Name the first places at which two encoded tables differ."""
    found = 0
    for place, before, after in _walk(old, new, path):
        if place.split(".")[0] in ("table_version", "digest"):
            continue
        if found == _SHOWN_DIFFERENCES:
            yield "and more"
            return
        found += 1
        yield f"{place} is {shown(before)}, the evidence says {shown(after)}"


def _walk(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if old.keys() == new.keys() and list(old) != list(new):
            yield f"the order of {path}", list(old), list(new)
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _walk(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _walk(before, after, f"{path}.{place}")
    elif json_text(old) != json_text(new):  # unlike ==, it tells true from 1
        yield path, old, new
