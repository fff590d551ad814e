"""The decision log -> the tokens and seconds that a class's answers take, by the candidate that served.

Place: a reader of the log, for the evaluation line; it writes nothing.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from routerctl.errors import InputError
from routerctl.routing.decision_log.schema import VERSION, open_to_read, version_of

_QUERY = """
SELECT task_class, served, pinned_model, count(*), avg(attempts), avg(input_tokens), avg(output_tokens), avg(latency_s)
FROM decisions WHERE hop_count = 1 AND served IS NOT NULL AND output_tokens IS NOT NULL AND latency_s IS NOT NULL
GROUP BY task_class, served, pinned_model"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the answers of one candidate to one class took, on average."""

    task_class: str
    candidate: str
    model: str  # the pin
    decisions: int
    calls: float
    input_tokens: float
    output_tokens: float
    latency_s: float


def usages(path: Path) -> list[Served]:
    """Average what was served at the first call; empty where there is no log, or one of an earlier shape.

    Raises: InputError where the file is not a decision log.
    """
    if not path.exists():
        return []
    try:
        database = open_to_read(path)
        try:
            rows = database.execute(_QUERY).fetchall() if version_of(database, path) == VERSION else []
        finally:
            database.close()
    except sqlite3.DatabaseError as error:
        raise InputError(f"cannot be read as a decision log: {error}", file=str(path)) from None
    names = ("task_class", "candidate", "model", "decisions", "calls", "input_tokens", "output_tokens", "latency_s")
    return [Served(**dict(zip(names, row, strict=True))) for row in rows]
