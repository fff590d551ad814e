"""Names and ids of tools, as each wire takes them.

A name that is too long or has other letters is shortened, with a digest of the whole, so that one name is always the
same and two never meet; the reply gets the client's own name back. An id that Anthropic would refuse is written in
base64 behind a prefix, so that the client that brings it back next turn brings back the provider's own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable

from routerctl.types import ApiFormat

LONGEST = {"chat": 64, "responses": 64, "messages": 128}  # letters of a tool's name
LONGEST_ID = 64  # of a call, for OpenAI and some that speak its wire
_PLAIN = re.compile(r"[a-zA-Z0-9_-]+")
_CODED = "rctl_"


class ToolNames:
    """Writes tool names for one wire, and remembers whose each one is."""

    def __init__(self, to: ApiFormat) -> None:
        self._to = to
        self.theirs: dict[str, str] = {}  # name upstream -> name with the client

    def write(self, name: str) -> str:
        """Give a name as the wire takes it."""
        if len(name) <= LONGEST[self._to] and _PLAIN.fullmatch(name):
            return name
        short = f"{re.sub('[^a-zA-Z0-9_-]', '_', name)[: LONGEST[self._to] - 11]}_{_digest(name)}"
        self.theirs[short] = name
        return short


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:10]


def messages_id(made: str) -> str:
    """Give a call's id as Anthropic takes it."""
    if _PLAIN.fullmatch(made):
        return made
    return _CODED + base64.urlsafe_b64encode(made.encode()).decode().rstrip("=")


def chat_id(made: str) -> str:
    """Give a call's id as it was before `messages_id`, and no longer than OpenAI takes."""
    if made.startswith(_CODED):
        made = _decoded(made)
    return made if len(made) <= LONGEST_ID else f"call_{hashlib.sha256(made.encode()).hexdigest()[:32]}"


def _decoded(made: str) -> str:
    coded = made.removeprefix(_CODED)
    try:
        return base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return made  # somebody else's


def made_id(parts: Iterable[object]) -> str:
    """Give a call an id whose maker gave none: the same for the same reply and place."""
    return f"call_{_digest(*map(str, parts))}"
