"""A reply in Markdown, HTML or LaTeX -> its plain text, in which a marked answer stands between two signs.

Linear in the text, and nothing calls itself: braces are matched with a stack.
"""

from __future__ import annotations

import re
import unicodedata

from routerctl.scorers.reply import visible

MARK, END = "\x02", "\x03"  # around what a reply marks as its answer: a box, <answer>, a line after ####
_WIDE = range(0xFF01, 0xFF5F)  # full-width forms
_STYLED = range(0x1D400, 0x1D800)  # bold, italic, double-struck letters and digits
_SIGNS = {"\u066b": ".", "\u066c": ",", "\u066a": "%", "\u3000": " ", "\u2044": "/", "\u2215": "/", "\uff65": "·"}
_FRACTION = re.compile(
    r"\\[dtc]?frac\s?(?:\{\s?(-?[0-9.,]{1,40})\s?\}|([0-9]))\s?(?:\{\s?(-?[0-9.,]{1,40})\s?\}|([0-9]))"
)
_LATEX = (
    (re.compile(r"\\left(?![a-z])|\\right(?![a-z])|\\displaystyle(?![a-z])|\\[()]|\\\[|\\\]"), " "),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[,;:! ]|\\q?quad(?![a-z])"), "\u2009"),
    (re.compile(r"\\(?:times|cdot)(?![a-z])"), "×"),
    (re.compile(r"\\div(?![a-z])"), "÷"),
    (re.compile(r"\\pm(?![a-z])"), "±"),
    (re.compile(r"\\(?:neq?|neg|lnot|not)(?![a-z])"), "≠"),
    (re.compile(r"\\approx(?![a-z])|\\sim(?![a-z])"), "≈"),
    (re.compile(r"\\(?:lt|leq?|leqslant)(?![a-z])"), "<"),
    (re.compile(r"\\(?:gt|geq?|geqslant)(?![a-z])"), ">"),
    (re.compile(r"\\(?:rightarrow|to|Rightarrow|implies|therefore)(?![a-z])"), "→"),
    (re.compile(r"\^\s?\{?\\circ\}?|\\degree(?![a-z])"), "°"),
    (re.compile(r"\^\{(-?[0-9]{1,5})\}"), r"^\1"),
    (re.compile(r"\\([%$#&_])"), r"\1"),
)
_BRACES = re.compile(r"\\(?P<command>[A-Za-z]+)\*?[ ]?\{|(?P<open>\{)|(?P<shut>\})")
_BOXES = frozenset({"boxed", "fbox", "framebox"})
_PLAIN_TEXT = {
    *("text", "textbf", "textit", "textrm", "textsf", "texttt", "textnormal", "mathrm", "mathbf", "mathit", "mathsf"),
    *("mathtt", "mathbb", "bf", "rm", "emph", "underline", "operatorname", "mbox", "hbox", "bm", "boldsymbol"),
}
_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>answer|final_answer|final|b|i|u|em|strong|p|div|span|br|code|pre|li|ul|ol|sup|sub|mark|h[1-6]"
    r"|table|tbody|tr|td|th)(?:\s[^<>\n]{0,100})?/?>",
    re.IGNORECASE,
)
STRUCK = re.compile(r"~~[^~\n]{1,300}~~|<(?:s|del|strike)>[^<\n]{0,300}</(?:s|del|strike)>", re.IGNORECASE)
_LINE_MARKUP = re.compile(r"^[ \t]*(?:>(?![ \t]*[0-9.,]+[ \t]*$)[ \t]?)*(?:(?P<hash>#{1,6})[ \t]+)?", re.MULTILINE)
_EMPHASIS = re.compile(r"\*\*|__|`|(?<![\w*])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])")
_TABLE_LINE = re.compile(r"^[ \t]*\|(.*)$", re.MULTILINE)
_FENCE_LINE = re.compile(r"^[ \t>]*(?:`{3,}|~{3,})[ \t]*(?:[\w+#-]+[ \t]*)?$\n?", re.MULTILINE)
_ANSWER_LINE = re.compile(r"^####[ \t]+(\S{1,60}(?:[ \t]+\S{1,30})?)[ \t]*$", re.MULTILINE)


def plain(text: str) -> str:
    """Give a reply as its reader sees it: one form of each digit, no markup, a marked answer between MARK and END."""
    text = visible(text.replace(MARK, "").replace(END, ""))
    if not text.isascii():
        text = unicodedata.normalize("NFC", "".join(map(_one_form, text)))
    text = STRUCK.sub(" ", _FENCE_LINE.sub("", text))
    text = _TAG.sub(_without_tag, text)
    text = _ANSWER_LINE.sub(rf"{MARK}\1{END}", text)
    text = _without_latex(text) if "\\" in text or "{,}" in text else text
    text = _TABLE_LINE.sub(lambda row: row[1].strip(" \t|").replace("|", ": "), text)
    return _EMPHASIS.sub("", _LINE_MARKUP.sub("", text))


def _one_form(character: str) -> str:
    code = ord(character)
    if code < 0x80:
        return character
    if code in _WIDE or code in _STYLED:
        return unicodedata.normalize("NFKC", character)
    if character in _SIGNS:
        return _SIGNS[character]
    if (digit := unicodedata.decimal(character, None)) is not None:
        return str(digit)
    if unicodedata.category(character) == "No" and "\u2044" in (parts := unicodedata.normalize("NFKC", character)):
        return f" {parts} ".replace("\u2044", "/")  # ½
    return character


def _without_tag(tag: re.Match[str]) -> str:
    name = tag["name"].lower()
    if name in ("answer", "final_answer"):
        return END if tag["end"] else MARK
    if name in ("sup", "sub") and not tag["end"]:
        return "^" if name == "sup" else "_"
    return "\n" if name in ("br", "p", "li", "tr", "div") else ""


def _without_latex(text: str) -> str:
    text = _FRACTION.sub(_as_quotient, text)
    for pattern, instead in _LATEX:
        text = pattern.sub(instead, text)
    made: list[str] = []
    open_braces: list[str] = []
    place = 0
    for found in _BRACES.finditer(text):
        made.append(text[place : found.start()])
        place = found.end()
        if found["shut"]:
            made.append(open_braces.pop() if open_braces else "}")
        elif found["command"] in _BOXES:
            made.append(MARK)
            open_braces.append(END)
        elif found["command"] in _PLAIN_TEXT:
            open_braces.append("")
        else:
            made.append(found[0])
            open_braces.append("}")
    return "".join([*made, text[place:]])


def _as_quotient(found: re.Match[str]) -> str:
    mixed = found.string[max(0, found.start() - 1) : found.start()].isdigit()
    return f"{' ' if mixed else ''}{found[1] or found[2]}/{found[3] or found[4]}"
