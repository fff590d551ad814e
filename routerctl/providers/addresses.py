"""A provider's base URL -> one that can be called; an address that was asked in vain -> what may be wrong with it.

Imports no SDK and nothing that calls.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from routerctl.errors import InputError
from routerctl.types import ProviderSpec

# What the kinds add to a base URL themselves: one that ends so would be asked for it twice.
ENDPOINT = re.compile(r"/+(v1/+messages|messages|chat/+completions|completions)/*\Z", re.IGNORECASE)


def checked_url(spec: ProviderSpec, url: str | None) -> str | None:
    """Return a base URL that can be called, or None for the vendor's own.

    Raises:
        InputError: it has no scheme or no host, which the SDKs would report as a failed connection.
    """
    try:
        parts = urlsplit(url or "")
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        whole = False
    if url and not whole:
        raise InputError(f"provider '{spec.name}': base_url: expected http(s)://HOST..., got '{url}'")
    if url and ENDPOINT.search(url):
        raise InputError(
            f"provider '{spec.name}': base_url: expected the address that the endpoint is added to, like "
            f"'{ENDPOINT.sub('', url)}', got '{url}'"
        )
    return url.rstrip("/") if url else None


def address_hint(url: str, *, versioned: bool) -> str:
    """Say what is likely wrong with an address that was asked in vain; "" where it looks right."""
    path = urlsplit(url).path
    if re.search(r"/v\d+/+v\d+/", path):
        return "its path holds the API's version twice: is there one too many in base_url?"
    if versioned and not re.search(r"/v\d", path):
        return "its path holds no version of the API: should base_url end in /v1?"
    return ""


def plain_address(url: str) -> str:
    """Write an address without what may be secret in it: user, password and query."""
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path
