"""Edits a few fields of a JSON body in place: every other byte stays as it was.

Unknown fields, the order of keys and the spelling of numbers are kept. Pure; on the hot path of every request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache

from routerctl.errors import InputError
from routerctl.types import Json

_MODEL = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')
_BLANK = re.compile(r"[ \t\r\n]*")
_MEDIA = re.compile(rb"[A-Za-z0-9+/=_-]{1000,}")  # base64 of an image, audio or a document
_MEDIA_TOKENS = 6_000  # of the largest image, by either vendor's rule
_DEEP = "the body is nested too deeply"
_decode = json.JSONDecoder().raw_decode


class Unwritable(InputError):
    """A body that cannot be edited; `param` names the field in the way."""

    def __init__(self, problem: str, *, param: str | None = None) -> None:
        self.param = param
        super().__init__(problem)


def edited(raw: bytes, body: Mapping[str, Json], fields: Mapping[str, Json]) -> bytes:
    """Give the bytes of an object with some fields set to other values, or removed where the value is None.

    `body`: `raw` as parsed. Raises: Unwritable where such a field appears twice, or the body is nested too deeply.
    """
    try:
        return _edited(raw, body, fields)
    except RecursionError:
        raise Unwritable(_DEEP) from None


def written(body: Mapping[str, Json]) -> bytes:
    """Encode a body; a lone surrogate in the application's text stays the escape that it was.

    Raises: Unwritable where it is nested too deeply.
    """
    try:
        return _bytes(body)
    except RecursionError:
        raise Unwritable(_DEEP) from None


def _edited(raw: bytes, body: Mapping[str, Json], fields: Mapping[str, Json]) -> bytes:
    if _names_model_once(raw) and fields.get("model") and "model" in body and (found := _MODEL.search(raw)):
        raw = raw[: found.start(1)] + _name(fields["model"]) + raw[found.end(1) :]
        if len(fields) == 1:
            return raw
        fields = {name: value for name, value in fields.items() if name != "model"}
    present = {name: value for name, value in fields.items() if name in body}
    if present:
        raw = _replaced(raw.decode(), present)
    new = {name: value for name, value in fields.items() if name not in body and value is not None}
    return _with_more(raw, new) if new else raw


def _names_model_once(raw: bytes) -> bool:
    """Tell whether a search for `"model"` finds the field: not if it occurs twice, or with an escaped letter."""
    return raw.count(b'"model"') == 1 and b"\\u006" not in raw


def _with_more(raw: bytes, new: Mapping[str, Json]) -> bytes:
    """Append fields."""
    end = raw.rindex(b"}")
    comma = b"" if raw[:end].rstrip().endswith(b"{") else b","
    return raw[:end] + comma + _bytes(new)[1:-1] + raw[end:]


def _replaced(text: str, fields: Mapping[str, Json]) -> bytes:
    """Replace values in place; None removes the field and its comma."""
    places = spans(text)
    for name in fields:
        if sum(one[0] == name for one in places) > 1:
            raise Unwritable(f"{name}: appears twice in the body", param=name)
    for number in reversed(range(len(places))):
        name, begin, start, end = places[number]
        if name not in fields:
            continue
        if fields[name] is not None:
            text = text[:start] + _bytes(fields[name]).decode() + text[end:]
        elif number + 1 < len(places):
            text = text[:begin] + text[places[number + 1][1] :]
            places = spans(text)
        else:
            text = text[: places[number - 1][3] if number else begin] + text[end:]
            places = spans(text)
    return text.encode()


def spans(text: str) -> list[tuple[str, int, int, int]]:
    """Give the outermost object's fields: name, where the name begins, and where the value begins and ends."""
    found, at = [], _skip(text, text.index("{") + 1)
    while text[at] == '"':
        name, after = _decode(text, at)
        start = _skip(text, _skip(text, after) + 1)
        _, end = _decode(text, start)
        found.append((name, at, start, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


@lru_cache(maxsize=1024)
def _name(model: str) -> bytes:
    return _bytes(model)


def _bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")


def most_input_tokens(raw: bytes) -> int:
    """Give the most tokens that a body can have: one per byte; for media, as many as the largest image."""
    if len(raw) < 4096 or b'"application/pdf"' in raw or b"data:application/pdf" in raw:
        return len(raw)
    media = [found.end() - found.start() for found in _MEDIA.finditer(raw)]
    return len(raw) - sum(media) + sum(min(size, _MEDIA_TOKENS) for size in media)
