"""What `routerctl log feedback` does: what people say of one answer, or of many on stdin, -> the log."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from routerctl.cli.output.terminal import say
from routerctl.errors import InputError, nearest
from routerctl.files.document import Document
from routerctl.files.yaml import parse_json_lines
from routerctl.routing.decision_log import DecisionLog
from routerctl.routing.decision_log.places import log_path
from routerctl.routing.decision_log.reader import LogReader
from routerctl.routing.decision_log.wording import SHORT_ID, rating
from routerctl.types import Json
from routerctl.words import plain, plural

_STDIN = "stdin"
_SCORES = {"good": 1.0, "bad": 0.0}
_EXPECTED = "expected good, bad or a number from 0 to 1"
_KEYS = ("id", "feedback", "class", "note")
_TABLE = Path("routes.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody says of one answer."""

    score: Json  # good, bad or a number
    note: str = ""
    task_class: str | None = None  # that would have been right


class _Rater:
    """Notes what is said, and tells it."""

    def __init__(self, reader: LogReader, log: DecisionLog, *, as_json: bool) -> None:
        self._reader, self._log, self._as_json = reader, log, as_json
        self._classes: tuple[str, ...] | None = None

    def rate(self, decision: str, said: Said, *, aloud: bool = True) -> None:
        """Note what somebody says of a decision.

        Raises: InputError.
        """
        value, right = _score(said.score), said.task_class
        if right is not None:
            self._check_class(right)
        whole = self._reader.one(decision)["id"]
        self._log.feedback(whole, value, at=datetime.now(UTC).isoformat(), note=said.note, task_class=right)
        if self._as_json:
            told = {"decision": whole, "score": value, "class": right, "note": said.note}
            sys.stdout.write(json.dumps(told) + "\n")
        elif aloud:
            say(f"{whole[:SHORT_ID]} rated {rating(value)}{f', the right class is {right}' if right else ''}")

    def _check_class(self, right: str) -> None:
        """See that the table has the class, where there is a table: training refuses names that nobody knows."""
        self._classes = _classes() if self._classes is None else self._classes
        if self._classes and right not in self._classes:
            raise InputError(f"no task class {right!r}{nearest(right, self._classes)}")


def rate(decision: str | None, said: Said, *, tenant: str | None, as_json: bool) -> None:
    """Do what `log feedback` says: note what is said of one decision; without one, of those that stdin names.

    Raises: InputError; after the last line, where one or more could not be noted.
    """
    if decision is not None and said.score is None:
        raise InputError(f"no rating for {decision!r}: {_EXPECTED}")
    if decision is None and sys.stdin.isatty():
        raise InputError("expected ID and good|bad|0..1, or JSON lines on stdin")
    path = log_path(tenant)
    with LogReader(path) as reader, closing(DecisionLog(path)) as log:
        rater = _Rater(reader, log, as_json=as_json)
        if decision is not None:
            rater.rate(decision, said)
        else:
            _rate_lines(rater, said)


def _rate_lines(rater: _Rater, common: Said) -> None:
    """Note line by line, as they come: what was noted before a line that is wrong stays noted."""
    rated, wrong = 0, 0
    for number, line in _lines():
        try:
            decision, said = _line(line, number, common)
            rater.rate(decision, said, aloud=False)
            rated += 1
        except InputError as error:
            wrong += 1
            say(f"{_STDIN}:{number}: {error.problem}")
    say(f"{plain(plural(rated, 'answer'))} rated")
    if wrong:
        raise InputError(f"{plain(plural(wrong, 'line was', 'lines were'))} not recorded, see above")


def _lines() -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(sys.stdin.buffer, 1) if line.strip())


def _line(line: bytes, number: int, common: Said) -> tuple[str, Said]:
    """Read one line; what the command line says of all holds where the line does not say it itself."""
    try:
        (document,) = parse_json_lines(line.decode().removeprefix("\ufeff").rstrip("\r\n"), _STDIN)
    except UnicodeDecodeError:
        raise InputError("not UTF-8", file=_STDIN, line=number) from None
    value = _object(document)
    if "feedback" not in value:
        raise InputError(f"'feedback' is missing: {_EXPECTED}")
    texts = {key: _text(value, key) for key in ("id", "class", "note")}
    if not texts["id"]:
        raise InputError("'id' is missing: the decision's id, or its beginning")
    said = Said(
        score=value["feedback"],
        note=common.note if texts["note"] is None else texts["note"],
        task_class=common.task_class if texts["class"] is None else texts["class"],
    )
    return texts["id"], said


def _object(document: Document) -> dict[str, Json]:
    value = document.value
    if not isinstance(value, dict):
        raise InputError('expected an object like {"id": "3f2a9c1b", "feedback": "good"}')
    for key in value:
        if key not in _KEYS:
            raise InputError(f"unknown key {key!r}{nearest(key, _KEYS)}")
    return value


def _text(value: dict[str, Json], key: str) -> str | None:
    text = value.get(key)
    if text is not None and not isinstance(text, str):
        raise InputError(f"{key!r}: expected a text")
    return text


def _score(said: Json) -> float:
    """Read good, bad or a number."""
    try:
        value = _SCORES[said] if isinstance(said, str) and said in _SCORES else float(said)
    except (TypeError, ValueError):
        raise InputError(f"{_EXPECTED}, got {said!r}") from None
    if isinstance(said, bool) or not 0 <= value <= 1:
        raise InputError(f"{_EXPECTED}, got {said!r}")
    return value


def _classes() -> tuple[str, ...]:
    """Give the classes of the table, where there is one."""
    if not _TABLE.is_file():
        return ()
    from routerctl.table import load_table

    return tuple(load_table(_TABLE).routes)
