"""Reads fields of a client's body, and notes on the way what no other wire has.

Stands on `providers/reading.Far`: every value knows its path, which is how a field is named to the client.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from routerctl.providers.reading import Far, Odd
from routerctl.service.translate.neutral_request import Unsupported
from routerctl.types import Json

Word = TypeVar("Word", bound=str)


class Notes:
    """What of a request is left behind (`dropped`), and what binds it to its own wire (`unsupported`)."""

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.unsupported: list[Unsupported] = []

    def drop(self, *paths: str) -> None:
        """Note fields that are not carried."""
        self.dropped += paths

    def drop_there(self, far: Far, names: Iterable[str]) -> None:
        """Note those of the named fields that are there and say something."""
        self.drop(*(far[name].path for name in names if is_given(far[name])))

    def drop_others(self, far: Far, known: Collection[str]) -> None:
        """Note the fields that are none of those known."""
        self.drop_there(far, [name for name in far.mapping().value if name not in known])

    def bind(self, far: Far, what: str) -> None:
        """Note something that cannot be carried and must not be dropped."""
        self.unsupported.append(
            Unsupported(param=far.path, problem=f"{far.path}: {what} cannot be carried to another API")
        )

    def bind_there(self, far: Far, whats: Mapping[str, str]) -> None:
        """Note those fields (name -> what it is) that are there and say something; a number of 0 asks for none."""
        for name, what in whats.items():
            if is_given(far[name]) and far[name].value != 0:
                self.bind(far[name], what)


def is_given(far: Far) -> bool:
    """Whether a field says something: null, false and what is empty do not."""
    return far.value is not None and far.value is not False and far.value not in ("", [], {})


def flag(far: Far) -> bool | None:
    """Give a truth value, None where there is none; raises Odd."""
    if far.value is None or isinstance(far.value, bool):
        return far.value
    raise far.odd("bool")


def number(far: Far) -> float | None:
    """Give a number, None where there is none; raises Odd."""
    value = far.value
    if value is not None and (not isinstance(value, int | float) or isinstance(value, bool)):
        raise far.odd("number")
    return value


def word(far: Far, words: Collection[Word]) -> Word | None:
    """Give one of some words, None where there is none; raises Odd."""
    if far.value is None:
        return None
    found = next((one for one in words if one == far.text()), None)
    if found is None:
        raise Odd(f"{far.path}: expected one of {', '.join(words)}, got '{far.text()[:40]}'")
    return found


def mapping_or_none(far: Far) -> Mapping[str, Json] | None:
    """Give an object, None where there is none; raises Odd."""
    return None if far.value is None else far.mapping().value


def parts_of(content: Far, kind: str = "text") -> list[Far]:
    """Give the parts of a message's content; a text is one part of that kind at the content's own path."""
    if content.value is None:
        return []
    if isinstance(content.value, str):
        return [Far({"type": kind, "text": content.value}, content.path)]
    if not isinstance(content.value, list):
        raise content.odd("str or list")
    return [part.mapping() for part in content.items()]
