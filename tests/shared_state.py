"""Shared state and clocks for tests of what stands on them: a store that can be taken down, time that is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from routerctl.errors import StateDown
from routerctl.routing.state.base import Change, StateStore, T
from routerctl.routing.state.sqlite import SqliteStore
from routerctl.types import Json


class Switched:
    """A real SQLite store that is down for as long as a test says so; it counts what it is asked for."""

    def __init__(self, path: Path) -> None:
        self._store: StateStore = SqliteStore(path)
        self.is_down = False
        self.gets = self.updates = self.scans = 0

    def get(self, keys: Sequence[str]) -> dict[str, Json | None]:
        self.gets += 1
        self._check()
        return self._store.get(keys)

    def update(self, keys: Sequence[str], change: Change[T], *, ttl_s: float | None = None, wait: bool = True) -> T:
        self.updates += 1
        self._check()
        return self._store.update(keys, change, ttl_s=ttl_s, wait=wait)

    def scan(self, prefix: str) -> dict[str, Json]:
        self.scans += 1
        self._check()
        return self._store.scan(prefix)

    def close(self) -> None:
        self._store.close()

    def _check(self) -> None:
        if self.is_down:
            raise StateDown("taken down by the test")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s
        self._sleeping: list[tuple[float, asyncio.Event]] = []

    def now(self) -> float:
        return self.now_s

    async def sleep(self, length_s: float) -> None:
        waking = asyncio.Event()
        self._sleeping.append((self.now_s + length_s, waking))
        await waking.wait()

    def pass_(self, length_s: float) -> None:
        """Let time pass, and wake whoever slept for so long."""
        self.now_s += length_s
        due = [one for one in self._sleeping if one[0] <= self.now_s]
        self._sleeping = [one for one in self._sleeping if one[0] > self.now_s]
        for _, waking in due:
            waking.set()
