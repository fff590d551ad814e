"""A cascade is a candidate: measured with both models' replies and costs, planned and pinned like any other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.table import load_table
from tests.conftest import Project, sum_is_right

pytestmark = pytest.mark.usefixtures("in_process")

DOUBT = "I'm not sure."


@pytest.fixture
def cascade(project: Project) -> Project:
    """A ladder of `small`, which is right on half of the sums and doubts the others, and `both`: small, then large."""
    project.config["candidates"]["both"] = {
        "provider": "fake",
        "model": "model-small",
        "escalation": {"to": "large", "below": {"hedging": 0.9}},
    }
    project.config["ladders"] = {"default": ["small", "both"]}
    project.config["ladder"] = "default"
    project.save()
    project.eval_set("sums", 60, bar=0.8)
    script = {
        "model-small": {f"sums: 1+{k}": str(k + 1) if sum_is_right(k, 0.5) else DOUBT for k in range(60)},
        "model-large": {f"sums: 1+{k}": str(k + 1) for k in range(60)},
    }
    project.write("replies.json", json.dumps(script))
    return project


def _cost(rows: list[Any]) -> dict[str, float]:
    return {row.case_id: float(row.cost_usd) for row in rows}


def test_a_cascade_is_measured_with_both_replies(cascade: Project) -> None:
    """It passes where its first model alone does not; what it escalates costs both calls."""
    done = cascade.run("eval", "--full")
    assert done.code == 0, done.err
    run = read_run(run_folders(cascade.root)[0])
    rows = {name: [one for one in run.results if one.candidate == name] for name in ("small", "both")}
    assert all(one.passed for one in rows["both"])
    escalated = [one for one in rows["both"] if one.served_by]
    assert {one.case_id for one in escalated} == {one.case_id for one in rows["small"] if not one.passed}
    assert {one.served_by for one in escalated} == {"large"}
    assert {one.calls for one in escalated} == {2}
    assert {one.calls for one in rows["both"] if not one.served_by} == {1}
    alone, both = _cost(rows["small"]), _cost(rows["both"])
    assert all(both[one.case_id] > alone[one.case_id] for one in escalated)


def test_its_calls_are_those_of_its_parts(cascade: Project) -> None:
    """What its first model was asked is in the cache: the estimate knows, and nothing is paid twice."""
    assert cascade.run("eval", "--candidate", "small").code == 0
    told = json.loads(cascade.run("eval", "--dry-run", "--json").out)
    both = next(one for one in told if one["candidate"] == "both")
    assert both["cached_calls"] > 0
    attempts = 4
    confident = 120 - both["cached_calls"] - both["at_most"]["calls"] / attempts  # calls that no reply needs any more
    assert 0 < confident <= both["cached_calls"]


def test_it_enters_the_table_with_whom_it_escalates_to(cascade: Project) -> None:
    """The table serves it alone: both candidates, their prices, and the evidence's share of escalations."""
    assert cascade.run("eval").code == cascade.run("build-table").code == 0
    table = load_table(cascade.root / "routes.yaml")
    assert table.routes["sums"].chosen == "both"
    assert {"small", "both", "large"} <= table.candidates.keys() & table.prices.keys()
    evidence = next(one for one in table.routes["sums"].evidence if one.candidate == "both")
    assert 0 < evidence.escalated < evidence.judgement.cases
    assert cascade.run("check").code == 0
    (cascade.root / "evals/sums.yaml").unlink()
    done = cascade.run("route", "--json", "--class", "sums", stdin=b"sums: 1+2")
    told = json.loads(done.out)
    hops = [(hop["candidate"], hop["outcome"]) for hop in told["hops"]]
    wanted = [("both", "served")] if sum_is_right(2, 0.5) else [("both", "not confident"), ("large", "served")]
    assert (hops, told["answer"]) == (wanted, "3")


@pytest.mark.parametrize(
    ("escalation", "problem"),
    [
        ({"to": "huge", "below": {"hedging": 0.5}}, "no candidate 'huge'"),
        ({"to": "both", "below": {"hedging": 0.5}}, "cannot escalate to itself"),
        ({"to": "large", "below": {"hedgin": 0.5}}, "did you mean 'hedging'?"),
        ({"to": "large", "below": {"hedging": 1.5}}, "above 0 and up to 1"),
        ({"to": "large", "below": {}}, "at least one signal"),
        ({"to": "large"}, "'below' is missing"),
    ],
)
def test_a_wrong_escalation_is_one_clear_line(escalation: dict[str, Any], problem: str, cascade: Project) -> None:
    """Refused before anything is asked, with the line."""
    cascade.config["candidates"]["both"]["escalation"] = escalation
    cascade.save()
    done = cascade.run("eval")
    assert done.code == 2
    assert problem in done.last
    assert done.last.startswith("routerctl: routerctl.yaml:")
