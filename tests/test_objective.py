"""A table that is chosen as a whole: from routerctl.yaml to the routes, and `check` after it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from routerctl.errors import InputError
from routerctl.evaluation.build import build_table
from routerctl.evaluation.policy import policy_of
from routerctl.evaluation.worth import grid_of, weigh
from routerctl.evaluation.worth.choosers import Floor
from routerctl.evaluation.worth.crossfit import cross_fitted, leads_over
from routerctl.evaluation.worth.frontier import frontier
from routerctl.evaluation.worth.objective import best_constant, by_objective, plan_of
from routerctl.table import parse_table, table_text
from routerctl.types import Objective, Policy, Run, Stakes, Table
from tests.test_worth_answers import Cells, pays, run_of, share, unpriced, weighed


def three() -> Cells:
    """One class where small is as good as top, one where each rung adds a little, one where top adds much."""
    counts = {"a": (190, 190, 190), "b": (150, 160, 164), "c": (60, 100, 180)}
    names = ("small", "mid", "top")
    return {
        name: {one: share(right, 200, seed) for seed, (one, right) in enumerate(zip(names, each, strict=True))}
        for name, each in counts.items()
    }


def table_of(run: Run, objective: Objective | None, **changes: Any) -> Table:
    """The table of a run under an objective."""
    return build_table(
        dict.fromkeys(run.header.classes, run), previous=None, policy=Policy(objective=objective), **changes
    )


def chosen(table: Table) -> dict[str, str]:
    """Who serves each class."""
    return {name: route.chosen for name, route in table.routes.items()}


# --- the choice -------------------------------------------------------------------------------------------------------


def test_money_goes_where_it_helps() -> None:
    """Bars let the dear candidate serve where it adds little; the objective pays for it where it adds much."""
    run = run_of(three(), bars=dict.fromkeys(three(), 0.01))
    best = table_of(run, Objective(within=0.02, of="top"))
    assert chosen(best) == {"a": "small", "b": "mid", "c": "top"}
    loose = table_of(run, Objective(within=0.1, of="top"))
    assert chosen(loose) == {"a": "small", "b": "small", "c": "top"}
    looser = table_of(run, Objective(within=0.15, of="top"))  # always mid is within that too, and cheaper
    assert set(chosen(looser).values()) == {"mid"}
    other = table_of(run, Objective(within=0.02, of="best"))
    assert {name: route.chosen for name, route in other.routes.items()} == {
        name: route.chosen for name, route in best.routes.items()
    }


def test_bars_hold_as_floors() -> None:
    """What is below its class's bar serves only where nobody reaches it."""
    bars = {"a": 0.9, "b": 0.81, "c": 0.95}
    table = table_of(run_of(three(), bars=bars), Objective(within=0.3, of="top"))
    assert chosen(table) == {"a": "small", "b": "top", "c": "top"}
    assert {name: route.level for name, route in table.routes.items()}["c"] == "best available"


def test_the_path_is_the_cheapest_for_what_it_gives() -> None:
    """Of all 3^3 tables none is cheaper than the choice and within the objective by the shrunken differences too."""
    run = run_of(three(), bars=dict.fromkeys(three(), 0.01))
    grid = grid_of(dict.fromkeys(three(), run), ("small", "mid", "top"), dict.fromkeys(three(), 1.0))
    for within in (0.0, 0.005, 0.02, 0.05, 0.1, 0.3):
        plan = plan_of(grid, within, 2)
        on_path = [step for step in plan.path if step.gain >= -within - 1e-9]
        assert plan.gain >= -within - 1e-9 or plan.constant
        cheapest = min(step.cost for step in on_path)
        ours = sum(
            s * float(o.mean_costs()[row]) for s, o, row in zip(grid.shares, grid.outcomes, plan.rows, strict=True)
        )
        assert ours <= cheapest + 1e-12


def test_where_classes_hardly_differ_one_candidate_serves_all() -> None:
    """Mid is as good as top everywhere but for noise: it serves all classes."""
    cells = {
        f"c{k}": {
            "small": share(100, 200, k),
            "mid": share(168 + (k % 3 - 1), 200, k),
            "top": share(168 - (k % 2), 200, k + 9),
        }
        for k in range(6)
    }
    table = table_of(run_of(cells, bars=dict.fromkeys(cells, 0.01)), Objective(within=0.01, of="best"))
    assert set(chosen(table).values()) == {"mid"}


@pytest.mark.parametrize("count", [2, 3])
def test_ties_do_not_matter_to_the_best_constant(count: int) -> None:
    """Of equally accurate ones the first, which is the cheapest, is the reference."""
    cells = {name: dict(itertools.islice({"small": [1.0], "mid": [1.0], "top": [1.0]}.items(), count)) for name in "ab"}
    run = run_of(cells)
    assert best_constant(grid_of(dict.fromkeys(cells, run), ("small", "mid", "top"), {"a": 1.0, "b": 2.0})) == 0


# --- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "objective", "problem"),
    [
        ({**pays(), "easy": {"small": [1.0] * 200}}, "top", "top was not run on every case of easy; "),
        (pays(), "gone", "gone is not on the ladder of this table"),
    ],
)  # fmt: skip
def test_an_objective_needs_its_reference(cells: Cells, objective: str, problem: str) -> None:
    """It says which candidate is missing where, and what would run it."""
    with pytest.raises(InputError, match=r"routerctl\.yaml: objective: ") as caught:
        table_of(run_of(cells), Objective(within=0.01, of=objective))
    assert problem in str(caught.value)


def test_an_objective_needs_costs() -> None:
    """Without them nothing is cheapest."""
    with pytest.raises(InputError, match="what an answer costs is not known of every candidate"):
        table_of(unpriced(run_of(pays())), Objective(within=0.01, of="top"))


# --- the table --------------------------------------------------------------------------------------------------------


def test_the_table_keeps_its_objective() -> None:
    """It stands in routes.yaml, so that `check` and a promotion choose as it did; the route says what was found."""
    run = run_of(three())
    table = table_of(run, Objective(within=0.02, of="top"))
    read = parse_table(table_text(table), "routes.yaml")
    assert (read.objective, policy_of(read).objective) == (table.objective, table.objective)
    assert build_table(dict.fromkeys(three(), run), previous=read, policy=policy_of(read)) == read
    route = read.routes["b"]
    assert route.rungs[0] == route.chosen
    assert route.verdict


def test_the_objective_is_cross_fitted_too() -> None:
    """What is said of cases it did not choose on is of this way of choosing, not of the bars'."""
    run = run_of(three(), bars=dict.fromkeys(three(), 0.01))
    table = table_of(run, Objective(within=0.02, of="top"))
    grid = grid_of(dict.fromkeys(three(), run), ("small", "mid", "top"), dict.fromkeys(three(), 1.0))
    (expected,) = leads_over(grid, cross_fitted(grid, by_objective(0.02, 2, [Floor(bar=0.01)] * 3)), [(2, 2, 2)])
    found = next(one for one in weigh(table, [run]).constants if one.candidate == "top")
    assert found.procedure == expected


def test_a_weightless_class_keeps_its_choice() -> None:
    """A class that nobody asks plays no part, and is served by what its bar chose."""
    stakes = {
        "a": Stakes(requests_per_month=0.0),
        "b": Stakes(requests_per_month=5.0),
        "c": Stakes(requests_per_month=5.0),
    }
    run = run_of(three(), bars={"a": 0.9, "b": 0.01, "c": 0.01})
    table = table_of(run, Objective(within=0.02, of="top"), stakes=stakes)
    assert chosen(table)["a"] == "small"


# --- the picture ------------------------------------------------------------------------------------------------------


def test_the_picture_has_everything_in_question() -> None:
    """Constants, the line of lots between them, the path, the table and today, as counted by hand."""
    run = run_of(three(), bars=dict.fromkeys(three(), 0.01))
    grid = grid_of(dict.fromkeys(three(), run), ("small", "mid", "top"), dict.fromkeys(three(), 1.0))
    found = frontier(grid, (0, 1, 2), (2, 2, 2))
    assert found is not None
    assert found.constants["top"] == pytest.approx((0.01, (190 + 164 + 180) / 600))
    assert found.today == found.constants["top"]
    assert found.table == pytest.approx((0.0122 / 3, (190 + 160 + 180) / 600))
    low, high = found.constants["mid"], found.constants["top"]
    assert found.line == (found.constants["small"], low, high)
    lot = low[1] + (found.table[0] - low[0]) * (high[1] - low[1]) / (high[0] - low[0])
    assert found.over_line == pytest.approx(found.table[1] - lot)
    costs = [cost for cost, _ in found.path]
    assert costs == sorted(costs, reverse=True)
    assert np.isfinite(np.array(found.path)).all()


def test_nothing_beats_a_constant_by_being_one() -> None:
    """A table that is a constant lies on the line at best."""
    run = run_of(three())
    grid = grid_of(dict.fromkeys(three(), run), ("small", "mid", "top"), dict.fromkeys(three(), 1.0))
    found = frontier(grid, (1, 1, 1))
    assert found is not None
    assert found.over_line is not None
    assert found.over_line <= 1e-12


def test_no_picture_of_what_was_not_measured() -> None:
    """Without costs, or where no candidate was run on every case, there is nothing to draw."""
    for run in (unpriced(run_of(three())), run_of({"a": {"small": [1.0]}, "b": {"top": [1.0]}})):
        weights = dict.fromkeys(run.header.classes, 1.0)
        grid = grid_of(dict.fromkeys(weights, run), ("small", "mid", "top"), weights)
        assert frontier(grid, (0,) * len(weights)) is None


def test_worth_of_a_table_by_objective() -> None:
    """Its saving against the reference is worth it, at the accuracy that was asked for."""
    run = run_of(three(), bars=dict.fromkeys(three(), 0.01))
    found = weigh(table_of(run, Objective(within=0.02, of="top")), [run])
    assert found.answer == "worth it"
    assert replace(found, reasons=()).advice == "the table"
    assert weighed(run)[1].answer != "worth it"  # the bars of nothing choose small everywhere
