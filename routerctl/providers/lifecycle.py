"""Tells when a model retires, offline, from what the installed SDK says; without importing the SDK (2 s).

Place: the wire floor. The live source is the provider's `GET /v1/models/{id}`; this is what CI can know without a key.
"""

from __future__ import annotations

import ast
import re
from datetime import date, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_FILE = "resources/messages/messages.py"
_NAME = "DEPRECATED_MODELS"  # id -> end-of-life day in words, "November 30th, 2026"


def retires_on(model: str, kind: str) -> date | None:
    """Give the day on which a model retires or has retired, None where nothing is known of it."""
    return _days().get(model) if kind == "anthropic" else None


@cache
def _days() -> dict[str, date]:
    found = find_spec("anthropic")
    if found is None or not found.submodule_search_locations:
        return {}
    tree = ast.parse((Path(found.submodule_search_locations[0]) / _FILE).read_text(encoding="utf-8"))
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if value is not None and any(isinstance(target, ast.Name) and target.id == _NAME for target in targets):
            return {model: _day(words) for model, words in ast.literal_eval(value).items()}
    return {}


def _day(words: str) -> date:
    plain = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", words)
    return datetime.strptime(plain, "%B %d, %Y").date()  # noqa: DTZ007 - a day, not a moment
