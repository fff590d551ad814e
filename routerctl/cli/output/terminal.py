"""What is said and listed on a terminal of 80 columns, and as plain lines in CI.

It prints and decides nothing. Importing it costs nothing, since every command may have something to say. Model output
is hostile: every text of foreign origin goes through `clean` before it reaches a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from routerctl.redaction import redacted
from routerctl.words import clean, plain

if TYPE_CHECKING:
    from rich.console import Console

    from routerctl.notices import Level


PER_1000 = "per 1,000\nrequests"  # a head of two lines: a row has to fit into 80 characters


def notify(text: str, level: Level) -> None:
    """Print a notice as `say` does, with its level before it."""
    say({"info": "", "warning": "warning: ", "alarm": "ALARM: "}[level] + text)


def say(text: str) -> None:
    """Print one line for the user, on stderr."""
    sys.stderr.write(clean(redacted(text)) + "\n")
    sys.stderr.flush()


def wrapped(text: str, width: int) -> list[str]:
    """Break one line into rows of so many terminal cells: at blanks, and inside what is wider; Han takes two each."""
    import re

    from rich.cells import cell_len, chop_cells

    rows, row = list[str](), ""
    for part in re.findall(r"\s+|\S+", text):
        if cell_len(row + part) <= width:
            row += part
        elif part.isspace():
            rows, row = [*rows, row], ""
        else:
            *whole, last = chop_cells(part, width)
            rows, row = [*rows, *([row] if row.strip() else []), *whole], last
    return [one.rstrip() for one in (*rows, row) if one.strip()]


def console_for(stream: IO[str]) -> Console:
    """Give rich's console for a stream: as wide as the terminal, 100 characters elsewhere."""
    from rich.console import Console

    width = None if stream.isatty() else 100
    return Console(file=stream, highlight=False, width=width, force_terminal=is_live(stream), soft_wrap=False)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = (), width: int | None = None
) -> None:
    """Print rows as a table on stdout; the columns named in `right` are aligned right and never folded.

    `width`: characters to fit into; None: as many as the terminal has.
    """
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column in columns:
        is_right = column in right
        grid.add_column(column, justify="right" if is_right else "left", overflow="fold", no_wrap=is_right)
    for row in rows:
        grid.add_row(*(Text(clean(cell)) for cell in row))
    console = console_for(sys.stdout)
    with console.capture() as drawn:  # rich would answer a closed pipe with an exit of its own
        console.print(grid, width=width and min(width, console.width))
    sys.stdout.write(drawn.get())


def folded(text: str, indent: str = "  ") -> list[str]:
    """Fold a sentence into lines of less than 80 characters, the second and further ones indented."""
    import textwrap

    return textwrap.wrap(clean(plain(text)), 79, subsequent_indent=indent)


def is_live(stream: IO[str]) -> bool:
    """Tell whether a stream shows moving progress: a terminal, not in CI, colour not declined."""
    return stream.isatty() and not any(os.environ.get(name) for name in ("CI", "NO_COLOR"))
