"""Decisions -> JSON lines, CSV or Parquet, one by one.

It knows columns, not commands.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import IO, Any

from routerctl.errors import InputError
from routerctl.files.spreadsheet import guarded, guarded_json
from routerctl.routing.decision_log.columns import COLUMNS
from routerctl.routing.decision_log.reader import READ_COLUMNS, Row

_REALS = ("feedback",)
_MOMENTS = ("at", "feedback_at")
# Control characters but tab and line ends, marks of direction, line separators, halves of surrogate pairs.
_STEERING = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
_GROUP = 50_000  # rows of a Parquet file that are in memory at once


def labelled(rows: Iterable[Row]) -> Iterator[Row]:
    """Give the decisions whose right class is known, with their prompt, as training reads them.

    The right class is the one that feedback names, else the decision's own where feedback called it good.
    """
    for row in rows:
        task_class = right_class(row)
        if task_class is not None and row["prompt"] is not None:
            yield {"prompt": row["prompt"], "class": task_class, **row}


def right_class(row: Row) -> str | None:
    """Give the right class of a decision as its latest feedback says; None = not known."""
    if row["right_class"] is not None:
        return str(row["right_class"])
    return str(row["task_class"]) if row["feedback"] == 1.0 else None


def json_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Give each row as one line of JSON, in ASCII: harmless on any terminal."""
    return (json.dumps(row) + "\n" for row in rows)


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Give a header and each row as CSV.

    Before what a spreadsheet would run as a formula stands an apostrophe; what would steer a terminal or turn the
    direction of writing stands as its escape, as JSON has it.
    """
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)  # its line ends are those of RFC 4180; with others it would not quote a lone CR
    writer.writerow(READ_COLUMNS)
    yield _taken(buffer)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in READ_COLUMNS])
        yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return guarded_json(value)
    if not isinstance(value, str):
        return value
    text = guarded(value)
    return text if text.isprintable() else _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def write_parquet(rows: Iterable[Row], file: IO[bytes]) -> None:
    """Write rows as Parquet; moments are timestamps in UTC, what is nested is JSON text.

    Raises: InputError where pyarrow is not installed.
    """
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: TID251 - the writing half; reading is an importer's
        from pyarrow import parquet  # noqa: TID251 - likewise
    except ImportError:
        raise InputError("Parquet needs pyarrow: pip install 'routerctl[import]'") from None
    kinds = {"TEXT": pyarrow.string(), "INTEGER": pyarrow.int64(), "REAL": pyarrow.float64()}
    fields = {name: kinds[COLUMNS.get(name, "TEXT").partition(" ")[0]] for name in READ_COLUMNS}
    fields |= dict.fromkeys(_REALS, pyarrow.float64()) | dict.fromkeys(_MOMENTS, pyarrow.timestamp("ms", tz="UTC"))
    schema = pyarrow.schema(fields)
    remaining = iter(rows)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := [_typed(row) for row in islice(remaining, _GROUP)]:
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))


def _typed(row: Row) -> dict[str, Any]:
    typed = {name: json.dumps(row[name]) if isinstance(row[name], dict | list) else row[name] for name in READ_COLUMNS}
    typed["prompt"] = None if row["prompt"] is None else json.dumps(row["prompt"])  # a plain one is JSON text as well
    return typed | {name: typed[name] and datetime.fromisoformat(typed[name]) for name in _MOMENTS}
