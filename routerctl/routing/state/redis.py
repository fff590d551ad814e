"""Shared state on a Redis server (5 or newer): for replicas on several machines.

A change is optimistic: read, compute, and write by a script that first compares every document with what was read
(https://redis.io/docs/latest/develop/programmability/eval-intro/: scripts run alone). All keys of a project carry its
name as hash tag, so a cluster keeps them in one slot. Beside the documents stands one sorted set a kind, of its keys by
the moment they expire: a scan costs what the kind holds, not what the server holds. The only file that imports `redis`.
"""

from __future__ import annotations

import json
import random
import re
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from routerctl.errors import InputError, StateDown
from routerctl.routing.state.base import Change, T, WouldWait, changed, checked_keys, kind_of
from routerctl.types import Json

# A server that does not answer in this time is an outage: no answer of a model may wait for it. Nearby, it takes 1 ms.
_ANSWER_S = 1.0
_PATIENCE_S = 5.0  # how long others may be faster
# Whoever was too late so often has the next turn: meanwhile nobody else writes these documents. Without turns the
# winners, who are back at once, would starve the losers (measured: of eight processes that did nothing but write one
# document, five gave up after 60 tries).
_LOST = 3
_TURN_MS = 250  # a turn takes 2 ms; this is for a process that dies in it
_NAP_S = 0.004  # at most, between two tries

# The client would take any word of a query for an argument of its own, and a database that is no number for 0.
_DATABASE, _SOCKET_DATABASE = re.compile(r"(/[0-9]*)?\Z"), re.compile(r"(db=[0-9]+)?\Z")

# KEYS: the documents asked for, the index of each, the turn of each. ARGV: ttl in ms or "", who asks, a turn in ms or
# "" for no claim to one, then for each document "=text" or "" (what was read), then for each "=text" (write), "-"
# (delete) or "" (leave). Gives nothing where it wrote; else "ours" where the next turn is, and what is there now in the
# same writing.
_SWAP = """
local n = #KEYS / 3
local now, moved, held, there = redis.call('TIME'), false, false, {''}
for i = 1, n do
  local text, turn = redis.call('GET', KEYS[i]), redis.call('GET', KEYS[2 * n + i])
  there[1 + i] = text and ('=' .. text) or ''
  moved = moved or there[1 + i] ~= ARGV[3 + i]
  held = held or (turn and turn ~= ARGV[2])
end
if moved or held then
  if not held and ARGV[3] ~= '' then
    there[1] = 'ours'
    for i = 1, n do redis.call('SET', KEYS[2 * n + i], ARGV[2], 'PX', ARGV[3]) end
  end
  return there
end
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
for i = 1, n do
  local order, index = ARGV[3 + n + i], KEYS[n + i]
  if order == '-' then
    redis.call('DEL', KEYS[i])
    redis.call('ZREM', index, KEYS[i])
  elseif order ~= '' then
    if ARGV[1] == '' then
      redis.call('SET', KEYS[i], string.sub(order, 2))
      redis.call('ZADD', index, '+inf', KEYS[i])
    else
      redis.call('SET', KEYS[i], string.sub(order, 2), 'PX', ARGV[1])
      redis.call('ZADD', index, ms + ARGV[1], KEYS[i])
    end
    redis.call('ZREMRANGEBYSCORE', index, '-inf', ms - 1)
  end
  redis.call('DEL', KEYS[2 * n + i])
end
return {}
"""


def checked_redis_url(url: str) -> str:
    """Return a redis:// or rediss:// URL; raises InputError, which does not show it: it may hold a password."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "unix":
            whole = bool(_SOCKET_DATABASE.match(parts.query))
        else:
            whole = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and not parts.query
            whole = whole and bool(_DATABASE.match(parts.path))
        redis.connection.parse_url(url)  # type: ignore[no-untyped-call]  # for what it cannot read
    except ValueError:
        whole = False
    if not whole:
        raise InputError(
            "expected redis://HOST:PORT/NUMBER (or rediss://..., or unix:///PATH?db=NUMBER) for the shared state, a "
            "password before the host, and no options"
        )
    return url


class RedisStore:
    """Documents of one project on one server."""

    def __init__(self, url: str, *, project: str, answer_s: float = _ANSWER_S, patience_s: float = _PATIENCE_S) -> None:
        """Connect to nothing yet.

        `project`: whose documents they are; `answer_s`: longest wait for the server; `patience_s`: for other writers.
        """
        self._patience_s, self._me = patience_s, secrets.token_hex(8)
        self._prefix = f"routerctl:{{{quote(project)}}}:"  # a brace in a name would end the hash tag
        self._shown = _shown(url)
        self._secrets = _secrets(url)
        self._lock = threading.Lock()  # threads of one process take turns instead of racing
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=answer_s,
            socket_connect_timeout=answer_s,
            # A connection that the server closed is opened again; a script that ran before the answer was lost is found
            # out by the next comparison, which is why nothing is sent twice blindly here.
            retry=Retry(NoBackoff(), 0),
            health_check_interval=30,
            decode_responses=False,
            protocol=2,
        )
        self._swap = self._client.register_script(_SWAP)

    def get(self, keys: Sequence[str]) -> dict[str, Json | None]:
        """Give the documents as they stood at one moment; raises StateDown."""
        asked = checked_keys(keys)
        with self._using():
            return _decoded(asked, self._texts(asked))

    def update(self, keys: Sequence[str], change: Change[T], *, ttl_s: float | None = None, wait: bool = True) -> T:
        """Change documents, all or nothing; raises StateDown, and WouldWait: a server is always waited for."""
        if not wait:
            raise WouldWait
        asked = checked_keys(keys)
        with self._using(), self._lock:
            texts, ours, given_up_at = self._texts(asked), False, time.monotonic() + self._patience_s
            tries = 0
            try:
                while True:
                    before = _decoded(asked, texts)
                    after, result = change(before)
                    orders = changed(asked, before, after)
                    moved = self._try(asked, texts, orders, ttl_s, claim=tries >= _LOST) if orders else None
                    if moved is None:
                        ours = ours and not orders  # who writes gives the turn back
                        return result
                    tries += 1
                    ours, texts = moved[0] == b"ours", moved[1:]
                    if time.monotonic() > given_up_at:
                        break
                    if not ours:
                        time.sleep(random.uniform(0, _NAP_S))  # noqa: S311 - jitter
            finally:
                if ours:  # nothing was written: the next one need not wait for it
                    self._client.delete(*(self._turn(key) for key in asked))
        raise StateDown(f"{self._shown}: {', '.join(asked)}: too many others are writing it")

    def scan(self, prefix: str) -> dict[str, Json]:
        """Give the documents whose key starts with `prefix`; raises StateDown."""
        index = self._index(kind_of(prefix))
        with self._using():
            listed: Any = self._client.zrange(index, 0, -1)
            names: list[str] = [name.decode() for name in listed]
            found = sorted(key for name in names if (key := name.removeprefix(self._prefix)).startswith(prefix))
            documents = _decoded(found, self._texts(found)) if found else {}
        return {key: document for key, document in documents.items() if document is not None}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _texts(self, keys: Sequence[str]) -> list[bytes]:
        """What is there, each as the script writes it."""
        texts: Any = self._client.mget([self._prefix + key for key in keys]) if keys else []
        return [b"" if text is None else b"=" + text for text in texts]

    def _try(
        self,
        keys: Sequence[str],
        texts: Sequence[bytes],
        orders: dict[str, Json | None],
        ttl_s: float | None,
        *,
        claim: bool,
    ) -> list[bytes] | None:
        """Write if nothing has moved since it was read; else give whether the next turn is ours, and what is there."""
        places = [f(key) for f in (self._name, lambda key: self._index(kind_of(key)), self._turn) for key in keys]
        ttl_ms = "" if ttl_s is None else str(max(1, round(ttl_s * 1000)))
        turn_ms = str(_TURN_MS) if claim else ""
        given: list[str | bytes] = [ttl_ms, self._me, turn_ms, *texts, *(_order(orders, key) for key in keys)]
        return list(self._swap(keys=places, args=given)) or None

    def _name(self, key: str) -> str:
        return self._prefix + key

    def _turn(self, key: str) -> str:
        return f"{self._prefix}turn:{key}"

    def _index(self, kind: str) -> str:
        return f"{self._prefix}{kind}"

    @contextmanager
    def _using(self) -> Iterator[None]:
        try:
            yield
        except (redis.RedisError, OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
            words = " ".join(str(error).split())
            for secret in self._secrets:
                words = words.replace(secret, "[password]")
            raise StateDown(f"{self._shown}: {words or type(error).__name__}") from None


def _decoded(keys: Sequence[str], texts: Sequence[bytes]) -> dict[str, Json | None]:
    return {key: json.loads(text[1:]) if text else None for key, text in zip(keys, texts, strict=True)}


def _order(orders: dict[str, Json | None], key: str) -> str:
    if key not in orders:
        return ""
    value = orders[key]
    return "-" if value is None else "=" + json.dumps(value, separators=(",", ":"))


def _shown(url: str) -> str:
    """Write a URL without what may be secret in it."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def _secrets(url: str) -> tuple[str, ...]:
    """What of a URL must not be printed: as it stands there, and as it is meant."""
    password = urlsplit(url).password
    return tuple(sorted({password, unquote(password)}, key=len, reverse=True)) if password else ()
