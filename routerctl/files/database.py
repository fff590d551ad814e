"""A path -> an SQLite database that several processes share, made and migrated on its first opening."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from routerctl.errors import InputError
from routerctl.files.private import make_private

_BUSY_S = 30.0  # how long another process may hold the file


def open_database(path: Path, schema: str, *, patience_s: float = _BUSY_S) -> sqlite3.Connection:
    """Open an SQLite file in WAL mode, each statement its own transaction, making it and its folder where missing.

    `patience_s`: how long another process may hold the file.
    NORMAL: a killed process loses nothing, a power cut may lose the last moments (https://sqlite.org/wal.html).
    Raises: InputError where the file is not a database or cannot be opened.
    """
    try:
        make_private(path)
        database = sqlite3.connect(path, timeout=patience_s, isolation_level=None)
    except (OSError, sqlite3.OperationalError) as error:
        raise InputError(f"cannot be opened: {getattr(error, 'strerror', None) or error}", file=str(path)) from None
    try:
        _prepare(database, schema, patience_s)
    except sqlite3.DatabaseError as error:
        database.close()
        damaged = error.sqlite_errorcode in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
        advice = "; move it away" if damaged else ""
        raise InputError(f"cannot be used as a database: {error}{advice}", file=str(path)) from None
    return database


def _prepare(database: sqlite3.Connection, schema: str, patience_s: float) -> None:
    """Set the mode and make the table; SQLite's own waiting does not cover the change to WAL, so it is done here."""
    patience = time.monotonic() + patience_s
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            for statement in filter(None, (part.strip() for part in schema.split(";"))):
                database.execute(statement)
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(0.02)
