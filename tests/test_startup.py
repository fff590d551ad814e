"""Start-up is a feature: what merely explains or helps imports no SDK, no number cruncher and no template engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Project

HEAVY = {
    *("pandas", "numpy", "scipy", "rapidfuzz"),
    *("anthropic", "openai", "httpx", "httpx2", "aiohttp", "xllamacpp"),
    *("jinja2", "jsonschema", "genai_prices", "starlette", "uvicorn"),
    *("asyncio", "sqlite3", "concurrent"),
}


def _imported(project: Project, *arguments: str, stdin: bytes = b"") -> set[str]:
    """Name the top-level packages that a command imported, also those that it dropped again."""
    done = project.run(*arguments, stdin=stdin, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.code == 0, done.err[-500:]
    modules = re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", done.err, re.MULTILINE)
    assert "typer" in modules
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["--help"], b""),
        (["--version"], b""),
        (["eval", "--help"], b""),
        (["log", "--help"], b""),
        (["experiment", "start", "--help"], b""),
        (["budget", "--help"], b""),
        (["route", "--explain"], b"hi\n"),  # nothing but the default names the class
        (["route", "--explain"], b"What is 1+1?\n"),  # a rule does
        (["route", "--explain", "--class", "sums"], b"hi\n"),
        (["route", "--explain", "--lines", "--json"], b"hi\n1+1\n"),
    ],
    ids=str,
)
def test_helping_and_explaining_import_nothing_heavy(
    arguments: list[str], stdin: bytes, built: Path, tmp_path: Path
) -> None:
    """None of the packages that take a tenth of a second or more is imported, where no state is shared yet."""
    fresh = Project(tmp_path / "fresh")
    shutil.copytree(built, fresh.root, ignore=shutil.ignore_patterns(".routerctl"))
    assert _imported(fresh, *arguments, stdin=stdin) & HEAVY == set()


def test_an_explained_prompt_needs_neither_rich_nor_the_project(served: Project) -> None:
    """Explaining prints plain lines, and reads routes.yaml alone."""
    for path in ("routerctl.yaml", "replies.json", "evals/sums.yaml"):
        (served.root / path).unlink()
    assert not _imported(served, "route", "--explain", stdin=b"hi") & {"rich", "markdown_it", "pygments"}


def test_the_check_sees_what_is_imported(project: Project) -> None:
    """An estimate does need numpy and the template engine: this test can fail."""
    assert {"numpy", "jinja2"} <= _imported(project, "eval", "--dry-run")


def test_a_routed_prompt_imports_no_number_cruncher(served: Project) -> None:
    """Serving needs the wire and the template engine, but no statistics: the hot path stays light."""
    imported = _imported(served, "route", stdin=b"1+1")
    assert "jinja2" in imported
    assert imported & {"pandas", "numpy", "scipy", "anthropic", "openai", "jsonschema"} == set()


def test_importing_any_module_does_nothing() -> None:
    """Importing the command line prints nothing and reads no argument."""
    code = "import routerctl.cli, routerctl.cli.output.terminal, routerctl.routing, routerctl.evaluation.run.session"
    done = subprocess.run([sys.executable, "-c", code, "--nonsense"], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


@pytest.mark.slow
def test_the_promised_start_up_times_hold() -> None:
    """The benchmark asserts its ratios itself."""
    script = Path(__file__).parents[1] / "benchmarks/startup.py"
    done = subprocess.run([sys.executable, script, "--quick", "--json"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert found["rows"][0]["name"] == "--help"
    assert found["seconds"] < 60


def test_a_help_page_does_without_the_nouns() -> None:
    """The dataclasses alone take a tenth of a start, and a page of help needs none."""
    code = "import sys; from routerctl.cli import run; run(['--help']); sys.exit('routerctl.types' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
