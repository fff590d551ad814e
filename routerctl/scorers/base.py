"""What a scorer is, what it may raise, and the few helpers that all of them share; it knows no file and no model."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from routerctl.errors import RouterctlError, nearest
from routerctl.scorers.reply import visible
from routerctl.types import Json

Params = Mapping[str, Json]
# Replies beyond this hold no answer: every extraction below is then bounded, whatever a model sends.
MAX_CHARS = 100_000
_MAX_EXPONENT = 400


class Unscorable(RouterctlError):
    """The scorer could not decide (its own fault, not the reply's): the run counts the case as unscored."""


class NoAnswer(Exception):
    """The reply holds no answer that could be told from what only looks like one; its text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """One way to score a reply; every function is pure in its arguments (and in the files named by `reads`).

    `extract(text, params)` finds the answer as canonical text without knowing what is expected (self-consistency
    votes on it), or None, or raises NoAnswer with the reason; the text comes without the model's thinking.
    `score(extracted, expected, params)` gives (value in [0, 1], explanation).
    `check(params, expected)` raises ValueError with one line where either has the wrong shape; expected None means
    that only the parameters are checked.
    """

    name: str
    extract: Callable[[str, Params], str | None]
    score: Callable[[str, Json, Params], tuple[float, str]]
    check: Callable[[Params, Json], None]
    reads: tuple[str, ...] = ()  # parameters that name files beside the eval set; they arrive as absolute paths


def only(params: Params, *allowed: str) -> None:
    """Refuse parameters that are not in `allowed`.

    Raises: ValueError naming the nearest right one.
    """
    for name in params:
        if name not in allowed:
            raise ValueError(f"unknown parameter {name!r}{nearest(name, allowed) or '; this scorer takes none'}")


def flag(params: Params, name: str) -> bool:
    """Read a true/false parameter; absent means false.

    Raises: ValueError for anything else.
    """
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected true or false, got {value!r}")  # noqa: TRY004 - what `check` promises
    return value


def positive(params: Params, name: str, default: float) -> float:
    """Read a parameter that is a number above 0.

    Raises: ValueError for anything else.
    """
    number = as_fraction(params.get(name, default))
    if number is None or number <= 0:
        raise ValueError(f"{name}: expected a number above 0, got {params[name]!r}")
    return float(number)


def texts(expected: Json) -> tuple[str, ...]:
    """Read an expected value that is a text or a list of texts, any of which is right.

    Raises: ValueError for anything else.
    """
    values = expected if isinstance(expected, list | tuple) else [expected]
    if not values or not all(isinstance(value, str) for value in values):
        raise ValueError(f"expected a text or a list of texts, got {expected!r} (quote it if it is meant as text)")
    return tuple(values)


def as_fraction(value: Json) -> Fraction | None:
    """Give the exact value of a finite number as it was written (0.1 is 1/10); None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(value, int):
        return Fraction(value)
    exact = Decimal(repr(value)) if isinstance(value, float) else value
    # 1e999999999 is short to write and would fill the memory as a fraction.
    return Fraction(exact) if exact.is_finite() and abs(exact.adjusted()) <= _MAX_EXPONENT else None


def normalised(text: str, *, case_sensitive: bool = False) -> str:
    """Leave out what nobody sees, compose accents (NFC), collapse whitespace, strip final punctuation, fold case."""
    folded = text if case_sensitive else text.casefold()
    # Folding may take accents apart, so composing comes last.
    words = " ".join(unicodedata.normalize("NFC", visible(folded)).split())
    # A text of punctuation alone ("?", "...") is itself the answer.
    return words.rstrip(" .,;:!?。") or words


def shown(value: object, chars: int = 80) -> str:
    """Shorten a value for an explanation."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= chars else text[: chars - 1] + "…"
