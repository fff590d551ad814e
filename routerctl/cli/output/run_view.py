"""A run as it goes -> a moving line a class on a terminal; elsewhere a line a verdict, and of each class every 30 s.

It is told of results and verdicts, and asks a candidate's test how many cases it needs yet. The clock is handed in.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING

from routerctl.cli.output.terminal import console_for, is_live, say
from routerctl.evaluation.run.cached_call import Spending
from routerctl.evaluation.selection import verdict_words
from routerctl.types import Judgement, Result, RunHeader
from routerctl.words import clean, count, grouped, missing_words, plain, usd

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

EVERY_S = 30.0  # between two lines where nothing moves: CI ends a job that says nothing for long
_MARK = {True: "+", False: "-"}


@dataclass(slots=True, kw_only=True)
class _Test:
    """What is known of one candidate's test on one class while it goes on."""

    candidate: str
    planned: int
    needed: Callable[[], int] = int  # cases that its end takes at least
    began_s: float = 0.0
    before: int = 0  # cases that were known then: it may go on after others were tested
    cases: set[int] = field(default_factory=set)  # their places in the planned order
    replies: int = 0
    passes: int = 0
    paid_usd: Decimal = Decimal(0)

    def see(self, result: Result) -> None:
        """See one result."""
        self.cases.add(result.index)
        self.replies += 1
        self.passes += result.passed
        self.paid_usd += result.spent_usd

    def words(self, now_s: float) -> str:
        """Say how far it is: cases, passes, what it needs at least, money, and the time for that at the pace so far."""
        needed, come = self.needed(), len(self.cases) - self.before
        eta = f", {_duration((now_s - self.began_s) / come * needed)} left" if come else ""
        return (
            f"{self.candidate} {count(len(self.cases))}/{count(self.planned)} cases, {count(self.passes)} passed, "
            f"{count(needed)}+ to go, {usd(self.paid_usd)}{eta}"
        )


class RunView:
    """Watches a run: one moving line a class on a terminal, else plain lines."""

    def __init__(self, header: RunHeader, spending: Spending, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._header, self._spending, self._clock = header, spending, clock
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._known: dict[tuple[str, str], _Test] = {}
        self._tests: dict[str, _Test] = {}  # by class: those that go on
        self._worth_usd: dict[tuple[str, str], Decimal] = {}  # of the replies, wherever they came from
        self._missing: dict[tuple[str, str], list[tuple[int, str]]] = {}  # index and status of what has no score

    def __enter__(self) -> RunView:
        if is_live(sys.stderr):
            from rich.progress import BarColumn, Progress, TextColumn
            from rich.table import Column

            self._progress = Progress(
                TextColumn("{task.description:<10.10}"),
                BarColumn(bar_width=6),
                TextColumn("{task.fields[state]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
                console=console_for(sys.stderr),
            )
            self._progress.start()
            for name, header in self._header.classes.items():
                self._tasks[name] = self._progress.add_task(clean(name), total=header.cases or header.n, state="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()

    def testing(self, task_class: str, candidate: str, needed: Callable[[], int]) -> None:
        """See that a candidate is asked a class's cases; `needed`: those that the end of this takes at least."""
        header = self._header.classes[task_class]
        test = self._known.setdefault(
            (task_class, candidate), _Test(candidate=candidate, planned=header.cases or header.n)
        )
        test.needed, test.began_s, test.before = needed, self._clock(), len(test.cases)
        self._tests[task_class] = test
        self._show(task_class)

    def result(self, result: Result) -> None:
        """See one result."""
        key = (result.task_class, result.candidate)
        self._worth_usd[key] = result.cost_usd + result.judge_usd + self._worth_usd.get(key, 0)
        if result.status != "scored":
            self._missing.setdefault(key, []).append((result.index, result.status))
        if (test := self._tests.get(result.task_class)) and test.candidate == result.candidate:
            test.see(result)
            self._show(result.task_class)

    def verdict(self, task_class: str, candidate: str, judgement: Judgement) -> None:
        """See the verdict on one candidate."""
        self._tests.pop(task_class, None)
        known = self._missing.get((task_class, candidate), ())
        looked_at = [status for index, status in known if index < judgement.cases]
        missing = plain(missing_words(looked_at.count("failed"), looked_at.count("unscored")))
        found = f"{verdict_words(judgement)}{f' Counted as not passed: {missing}.' if missing else ''}"
        if worth_usd := self._worth_usd.get((task_class, candidate)):
            spent_usd = self._spending.spent_usd
            found += f" Its replies are worth {usd(worth_usd)}; the run has spent {usd(spent_usd)} so far."
        line = clean(f"{_MARK[judgement.verdict.passes]} {task_class}, {candidate}: {grouped(found)}")
        if self._progress:
            self._progress.console.print(line, markup=False)
        else:
            say(line)

    async def tell(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Say every 30 s how far each class is, where no line moves; until it is cancelled."""
        while True:
            await sleep(EVERY_S)
            for name, test in self._tests.items() if self._progress is None else ():
                say(f"{name}: {plain(test.words(self._clock()))}")

    def _show(self, task_class: str) -> None:
        if self._progress:
            test = self._tests[task_class]
            words = clean(plain(test.words(self._clock())))
            self._progress.update(self._tasks[task_class], completed=len(test.cases), state=words)


@contextmanager
def told(view: RunView) -> Iterator[None]:
    """Let a view tell how far it is for as long as the run goes on, beside it."""
    telling = asyncio.ensure_future(view.tell(asyncio.sleep))
    try:
        yield
    finally:
        telling.cancel()


def _duration(left_s: float) -> str:
    """Write a time that is left as clocks do, `0:07`, `2:05` or `1:02:05`."""
    minutes, rest_s = divmod(round(left_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest_s:02}" if hours else f"{minutes}:{rest_s:02}"
