"""One value of a foreign file -> a score, an amount, a count, a text, or nothing; what is none of them is an error.

It knows how people and tools write such values, and no runner's format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from routerctl.errors import InputError
from routerctl.evaluation.importers.base import Scale, SourceFile
from routerctl.types import Json, Status

# Words for nothing: those that pandas reads so, and those that people and spreadsheets write.
_MISSING = frozenset(("", "nan", "na", "n/a", "n.a.", "#n/a", "#n/a n/a", "#na", "<na>", "null", "none", "nil", "-nan"))
_DASHES = frozenset("-\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{FIGURE DASH}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}")
_MOST_TOKENS = 10**12  # of one reply: what is more is no count
_SCALES = (5, 10, 100)  # those that scores are commonly given on: the first that holds them all is proposed
_WORDS = {
    **dict.fromkeys(("true", "yes", "pass", "passed", "correct"), 1.0),
    **dict.fromkeys(("false", "no", "fail", "failed", "incorrect", "wrong"), 0.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How the scores of one file are read; it knows them all, so that an error can name the scale that they are on."""

    source: SourceFile
    scale: Scale | None  # None: from 0 to 1
    values: Sequence[Any]  # all of them

    def read(self, value: Any, what: str, line: int | None = None) -> float | None:
        """Read a score in [0, 1]: a number on the scale, true or false, or a word for either; None where there is none.

        Raises: InputError for anything else, with the file, the line and the flag that helps.
        """
        if self.scale is None and (number := as_number(value)) is not None and 0 <= number <= 1:
            return number  # as nearly all are
        if is_missing(value):
            return None
        found = score_of(value, self.scale)
        if found is None:
            raise self.source.error(f"{what}: {self.expected}, got {shown(value)}{self.hint(value)}", line)
        return found

    @property
    def expected(self) -> str:
        """What a score has to be, for an error."""
        return f"expected a score from {self.scale or '0 to 1'} (or true, false)"

    def hint(self, value: Any) -> str:
        """Say what to do about a value that is not a score, as the end of an error; "" where nothing helps."""
        if isinstance(value, str) and value.strip()[:1].isalpha():
            return "; leave the score empty for a failed call"
        if self.scale or (on_scale(value) is None and not _is_percent(value)):
            return ""
        if _is_percent(value):
            return "; scores in percent need --scale 100"
        low, high = self.span
        span = f"from {low:g} to {high:g}" if low < high else f"up to {high:g}"
        return f"; the scores go {span}: {scale_flags(low, high)}"

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest of the numbers; 0 and 1 where there is none."""
        numbers = [found for value in self.values if (found := on_scale(value)) is not None]
        return (min(numbers), max(numbers)) if numbers else (0.0, 1.0)


def scores_of(values: Iterable[Any], source: SourceFile, scale: Scale | None) -> Scores:
    """Make the reader of these scores.

    Raises: InputError where they are from 0 to 1 though a scale is given: they would all be next to nothing.
    """
    scores = Scores(source=source, scale=scale, values=tuple(values))
    if scale and scale.high > 1 and any(on_scale(value) is not None for value in scores.values):
        low, high = scores.span
        if 0 <= low <= high <= 1:
            problem = f"--scale {scale.flag}: no score is above 1, so they are from 0 to 1 as it is; leave it out"
            raise source.error(problem)
    return scores


def score_of(value: Any, scale: Scale | None = None) -> float | None:
    """Give a value as a score in [0, 1]; None where it is none."""
    if isinstance(value, str) and (word := _WORDS.get(value.strip().lower())) is not None:
        return word
    if isinstance(value, bool):
        return float(value)
    number = on_scale(value)
    if number is None and scale and scale.high == 100 and _is_percent(value):
        number = as_number(value.strip().removesuffix("%"))
    if number is None:
        return None
    found = (number - scale.low) / (scale.high - scale.low) if scale else number
    return found if 0 <= found <= 1 else None


def on_scale(value: Any) -> float | None:
    """Give the number that a score is, on whatever scale; None for a truth value and anything else."""
    return None if isinstance(value, bool) else as_number(value)


def _is_percent(value: Any) -> bool:
    text = value.strip() if isinstance(value, str) else ""
    return text.endswith("%") and as_number(text.removesuffix("%")) is not None


def scale_flags(low: float, high: float) -> str:
    """Name the flags that read scores of this range."""
    top = next((f"{scale}" for scale in _SCALES if high <= scale), f"{math.ceil(high)}")
    if low < 0:
        return f"give --scale LOW-HIGH, as in --scale {math.floor(low)}-{top}"
    return f"give --scale {top}" + (f", or --scale 1-{top} where 1 is the worst" if low >= 1 and top != "100" else "")


def read_scale(text: str | None) -> Scale | None:
    """Read `--scale`: the highest score, or the lowest and the highest.

    Raises: InputError with what was expected.
    """
    if text is None:
        return None
    start, dash, end = text.strip().rpartition("-")
    low, high = (as_number(start), as_number(end)) if dash and start else (0.0, as_number(text))
    if low is None or high is None or high <= low:
        raise InputError(
            f"--scale: expected the highest score, as 10, or the lowest and the highest, as 1-5, got {text!r}"
        )
    return Scale(low=low, high=high)


def shown(value: Any) -> str:
    """A value as an error quotes it."""
    return json.dumps(value, default=str)[:40]


def is_missing(value: Any) -> bool:
    """Tell whether a value stands for "none": nothing, not a number, or a usual word for either."""
    if isinstance(value, str):
        word = value.strip().lower()
        return word in _MISSING or _DASHES.issuperset(word)
    return value is None or (isinstance(value, float) and math.isnan(value))


def as_number(value: Any) -> float | None:
    """Read a finite number, also from a text or a truth value; None for anything else."""
    if isinstance(value, str) and len(value) > 100:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def as_usd(value: Any) -> Decimal | None:
    """Read an amount of money exactly as it is written, with or without a dollar sign; None for anything else."""
    text = value.strip().removeprefix("$") if isinstance(value, str) else value
    number = as_number(text)
    return Decimal(str(text).strip()) if number is not None and number >= 0 and not isinstance(value, bool) else None


def as_cost(value: Any, source: SourceFile, what: str, line: int | None = None) -> Decimal | None:
    """Read what a reply cost; None where the file does not say.

    Raises: InputError for anything else, with the file and line: skipped, it would count as not known.
    """
    found = as_usd(value)
    if found is None and not is_missing(value):
        raise source.error(f"{what}: expected an amount of USD from 0, like 0.0247, got {shown(value)}", line)
    return found


def as_count(value: Any) -> int:
    """Read a count of tokens; anything else counts as 0."""
    number = as_number(value)
    return int(number) if number is not None and 0 < number < _MOST_TOKENS else 0


def said_number(value: Any, source: SourceFile, what: str, line: int | None = None) -> float | None:
    """Read an amount from 0 of a table's cell; None where there is none.

    Raises: InputError for anything else, with the file and line: skipped, it would count as not known.
    """
    number = None if value is None else as_number(value)
    if number is None and is_missing(value):
        return None
    if number is None or isinstance(value, bool) or not 0 <= number < _MOST_TOKENS:
        raise source.error(f"{what}: expected a number from 0, like 1250, got {shown(value)}", line)
    return number


def as_text(value: Any) -> str:
    """Give a text as it is, nothing as "", anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def lone_message(value: Any) -> Json:
    """Give a conversation of a single message as its text, anything else as it is."""
    if isinstance(value, list) and len(value) == 1 and isinstance(inner(value, 0, "content"), str):
        return inner(value, 0, "content")
    return value


def inner(value: Any, *path: str | int) -> Any:
    """Follow a path into JSON; None where it ends early."""
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and len(value) > part else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def failed_or(score: float | None, error: str) -> Status:
    """Give a row's status: an error means a failed call, a missing score that the scorer could not decide."""
    if error:
        return Status.FAILED
    return Status.UNSCORED if score is None else Status.SCORED
