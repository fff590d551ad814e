r"""A pattern of RE2 -> the same for text in any script: `\b`, `\w`, `\d`, `\s` and the POSIX classes know all letters.

RE2 knows those of ASCII alone there: next to a letter of another script its `\b` is never true. RE2 has no assertion
that could stand for it, so the text is marked where words begin and end, `\b` becomes that mark, and all else in the
pattern steps over it. Where the text is ASCII, the pattern is taken as it stands; both say the same of it.

A word is a row of letters, combining marks, digits and underscores, and each letter of a script that sets no words
apart (https://unicode.org/reports/tr29/#Word_Boundaries, without its dictionaries).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from routerctl.classify.rules.keywords import UNSPACED, composed
from routerctl.errors import InputError

MARK = "\U0010ffff"  # a noncharacter: it has no meaning in any text
_MARK = r"\x{10ffff}"
_MOST_ASKED = 3  # `\b` in a row about one place, each of which takes a mark
_WORD, _SPACE = r"\pL\pM\pN_", r"\t-\r\x{85}\pZ"
_NO_SPACE = r"\x00-\x08\x0e-\x1f!-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}"
_NO_SPACE += r"\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10fffe}"
_CLASSES = {r"\w": _WORD, r"\d": r"\p{Nd}", r"\s": _SPACE, r"\S": _NO_SPACE}
_POSIX = {
    "alpha": r"\pL\pM",
    "alnum": r"\pL\pM\pN",
    "digit": r"\p{Nd}",
    "word": _WORD,
    "space": _SPACE,
    "upper": r"\p{Lu}",
    "lower": r"\p{Ll}",
    "punct": r"\pP\pS",
    "blank": r"\t\p{Zs}",
    "cntrl": r"\p{Cc}",
}
_NO_WORDS = {r"\W": _WORD, r"\D": r"\p{Nd}"}
# [^\W\d_] is how people write "letters": what is left of a word's characters without digits, without the underscore.
_WORDS_WITHOUT = {"": _WORD, "_": r"\pL\pM\pN", r"\d": r"\pL\pM\p{Nl}\p{No}_", r"\d_": r"\pL\pM\p{Nl}\p{No}"}
_ENDS = {r"\b": _MARK, "$": f"{_MARK}*$", r"\z": rf"{_MARK}*\z"}
_TAKES = ("quoted", "class", "atom", "any", "character")  # the kinds of token that take a character of the text
_LAST = re.compile(rf"{MARK}|\\x\{{10ffff\}}", re.IGNORECASE)
_ONE = r"\\x\{[0-9a-fA-F]+\}|\\x[0-9a-fA-F]{2}|\\[0-7]{1,3}|\\[^\w\s]|\\[aftnrv]"
_TOKEN = re.compile(
    rf"\\Q(?P<quoted>.*?)(?:\\E|\Z)|(?P<flags>\(\?[a-zA-Z-]*[:)])|(?P<open>\((?:\?P?<\w+>)?)|(?P<close>\))"
    rf"|(?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\[pP]\{{[^}}]*\}}|\\.|[^\]\\])*\])"
    rf"|(?P<atom>\\[pP](?:\{{[^}}]*\}}|.)|{_ONE}|\\[wWdDsSC])|(?P<assertion>\\[bBAzZ]|[\^$])"
    rf"|(?P<repeat>[*+?]|\{{\d*,?\d*\}})|(?P<or>\|)|(?P<any>\.)|(?P<character>.)",
    re.DOTALL,
)
_ITEM = re.compile(
    rf"(?P<posix>\[:\^?\w+:\])|(?P<property>\\[pP](?:\{{[^}}]*\}}|.))|(?P<perl>\\[wWdDsS])"
    rf"|(?P<range>(?:{_ONE}|[^\\])-(?:{_ONE}|[^\\\]]))|(?P<one>{_ONE}|[^\\])",
    re.DOTALL,
)

_STRANGE = re.compile(r"[^\w\x00-\u02ff]")  # where combining marks may be


class UntranslatableError(InputError):
    """A pattern says what RE2 cannot be told of all scripts."""


def has_boundary(pattern: str) -> bool:
    r"""Tell whether a pattern has a `\b`, so that the text has to be marked for it."""
    return any(token["assertion"] == r"\b" for token in _TOKEN.finditer(pattern))


def for_all_scripts(pattern: str) -> str:
    r"""Translate a pattern that RE2 takes for any text, as if each of its `\b` were true.

    Raises: UntranslatableError.
    """
    return "".join(_translated(composed(pattern), ""))


def for_marked(pattern: str) -> str:
    r"""Translate a pattern with `\b` for text that is `marked`.

    Raises: UntranslatableError.
    """
    return "".join(_translated(composed(pattern), rf"{_MARK}*"))


def marked(text: str) -> str:
    """Mark in a text where words begin and end."""
    text = text.replace(MARK, "\ufffe")
    marks = {one for one in set(_STRANGE.findall(text)) if unicodedata.category(one)[0] == "M"}
    return _words("".join(sorted(marks))).sub(rf"{MARK * _MOST_ASKED}\g<0>{MARK * _MOST_ASKED}", text)


@lru_cache(maxsize=64)
def _words(marks: str) -> re.Pattern[str]:
    """Find the words of a text that has these combining marks, which are no letters to Python."""
    apart = f"[{UNSPACED}]"
    one = rf"(?=\w){apart}[{re.escape(marks)}]*+" if marks else rf"(?=\w){apart}"
    return re.compile(rf"{one}|(?:(?!{apart})[\w{re.escape(marks)}])++")


def _translated(pattern: str, over: str) -> Iterator[str]:
    """Give the parts of the pattern; `over`: steps over the marks before a character, where there are any."""
    asked = 0  # `\b` since the last character
    dots = [False]  # whether . takes a line break, for each group that is open
    for token in _TOKEN.finditer(pattern):
        kind, said = str(token.lastgroup), token[0]
        if kind == "flags":
            on = _dot_takes_all(said, dots[-1])
            dots = [*dots, on] if said.endswith(":") else [*dots[:-1], on]
        elif kind == "open":
            dots.append(dots[-1])
        elif kind == "close":
            dots = dots[:-1] or [False]
        asked = 0 if kind in _TAKES else asked + (said == r"\b")
        if asked > _MOST_ASKED:
            raise UntranslatableError(rf"more than {_MOST_ASKED} \b about one place know no letters but those of ASCII")
        yield from _token(kind, said, token, over, dots[-1])


def _dot_takes_all(flags: str, before: bool) -> bool:
    on, _, off = flags.strip("(?:)").partition("-")
    return (before or "s" in on) and "s" not in off


def _token(kind: str, said: str, token: re.Match[str], over: str, dot_takes_all: bool) -> Iterator[str]:
    if kind == "quoted":
        yield from (_atom(re.escape(one), over) for one in token["quoted"])
    elif kind == "any":
        yield _atom(f"[^{'' if dot_takes_all else chr(92) + 'n'}{_MARK}]" if over else said, over)
    elif kind == "class":
        yield _atom(_class(said[1:-1], over), over)
    elif kind == "atom":
        yield _atom(_class(said, over) if said[1] in "wWdDsSpP" else said, over)
    elif kind == "character":
        yield _atom(said, over)
    elif over and said in _ENDS:
        yield _ENDS[said]
    elif said == r"\b":
        yield "(?:)"
    elif said == r"\B":
        raise UntranslatableError(r"\B cannot be told of other letters than those of ASCII")
    else:
        yield said


def _atom(said: str, over: str) -> str:
    return f"(?:{over}{said})" if over else said


def _class(said: str, over: str) -> str:
    """Translate what stands in the brackets of a class, or stands for one."""
    denied, said = said.startswith("^"), said.removeprefix("^")
    inside: list[str] = []
    all_but: list[str] = []  # of which the class has what is not in them
    for item in _ITEM.finditer(said):
        part, affirmed = item[0], _affirmed(item)
        if affirmed:
            all_but.append(affirmed)
        else:
            posix = _POSIX.get(part[2:-2]) if item["posix"] else None
            inside.append(posix or _CLASSES.get(part) or _LAST.sub(r"\\x{10fffe}", part))
    if not denied:
        parts = [f"[{''.join(inside)}]"] if inside else []
        parts += [f"[^{one}{_MARK if over else ''}]" for one in all_but]
        return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"
    if not all_but:
        return f"[^{''.join(inside)}{_MARK if over else ''}]"
    if len(all_but) == 1 and not inside:
        return f"[{all_but[0]}]"
    rest = "".join(sorted(said.replace(r"\W", "").replace(r"\d", "0"))).replace("0", r"\d")
    if r"\W" not in said or rest not in _WORDS_WITHOUT:
        raise UntranslatableError(f"[^{said}] cannot be told of other letters than those of ASCII")
    return f"[{_WORDS_WITHOUT[rest]}]"


def _affirmed(item: re.Match[str]) -> str | None:
    """Give what a part of a class denies; None where it denies nothing."""
    part = item[0]
    if part in _NO_WORDS:
        return _NO_WORDS[part]
    if item["posix"] and part.startswith("[:^"):
        return _POSIX.get(part[3:-2], f"[:{part[3:-2]}:]")
    if item["property"] and (part[1] == "P") != ("^" in part):
        return rf"\p{part[2:].replace('^', '')}"
    return None
