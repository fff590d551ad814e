from dataclasses import replace
from decimal import Decimal

import pytest
from test_report import sample
from test_worth import two_classes

from routerctl.console import print_routes, say_worth, worth_json, worth_line
from routerctl.report.answers import Answers
from routerctl.selection import risk_of
from routerctl.words import risk_words
from routerctl.worth import evaluation_usd

MARKED = {
    "j": {"trust": "judge"},
    "h": {"trust": "labels", "labels": 40},
    "m": {"method": "betting", "mean": 0.91234},
    "mc": {"method": "clusters", "mean": 0.91234, "clusters": 12},
    "a": {"attempt": 2, "total_alpha": 0.02},
}


def test_every_bar_is_written_alike(capsys):
    """A class that was not run shows its bar as the others do."""
    table, _ = sample()
    route = next(iter(table.routes.values()))
    print_routes(replace(table, routes={"a": route, "b": replace(route, task_class="b", evidence=())}))
    rows = [line for line in capsys.readouterr().out.splitlines() if f"{route.bar:g}" in line.split()]
    assert len(rows) == 2


def test_a_line_on_worth():
    """The best constant, what it costs beside the table, what both pass, and the verdict stand in one line."""
    said = worth_line(two_classes(), Decimal(10))
    assert said.startswith(
        "best constant: top, $10.00 per 1,000, passes 2 of 2; the table: $5.50, passes 2: worth it: Against always top"
    )
    assert "\n" not in said


@pytest.mark.parametrize("full", [False, True])
def test_worth_fits_80_columns(capsys, full):
    """It is wrapped on stderr, and says of a constant that was not run everywhere where it was."""
    table, runs = sample(full=full)
    say_worth(table, evaluation_usd(table, runs))
    out, err = capsys.readouterr()
    assert out == ""
    assert max(map(len, err.splitlines())) < 80
    assert ("classes it was run on, passes" in " ".join(err.split())) is not full


def test_worth_of_nothing(capsys):
    """A table without evidence says that nothing was measured."""
    table, _ = sample()
    say_worth(replace(table, routes={}), None)
    assert "cannot be told: No choice has a measured cost." in capsys.readouterr().err
    assert worth_json(replace(table, routes={}), None)["best_constant"] is None


def test_the_best_constant_is_named_without_costs(capsys):
    """Where no cost is known the line names the best constant by what it passes, and says that costs are missing."""
    table, _ = sample(full=True)
    routes = {
        name: replace(route, evidence=tuple(replace(one, cost_per_case_usd=None) for one in route.evidence))
        for name, route in table.routes.items()
    }
    say_worth(replace(table, routes=routes), None)
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("best constant: ")
    assert "; costs are not known: " in said
    assert "$" not in said
    best = worth_json(replace(table, routes=routes), None)["best_constant"]
    assert said.startswith(f"best constant: {best['candidate']}, passes {best['passes']} of {best['classes']}")
    assert (best["usd_per_1000"], best["table_usd_per_1000"]) == (None, None)


@pytest.mark.parametrize(("mark", "judged"), MARKED.items())
def test_what_a_verdict_rests_on_is_marked(capsys, mark, judged):
    """A letter beside the verdict, explained below the table; a mean stands in place of counts; 80 columns hold it."""
    table, _ = sample()
    route = table.routes["extract"]
    shown = tuple(replace(one, judgement=replace(one.judgement, **judged)) for one in route.evidence)
    print_routes(replace(table, routes={**table.routes, "extract": replace(route, evidence=shown)}))
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("extract"))
    assert f" {mark} " in row
    assert ("0.912" in row) is ("mean" in judged)
    assert any(line.startswith(f"{mark[0]}: ") for line in lines)
    assert max(map(len, lines)) <= 80


def test_a_plain_table_has_no_marks(capsys):
    """Where a program counted passed cases and all is proven beyond its interval, nothing is explained."""
    table, runs = sample()
    assert Answers(table, runs).disagreements() == []
    route = table.routes["extract"]
    evidence = tuple(replace(one, judgement=replace(one.judgement, interval=(0.81, 0.99))) for one in route.evidence)
    print_routes(replace(table, routes={"extract": replace(route, evidence=evidence)}))
    (*_, last) = capsys.readouterr().out.splitlines()
    assert last.startswith("extract")


def test_each_level_is_shown_with_what_it_needs_to_be_read(capsys):
    """Proven, provisional with its risk, best available with a flag; 80 columns hold them, and a line explains each."""
    table, _ = sample()
    print_routes(table)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line for line in lines if line.split() and line.split()[0] in table.routes}
    assert {route.level for route in table.routes.values()} == {"proven", "provisional", "best available"}
    for name, route in table.routes.items():
        assert f" {route.level}" in rows[name]
        assert (" ! " in rows[name]) is (route.level == "best available")
        risk = risk_of(route)
        assert (f"provisional, {risk_words(risk)} " in rows[name]) if risk else ("%" not in rows[name])
    said = " ".join(lines[-3:])
    assert "%: the risk, how often a candidate exactly at the bar would do as well by luck" in said
    assert "it may reach below a bar that is proven" in said
