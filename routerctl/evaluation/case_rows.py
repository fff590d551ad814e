"""The .csv beside an eval set -> a document a row, whose value has a case's keys.

Columns are those of a case; `input.NAME` are the parts of an input. It knows nothing of what a case must be.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from routerctl.errors import InputError, nearest
from routerctl.files.document import Document
from routerctl.files.yaml import conflict_of, resolve_plain
from routerctl.scorers import get_scorer
from routerctl.types import ScorerSpec

_CSV_COLUMNS = ("id", "input", "expected", "tags", "cluster", "weight", "batch")


def csv_rows(text: str, shown: str, scorer: ScorerSpec | None) -> list[Document]:
    """Read the rows of a CSV file that errors call `shown`; `scorer`: None where it is not in order.

    Raises: InputError naming the line.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    documents = []
    try:
        header = next(reader, [])
        if header and header[0].startswith("<<<<<<<") and (conflict := conflict_of(text, shown)):
            raise conflict
        _check_columns(header, shown)
        line = reader.line_num + 1  # where the next row starts: quoted values may run over several lines
        for row in reader:
            if row and len(row) != len(header):
                problem = f"expected {len(header)} values as in the header, got {len(row)}"
                raise conflict_of(text, shown) or InputError(problem, file=shown, line=line)
            if row:
                case = _csv_case(dict(zip(header, row, strict=True)), scorer)
                documents.append(Document(file=shown, value=case, lines={(): line}))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", file=shown, line=reader.line_num) from None
    return documents


def _delimiter(text: str) -> str:
    """Find what parts the columns of a CSV file: a comma, or what spreadsheets write where that is a decimal sign."""
    header = text.lstrip().splitlines()[0] if text.strip() else ""
    parted = {sign: [name.strip(' "').lower() for name in header.split(sign)] for sign in ",;\t"}
    return max(parted, key=lambda sign: sum(map(_is_column, parted[sign])))  # of equals the first: a comma


def _is_column(name: str) -> bool:
    return name in _CSV_COLUMNS or name.startswith("input.")


def _check_columns(header: Sequence[str], shown: str) -> None:
    """Refuse columns that are unknown, doubled or missing."""
    for place, name in enumerate(header):
        if not _is_column(name):
            raise InputError(
                f"unknown column {name!r}{nearest(name.strip().lower(), _CSV_COLUMNS)}", file=shown, line=1
            )
        if name in header[:place]:
            raise InputError(f"two columns are named {name!r}", file=shown, line=1)
    parts = any(name.startswith("input.") for name in header)
    if parts and "input" in header:
        raise InputError("the columns 'input' and 'input.…' exclude each other", file=shown, line=1)
    missing = [name for name in ("id", "input", "expected") if name not in header and not (parts and name == "input")]
    if header and missing:
        raise InputError(f"the column {missing[0]!r} is missing", file=shown, line=1)


def _csv_case(row: dict[str, str], scorer: ScorerSpec | None) -> dict[str, Any]:
    case: dict[str, Any] = {key: value for key, value in row.items() if key in ("id", "input", "cluster") and value}
    parts = {key.removeprefix("input."): value for key, value in row.items() if key.startswith("input.")}
    if parts:
        case["input"] = parts
    if row.get("tags"):
        case["tags"] = row["tags"].split()
    for name in ("weight", "batch"):
        if row.get(name):
            case[name] = resolve_plain(row[name])
    case["expected"] = _csv_expected(row["expected"], scorer)
    return case


def _csv_expected(cell: str, scorer: ScorerSpec | None) -> Any:
    """Read a cell as text where the scorer takes it so, else as JSON (a number, an object)."""
    if scorer is None:
        return cell
    try:
        get_scorer(scorer.name).check(scorer.params, cell)
    except ValueError:
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell
