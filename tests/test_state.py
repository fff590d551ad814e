"""Shared state: one contract, kept by SQLite and by Redis alike; opening, outages, and what is never printed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis as client
from redis.crc import key_slot

from routerctl.errors import InputError, StateDown
from routerctl.routing.state import STATE_FILE, Documents, StateStore, open_state
from routerctl.routing.state.redis import RedisStore
from routerctl.routing.state.sqlite import SqliteStore
from routerctl.types import Json
from tests.redis_server import free_port, running_redis

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of this module's own."""
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Where an empty state is: a path, or a URL."""
    if request.param == "sqlite":
        yield tmp_path / STATE_FILE
        return
    url: str = request.getfixturevalue("redis_url")
    yield url
    with client.Redis.from_url(url) as connection:
        connection.flushall()


@pytest.fixture
def store(place: Path | str) -> Iterator[StateStore]:
    """A store of either kind, empty."""
    made = SqliteStore(place) if isinstance(place, Path) else RedisStore(place, project="test")
    yield made
    made.close()


def put(store: StateStore, documents: Documents, ttl_s: float | None = None) -> None:
    """Write documents, whatever was there."""
    store.update(list(documents), lambda _: (documents, None), ttl_s=ttl_s)


def one_more(documents: Documents) -> tuple[Documents, int]:
    """Count up one document."""
    ((key, count),) = documents.items()
    return {key: (count or 0) + 1}, (count or 0) + 1


# --- the contract -----------------------------------------------------------------------------------------------------


def test_nothing_is_there_at_first(store: StateStore) -> None:
    """A key without a document is None, and a kind without keys is empty."""
    assert store.get(["budget/a", "budget/b"]) == {"budget/a": None, "budget/b": None}
    assert store.get([]) == store.scan("budget/") == {}


@pytest.mark.parametrize("value", [{}, [], 0, False, "", "ü\u2028\ud800", {"a": [1, 2.5, None, {"b": "c"}]}, 10**30])
def test_what_was_written_is_read(store: StateStore, value: Json) -> None:
    """Any JSON comes back as it was; only None means that there is none."""
    put(store, {"budget/a": value})
    assert store.get(["budget/a"]) == {"budget/a": value}


def test_keys_may_hold_anything_after_the_kind(store: StateStore) -> None:
    """Model ids, slashes, wildcards and other alphabets are names like any other."""
    names = ["health/a/b:c@d", "health/*", "health/[x]?", "health/日本", "health/{brace}", "health/ with space"]
    put(store, dict.fromkeys(names, 1))
    assert store.get(names) == dict.fromkeys(names, 1)
    assert sorted(store.scan("health/")) == sorted(names)
    assert list(store.scan("health/*")) == ["health/*"]


def test_a_change_sees_what_is_there_and_gives_a_result(store: StateStore) -> None:
    """Keys left out stay, None deletes, and the caller gets what the change computed."""
    put(store, {"budget/a": 1, "budget/b": 2, "budget/c": 3})

    def change(there: Documents) -> tuple[Documents, str]:
        before = there["budget/a"]
        assert isinstance(before, int)
        return {"budget/a": before + 10, "budget/b": None, "budget/new": "x"}, f"{there['budget/new']}"

    assert store.update(["budget/a", "budget/b", "budget/c", "budget/new"], change) == "None"
    assert store.scan("budget/") == {"budget/a": 11, "budget/c": 3, "budget/new": "x"}


def test_a_change_that_fails_writes_nothing(store: StateStore) -> None:
    """What it raises reaches the caller, and the next change goes on from what was there."""
    put(store, {"budget/a": 1})

    def change(_: Documents) -> tuple[Documents, None]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.update(["budget/a"], change)
    assert store.update(["budget/a"], one_more) == 2


def test_a_document_that_is_no_json_writes_nothing(store: StateStore) -> None:
    """All or nothing: a good document beside it is not written either."""
    with pytest.raises(TypeError):
        put(store, {"budget/a": 1, "budget/b": object()})
    assert store.scan("budget/") == {}


def test_a_change_may_write_only_what_it_asked_for(store: StateStore) -> None:
    """A key that was not read could not be written atomically."""
    with pytest.raises(ValueError, match="budget/b"):
        store.update(["budget/a"], lambda _: ({"budget/b": 1}, None))


@pytest.mark.parametrize("key", ["budget", "budget/", "/a", "Budget/a", "a b/c", "budget/\x00"])
def test_a_key_is_a_kind_and_a_name(store: StateStore, key: str) -> None:
    """Anything else is a mistake in the program, and said at once."""
    with pytest.raises(ValueError, match="kind/name"):
        store.get([key])


def test_a_scan_gives_its_prefix_alone(store: StateStore) -> None:
    """Other kinds, and names that begin otherwise, are not in it; a prefix without a kind is refused."""
    put(store, {"budget/eu/a": 1, "budget/eu/b": 2, "budget/us/a": 3, "budgets/eu": 4})
    assert store.scan("budget/eu/") == {"budget/eu/a": 1, "budget/eu/b": 2}
    assert len(store.scan("budget/")) == 3
    with pytest.raises(ValueError, match="prefix"):
        store.scan("budget")


def test_a_document_goes_when_its_time_is_over(store: StateStore) -> None:
    """From reads and scans alike; writing it again begins its time anew, without one it stays."""
    put(store, {"budget/brief": 1, "budget/renewed": 1, "budget/kept": 1}, ttl_s=0.3)
    put(store, {"budget/renewed": 2, "budget/kept": 2})
    put(store, {"budget/renewed": 3}, ttl_s=3600)
    _eventually(lambda: store.get(["budget/brief"]) == {"budget/brief": None})
    assert store.scan("budget/") == {"budget/kept": 2, "budget/renewed": 3}
    assert store.update(["budget/brief"], one_more) == 1


def test_threads_of_one_process_lose_no_change(store: StateStore) -> None:
    """Eight threads count up the same two documents, which stay equal throughout."""
    seen: list[bool] = []

    def both(there: Documents) -> tuple[Documents, None]:
        seen.append(there["budget/a"] == there["budget/b"])
        return {key: (count or 0) + 1 for key, count in there.items()}, None

    def work() -> None:
        for _ in range(25):
            store.update(["budget/a", "budget/b"], both)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.scan("budget/") == {"budget/a": 200, "budget/b": 200}
    assert all(seen)


COUNTING = """
import sys
from pathlib import Path
from routerctl.routing.state import open_state
place = sys.argv[1] if sys.argv[1].startswith("redis") else Path(sys.argv[1])
store = open_state(place, warn=lambda words: sys.exit(words), project="test")
print("ready", flush=True)
sys.stdin.readline()
for _ in range(150):
    store.update(["budget/a", "budget/b"], lambda there: ({key: (n or 0) + 1 for key, n in there.items()}, None))
"""


def test_processes_lose_no_change(place: Path | str, store: StateStore) -> None:
    """Four processes that start at once count up the same two documents."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTING, str(place)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.communicate("go\n", timeout=60)
    assert [worker.returncode for worker in workers] == [0, 0, 0, 0]
    assert store.scan("budget/") == {"budget/a": 600, "budget/b": 600}


def test_a_read_sees_no_half_of_a_change(place: Path | str, store: StateStore) -> None:
    """While one process writes two documents alike, another one never reads them unlike."""
    put(store, {"budget/a": 0, "budget/b": 0})
    worker = subprocess.Popen(
        [sys.executable, "-c", COUNTING, str(place)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    assert worker.stdin is not None
    worker.stdout.readline()
    worker.stdin.write("go\n")
    worker.stdin.flush()
    while worker.poll() is None:
        assert len(set(store.get(["budget/a", "budget/b"]).values())) == 1
    worker.communicate()
    assert store.get(["budget/a"]) == {"budget/a": 150}


# --- each kind's own --------------------------------------------------------------------------------------------------


def test_projects_on_one_server_do_not_see_each_other(redis_url: str) -> None:
    """The same key in two projects is two documents."""
    one, other = (RedisStore(redis_url, project=name) for name in ("one", "other"))
    put(one, {"budget/a": 1})
    assert other.get(["budget/a"]) == {"budget/a": None}
    assert other.scan("budget/") == {}
    one.close()
    other.close()


def test_all_keys_of_a_project_share_a_slot(redis_url: str) -> None:
    """A cluster refuses a script whose keys lie in several slots: the hash tag keeps them in one."""
    store = RedisStore(redis_url, project="tagged")
    put(store, {"budget/a": 1, "health/{x}/b": 2}, ttl_s=60)
    store.close()
    with client.Redis.from_url(redis_url) as connection:
        keys = [key for key in connection.keys("routerctl:*") if b"{tagged}" in key]
        slots = {key_slot(key) for key in keys}
    assert (len(keys), len(slots)) == (4, 1)


def test_a_server_forgets_the_names_of_documents_that_went(redis_url: str) -> None:
    """The index of a kind does not grow with what has expired."""
    store = RedisStore(redis_url, project="brief")
    for number in range(5):
        put(store, {f"budget/{number}": 1}, ttl_s=0.05)
    _eventually(lambda: store.scan("budget/") == {})
    put(store, {"budget/last": 1})
    store.close()
    with client.Redis.from_url(redis_url) as connection:
        assert connection.zcard("routerctl:{brief}:budget") == 1


def test_a_change_is_made_again_when_another_was_faster(redis_url: str) -> None:
    """It is given the new documents, and what it wrote on the old ones is nowhere."""
    mine, theirs = (RedisStore(redis_url, project="race") for _ in range(2))
    seen: list[Json] = []

    def change(there: Documents) -> tuple[Documents, None]:
        seen.append(there["budget/a"])
        if len(seen) == 1:
            put(theirs, {"budget/a": 10})
        return {"budget/a": (there["budget/a"] or 0) + 1}, None

    mine.update(["budget/a"], change)
    assert seen == [None, 10]
    assert theirs.get(["budget/a"]) == {"budget/a": 11}
    mine.close()
    theirs.close()


def test_a_document_that_never_stands_still_is_an_outage(redis_url: str) -> None:
    """The tries are bounded: who waits for an answer is told, not kept."""
    mine, theirs = (RedisStore(redis_url, project="flood", patience_s=patience_s) for patience_s in (0.3, 5))

    def change(there: Documents) -> tuple[Documents, None]:
        theirs.update(["budget/a"], one_more)
        return {"budget/a": -1}, None

    with pytest.raises(StateDown, match="too many others"):
        mine.update(["budget/a"], change)
    mine.close()
    theirs.close()


def test_a_turn_that_is_not_used_is_given_back(redis_url: str) -> None:
    """Too late, then nothing to write after all, or an error: the next writer does not wait for it."""
    mine, theirs = (RedisStore(redis_url, project="turns", patience_s=2.0) for _ in range(2))

    def give_up(there: Documents) -> tuple[Documents, None]:
        if there["budget/a"] == 4:
            raise ZeroDivisionError
        theirs.update(["budget/a"], one_more)
        return {"budget/a": 0}, None

    def nothing_to_do(there: Documents) -> tuple[Documents, None]:
        if there["budget/b"] == 4:
            return {}, None
        theirs.update(["budget/b"], one_more)
        return {"budget/b": 0}, None

    with pytest.raises(ZeroDivisionError):
        mine.update(["budget/a"], give_up)
    mine.update(["budget/b"], nothing_to_do)
    with client.Redis.from_url(redis_url) as connection:
        assert connection.keys("routerctl:{turns}:turn:*") == []
    assert theirs.scan("budget/") == {"budget/a": 4, "budget/b": 4}
    mine.close()
    theirs.close()


def test_a_file_that_is_locked_for_good_is_an_outage(tmp_path: Path) -> None:
    """Another process that sits on the write lock is waited for, but not for ever."""
    holder, store = (SqliteStore(tmp_path / "state.sqlite", patience_s=0.05) for _ in range(2))

    def change(_: Documents) -> tuple[Documents, None]:
        with pytest.raises(StateDown, match="locked"):
            store.update(["budget/a"], one_more)
        assert store.get(["budget/a"]) == {"budget/a": None}  # reading is not waiting
        return {}, None

    holder.update(["budget/a"], change)
    assert store.update(["budget/a"], one_more) == 1
    holder.close()
    store.close()


def test_an_expired_document_leaves_the_file(tmp_path: Path) -> None:
    """By the clock that was handed in, with the next write."""
    now = [1000.0]
    store = SqliteStore(tmp_path / "state.sqlite", clock=lambda: now[0])
    put(store, {"budget/a": 1}, ttl_s=10)
    now[0] = 1009.9
    assert store.get(["budget/a"]) == {"budget/a": 1}
    now[0] = 1010.0
    assert store.get(["budget/a"]) == {"budget/a": None}
    put(store, {"budget/b": 1})
    assert store._database.execute("SELECT key FROM documents").fetchall() == [("budget/b",)]
    store.close()


# --- opening, and outages ---------------------------------------------------------------------------------------------


def test_opening_opens_nothing_yet(tmp_path: Path) -> None:
    """A command that needs no state makes no file."""
    open_state(tmp_path / STATE_FILE, warn=pytest.fail).close()
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_an_outage_that_says_what_to_do(tmp_path: Path) -> None:
    """It is not overwritten: somebody may want to look at it."""
    path = tmp_path / "state.sqlite"
    path.write_text("this is no database, but a text that is long enough to be looked at as one" * 10)
    with pytest.raises(StateDown, match=r"state\.sqlite.*move it away"):
        open_state(path, warn=lambda _: None).get(["budget/a"])


@pytest.mark.parametrize("content", [b"no JSON", b'"\xff"'], ids=["no JSON", "no UTF-8"])
def test_a_damaged_document_is_an_outage(store: StateStore, place: Path | str, content: bytes) -> None:
    """Whatever was written over it: who reads it, alone or among others, hears of one error."""
    put(store, {"budget/a": 1})
    if isinstance(place, Path):
        with closing(sqlite3.connect(place)) as file, file:
            file.execute("UPDATE documents SET value = ?", (content,))
    else:
        with client.Redis.from_url(place) as connection:
            connection.set("routerctl:{test}:budget/a", content)
    for read in (lambda: store.get(["budget/a"]), lambda: store.scan("budget/")):
        with pytest.raises(StateDown):
            read()


def test_a_folder_that_cannot_be_made_is_an_outage(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "in the way").write_text("")
    with pytest.raises(StateDown, match="in the way"):
        open_state(tmp_path / "in the way" / "state.sqlite", warn=lambda _: None).get(["budget/a"])


def test_an_outage_is_said_once_and_left_alone_for_a_while(tmp_path: Path) -> None:
    """Each caller is told; the store is tried again only after a rest, and works when it is back."""
    port, now, said = free_port(), [0.0], list[str]()
    store = open_state(f"redis://127.0.0.1:{port}/0", warn=said.append, clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(StateDown, match=f"127.0.0.1:{port}"):
            store.get(["budget/a"])
    with running_redis(tmp_path, port=port):
        with pytest.raises(StateDown):
            store.get(["budget/a"])
        now[0] = 5.0
        assert store.update(["budget/a"], one_more) == 1
    with pytest.raises(StateDown):
        store.get(["budget/a"])
    assert len(said) == 2
    store.close()


def test_a_password_is_printed_nowhere(tmp_path: Path) -> None:
    """Neither of a server that refuses it, nor of one that is not there, nor of a URL that is none."""
    secret = "s3cr3t%24word"  # noqa: S105 - made up, to be looked for
    said: list[str] = []
    with running_redis(tmp_path, password="another") as url:  # noqa: S106 - made up
        wrong = open_state(url.replace("another", secret), warn=said.append)
        with pytest.raises(StateDown) as refused:
            wrong.get(["budget/a"])
        right = open_state(url, warn=said.append)
        assert right.get(["budget/a"]) == {"budget/a": None}
        right.close()
    with pytest.raises(StateDown) as gone:
        open_state(f"redis://user:{secret}@127.0.0.1:{free_port()}/0", warn=said.append).get(["budget/a"])
    with pytest.raises(InputError) as none:
        open_state(f"rediss//user:{secret}@host", warn=said.append)
    for words in (*said, str(refused.value), str(gone.value), str(none.value), repr(refused.value.__context__)):
        assert "s3cr3t" not in words
    assert len(said) == 2


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://host:port/0",
        "redis:x",
        "redis://host/zero",
        "redis://host/0/1",
        "redis://host/0?foo=bar",
        "rediss://host/0?password=hunter2",
        "redis://host?db=1",
        "unix:///run/redis.sock?password=hunter2",
        "unix:///run/redis.sock?db=x",
    ],
)
def test_a_url_that_is_none_is_the_users_error(url: str) -> None:
    """It is refused before anything is asked, with the shape that is wanted."""
    with pytest.raises(InputError, match="redis://HOST") as caught:
        open_state(url, warn=pytest.fail)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://host", "rediss://:p%40ss@host:1/15", "redis://host/", "unix:///r.sock?db=2"])
def test_a_url_that_is_one_is_taken(url: str) -> None:
    """Nothing is opened yet."""
    open_state(url, warn=pytest.fail).close()


def _eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    for _ in range(400):
        if holds():
            return
        time.sleep(0.025)
    pytest.fail("it never came about")
