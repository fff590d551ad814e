"""A reply in plain text -> the places where it says "here comes my answer", strongest kind first.

Marks (a box, <answer>, a line after ####) are said in markup, cues ("the answer to question 3 is ...", "Antwort: ...")
in words. What may stand there, a label or a number, is the scorers' business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from routerctl.scorers import lexicon
from routerctl.scorers.base import NoAnswer
from routerctl.scorers.lexicon import phrases
from routerctl.scorers.markup import END, MARK
from routerctl.scorers.stance import Sentence

_NOUN = rf"(?:{phrases(lexicon.ANSWER_NOUNS)}|{phrases(lexicon.CHOSEN)}\s+{phrases(lexicon.CHOICES)})"
_CUE = re.compile(
    rf"(?<![\w-])(?:{_NOUN})(?!-\w)|\b(?:correct|choice|option|chosen|selected)(?=\s*[:=])|答案|答え|回答|解答|正解|結果|结果|情感|정답",
    re.IGNORECASE,
)
_COPULA = re.compile(
    rf"{phrases(lexicon.COPULAS)}(?:\s*(?:that\b|:))?|[:=→≈]|->|=>|이?(?:은|는)(?=\s|\d|[A-Za-z(])", re.IGNORECASE
)
_VERB = re.compile(
    rf"""\bI(?:'d|'ll|'m|\s+would|\s+will|\s+am|\s+can)?\s+(?:\w+ly\s+)?{phrases(lexicon.CHOOSING)}(?:\s+{phrases(lexicon.AND_SO)})*
    | {phrases(lexicon.CHOOSES)}\s*:? | (?P<being>{phrases(lexicon.IT_IS)}(?:\s+an?\b)?)""",
    re.IGNORECASE | re.VERBOSE,
)
_RELATIVE = re.compile(r"\s+(?:that|which|who)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """Where an answer is said to stand: from start to end, in a sentence.

    `firm` = after a verb of being or a colon; `named` = the cue names it as the answer, which "it is" does not.
    """

    start: int
    end: int
    sentence: Sentence
    firm: bool = True
    named: bool = True


def marks(text: str, said: list[Sentence]) -> list[Tail]:
    """Give what the reply marks as its answer, in order.

    Raises: NoAnswer where the last mark is not closed: the reply was cut off in its answer.
    """
    found, place = [], 0
    while (start := text.find(MARK, place)) >= 0:
        end = text.find(END, start)
        if end < 0:
            raise NoAnswer("the reply ends inside its marked answer")
        place = end + 1
        if text[start + 1 : end].strip():
            found.append(Tail(start=start + 1, end=end, sentence=_around(said, start, end)))
    return found


def cued(text: str, said: list[Sentence]) -> list[Tail]:
    """Give what follows a cue in the cue's sentence, or, where nothing does, in the next one; in order."""
    found = []
    for number, sentence in enumerate(said):
        if sentence.asks:
            continue
        following = said[number + 1] if number + 1 < len(said) else None
        found += _of_nouns(text, sentence, following)
        found += [
            Tail(start=verb.end(), end=sentence.end, sentence=sentence, named=not verb["being"])
            for verb in _hits(_VERB, text, sentence)
        ]
    return sorted(found, key=lambda tail: tail.start)


def _hits(pattern: re.Pattern[str], text: str, sentence: Sentence) -> list[re.Match[str]]:
    """Give at most the first and the last few hits: a sentence with hundreds of cues is noise."""
    hits = [*pattern.finditer(text, sentence.start, sentence.end)]
    return hits if len(hits) <= 8 else hits[:4] + hits[-4:]


def _of_nouns(text: str, sentence: Sentence, following: Sentence | None) -> list[Tail]:
    found = []
    for noun in _hits(_CUE, text, sentence):
        copulas = [*_COPULA.finditer(text, noun.end(), min(sentence.end, noun.end() + 120))]
        copula = copulas[-1 if _RELATIVE.match(text, noun.end()) else 0] if copulas else None
        start = copula.end() if copula else noun.end()
        if text[start : sentence.end].strip(" \t:*_\"'()\x02\x03"):
            found.append(Tail(start=start, end=sentence.end, sentence=sentence, firm=copula is not None))
        elif following is not None and text[sentence.end : sentence.end + 1] == "\n":
            both = Sentence(start=sentence.start, end=following.end, asks=following.asks)
            found.append(Tail(start=following.start, end=following.end, sentence=both))
    return found


def _around(said: list[Sentence], start: int, end: int) -> Sentence:
    for sentence in said:
        if sentence.start <= start < sentence.end:
            return Sentence(start=sentence.start, end=max(end, sentence.end), asks=sentence.asks)
    return Sentence(start=start, end=end, asks=False)
