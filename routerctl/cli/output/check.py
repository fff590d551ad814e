"""What `check` found -> lines on the terminal, or JSON that keeps its shape whatever was found."""

from __future__ import annotations

import json
import re
from typing import Any

import typer

from routerctl.cli.output.terminal import say
from routerctl.errors import GateError, InputError
from routerctl.evaluation.check import Checked

_PLACED = re.compile(r"(?P<file>[^\s:]+\.[a-z]+)(?::(?P<line>[0-9]+))?: (?P<problem>.*)", re.DOTALL)


def print_checked(checked: Checked, *, as_json: bool) -> None:
    """Print what is in order on stdout, and what is not, or may soon not be, on stderr, a line each."""
    if as_json:
        typer.echo(json.dumps(_values(checked)))
        return
    for warning in checked.warnings:
        say(f"warning: {warning}")
    for note in checked.notes:
        typer.echo(f"ok: {note}")
    for problem in checked.problems:
        say(f"routerctl: {problem}")


def _values(checked: Checked) -> dict[str, Any]:
    return {
        "ok": not checked.problems,
        "exit_code": checked.exit_code,
        "problems": [_problem(one) for one in checked.problems],
        "warnings": [_placed(text) | {"kind": "advice", "severity": "warning"} for text in checked.warnings],
        "notes": list(checked.notes),
    }


def _problem(error: InputError | GateError) -> dict[str, Any]:
    """Give one as plain values; its kind: `input`, a file is wrong, or `evidence`, a table does not follow from it."""
    if isinstance(error, InputError):
        place = {"file": error.file, "line": error.line, "problem": error.problem}
        return place | {"kind": "input", "severity": "error"}
    return _placed(str(error)) | {"kind": "evidence", "severity": "error"}


def _placed(text: str) -> dict[str, Any]:
    """Part a sentence from the file that it begins with, where it does."""
    found = _PLACED.match(text)
    if found is None:
        return {"file": None, "line": None, "problem": text}
    line = found["line"]
    return {"file": found["file"], "line": line and int(line), "problem": found["problem"]}
