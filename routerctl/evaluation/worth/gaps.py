"""Turns a class on which a candidate was not run into what it may be there, and what it would cost to know.

Nothing is made up: its accuracy may be anything from 0 to 1. What an answer costs is estimated from other classes, or
from the price list and the tokens of others' answers, and taken to lie between half and twice of that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from routerctl.costs import MTOK, rates
from routerctl.evaluation.worth.figures import exact
from routerctl.evaluation.worth.grid import Grid
from routerctl.types import Run

if TYPE_CHECKING:
    from routerctl.statistics.pooling import Span

_FACTOR = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A class and a candidate that was not run there on any case that the table's choice was run on."""

    task_class: str
    candidate: str
    cases: int  # to run
    price_usd: Decimal | None  # of running them, estimated; None: nothing tells
    share: float  # of the requests
    right: Span  # how much more often the table's choice may be right; its mean counts the two as equal
    saved: Span  # USD that it saves per request; NaN: nothing tells


def gap(grid: Grid, place: int, row: int, chosen: int, run: Run | None) -> Gap:
    """Say what is known of a candidate (`row`) on a class (`place`) where it was not run; `chosen`: what serves it."""
    from routerctl.statistics.pooling import Span

    ours = float(grid.outcomes[place].means()[chosen])
    known = not math.isnan(ours)
    serving = usual_cost(grid, place, chosen, run)
    cost = usual_cost(grid, place, row, run)
    name, candidate = grid.classes[place], grid.candidates[row]
    cases = run.header.classes[name].n if run else grid.outcomes[place].cases
    calls = cases * (max(run.header.classes[name].epochs, 1) if run else 1)
    return Gap(
        task_class=name,
        candidate=candidate if known else grid.candidates[chosen],
        cases=cases,
        price_usd=None if cost is None else exact(cost if known else serving or 0.0) * calls,
        share=grid.shares[place],
        right=Span(mean=0.0, low=ours - 1 if known else -1.0, high=ours if known else 1.0),
        saved=_saved(cost, serving, measured=known),
    )


def _saved(cost: float | None, serving: float | None, *, measured: bool) -> Span:
    from routerctl.statistics.pooling import Span

    if cost is None or serving is None:
        return Span(mean=math.nan, low=math.nan, high=math.nan)
    least, most = (serving, serving) if measured else (serving / _FACTOR, serving * _FACTOR)
    return Span(mean=cost - serving, low=cost / _FACTOR - most, high=cost * _FACTOR - least)


def usual_cost(grid: Grid, place: int, row: int, run: Run | None) -> float | None:
    """Give what an answer of a candidate costs on a class: measured, else estimated; None: nothing tells."""
    costs = [float(each.mean_costs()[row]) for each in grid.outcomes]
    if not math.isnan(costs[place]):
        return costs[place]
    for other in range(len(grid.candidates)):
        here = float(grid.outcomes[place].mean_costs()[other])
        times = _times(grid, row, other)
        if not math.isnan(here) and times is not None:
            return here * times
    return None if run is None else _listed(run, grid.classes[place], grid.candidates[row])


def _times(grid: Grid, row: int, other: int) -> float | None:
    """How many times as much a candidate costs as another on the cases that both have, each class counting once."""
    from routerctl.statistics.outcomes import common_means

    pairs = [common_means(each.costs, row, other, each.weights) for each in grid.outcomes]
    ratios = [one / two for one, two in (pair for pair in pairs if pair) if two > 0]
    return sum(ratios) / len(ratios) if ratios else None


def _listed(run: Run, task_class: str, candidate: str) -> float | None:
    """The price list's cost of an answer with as many tokens as the other candidates' on this class."""
    price = run.header.prices.get(candidate)
    made = [one for one in run.results if one.task_class == task_class and one.input_tokens]
    if price is None or price.input_mtok_usd is None or price.output_mtok_usd is None or not made:
        return None
    read = sum(one.input_tokens for one in made) / len(made)
    wrote = sum(one.output_tokens for one in made) / len(made)
    plain, _, _, out = rates(price, math.ceil(read))
    return (read * float(plain) + wrote * float(out)) / MTOK
