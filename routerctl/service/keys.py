"""The secret that a client sends -> its API key: for which tenant, classes and models, and with which limits.

The shared state keeps a key under the digest of its secret, so all workers and replicas know the same keys, and none
of them knows a secret. A process answers from memory and reloads the keys every two seconds: a new key is looked up at
its first use, a revoked one is refused within that time. While the state is down, the keys last read stay in use.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

from routerctl.errors import StateDown
from routerctl.notices import warn_once
from routerctl.routing.state import StateStore
from routerctl.types import Candidate, Json

KEYS = "keys/"  # how the names of their documents in the shared state begin
REFRESH_S = 2.0
_PREFIX = "rk_"
_MOMENTS = ("created_at", "expires_at", "revoked_at")
_LISTS = ("classes", "models")
# Lookups of unknown keys between two reloads: guessing keys costs the shared state no more than that.
_MOST_LOOKED_UP = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What an API key allows; only its owner knows the secret."""

    id: str
    name: str
    created_at: datetime
    tenant: str | None = None  # None: any tenant
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    classes: tuple[str, ...] = ()  # task classes that may be asked for; () = all
    models: tuple[str, ...] = ()  # candidates or pinned model ids that may serve; () = all
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def problem(self, task_class: str, candidate: Candidate) -> str:
        """Say what of a class or a candidate it does not allow; "" where it allows both."""
        if self.classes and task_class not in self.classes:
            whose = "the class" if len(self.classes) == 1 else "the classes"
            asked = f"is of {task_class!r}" if task_class else "names a model and none (x-routerctl-class)"
            return f"the API key is for {whose} {', '.join(self.classes)}: this request {asked}"
        if self.models and not {candidate.name, candidate.model} & set(self.models):
            return f"the API key is not for the model {candidate.name!r}"
        return ""

    @property
    def has_limits(self) -> bool:
        """Whether its requests have to be counted."""
        return (self.requests_per_minute, self.tokens_per_minute, self.concurrency) != (None, None, None)


def new_secret() -> str:
    """Create a secret of 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Give the digest under which a key is stored.

    Slow digests are for passwords, which people choose and others can guess. Among 2^256 secrets there is nothing to
    guess, however fast each attempt is; this digest costs a request a microsecond. Nor does the time of a lookup leak
    anything: without knowing the secret, nobody can choose how its digest begins.
    """
    return f"sha256:{sha256(secret.encode(errors='surrogatepass')).hexdigest()}"


def document_of(key: Key) -> dict[str, Json]:
    """Give a key as the shared state stores it."""
    written = asdict(key)
    moments = {name: written[name] and written[name].isoformat() for name in _MOMENTS}
    return written | moments | {name: list(written[name]) for name in _LISTS}


def key_of_document(document: Json) -> Key:
    """Read a key; raises ValueError or TypeError where it is none, or has a restriction unknown to this version."""
    moments = {name: datetime.fromisoformat(text) for name in _MOMENTS if (text := document.get(name))}
    return Key(**{**document, **moments, **{name: tuple(document.get(name, ())) for name in _LISTS}})


def keys_in(documents: Mapping[str, Json]) -> dict[str, Key]:
    """Give the keys in documents, by document name; one that cannot be read is left out, with a warning."""
    keys = {}
    for name, document in documents.items():
        try:
            keys[name] = key_of_document(document)
        except (ValueError, TypeError, AttributeError) as error:  # from a newer version, for example
            warn_once(f"an API key cannot be read and is refused ({name[: len(KEYS) + 15]}...): {error}")
    return keys


def revoked(key: Key, now: datetime) -> Key:
    """Give a key as it is once it is revoked."""
    return replace(key, revoked_at=now)


def has_keys(store: StateStore) -> bool:
    """Tell whether there is any key, even a revoked one; raises StateDown."""
    return bool(store.scan(KEYS))


def _wall() -> datetime:
    return datetime.now(UTC)


class KeyRing:
    """The keys of a project as one process knows them; belongs to one event loop."""

    def __init__(
        self,
        store: StateStore,
        *,
        now: Callable[[], datetime] = _wall,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store, self._now, self._sleep = store, now, sleep
        self._keys: dict[str, Key] | None = None  # by document name; None: not read yet
        self._looked_up: dict[str, asyncio.Task[Key | None]] = {}  # lookups since the last reload, by document name
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Load the keys and keep reloading them; while the state is down, keep trying."""
        await self.refresh()
        self._reading = asyncio.ensure_future(self._keep_up())

    async def close(self) -> None:
        """Stop reloading them."""
        if self._reading:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    @property
    def has_keys(self) -> bool:
        """Whether there is any key; True as long as that is not known."""
        return self._keys is None or bool(self._keys)

    async def find(self, secret: str) -> Key | None:
        """Give the key of a secret; None for one that is unknown, revoked or expired.

        Raises: StateDown where it is not among the keys last read and cannot be looked up.
        """
        if not secret.startswith(_PREFIX):
            return None
        name = KEYS + digest_of(secret)
        key = (self._keys or {}).get(name) or await self._look_up(name)
        return key if key and key.is_live(self._now()) else None

    async def refresh(self) -> None:
        """Reload all keys; while the state is down, which it reports itself, the known ones stay."""
        with suppress(StateDown):
            self._keys, self._looked_up = keys_in(await asyncio.to_thread(self._store.scan, KEYS)), {}

    async def _keep_up(self) -> None:
        while True:
            await self._sleep(REFRESH_S)
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - if this ended, a revoked key would stay valid for ever
                warn_once(f"the API keys could not be reloaded; those read last stay in use: {type(error).__name__}")

    async def _look_up(self, name: str) -> Key | None:
        """Look an unknown key up in the state, once between two reloads."""
        if name not in self._looked_up:
            if len(self._looked_up) >= _MOST_LOOKED_UP:
                return None
            self._looked_up[name] = asyncio.ensure_future(self._fetch(name))
        return await asyncio.shield(self._looked_up[name])  # several requests may wait for it

    async def _fetch(self, name: str) -> Key | None:
        found = await asyncio.to_thread(self._store.get, [name])
        return keys_in({name: found[name]}).get(name) if found[name] is not None else None
