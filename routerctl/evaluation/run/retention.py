"""The runs below reports/ -> what each is, and what it must be kept for.

A table is worth what its evidence is: a run that a table rests on is never removed, nor one that the next table would
rest on, nor one that counts as an attempt. It reads, and removes only what it is told to.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from routerctl.errors import InputError
from routerctl.evaluation.eval_sets import EVALS_FOLDER
from routerctl.evaluation.importers.as_run import supersedes
from routerctl.evaluation.project import PROJECT_FILE
from routerctl.evaluation.run.retests import design_of
from routerctl.evaluation.run.session import counted_runs
from routerctl.evaluation.run_files import REPORTS_FOLDER, read_header, run_folder
from routerctl.files.yaml import read_text
from routerctl.table import TABLE_FILE, load_table
from routerctl.types import RunHeader
from routerctl.words import listed

State = Literal["finished", "unfinished", "imported", "damaged"]

_GOING_ON = timedelta(hours=1)  # an unfinished run that was written to since may be another process's


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRun:
    """One folder below reports/."""

    run_id: str
    folder: Path
    made_at: datetime
    state: State
    classes: tuple[str, ...]
    candidates: tuple[str, ...]  # that were to be run
    replies: int
    size_bytes: int
    reasons: tuple[str, ...]  # what it must be kept for; () = nothing rests on it
    by_name: bool  # it may be removed by name: nothing rests on it, or only a table that is yet to be built does


def kept_runs(root: Path, now: datetime, committed: Collection[str] = ()) -> tuple[KeptRun, ...]:
    """List all runs, newest first; `committed`: those that the table in the repository rests on.

    Raises: InputError where a table, or the project, cannot be read: what rests on a run is not known then.
    """
    folders = sorted((path for path in (root / REPORTS_FOLDER).glob("*/") if _is_run(path)), reverse=True)
    headers = {folder.name: _header(folder) for folder in folders}
    held, newest = _held(root, headers), _newest(headers)
    for run_id in committed:
        held[run_id] = held.get(run_id) or [f"{TABLE_FILE} as committed rests on it"]
    return tuple(_kept(one, headers[one.name], held[one.name], newest.get(one.name, ""), now) for one in folders)


def prunable(
    root: Path, runs: Sequence[KeptRun], named: Sequence[str], *, before: datetime, newest: int
) -> tuple[list[KeptRun], int]:
    """Give the runs of these ids, or without ids all that nothing rests on and that were made `before` a moment.

    `newest`: so many runs stay in any case. With the number of those that were looked at and stay.
    Raises: InputError where an id names no run, or something rests on one that is named.
    """
    if not named:
        old = [one for one in runs[newest:] if one.made_at <= before]
        gone = [one for one in old if not one.reasons]
        return gone, len(runs[:newest]) + len(old) - len(gone)
    wanted = {run_folder(root, name).name for name in named}
    gone = [one for one in runs if one.run_id in wanted]
    for one in gone:
        if not one.by_name:
            raise InputError(f"is kept: {', '.join(one.reasons)}", file=f"{REPORTS_FOLDER}/{one.run_id}/")
    return gone, len(runs) - len(gone)


def remove(runs: Iterable[KeptRun]) -> None:
    """Remove the folders of runs."""
    for one in runs:
        shutil.rmtree(one.folder)


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("run.json", "results.jsonl"))


def _header(folder: Path) -> RunHeader | None:
    try:
        return read_header(folder)
    except InputError:  # listed as damaged
        return None


def _held(root: Path, headers: Mapping[str, RunHeader | None]) -> dict[str, list[str]]:
    """Say what runs must be kept for whatever is asked: tables that rest on them, attempts."""
    found: dict[str, list[str]] = defaultdict(list)
    for file, run_id in _tables(root):
        found[run_id].append(f"{file} rests on it")
    for run_id, header in headers.items():
        if header and (tried := _tried_otherwise(header, _later(header, headers))):
            found[run_id].append(f"an attempt at {listed(tried, 3)}")
    if (root / PROJECT_FILE).exists() and any((root / EVALS_FOLDER).glob("*.yaml")):
        for run_id, names in counted_runs(root).items():
            found[run_id].append(f"an attempt at {listed(names, 3)}")
    return found


def _newest(headers: Mapping[str, RunHeader | None]) -> Mapping[str, str]:
    """Say which runs the next table would rest on, and for which classes."""
    found: dict[str, str] = {}
    newest: set[tuple[str, bool, str]] = set()
    for run_id, header in headers.items():  # newest first
        if not header or not header.finished or _later(header, headers):
            continue
        known = {(header.ladder_name, bool(header.imported), name) for name in header.classes}
        if fresh := known - newest:
            found[run_id] = f"newest of {listed(sorted(name for *_, name in fresh), 3)}"
            newest |= fresh
    return found


def _later(header: RunHeader, headers: Mapping[str, RunHeader | None]) -> list[RunHeader]:
    """The imports that have replaced one."""
    return [one for one in headers.values() if one and supersedes(one, header)]


def _tried_otherwise(header: RunHeader, later: Sequence[RunHeader]) -> list[str]:
    """Name the classes that later imports of the same outcomes have, under whatever name, and test in no such way."""
    known = {(one.n, design_of(one, other)) for other in later for one in other.classes.values()}
    sizes = {n for n, _ in known}
    return [
        name for name, one in header.classes.items() if one.n in sizes and (one.n, design_of(one, header)) not in known
    ]


def _tables(root: Path) -> Iterator[tuple[str, str]]:
    """Give (file, run) for all tables in the folder: routes.yaml, those of tiers, those that are tried."""
    for path in sorted(root.glob("*.yaml")):
        if "\ntable_version:" in read_text(path, path.name):
            runs = {route.run_id for route in load_table(path, verify=False).routes.values()}
            yield from ((path.name, run_id) for run_id in sorted(runs))


def _kept(folder: Path, header: RunHeader | None, held: list[str], newest: str, now: datetime) -> KeptRun:
    files = [path for path in folder.rglob("*") if path.is_file()]
    written = datetime.fromtimestamp(max((path.stat().st_mtime for path in files), default=0.0), UTC)
    if header is not None and not header.finished and now - written < _GOING_ON:
        held = [*held, "it may be running"]
    lines = folder / "results.jsonl"
    return KeptRun(
        run_id=folder.name,
        folder=folder,
        made_at=datetime.fromisoformat(header.created_at) if header else written,
        state=_state(header),
        classes=tuple(header.classes) if header else (),
        candidates=(header.rungs or header.ladder) if header else (),
        replies=lines.read_bytes().count(b"\n") if lines.exists() else 0,
        size_bytes=sum(path.stat().st_size for path in files),
        reasons=(*held, newest) if newest else tuple(held),
        by_name=not held and (not newest or bool(header and header.imported)),
    )


def _state(header: RunHeader | None) -> State:
    if header is None:
        return "damaged"
    if header.imported:
        return "imported"
    return "finished" if header.finished else "unfinished"
