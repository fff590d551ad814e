"""What `routerctl diff` does once its options are read."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path
from typing import Literal

import typer

from routerctl.cli.output.terminal import say
from routerctl.errors import GateError, InputError
from routerctl.evaluation.outdated import since_built
from routerctl.review.diff import compare
from routerctl.review.diff.render import WRITERS, ComparedTables
from routerctl.review.diff.revisions import TableSource, find
from routerctl.routing.decision_log.volumes import asked_of
from routerctl.table import TABLE_FILE

Format = Literal["text", "markdown", "json"]


def print_diff(before: str, after: str | None, *, form: Format, exit_code: bool) -> None:
    """Print what differs between two tables.

    Raises: InputError where one cannot be read; GateError under `exit_code` where anything differs, or the project has
    changed since its table was built.
    """
    root = Path.cwd()
    old, new = find(root, before), find(root, TABLE_FILE if after is None else after)
    for one in (old, new):
        if one.edited:
            say(
                f"warning: {one.name}: the content does not match the digest: edited by hand or damaged; compared as is"
            )
    found, since = compare(old.table, new.table), _since_built(root, new)
    names, edited = (old.name, new.name), (old.edited, new.edited)
    written = WRITERS[form](ComparedTables(found=found, names=names, edited=edited, since=since, asked=asked_of(root)))
    if form == "text" and sys.stdout.isatty():  # a program finds each statement on one line
        written = "\n".join(map(_wrapped, written.split("\n")))
    typer.echo(written)
    if exit_code and found.differs:
        raise GateError(f"{old.name} and {new.name} differ")
    if exit_code and since:
        raise GateError(f"{new.name} is older than the project: {since[0]}")


def _since_built(root: Path, new: TableSource) -> tuple[str, ...]:
    """Say what of this folder's project has changed since its own table was built; of another table nothing."""
    try:
        return since_built(root, new.table, new.name)
    except InputError as error:
        say(f"warning: cannot determine what has changed since {new.name} was built: {error}")
        return ()


def _wrapped(line: str) -> str:
    width, indent = max(40, shutil.get_terminal_size().columns), " " * (len(line) - len(line.lstrip()))
    folded = textwrap.wrap(
        line.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=indent + "    ",
        break_on_hyphens=False,  # a command in it has to stay one word
    )
    return "\n".join(folded)
