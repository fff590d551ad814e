"""A condition and an inquiry -> whether it holds, and which part of it is the first that does not.

On the hot path of every request.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from operator import attrgetter
from typing import Any

from routerctl.classify.rules.prompt_features import PromptFeatures
from routerctl.classify.rules.regex import compiled, in_all_scripts
from routerctl.types import Condition
from routerctl.types.asking import Json

Test = Callable[[Any, PromptFeatures], bool]  # (what the rule says, the inquiry) -> holds


def _has_features(wanted: Mapping[str, Json], seen: PromptFeatures) -> bool:
    features = seen.inquiry.features
    return all(name in features and is_any_of(features[name], value) for name, value in wanted.items())


def _matches(pattern: str, seen: PromptFeatures) -> bool:
    if seen.text.isascii():
        return compiled(pattern)(seen.utf8)
    loose, exact = in_all_scripts(pattern)
    return compiled(loose)(seen.utf8) and (exact is None or compiled(exact)(seen.marked_utf8))


# Field -> its test, the cheap ones first.
TESTS: dict[str, Test] = {
    "tenant": lambda wanted, seen: seen.inquiry.tenant in wanted,
    "step": lambda wanted, seen: seen.inquiry.step in wanted,
    "features": _has_features,
    "has_attachment": lambda wanted, seen: bool(seen.inquiry.attachments) == wanted,
    "attachments": lambda wanted, seen: any(kind in wanted for kind in seen.inquiry.attachments),
    "min_chars": lambda least, seen: len(seen.text) >= least,
    "max_chars": lambda most, seen: len(seen.text) <= most,
    # A text has no more words than characters, which are counted already.
    "min_words": lambda least, seen: len(seen.text) >= least and seen.word_count >= least,
    "max_words": lambda most, seen: len(seen.text) <= most or seen.has_at_most(most),
    "is_json": lambda wanted, seen: seen.is_json == wanted,
    "keywords": lambda wanted, seen: any(map(seen.has_keyword, wanted)),
    "regex": _matches,
    "has_code": lambda wanted, seen: seen.has_code == wanted,
    "all_of": lambda parts, seen: all(holds_for(part, seen) for part in parts),
    "any_of": lambda parts, seen: any(holds_for(part, seen) for part in parts),
    "none_of": lambda parts, seen: not any(holds_for(part, seen) for part in parts),
    "language": lambda wanted, seen: seen.language in wanted,
}
_values = attrgetter(*TESTS)
# What each condition says, read once and not per prompt; by identity, with the condition, so that its number stays its.
_ASKED: dict[int, tuple[Condition, tuple[tuple[Test, Any], ...]]] = {}
_MOST_ASKED = 10_000


def said(condition: Condition) -> Iterable[tuple[str, Any]]:
    """Name the fields that a condition gives, with what it says of them."""
    # A zero and false do say something; None, nothing in brackets and an empty pattern do not.
    return ((name, value) for name, value in zip(TESTS, _values(condition), strict=True) if value or value == 0)


def holds_for(condition: Condition, seen: PromptFeatures) -> bool:
    """Tell whether everything that the condition says holds."""
    known = _ASKED.get(id(condition))
    if known is None or known[0] is not condition:
        if len(_ASKED) >= _MOST_ASKED:
            _ASKED.clear()
        known = _ASKED[id(condition)] = condition, tuple((TESTS[name], value) for name, value in said(condition))
    for test, value in known[1]:  # noqa: SIM110 - a generator takes longer than most tests, and this is the hot path
        if not test(value, seen):
            return False
    return True


def failing_field(condition: Condition, seen: PromptFeatures) -> tuple[str, Any] | None:
    """Name the first field that does not hold, with what the condition says of it; None when all hold."""
    return next(((name, value) for name, value in said(condition) if not TESTS[name](value, seen)), None)


def key_of(value: Json) -> Hashable:
    """Give what is equal for the same values only, and may stand in a set."""
    if isinstance(value, bool) or value is None:
        return (type(value).__name__, value)
    if isinstance(value, dict):
        return frozenset((name, key_of(item)) for name, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(key_of(item) for item in value)
    return value  # type: ignore[no-any-return]  # a text or a number


def any_of(wanted: Json) -> tuple[Json, ...]:
    """Give the values of which a rule wants any: those of a list, else the one."""
    return tuple(wanted) if isinstance(wanted, list | tuple) else (wanted,)


def is_any_of(value: Json, wanted: Json) -> bool:
    """Tell whether a value is one that a rule wants."""
    if type(value) is str and type(wanted) is str:  # nearly always
        return value == wanted
    return key_of(value) in [key_of(one) for one in any_of(wanted)]
