"""What is said and listed on a terminal of 80 columns, and as plain lines in CI.

It prints and decides nothing. Importing it costs nothing, since every command may have something to say. Model output
is hostile: every text of foreign origin goes through `clean` before it reaches a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Literal

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
    """Print one line for the user, on stderr; one that cannot be written (a full disk) costs nobody an answer."""
    with suppress(OSError):
        sys.stderr.write(clean(redacted(text)) + "\n")
        sys.stderr.flush()


def wrapped(text: str, width: int) -> list[str]:
    """Break a line into rows of so many terminal cells: at blanks, else in names, else anywhere; Han takes two each."""
    from rich.cells import cell_len, chop_cells

    rows, row = list[str](), ""
    for part in _parts(text):
        if cell_len(row + part) <= width:
            row += part
        elif part.isspace():
            rows, row = [*rows, row], ""
        else:
            *whole, last = chop_cells(part, width)
            rows, row = [*rows, *([row] if row.strip() else []), *whole], last
    return [one.rstrip() for one in (*rows, row) if one.strip()]


def _parts(text: str) -> list[str]:
    """Take a text apart where it may be broken: at blanks, and behind the signs that join the parts of a name."""
    import re

    return re.findall(r"\s+|[^\s/_@-]*[/_@-]+|[^\s/_@-]+", text)


def console_for(stream: IO[str]) -> Console:
    """Give rich's console for a stream: as wide as the terminal, 100 characters elsewhere."""
    from rich.console import Console

    width = None if stream.isatty() else 100
    return Console(file=stream, highlight=False, width=width, force_terminal=is_live(stream), soft_wrap=False)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    width: int | None = None,
) -> None:
    """Print rows as a table on stdout; the columns named in `right` are aligned right, these and `whole` never folded.

    `width`: characters to fit into; None: as many as the terminal has. Where they do not fit, pairs such as
    `likely / at most` stand one above the other, and texts are folded at blanks, names at the signs within them.
    """
    from rich import box
    from rich.table import Table as Grid
    from rich.text import Text

    console = console_for(sys.stdout)
    room = min(width or console.width, console.width) - 2 * (len(columns) - 1)
    cells = [[clean(cell) for cell in row] for row in rows]
    if sum(_natural(columns, cells)) > room:
        cells = [
            [cell.replace(" / ", " /\n") if name in right else cell for name, cell in zip(columns, row, strict=True)]
            for row in cells
        ]
    firm = [name in right or name in whole for name in columns]
    widths = _fitted(columns, cells, firm, room)
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column, cells_wide in zip(columns, widths, strict=True):
        is_right = column in right
        justify: Literal["left", "right"] = "right" if is_right else "left"
        grid.add_column(column, justify=justify, overflow="fold", no_wrap=is_right or column in whole, width=cells_wide)
    for row in cells:
        parts = zip(row, widths, firm, strict=True)
        grid.add_row(*(Text(cell if is_firm else _folded(cell, wide)) for cell, wide, is_firm in parts))
    with console.capture() as drawn:  # rich would answer a closed pipe with an exit of its own
        console.print(grid)
    sys.stdout.write(drawn.get())


def _folded(cell: str, wide: int) -> str:
    return "\n".join(line for part in cell.split("\n") for line in wrapped(part, wide) or [""])


def _natural(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Tell how wide each column is whose texts are not folded, in terminal cells."""
    from rich.cells import cell_len

    return [
        max(cell_len(line) for cell in column for line in cell.split("\n"))
        for column in zip(columns, *rows, strict=True)
    ]


def _fitted(columns: Sequence[str], rows: Sequence[Sequence[str]], firm: Sequence[bool], room: int) -> list[int]:
    """Give the columns' widths within so much room: no word is broken where that can be; `firm`: never folded."""
    natural, widths = _natural(columns, rows), list[int]()
    for apart in (str.split, _parts):
        split = [["\n".join(apart(cell)) for cell in row] for row in (columns, *rows)]
        least = _natural(split[0], split[1:])
        widths = [wide if is_firm else part for wide, part, is_firm in zip(natural, least, firm, strict=True)]
        if sum(widths) <= room:
            break
    loose = [place for place, is_firm in enumerate(firm) if not is_firm]
    while loose and sum(widths) > room and max(widths[place] for place in loose) > 4:
        widths[max(loose, key=lambda place: widths[place])] -= 1
    while sum(widths) < room and (narrow := [place for place in loose if widths[place] < natural[place]]):
        widths[max(narrow, key=lambda place: natural[place] - widths[place])] += 1
    return widths


def folded(text: str, indent: str = "  ") -> list[str]:
    """Fold a sentence into lines of less than 80 characters, the second and further ones indented."""
    import textwrap

    return textwrap.wrap(clean(plain(text)), 79, subsequent_indent=indent)


def is_live(stream: IO[str]) -> bool:
    """Tell whether a stream shows moving progress: a terminal, not in CI, colour not declined."""
    return stream.isatty() and not any(os.environ.get(name) for name in ("CI", "NO_COLOR"))
