"""Shared state in an SQLite file: the embedded default, for the processes of one machine.

WAL: readers never wait for the writer (https://sqlite.org/wal.html). A change takes the write lock before it reads
(BEGIN IMMEDIATE), so what it read is still true when it writes.
"""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from routerctl.errors import StateDown
from routerctl.files.private import make_private
from routerctl.routing.state.base import Change, T, WouldWait, changed, checked_keys, kind_of
from routerctl.types import Json

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS documents (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at REAL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS passing ON documents (expires_at) WHERE expires_at IS NOT NULL",
)
_MODES = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL")
# A commit that finds 1,000 pages in the write-ahead log checkpoints it, whoever wrote them, and waits for the disk.
# A connection that must not wait leaves that to its updates that may (https://sqlite.org/wal.html#ckpt).
_NO_AUTO_CHECKPOINT = "PRAGMA wal_autocheckpoint = 0"
_CHECKPOINT_AT = 1000  # pages
_PAGE = 4096
_PAGES = 3  # of an update of a small document: its own, those above it in the tree, the index of what expires
_LIVE = "(expires_at IS NULL OR expires_at > ?)"
_WRITE = "INSERT OR REPLACE INTO documents VALUES (?, ?, ?)"
_BUSY_S = 5.0  # another process holds the lock for well under a millisecond; one that is stuck is an outage
_NAP_S = 0.002  # SQLite's own waiting grows to 100 ms a step, which would be the tail of every call
_ALL_KEYS = 500  # variables in one statement; SQLite takes 32,766


class SqliteStore:
    """Documents in one table of one file."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        patience_s: float = _BUSY_S,
    ) -> None:
        """Open the file, making it and its folder where they are missing.

        `clock`: seconds since the epoch. `patience_s`: how long to wait for another process's write.
        Raises: StateDown where it cannot be opened or is no database.
        """
        self._path, self._clock, self._patience_s = path, clock, patience_s
        self._lock = threading.Lock()
        self._wal_pages = 0  # of our own, written since the last checkpoint, about
        self._auto_checkpoint = True  # SQLite does it, at a commit
        try:
            make_private(path)
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self._down(error) from None
        try:
            # Setting the mode needs the file alone for a moment, which waiting inside SQLite does not cover.
            for statement in (*_MODES, *_SCHEMA):
                self._patiently(statement)
        except sqlite3.Error as error:
            self._database.close()
            raise self._down(error) from None

    def get(self, keys: Sequence[str]) -> dict[str, Json | None]:
        """Give the documents as they stood at one moment; raises StateDown."""
        with self._using():
            return self._read(checked_keys(keys))

    def update(self, keys: Sequence[str], change: Change[T], *, ttl_s: float | None = None, wait: bool = True) -> T:
        """Change documents, all or nothing; raises StateDown and WouldWait."""
        asked = checked_keys(keys)
        with self._using(wait=wait):
            if not wait:
                self._be_quick()
            with self._transaction(wait=wait):
                before = self._read(asked)
                after, result = change(before)
                self._write(changed(asked, before, after), ttl_s)
            if wait and not self._auto_checkpoint and self._wal_pages >= _CHECKPOINT_AT:
                self._checkpoint()
        return result

    def scan(self, prefix: str) -> dict[str, Json]:
        """Give the documents whose key starts with `prefix`; raises StateDown."""
        kind_of(prefix)
        where = f"SELECT key, value FROM documents WHERE key >= ? AND key < ? AND {_LIVE} ORDER BY key"  # noqa: S608
        with self._using():
            rows = self._patiently(where, (prefix, f"{prefix}\U0010ffff", self._clock()))
            return {key: json.loads(value) for key, value in rows}

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _read(self, keys: Sequence[str]) -> dict[str, Json | None]:
        found: dict[str, Json | None] = dict.fromkeys(keys)
        for first in range(0, len(keys), _ALL_KEYS):
            some = keys[first : first + _ALL_KEYS]
            marks = ", ".join("?" * len(some))
            rows = self._patiently(
                f"SELECT key, value FROM documents WHERE key IN ({marks}) AND {_LIVE}",  # noqa: S608 - only "?"
                (*some, self._clock()),
            )
            found.update((key, json.loads(value)) for key, value in rows)
        return found

    def _write(self, documents: dict[str, Json | None], ttl_s: float | None) -> None:
        if not documents:
            return
        now = self._clock()
        expires_at = None if ttl_s is None else now + ttl_s
        self._database.execute("DELETE FROM documents WHERE expires_at <= ?", (now,))
        for key, value in documents.items():
            if value is None:
                self._database.execute("DELETE FROM documents WHERE key = ?", (key,))
            else:
                text = json.dumps(value, separators=(",", ":"))
                self._database.execute(_WRITE, (key, text, expires_at))
                self._wal_pages += len(text) // _PAGE
        self._wal_pages += _PAGES

    def _be_quick(self) -> None:
        """See that no commit waits for the disk; raises WouldWait where it is time to."""
        if self._auto_checkpoint:
            self._database.execute(_NO_AUTO_CHECKPOINT)
            self._auto_checkpoint, self._wal_pages = False, 0
        elif self._wal_pages >= _CHECKPOINT_AT:
            raise WouldWait

    def _checkpoint(self) -> None:
        """Copy the log into the file as far as no reader needs it; what cannot be copied now is later."""
        self._wal_pages = 0
        with suppress(sqlite3.Error):  # what was written is safe in the log
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    @contextmanager
    def _using(self, *, wait: bool = True) -> Iterator[None]:
        """Hold the connection; whatever SQLite or a damaged document says is one error."""
        if not self._lock.acquire(blocking=wait):
            raise WouldWait
        try:
            yield
        except (sqlite3.Error, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise self._down(error) from None
        finally:
            self._lock.release()

    @contextmanager
    def _transaction(self, *, wait: bool) -> Iterator[None]:
        if wait:
            self._patiently("BEGIN IMMEDIATE")
        else:
            self._at_once("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def _at_once(self, statement: str) -> None:
        try:
            self._database.execute(statement)
        except sqlite3.OperationalError as error:
            if _is_busy(error):
                raise WouldWait from None
            raise

    def _patiently(self, statement: str, values: Sequence[Json] = ()) -> list[tuple[str, str]]:
        """Run a statement, again while another process is writing."""
        given_up_at = time.monotonic() + self._patience_s
        while True:
            try:
                return self._database.execute(statement, values).fetchall()
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > given_up_at:
                    raise
            time.sleep(random.uniform(0, _NAP_S))  # noqa: S311 - jitter

    def _down(self, error: Exception) -> StateDown:
        code = getattr(error, "sqlite_errorcode", None)
        advice = "; move it away" if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT) else ""
        return StateDown(f"{self._path}: {getattr(error, 'strerror', None) or error}{advice}")


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
