"""What `routerctl log export`, `feedback` and `prune` do once their options are read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from routerctl.cli.log_showing import SHORT_ID, log_path, rating
from routerctl.cli.outputs import check_output
from routerctl.console import clean, say
from routerctl.decisions import DecisionLog
from routerctl.decisions.exporting import csv_lines, json_lines, labelled, write_parquet
from routerctl.decisions.reading import LogReader, Row, Wanted, require_log
from routerctl.errors import InputError, nearest
from routerctl.words import plain, plural

_ENDINGS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
_SCORES = {"good": 1.0, "bad": 0.0}
_TABLE = Path("routes.yaml")


class _Counted:
    """Rows on their way, counted."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows, self.number = rows, 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.number += 1
            yield row


def export(wanted: Wanted, format_: str | None, output: Path | None, *, labelled: bool, as_json: bool) -> None:
    """Write decisions to a file or to stdout.

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
            raise InputError("Parquet is no text for a terminal: give -o FILE")
        write_parquet(rows, sys.stdout.buffer)
        return
    for line in _lines(rows, format_):
        text = "\n".join(clean(part) for part in line.split("\n")) if shown else line
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def _to_file(rows: Iterable[Row], format_: str, output: Path) -> None:
    """Write beside the file and take its place at the end: a reader sees the old content or the new, never a part."""
    check_output(output)
    beside = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            if format_ == "parquet":
                write_parquet(rows, file)
            else:
                file.writelines(line.encode("utf-8", "replace") for line in _lines(rows, format_))
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)


def rate(decision: str, score: str, *, note: str, task_class: str | None, tenant: str | None, as_json: bool) -> None:
    """Note what somebody says of a decision.

    Raises: InputError.
    """
    value = _score(score)
    if task_class is not None:
        _check_class(task_class)
    with LogReader(log_path(tenant)) as log:
        whole = log.one(decision)["id"]
    log_file, at = DecisionLog(log_path(tenant)), datetime.now(UTC).isoformat()
    try:
        log_file.feedback(whole, value, at=at, note=note, task_class=task_class)
    finally:
        log_file.close()
    if as_json:
        said = {"decision": whole, "score": value, "class": task_class, "note": note}
        sys.stdout.write(json.dumps(said) + "\n")
    else:
        right = f", the right class is {task_class}" if task_class else ""
        say(f"{whole[:SHORT_ID]} rated {rating(value)}{right}")


def _score(text: str) -> float:
    try:
        value = _SCORES[text] if text in _SCORES else float(text)
    except ValueError:
        raise InputError(f"expected good, bad or a number from 0 to 1, got {text!r}") from None
    if not 0 <= value <= 1:
        raise InputError(f"expected good, bad or a number from 0 to 1, got {text!r}")
    return value


def _check_class(task_class: str) -> None:
    """See that the table has the class, where there is a table: training refuses names that nobody knows."""
    if not _TABLE.is_file():
        return
    from routerctl.table import load_table

    routes = load_table(_TABLE).routes
    if task_class not in routes:
        raise InputError(f"no task class {task_class!r}{nearest(task_class, routes)}")


def prune(older_than: float | None, *, everything: bool, tenant: str | None, as_json: bool) -> None:
    """Drop decisions.

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
