"""Text -> a CSV cell that no spreadsheet runs as a formula, and back.

A spreadsheet takes a cell for a formula by how it begins, and splits a line at the separator of its own language: what
follows a semicolon here is a cell there (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import json
import re

from routerctl.types import Json

_LEADS = "=+\\-@\uff1d\uff0b\uff0d\uff20"  # full-width forms included
_BLANKS = '[\\s"\u200b\ufeff]*'
_BEGINS = f"(?:\\A|[;,|\\t\\r\\n]){_BLANKS}"
_GUARDED = re.compile(f"(\\A)(?='*[\\t\\r\\n])|({_BEGINS})(?='*[{_LEADS}])")
_GUARD = re.compile(f"(\\A)'(?='*[\\t\\r\\n])|({_BEGINS})'(?='*[{_LEADS}])")
_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_JSON_LEAD = re.compile(r'(["\[{;,|]|\\[trn])(\s*)([=+@-])')


def guarded(text: str) -> str:
    """Put an apostrophe before whatever begins a formula: at the start, or where a separator would start a cell."""
    return _GUARDED.sub(lambda found: f"{found[0]}'", text)


def unguarded(cell: str) -> str:
    """Undo `guarded`."""
    return _GUARD.sub(lambda found: found[0][:-1], cell)


def guarded_json(value: Json) -> str:
    """Write a value as JSON in which no text begins a formula: there the character stands as its escape."""
    return _JSON_TEXT.sub(lambda text: _JSON_LEAD.sub(_escaped, text[0]), json.dumps(value))


def _escaped(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}\\u{ord(found[3]):04x}"
