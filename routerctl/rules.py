"""Rules and a prompt -> the task class of the first rule that holds, and why.

Place: the arithmetic floor, on the hot path of every request: only the standard library.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

from routerctl.types import Rule

# A letter of a script that sets words apart; in the others (Thai to Khmer, kana, Han) any place may be a word's end.
_LETTER = "[^\\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
# Statements that prose does not begin a line with; two such lines, or a fence, make it code.
_CODE_LINE = re.compile(
    r"^[ \t]*+(def \w+\(|class \w+[:(]|import \w+|from \w+ import|#include\b|public |private |func \w+\(|fn \w+\("
    r"|(?:const|let|var) \w+ ?=|SELECT\b.*\bFROM\b|return\b.*;|if ?\(.*\) ?\{|for ?\(.*\) ?\{"
    r"|\}[ \t\r]*$|.*;[ \t\r]*$)",
    re.MULTILINE,  # possessive, and no \s, which spans lines: a hostile prompt of blanks must not take quadratic time
)


def first_match(rules: Sequence[Rule], text: str) -> Rule | None:
    """Give the first rule whose every condition holds for the text, or None."""
    return next((rule for rule in rules if not failing_condition(rule, text)), None)


def failing_condition(rule: Rule, text: str) -> str | None:
    """Name the first condition of the rule that does not hold, in words; None when all hold."""
    return next((words for holds, words in _conditions(rule, text) if not holds()), None)


def _conditions(rule: Rule, text: str) -> list[tuple[Callable[[], bool], str]]:
    conditions: list[tuple[Callable[[], bool], str]] = []
    if rule.min_chars is not None:
        conditions.append((lambda: len(text) >= (rule.min_chars or 0), f"is shorter than {rule.min_chars} characters"))
    if rule.max_chars is not None:
        conditions.append((lambda: len(text) <= (rule.max_chars or 0), f"is longer than {rule.max_chars} characters"))
    if rule.keywords:
        conditions.append((lambda: bool(_keywords(rule.keywords).search(_folded(text))), "has none of the keywords"))
    if rule.regex is not None:
        conditions.append((lambda: bool(_regex(rule.regex or "").search(text)), f"does not match /{rule.regex}/"))
    if rule.is_json is not None:
        words = "is not JSON" if rule.is_json else "is JSON"
        conditions.append((lambda: is_json(text) == rule.is_json, words))
    if rule.has_code is not None:
        words = "has no code" if rule.has_code else "has code"
        conditions.append((lambda: has_code(text) == rule.has_code, words))
    return conditions


@lru_cache(maxsize=512)
def _keywords(words: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = "|".join(re.escape(_folded(word)) for word in words)
    return re.compile(f"(?<!{_LETTER})(?:{alternatives})(?!{_LETTER})")


def _folded(text: str) -> str:
    """Fold case, and compose accents: some systems type them apart."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


@lru_cache(maxsize=512)
def _regex(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def is_json(text: str) -> bool:
    """Tell whether the whole text is a JSON object or list."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[")):
        return False
    try:
        json.loads(stripped)
    except (ValueError, RecursionError):
        return False
    return True


def has_code(text: str) -> bool:
    """Tell whether the text holds program code: a code fence, or two lines that look like statements."""
    return "```" in text or len(_CODE_LINE.findall(text)) >= 2
