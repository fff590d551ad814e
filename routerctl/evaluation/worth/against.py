"""Turns a table and its results into how it compares with each candidate serving every class, in accuracy and money.

Compared are the same cases: class by class those that the table's choice and the other one both have; where there is
none, `gaps` says what may be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routerctl.evaluation.worth.choosers import Rows
from routerctl.evaluation.worth.crossfit import Lead, ServedCases, leads_over, served
from routerctl.evaluation.worth.figures import Figures, Weighting, constant_figures
from routerctl.evaluation.worth.gaps import Gap, gap
from routerctl.evaluation.worth.grid import Grid
from routerctl.levels import evidence_for
from routerctl.types import Run, Table

if TYPE_CHECKING:
    from routerctl.statistics.pooling import Span

_DIGITS = 12
_NOTHING = 10.0**-_DIGITS  # a difference this small is rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """One candidate serving every class, beside the table. Spans have 95 %; what was not run widens them."""

    candidate: str
    same: bool  # it is what the table does
    right: Span  # how much more often the table is right, a share of requests
    saved: Span  # USD per request that the table's calls save; NaN: not known
    saved_in_all: Span  # the same with the price of wrong answers, where classes state one
    cost_usd: float | None  # of the table's calls, per request; None: not known
    cases: int  # that were compared, of the classes where another candidate serves
    procedure: Lead | None  # of the rule that made the table, by cross-fitting; None: the run does not allow it
    gaps: tuple[Gap, ...]
    figures: Figures | None  # its own, over the classes where its cost is measured
    table: Figures | None  # the table's on the same classes
    passes: int  # classes whose bar it passed
    covered: int  # classes it was run on
    of: int  # classes of the table

    @property
    def cost_share(self) -> float | None:
        """The share of the table's calls in its, by cost; None where that is not known, or nothing."""
        theirs = math.nan if self.cost_usd is None else self.cost_usd + self.saved.mean
        return self.cost_usd / theirs if self.cost_usd is not None and theirs > 0 else None

    @property
    def priced(self) -> bool:
        """Whether the two can be compared in money."""
        return self.saved.mean == self.saved.mean

    @property
    def dominates(self) -> bool:
        """Whether it is known to be no dearer, and no worse than the table, by the estimates; not the table itself."""
        cheap = self.saved_in_all.mean <= _NOTHING  # never of what is not known
        return not self.same and cheap and self.right.mean <= _NOTHING

    @property
    def ruled_out(self) -> bool:
        """Whether it is shown to be dearer or worse than the table, also on cases that the table was not chosen on."""
        elsewhere = self.procedure is None or _is_behind(self.procedure.saved, self.procedure.right)
        return not self.same and self.behind and elsewhere

    @property
    def behind(self) -> bool:
        """Whether it is shown to be dearer or worse on the cases that the table was chosen on."""
        return _is_behind(self.saved_in_all, self.right)


def _is_behind(saved: Span, right: Span) -> bool:
    return saved.low > _NOTHING or right.low > _NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A table with the results it is compared on."""

    table: Table
    of: Weighting
    runs: Mapping[str, Run]  # by class
    grid: Grid  # costs of calls
    in_all: Grid | None = None  # the same with the price of wrong answers; None: nobody states one
    procedure: ServedCases | None = None  # the table's rule, cross-fitted on the costs in all


def constants(beside: Beside) -> list[Constant]:
    """List every candidate that was run, or is on the ladder, as the one choice for all.

    First those that were run on most classes, of them the one that the table leads least in accuracy, by estimate; of
    equals, rounding apart, the cheapest.
    """
    rows = [(row,) * len(beside.grid.classes) for row in range(len(beside.grid.candidates))]
    found = _compared(beside, dict(zip(beside.grid.candidates, rows, strict=True)))
    return sorted(found, key=_rank)


def _rank(one: Constant) -> tuple[int, float, bool, float]:
    cost = round(one.saved.mean, _DIGITS) if one.priced else 0.0
    return -one.covered, round(one.right.mean, _DIGITS), not one.priced, cost


def today_of(beside: Beside) -> Constant | None:
    """Compare the table with what serves now, class by class; None where that is not stated for a class."""
    names = {name: beside.table.routes[name].today for name in beside.grid.classes}
    if not names or not all(names.values()):
        return None
    each = dict.fromkeys(names.values())
    (found,) = _compared(beside, {next(iter(each)) if len(each) == 1 else "models": beside.grid.rows(names)})
    return found


def _compared(beside: Beside, others: Mapping[str, Rows]) -> list[Constant]:
    grid, rows = beside.grid, list(others.values())
    chosen = grid.rows({name: beside.table.routes[name].chosen for name in grid.classes})
    calls = leads_over(grid, served(grid, chosen), rows)
    in_all = leads_over(beside.in_all, served(beside.in_all, chosen), rows) if beside.in_all else calls
    tested = leads_over(beside.in_all or grid, beside.procedure, rows) if beside.procedure else [None] * len(calls)
    return [
        _constant(beside, name, (chosen, others[name]), leads)
        for name, leads in zip(others, zip(calls, in_all, tested, strict=True), strict=True)
    ]


def _constant(beside: Beside, name: str, rows: tuple[Rows, Rows], leads: tuple[Lead, Lead, Lead | None]) -> Constant:
    grid, (chosen, theirs) = beside.grid, rows
    calls, in_all, tested = leads
    gaps = [
        gap(grid, place, theirs[place], chosen[place], beside.runs.get(grid.classes[place])) for place in calls.apart
    ]
    figures, ours = constant_figures(beside.table, beside.of, name)
    shown = [one for route in beside.table.routes.values() if (one := evidence_for(route, name))]
    saved = _with_gaps(calls.saved, [(one.saved, one.share) for one in gaps])
    return Constant(
        candidate=name,
        same=chosen == theirs,
        right=_with_gaps(calls.right, [(one.right, one.share) for one in gaps]),
        saved=saved,
        cost_usd=_cost(grid, chosen),
        cases=calls.cases,
        saved_in_all=_with_gaps(in_all.saved, [(one.saved, one.share) for one in gaps]),
        procedure=None if tested is None or tested.apart else tested,
        gaps=tuple(gaps),
        figures=figures,
        table=ours,
        passes=sum(one.judgement.verdict.passes for one in shown),
        covered=len(shown),
        of=len(beside.table.routes),
    )


def _cost(grid: Grid, chosen: Sequence[int]) -> float | None:
    """What a request to the table costs; None where that is not known of a class."""
    places = range(len(grid.classes))
    ours = sum(grid.shares[place] * float(grid.outcomes[place].mean_costs()[chosen[place]]) for place in places)
    return None if math.isnan(ours) else ours


def _with_gaps(span: Span, gaps: Sequence[tuple[Span, float]]) -> Span:
    """Add what may be where nothing was run to what was measured; the ends add up, as nothing tells how they vary."""
    from routerctl.statistics.pooling import Span as Sum

    parts = [(span, 1.0), *gaps]
    mean, low, high = (sum(share * getattr(one, end) for one, share in parts) for end in ("mean", "low", "high"))
    return Sum(mean=mean, low=low, high=high)
