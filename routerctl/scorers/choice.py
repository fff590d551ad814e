"""A reply -> the one label it chooses among several -> right or wrong.

It reads words, not meaning. A reply that can be read as two labels chooses none, because a guess here would be counted
as evidence. What denies, refuses or takes back is `stance`'s to say, where an answer is announced is `cues`'.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

from routerctl.errors import nearest
from routerctl.scorers import lexicon
from routerctl.scorers.base import NoAnswer, Params, Scorer, normalised, only
from routerctl.scorers.cues import Tail, cued, marks
from routerctl.scorers.labels import (
    DRESS,
    Mention,
    Place,
    are_joined,
    is_letter,
    is_meant,
    lines_alone,
    mentions_of,
    opens,
    sentence_of,
    sentences_alone,
)
from routerctl.scorers.lexicon import phrases
from routerctl.scorers.markup import plain
from routerctl.scorers.stance import Sentence, denied, denied_behind, refusal, replaces, retracted, sentences
from routerctl.types import Json

_MOST, _MOST_IN_TAIL = 1_000, 50  # mentions of labels that are read; more of them choose nothing
_FILLER = re.compile(
    r"""(?: (?: option|choice|answer|letter|label|the|an?|is|clearly|definitely|probably|likely|simply|certainly|most
      | best|classified|as|that|it|it's|would|be|to|described?|describes|one\ of|opción|opzione|opção|réponse|vielleicht
      | wohl|la ) \b
    | 選択肢|选项|選項 | [\s"'(\[{*:=→$\x02\-\u2013—] )*""",
    re.IGNORECASE | re.VERBOSE,
)
_CORRECT = re.compile(
    rf"""[)\]"'.:*\x03]* \s* (?:
      (?: is|seems|looks|must\ be|would\ be|ist|est|es|è|é|är|er|jest ) \s+ (?:\w+ly\s+)?
        (?: (?:the|a|die|la|den) \s+ )? (?: (?:most|only|single) \s+ )?
        (?: {phrases(lexicon.CALLED_RIGHT)} | (?:option|one|choice)\s+that\s+(?:works|fits|applies) )
      | (?:\w+\s+){{1,4}} (?:the\s+)? (?:correct|right|best)\s+(?:answer|option|choice|one)\b
      | (?: makes\s+(?:the\s+most\s+)?sense | works\s+best | wins | it\s+is | is ) \b (?=\W*$)
      | fits\b | applies\b | верн\w+ | правильн\w+ | {phrases(lexicon.CALLED_RIGHT_UNSPACED)} )""",
    re.IGNORECASE | re.VERBOSE,
)
_CONTRAST = re.compile(phrases(lexicon.CLAUSE_WORDS), re.IGNORECASE)
_SO = re.compile(r"(?:\b(?:so|thus|hence|therefore)\b|=>|选|選)[\s,:(\"'*$]*\Z", re.IGNORECASE)
_IS = re.compile(r"\b(?:is|are|must be|would be)\s+[(\"'*$]*\Z", re.IGNORECASE)


def choose(text: str, choices: Sequence[str]) -> str | None:
    """Give the label that a reply chooses, or None where it names none.

    What counts, in this order: what is marked as the answer; what is announced as it or called right, the last one; the
    lines that are a label alone, which must agree with that; a label that the reply opens with; else the labels
    mentioned anywhere. Labels that the text denies do not count.

    Raises: NoAnswer where the reply refuses, takes its answer back, or can be read as two labels.
    """
    text = _ticked(plain(text))
    said = sentences(text)
    mentions = mentions_of(text, tuple(choices))
    if boxes := marks(text, said):
        return _marked(text, boxes, mentions)
    refused = _refusal(text, mentions)
    alone = lines_alone(text, choices) or ([] if refused else sentences_alone(text, said, choices))
    tails = [tail for tail in cued(text, said) if tail.named or not refused]
    announced = _last_announced(text, tails, mentions)
    if not refused:
        announced += _called_right(text, said, mentions) + _contrasted(text, said, mentions)
        announced += _concluded(text, said, mentions)
    if announced:
        return _last(text, mentions, announced, alone)
    if len({label for label, _, _ in alone}) == 1:
        return _unless_retracted(text, mentions, alone[-1][0], alone[-1][2])
    if alone:
        raise NoAnswer(f"it says both {_listed(label for label, _, _ in alone)}")
    if refused:
        raise NoAnswer(f'it does not answer: "{refused.strip()}"')
    return _mentioned(text, said, mentions)


_BOX = re.compile(
    r"^[ \t]*(?:[-*•+][ \t]*)?(?:\[(?P<tick>[ xX✓✔]?)\]|(?P<sign>[☐☑☒✅]))[ \t]*(?P<item>[^\n]*)$", re.MULTILINE
)
_SHARE = re.compile(
    r"[\"')\]*]*\s*[:=(\u2013-]?\s*\(?(?:[0-9]*[.,]?[0-9]+\s?(?:%|/\s?[0-9]+)?(?=[\s,;)}\]]|$)|(?:true|false)\b)",
    re.IGNORECASE,
)


def _ticked(text: str) -> str:
    """Leave out the lines of a list of boxes that are not ticked, where one is."""
    boxes = [*_BOX.finditer(text)]
    if len(boxes) < 2 or not any((box["tick"] or "").strip() or (box["sign"] or "☐") != "☐" for box in boxes):
        return text
    return _BOX.sub(lambda box: box["item"] if (box["tick"] or "").strip() or (box["sign"] or "☐") != "☐" else "", text)


def _refusal(text: str, mentions: Sequence[Mention]) -> str | None:
    found = refusal(text)
    if found is None or any(one.start < found.end() and found.start() < one.end for one in mentions if not one.bare):
        return None  # a label may be a refusal itself: "not enough information"
    return found[0]


# --- the kinds of evidence, strongest first ---------------------------------------------------------------------------


def _marked(text: str, boxes: Sequence[Tail], mentions: Sequence[Mention]) -> str | None:
    """Take the last mark; marks of one line that differ are an answer between them."""
    line = text.rfind("\n", 0, boxes[-1].start)
    found = {}
    for box in boxes:
        if box.start > line and not denied(text, box.start - 1, box.end + 1, sentence=box.sentence):
            within = Sentence(start=box.start, end=box.end, asks=False)
            inside = [one for one in mentions if box.start <= one.start and one.end <= box.end]
            inside = [one for one in inside if not denied(text, one.start, one.end, sentence=within)]
            found.update(dict.fromkeys([one.label for one in inside if not one.bare] or [one.label for one in inside]))
    if len(found) > 1:
        raise NoAnswer(f"it marks both {_listed(found)}")
    if not found:
        raise NoAnswer("what it marks as its answer is none of the labels")
    return _unless_retracted(text, mentions, next(iter(found)), boxes[-1].end + 1)


Announced = tuple[str | None, int, int]  # a label and where it stands; None: more than one label


def _last_announced(text: str, tails: Sequence[Tail], mentions: Sequence[Mention]) -> list[Announced]:
    starts = [one.start for one in mentions]
    for tail in reversed(tails):
        inside = mentions[bisect_left(starts, tail.start) : bisect_right(starts, tail.end)][:_MOST_IN_TAIL]
        if inside and (found := _announced(text, tail, inside)):
            return [found]
    return []


def _announced(text: str, tail: Tail, inside: Sequence[Mention]) -> Announced | None:
    """Read what a cue announces: the label right behind it, else the only one in its sentence; None for neither."""
    meant = [one for one in inside if is_meant(text, one)]
    held = [one for one in meant if not denied(text, one.start, one.end, sentence=tail.sentence)]
    if not held:
        return None
    head = held[0]
    after_denied = any(
        denied(text, one.start, one.end, sentence=tail.sentence) for one in inside if one.start < head.start
    )
    at_head = after_denied or _FILLER.fullmatch(text, tail.start, head.start) is not None
    if not at_head and (not tail.firm or head.bare):
        return None
    if any(are_joined(text, head, one) for one in held):
        return None, head.start, head.end
    if not at_head and len({one.label for one in held}) > 1:
        return None
    return head.label, head.start, head.end


def _called_right(text: str, said: Sequence[Sentence], mentions: Sequence[Mention]) -> list[Announced]:
    """Find the labels of which the text says that they are right: "B is correct"."""
    found: list[Announced] = []
    for number, one in enumerate(mentions):
        if not (right := _CORRECT.match(text, one.end, min(len(text), one.end + 80))):
            continue
        sentence = sentence_of(said, one)
        if sentence is None or sentence.asks or denied(text, one.start, one.end, sentence=sentence):
            continue
        before = mentions[number - 1] if number else None
        both = before is not None and before.label != one.label and are_joined(text, before, one)
        found.append((None if both else one.label, one.start, right.end()))
    return found


def _contrasted(text: str, said: Sequence[Sentence], mentions: Sequence[Mention]) -> list[Announced]:
    """Find the label that ends a sentence which denies the one before it: "c'est B, pas A" no, "pas A, c'est B" yes."""
    found: list[Announced] = []
    for first, second in pairwise(mentions):
        sentence = sentence_of(said, second)
        if sentence is None or not (sentence.start <= first.start and second.start - first.end < 40) or sentence.asks:
            continue
        between = text[first.end : second.start]
        plainly = (
            _CONTRAST.search(between)
            or re.search(r"[,;，；].*\w", between)
            or denied_behind(text, first.end, sentence=sentence)
        )
        ends = not text[second.end : sentence.end].strip(DRESS) and first.label != second.label
        if ends and plainly and denied(text, first.start, first.end, sentence=sentence):
            kept = not denied(text, second.start, second.end, sentence=sentence)
            found += [(second.label, second.start, second.end)] if kept and not are_joined(text, first, second) else []
    return found


def _concluded(text: str, said: Sequence[Sentence], mentions: Sequence[Mention]) -> list[Announced]:
    """Find the labels that a sentence ends with as what follows from it: "..., so D." or "the closest match is D."."""
    found: list[Announced] = []
    for one in mentions:
        lead = text[max(0, one.start - 20) : one.start]
        if _SO.search(lead) or (one.bare and is_letter(one.label) and _IS.search(lead)):
            sentence = sentence_of(said, one)
            ends = sentence is not None and not text[one.end : sentence.end].strip(DRESS)
            if ends and is_meant(text, one) and _is_held(text, one, said):
                found.append((one.label, one.start, one.end))
    return found


def _last(text: str, mentions: Sequence[Mention], announced: Sequence[Announced], alone: Sequence[Place]) -> str:
    label, _, end = max(announced, key=lambda found: found[1])
    if label is None:
        raise NoAnswer("it announces more than one label")
    lines = {one for one, _, _ in alone}
    if len(lines) == 1 and label not in lines:
        raise NoAnswer(f"it says both {_listed([label, *lines])}")
    return _unless_retracted(text, mentions, label, end)


def _mentioned(text: str, said: Sequence[Sentence], mentions: Sequence[Mention]) -> str | None:
    """Take the label that opens the reply, else the only one that it mentions and does not deny or ask about."""
    if sum(not one.bare for one in mentions) > _MOST:
        raise NoAnswer(f"it mentions labels more than {_MOST:,} times")
    shared = {one.label for one in mentions[:_MOST_IN_TAIL] if _SHARE.match(text, one.end)}
    if len(shared) > 1:
        raise NoAnswer(f"it gives each of {_listed(shared)} a share")
    opening = [one for one in mentions[:1] if opens(text, one)]
    held = [one for one in (opening + [one for one in mentions if not one.bare]) if _is_held(text, one, said)]
    meant = held[:1] if opening and held and held[0] is opening[0] else held
    if not meant:
        if all(one.bare for one in mentions):
            return None
        raise NoAnswer(f"it only denies or asks about {_listed(one.label for one in mentions if not one.bare)}")
    pairs = [(one, other) for one, other in pairwise(mentions) if one in meant or other in meant]
    tied = any(are_joined(text, *pair) and all(_is_held(text, one, said) for one in pair) for pair in pairs)
    if tied or len({one.label for one in meant}) > 1:
        raise NoAnswer(f"it mentions both {_listed(one.label for one in mentions)}")
    return _unless_retracted(text, mentions, meant[0].label, meant[-1].end)


def _is_held(text: str, one: Mention, said: Sequence[Sentence]) -> bool:
    sentence = sentence_of(said, one)
    return sentence is not None and not sentence.asks and not denied(text, one.start, one.end, sentence=sentence)


def _unless_retracted(text: str, mentions: Sequence[Mention], label: str, end: int) -> str:
    if retracted(text, end):
        raise NoAnswer(f"it says {label} and takes that back")
    own = [one for one in mentions if one.label == label and one.end <= end]
    place = own[-1].end if own else end
    for one in mentions[bisect_left(mentions, place, key=lambda other: other.start) :][:_MOST_IN_TAIL]:
        if one.label != label and replaces(text, place, one.start, one.end):
            raise NoAnswer(f"it says {label} and then {one.label}")
    return label


def _listed(labels: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(labels))


def _extract(text: str, params: Params) -> str | None:
    return choose(text, params["choices"])


def _check(params: Params, expected: Json) -> None:
    only(params, "choices")
    choices = params.get("choices")
    if not isinstance(choices, list | tuple) or len(choices) < 2:
        raise ValueError("choices: expected a list of at least two labels (reply.choices)")
    if not all(isinstance(label, str) and label.strip(DRESS) for label in choices):
        raise ValueError(f"choices: expected labels of letters or digits as text, got {choices!r}; quote them")
    if len({normalised(label.strip(DRESS)) for label in choices}) < len(choices):
        raise ValueError("choices: two labels differ only in case, spaces or punctuation")
    if expected is not None and expected not in choices:
        raise ValueError(f"{expected!r} is not one of the choices{nearest(str(expected), choices)}")


def _score(extracted: str, expected: Json, _: Params) -> tuple[float, str]:
    return (1.0, "equal") if extracted == expected else (0.0, f"{extracted} is not {expected}")


CHOICE = Scorer(name="choice", extract=_extract, score=_score, check=_check)
