"""The decision log -> what happened to each task class: how often, decided and served by whom, at what cost.

Counting is SQL over columns; no JSON is parsed, and no text is looked at.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, groupby
from operator import itemgetter
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


def figures_of(log: LogReader, wanted: Wanted, *others: LogReader) -> tuple[ClassFigures, ...]:
    """Give the figures of each class that was asked, in alphabetical order; of several logs those of all together."""
    logs = (log, *others)
    with ExitStack() as stack:
        for one in logs:
            stack.enter_context(one.snapshot())
        return tuple(_figures(logs, wanted))


def _figures(logs: Sequence[LogReader], wanted: Wanted) -> Iterator[ClassFigures]:
    condition, values = wanted.condition()

    def rows(query: str, *names: str) -> Iterator[tuple[Any, ...]]:
        return chain.from_iterable(log.query(query.format(*names, condition), values) for log in logs)

    sources, served = _shares(rows(_SHARES, "source")), _shares(rows(_SHARES, "served"))
    levels = _shares(rows(_SHARES, "level"))
    waits, scores = _numbers(rows(_WAITS)), _numbers(rows(_FEEDBACK))
    for name, counts, first, last in _summed(rows(_SUMS)):
        decisions, escalated, fell_back, failed, refused, truncated, unpinned, *amounts = counts
        cost_usd, perhaps_usd = (Decimal(nano).scaleb(-9) for nano in amounts)
        mine, said = sorted(waits[name]), scores[name]
        yield ClassFigures(
            task_class=name,
            decisions=decisions,
            sources=sources[name],
            served=served[name],
            levels=levels[name],
            escalated=escalated,
            fell_back=fell_back,
            failed=failed,
            refused=refused,
            truncated=truncated,
            unpinned=unpinned,
            cost_usd=cost_usd,
            perhaps_usd=perhaps_usd,
            p50_s=quantile(mine, 0.5),
            p95_s=quantile(mine, 0.95),
            feedback=sum(said) / len(said) if said else None,
            rated=len(said),
            first_at=first,
            last_at=last,
        )


def _summed(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[str, list[int], str, str]]:
    """Add up the rows of each class, one a log: its counts, its first and its last moment."""
    for name, group in groupby(sorted(rows, key=itemgetter(0)), key=itemgetter(0)):
        columns = list(zip(*(row[1:] for row in group), strict=True))
        yield (
            name,
            [sum(number or 0 for number in column) for column in columns[:-2]],
            min(columns[-2]),
            max(columns[-1]),
        )


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Give the least value that is not exceeded by this share of them (nearest rank); None where there is none."""
    if not ordered:
        return None
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


def _shares(rows: Iterator[tuple[Any, ...]]) -> dict[str, dict[str, int]]:
    """Count the parts of each class, the most frequent first; those of several logs add up."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for name, part, count in rows:
        if part is not None:
            found[name][part] += count
    return defaultdict(dict, {name: dict(parts.most_common()) for name, parts in found.items()})


def _numbers(rows: Iterator[tuple[Any, ...]]) -> dict[str, array[float]]:
    found: dict[str, array[float]] = defaultdict(lambda: array("d"))
    for name, number in rows:
        if number is not None:
            found[name].append(number)
    return found
