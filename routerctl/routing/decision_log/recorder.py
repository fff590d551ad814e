"""A decision -> the log, before anybody sees the answer; a log that cannot be written stops no answer."""

from __future__ import annotations

import asyncio
import math
import queue
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from routerctl.errors import InputError
from routerctl.notices import info, warn
from routerctl.routing.decision_log import DecisionLog
from routerctl.types import Decision, Hop, Inquiry, Table
from routerctl.words import plain, plural, usd

if TYPE_CHECKING:
    from routerctl.types import Answer

T = TypeVar("T")
_PATIENCE_S = 1.0  # how long an answer waits for another process that holds the file; a write takes milliseconds
_IN_TROUBLE_S = 0.05  # the same where the one before waited in vain
_NAP_S = 0.01  # between two tries, at most
_REST_S = 5.0  # between two tries to open a log that could not be opened
_GATHER_S = 0.02  # what comes within it is written together
_NOTED_AFTER_S = 0.25  # what is over sooner needs no note
_MOST_AT_ONCE, _MOST_QUEUED = 500, 50_000  # entries
_BATCH_PATIENCE_S, _BATCH_NAP_S = 30.0, 0.02
_LAST_PATIENCE_S = 5.0  # for a file in trouble, of all that is left when the process ends


def _now() -> datetime:
    return datetime.now(UTC)


class DecisionRecorder:
    """The decision log; trouble with it is said when it begins and when it ends, and every decision tries anew."""

    waiting = 0  # entries: none ever waits

    def __init__(self, path: Path, table: Table, *, now: Callable[[], datetime] = _now) -> None:
        self._path, self._routing, self._now = path, table.routing, now
        self._log: DecisionLog | None = None
        self._open_at = 0.0  # monotonic seconds: when opening may be tried
        self._lost = 0  # decisions of the trouble that is on; 0: all is well
        self._said = False
        self._opened()

    async def append(self, inquiry: Inquiry, decision: Decision, answer: Answer | None) -> int | None:
        """Write one decision, and give its number in the log; None where it cannot be written.

        Others are served while it waits for its turn.
        """
        at = self._now().isoformat(timespec="milliseconds")
        number = await self._written(lambda log: _append(log, inquiry, decision, answer, at))
        self._lost += number is None
        if number is not None:
            self._well()
        return number

    async def note(self, inquiry: Inquiry, decision: Decision, hops: Callable[[], tuple[Hop, ...]]) -> None:
        """Write down what the log is to hold of a decision if this process ends before it is appended."""
        at, so_far = self._now().isoformat(timespec="milliseconds"), hops()
        await self._written(lambda log: log.note(decision, so_far, inquiry, at=at))

    async def _written(self, write: Callable[[DecisionLog], T]) -> T | None:
        log = self._opened()
        patience = time.monotonic() + (_IN_TROUBLE_S if self._said else _PATIENCE_S)
        while log is not None:
            try:
                return write(log)
            except sqlite3.Error as error:
                if _is_busy(error) and time.monotonic() < patience:
                    await asyncio.sleep(random.uniform(0, _NAP_S))  # noqa: S311 - jitter
                    continue
                self._trouble(error)
                break
        return None

    def write_batch(
        self, writes: Sequence[Callable[[DecisionLog], object]], *, decisions: int, ends_at: Callable[[], float]
    ) -> None:
        """Write several things at once, in a thread of its own: it waits for its turn, and for the file to come back.

        What cannot be written for long is not kept, which is said. `decisions`: how many of them are more than notes;
        `ends_at`: gives the monotonic second after which nobody waits any longer, as it is by then.
        """
        given_up_at = time.monotonic() + _BATCH_PATIENCE_S
        while writes and not self._wrote(writes):
            if time.monotonic() > min(given_up_at, ends_at()):
                self._lost += decisions
                return
            time.sleep(_BATCH_NAP_S)

    def _wrote(self, writes: Sequence[Callable[[DecisionLog], object]]) -> bool:
        log = self._opened()
        if log is None:
            return False
        try:
            with log.together():
                for one in writes:
                    one(log)
        except sqlite3.Error as error:
            if not _is_busy(error):
                self._trouble(error)
            return False
        self._well()
        return True

    def _opened(self) -> DecisionLog | None:
        if self._log is None and time.monotonic() >= self._open_at:
            routing = self._routing
            try:
                self._log = DecisionLog(
                    self._path, keep_prompts=routing.log_prompts, keep_days=routing.log_days, patience_s=_PATIENCE_S
                )
                self._log.take_lost(_tell_lost)
                self._log.wait_at_most(0)
            except (OSError, sqlite3.Error, InputError) as error:
                self._open_at = time.monotonic() + _REST_S
                self._trouble(error)
        return self._log

    def _trouble(self, error: Exception) -> None:
        if not self._said:
            warn(f"the decision log cannot be written, decisions are not kept: {error}")
        self._said = True

    def _well(self) -> None:
        if self._said:
            info(f"the decision log is written again; decisions that were not kept: {self._lost}")
        self._said, self._lost = False, 0

    def __enter__(self) -> Self:
        """Give the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        if self._lost:
            warn(f"decisions that were not kept: {self._lost}")
        if self._log:
            self._log.close()


class QueuedRecorder:
    """The decision log of a service: a thread writes, what came within a moment in one transaction; nobody waits.

    What a process that is killed holds of the last quarter of a second is lost; one that ends writes all it holds.
    """

    def __init__(self, path: Path, table: Table, *, now: Callable[[], datetime] = _now) -> None:
        self._path, self._table, self._now = path, table, now
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._taken, self._lost = 0, 0
        self._ends_at = math.inf  # monotonic seconds
        self._thread = threading.Thread(target=self._write_all, name="decision log", daemon=True)
        self._thread.start()

    async def append(self, inquiry: Inquiry, decision: Decision, answer: Answer | None) -> int | None:
        """Take one decision to be written, and give the number of those taken; None where too many wait already."""
        if self._queue.qsize() > _MOST_QUEUED:
            self._lost += 1
            return None
        at = self._now().isoformat(timespec="milliseconds")
        self._queue.put(_Entry(decision.id, True, lambda log: _append(log, inquiry, decision, answer, at)))
        self._taken += 1
        return self._taken

    async def note(self, inquiry: Inquiry, decision: Decision, hops: Callable[[], tuple[Hop, ...]]) -> None:
        """Take down what the log is to hold of a decision if this process ends before it is appended.

        It is written once the decision has been under way for a moment: most are over by then.
        """
        if self._queue.qsize() <= _MOST_QUEUED:
            at = self._now()
            write = lambda log: log.note(decision, hops(), inquiry, at=at.isoformat(timespec="milliseconds"))  # noqa: E731
            self._queue.put(_Entry(decision.id, False, write, time.monotonic() + _NOTED_AFTER_S))

    @property
    def waiting(self) -> int:
        """How many entries wait to be written."""
        return self._queue.qsize()

    def _write_all(self) -> None:
        """Write until the end is taken, in the thread."""
        with DecisionRecorder(self._path, self._table, now=self._now) as recorder:
            notes, ends = dict[str, _Entry](), False  # those that wait, the latest of a decision
            while not ends:
                batch, ends = self._gathered(_NOTED_AFTER_S if notes else None)
                last = [entry for entry in batch if entry.is_last]
                notes |= {entry.decision: entry for entry in batch if not entry.is_last}
                for entry in last:
                    notes.pop(entry.decision, None)
                now = time.monotonic()
                due = [] if ends else [entry for entry in notes.values() if entry.due_s <= now]
                for entry in due:
                    del notes[entry.decision]
                writes = [entry.write for entry in (*last, *due)]
                recorder.write_batch(writes, decisions=len(last), ends_at=lambda: self._ends_at)

    def _gathered(self, wait_s: float | None) -> tuple[list[_Entry], bool]:
        """Wait for entries, at most so long; give those of a moment, and whether these are the last."""
        batch = list[_Entry]()
        try:
            entry = self._queue.get(timeout=wait_s)
            if entry is not None:
                time.sleep(_GATHER_S)
            while entry is not None and len(batch) < _MOST_AT_ONCE:
                batch.append(entry)
                entry = self._queue.get_nowait()
        except queue.Empty:
            return batch, False
        if entry is not None:  # more are there
            batch.append(entry)
        return batch, entry is None

    def __enter__(self) -> Self:
        """Give the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits, and close the file."""
        self._ends_at = time.monotonic() + _LAST_PATIENCE_S
        self._queue.put(None)
        self._thread.join()
        if self._lost:
            warn(f"decisions that were not kept, as too many waited to be written: {self._lost}")


class NoRecorder:
    """Keeps no log: `routing: {log: false}`."""

    waiting = 0

    async def append(self, inquiry: Inquiry, decision: Decision, answer: Answer | None) -> int | None:
        """Forget it."""

    async def note(self, inquiry: Inquiry, decision: Decision, hops: Callable[[], tuple[Hop, ...]]) -> None:
        """Forget it."""

    def __enter__(self) -> Self:
        """Give it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to close."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """Something to be written about a decision."""

    decision: str
    is_last: bool  # it has ended: what was noted on its way is of no use any more
    write: Callable[[DecisionLog], object]
    due_s: float = 0.0  # not before that moment, on the monotonic clock


def _tell_lost(decisions: int, perhaps_usd: Decimal) -> None:
    what = plain(plural(decisions, "prompt was", "prompts were"))
    warn(
        f"{what} being served when an earlier process ended; in the log as cancelled, their calls may have cost up to "
        f"{usd(perhaps_usd)}"
    )


def _append(log: DecisionLog, inquiry: Inquiry, decision: Decision, answer: Answer | None, at: str) -> int:
    return log.append(
        decision,
        inquiry,
        decision_id=decision.id,
        at=at,
        reply=answer.text if answer else None,
        stop_reason=answer.stop_reason if answer else None,
        usage=answer.usage if answer else None,
    )


def _is_busy(error: sqlite3.Error) -> bool:
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


Recorder = DecisionRecorder | QueuedRecorder | NoRecorder
