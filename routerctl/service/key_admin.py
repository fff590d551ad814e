"""Creates, lists and revokes API keys in the project's shared state; this is what `routerctl keys` does.

A key is checked against the table that will serve it, so that an unknown class, model or tenant is found now and not by
the first request. A running service sees a change within seconds.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from routerctl.errors import InputError, nearest
from routerctl.routing.state import StateStore
from routerctl.routing.tenants import state_of, stranger, table_of, tenant_of
from routerctl.service.keys import KEYS, Key, digest_of, document_of, keys_in, new_secret, revoked
from routerctl.table import load_table
from routerctl.types import Table

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_ID = "key_"  # no name begins with it, so an id is never another key's name
_IN = re.compile(r"([1-9][0-9]{0,5})([hdw])\Z")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOptions:
    """What a key is created with; as the fields of `Key`."""

    name: str
    tenant: str | None = None
    expires: str | None = None  # as `expiry` reads it
    classes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None


def create(path: Path, options: KeyOptions, now: datetime) -> tuple[Key, str]:
    """Create a key in the state of a table's project; give it with its secret, which is stored nowhere.

    Raises: InputError for a name, tenant, class, model or expiry that is not valid; StateDown.
    """
    table = load_table(path)
    _check(table, path.absolute().parent, options)
    key = Key(
        id=_ID + secrets.token_hex(4),
        name=options.name,
        created_at=now,
        tenant=options.tenant,
        expires_at=None if options.expires is None else expiry(options.expires, now),
        classes=options.classes,
        models=options.models,
        requests_per_minute=options.requests_per_minute,
        tokens_per_minute=options.tokens_per_minute,
        concurrency=options.concurrency,
    )
    secret = new_secret()
    with _state(path, table) as store:
        if any(one.name == key.name and one.is_live(now) for one in _all(store).values()):
            raise InputError(
                f"there is already a key {key.name!r}; revoke it first, or choose another name, such as {key.name}-2"
            )
        _write(store, KEYS + digest_of(secret), key)
    return key, secret


def list_keys(path: Path) -> list[Key]:
    """Give all keys of a table's project, oldest first; raises InputError and StateDown."""
    with _state(path, load_table(path)) as store:
        return sorted(_all(store).values(), key=lambda one: (one.created_at, one.id))


def revoke(path: Path, which: str, now: datetime) -> Key:
    """Revoke a key, given its id or name.

    Raises: InputError where there is none, or it is already revoked or expired; StateDown.
    """
    with _state(path, load_table(path)) as store:
        found = _all(store)
        document, key = _which(found, which, now)
        ended = revoked(key, now)
        _write(store, document, ended)
    return ended


def expiry(text: str, now: datetime) -> datetime:
    """Read when a key expires: in so many hours, days or weeks, or at the end of a day (UTC).

    Raises: InputError.
    """
    moment = _moment(text, now)
    if moment is None:
        raise InputError(f"--expires: expected 12h, 90d, 4w or a last day like 2027-01-31, got {text!r}")
    if moment <= now:
        raise InputError(f"--expires: {text} is in the past")
    return moment


def _moment(text: str, now: datetime) -> datetime | None:
    ahead = _IN.match(text)
    with suppress(ValueError, OverflowError):  # no such day
        if ahead:
            return now + int(ahead[1]) * _UNITS[ahead[2]]
        if _DAY.match(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
    return None


def _check(table: Table, root: Path, options: KeyOptions) -> None:
    """Check that a key can be used as intended; raises InputError."""
    if not _NAME.match(options.name) or options.name.startswith(_ID):
        raise InputError(
            f"a key's name is up to 64 letters, digits, '.', '_' and '-', and does not begin with {_ID!r}; got "
            f"{options.name!r}"
        )
    problem = stranger(table, options.tenant)
    if problem:
        raise InputError(f"--tenant: {problem}")
    served_by = table_of(table, root, tenant_of(table, options.tenant))
    _check_known("--class", "class", options.classes, served_by.routes)
    models = {one.model for one in served_by.candidates.values()}
    _check_known("--model", "candidate or pinned model id", options.models, {*served_by.candidates, *models})


def _check_known(option: str, what: str, names: Sequence[str], known: Iterable[str]) -> None:
    known = set(known)
    for name in names:
        if name not in known:
            raise InputError(f"{option}: no {what} {name!r}{nearest(name, known)}")


def _which(found: dict[str, Key], which: str, now: datetime) -> tuple[str, Key]:
    """Find a key by id or name, with the name of its document."""
    meant = {name: one for name, one in found.items() if which in (one.id, one.name)}
    live = {name: one for name, one in meant.items() if one.is_live(now)}
    if len(live) > 1:  # created at the same moment, by two people
        ids = ", ".join(sorted(one.id for one in live.values()))
        raise InputError(f"several keys are named {which!r}; give an id instead: {ids}")
    if live:
        return next(iter(live.items()))
    if meant:
        last = max(meant.values(), key=lambda one: one.created_at)
        raise InputError(f"the key {which!r} is already {'revoked' if last.revoked_at else 'expired'}")
    names = {name for one in found.values() if one.is_live(now) for name in (one.id, one.name)}
    raise InputError(f"no key {which!r}{nearest(which, names) or '; there are no keys'}")


@contextmanager
def _state(path: Path, table: Table) -> Iterator[StateStore]:
    store = state_of(table, path.absolute().parent, None)
    try:
        yield store
    finally:
        store.close()


def _all(store: StateStore) -> dict[str, Key]:
    return keys_in(store.scan(KEYS))


def _write(store: StateStore, document: str, key: Key) -> None:
    store.update([document], lambda _found: ({document: document_of(key)}, None))
