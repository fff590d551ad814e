"""A ladder with its prices, and what runs measured -> a sentence where a rung stands before a cheaper one.

A run and a route try the rungs as they are written, so a dear one in front hides the cheaper ones behind it. Prices per
token or hour can be compared only between candidates that are asked in the same way; what the same cases cost can be
compared between any two. It reorders nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from routerctl.costs import NOT_KNOWN
from routerctl.errors import InputError, RouterctlError
from routerctl.evaluation.build import cases_by_candidate
from routerctl.evaluation.project import Project
from routerctl.evaluation.repricing import at_present_prices
from routerctl.evaluation.run_files import read_run, run_folder
from routerctl.table import TABLE_FILE, load_table
from routerctl.types import Candidate, Price, Route, Run, evidence_part
from routerctl.words import plain, plural, usd

_CLEARLY = Decimal("0.9")  # of a measured cost: replies differ in length, and a server in its pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a candidate's cases of a class cost."""

    by_place: Mapping[int, Decimal]  # USD by place in the planned order
    total: Decimal  # a ladder of 71 candidates has 2,485 pairs: most have all cases in common, which are added up once


Costs = Mapping[str, Mapping[str, Spent]]  # task class -> candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """What two candidates cost, part by part, and its words."""

    parts: tuple[tuple[Decimal, Decimal], ...]
    told: tuple[str, str]
    least: Decimal = Decimal(1)  # the share of the first's sum that the second's is below, or it is no order
    on: str = ""

    @property
    def is_out_of_order(self) -> bool:
        """Whether the second is nowhere dearer, and cheaper as a whole."""
        first, second = (sum(side, Decimal(0)) for side in zip(*self.parts, strict=True))
        return all(one >= other for one, other in self.parts) and second < first and second <= self.least * first


def order_warning(
    name: str,
    ladder: Sequence[str],
    candidates: Mapping[str, Candidate],
    prices: Mapping[str, Price],
    costs: Costs | None = None,
) -> str | None:
    """Say which rung of a ladder stands before a cheaper one; None: none does, as far as is known.

    `costs`: what was measured of these candidates (see `measured_costs`); it goes before the prices.
    """
    found: list[tuple[str, str, _Pair]] = []
    for place, one in enumerate(ladder):
        for other in ladder[place + 1 :]:
            pair = _measured(one, other, costs or {}) or _priced(candidates, prices, one, other)
            if pair and pair.is_out_of_order:
                found.append((one, other, pair))
    if not found:
        return None
    # Of the first such rung, the cheapest behind it: the one that should be asked first.
    one, other, pair = min(
        (each for each in found if each[0] == found[0][0]), key=lambda each: sum(cost for _, cost in each[2].parts)
    )
    more = f" ({plain(plural(len(found) - 1, 'more pair'))} likewise)" if len(found) > 1 else ""
    return (
        f"ladder {name}: {one} ({pair.told[0]}) stands before {other} ({pair.told[1]}), which is cheaper{pair.on}: "
        f"rungs are tried in this order, so {other} is not asked where {one} passes; put the cheapest first{more}"
    )


def measured_costs(runs: Mapping[str, Run], candidates: Mapping[str, Candidate]) -> Costs:
    """Give what each case cost in its class's run, of the candidates that are the same now and have a known price."""
    return {
        task_class: {
            name: _spent({place: sum((one.cost_usd for one in case), Decimal(0)) for place, case in cases.items()})
            for name, cases in cases_by_candidate(run, task_class).items()
            if _is_measured(run, name, candidates)
        }
        for task_class, run in runs.items()
    }


def costs_behind(root: Path, project: Project, candidates: Mapping[str, Candidate]) -> Costs:
    """Give the same of the runs that routes.yaml rests on; nothing of those that are gone or tell no present cost."""
    read: dict[str, Run] = {}
    routes: Mapping[str, Route] = {}
    with suppress(RouterctlError):  # no table yet, or one that `check` names
        routes = load_table(root / TABLE_FILE).routes
    for run_id in dict.fromkeys(route.run_id for route in routes.values()):
        with suppress(InputError):
            read[run_id] = at_present_prices(read_run(run_folder(root, run_id)), project)
    runs = {name: read[route.run_id] for name, route in routes.items() if route.run_id in read}
    return measured_costs({name: run for name, run in runs.items() if name in run.header.classes}, candidates)


def _is_measured(run: Run, name: str, candidates: Mapping[str, Candidate]) -> bool:
    made, price, now = run.header.candidates.get(name), run.header.prices.get(name), candidates.get(name)
    known = price is not None and price.source != NOT_KNOWN
    return known and made is not None and now is not None and evidence_part(made) == evidence_part(now)


def _measured(one: str, other: str, costs: Costs) -> _Pair | None:
    """Compare what a request cost on the cases that both have, class by class; None: they have none in common."""
    sums: list[tuple[Decimal, Decimal]] = []
    cases = 0
    for of_class in costs.values():
        if one in of_class and other in of_class:
            count, first, second = _in_common(of_class[one], of_class[other])
            cases += count
            sums.append((first, second))
    if not cases:
        return None
    means = [usd(sum(side, Decimal(0)) / cases) for side in zip(*sums, strict=True)]
    return _Pair(
        parts=tuple(sums),
        told=(f"{means[0]} a request", means[1]),
        least=_CLEARLY,
        on=f" on the same {plain(plural(cases, 'case'))}",
    )


def _in_common(one: Spent, other: Spent) -> tuple[int, Decimal, Decimal]:
    """Count the cases that both have, and add up what they cost."""
    if one.by_place.keys() == other.by_place.keys():
        return len(one.by_place), one.total, other.total
    common = one.by_place.keys() & other.by_place.keys()
    first, second = (sum((each.by_place[at] for at in common), Decimal(0)) for each in (one, other))
    return len(common), first, second


def _spent(by_place: Mapping[int, Decimal]) -> Spent:
    return Spent(by_place=by_place, total=sum(by_place.values(), Decimal(0)))


def _priced(candidates: Mapping[str, Candidate], prices: Mapping[str, Price], one: str, other: str) -> _Pair | None:
    """Compare prices; None: the two are asked in other ways or priced in other units, or a price is not known."""
    first, second = prices.get(one), prices.get(other)
    if first is None or second is None or _manner(candidates[one]) != _manner(candidates[other]):
        return None
    if first.usd_per_hour is not None and second.usd_per_hour is not None:
        told = f"{usd(first.usd_per_hour)} per hour", usd(second.usd_per_hour)
        return _Pair(parts=((first.usd_per_hour, second.usd_per_hour),), told=told)
    amounts = [tuple(_by_token(price)) for price in (first, second)]
    if len(amounts[0]) != 2 or len(amounts[1]) != 2:
        return None
    told = "{} in, {} out per million tokens".format(*map(usd, amounts[0])), ", ".join(map(usd, amounts[1]))
    return _Pair(parts=tuple(zip(*amounts, strict=True)), told=told)


def _by_token(price: Price) -> Iterator[Decimal]:
    for amount in (price.input_mtok_usd, price.output_mtok_usd):
        if amount is not None and price.usd_per_hour is None and price.source != NOT_KNOWN:
            yield amount


def _manner(candidate: Candidate) -> object:
    """What makes a price per token comparable: strategy and effort alike; a cascade pays for two models."""
    cascade = candidate.name if candidate.escalation else ""
    return candidate.strategy, candidate.effort, cascade
