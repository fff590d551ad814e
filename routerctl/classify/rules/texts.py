"""A text -> what rules ask of it: how many words it has, whether it is JSON.

On the hot path of every request: only the standard library. Prompts are hostile, so every function here takes time in
proportion to the text's length.
"""

from __future__ import annotations

import json
import re
from functools import cache

_IDEOGRAPH = "\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"  # kana and Han


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
