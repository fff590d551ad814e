"""The decision log -> the decisions that somebody wants to see, as the table has them.

A row is a mapping from column to value, with the texts that were kept and the latest feedback beside it; JSON columns
are JSON values. It opens the file read-only, so a process that is writing does not notice it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from routerctl.errors import InputError, nearest
from routerctl.routing.decision_log.columns import COLUMNS
from routerctl.routing.decision_log.schema import VERSION, open_log, open_to_read, unreadable, version_of

Row = Mapping[str, Any]
OUTCOMES = {
    "served": "d.served IS NOT NULL",
    "failed": "d.served IS NULL",
    "cancelled": "d.served IS NULL AND instr(d.hops, '\"cancelled\"') > 0",
    "refused": "d.refused = 1",
    "truncated": "d.truncated = 1",
    "fallback": "d.fallbacks > 0",
    "escalated": "d.escalations > 0",
    "redirected": "d.redirects > 0",
    "unpinned": "d.served_model <> d.pinned_model",
}
TEXT_COLUMNS = ("prompt", "reply", "features", "attachments")
FEEDBACK_COLUMNS = ("feedback", "right_class", "feedback_note", "feedback_at")
READ_COLUMNS = (*COLUMNS, *TEXT_COLUMNS, *FEEDBACK_COLUMNS)
_JSON = ("rungs", "scores", "hops", "prompt", "features", "attachments")
_SELECT = f"""
SELECT {", ".join(f"d.{name}" for name in COLUMNS)}, t.prompt, t.reply, t.features, t.attachments,
    f.score AS feedback, f.task_class AS right_class, f.note AS feedback_note, f.at AS feedback_at
FROM decisions d LEFT JOIN texts t ON t.decision = d.id
LEFT JOIN feedback f ON f.number = (SELECT max(number) FROM feedback WHERE decision = d.id)"""  # noqa: S608 - own names
_SHOWN_IDS = 3
_MOST = 2**63 - 1  # SQLite counts no further


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which decisions; None = any."""

    task_class: str | None = None
    tenant: str | None = None
    candidate: str | None = None  # that served
    outcome: str | None = None  # one of OUTCOMES
    since: str | None = None  # a moment as the log writes it

    def condition(self) -> tuple[str, tuple[str, ...]]:
        """Give it as SQL over the columns of a decision, which is called `d`.

        Raises: InputError for an outcome that there is not.
        """
        if self.outcome is not None and self.outcome not in OUTCOMES:
            raise InputError(f"no outcome {self.outcome!r}{nearest(self.outcome, OUTCOMES)}")
        given = {"d.task_class = ?": self.task_class, "d.tenant = ?": self.tenant, "d.served = ?": self.candidate}
        known = {clause: value for clause, value in (given | {"d.at >= ?": self.since}).items() if value is not None}
        clauses = [*known, *([OUTCOMES[self.outcome]] if self.outcome else [])]
        return " AND ".join(clauses) or "TRUE", tuple(known.values())


class LogReader:
    """A decision log, read."""

    def __init__(self, path: Path) -> None:
        """Open the file read-only; an older one is first brought up to date in place.

        Raises: InputError where there is no log, or it is none.
        """
        self._path = path
        self._database = _open(path)

    def latest(self, wanted: Wanted, limit: int, *, before: tuple[str, int] | None = None) -> list[Row]:
        """Give the latest decisions, newest first; `before`: of those before a moment and number."""
        condition, values = wanted.condition()
        older, bound = ("TRUE", ()) if before is None else ("(d.at, d.number) < (?, ?)", before)
        ending = f"WHERE {condition} AND {older} ORDER BY d.at DESC, d.number DESC LIMIT ?"
        return list(self._rows(ending, (*values, *bound, min(limit, _MOST))))

    def every(self, wanted: Wanted) -> Iterator[Row]:
        """Give all decisions in the order of writing, one by one."""
        condition, values = wanted.condition()
        return self._rows(f"WHERE {condition} ORDER BY d.number", values)

    def after(self, number: int, wanted: Wanted) -> list[Row]:
        """Give the decisions written after a number, oldest first."""
        condition, values = wanted.condition()
        ending = f"WHERE {condition} AND d.number > ? ORDER BY d.number"
        return list(self._rows(ending, (*values, number)))

    def last_number(self) -> int:
        """Give the number of the latest decision; 0 = there is none."""
        ((number,),) = self.query("SELECT max(number) FROM decisions")
        return number or 0

    def one(self, start: str) -> Row:
        """Give the decision whose id is this or starts so.

        Raises: InputError where none does, or more than one.
        """
        if not start:
            raise InputError("expected the id of a decision or its beginning")
        return found_one(self.starting(start), start, file=str(self._path))

    def starting(self, start: str) -> list[Row]:
        """Give the first decisions whose id is this or starts so, in the order of their ids."""
        ending = "WHERE d.id >= ? AND d.id < ? ORDER BY d.id LIMIT ?"
        return list(self._rows(ending, (start, start + "\U0010ffff", _SHOWN_IDS)))

    def feedback_of(self, decision: str) -> list[Row]:
        """Give all that was said of a decision, oldest first."""
        names = ("at", "score", "task_class", "note")
        rows = self.query(f"SELECT {', '.join(names)} FROM feedback WHERE decision = ? ORDER BY number", (decision,))  # noqa: S608 - own names
        return [dict(zip(names, row, strict=True)) for row in rows]

    def _rows(self, ending: str, values: tuple[object, ...]) -> Iterator[Row]:
        return map(_opened, self.query(f"{_SELECT} {ending}", values))

    def query(self, query: str, values: tuple[object, ...] = ()) -> Iterator[tuple[Any, ...]]:
        """Give the rows of any query, one by one.

        Raises: InputError where the file is damaged.
        """
        try:
            for row in self._database.execute(query, values):  # noqa: UP028 - `yield from` would close a closed cursor
                yield row
        except sqlite3.DatabaseError as error:
            raise unreadable(error, self._path) from None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all queries in the block see the same decisions, whatever is written meanwhile."""
        self._database.execute("BEGIN")
        try:
            yield
        finally:
            self._database.execute("ROLLBACK")

    def __enter__(self) -> LogReader:
        """Give the open log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._database.close()


def found_one(found: Sequence[Row], start: str, *, file: str | None = None) -> Row:
    """Give the one decision that is meant by its id or a beginning of it, of those that start so, in order.

    Raises: InputError where there is none, or more than one.
    """
    if not found:
        raise InputError(f"no decision {start!r} in the log", file=file)
    if len(found) > 1 and found[0]["id"] != start:
        ids = ", ".join(row["id"] for row in found[:_SHOWN_IDS])
        raise InputError(f"several decisions start with {start!r}: {ids}{' ...' * (len(found) >= _SHOWN_IDS)}")
    return found[0]


def _open(path: Path) -> sqlite3.Connection:
    require_log(path)
    try:
        database = open_to_read(path)
        if version_of(database, path) < VERSION:
            open_log(path).close()
    except sqlite3.DatabaseError as error:
        raise unreadable(error, path) from None
    return database


def require_log(path: Path) -> None:
    """See that there is a log.

    Raises: InputError.
    """
    if not path.is_file():
        raise InputError("no decision log here yet: `routerctl route` writes it", file=str(path))


def _opened(row: tuple[Any, ...]) -> Row:
    """Turn a row into a mapping with its JSON read; columns of texts that were not kept are None."""
    values = dict(zip(READ_COLUMNS, row, strict=True))
    for name in _JSON:
        if values[name] is not None:
            values[name] = json.loads(values[name])
    return values
