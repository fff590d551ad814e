"""The table and its worth in a terminal: what each line says, that it fits 80 columns, and its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from routerctl.cli.output.as_json import worth_json
from routerctl.cli.output.table import print_routes, say_worth, worth_line
from routerctl.cli.output.terminal import print_table
from routerctl.evaluation.worth import Worth, evaluation_usd, weigh
from routerctl.levels import level_words, risk_of
from routerctl.review.report.answers import Answers
from routerctl.types import RelativeBar, Run, Table, Verdict
from routerctl.words import bar_words, risk_words
from tests.test_report import sample

MARKED: dict[str, dict[str, Any]] = {
    "j": {"trust": "judge"},
    "h": {"trust": "labels", "labels": 40},
    "m": {"method": "betting", "mean": 0.91234},
    "mc": {"method": "clusters", "mean": 0.91234, "clusters": 12},
    "a": {"attempt": 2, "total_alpha": 0.02},
}


def test_every_bar_is_written_alike(capsys: pytest.CaptureFixture[str]) -> None:
    """A class that was not run shows its bar as the others do."""
    table, _ = sample()
    route = next(iter(table.routes.values()))
    print_routes(replace(table, routes={"a": route, "b": replace(route, task_class="b", evidence=())}))
    rows = [line for line in capsys.readouterr().out.splitlines() if bar_words(route.bar) in line.split()]
    assert len(rows) == 2


def test_a_bar_against_a_model_that_all_share_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The name of a model is too long for a column; where classes have different bars, each has its own."""
    table, _ = sample()
    shared = {name: replace(one, bar=RelativeBar(within=0.02, of="opus")) for name, one in table.routes.items()}
    print_routes(replace(table, routes=shared))
    said = capsys.readouterr().out
    assert said.count("opus - 2 points") == said.count("\nbar: opus - 2 points\n") == 1
    print_routes(replace(table, routes=shared | {"extract": replace(shared["extract"], bar=0.8)}))
    said = capsys.readouterr().out
    assert "bar: " not in said
    assert said.count("opus - 2 points") == len(shared) - 1


def worth_of(table: Table, runs: Sequence[Run]) -> Worth:
    """What the table is worth, with what its evaluation cost."""
    return weigh(table, runs, evaluation_usd(table, runs))


def test_a_line_on_worth() -> None:
    """The answer and why come first, then the comparisons, then what would settle it and what classes weigh by."""
    found = worth_of(*sample(full=True))
    said = worth_line(found)
    assert said.startswith(f"{found.answer}: {found.text}")
    places = [said.index(part) for part in (found.text, *found.beside, found.settle, found.procedure) if part]
    assert places == sorted(places)
    assert said.endswith(" Classes weigh by their cases.")
    assert "\n" not in said


@pytest.mark.parametrize("full", [False, True])
def test_worth_fits_80_columns(capsys: pytest.CaptureFixture[str], full: bool) -> None:
    """It is wrapped on stderr, in few lines, and says of a constant that was not run everywhere where it was."""
    found = worth_of(*sample(full=full))
    say_worth(found)
    out, err = capsys.readouterr()
    assert out == ""
    assert max(map(len, err.splitlines())) < 80
    assert len(err.splitlines()) <= 10
    said = " ".join(err.split())
    for one in found.constants:
        where = f", estimated on the {len(one.gaps)} of 6 classes where it was not run" if one.gaps else ""
        told = any(part.startswith(f"Against always {one.candidate},") for part in found.beside)
        assert (f"Against always {one.candidate}{where}, the table " in said) is told


def test_worth_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A table without evidence says that nothing was measured."""
    table, runs = sample()
    found = worth_of(replace(table, routes={}), runs)
    say_worth(found)
    assert "not settled: There are no results here" in capsys.readouterr().err
    assert worth_json(found)["best_constant"] is None


def test_the_json_of_worth() -> None:
    """Money and risk against a constant stand there as numbers, beside the sentence that says them."""
    table, runs = sample(full=True)
    said = worth_json(worth_of(table, runs))
    assert said["against"].keys() == {
        "candidate", "today", "saved_usd", "saved_interval_usd", "per", "wrong_answers_counted", "calls_cost_share",
        "estimated", "more_wrong_per_1000", "more_wrong_interval",
    }  # fmt: skip
    least, most = map(Decimal, said["against"]["saved_interval_usd"])
    assert least <= Decimal(said["against"]["saved_usd"]) <= most
    low, high = said["against"]["more_wrong_interval"]
    assert low <= said["against"]["more_wrong_per_1000"] <= high
    assert said["answer"] in ("worth it", "dominated", "not worth it", "not settled")


@pytest.mark.parametrize(("mark", "judged"), MARKED.items())
def test_what_a_verdict_rests_on_is_marked(
    capsys: pytest.CaptureFixture[str], mark: str, judged: dict[str, Any]
) -> None:
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


def test_a_plain_table_has_no_marks(capsys: pytest.CaptureFixture[str]) -> None:
    """Where a program counted passed cases and all is proven beyond its interval, nothing is explained."""
    table, runs = sample()
    assert Answers(table, runs).disagreements() == []
    route = table.routes["extract"]
    evidence = tuple(replace(one, judgement=replace(one.judgement, interval=(0.81, 0.99))) for one in route.evidence)
    print_routes(replace(table, routes={"extract": replace(route, evidence=evidence)}))
    (*_, last) = capsys.readouterr().out.splitlines()
    assert last.startswith("extract")


@pytest.mark.parametrize(
    ("verdict", "interval", "said"),
    [
        (Verdict.PROVEN, (0.7, 0.99), "may reach below a bar that is proven"),
        (Verdict.PROVEN, (0.85, 0.99), ""),
        (Verdict.BELOW, (0.3, 0.84), "may reach above a bar that is missed"),
        (Verdict.NOT_REACHED, (0.3, 0.84), "may reach above a bar that is missed"),
        (Verdict.NOT_REACHED, (0.3, 0.79), ""),
        (Verdict.PROVISIONAL, (0.7, 0.9), ""),
    ],
)
def test_an_interval_across_a_bar_is_explained(
    capsys: pytest.CaptureFixture[str], verdict: Verdict, interval: tuple[float, float], said: str
) -> None:
    """Where the verdict and the interval beside it seem to differ, in either direction, one note says why."""
    table, _ = sample()
    route = table.routes["extract"]
    shown = tuple(
        replace(one, judgement=replace(one.judgement, verdict=verdict, interval=interval, bar=0.8))
        for one in route.evidence
    )
    print_routes(replace(table, routes={"extract": replace(route, bar=0.8, level=verdict.level, evidence=shown)}))
    printed = " ".join(capsys.readouterr().out.split())
    assert ("wider than the test" in printed) is bool(said)
    assert said in printed


def test_each_level_is_shown_with_what_it_needs_to_be_read(capsys: pytest.CaptureFixture[str]) -> None:
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
        assert (
            (f"provisional, {risk_words(risk)} " in rows[name])
            if risk
            else ("%" not in rows[name].split(route.level)[1].split()[0])
        )
    said = " ".join(lines[-3:])
    assert "% after provisional: how often one exactly at the bar would do as well by luck" in said
    assert "may reach below a bar that is proven" in said


@pytest.mark.parametrize(("risk", "shown"), [(0.28, "≤28%"), (0.999, "≤100%"), (0.0001, "≤0.1%"), (0.0333, "≤3.3%")])
def test_a_risk_that_is_only_bounded_says_so(risk: float, shown: str) -> None:
    """Bets give no probability but a bound of it, so that two of them are not compared as if they were one."""
    assert risk_words(risk, at_most=True) == shown
    table, _ = sample()
    route = next(one for one in table.routes.values() if one.level == "provisional")
    evidence = tuple(
        replace(one, judgement=replace(one.judgement, method="betting", mean=0.8, risk=risk)) for one in route.evidence
    )
    assert level_words(replace(route, evidence=evidence)) == f"provisional, risk {shown}"


@pytest.mark.parametrize("room", [80, 62])
def test_no_word_of_a_table_is_broken(room: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is too wide, pairs stand one above the other and texts are folded at blanks; numbers never are."""
    columns = ["class", "candidate", "known from", "calls", "tokens", "dollars"]
    row = ["sentiment", "qwen-1.5b", "other candidates", "56.9 / 240", "9.56k / 141k", "$0.000748 / $0.40"]
    print_table(columns, [row] * 2, right=columns[3:], width=room)
    shown = capsys.readouterr().out
    assert all(len(line.rstrip()) <= room for line in shown.splitlines())
    words = [word for cell in (*columns, *row) for word in cell.split()]
    assert set(words) <= set(shown.split())
    print_table(columns, [row], right=columns[3:], width=100)
    assert "56.9 / 240" in capsys.readouterr().out


def test_what_is_wider_than_the_room_is_folded_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """A word without an end, and Han, of which each sign takes two cells."""
    print_table(["a", "b"], [["x" * 90, "1"], ["\u4f8b" * 30, "2"]], right=["b"], width=40)
    shown = capsys.readouterr().out
    assert shown.count("x") == 90
    assert shown.count("\u4f8b") == 30
    assert all(len(line.rstrip()) <= 40 for line in shown.splitlines())
