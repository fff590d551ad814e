"""The response cache: what was once paid for is never paid for again.

One SQLite file (WAL), content-addressed: the key is a digest over everything that can change a reply. A reply is
committed before anybody sees it, so a killed process loses none. Place: the files floor; it stores, others call.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from types import TracebackType

from routerctl.codec import decode, encode, json_default
from routerctl.errors import InputError
from routerctl.strict_yaml import Document
from routerctl.types import Reply, Request

_SCHEMA = "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, created_at TEXT NOT NULL, reply TEXT NOT NULL)"
_KEY_VERSION = 1  # raise it when requests are sent differently for the same `Request`


def reply_key(request: Request, *, kind: str, base_url: str | None) -> str:
    """Digest what decides a reply: the request (its model id is a pin) and the kind and address of the provider."""
    content = {"v": _KEY_VERSION, "kind": kind, "base_url": base_url, "request": encode(request)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class ReplyCache:
    """Replies by key, in a file that several processes may use at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it and its folder where they are missing.

        Raises: InputError where the file is not a cache.
        """
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = open_database(path, _SCHEMA)

    def get(self, key: str) -> Reply | None:
        """Give the reply kept under the key, or None."""
        row = self._database.execute("SELECT reply FROM replies WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        return decode(Reply, Document(file=str(self._path), value=json.loads(row[0]), lines={}))

    def put(self, key: str, reply: Reply, *, created_at: str) -> None:
        """Keep a reply; it is on its way to the disk when this returns."""
        text = json.dumps(encode(reply), default=json_default, ensure_ascii=False)
        self._database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", (key, created_at, text))

    def __enter__(self) -> ReplyCache:
        """Give the open cache."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._database.close()


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Open an SQLite file in WAL mode, each statement its own transaction.

    NORMAL: a killed process loses nothing, a power cut may lose the last moments (https://sqlite.org/wal.html).
    Raises: InputError where the file is not a database.
    """
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(schema)
    except sqlite3.DatabaseError as error:
        database.close()
        raise InputError(f"cannot be used as a database: {error}; move it away", file=str(path)) from None
    return database
