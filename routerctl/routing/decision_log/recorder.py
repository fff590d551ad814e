"""A decision -> the log, before anybody sees the answer; a log that cannot be written stops no answer."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable
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


def _now() -> datetime:
    return datetime.now(UTC)


class DecisionRecorder:
    """The decision log; trouble with it is said when it begins and when it ends, and every decision tries anew."""

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

    async def note(self, inquiry: Inquiry, decision: Decision, hops: tuple[Hop, ...]) -> None:
        """Write down what the log is to hold of a decision if this process ends before it is appended."""
        at = self._now().isoformat(timespec="milliseconds")
        await self._written(lambda log: log.note(decision, hops, inquiry, at=at))

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
