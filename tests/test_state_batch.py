"""routerctl/routing/state/batch.py: changes that are made together, and what no event loop is to wait for."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from routerctl.errors import StateDown
from routerctl.routing.state import STATE_FILE, Documents, open_state
from routerctl.routing.state.base import Change, T, WouldWait
from routerctl.routing.state.batch import UpdateBatch
from routerctl.routing.state.redis import RedisStore
from routerctl.routing.state.sqlite import SqliteStore
from routerctl.types import Json
from tests.shared_state import Switched

KEY = "budget/a"


def one_more(documents: Documents) -> tuple[Documents, Json]:
    """Count up one document."""
    count = documents[KEY] or 0
    assert isinstance(count, int)
    return {KEY: count + 1}, count + 1


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock of a file, as another process does while it writes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


# --- a store that is not waited for -----------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteStore]:
    """An empty file."""
    with closing(SqliteStore(tmp_path / "state.sqlite")) as store:
        yield store


def test_an_update_that_need_not_wait_is_made(file: SqliteStore) -> None:
    """As any other."""
    assert file.update([KEY], one_more, wait=False) == 1
    assert file.get([KEY]) == {KEY: 1}


def test_another_process_is_not_waited_for(file: SqliteStore, tmp_path: Path) -> None:
    """Nothing is written, and afterwards all is as before."""
    with locked(tmp_path / "state.sqlite"), pytest.raises(WouldWait):
        file.update([KEY], one_more, wait=False)
    assert file.update([KEY], one_more, wait=False) == 1


def test_another_thread_is_not_waited_for(file: SqliteStore) -> None:
    """One that has the connection, say during a checkpoint."""
    begun, done = threading.Event(), threading.Event()

    def slow(documents: Documents) -> tuple[Documents, Json]:
        begun.set()
        assert done.wait(10)
        return one_more(documents)

    thread = threading.Thread(target=file.update, args=([KEY], slow))
    thread.start()
    assert begun.wait(10)
    with pytest.raises(WouldWait):
        file.update([KEY], one_more, wait=False)
    done.set()
    thread.join()
    assert file.update([KEY], one_more, wait=False) == 2


def test_the_disk_is_not_waited_for_and_the_log_does_not_grow(file: SqliteStore, tmp_path: Path) -> None:
    """At a checkpoint somebody has to wait for it: the log is bounded."""
    waited, longest = 0, 0
    for _ in range(3000):
        try:
            file.update([KEY], one_more, wait=False)
        except WouldWait:
            waited += 1
            file.update([KEY], one_more)
        longest = max(longest, (tmp_path / "state.sqlite-wal").stat().st_size)
    assert file.get([KEY]) == {KEY: 3000}
    assert 0 < waited < 30
    assert longest < 8 * 2**20


def test_processes_that_wait_checkpoint_the_log_though_another_does_not(file: SqliteStore, tmp_path: Path) -> None:
    """A service that is idle holds the file open while commands come and go, a change each."""
    file.update([KEY], one_more, wait=False)
    longest = 0
    for _ in range(60):
        with closing(SqliteStore(tmp_path / "state.sqlite")) as command:
            for _ in range(50):
                command.update([KEY], one_more)
        longest = max(longest, (tmp_path / "state.sqlite-wal").stat().st_size)
    assert file.get([KEY]) == {KEY: 3001}
    assert longest < 8 * 2**20


def test_a_server_is_always_waited_for() -> None:
    """Nothing is sent: there is none at this address."""
    store = RedisStore("redis://127.0.0.1:1/0", project="test")
    with pytest.raises(WouldWait):
        store.update([KEY], one_more, wait=False)


def test_a_file_is_opened_by_who_can_wait(tmp_path: Path) -> None:
    """And then not waited for."""
    with closing(open_state(tmp_path / STATE_FILE, warn=print)) as store:
        with pytest.raises(WouldWait):
            store.update([KEY], one_more, wait=False)
        assert store.update([KEY], one_more) == 1
        assert store.update([KEY], one_more, wait=False) == 2


# --- together ---------------------------------------------------------------------------------------------------------


class Threads(Switched):
    """A store that notes in which thread each of its updates was made."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.made_in: list[int] = []

    def update(self, keys: Sequence[str], change: Change[T], *, ttl_s: float | None = None, wait: bool = True) -> T:
        """Make it, and note the thread."""
        result = super().update(keys, change, ttl_s=ttl_s, wait=wait)
        self.made_in.append(threading.get_ident())
        return result


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Threads]:
    """A file that can be taken down."""
    with closing(Threads(tmp_path / "state.sqlite")) as made:
        yield made


async def test_changes_of_one_moment_are_one_update(store: Threads) -> None:
    """Each of them sees what the ones before it wrote; the event loop's own thread makes it."""
    batch = UpdateBatch(store)
    assert await asyncio.gather(*(batch.update([KEY], one_more, ttl_s=60) for _ in range(20))) == [*range(1, 21)]
    assert store.made_in == [threading.get_ident()]


async def test_a_change_that_nobody_waits_for_goes_with_the_next(store: Threads) -> None:
    """In its order."""
    batch = UpdateBatch(store)
    batch.put([KEY], one_more, ttl_s=60)
    assert await batch.update([KEY], one_more, ttl_s=60) == 2
    assert len(store.made_in) == 1
    await batch.close()
    assert len(store.made_in) == 1


async def test_a_change_that_nobody_waits_for_is_made_soon(store: Threads) -> None:
    """Also where nobody else comes."""
    made = asyncio.Event()

    def told(documents: Documents) -> tuple[Documents, Json]:
        made.set()
        return one_more(documents)

    UpdateBatch(store).put([KEY], told, ttl_s=60)
    async with asyncio.timeout(10):
        await made.wait()
    assert store.get([KEY]) == {KEY: 1}


async def test_what_waits_is_made_when_it_is_closed(store: Threads, tmp_path: Path) -> None:
    """In a thread where the file is locked."""
    batch = UpdateBatch(store)
    batch.put([KEY], one_more, ttl_s=60)
    await batch.close()
    assert store.get([KEY]) == {KEY: 1}
    with locked(tmp_path / "state.sqlite"):
        batch.put([KEY], one_more, ttl_s=60)
        closing_ = asyncio.ensure_future(batch.close())
        await asyncio.sleep(0.02)
        batch.put([KEY], one_more, ttl_s=60)
    await closing_
    assert store.get([KEY]) == {KEY: 3}


async def test_who_has_to_wait_waits_in_a_thread(store: Threads, tmp_path: Path) -> None:
    """The loop goes on, and whoever comes meanwhile goes with the next update."""
    batch = UpdateBatch(store)
    with locked(tmp_path / "state.sqlite"):
        first = asyncio.ensure_future(batch.update([KEY], one_more, ttl_s=60))
        await asyncio.sleep(0.01)
        others = [asyncio.ensure_future(batch.update([KEY], one_more, ttl_s=60)) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert not first.done()
    assert await asyncio.gather(first, *others) == [*range(1, 7)]
    assert len(store.made_in) == 2
    assert store.made_in[0] != threading.get_ident()


async def test_a_change_that_raises_is_its_own_callers_matter(store: Threads) -> None:
    """The others are made."""

    def wrong(_: Documents) -> tuple[Documents, Json]:
        raise KeyError("mine")

    def strange(_: Documents) -> tuple[Documents, Json]:
        return {"budget/other": 1}, None

    batch = UpdateBatch(store)
    results = await asyncio.gather(
        *(batch.update([KEY], change, ttl_s=60) for change in (one_more, wrong, one_more)), return_exceptions=True
    )
    assert (results[0], repr(results[1]), results[2]) == (1, "KeyError('mine')", 2)
    with pytest.raises(ValueError, match="not asked for"):  # a fault of ours, that holds nobody up
        await batch.update([KEY], strange, ttl_s=60)
    assert await batch.update([KEY], one_more, ttl_s=60) == 3


async def test_an_outage_is_told_to_all_that_wait(store: Threads) -> None:
    """And is over when it is over."""
    batch = UpdateBatch(store)
    store.is_down = True
    batch.put([KEY], one_more, ttl_s=60)
    results = await asyncio.gather(*(batch.update([KEY], one_more, ttl_s=60) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in results] == [StateDown] * 3
    store.is_down = False
    assert await batch.update([KEY], one_more, ttl_s=60) == 1


async def test_who_leaves_is_not_told(store: Threads) -> None:
    """Nobody else is held up by it."""
    batch = UpdateBatch(store)
    gone, stays = (asyncio.ensure_future(batch.update([KEY], one_more, ttl_s=60)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays in (1, 2)
    assert gone.cancelled()
