"""A table chosen class by class, with its runs -> the candidates that reach its objective as a whole.

Classes weigh by the requests that the eval sets state, else by the number of their cases: a table follows from files
alone, so no decision log is asked. Place: the evaluation line, part of the build.
"""

from __future__ import annotations

from collections.abc import Mapping

from routerctl.errors import InputError
from routerctl.project import PROJECT_FILE
from routerctl.types import Objective, Run, Table
from routerctl.worth import Grid, floor_of, grid_of, weighting


def chosen_as_a_whole(table: Table, runs: Mapping[str, Run], objective: Objective) -> dict[str, str]:
    """Choose a candidate for every class (see `routerctl.worth.objective`); one that nobody asks keeps its own.

    Raises: InputError where the reference is not on the ladder or was not run on every case, or no cost is known.
    """
    from routerctl.worth.objective import plan_of

    of = weighting(table)
    grid = grid_of(runs, table.ladder, {name: of.share(name) for name in table.routes})
    floors = [floor_of(table.routes[name]) for name in grid.classes]
    try:
        plan = plan_of(grid, objective.within, _reference(grid, objective), floors)
    except ValueError as error:
        raise InputError(
            f"objective: {error}; `routerctl eval --full` runs the whole grid", file=PROJECT_FILE
        ) from None
    chosen = {name: grid.candidates[row] for name, row in zip(grid.classes, plan.rows, strict=True)}
    return {name: chosen.get(name, route.chosen) for name, route in table.routes.items()}


def _reference(grid: Grid, objective: Objective) -> int | None:
    if objective.of == "best":
        return None
    if objective.of not in grid.candidates:
        raise InputError(f"objective: {objective.of} is not on the ladder of this table", file=PROJECT_FILE)
    return grid.candidates.index(objective.of)
