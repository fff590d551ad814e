"""Measures what `routerctl eval` says of a provider's latency, beside the provider's own clock.

    python benchmarks/latency.py [--quick] [--json]

A server in a process of its own answers both vendors' APIs after 20 ms and times itself, from a request that has been
read to an answer that has been written. `routerctl eval` asks it, through each vendor's SDK, with 1, 4 and 16 calls in
flight, in turns. The rest of what a reply takes is the client's own: so many calls at once are more than one process
can work off, and replies wait for it. That wait is no property of the model, so it must not be in its latency.

Asserted, for each vendor and each number of calls in flight: the median that the results hold is at most MOST times
the server's own, and not less than it. The 95th percentile is shown and not asserted: on a machine that does other
things as well, it is a matter of when the system lets a process run.
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
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
EVAL = [str(Path(sys.executable).with_name("routerctl")), "eval", "--no-cache", "--full"]
SERVED_MS = 20
CONCURRENCY = (1, 4, 16)
MOST = 1.35  # times the server's own clock; the socket and both SDKs' transports are in it
PATHS = {"anthropic": "", "openai": "/v1"}


def main() -> int:
    """Measure every vendor and number of calls in flight, print, and assert; `--quick` takes fewer cases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer cases: under a minute")
    options = parser.parse_args()
    began = time.perf_counter()
    cases, turns = (120, 1) if options.quick else (400, 3)
    with server() as url, tempfile.TemporaryDirectory() as folder:
        rows = [
            row(kind, calls, url, Path(folder), cases=cases, turns=turns) for kind in PATHS for calls in CONCURRENCY
        ]
    found = {"cases": cases, "turns": turns, "most": MOST, "rows": rows, "seconds": time.perf_counter() - began}
    print(json.dumps(found) if options.json else table_of(found))
    for one in rows:
        assert 1 <= one["p50_ratio"] <= MOST, f"{one['kind']}, {one['calls']} in flight: {one['p50_ratio']:.2f} times"
    return 0


@contextmanager
def server() -> Iterator[str]:
    """Serve both vendors' APIs in another process; give the address."""
    command = [sys.executable, "-m", "routerctl.testing.emulator", "--latency-ms", str(SERVED_MS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def row(kind: str, calls: int, url: str, folder: Path, *, cases: int, turns: int) -> dict[str, Any]:
    """Measure one vendor with so many calls in flight: quantiles of both clocks over all turns, in milliseconds."""
    ours: list[float] = []
    servers: list[float] = []
    took_s = 0.0
    for turn in range(turns):
        root = folder / f"{kind}-{calls}-{turn}"
        project(root, kind, url + PATHS[kind], calls, cases)
        times(url)
        began = time.perf_counter()
        subprocess.run(EVAL, cwd=root, env={**os.environ, "BENCHMARK_KEY": "none"}, check=True, capture_output=True)
        took_s += time.perf_counter() - began
        servers += times(url)
        (results,) = root.glob("reports/*/results.jsonl")
        ours += [json.loads(line)["latency_s"] for line in results.read_text("utf-8").splitlines()]
    assert len(ours) == len(servers) == cases * turns
    clocks = {"client": quantiles(ours), "server": quantiles(servers)}
    ratios = {f"{name}_ratio": clocks["client"][name] / clocks["server"][name] for name in ("p50", "p95")}
    return {"kind": kind, "calls": calls, **clocks, **ratios, "replies_per_s": cases * turns / took_s}


def quantiles(seconds: list[float]) -> dict[str, float]:
    """The median and the 95th percentile in milliseconds."""
    cuts = statistics.quantiles(seconds, n=20)
    return {"p50": 1000 * cuts[9], "p95": 1000 * cuts[18]}


def times(url: str) -> list[float]:
    """What the server's own clock said since the last look, in seconds."""
    with urllib.request.urlopen(f"{url}/times") as answer:  # noqa: S310 - our own server on 127.0.0.1
        return list(json.loads(answer.read()))


def project(root: Path, kind: str, url: str, calls: int, cases: int) -> None:
    """Write a project of one class and one candidate."""
    (root / "evals").mkdir(parents=True)
    price = {"date": "2026-11-01", "source": "made up", "input_mtok_usd": 1, "output_mtok_usd": 1}
    config = {
        "schema_version": 1,
        "ladder": "only",
        "providers": {"far": {"kind": kind, "base_url": url, "api_key_env": "BENCHMARK_KEY", "concurrency": calls}},
        "candidates": {"one": {"provider": "far", "model": "model-1"}},
        "ladders": {"only": ["one"]},
        "prices": [{"provider": "far", "model": "model-1", **price}],
    }
    (root / "routerctl.yaml").write_text(json.dumps(config), "utf-8")
    asked = [{"id": f"c{k}", "input": f"question {k} " + "and so on " * 20, "expected": "ok"} for k in range(cases)]
    content = {"schema_version": 1, "description": "D.", "bar": 0.8, "scorer": {"name": "exact"}, "cases": asked}
    (root / "evals/talk.yaml").write_text(json.dumps(content), "utf-8")


def table_of(found: dict[str, Any]) -> str:
    """The rows as text."""
    head = "".join(f"{f'server {name}':>12}{f'told {name}':>10}{'ratio':>7}" for name in ("p50", "p95"))
    lines = [f"{'vendor':10}{'in flight':>10}{head}{'replies/s':>11}"]
    for one in found["rows"]:
        cells = "".join(
            f"{one['server'][name]:9.1f} ms{one['client'][name]:7.1f} ms{one[f'{name}_ratio']:7.2f}"
            for name in ("p50", "p95")
        )
        lines.append(f"{one['kind']:10}{one['calls']:10}{cells}{one['replies_per_s']:11.0f}")
    lines.append(f"\n{found['cases']} cases, {found['turns']} times; a median of at most {found['most']} is promised")
    return "\n".join([*lines, f"{found['seconds']:.1f} s"])


if __name__ == "__main__":
    sys.exit(main())
