"""Events as the bytes of a server-sent event stream."""

from __future__ import annotations

import json
from typing import Any

_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def data_frame(data: dict[str, Any]) -> bytes:
    """Write an event without a name; half a character of a client's own text stays the escape that it came as."""
    return f"data: {_ENCODE(data)}\n\n".encode(errors="backslashreplace")


def named_frame(kind: str, data: dict[str, Any]) -> bytes:
    """Write an event whose data say its name once more."""
    return f"event: {kind}\ndata: {_ENCODE({'type': kind} | data)}\n\n".encode(errors="backslashreplace")
