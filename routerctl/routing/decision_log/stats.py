"""The decision log -> what happened to each task class: how often, decided and served by whom, at what cost.

Counting is SQL over columns; no JSON is parsed, and no text is looked at.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from routerctl.routing.decision_log.reader import LogReader, Wanted

_SUMS = """
SELECT d.task_class, count(*), sum(d.escalations > 0), sum(d.fallbacks > 0), sum(d.served IS NULL), sum(d.refused),
    sum(d.truncated), sum(d.served_model <> d.pinned_model), sum(d.cost_nano_usd), sum(d.perhaps_nano_usd),
    min(d.at), max(d.at)
FROM decisions d WHERE {} GROUP BY d.task_class ORDER BY d.task_class"""
_SHARES = "SELECT d.task_class, d.{}, count(*) AS n FROM decisions d WHERE {} GROUP BY 1, 2 ORDER BY 1, n DESC, 2"
_WAITS = "SELECT d.task_class, coalesce(d.total_s, d.latency_s) FROM decisions d WHERE {}"
_FEEDBACK = """
SELECT d.task_class, f.score FROM decisions d JOIN feedback f ON f.decision = d.id
WHERE f.number = (SELECT max(number) FROM feedback WHERE decision = d.id) AND {}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """What happened to the inquiries of one task class."""

    task_class: str
    decisions: int
    sources: Mapping[str, int]  # caller, rule, classifier, default -> decisions
    served: Mapping[str, int]  # candidate -> decisions, the most frequent first
    levels: Mapping[str, int]  # proven, provisional, ... -> decisions; those of older logs are in none
    escalated: int
    fell_back: int
    failed: int  # nobody served
    refused: int
    truncated: int
    unpinned: int  # served by another model id than the pinned one
    cost_usd: Decimal  # as far as it is known
    perhaps_usd: Decimal  # beside it, at most: of calls whose tokens nobody told
    p50_s: float | None  # from the inquiry to the answer
    p95_s: float | None
    feedback: float | None  # mean of the latest scores, in [0, 1]
    rated: int  # decisions with feedback
    first_at: str
    last_at: str


def figures_of(log: LogReader, wanted: Wanted) -> tuple[ClassFigures, ...]:
    """Give the figures of each class that was asked, in alphabetical order."""
    with log.snapshot():
        return tuple(_figures(log, wanted))


def _figures(log: LogReader, wanted: Wanted) -> Iterator[ClassFigures]:
    condition, values = wanted.condition()

    def rows(query: str, *names: str) -> Iterator[tuple[Any, ...]]:
        return log.query(query.format(*names, condition), values)

    sources, served = _shares(rows(_SHARES, "source")), _shares(rows(_SHARES, "served"))
    levels = _shares(rows(_SHARES, "level"))
    waits, scores = _numbers(rows(_WAITS)), _numbers(rows(_FEEDBACK))
    for name, count, escalated, fell_back, failed, refused, truncated, unpinned, *amounts, first, last in rows(_SUMS):
        cost_usd, perhaps_usd = (Decimal(nano).scaleb(-9) for nano in amounts)
        mine, said = sorted(waits[name]), scores[name]
        yield ClassFigures(
            task_class=name,
            decisions=count,
            sources=sources[name],
            served=served[name],
            levels=levels[name],
            escalated=escalated,
            fell_back=fell_back,
            failed=failed,
            refused=refused,
            truncated=truncated,
            unpinned=unpinned or 0,
            cost_usd=cost_usd,
            perhaps_usd=perhaps_usd,
            p50_s=quantile(mine, 0.5),
            p95_s=quantile(mine, 0.95),
            feedback=sum(said) / len(said) if said else None,
            rated=len(said),
            first_at=first,
            last_at=last,
        )


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Give the least value that is not exceeded by this share of them (nearest rank); None where there is none."""
    if not ordered:
        return None
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


def _shares(rows: Iterator[tuple[Any, ...]]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for name, part, count in rows:
        if part is not None:
            found[name][part] = count
    return found


def _numbers(rows: Iterator[tuple[Any, ...]]) -> dict[str, array[float]]:
    found: dict[str, array[float]] = defaultdict(lambda: array("d"))
    for name, number in rows:
        if number is not None:
            found[name].append(number)
    return found
