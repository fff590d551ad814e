"""The logs of a project -> what the pages show of them.

Everything here blocks and is meant for a thread. A log that does not exist yet counts as empty. Figures over many rows
are cached for a while, so that many viewers cost as much as one, and even the log of a busy year takes at most a tenth
of one processor.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from routerctl.routing.decision_log.reader import LogReader, Row, Wanted, found_one
from routerctl.routing.decision_log.rows import stamp
from routerctl.routing.decision_log.spending import Spending, Spent, spent_since
from routerctl.routing.decision_log.stats import ClassFigures, figures_of
from routerctl.service.ui.source import LogFiles

T = TypeVar("T")

PAGE_ROWS = 100
PERIODS = ("today", "7 days", "30 days")
_LEAST_S = 2.0  # figures are cached for this long,
_TIMES = 9  # or for so many times as long as reading them took


@contextmanager
def open_logs(files: LogFiles) -> Iterator[dict[str | None, LogReader]]:
    """Open the logs that exist, by tenant.

    Raises: InputError for a file that is no decision log.
    """
    with ExitStack() as stack:
        yield {name: stack.enter_context(LogReader(path)) for name, path in files.items() if path.is_file()}


# --- decisions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionsPage:
    """Some decisions, newest first."""

    rows: Sequence[Row]
    older: bool  # there are more


def decisions_page(files: LogFiles, wanted: Wanted, before: str | None) -> DecisionsPage:
    """Give the latest decisions of all logs; `before`: only those older than the decision with this id.

    Raises: InputError where no log has that decision.
    """
    with open_logs(files) as logs:
        mine = {wanted.tenant: logs[wanted.tenant]} if wanted.tenant in logs and wanted.tenant else logs
        bounds = _bounds(logs, before)
        rows = [
            (row["at"], row["number"], name or "", row)
            for name, log in mine.items()
            for row in log.latest(wanted, PAGE_ROWS + 1, before=bounds.get(name))
        ]
    rows.sort(key=lambda one: one[:3], reverse=True)
    return DecisionsPage(rows=[row for *_, row in rows[:PAGE_ROWS]], older=len(rows) > PAGE_ROWS)


def _bounds(logs: dict[str | None, LogReader], before: str | None) -> dict[str | None, tuple[str, int]]:
    """Give for each log the moment and number before which its rows come, ordered by moment, number and tenant."""
    if before is None:
        return {}
    tenant, row = _found(logs, before)
    return {name: (row["at"], row["number"] + ((name or "") < (tenant or ""))) for name in logs}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionDetail:
    """One decision with its feedback."""

    row: Row
    feedback: Sequence[Row]


def decision_detail(files: LogFiles, decision: str) -> DecisionDetail:
    """Find the decision whose id is or starts with `decision`, in whichever log it is.

    Raises: InputError where there is none, or more than one.
    """
    with open_logs(files) as logs:
        tenant, row = _found(logs, decision)
        return DecisionDetail(row=row, feedback=logs[tenant].feedback_of(row["id"]))


def _found(logs: dict[str | None, LogReader], decision: str) -> tuple[str | None, Row]:
    found = {row["id"]: (name, row) for name, log in logs.items() for row in log.starting(decision)}
    return found[found_one([found[key][1] for key in sorted(found)], decision)["id"]]


# --- figures ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What happened in the last day, and what was spent since each of PERIODS began."""

    at: datetime
    day: Sequence[ClassFigures]  # of the last 24 hours
    by_class: dict[str, tuple[Spending, ...]]
    by_tenant: dict[str | None, tuple[Spending, ...]]
    total: tuple[Spending, ...]


def figures_at(files: LogFiles, now: datetime) -> Figures:
    """Sum up the logs; a day begins at midnight UTC."""
    now = now.astimezone(UTC)
    begins = (now.replace(hour=0, minute=0, second=0, microsecond=0), now - timedelta(days=7), now - timedelta(days=30))
    moments = [stamp(moment.isoformat()) for moment in begins]
    wanted = Wanted(since=stamp((now - timedelta(days=1)).isoformat()))
    with open_logs(files) as logs:
        spent = [one for log in logs.values() for one in spent_since(log, moments)]
        readers = list(logs.values())
        day = figures_of(readers[0], wanted, *readers[1:]) if readers else ()
    return Figures(
        at=now,
        day=day,
        by_class=_grouped(spent, lambda one: one.task_class),
        by_tenant=_grouped(spent, lambda one: one.tenant),
        total=_grouped(spent, lambda _: None).get(None, (Spending(),) * len(PERIODS)),
    )


K = TypeVar("K")


def _grouped(spent: Sequence[Spent], key: Callable[[Spent], K]) -> dict[K, tuple[Spending, ...]]:
    """Add up what was spent under each key, the most expensive over the longest period first."""
    sums = dict[K, tuple[Spending, ...]]()
    for one in spent:
        known = sums.get(key(one), (Spending(),) * len(PERIODS))
        sums[key(one)] = tuple(before + more for before, more in zip(known, one.since, strict=True))
    return dict(sorted(sums.items(), key=lambda item: -item[1][-1].cost_usd))


class Cached(Generic[T]):
    """A value that takes time to read: read by one caller at a time and cached for a while."""

    def __init__(self, read: Callable[[], T], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read, self._clock = read, clock
        self._lock = threading.Lock()
        self._value: T | None = None
        self._until = float("-inf")

    def get(self) -> T:
        """Give the value, read again if the cached one is too old; raises what reading raises."""
        with self._lock:
            if self._value is None or self._clock() >= self._until:
                began = self._clock()
                self._value = self._read()
                ended = self._clock()
                self._until = ended + max(_LEAST_S, _TIMES * (ended - began))
            return self._value
