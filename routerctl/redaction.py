"""Text -> the same text without any key that this process knows: `[key]` stands where one stood.

A key is learnt when whoever may call with it is made, and taken out where foreign text enters (a reply or an error from
the wire, what a scorer's child says) and again where text is written. It is found as it is, broken by blanks or line
ends, percent-encoded, in hexadecimal, and in base64 at any offset. What is shorter than 8 characters ("none", "test")
is no secret: it would be taken out of ordinary words. Place: the ground.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from routerctl.types import Routing

SHOWN = "[key]"
_SHORTEST = 8
_known: list[tuple[str, ...]] = [()]


def learn(values: Iterable[str | None]) -> None:
    """Take these values out of every text from now on."""
    new = {value.strip() for value in values if value and len(value.strip()) >= _SHORTEST} - set(_known[0])
    if new:
        # The longest first: one key may begin as another does.
        _known[0] = tuple(sorted({*_known[0], *new}, key=len, reverse=True))


def learn_tenants(routing: Routing, env: Mapping[str, str]) -> None:
    """Learn the keys of a project's tenants, and the address of its shared state, which may hold a password."""
    learn_variables(env, (name for tenant in routing.tenants.values() for name in tenant.keys.values()))
    learn_variables(env, [(routing.state or "").removeprefix("$")])


def learn_variables(env: Mapping[str, str], names: Iterable[str | None]) -> None:
    """Learn what these variables hold, where they are set."""
    learn(env.get(name) for name in names if name)


def redacted(text: str) -> str:
    """Give a text without keys."""
    if not _known[0]:
        return text
    for secret in _known[0]:
        for form in _forms(secret):
            if form in text:
                text = text.replace(form, SHOWN)
    squeezed = "".join(text.split())
    if len(squeezed) != len(text):
        for secret in _known[0]:
            if secret in squeezed:
                text = re.sub(r"\s*".join(map(re.escape, secret)), SHOWN, text)
    return text


@cache
def _forms(secret: str) -> tuple[str, ...]:
    """Give the ways in which a key may be written, itself first."""
    from base64 import b64encode
    from html import escape
    from urllib.parse import quote

    data = secret.encode()
    # Of base64, what the key alone decides, whatever stands before and after it.
    coded = [b64encode(bytes(skip) + data).decode() for skip in range(3)]
    coded = [one[-(-skip * 8 // 6) : (skip + len(data)) * 8 // 6] for skip, one in enumerate(coded)]
    coded += [one.translate({43: "-", 47: "_"}) for one in coded]  # as in URLs
    coded += [quote(secret, safe=""), escape(secret), data.hex(), data.hex().upper()]
    return tuple(dict.fromkeys([secret, *coded]))
