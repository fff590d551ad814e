"""A table's results and newer replies of its choices -> money and risk against today's model, by the newer replies.

Today's model is not asked again: its replies are those that the table rests on, so only cases count that both answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from routerctl.evaluation.worth.against import Beside, today_of
from routerctl.evaluation.worth.figures import weighting
from routerctl.evaluation.worth.grid import grid_of
from routerctl.evaluation.worth.told import Told, told
from routerctl.types import Result, Run, Table


def renewed_beside_today(table: Table, runs: Mapping[str, Run], newer: Mapping[str, Sequence[Result]]) -> Told | None:
    """Tell what the table does beside today's model on the `newer` results of its choices; both by class.

    Classes count where today's model has answered some of the same cases. None: there is none, or it is the table.
    """
    common = {name: run for name in newer if (run := _renewed(table, name, runs[name], newer[name]))}
    part = replace(table, routes={name: table.routes[name] for name in common})
    of = weighting(part)
    names = tuple(dict.fromkeys((*table.ladder, *(one.today for one in part.routes.values()))))
    weights = {name: of.share(name) for name in common}
    prices = {name: usd for name, one in part.routes.items() if (usd := one.stakes.wrong_answer_usd)}
    in_all = grid_of(common, names, weights, prices) if prices else None
    found = today_of(Beside(table=part, of=of, runs=common, grid=grid_of(common, names, weights), in_all=in_all))
    return None if found is None or found.same else told(found, of, today=True)


def _renewed(table: Table, name: str, run: Run, newer: Sequence[Result]) -> Run | None:
    """Put the newer replies in the place of the older ones; None where today's model has no case of theirs."""
    route = table.routes[name]
    older = [one for one in run.results if one.task_class == name and one.candidate == route.today]
    asked = {one.case_id: one for one in older}
    epochs = 1 + max((one.epoch for one in newer), default=0)
    ours = [
        replace(one, index=asked[one.case_id].index)
        for one in newer
        if one.case_id in asked and (one.input, one.expected) == _question(asked[one.case_id])
    ]
    if not ours:
        return None
    theirs = [] if route.today == route.chosen else [one for one in older if one.epoch < epochs]
    header = replace(run.header, classes={name: replace(run.header.classes[name], epochs=epochs)})
    return replace(run, header=header, results=(*ours, *theirs))


def _question(one: Result) -> tuple[object, object]:
    return one.input, one.expected
