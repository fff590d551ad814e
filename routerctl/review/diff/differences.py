"""Two values -> the rows in which they differ, part by part.

Place: the first floor of the comparison; it knows no class and no table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from routerctl.evaluation.differences import leaf_pair
from routerctl.files.codec import encode
from routerctl.review.diff.values import flat


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing before and after, as a reader sees it; `none` on the side that does not have it."""

    what: str  # "bar", "prompt template", "price of haiku", ...
    before: str
    after: str
    kind: str = ""  # the decision it belongs to, as `Change.what` names it; "" = measured, or the table's own


def parts(what: str, old: Any, new: Any, kind: str) -> Iterator[Difference]:
    """Compare two values part by part, defaults included; a part that only one side has stands against `none`."""
    ours, theirs = (flat(encode(value, keep_defaults=True)) for value in (old, new))
    for key in dict.fromkeys([*ours, *theirs]):
        pair = leaf_pair(ours.get(key), theirs.get(key))
        if pair:
            name = " ".join(part for part in (what, key) if part)
            yield Difference(what=name, before=pair[0], after=pair[1], kind=kind)
    if ours.keys() == theirs.keys() and list(ours) != list(theirs):  # a model sees a schema's keys in their order
        pair = leaf_pair(list(ours), list(theirs)) or ("", "")
        yield Difference(what=f"{what} order".strip(), before=pair[0], after=pair[1], kind=kind)
