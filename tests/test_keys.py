"""API keys: what is kept of one, who is found by a secret and when no longer, and what a flood of wrong ones costs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from routerctl import notices
from routerctl.errors import StateDown
from routerctl.routing.state import StateStore
from routerctl.service.keys import (
    KEYS,
    REFRESH_S,
    Key,
    KeyRing,
    digest_of,
    document_of,
    has_keys,
    key_of_document,
    keys_in,
    new_secret,
    revoked,
)
from routerctl.types import Json
from tests.shared_state import Clock, Switched

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Switched]:
    """An empty state of one project."""
    made = Switched(tmp_path / "state.sqlite")
    yield made
    made.close()


def made(store: StateStore, secret: str, **more: object) -> Key:
    """Keep a key of this secret."""
    key = Key(id="key_1", name="app", created_at=NOW, **more)  # type: ignore[arg-type]  # whatever a test wants
    keep(store, secret, key)
    return key


def keep(store: StateStore, secret: str, key: Key) -> None:
    """Write a key as it is now."""
    name = KEYS + digest_of(secret)
    store.update([name], lambda _: ({name: document_of(key)}, None))


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_a_secret_has_256_random_bits_and_is_not_kept(store: Switched, tmp_path: Path) -> None:
    """No file of the state has it, and no two are alike."""
    secret = new_secret()
    assert len({new_secret() for _ in range(100)}) == 100
    assert (secret[:3], len(secret)) == ("rk_", 3 + 43)
    made(store, secret)
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert digest_of(secret).encode() in kept
    assert secret[3:].encode() not in kept


@pytest.mark.parametrize(
    "key",
    [
        Key(id="key_1", name="app", created_at=NOW),
        Key(
            id="key_2",
            name="batch",
            created_at=NOW,
            tenant="acme",
            expires_at=NOW + timedelta(days=1),
            revoked_at=NOW,
            classes=("a", "b"),
            models=("small",),
            requests_per_minute=1,
            tokens_per_minute=2,
            concurrency=3,
        ),
    ],
    ids=lambda key: key.name,
)
def test_a_key_is_read_as_it_was_written(store: Switched, key: Key) -> None:
    """Every field of it, through the store."""
    keep(store, "rk_x", key)
    (document,) = store.scan(KEYS).values()
    assert key_of_document(document) == key


@pytest.mark.parametrize(
    "change",
    [{"only_on_sundays": True}, {"expires_at": "soon"}, {"id": None, "classes": 3}],
    ids=lambda one: next(iter(one)),
)
def test_a_key_with_an_unknown_restriction_is_refused(change: dict[str, object]) -> None:
    """A version that does not know what a newer one restricts lets nobody in by it, and says so once."""
    heard: list[str] = []
    before = notices.take(lambda text, _level: heard.append(text))
    good = document_of(Key(id="key_1", name="app", created_at=NOW))
    try:
        for _ in range(2):
            assert list(keys_in({f"keys/sha256:{next(iter(change))}": good | change, "keys/good": good})) == [
                "keys/good"
            ]
    finally:
        notices.take(before)
    assert len(heard) == 1
    assert "cannot be read and is refused" in heard[0]


@pytest.mark.parametrize(
    ("change", "live"),
    [
        ({}, True),
        ({"expires_at": NOW + timedelta(microseconds=1)}, True),
        ({"expires_at": NOW}, False),
        ({"revoked_at": NOW - timedelta(days=1)}, False),
        ({"revoked_at": NOW + timedelta(days=1)}, False),  # by a machine whose clock is ahead
    ],
    ids=str,
)
def test_when_a_key_is_live(change: dict[str, datetime], live: bool) -> None:
    """Until the moment at which it expires; revoked, never again."""
    assert replace(Key(id="key_1", name="app", created_at=NOW), **change).is_live(NOW) == live  # type: ignore[arg-type]


# --- who is found -----------------------------------------------------------------------------------------------------


async def test_a_key_is_found_from_memory(store: Switched) -> None:
    """Once the keys are read, a request asks the state for nothing."""
    secret = new_secret()
    key = made(store, secret)
    ring = KeyRing(store, now=lambda: NOW)
    await ring.refresh()
    asked = (store.gets, store.scans, store.updates)
    assert [await ring.find(secret) for _ in range(10)] == [key] * 10
    assert (store.gets, store.scans, store.updates) == asked


async def test_a_new_key_is_known_at_its_first_use(store: Switched) -> None:
    """Also by many requests that come with it at once: the state is asked for it once."""
    ring = KeyRing(store, now=lambda: NOW)
    await ring.refresh()
    assert not ring.has_keys
    secret = new_secret()
    key = made(store, secret)
    assert await asyncio.gather(*(ring.find(secret) for _ in range(20))) == [key] * 20
    assert store.gets == 1
    await ring.refresh()
    assert (ring.has_keys, await ring.find(secret), store.gets) == (True, key, 1)


async def test_a_revoked_key_is_refused_after_the_next_reading(store: Switched) -> None:
    """The ring reads by itself every two seconds, and no more once it is closed."""
    secret, clock = new_secret(), Clock(0.0)
    key = made(store, secret)
    ring = KeyRing(store, now=lambda: NOW, sleep=clock.sleep)
    await ring.open()
    await asyncio.sleep(0)  # it sleeps by now
    keep(store, secret, revoked(key, NOW))
    assert await ring.find(secret) == key
    clock.pass_(REFRESH_S)
    for _ in range(10_000):  # the reading is a thread's
        if await ring.find(secret) is None:
            break
        await asyncio.sleep(0.001)
    assert await ring.find(secret) is None
    assert ring.has_keys
    assert has_keys(store)
    await ring.close()
    clock.pass_(10 * REFRESH_S)
    await asyncio.sleep(0)
    assert store.scans == 3  # the third is this test's own


class Broken(Switched):
    """A store whose readings of all fail in a way that nobody foresaw, where a test says so."""

    is_broken = False

    def scan(self, prefix: str) -> dict[str, Json]:
        if self.is_broken:
            raise ZeroDivisionError
        return super().scan(prefix)


async def test_the_keys_are_read_on_whatever_a_reading_met(tmp_path: Path) -> None:
    """One that fails unforeseen changes nothing and is not the last: a key that is revoked later is refused."""
    store, secret, clock = Broken(tmp_path / "state.sqlite"), new_secret(), Clock(0.0)
    key, found, done = made(store, secret), list[Key | None](), asyncio.Event()

    async def sleep(length_s: float) -> None:
        found.append(await ring.find(secret))
        store.is_broken = len(found) == 1
        if len(found) == 2:
            keep(store, secret, revoked(key, NOW))
        if len(found) == 3:
            done.set()
            await clock.sleep(length_s)

    ring = KeyRing(store, now=lambda: NOW, sleep=sleep)
    await ring.open()
    async with asyncio.timeout(20):
        await done.wait()
    await ring.close()
    store.close()
    assert found == [key, key, None]


async def test_an_expired_key_is_refused_at_once(store: Switched) -> None:
    """Whether or not the keys were read since."""
    secret, now = new_secret(), [NOW]
    key = made(store, secret, expires_at=NOW + timedelta(seconds=1))
    ring = KeyRing(store, now=lambda: now[0])
    await ring.refresh()
    assert await ring.find(secret) == key
    now[0] += timedelta(seconds=1)
    assert await ring.find(secret) is None


@pytest.mark.parametrize("secret", ["", "rk_", "sk-ant-api03-x", "RK_x", "rk_\udc80\xff", "rk_" + "x" * 100_000])
async def test_what_is_no_key_finds_none(store: Switched, secret: str) -> None:
    """Whatever stands in the header; what does not look like a key is not even looked up."""
    made(store, new_secret())
    ring = KeyRing(store, now=lambda: NOW)
    await ring.refresh()
    assert await ring.find(secret) is None
    assert store.gets == secret.startswith("rk_")


async def test_a_flood_of_wrong_keys_costs_little(store: Switched) -> None:
    """Between two readings the state is asked for few of them; then a new key is known all the same."""
    ring = KeyRing(store, now=lambda: NOW)
    await ring.refresh()
    for _ in range(3):
        assert await asyncio.gather(*(ring.find(f"rk_{number}") for number in range(500))) == [None] * 500
    assert store.gets == 32
    secret = new_secret()
    key = made(store, secret)
    assert await ring.find(secret) is None
    await ring.refresh()
    assert await ring.find(secret) == key


async def test_a_store_that_is_down_leaves_the_keys_as_they_were(store: Switched) -> None:
    """Those just looked up as well; of a key that nobody knows it is said that nobody can look."""
    old, new, never = new_secret(), new_secret(), new_secret()
    key = made(store, old)
    ring = KeyRing(store, now=lambda: NOW)
    await ring.refresh()
    made(store, new)
    assert await ring.find(new) == key
    store.is_down = True
    await ring.refresh()
    assert [await ring.find(secret) for secret in (old, new)] == [key, key]
    with pytest.raises(StateDown):
        await ring.find(never)
    store.is_down = False
    made(store, never)
    await ring.refresh()
    assert await ring.find(never) == key


async def test_where_the_keys_were_never_read_nobody_is_let_in_without_one(store: Switched) -> None:
    """A state that is down at the start says nothing about whether there are keys."""
    ring, seen = KeyRing(store, now=lambda: NOW), []
    for store.is_down in (True, False):
        await ring.refresh()
        seen.append(ring.has_keys)
    assert seen == [True, False]
