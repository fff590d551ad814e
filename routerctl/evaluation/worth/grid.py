"""Turns a run's results into one matrix a class: what each candidate made of each case, and what it cost.

Everything that is said of a table as a whole is counted on these matrices. It knows results, neither tables nor files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from routerctl.costs import is_known
from routerctl.types import ClassHeader, Result, Run, Status, StopReason

if TYPE_CHECKING:  # numpy: only who asks for a matrix needs it
    from routerctl.statistics.outcomes import Entry, Mask, Outcomes


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Candidates x cases of every class, and how much each class counts."""

    candidates: tuple[str, ...]  # rows, in ladder order
    classes: tuple[str, ...]
    outcomes: tuple[Outcomes, ...]  # by class
    shares: tuple[float, ...]  # of the requests, by class; they sum to 1

    def rows(self, chosen: Mapping[str, str]) -> tuple[int, ...]:
        """Give the row that each class takes; `chosen`: candidate by class."""
        return tuple(self.candidates.index(chosen[name]) for name in self.classes)

    def part(self, kept: Sequence[Mask]) -> Grid:
        """Give the grid of some of each class's cases."""
        parts = tuple(each.part(mask) for each, mask in zip(self.outcomes, kept, strict=True))
        return Grid(candidates=self.candidates, classes=self.classes, outcomes=parts, shares=self.shares)


def grid_of(
    runs: Mapping[str, Run],
    candidates: Sequence[str],
    weights: Mapping[str, float],
    wrong_usd: Mapping[str, Decimal] | None = None,
) -> Grid:
    """Lay out the results of each class's run; classes without a weight are left out.

    `weights`: how much each class counts, in any unit. `wrong_usd`: what a wrong answer delivered costs beside its
    call, by class, where that is to be counted.
    """
    names = tuple(name for name in runs if weights.get(name, 0.0) > 0)
    total = sum(weights[name] for name in names)
    by_class = _by_class(runs, names)
    priced = wrong_usd or {}
    return Grid(
        candidates=tuple(candidates),
        classes=names,
        outcomes=tuple(
            _outcomes(runs[name], name, by_class[name], candidates, float(priced.get(name, Decimal(0))))
            for name in names
        ),
        shares=tuple(weights[name] / total for name in names),
    )


def _by_class(runs: Mapping[str, Run], names: Sequence[str]) -> dict[str, list[Result]]:
    """Sort the results by class, looking through each run once: it may have many classes."""
    found: dict[str, list[Result]] = {name: [] for name in names}
    wanted = {(id(runs[name]), name) for name in names}
    for run in {id(run): run for run in runs.values()}.values():
        for result in run.results:
            if (id(run), result.task_class) in wanted:
                found[result.task_class].append(result)
    return found


def _outcomes(run: Run, name: str, results: Sequence[Result], candidates: Sequence[str], wrong_usd: float) -> Outcomes:
    from routerctl.statistics.outcomes import outcomes_of

    of_class, rows = run.header.classes[name], {one: row for row, one in enumerate(candidates)}
    known = [result for result in results if result.candidate in rows]
    columns = max([of_class.n, *(result.index + 1 for result in known)])
    weights, clusters = [1.0] * columns, [""] * columns
    for result in known:
        weights[result.index], clusters[result.index] = result.weight, result.cluster or f"\0{result.index}"
    return outcomes_of(
        _entries(known, rows, of_class, wrong_usd, priced=is_known(run.header.prices)),
        (len(candidates), columns, max(of_class.epochs, 1)),
        weights if of_class.weighted else [1.0] * columns,
        clusters if of_class.clusters else None,
    )


def _entries(
    results: Iterable[Result], rows: Mapping[str, int], of_class: ClassHeader, wrong_usd: float, *, priced: bool
) -> Iterable[Entry]:
    """A reply that failed or could not be scored counts 0, as it does for the verdict."""
    by_score = of_class.measure == "mean_score"
    for one in results:
        value = (one.score or 0.0) if by_score else float(one.passed)
        cost = float(one.cost_usd) if priced else math.nan
        if wrong_usd and delivered(one):
            cost += wrong_usd * (1 - value)
        yield rows[one.candidate], one.index, one.epoch, value, cost


def delivered(result: Result) -> bool:
    """Whether a user would have got this reply: the call neither failed nor was refused."""
    return result.status is not Status.FAILED and result.stop_reason is not StopReason.REFUSAL
