"""One value of a foreign file -> a score, an amount, a count, a text, or nothing; what is none of them is an error.

It knows how people and tools write such values, and no runner's format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from routerctl.evaluation.importers.base import SourceFile
from routerctl.types import Json, Status

_MISSING = frozenset(("", "nan", "na", "null", "none"))
_WORDS = {
    **dict.fromkeys(("true", "yes", "pass", "passed", "correct"), 1.0),
    **dict.fromkeys(("false", "no", "fail", "failed", "incorrect", "wrong"), 0.0),
}


def as_score(value: Any, source: SourceFile, what: str, line: int | None = None) -> float | None:
    """Read a score in [0, 1]: a number, true or false, or a word for either; None where there is none.

    Raises: InputError for anything else, with the file and line.
    """
    found = as_number(value)
    if found is None and isinstance(value, str):
        found = _WORDS.get(value.strip().lower())
    if found is None and is_missing(value):
        return None
    if found is None or not 0 <= found <= 1:
        expected = "expected a score from 0 to 1 (or true, false)"
        raise source.error(f"{what}: {expected}, got {shown(value)}{score_hint(value)}", line)
    return found


def score_hint(value: Any) -> str:
    """Say what to do about a value that is not a score, as the end of an error; "" where nothing is known to help."""
    if is_percent(value):
        return "; divide scores in percent by 100"
    word = isinstance(value, str) and value.strip()[:1].isalpha()
    return "; leave the score empty for a failed call" if word else ""


def is_percent(value: Any) -> bool:
    """Tell a value that may be a score in percent: `90%`, or a number above 1 and up to 100."""
    text = value.strip() if isinstance(value, str) else ""
    number = as_number(text.removesuffix("%") if text else value)
    return number is not None and (0 <= number <= 100 if text.endswith("%") else 1 < number <= 100)


def shown(value: Any) -> str:
    """A value as an error quotes it."""
    return json.dumps(value, default=str)[:40]


def is_missing(value: Any) -> bool:
    """Tell whether a value stands for "none": nothing, not a number, or a usual word for either."""
    if isinstance(value, str):
        return value.strip().lower() in _MISSING
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
    return int(number) if number is not None and number > 0 else 0


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
