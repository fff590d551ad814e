"""Where a log lives -> an open table of its decisions.

Three kinds of place: a file of SQLite, as `routing` writes it; Parquet, one file, a folder or a pattern; the URL of an
engine that ibis can connect to, with the table's name after `#`. The first two are queried by DuckDB in this process. A
password in a URL is never printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from routerctl.errors import InputError
from routerctl.monitoring.warehouse.columns import as_decisions
from routerctl.monitoring.warehouse.slice import Slice
from routerctl.monitoring.warehouse.sqlite import read_sqlite
from routerctl.routing.decision_log.reader import require_log

if TYPE_CHECKING:
    import ibis.expr.types as ir

_SQLITE = b"SQLite format 3\x00"
_MEMORY = "1GB"  # DuckDB spills to disk beyond it
_TABLE = "decisions"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_EXTRAS = {"spark": "pyspark", "postgresql": "postgres"}


@contextmanager
def open_decisions(where: str, wanted: Slice, *, texts: bool = False) -> Iterator[ir.Table]:
    """Open a log and give the decisions that are wanted; `texts`: with the prompts that were kept.

    Raises: InputError where there is no log, it is none, or what reads it is not installed.
    """
    _require_ibis()
    if _URL.match(where):
        with _connected(where) as table:
            yield wanted.of(table)
        return
    path = Path(where)
    with _duckdb() as connection:
        if _is_parquet(path):
            yield wanted.of(_parquet(connection, where, path))
        else:
            require_log(path)
            read_sqlite(connection.con, path, wanted, texts=texts)
            yield as_decisions(connection.table(_TABLE), where)


def shown_place(where: str) -> str:
    """Give a place as it may be printed: of a URL nothing that may be a secret, which is all before @ and after ?."""
    if not _URL.match(where):
        return where
    scheme, _, rest = where.partition("://")
    place, _, _ = rest.partition("?")
    before, at, after = place.rpartition("@")
    query = "?***" if "?" in rest else ""
    return f"{scheme}://{'***@' if at or before else ''}{after}{query}"


def _require_ibis() -> None:
    try:
        import duckdb  # noqa: F401 - asked for, not used
        import ibis  # noqa: F401 - likewise
        import pyarrow  # type: ignore[import-untyped]  # noqa: F401 - likewise
    except ImportError as error:
        raise InputError(
            f"queries over a decision log need {error.name or 'ibis'}: pip install 'routerctl[log]'"
        ) from None


@contextmanager
def _duckdb() -> Iterator[Any]:
    import ibis

    connection = ibis.duckdb.connect()
    try:
        connection.con.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.con.execute("SET preserve_insertion_order = false")
        yield connection
    finally:
        connection.disconnect()


# --- Parquet ----------------------------------------------------------------------------------------------------------


def _is_parquet(path: Path) -> bool:
    """Tell Parquet from SQLite: by the name, else by what the file begins with; a folder or a pattern holds Parquet."""
    if path.is_file():
        with path.open("rb") as file:
            return not file.read(len(_SQLITE)).startswith(_SQLITE) and path.suffix == ".parquet"
    return path.is_dir() or path.suffix == ".parquet" or any(sign in str(path) for sign in "*?[")


def _parquet(connection: Any, where: str, path: Path) -> ir.Table:
    files = _files(where, path)
    import duckdb

    try:
        table = connection.read_parquet([str(file) for file in files], union_by_name=len(files) > 1)
        return as_decisions(table, where)
    except duckdb.Error as error:
        raise InputError(f"cannot be read as Parquet: {_first_line(error)}", file=where) from None


def _files(where: str, path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(path.rglob("*.parquet"))
    else:
        anchor = Path(path.anchor) if path.is_absolute() else Path()
        pattern = str(path.relative_to(anchor)) if path.is_absolute() else where
        found = sorted(anchor.glob(pattern))
    if not found:
        raise InputError("no Parquet file there; `routerctl log export --format parquet` writes one", file=where)
    return found


# --- engines ----------------------------------------------------------------------------------------------------------


@contextmanager
def _connected(where: str) -> Iterator[ir.Table]:
    """Connect to an engine; what it says of a failure is shown without the URL's password."""
    import ibis

    url, _, name = where.partition("#")
    database, _, table = (name or _TABLE).rpartition(".")
    scheme = url.partition("://")[0]
    shown = shown_place(where)
    file = Path(url.partition("://")[2].partition("?")[0])
    if scheme == "duckdb" and file.name and not str(file).startswith(("md:", ":memory:")) and not file.exists():
        raise InputError("no such DuckDB file here", file=shown)
    try:
        connection = ibis.connect(url)
    except ImportError as error:
        extra = _EXTRAS.get(scheme, scheme)
        problem = f"needs {error.name or scheme}: pip install 'ibis-framework[{extra}]'"
        raise InputError(problem, file=shown) from None
    except Exception as error:  # noqa: BLE001 - each engine has errors of its own; all mean "no connection"
        raise _refused(where, "cannot connect", error) from None
    try:
        try:
            found = connection.table(table, database=database or None)
        except Exception as error:  # noqa: BLE001 - likewise: "no such table"
            raise _refused(where, f"no table {table!r}", error) from None
        yield as_decisions(found, shown)
    finally:
        connection.disconnect()


def _refused(where: str, what: str, error: Exception) -> InputError:
    said = _first_line(error)
    for secret in sorted(filter(None, _secrets(where)), key=len, reverse=True):
        said = said.replace(secret, "***")
    return InputError(f"{what}: {said}", file=shown_place(where))


def _secrets(where: str) -> Iterator[str]:
    """What of a URL stands before @ or in its query, as it is written and as it is meant."""
    rest = where.partition("://")[2]
    place, _, query = rest.partition("?")
    user = place.rpartition("@")[0]
    values = [pair.partition("=")[2] for pair in re.split("[&#]", query)]
    for text in (user, *user.split(":", 1), *values):
        yield from (text, unquote(text))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
