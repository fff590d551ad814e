"""What a run, a table and a list look like on a terminal of 80 columns, and as plain lines in CI.

Place: a door; it prints, it decides nothing. Importing it costs nothing, since every command may have something to
say. Model output is hostile: every text of foreign origin goes through `clean` before it reaches a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from rich.console import Console
    from rich.progress import Progress, TaskID

    from routerctl.evaluation.run.cached_call import Spending
    from routerctl.evaluation.worth import Worth
    from routerctl.types import Evidence, Judgement, Result, Route, RunHeader, Table

_SAID = 10  # classes that are not proven and get a line of their own
PER_1000 = "per 1,000\nrequests"  # a head of two lines: a row has to fit into 80 characters
_MARK = {True: "+", False: "-"}


def say(text: str) -> None:
    """Print one line for the user, on stderr."""
    sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()


def clean(text: str) -> str:
    """Make foreign text harmless on a terminal: no escape sequences, no line breaks, nothing invisible."""
    return "".join(character if character.isprintable() else " " for character in text)


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


def is_live(stream: IO[str]) -> bool:
    """Tell whether a stream shows moving progress: a terminal, not in CI, colour not declined."""
    return stream.isatty() and not any(os.environ.get(name) for name in ("CI", "NO_COLOR"))


def _console(stream: IO[str]) -> Console:
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
    console = _console(sys.stdout)
    with console.capture() as drawn:  # rich would answer a closed pipe with an exit of its own
        console.print(grid, width=width and min(width, console.width))
    sys.stdout.write(drawn.get())


# --- a run as it goes -------------------------------------------------------------------------------------------------


class RunView:
    """Watches a run: one moving line a class on a terminal, else a plain line a verdict."""

    def __init__(self, header: RunHeader, spending: Spending) -> None:
        self._header, self._spending = header, spending
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._cases: dict[tuple[str, str], int] = {}
        self._worth_usd: dict[tuple[str, str], Decimal] = {}  # of the replies, wherever they came from
        self._missing: dict[tuple[str, str], list[tuple[int, str]]] = {}  # index and status of what has no score

    def __enter__(self) -> RunView:
        if is_live(sys.stderr):
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                TextColumn("{task.description:<14.14}"),
                BarColumn(bar_width=18),
                TextColumn("{task.fields[state]}"),
                TimeElapsedColumn(),
                console=_console(sys.stderr),
            )
            self._progress.start()
            for name, header in self._header.classes.items():
                self._tasks[name] = self._progress.add_task(name, total=header.n, state="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()

    def result(self, result: Result) -> None:
        """See one result."""
        key = (result.task_class, result.candidate)
        self._cases[key] = self._cases.get(key, 0) + 1
        self._worth_usd[key] = result.cost_usd + result.judge_usd + self._worth_usd.get(key, 0)
        if result.status != "scored":
            self._missing.setdefault(key, []).append((result.index, result.status))
        if self._progress:
            from routerctl.words import usd

            state = f"{result.candidate} {self._cases[key]} cases, {usd(self._spending.spent_usd)} spent"
            self._progress.update(self._tasks[result.task_class], completed=self._cases[key], state=clean(state))

    def verdict(self, task_class: str, candidate: str, judgement: Judgement) -> None:
        """See the verdict on one candidate."""
        from routerctl.evaluation.selection import verdict_words  # numpy; who judges has it
        from routerctl.words import missing_words, plain, usd

        known = self._missing.get((task_class, candidate), ())
        looked_at = [status for index, status in known if index < judgement.cases]
        missing = plain(missing_words(looked_at.count("failed"), looked_at.count("unscored")))
        found = f"{verdict_words(judgement)}{f' Counted as not passed: {missing}.' if missing else ''}"
        if worth_usd := self._worth_usd.get((task_class, candidate)):
            spent_usd = self._spending.spent_usd
            found += f" Its replies are worth {usd(worth_usd)}; the run has spent {usd(spent_usd)} so far."
        line = clean(f"{_MARK[judgement.verdict.passes]} {task_class}, {candidate}: {found}")
        if self._progress:
            self._progress.console.print(line, markup=False)
        else:
            say(line)


# --- tables of commands -----------------------------------------------------------------------------------------------


def print_routes(table: Table) -> None:
    """Print the choices of a table, a row a class; money is USD per 1,000 requests.

    What is not a program's count of passed cases carries a mark; lines below the table explain what is in it.
    """
    rows = [_route_row(route) for route in table.routes.values()]
    columns = ["class", "choice", "verdict", "passed", "interval", "bar", PER_1000]
    if bar := _shared_bar(table):
        columns, rows = [*columns[:5], PER_1000], [[*row[:5], row[6]] for row in rows]
    print_table(columns, rows, right=["passed", "interval", PER_1000])
    sys.stdout.writelines(f"{line}\n" for line in (*([f"bar: {bar}"] if bar else []), *_legend(table)))


def _shared_bar(table: Table) -> str:
    """The bar of all classes where it is one against a model, which is too long for a column; else ""."""
    from routerctl.types import RelativeBar
    from routerctl.words import bar_words

    bars = {route.bar for route in table.routes.values()}
    return bar_words(bars.pop()) if len(bars) == 1 and all(isinstance(bar, RelativeBar) for bar in bars) else ""


def _legend(table: Table) -> Iterator[str]:
    """Explain what this table's rows hold."""
    from routerctl.evaluation.selection import interval_note, risk_shown
    from routerctl.words import points_as_written

    routes = list(table.routes.values())
    if table.objective:
        aim = f"at most {points_as_written(table.objective.within)} below {table.objective.of}"
        yield f"objective: {aim} over all classes; the bars hold as floors"
    used = {mark for route in routes if (one := _chosen(route)) for mark in _marks(one.judgement)}
    if used:
        yield ", ".join(f"{mark}: {_MARKS[mark]}" for mark in _MARKS if mark in used)
    risks = [risk for route in routes if (risk := risk_shown(route))]
    if risks:
        bound = ", ≤ at most" if any(risk.startswith("≤") for risk in risks) else ""
        yield f"% after provisional{bound}: how often one exactly at the bar would do as well by luck"
    if any(route.level == "reference" for route in routes):
        yield "reference: the model that the bar is set by; it is compared with, not tested"
    yield from _lines(interval_note(one.judgement for route in routes if (one := _chosen(route))))


_MARKS = {
    "j": "a judge's word",
    "h": "on human labels",
    "m": "a mean, not a count",
    "c": "cases in clusters",
    "a": "not the first attempt",
}


def _marks(judgement: Judgement) -> str:
    """The letters of what a verdict rests on, besides independent cases scored by a program."""
    found = {
        "j": judgement.trust == "judge",
        "h": judgement.trust == "labels",
        "m": judgement.mean is not None,
        "c": judgement.method == "clusters",
        "a": judgement.attempt > 1,
    }
    return "".join(mark for mark, holds in found.items() if holds)


def _chosen(route: Route) -> Evidence | None:
    return next((item for item in route.evidence if item.candidate == route.chosen), None)


def _route_row(route: Route) -> list[str]:
    from routerctl.evaluation.selection import level_name, risk_shown
    from routerctl.words import bar_words, spread, usd

    evidence, risk = _chosen(route), risk_shown(route)
    flag = "" if route.passing else "! "
    if evidence is None:
        return [route.task_class, flag + route.chosen, "not run", "", "", bar_words(route.bar), ""]
    judgement = evidence.judgement
    passed = f"{judgement.passes}/{judgement.cases}" if judgement.mean is None else f"{judgement.mean:.3f}"
    return [
        route.task_class,
        flag + route.chosen,
        f"{level_name(route)}{f', {risk}' if risk else ''} {_marks(judgement)}".rstrip(),
        passed,
        spread(judgement.interval),
        bar_words(route.bar),
        "" if evidence.cost_per_case_usd is None else usd(1000 * evidence.cost_per_case_usd),
    ]


def worth_line(worth: Worth) -> str:
    """Say in one line whether the table is worth it, and why: what it does beside today's model and the best constant.

    Then what would settle it, how the choice does on other cases, and by what the classes weigh.
    """
    from routerctl.evaluation.worth import weighed_by

    weighs = (
        f"Classes weigh by {weighed_by(worth.weighting)}." if worth.constants and len(worth.weighting.cases) > 1 else ""
    )
    return f"{worth.answer}: {' '.join(part for part in (worth.told, worth.procedure, weighs) if part)}"


def say_worth(worth: Worth) -> None:
    """Print `worth_line` on stderr, wrapped to 80 columns."""
    for line in _lines(worth_line(worth), "  "):
        say(line)


def _lines(text: str, indent: str = "") -> list[str]:
    """Fold a sentence into lines of less than 80 characters, the second and further ones indented."""
    import textwrap

    return textwrap.wrap(clean(text), 79, subsequent_indent=indent)


def say_lowered(table: Table) -> None:
    """Say of each class that its bar was lowered, or changed for one of another kind, after scores had been seen."""
    from routerctl.evaluation.selection import bar_change_words

    for name, route in table.routes.items():
        _, words = bar_change_words(route)
        if words:
            say(f"warning: {name}: {words}")


def say_unproven(table: Table) -> None:
    """Say of each class that is not proven what serves and what would help; of many, name only the rest."""
    from routerctl.evaluation.selection import unproven_words

    missing = [route for route in table.routes.values() if not route.settled]
    missing.sort(key=lambda route: route.passing)  # those where nobody reaches the bar first
    for route in missing[:_SAID]:
        say(unproven_words(route, table))
    if len(missing) > _SAID:
        names = ", ".join(route.task_class for route in missing[_SAID:])
        say(f"and {len(missing) - _SAID} more classes that are not proven: {names}")
