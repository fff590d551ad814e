"""A request's key -> whether it is admitted: authentication, what the key allows, its limits, the service's capacity.

Without keys the service only listens to its own machine and serves whoever connects. A web page open in a browser there
must not be able to use it, so a request has to name this machine as its host and be JSON.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from routerctl.routing.tenants import States
from routerctl.service.keys import Key, KeyRing
from routerctl.service.limits import Limits, Permit
from routerctl.service.problems import Refused
from routerctl.service.request import ClientRequest, Headers
from routerctl.service.worker import Worker

# By its type alone: `text/plain; x=json` is plain text, which any page may send.
_IS_JSON = re.compile(rb"\s*application/(?:[\w.-]+\+)?json\s*(?:;|\Z)", re.IGNORECASE)
_HERE = ("localhost", "127.0.0.1", "[::1]", "::1")


class Admission:
    """Decides which requests are served."""

    def __init__(self, worker: Worker, *, needs_key: bool) -> None:
        """`needs_key`: also while there is no key yet."""
        self._worker, self._needs_key = worker, needs_key
        self._key_ring: KeyRing | None = None
        self._limits: Limits | None = None
        self._states: States | None = None

    async def open(self) -> None:
        """Read the keys."""
        # Its own: a router's is closed with it when a new table takes its place.
        self._states = States(self._worker.table, self._worker.root, self._worker.env)
        store = self._states.of(None)
        self._key_ring = KeyRing(store)
        await self._key_ring.open()
        self._limits = Limits(store, when_down=self._worker.table.routing.serve.limits_when_down)

    async def close(self) -> None:
        """Stop reloading the keys."""
        if self._key_ring and self._limits:
            await self._key_ring.close()
            await self._limits.close()
        if self._states:
            self._states.close()

    @property
    def requires_key(self) -> bool:
        """Whether every request needs a key."""
        return self._needs_key or (self._key_ring is not None and self._key_ring.has_keys)

    async def authenticate(self, headers: Headers, scope: Mapping[str, Any], *, by_browser: bool = False) -> Key | None:
        """Give the key of a request; None where none is needed. Raises Refused; StateDown.

        `by_browser`: it may also be sent as a password. Never for requests to a model: a browser adds the password to
        requests that other sites make it send.
        """
        worker = self._worker
        if worker.is_draining:
            raise Refused(503, "the service is shutting down", code="draining", retry_after_s=1.0)
        most = worker.table.routing.serve.max_in_flight
        if worker.in_flight > most:
            problem = f"{most} requests are already being served (routing.serve.max_in_flight)"
            raise Refused(503, problem, code="overloaded", retry_after_s=1.0)
        if not self.requires_key:
            _check_local(headers, scope)
            return None
        secret = secret_of(headers) or (_password_of(headers) if by_browser else "")
        if not secret:
            problem = "missing API key: send it as `Authorization: Bearer ...` or `x-api-key`"
            raise Refused(401, problem, code="invalid_api_key")
        key = await self._key_ring.find(secret) if self._key_ring else None
        if key is None:
            raise Refused(401, "the API key is unknown, revoked or expired", code="invalid_api_key")
        return key

    def authorize(self, key: Key | None, request: ClientRequest) -> ClientRequest:
        """Give a request with its key's tenant; raises Refused for what the key does not allow."""
        if key is None:
            return request
        inquiry = request.inquiry
        if key.tenant is not None:
            if inquiry.tenant not in (None, key.tenant):
                raise Refused(403, f"this API key does not allow the tenant {inquiry.tenant!r}", code="not_allowed")
            inquiry = replace(inquiry, tenant=key.tenant)
        return replace(request, inquiry=inquiry, key=key)

    async def admit(self, key: Key | None, request: ClientRequest) -> Permit | None:
        """Count a request against the limits of its key; raises Limited."""
        if key is None or self._limits is None:
            return None
        return await self._limits.acquire(key, request.estimated_tokens)


def secret_of(headers: Headers) -> str:
    """Give the key that a request carries, as either vendor's clients send it; "" where it has none."""
    bearer = headers.get(b"authorization", b"")
    found = bearer[7:] if bearer[:7].lower() == b"bearer " else headers.get(b"x-api-key", b"")
    return found.decode("latin-1").strip()


def _password_of(headers: Headers) -> str:
    """Give the key that a person typed as a password, whatever the name (RFC 7617); "" where there is none."""
    scheme, _, told = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return ""
    try:
        return b64decode(told, validate=True).partition(b":")[2].decode()
    except ValueError:
        return ""


def _check_local(headers: Headers, scope: Mapping[str, Any]) -> None:
    """Refuse what a web page could send: it can set neither this content type nor the host; raises Refused."""
    host = headers.get(b"host", b"").decode("latin-1")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name.lower() not in _HERE:
        problem = f"without API keys only requests to localhost are served, and this one is for the host {host!r}"
        raise Refused(403, f"{problem}; create a key with `routerctl keys create`", code="not_allowed")
    if scope["method"] == "POST" and not _IS_JSON.match(headers.get(b"content-type", b"")):
        got = headers.get(b"content-type", b"").decode("latin-1") or "none"
        problem = f"content-type: expected application/json, got {got}"
        raise Refused(415, problem, code="unsupported_media_type")
