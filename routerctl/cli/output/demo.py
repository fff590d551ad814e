"""What `routerctl demo` does: the recorded outcomes into a folder, then the real commands on them, one by one.

Each command runs in a process of its own, as it would for whoever types it: nothing that is shown was written before.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import typer

from routerctl.errors import InputError
from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.evaluation.worth import told, told_words, weigh
from routerctl.table import TABLE_FILE, load_table

DATA = ("outcomes.csv.gz", "SOURCE.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoCommand:
    """One command; `prompt`: what is piped into it."""

    words: tuple[str, ...]
    prompt: str = ""

    @property
    def shown(self) -> str:
        """The line as one would type it."""
        return (f'echo "{self.prompt}" | ' if self.prompt else "") + " ".join(("routerctl", *self.words))


STEPS = (
    DemoCommand(
        words=(
            *("import", "outcomes.csv.gz", "--bar", "0.8", "--today", "gpt-4-1106-preview"),
            *("--cost", "mixtral-8x7b=0.00024", "--cost", "gpt-4-1106-preview=0.0247"),
        )
    ),
    DemoCommand(words=("build-table",)),
    DemoCommand(words=("check",)),
    DemoCommand(words=("route", "--class", "history", "--explain"), prompt="What did the Peace of Westphalia end?"),
)


def demonstrate(folder: Path | None, steps: Sequence[DemoCommand] = STEPS) -> None:
    """Do what `routerctl demo` says: run the steps in `folder`, or in a new one for temporary files; it is kept.

    Raises: InputError for a folder that holds something, typer.Exit with the code of a command that failed.
    """
    place = _prepared(folder)
    typer.echo(f"In {place}, on the outcomes described in {DATA[1]} there:")
    for step in steps:
        typer.echo(f"\n$ {step.shown}")
        _run(step, place)
    if steps:
        typer.echo(f"\n{ending(place)}")


def ending(place: Path) -> str:
    """Say in one sentence what the table does beside the model that serves today, in money and risk."""
    worth = weigh(load_table(place / TABLE_FILE), [read_run(folder) for folder in run_folders(place)])
    return told_words(told(worth.today, worth.weighting, today=True)) + "." if worth.today else worth.text


def _prepared(folder: Path | None) -> Path:
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError("already exists; demo needs a new or empty folder", file=str(folder))
    place = Path(tempfile.mkdtemp(prefix="routerctl-demo-")) if folder is None else folder
    place.mkdir(parents=True, exist_ok=True)
    for name in DATA:
        (place / name).write_bytes(files("routerctl").joinpath("scaffold", "demo", name).read_bytes())
    return place


def _run(step: DemoCommand, place: Path) -> None:
    sys.stdout.flush()  # what was printed stands before what the command prints
    words = [sys.executable, "-m", "routerctl", *step.words]
    done = subprocess.run(words, cwd=place, input=step.prompt.encode(), check=False)  # noqa: S603 - our own commands
    if done.returncode:
        raise typer.Exit(done.returncode)
