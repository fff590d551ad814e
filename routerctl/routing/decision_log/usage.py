"""The decision log -> the tokens and seconds that a class's answers take, by the candidate that served.

For the estimate of a run; it writes nothing.
"""

from __future__ import annotations

from pathlib import Path

from routerctl.routing.decision_log.schema import VERSION, read_only, version_of
from routerctl.routing.tenants import DECISIONS_FILE
from routerctl.types.evaluation import LoggedUsage

_QUERY = """
SELECT task_class, served, pinned_model, count(*), avg(attempts), avg(input_tokens), avg(output_tokens), avg(latency_s)
FROM decisions WHERE hop_count = 1 AND served IS NOT NULL AND output_tokens IS NOT NULL AND latency_s IS NOT NULL
GROUP BY task_class, served, pinned_model"""


def logged_usage(root: Path) -> tuple[LoggedUsage, ...]:
    """Average what a project served at the first call; empty where there is no log, or one of an earlier shape.

    Raises: InputError where the file is not a decision log.
    """
    path = root / DECISIONS_FILE
    if not path.exists():
        return ()
    with read_only(path) as database:
        rows = database.execute(_QUERY).fetchall() if version_of(database, path) == VERSION else []
    names = ("task_class", "candidate", "model", "decisions", "calls", "input_tokens", "output_tokens", "latency_s")
    return tuple(LoggedUsage(**dict(zip(names, row, strict=True))) for row in rows)
