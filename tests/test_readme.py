"""The README says what the program does: its commands run, its blocks load, its figures are those of routes.yaml."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from routerctl.cli import run
from routerctl.cli.output.table import print_routes
from routerctl.evaluation.eval_sets import load_eval_set
from routerctl.table import load_table
from tests.conftest import Project

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """The routerctl commands in console blocks, without comments and redirections' other ends."""
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    return [part.split("#")[0].strip() for line in lines for part in line.split("|") if "routerctl " in part]


@pytest.mark.parametrize("command", [text for text in commands() if text.startswith("routerctl ")])
def test_every_command_and_option_exists(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command of the README has a help page that names each of its options."""
    words = shlex.split(command)[1:]
    assert run([words[0], "--help"]) == 0
    shown = capsys.readouterr().out
    for option in (word.partition("=")[0] for word in words if word.startswith("--")):
        assert option in shown


def test_the_table_of_commands_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    """Each row of the table of commands names only options that the command has."""
    rows = re.findall(r"^\| `routerctl ([a-z-]+)` \| (.*) \|$", README, re.MULTILINE)
    assert {name for name, _ in rows} == {
        "init",
        "eval",
        "build-table",
        "import",
        "label",
        "diff",
        "check",
        "route",
        "serve",
        "keys",
        "train",
        "calibrate",
        "health",
        "log",
        "budget",
        "experiment",
        "replay",
        "drift",
        "models",
        "runs",
        "demo",
    }
    for name, words in rows:
        assert run([name, "--help"]) == 0
        shown = capsys.readouterr().out
        for option in re.findall(r"--[a-z-]+", words):
            assert option in shown, (name, option)


def test_init_prints_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`routerctl init` writes the files that the README lists, and `routerctl check` accepts them."""
    monkeypatch.chdir(tmp_path)
    block = next(text for text in blocks("console") if "$ routerctl init\n" in text)
    assert run(["init"]) == 0
    assert capsys.readouterr().out == block.split("$ routerctl init\n")[1]
    assert run(["check"]) == 0


def test_the_eval_set_of_the_readme_loads(tmp_path: Path) -> None:
    """The eval set printed in the README is one."""
    (text,) = [block for block in blocks("yaml") if "scorer:" in block]
    folder = tmp_path / "evals"
    folder.mkdir()
    (folder / "ticket.yaml").write_text(text, encoding="utf-8")
    assert len(load_eval_set(folder / "ticket.yaml", tmp_path).cases) == 2


def committed_table(folder: Path) -> Path:
    """Give the table that the README was written for: `make demo` makes another, with its own measured seconds.

    Who changes the README, too, or has no git at hand, means the table that is there.
    """
    git = shutil.which("git")
    if git is None:
        return ROOT / "routes.yaml"
    unchanged = subprocess.run([git, "diff", "--quiet", "HEAD", "--", "README.md"], cwd=ROOT, check=False)
    shown = subprocess.run([git, "show", "HEAD:routes.yaml"], cwd=ROOT, check=False, capture_output=True)
    if unchanged.returncode or shown.returncode:
        return ROOT / "routes.yaml"
    (folder / "routes.yaml").write_bytes(shown.stdout)
    return folder / "routes.yaml"


def test_the_choices_shown_are_those_of_routes_yaml(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The first screen shows what `routerctl build-table` printed for the committed table."""
    print_routes(load_table(committed_table(tmp_path)))
    table = "\n".join(line.rstrip() for line in capsys.readouterr().out.strip("\n").splitlines())
    shown = README.split("<!-- demo:begin -->")[1].split("<!-- demo:end -->")[0]
    assert table in shown


def test_the_program_of_the_readme_runs(
    served: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The block of Python routes a prompt, on a table whose only class has the name that it says."""
    monkeypatch.chdir(served.root)
    (block,) = blocks("python")
    space: dict[str, Any] = {}
    exec(block.replace('"ticket"', '"sums"'), space)  # noqa: S102 - our own text
    asyncio.run(space["main"]())
    assert capsys.readouterr().out.startswith("I am model-large. large 0.000")
