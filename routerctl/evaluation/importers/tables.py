"""A table (CSV, TSV, JSON lines, a JSON list, Parquet) -> records: long, a row a case and model, or wide, a row a case.

A wide table has a column a model, with a score from 0 to 1 in each cell; an empty cell is a reply without a score, for
leaving the case out would choose among the cases. A long one has a column that names the model and one with the score.
Columns are found by the usual names in `columns`, and the user's flags go before them. It knows no runner.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from routerctl.evaluation.importers.base import Columns, Reading, Record, SourceFile, plain
from routerctl.evaluation.importers.columns import Rows, is_long, models_of, unused
from routerctl.evaluation.importers.names import Cells, cell, check_once, plain_name, roles_of
from routerctl.evaluation.importers.values import (
    Scores,
    as_cost,
    as_text,
    failed_or,
    is_missing,
    said_number,
    scores_of,
)

_PARQUET = b"PAR1"
_NO_PART = "of a model without any score in the class"
_AS_IS = frozenset((str, int, bool, type(None)))  # most cells of a Parquet file: nothing to make of them


def recognises(source: SourceFile) -> bool:  # noqa: ARG001 - asked last, it takes what no runner claims
    """Tell that it is worth trying: reading says what is wrong."""
    return True


def read(source: SourceFile, columns: Columns) -> Reading:
    """Read one table.

    Raises: InputError naming the file, the line and the column.
    """
    rows = _rows(source)
    if not rows:
        raise source.error("it has no rows: expected a header and at least one row")
    header = list(dict.fromkeys(name for _, row in rows for name in row))
    roles = roles_of(header, columns, source)
    long = is_long(rows, header, roles, columns, source)
    if long:
        scores = scores_of((row.get(roles["score"]) for _, row in rows), source, columns.scale)
        records = tuple(_long(rows, roles, scores))
        notes = unused(rows, [name for name in header if name not in roles.values()], roles)
    else:
        models, notes = models_of(rows, header, roles, columns, source)
        scores = scores_of((row.get(model) for _, row in rows for model in models), source, columns.scale)
        records = tuple(_wide(rows, models, roles, scores))
        notes += _empty_cells(records)
    outcomes = len(rows) if long else len(rows) * len(models)
    return Reading(
        file=source.shown,
        format="table",
        digest=source.digest,
        scorer=roles["score"] if long else "cell",
        records=records,
        rows=outcomes,
        left={_NO_PART: outcomes - len(records)} if outcomes > len(records) else {},
        notes=tuple(notes),
    )


# --- bytes -> rows ----------------------------------------------------------------------------------------------------


def _rows(source: SourceFile) -> Rows:
    if source.content.startswith(_PARQUET):
        return [(None, row) for row in _parquet(source)]
    if source.text.lstrip().startswith("["):
        return list(_objects(((None, row) for row in source.value), source))
    if source.keys:
        return list(_objects(source.lines(), source))
    return list(_csv(source))


def _objects(rows: Iterable[tuple[int | None, Any]], source: SourceFile) -> Iterator[tuple[int | None, Cells]]:
    for line, row in rows:
        if not isinstance(row, dict):
            raise source.error("expected a JSON object with a value for each column", line)
        yield line, row


def _parquet(source: SourceFile) -> list[dict[str, Any]]:
    try:
        import pyarrow  # type: ignore[import-untyped]  # ships no type information
        from pyarrow import parquet
    except ImportError:
        raise source.error("a Parquet file: `pip install 'routerctl[import]'` reads it") from None
    try:
        table = parquet.read_table(io.BytesIO(source.content))
        check_once(table.column_names, source)
        found: list[dict[str, Any]] = table.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:  # the last: a moment after 9999
        raise source.error(f"not Parquet that can be read: {error}") from None
    return [{name: cell if type(cell) in _AS_IS else plain(cell) for name, cell in row.items()} for row in found]


def _csv(source: SourceFile) -> Iterator[tuple[int | None, Cells]]:
    first = source.text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)  # of equals the first: a comma
    limit = csv.field_size_limit(sys.maxsize)  # a prompt may be longer than the 128 KiB that csv expects
    try:
        reader = csv.reader(io.StringIO(source.text, newline=""), delimiter=delimiter, strict=True)
        header = [plain_name(name) for name in next(reader, [])]
        check_once(header, source)
        line = reader.line_num + 1  # where the next row starts: quoted values may run over several lines
        for row in reader:
            if row and len(row) != len(header):
                raise source.error(f"expected {len(header)} values as in the header, got {len(row)}", line)
            if row:
                yield line, dict(zip(header, row, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise source.error(f"not CSV: {error}", reader.line_num) from None
    finally:
        csv.field_size_limit(limit)


# --- rows -> records --------------------------------------------------------------------------------------------------


def _wide(rows: Rows, models: Sequence[str], roles: Mapping[str, str], scores: Scores) -> Iterator[Record]:
    asked = {
        (as_text(cell(row, roles, "task_class")), model)
        for _, row in rows
        for model in models
        if not is_missing(row.get(model))
    }
    for place, (line, row) in enumerate(rows, 1):
        task, case, cluster = (as_text(cell(row, roles, role)) for role in ("task_class", "case", "cluster"))
        value, expected = cell(row, roles, "input"), cell(row, roles, "expected")
        if not case and value is None:
            case = f"row-{place}"
        for model in models:
            score = scores.read(row.get(model), f"column {model}", line)
            if (task, model) in asked:  # without any score in a class a model had no part in it
                yield Record(
                    task=task,
                    model=model,
                    case=case,
                    status=failed_or(score, ""),
                    score=score,
                    input=value,
                    expected=expected,
                    cluster=cluster or None,
                    epoch=_epoch(row, roles, scores.source, line),
                    line=line,
                )


def _empty_cells(records: Sequence[Record]) -> list[str]:
    """Say which models have cells without a score."""
    empty = Counter(record.model for record in records if record.score is None)
    if not empty:
        return []
    each = ", ".join(f"{model} {count}" for model, count in empty.items())
    return [f"cells without a score: {each} (if a case was not asked, leave out its whole row)"]


def _long(rows: Rows, roles: Mapping[str, str], scores: Scores) -> Iterator[Record]:
    source = scores.source
    for line, row in rows:
        model = as_text(cell(row, roles, "model"))
        if not model:
            raise source.error(f"column {roles['model']}: expected a model's name, got nothing", line)
        told = cell(row, roles, "error")
        error = "" if is_missing(told) else as_text(told)
        score = None if error else scores.read(cell(row, roles, "score"), f"column {roles['score']}", line)
        yield Record(
            task=as_text(cell(row, roles, "task_class")),
            model=model,
            case=as_text(cell(row, roles, "case")),
            status=failed_or(score, error),
            score=score,
            input=cell(row, roles, "input"),
            expected=cell(row, roles, "expected"),
            reply=as_text(cell(row, roles, "reply")),
            error=error,
            input_tokens=int(_amount(row, roles, "input_tokens", source, line) or 0),
            cached_tokens=int(_amount(row, roles, "cached_tokens", source, line) or 0),
            output_tokens=int(_amount(row, roles, "output_tokens", source, line) or 0),
            cost_usd=as_cost(cell(row, roles, "cost"), source, f"column {roles.get('cost')}", line),
            latency_s=None if error else _seconds(row, roles, source, line),
            cluster=as_text(cell(row, roles, "cluster")) or None,
            epoch=_epoch(row, roles, source, line),
            line=line,
        )


def _amount(row: Cells, roles: Mapping[str, str], role: str, source: SourceFile, line: int | None) -> float | None:
    return said_number(cell(row, roles, role), source, f"column {roles.get(role)}", line)


def _epoch(row: Cells, roles: Mapping[str, str], source: SourceFile, line: int | None) -> int:
    return int(_amount(row, roles, "epoch", source, line) or 0)


def _seconds(row: Cells, roles: Mapping[str, str], source: SourceFile, line: int | None) -> float | None:
    number = _amount(row, roles, "latency", source, line)
    return number / 1000 if number is not None and plain_name(roles["latency"]).lower().endswith("_ms") else number
