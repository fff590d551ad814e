"""Decisions and feedback -> rows of the decision log, each committed before the call returns.

Several processes may write one file at once; each waits for its turn.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from routerctl.errors import InputError
from routerctl.files.codec import encode, json_text
from routerctl.files.running import RUNNING_FOLDER, RunningMark
from routerctl.redaction import redacted
from routerctl.routing.decision_log.columns import COLUMNS, insertion
from routerctl.routing.decision_log.rows import (
    Cells,
    LoggedAnswer,
    cells_of,
    note_of,
    row_of,
    row_of_note,
    stamp,
    storable,
)
from routerctl.routing.decision_log.schema import PATIENCE_S, open_log, salt_of
from routerctl.types import Decision, Hop, Inquiry, StopReason, Usage

_ID, _PERHAPS = (tuple(COLUMNS).index(name) for name in ("id", "perhaps_usd"))
_EVERY = 500  # appends between two looks for what is too old
_AT_ONCE = 2_000  # rows that are dropped in one transaction: others wait for it for some milliseconds
_MOST_ON_OPEN = 50_000  # rows that opening drops: a command must not hang on a log that was never pruned


def _now() -> datetime:
    return datetime.now(UTC)


class DecisionLog:
    """Decisions, appended one by one."""

    def __init__(
        self,
        path: Path,
        *,
        keep_prompts: bool = False,
        keep_days: int | None = None,
        patience_s: float = PATIENCE_S,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Open the file, making it and its folder where they are missing, and drop what is older than `keep_days`.

        `keep_prompts`: keep the texts of prompt and reply, and the inquiry's features. `keep_days` None: for ever.
        `patience_s`: how long another process may hold the file.
        Raises: InputError where the file is no decision log.
        """
        self._database = open_log(path, patience_s=patience_s)
        self._salt = salt_of(self._database)
        self._keep_prompts, self._keep_days, self._clock = keep_prompts, keep_days, clock
        self._insert, self._appended = insertion(), 0
        self._mark: RunningMark | None = None
        self._noted: dict[str, Cells] = {}  # of the inquiries under way, by decision
        self._folder = path.parent / RUNNING_FOLDER
        if keep_days is not None:
            self._drop_old(_MOST_ON_OPEN)

    def wait_at_most(self, seconds: float) -> None:
        """Set how long another process may hold the file from now on."""
        self._database.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    def append(
        self,
        decision: Decision,
        inquiry: Inquiry,
        *,
        decision_id: str,
        at: str,
        reply: str | None = None,
        stop_reason: StopReason | None = None,
        usage: Usage | None = None,
    ) -> int:
        """Write one decision and give its number; it survives the end of this process once this returns.

        `at`: ISO 8601; `reply`, `stop_reason`, `usage` (of all its calls): of the delivered answer.
        Raises: sqlite3.Error where it cannot be written.
        """
        delivered = LoggedAnswer(reply=reply, stop_reason=stop_reason, usage=usage)
        private = not self._keep_prompts
        asked = self._noted.pop(decision_id, None) or cells_of(inquiry, self._salt)
        row = row_of(decision, inquiry, delivered, decision_id=decision_id, at=at, asked=asked, private=private)
        if private:
            written = self._database.execute(self._insert, row)
        else:
            with self.together():
                written = self._database.execute(self._insert, row)
                self._keep_texts(row, inquiry, reply)
        self._appended += 1
        if self._keep_days is not None and self._appended % _EVERY == 0:
            with suppress(sqlite3.OperationalError):  # the row is written; the next look drops what this one does not
                self._drop_old(_AT_ONCE)
        return int(written.lastrowid or 0)

    def note(self, decision: Decision, hops: tuple[Hop, ...], inquiry: Inquiry, *, at: str) -> None:
        """Keep what is to be logged of a decision, with the hops so far, if this process ends before it is appended.

        Raises: sqlite3.Error where it cannot be written.
        """
        if self._mark is None:
            return
        asked = self._noted.get(decision.id) or cells_of(inquiry, self._salt)
        self._noted[decision.id] = asked
        noted = (decision.id, self._mark.name, note_of(decision, hops, inquiry, at=at, asked=asked))
        self._database.execute("INSERT OR REPLACE INTO under_way VALUES (?, ?, ?)", noted)

    def take_lost(self, tell: Callable[[int, Decimal], None]) -> None:
        """Log what processes that are gone had under way; tell how many decisions, and the most their calls may cost.

        From then on this process's own are noted. On a file system without locks nobody can tell who is gone: nothing
        is noted there.
        """
        try:
            self._mark = self._mark or RunningMark(self._folder)
        except OSError:
            return
        with self.together():
            found = self._database.execute("SELECT id, process, note FROM under_way").fetchall()
            gone = {process: self._mark.is_gone(process) for _, process, _ in found}
            lost = {one: row_of_note(note) for one, process, note in found if gone[process]}
            for one, row in lost.items():
                self._database.execute(self._insert.replace("INSERT", "INSERT OR IGNORE", 1), row)
                self._database.execute("DELETE FROM under_way WHERE id = ?", (one,))
            if lost:
                tell(len(lost), sum((Decimal(str(row[_PERHAPS])) for row in lost.values()), Decimal(0)))

    def _keep_texts(self, row: tuple[object, ...], inquiry: Inquiry, reply: str | None) -> None:
        prompt, features = redacted(json_text(inquiry.prompt)), redacted(json_text(encode(inquiry.features)))
        kept = None if reply is None else storable(redacted(reply))
        texts = (row[_ID], prompt, kept, features, redacted(json_text(inquiry.attachments)))
        self._database.execute("INSERT INTO texts VALUES (?, ?, ?, ?, ?)", texts)

    def feedback(
        self, decision_id: str, score: float, *, at: str, note: str = "", task_class: str | None = None
    ) -> None:
        """Note what somebody says of a decision, in [0, 1]; the latest counts. `task_class`: the right one.

        Raises: InputError where the log has no such decision, or the score is none.
        """
        if not 0 <= score <= 1:
            raise InputError(f"expected a score from 0 to 1, got {score:g}")
        with self.together():
            if not self._database.execute("SELECT 1 FROM decisions WHERE id = ?", (decision_id,)).fetchone():
                raise InputError(f"no decision {decision_id!r} in the log")
            self._database.execute(
                "INSERT INTO feedback (decision, at, score, task_class, note) VALUES (?, ?, ?, ?, ?)",
                (decision_id, stamp(at), score, task_class and storable(task_class), storable(redacted(note))),
            )

    def prune(self, before: datetime | None = None) -> int:
        """Drop the decisions made before a moment (None: all) with their texts and feedback, and give their number.

        Their bytes leave the file too, also the one that SQLite writes ahead to.
        """
        dropped = self._drop(stamp(before.isoformat()) if before else None, None)
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return dropped

    def _drop_old(self, most: int) -> None:
        self._drop(stamp((self._clock() - timedelta(days=self._keep_days or 0)).isoformat()), most)

    def _drop(self, before: str | None, most: int | None) -> int:
        dropped = 0
        while most is None or dropped < most:
            with self.together():
                number = self._drop_some(before)
            dropped += number
            if number < _AT_ONCE:
                break
        return dropped

    def _drop_some(self, before: str | None) -> int:
        found = self._database.execute(
            "SELECT id FROM decisions WHERE ? IS NULL OR at < ? ORDER BY at LIMIT ?", (before, before, _AT_ONCE)
        ).fetchall()
        for table, column in (("texts", "decision"), ("feedback", "decision"), ("decisions", "id")):
            self._database.executemany(f"DELETE FROM {table} WHERE {column} = ?", found)  # noqa: S608 - our own names
        return len(found)

    def together(self) -> AbstractContextManager[None]:
        """Write what is written inside all at once, or nothing of it; raises sqlite3.Error where it is not its turn."""
        return _Transaction(self._database)

    def close(self) -> None:
        """Close the file."""
        if self._mark:
            self._mark.close()
        self._database.close()


class _Transaction:
    """Several statements, all or none; it takes its turn at the start, where SQLite waits for it.

    Within another one it is part of that.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database, self._is_part = database, database.in_transaction

    def __enter__(self) -> None:
        if not self._is_part:
            self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self._is_part:
            self._database.execute("ROLLBACK" if kind else "COMMIT")
