"""A text -> the numbers written in it, each whole: with its sign, separators, fraction, scale; or as no single number.

A time, a date, a version, a range, a list, an unfinished sum is one thing that contains digits and has no value: taking
a part of it for an answer would be a guess. Units are not known: 5 km is 5, and 25% is 25.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from routerctl.scorers import lexicon
from routerctl.scorers.base import as_fraction
from routerctl.scorers.lexicon import UNSPACED, phrases

_LONGEST = 400  # characters; a longer run of digits is noise
_SPACE = " \u00a0\u2009\u202f\u2007"
_MINUS = "-\u2212\u2013"
_CURRENCY = r"(?:US\$|A\$|C\$|[$€£¥₹₩₽฿]|(?<![^\W_])(?:USD|EUR|GBP|CHF|JPY|INR|R\$|Rs\.?))"
_MONTH = phrases(lexicon.MONTHS)
_NUMERAL = re.compile(
    rf"(?P<other>\b{_MONTH}\.?\s[0-9]{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s[0-9]{{4}}\b)?|\b{_MONTH}\s[0-9]{{4}}\b"
    rf"|\b[0-9]{{1,2}}(?:st|nd|rd|th|\.|er)?\s(?:of\s|de\s|the\s)?{_MONTH}\b\.?(?:,?\s(?:de\s)?[0-9]{{4}}\b)?"
    r"|\b[0-9]{1,2}\.?\s(?:de\s|of\s)?[^\W\d_]{3,12}\.?,?\s(?:de\s)?(?:19|20)[0-9]{2}\b|[0-9]{1,2}[月월](?:\s?[0-9]{1,2}[日일])?"
    r"|[0-9]{1,2}日(?!間|间)"
    r"|\b[0-9]{1,4}年(?:[0-9]{1,2}月)?(?:[0-9]{1,2}日)?|[0-9]{1,2}[時时点点](?:[0-9]{1,2}分)?|[0-9]{1,2}\s?(?:[ap]\.?m\b\.?|Uhr\b|o'clock\b|h[0-9]{2}\b)"
    r"|\+[0-9][0-9 ()\-]{6,20}[0-9]|\([0-9]{3}\)[ ]?[0-9]{3}-[0-9]{4}|https?://\S{1,300}|\b[0-9a-f]{8}-[0-9a-f]{4}-\S{1,40})"
    rf"|(?P<digits>[0-9]{{1,3}}(?:(?P<space>[{_SPACE}])[0-9]{{3}}(?:(?P=space)[0-9]{{3}})*)(?:[.,][0-9]+)?(?![0-9{_MINUS}:/])"
    r"|[0-9](?:[0-9.,'_:/\-\u2013]*[0-9])?|(?<![\w.])[.,][0-9]+)"
)
_EXPONENT = re.compile(r"[eE]([-+]?[0-9]{1,10})(?![\w.])")
_GROUPED = re.compile(
    rf"[0-9]{{1,3}}(?:(?P<group>[{_SPACE},'_])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*)|[0-9]{{1,2}}(?:,[0-9]{{2}})+,[0-9]{{3}}"
)
_POINTED = re.compile(r"[0-9]{1,3}(?:\.[0-9]{3})+")
_POWER = re.compile(r"\^\(?\{?(-?[0-9]{1,5})\}?\)?|([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)")
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_TIMES_TEN = re.compile(r"\s?[×x*·⋅]\s?10(?:\^\(?\{?(-?[0-9]{1,5})\}?\)?|([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+))")
_SCALE_OF = {word.strip().casefold(): size for size, words in lexicon.SCALES.items() for word in words.split(",")}
_LONGEST_FIRST = "|".join(re.escape(word) for word in sorted(_SCALE_OF, key=len, reverse=True))
_SCALE = re.compile(rf"[ \u00a0\u2009\u202f-]?({_LONGEST_FIRST})\.?(?![^\W\d_{UNSPACED}])", re.IGNORECASE)
_KILO = re.compile(r"k\b", re.IGNORECASE)
_UNCLEAR_SCALE = re.compile(r"[ \u00a0-]?(?:mil|grand|\w{1,12}illi(?:ons?|ard\w{0,2}|onen|ón|ones))\b", re.IGNORECASE)
_PART = re.compile(
    r"[\s-](?:(?:ten|hundred|thousand|million|billion|fif|six|seven|eigh|nin)ths?|halves|thirds?|quarters|fourths?"
    r"|\w*(?:zehntel|hundertstel|tausendstel|drittel|viertel)|dixièmes?|centièmes?|décimos?|centésimos?)\b",
    re.IGNORECASE,
)
# Words of scripts whose scales `lexicon` does not list may be scales.
_OTHER_SCRIPT = re.compile(
    r"\s?(?![\s\u00a0])[^\W\d_\u0000-\u024f\u1e00-\u1eff\u0370-\u052f\u0590-\u06ff\u0900-\u097f"
    + UNSPACED
    + r"\u2100-\u214f]"
)
_LETTERS = re.compile(rf"[^\W\d_{UNSPACED}]+")
_SHORT = {"k": 10**3, "m": 10**6, "mn": 10**6, "mm": 10**6, "b": 10**9, "bn": 10**9, "t": 10**12}
_NOT_UNITS = {"st", "nd", "rd", "th", "am", "pm", "π", "θ", *"xyzniedabcpqMBTKXYZDACEFGHPQRSU"}
_POWERED_UNITS = frozenset({"m", "cm", "km", "mm", "ft", "in"})
_FACTORIAL = re.compile(r"!(?!=)")
_DECADE = re.compile(r"(?:[0-9]{3}0|(?<![0-9])[2-9]0)\Z")
_SYMBOL = re.compile(r"\s?\\(?!%|[,;! ])[a-zA-Z]+|[π√∞θ^_]|\s?√")
_RAISED = re.compile(r"\s(?:to\s+the\s+power|squared|cubed|factorial|hoch|au\s+carré)\b", re.IGNORECASE)
_JOIN = re.compile(
    rf"\s*(?:[-\u2013—~〜:/×÷*+\u2212·⋅<,…]|\.\.\.?|{phrases(lexicon.BETWEEN_NUMBERS)})\s*[(]?\s*(?:the\s+)?[$€£]?",
    re.IGNORECASE,
)
_LOOSE_JOIN = re.compile(  # behind a unit: "5 km/h to 7"
    r"\s*[^\W\d_]{0,20}(?:/[^\W\d_]{1,10})?\s*(?:[+×÷\u2212*]|\b(?:or|to|plus|minus|times|percent\s+of)\b)\s*[$€£]?",
    re.IGNORECASE,
)
_BOUND = re.compile(rf"(?:[<>≤≥±≠]=?|!=|{phrases(lexicon.BOUNDS)})\s*\Z", re.IGNORECASE)
_OPERATOR = re.compile(
    rf"(?:{phrases(lexicon.OPERATORS)}|\blog\w{{0,3}}|{phrases(lexicon.NUMBER_WORDS)}\s+(?:to|or|and|of))\s*\Z",
    re.IGNORECASE,
)
_COMPOUND = re.compile(rf"\s*{phrases(lexicon.COMPOUND_UNITS)}\.?,?\s*(?:and\s+|und\s+|et\s+|y\s+)?", re.IGNORECASE)
_EQUATIONS = re.compile(r"\s*(?:,|;|\b(?:and|or|und|oder|et|ou|y|o)\b)\s*[A-Za-z](?:_?\w{0,2})?\s*=\s*")
_BOUND_AFTER = re.compile(
    r"\s?(?:\+(?![0-9\s]*[0-9])|(?:or|and)\s+(?:more|less|fewer|above|below|higher|lower|over|under)\b|oder\s+(?:mehr|weniger)|以上|以下|이상|이하)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(rf"(?:{phrases(lexicon.REFERENCES)}\.?|#|№)\s*[:(]?\s*\Z", re.IGNORECASE)
_SUM = "a sum that is not worked out"
_OPERAND = re.compile(r"(?:[0-9)]|(?<![^\W_])[0-9]*[^\W\d_])\s\Z")  # a value or a variable: "2 - 5", "x - 5"
_IN_NAME = re.compile(rf"(?:[^\W_{UNSPACED}]|[\w\]][.@^_]|[_^@])\Z|[^\W\d_{UNSPACED}][{_MINUS}+]\Z")
_NAME = re.compile(r"(?<![\w-])(\w*[A-Z]\w*) \Z")  # Windows 11, iPhone 15, Q3 2024
_NO_NAMES = frozenset(word.strip() for word in lexicon.NO_NAMES.split(","))
_CALLED = re.compile(r"(?:\\(?:sqrt|log|ln|exp|sin|cos|tan|frac|binom)\S{0,2}\s*\{?|√\s*\(?|[^\W\d]\()\s*$")
_SIGN = re.compile(
    rf"(?:(?P<word>\b(?:minus|negative|moins|meno|menos|минус)\s)|(?P<sign>[{_MINUS}+±])[ ]?)?"
    rf"(?:(?P<currency>{_CURRENCY})[ ]?(?P<second>[{_MINUS}])?)?\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeral:
    """A number as written, by its place; `value` None = digits that are no single number, for the reason in `why`."""

    start: int
    end: int
    value: Fraction | None
    why: str = ""
    reference: bool = False  # names something else: "question 3", a list's "2.", a footnote's [1]


def numerals(text: str, *, decimal_comma: bool = False) -> list[Numeral]:
    """Find the numbers of a text in plain form, in order."""
    return list(_joined(text, list(_single(text, decimal_comma))))


# --- one by one -------------------------------------------------------------------------------------------------------


def _single(text: str, decimal_comma: bool) -> Iterator[Numeral]:
    marker = _listed_from_one(text)
    place = 0
    while found := _NUMERAL.search(text, place):
        place = found.end()
        if found["other"]:
            yield Numeral(start=found.start(), end=found.end(), value=None, why="a date, a time or a number to call")
        elif one := _read(text, found, decimal_comma):
            place = max(one.end, place)
            yield replace(one, reference=True) if _is_reference(text, one, found, marker) else one


def _read(text: str, found: re.Match[str], decimal_comma: bool) -> Numeral | None:
    """Read one number with what stands before and behind it; None where it is a part of a name (H2O, covid-19, x_1)."""
    digits, start = found["digits"], found.start()
    lead = text[max(0, start - 40) : start]
    sign = _SIGN.search(lead)
    if sign is None or _is_in_name(lead, sign):
        return None
    ahead = lead[: sign.start()]
    negative, why = _signed(ahead, sign)
    value = None if len(digits) > _LONGEST else _value(digits, decimal_comma)
    if value is None:
        why = why or "more than one number in one"
    if _BOUND.search(ahead) or _OPERATOR.search(ahead):
        why = why or "a bound or an operand"
    value, end, more = _suffixed(text, found.end(), value, currency=sign["currency"] is not None)
    why = why or more
    begin = start - (len(lead) - sign.start())
    if why or value is None:
        return Numeral(start=begin, end=end, value=None, why=why or "no number of a sane size")
    return Numeral(start=begin, end=end, value=-value if negative else value)


def _is_in_name(lead: str, sign: re.Match[str]) -> bool:
    if _CALLED.search(lead[: sign.start()]):
        return True
    if sign["word"] or (sign["currency"] and not sign["sign"]):
        return False
    return _IN_NAME.search(lead[: sign.start() + 1] if sign["sign"] else lead) is not None


def _signed(ahead: str, sign: re.Match[str]) -> tuple[bool, str]:
    """Tell whether a sign makes the number negative, or why it makes it none: behind a value it is an operator."""
    written = sign["sign"] or sign["second"]
    if written == "±":
        return False, "two numbers"
    if sign["word"] or written is None:
        return sign["word"] is not None and not re.search(r"[\d)]\s*\Z", ahead), ""
    negative, spaced = written in _MINUS, sign["sign"] is not None and sign[0][1:2] == " "
    if _OPERAND.search(ahead) if spaced else re.search(r"[0-9)\]}]\Z", ahead):
        return False, _SUM
    if spaced:  # "x = - 5" has a sign, "Answer - 5" a dash; "+ 5" behind any word adds
        why = _SUM if not negative and re.search(r"\w\s\Z", ahead) else ""
        return negative and re.search(r"[=:(]\s?\Z", ahead) is not None, why
    return negative and not re.search(rf"[{_MINUS}]\Z", ahead), ""


def _value(digits: str, decimal_comma: bool) -> Fraction | None:
    parts = digits.split("/")
    if len(parts) > 2:
        return None
    values = [_decimal(part, decimal_comma) for part in parts]
    if any(value is None for value in values) or (len(values) == 2 and not values[1]):
        return None
    over, below = values[0], values[1] if len(values) == 2 else Fraction(1)
    return None if over is None or below is None else over / below


def _decimal(digits: str, decimal_comma: bool) -> Fraction | None:
    """Read digits with separators.

    A comma is the decimal sign where it cannot group; a point groups where it does so twice or before a comma.
    """
    if re.fullmatch(r"[0-9]+", digits):
        return Fraction(int(digits))
    grouped, pointed = _GROUPED, _POINTED
    if decimal_comma:
        if pointed.fullmatch(digits):
            return Fraction(int(digits.replace(".", "")))
    elif re.fullmatch(r"[0-9]*\.[0-9]+", digits):
        return as_fraction(Decimal(digits))
    if grouped.fullmatch(digits) and not (decimal_comma and "," in digits) and not digits.startswith("0"):
        return Fraction(int(re.sub(r"\D", "", digits)))
    whole, point, rest = digits.rpartition("," if "," in digits and digits.rfind(",") > digits.rfind(".") else ".")
    if not point or not rest.isdigit():
        return None
    if point == ".":
        good = re.fullmatch(r"[0-9]*", whole) or (grouped.fullmatch(whole) and not (decimal_comma and "," in whole))
        good = good or (pointed.fullmatch(digits) and digits.count(".") > 1 and not digits.startswith("0"))
    else:
        good = (
            re.fullmatch(r"[0-9]*", whole)
            or pointed.fullmatch(whole)
            or (grouped.fullmatch(whole) and "," not in whole)
        )
    if not good:
        return None
    if point == "." and "." in whole:
        return Fraction(int(digits.replace(".", "")))
    return as_fraction(Decimal(f"{re.sub(r'[^0-9]', '', whole) or '0'}.{rest}"))


def _suffixed(text: str, end: int, value: Fraction | None, *, currency: bool) -> tuple[Fraction | None, int, str]:
    """Take what belongs to the number behind it: exponent, power of ten, scale; say why it is none where it is not."""
    if exponent := _EXPONENT.match(text, end):
        return _scaled(value, exponent[1]), exponent.end(), ""
    if times := _TIMES_TEN.match(text, end):
        return _scaled(value, times[1] or times[2].translate(_SUPERSCRIPT)), times.end(), ""
    if power := _POWER.match(text, end):
        raised = _scaled(Fraction(1), power[1] or power[2].translate(_SUPERSCRIPT)) if value == 10 else None
        return raised, power.end(), "" if raised is not None else "a power that is not worked out"
    if scale := _SCALE.match(text, end):
        return value and value * _SCALE_OF[scale[1].casefold()], scale.end(), ""
    if unclear := _unclear(text, end):
        return None, *unclear
    if letters := _LETTERS.match(text, end):
        return _lettered(text, letters, value, currency)
    if bound := _BOUND_AFTER.match(text, end):
        return None, bound.end(), "a bound"
    return value, end, ""


def _unclear(text: str, end: int) -> tuple[int, str] | None:
    """Find what makes another number of the one before it, or may do so: where it ends, and what it is."""
    if scale := _UNCLEAR_SCALE.match(text, end):
        return scale.end(), "of a size that is not the same everywhere"
    if part := _PART.match(text, end) or _OTHER_SCRIPT.match(text, end):
        return part.end(), "followed by what may be a part or a scale"
    if _FACTORIAL.match(text, end):
        return end + 1, "a factorial or an exclamation"
    return (end, "a formula") if _SYMBOL.match(text, end) or _RAISED.match(text, end) else None


def _lettered(
    text: str, letters: re.Match[str], value: Fraction | None, currency: bool
) -> tuple[Fraction | None, int, str]:
    """Tell the letters that touch a number apart: a scale ($3M, 5k), a unit (5kg), or a name, a term, a decade."""
    word, follows = letters[0], text[letters.end() : letters.end() + 1]
    if (currency or word == "k") and word.lower() in _SHORT:
        return value and value * _SHORT[word.lower()], letters.end(), ""
    decade = word == "s" and _DECADE.search(text[max(0, letters.start() - 5) : letters.start()])
    joined = follows and (follows.isdigit() or follows in "(^") and word not in _POWERED_UNITS
    if word in _NOT_UNITS or decade or joined:
        return None, letters.end(), "part of a name or a formula"
    if bound := _BOUND_AFTER.match(text, letters.end()):
        return None, bound.end(), "a bound"
    return value, letters.end(), ""


def _scaled(value: Fraction | None, exponent: str) -> Fraction | None:
    try:
        size = as_fraction(Decimal(f"1e{int(exponent)}"))
    except (InvalidOperation, ValueError):
        return None
    return None if value is None or size is None else value * size


def is_scaled(text: str, end: int) -> bool:
    """Tell whether an exponent or a scale goes on with the digits that end there: 12e3, 12k, 12 thousand."""
    return any(pattern.match(text, end) for pattern in (_EXPONENT, _SCALE, _KILO))


# --- references -------------------------------------------------------------------------------------------------------

_LIST_MARKER = re.compile(r"^[ \t]*(?:step\s+)?([0-9]{1,3})[.):][ \t]+(?=\S)", re.MULTILINE | re.IGNORECASE)


def _listed_from_one(text: str) -> frozenset[int]:
    """Give the places of a numbered list's numbers: a lone "12. That is it" is no list."""
    markers = [(int(found[1]), found.start(1)) for found in _LIST_MARKER.finditer(text)]
    return (
        frozenset(place for _, place in markers)
        if any(number == 1 for number, _ in markers) and len(markers) > 1
        else frozenset()
    )


def _is_reference(text: str, one: Numeral, found: re.Match[str], markers: frozenset[int]) -> bool:
    if found.start() in markers:
        return True
    lead = text[max(0, one.start - 30) : one.start]
    if _REFERENCE.search(lead) or ((name := _NAME.search(lead)) and name[1].lower() not in _NO_NAMES):
        return True
    boxed = lead.endswith("[") and text[one.end : one.end + 1] == "]"
    return boxed and bool(re.search(r"[\w.,!?)\]]\s?\[$", lead))


# --- together ---------------------------------------------------------------------------------------------------------


def _joined(text: str, found: list[Numeral]) -> Iterator[Numeral]:
    """Put together what is one thing: 2 1/2, "5 to 7", "3 + 4", "(3, 4)"; only the first has a value of its own."""
    place = 0
    while place < len(found):
        one, last = found[place], place
        while last + 1 < len(found):
            gap_start, gap_end = found[last].end, found[last + 1].start
            if mixed := _mixed(text, found[last], found[last + 1]):
                one = mixed if last == place else replace(one, end=mixed.end)
            elif gap_end - gap_start > 40 or not _ties(text, gap_start, gap_end, found[last + 1]):
                break
            else:
                one = Numeral(
                    start=one.start,
                    end=found[last + 1].end,
                    value=None,
                    why="more than one number",
                    reference=one.reference,
                )
            last += 1
        yield one
        place = last + 1


def _ties(text: str, start: int, end: int, following: Numeral) -> bool:
    if any(join.fullmatch(text, start, end) for join in (_JOIN, _LOOSE_JOIN, _COMPOUND, _EQUATIONS)):
        return True
    per_cent = re.fullmatch(r"\s?%\s*(?:of|von|de|di|-|\u2013|to|bis|à|or)\s*[$€£]?\s*(?:the\s+)?", text[start:end])
    touching = not text[start:end].strip() and following.why.startswith("a sum")
    return per_cent is not None or touching


def _mixed(text: str, whole: Numeral, part: Numeral) -> Numeral | None:
    """Read 2 1/2 as 5/2."""
    gap = text[whole.end : part.start]
    if gap.strip(_SPACE) or not gap or whole.value is None or part.value is None or whole.value.denominator > 1:
        return None
    if "/" not in text[part.start : part.end] or not 0 < part.value < 1:
        return None
    value = whole.value - part.value if text[whole.start : whole.start + 1] in _MINUS else whole.value + part.value
    return Numeral(start=whole.start, end=part.end, value=value)
