"""Several values in one reply (objects, queries, blocks of code) -> the one that answers, by how it is introduced.

A value that is shown as a mistake does not count; one that is shown as an example, a draft or the input counts only
where nothing else does; a corrected one replaces those before it. What remains must be one value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from routerctl.scorers.base import NoAnswer
from routerctl.scorers.stance import Introduction, introduced

_MOST = 50  # of a reply with more, the last ones are read
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate(Generic[Value]):
    """A value in a reply, with its place; two with the same key say the same."""

    value: Value
    key: str
    start: int
    end: int


def meant(text: str, found: Sequence[Candidate[Value]]) -> list[tuple[Candidate[Value], Introduction]]:
    """Keep the values that are not shown as mistakes, nor, where others are left, as examples.

    Raises: NoAnswer where all are shown as mistakes.
    """
    kept: list[tuple[Candidate[Value], Introduction]] = []
    before = 0
    for one in found[-_MOST:]:
        how = introduced(text, one.start, one.end, after=before)
        before = one.end
        if how is not Introduction.MISTAKE:
            kept.append((one, how))
    if found and not kept:
        raise NoAnswer("what it shows, it calls wrong")
    return [pair for pair in kept if pair[1] is not Introduction.EXAMPLE] or kept


def with_finals(
    text: str, fenced: Sequence[Candidate[Value]], outside: Sequence[Candidate[Value]]
) -> list[Candidate[Value]]:
    """Add to the values in fenced blocks those outside them that are introduced as final; in the order of the text."""
    free = [one for one in outside if not any(block.start <= one.start < block.end for block in fenced)]
    if not fenced or not free:
        return list(fenced)
    together = sorted([*fenced, *free], key=lambda one: one.start)
    kept = {one.start for one in fenced}
    kept |= {one.start for one, how in meant(text, together) if how is Introduction.FINAL}
    return [one for one in together if one.start in kept]


def the_one(text: str, found: Sequence[Candidate[Value]]) -> Value | None:
    """Give the value that is the answer: the last that is introduced as final, else the only one; None without any.

    Raises: NoAnswer where several that differ remain, or all are shown as mistakes.
    """
    kept = meant(text, found)
    finals = [one for one, how in kept if how is Introduction.FINAL]
    if len(finals) == 1 or (finals and finals[-1] is kept[-1][0]):
        return finals[-1].value
    if len({one.key for one, _ in kept}) > 1:
        raise NoAnswer(f"it gives {len(kept)} that differ and does not say which is meant")
    return kept[-1][0].value if kept else None
