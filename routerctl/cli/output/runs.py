"""What `routerctl runs` does once its options are read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import typer

from routerctl.cli.output.terminal import print_table, say
from routerctl.errors import InputError
from routerctl.evaluation.run.retention import KeptRun, kept_runs, prune
from routerctl.evaluation.run_files import REPORTS_FOLDER
from routerctl.words import count, plain, plural

_MB = 1_000_000


def print_runs(*, as_json: bool) -> None:
    """Print what `routerctl runs list` lists."""
    runs = kept_runs(Path.cwd(), datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps([_values(one) for one in runs]))
        return
    columns = ["run", "state", "classes", "replies", "MB", "kept for"]
    print_table(columns, [_row(one) for one in runs], right=columns[2:5])
    free = [one for one in runs if not one.reasons]
    say(f"{_all(runs)}; {_all(free)} that nothing rests on (`routerctl runs prune --all`)")


def prune_runs(
    named: Sequence[str], older_than: float | None, *, everything: bool, dry_run: bool, as_json: bool
) -> None:
    """Do what `routerctl runs prune` says, and print the runs that are gone, or would be.

    Raises: InputError as `retention.prune`.
    """
    if [bool(named), everything, older_than is not None].count(True) != 1:
        raise InputError("name the runs to remove: their ids, --older-than DAYS or --all")
    now = datetime.now(UTC)
    before = now if older_than is None else now - timedelta(days=older_than)
    gone, kept = prune(Path.cwd(), named, now=now, before=before, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps({"removed": [_values(one) for one in gone], "dry_run": dry_run}))
        return
    for one in gone:
        typer.echo(one.run_id)
    would = "would be removed" if dry_run else "removed"
    say(f"{REPORTS_FOLDER}/: {_all(gone)} {would}; {plain(plural(kept, 'run'))} kept")


def _all(runs: Sequence[KeptRun]) -> str:
    return f"{plain(plural(len(runs), 'run'))} ({sum(one.size_bytes for one in runs) / _MB:,.1f} MB)"


def _row(one: KeptRun) -> list[str]:
    size = f"{one.size_bytes / _MB:,.1f}"
    return [one.run_id, one.state, str(len(one.classes)), count(one.replies), size, "; ".join(one.reasons)]


def _values(one: KeptRun) -> Mapping[str, Any]:
    return {
        "run_id": one.run_id,
        "made_at": one.made_at.isoformat(),
        "state": one.state,
        "classes": list(one.classes),
        "replies": one.replies,
        "size_bytes": one.size_bytes,
        "kept_for": list(one.reasons),
    }
