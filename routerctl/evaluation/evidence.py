"""A table's pins -> what its runs measured of the candidates, where `reports/` still has them.

A table keeps counts and two quantiles; what a case cost and how long it took stand in the run's results.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from routerctl.errors import InputError
from routerctl.evaluation.repricing import at_prices_of
from routerctl.evaluation.run_files import read_run, run_folder
from routerctl.types import Result, Run, Status, Table


class Evidences:
    """Runs, each read once and only when it is asked for; costs are told at the table's prices."""

    def __init__(self, root: Path, table: Table) -> None:
        """`root`: the folder of the table."""
        self._root, self._table = root, table
        self._runs: dict[str, Run | None] = {}

    def results(self, run_id: str, task_class: str, candidate: str) -> tuple[Result, ...]:
        """Give the results of a candidate on a class's cases in a run; none where the run is not here."""
        if run_id not in self._runs:
            try:
                self._runs[run_id] = at_prices_of(read_run(run_folder(self._root, run_id)), self._table)
            except InputError:  # not here, damaged, or made at other prices: the table's own figures have to do
                self._runs[run_id] = None
        run = self._runs[run_id]
        wanted = (task_class, candidate)
        return tuple(one for one in run.results if (one.task_class, one.candidate) == wanted) if run else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCosts:
    """What each case of a class cost with a candidate, in USD, its epochs apart."""

    costs: tuple[float, ...]

    @property
    def deviation_usd(self) -> float | None:
        """The standard deviation of one; None of fewer than two."""
        return statistics.stdev(self.costs) if len(self.costs) > 1 else None


def case_costs(results: tuple[Result, ...]) -> CaseCosts:
    """Give the costs of the calls that succeeded."""
    return CaseCosts(costs=tuple(float(one.cost_usd) for one in results if one.status is not Status.FAILED))
