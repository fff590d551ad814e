"""A table chosen class by class, with its runs -> routes that look at all classes: the best available, the objective.

Classes weigh by the requests that the eval sets state, else by the number of their cases: a table follows from files
alone, so no decision log is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from routerctl.errors import InputError
from routerctl.evaluation.project import PROJECT_FILE
from routerctl.evaluation.selection import Shown, chosen_words, served_by
from routerctl.evaluation.worth import Grid, floor_of, grid_of, weighting
from routerctl.types import Objective, Route, Run, Table
from routerctl.words import points_as_written


def chosen_as_a_whole(table: Table, runs: Mapping[str, Run], objective: Objective) -> dict[str, Route]:
    """Choose a candidate for every class (see `evaluation.worth.objective`); a class without requests keeps its own.

    Raises: InputError where the reference is not on the ladder or was not run on every case, or no cost is known.
    """
    from routerctl.evaluation.worth.objective import plan_of

    of = weighting(table)
    grid = grid_of(runs, table.ladder, {name: of.share(name) for name in table.routes})
    floors = [floor_of(table.routes[name], grid.candidates) for name in grid.classes]
    try:
        plan = plan_of(grid, objective.within, _reference(grid, objective), floors)
    except ValueError as error:
        problem = f"objective: {error}; `routerctl eval --full` runs the whole grid"
        raise InputError(problem, file=PROJECT_FILE) from None
    chosen = {name: grid.candidates[row] for name, row in zip(grid.classes, plan.rows, strict=True)}
    return {
        name: _served_by(chosen.get(name, route.chosen), route, table.ladder, objective)
        for name, route in table.routes.items()
    }


def best_by_all_classes(table: Table, runs: Mapping[str, Run]) -> dict[str, Route]:
    """Choose again where no candidate reaches the bar, by differences shrunken to what all classes have in common.

    One class alone follows noise: see `routerctl.statistics.shrinkage`.
    """
    from routerctl.evaluation.worth.choosers import leads
    from routerctl.statistics.best import best_available

    open_ = [name for name, route in table.routes.items() if _is_best_available(route)]
    if not open_ or len(table.routes) == 1:
        return dict(table.routes)
    grid = grid_of(runs, table.ladder, dict.fromkeys(table.routes, 1.0))
    by_class = {name: (each, lead) for name, each, lead in zip(grid.classes, grid.outcomes, leads(grid), strict=True)}
    found = dict(table.routes)
    for name in open_:
        row, alike = best_available(*by_class[name])
        rungs = tuple(grid.candidates[each] for each in (row, *(one for one in alike if one != row)))
        words = chosen_words(rungs[0], table.routes[name].evidence)
        found[name] = replace(table.routes[name], chosen=rungs[0], rungs=rungs, verdict=words)
    return found


def _is_best_available(route: Route) -> bool:
    """Whether the best candidate of those that were run serves a class, and not a top rung regardless of the others."""
    run = any(one.candidate == route.chosen and one.judgement.cases for one in route.evidence)
    return not route.passing and route.when_unproven == "provisional" and run


def _served_by(chosen: str, route: Route, ladder: Sequence[str], objective: Objective) -> Route:
    """Let another candidate serve a class than the one that its bar alone would choose."""
    if chosen == route.chosen:
        return route
    shown = {one.candidate: Shown(verdict=one.judgement.verdict, outcomes={}, costs=None) for one in route.evidence}
    choice = served_by(chosen, ladder, shown, route.when_unproven)
    aim = f"at most {points_as_written(objective.within)} below {objective.of} over all classes"
    words = f"{chosen_words(chosen, route.evidence)} Serves for the objective, {aim}, in place of {route.chosen}."
    return replace(route, chosen=chosen, level=choice.level, rungs=choice.rungs, verdict=words)


def _reference(grid: Grid, objective: Objective) -> int | None:
    if objective.of == "best":
        return None
    if objective.of not in grid.candidates:
        raise InputError(f"objective: {objective.of} is not on the ladder of this table", file=PROJECT_FILE)
    return grid.candidates.index(objective.of)
