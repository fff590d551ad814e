"""A model's reply -> the part of it that answers: without its thinking, by its fenced blocks, as it is seen.

Every scorer reads replies through here, so what hides an answer or puts a draft in its place is dealt with once. Each
step reads the text a bounded number of times and none calls itself: a reply may be anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# Reasoning models write their drafts into the reply when a server does not take them out.
_THINKING = "think|thinking|thought|thoughts|reason|reasoning|reflection|scratchpad|analysis"
_THOUGHT_TAG = re.compile(
    rf"(?<![\"'])(?<![^`]`)(?:<(?P<close>/?)(?:\w{{1,12}}:)?(?:{_THINKING})>|\[(?P<close2>/?)THINK\]|◁(?P<close3>/?)think▷)",
    re.IGNORECASE,
)
_FINAL = "<|channel|>final<|message|>"
_CHANNEL = re.compile(r"<\|channel\|>\s*(?:analysis|commentary)\b")
_SPECIAL = re.compile(r"<\|[a-z_]{1,30}\|>")

# What has no width of its own, besides all format characters: fillers, joiners, variation selectors.
_FILLERS = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10), *range(0x180B, 0x1810)}
_LOOK_ALIKE = str.maketrans("\u2010\u2011\u2019\u02bc", "--''")

_FENCE = re.compile(r"[ \t>]*(?P<fence>`{3,}|~{3,})[ \t]*\{?\.?(?P<tag>[\w+#-]*)(?P<rest>[^\n]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its tag in lower case, what is in it, and where it starts and ends in the text."""

    tag: str
    content: str
    start: int
    end: int


def answering(text: str) -> str:
    """Take the thinking out of a reply; thinking that never ends leaves no answer at all.

    What stands before an end without a beginning is thinking too: some chat templates write the beginning themselves.
    """
    if _CHANNEL.search(text) and _FINAL not in text:
        return ""
    text = text.rpartition(_FINAL)[2]
    kept: list[str] = []
    place, inside = 0, False
    for tag in _THOUGHT_TAG.finditer(text):
        if tag["close"] or tag["close2"] or tag["close3"]:
            if not inside:
                kept.clear()
            place, inside = tag.end(), False
        elif not inside:
            kept.append(text[place : tag.start()])
            inside = True
    return "" if inside else _SPECIAL.sub(" ", "".join([*kept, text[place:]]))


def visible(text: str) -> str:
    """Leave out the characters that nobody sees, and write those one way that look alike."""
    if text.isascii():
        return text
    shown = (c for c in text if unicodedata.category(c) != "Cf" and ord(c) not in _FILLERS)
    return "".join(shown).translate(_LOOK_ALIKE)


def fenced(text: str) -> list[Block]:
    """Give every block between fences of backticks or tildes; one left open runs to the end of the text."""
    blocks: list[Block] = []
    opened: re.Match[str] | None = None
    for start, end in _lines(text):
        found = _FENCE.match(text, start, end)
        if found is None or found["tag"] in ("markdown", "md"):  # a reply quoted as a whole: its blocks count
            continue
        fence, rest = found["fence"], found["rest"].strip()
        if opened is not None:
            if fence[0] == opened["fence"][0] and len(fence) >= len(opened["fence"]) and not found["tag"] and not rest:
                blocks.append(_block(text, opened, start, end))
                opened = None
        elif rest.endswith(fence[:3]):  # opened and closed on one line
            whole = (found["tag"] + found["rest"]).strip().rstrip(fence[0])
            word, _, others = whole.partition(" ")
            tagged = word.islower() and bool(others)
            content = others if tagged else whole
            blocks.append(Block(tag=word if tagged else "", content=content.strip(), start=start, end=end))
        elif not (fence[0] == "`" and "`" in rest):
            opened = found
    if opened is not None:
        blocks.append(_block(text, opened, len(text), len(text)))
    return blocks


def _lines(text: str) -> Iterator[tuple[int, int]]:
    place = 0
    while place < len(text):
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        yield place, end
        place = end + 1


def _block(text: str, opened: re.Match[str], stop: int, end: int) -> Block:
    content = text[min(opened.end() + 1, stop) : stop].rstrip()
    return Block(tag=opened["tag"].lower(), content=content, start=opened.start(), end=end)
