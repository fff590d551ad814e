"""The query string of a page -> its checked parameters, or one line on what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from routerctl.errors import InputError, nearest
from routerctl.routing.decision_log.places import since_moment
from routerctl.routing.decision_log.reader import Wanted

FILTERS = ("class", "candidate", "tenant", "outcome", "since")
_LEAST_S, _MOST_S = 2, 3600  # between two refreshes
_LONGEST = 200  # characters of a value


@dataclass(frozen=True, slots=True, kw_only=True)
class PageParams:
    """The query of a request, checked."""

    query: Mapping[str, str]  # only names that the page knows, only values that are not empty
    refresh_s: int | None = None  # None: the page stays as it is

    def with_query(self, **changes: str | None) -> str:
        """Give the query with some values replaced (None removes one): `?...`, or "" where nothing is left."""
        values = {name: value for name, value in {**self.query, **changes}.items() if value}
        return f"?{urlencode(values)}" if values else ""


def read_params(given: Iterable[tuple[str, str]], known: Iterable[str]) -> PageParams:
    """Read a query whose names are among those that a page knows, or `refresh`.

    Raises: InputError.
    """
    known, query = (*known, "refresh"), dict[str, str]()
    for name, value in given:
        if name not in known:
            raise InputError(f"this page has no parameter {name[:_LONGEST]!r}{nearest(name[:_LONGEST], known)}")
        if name in query:
            raise InputError(f"{name}: expected one value, got two")
        if len(value) > _LONGEST:
            raise InputError(f"{name}: expected at most {_LONGEST} characters, got {len(value):,}")
        if value.strip():
            query[name] = value.strip()
    return PageParams(query=query, refresh_s=_refresh_s(query.get("refresh")))


def _refresh_s(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and _LEAST_S <= int(text) <= _MOST_S):
        raise InputError(f"refresh: expected whole seconds from {_LEAST_S} to {_MOST_S}, got {text!r}")
    return int(text)


def wanted_of(params: PageParams, now: datetime) -> Wanted:
    """Give the decisions that a query chooses.

    Raises: InputError.
    """
    query = params.query
    since = query.get("since")
    wanted = Wanted(
        task_class=query.get("class"),
        tenant=query.get("tenant"),
        candidate=query.get("candidate"),
        outcome=query.get("outcome"),
        since=None if since is None else since_moment(since, now),
    )
    wanted.condition()
    return wanted
