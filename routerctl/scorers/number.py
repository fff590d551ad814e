"""A reply -> the number it answers with, exactly as written -> right or wrong within a tolerance.

It does not know units, words ("twelve"), mixed fractions ("1 1/2") or LaTeX; currency and per-cent signs are skipped,
so 25% is 25.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from routerctl.scorers.base import Params, Scorer, as_fraction, flag, only
from routerctl.types import Json

_SPACES = "\u00a0\u202f"  # no-break spaces group thousands in much of the world; a plain space separates numbers
_LONGEST = 400  # characters; a longer run of digits is noise
_ANSWER = re.compile(r"\banswer\b([^\n]*)", re.IGNORECASE)


def _pattern(group: str, point: str) -> re.Pattern[str]:
    """Match one number, not inside a name or version (H2O, v1.5); the hyphen of 10-20, (3)-5 or --5 is no sign."""
    whole = rf"[0-9]{{1,3}}(?:[{group}][0-9]{{3}})+(?![0-9])|[0-9]+"
    return re.compile(
        rf"(?<!\w)(?<!\w[{point}])(?P<sign>(?:(?<![-)\]])[-+\u2212])?(?:[$€£¥] ?[-\u2212]?)?)"
        rf"(?P<digits>(?:(?:{whole})(?:[{point}][0-9]+)?|[{point}][0-9]+)(?:[eE][-+]?[0-9]+)?)"
        rf"(?P<over>(?:/[0-9]+)*)"
    )


_POINT = _pattern(f",{_SPACES}", ".")
_COMMA = _pattern(f".{_SPACES}", ",")


def find_number(text: str, *, decimal_comma: bool = False) -> Fraction | None:
    """Give the number a text answers with, or None.

    On the last line that says "answer" and has a number after it: the first one there, or the first after the last
    "=". Without such a line: the last number of the text. 3/4 is a fraction unless it is part of a date (3/4/2025).
    """
    for answer in reversed(list(_ANSWER.finditer(text))):
        numbers = _numbers(answer[1].rpartition("=")[2], decimal_comma) or _numbers(answer[1], decimal_comma)
        if numbers:
            return numbers[0]
    numbers = _numbers(text, decimal_comma)
    return numbers[-1] if numbers else None


def _numbers(text: str, decimal_comma: bool) -> list[Fraction]:
    values = (_value(found, decimal_comma) for found in (_COMMA if decimal_comma else _POINT).finditer(text))
    return [value for value in values if value is not None]


def _value(found: re.Match[str], decimal_comma: bool) -> Fraction | None:
    if len(found[0]) > _LONGEST:
        return None
    point, group = (",", ".") if decimal_comma else (".", ",")
    digits = re.sub(f"[{group}{_SPACES}]", "", found["digits"]).replace(point, ".")
    try:
        value = as_fraction(Decimal(digits))
    except InvalidOperation:  # an exponent beyond what Decimal holds
        return None
    below = [int(number) for number in found["over"].split("/")[1:]]
    if value is None or below == [0]:
        return None
    if len(below) > 1:
        return Fraction(below[-1])  # a date: its last number
    signed = -value if re.search("[-\u2212]", found["sign"]) else value
    return signed / below[0] if below else signed


def canonical(value: Fraction) -> str:
    """Write a number one way only: digits where they end, else p/q."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest > 1 or value.denominator == 1:
        return str(value)
    places = value.denominator.bit_length()  # 2**a * 5**b ends after max(a, b) places, which is fewer
    digits = f"{abs(value.numerator) * 10**places // value.denominator:0{places + 1}d}"
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:].rstrip('0')}"


def _extract(text: str, params: Params) -> str | None:
    found = find_number(text, decimal_comma=flag(params, "decimal_comma"))
    return None if found is None else canonical(found)


def close(value: Fraction, expected: Fraction, absolute: Fraction, relative: Fraction = Fraction(0)) -> bool:
    """Tell whether a value is within the larger of the two tolerances of what was expected, in exact arithmetic."""
    return abs(value - expected) <= max(absolute, relative * abs(expected))


def tolerance(params: Params, name: str) -> Fraction:
    """Read a tolerance, a number from 0; absent means 0.

    Raises: ValueError for anything else.
    """
    value = as_fraction(params.get(name, 0))
    if value is None or value < 0:
        raise ValueError(f"{name}: expected a number from 0, got {params[name]!r}")
    return value


def _check(params: Params, expected: Json) -> None:
    only(params, "tolerance", "relative", "decimal_comma")
    flag(params, "decimal_comma")
    tolerance(params, "tolerance")
    tolerance(params, "relative")
    if expected is not None and as_fraction(expected) is None:
        raise ValueError(f"expected a finite number, got {expected!r}")


def _score(extracted: str, expected: Json, params: Params) -> tuple[float, str]:
    wanted = as_fraction(expected)
    if wanted is None:
        raise ValueError(f"expected a finite number, got {expected!r}")
    right = close(Fraction(extracted), wanted, tolerance(params, "tolerance"), tolerance(params, "relative"))
    return (1.0, "equal") if right else (0.0, f"{extracted} is not {canonical(wanted)}")


NUMBER = Scorer(name="number", extract=_extract, score=_score, check=_check)
