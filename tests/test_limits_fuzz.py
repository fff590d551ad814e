"""Requests of three processes that come, are cancelled and go at any moment, over a store that fails now and then."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from routerctl.errors import StateDown
from routerctl.routing.state.base import Change, T
from routerctl.service.keys import Key
from routerctl.service.limits import LimitReached, Limits
from routerctl.types import Json
from tests.shared_state import Clock, Switched

LIMIT, LEASE_S, START_S = 5, 30.0, 1_796_126_400.0
KEY = Key(
    id="key_1", name="app", created_at=datetime(2026, 12, 1, tzinfo=UTC), concurrency=LIMIT, tokens_per_minute=10**6
)


class Shaky(Switched):
    """A store that fails before an update, or after it without a word whether it was written."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        super().__init__(path)
        self._chance, self.before, self.after = chance, 0.0, 0.0

    def update(self, keys: Sequence[str], change: Change[T], *, ttl_s: float | None = None, wait: bool = True) -> T:
        time.sleep(self._chance.random() * 0.004)  # in its thread: so that much happens meanwhile
        self.is_down = self._chance.random() < self.before
        done = super().update(keys, change, ttl_s=ttl_s, wait=wait)
        if self._chance.random() < self.after:
            raise StateDown("the connection broke after it was sent")
        return done


@dataclass(slots=True)
class Seen:
    """What the requests did."""

    inside: int = 0
    most: int = 0
    served: int = 0
    used: int = 0  # tokens


async def ask(limits: Limits, chance: random.Random, seen: Seen) -> None:
    """Come in some time, try until there is room, stay for a while."""
    while True:
        await asyncio.sleep(chance.random() * 0.03)
        try:
            admitted = await limits.acquire(KEY, 10)
            break
        except LimitReached:
            continue
    used = chance.randrange(30)
    seen.inside, seen.served, seen.used = seen.inside + 1, seen.served + 1, seen.used + used
    seen.most = max(seen.most, seen.inside)
    try:
        await asyncio.sleep(chance.random() * 0.005)
    finally:
        seen.inside -= 1
        await asyncio.shield(admitted.release(used))


async def serve(processes: Sequence[Limits], chance: random.Random) -> tuple[Seen, int]:
    """Let a hundred requests come, of which some are cancelled; give what they did, and how many of them were."""
    seen, cancelled = Seen(), 0
    tasks = [asyncio.ensure_future(ask(chance.choice(processes), chance, seen)) for _ in range(100)]
    while not all(one.done() for one in tasks):
        await asyncio.sleep(chance.random() * 0.004)
        cancelled += chance.random() < 0.5 and chance.choice(tasks).cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(one) for one in ended} <= {type(None), asyncio.CancelledError}
    for one in processes:
        await one.close()
    return seen, cancelled


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("before", "after"), [(0, 0), (0.15, 0), (0, 0.15)], ids=["well", "fails", "does not say"])
async def test_whatever_happens_the_limit_holds_and_comes_back(
    tmp_path: Path, seed: int, before: float, after: float
) -> None:
    """Never more than it at once; no place is lost for longer than a lease; without outages all adds up at once."""
    chance, clock = random.Random(seed), Clock(START_S)  # noqa: S311 - a schedule, not a secret
    store = Shaky(tmp_path / "state.sqlite", chance)
    store.before, store.after = before, after
    given: dict[str, Any] = {"when_down": "fail_closed", "lease_s": LEASE_S, "now": clock.now, "sleep": clock.sleep}
    processes = [Limits(store, warn=lambda _: None, **given) for _ in range(3)]
    seen, cancelled = await serve(processes, chance)
    assert 0 < seen.most <= LIMIT
    store.before = store.after = 0
    if not before and not after:
        document: Json = store.scan("limits/")["limits/key_1"]
        ((_, requests, tokens),) = document["seconds"]
        assert document["running"] == {}
        assert tokens == seen.used
        assert seen.served <= requests <= seen.served + cancelled
    else:
        clock.pass_(LEASE_S + 1)
    fresh = Limits(store, **given)
    for _ in range(LIMIT):
        await fresh.acquire(KEY, 1)
    with pytest.raises(LimitReached):
        await fresh.acquire(KEY, 1)
    await fresh.close()
    store.close()
