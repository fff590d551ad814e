"""A text -> what rules ask of it: its words, whether a keyword stands in it, whether it is JSON, whether it has code.

On the hot path of every request: only the standard library. Prompts are hostile, so every function here takes time in
proportion to the text's length.
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache, lru_cache

# Scripts that set no words apart: Thai and Lao, Burmese, Khmer, kana, Han with its extensions.
_UNSPACED = (
    ("\u0e00", "\u0eff"),
    ("\u1000", "\u109f"),
    ("\u1780", "\u17ff"),
    ("\u3040", "\u30ff"),
    ("\u3400", "\u9fff"),
    ("\U00020000", "\U0003ffff"),
)
_IDEOGRAPH = "\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"  # kana and Han
_MARKS = re.compile(r"[^\w\x00-\x7f]{31,}+")  # combining marks are no letters to Python; see `_streamable`
_MOST_MARKS = 30  # in a row, of the Stream-Safe Text Format: https://unicode.org/reports/tr15/#Stream_Safe_Text_Format
_JOINER = "\u034f"  # the combining grapheme joiner, over which no mark is sorted
_LIGATURE = re.compile("ffi|ffl|ff|fi|fl|ss|st")  # of the characters that fold into several, those of ASCII alone
# Statements that prose does not begin a line with; two such lines, or a fence, make it code.
_CODE_LINE = re.compile(
    r"^[ \t]*+(def \w+\(|class \w+[:(]|import \w+|from \w+ import|#include\b|public |private |func \w+\(|fn \w+\("
    r"|(?:const|let|var) \w+ ?=|SELECT\b.*\bFROM\b|return\b.*;|if ?\(.*\) ?\{|for ?\(.*\) ?\{"
    r"|\}[ \t\r]*$|.*;[ \t\r]*$)",
    re.MULTILINE,  # possessive, and no \s, which spans lines: a hostile prompt of blanks must not take quadratic time
)


def folded(text: str) -> str:
    """Fold case and the typographic apostrophe, and compose accents: some systems type them apart."""
    if text.isascii():
        return text.lower()
    fold = text.casefold().replace("\u2019", "'")
    return fold if unicodedata.is_normalized("NFC", fold) else unicodedata.normalize("NFC", _streamable(fold))


def _streamable(text: str) -> str:
    """Part long rows of combining marks: composing sorts them, in quadratic time."""
    return _MARKS.sub(lambda found: _parted(found[0]), text)


def _parted(row: str) -> str:
    parts, marks = [], 0
    for character in row:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > _MOST_MARKS:
            parts.append(_JOINER)
            marks = 1
        parts.append(character)
    return "".join(parts)


def count_words(text: str) -> int:
    """Count what blanks set apart; of kana and Han each character."""
    if text.isascii():
        return len(text.split())
    ideograph, counted = _counters()
    return sum(1 for _ in counted.finditer(text)) if ideograph.search(text) else len(text.split())


@cache
def _counters() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Give what finds an ideograph, and what finds all that counts as a word; compiling them takes milliseconds."""
    return re.compile(f"[{_IDEOGRAPH}]"), re.compile(f"[{_IDEOGRAPH}]|[^\\s{_IDEOGRAPH}]++")


def spaced(text: str) -> str:
    """Make one blank of each row of blanks and line breaks."""
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def folded_keyword(keyword: str) -> str:
    """Fold a keyword as the text is folded in which it is looked for."""
    return spaced(folded(keyword))


def has_keyword(text: str, keyword: str) -> bool:
    """Tell whether a folded keyword stands in a folded text, which has to be spaced where the keyword has a blank.

    Where it begins or ends in a letter or digit, a word has to begin or end there: `.py` stands in main.py, `py` in
    main.py but not in numpy.
    """
    start = text.find(keyword)
    if start < 0:
        return False
    begins, ends = _is_letter(keyword[:1]), _is_letter(keyword[-1:])
    while start >= 0:
        end = start + len(keyword)
        if not (begins and _is_letter(text[start - 1 : start])) and not (ends and _is_letter(text[end : end + 1])):
            return True
        start = text.find(keyword, start + 1)
    return False


def _is_letter(character: str) -> bool:
    """Tell a letter, digit or underscore of a script that sets words apart; in the others any place may end a word."""
    if not (character.isalnum() or character == "_"):
        return False
    return character < "\u0e00" or not any(first <= character <= last for first, last in _UNSPACED)


def is_json(text: str) -> bool:
    """Tell whether the whole text is a JSON object or list."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[")):
        return False
    try:
        json.loads(stripped, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def has_code(text: str) -> bool:
    """Tell whether the text holds program code: a code fence, or two lines that look like statements."""
    if "```" in text:
        return True
    if "\n" not in text:
        return False
    first = _CODE_LINE.search(text)
    return first is not None and _CODE_LINE.search(text, first.end()) is not None


def least_length(keyword: str) -> int:
    """Give the fewest characters of a text in which a folded keyword stands: folding makes two or three of some."""
    if keyword.isascii():
        return len(_LIGATURE.sub("x", keyword))
    return -(-len(keyword) // 9)  # folding gives at most three for one, composing again: unicode.org/faq/normalization
