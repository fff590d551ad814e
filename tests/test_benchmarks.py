"""The benchmarks that count instead of measuring time: what they assert of the arithmetic holds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
TIMED = {
    "decision",
    "drift",
    "importing",
    "latency",
    "log_queries",
    "service",
    "startup",
}  # `make bench` runs them, too
COUNTED = sorted({path.stem for path in BENCHMARKS.glob("*.py")} - TIMED - {"holdout_sources"})


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", COUNTED)
def test_its_assertions_hold(name: str) -> None:
    """With --quick it ends well, and --json is one JSON value."""
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=BENCHMARKS.parent)
    assert done.returncode == 0, done.stderr[-800:]
    if done.stdout.startswith("skipped: "):
        pytest.skip(done.stdout)
    assert json.loads(done.stdout)
