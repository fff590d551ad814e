"""The decision log: what was served for each prompt and why, in one SQLite file (WAL).

Private by default: the prompt is kept as a digest, not as text. Place: the files floor; the request line writes it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from decimal import Decimal
from pathlib import Path

from routerctl.cache import open_database
from routerctl.codec import encode, json_default
from routerctl.types import Decision

_SCHEMA = """CREATE TABLE IF NOT EXISTS decisions (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, tenant TEXT, task_class TEXT NOT NULL, decided_by TEXT NOT NULL,
    table_version INTEGER NOT NULL, table_digest TEXT NOT NULL, prompt_digest TEXT NOT NULL,
    prompt_chars INTEGER NOT NULL, rungs TEXT NOT NULL, hops TEXT NOT NULL, served TEXT,
    cost_usd TEXT NOT NULL, latency_s REAL)"""


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
