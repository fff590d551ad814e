"""Conditions -> whether they could hold together, as far as their meaning tells.

A condition becomes a formula of facts (a length within bounds, a tenant among some, a keyword that is there); the
search opens one alternative after another until the facts contradict each other. The answer "no" is certain, "yes" is
not: a regex, for one, is a fact of which nothing more is known. Place: the arithmetic floor, behind `overlaps`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from routerctl.classify.rules.matching import any_of, key_of, said
from routerctl.classify.rules.texts import folded_keyword, has_keyword, least_length
from routerctl.types import Condition

_MOST_STEPS = 2_000  # alternatives that are opened before the search gives up and says "yes"
_ANY: tuple[float, float] = (0, float("inf"))
_NONE: frozenset[Hashable] = frozenset()
_JSON, _CODE = 2, 3  # the shortest JSON is {}, the shortest code ``` or two lines of a brace


@dataclass(frozen=True, slots=True)
class Between:
    """A count lies within bounds."""

    what: str  # chars or words
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Among:
    """The one value of something is among some, or is not."""

    what: Hashable
    values: frozenset[Hashable]
    inside: bool


@dataclass(frozen=True, slots=True)
class Flag:
    """Something is so, or is not."""

    what: tuple[str, str]  # kind and, of kinds with several, which
    value: bool


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold; of none: always."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """A part holds at least; of none: never."""

    parts: tuple[Formula, ...]


Fact: TypeAlias = Between | Among | Flag
Formula: TypeAlias = Fact | Every | Some


def formula(condition: Condition, holds: bool = True) -> Formula:
    """Give the formula of a condition that holds, or that does not."""
    parts = tuple(part for name, value in said(condition) for part in _of_field(name, value, holds))
    return Every(parts) if holds else Some(parts)


def _of_field(name: str, value: Any, holds: bool) -> Iterator[Formula]:
    """Give the parts of one field; when it holds all of them do, else at least one."""
    if name in ("min_chars", "min_words"):
        yield Between(name[4:], value, float("inf")) if holds else Between(name[4:], 0, value - 1)
    elif name in ("max_chars", "max_words"):
        yield Between(name[4:], 0, value) if holds else Between(name[4:], value + 1, float("inf"))
    elif name in ("tenant", "step", "language"):
        yield Among(name, frozenset(value), holds)
    elif name == "features":
        for one, wanted in value.items():
            yield Among(("feature", one), frozenset(map(key_of, any_of(wanted))), holds)
    elif name in ("keywords", "attachments"):
        words = [folded_keyword(word) for word in value] if name == "keywords" else value
        yield _either([Flag((name, word), holds) for word in words], holds)
    elif name == "any_of":
        yield _either([formula(part, holds) for part in value], holds)
    elif name == "all_of":
        yield from (formula(part, holds) for part in value)
    elif name == "none_of":
        yield _either([formula(part, not holds) for part in value], not holds)
    else:
        yield Flag((name, value), holds) if name == "regex" else Flag((name, ""), value == holds)


def _either(parts: Sequence[Formula], holds: bool) -> Formula:
    return Some(tuple(parts)) if holds else Every(tuple(parts))


@dataclass(slots=True)
class _Facts:
    """What is known on one way through the alternatives."""

    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    within: dict[Hashable, frozenset[Hashable]] = field(default_factory=dict)
    outside: dict[Hashable, frozenset[Hashable]] = field(default_factory=dict)
    flags: dict[tuple[str, str], bool] = field(default_factory=dict)

    def copy(self) -> _Facts:
        return _Facts(dict(self.bounds), dict(self.within), dict(self.outside), dict(self.flags))

    def fits(self, part: Formula) -> bool:
        """Tell whether a part, as far as it is a fact, does not contradict what is known at first sight."""
        if isinstance(part, Flag):
            return self.flags.get(part.what, part.value) == part.value
        if isinstance(part, Between):
            low, high = self.bounds.get(part.what, _ANY)
            return max(low, part.low) <= min(high, part.high)
        if isinstance(part, Among):
            within, outside = self.within.get(part.what), self.outside.get(part.what, _NONE)
            if part.inside:
                return not (part.values if within is None else part.values & within) <= outside
            return within is None or not within <= (outside | part.values)
        return True

    def has(self, part: Formula) -> bool:
        """Tell whether a part is a fact that follows from what is known."""
        if isinstance(part, Flag):
            return self.flags.get(part.what) == part.value
        if isinstance(part, Between):
            low, high = self.bounds.get(part.what, _ANY)
            return part.low <= low and high <= part.high
        if isinstance(part, Among):
            within = self.within.get(part.what)
            if part.inside:
                return within is not None and within <= part.values
            return part.values <= self.outside.get(part.what, _NONE) or not (within is None or within & part.values)
        return False

    def learn(self, fact: Fact) -> None:
        """Take a fact in that fits."""
        if isinstance(fact, Between):
            low, high = self.bounds.get(fact.what, _ANY)
            self.bounds[fact.what] = (max(low, fact.low), min(high, fact.high))
        elif isinstance(fact, Flag):
            self.flags[fact.what] = fact.value
        elif fact.inside:
            self.within[fact.what] = self.within.get(fact.what, fact.values) & fact.values
        else:
            self.outside[fact.what] = self.outside.get(fact.what, _NONE) | fact.values

    def agree(self) -> bool:
        """Tell whether the facts fit together, as far as their meaning is known."""
        return self._lengths_agree() and self._keywords_agree() and self._attachments_agree()

    def _lengths_agree(self) -> bool:
        chars_low, chars_high = self.bounds.get("chars", _ANY)
        words_low, words_high = self.bounds.get("words", _ANY)
        for length in self._least_lengths():
            chars_low, words_low = max(chars_low, length), max(words_low, min(length, 1))
        # Each word has a character at least.
        return max(chars_low, words_low) <= chars_high and words_low <= words_high

    def _least_lengths(self) -> Iterator[int]:
        """Give the characters that the text needs, for one reason after the other."""
        for (kind, which), value in self.flags.items():
            if value and kind == "keywords" and which:
                yield least_length(which)
            elif value and kind in ("is_json", "has_code"):
                yield _JSON if kind == "is_json" else _CODE
        if "language" in self.within:
            yield 1

    def _keywords_agree(self) -> bool:
        """A keyword that holds another as a whole word brings it along."""
        there = [which for (kind, which), value in self.flags.items() if kind == "keywords" and value]
        absent = [which for (kind, which), value in self.flags.items() if kind == "keywords" and not value]
        return not any(has_keyword(one, other) for one in there for other in absent)

    def _attachments_agree(self) -> bool:
        some = any(kind == "attachments" and value for (kind, _), value in self.flags.items())
        return not (some and self.flags.get(("has_attachment", "")) is False)


class _GaveUp(Exception):
    """The search took too many steps."""


def can_hold(formulas: Iterable[Formula]) -> bool:
    """Tell whether the formulas could hold together; "no" is certain, "yes" is not."""
    try:
        return _search(list(formulas), _Facts(), [_MOST_STEPS])
    except _GaveUp:
        return True


def _search(open_: list[Formula], facts: _Facts, left: list[int]) -> bool:
    left[0] -= 1
    if left[0] < 0:
        raise _GaveUp
    choices = _settled(open_, facts)
    if choices is None or not facts.agree():
        return False
    if not choices:
        return True
    first = min(choices, key=len)
    rest = [Some(tuple(choice)) for choice in choices if choice is not first]
    return any(_search([*rest, part], facts.copy(), left) for part in first)


def _settled(open_: list[Formula], facts: _Facts) -> list[list[Formula]] | None:
    """Learn all that is certain; give the choices that are left, or None for a contradiction."""
    choices: list[Some] = []
    while open_:
        part = open_.pop()
        if isinstance(part, Every):
            open_ += part.parts
        elif isinstance(part, Some):
            choices.append(part)
        elif facts.fits(part):
            facts.learn(part)
        else:
            return None
    undecided = [choice for choice in choices if not any(map(facts.has, choice.parts))]
    fitting = [[part for part in choice.parts if facts.fits(part)] for choice in undecided]
    return fitting if all(fitting) else None
