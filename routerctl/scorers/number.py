"""A reply -> the number it answers with, exactly as written -> right or wrong within a tolerance.

It does not know units or words ("twelve"); currency and per-cent signs are skipped, so 25% is 25. What is a number and
what only contains digits is `numerals`' to say; what is announced, denied, refused or taken back, that of `cues` and
`stance`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

from routerctl.scorers import lexicon
from routerctl.scorers.base import NoAnswer, Params, Scorer, as_fraction, flag, only
from routerctl.scorers.cues import Tail, cued, marks
from routerctl.scorers.lexicon import phrases
from routerctl.scorers.markup import END, MARK, plain
from routerctl.scorers.numerals import Numeral, numerals
from routerctl.scorers.stance import Sentence, denied, refusal, replaces, retracted, sentences
from routerctl.types import Json

_MOST = 50  # numbers of one sentence that are read; more of them are a table
_LAST_SENTENCES = 20  # with numbers, looked through for one that is not denied
# Words that would be the answer where they stand before the digits: "the answer is five of 12".
_NUMBER_WORD = re.compile(phrases(lexicon.NUMBER_WORDS), re.IGNORECASE)


def find_number(text: str, *, decimal_comma: bool = False) -> Fraction | None:
    """Give the number a reply answers with, or None where it has no number.

    What counts, in this order: what is marked as the answer; what the last cue announces, the first number behind it
    (behind its last "=", where it has one); else the last number of the text that nothing denies.

    Raises: NoAnswer where the reply refuses, takes its answer back, or where only a part of what stands there (a time,
    a range, a sum) would be a number.
    """
    text = plain(text)
    said, found = sentences(text), numerals(text, decimal_comma=decimal_comma)
    if boxes := marks(text, said):
        return _marked(text, boxes, found)
    refused = refusal(text)
    tails = (tail for tail in reversed(cued(text, said)) if tail.named or not refused)
    if announced := next((one for tail in tails if (one := _announced(text, tail, found))), None):
        return _only_one(text, announced, found)
    if refused:
        raise NoAnswer(f'it does not answer: "{refused[0].strip()}"')
    return _last(text, said, found)


def _marked(text: str, boxes: Sequence[Tail], found: Sequence[Numeral]) -> Fraction:
    line = text.rfind("\n", 0, boxes[-1].start)
    held = [
        _in_mark(text, box, found)
        for box in boxes
        if box.start > line and not denied(text, box.start - 1, box.end + 1, sentence=box.sentence)
    ]
    if len({one.value for one in held}) > 1:
        raise NoAnswer("it marks two numbers")
    if not held:
        raise NoAnswer("it denies what it marks")
    return _sure(text, held[-1])


def _in_mark(text: str, box: Tail, found: Sequence[Numeral]) -> Numeral:
    inside = _after_equals(text, _between(found, box.start, box.end), box.start, box.end)
    if len(inside) != 1:
        raise NoAnswer(f"what it marks as its answer holds {len(inside) or 'no'} numbers")
    within = Sentence(start=box.start, end=box.end, asks=False)
    if denied(text, inside[0].start, inside[0].end, sentence=within):
        raise NoAnswer("it denies what it marks")
    return inside[0]


def _announced(text: str, tail: Tail, found: Sequence[Numeral]) -> Numeral | None:
    inside = _between(found, tail.start, tail.end)[:_MOST]
    held = [one for one in inside if not denied(text, one.start, one.end, sentence=tail.sentence)]
    first = text[tail.start : held[0].start] if held else ""
    if not tail.firm:
        return held[0] if held and not held[0].reference and not first.strip(" \t:*_\"'(),$~≈-") else None
    if held and (word := _NUMBER_WORD.search(first)):
        return Numeral(start=tail.start, end=held[0].end, value=None, why=f'the word "{word[0]}" before it')
    results = _after_equals(text, [one for one in held if not one.reference], tail.start, tail.end)
    if results:
        return results[0]
    return held[0] if held and not re.search(r"\w\W+\w+\W*$", first) else None


def _last(text: str, said: Sequence[Sentence], found: Sequence[Numeral]) -> Fraction | None:
    """Give the last number that nothing denies; None where there is none, NoAnswer where all are denied."""
    read = 0
    for sentence in reversed(said):
        inside = [one for one in _between(found, sentence.start, sentence.end) if not one.reference][-_MOST:]
        read += bool(inside)
        if sentence.asks or not inside:
            continue
        held = [one for one in inside if not denied(text, one.start, one.end, sentence=sentence)]
        if held:
            results = _after_equals(text, held, sentence.start, sentence.end)
            if not text[: held[0].start].strip() and held[0].value is not None:
                _only_one(text, held[0], found)
            remark = results[0] is held[0] and "=" in text[sentence.start : held[0].start]
            return _sure(text, results[0] if results[0] is not held[0] or remark else held[-1])
        if read >= _LAST_SENTENCES:
            break
    if read:
        raise NoAnswer("it only denies or asks about numbers")
    return None


def _between(found: Sequence[Numeral], start: int, end: int) -> list[Numeral]:
    first = bisect_left(found, start, key=lambda one: one.start)
    last = bisect_left(found, end, key=lambda one: one.start)
    return list(found[first:last])


def _after_equals(text: str, inside: list[Numeral], start: int, end: int) -> list[Numeral]:
    """Keep the numbers behind the last "=", where it has a value there: of 7 = 3 + 4, the first."""
    sign = max(text.rfind("=", start, end), text.rfind("→", start, end))
    behind = [one for one in inside if one.start > sign] if sign >= 0 else []
    return behind if behind and behind[0].value is not None else inside


def _sure(text: str, one: Numeral) -> Fraction:
    if one.value is None:
        raise NoAnswer(f"{' '.join(text[one.start : one.end][:60].strip(MARK + END).split())} is {one.why}")
    if retracted(text, one.end):
        raise NoAnswer("it gives a number and takes it back")
    return one.value


def _only_one(text: str, one: Numeral, found: Sequence[Numeral]) -> Fraction:
    value = _sure(text, one)
    for other in _between(found, one.end, one.end + 100)[:_MOST]:
        if other.value not in (None, value) and not other.reference and replaces(text, one.end, other.start, other.end):
            raise NoAnswer(f"it says {canonical(value)} and then another number")
    return value


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
