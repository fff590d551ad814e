"""Measures how long `routerctl` takes to start, side by side with the least that a Typer app of two commands can take.

    python benchmarks/startup.py [--quick] [--json]

1. `routerctl --help` against `rival --help`: a Typer app of two commands that shows its help.
2. `echo hi | routerctl route --explain` by a table of eight classes and four candidates (built here, on scripted
   replies) against `rival read`: the same app reads stdin and a YAML file of five lines (C loader where there is one).
3. The same for a prompt that a rule decides.

Both sides run as console scripts of this interpreter with warm bytecode, in turns, so that whatever else the machine
does hits both alike; what is compared is the medians of wall time. Asserted: a ratio of at most 1.5 in every row.
Installing a wheel compiles it; a checkout is compiled by its first run, also where the environment forbids to keep
bytecode (PYTHONDONTWRITEBYTECODE, as many containers have it): else one side would be compiled again in every turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST = 1.5  # times the rival's median
COMMAND = str(Path(sys.executable).with_name("routerctl"))
CLASSES, CANDIDATES, CASES = 8, 4, 60
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
RIVAL = '''\
"""The least that a useful command line of two commands can be."""

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Two commands.")


@app.command()
def read(table: Annotated[Path, typer.Option(help="The file.")] = Path("small.yaml")) -> None:
    """Read stdin and a YAML file."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    print(len(sys.stdin.read()), yaml.load(table.read_text(), Loader=loader)["route"])


@app.command()
def hello(name: Annotated[str, typer.Option(help="Whom to greet.")] = "you") -> None:
    """Greet."""
    print(f"hello {name}")
'''
RIVAL_SCRIPT = "import sys\nfrom rival_app import app\nif __name__ == '__main__':\n    sys.exit(app())\n"
SMALL = "version: 1\nroute:\n  class: topic\n  rungs: [small, large]\n  bar: 0.8\n"


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing that both sides do."""

    name: str
    ours: list[str]
    rivals: list[str]
    stdin: bytes
    says: bytes  # what ours prints, among the rest, if it does what the name says


def main() -> int:
    """Measure every pair, print, and assert the ratio; `--quick` takes fewer turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer turns: under a minute")
    options = parser.parse_args()
    started, turns = time.perf_counter(), 15 if options.quick else 61
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = [measured(pair, turns, root) for pair in prepare(root)]
        table_bytes = (root / "routes.yaml").stat().st_size
    found: dict[str, Any] = {"benchmark": "startup", "quick": options.quick, "turns": turns, "table_bytes": table_bytes}
    found |= {"rows": rows, "most": MOST, "seconds": round(time.perf_counter() - started, 1)}
    print(json.dumps(found) if options.json else table_of(found))
    for row in rows:
        assert row["ratio"] <= MOST, f"{row['name']}: {row['ratio']} times the rival, at most {MOST} is promised"
    return 0


def prepare(root: Path) -> list[Pair]:
    """Write the rival and a project with a table; give what is to be compared."""
    (root / "rival_app.py").write_text(RIVAL)
    (root / "rival").write_text(RIVAL_SCRIPT)
    (root / "small.yaml").write_text(SMALL)
    write_project(root)
    for command in ("eval", "build-table"):
        subprocess.run([COMMAND, command], cwd=root, check=True, capture_output=True)
    rival = [sys.executable, str(root / "rival")]
    explain = [COMMAND, "route", "--explain"]
    pairs = [
        Pair("--help", [COMMAND, "--help"], [*rival, "--help"], b"", b"Usage: routerctl"),
        Pair("route --explain, by default", explain, [*rival, "read"], b"hi\n", b"(by default)"),
        Pair("route --explain, by a rule", explain, [*rival, "read"], b"What is 17 + 25?\n", b"(by rule sums)"),
    ]
    for pair in pairs:
        done = subprocess.run(pair.ours, cwd=root, env=ENVIRONMENT, input=pair.stdin, check=True, capture_output=True)
        assert pair.says in done.stdout, f"{pair.name}: measured something else: {done.stdout.decode()}"
    return pairs


def write_project(root: Path) -> None:
    """A project on scripted replies: the second candidate of the ladder is right, the first never is."""
    names = [f"candidate-{number}" for number in range(CANDIDATES)]
    classes = [f"class-{number}" for number in range(CLASSES)]
    price = {"provider": "fake", "date": "2026-11-01", "source": "made up", "input_mtok_usd": 1, "output_mtok_usd": 2}
    config = {
        "schema_version": 1,
        "ladder": "main",
        "providers": {"fake": {"kind": "fake", "options": {"replies": "replies.json"}}},
        "candidates": {name: {"provider": "fake", "model": name} for name in names},
        "ladders": {"main": names},
        "prices": [{"model": name, **price} for name in names],
        "rules": [
            {"name": "code", "class": classes[2], "has_code": True},
            {"name": "sums", "class": classes[1], "regex": r"\d+ [-+*/] \d+"},
            {"name": "shop", "class": classes[3], "keywords": ["order", "customer", "refund"], "max_chars": 400},
        ],
        "default_class": classes[0],
    }
    examples = [{"input": f"A text like the ones to come, number {number}.", "reply": "yes"} for number in range(4)]
    (root / "evals").mkdir()
    for name in classes:
        cases = [{"id": str(case), "input": f"{name}: text {case}", "expected": "yes"} for case in range(CASES)]
        eval_set = {
            "schema_version": 1,
            "description": "Say whether a short text is about its subject.",
            "prompt": {"system": "Answer with yes or no, in one word, whatever else is asked.", "examples": examples},
            "reply": {"max_tokens": 8, "choices": ["yes", "no"]},
            "scorer": {"name": "choice"},
            "bar": 0.8,
            "cases": cases,
        }
        (root / f"evals/{name}.yaml").write_text(json.dumps(eval_set))
    replies = {name: {"*": "yes" if number == 1 else "no"} for number, name in enumerate(names)}
    (root / "replies.json").write_text(json.dumps(replies))
    (root / "routerctl.yaml").write_text(json.dumps(config))


def measured(pair: Pair, turns: int, root: Path) -> dict[str, Any]:
    """Run both sides in turns, after one turn that warms bytecode and files; give medians in milliseconds."""
    walls: dict[str, list[float]] = {"ours": [], "rivals": []}
    for turn in range(turns + 1):
        for side, command in (("ours", pair.ours), ("rivals", pair.rivals)):
            began = time.perf_counter()
            subprocess.run(command, cwd=root, env=ENVIRONMENT, input=pair.stdin, check=True, capture_output=True)
            if turn:
                walls[side].append(1000 * (time.perf_counter() - began))
    ours, rivals = (statistics.median(walls[side]) for side in ("ours", "rivals"))
    return {
        "name": pair.name,
        "ours_ms": round(ours, 1),
        "rival_ms": round(rivals, 1),
        "ours_best_ms": round(min(walls["ours"]), 1),
        "rival_best_ms": round(min(walls["rivals"]), 1),
        "ratio": round(ours / rivals, 2),
    }


def table_of(found: dict[str, Any]) -> str:
    """The rows as text."""
    lines = [f"{'milliseconds, median of ' + str(found['turns']):32}{'routerctl':>10}{'rival':>10}{'ratio':>8}"]
    lines += [
        f"{row['name']:32}{row['ours_ms']:10.1f}{row['rival_ms']:10.1f}{row['ratio']:8.2f}" for row in found["rows"]
    ]
    lines.append(f"routes.yaml: {found['table_bytes']:,} bytes; at most {found['most']} is promised")
    return "\n".join([*lines, f"\n{found['seconds']:.1f} s"])


if __name__ == "__main__":
    sys.exit(main())
