"""What a run, a table and a list look like on a terminal of 80 columns, and as plain lines in CI.

Place: a door; it prints, it decides nothing. Importing it costs nothing, since every command may have something to
say. Model output is hostile: every text of foreign origin goes through `clean` before it reaches a terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

    from rich.console import Console
    from rich.progress import Progress, TaskID

    from routerctl.run.caller import Spending
    from routerctl.run.estimate import Estimate
    from routerctl.types import Evidence, Judgement, Result, Route, RunHeader, Table
    from routerctl.worth import Volumes, Worth

_SAID = 10  # classes that are not proven and get a line of their own
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
        if result.status != "scored":
            self._missing.setdefault(key, []).append((result.index, result.status))
        if self._progress:
            from routerctl.words import usd

            state = f"{result.candidate} {self._cases[key]} cases, {usd(self._spending.spent_usd)} spent"
            self._progress.update(self._tasks[result.task_class], completed=self._cases[key], state=clean(state))

    def verdict(self, task_class: str, candidate: str, judgement: Judgement) -> None:
        """See the verdict on one candidate."""
        from routerctl.selection import verdict_words  # numpy; who judges has it
        from routerctl.words import missing_words, plain, usd

        known = self._missing.get((task_class, candidate), ())
        looked_at = [status for index, status in known if index < judgement.cases]
        missing = plain(missing_words(looked_at.count("failed"), looked_at.count("unscored")))
        found = f"{verdict_words(judgement)} {f'Counted as not passed: {missing}. ' if missing else ''}"
        found += f"{usd(self._spending.spent_usd)} spent."
        line = clean(f"{_MARK[judgement.verdict.passes]} {task_class}, {candidate}: {found}")
        if self._progress:
            self._progress.console.print(line, markup=False)
        else:
            say(line)


# --- tables of commands -----------------------------------------------------------------------------------------------


def print_estimates(estimates: Sequence[Estimate]) -> None:
    """Print what a run may take, a row a class x candidate and the sum."""
    from routerctl.words import usd

    rows = [
        [
            item.task_class,
            item.candidate,
            f"{item.least_calls}-{item.most_calls}",
            str(item.cached_calls),
            _short(item.input_tokens),
            _short(item.output_tokens),
            usd(item.most_usd),
            "?" if item.most_s is None else f"{item.most_s / 60:.1f}",
        ]
        for item in estimates
    ]
    known_s = [item.most_s for item in estimates if item.most_s is not None]
    rows.append(
        [
            "all",
            "",
            f"{sum(item.least_calls for item in estimates)}-{sum(item.most_calls for item in estimates)}",
            str(sum(item.cached_calls for item in estimates)),
            _short(sum(item.input_tokens for item in estimates)),
            _short(sum(item.output_tokens for item in estimates)),
            usd(sum((item.most_usd for item in estimates), start=estimates[0].most_usd * 0)),
            f"{sum(known_s) / 60:.1f}" if len(known_s) == len(estimates) else "?",
        ]
    )
    columns = ["class", "candidate", "calls", "cached", "input", "output", "at most", "minutes"]
    print_table(columns, rows, right=columns[2:])


def _short(number: int) -> str:
    """Write a number of tokens with three digits: 14.7k, 1.25M."""
    for unit, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return str(number)


def print_routes(table: Table) -> None:
    """Print the choices of a table, a row a class; money is USD per 1,000 accepted answers.

    What is not a program's count of passed cases carries a mark; lines below the table explain what is in it.
    """
    rows = [_route_row(route) for route in table.routes.values()]
    columns = ["class", "choice", "verdict", "passed", "interval", "bar", "per 1,000"]
    print_table(columns, rows, right=columns[3:])
    sys.stdout.writelines(f"{line}\n" for line in _legend(table))


def _legend(table: Table) -> Iterator[str]:
    """Explain what this table's rows hold."""
    from routerctl.selection import risk_of

    routes = list(table.routes.values())
    used = {mark for route in routes if (one := _chosen(route)) for mark in _marks(one.judgement)}
    if used:
        yield ", ".join(f"{mark}: {_MARKS[mark]}" for mark in _MARKS if mark in used)
    if any(risk_of(route) is not None for route in routes):
        yield "%: the risk, how often a candidate exactly at the bar would do as well by luck"
    proven = [(route, one) for route in routes if route.level == "proven" and (one := _chosen(route))]
    if any(one.judgement.interval[0] < route.target for route, one in proven):
        yield "an interval holds wherever the test ended: wider than it, it may reach below a"
        yield "bar that is proven"


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
    from routerctl.selection import level_name, risk_of
    from routerctl.words import risk_words, usd

    evidence, risk = _chosen(route), risk_of(route)
    flag = "" if route.passing else "! "
    if evidence is None:
        return [route.task_class, flag + route.chosen, "not run", "", "", _bar(route), ""]
    judgement = evidence.judgement
    low, high = judgement.interval
    passed = f"{judgement.passes}/{judgement.cases}" if judgement.mean is None else f"{judgement.mean:.3f}"
    return [
        route.task_class,
        flag + route.chosen,
        f"{level_name(route)}{'' if risk is None else f', {risk_words(risk)}'} {_marks(judgement)}".rstrip(),
        passed,
        f"{low:.2f}-{high:.2f}",
        _bar(route),
        "" if evidence.cost_per_accepted_usd is None else usd(1000 * evidence.cost_per_accepted_usd),
    ]


def _bar(route: Route) -> str:
    """The bar in few letters: `0.8`, `opus-0.02`."""
    return f"{route.bar:g}" if isinstance(route.bar, float) else f"{route.bar.of}-{route.bar.within:g}"


def worth_line(table: Table, spend_usd: Decimal | None, volumes: Volumes | None = None) -> str:
    """Say in one line what the best single candidate for all costs and passes, and whether the table is worth it."""
    from routerctl.words import usd
    from routerctl.worth import THOUSAND, weigh

    worth = weigh(table, spend_usd, volumes)
    if not worth.constants:
        return f"{_standing_words(worth)}{worth.answer}: {worth.text}"
    best = worth.constants[0]
    where = "" if best.everywhere else f" on the {best.covered} of {best.of} classes it was run on"
    prices = [usd(figures.cost_usd * THOUSAND) for figures in (best.figures, best.table)]
    return (
        f"best constant: {best.candidate}, {prices[0]} per 1,000{where}, passes {best.passes} of {best.covered}; "
        f"the table: {prices[1]}, passes {best.table_passes}: {worth.answer}: {worth.text}"
    )


def _standing_words(worth: Worth) -> str:
    """The best single candidate by verdicts alone, where no cost is known; nothing where none was run."""
    if not worth.standings:
        return ""
    best = worth.standings[0]
    where = "" if best.everywhere else f" (run on {best.covered} of {best.of})"
    return (
        f"best constant: {best.candidate}, passes {best.passes} of {best.covered}{where}; the table passes "
        f"{best.table_passes}; costs are not known: "
    )


def worth_json(table: Table, spend_usd: Decimal | None, volumes: Volumes | None = None) -> Mapping[str, Any]:
    """Give what `worth_line` says, and the reasons behind it, as JSON has them; money is USD per 1,000 requests."""
    from routerctl.worth import weigh

    worth = weigh(table, spend_usd, volumes)
    return {
        "answer": worth.answer,
        "text": worth.text,
        "best_constant": _best_json(worth),
        "reasons": [
            {"kind": one.kind, "decides": one.decides, "class": one.task_class, "text": one.text}
            for one in worth.reasons
        ],
    }


def _best_json(worth: Worth) -> Mapping[str, Any] | None:
    """The best single candidate; None where none was run, no money where no cost is known."""
    from routerctl.worth import THOUSAND

    priced = next(iter(worth.constants), None)
    best = priced or next(iter(worth.standings), None)
    if best is None:
        return None
    return {
        "candidate": best.candidate,
        "passes": best.passes,
        "table_passes": best.table_passes,
        "classes": best.covered,
        "classes_of_table": best.of,
        "worse": list(best.worse),
        "usd_per_1000": str(priced.figures.cost_usd * THOUSAND) if priced else None,
        "table_usd_per_1000": str(priced.table.cost_usd * THOUSAND) if priced else None,
    }


def say_worth(table: Table, spend_usd: Decimal | None, volumes: Volumes | None = None) -> None:
    """Print `worth_line` on stderr, wrapped to 80 columns."""
    import textwrap

    for line in textwrap.wrap(clean(worth_line(table, spend_usd, volumes)), 79, subsequent_indent="  "):
        say(line)


def say_unproven(table: Table) -> None:
    """Say of each class that is not proven what serves and what would help; of many, name only the rest."""
    from routerctl.selection import unproven_words

    missing = [route for route in table.routes.values() if route.level != "proven"]
    missing.sort(key=lambda route: route.passing)  # those where nobody reaches the bar first
    for route in missing[:_SAID]:
        say(unproven_words(route))
    if len(missing) > _SAID:
        names = ", ".join(route.task_class for route in missing[_SAID:])
        say(f"and {len(missing) - _SAID} more classes that are not proven: {names}")


def evidence_json(evidence: Evidence) -> Mapping[str, Any]:
    """Give the numbers of one candidate as JSON has them."""
    judgement = evidence.judgement
    return {
        "candidate": evidence.candidate,
        "verdict": judgement.verdict.value,
        "risk": judgement.risk,
        "stopped_at": judgement.stopped_at,
        "passes": judgement.passes,
        "cases": judgement.cases,
        "planned": judgement.n,
        "score": judgement.score,
        "interval": list(judgement.interval),
        "bar": judgement.bar,
        "alpha": judgement.alpha,
        "needed_cases": judgement.needed_cases,
        "failed": evidence.failed,
        "unscored": evidence.unscored,
        "refused": evidence.refused,
        "cost_per_accepted_usd": None
        if evidence.cost_per_accepted_usd is None
        else str(evidence.cost_per_accepted_usd),
        "latency_p50_s": evidence.latency_p50_s,
        "served_models": list(evidence.served_models),
    }
