"""A text -> what rules ask of it: how many words it has, whether it is JSON, whether it has code.

On the hot path of every request: only the standard library. Prompts are hostile, so every function here takes time in
proportion to the text's length.
"""

from __future__ import annotations

import json
import re
from functools import cache

_IDEOGRAPH = "\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"  # kana and Han
# Statements that prose does not begin a line with; two such lines, or a fence, make it code.
_CODE_LINE = re.compile(
    r"^[ \t]*+(def \w+\(|class \w+[:(]|import \w+|from \w+ import|#include\b|public |private |func \w+\(|fn \w+\("
    r"|(?:const|let|var) \w+ ?=|SELECT\b.*\bFROM\b|return\b.*;|if ?\(.*\) ?\{|for ?\(.*\) ?\{"
    r"|\}[ \t\r]*$|.*;[ \t\r]*$)",
    re.MULTILINE,  # possessive, and no \s, which spans lines: a hostile prompt of blanks must not take quadratic time
)


def count_words(text: str) -> int:
    """Count what blanks set apart; of kana and Han each character."""
    if text.isascii():
        return len(text.split())
    ideograph, counted = _counters()
    return sum(1 for _ in counted.finditer(text)) if ideograph.search(text) else len(text.split())


@cache
def _counters() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Give what finds an ideograph, and what finds all that counts as a word; compiling them takes milliseconds."""
    return re.compile(f"[{_IDEOGRAPH}]"), re.compile(f"[{_IDEOGRAPH}]|[^\\s{_IDEOGRAPH}]++")


def is_json(text: str) -> bool:
    """Tell whether the whole text is a JSON object or list."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[")):
        return False
    try:
        json.loads(stripped, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def has_code(text: str) -> bool:
    """Tell whether the text holds program code: a code fence, or two lines that look like statements."""
    if "```" in text:
        return True
    if "\n" not in text:
        return False
    first = _CODE_LINE.search(text)
    return first is not None and _CODE_LINE.search(text, first.end()) is not None
