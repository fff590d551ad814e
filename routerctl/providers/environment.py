"""The variables that an HTTP client takes from the environment -> checked before the first call.

A wrong one would end as a failure of every call, or of the client's making, in words that name neither the variable nor
its value.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from routerctl.errors import InputError
from routerctl.types import ProviderSpec

_FILE, _FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_SCHEMES = ("http", "https")
_HOST = re.compile(r"[^\s/@\[\]:]+|\[[0-9a-fA-F:.%]+\]")


def checked_environment(env: Mapping[str, str], spec: ProviderSpec, base_url_variable: str) -> None:
    """See that certificates can be read, that proxies are addresses, and that nothing moves the provider elsewhere.

    `base_url_variable`: what an SDK asks where it is given no base URL: prompts would leave the configured place.

    Raises: InputError with the variable and its value, but for a password.
    """
    if env.get(base_url_variable) and not spec.base_url:
        raise InputError(
            f"the environment variable {base_url_variable} is '{_shown(env[base_url_variable])}', and provider "
            f"'{spec.name}' has no base_url: write it there if that is who is to be asked, or unset the variable"
        )
    if env.get(_FILE):
        _check_certificates(env[_FILE])
    for folder in filter(None, env.get(_FOLDER, "").split(os.pathsep)):
        if not Path(folder).is_dir():
            raise InputError(f"the environment variable {_FOLDER} is '{folder}': there is no such folder")
    for upper in _PROXIES:
        for name in (upper, upper.lower()):
            if env.get(name):
                _check_proxy(name, env[name])


def _check_certificates(file: str) -> None:
    what = f"the environment variable {_FILE} is '{file}'"
    try:
        context = ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        raise InputError(f"{what}: expected certificates in PEM format, and it holds none that can be read") from None
    except OSError as problem:
        raise InputError(f"{what}: {problem.strerror or problem}") from None
    if not context.cert_store_stats()["x509"]:
        raise InputError(f"{what}: it holds no certificate")


def _check_proxy(name: str, value: str) -> None:
    address = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname and _HOST.match(parts.netloc.rpartition("@")[2])) and parts.port != 0
    except ValueError:
        whole = False
    if not whole or any(char.isspace() for char in address):
        raise InputError(
            f"the environment variable {name} is '{_shown(value)}': expected a proxy like http://HOST:PORT"
        )
    if parts.scheme not in _SCHEMES:
        raise InputError(
            f"the environment variable {name} is '{_shown(value)}': proxies of the scheme '{parts.scheme}' cannot be "
            f"used; expected one of: {', '.join(_SCHEMES)}"
        )


def _shown(value: str) -> str:
    """An address without its user and password."""
    scheme, mark, rest = value.rpartition("://")
    _, at, host = rest.rpartition("@")
    return f"{scheme}{mark}{'[password]@' if at else ''}{host}"
