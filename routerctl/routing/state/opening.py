"""A path or a URL -> the store behind it, opened when it is first needed, again after an outage.

A store that is down is left alone for a while, so that who asks it for every call is told at once instead of waiting
for the same time limit again and again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from routerctl.errors import InputError, StateDown
from routerctl.routing.state.base import Change, StateStore, T, WouldWait
from routerctl.types import Json

STATE_FILE = ".routerctl/state.sqlite"
REST_S = 5.0  # how long a store that was down is left alone


def open_state(
    place: Path | str,
    *,
    warn: Callable[[str], None],
    project: str = "default",
    clock: Callable[[], float] = time.monotonic,
) -> StateStore:
    """Give the store at a path or a redis:// URL; nothing is opened yet.

    `warn` is told once an outage that the store cannot be used, and why; the URL's password is not in it. `project`:
    the name under which all processes of a project share a server. `clock`: monotonic seconds.
    Raises: InputError for a URL that is none, or where the client is not installed.
    """
    if isinstance(place, Path):
        return PatientStore(_sqlite(place), warn, clock=clock)
    if find_spec("redis") is None:
        raise InputError("shared state on a Redis server needs its client: pip install 'routerctl[redis]'")
    from routerctl.routing.state.redis import checked_redis_url

    return PatientStore(_redis(checked_redis_url(place), project), warn, clock=clock)


def _sqlite(path: Path) -> Callable[[], StateStore]:
    def opened() -> StateStore:
        from routerctl.routing.state.sqlite import SqliteStore

        return SqliteStore(path)

    return opened


def _redis(url: str, project: str) -> Callable[[], StateStore]:
    def opened() -> StateStore:
        from routerctl.routing.state.redis import RedisStore

        return RedisStore(url, project=project)

    return opened


class PatientStore:
    """A store that opens itself when it is needed, and fails at once while an outage is fresh."""

    def __init__(
        self, opener: Callable[[], StateStore], warn: Callable[[str], None], *, clock: Callable[[], float]
    ) -> None:
        self._opener, self._warn, self._clock = opener, warn, clock
        self._lock = threading.Lock()
        self._store: StateStore | None = None
        self._problem: StateDown | None = None  # of the outage that is on; None: all is well
        self._try_at = 0.0  # on `clock`
        self._closed = False

    def get(self, keys: Sequence[str]) -> dict[str, Json | None]:
        """Give the documents as they stood at one moment; raises StateDown."""
        return self._use(lambda store: store.get(keys))

    def update(self, keys: Sequence[str], change: Change[T], *, ttl_s: float | None = None, wait: bool = True) -> T:
        """Change documents, all or nothing; raises StateDown, and WouldWait also where it is yet to be opened."""
        if not wait and self._store is None:
            raise WouldWait
        return self._use(lambda store: store.update(keys, change, ttl_s=ttl_s, wait=wait))

    def scan(self, prefix: str) -> dict[str, Json]:
        """Give the documents whose key starts with `prefix`; raises StateDown."""
        return self._use(lambda store: store.scan(prefix))

    def close(self) -> None:
        """Close what was opened; used again, it is down."""
        with self._lock:
            store, self._store, self._closed = self._store, None, True
        if store:
            store.close()

    def _use(self, action: Callable[[StateStore], T]) -> T:
        try:
            result = action(self._opened())
        except StateDown as problem:
            self._rest(problem)
            raise
        self._problem = None
        return result

    def _opened(self) -> StateStore:
        with self._lock:
            if self._closed:
                raise StateDown("the shared state is closed")
            if self._problem and self._clock() < self._try_at:
                raise self._problem
            if self._store is None:
                self._store = self._opener()
            return self._store

    def _rest(self, problem: StateDown) -> None:
        """Note an outage; it is said once, however often it is met."""
        with self._lock:
            fresh = self._problem is None and not self._closed
            if self._problem is not problem:
                self._problem, self._try_at = problem, self._clock() + REST_S
        if fresh:
            self._warn(f"the shared state cannot be used: {problem}")
