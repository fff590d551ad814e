"""A keyword and a text -> whether the keyword stands in it as a word, in whatever script either is written.

On the hot path of every request: only the standard library, and time in proportion to the text's length. A word may
carry what its script writes onto it: Korean particles, Arabic and Hebrew articles, prepositions and possessives. Other
inflected forms are words of their own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache, partial


def _lazy(pattern: str) -> Callable[[], re.Pattern[str]]:
    """Make a pattern that is compiled when it is first needed: text of ASCII needs hardly any, and start-up none."""
    return cache(partial(re.compile, pattern))


# Scripts that set no words apart: Thai and Lao, Burmese, Khmer, Tai, Javanese and Balinese, kana, bopomofo, Han.
_UNSPACED = (
    *("\u0e00-\u0eff", "\u1000-\u109f", "\u1780-\u17ff", "\u1950-\u19df", "\u1a20-\u1aaf", "\u1b00-\u1b7f"),
    *("\u3005-\u3007", "\u3031-\u3035", "\u3040-\u312f", "\u31a0-\u31bf", "\u31f0-\u31ff", "\u3400-\u9fff"),
    *("\ua980-\ua9ff", "\uaa60-\uaa7f", "\uf900-\ufaff", "\U0001b000-\U0001b16f", "\U00020000-\U0003ffff"),
)
UNSPACED = "".join(_UNSPACED)  # as it stands in a class of a regular expression
_UNSPACED_LETTER = _lazy(f"[{UNSPACED}]")
_MARKS = _lazy(r"[^\w\x00-\x7f]{31,}+")  # combining marks are no letters to Python; see `_streamable`
_MOST_MARKS = 30  # in a row, of the Stream-Safe Text Format: https://unicode.org/reports/tr15/#Stream_Safe_Text_Format
_JOINER = "\u034f"  # the combining grapheme joiner, over which no mark is sorted
_LIGATURE = _lazy("ffi|ffl|ff|fi|fl|ss|st")  # of the characters that fold into several, those of ASCII alone

# What is written for its looks: soft hyphens, joiners, marks of direction, tatweel, and signs of vowels that readers of
# Arabic and Hebrew do without.
_IGNORED = "\u00ad\u0591-\u05bd\u05bf\u05c1\u05c2\u05c7\u0610-\u061a\u061c\u0640\u064b-\u0652\u0656-\u065f\u0670"
_IGNORED += "\u06d6-\u06dc\u200c-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
# Full-width (but for the signs that end clauses, which any Chinese text has), in context, mathematical.
_SHAPES = (
    "\ufb1d-\ufdff\ufe70-\ufefc\uff02-\uff07\uff0a\uff0b\uff0d-\uff19\uff1c-\uff1e\uff20-\uffee\U0001d400-\U0001d7ff"
)
# Written in two ways by those who mean one: another keyboard; with or without a dot, a dieresis, a hamza; at an end.
_ONE_LETTER = (
    *((one, "\u0627") for one in "\u0622\u0623\u0625\u0671"),
    *(("\u0649", "\u064a"), ("\u06cc", "\u064a"), ("\u0629", "\u062a"), ("\u06a9", "\u0643"), ("\u06c1", "\u0647")),
    *(("\u06be", "\u0647"), ("ך", "כ"), ("ם", "מ"), ("ן", "נ"), ("ף", "פ"), ("ץ", "צ"), ("ё", "е"), ("i\u0307", "i")),
    *(("ı", "i"), ("\u2019", "'"), ("\u02bc", "'")),
    *zip("άέήίόύώϊϋΐΰ", "αεηιουωιυιυ", strict=True),  # capitals are written without accents
)
_DROPPED = _lazy(f"[{_IGNORED}]+|(?<=[{UNSPACED}])\u200b(?=[{UNSPACED}])")
_SHAPED = _lazy(f"[{_SHAPES}]+")
_SPECIAL = _lazy(f"[{_IGNORED}\u200b{_SHAPES}\u1f00-\u1fff]")
_POLYTONIC = _lazy("[\u1f00-\u1fff]")

_HANGUL = _lazy("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_WRITTEN_ON = _lazy("[\u0590-\u06ff]")  # Hebrew and Arabic, as folded above
_MOST_WRITTEN_ON = 8  # letters at either end
_BEFORE = _lazy(  # and, the, in, to, from, that...: https://en.wikipedia.org/wiki/Prefixes_in_Hebrew
    "[והבכלמש]{1,4}|ا?[وف]?س?[بكل]?(?:ال)?|[وف]?لل|ن?مي"
)
_AFTER = _lazy(  # plural, then whose; of Arabic, Persian and Urdu
    "(?:ימ|ות|ית|ת|י)?(?:י|כ|יכ|ו|יו|ה|יה|נו|ינו|כמ|יכמ|כנ|יכנ|המ|יהמ|הנ|יהנ|מ|נ)?"
    "|(?:ات|ان|ون|ين|يت|ت|ا|ي|و)?(?:ها|هما|هم|هن|ه|كما|كم|كن|ك|نا|ني|ي)?"
    "|(?:ها|ان)?ي?ي?(?:م|ت|ش|مان|تان|شان|ام|ات|اش|را)?|ي?(?:وں|يں|اں|ے)"
)


def folded(text: str) -> str:
    """Write what is read as the same in one way: case, composition of accents, width, signs that are left out."""
    if text.isascii():
        return text.lower()
    special = _SPECIAL().search(text) is not None  # few texts have any of that
    if special:
        text = _SHAPED().sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
        text = _DROPPED().sub("", text)
    fold = composed(text.casefold())
    if special:
        fold = _POLYTONIC().sub(lambda found: unicodedata.normalize("NFD", found[0])[0], fold)
    for written, meant in _ONE_LETTER:
        fold = fold.replace(written, meant)
    return fold


def composed(text: str) -> str:
    """Compose accents, which some systems type apart; in proportion to the text's length."""
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", _streamable(text))


def _streamable(text: str) -> str:
    """Part long rows of combining marks: composing sorts them, in quadratic time."""
    return _MARKS().sub(lambda found: _parted(found[0]), text)


def _parted(row: str) -> str:
    parts, marks = [], 0
    for character in row:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > _MOST_MARKS:
            parts.append(_JOINER)
            marks = 1
        parts.append(character)
    return "".join(parts)


def spaced(text: str) -> str:
    """Make one blank of each row of blanks and line breaks."""
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def folded_keyword(keyword: str) -> str:
    """Fold a keyword as the text is folded in which it is looked for."""
    return spaced(folded(keyword))


def has_keyword(text: str, keyword: str, *, bare: bool = False) -> bool:
    """Tell whether a folded keyword stands in a folded text, which has to be spaced where the keyword has a blank.

    Where it begins or ends in a letter or digit, a word has to begin or end there: `.py` stands in main.py, `py` in
    main.py but not in numpy. `bare`: with nothing written onto it.
    """
    start = text.find(keyword)
    while start >= 0:
        end = start + len(keyword)
        if _begins(text, start, keyword[:1], bare) and _ends(text, end, keyword[-1:], bare):
            return True
        start = text.find(keyword, start + 1) if keyword else -1
    return not keyword


def _begins(text: str, start: int, first: str, bare: bool) -> bool:
    before = text[start - 1 : start]
    if not (_is_letter(first) and _is_letter(before)):
        return True
    if _HANGUL().match(first) or _HANGUL().match(before):  # a compound; beside other letters the script ends a word
        return not (_HANGUL().match(first) and _HANGUL().match(before))
    if bare or not _WRITTEN_ON().match(before):
        return False
    begin = start - 1
    while start - begin <= _MOST_WRITTEN_ON and _is_letter(text[begin - 1 : begin]):
        begin -= 1
    return _BEFORE().fullmatch(text, begin, start) is not None


def _ends(text: str, end: int, last: str, bare: bool) -> bool:
    after = text[end : end + 1]
    if _is_mark(after):  # it belongs to the letter before
        return False
    if not (_is_letter(last) and _is_letter(after)) or _HANGUL().match(last) or _HANGUL().match(after):
        return True
    if bare or not _WRITTEN_ON().match(after):
        return False
    until = end + 1
    while until - end <= _MOST_WRITTEN_ON and _is_letter(text[until : until + 1]):
        until += 1
    return _AFTER().fullmatch(text, end, until) is not None


def _is_letter(character: str) -> bool:
    """Tell a letter, digit or underscore of a script that sets words apart; in the others any place may end a word."""
    if not (character.isalnum() or character == "_" or _is_mark(character)):
        return False
    return character < "\u0e00" or not _UNSPACED_LETTER().match(character)


def _is_mark(character: str) -> bool:
    """Tell a sign that combines with the letter before it, such as a vowel of Hindi; not those that choose a glyph."""
    return character >= "\u0300" and unicodedata.category(character)[0] == "M" and not "\ufe00" <= character <= "\ufe0f"


def least_length(keyword: str) -> int:
    """Give the fewest characters of a text in which a folded keyword stands: folding makes two or three of some."""
    if keyword.isascii():
        return len(_LIGATURE().sub("x", keyword))
    # Folding gives at most three for one, composing again (unicode.org/faq/normalization), a ligature of Arabic 18.
    return -(-len(keyword) // 18)
