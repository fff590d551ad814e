"""A condition that does not hold -> words that follow "the prompt": "is shorter than 99 characters".

For `route --explain` and for warnings; never on the hot path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from routerctl.classify.rules.matching import any_of, failing_field, holds_for, said
from routerctl.classify.rules.prompt_features import PromptFeatures
from routerctl.types import Condition
from routerctl.types.asking import Json

_SHOWN = 5  # of a long list


def why_not(condition: Condition, seen: PromptFeatures) -> str | None:
    """Say why a condition does not hold, by its first part that does not; None when it holds."""
    failing = failing_field(condition, seen)
    if failing is None:
        return None
    name, value = failing
    if name == "all_of":
        return next(words for part in value if (words := why_not(part, seen)))
    if name == "any_of":
        return f"fits none of any_of ({'; '.join(_first([why_not(part, seen) or '' for part in value]))})"
    if name == "none_of":
        return f"fits one of none_of ({next(affirmed(part) for part in value if holds_for(part, seen))})"
    return _WORDS[name][1](value)


def affirmed(condition: Condition) -> str:
    """Say what holds where a condition does."""
    parts = [_affirmed_part(name, value) for name, value in said(condition)]
    return " and ".join(parts) or "is anything"


def _affirmed_part(name: str, value: Any) -> str:
    if name == "all_of":
        return " and ".join(affirmed(part) for part in value)
    if name == "any_of":
        return f"({' or '.join(_first([affirmed(part) for part in value]))})"
    if name == "none_of":
        return f"fits none of ({'; '.join(_first([affirmed(part) for part in value]))})"
    return _WORDS[name][0](value)


def _first(items: list[str]) -> list[str]:
    return items if len(items) <= _SHOWN else [*items[:_SHOWN], f"{len(items) - _SHOWN} more"]


def _either(items: tuple[str, ...]) -> str:
    *first, last = _first(list(items))
    return f"{', '.join(first)} or {last}" if first else last


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _features(wanted: Mapping[str, Json]) -> str:
    shown = [f"{name} = {_either(tuple(map(_shown, any_of(value))) or ('nothing',))}" for name, value in wanted.items()]
    return " and ".join(_first(shown))


def _shown(value: Json) -> str:
    import json  # only for words

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


# Field -> the words where it holds, and where it does not.
_WORDS: dict[str, tuple[Callable[[Any], str], Callable[[Any], str]]] = {
    "min_chars": (
        lambda least: f"has at least {_count(least, 'character')}",
        lambda least: f"is shorter than {_count(least, 'character')}",
    ),
    "max_chars": (
        lambda most: f"has at most {_count(most, 'character')}",
        lambda most: f"is longer than {_count(most, 'character')}",
    ),
    "min_words": (
        lambda least: f"has at least {_count(least, 'word')}",
        lambda least: f"has fewer than {_count(least, 'word')}",
    ),
    "max_words": (
        lambda most: f"has at most {_count(most, 'word')}",
        lambda most: f"has more than {_count(most, 'word')}",
    ),
    "keywords": (lambda words: f"has the keyword {_either(words)}", lambda _: "has none of the keywords"),
    "regex": (lambda pattern: f"matches /{pattern}/", lambda pattern: f"does not match /{pattern}/"),
    "is_json": (
        lambda wanted: "is JSON" if wanted else "is not JSON",
        lambda wanted: "is not JSON" if wanted else "is JSON",
    ),
    "has_code": (
        lambda wanted: "has code" if wanted else "has no code",
        lambda wanted: "has no code" if wanted else "has code",
    ),
    "language": (
        lambda codes: f"is in language {_either(codes)}",
        lambda codes: f"is not in language {_either(codes)}, or is too short to tell",
    ),
    "tenant": (
        lambda names: f"comes from tenant {_either(names)}",
        lambda names: f"does not come from tenant {_either(names)}",
    ),
    "step": (lambda names: f"is of step {_either(names)}", lambda names: f"is not of step {_either(names)}"),
    "features": (
        lambda wanted: f"comes with {_features(wanted)}",
        lambda wanted: f"does not come with {_features(wanted)}",
    ),
    "attachments": (
        lambda kinds: f"comes with an attachment of kind {_either(kinds)}",
        lambda kinds: f"comes without an attachment of kind {_either(kinds)}",
    ),
    "has_attachment": (
        lambda wanted: "comes with an attachment" if wanted else "comes without an attachment",
        lambda wanted: "comes without an attachment" if wanted else "comes with an attachment",
    ),
}
