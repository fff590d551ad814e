"""Rules -> what is odd about them: one that can never hold, or never be reached; alternatives that add nothing.

A lint: by comparing facts two at a time it finds what people write by mistake; it does not prove that nothing is odd.
Every warning is certain. `routerctl check` says them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import combinations, product
from operator import eq, ge
from typing import Any, NamedTuple

from routerctl.classify.rules.keywords import folded_keyword, has_keyword, least_length
from routerctl.classify.rules.matching import any_of, key_of, said
from routerctl.classify.rules.regex import knows_all_scripts, refusal
from routerctl.classify.rules.wording import affirmed
from routerctl.types import Condition, Rule

_LEAST_CHARS = {"is_json": 2, "has_code": 3, "language": 1}  # {}, then ```, then any letter
_Test = Callable[[Any, Any], bool]  # (a fact's value, another's of its kind) -> whether the one brings the other along
_BRINGS: dict[str, _Test] = {
    "chars": ge,
    "words": ge,
    "keywords": partial(has_keyword, bare=True),
    "regex": eq,
    "attachments": eq,
}


class _Claim(NamedTuple):
    """A fact that is so or is not, or several claims of which "every" one is true (of none: always), or "some" is."""

    kind: str
    value: Any  # of chars and words the least number; of what an inquiry has one of (see _BRINGS), the set it is in
    holds: bool = True


def rule_warnings(rules: Sequence[Rule]) -> tuple[str, ...]:
    """Say what is odd about rules in their order, one line each, which starts with the rule's place: "rules.NAME:"."""
    found: list[str] = []
    before: list[tuple[Rule, _Claim]] = []  # those that can hold, each with the claim that it does not
    for rule in rules:
        refused = [refusal(part.regex) for part in _within(rule.when) if part.regex]
        broken = [f"can never be tried: {why}" for why in refused if why] or list(_impossible(rule.when))
        odd = (
            broken
            or list(_shadowed(rule, before))
            or [*(*_repeated(rule.when), *_idle_alternatives(rule.when), *_blind(rule.when))]
        )
        before += [] if broken else [(rule, _claim(rule.when, holds=False))]
        found += [f"rules.{rule.name}: {problem}" for problem in odd]
    return tuple(found)


def _within(condition: Condition) -> Iterator[Condition]:
    yield condition
    for part in (*condition.all_of, *condition.any_of, *condition.none_of):
        yield from _within(part)


def _impossible(condition: Condition) -> Iterator[str]:
    if _never(condition):
        parts = [Condition(**{name: value}) for name, value in said(condition)]
        groups = (Condition(all_of=some) for size in (1, 2) for some in combinations(parts, size))
        guilty = next(filter(_never, groups), None)
        yield f"can never hold: {f'no prompt {affirmed(guilty)}' if guilty else 'its conditions contradict each other'}"


def _shadowed(rule: Rule, before: Sequence[tuple[Rule, _Claim]]) -> Iterator[str]:
    this = _claim(rule.when)
    for one, denied in before:
        if _exclude(this, denied):
            how = "holds for every prompt" if _exclude(denied, denied) else "holds whenever it does"
            how = "has the same condition" if one.when == rule.when else how
            yield f"is never reached: rule {one.name} before it {how}"
            return


def _blind(condition: Condition) -> Iterator[str]:
    """Name the patterns that RE2 cannot be told of all scripts."""
    for part in _within(condition):
        if part.regex and not knows_all_scripts(part.regex):
            yield f"/{part.regex}/ knows no letters but those of ASCII"


def _repeated(condition: Condition) -> Iterator[str]:
    """Name what stands twice in a list, of which any will do."""
    for part, name in product(_within(condition), ("keywords", "tenant", "step", "language", "attachments")):
        words = [folded_keyword(word) if name == "keywords" else word for word in getattr(part, name)]
        for word, times in Counter(words).items():
            if times > 1:
                yield f"{name} has {word!r} {'twice' if times == 2 else f'{times} times'}"


def _idle_alternatives(condition: Condition) -> Iterator[str]:
    """Name the alternatives of any_of that can never hold here, and those that another one makes needless."""
    live: list[tuple[int, _Claim]] = []
    for place, one in enumerate(condition.any_of):
        wider = [at for at, denied in live if _exclude(_claim(one), denied)]
        if _never(replace(condition, any_of=(one,))):
            yield f"any_of.{place} can never hold here"
        elif wider:
            yield f"any_of.{place} adds nothing: any_of.{wider[0]} holds whenever it does"
        else:
            live.append((place, _claim(one, holds=False)))


def _never(condition: Condition) -> bool:
    return _exclude(_claim(condition), _claim(condition))


@lru_cache(maxsize=100_000)  # a condition that is nested ten deep would take minutes
def _exclude(one: _Claim, other: _Claim) -> bool:
    """Tell whether two claims are never true together; yes is certain, no is not."""
    if _only_denies(one) and _only_denies(other):
        return False  # of a thousand keywords each would be compared with each
    both = ((one, other), (other, one))
    for this, that in both:
        if this.kind == "every" and that._replace(holds=not that.holds) in _set_of(this.value):
            return True
        if this.kind == "some":
            return all(_exclude(part, that) for part in this.value)
    if "every" in (one.kind, other.kind):
        return any(_exclude(part, that) for this, that in both if this.kind == "every" for part in this.value)
    if one.holds != other.holds:
        return _brings(one, other) if one.holds else _brings(other, one)
    return one.holds and one.kind == other.kind and one.kind not in _BRINGS and not one.value & other.value


@lru_cache(maxsize=10_000)
def _only_denies(claim: _Claim) -> bool:
    """Tell whether a claim says of nothing that it is so; one that is never true does not."""
    if claim.kind in ("every", "some"):
        return (claim.kind == "every" or bool(claim.value)) and all(map(_only_denies, claim.value))
    return not claim.holds


@lru_cache(maxsize=10_000)
def _set_of(parts: tuple[_Claim, ...]) -> frozenset[_Claim]:
    return frozenset(parts)


def _brings(fact: _Claim, other: _Claim) -> bool:
    """Tell whether another fact is so wherever this one is."""
    if fact.kind == other.kind:
        return _BRINGS.get(fact.kind, frozenset.issubset)(fact.value, other.value)
    if other.kind in ("chars", "words"):  # a word has a character at least, and all but blanks have a word
        chars = least_length(fact.value) if fact.kind == "keywords" else _LEAST_CHARS.get(fact.kind, 0)
        least = fact.value if fact.kind == "words" else chars if other.kind == "chars" else min(chars, 1)
        return bool(other.value <= least)
    return (fact.kind, other.kind) == ("attachments", "has_attachment")


def _claim(condition: Condition, holds: bool = True) -> _Claim:
    """Claim that a condition holds, or that it does not."""
    return _joined(holds, [_of_field(name, value, holds) for name, value in said(condition)])


def _joined(every: bool, parts: Sequence[_Claim]) -> _Claim:
    # What is never true is no alternative.
    return _Claim("every" if every else "some", tuple(part for part in parts if every or not _exclude(part, part)))


def _of_field(name: str, value: Any, holds: bool) -> _Claim:
    if name in ("all_of", "any_of", "none_of"):
        parts = [_claim(part, holds != (name == "none_of")) for part in value]
    elif name in ("min_chars", "min_words"):
        parts = [_Claim(name[4:], value, holds)] if value else []
    elif name in ("max_chars", "max_words"):
        parts = [_Claim(name[4:], value + 1, not holds)]
    elif name == "features":
        parts = [_Claim(f"features.{one}", frozenset(map(key_of, any_of(some))), holds) for one, some in value.items()]
    elif name in ("keywords", "attachments"):
        parts = [_Claim(name, folded_keyword(word) if name == "keywords" else word, holds) for word in value]
    elif isinstance(value, bool):
        parts = [_Claim(name, frozenset({True}), value == holds)]
    else:
        parts = [_Claim(name, value if name == "regex" else frozenset(value), holds)]
    return _joined(holds != (name in ("any_of", "keywords", "attachments")), parts)
