"""The decision log: what was served for each prompt and why, in one SQLite file (WAL).

Private by default: the prompt is kept as a digest, not as text. Place: the files floor; the request line writes it, the
evaluation line reads how often each class is asked.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from routerctl.cache import open_database
from routerctl.codec import encode, json_default
from routerctl.errors import InputError
from routerctl.types import Decision

DECISIONS_FILE = ".routerctl/decisions.sqlite"
_SCHEMA = """CREATE TABLE IF NOT EXISTS decisions (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, tenant TEXT, task_class TEXT NOT NULL, decided_by TEXT NOT NULL,
    table_version INTEGER NOT NULL, table_digest TEXT NOT NULL, prompt_digest TEXT NOT NULL,
    prompt_chars INTEGER NOT NULL, rungs TEXT NOT NULL, hops TEXT NOT NULL, served TEXT,
    cost_usd TEXT NOT NULL, latency_s REAL)"""

DAYS_PER_MONTH = 365.25 / 12


class DecisionLog:
    """Decisions, appended one by one."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it and its folder where they are missing."""
        self._database: sqlite3.Connection = open_database(path, _SCHEMA)

    def append(self, decision: Decision, *, decision_id: str, at: str, prompt: str, tenant: str | None) -> None:
        """Write one decision; `at` is ISO 8601 in UTC."""
        served = next((hop for hop in decision.hops if hop.outcome == "served"), None)
        row = (
            decision_id,
            at,
            tenant,
            decision.task_class,
            decision.decided_by,
            decision.table_version,
            decision.table_digest,
            "sha256:" + hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest(),
            len(prompt),
            json.dumps(decision.rungs),
            json.dumps(encode(decision.hops), default=json_default),
            served.candidate if served else None,
            format(sum((hop.cost_usd for hop in decision.hops), Decimal(0)), "f"),
            served.latency_s if served else None,
        )
        self._database.execute(f"INSERT INTO decisions VALUES ({','.join('?' * len(row))})", row)  # noqa: S608 - only "?"

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def volumes(path: Path, days: float = 30.0, *, now: datetime) -> Mapping[str, float]:
    """Count each class's requests per month in the last `days` of the log; empty where there is no log.

    A log that is younger than that is scaled from its age, but from a day at least: an hour of trial is no month.
    Nothing is written: the file is opened read-only.

    Raises: InputError where the file is not a decision log.
    """
    if not path.exists():
        return {}
    since = now.astimezone(UTC) - timedelta(days=days)
    try:
        first, rows = _counted(path, since.strftime("%Y-%m-%dT%H:%M:%S"))
    except sqlite3.DatabaseError as error:
        raise InputError(f"cannot be read as a decision log: {error}", file=str(path)) from None
    seen_days = min(days, max(1.0, (now - first).total_seconds() / 86400)) if first else days
    return {name: number * DAYS_PER_MONTH / seen_days for name, number in rows}


def _counted(path: Path, since: str) -> tuple[datetime | None, list[tuple[str, int]]]:
    """The log's first moment, and the requests of each class from a moment on; ISO 8601 in UTC sorts as text."""
    database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        (first,) = database.execute("SELECT min(at) FROM decisions").fetchone()
        query = "SELECT task_class, count(*) FROM decisions WHERE at >= ? GROUP BY task_class ORDER BY task_class"
        rows = database.execute(query, (since,)).fetchall()
    finally:
        database.close()
    return _moment(first), rows


def _moment(stamp: str | None) -> datetime | None:
    """Read a moment of the log, in UTC where it names no offset; None for what is none."""
    try:
        moment = datetime.fromisoformat(stamp or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
