"""The runs below reports/ -> the newest of each class that can tell what a threshold would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from routerctl.errors import InputError, RouterctlError, nearest
from routerctl.evaluation.eval_sets import EVALS_FOLDER, load_eval_set
from routerctl.evaluation.run_files import REPORTS_FOLDER, read_header, read_run, run_folder, run_folders
from routerctl.notices import warn
from routerctl.types import Run


def runs_of(root: Path, classes: Sequence[str], run_id: str | None) -> Mapping[str, Run]:
    """Find the run of each class: the wanted one, else the newest with two candidates on its eval set as it is now.

    Raises: InputError where there is none.
    """
    if run_id:
        run = read_run(run_folder(root, run_id))
        _check_known(classes, run.header.classes, f"run {run_id} has no class")
        wanted = classes or [name for name in run.header.classes if _has_two(run, name)]
        if not wanted:
            raise InputError(f"run {run_id} has no class with two candidates' results: a cascade needs two")
        return dict.fromkeys(wanted, run)
    known = sorted(path.stem for path in (root / EVALS_FOLDER).glob("*.yaml"))
    wanted = [name for name in known if not classes or name in classes]
    digests = {name: load_eval_set(root / EVALS_FOLDER / f"{name}.yaml", root).digest for name in wanted}
    found = _newest(root, classes, digests)
    of_runs = {*known, *found}
    _check_known(classes, of_runs, "no task class")
    missing = [name for name in classes if name not in found]
    if missing or not found:
        only = f" --only {missing[0]}" if missing else ""
        what = f" of {missing[0]}" if missing else ""
        raise InputError(
            f"no run has two candidates' results{what} as it is now; `routerctl eval --full{only}` makes one",
            file=f"{REPORTS_FOLDER}/",
        )
    return found


def _check_known(classes: Sequence[str], known: Any, problem: str) -> None:
    for name in classes:
        if name not in known:
            raise InputError(f"{problem} {name!r}{nearest(name, known)}")


def _newest(root: Path, classes: Sequence[str], digests: Mapping[str, str]) -> dict[str, Run]:
    found: dict[str, Run] = {}
    for folder in run_folders(root):
        try:
            header = read_header(folder)
        except RouterctlError as error:  # a damaged run must not hide the others
            warn(str(error))
            continue
        open_ = {name: of for name, of in header.classes.items() if name not in found}
        fitting = [
            name
            for name, of in open_.items()
            if (not classes or name in classes) and digests.get(name, of.digest) == of.digest
        ]
        if fitting:
            run = read_run(folder)
            found |= {name: run for name in fitting if _has_two(run, name)}
    return {name: found[name] for name in sorted(found)}


def _has_two(run: Run, task_class: str) -> bool:
    asked = {one.candidate for one in run.results if one.task_class == task_class}
    return sum(run.header.candidates[name].escalation is None for name in asked) > 1
