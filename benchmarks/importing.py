"""Measures what importing recorded outcomes and building their table take, beside a pandas script of the same job.

    python benchmarks/importing.py [--quick] [--json] [--seed N] [--data FILE]

Two files. *made*: 71 models on 1,700 cases of 12 classes, 120,700 outcomes drawn from a seed, prices rising with
accuracy, cases of unequal difficulty. *recorded*: `mmlu_outcomes.csv.gz` (14,042 cases, two models, from the RouteLLM
project's published responses, Apache-2.0), looked for in `*/data/` beside the repository; a line says where it is not
there. `routerctl import`, `routerctl build-table` and `routerctl check` run as commands in a scratch folder; the script
reads the same file with pandas, groups, takes each class's cheapest model at the bar and writes both.

Asserted: the script and the table count the same cases and passes; import and build-table stay below 400 MB, the
report below 3 MB; on the made file the two commands take at most 12 times the script's CPU time (they write every
outcome, read it back, test it, and draw). Seconds are the machine's: printed beside the goal of 10, not asserted.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("routerctl"))
FILE = "mmlu_outcomes.csv.gz"
COSTS = {"mixtral-8x7b-instruct-v0.1": "0.00024", "gpt-4-1106-preview": "0.0247"}  # USD a case, of the recorded file
MODELS, CASES, CLASSES = 71, 1_700, 12  # of the made file
BAR = "0.8"
MOST_S, MOST_MB, MOST_REPORT_MB = 10.0, 400.0, 3.0  # of import and build-table together
MOST_RATIO = 12.0  # of their CPU time to the script's, on the made file
FIGURES = ("wall_s", "cpu_s", "peak_mb")
WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]
# A process of its own, so that its children's resources are one command's.
MEASURE = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"code": done.returncode, "error": done.stderr[-300:], "wall_s": time.perf_counter() - began,
                  "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024, "out": done.stdout}))
"""
SCRIPT = """
import json, sys
import pandas as pd
costs, bar = json.loads(sys.argv[2]), float(sys.argv[3])
wide = pd.read_csv(sys.argv[1])
long = wide.melt(id_vars=["task_class", "prompt"], value_vars=list(costs), var_name="model", value_name="passed")
long["cost_usd"] = long["model"].map(costs).astype(float)
grid = long.groupby(["task_class", "model"]).agg(
    cases=("passed", "size"), passes=("passed", "sum"), score=("passed", "mean"), cost_usd=("cost_usd", "mean")
).reset_index()
chosen = grid[grid["score"] >= bar].sort_values("cost_usd").groupby("task_class").first()
long.to_json("outcomes.jsonl", orient="records", lines=True)
chosen.reset_index().to_csv("chosen.csv", index=False)
print(grid[["task_class", "model", "cases", "passes"]].to_json(orient="values"))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """Outcomes to import."""

    name: str
    path: Path
    costs: Mapping[str, str]  # USD a case, by model
    ratio: float | None  # most CPU time of the commands to the script's; None: not asserted


def main() -> int:
    """Measure, print, assert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="one turn instead of five")
    parser.add_argument("--seed", type=int, default=1, help="of the made file")
    parser.add_argument("--data", type=Path, help=f"the recorded outcomes, {FILE}")
    options = parser.parse_args()
    started, turns = time.perf_counter(), 1 if options.quick else 5
    with tempfile.TemporaryDirectory() as folder:
        files = [made(Path(folder) / "made.csv", options.seed), *recorded(options.data)]
        rows = {file.name: medians([turn(file) for _ in range(turns)]) for file in files}
    found: dict[str, Any] = {"benchmark": "importing", "quick": options.quick, "turns": turns, "files": rows}
    found["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(found) if options.json else table_of(found))
    for file in files:
        check(rows[file.name], file)
    return 0


# --- the files --------------------------------------------------------------------------------------------------------


def made(path: Path, seed: int) -> File:
    """Write outcomes of a ladder: a model passes a case with what it knows beyond the case's and class's difficulty."""
    draw = random.Random(seed)  # noqa: S311 - data that can be drawn again, no secret
    models = {f"model-{rung:02d}": f"{0.00005 * 1.08**rung:.8f}" for rung in range(MODELS)}
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["task_class", "prompt", *models])
        for case in range(CASES):
            kind = case % CLASSES
            difficulty = 0.8 * draw.gauss(0, 1) + kind / 6 - 1
            known = (3 * rung / MODELS - 0.5 + draw.gauss(0, 1) for rung in range(MODELS))
            prompt = f"Question {case}: {' '.join(draw.choices(WORDS, k=60))}"
            rows.writerow([f"class-{kind:02d}", prompt, *(int(one > difficulty) for one in known)])
    return File(name=f"{MODELS * CASES:,} outcomes, {CLASSES} classes", path=path, costs=models, ratio=MOST_RATIO)


def recorded(data: Path | None) -> list[File]:
    """Find the recorded outcomes; a line says where they are not there."""
    path = data or next(iter(sorted(Path(__file__).resolve().parents[2].glob(f"*/data/{FILE}"))), None)
    if path is None or not path.exists():
        print(f"skipped: no {FILE} here (--data says where it is)", file=sys.stderr)
        return []
    return [File(name="28,084 outcomes, 57 classes", path=path.resolve(), costs=COSTS, ratio=None)]


# --- measuring --------------------------------------------------------------------------------------------------------


def turn(file: File) -> list[dict[str, Any]]:
    """Run the commands and the script once, in a folder of their own."""
    costs = [part for model, usd in file.costs.items() for part in ("--cost", f"{model}={usd}")]
    commands = [["import", str(file.path), "--bar", BAR, *costs], ["build-table", "--json"], ["check"]]
    script = [sys.executable, "-c", SCRIPT, str(file.path), json.dumps(dict(file.costs)), BAR]
    with tempfile.TemporaryDirectory() as folder:
        rows = [{"name": command[0], **measured([COMMAND, *command], folder)} for command in commands]
        rows.append({"name": "pandas script", **measured(script, folder)})
        (report,) = Path(folder).glob("reports/*/report.html")
        rows[1]["report_mb"] = round(report.stat().st_size / 1e6, 2)
    assert counted_by_table(rows[1].pop("out")) == counted_by_script(rows[-1].pop("out")), file.name
    return rows


def measured(command: Sequence[str], folder: str) -> dict[str, Any]:
    """Run one command and give its wall time, CPU seconds, peak memory and what it printed."""
    printed = subprocess.run([sys.executable, "-c", MEASURE, *command], cwd=folder, check=True, capture_output=True)
    found: dict[str, Any] = json.loads(printed.stdout)
    assert found["code"] == 0, f"{command[1]}: {found['error']}"
    return {"out": found["out"], **{key: round(found[key], 2) for key in FIGURES}}


def counted_by_table(printed: str) -> dict[tuple[str, str], tuple[int, int]]:
    """Cases and passes of each class and candidate as `build-table --json` tells them."""
    routes = json.loads(printed)["routes"].items()
    return {
        (name, one["candidate"]): (one["cases"], one["passes"]) for name, route in routes for one in route["candidates"]
    }


def counted_by_script(printed: str) -> dict[tuple[str, str], tuple[int, int]]:
    """The same as the script tells them."""
    return {(name, model): (cases, passes) for name, model, cases, passes in json.loads(printed)}


def medians(turns: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The median of each figure of each command."""
    return [
        {**rows[0], **{figure: statistics.median(row[figure] for row in rows) for figure in FIGURES}}
        for rows in zip(*turns, strict=True)
    ]


def both(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Import and build-table, one after the other."""
    two = [row for row in rows if row["name"] in ("import", "build-table")]
    sums = {figure: round(sum(row[figure] for row in two), 2) for figure in ("wall_s", "cpu_s")}
    return {"name": "import + build-table", **sums, "peak_mb": max(row["peak_mb"] for row in two)}


def check(rows: Sequence[dict[str, Any]], file: File) -> None:
    """Assert the memory, the size of the report and the ratio to the script."""
    ours, script = both(rows), rows[-1]
    assert ours["peak_mb"] < MOST_MB, f"peak memory of {ours}"
    assert rows[1]["report_mb"] < MOST_REPORT_MB, f"the report has {rows[1]['report_mb']} MB"
    if file.ratio is not None:
        assert ours["cpu_s"] < file.ratio * script["cpu_s"], f"{ours['cpu_s']} s beside {script['cpu_s']} s"


def table_of(found: Mapping[str, Any]) -> str:
    """The rows as text."""
    lines = []
    for name, rows in found["files"].items():
        lines.append(f"{name:32}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}")
        lines += [
            f"{row['name']:32}{row['wall_s']:8.2f}{row['cpu_s']:8.2f}{row['peak_mb']:9.0f}"
            for row in [*rows, both(rows)]
        ]
        ratio = both(rows)["cpu_s"] / rows[-1]["cpu_s"]
        lines.append(f"{ratio:.1f} times the script's CPU time; a report of {rows[1]['report_mb']:.1f} MB\n")
    lines.append(f"{'goal of import + build-table':32}{MOST_S:8.2f}{'':8}{MOST_MB:9.0f}")
    return "\n".join([*lines, f"{found['seconds']:.1f} s"])


if __name__ == "__main__":
    sys.exit(main())
