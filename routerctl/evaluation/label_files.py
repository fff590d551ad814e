"""Replies to be labelled -> a .csv or .jsonl that is filled in elsewhere, and such a file -> labels.

The texts in it are for the reader alone; a filled line is matched by its case, candidate and digests.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from routerctl.errors import InputError, nearest
from routerctl.evaluation.labels import Label, known_label, label_of
from routerctl.files.codec import json_text
from routerctl.files.spreadsheet import guarded, unguarded
from routerctl.files.writing import write_atomically
from routerctl.files.yaml import parse_json_lines, read_text
from routerctl.types import Result
from routerctl.words import as_text, visible

_KEYS = ("case", "candidate", "reply", "asked")
COLUMNS = (*_KEYS, "passed", "by", "input", "expected", "text")
_NEEDED = ("case", "candidate", "reply", "passed")
_WORDS = {
    **dict.fromkeys(("y", "yes", "true", "1", "pass", "passed"), True),
    **dict.fromkeys(("n", "no", "false", "0", "fail", "failed"), False),
}
_CELL_CHARS = 30_000  # a spreadsheet's cell holds 32,767

Row = Mapping[str, Any]


def check_kind(path: Path) -> None:
    """Refuse a file that is neither .csv nor .jsonl.

    Raises: InputError.
    """
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise InputError("expected the name of a .csv or .jsonl file", file=str(path))


def write_open(path: Path, replies: Sequence[Result]) -> None:
    """Write the replies to be labelled into a new file.

    Raises: InputError where the file exists: it may be half filled.
    """
    if path.exists():
        raise InputError("this file exists already; name a new one, or move it away", file=str(path))
    lines = _csv_rows(replies) if path.suffix.lower() == ".csv" else json_rows(replies)
    write_atomically(path, "".join(lines))


def json_rows(replies: Iterable[Result]) -> Iterator[str]:
    """Give a JSON line for each reply; characters that could move a cursor or hide are written as their escapes."""
    for result in replies:
        line = json_text(_row(result))
        shown = (character if character.isprintable() else json.dumps(character)[1:-1] for character in line)
        yield "".join(shown) + "\n"


def _csv_rows(replies: Iterable[Result]) -> Iterator[str]:
    rows = (_row(result) for result in replies)
    for cells in (COLUMNS, *([guarded(row[name] or "") for name in COLUMNS] for row in rows)):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerow(cells)
        yield text.getvalue()


def _row(result: Result) -> dict[str, str | None]:
    made = label_of(result, passed=False)
    expected = None if result.expected is None else _readable(as_text(result.expected))
    row = {"case": made.case, "candidate": made.candidate, "reply": made.reply, "asked": made.asked}
    shown = {"input": _readable(as_text(result.input)), "expected": expected, "text": _readable(result.reply)}
    return {**row, "passed": None, "by": "", **shown}


def _readable(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= _CELL_CHARS else f"{shown[:_CELL_CHARS]}… ({len(text):,} characters in all)"


def read_filled(path: Path, replies: Mapping[tuple[str, str], Result], by: str) -> tuple[list[tuple[Label, int]], int]:
    """Read the labels of a filled file with their lines, and count the lines that were left open.

    `replies`: a run's first replies by (case id, candidate), which the labels must speak of.
    Raises: InputError for the first line that does not fit.
    """
    check_kind(path)
    text = read_text(path)
    rows = _from_csv(text, str(path)) if path.suffix.lower() == ".csv" else _from_json(text, str(path))
    filled, left_open = [], 0
    for row, line in rows:
        passed = _passed(row["passed"], str(path), line)
        if passed is None:
            left_open += 1
        else:
            filled.append((_label(row, passed, replies, by, str(path), line), line))
    return filled, left_open


def _passed(value: Any, file: str, line: int) -> bool | None:
    word = value.strip().lower() if isinstance(value, str) else value
    if word is None or word == "":
        return None
    if isinstance(word, bool):
        return word
    if isinstance(word, str) and word in _WORDS:
        return _WORDS[word]
    raise InputError(f"passed: expected y or n, or nothing for a case left open, got {value!r}", file=file, line=line)


def _label(row: Row, passed: bool, replies: Mapping[tuple[str, str], Result], by: str, file: str, line: int) -> Label:
    case, candidate = row["case"], row["candidate"]
    result = replies.get((case, candidate))
    if result is None:
        raise InputError(_unknown(case, candidate, replies), file=file, line=line)
    asked = row.get("asked") or ""
    said = Label(case=case, candidate=candidate, reply=row["reply"], asked=asked, passed=passed)
    if known_label({said.key: passed}, result) is None:
        problem = f"case {case!r}: this label is for another reply of {candidate}, or another case, than the run has"
        raise InputError(problem, file=file, line=line)
    return label_of(result, passed=passed, by=row.get("by") or by)


def _unknown(case: str, candidate: str, replies: Mapping[tuple[str, str], Result]) -> str:
    candidates = {name for _, name in replies}
    if candidate not in candidates:
        return f"the run has no replies of {candidate!r}{nearest(candidate, candidates)}"
    import difflib  # only an error needs it; not all cases are named, a set has hundreds

    close = difflib.get_close_matches(case, sorted(name for name, other in replies if other == candidate), n=1)
    return f"the run has no reply of {candidate} to case {case!r}" + (f"; did you mean {close[0]!r}?" if close else "")


def _from_json(text: str, file: str) -> Iterator[tuple[Row, int]]:
    for row in parse_json_lines(text, file):
        line = row.line(()) or 0
        if not isinstance(row.value, dict):
            raise InputError("expected a JSON object", file=file, line=line)
        _check_columns(list(row.value), file, line)
        for name in ("case", "candidate", "reply", "asked", "by"):
            if not isinstance(row.value.get(name, ""), str | None):
                raise InputError(f"{name}: expected a text", file=file, line=line)
        yield row.value, line


def _from_csv(text: str, file: str) -> Iterator[tuple[Row, int]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_columns(header, file, 1)
        line = reader.line_num + 1  # where the next row starts: quoted texts run over several lines
        for cells in reader:
            if cells and len(cells) != len(header):
                problem = f"expected {len(header)} values as in the header, got {len(cells)}"
                raise InputError(problem, file=file, line=line)
            if cells:
                yield dict(zip(header, map(unguarded, cells), strict=True)), line
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", file=file, line=reader.line_num) from None


def _check_columns(names: Sequence[str], file: str, line: int) -> None:
    for place, name in enumerate(names):
        if name not in COLUMNS:
            raise InputError(f"unknown column {name!r}{nearest(name, COLUMNS)}", file=file, line=line)
        if name in names[:place]:
            raise InputError(f"two columns are named {name!r}", file=file, line=line)
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise InputError(f"{missing[0]!r} is missing", file=file, line=line)
