"""Runs, eval sets and a project -> the table that they give: `build-table` writes it, `check` compares it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from routerctl.errors import InputError, nearest, raise_all
from routerctl.evaluation.build import build_table
from routerctl.evaluation.eval_sets import EVALS_FOLDER, eval_set_files, load_eval_set, readable_eval_sets
from routerctl.evaluation.importers.as_run import check_agree, supersedes
from routerctl.evaluation.labels import Label, read_labels
from routerctl.evaluation.policy import compile_policy
from routerctl.evaluation.project import PROJECT_FILE, Project, noted_project
from routerctl.evaluation.repricing import at_present_prices
from routerctl.evaluation.run_files import REPORTS_FOLDER, read_header, read_run, run_folder, run_folders
from routerctl.files.document import Document
from routerctl.types import ClassHeader, EvalSet, Policy, Run, RunHeader, Table, WhenUnproven


def assemble(
    root: Path, *, ladder: str | None, wanted: Sequence[str], previous: Table | None
) -> tuple[Table, dict[str, Run]]:
    """Build the table from the runs `wanted`, else from each class's newest run; give it with its runs.

    Their costs are at the prices that the project states now. A class without an eval set rests on imported outcomes,
    as all do where there is neither project nor eval set.
    Raises: InputError where a class has no usable run or the runs do not fit together.
    """
    project, eval_sets = project_and_sets(root)
    ladder_name = project.ladder_named(ladder)[0] if project else ladder
    chosen = [run_folder(root, name) for name in wanted]
    # Without a project nothing says which classes there are: those of the runs that are asked for.
    others = run_folders(root) if project or not chosen else []
    asked = f" --ladder {ladder}" if ladder else ""
    runs = _runs_for(eval_sets, chosen, others, ladder_name, asked=asked, project=project)
    check_agree(runs)
    labels = {name: read_labels(root, name) for name in runs}
    return table_of(root, project, eval_sets, runs, labels=labels, previous=previous), runs


def table_of(
    root: Path,
    project: Project | None,
    eval_sets: Sequence[EvalSet],
    runs: Mapping[str, Run],
    *,
    labels: Mapping[str, Sequence[Label]],
    previous: Table | None,
    retirements: Mapping[str, str] | None = None,
) -> Table:
    """Build the table that runs, by class, give with what the project and its eval sets say now.

    `retirements`: the days on which models end; None: those known now.
    Raises: InputError where they do not fit together.
    """
    policy = compile_policy(project, root, runs) if project else Policy()
    return build_table(
        runs,
        policy=policy if retirements is None else replace(policy, retirements=retirements),
        previous=previous,
        stakes={item.name: item.stakes for item in eval_sets},
        labels=labels,
        unproven=_unproven(project, eval_sets, runs),
        today=_today(project, eval_sets, runs),
    )


def _unproven(project: Project | None, eval_sets: Sequence[EvalSet], runs: Iterable[str]) -> dict[str, WhenUnproven]:
    """Say what serves each class where nothing is proven; nothing where no project says it."""
    if project is None:
        return {}
    return dict.fromkeys(runs, project.when_unproven) | {item.name: project.unproven_of(item) for item in eval_sets}


def _today(project: Project | None, eval_sets: Sequence[EvalSet], runs: Iterable[str]) -> dict[str, str]:
    """Say what serves each class now, where project or eval set says it."""
    if project is None:
        return {}
    own = {item.name: item.today for item in eval_sets if item.today}
    return (dict.fromkeys(runs, project.today) if project.today else {}) | own


def project_and_sets(root: Path) -> tuple[Project | None, tuple[EvalSet, ...]]:
    """Read the project and its eval sets; imported outcomes need neither.

    Raises: InputError where one is missing and nothing was imported in its place.
    """
    read, eval_sets, found = readable(root)
    raise_all(found)
    return read[0] if read else None, eval_sets


def readable(root: Path) -> tuple[tuple[Project, Document] | None, tuple[EvalSet, ...], list[InputError]]:
    """Read what can be read of the project (see `noted_project`) and its eval sets, and say all that is wrong."""
    read, eval_sets, found = None, tuple[EvalSet, ...](), list[InputError]()
    has_sets = any((root / EVALS_FOLDER).glob("*.yaml"))
    needs_both = has_sets or not imported_classes(root)
    try:
        if needs_both or (root / PROJECT_FILE).exists():
            read = noted_project(root)
            found += read[1].noted.errors if read[1].noted else ()
    except InputError as error:
        found += [error, *error.more]
    try:
        eval_sets, wrong = readable_eval_sets(root, eval_set_files(root).values()) if needs_both else ((), [])
        found += wrong
    except InputError as error:  # there is none
        found.append(error)
    return read, eval_sets, found


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

    A class with an eval set needs a run on the present version of it. A run of a part of the ladder, outcomes imported
    for a class that has an eval set, and those imported again later, count only where asked for by name.
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
    """Check that each eval set has a run, and that there is one of the ladder; `ladders`: those of all runs.

    Raises: InputError saying what would help.
    """
    for item in eval_sets:
        if item.name not in found:
            raise InputError(
                f"no finished run of ladder {ladder_name!r} was made on the present version of this eval set; "
                f"`routerctl eval{asked} --class {item.name}` makes one (replies already paid for cost nothing)"
                f"{_example(item.digest) if found else ''}",
                file=item.file,
            )
    if ladder_name and ladders and not found and ladder_name not in ladders:
        raise InputError(
            f"no run is of ladder {ladder_name!r}{nearest(ladder_name, ladders)} (--run takes one of any ladder)",
            file=f"{REPORTS_FOLDER}/",
        )


def _example(digest: str) -> str:
    """What to do where the eval set is the one that `init` writes; "" for any other."""
    scaffold = Path(__file__).parents[1] / "scaffold"
    if digest != load_eval_set(scaffold / EVALS_FOLDER / "ticket.yaml", scaffold).digest:
        return ""
    return f"; it is the example that `init` wrote: if unwanted, remove it, and default_class in {PROJECT_FILE}"


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


def imported_classes(root: Path) -> dict[str, ClassHeader]:
    """Give each class that was imported, as its newest run has it."""
    found: dict[str, ClassHeader] = {}
    later: list[RunHeader] = []
    for folder in run_folders(root):
        with contextlib.suppress(InputError):  # a damaged run is evidence of nothing; what needs it names it
            header = read_header(folder)
            if header.imported and not any(supersedes(one, header) for one in later):
                found = {**header.classes, **found}
                later.append(header)
    return found
