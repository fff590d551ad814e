"""A setup script, a reference query and a reply's query -> what is wrong with the reply's rows, in words.

It runs in a limited child and imports no part of the package. Each query gets its own in-memory SQLite database. An
authorizer allows nothing but reading; virtual-machine steps are counted, which, unlike seconds, gives the same answer
on every machine.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

MAX_STEPS = 20_000_000  # about a second
MAX_ROWS = 10_000  # of the reference; a reply's rows are read up to one more than the reference has
RELATIVE, ABSOLUTE = 1e-9, 1e-12  # two ways to sum the same floats differ by about 1e-15; 0 needs an absolute part
_STEP = 1000
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
# Functions that give another answer each time would make scores random; the authorizer sees them by name.
_DENIED = {"random", "randomblob", "load_extension", "current_date", "current_time", "current_timestamp"}
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}
# What sqlite3 raises for a query, beside its own errors: a NUL or a lone surrogate (ValueError), memory used up.
FAULTS = (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError)
_TOKEN = re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|\w+|[()]", re.DOTALL)

Row = tuple[Any, ...]


def run(job: dict[str, Any]) -> dict[str, str | None]:
    """Run both queries and compare; `broken` is the reference's problem, `problem` the reply's, None where right."""
    try:
        wanted, wanted_columns = rows_of(open_database(job["setup"]), job["reference"], MAX_ROWS)
    except FAULTS as error:
        return {"broken": _said(error), "problem": None}
    if len(wanted) > MAX_ROWS:
        return {"broken": f"it gives more than {MAX_ROWS} rows", "problem": None}
    try:
        found, columns = rows_of(open_database(job["setup"]), job["query"], len(wanted))
    except FAULTS as error:
        return {"broken": None, "problem": _said(error)}
    if columns != wanted_columns:
        return {"broken": None, "problem": f"{columns} columns, expected {wanted_columns}"}
    return {"broken": None, "problem": difference(found, wanted, ordered=job["ordered"])}


def _said(error: BaseException) -> str:
    return (str(error) or type(error).__name__)[:300]


def open_database(setup: str) -> sqlite3.Connection:
    """Make the database, then take away everything but reading it.

    Raises: sqlite3.Error where the script is wrong.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(setup)
    connection.execute("PRAGMA temp_store = MEMORY")  # a sort that spills must meet the memory limit, not fill a disk
    for function in ("json_each", "json_tree"):  # their first use writes to the schema, which is denied below
        connection.execute(f"SELECT 1 FROM {function}('[]')").fetchall()  # noqa: S608 - two constants
    for kind, size in _LIMITS.items():
        connection.setlimit(kind, size)
    steps = 0

    def too_many() -> bool:
        nonlocal steps
        steps += _STEP
        return steps > MAX_STEPS

    connection.set_progress_handler(too_many, _STEP)
    connection.set_authorizer(_authorise)
    return connection


def _authorise(action: int, _: str | None, name: str | None, *__: str | None) -> int:
    denied = action not in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and (name or "").lower() in _DENIED)
    return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK


def rows_of(connection: sqlite3.Connection, query: str, most: int) -> tuple[list[Row], int]:
    """Give up to `most` + 1 rows of one query and its number of columns; the connection is closed.

    Raises: one of FAULTS where it is not a single SELECT that runs within the limits.
    """
    try:
        cursor = connection.execute(query)
        if cursor.description is None:
            raise ValueError("not a query")
        return cursor.fetchmany(most + 1), len(cursor.description)
    except sqlite3.OperationalError as error:
        if str(error) == "interrupted":
            raise ValueError(f"the query takes more than {MAX_STEPS:,} steps") from None
        raise
    finally:
        connection.close()


def has_order(query: str) -> bool:
    """Tell whether a query has ORDER BY outside of every parenthesis, text, name and comment."""
    depth, before = 0, ""
    for found in _TOKEN.finditer(query):
        token = found[0].upper()
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and (before, token) == ("ORDER", "BY"):
            return True
        if not token.startswith(("--", "/*")):
            before = token if depth == 0 else ""
    return False


def difference(found: Sequence[Row], wanted: Sequence[Row], *, ordered: bool) -> str | None:
    """Say how the rows differ, or None; unordered, rows are compared as multisets."""
    if len(found) != len(wanted):
        more = f"more than {len(wanted)}" if len(found) > len(wanted) else str(len(found))
        return f"{more} rows, expected {len(wanted)}"
    if not ordered:
        missing = _unmatched(found, wanted)
        return None if missing is None else f"no row {missing!r:.200}"
    for number, (row, other) in enumerate(zip(found, wanted, strict=True), 1):
        if not equal(row, other):
            return f"row {number} is {row!r:.120}, expected {other!r:.120}"
    return None


def _unmatched(found: Sequence[Row], wanted: Sequence[Row]) -> Row | None:
    """Give a wanted row that has no counterpart, or None.

    Rows equal to the bit are paired off first. The rest are sorted by their numbers among rows that agree in
    everything else, so that a near-equal counterpart stands near the front: no quadratic search.
    """
    exact = Counter(map(_exact, wanted)) & Counter(map(_exact, found))
    spare: dict[Row, list[Row]] = defaultdict(list)
    for row in sorted(_leftover(found, exact), key=_numbers):
        spare[_rest(row)].append(row)
    for row in sorted(_leftover(wanted, exact), key=_numbers):
        rows = spare[_rest(row)]
        place = next((place for place, other in enumerate(rows) if equal(row, other)), None)
        if place is None:
            return row
        rows.pop(place)
    return None


def _leftover(rows: Sequence[Row], paired: Counter[Row]) -> list[Row]:
    left, rest = Counter(paired), []
    for row in rows:
        key = _exact(row)
        if left[key]:
            left[key] -= 1
        else:
            rest.append(row)
    return rest


def _exact(row: Row) -> Row:
    return tuple(("number" if isinstance(value, int | float) else type(value).__name__, value) for value in row)


def _numbers(row: Row) -> Row:
    return tuple(value for value in row if isinstance(value, int | float))


def _rest(row: Row) -> Row:
    return tuple("number" if isinstance(value, int | float) else (type(value).__name__, value) for value in row)


def equal(row: Row, other: Row) -> bool:
    """Compare two rows: 3 is 3.0, floats within rounding, NULL is NULL, '3' is not 3."""
    return len(row) == len(other) and all(_same(one, two) for one, two in zip(row, other, strict=True))


def _same(one: Any, two: Any) -> bool:
    numbers = isinstance(one, int | float) and isinstance(two, int | float)
    if numbers and not (isinstance(one, int) and isinstance(two, int)):  # whole numbers beyond 2**53 stay exact
        return math.isclose(one, two, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(one) is type(two) and bool(one == two)
