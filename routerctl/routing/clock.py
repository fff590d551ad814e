"""The time as serving sees it: of day, monotonic, and waited for; a test hands in one that stands still.

Place: the ground of the request line.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> datetime:
        """Give the moment, in UTC: of budgets' periods, retirements, the log."""

    def monotonic(self) -> float:
        """Give seconds that never go back: of deadlines and latencies."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Give the moment, in UTC."""
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)  # seconds since some moment

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        import asyncio  # a start that serves nobody does without

        await asyncio.sleep(seconds)
