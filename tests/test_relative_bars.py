"""Bars against a model: the reference first, pairs, the exact test at the end, and what a user sees of it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.evaluation.run_files import read_run, run_folders
from routerctl.evaluation.selection import (
    Outcome,
    Question,
    judge,
    provable_words,
    rule_of,
    two_sentences,
    verdict_words,
)
from routerctl.statistics.noninferiority import noninferiority_p
from routerctl.table import load_table
from routerctl.types import Verdict
from routerctl.words import ends, spread
from tests.conftest import Project

WITHIN = {"within": 0.05, "of": "large"}


def asked(reference: Sequence[float], **more: Any) -> Question:
    """Ask whether a candidate is within five points of a reference that gave these values."""
    question = Question(
        n=len(reference), bar=0.95, alpha=0.025, of="large", within=0.05, reference=tuple(map(float, reference))
    )
    return replace(question, **more)


def paired(values: Sequence[float], reference: Sequence[float]) -> list[Outcome]:
    """Put each value beside the reference's."""
    return [Outcome(value=float(a), reference=float(b)) for a, b in zip(values, reference, strict=False)]


# --- the rule ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "gained", "verdict"),
    [
        (0, 0, Verdict.PROVEN),
        (2, 2, Verdict.PROVEN),
        (10, 0, Verdict.PROVISIONAL),
        (12, 2, Verdict.PROVISIONAL),
        (11, 0, Verdict.NOT_REACHED),
        (30, 0, Verdict.NOT_REACHED),
    ],
)
def test_whole_counts_decide_whether_the_margin_is_reached(lost: int, gained: int, verdict: Verdict) -> None:
    """Of 200 pairs exactly 10 more lost than gained are within five points; proven is what the exact test says."""
    reference = [1] * 150 + [0] * 50
    values = [0] * lost + [1] * (150 - lost) + [1] * gained + [0] * (50 - gained)
    found = judge(paired(values, reference), asked(reference))
    assert found.verdict is verdict
    assert found.against is not None
    assert (found.against.lost, found.against.gained, found.against.difference) == (lost, gained, (gained - lost) / 200)
    assert found.bar == pytest.approx(0.70)
    p = noninferiority_p(200, lost, gained, 0.05)
    assert (p <= 0.025) == (verdict is Verdict.PROVEN)
    assert found.risk == (p if verdict is Verdict.PROVISIONAL else None)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([0.02, 0.05, 0.1]),
)
def test_a_test_ends_as_soon_as_the_rest_cannot_help_and_never_before(
    pairs: list[tuple[bool, bool]], within: float
) -> None:
    """A test that ended early could not have come within the margin, whatever the rest; one that could runs on."""
    reference = [float(theirs) for _, theirs in pairs]
    question = asked(reference, within=within)
    rule = rule_of(question)
    for place, (mine, theirs) in enumerate(pairs):
        verdict = rule.verdict
        assert verdict is None
        assert 1 <= rule.surely_needed() <= len(pairs) - place
        needed = rule.surely_needed()
        rule.feed(Outcome(value=float(mine), reference=float(theirs)))
        best = sum(a - b for a, b in pairs[: place + 1]) + sum(1 - theirs for theirs in reference[place + 1 :])
        out = best < -within * len(pairs) - 1e-9
        assert (rule.stopped_at is not None) == (out or place + 1 == len(pairs))
        assert needed == 1 or rule.stopped_at is None or needed <= 1
        if out:
            assert rule.verdict is Verdict.NOT_REACHED
            break


def test_what_is_worse_by_the_margin_is_rarely_proven() -> None:
    """Of 400 candidates that are worse by exactly five points, 2.5 % are proven at most, and chance."""
    rng = random.Random(5)  # noqa: S311 - a test's dice
    proven = 0
    for _ in range(400):
        reference, values = [], []
        for _ in range(150):
            draw = rng.random()
            theirs = 1 if draw < 0.9 else 0
            mine = (0 if rng.random() < 0.1 else 1) if theirs else (1 if rng.random() < 0.4 else 0)
            reference.append(theirs)  # lost .09, gained .04: worse by .05
            values.append(mine)
        proven += judge(paired(values, reference), asked(reference)).verdict is Verdict.PROVEN
    assert proven <= 400 * 0.025 + 3 * (400 * 0.025 * 0.975) ** 0.5


def test_the_reference_runs_on_all_cases_and_nothing_is_proven_of_it() -> None:
    """It is what the others are compared with: no test of it, its own interval, and none against itself."""
    reference = [1.0] * 10 + [0.0] * 30
    rule = rule_of(asked(reference, is_reference=True))
    for value in reference:
        assert rule.verdict is None
        assert rule.surely_needed() == 40 - rule.cases
        rule.feed(Outcome(value=value, reference=value))
    assert rule.verdict is Verdict.REFERENCE
    found = judge(paired(reference, reference), asked(reference, is_reference=True))
    assert found.against is not None
    assert (found.against.difference, found.against.interval) == (0.0, (0.0, 0.0))
    low, high = found.interval
    assert low < 0.25 < high
    said = verdict_words(found)
    assert said.startswith("Reference: 10 of 40 cases passed (40 planned), true accuracy ")
    assert f"{ends(found.interval)} at error probability" in said
    assert "roven" not in said


@pytest.mark.parametrize("method", ["exact", "betting", "clusters"])
def test_every_kind_of_case_has_the_three_levels(method: str) -> None:
    """Means over epochs and clusters are compared in pairs too: equal ones prove it, somewhat worse ones are open."""
    n = 400
    reference = [0.0 if k % 5 == 0 else 1.0 for k in range(n)]
    slips = {k for k in range(n) if k % 21 == 1}
    if method == "betting":
        reference = [0.9 * value for value in reference]
    question = asked(reference, method=method, clusters=100 if method == "clusters" else 0, alpha=0.05)

    def outcomes(lost: set[int]) -> list[Outcome]:
        values = [0.0 if k in lost else value for k, value in enumerate(reference)]
        found = paired(values, reference)
        return [replace(one, cluster=f"c{k // 4}") for k, one in enumerate(found)] if method == "clusters" else found

    assert judge(outcomes(set()), question).verdict is Verdict.PROVEN
    close = judge(outcomes(slips), question)
    assert close.verdict is Verdict.PROVISIONAL
    assert close.risk is not None
    assert 0.05 < close.risk < 1
    assert judge(outcomes(set(range(0, n, 3))), question).verdict is Verdict.NOT_REACHED


def test_outcomes_beyond_a_gap_count_but_do_not_decide() -> None:
    """A cut-off run has pairs beyond the first gap: they are counted, and the verdict stays open."""
    reference = [1.0] * 40
    found = judge(paired([1.0] * 10, reference), asked(reference), paired([0.0] * 5, reference))
    assert (found.verdict, found.cases, found.passes) == (Verdict.NOT_PROVEN, 15, 10)


def test_an_outcome_without_its_pair_is_refused() -> None:
    """Nothing can be said beside a reference that has not answered."""
    with pytest.raises(ValueError, match="reference"):
        rule_of(asked([1.0] * 5)).feed(Outcome(value=1.0))


# --- words ------------------------------------------------------------------------------------------------------------


def test_the_words_name_the_reference_the_difference_and_what_would_prove_it() -> None:
    """A reader sees against whom, by how much, how surely, and how many cases it takes."""
    reference = [1] * 150 + [0] * 50
    found = judge(paired([0] * 8 + [1] * 142 + [0] * 50, reference), asked(reference))
    said = verdict_words(found)
    assert said.startswith("Provisional: 142 of 200 cases passed (200 planned), -4.0 points against large (")
    assert "0 gained, 8 lost" in said
    assert f"{found.needed_cases} cases in all would prove it" in said
    rule = two_sentences(found, mode="proven", risk=0.05, ladder_length=3)
    assert "at most 5 points worse than large" in rule
    assert "with at most 2.5% probability" in rule


def test_a_weaker_candidate_needs_more_cases() -> None:
    """Down to the margin itself, where a point more is hoped for, as with a bar that is a number."""
    reference = [1] * 150 + [0] * 50
    found = [
        judge(paired([0] * lost + [1] * (150 - lost) + [0] * 50, reference), asked(reference)) for lost in range(4, 11)
    ]
    assert {one.verdict for one in found} == {Verdict.PROVISIONAL}
    needed = [one.needed_cases or 0 for one in found]
    assert needed == sorted(set(needed))
    assert needed[0] > 200
    assert [one.against and one.against.hoped for one in found][-3:] == [-0.04] * 3
    assert "if the difference is what was seen, " in verdict_words(found[3])
    assert "if the difference is -4.0 points, a point above the margin, " in verdict_words(found[-1])


def test_only_an_interval_below_the_margin_takes_all_hope() -> None:
    """A candidate that missed it by little may still be proven, at the end of its interval; one far below may not."""
    reference = [1] * 150 + [0] * 50
    near, far = (
        judge(paired([0] * lost + [1] * (150 - lost) + [0] * 50, reference), asked(reference)) for lost in (12, 60)
    )
    assert near.against is not None
    assert (near.verdict, near.against.hoped) == (Verdict.NOT_REACHED, near.against.interval[1])
    assert "if the difference is as high as -3." in verdict_words(near)
    assert "the end of its interval, " in verdict_words(near)
    assert far.needed_cases is None
    assert "more cases would not prove it" in verdict_words(far)


def test_what_pairs_can_prove_is_said_beforehand() -> None:
    """A hundred cases hardly prove two points, even for a model that is as good."""
    said = provable_words(asked([], n=100, within=0.02))
    assert said.startswith("100 cases prove that a model as good as large is at most 2 points worse 8")
    assert "provisional" in said
    assert provable_words(asked([], n=5000, within=0.05)) == ""


# --- a run ------------------------------------------------------------------------------------------------------------


def chosen(project: Project) -> dict[str, object]:
    """Build the table and give what JSON says of the class."""
    done = project.run("build-table", "--json")
    assert done.code == 0, done.err
    found: dict[str, object] = json.loads(done.out)["routes"]["sums"]
    return found


def test_eval_runs_the_reference_first_and_the_cheapest_within_the_margin_serves(project: Project) -> None:
    """The reference answers all 60 cases, also where it is the dearest; 58 of its 60 are within five points."""
    project.config["prices"][1] |= {"input_mtok_usd": 10, "output_mtok_usd": 20}
    project.save()
    project.eval_set("sums", 60, bar=WITHIN)
    project.replies({"model-small": 0.97, "model-large": 1.0})
    done = project.run("eval")
    assert done.code == 0, done.err
    results = read_run(run_folders(project.root)[0]).results
    assert [one.candidate for one in results[:60]] == ["large"] * 60
    found = chosen(project)
    assert (found["chosen"], found["level"]) == ("small", "provisional")
    assert "large - 5 points" in done.out
    assert "a model as good as large" in done.err


def test_where_nobody_comes_near_the_reference_serves(project: Project) -> None:
    """A cheap model that is far worse is left early; the reference, which is its own bar, serves."""
    project.eval_set("sums", 60, bar=WITHIN)
    project.replies({"model-small": 0.5, "model-large": 0.9})
    assert project.run("eval").code == 0
    results = read_run(run_folders(project.root)[0]).results
    assert sum(one.candidate == "small" for one in results) < 60
    found = chosen(project)
    assert (found["chosen"], found["level"]) == ("large", "reference")


def test_a_reference_that_serves_is_shown_as_what_it_is(project: Project) -> None:
    """It needs no proof, so that a strict gate passes; nowhere is it called proven, and its interval is its own."""
    project.eval_set("sums", 60, bar=WITHIN)
    project.replies({"model-small": 0.5, "model-large": 0.9})
    assert project.run("eval").code == 0
    strict = project.run("build-table", "--strict")
    assert strict.code == 0, strict.err
    row = next(line for line in strict.out.splitlines() if line.startswith("sums"))
    assert "reference" in row
    assert "reference: the model that the bar is set by" in strict.out
    explained = project.run("route", "--explain", "--class", "sums", stdin=b"1+1")
    assert "large (model-large), reference: " in explained.out
    assert "bar large - 5 points (" in explained.out
    page = next((project.root / "reports").glob("*/report.html")).read_text(encoding="utf-8")
    assert "Reference: " in page
    for said in (row, strict.err, explained.out):
        assert "proven" not in said
    route = load_table(project.root / "routes.yaml").routes["sums"]
    large = next(one.judgement for one in route.evidence if one.candidate == "large")
    assert (route.level, large.verdict, route.passing, route.settled) == ("reference", Verdict.REFERENCE, True, True)
    assert row.split()[4] == spread(large.interval)
    assert project.run("check").code == 0


@pytest.mark.parametrize("policy", ["provisional", "top_rung"])
def test_a_reference_serves_also_where_nothing_but_proof_counts(policy: str, project: Project) -> None:
    """Its own bar is what it is at: the top rung has no need to stand in for it."""
    project.eval_set("sums", 60, bar={"within": 0.05, "of": "small"}, when_unproven=policy)
    project.replies({"model-small": 0.8, "model-large": 1.0})
    assert project.run("eval").code == 0
    found = chosen(project)
    assert (found["chosen"], found["level"]) == ("small", "reference")


@pytest.mark.parametrize(
    ("bar", "said"),
    [
        ({"within": 0.05, "of": "lage"}, "no candidate 'lage' on ladder 'main'; did you mean 'large'?"),
        ({"within": 0, "of": "large"}, "bar.within: expected a share above 0 and below 1"),
        ({"within": 1, "of": "large"}, "bar.within: expected a share above 0 and below 1"),
        ({"of": "large"}, "'within' is missing"),
        ({"within": 0.05, "off": "large"}, "off"),
        ("high", "expected a number"),
    ],
)
def test_a_wrong_bar_is_refused_in_one_line(bar: object, said: str, project: Project) -> None:
    """What was expected, and the nearest right name."""
    project.eval_set("sums", 60, bar=bar)
    done = project.run("check")
    assert done.code == 2, done
    assert said in done.last, done.last
    assert "evals/sums.yaml" in done.last


# --- imports ----------------------------------------------------------------------------------------------------------

WIDE = "task_class,case,small,mid,large\n" + "".join(
    f"talk,c{k},{int(k % 3 > 0)},{int(k % 40 > 0)},{int(k % 50 > 0)}\n" for k in range(400)
)


def test_import_takes_a_bar_against_a_model_and_todays(project: Project) -> None:
    """`--bar within=0.05:large --today large`: mid is proven in pairs, and the table knows who serves today."""
    project.write("o.csv", WIDE)
    for name in ("routerctl.yaml", "evals/sums.yaml"):
        (project.root / name).unlink()
    costs = ("--cost", "small=0.001", "--cost", "mid=0.002", "--cost", "large=0.02")
    done = project.run("import", "o.csv", "--bar", "within=0.05:large", "--today", "large", *costs)
    assert done.code == 0, done.err
    assert project.run("build-table").code == 0
    table = (project.root / "routes.yaml").read_text()
    assert "today: large" in table
    assert "chosen: mid" in table
    assert "level: proven" in table
    assert project.run("check").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--bar", "within=0.05:larg"), "--bar: no model 'larg' in the files; did you mean 'large'?"),
        (("--bar", "within=2:large"), "share above 0 and below 1, got 'within=2:large'; did you mean 0.02?"),
        (("--bar", "within = 2%: large"), "did you mean 0.02?"),
        (("--bar", "within=:large"), "share above 0 and below 1"),
        (("--bar", "high"), "--bar: expected a number above 0 and below 1, or within=SHARE:MODEL, got high"),
        (("--bar", "nan"), "--bar: expected a number above 0 and below 1"),
        (("--today", "larg"), "--today: no model 'larg' in the files; did you mean 'large'?"),
    ],
)
def test_wrong_options_of_an_import_are_refused_in_one_line(
    arguments: tuple[str, str], said: str, project: Project
) -> None:
    """Nothing is written, and the nearest right name is said."""
    project.write("o.csv", WIDE)
    for name in ("routerctl.yaml", "evals/sums.yaml"):
        (project.root / name).unlink()
    done = project.run("import", "o.csv", *arguments)
    assert done.code == 2, done
    assert said in done.last
    assert not run_folders(project.root)


def test_a_class_without_the_reference_is_refused_at_import(project: Project) -> None:
    """Nothing could be compared there: the class and the reference are named before anything is written."""
    project.write("o.csv", "task_class,case,model,score\ntalk,c1,large,1\ntalk,c1,small,1\nmail,m1,small,1\n")
    for name in ("routerctl.yaml", "evals/sums.yaml"):
        (project.root / name).unlink()
    done = project.run("import", "o.csv", "--bar", "within=0.05:large")
    assert done.code == 2, done
    assert "--bar: large has no outcome on the class mail" in done.last
    assert not run_folders(project.root)


def test_a_table_with_todays_model_missing_on_a_class_is_built(project: Project) -> None:
    """Where who serves today was not run, nothing of it is drawn, and the table follows from its evidence."""
    rows = [f"talk,c{k},{model},{int(k % 9 > 0)}" for k in range(60) for model in ("small", "large")]
    rows += [f"mail,m{k},small,{int(k % 8 > 0)}" for k in range(60)]
    project.write("o.csv", "task_class,case,model,score\n" + "\n".join(rows) + "\n")
    for name in ("routerctl.yaml", "evals/sums.yaml"):
        (project.root / name).unlink()
    costs = ("--cost", "small=0.001", "--cost", "large=0.02")
    assert project.run("import", "o.csv", "--today", "large", *costs).code == 0
    done = project.run("build-table")
    assert done.code == 0, done.err
    assert project.run("check").code == 0
