"""What `routerctl runs` does once its options are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer

from routerctl.cli.output.terminal import print_table, say
from routerctl.errors import InputError
from routerctl.evaluation.run.retention import KeptRun, kept_runs, prunable, remove
from routerctl.evaluation.run_files import REPORTS_FOLDER, read_run
from routerctl.review.diff.revisions import find
from routerctl.words import count, listed, plain, plural, usd

_MB = 1_000_000
_SHOWN = 2  # names of classes, and of candidates


def print_runs(*, as_json: bool) -> None:
    """Print what `routerctl runs list` lists."""
    runs = kept_runs(Path.cwd(), datetime.now(UTC), _committed(Path.cwd()))
    paid = [_paid_usd(one) for one in runs]
    if as_json:
        values = [
            {**_values(one), "paid_usd": None if usd_ is None else str(usd_)}
            for one, usd_ in zip(runs, paid, strict=True)
        ]
        typer.echo(json.dumps(values))
        return
    columns = ["run", "state", "classes", "candidates", "replies", "paid", "MB", "kept for"]
    print_table(columns, [_row(*pair) for pair in zip(runs, paid, strict=True)], right=columns[4:7])
    free = [one for one in runs if not one.reasons]
    say(f"{_all(runs)}; {_all(free)} that nothing rests on (`routerctl runs prune --all`)")


def prune_runs(
    named: Sequence[str],
    older_than: float | None,
    *,
    newest: int | None,
    everything: bool,
    dry_run: bool,
    sure: bool,
    as_json: bool,
) -> None:
    """Do what `routerctl runs prune` says, and print the runs that are gone, or would be.

    Raises: InputError as `retention.prunable`, and where nobody can be asked whether they may go.
    """
    some = older_than is not None or newest is not None
    if [bool(named), everything, some].count(True) != 1:
        raise InputError("name the runs to remove: their ids, --older-than DAYS and --keep N, or --all")
    now, root = datetime.now(UTC), Path.cwd()
    before = now - timedelta(days=older_than or 0)
    runs = kept_runs(root, now, _committed(root))
    gone, kept = prunable(root, runs, named, before=before, newest=newest or 0)
    if gone and not dry_run:
        if not sure:
            _ask(gone)
        remove(gone)
    if as_json:
        typer.echo(json.dumps({"removed": [_values(one) for one in gone], "dry_run": dry_run}))
        return
    for one in gone:
        typer.echo(one.run_id)
    would = "would be removed" if dry_run else "removed"
    say(f"{REPORTS_FOLDER}/: {_all(gone)} {would}; {plain(plural(kept, 'run'))} kept")


def _ask(gone: Sequence[KeptRun]) -> None:
    """Ask on the terminal whether runs may go.

    Raises: typer.Abort where they may not, InputError where nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise InputError(f"{_all(gone)} would go: say --yes where nobody can be asked (--dry-run lists them)")
    for one in gone:
        say(one.run_id)
    typer.confirm(f"remove {_all(gone)} for good?", abort=True, err=True)


def _committed(root: Path) -> set[str]:
    """Name the runs that the table in the repository rests on; none where there is no repository, or no table in it."""
    try:
        return {route.run_id for route in find(root, "HEAD").table.routes.values()}
    except InputError:
        return set()


def _paid_usd(one: KeptRun) -> Decimal | None:
    """Sum up what a run paid; None where that cannot be read."""
    try:
        return sum((result.spent_usd for result in read_run(one.folder).results), Decimal(0))
    except InputError:
        return None


def _all(runs: Sequence[KeptRun]) -> str:
    return f"{plain(plural(len(runs), 'run'))} ({sum(one.size_bytes for one in runs) / _MB:,.1f} MB)"


def _row(one: KeptRun, paid_usd: Decimal | None) -> list[str]:
    size, paid = f"{one.size_bytes / _MB:,.1f}", "?" if paid_usd is None else usd(paid_usd)
    names = [listed(one.classes, _SHOWN), listed(one.candidates, _SHOWN)]
    return [one.run_id, one.state, *names, count(one.replies), paid, size, "; ".join(one.reasons)]


def _values(one: KeptRun) -> Mapping[str, Any]:
    return {
        "run_id": one.run_id,
        "made_at": one.made_at.isoformat(),
        "state": one.state,
        "classes": list(one.classes),
        "candidates": list(one.candidates),
        "replies": one.replies,
        "size_bytes": one.size_bytes,
        "kept_for": list(one.reasons),
    }
