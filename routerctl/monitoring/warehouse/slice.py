"""Which decisions are looked at, as a condition that any engine understands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from routerctl.routing.decision_log.rows import stamp

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Which decisions; None = any."""

    task_class: str | None = None
    tenant: str | None = None
    since: datetime | None = None  # with an offset

    def of(self, table: ir.Table) -> ir.Table:
        """Give the decisions of a table that are meant."""
        if self.task_class is not None:
            table = table.filter(table.task_class == self.task_class)
        if self.tenant is not None:
            table = table.filter(table.tenant == self.tenant)
        if self.since is not None:
            table = table.filter(not_before(table, self.since))
        return table


def not_before(table: ir.Table, moment: datetime) -> ir.BooleanValue:
    """Tell of each decision whether it was made at a moment or later.

    A timestamp without a zone is taken as UTC, which is what the log writes.
    """
    import ibis

    dtype = table.schema()["at"]
    if dtype.is_string():
        return table["at"] >= stamp(moment.isoformat())
    utc = moment.astimezone(UTC)
    zoned = getattr(dtype, "timezone", None) is not None
    literal = ibis.literal(utc if zoned else utc.replace(tzinfo=None), type=dtype)
    return table["at"] >= literal
