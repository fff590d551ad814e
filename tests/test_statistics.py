"""The arithmetic below a verdict: plans, set sizes, evidence at any stopping time, clusters and pairs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics import (
    ENOUGH,
    StoppingPlan,
    anytime_interval,
    below_line,
    korn_graubard_lower,
    least_cases,
    margin_good_enough,
    mcnemar_midp,
    needed_cases,
    pass_probability,
    plan,
    point_plan,
    provable_accuracy,
    without_futility,
)
from routerctl.statistics.anytime import log_evidence_below
from routerctl.statistics.tails import least_passes, tails

bars = st.floats(0.3, 0.97)
alphas = st.sampled_from([0.2, 0.05, 0.05 / 3, 0.01])


def every_run(made: StoppingPlan, p: float) -> tuple[float, float]:
    """All 2^n runs of a small plan, walked one by one: (P(pass), expected cases), the slow way."""
    passed = cases = 0.0
    for run in itertools.product((0, 1), repeat=made.n):
        s = 0
        for t, one in enumerate(run, 1):
            s += one
            if s >= made.up[t] or s <= made.low[t]:
                break
        chance = p ** sum(run) * (1 - p) ** (made.n - sum(run))
        passed += chance * (s >= made.up[t])
        cases += chance * t
    return passed, cases


# --- plans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "bar", "alpha", "need"),
    [(200, 0.9, 0.05, 188), (29, 0.9, 0.05, 29), (28, 0.9, 0.05, 29), (50, 0.95, 0.05, 51), (50, 1.0, 0.05, 51)],
)
def test_need(n: int, bar: float, alpha: float, need: int) -> None:
    """The passes that suffice at the end; n + 1 where no score does."""
    made = plan(n, bar, alpha)
    assert made.need == need
    assert made.decidable == (need <= n)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 120), bar=bars, alpha=alphas)
def test_need_is_the_clopper_pearson_bound(n: int, bar: float, alpha: float) -> None:
    """`need` is the least count whose one-sided Clopper-Pearson lower bound reaches the bar."""
    need = plan(n, bar, alpha).need
    if need <= n:
        assert stats.binom.sf(need - 1, n, bar) <= alpha * (1 + 1e-9)
    assert stats.binom.sf(need - 2, n, bar) > alpha * (1 - 1e-9)


@pytest.mark.parametrize(("n", "bar", "alpha"), [(12, 0.6, 0.1), (14, 0.75, 0.05), (13, 0.5, 0.2), (9, 0.7, 0.05)])
@pytest.mark.parametrize("p", [0.4, 0.75, 0.95])
def test_pass_probability_against_every_run(n: int, bar: float, alpha: float, p: float) -> None:
    """The walk agrees with the enumeration of all 2^n runs, for the sequential test and for the point rule."""
    for made in (plan(n, bar, alpha), point_plan(n, bar)):
        assert pass_probability(made, p) == pytest.approx(every_run(made, p), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 150), bar=bars, alpha=alphas)
def test_the_promise(n: int, bar: float, alpha: float) -> None:
    """Up to the bar a candidate passes with probability at most alpha, nor more often than what is said to be used."""
    made = plan(n, bar, alpha)
    used = pass_probability(without_futility(made), bar)[0]  # if no run were given up
    assert used <= alpha + 1e-12
    assert pass_probability(made, bar)[0] <= used + 1e-12
    assert pass_probability(made, bar - 0.01)[0] <= pass_probability(made, bar)[0] + 1e-12


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 150), bar=bars, alpha=alphas)
def test_every_plan_is_decided_by_its_last_case(n: int, bar: float, alpha: float) -> None:
    """The lines never overlap and meet at n; undecidable plans are given up before the first case."""
    for made in (plan(n, bar, alpha), point_plan(n, bar)):
        assert (made.low < made.up).all()
        assert made.low[n] == made.up[n] - 1 if made.decidable else made.low[0] == 0
        assert made.decidable == (made.low[0] < 0)
        assert (made.up[made.need :] <= made.need).all()  # nothing can be lost any more
        assert pass_probability(made, 0.9)[1] <= n


@settings(max_examples=25, deadline=None)
@given(n=st.integers(20, 150), bar=st.floats(0.5, 0.95), alpha=alphas, p=st.floats(0.5, 0.999))
def test_power_is_that_of_the_fixed_test_or_better_but_for_futility(n: int, bar: float, alpha: float, p: float) -> None:
    """Early passes only add to what the fixed test passes; giving up hopeless runs takes at most FUTILITY away."""
    made = plan(n, bar, alpha)
    fixed = stats.binom.sf(made.need - 1, n, p)
    assert pass_probability(made, p)[0] >= fixed - 0.05


@pytest.mark.parametrize(
    ("p", "passed", "cases"),
    [
        (0.75, 0.0, 39),
        (0.80, 0.0, 51),
        (0.85, 0.0, 71),
        (0.88, 0.008, 94),
        (0.90, 0.050, 115),
        (0.94, 0.619, 145),
        (0.95, 0.821, 135),
        (0.96, 0.949, 117),
        (0.98, 1.0, 80),
    ],
)
def test_operating_characteristics(p: float, passed: float, cases: int) -> None:
    """P(pass) and expected cases of n = 200, bar 0.9, alpha 0.05 against figures computed elsewhere and rounded."""
    got = pass_probability(plan(200, 0.9, 0.05), p)
    assert got[0] == pytest.approx(passed, abs=2e-3)
    assert got[1] == pytest.approx(cases, abs=1)


def test_a_low_bar_and_a_large_set() -> None:
    """Where a path's probability at the bar and its gain at a high accuracy leave the floats' range, a plan holds."""
    made = plan(509, 0.12, 0.39)
    assert made.good_enough is not None
    assert 0.12 < made.good_enough < 0.2
    assert 0.85 < pass_probability(made, made.good_enough)[0] <= 0.9 + 1e-6


def test_early_passes_spend_what_the_last_look_leaves_over() -> None:
    """At n = 200, bar 0.9 the last look uses 0.0320 of 0.05; the early passes use the rest."""
    made = plan(200, 0.9, 0.05)
    assert stats.binom.sf(187, 200, 0.9) == pytest.approx(0.0320, abs=5e-5)
    assert 0.0498 < pass_probability(without_futility(made), 0.9)[0] <= 0.05


@pytest.mark.parametrize(("n", "bar", "alpha"), [(50, 0.8, 0.05), (200, 0.9, 0.05 / 3), (300, 0.95, 0.05)])
def test_good_enough_passes_nine_times_in_ten(n: int, bar: float, alpha: float) -> None:
    """A candidate of the accuracy called good enough passes with probability 0.9, less at most what futility takes."""
    made = plan(n, bar, alpha)
    assert made.good_enough is not None
    assert 0.895 < pass_probability(made, made.good_enough)[0] <= 0.9 + 1e-6


@pytest.mark.parametrize(
    ("n", "bar", "need"),
    [(100, 0.55, 55), (10, 0.7, 7), (200, 0.9, 180), (7, 0.5, 4), (20, 0.95, 19), (30, 1.0, 30), (3, 0.1, 1)],
)
def test_point_need(n: int, bar: float, need: int) -> None:
    """The point rule needs ceil(bar n) passes; a score equal to the bar reaches it though floats say otherwise."""
    assert point_plan(n, bar).need == need


@settings(max_examples=60, deadline=None)
@given(data=st.data(), n=st.integers(1, 60), bar=st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_point_plan_stops_exactly_when_the_answer_is_certain(data: st.DataObject, n: int, bar: float) -> None:
    """Curtailment: at each look the point plan stops if and only if all futures agree on the answer."""
    made, t = point_plan(n, bar), data.draw(st.integers(0, n))
    s = data.draw(st.integers(0, t))
    assert (s >= made.up[t]) == (s >= made.need)
    assert (s <= made.low[t]) == (s + n - t < made.need)


def test_point_good_enough() -> None:
    """The point rule, too, says which accuracy passes it nine times in ten."""
    made = point_plan(200, 0.9)
    assert stats.binom.sf(179, 200, made.good_enough) == pytest.approx(0.9)
    assert pass_probability(made, 0.9)[0] == pytest.approx(stats.binom.sf(179, 200, 0.9))


def test_margin_good_enough_against_every_run() -> None:
    """The accuracy at which a walk passes the proof at some look and the score at the end nine times in ten."""
    n, bar, proof_bar, alpha = 13, 0.8, 0.55, 0.1
    proof, need = plan(n, proof_bar, alpha), point_plan(n, bar).need
    p, passed = margin_good_enough(n, bar, proof_bar, alpha), 0.0
    assert p is not None
    for run in itertools.product((0, 1), repeat=n):
        proven = any(s >= proof.up[t] for t, s in enumerate(itertools.accumulate(run), 1))
        passed += (proven and sum(run) >= need) * p ** sum(run) * (1 - p) ** (n - sum(run))
    assert passed == pytest.approx(0.9, abs=1e-6)
    assert margin_good_enough(5, 0.9, 0.87, 0.05) is None


@pytest.mark.parametrize(("n", "bar", "alpha"), [(0, 0.9, 0.05), (10, 0.0, 0.05), (10, 1.1, 0.05), (10, 0.9, 0.0)])
def test_nonsense_is_refused(n: int, bar: float, alpha: float) -> None:
    """A test without cases, with a bar outside (0, 1] or a certain error is no test."""
    with pytest.raises(ValueError, match="a test needs"):
        plan(n, bar, alpha)


def test_cached_plans_cannot_be_edited() -> None:
    """A caller that writes into a plan's lines would change the verdicts of all later ones."""
    with pytest.raises(ValueError, match="read-only"):
        plan(50, 0.8, 0.05).up[3] = 0
    with pytest.raises(ValueError, match="read-only"):
        below_line(50, 0.8, 0.05)[3] = 0


# --- how many cases ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bar", "alpha", "cases"),
    [
        *(
            (0.8, 0.05, 14),
            (0.9, 0.05, 29),
            (0.95, 0.05, 59),
            (0.98, 0.05, 149),
            (0.99, 0.05, 299),
            (0.999, 0.05, 2995),
        ),
        *((0.8, 0.05 / 3, 19), (0.9, 0.05 / 3, 39), (0.95, 0.05 / 3, 80), (0.98, 0.05 / 3, 203), (0.99, 0.05 / 3, 408)),
        *((0.5, 0.125, 3), (1.0, 0.05, None)),
    ],
)
def test_least_cases(bar: float, alpha: float, cases: int | None) -> None:
    """A perfect score proves the bar from here on, and the plan agrees on both sides."""
    assert least_cases(bar, alpha) == cases
    if cases is not None:
        assert plan(cases, bar, alpha).decidable
        assert not plan(cases - 1, bar, alpha).decidable


@pytest.mark.parametrize(
    ("bar", "gain", "at_5", "split_3"),
    [
        (0.8, 0.03, 1055, 1515),
        (0.8, 0.05, 368, 531),
        (0.8, 0.08, 136, 198),
        (0.9, 0.03, 558, 809),
        (0.9, 0.04, 301, 440),
        (0.9, 0.05, 184, 271),
        (0.9, 0.08, 59, 90),
        (0.95, 0.03, 253, 376),
        (0.95, 0.04, 123, 188),
    ],
)
def test_needed_cases_are_near_the_textbook_formula(bar: float, gain: float, at_5: int, split_3: int) -> None:
    """Power comes back with every further failure allowed: the exact number is within four of these, or ENOUGH."""
    for alpha, formula in [(0.05, at_5), (0.05 / 3, split_3)]:
        off = max((ENOUGH - 1) * formula, 4 / (1 - bar))
        assert needed_cases(bar, bar + gain, alpha) == pytest.approx(formula, abs=off)


@pytest.mark.parametrize("bar", [0.02, 0.2, 0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("gain", [0.003, 0.01, 0.05, 0.2])
def test_needed_cases_are_looked_for_far_enough(bar: float, gain: float) -> None:
    """Three times as far there is no set size either at which the fixed test misses the power."""
    p, turn = min(bar + gain, 1.0), math.ceil(max(1 / bar, 1 / (1 - bar)))
    for alpha, power in itertools.product((0.5, 0.05, 0.002), (0.5, 0.8, 0.95)):
        n = needed_cases(bar, p, alpha, power)
        if 100 < n < 1000:  # neither the plan's answer nor the formula's
            beyond = np.arange(n, 3 * n + 60 * turn)
            assert (tails(least_passes(beyond, bar, alpha), beyond, p) >= power).all()


def power_of(n: int, bar: float, p: float, alpha: float) -> float:
    """P(pass) of the plan, if no run were given up."""
    return pass_probability(without_futility(plan(n, bar, alpha)), p)[0]


@pytest.mark.parametrize(
    ("bar", "p", "alpha", "power"),
    [
        (0.8, 0.95, 0.05 / 3, 0.8),
        (0.8, 0.95, 0.05 / 3, 0.9),
        (0.8, 0.995, 0.05 / 3, 0.9),
        (0.9, 0.97, 0.05, 0.8),
        (0.95, 0.99, 0.05, 0.8),
        (0.5, 0.7, 0.05, 0.9),
        (0.8, 1.0, 0.05, 0.8),
    ],
)
def test_needed_cases_are_the_first_from_which_power_stays(bar: float, p: float, alpha: float, power: float) -> None:
    """Sets of that many cases or more have the power; the one before, if small enough to be planned, has not."""
    n = needed_cases(bar, p, alpha, power)
    assert all(power_of(more, bar, p, alpha) >= power for more in range(n, n + 60))
    if n <= 100:
        assert n == least_cases(bar, alpha) or power_of(n - 1, bar, p, alpha) < power


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 3])
@pytest.mark.parametrize("bar", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("gain", [0.03, 0.04])
def test_needed_cases_are_enough(bar: float, gain: float, alpha: float) -> None:
    """Larger numbers of cases and some more have the power too, nearly so if hopeless runs are given up."""
    n = needed_cases(bar, bar + gain, alpha)
    for planned in (n, n + n // 50 + 1):
        assert power_of(planned, bar, bar + gain, alpha) >= 0.8
        assert pass_probability(plan(planned, bar, alpha), bar + gain)[0] >= 0.79


def test_needed_cases_where_the_truth_is_close_to_the_bar() -> None:
    """Beyond some thousand cases the formula answers: four times as many for half the distance."""
    near, far = needed_cases(0.9, 0.91, 0.05), needed_cases(0.9, 0.905, 0.05)
    assert far == pytest.approx(4 * near, rel=0.03)


@pytest.mark.parametrize(("bar", "p"), [(0.9, 0.9), (0.9, 0.5), (1.0, 1.0), (0.9, 1.1)])
def test_needed_cases_where_none_would_do(bar: float, p: float) -> None:
    """At or below the bar no number of cases proves it."""
    with pytest.raises(ValueError, match="no number of cases"):
        needed_cases(bar, p, 0.05)


def test_needed_cases_are_never_fewer_than_the_least() -> None:
    """For a flawless candidate the approximation would print a set size that cannot decide."""
    assert needed_cases(0.9, 1.0, 0.05) == 29


@pytest.mark.parametrize(
    ("n", "power", "accuracy"), [(24, 0.9, 0.9947), (24, 0.8, 0.9889), (58, 0.9, 0.9446), (60, 0.8, 0.9330)]
)
def test_provable_accuracy(n: int, power: float, accuracy: float) -> None:
    """24 cases prove a bar of 0.8 only for a model that is right 99.5 % of the time; exactly its power there."""
    found = provable_accuracy(n, 0.8, 0.05 / 3, power)
    assert found == pytest.approx(accuracy, abs=1e-4)
    assert found is not None
    assert power_of(n, 0.8, found, 0.05 / 3) == pytest.approx(power, abs=1e-5)


def test_provable_accuracy_is_that_of_the_plan() -> None:
    """At nine times in ten it is the plan's own figure; a set too small to decide proves nobody's."""
    made = plan(100, 0.9, 0.05)
    assert provable_accuracy(100, 0.9, 0.05, 0.9) == made.good_enough
    assert provable_accuracy(10, 0.9, 0.05, 0.9) is None
    assert without_futility(plan(10, 0.9, 0.05)) is plan(10, 0.9, 0.05)


@given(bars, alphas, st.integers(10, 120))
@settings(deadline=None, max_examples=30)
def test_what_is_provable_is_monotone(bar: float, alpha: float, n: int) -> None:
    """More power asks for a better model, and any that proves the bar is above it."""
    some, more = (provable_accuracy(n, bar, alpha, power) for power in (0.8, 0.9))
    if some is not None:
        assert more is not None
        assert bar < some <= more <= 1


# --- evidence at any stopping time ------------------------------------------------------------------------------------


def evidence_below(passes: int, cases: int, bar: float) -> float:
    """Give the evidence of one count."""
    return float(log_evidence_below(np.array([passes]), np.array([cases]), bar)[0])


@pytest.mark.parametrize(("passes", "cases", "bar"), [(3, 10, 0.9), (0, 4, 0.5), (10, 10, 0.8), (85, 100, 0.9)])
def test_log_evidence_below_against_the_integral(passes: int, cases: int, bar: float) -> None:
    """The closed form is the likelihood ratio averaged over all accuracies below the bar."""
    p = (np.arange(200_000) + 0.5) / 200_000 * bar
    ratio = (p / bar) ** passes * ((1 - p) / (1 - bar)) ** (cases - passes)
    assert evidence_below(passes, cases, bar) == pytest.approx(math.log(ratio.mean()), abs=1e-6)


def test_log_evidence_below_at_the_edges() -> None:
    """No case is no evidence; one failure refutes "always"; far above the bar there is none, and no warning."""
    assert evidence_below(0, 0, 0.9) == pytest.approx(0)
    assert evidence_below(4, 5, 1.0) == math.inf
    assert evidence_below(5, 5, 1.0) < 0
    assert evidence_below(100_000, 100_000, 0.5) < 0


@pytest.mark.parametrize(("bar", "alpha"), [(0.8, 0.05), (0.95, 0.01), (1.0, 0.05)])
def test_below_line_is_where_the_evidence_suffices(bar: float, alpha: float) -> None:
    """At each look the line is the most passes with enough evidence, found by trying all."""
    line = below_line(40, bar, alpha)
    for t in range(41):
        enough = [s for s in range(t + 1) if evidence_below(s, t, bar) >= -math.log(alpha)]
        assert line[t] == max(enough, default=-1)


def test_below_is_rarely_said_of_a_candidate_at_the_bar() -> None:
    """Exact: the chance that a candidate at the bar ever meets the line in 400 looks stays within alpha."""
    bar, alpha, n = 0.9, 0.05, 400
    line, alive, said = below_line(n, bar, alpha), np.zeros(n + 1), 0.0
    alive[0] = 1.0
    for t in range(1, n + 1):
        alive[1:] = alive[1:] * (1 - bar) + alive[:-1] * bar
        alive[0] *= 1 - bar
        said += alive[: line[t] + 1].sum()
        alive[: line[t] + 1] = 0.0
    assert 0.001 < said <= alpha


@settings(max_examples=100, deadline=None)
@given(data=st.data(), cases=st.integers(0, 3000), alpha=alphas)
def test_anytime_interval_ends_where_the_likelihood_does(data: st.DataObject, cases: int, alpha: float) -> None:
    """The ends solve Robbins' equation around the observed score; 0 and 1 stay where nothing speaks against them."""
    passes = data.draw(st.integers(0, cases))
    low, high = anytime_interval(passes, cases, alpha)
    assert 0 <= low <= (passes / cases if cases else 0.5) <= high <= 1
    assert (low == 0) == (passes == 0)
    assert (high == 1) == (passes == cases)
    mixture = stats.betabinom.logpmf(passes, cases, 1, 1)
    for end in (low, high):
        if 0 < end < 1:
            assert mixture - stats.binom.logpmf(passes, cases, end) == pytest.approx(-math.log(alpha), abs=1e-5)


def test_anytime_interval_holds_at_all_looks_at_once() -> None:
    """Exact: the chance that the true accuracy is ever outside within 100 looks stays within alpha."""
    p, alpha, n = 0.9, 0.05, 100
    alive, missed = np.zeros(n + 1), 0.0
    alive[0] = 1.0
    for t in range(1, n + 1):
        alive[1:] = alive[1:] * (1 - p) + alive[:-1] * p
        alive[0] *= 1 - p
        for s in range(t + 1):
            if alive[s] and not anytime_interval(s, t, alpha)[0] <= p <= anytime_interval(s, t, alpha)[1]:
                missed, alive[s] = missed + alive[s], 0.0
    assert 0.001 < missed <= alpha


# --- clusters and pairs -----------------------------------------------------------------------------------------------


def test_korn_graubard_by_hand() -> None:
    """Four clusters of five: design effect, degrees of freedom and Clopper-Pearson put together by hand."""
    p = 17 / 20
    design_effect = max(4 / 3 * sum((y - 5 * p) ** 2 for y in (5, 4, 5, 3)) / 400 / (p * (1 - p) / 20), 1)
    effective = 20 / design_effect * (stats.t.isf(0.05, 19) / stats.t.isf(0.05, 3)) ** 2
    expected = stats.beta.ppf(0.05, p * effective, effective - p * effective + 1)
    assert korn_graubard_lower([5, 4, 5, 3], [5] * 4, 0.05) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("passes", "sizes", "bound"),
    [([5] * 10, [5] * 10, 0.05**0.1), ([0, 0], [5, 5], 0.0), ([5], [5], 0.0), ([], [], 0.0)],
)
def test_korn_graubard_at_the_edges(passes: list[int], sizes: list[int], bound: float) -> None:
    """All passed: each cluster counts as one case; nothing passed or a single cluster: nothing is known."""
    assert korn_graubard_lower(passes, sizes, 0.05) == pytest.approx(bound)


def test_korn_graubard_never_exceeds_clopper_pearson() -> None:
    """Clusters can only take knowledge away; with one case each almost nothing is lost."""
    single = stats.binomtest(190, 200, alternative="greater").proportion_ci(0.95).low
    alone = korn_graubard_lower([1] * 190 + [0] * 10, [1] * 200, 0.05)
    alike = korn_graubard_lower([5] * 38 + [0] * 2, [5] * 40, 0.05)
    assert alike < alone <= single
    assert alone == pytest.approx(single, abs=1e-3)


@pytest.mark.parametrize(("broke", "fixed"), [(9, 2), (0, 3), (3, 0), (5, 5), (40, 20)])
def test_mcnemar_midp(broke: int, fixed: int) -> None:
    """The mid-p value is the upper binomial tail less half the probability of what was seen."""
    expected = stats.binom.sf(broke - 1, broke + fixed, 0.5) - 0.5 * stats.binom.pmf(broke, broke + fixed, 0.5)
    assert mcnemar_midp(broke, fixed) == pytest.approx(expected)


def test_mcnemar_midp_without_a_change() -> None:
    """Where no case changed there is nothing to see."""
    assert mcnemar_midp(0, 0) == 1.0
