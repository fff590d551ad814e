"""A pattern and a text -> the first match; it runs in a limited child and imports no part of the package."""

from __future__ import annotations

import re
from typing import Any


def run(job: dict[str, Any]) -> dict[str, str | None]:
    """Search `text` for `pattern`; `found` is the first group that took part, the whole match, or None."""
    match = re.search(job["pattern"], job["text"], re.IGNORECASE if job["ignore_case"] else 0)
    if match is None:
        return {"found": None}
    return {"found": next((group for group in match.groups() if group is not None), match[0])}
