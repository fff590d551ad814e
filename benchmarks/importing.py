"""Measures what importing 28,084 recorded outcomes and building the table of 57 classes from them take.

    python benchmarks/importing.py [--quick] [--json] [--data FILE]

The data: `mmlu_outcomes.csv.gz` (14,042 cases, two models, from the RouteLLM project's published responses,
Apache-2.0), looked for in `*/data/` beside the repository; where it is not there, one line says so and the exit code
is 0. `routerctl import`, `routerctl build-table` and `routerctl check` run as commands in a scratch folder. Printed:
the medians of a few turns beside the limits, import and build-table together: 10 s and 500 MB. Asserted: the memory;
seconds are the machine's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("routerctl"))
COSTS = ("mixtral-8x7b-instruct-v0.1=0.00024", "gpt-4-1106-preview=0.0247")  # USD a case
FILE = "mmlu_outcomes.csv.gz"
MOST_S, MOST_MB = 10.0, 500.0  # of import and build-table together
# A process of its own, so that its children's resources are one command's.
MEASURE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"code": done.returncode, "error": done.stderr[-300:], "wall_s": time.perf_counter() - began,
                  "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}))
"""


def main() -> int:
    """Measure, print, assert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one turn instead of five")
    parser.add_argument("--data", type=Path, help=f"the recorded outcomes, {FILE}")
    options = parser.parse_args()
    data = options.data or next(iter(sorted(Path(__file__).resolve().parents[2].glob(f"*/data/{FILE}"))), None)
    if data is None or not data.exists():
        print(f"skipped: no {FILE} here (--data says where it is)")
        return 0
    started, turns = time.perf_counter(), 1 if options.quick else 5
    rows = medians([turn(data.resolve()) for _ in range(turns)])
    found: dict[str, Any] = {"benchmark": "importing", "quick": options.quick, "turns": turns, "rows": rows}
    found["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(found) if options.json else table_of(found))
    assert both(rows)["peak_mb"] < MOST_MB, f"peak memory of {rows}"
    return 0


def turn(data: Path) -> list[dict[str, Any]]:
    """Run the commands once, in a folder of their own."""
    costs = [part for cost in COSTS for part in ("--cost", cost)]
    commands = [["import", str(data), *costs], ["build-table"], ["check"]]
    with tempfile.TemporaryDirectory() as folder:
        return [measured([COMMAND, *command], folder) for command in commands]


def measured(command: list[str], folder: str) -> dict[str, Any]:
    """Run one command and give its wall time, CPU seconds and peak memory."""
    printed = subprocess.run([sys.executable, "-c", MEASURE, *command], cwd=folder, check=True, capture_output=True)
    found: dict[str, Any] = json.loads(printed.stdout)
    assert found["code"] == 0, f"{command[1]}: {found['error']}"
    return {"name": command[1], **{key: round(found[key], 2) for key in ("wall_s", "cpu_s", "peak_mb")}}


def medians(turns: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The median of each figure of each command."""
    figures = ("wall_s", "cpu_s", "peak_mb")
    return [
        {"name": rows[0]["name"], **{figure: statistics.median(row[figure] for row in rows) for figure in figures}}
        for rows in zip(*turns, strict=True)
    ]


def both(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Import and build-table, one after the other."""
    two = [row for row in rows if row["name"] in ("import", "build-table")]
    sums = {figure: round(sum(row[figure] for row in two), 2) for figure in ("wall_s", "cpu_s")}
    return {"name": "import + build-table", **sums, "peak_mb": max(row["peak_mb"] for row in two)}


def table_of(found: dict[str, Any]) -> str:
    """The rows as text."""
    lines = [f"{'28,084 outcomes, 57 classes':28}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}"]
    lines += [
        f"{row['name']:28}{row['wall_s']:8.2f}{row['cpu_s']:8.2f}{row['peak_mb']:9.0f}"
        for row in [*found["rows"], both(found["rows"])]
    ]
    lines.append(f"{'limit':28}{MOST_S:8.2f}{'':8}{MOST_MB:9.0f}")
    return "\n".join([*lines, f"{found['seconds']:.1f} s"])


if __name__ == "__main__":
    sys.exit(main())
