"""A condition as it stands in a file -> what could not be meant, each with the place inside the condition.

Whoever reads the file makes an error with file and line of it. What is merely odd about rules that could be meant is
`lint`'s knowledge.
"""

from __future__ import annotations

from collections.abc import Iterator

from routerctl.classify.rules.keywords import folded_keyword
from routerctl.classify.rules.languages import LANGUAGES
from routerctl.classify.rules.regex import refusal
from routerctl.errors import nearest
from routerctl.types import Condition

Problem = tuple[tuple[str | int, ...], str]  # the path inside the condition, and the words

_LISTS = ("keywords", "tenant", "step", "attachments")
_NOUNS = {"keywords": "a keyword", "tenant": "a tenant", "step": "a step", "attachments": "a kind of attachment"}
_NORWEGIAN = ("nb", "nn")


def condition_problems(condition: Condition) -> Iterator[Problem]:
    """Name what could not be meant, nested conditions included."""
    yield from _lengths(condition)
    for name in _LISTS:
        words = getattr(condition, name)
        if not all(map(folded_keyword, words) if name == "keywords" else (word.strip() for word in words)):
            yield (name,), f"{_NOUNS[name]} is empty"
    for code in condition.language:
        if code not in LANGUAGES:
            yield ("language",), _unknown_language(code)
    for name, wanted in condition.features.items():
        if wanted == []:
            yield ("features", name), "expected a value, or a list of accepted values"
    problem = None if condition.regex is None else refusal(condition.regex)
    if problem:
        yield ("regex",), problem
    yield from _nested(condition)


def _lengths(condition: Condition) -> Iterator[Problem]:
    for name in ("min_chars", "max_chars", "min_words", "max_words"):
        value = getattr(condition, name)
        if value is not None and value < 0:
            yield (name,), f"expected a whole number from 0, got {value}"
    bounds = (
        ("characters", condition.min_chars, condition.max_chars),
        ("words", condition.min_words, condition.max_words),
    )
    for noun, least, most in bounds:
        if least is not None and most is not None and 0 <= most < least:
            yield (), f"no text has {least} or more and {most} or fewer {noun}"


def _unknown_language(code: str) -> str:
    if code in _NORWEGIAN:
        return f"{code!r} cannot be distinguished from other Norwegian; write 'no'"
    return f"no language {code!r} among the ISO 639-1 codes that can be detected{_near(code)}"


def _near(code: str) -> str:
    """Give the nearest code; with more than a hundred of them a list of all would help nobody."""
    known = nearest(code, LANGUAGES)
    return known if known.startswith("; did you mean") else "; codes are like de, en, zh"


def _nested(condition: Condition) -> Iterator[Problem]:
    for name in ("all_of", "any_of", "none_of"):
        for place, part in enumerate(getattr(condition, name)):
            if part == Condition():
                yield (name, place), "has no condition"
            for path, problem in condition_problems(part):
                yield (name, place, *path), problem
