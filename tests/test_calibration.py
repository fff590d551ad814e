"""Human labels against a judge: the two bounds, and the verdict that they allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.evaluation.selection import verdict_words
from routerctl.evaluation.selection.judge_correction import (
    calibrate,
    labelled_prefix,
    uses_correction,
    why_not,
)
from routerctl.statistics import anytime_interval, needed_cases, pass_probability, plan
from routerctl.statistics.calibration import accuracy_lower, accuracy_upper, corrected_lower, corrected_mean
from routerctl.types import ClassHeader, Judgement, PromptSpec, ReplySpec, ScorerSpec, Verdict

ALPHA, BAR = 0.05, 0.9


def judgement(verdict: Verdict = Verdict.PROVEN, **more: Any) -> Judgement:
    """What the rule made of a judge's values."""
    given = Judgement(
        verdict=verdict,
        cases=150,
        passes=145,
        n=200,
        bar=BAR,
        alpha=ALPHA,
        interval=(0.8, 1.0),
        good_enough=0.95,
        least_cases=29,
        needed_cases=None,
        trust="judge",
    )
    return replace(given, **more)


def labels(passed: int, failed: int = 0) -> dict[int, bool]:
    """Labels of the first cases: so many passed, then so many not."""
    return dict(enumerate([True] * passed + [False] * failed))


# --- the two bounds ---------------------------------------------------------------------------------------------------


@given(
    counts=st.tuples(st.integers(0, 300), st.integers(0, 300)).filter(lambda pair: sum(pair) > 0),
    alpha=st.floats(0.001, 0.4),
)
def test_the_exact_bounds(counts: tuple[int, int], alpha: float) -> None:
    """They are Clopper and Pearson's, as another program computes them."""
    passes, cases = counts[0], sum(counts)
    low = stats.binomtest(passes, cases, alternative="greater").proportion_ci(1 - alpha, "exact").low
    high = stats.binomtest(passes, cases, alternative="less").proportion_ci(1 - alpha, "exact").high
    assert accuracy_lower(passes, cases, alpha) == pytest.approx(low, abs=1e-9)
    assert accuracy_upper(passes, cases, alpha) == pytest.approx(high, abs=1e-9)


@pytest.mark.parametrize(("passes", "cases", "alpha"), [(2, 1, 0.1), (-1, 5, 0.1), (0, 0, 0.1), (1, 2, 0), (1, 2, 1)])
def test_bounds_of_nonsense(passes: int, cases: int, alpha: float) -> None:
    """Counts that do not fit are an error."""
    with pytest.raises(ValueError, match="a bound needs"):
        accuracy_lower(passes, cases, alpha)


@pytest.mark.parametrize(
    ("judged", "said", "mean"),
    [
        ([1, 1, 0, 1], [True], 0.75),
        ([1, 1, 0, 1], [False], -0.25),
        ([1, 1, 1, 1], [True, False], 0.5),
        ([0, 0, 1, 1], [True, False], 1.0),
        ([0.5, 0.25], [True, False], 0.5),
        ([1, 0, 1], [True, False, True], 2 / 3),
    ],
)
def test_the_corrected_mean(judged: list[float], said: list[bool], mean: float) -> None:
    """The judge's mean plus its mean error; where all is labelled, the humans' mean."""
    assert corrected_mean(judged, said) == pytest.approx(mean)


@given(
    judged=st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=2, max_size=60),
    said=st.lists(st.booleans(), min_size=1, max_size=60),
    alpha=st.floats(0.001, 0.3),
    bar=st.floats(0.5, 0.99),
)
def test_the_corrected_bound(judged: list[float], said: list[bool], alpha: float, bar: float) -> None:
    """It is never above the plain normal bound, never below 0, and falls with alpha."""
    said = said[: len(judged)]
    low = corrected_lower(judged, said, alpha, bar)
    values = np.array(judged)
    errors = np.array(said) - values[: len(said)]
    spread = values.var() / len(values) + (errors.var(ddof=1) / len(said) if len(said) > 1 else np.inf)
    plain = max(0.0, values.mean() + errors.mean() - stats.norm.isf(alpha) * np.sqrt(spread))
    assert 0 <= low <= plain + 1e-9
    assert corrected_lower(judged, said, alpha / 2, bar) <= low + 1e-12


def test_labels_without_a_disagreement_are_not_proof_of_a_perfect_judge() -> None:
    """With 5,000 judged cases and 200 labels that all agree, the bound still leaves room for errors not seen."""
    judged = [1.0] * 4800 + [0.0] * 200
    assert corrected_lower(judged, [True] * 200, ALPHA, BAR) < 0.95 < corrected_mean(judged, [True] * 200)


def test_the_bound_s_arithmetic() -> None:
    """One more label on which the judge was too kind, and the spread of a candidate at the bar, are what it counts."""
    errors = np.array([0.0] * 200 + [-1.0])
    low = 1 - 1 / 201 - stats.norm.isf(ALPHA) * np.sqrt(BAR * (1 - BAR) / 5000 + errors.var(ddof=1) / 201)
    assert corrected_lower([1.0] * 5000, [True] * 200, ALPHA, BAR) == pytest.approx(low)


@pytest.mark.parametrize(("judged", "said"), [([], []), ([1.0], []), ([1.0], [True, True])])
def test_labels_must_fit_the_judged_cases(judged: list[float], said: list[bool]) -> None:
    """No label, or more labels than cases, is an error."""
    with pytest.raises(ValueError, match=r"labels for \d judged cases"):
        corrected_mean(judged, said)


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "said", "verdict"),
    [
        ({}, labels(29), Verdict.PROVEN),
        ({}, labels(28), Verdict.PROVISIONAL),
        ({}, labels(60, 2), Verdict.PROVEN),
        ({}, labels(60, 3), Verdict.PROVISIONAL),
        ({}, labels(45, 5), Verdict.PROVISIONAL),
        ({}, labels(44, 6), Verdict.NOT_REACHED),
        ({}, labels(40, 10), Verdict.BELOW),
        ({"verdict": Verdict.PROVISIONAL}, labels(29), Verdict.PROVEN),
        ({"verdict": Verdict.PROVISIONAL}, labels(28), Verdict.PROVISIONAL),
        ({"verdict": Verdict.BELOW}, labels(29), Verdict.PROVEN),
        ({"verdict": Verdict.BELOW}, labels(28), Verdict.NOT_REACHED),
        ({"verdict": Verdict.NOT_REACHED}, labels(28), Verdict.NOT_REACHED),
        ({"verdict": Verdict.NOT_PROVEN}, labels(29), Verdict.PROVEN),
        ({"verdict": Verdict.NOT_PROVEN}, labels(28), Verdict.NOT_PROVEN),
        ({"verdict": Verdict.NOT_PROVEN}, labels(1), Verdict.NOT_PROVEN),
        ({"margin": 0.05, "verdict": Verdict.WITHIN_MARGIN}, labels(19), Verdict.WITHIN_MARGIN),
        ({"margin": 0.05, "verdict": Verdict.WITHIN_MARGIN}, labels(18), Verdict.PROVISIONAL),
        ({"margin": 0.3, "verdict": Verdict.WITHIN_MARGIN}, labels(44, 6), Verdict.NOT_REACHED),
        ({"margin": 0.3, "verdict": Verdict.WITHIN_MARGIN}, labels(45, 5), Verdict.WITHIN_MARGIN),
    ],
)
def test_the_labels_decide(before: dict[str, Any], said: dict[int, bool], verdict: Verdict) -> None:
    """Whatever the judge's test said, the labels' exact bound does; margin mode needs their share at the bar too."""
    found = calibrate(judgement(**before), [1.0] * 150, said, ALPHA, BAR)
    assert (found.verdict, found.trust, found.labels) == (verdict, "labels", len(said))
    assert found.corrected == pytest.approx(sum(said.values()) / len(said))
    assert found.corrected_low is not None
    assert (found.cases, found.passes) == (150, 145)
    assert found.interval == anytime_interval(sum(said.values()), len(said), ALPHA)
    if verdict is not Verdict.PROVISIONAL:
        assert found.risk is None
        return
    assert found.risk is not None
    target = BAR - before.get("margin", 0.0)
    assert found.risk == pytest.approx(stats.binom.sf(sum(said.values()) - 1, len(said), target), abs=2e-6)
    assert found.risk > ALPHA


def test_the_risk_is_of_the_bound_that_decides() -> None:
    """Where the judge chose how many labels there are, or where they correct its score, that bound's level is told."""
    cut = calibrate(judgement(), [1.0] * 40, labels(40), ALPHA, BAR)
    assert cut.risk is not None
    assert cut.risk > ALPHA > stats.binom.sf(39, 40, BAR)
    assert anytime_interval(40, 40, cut.risk + 1e-5)[0] > BAR > anytime_interval(40, 40, cut.risk - 1e-5)[0]
    human = [True] * 183 + [False] * 17
    judged = [float(one) for one in human] + [1.0] * 180 + [0.0] * 20
    shown = calibrate(judgement(n=400), judged, dict(enumerate(human)), ALPHA, BAR)
    assert shown.verdict is Verdict.PROVISIONAL
    assert shown.risk is not None
    assert corrected_lower(judged, human, shown.risk + 1e-5, BAR) >= BAR
    assert corrected_lower(judged, human, shown.risk - 1e-5, BAR) < BAR


def test_without_labels_it_stays_the_judge_s_word() -> None:
    """No label, or none on the first case: the verdict stays and says whose it is."""
    for said in ({}, {1: True, 2: True}):
        found = calibrate(judgement(trust="scorer"), [1.0] * 150, said, ALPHA, BAR)
        assert found == judgement()


def test_a_gap_cuts_the_labels() -> None:
    """Labels beyond the first case without one do not count: it may have been left out for a reason."""
    said = {index: True for index in range(100) if index != 10}
    assert labelled_prefix(said) == [True] * 10
    found = calibrate(judgement(), [1.0] * 150, said, ALPHA, BAR)
    assert (found.verdict, found.labels) == (Verdict.PROVISIONAL, 10)
    assert found.risk == pytest.approx(BAR**10, abs=2e-6)


def test_what_would_settle_it() -> None:
    """Labels that do not prove say how many would, if the truth is what they show, or the most they allow."""
    found = calibrate(judgement(), [1.0] * 150, labels(47, 3), ALPHA, BAR)
    assert found.verdict is Verdict.PROVISIONAL
    assert found.needed_cases == needed_cases(BAR, 0.94, ALPHA) > 50
    assert (found.labels_passed, found.hoped) == (47, 0.94)  # the labels', whatever the judge's score is
    below = calibrate(judgement(), [1.0] * 150, labels(44, 6), ALPHA, BAR)
    assert below.needed_cases == needed_cases(BAR, below.interval[1], ALPHA)
    assert calibrate(judgement(), [1.0] * 150, labels(30, 20), ALPHA, BAR).needed_cases is None
    assert calibrate(judgement(needed_cases=7), [1.0] * 150, labels(50), ALPHA, BAR).needed_cases is None


def test_bar_one_is_never_proven() -> None:
    """Nothing proves "always", with labels or a correction."""
    for count, n in ((150, 150), (500, 2000)):
        found = calibrate(judgement(bar=1.0, n=n), [1.0] * n, labels(count), ALPHA, 1.0)
        assert (found.verdict, found.needed_cases) == (Verdict.PROVISIONAL, None)
        assert calibrate(judgement(bar=1.0, n=n), [1.0] * n, labels(0, 1), ALPHA, 1.0).verdict is Verdict.BELOW


@pytest.mark.parametrize("verdict", [Verdict.PROVISIONAL, Verdict.NOT_REACHED])
def test_the_point_rule_stays_the_judge_s(verdict: Verdict) -> None:
    """It speaks of all these cases, and labels of some: they correct the score and leave the verdict."""
    found = calibrate(judgement(verdict), [1.0] * 150, labels(10, 40), ALPHA, BAR, mode="point")
    assert (found.verdict, found.trust, found.labels) == (verdict, "judge", 0)
    assert found.corrected == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("count", "judged", "corrects"), [(199, 9999, False), (200, 399, False), (200, 400, True), (500, 999, False)]
)
def test_which_bound_decides(count: int, judged: int, corrects: bool) -> None:
    """The correction does from 200 labels and twice as many judged cases on: both known before a label is looked at."""
    assert uses_correction(count, judged) is corrects
    # 183 of 200 do not prove 0.9 by themselves; with a judge that always agrees and passes 97 % of the rest, they do.
    human = [True] * count
    human[: count * 17 // 200] = [False] * (count * 17 // 200)
    values = [float(one) for one in human] + [1.0] * (judged - count)
    found = calibrate(judgement(n=judged), values, dict(enumerate(human)), ALPHA, BAR)
    assert found.verdict is (Verdict.PROVEN if corrects else Verdict.PROVISIONAL)
    if corrects:
        assert found.corrected_low is not None
        assert found.corrected_low >= BAR


def test_labels_up_to_where_the_judge_stopped() -> None:
    """Where the judge's test ended the cases, not the human chose how many: it takes more to prove."""
    assert calibrate(judgement(), [1.0] * 40, labels(40), ALPHA, BAR).verdict is Verdict.PROVISIONAL
    assert calibrate(judgement(), [1.0] * 41, labels(40), ALPHA, BAR).verdict is Verdict.PROVEN
    assert calibrate(judgement(n=40), [1.0] * 40, labels(40), ALPHA, BAR).verdict is Verdict.PROVEN
    assert calibrate(judgement(), [1.0] * 90, labels(90), ALPHA, BAR).verdict is Verdict.PROVEN


def test_what_is_refused() -> None:
    """Dependent cases, a bar or an alpha out of range."""
    with pytest.raises(ValueError, match="dependent"):
        calibrate(judgement(method="clusters"), [1.0], labels(1), ALPHA, BAR)
    for alpha, bar in ((0.0, BAR), (1.0, BAR), (ALPHA, 0.0), (ALPHA, 1.1)):
        with pytest.raises(ValueError, match="a bar lies in"):
            calibrate(judgement(), [1.0], labels(1), alpha, bar)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, ""),
        ({"epochs": 3}, ""),
        ({"clusters": 40}, "clusters"),
        ({"total_weight": 7.0}, "weights"),
        ({"measure": "mean_score"}, "mean score"),
    ],
)
def test_where_labels_prove_nothing(more: dict[str, Any], words: str) -> None:
    """The reason is said before anybody labels."""
    header = ClassHeader(
        task_class="sums",
        description="",
        digest="",
        bar=BAR,
        pass_at=1.0,
        n=9,
        prompt=PromptSpec(),
        reply=ReplySpec(),
        scorer=ScorerSpec(name="judge"),
    )
    reason = why_not(replace(header, **more))
    assert words in reason
    assert bool(reason) is bool(words)


def test_the_words_of_a_calibrated_verdict() -> None:
    """The sentence about a verdict says that it rests on labels, and how many."""
    found = calibrate(judgement(), [1.0] * 150, labels(60), ALPHA, BAR)
    assert "60 human labels" in verdict_words(found)


# --- what it is for ---------------------------------------------------------------------------------------------------


def proven(
    accuracy: float, n: int, count: int, *, judge: tuple[float, float], trials: int, alpha: float = ALPHA
) -> float:
    """The share of simulated runs that are called proven, each fully judged and labelled on its first cases."""
    rng = np.random.default_rng(3)
    right = rng.random((trials, n)) < accuracy
    judged = rng.random((trials, n)) < np.where(right, *judge)
    verdicts = [
        calibrate(judgement(n=n), values, dict(enumerate(humans[:count])), alpha, BAR).verdict
        for humans, values in zip(right.tolist(), judged.astype(float).tolist(), strict=True)
    ]
    return sum(verdict is Verdict.PROVEN for verdict in verdicts) / trials


@pytest.mark.parametrize(
    ("n", "fpr", "fixed", "least"), [(200, 0.5, 0.22, 0.2), (500, 0.5, 0.49, 0.48), (500, 0.7, 0.99, 0.98)]
)
def test_a_lenient_judge_alone_proves_what_is_false(n: int, fpr: float, fixed: float, least: float) -> None:
    """True accuracy 0.88, bar 0.9: the uncalibrated test calls it proven, and the more cases the surer."""
    chance = pass_probability(plan(n, BAR, ALPHA), 0.88 * 0.98 + 0.12 * fpr)[0]
    assert chance >= least
    assert chance == pytest.approx(fixed, abs=0.05)


LENIENT, CLOSE, KIND = (0.98, 0.5), (0.999, 0.02), (1.0, 0.1)


@pytest.mark.parametrize("judge", [LENIENT, CLOSE, KIND])
@pytest.mark.parametrize(("n", "count"), [(200, 50), (200, 100), (500, 200)])
def test_calibrated_a_candidate_at_the_bar_rarely_passes(judge: tuple[float, float], n: int, count: int) -> None:
    """At most alpha is proven (plus three standard errors of the simulation), however lenient the judge."""
    trials = 1000
    noise = 3 * (ALPHA * (1 - ALPHA) / trials) ** 0.5
    assert proven(BAR, n, count, judge=judge, trials=trials) <= ALPHA + noise


def test_the_bad_candidate_of_the_lenient_judge_is_found_out() -> None:
    """The one that passed on the judge's word alone half of the time does not with 100 labels."""
    assert proven(0.88, 500, 100, judge=LENIENT, trials=400) <= 0.04


def test_a_good_judge_is_worth_labels() -> None:
    """At 0.95 with 200 labels, a good judge's other 800 verdicts prove more often than the labels alone would."""
    need = next(k for k in range(201) if accuracy_lower(k, 200, ALPHA) >= BAR)
    alone = float(stats.binom.sf(need - 1, 200, 0.95))
    assert proven(0.95, 1000, 200, judge=(0.98, 0.1), trials=300) > alone + 0.08


def coverage(draw: Callable[[np.random.Generator], tuple[list[float], list[bool]]], truth: float) -> float:
    """The share of simulated samples whose corrected bound is not above the truth."""
    rng = np.random.default_rng(4)
    samples = [draw(rng) for _ in range(600)]
    return sum(corrected_lower(judged, said, ALPHA, BAR) <= truth for judged, said in samples) / len(samples)


def test_the_correction_takes_scores_too() -> None:
    """A judge that scores 0 to 1 is corrected like one that says pass or fail."""

    def draw(rng: np.random.Generator) -> tuple[list[float], list[bool]]:
        right = rng.random(800) < BAR
        scores = np.clip(np.where(right, 0.9, 0.6) + 0.1 * rng.standard_normal(800), 0, 1)
        return scores.tolist(), right[:200].tolist()

    assert coverage(draw, BAR) >= 0.95 - 0.027
