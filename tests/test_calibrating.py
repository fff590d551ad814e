"""Thresholds that provably keep a class at its bar: the promised risk holds, and what they cost is what was counted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.errors import InputError
from routerctl.evaluation.labels import label_of
from routerctl.evaluation.selection import Outcome, Question
from routerctl.files.yaml import parse_yaml
from routerctl.tuning.thresholds import Promise, calibrate_class, calibration_sentences, thresholds_yaml
from routerctl.tuning.thresholds.bounds import lower_bound, mean_of, needed, proves
from routerctl.tuning.thresholds.fixed_sequence import Walk, points_of, walks
from routerctl.tuning.thresholds.pairs import AnsweredPair, pairs_of
from routerctl.types import (
    Candidate,
    ClassHeader,
    PromptSpec,
    ProviderSpec,
    ReplySpec,
    Result,
    Run,
    RunHeader,
    ScorerSpec,
    Status,
    StopReason,
)

RESULT = Result(
    task_class="sums",
    candidate="small",
    case_id="case-0",
    index=0,
    input="1+6",
    expected="7",
    status=Status.SCORED,
    passed=True,
    score=1.0,
    extracted="7",
    explanation="",
    reply="7",
    stop_reason=StopReason.END,
    served_model="m",
    calls=1,
    input_tokens=1,
    output_tokens=1,
    cost_usd=Decimal("0.001"),
    latency_s=1.0,
    cached=False,
)
QUESTION = Question(n=100, bar=0.8, alpha=0.05)


def answered(place: int, passed: bool, **more: Any) -> Result:
    """One case answered."""
    changes: dict[str, Any] = {"index": place, "case_id": f"case-{place}", "passed": passed, "score": float(passed)}
    return replace(RESULT, **(changes | more))


def pair(place: int, first: bool, second: bool, **values: float) -> AnsweredPair:
    """One case answered by both: the second at ten times the price."""
    other = answered(place, second, candidate="large", cost_usd=Decimal("0.01"))
    return AnsweredPair(first=answered(place, first), second=other, values=values)


# --- bounds -----------------------------------------------------------------------------------------------------------


def outcomes(passes: int, cases: int, **more: Any) -> list[Outcome]:
    """So many passes, then failures."""
    return [Outcome(value=float(place < passes), **more) for place in range(cases)]


@pytest.mark.parametrize(("passes", "proven"), [(88, True), (87, True), (86, False), (80, False)])
def test_the_exact_bound_is_the_binomial_test(passes: int, proven: bool) -> None:
    """P(Bin(100, 0.8) >= 87) is 4.7 %, of 86 it is 8.0 %: the bound reaches the bar just where p is below alpha."""
    assert proves(outcomes(passes, 100), QUESTION, fixed=True) is proven


def test_a_bar_of_one_is_proven_by_nothing() -> None:
    """However many cases pass."""
    assert not proves(outcomes(100, 100), replace(QUESTION, bar=1.0), fixed=True)
    assert needed(outcomes(100, 100), replace(QUESTION, bar=1.0)) is None


def test_a_margin_is_proven_where_the_score_itself_reaches_the_bar() -> None:
    """As for a candidate: 81 of 100 at a bar of 0.8 with a margin of 0.1; 79 are not."""
    question = replace(QUESTION, mode="margin", margin=0.1)
    assert proves(outcomes(81, 100), question, fixed=True)
    assert not proves(outcomes(79, 100), question, fixed=True)


def test_graded_scores_weights_and_clusters_have_bounds_of_their_own() -> None:
    """None is above the mean, and a hundred cases of one document count as one."""
    graded = [Outcome(value=0.9)] * 100
    betting = replace(QUESTION, method="betting", measure="mean_score")
    assert 0.8 < lower_bound(graded, betting, fixed=True) < 0.9
    heavy = [Outcome(value=float(place > 0), weight=50.0 if place == 0 else 1.0) for place in range(100)]
    weighted = replace(QUESTION, method="betting", max_weight=50.0, total_weight=149.0)
    assert lower_bound(heavy, weighted, fixed=True) < mean_of(heavy) < 0.7
    alike = outcomes(100, 100, cluster="one")
    clustered = replace(QUESTION, method="clusters", clusters=1)
    assert lower_bound(alike, clustered, fixed=True) < 0.5
    assert lower_bound(alike[:99], clustered, fixed=True) == 0.0  # broken off: nothing is known of it


def test_what_would_settle_it() -> None:
    """More cases the nearer the bar; none where the score is below it; that many do suffice."""
    near, far = needed(outcomes(82, 100), QUESTION), needed(outcomes(90, 100), QUESTION)
    assert near is not None
    assert far is not None
    assert near > far
    assert needed(outcomes(79, 100), QUESTION) is None
    assert proves(outcomes(round(0.9 * far), far), QUESTION, fixed=True)


# --- thresholds -------------------------------------------------------------------------------------------------------

CASE = st.tuples(st.booleans(), st.booleans(), st.none() | st.sampled_from([0.0, 0.2, 0.5, 0.51, 0.9, 0.995, 1.0]))


@settings(deadline=None, max_examples=60)
@given(cases=st.lists(CASE, min_size=1, max_size=30))
def test_lower_thresholds_accept_more(cases: list[tuple[bool, bool, float | None]]) -> None:
    """Along a walk, from strict to lax, more of the right and more of the wrong is accepted, and less is sent on."""
    pairs = [
        pair(place, first, second, **({} if value is None else {"logprob": value}))
        for place, (first, second, value) in enumerate(cases)
    ]
    for walk in walks({"logprob"}):
        points = points_of(pairs, walk, QUESTION, fixed=True, check_usd=Decimal(0))
        for before, after in itertools.pairwise(points):
            assert before.escalated >= after.escalated
            assert (before.tpr or 0) <= (after.tpr or 0)
            assert (before.fpr or 0) <= (after.fpr or 0)
            assert (before.cost_usd or 0) >= (after.cost_usd or 0)
            assert before.proven >= after.proven
        assert all(point.lower <= point.score for point in points)


def test_the_figures_of_a_cascade() -> None:
    """Counted by hand: of ten cases four are sent on, three of them rightly; the second has half of those right."""
    pairs = [
        *(pair(place, first=True, second=True, logprob=0.9) for place in range(5)),
        pair(5, first=False, second=True, logprob=0.9),
        pair(6, first=False, second=True, logprob=0.1),
        pair(7, first=False, second=False, logprob=0.1),
        pair(8, first=False, second=False, logprob=0.1),
        pair(9, first=True, second=True, logprob=0.1),
    ]
    walk = Walk(signal="logprob", description="", steps=({"logprob": 0.5},))
    (point,) = points_of(pairs, walk, QUESTION, fixed=True, check_usd=Decimal("0.002"))
    assert (point.rejected, point.escalated, point.q, point.score) == (4, 0.4, 0.5, 0.7)
    assert [point.tpr, point.fpr, point.wrong] == pytest.approx([5 / 6, 1 / 4, 0.3])
    assert point.cost_usd == Decimal("0.001") + Decimal("0.002") + Decimal("0.004")
    assert point.cost_per_correct_usd == Decimal("0.01")


def test_a_failed_call_goes_on_and_an_unknown_value_does_not() -> None:
    """Failing is a fallback, which is the same next rung; what cannot be told is accepted, as when serving."""
    failed = replace(pair(0, first=False, second=True), first=answered(0, False, status=Status.FAILED))
    assert not failed.accepted({"logprob": 0.5})
    assert pair(1, first=True, second=True).accepted({"logprob": 0.5})


def test_the_walks_are_fixed_by_the_signals_that_have_values() -> None:
    """The form together, then each signal in its own order; strictest first."""
    found = walks({"length", "complete", "hedging"})
    assert [walk.signal for walk in found] == ["form", "length", "complete", "hedging"]
    assert dict(found[0].steps[0]) == {"length": 0.5, "complete": 0.5}
    graded = [below["hedging"] for below in found[-1].steps]
    assert graded == sorted(graded, reverse=True)
    assert (graded[0], graded[-1]) == (1.0, 0.05)
    assert [below["length"] for below in found[1].steps] == graded
    assert walks(()) == ()


# --- a class of a run -------------------------------------------------------------------------------------------------


def run_of(
    pairs: Sequence[tuple[str, str]], *, bar: float = 0.8, prices: tuple[str, str] = ("0.001", "0.01"), **header: Any
) -> Run:
    """A full run of two candidates; each pair: what small and large replied to a case that wants `right`."""
    of_class = ClassHeader(
        task_class="sums",
        description="",
        digest="sha256:0",
        bar=bar,
        pass_at=1.0,
        n=header.pop("n", len(pairs)),
        prompt=PromptSpec(),
        reply=ReplySpec(),
        scorer=header.pop("scorer", ScorerSpec(name="exact")),
        judge=header.pop("judge", ""),
    )
    results = [
        answered(place, said == "right", candidate=name, reply=said, cost_usd=Decimal(price), expected=None)
        for place, both in enumerate(pairs)
        for name, said, price in zip(("small", "large"), both, prices, strict=True)
    ]
    names = ("small", "large")
    given: dict[str, Any] = {
        "run_id": "20261123-000000-000000",
        "created_at": "2026-11-23T00:00:00Z",
        "finished": True,
        "seed": 0,
        "mode": "proven",
        "risk": 0.05,
        "margin": 0.0,
        "full": True,
        "ladder_name": "main",
        "ladder": names,
        "providers": {"fake": ProviderSpec(name="fake", kind="fake")},
        "candidates": {name: Candidate(name=name, provider="fake", model=f"model-{name}") for name in names},
        "prices": {},
        "classes": {"sums": of_class},
        "software": {},
    }
    return Run(header=RunHeader(**(given | header)), results=tuple(results))


DOUBT = "I'm not sure."
HELPFUL = [("right", "right")] * 140 + [(DOUBT, "right")] * 50 + [("wrong", "right")] * 10
DEAF = [("right", "right")] * 100 + [("wrong", "right")] * 100


def promises(run: Run, **more: Any) -> dict[str, Promise]:
    """What is said of each signal of the only pair."""
    (found,) = calibrate_class(run, "sums", **more).pairs
    return {one.signal: one.promise for one in found.signals}


def test_a_signal_that_knows_pays() -> None:
    """Doubt goes to the better candidate: proven, cheaper than that one alone, and with lines to paste."""
    run = run_of(HELPFUL)
    found = calibrate_class(run, "sums")
    (of_pair,) = found.pairs
    assert of_pair.best is not None
    assert of_pair.best.signal == "hedging"
    assert of_pair.best.separation == pytest.approx(0.5 + 50 / 60 / 2)
    point = of_pair.best.best
    assert point is not None
    assert [point.score, point.escalated, point.q, point.fpr] == pytest.approx([0.95, 0.25, 1.0, 1 / 6])
    assert found.proof_bar <= point.lower < point.score
    pasted = parse_yaml(thresholds_yaml(found, of_pair, run.header), "x").value
    cascade = pasted["candidates"]["small-then-large"]
    assert cascade == {
        "provider": "fake",
        "model": "model-small",
        "escalation": {"to": "large", "below": {"hedging": 1}},
    }
    assert pasted["routing"]["thresholds"] == {"sums": {"hedging": 1}}


def test_signals_that_tell_nothing_are_said_to() -> None:
    """Wrong answers that sound like right ones: nobody would escalate, and nothing is recommended."""
    run = run_of(DEAF)
    found = calibrate_class(run, "sums")
    assert set(promises(run).values()) == {Promise.TELLS_NOTHING}
    assert thresholds_yaml(found, found.pairs[0], run.header) == ""
    assert calibration_sentences(found, found.pairs[0])[0].startswith("No signal helps here")


def test_escalating_that_costs_more_than_the_better_one_alone_never_pays() -> None:
    """At the same price for both, asking twice is dearer, however well proven."""
    run = run_of(HELPFUL, prices=("0.01", "0.01"))
    found = calibrate_class(run, "sums")
    assert promises(run)["hedging"] is Promise.DEARER
    assert calibration_sentences(found, found.pairs[0])[0].startswith("Escalating never pays here")


def test_too_few_cases_are_said_with_the_number_needed() -> None:
    """The score reaches the bar, the bound does not."""
    run = run_of(HELPFUL[::10])
    found = calibrate_class(run, "sums")
    hedging = next(one for one in found.pairs[0].signals if one.signal == "hedging")
    assert hedging.promise is Promise.NOT_PROVEN
    assert hedging.needed_cases is not None
    assert hedging.needed_cases > 20
    assert f"about {hedging.needed_cases} cases" in calibration_sentences(found, found.pairs[0])[0]


def test_a_dear_cascade_that_is_proven_hides_no_cheap_one_that_is_not() -> None:
    """That a signal never pays says nothing of another that would, were there more cases."""
    found = calibrate_class(run_of(HELPFUL[::10], full=False), "sums")
    (pair,) = found.pairs
    signals = [
        replace(one, promise=Promise.DEARER) if one.signal == "length" else one
        for one in pair.signals
        if one.signal in ("length", "hedging")
    ]
    said = calibration_sentences(found, replace(pair, signals=tuple(signals)))
    assert said[0].startswith("Too few cases")
    assert any("eval --full" in one for one in said)
    said = calibration_sentences(found, replace(pair, signals=tuple(one for one in signals if one.signal == "length")))
    assert said[0].startswith("Escalating never pays here")


def test_a_second_candidate_that_does_not_know_either_does_not_help() -> None:
    """Where the first doubts, the second is wrong: its overall score would have promised more."""
    run = run_of([("right", "right")] * 140 + [(DOUBT, "wrong")] * 50 + [("wrong", "right")] * 10)
    hedging = next(one for one in calibrate_class(run, "sums").pairs[0].signals if one.signal == "hedging")
    assert hedging.promise is Promise.MISSES
    assert hedging.best is not None
    assert hedging.best.q == 0.0


def test_a_stricter_risk_proves_less() -> None:
    """The same cases, a smaller error probability."""
    run = run_of(HELPFUL, bar=0.9)
    assert promises(run)["hedging"] is Promise.PAYS
    assert promises(run, risk=0.00001)["hedging"] is Promise.NOT_PROVEN


def test_a_run_that_stopped_early_is_taken_as_such() -> None:
    """A bound that holds at any stopping time is lower, and the advice is to answer all cases."""
    whole, stopped = run_of(HELPFUL, bar=0.88), run_of(HELPFUL, bar=0.88, full=False)
    assert promises(whole)["hedging"] is Promise.PAYS
    found = calibrate_class(stopped, "sums")
    assert not found.pairs[0].fixed
    assert promises(stopped)["hedging"] is Promise.NOT_PROVEN
    assert "eval --full" in " ".join(calibration_sentences(found, found.pairs[0]))


def test_imported_outcomes_without_a_cost_are_not_free() -> None:
    """The bar is proven, but nothing is said of money."""
    run = run_of(HELPFUL, prices=("0", "0"), imported=("x.csv",))
    found = calibrate_class(run, "sums")
    assert promises(run)["hedging"] is Promise.UNPRICED
    assert thresholds_yaml(found, found.pairs[0], run.header) == ""


def test_a_judge_cannot_be_held_to_its_own_word_but_to_a_human_s() -> None:
    """Its score is a signal only where people labelled replies of both; then their word is what is right."""
    scorer = ScorerSpec(name="judge", params={"candidate": "j", "rubric": "r"})
    run = run_of(HELPFUL, scorer=scorer, judge="j")
    assert promises(run)["judge"] is Promise.OWN_WORD
    labels = [label_of(one, passed=one.candidate == "large") for one in run.results]
    pairs = pairs_of(run, "sums", "small", "large", labels)
    assert pairs.trust == "labels"
    assert not any(one.first.passed for one in pairs.of)
    assert promises(run, labels=labels)["judge"] is not Promise.OWN_WORD


def test_one_candidate_is_no_cascade() -> None:
    """Said as what it is."""
    run = run_of(HELPFUL)
    alone = replace(run, results=tuple(one for one in run.results if one.candidate == "small"))
    with pytest.raises(InputError, match="asked small; a cascade needs two"):
        calibrate_class(alone, "sums")
