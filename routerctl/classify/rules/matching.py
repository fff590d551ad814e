"""A condition and an inquiry -> whether it holds, and which part of it is the first that does not.

On the hot path of every request. The only file that may import RE2, which takes linear time on any text and is imported
when the first rule with a regex is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any

from routerctl.classify.rules.prompt_features import PromptFeatures
from routerctl.errors import InputError
from routerctl.types import Condition
from routerctl.types.asking import Json

Test = Callable[[Any, PromptFeatures], bool]  # (what the rule says, the inquiry) -> holds


def _has_features(wanted: Mapping[str, Json], seen: PromptFeatures) -> bool:
    features = seen.inquiry.features
    return all(name in features and is_any_of(features[name], value) for name, value in wanted.items())


def _matches(pattern: str, seen: PromptFeatures) -> bool:
    if seen.text.isascii():
        return compiled(pattern)(seen.utf8)
    translated, is_marked = in_all_scripts(pattern)
    return compiled(translated)(seen.marked_utf8 if is_marked else seen.utf8)


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
_MOST_MEMORY = 64 << 20  # bytes of a compiled pattern: the letters of all scripts take some


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
    return all(test(value, seen) for test, value in known[1])


def failing_field(condition: Condition, seen: PromptFeatures) -> tuple[str, Any] | None:
    """Name the first field that does not hold, with what the condition says of it; None when all hold."""
    return next(((name, value) for name, value in said(condition) if not TESTS[name](value, seen)), None)


@lru_cache(maxsize=512)
def in_all_scripts(pattern: str) -> tuple[str, bool]:
    """Give the pattern for text in any script, and whether such a text is to be marked for it.

    Raises: InputError where it has letters of other scripts and cannot be told of them.
    """
    from routerctl.classify.rules import patterns  # only text that is not ASCII pays for it

    try:
        return patterns.for_all_scripts(pattern), patterns.has_boundary(pattern)
    except patterns.UntranslatableError:
        if pattern.isascii():
            return pattern, False
        raise


def knows_all_scripts(pattern: str) -> bool:
    """Tell whether a pattern can be told of the letters of all scripts, or has nothing to be told."""
    from routerctl.classify.rules import patterns

    try:
        patterns.for_all_scripts(pattern)
    except patterns.UntranslatableError:
        return False
    return True


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Callable[[bytes], bool]:
    """Give what finds an RE2 pattern in UTF-8.

    Raises: InputError for what RE2 refuses.
    """
    import re2

    options = re2.Options()
    options.log_errors = False  # it would write to stderr
    options.never_capture = True
    options.max_mem = _MOST_MEMORY
    try:
        search = re2.compile(pattern, options).search
    except re2.error as error:
        raise InputError(f"not a regular expression of RE2: {_words_of(error)}") from None
    except UnicodeEncodeError:
        raise InputError("not a regular expression of RE2: half of a surrogate pair") from None
    return lambda text: search(text) is not None


def refusal(pattern: str) -> str | None:
    """Say why RE2 refuses a pattern; None where it takes it."""
    try:
        compiled(pattern)
        compiled(in_all_scripts(pattern)[0])
    except InputError as error:
        return error.problem
    return None


def _words_of(error: Exception) -> str:
    said_by_re2 = error.args[0] if error.args else ""
    return said_by_re2.decode("utf-8", "replace") if isinstance(said_by_re2, bytes) else str(said_by_re2)


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
