"""A reply -> the one label it chooses among several -> right or wrong.

It reads words, not meaning: "not positive" mentions positive. A reply that can be read as two labels chooses none,
because a guess here would be counted as evidence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from routerctl.errors import nearest
from routerctl.scorers.base import Params, Scorer, normalised, only
from routerctl.types import Json

_ANSWER = re.compile(r"\banswer\b(?:\s+is)?\s*[:=]?", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")
# Not the hyphen (-1 and 1 may be labels) and not # or + (C#, C++).
_DRESS = " \t*_`\"'“”\u2018\u2019()[]{}<>.:;,!?"
_BULLET = re.compile(r"\s*[-\u2013—•*]\s+")


def choose(text: str, choices: Sequence[str]) -> str | None:
    """Give the label that a reply chooses, or None where there is none or more than one.

    What counts, in this order: lines that are a label alone and the labels after the last "answer" (its sentence, else
    all that follows), which must not contradict each other; else the labels mentioned as whole words anywhere.
    """
    text = unicodedata.normalize("NFC", text)
    alone = {label for line in text.splitlines() if (label := _alone(line, choices))}
    answered = _answered(text, choices)
    if len(alone) == 1:
        return None if len(answered) == 1 and answered != alone else alone.pop()
    found = answered or alone or _mentions(text, choices, anywhere=False)
    return found.pop() if len(found) == 1 else None


def _answered(text: str, choices: Sequence[str]) -> set[str]:
    marks = list(_ANSWER.finditer(text))
    if not marks:
        return set()
    rest = text[marks[-1].end() :].lstrip(" \t\n*_:")
    sentence = _SENTENCE_END.split(rest, maxsplit=1)[0]
    return _mentions(sentence, choices, anywhere=True) or _mentions(rest, choices, anywhere=True)


def _alone(line: str, choices: Sequence[str]) -> str | None:
    line = _BULLET.sub("", line, count=1) if _BULLET.match(line) else line
    for found, bare in ((normalised(line), False), (normalised(line.strip(_DRESS)), True)):
        for label in choices:
            if found and found == normalised(label.strip(_DRESS) if bare else label):
                return label
    return None


def _mentions(text: str, choices: Sequence[str], *, anywhere: bool) -> set[str]:
    """Collect the labels mentioned; a longer one hides those inside it ("very good" does not mention "good")."""
    by_fold = {unicodedata.normalize("NFC", label.casefold()): label for label in choices if not _is_letter(label)}
    found: set[str] = set()
    if by_fold:
        longest_first = "|".join(re.escape(label) for label in sorted(by_fold, key=len, reverse=True))
        # A hyphen joins: non-toxic does not mention toxic.
        pattern = rf"(?<![\w-])(?:{longest_first})(?![\w-])"
        folded = unicodedata.normalize("NFC", text.casefold())
        found.update(by_fold[match] for match in re.findall(pattern, folded))
    found.update(label for label in choices if _is_letter(label) and _names_letter(text, label, anywhere))
    return found


def _is_letter(label: str) -> bool:
    return len(label) == 1 and label.isascii() and label.isalpha()


def _names_letter(text: str, letter: str, anywhere: bool) -> bool:
    """Tell whether a one-letter label is meant: (B), [B], or B) B. B: where a line starts; "A dog" is no answer."""
    letter = re.escape(letter)
    if re.search(rf"[(\[]{letter}[)\]]|^[ \t]*(?:\*\*)?{letter}[).:](?!\w)", text, re.MULTILINE):
        return True
    return anywhere and re.search(rf"(?<![\w-]){letter}(?![\w'\u2019-])", text) is not None


def _extract(text: str, params: Params) -> str | None:
    return choose(text, params["choices"])


def _check(params: Params, expected: Json) -> None:
    only(params, "choices")
    choices = params.get("choices")
    if not isinstance(choices, list | tuple) or len(choices) < 2:
        raise ValueError("choices: expected a list of at least two labels (reply.choices)")
    if not all(isinstance(label, str) and label.strip(_DRESS) for label in choices):
        raise ValueError(f"choices: expected labels of letters or digits as text, got {choices!r}; quote them")
    if len({normalised(label.strip(_DRESS)) for label in choices}) < len(choices):
        raise ValueError("choices: two labels differ only in case, spaces or punctuation")
    if expected is not None and expected not in choices:
        raise ValueError(f"{expected!r} is not one of the choices{nearest(str(expected), choices)}")


def _score(extracted: str, expected: Json, _: Params) -> tuple[float, str]:
    return (1.0, "equal") if extracted == expected else (0.0, f"{extracted} is not {expected}")


CHOICE = Scorer(name="choice", extract=_extract, score=_score, check=_check)
