"""What `routerctl log export` and `prune` do once their options are read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from routerctl.cli.output.terminal import say
from routerctl.errors import InputError
from routerctl.files.writing import written_beside
from routerctl.routing.decision_log import DecisionLog
from routerctl.routing.decision_log.export import csv_lines, json_lines, labelled, write_parquet
from routerctl.routing.decision_log.places import log_path
from routerctl.routing.decision_log.reader import LogReader, Row, Wanted, require_log
from routerctl.words import clean, plain, plural

_ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}


class _Counted:
    """Rows on their way, counted."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows, self.number = rows, 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.number += 1
            yield row


def export_decisions(
    wanted: Wanted, format_: str | None, output: Path | None, *, labelled: bool, as_json: bool
) -> None:
    """Do what `log export` says: write decisions to a file or to stdout.

    Raises: InputError.
    """
    format_ = format_ or (_ENDINGS.get(output.suffix.lower(), "jsonl") if output else "jsonl")
    if as_json and output is None:
        raise InputError("--json says what was written to a file: give -o FILE; JSON lines are the export's own format")
    with LogReader(log_path(wanted.tenant)) as log:
        rows = _Counted(_chosen(log.every(wanted), only_labelled=labelled))
        if output is None:
            _to_stdout(rows, format_)
        else:
            _to_file(rows, format_, output)
    if as_json:
        sys.stdout.write(json.dumps({"file": str(output), "format": format_, "decisions": rows.number}) + "\n")
    say(f"{plain(plural(rows.number, 'decision'))}{f' -> {output}' if output else ''}")
    if labelled and not rows.number:
        say("none has a kept prompt (routing: log_prompts) and a right class (routerctl log feedback)")


def _chosen(rows: Iterator[Row], *, only_labelled: bool) -> Iterator[Row]:
    return labelled(rows) if only_labelled else rows


def _lines(rows: Iterable[Row], format_: str) -> Iterator[str]:
    return csv_lines(rows) if format_ == "csv" else json_lines(rows)


def _to_stdout(rows: Iterable[Row], format_: str) -> None:
    shown = sys.stdout.isatty()
    if format_ == "parquet":
        if shown:
            raise InputError("Parquet cannot be shown on a terminal: give -o FILE")
        write_parquet(rows, sys.stdout.buffer)
        return
    for line in _lines(rows, format_):
        text = "\n".join(clean(part) for part in line.split("\n")) if shown else line
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def _to_file(rows: Iterable[Row], format_: str, output: Path) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    with written_beside(output) as beside, beside.open("wb") as file:
        if format_ == "parquet":
            write_parquet(rows, file)
        else:
            file.writelines(line.encode("utf-8", "replace") for line in _lines(rows, format_))


def prune_decisions(older_than: float | None, *, everything: bool, tenant: str | None, as_json: bool) -> None:
    """Do what `log prune` says: drop decisions, and print how many.

    Raises: InputError.
    """
    if (older_than is None) is not everything:
        raise InputError("expected --older-than DAYS or --all, and not both")
    require_log(log_path(tenant))
    log = DecisionLog(log_path(tenant))
    try:
        dropped = log.prune(None if older_than is None else _days_ago(older_than))
    finally:
        log.close()
    if as_json:
        sys.stdout.write(json.dumps({"dropped": dropped}) + "\n")
    say(f"{plain(plural(dropped, 'decision'))} dropped")


def _days_ago(days: float) -> datetime:
    try:
        return datetime.now(UTC) - timedelta(days=days)
    except OverflowError:
        raise InputError(f"--older-than: {days:g} days are too many") from None
