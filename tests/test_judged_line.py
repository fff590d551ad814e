"""The whole line with a judge: its verdicts are its own until human labels are there, and the table says whose."""

from __future__ import annotations

import html
import json
import re

import pytest

from routerctl.table import load_table
from routerctl.testing.emulator import Body
from routerctl.types import Verdict
from tests.conftest import PRICE, SECRET, Far, Project, right_answer

pytestmark = pytest.mark.usefixtures("in_process")

ENV = {"TEST_KEY": SECRET}


@pytest.fixture
def judged(vendors: Project, far: Far) -> Project:
    """A project whose one class is judged by a third model, which passes everything."""
    vendors.config["candidates"]["referee"] = {"provider": "openai", "model": "model-judge"}
    vendors.config["prices"].append({"provider": "openai", "model": "model-judge", **PRICE})
    vendors.save()
    vendors.eval_set("sums", 60, scorer={"name": "judge", "candidate": "referee", "rubric": "Is the sum right?"})

    def answer(body: Body) -> str:
        if body["model"] == "model-judge":
            return json.dumps({"reason": "looks right", "score": "pass"})
        return right_answer(body)

    far.answer = answer
    assert vendors.run("eval", env=ENV).code == 0
    return vendors


def _labelled(project: Project, *, passed: bool, count: int | None = None) -> None:
    assert project.run("label", "--class", "sums", "--export", "todo.jsonl").code == 0
    rows = [json.loads(line) for line in (project.root / "todo.jsonl").read_text().splitlines()]
    assert len(rows) > 20
    filled = "".join(json.dumps(row | {"passed": passed}) + "\n" for row in rows[:count])
    project.write("todo.jsonl", filled)
    done = project.run("label", "--class", "sums", "--import", "todo.jsonl", "--by", "ana")
    assert done.code == 0, done.err


def test_a_verdict_is_the_judges_until_humans_have_labelled(judged: Project) -> None:
    """Proven according to the judge, then on human labels; check follows, and sees labels that changed since."""
    done = judged.run("build-table")
    assert done.code == 0, done.err
    assert "according to the judge" in next(judged.root.glob("reports/*/report.html")).read_text()
    assert judged.run("check").code == 0
    (first,) = load_table(judged.root / "routes.yaml").routes["sums"].evidence
    assert first.judgement.trust == "judge"

    _labelled(judged, passed=True)
    stale = judged.run("check")
    assert (stale.code, "the human labels of sums have changed" in stale.last) == (3, True)
    assert judged.run("build-table").code == 0
    (second,) = load_table(judged.root / "routes.yaml").routes["sums"].evidence
    assert (second.judgement.trust, second.judgement.labels > 20) == ("labels", True)
    assert judged.run("check").code == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "put it to the test: at least 17 on sums; with fewer a class is provisional."),
        ({"bar": 0.9}, "put it to the test: at least 36 on sums; with fewer a class is provisional."),
        ({"measure": "mean_score"}, "put it to the test."),
    ],
    ids=["bar", "higher bar", "labels prove nothing"],
)
def test_the_report_that_asks_for_labels_says_how_many(more: dict[str, object], said: str, judged: Project) -> None:
    """The number of `routerctl label`, before anybody gives the first one; none where labels cannot prove the bar."""
    rubric = {"name": "judge", "candidate": "referee", "rubric": "Is the sum right?"}
    judged.eval_set("sums", 60, scorer=rubric, **more)
    assert judged.run("eval", "--full", env=ENV).code == 0
    assert judged.run("build-table").code == 0
    newest = max(judged.root.glob("reports/*/report.html"))
    page = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", newest.read_text())))
    assert said in page
    told = judged.run("label", "--class", "sums").err
    assert ("from 17 on" in told, "from 36 on" in told) == ("17" in said, "36" in said)


def test_labels_against_the_judge_undo_its_verdict(judged: Project) -> None:
    """What the judge passed and humans did not misses the bar; who was spared by the judge's word is named."""
    _labelled(judged, passed=False)
    done = judged.run("build-table", "--strict")
    assert done.code == 3
    route = load_table(judged.root / "routes.yaml").routes["sums"]
    assert (route.level, route.chosen) == ("best available", "small")
    labels = route.evidence[0].judgement.labels
    assert (
        f"sums: {labels} human labels in place of the judge's word on small: proven -> below; "
        "serves: small (proven) -> small (best available); large not run: `routerctl eval --full --class sums` asks all"
    ) in done.err


@pytest.mark.parametrize(("count", "verdict"), [(12, "provisional"), (36, "proven")])
def test_labels_that_agree_change_no_choice(count: int, verdict: str, judged: Project) -> None:
    """Too few of them leave the class provisional; how many would prove it was said before the first one."""
    told = judged.run("eval", "--full", "--class", "sums", env=ENV)
    assert told.code == 0
    told = judged.run("label", "--class", "sums", "--candidate", "small", "-n", str(count), "--export", "todo.jsonl")
    (least,) = re.findall(
        r"labels can prove the bar of 80% from (\d+) on, if all of them pass; \d+ do 8 times", told.err
    )
    assert 12 < int(least) <= 36
    rows = [json.loads(line) | {"passed": True} for line in (judged.root / "todo.jsonl").read_text().splitlines()]
    judged.write("todo.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert judged.run("label", "--class", "sums", "--import", "todo.jsonl").code == 0
    done = judged.run("build-table")
    route = load_table(judged.root / "routes.yaml").routes["sums"]
    assert (route.chosen, route.level) == ("small", verdict)
    became = "proven" if verdict == "proven" else "proven -> provisional"
    assert f"sums: {count} human labels in place of the judge's word on small: {became}; serves: small (" in done.err
    assert "human label" not in judged.run("build-table").err


def test_labels_that_reach_the_bar_make_it_provisional(judged: Project) -> None:
    """Where humans agree on too few cases to prove it, the class is provisional on their word, with its risk."""
    _labelled(judged, passed=True, count=8)
    assert judged.run("build-table", "--strict").code == 3
    assert judged.run("build-table", "--strict=provisional").code == 0
    route = load_table(judged.root / "routes.yaml").routes["sums"]
    (one,) = route.evidence
    assert (route.level, route.chosen, one.judgement.labels) == ("provisional", "small", 8)
    assert one.judgement.risk == pytest.approx(0.8**8, abs=1e-3)
    assert route.verdict.startswith("Provisional on 8 human labels: ")
    assert judged.run("check").code == 0


def test_a_judge_that_nobody_understands_decides_nothing(judged: Project, far: Far) -> None:
    """Replies that could not be scored are counted aloud; --strict is undecided, and JUnit has an error, no failure."""
    far.answer = lambda body: "hm" if body["model"] == "model-judge" else right_answer(body)
    done = judged.run("eval", "--max-age", "0", "--strict", "--junit", "gate.xml", env=ENV)
    assert (done.code, done.last) == (7, "routerctl: the replies could not be scored for sums")
    told = re.search(r"small serves as the best available, 0/(\d+) \((\d+) replies could not be scored\)", done.err)
    assert told
    assert told[1] == told[2]
    assert 13 <= int(told[1]) < 60  # 48 of 60 are the bar: the 13th ends the test, and nobody races for a score of 0
    assert f"Counted as not passed: {told[2]} replies could not be scored." in done.err
    junit = (judged.root / "gate.xml").read_text()
    assert 'failures="0" errors="1"' in junit
    assert "could not be scored: the scorer, not the answers, decided this" in junit


def test_what_judging_cost_is_in_the_books(judged: Project) -> None:
    """The run's spending holds the judge's calls; the price per accepted answer does not, since serving needs none."""
    rows = [json.loads(line) for line in next(judged.root.glob("reports/*/results.jsonl")).read_text().splitlines()]
    assert all(float(row["judge_usd"]) > 0 for row in rows)
    estimate = json.loads(judged.run("eval", "--dry-run", "--json", "--no-cache").out)
    assert estimate[0]["at_most"]["calls"] == 120


def test_labels_on_all_that_the_judge_let_be_asked_prove_less(judged: Project) -> None:
    """It is said before the first label; afterwards a number of labels is told that does prove it."""
    told = judged.run("label", "--class", "sums", "--export", "first.jsonl")
    assert "labels on all of these prove less: `routerctl eval --full --class sums`" in told.err
    _labelled(judged, passed=True)
    judged.run("build-table")
    (one,) = load_table(judged.root / "routes.yaml").routes["sums"].evidence
    assert one.judgement.verdict is Verdict.PROVISIONAL
    assert one.judgement.needed_cases == one.judgement.labels + 1
    assert judged.run("eval", "--full", "--class", "sums", env=ENV).code == 0
    judged.run(
        "label",
        "--class",
        "sums",
        "--candidate",
        "small",
        "-n",
        str(one.judgement.needed_cases),
        "--export",
        "last.jsonl",
    )
    (row,) = (judged.root / "last.jsonl").read_text().splitlines()
    judged.write("last.jsonl", json.dumps(json.loads(row) | {"passed": True}) + "\n")
    assert judged.run("label", "--class", "sums", "--candidate", "small", "--import", "last.jsonl").code == 0
    judged.run("build-table")
    evidence = load_table(judged.root / "routes.yaml").routes["sums"].evidence
    assert [each.judgement.verdict for each in evidence if each.judgement.labels] == [Verdict.PROVEN]
