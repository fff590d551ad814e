"""The labels of a choice -> where a text mentions them, and which of these mentions are meant as labels.

"A" in "a dog", "no" in "no way" and "toxic" in "non-toxic" are words like any other; "(A)", "No." and "option A" are
labels.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from routerctl.scorers import lexicon
from routerctl.scorers.base import normalised
from routerctl.scorers.lexicon import UNSPACED, phrases
from routerctl.scorers.markup import END, MARK, plain
from routerctl.scorers.stance import Sentence

# Not the hyphen (-1 and 1 may be labels) and not # or + (C#, C++).
DRESS = " \t*_`\"'“”\u2018\u2019()[]{}<>.:;,!?$。，！：、（）「」『』" + MARK + END
_BULLET = re.compile(r"\s*[-\u2013—•*]\s+")
_LONGEST_LINE = 300
_JOINS = rf"[^\W{UNSPACED}]"  # what joins a label into a longer word: 答えはBです says B
_ORDINARY = frozenset(word.strip() for word in lexicon.ORDINARY_WORDS.split(","))
_JOINED = re.compile(
    rf"""[\s)\]"'.*\x03]* (?: (?:,\s*)? (?: [/&+\u2013→] | [-=]?> | -(?=\s) | {phrases(lexicon.AND_OR)} ) | , )
    \s* (?: (?:also|maybe|possibly|perhaps|even)\s+ )? (?: option|choice|label )? [\s(\["'*\x02]*""",
    re.IGNORECASE | re.VERBOSE,
)
# What may follow a label that is also a word: "A, because ...", not "A man".
_WORD_ENDS = re.compile(
    r"""[ \t]* (?: [)\].,;:!?"'*$\x03\u2013—/\n。，、(] | -\s | $ | [^\x00-\u02ff]
    | (?: because|since|as|for|is|was|would|and|or|but|given|due|which|over|rather|weil|denn|car|porque|perché|instead
      | here|not|from|sino|sondern|mais|ma|to\ be|seems|looks ) \b )""",
    re.IGNORECASE | re.VERBOSE,
)
_LED = re.compile(r"(?:(?:option|choice|letter|label|so|well|ok|okay)\b|\d{1,3}[.)]\s|[^\w\s]|\s){0,40}", re.IGNORECASE)
_LEAD = re.compile(
    r"\A(?:no|well|so|ok|okay|hmm|actually|rather|then|hence|thus|definitely|clearly|absolutely)\b\W{1,3}",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(?:option|choice|letter|opción|opzione|opção|вариант)\s+[\"'(*]*\Z", re.IGNORECASE)

Place = tuple[str, int, int]  # a label and where it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A label at a place; `bare` = a letter or an ordinary word with nothing around it that says it is meant as one."""

    label: str
    start: int
    end: int
    bare: bool


def _names(choices: Sequence[str]) -> dict[str, str]:
    bare = {normalised(label.strip(DRESS)): label for label in reversed(choices)}
    return bare | {normalised(label): label for label in reversed(choices)}


def lines_alone(text: str, choices: Sequence[str]) -> list[Place]:
    """Give the lines that are a label and nothing else."""
    found, place, names = [], 0, _names(choices)
    for line in text.split("\n"):
        if len(line) < _LONGEST_LINE:
            item = _BULLET.sub("", line, count=1) if _BULLET.match(line) else line
            label = names.get(normalised(item)) or names.get(normalised(item.strip(DRESS))) if item.strip() else None
            found += [(label, place, place + len(line))] if label else []
        place += len(line) + 1
    return found


def sentences_alone(text: str, said: Sequence[Sentence], choices: Sequence[str]) -> list[Place]:
    """Give the sentences that are a label, "No, C.", but not the "A." before an option's text."""
    found, names = [], _names(choices)
    for one in said:
        if one.asks or one.end - one.start > _LONGEST_LINE:
            continue
        rest = text[one.start : one.end].strip()
        label = names.get(normalised(rest.strip(DRESS))) or names.get(normalised(_LEAD.sub("", rest).strip(DRESS)))
        listed = len(label or "") == 1 and text[: one.start].rstrip(" ").endswith(".") and not _LEAD.match(rest)
        if label and not listed and not (len(label) == 1 and text[one.end + 1 : one.end + 3].strip(" ")):
            found.append((label, one.start, one.end))
    return found


@lru_cache(maxsize=64)
def _finder(choices: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    """Compile the pattern of all labels; a longer one hides those inside it ("very good" does not mention "good")."""
    by_fold = {_folded(label) or label.casefold(): label for label in choices}
    longest_first = "|".join(re.escape(label) for label in sorted(by_fold, key=len, reverse=True))
    # A hyphen joins: non-toxic does not mention toxic; an apostrophe too: I'm does not mention I.
    return re.compile(
        rf"(?<!{_JOINS})(?<!{_JOINS}-)(?:{longest_first})(?!{_JOINS}|-{_JOINS}|'{_JOINS}|\.[a-z]\.|(?<=\bno)\.\s?[0-9])"
    ), by_fold


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", plain(text).casefold())


def mentions_of(text: str, choices: tuple[str, ...]) -> list[Mention]:
    """Find every mention of a label in plain text, in order; a longer label hides those inside it."""
    pattern, by_fold = _finder(choices)
    low = text.casefold()
    if len(low) != len(text):  # ß folds to two letters: places must stay those of the text
        low = "".join(folded if len(folded := c.casefold()) == 1 else c for c in text)
    found = []
    for hit in pattern.finditer(low):
        label = by_fold[hit[0]]
        bare = is_letter(label) or (hit[0] in _ORDINARY)
        found.append(Mention(label=label, start=hit.start(), end=hit.end(), bare=bare and not _is_dressed(text, hit)))
    return found


def is_letter(label: str) -> bool:
    """Tell whether a label is one letter from a to z."""
    return len(label) == 1 and label.isascii() and label.isalpha()


def _is_dressed(text: str, hit: re.Match[str]) -> bool:
    """Tell whether (B), [B], "B", option B, or B) B. B: where a line starts, shows that a letter is a label."""
    if len(hit[0]) == 1 and _NAMED.search(text[max(0, hit.start() - 15) : hit.start()]):
        return True
    before, after = text[max(0, hit.start() - 1) : hit.start()], text[hit.end() : hit.end() + 2]
    if before in ("(", "[", "\x02", '"') and after[:1] in (")", "]", "\x03", '"') and before and after:
        return len(hit[0]) == 1
    line = text.rfind("\n", 0, hit.start()) + 1
    opens = not text[line : hit.start()].strip(" \t(-•") and hit.start() - line < 10
    return len(hit[0]) == 1 and opens and after[:1] in (")", ".", ":") and not (after[1:].isalnum())


def is_meant(text: str, one: Mention) -> bool:
    """Tell whether a mention behind a cue is a label there: "the answer is A." and not "the answer is a matter"."""
    if not one.bare:
        return True
    if not is_letter(one.label):
        return _WORD_ENDS.match(text, one.end) is not None
    written = text[one.start : one.end]
    word = one.label.lower() in _ORDINARY
    if word and written.islower() and not text[one.end :].strip():
        return text[: one.start].rstrip(" \t\"'([*").endswith((":", "="))  # "the answer is a" was cut off
    if word or written.islower():
        return _WORD_ENDS.match(text, one.end) is not None
    return True


def opens(text: str, one: Mention) -> bool:
    """Tell whether a reply opens with this label: "Yes, ...", "B because ...", "(B) Paris"."""
    if not _LED.fullmatch(text, 0, one.start):
        return False
    if not one.bare:
        return True
    written = text[one.start : one.end]
    if is_letter(one.label) and written.islower() and one.label != written:
        return False
    ends = _WORD_ENDS.match(text, one.end) is not None
    return ends and not text[one.end :].lstrip(" ").lower().startswith(("is ", "was ", "to be"))


def are_joined(text: str, first: Mention, second: Mention) -> bool:
    """Tell whether "or", "and", a comma or a slash ties a label to the next one, another."""
    if first.label == second.label or not 0 <= second.start - first.end < 40:
        return False
    listed = re.fullmatch(r"[^\w\n]{1,3}", text[first.end : second.start]) and is_meant(text, second)
    return bool(listed) or _JOINED.fullmatch(text, first.end, second.start) is not None


def sentence_of(said: Sequence[Sentence], one: Mention) -> Sentence | None:
    """Give the sentence that a mention stands in."""
    place = bisect_left(said, one.end, key=lambda sentence: sentence.end)
    return said[place] if place < len(said) and said[place].start <= one.start else None
