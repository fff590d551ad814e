"""The decision log -> what was spent since several moments, by tenant and task class.

One pass over columns, whatever the number of moments; no JSON is parsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from routerctl.routing.decision_log.reader import LogReader

_SINCE = "sum(d.at >= ?), sum(iif(d.at >= ?, d.cost_nano_usd, 0)), sum(iif(d.at >= ?, d.perhaps_nano_usd, 0))"
_QUERY = "SELECT d.tenant, d.task_class, {} FROM decisions d WHERE d.at >= ? GROUP BY 1, 2 ORDER BY 1, 2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What some decisions cost."""

    decisions: int = 0
    cost_usd: Decimal = Decimal(0)  # as far as it is known
    perhaps_usd: Decimal = Decimal(0)  # beside it, at most: of calls whose tokens nobody told

    def __add__(self, other: Spending) -> Spending:
        return Spending(
            decisions=self.decisions + other.decisions,
            cost_usd=self.cost_usd + other.cost_usd,
            perhaps_usd=self.perhaps_usd + other.perhaps_usd,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one tenant spent on one class, since each of the moments."""

    tenant: str | None
    task_class: str
    since: tuple[Spending, ...]


def spent_since(log: LogReader, moments: Sequence[str]) -> list[Spent]:
    """Give what was spent since each of the moments (as the log writes them), by tenant and class."""
    query = _QUERY.format(", ".join(_SINCE for _ in moments))
    values = [moment for moment in moments for _ in range(3)]
    return [
        Spent(tenant=tenant, task_class=name, since=tuple(_spendings(numbers)))
        for tenant, name, *numbers in log.query(query, (*values, min(moments)))
    ]


def _spendings(numbers: Sequence[int]) -> Iterable[Spending]:
    for count, known, perhaps in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
        yield Spending(decisions=count, cost_usd=Decimal(known).scaleb(-9), perhaps_usd=Decimal(perhaps).scaleb(-9))
