"""What shared state is: JSON documents by key, and one atomic operation over several of them.

Everything that processes of a project share (the health of places, budgets, experiments) is a pure function from
documents to documents, handed to `StateStore.update`. So what it means is written and tested once, whatever keeps it.

A key is `kind/name`, say `health/anthropic/claude-haiku-5-5`; a kind is what can be scanned. What a document means is
not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from routerctl.types import Json

T = TypeVar("T")
Documents = Mapping[str, Json | None]  # key -> document, which is not to be changed in place; None: there is none
Change = Callable[[Documents], tuple[Documents, T]]  # what is there -> (what to write; None deletes, result)

_KEY = re.compile(r"[a-z]+/[^\x00]+\Z")
_PREFIX = re.compile(r"([a-z]+)/[^\x00]*\Z")


class WouldWait(Exception):
    """An update that would have to wait for another process, a disk or a server; nothing was written."""


class StateStore(Protocol):
    """Documents that all processes of a project see alike; may be used by several threads.

    Every method raises `StateDown` where the store cannot be used; what was to be written is then not written, except
    where the connection broke after it was sent: nobody can know then, and who cannot bear it writes so that doing it
    twice does no harm.
    """

    def get(self, keys: Sequence[str]) -> dict[str, Json | None]:
        """Give the documents as they stood at one moment; None for a key without one."""

    def update(self, keys: Sequence[str], change: Change[T], *, ttl_s: float | None = None, wait: bool = True) -> T:
        """Read documents, change them, and write all of what changed or nothing.

        `change` gets what `get` would give, may be called more than once and must have no other effect. It returns
        what to write, by key (a key left out stays as it is), and the result. What it raises is passed on and nothing
        is written. `ttl_s`: a document written here is gone after so many seconds without being written again; None:
        it stays. `wait` False: raises WouldWait where it would not be made within a fraction of a millisecond.
        """

    def scan(self, prefix: str) -> dict[str, Json]:
        """Give the documents whose key starts with `prefix`, which names a kind at least: `health/`."""

    def close(self) -> None:
        """Give back files and connections."""


def checked_keys(keys: Sequence[str]) -> list[str]:
    """Give each key once; raises ValueError for what is no `kind/name`."""
    for key in keys:
        if not _KEY.match(key):
            raise ValueError(f"a key of the shared state is 'kind/name', got {key!r}")
    return list(dict.fromkeys(keys))


def kind_of(prefix: str) -> str:
    """Give the kind that a key or a prefix belongs to; raises ValueError for a prefix without one."""
    found = _PREFIX.match(prefix)
    if not found:
        raise ValueError(f"a prefix names a kind at least: 'kind/', got {prefix!r}")
    return found[1]


def changed(keys: Sequence[str], before: Documents, after: Documents) -> dict[str, Json | None]:
    """Give the documents that really change; raises ValueError where one was not asked for."""
    strange = sorted(set(after) - set(keys))
    if strange:
        raise ValueError(f"a change may write the keys it asked for; not asked for: {', '.join(strange)}")
    return {key: value for key, value in after.items() if value != before[key]}
