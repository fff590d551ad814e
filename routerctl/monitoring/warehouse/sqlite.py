"""A local SQLite log -> a table of DuckDB in memory, a batch of Arrow at a time.

DuckDB's own reader of SQLite is an extension that is downloaded for the very version of DuckDB; this needs nothing but
the standard library's SQLite, sees what a writing process has committed, and reads only the columns and rows that are
asked for.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routerctl.monitoring.warehouse.columns import KINDS, LATER_KINDS, PERHAPS, TEXT_KINDS
from routerctl.monitoring.warehouse.slice import Slice
from routerctl.routing.decision_log.reader import LogReader, Wanted
from routerctl.routing.decision_log.rows import stamp

if TYPE_CHECKING:
    import duckdb

_BATCH = 10_000  # rows that are Python objects at once: more are no faster and take memory
_FROM_TEXTS = ("prompt", "features", "attachments")
_LATEST = "(SELECT decision, score, max(number) FROM feedback GROUP BY decision)"  # SQLite gives the row of the maximum


def read_sqlite(connection: duckdb.DuckDBPyConnection, path: Path, wanted: Slice, *, texts: bool) -> None:
    """Make the table `decisions` of the wanted decisions of a log; `texts`: with the prompts that were kept.

    Raises: InputError where there is no log, or it is none.
    """
    import pyarrow  # type: ignore[import-untyped]

    kinds = {**KINDS, **LATER_KINDS, **(TEXT_KINDS if texts else {})}
    types = {
        "text": pyarrow.string(),
        "real": pyarrow.float64(),
        "whole": pyarrow.int64(),
        "moment": pyarrow.string(),
    }
    schema = pyarrow.schema({name: types[kind] for name, kind in kinds.items()})
    connection.register("batch", schema.empty_table())
    connection.execute("CREATE TABLE decisions AS SELECT * FROM batch")
    query, values = _query(kinds, wanted)
    with LogReader(path) as log, log.snapshot():
        rows = log.query(query, values)
        while found := list(islice(rows, _BATCH)):
            columns = (
                pyarrow.array(column, field.type)
                for column, field in zip(zip(*found, strict=True), schema, strict=True)
            )
            connection.register("batch", pyarrow.record_batch(list(columns), schema=schema))
            connection.execute("INSERT INTO decisions SELECT * FROM batch")
    connection.unregister("batch")


def _query(kinds: Any, wanted: Slice) -> tuple[str, tuple[Any, ...]]:
    since = None if wanted.since is None else stamp(wanted.since.isoformat())
    condition, values = Wanted(task_class=wanted.task_class, tenant=wanted.tenant, since=since).condition()
    columns = ", ".join(_column(name) for name in kinds)
    join = " LEFT JOIN texts t ON t.decision = d.id" if any(name in kinds for name in _FROM_TEXTS) else ""
    return (
        f"SELECT {columns} FROM decisions d LEFT JOIN {_LATEST} f ON f.decision = d.id{join} WHERE {condition}",  # noqa: S608 - own names
        values,
    )


def _column(name: str) -> str:
    if name == "feedback":
        return "f.score"
    if name == "cost_nano_usd":
        return f"d.{name} + d.{PERHAPS}"
    return f"t.{name}" if name in _FROM_TEXTS else f"d.{name}"
