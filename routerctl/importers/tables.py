"""A table (CSV, TSV, JSON lines, a JSON list, Parquet) -> records: long, a row a case and model, or wide, a row a case.

A wide table has a column a model, with a score from 0 to 1 in each cell; an empty cell is a reply without a score, for
leaving the case out would choose among the cases. A long one has a column that names the model and one with the score.
Columns are found by the usual names below, and the user's flags go before them. Place: one format of
`routerctl.importers`; it knows no runner.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from routerctl.errors import nearest
from routerctl.importers.base import (
    Columns,
    Reading,
    Record,
    Source,
    as_cost,
    as_count,
    as_number,
    as_score,
    as_text,
    failed_or,
    is_missing,
    plain,
    shown,
)

_PARQUET = b"PAR1"
_COMMA = re.compile(r"[01],\d+")  # a score as much of the world writes it
_SLIPS = 0.1  # of the cells of a column: so few that are no scores are mistakes
_AS_IS = frozenset((str, int, bool, type(None)))  # most cells of a Parquet file: nothing to make of them
_NAMES = {  # what a column of each role is usually called; the first that is there counts
    "task_class": ("task_class", "class", "task", "subject", "category"),
    "case": ("case_id", "id", "case", "sample_id", "question_id", "prompt_id", "doc_id"),
    "model": ("model", "candidate", "model_id", "model_name"),
    "score": ("score", "correct", "passed", "pass", "is_correct", "outcome"),
    "cost": ("cost_usd", "cost"),
    "latency": ("latency_s", "latency_ms"),
    "cluster": ("cluster", "cluster_id"),
    "input": ("input", "prompt", "question"),
    "expected": ("expected", "target"),
    "reply": ("reply", "output", "response", "completion"),
    "error": ("error",),
    "input_tokens": ("input_tokens", "prompt_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens"),
}
_ONLY_LONG = ("model", "score", "cost", "latency", "reply", "error", "input_tokens", "output_tokens")
Cells = Mapping[str, Any]
Rows = list[tuple[int | None, Cells]]


def recognises(source: Source) -> bool:  # noqa: ARG001 - asked last, it takes what no runner claims
    """Tell that it is worth trying: reading says what is wrong."""
    return True


def read(source: Source, columns: Columns) -> Reading:
    """Read one table.

    Raises: InputError naming the file, the line and the column.
    """
    rows = _rows(source)
    header = list(dict.fromkeys(name for _, row in rows for name in row))
    if not rows:
        raise source.error("no row in it: expected a header and at least one row")
    roles = _roles(header, columns, source)
    notes: list[str] = []
    long = "model" in roles and "score" in roles
    if long:
        records = tuple(_long(rows, roles, source))
    else:
        models, notes = _models(rows, header, roles, source)
        records = tuple(_wide(rows, models, roles, source))
        notes += _empty_cells(records)
    return Reading(
        file=source.shown,
        format="table",
        digest=source.digest,
        scorer=roles["score"] if long else "cell",
        records=records,
        notes=tuple(notes),
    )


# --- bytes -> rows ----------------------------------------------------------------------------------------------------


def _rows(source: Source) -> Rows:
    if source.content.startswith(_PARQUET):
        return [(None, row) for row in _parquet(source)]
    if source.text.lstrip().startswith("["):
        return list(_objects(((None, row) for row in source.value), source))
    if source.keys:
        return list(_objects(source.lines(), source))
    return list(_csv(source))


def _objects(rows: Iterable[tuple[int | None, Any]], source: Source) -> Iterator[tuple[int | None, Cells]]:
    for line, row in rows:
        if not isinstance(row, dict):
            raise source.error("expected a JSON object with a value a column", line)
        yield line, row


def _parquet(source: Source) -> list[dict[str, Any]]:
    try:
        import pyarrow  # type: ignore[import-untyped]  # ships no type information
        from pyarrow import parquet
    except ImportError:
        raise source.error("a Parquet file: `pip install 'routerctl[import]'` reads it") from None
    try:
        found: list[dict[str, Any]] = parquet.read_table(io.BytesIO(source.content)).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:  # the last: a moment after 9999
        raise source.error(f"not Parquet that can be read: {error}") from None
    return [{name: cell if type(cell) in _AS_IS else plain(cell) for name, cell in row.items()} for row in found]


def _csv(source: Source) -> Iterator[tuple[int | None, Cells]]:
    first = source.text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)  # of equals the first: a comma
    limit = csv.field_size_limit(sys.maxsize)  # a prompt may be longer than the 128 KiB that csv expects
    try:
        reader = csv.reader(io.StringIO(source.text, newline=""), delimiter=delimiter, strict=True)
        header = [name.strip() for name in next(reader)]
        twice = next((name for place, name in enumerate(header) if name in header[:place]), None)
        if twice is not None:
            raise source.error(f"two columns are named {twice!r}", 1)
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


# --- columns -> roles -------------------------------------------------------------------------------------------------


def _roles(header: Sequence[str], columns: Columns, source: Source) -> dict[str, str]:
    """Name the column of each role that has one.

    Raises: InputError for a column that the user names and the table does not have, or a long table without a score.
    """
    roles = {}
    for role, usual in _NAMES.items():
        given = getattr(columns, role, None)
        if given is not None and given not in header:
            raise source.error(f"no column {given!r}{nearest(given, header)}", 1)
        found = given or next((name for name in usual if name in header), None)
        if found is not None:
            roles[role] = found
    if columns.model and "score" not in roles:
        raise source.error("which column holds the score? name it with --score-column", 1)
    if columns.score and "model" not in roles:
        raise source.error("which column names the model? name it with --model-column", 1)
    return roles


def _models(rows: Rows, header: Sequence[str], roles: Mapping[str, str], source: Source) -> tuple[list[str], list[str]]:
    """Name the columns of a wide table that hold scores, and say which columns are not used."""
    taken = {name for role, name in roles.items() if role not in _ONLY_LONG}
    free = [name for name in header if name not in taken]
    models = [name for name in free if name and _holds_scores(name, rows, source)]
    if not models:
        raise source.error(
            "no column holds scores from 0 to 1 alone: expected one a model, or a column `model` and a column `score` "
            "(--model-column, --score-column)",
            1,
        )
    left = [name for name in free if name and name not in models]
    return models, [f"columns without scores from 0 to 1, left out: {', '.join(left)}"] if left else []


def _holds_scores(name: str, rows: Rows, source: Source) -> bool:
    """Tell whether every cell that says something is a score.

    Raises: InputError at the first that is none where nearly all are: the model must not go for one slip of the pen.
    """
    cells = [(line, row.get(name)) for line, row in rows if not is_missing(row.get(name))]
    others = [(line, cell) for line, cell in cells if not _is_score(cell)]
    if others and (len(others) <= _SLIPS * len(cells) or all(_COMMA.fullmatch(str(cell)) for _, cell in others)):
        line, cell = others[0]
        raise source.error(
            f"column {name}: expected a score from 0 to 1 (or true, false) as in its other cells, got {shown(cell)}; "
            "if it is no model, take the column out",
            line,
        )
    return bool(cells) and not others


def _is_score(cell: Any) -> bool:
    number = as_number(cell)
    word = isinstance(cell, str) and cell.strip().lower() in ("true", "false")
    return word or (number is not None and 0 <= number <= 1)


# --- rows -> records --------------------------------------------------------------------------------------------------


def _wide(rows: Rows, models: Sequence[str], roles: Mapping[str, str], source: Source) -> Iterator[Record]:
    asked = {
        (as_text(_cell(row, roles, "task_class")), model)
        for _, row in rows
        for model in models
        if not is_missing(row.get(model))
    }
    for place, (line, row) in enumerate(rows, 1):
        task, case, cluster = (as_text(_cell(row, roles, role)) for role in ("task_class", "case", "cluster"))
        value, expected = _cell(row, roles, "input"), _cell(row, roles, "expected")
        if not case and value is None:
            case = f"row-{place}"
        for model in models:
            score = as_score(row.get(model), source, f"column {model}", line)
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
                    line=line,
                )


def _empty_cells(records: Sequence[Record]) -> list[str]:
    """Say which models have cells without a score."""
    empty = Counter(record.model for record in records if record.score is None)
    if not empty:
        return []
    each = ", ".join(f"{model} {count}" for model, count in empty.items())
    return [f"cells without a score: {each} (a case that was not asked is better left out, row and all)"]


def _long(rows: Rows, roles: Mapping[str, str], source: Source) -> Iterator[Record]:
    if "case" not in roles and "input" not in roles:
        raise source.error("which column names the case? name it with --case-column", 1)
    for line, row in rows:
        model = as_text(_cell(row, roles, "model"))
        if not model:
            raise source.error(f"column {roles['model']}: expected a model's name, got nothing", line)
        error = as_text(_cell(row, roles, "error"))
        score = None if error else as_score(_cell(row, roles, "score"), source, f"column {roles['score']}", line)
        yield Record(
            task=as_text(_cell(row, roles, "task_class")),
            model=model,
            case=as_text(_cell(row, roles, "case")),
            status=failed_or(score, error),
            score=score,
            input=_cell(row, roles, "input"),
            expected=_cell(row, roles, "expected"),
            reply=as_text(_cell(row, roles, "reply")),
            error=error,
            input_tokens=as_count(_cell(row, roles, "input_tokens")),
            output_tokens=as_count(_cell(row, roles, "output_tokens")),
            cost_usd=as_cost(_cell(row, roles, "cost"), source, f"column {roles.get('cost')}", line),
            latency_s=None if error else _seconds(row, roles),
            cluster=as_text(_cell(row, roles, "cluster")) or None,
            line=line,
        )


def _cell(row: Cells, roles: Mapping[str, str], role: str) -> Any:
    """A row's value in a role; an empty text is none."""
    name = roles.get(role)
    value = row.get(name) if name is not None else None
    return None if value == "" else value


def _seconds(row: Cells, roles: Mapping[str, str]) -> float | None:
    number = as_number(_cell(row, roles, "latency"))
    if number is None or number < 0:
        return None
    return number / 1000 if roles["latency"].endswith("_ms") else number
