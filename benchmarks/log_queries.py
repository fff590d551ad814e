"""Measures `routerctl drift` and `replay` over 10 million decisions in Parquet, beside plain SQL on the same DuckDB.

    python benchmarks/log_queries.py [--quick] [--json] [--rows N]

The log: five weeks of made-up traffic by the classes and choices of this repository's routes.yaml, drawn by DuckDB
from hashes of row numbers (the same rows every time), with one class half as fast again in the last week. The commands
run as commands. The peer is one SQL statement that groups by class and week and asks for the same counts and for
DuckDB's own quantiles. A SQLite log of 200,000 decisions, which is read in Arrow batches, gives rows a second.

Asserted: the report names what moved and nothing else, takes less than 60 s and 2 GB, and says the same of SQLite and
of Parquet with the same rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from routerctl.routing.decision_log.columns import COLUMNS
from routerctl.routing.decision_log.schema import open_log
from routerctl.table import load_table

COMMAND = str(Path(sys.executable).with_name("routerctl"))
ROOT = Path(__file__).resolve().parents[1]
ROWS, QUICK_ROWS, SQLITE_ROWS = 10_000_000, 1_000_000, 200_000
MOST_S, MOST_MB = 60.0, 2048.0
SINCE = "2026-11-18T00:00:00"  # the last of five weeks, which end a week later
# A process of its own, so that its children's resources are one command's. 3: the gate, which is what is looked for.
MEASURE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"code": done.returncode, "out": done.stdout, "error": done.stderr[-300:],
                  "wall_s": time.perf_counter() - began, "cpu_s": used.ru_utime + used.ru_stime,
                  "peak_mb": used.ru_maxrss / 1024}))
"""
PEER = """
import duckdb, sys
connection = duckdb.connect()
connection.execute("SET memory_limit = '1GB'")
rows = connection.execute(f'''
    SELECT task_class, "at" >= TIMESTAMPTZ '{sys.argv[2]}+00' AS now, served, pinned_model, served_model, count(*),
        sum(refused), count(feedback), sum((feedback >= 0.5)::INT),
        quantile_disc(latency_s, [0.5, 0.95]), quantile_disc(cost_nano_usd, [0.5, 0.95])
    FROM '{sys.argv[1]}' GROUP BY ALL''').fetchall()
print(len(rows))
"""


def main() -> int:
    """Make the log, measure, print, assert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} decisions instead of {ROWS:,}")
    parser.add_argument("--rows", type=int, help="so many decisions")
    options = parser.parse_args()
    rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = {"benchmark": "log_queries", "quick": options.quick, "rows": rows, **measure_all(Path(folder), rows)}
    found["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(found) if options.json else table_of(found))
    drift = found["measured"][0]
    assert drift["wall_s"] < MOST_S, f"drift took {drift['wall_s']:.1f} s"
    assert drift["peak_mb"] < MOST_MB, f"drift took {drift['peak_mb']:.0f} MB"
    assert found["as_sqlite"], "the report on SQLite differs from the one on Parquet"
    return 0


def measure_all(folder: Path, rows: int) -> dict[str, Any]:
    """Make the logs in a folder and measure everything on them."""
    shutil.copy(ROOT / "routes.yaml", folder)
    log = folder / "log.parquet"
    began = time.perf_counter()
    slower = write_parquet(log, rows)
    made_s = time.perf_counter() - began
    write_parquet(folder / "few.parquet", SQLITE_ROWS)
    write_sqlite(folder / "few.parquet", folder / "few.sqlite")
    drift = ["drift", "--since", SINCE, "--against", "4w", "--json", "--log"]
    measured = [
        run("drift", [COMMAND, *drift, str(log)], folder),
        run("replay", [COMMAND, "replay", "--table", "routes.yaml", "--json", "--log", str(log)], folder),
        run("plain SQL", [sys.executable, "-c", PEER, str(log), SINCE], folder),
        run("drift, SQLite", [COMMAND, *drift, "few.sqlite"], folder),
        run("drift, the same in Parquet", [COMMAND, *drift, "few.parquet"], folder),
    ]
    said = [json.loads(one.pop("out")) for one in measured]
    moved = said[0]["moved"]
    assert moved, "nothing was found to have moved"
    assert {one.rpartition(" latency ")[0] for one in moved} == {slower}, f"moved: {moved}"
    as_sqlite = {**said[3], "source": ""} == {**said[4], "source": ""}
    extra_s = measured[3]["wall_s"] - measured[4]["wall_s"]
    return {
        "made_s": round(made_s, 1),
        "log_mb": round(log.stat().st_size / 2**20),
        "measured": measured,
        "moved": moved,
        "as_sqlite": as_sqlite,
        "sqlite_rows_per_s": round(SQLITE_ROWS / extra_s) if extra_s > 0 else None,
    }


def run(name: str, command: list[str], folder: Path) -> dict[str, Any]:
    """Run one command and give its wall time, CPU seconds and peak memory."""
    printed = subprocess.run([sys.executable, "-c", MEASURE, *command], cwd=folder, check=True, capture_output=True)
    found: dict[str, Any] = json.loads(printed.stdout)
    assert found.pop("code") in (0, 3), f"{name}: {found['error']}"
    error = found.pop("error")
    assert "Traceback" not in error, error
    return {"name": name, **{key: value if key == "out" else round(value, 2) for key, value in found.items()}}


# --- logs -------------------------------------------------------------------------------------------------------------


def write_parquet(path: Path, rows: int) -> str:
    """Write decisions as `routerctl log export` does, and give the class that is slower in the last week."""
    table = load_table(ROOT / "routes.yaml")
    routes = list(table.routes.values())
    classes = ", ".join(
        f"('{route.task_class}', '{route.chosen}', '{table.candidates[route.chosen].model}')" for route in routes
    )
    slower = routes[0].task_class
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"CREATE TABLE classes AS SELECT row_number() OVER () - 1 AS k, * FROM (VALUES {classes})")  # noqa: S608 - own names
        database.execute(f"COPY ({_rows(rows, len(routes), slower)}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    return slower


def _rows(rows: int, classes: int, slower: str) -> str:
    """The query; two shares a row are slices of one hash, two normal values are Box and Muller's of them."""
    week = f"i >= {rows} * 4 // 5"
    return f"""
        WITH drawn AS (
            SELECT i, h, ((h >> 8) & 1048575) / 1048576.0 AS u, (((h >> 28) & 1048575) + 1) / 1048576.0 AS v
            FROM (SELECT range AS i, hash(range) AS h FROM range({rows}))
        ), normal AS (SELECT *, sqrt(-2 * ln(v)) * cos(6.283185307 * u) AS x,
                      sqrt(-2 * ln(v)) * sin(6.283185307 * u) AS y FROM drawn)
        SELECT i AS number, (TIMESTAMPTZ '2026-10-21 00:00:00+00' + to_milliseconds(i * 3024000000 // {rows})) AS "at",
            NULL::VARCHAR AS tenant, c.col0 AS task_class, 'rule' AS source, 1e0 AS propensity, '' AS arm,
            'sha256:0' AS table_digest, c.col1 AS chosen, c.col1 AS served, c.col2 AS pinned_model,
            c.col2 AS served_model, ((h >> 48) % 250 = 0)::BIGINT AS refused,
            ((h >> 48) % 50 = 1)::BIGINT AS fallbacks, 0::BIGINT AS escalations, 0::BIGINT AS redirects,
            0::BIGINT AS hedges, (200000 * exp(0.7 * x))::BIGINT AS cost_nano_usd,
            0.8 * exp(0.5 * y) * CASE WHEN {week} AND c.col0 = '{slower}' THEN 1.5 ELSE 1 END AS latency_s,
            CASE WHEN (h >> 48) % 40 = 2 THEN (u < 0.9)::DOUBLE END AS feedback
        FROM normal JOIN classes c ON c.k = h % {classes}"""  # noqa: S608 - own names


def write_sqlite(parquet: Path, path: Path) -> None:
    """Write the same decisions as the request line's log has them."""
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        found = database.execute(
            f"SELECT * REPLACE (strftime(\"at\", '%Y-%m-%dT%H:%M:%S.%gZ') AS \"at\") FROM '{parquet}'"  # noqa: S608 - own file
        )
        names = [column[0] for column in found.description]
        rows = found.fetchall()
    log = open_log(path)
    defaults = {name: "" if "TEXT NOT NULL" in kind else 0 for name, kind in COLUMNS.items() if "NOT NULL" in kind}
    columns = [name for name in names if name in COLUMNS]
    given = [*columns, "id", *(name for name in defaults if name not in columns and name != "id")]
    fixed = [defaults[name] for name in given[len(columns) + 1 :]]
    places = [names.index(name) for name in columns]
    log.execute("BEGIN")
    log.executemany(
        f"INSERT INTO decisions ({', '.join(given)}) VALUES ({', '.join('?' * len(given))})",  # noqa: S608 - own names
        ([*(row[place] for place in places), f"d{row[0]}", *fixed] for row in rows),
    )
    score = names.index("feedback")
    log.executemany(
        "INSERT INTO feedback (decision, at, score, note) VALUES (?, '', ?, '')",
        ((f"d{row[0]}", row[score]) for row in rows if row[score] is not None),
    )
    log.execute("COMMIT")
    log.close()


def table_of(found: dict[str, Any]) -> str:
    """The figures as text."""
    head = f"{found['rows']:,} decisions, {found['log_mb']} MB of Parquet"
    lines = [f"{head:44}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}"]
    for row in found["measured"]:
        few = f" ({SQLITE_ROWS:,})" if "drift," in row["name"] else ""
        lines.append(f"{row['name'] + few:44}{row['wall_s']:8.2f}{row['cpu_s']:8.2f}{row['peak_mb']:9.0f}")
    lines.append(f"{'limit of drift':44}{MOST_S:8.2f}{'':8}{MOST_MB:9.0f}")
    lines.append(f"moved: {', '.join(found['moved'])}")
    rate = found["sqlite_rows_per_s"]
    lines.append(f"SQLite into DuckDB: {f'{rate:,}' if rate else 'too fast to tell'} rows/s beyond reading Parquet")
    return "\n".join([*lines, f"{found['seconds']:.1f} s, of these {found['made_s']:.1f} to make the log"])


if __name__ == "__main__":
    sys.exit(main())
