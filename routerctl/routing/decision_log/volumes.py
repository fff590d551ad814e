"""The decision log -> how often each task class is asked in a month.

It knows two columns and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from routerctl.routing.decision_log.schema import read_only
from routerctl.routing.tenants import DECISIONS_FILE

DAYS_PER_MONTH = 365.25 / 12
LEAST = 100  # requests: of fewer, a trial's, no month can be told, nor the mix of classes


def volumes(path: Path, days: float = 30.0, *, now: datetime, least: int = LEAST) -> Mapping[str, float]:
    """Count each class's requests per month in the last `days` of the log; empty below `least` in all.

    A log that is younger than that is scaled from its age, but from a day at least: an hour of trial is no month.
    Nothing is written: the file is opened read-only.

    Raises: InputError where the file is not a decision log.
    """
    if not path.exists():
        return {}
    since = now.astimezone(UTC) - timedelta(days=days)
    first, rows = _counted(path, since.strftime("%Y-%m-%dT%H:%M:%S"))
    if sum(number for _, number in rows) < least:
        return {}
    seen_days = min(days, max(1.0, (now - first).total_seconds() / 86400)) if first else days
    return {name: number * DAYS_PER_MONTH / seen_days for name, number in rows}


def _counted(path: Path, since: str) -> tuple[datetime | None, list[tuple[str, int]]]:
    """The log's first moment, and the requests of each class from a moment on; ISO 8601 in UTC sorts as text."""
    with read_only(path) as database:
        (first,) = database.execute("SELECT min(at) FROM decisions").fetchone()
        query = "SELECT task_class, count(*) FROM decisions WHERE at >= ? GROUP BY task_class ORDER BY task_class"
        rows = database.execute(query, (since,)).fetchall()
    return _moment(first), rows


def _moment(stamp: str | None) -> datetime | None:
    """Read a moment of the log, in UTC where it names no offset; None for what is none."""
    try:
        moment = datetime.fromisoformat(stamp or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def asked_of(root: Path) -> Mapping[str, float]:
    """Give how often each class of a project is asked in a month, as its own decision log counts it.

    Until midnight it is one moment that counts, so that building twice gives the same report.
    """
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return volumes(root / DECISIONS_FILE, now=midnight)
