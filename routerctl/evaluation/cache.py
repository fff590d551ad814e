"""The reply cache: what was once paid for is never paid for again.

One SQLite file (WAL), content-addressed: the key is a digest over everything that can change a reply. A reply is
committed before anything else sees it, so a killed process loses none that it had. It loses what was in flight: a call
is noted before it is made, so that the next run can say how many may have been paid for without a reply.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from routerctl.errors import InputError
from routerctl.files.codec import decode, encode, json_text
from routerctl.files.database import open_database
from routerctl.files.document import Document
from routerctl.files.running import RUNNING_FOLDER, RunningMark
from routerctl.types import ProviderSpec, Reply, Request

_SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, created_at TEXT NOT NULL, reply TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS under_way (key TEXT NOT NULL, process TEXT NOT NULL);
"""
_KEY_VERSION = 2  # raise it when requests are sent differently for the same `Request`


def reply_key(request: Request, provider: ProviderSpec) -> str:
    """Digest what decides a reply: the request (its model id is a pin) and how the provider is reached and told to ask.

    Keys keep their order: a model fills a JSON schema in the order of its properties. Where the prompt's shared part
    ends decides what it costs, not what is replied.
    """
    asked = replace(request, prompt=replace(request.prompt, shared=0))
    where = {"kind": provider.kind, "base_url": provider.base_url, "region": provider.region}
    content = {"v": _KEY_VERSION, **where, "options": provider.options, "request": encode(asked)}
    return hashlib.sha256(json_text(content).encode()).hexdigest()


class ReplyCache:
    """Replies by key, in a file that several processes may use at once."""

    def __init__(self, path: Path, *, not_before: datetime | None = None) -> None:
        """Open the file, making it and its folder where they are missing; a reply made earlier does not count.

        Raises: InputError where the file is not a cache.
        """
        self._path, self._not_before = path, _moment(not_before) if not_before else ""
        self._database = open_database(path, _SCHEMA)
        self._mark: RunningMark | None = None

    def get(self, key: str) -> Reply | None:
        """Give the reply kept under the key, or None; one made before `not_before` does not count."""
        found = "SELECT reply FROM replies WHERE key = ? AND created_at >= ?"
        row = self._database.execute(found, (key, self._not_before)).fetchone()
        if row is None:
            return None
        try:
            value = json.loads(row[0])
        except ValueError:
            raise InputError("a reply in it is damaged; move it away", file=str(self._path)) from None
        return decode(Reply, Document(file=str(self._path), value=value, lines={}))

    def put(self, key: str, reply: Reply, *, created_at: datetime) -> None:
        """Keep a reply; the operating system has it when this returns."""
        row = (key, _moment(created_at), json_text(encode(reply)))
        self._database.execute("INSERT OR REPLACE INTO replies VALUES (?, ?, ?)", row)

    def asking(self, key: str) -> int:
        """Note that a call is about to be made, and give the number of the note."""
        if self._mark is None:
            return 0
        done = self._database.execute("INSERT INTO under_way VALUES (?, ?)", (key, self._mark.name))
        return int(done.lastrowid or 0)

    def answered(self, note: int) -> None:
        """Drop the note: the call gave a reply, which is kept by now, or it failed."""
        self._database.execute("DELETE FROM under_way WHERE rowid = ?", (note,))

    def take_lost(self, tell: Callable[[int], None]) -> int:
        """Count the calls that processes which are gone never saw end; tell of them, then forget them.

        From then on this process's own are noted. On a file system without locks nobody can tell who is gone: nothing
        is noted there.
        """
        try:
            self._mark = self._mark or RunningMark(self._path.parent / RUNNING_FOLDER)
        except OSError:
            return 0
        rows = self._database.execute("SELECT rowid, process FROM under_way").fetchall()
        gone = {process: self._mark.is_gone(process) for _, process in rows}
        lost = [(rowid,) for rowid, process in rows if gone[process]]
        if lost:
            tell(len(lost))
        self._database.executemany("DELETE FROM under_way WHERE rowid = ?", lost)
        return len(lost)

    def __enter__(self) -> ReplyCache:
        """Give the open cache."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._mark:
            self._mark.close()
        self._database.close()


def _moment(moment: datetime) -> str:
    """Write a moment so that text sorts by time: to the microsecond, as two runs may share a second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
