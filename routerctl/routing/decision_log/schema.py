"""The tables of the decision log, and a file of any earlier shape -> one of today's, in place.

`PRAGMA user_version` is the schema's version; 0 is an empty file, or the first shape, which had no number.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from routerctl.errors import InputError
from routerctl.files.database import open_database
from routerctl.files.private import tighten
from routerctl.routing.decision_log.columns import COLUMNS, insertion

VERSION = 4
_LATER = {3: ("level",), 4: ("perhaps_usd", "perhaps_nano_usd")}  # version -> the columns that came with it
PATIENCE_S = 30.0  # how long another process may hold the file
_NO_WRITING = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)  # low byte of an error's code: sqlite.org/rescode.html
# A decision whose calls have begun; `note`: JSON, what makes its row if its process ends now.
_UNDER_WAY = (
    "CREATE TABLE under_way (id TEXT PRIMARY KEY, process TEXT NOT NULL, note TEXT NOT NULL) WITHOUT ROWID",
    # With the row, in one statement: no kill leaves both, or neither.
    "CREATE TRIGGER IF NOT EXISTS ended AFTER INSERT ON decisions BEGIN DELETE FROM under_way WHERE id = NEW.id; END",
)
_TABLES = f"""
CREATE TABLE decisions ({", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())});
CREATE INDEX decisions_at ON decisions (at);
CREATE INDEX decisions_arm ON decisions (arm) WHERE arm <> '';
CREATE TABLE texts (
    decision TEXT PRIMARY KEY,
    prompt TEXT NOT NULL,
    reply TEXT,
    features TEXT NOT NULL,
    attachments TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE feedback (
    number INTEGER PRIMARY KEY,
    decision TEXT NOT NULL,
    at TEXT NOT NULL,
    score REAL NOT NULL,
    task_class TEXT,
    note TEXT NOT NULL
);
CREATE INDEX feedback_decision ON feedback (decision);
CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
FIRST_SHAPE = (
    *("id", "at", "tenant", "task_class", "decided_by", "table_version", "table_digest", "prompt_digest"),
    *("prompt_chars", "rungs", "hops", "served", "cost_usd", "latency_s"),
)


def open_log(path: Path, *, patience_s: float = PATIENCE_S) -> sqlite3.Connection:
    """Open a log for writing, making it where it is missing and bringing an older one up to date.

    `patience_s`: how long another process may hold the file.
    Raises: InputError where the file is no decision log, or one of a newer routerctl.
    """
    # What is pruned leaves no bytes behind.
    database = open_database(path, "PRAGMA secure_delete = ON", patience_s=patience_s)
    try:
        if version_of(database, path) < VERSION:
            _bring_up(database, path)
    except BaseException:
        database.close()
        raise
    return database


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open a log read-only, also where its folder cannot be written.

    A reader of a write-ahead log makes a file of shared memory beside it. Where it may not, and nothing waits in the
    write-ahead log, the file alone has everything and is read as one that nobody changes.
    """
    tighten(path)
    uri = path.absolute().as_uri()
    database = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None)
    try:
        database.execute("PRAGMA user_version")
    except sqlite3.DatabaseError as error:
        database.close()
        waiting = path.with_name(f"{path.name}-wal")
        if error.sqlite_errorcode & 0xFF not in _NO_WRITING or (waiting.exists() and waiting.stat().st_size):
            raise
        return sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, isolation_level=None)
    return database


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a log to read it once, of whatever version.

    Raises: InputError where the file is not a decision log.
    """
    try:
        with closing(open_to_read(path)) as database:
            yield database
    except sqlite3.DatabaseError as error:
        raise unreadable(error, path) from None


def unreadable(error: Exception, path: Path) -> InputError:
    """Make the error about a file that is not a decision log."""
    return InputError(f"cannot be read as a decision log: {error}", file=str(path))


def version_of(database: sqlite3.Connection, path: Path) -> int:
    """Give the schema's version of a file.

    Raises: InputError for one that this program does not know yet.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise InputError(
            f"written by a newer routerctl (schema {version}, this one knows {VERSION}); upgrade routerctl",
            file=str(path),
        )
    return int(version)


def salt_of(database: sqlite3.Connection) -> bytes:
    """Give the salt of the file's digests."""
    (salt,) = database.execute("SELECT value FROM about WHERE name = 'salt'").fetchone()
    return bytes(salt)


def _bring_up(database: sqlite3.Connection, path: Path) -> None:
    """Make the tables, of an older file with its rows, in one transaction: others see all of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(database, path)
        if version < min(_LATER) - 1:
            _make(database, path)
        elif version < VERSION:  # nobody else has done it meanwhile
            for name in (name for later, names in _LATER.items() if later > version for name in names):
                database.execute(f"ALTER TABLE decisions ADD COLUMN {name} {COLUMNS[name]}")
            _make_under_way(database)
            database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise


def _make(database: sqlite3.Connection, path: Path) -> None:
    older = _columns(database)
    if older and older != FIRST_SHAPE:
        raise InputError("has a decisions table that is not routerctl's; move it away", file=str(path))
    if older:
        database.execute("ALTER TABLE decisions RENAME TO older")
    for statement in filter(None, (part.strip() for part in _TABLES.split(";"))):
        database.execute(statement)
    _make_under_way(database)
    database.execute("INSERT INTO about VALUES ('salt', ?)", (secrets.token_bytes(32),))
    if older:
        from routerctl.routing.decision_log.rows import row_of_first_shape

        salt = salt_of(database)
        rows = (row_of_first_shape(row, salt, path) for row in _older(database))
        database.executemany(insertion(), rows)
        database.execute("DROP TABLE older")
    database.execute(f"PRAGMA user_version = {VERSION}")


def _make_under_way(database: sqlite3.Connection) -> None:
    for statement in _UNDER_WAY:
        database.execute(statement)


def _older(database: sqlite3.Connection) -> Iterator[dict[str, object]]:
    cursor = database.execute("SELECT * FROM older ORDER BY rowid")
    return (dict(zip(FIRST_SHAPE, row, strict=True)) for row in cursor)


def _columns(database: sqlite3.Connection) -> tuple[str, ...]:
    return tuple(row[1] for row in database.execute("PRAGMA table_info(decisions)"))
