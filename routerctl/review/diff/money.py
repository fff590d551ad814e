"""Two tables -> what the same requests cost under each, and how many are answered wrong, from what was measured.

A class that only one table has, or whose choice was never measured, is left out of both sums and named: a sum over
different classes would compare nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from routerctl.evaluation.worth import Volumes, Weighting, chosen_evidence, exact, weighting, wrong_per_thousand
from routerctl.types import Route, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """The mean cost of one request before and after, and the wrong answers, over the same classes alike weighed."""

    classes: tuple[str, ...]  # that both tables have, with a measured cost on both sides
    left_out: tuple[str, ...]
    before_usd: Decimal  # per request
    after_usd: Decimal
    wrong: tuple[float, float] | None  # delivered in 1,000 requests before and after; None: not known of all on a side
    of: Weighting  # how these classes weigh, as everywhere else

    @property
    def requests_per_month(self) -> float | None:
        """Of these classes; None: not known of all."""
        return sum(self.of.requests[name] for name in self.classes) if self.of.by_volume else None


def bill(previous: Table, table: Table, asked: Volumes | None = None) -> Bill | None:
    """Compare the costs of two tables; None where no class has a measured cost in both.

    Classes are weighed by the requests a month that the newer table states, the older one where it does not, else those
    that were counted (`asked`); by their cases, where one of them has none of these.
    """
    names = dict.fromkeys([*table.routes, *previous.routes])
    costs: dict[str, tuple[Decimal, Decimal]] = {}
    for name in names:
        before, after = (cost_of_request(one.routes.get(name)) for one in (previous, table))
        if before is not None and after is not None:
            costs[name] = before, after
    if not costs:
        return None
    of = _weighting(previous, table, costs, asked or {})
    weights = {name: exact(of.share(name)) for name in costs}
    whole = sum(weights.values(), Decimal(0))
    sides = [_wrong(one, weights) for one in (previous, table)]
    return Bill(
        classes=tuple(costs),
        left_out=tuple(name for name in names if name not in costs),
        before_usd=sum((costs[name][0] * weights[name] for name in costs), Decimal(0)) / whole,
        after_usd=sum((costs[name][1] * weights[name] for name in costs), Decimal(0)) / whole,
        wrong=None if sides[0] is None or sides[1] is None else (sides[0], sides[1]),
        of=of,
    )


def _wrong(table: Table, weights: Mapping[str, Decimal]) -> float | None:
    """Average the wrong answers that the choices deliver in 1,000 requests; None where one class does not tell."""
    chosen = {name: chosen_evidence(table.routes[name]) for name in weights}
    known = {name: wrong for name, one in chosen.items() if one and (wrong := wrong_per_thousand(one)) is not None}
    if len(known) < len(weights):
        return None
    summed = sum((exact(known[name]) * weight for name, weight in weights.items()), Decimal(0))
    return float(summed / sum(weights.values(), Decimal(0)))


def _weighting(previous: Table, table: Table, names: Iterable[str], asked: Volumes) -> Weighting:
    before = {name: one.stakes.requests_per_month for name, one in previous.routes.items()}
    stated = {name: number for name, number in before.items() if number is not None}
    of = weighting(replace(table, routes={name: table.routes[name] for name in names}), {**asked, **stated})
    return replace(of, measured=of.measured - stated.keys())


def cost_of_request(route: Route | None) -> Decimal | None:
    """Give the measured cost of one request to the chosen candidate; None where there is none."""
    one = None if route is None else chosen_evidence(route)
    return None if one is None else one.cost_per_case_usd
