"""`routerctl experiment`: started, served by, looked at, promoted, aborted by hand and by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from routerctl.routing.decision_log import DecisionLog
from routerctl.routing.state import STATE_FILE
from routerctl.routing.state.sqlite import SqliteStore
from routerctl.table import load_table, table_text, with_digest
from tests.conftest import Project

pytestmark = pytest.mark.usefixtures("in_process")

LINES = "".join(
    json.dumps({"prompt": f"question {number}", "class": "sums", "user": f"user-{number % 40}"}) + "\n"
    for number in range(200)
).encode()


@pytest.fixture
def trying(served: Project) -> Project:
    """A table that is served, and beside it one that would serve everything by the other candidate."""
    present = load_table(served.root / "routes.yaml")
    route = present.routes["sums"]
    other = "small" if route.chosen == "large" else "large"
    changed = replace(route, chosen=other, rungs=(other, route.chosen))
    tried = with_digest(replace(present, routes={**present.routes, "sums": changed}))
    served.write("routes.b.yaml", table_text(tried))
    return served


def _start(trying: Project, *more: str) -> None:
    given = ("cheaper", "--table", "routes.b.yaml", "--share", "0.3", "--slow-s", "9")
    done = trying.run("experiment", "start", *given, *more)
    assert done.code == 0, done.err


def _decisions(trying: Project, *more: str) -> list[dict[str, Any]]:
    done = trying.run("route", "--jsonl", "--json", *more, stdin=LINES)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def _rate(trying: Project, decisions: list[dict[str, Any]], scores: dict[str, float]) -> None:
    log = DecisionLog(trying.root / ".routerctl/decisions.sqlite")
    for one in decisions:
        log.feedback(one["decision"], scores[one["arm"][-1]], at="2026-11-25T12:00:00+00:00")
    log.close()


def test_a_share_of_the_units_is_served_by_the_other_table(trying: Project) -> None:
    """Sticky by user, also in another process; the log knows arm, chance and unit, but not the user."""
    _start(trying)
    first = _decisions(trying)
    out, _ = trying.start("route", "--jsonl", "--json").communicate(LINES)
    second = [json.loads(line) for line in out.splitlines()]
    arms: dict[int, set[str]] = {}
    for number, one in enumerate([*first, *second]):
        arms.setdefault(number % 40, set()).add(one["arm"])
        assert one["candidate"] in ("small", "large")
        assert one["propensity"] == pytest.approx(0.3 if one["arm"] == "cheaper:B" else 0.7)
    assert all(len(of_user) == 1 for of_user in arms.values())
    assert {arm for of_user in arms.values() for arm in of_user} == {"cheaper:A", "cheaper:B"}
    assert len({one["candidate"] for one in first if one["arm"] == "cheaper:B"}) == 1
    assert trying.holds("user-7") == []


def test_a_better_table_is_found_and_promoted(trying: Project) -> None:
    """Until it is shown, promoting is refused; then routes.yaml is B's, one version on, and the split has ended."""
    _start(trying, "--least-difference", "0.5", "--key", "id", "--more-cost", "100")
    decisions = _decisions(trying)
    before = load_table(trying.root / "routes.yaml")
    done = trying.run("experiment", "promote")
    assert (done.code, "not shown to be better" in done.last) == (3, True), done.err
    _rate(trying, decisions, {"A": 0.0, "B": 1.0})
    told = json.loads(trying.run("experiment", "status", "--json").out)
    assert (told["standing"], told["mean_a"], told["mean_b"]) == ("better", 0.0, 1.0)
    done = trying.run("experiment", "promote")
    assert done.code == 0, done.err
    after = load_table(trying.root / "routes.yaml")
    assert after.table_version == before.table_version + 1
    assert after.routes == load_table(trying.root / "routes.b.yaml").routes
    assert {one["arm"] for one in _decisions(trying)} == {""}
    assert "promoted" in trying.run("experiment", "status").out


def test_a_name_is_used_once(trying: Project) -> None:
    """What an earlier experiment of that name found would count for another table."""
    _start(trying)
    assert trying.run("experiment", "abort").code == 0
    done = trying.run("experiment", "start", "cheaper", "--table", "routes.b.yaml", "--slow-s", "9")
    assert done.code == 2
    assert "'cheaper' was aborted" in done.last
    assert "such as cheaper-2" in done.last


def test_what_is_promoted_keeps_the_projects_routing(trying: Project) -> None:
    """B was tried for who serves: what the project says of budgets and tenants stays."""
    tried = load_table(trying.root / "routes.b.yaml")
    changed = with_digest(replace(tried, routing=replace(tried.routing, log_prompts=True)))
    trying.write("routes.b.yaml", table_text(changed))
    before = load_table(trying.root / "routes.yaml")
    _start(trying)
    told = trying.run("experiment", "status").out
    assert max(map(len, told.splitlines())) <= 80
    assert trying.run("experiment", "promote", "--force").code == 0
    after = load_table(trying.root / "routes.yaml")
    assert (after.routing, after.routes) == (before.routing, changed.routes)


def test_a_worse_table_is_not_promoted(trying: Project) -> None:
    """Unless it is said twice."""
    _start(trying, "--least-difference", "0.5", "--key", "id", "--more-cost", "100")
    _rate(trying, _decisions(trying), {"A": 1.0, "B": 0.0})
    assert "B is worse than A in feedback" in trying.run("experiment", "status").out
    assert trying.run("experiment", "promote").code == 3
    assert trying.run("experiment", "promote", "--force").code == 0


def test_it_is_aborted_by_hand(trying: Project) -> None:
    """From then on A serves all; what it was can still be read."""
    _start(trying)
    assert trying.run("experiment", "abort", "--why", "enough").code == 0
    assert {one["arm"] for one in _decisions(trying)} == {""}
    assert "aborted" in trying.run("experiment", "status").out
    assert trying.run("experiment", "abort").code == 2


def test_a_broken_guardrail_aborts_it_by_itself(trying: Project) -> None:
    """B fails whenever it is asked, A does not: after some decisions nobody is served by B, whatever the feedback."""
    tried = load_table(trying.root / "routes.b.yaml")
    bad = tried.routes["sums"].chosen
    gone = {**tried.candidates, bad: replace(tried.candidates[bad], model="model-gone")}
    route = replace(tried.routes["sums"], rungs=(bad,))
    made = with_digest(replace(tried, routes={"sums": route}, candidates=gone))
    trying.write("routes.b.yaml", table_text(made))
    script = json.loads((trying.root / "replies.json").read_text())
    trying.write("replies.json", json.dumps(script | {"model-gone": {"*": {"error": "BadRequest"}}}))
    _start(trying, "--key", "id", "--more-errors", "0.01", "--more-cost", "100")
    said = [trying.run("route", "--jsonl", "--json", stdin=LINES).err for _ in range(3)]
    assert "ALARM: experiment cheaper is aborted: errors: BROKEN" in "".join(said)
    assert "BROKEN" in trying.run("experiment", "status").out
    assert {one["arm"] for one in _decisions(trying)} == {""}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--table", "absent.yaml"], "no such file"),
        (["--table", "routes.yaml"], "is the same table"),
        (["--table", "routes.b.yaml", "--tenant", "acme"], "no tenant 'acme'"),
    ],
)
def test_what_cannot_be_tried_is_one_clear_line(arguments: list[str], problem: str, trying: Project) -> None:
    """Exit code 2, before anything is written."""
    done = trying.run("experiment", "start", "x", *arguments)
    assert (done.code, problem in done.last) == (2, True), done.err


def test_only_one_is_on(trying: Project) -> None:
    """A second one would divide the same traffic."""
    _start(trying)
    done = trying.run("experiment", "start", "more", "--table", "routes.b.yaml", "--slow-s", "9")
    assert (done.code, "'cheaper' has been running" in done.last) == (2, True)


def test_a_table_built_anew_ends_it_for_the_process(trying: Project) -> None:
    """What B is compared with must not change under way: it is said, and A serves."""
    _start(trying)
    present = load_table(trying.root / "routes.yaml")
    trying.write("routes.yaml", table_text(with_digest(replace(present, table_version=present.table_version + 1))))
    done = trying.run("route", "--class", "sums", stdin=b"hello")
    assert done.code == 0
    assert "takes no part" in done.err


def test_a_state_that_is_damaged_stops_no_answer(trying: Project) -> None:
    """Who cannot know of an experiment serves by A."""
    _start(trying)
    Path(trying.root / STATE_FILE).write_bytes(b"not a database at all, but long enough to be looked at" * 40)
    done = trying.run("route", "--class", "sums", stdin=b"hello")
    assert (done.code, "shared state cannot be used" in done.err) == (0, True)
    with pytest.raises(Exception, match="move it away"):
        SqliteStore(trying.root / STATE_FILE)
