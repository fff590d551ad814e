"""Where something is mentioned in a text -> whether the text affirms it, denies it, or only asks about it.

One notion for all scorers: what is a negation, a refusal, a change of mind or a counter-example is decided here, by the
words of `lexicon`, and nowhere else. It reads words, not meaning, so it errs towards "denied": a right reply that is
not found costs a case, a wrong one that is found makes a bad model proven.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from routerctl.scorers import lexicon
from routerctl.scorers.lexicon import phrases

_WINDOW = 300  # characters before and after a mention that can bear on it; it bounds the work on a hostile reply
_ANY_CASE = re.IGNORECASE | re.VERBOSE


def _any_of(*lists: str) -> re.Pattern[str]:
    return re.compile(phrases(*lists), re.IGNORECASE)


# --- sentences and clauses --------------------------------------------------------------------------------------------

_ABBREVIATIONS = ("e.g", "i.e", "vs", "No", "nr", "Nr", "ca", "approx", "z.B", "p.ej", "Mio", "Mrd", "Mr", "Mrs", "Dr")
_NO_ABBREVIATION = "".join(rf"(?<!\b{re.escape(one)})" for one in _ABBREVIATIONS)
_SENTENCE_END = re.compile(rf"(?:{_NO_ABBREVIATION}\.|[!?])+(?=[\s\"')\]\x03]|$)|[。！？।؟]|\n")
_CLAUSE_END = re.compile(
    r"[,;،、，；—]|\s[-\u2013]\s|(?<!anything\ )(?<!nothing\ )(?<!everything\ )(?<!all\ )"
    + phrases(lexicon.CLAUSE_WORDS),
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence, by its place in the text; `asks` = it ends in a question mark."""

    start: int
    end: int
    asks: bool


def sentences(text: str) -> list[Sentence]:
    """Split a text into sentences; a line break ends one too."""
    found, place = [], 0
    for stop in _SENTENCE_END.finditer(text):
        if text[place : stop.start()].strip():
            asks = "?" in stop[0] or stop[0] in "？؟"
            found.append(Sentence(start=place, end=stop.start(), asks=asks))
        place = stop.end()
    if text[place:].strip():
        found.append(Sentence(start=place, end=len(text), asks=False))
    return found


# --- negation ---------------------------------------------------------------------------------------------------------

_BEFORE = re.compile(rf"\b\w+n't\b|{phrases(lexicon.DENIES)}", re.IGNORECASE)
_AFFIRMS = _any_of(lexicon.AFFIRMS)
# "The option that is not a mammal is B" says what B is, not what it is not.
_RELATIVE = re.compile(
    r"""\b(?:that|which|who)\b [^,.;:\n]{0,40}? (?:\b(?:not|never|no|false|incorrect|wrong)\b | n't\b)
    [^,.;:\n]{1,80} \b(?:is|are|would\ be|must\ be) (?= \W{0,4} (?: (?:option|answer|choice)\b )? \W* $)""",
    _ANY_CASE,
)
# What is said of the thing before it: "A is wrong", "A can't be", "A: incorrect", "Aではない".
_AFTER = re.compile(
    rf"""[\s)\]"'.:*_\x03]*
    (?: [(]?[✗✘❌🚫]
      | [(\[\u2013—-]\s*(?:wrong|incorrect|false|invalid|falsch|faux|fausse|incorrecto|incorrecta|sbagliato)\b
      | (?: {phrases(lexicon.BEING)} \s* ){{1,3}} (?:the|an?|die|la|le|el) \s+
        (?:wrong|incorrect|false|falsche|mauvaise)\b
      | (?: is | was ) \s+ (?:what|the\s+one) \s+ (?:I|we|you)(?:'d|\s+would|\s+should)? \s+
        (?: avoid|reject|exclude|eliminate|discard|rule\s+out )\b
      | (?: {phrases(lexicon.BEING)} \s* ){{0,4}} (?: (?:\w+ly|really|just)\s+ )?
        (?: {phrases(lexicon.WRONG)} | \bout\b (?!\s+of) | too\s+\w+ | \ban?\s+(?:\w+\s+)?distractor\b )
      | \s* {phrases(lexicon.WRONG_UNSPACED)} )
    | [\s)"'*]* \? \W{{0,3}} {phrases(lexicon.REFUSES_AFTER_QUESTION)}""",
    _ANY_CASE,
)
# "A seems tempting but is wrong": the verdict comes in the same sentence, a few words later.
_LATER = re.compile(
    rf"""\s+ (?:seems|looks|sounds|appears|may|might|could|was\ thought|would) \b [^.!?\n]{{1,60}}?
    \b(?:but|yet|which)\s+ (?:it\s+)? (?: {phrases(lexicon.BEING)} \s+ ){{1,2}} {phrases(lexicon.WRONG)}""",
    _ANY_CASE,
)
_AFFIRMED_AFTER = re.compile(r"not\s+(?:only|just)\b|no\s+doubt\b|nothing\s+but\b", re.IGNORECASE)
# A clause that ends so goes on after the comma; a lone "no" is an answer to something before.
_HANGS = re.compile(rf"(?:\b\w+n't|{phrases(lexicon.HANGS)}|(?<=\w\s)(?:no|non|nie))\W*\Z", re.IGNORECASE)


def denied(text: str, start: int, end: int, *, sentence: Sentence, reach: int | None = None) -> bool:
    """Tell whether the sentence denies what stands from start to end in it: "not A", "A is wrong", "neither B nor A".

    A negation bears on what follows it up to the end of its clause, or into the next one where the clause ends with it
    ("not, in my view, A"), or over at most `reach` words. Twice negated counts as denied: who says so did not answer
    plainly.
    """
    return denied_behind(text, end, sentence=sentence) or _denied_before(text, start, sentence, reach)


def denied_behind(text: str, end: int, *, sentence: Sentence) -> bool:
    """Tell whether what follows a mention says that it is wrong."""
    behind = text[end : end + _WINDOW]
    said = _AFTER.match(behind) or _LATER.match(behind)
    if not said or _AFFIRMED_AFTER.search(behind[: said.end() + 6]):
        return False
    return end + said.end() <= sentence.end or "?" in said[0]


def _denied_before(text: str, start: int, sentence: Sentence, reach: int | None) -> bool:
    before = _RELATIVE.sub(" ", _AFFIRMS.sub(" ", text[max(sentence.start, start - _WINDOW) : start]))
    clause = 0
    for stop in _CLAUSE_END.finditer(before):
        if not (stop[0] in ",\uff0c—" and _HANGS.search(before[clause : stop.start()])):
            clause = stop.end()
    negations = [*_BEFORE.finditer(before, clause)]
    return bool(negations) and (reach is None or len(before[negations[-1].end() :].split()) <= reach)


# --- refusal and change of mind ---------------------------------------------------------------------------------------

_REFUSAL = re.compile(
    rf"""\b(?:I|we)(?:'m|'d|\s+am|\s+are|\s+would)?\b
      (?:\s+(?:really|simply|just|must|have\s+to|currently|still|therefore|also))?
      \s+ (?: {phrases(lexicon.CANNOT)} \s+ (?:\w+ly\s+)? {phrases(lexicon.ACTS)} | {phrases(lexicon.REFUSES)} )
    | {phrases(lexicon.NO_ANSWER)}""",
    _ANY_CASE,
)
_WAIT = phrases(lexicon.WAIT)
_RETRACTION = re.compile(
    rf"""\W{{0,5}} (?: {_WAIT} \W{{0,4}} ){{1,4}}
      (?: $ | (?: \b(?:that|this|it|I)\b (?:'s)? )? [^.!?\n]{{0,40}} (?: {phrases(lexicon.AMISS)} | \bre\w+ ) )
    | \W{{0,5}} (?: (?:no|nein|non), | (?:wait|actually|sorry|oops|correction)\b ) [^.!?\n]{{0,15}} $
    | \W{{0,5}} (?:but\s+)? {phrases(lexicon.TAKEN_BACK)}""",
    _ANY_CASE,
)


def refusal(text: str) -> re.Match[str] | None:
    """Find where a text says that it does not or cannot answer."""
    return _REFUSAL.search(text)


def retracted(text: str, end: int) -> bool:
    """Tell whether what follows a place, in its sentence or the next two, takes back what stands before it."""
    rest = text[end : end + _WINDOW]
    return any(_RETRACTION.match(rest[one.start : one.end]) for one in sentences(rest)[:3])


_EXPLAINS = re.compile(rf"{phrases(lexicon.EXPLAINS)}|[<>=≥≤+×÷]", re.IGNORECASE)
_CORRECTS = re.compile(rf"[\W_]*(?:[oO]r\s+rather\b|{phrases(lexicon.CORRECTS)})", re.IGNORECASE)
_BARE_END = re.compile(r"[)\]\"'*\x03]*\s*(?:です|である|입니다)?\s*(?:[.!?]+(?=\s|$)|[,;:。、，；…\n]|$)")
_MOST_WORDS, _MOST_BETWEEN = 6, 60


def replaces(text: str, end: int, start: int, stop: int) -> bool:
    """Tell whether a value from start to stop may correct another one that ends at `end`: "A, I mean B", "12; 14".

    It stands bare, at the end of a clause a few words later, with nothing that explains, compares or denies it; in
    another line only behind a word of correction.
    """
    between = text[end:start]
    if len(between) > _MOST_BETWEEN or not between.strip() or not _BARE_END.match(text, stop):
        return False
    said = _CORRECTS.match(between)
    if ("\n" in between and not said) or len(re.findall(r"\w+", between)) > _MOST_WORDS:
        return False
    lead = re.split(r"[,;:.!?…、，；。：]", between)[-1]
    own = _CORRECTS.match(lead)
    rest = lead[own.end() :] if own else between[said.end() if said else 0 :]
    clause = Sentence(start=start - len(lead), end=stop + 1, asks=False)
    return not _EXPLAINS.search(rest) and not denied(text, start, stop, sentence=clause)


# --- how a value is introduced ----------------------------------------------------------------------------------------


class Introduction(Enum):
    """How a value (an object, a block of code) is introduced by the words before it."""

    PLAIN = "plain"
    FINAL = "final"
    EXAMPLE = "example"
    MISTAKE = "mistake"


_MISTAKE = re.compile(
    rf"""\b(?:not|don't|never|nicht|no|pas|non|não|не)\W*$
    | (?:\b(?:not|never)|n't)\s+(?:\w+\s+)?? {phrases(lexicon.USES)} | {phrases(lexicon.MISTAKES)}""",
    _ANY_CASE,
)
# "Wait, no: the total is 10." says another value than the one above it.
_AMENDED = re.compile(
    rf"\s*(?:{_WAIT}\s*[,:.!…\u2013—-]+\s*){{1,4}}[^.!?\n]{{1,40}}(?:\b(?:is|are|was|should|must)\b|=)", re.IGNORECASE
)
_EXAMPLE, _FINAL, _ANSWER = _any_of(lexicon.EXAMPLES), _any_of(lexicon.FINALS), _any_of(lexicon.ANSWERS)


def introduced(text: str, start: int, end: int, *, after: int = 0) -> Introduction:
    """Read the last sentence before a value from start to end, and what is said right behind it.

    `after` is where the value before it ends. Of two words, the later one counts: "wrong; fixed: ..." is final.
    """
    behind = text[end : end + _WINDOW]
    below = behind.lstrip(" `~;")
    if below.startswith("\n"):
        if retracted(text, end + len(behind) - len(below)) or _AMENDED.match(below):
            return Introduction.MISTAKE
    elif _AFTER.match(behind):
        return Introduction.MISTAKE
    lead = text[max(after, start - _WINDOW) : start]
    last = sentences(lead)[-1:]
    said = lead[last[0].start :] if last else ""
    if _RETRACTION.match(said):  # "Wait, that's wrong:" is said of the value before, where there is one
        return Introduction.FINAL if after else Introduction.MISTAKE
    kinds = ((_MISTAKE, Introduction.MISTAKE), (_EXAMPLE, Introduction.EXAMPLE), (_FINAL, Introduction.FINAL))
    hits = [(hit.end(), kind) for pattern, kind in kinds for hit in pattern.finditer(said)]
    if not any(kind is Introduction.MISTAKE for _, kind in hits):  # of "a wrong answer" the noun says nothing
        hits += [(hit.end(), Introduction.FINAL) for hit in _ANSWER.finditer(said)]
    return max(hits, key=lambda hit: hit[0])[1] if hits else Introduction.PLAIN
