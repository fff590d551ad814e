"""`routerctl build-table --propose`: a candidate beside the pinned ones, as a proposal that nothing takes by itself."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from routerctl.evaluation.run_files import read_header, run_folders
from routerctl.table import load_table
from tests.conftest import PRICE, Done, Project
from tests.test_changes import plain

pytestmark = pytest.mark.usefixtures("in_process")

Run = Callable[..., Done]
RIGHT = {"model-small": 0.2, "model-mid": 1.0, "model-large": 1.0, "model-twin": 1.0, "model-poor": 0.1}
PRICES = {"small": 1, "mid": 2, "large": 9, "twin": 9, "poor": 20}  # USD per million tokens in, twice that out


@pytest.fixture
def team(project: Project, run: Run) -> Project:
    """Two classes on a ladder of two, evaluated and built; `mid`, `twin` and `poor` are candidates, on no ladder."""
    project.config["candidates"] = {name: {"provider": "fake", "model": f"model-{name}"} for name in PRICES}
    project.config["prices"] = [
        {"provider": "fake", "model": f"model-{name}", **PRICE, "input_mtok_usd": usd, "output_mtok_usd": 2 * usd}
        for name, usd in PRICES.items()
    ]
    project.config["providers"]["fake"]["concurrency"] = 1  # so that each run asks the same cases
    project.save()
    project.eval_set("more", 60)
    project.replies(RIGHT, ("sums", "more"))
    assert run("eval").code == run("build-table").code == 0
    return project


def present(team: Project) -> bytes:
    """The table in force."""
    return (team.root / "routes.yaml").read_bytes()


def proposed(done: Done) -> dict[str, Any]:
    """What --json says of the proposal."""
    found: dict[str, Any] = json.loads(done.out)["proposal"]
    return found


# --- a proposal -------------------------------------------------------------------------------------------------------


def test_a_cheaper_candidate_is_proposed_and_nothing_else_happens(team: Project, run: Run) -> None:
    """The difference in words and money, the verdict, the price of one candidate more; routes.yaml stays as it was."""
    before = present(team)
    done = run("build-table", "--propose", "mid", "--max-cost-usd", "1")
    assert done.code == 0
    out, err = plain(done.out), plain(done.err)
    assert "sums: large -> mid, proven; $0.045 -> $0.01 per 1,000 requests (-77.8%); score 100.0%\n" in out
    assert "1,000 requests over 2 classes, weighed by their cases: $0.045 -> $0.01 (-77.8%)" in out
    assert out.endswith("\nWith mid on the ladder, 2 of 2 classes would choose differently: more, sums.\n")
    assert "before large: the same tokens cost $0.00001 with mid, $0.000045 with large\n" in err
    assert "error probability 1.67% each, 2.5% today (the risk of 5% per class is divided by 3 candidates)" in err
    assert "to accept it: put mid after small on ladder main in routerctl.yaml, then `routerctl eval --ladder" in err
    assert present(team) == before
    newest = run_folders(team.root)[0]
    assert {path.name for path in newest.iterdir()} == {
        "run.json",
        "results.jsonl",
        "report.html",
        "routes.proposed.yaml",
    }
    header = read_header(newest)
    assert (header.ladder_name, header.ladder) == ("main+mid", ("small", "mid", "large"))
    table = load_table(newest / "routes.proposed.yaml")
    assert (table.table_version, {route.chosen for route in table.routes.values()}) == (2, {"mid"})


def test_the_estimate_comes_before_the_first_call_and_the_limit_holds(team: Project, run: Run) -> None:
    """It stands on stderr above the verdicts; a limit of nothing lets no new call through, and nothing is proposed."""
    before = present(team)
    done = run("build-table", "--propose", "mid")
    assert done.err.index("at most") < done.err.index("mid: Proven")
    assert "at most" not in done.out
    done = run("build-table", "--propose", "poor", "--after", "small", "--max-cost-usd", "0")
    assert (done.code, done.out) == (6, "")
    assert not (run_folders(team.root)[0] / "routes.proposed.yaml").exists()
    assert present(team) == before


def test_what_was_paid_for_is_not_asked_again(team: Project, run: Run) -> None:
    """Only the new candidate costs something, and what the stricter proof asks beyond; then nothing does."""
    first = proposed(run("build-table", "--propose", "mid", "--json"))
    with sqlite3.connect(team.root / ".routerctl/cache.sqlite") as cache:
        (replies,) = cache.execute("SELECT count(*) FROM replies").fetchone()
    cache.close()
    assert first["cached_calls"] > 0 < first["paid_calls"]
    again = proposed(run("build-table", "--propose", "mid", "--json"))
    assert (again["paid_calls"], again["paid_usd"]) == (0, "0")
    assert again["cached_calls"] == first["cached_calls"] + first["paid_calls"] <= replies
    assert again["changes"] == first["changes"] == ["more", "sums"]


@pytest.mark.parametrize(
    ("arguments", "ladder", "changes", "note"),
    [
        (["twin"], ["small", "large", "twin"], [], "twin was not run on more, sums: a rung before it passes there"),
        (["twin", "--after", "small"], ["small", "twin", "large"], ["more", "sums"], ""),
        (["poor"], ["small", "large", "poor"], [], "poor was not run on more, sums"),
        (["poor", "--after", "small"], ["small", "poor", "large"], [], ""),
    ],
    ids=str,
)
def test_the_place_decides_who_is_asked(
    *, arguments: list[str], ladder: list[str], changes: list[str], note: str, team: Project, run: Run
) -> None:
    """Ties stand after those in force, the dearer last, unless the user says otherwise; what follows is said."""
    found = proposed(run("build-table", "--propose", *arguments, "--json"))
    assert (found["ladder"], found["changes"]) == (ladder, changes)
    assert any(one.startswith(note) for one in found["notes"])
    verdict = "2 of 2 classes would choose differently: more, sums" if changes else "no class would choose differently"
    assert found["words"] == f"With {arguments[0]} on the ladder, {verdict}."


def test_who_misses_the_bar_is_no_fallback_of_a_proposal(team: Project, run: Run) -> None:
    """A rung that the present table has seen to miss the bar serves nobody, though the new run did not ask it."""
    for price in team.config["prices"]:
        if price["model"] == "model-mid":
            price |= {"input_mtok_usd": 0.5, "output_mtok_usd": 1}
    team.save()
    done = run("build-table", "--propose", "mid", "--json")
    assert proposed(done)["ladder"] == ["mid", "small", "large"]
    (written,) = team.root.glob("reports/*/routes.proposed.yaml")
    assert [route.rungs for route in load_table(written).routes.values()] == [("mid", "large")] * 2


def test_a_price_by_the_hour_goes_last(team: Project, run: Run) -> None:
    """Seconds are not known before they are measured: the reason and the option are named."""
    team.config["providers"]["box"] = {"kind": "fake", "usd_per_hour": 1, "options": {"replies": "replies.json"}}
    team.config["candidates"]["own"] = {"provider": "box", "model": "model-poor"}
    team.save()
    found = proposed(run("build-table", "--propose", "own", "--json"))
    assert found["ladder"] == ["small", "large", "own"]
    assert found["place"].startswith("last, since a price by the hour")
    assert "--after RUNG puts it elsewhere" in found["place"]


def test_a_candidate_that_is_only_the_best_available_is_flagged(team: Project, run: Run) -> None:
    """Nobody reaches the bar, and the new one scores best: another choice, which is not proposed as one that passes."""
    team.replies(dict.fromkeys(RIGHT, 0.1) | {"model-poor": 0.5}, ("sums", "more"))
    (team.root / ".routerctl/cache.sqlite").unlink()
    assert run("eval").code == run("build-table").code == 0
    found = proposed(run("build-table", "--propose", "poor", "--json"))
    assert (found["changes"], found["chosen_for"]) == (["more", "sums"], [])
    assert "poor would serve more, sums as the best available: no candidate reaches the bar there" in found["notes"]


def test_the_rules_in_force_stay(team: Project, run: Run) -> None:
    """Only the candidate is new: what routerctl.yaml says meanwhile of rules and default is another change."""
    team.config["rules"], team.config["default_class"] = [], None
    team.save()
    done = run("build-table", "--propose", "mid", "--json")
    named = [row["what"] for row in json.loads(done.out)["table"]]
    assert named == ["ladder name", "ladder", "candidate mid", "price of mid"]


# --- never silently ---------------------------------------------------------------------------------------------------


def test_nothing_takes_a_proposal_for_evidence(team: Project, run: Run) -> None:
    """`check` says what it said, and a plain build-table builds the same bytes, though the proposal's run is newer."""
    before, checked = present(team), run("check").out
    assert run("build-table", "--propose", "mid").code == 0
    assert run("check").out == checked
    done = run("build-table")
    assert done.err.splitlines()[-1].startswith("routes.yaml: unchanged;")
    assert present(team) == before


def test_accepting_costs_nothing_and_gives_what_was_proposed(team: Project, run: Run) -> None:
    """Put where the words say, the candidate is evaluated from the cache, and the built table chooses as proposed."""
    first = run("build-table", "--propose", "mid", "--json")
    team.config["ladders"]["main"] = proposed(first)["ladder"]
    team.save()
    assert json.loads(run("eval", "--ladder", "main", "--json").out)["paid_calls"] == 0
    assert run("build-table", "--ladder", "main").code == run("check").code == 0
    left = json.loads(run("diff", proposed(first)["file"], "routes.yaml", "--json").out)
    assert {row["what"] for row in left["table"]} == {"ladder name"}
    assert all(one["what"] == [] for one in left["classes"].values())


def test_a_proposal_can_be_compared_by_diff(team: Project, run: Run) -> None:
    """The file is a table like any other: `diff` says of it what the proposal said."""
    found = json.loads(run("build-table", "--propose", "mid", "--json").out)
    again = json.loads(run("diff", "routes.yaml", found["proposal"]["file"], "--json").out)
    assert {key: found[key] for key in again} == again


# --- what is refused --------------------------------------------------------------------------------------------------


def _without_table(team: Project) -> None:
    (team.root / "routes.yaml").unlink()


def _edited(team: Project) -> None:
    path = team.root / "routes.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("risk: 0.05", "risk: 0.5"), encoding="utf-8")


def _without_set(team: Project) -> None:
    (team.root / "evals/more.yaml").unlink()


def _other_pin(team: Project) -> None:
    team.config["candidates"]["large"]["model"] = "model-twin"
    team.save()


def _rung_gone(team: Project) -> None:
    del team.config["candidates"]["large"]
    team.config["ladders"]["main"] = ["small"]
    team.save()


def _nothing(team: Project) -> None:
    """Leave everything as it is."""


REFUSED: list[tuple[Callable[[Project], None], list[str], str]] = [
    (_nothing, ["--propose", "midd"], "routerctl.yaml: no candidate 'midd'; did you mean 'mid'?"),
    (_nothing, ["--propose", "large"], "routes.yaml: 'large' is on its ladder 'main' already: nothing to propose"),
    (
        _nothing,
        ["--propose", "mid", "--after", "smal"],
        "routes.yaml: --after: no rung 'smal' on ladder 'main'; did you",
    ),
    (_nothing, ["--propose", "mid", "--strict"], "--propose takes classes and ladder from routes.yaml: leave out"),
    (_nothing, ["--propose", "mid", "--run", "x"], "--propose takes classes and ladder from routes.yaml: leave out"),
    (_nothing, ["--after", "small"], "--after and --max-cost-usd need --propose"),
    (_nothing, ["--max-cost-usd", "1"], "--after and --max-cost-usd need --propose"),
    (_nothing, ["--propose", "mid", "--max-cost-usd", "-1"], "Invalid value for '--max-cost-usd'"),
    (_without_table, ["--propose", "mid"], "routes.yaml: no such file here; `routerctl build-table` writes it"),
    (_edited, ["--propose", "mid"], "routes.yaml:4: the content does not match the digest"),
    (_without_set, ["--propose", "mid"], "evals/: class 'more' of routes.yaml no longer has an eval set"),
    (_other_pin, ["--propose", "mid"], "routerctl.yaml:"),
    (_rung_gone, ["--propose", "mid"], "routerctl.yaml: candidate 'large' of routes.yaml is missing"),
]


@pytest.mark.parametrize(("spoil", "arguments", "line"), REFUSED)
def test_what_cannot_be_proposed_is_one_line(
    spoil: Callable[[Project], None], arguments: list[str], line: str, team: Project, run: Run
) -> None:
    """Exit 2 before anything is asked or written: one line that says what to do about it."""
    spoil(team)
    runs = run_folders(team.root)
    done = run("build-table", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [done.last]
    assert done.last.startswith(f"routerctl: {line}")
    assert run_folders(team.root) == runs


def test_a_class_without_a_route_yet_is_left_out_and_said(team: Project, run: Run) -> None:
    """A proposal compares what routes.yaml has; a new eval set waits for the next build-table."""
    team.eval_set("fresh", 60)
    done = run("build-table", "--propose", "mid")
    assert done.code == 0
    assert "note: left out, since routes.yaml does not have them yet: fresh\n" in done.err
    assert "fresh" not in done.out


def test_other_cases_than_the_tables_are_said(team: Project, run: Run) -> None:
    """A set that changed since routes.yaml was built makes the comparison one of cases, too."""
    team.eval_set("more", 59)
    done = run("build-table", "--propose", "mid")
    assert "note: the cases are not those behind routes.yaml, so that differs too: more\n" in done.err
    assert "other eval set" in done.out


def test_reports_kept_elsewhere_leave_the_place_open(team: Project, run: Run, tmp_path: Path) -> None:
    """Without the runs behind the table nothing says what a call takes: last, and the reason."""
    for folder in run_folders(team.root):
        folder.rename(tmp_path / f"kept-{folder.name}")
    found = proposed(run("build-table", "--propose", "mid", "--json"))
    assert found["ladder"][-1] == "mid"
    assert found["place"].startswith("last, since no run that routes.yaml rests on says how many tokens")
