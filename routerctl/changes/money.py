"""Two tables -> what the same requests cost under each, from what was measured.

Place: the second step of the comparison. A class that only one table has, or whose choice was never measured, is left
out of both sums and named: a sum over different classes would compare nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from routerctl.types import Route, Table
from routerctl.worth import chosen_evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The mean cost of one request before and after, over the same classes in the same proportions."""

    classes: tuple[str, ...]  # that both tables have, with a measured cost on both sides
    left_out: tuple[str, ...]
    before_usd: Decimal  # per request
    after_usd: Decimal
    requests_per_month: float | None  # of these classes; None: not known of all, so each class weighs the same


def bill(previous: Table, table: Table) -> Bill | None:
    """Compare the costs of two tables; None where no class has a measured cost in both.

    Classes are weighed by the requests a month that the newer table states, the older one where it does not.
    """
    names = dict.fromkeys([*table.routes, *previous.routes])
    costs: dict[str, tuple[Decimal, Decimal]] = {}
    for name in names:
        before, after = (cost_of_request(one.routes.get(name)) for one in (previous, table))
        if before is not None and after is not None:
            costs[name] = before, after
    if not costs:
        return None
    volumes = {name: _volume(name, previous, table) for name in costs}
    known = {name: volume for name, volume in volumes.items() if volume is not None}
    by_volume = len(known) == len(costs) and sum(known.values()) > 0
    weights = {name: Decimal(repr(known[name])) if by_volume else Decimal(1) for name in costs}
    whole = sum(weights.values(), Decimal(0))
    return Bill(
        classes=tuple(costs),
        left_out=tuple(name for name in names if name not in costs),
        before_usd=sum((costs[name][0] * weights[name] for name in costs), Decimal(0)) / whole,
        after_usd=sum((costs[name][1] * weights[name] for name in costs), Decimal(0)) / whole,
        requests_per_month=sum(known.values()) if by_volume else None,
    )


def cost_of_request(route: Route | None) -> Decimal | None:
    """Give the measured cost of one request to the chosen candidate; None where there is none."""
    one = None if route is None else chosen_evidence(route)
    return None if one is None else one.cost_per_case_usd


def _volume(name: str, previous: Table, table: Table) -> float | None:
    stated = [one.routes[name].stakes.requests_per_month for one in (table, previous)]
    return next((volume for volume in stated if volume is not None), None)
