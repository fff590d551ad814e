"""Decisions -> what drift looks at: per class and period who served or nobody, refusals, feedback, latency and cost.

Only requests that one candidate served alone have its cost and latency: where another one was asked too, the request's
cost is both's. The queries are the same for every engine.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from routerctl.monitoring.warehouse.histogram import Histogram, bin_of
from routerctl.monitoring.warehouse.slice import not_before

if TYPE_CHECKING:
    import ibis.expr.types as ir

GOOD = 0.5  # feedback from here on says that the answer was good
MICRO = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRequests:
    """The requests of a class that one candidate answered under one pin, in one period."""

    models: Mapping[str, int] = field(default_factory=dict)  # model id that the provider names -> requests
    replies: int = 0
    refused: int = 0
    rated: int = 0  # requests with feedback
    good: int = 0  # of those
    latency_us: Histogram = field(default_factory=Histogram)  # microseconds
    cost_nano_usd: Histogram = field(default_factory=Histogram)

    def __add__(self, other: ServedRequests) -> ServedRequests:
        """Give both together."""
        models = Counter(self.models)
        models.update(other.models)
        return ServedRequests(
            models=models,
            replies=self.replies + other.replies,
            refused=self.refused + other.refused,
            rated=self.rated + other.rated,
            good=self.good + other.good,
            latency_us=self.latency_us + other.latency_us,
            cost_nano_usd=self.cost_nano_usd + other.cost_nano_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCounts:
    """One class in one period."""

    requests: int
    served: Mapping[tuple[str, str], ServedRequests]  # by (candidate, model id that was asked for)
    diverted: int  # requests that another candidate served than the one that was chosen
    escalated: int  # of those, since a reply was not confident

    @property
    def unanswered(self) -> int:
        """The requests that nobody served."""
        return self.requests - sum(one.replies for one in self.served.values())


class Periods(NamedTuple):
    """Each class before a moment, and from then on."""

    before: Mapping[str, ClassCounts]
    now: Mapping[str, ClassCounts]
    left_out: int  # decisions that name no class


def counted(decisions: ir.Table, since: datetime) -> Periods:
    """Count each class before a moment, and from then on."""
    import ibis

    known = decisions.mutate(now=not_before(decisions, since).ifelse(1, 0).cast("int8"))
    answered = known.filter(known.served.notnull())
    asked_alone = ibis.and_(*(answered[name] == 0 for name in ("fallbacks", "escalations", "redirects", "hedges")))
    alone = answered.filter(asked_alone)
    latency_us = (alone.latency_s * MICRO).floor().cast("int64")
    rows = _rows(_totals(known))
    latencies = _histograms(alone.filter(alone.latency_s >= 0), latency_us)
    costs = _histograms(alone.filter(alone.cost_nano_usd >= 0), alone.cost_nano_usd)
    before, now = (_period(rows, latencies, costs, period) for period in (0, 1))
    return Periods(before, now, sum(row["requests"] for row in rows if row["task_class"] is None))


_KEYS = ("now", "task_class", "served", "pinned_model")
_Key = tuple[Any, ...]


def _totals(known: ir.Table) -> ir.Table:
    good = (known.feedback >= GOOD).ifelse(1, 0)
    diverted = (known.served != known.chosen).fill_null(False)
    return known.group_by(*_KEYS, "served_model").aggregate(
        requests=known.count(),
        refused=known.refused.sum(),
        rated=known.feedback.count(),
        good=good.sum(),
        diverted=diverted.ifelse(1, 0).sum(),
        escalated=(diverted & (known.escalations > 0)).ifelse(1, 0).sum(),
    )


def _histograms(served: ir.Table, value: ir.IntegerValue) -> Mapping[_Key, list[tuple[int, int]]]:
    """The bins of each period, class, candidate and pin."""
    binned = served.select(*_KEYS, value=value)
    lowest = binned.mutate(lowest=bin_of(binned.value))
    found: dict[_Key, list[tuple[int, int]]] = defaultdict(list)
    for row in _rows(lowest.group_by(*_KEYS, "lowest").aggregate(requests=lowest.count())):
        found[_key(row)].append((row["lowest"], row["requests"]))
    return found


def _rows(query: ir.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = query.to_pyarrow().to_pylist()
    return rows


def _key(row: Mapping[str, Any]) -> _Key:
    return tuple(row[name] for name in _KEYS)


def _period(
    rows: list[dict[str, Any]],
    latencies: Mapping[_Key, list[tuple[int, int]]],
    costs: Mapping[_Key, list[tuple[int, int]]],
    period: int,
) -> Mapping[str, ClassCounts]:
    by_class: dict[str, dict[_Key, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["now"] == period and row["task_class"] is not None:
            by_class[row["task_class"]][_key(row)].append(row)
    return {
        name: ClassCounts(
            requests=_sum(found, "requests"),
            diverted=_sum(found, "diverted"),
            escalated=_sum(found, "escalated"),
            served={
                (key[2], key[3] or ""): _served(of_key, latencies.get(key, []), costs.get(key, []))
                for key, of_key in found.items()
                if key[2] is not None
            },
        )
        for name, found in sorted(by_class.items())
    }


def _sum(found: Mapping[_Key, list[dict[str, Any]]], name: str) -> int:
    return sum(row[name] or 0 for rows in found.values() for row in rows)


def _served(
    rows: list[dict[str, Any]], latencies: list[tuple[int, int]], costs: list[tuple[int, int]]
) -> ServedRequests:
    models = {row["served_model"]: row["requests"] for row in rows if row["served_model"]}
    return ServedRequests(
        models=models,
        replies=sum(row["requests"] for row in rows),
        refused=sum(row["refused"] or 0 for row in rows),
        rated=sum(row["rated"] for row in rows),
        good=sum(row["good"] or 0 for row in rows),
        latency_us=Histogram(latencies),
        cost_nano_usd=Histogram(costs),
    )
