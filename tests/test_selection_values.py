"""The tests of values, weights and clusters: what they promise, when they end, and what they have in common."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from routerctl.evaluation.selection import Outcome, Question, Reorder, judge, rule_of
from routerctl.statistics import betting_least_cases, korn_graubard_lower
from routerctl.types import Method, Mode, Verdict, WhenUnproven

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator], Values]  # the values of one run

QUESTION = Question(n=40, bar=0.8, alpha=0.05)
BETS = replace(QUESTION, method="betting")
WEIGHTED = replace(BETS, total_weight=60.0, max_weight=2.0)  # 20 cases of weight 1, 20 of weight 2
CLUSTERS = replace(QUESTION, method="clusters", clusters=20)
QUESTIONS = {
    "exact": QUESTION,
    "betting": BETS,
    "clusters": CLUSTERS,
    "weighted": WEIGHTED,
    "weighted clusters": replace(CLUSTERS, total_weight=60.0, max_weight=2.0),
}

values = st.lists(st.sampled_from([0.0, 0.4, 0.6, 0.8, 1.0]), min_size=40, max_size=40)
modes = st.sampled_from([("proven", 0.0), ("margin", 0.05), ("point", 0.0)])
methods = st.sampled_from(list(QUESTIONS))
policies = st.sampled_from(["provisional", "top_rung"])


def _question(
    method: str, mode: Mode = "proven", margin: float = 0.0, policy: WhenUnproven = "provisional"
) -> Question:
    return replace(QUESTIONS[method], mode=mode, margin=margin, when_unproven=policy)


def _outcomes(run: list[float], method: str) -> list[Outcome]:
    if method == "exact":
        run = [float(value > 0.5) for value in run]
    # cases 0 and 1, 2 and 3, ... are a cluster and weigh 1 and 2
    return [Outcome(value=value, weight=1.0 + place % 2, cluster=f"k{place // 2}") for place, value in enumerate(run)]


def _proven(draw: Draw, question: Question, trials: int, seed: int, size: int = 0) -> tuple[float, float]:
    """The share of runs that are proven, and the mean number of cases that a run takes."""
    rng, proven, cases = np.random.default_rng(seed), 0, 0
    for _ in range(trials):
        rule = rule_of(question)
        for place, value in enumerate(draw(rng).tolist()):
            if rule.feed(Outcome(value=value, cluster=f"{place // size}" if size else None)) is not None:
                break
        proven += rule.standing.proven
        cases += rule.cases
    return proven / trials, cases / trials


# --- every method -----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(run=values, method=methods, mode_margin=modes, policy=policies, length=st.integers(0, 40))
def test_full_and_early_stopped_runs_agree(
    run: list[float], method: str, mode_margin: tuple[Mode, float], policy: WhenUnproven, length: int
) -> None:
    """A rule stops at its last case at the latest; what is there beyond counts, and says the same of the test."""
    question, outcomes = _question(method, *mode_margin, policy), _outcomes(run, method)
    full = judge(outcomes, question)
    stop = full.stopped_at or full.cases
    got = judge(outcomes[: max(length, stop)], question)
    assert (got.stopped_at or got.cases) == stop
    rule = rule_of(question)
    for outcome in outcomes:
        rule.feed(outcome)
    assert (rule.stopped_at, rule.cases, rule.passes) == (stop, full.cases, full.passes)
    assert (full.cases, full.passes) == (40, sum(outcome.value > 0.5 for outcome in outcomes))
    if policy == "provisional":
        assert rule.verdict is full.verdict


@settings(max_examples=60, deadline=None)
@given(run=values, method=methods, mode_margin=modes, policy=policies, order=st.permutations(range(40)))
def test_reorder_sees_only_the_planned_order(
    run: list[float], method: str, mode_margin: tuple[Mode, float], policy: WhenUnproven, order: list[int]
) -> None:
    """Whatever order outcomes arrive in, the rule ends where the one fed in planned order ends."""
    question, outcomes = _question(method, *mode_margin, policy), _outcomes(run, method)
    rule = rule_of(question)
    reorder = Reorder(rule, 40)
    for index in order:
        reorder.put(index, outcomes[index])
    alone = rule_of(question)
    for outcome in outcomes:
        alone.feed(outcome)
    assert (rule.verdict, rule.cases, rule.passes) == (alone.verdict, alone.cases, alone.passes)
    assert rule.stopped_at == alone.stopped_at


@settings(max_examples=200, deadline=None)
@given(
    run=values,
    tail=st.sampled_from([None, 0.0, 0.4, 0.6, 1.0]),
    cut=st.integers(0, 40),
    method=methods,
    asked=st.tuples(modes, policies),
)
def test_surely_needed_is_a_lower_bound(
    run: list[float], tail: float | None, cut: int, method: str, asked: tuple[tuple[Mode, float], WhenUnproven]
) -> None:
    """No run, not even one of the same value over and over, is decided sooner than is said to be needed at least."""
    run = run[:cut] + (run[cut:] if tail is None else [tail] * (40 - cut))
    rule, promised = rule_of(_question(method, *asked[0], asked[1])), 0
    for place, outcome in enumerate(_outcomes(run, method)):
        if rule.verdict is not None:
            break
        needed = rule.surely_needed()
        assert 1 <= needed <= 40 - place
        promised = max(promised, place + needed)
        rule.feed(outcome)
    assert rule.stopped_at == rule.cases >= promised
    assert rule.surely_needed() == 0


@settings(max_examples=100, deadline=None)
@given(run=st.lists(st.booleans(), max_size=39), mode_margin=modes, policy=policies)
def test_surely_needed_is_exact_for_counts(
    run: list[bool], mode_margin: tuple[Mode, float], policy: WhenUnproven
) -> None:
    """With 0/1 cases, passing or failing all of so many further cases decides, and no shorter run does."""
    question = _question("exact", *mode_margin, policy)
    rule = rule_of(question)
    for passed in run:
        rule.feed(Outcome(value=float(passed)))
    needed = rule.surely_needed()
    if rule.verdict is not None:
        assert needed == 0
        return
    decided = []
    for value in (0.0, 1.0):
        again = rule_of(question)
        for outcome in [Outcome(value=float(passed)) for passed in run] + [Outcome(value=value)] * needed:
            again.feed(outcome)
        decided.append(again.stopped_at == len(run) + needed)
    assert any(decided)


@pytest.mark.parametrize(
    ("question", "outcome", "problem"),
    [
        (QUESTION, Outcome(value=0.5), "takes 0 and 1"),
        (BETS, Outcome(value=1.5), r"lies in \[0, 1\]"),
        (WEIGHTED, Outcome(value=1.0, weight=3.0), "was not planned"),
        (CLUSTERS, Outcome(value=math.nan), r"lies in \[0, 1\]"),
    ],
)
def test_outcomes_that_were_not_announced_are_refused(question: Question, outcome: Outcome, problem: str) -> None:
    """A value or a weight that the question excludes would break what the rule promises."""
    rule = rule_of(question)
    with pytest.raises(ValueError, match=problem):
        rule.feed(outcome)


@pytest.mark.parametrize("method", ["exact", "betting", "clusters"])
@pytest.mark.parametrize("mode", ["proven", "margin", "point"])
@pytest.mark.parametrize("wrong", [{"n": 0}, {"bar": 1.5}, {"alpha": 0.0}, {"total_weight": 100.0}])
def test_questions_that_cannot_be_asked_are_refused(method: Method, mode: Mode, wrong: dict[str, Any]) -> None:
    """No cases, a bar above 1, no error probability, more weight than the cases can have."""
    with pytest.raises(ValueError, match=r"a test needs|cannot weigh"):
        rule_of(replace(QUESTION, mode=mode, method=method, **wrong))


@pytest.mark.parametrize("method", ["betting", "clusters"])
def test_a_prefix_of_a_set_that_is_not_complete_yet(method: Method) -> None:
    """max_cases declared: with 40 of 100 planned cases there, nothing is proven yet, and nothing is given up."""
    question = Question(n=100, bar=0.8, alpha=0.05, method=method, clusters=50 if method == "clusters" else 0)
    got = judge([Outcome(value=0.82, cluster=f"k{place // 2}") for place in range(40)], question)
    assert (got.verdict, got.cases, got.n) == (Verdict.NOT_PROVEN, 40, 100)


# --- bets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (1.0, Verdict.PROVEN),
        (0.0, Verdict.BELOW),
        (0.4, Verdict.BELOW),
        (0.799, Verdict.NOT_REACHED),
        (0.8, Verdict.PROVISIONAL),
    ],
)
def test_bets_on_clear_runs(value: float, verdict: Verdict) -> None:
    """Perfect values prove, hopeless ones are seen to be below, those at the bar reach it, which is no proof."""
    got = judge([Outcome(value=value)] * 200, Question(n=200, bar=0.8, alpha=0.05, method="betting"))
    assert got.verdict is verdict
    assert (got.risk is not None) == (verdict is Verdict.PROVISIONAL)
    assert got.mean == pytest.approx(value)
    assert got.interval[0] <= value <= got.interval[1]


@pytest.mark.parametrize(("draw", "power"), [("coins", 0.61), ("epochs", 0.90), ("graded", 1.0)])
def test_bets_keep_their_promise_and_their_power(draw: str, power: float) -> None:
    """At the bar at most alpha passes (3 standard errors); .05 above it about as many as another program computed."""
    draws = {
        "coins": lambda p: lambda rng: (rng.random(200) < p).astype(float),
        "epochs": lambda p: lambda rng: rng.binomial(5, rng.beta(1.2 * p, 1.2 * (1 - p), 200)) / 5,
        "graded": lambda p: lambda rng: rng.beta(8 * p, 8 * (1 - p), 200),
    }
    trials = 400
    limits: dict[WhenUnproven, int] = {"top_rung": 150, "provisional": 165}
    for policy, most in limits.items():
        question = Question(n=200, bar=0.9, alpha=0.05, method="betting", when_unproven=policy)
        assert _proven(draws[draw](0.9), question, trials, 1)[0] <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)
        found, cases = _proven(draws[draw](0.95), question, trials, 2)
        assert abs(found - power) <= 3 * math.sqrt(0.25 / trials)
        assert cases < most


def test_epochs_counted_as_cases_break_the_promise() -> None:
    """40 cases x 5 epochs taken for 200 cases pass far too often at the bar; averaged within their case they do not."""

    def answers(rng: np.random.Generator) -> Values:
        return (rng.random((40, 5)) < rng.beta(0.9, 0.1, 40)[:, None]).astype(float)

    naive = _proven(lambda rng: rng.permutation(answers(rng).ravel()), Question(n=200, bar=0.9, alpha=0.05), 400, 3)[0]
    mean = Question(n=40, bar=0.9, alpha=0.05, method="betting", epochs=5)
    averaged = _proven(lambda rng: answers(rng).mean(axis=1), mean, 400, 3)[0]
    assert naive > 0.1
    assert averaged <= 0.05


def test_giving_up_costs_little_power() -> None:
    """Without the futility line hardly more runs of a candidate near its power of one half are proven."""
    rng, lost, trials = np.random.default_rng(4), 0, 300
    asked = replace(BETS, n=200)
    for _ in range(trials):
        run = (rng.random(200) < 0.86).astype(float).tolist()
        strict, patient = rule_of(replace(asked, when_unproven="top_rung")), rule_of(asked)
        for value in run:
            strict.feed(Outcome(value=value))
            patient.feed(Outcome(value=value))
        assert patient.standing.proven or not strict.standing.proven
        lost += patient.standing.proven and not strict.standing.proven
    assert lost / trials <= 0.02


def test_weights_count() -> None:
    """Failing the cases of weight 2 and passing those of weight 1 makes a mean of one third, not one half."""
    outcomes = _outcomes([1.0, 0.0] * 20, "weighted")
    for bar, verdict in ((0.34, Verdict.NOT_REACHED), (0.33, Verdict.PROVISIONAL)):
        assert judge(outcomes, replace(WEIGHTED, bar=bar, mode="point")).verdict is verdict
    equal = replace(BETS, bar=0.34, mode="point")
    assert judge(outcomes, equal).verdict is Verdict.PROVISIONAL


@pytest.mark.parametrize("scale", [0.01, 1.0, 3.0, 1e6])
@pytest.mark.parametrize("method", ["weighted", "weighted clusters"])
def test_the_unit_of_weights_plays_no_part(method: str, scale: float) -> None:
    """Weights are relative: in any unit they give the same judgement."""
    rng = np.random.default_rng(8)
    for p in (0.7, 0.9, 0.99):
        outcomes = _outcomes((rng.random(40) < p).astype(float).tolist(), method)
        question = _question(method)
        scaled = Question(
            n=40,
            bar=0.8,
            alpha=0.05,
            method=question.method,
            clusters=question.clusters,
            max_weight=2 * scale,
            total_weight=60 * scale,
        )
        other = [Outcome(value=one.value, weight=one.weight * scale, cluster=one.cluster) for one in outcomes]
        one, two = judge(outcomes, question), judge(other, scaled)
        assert (one.verdict, one.stopped_at, one.needed_cases) == (two.verdict, two.stopped_at, two.needed_cases)
        assert one.risk == (None if two.risk is None else pytest.approx(two.risk))
        assert one.interval == pytest.approx(two.interval)


@settings(max_examples=100, deadline=None)
@given(run=values)
def test_the_point_rule_for_values_is_their_mean(run: list[float]) -> None:
    """Stopping early never changes whether the mean over all cases reaches the bar; a tie reaches it."""
    for method in ("betting", "clusters", "weighted"):
        outcomes = _outcomes(run, method)
        weights = [one.weight if method == "weighted" else 1.0 for one in outcomes]
        mean = sum(w * one.value for w, one in zip(weights, outcomes, strict=True)) / sum(weights)
        assert judge(outcomes, _question(method, "point")).verdict.passes == (mean >= 0.8 - 1e-12)
        assert judge(outcomes, _question(method, "margin", 0.1)).verdict.passes == (mean >= 0.8 - 1e-12)


@pytest.mark.parametrize(("bar", "n"), [(0.8, 17), (0.9, 37), (1.0, 500)])
def test_too_small_sets_are_run_for_their_score_alone(bar: float, n: int) -> None:
    """Where perfect values could not prove, their mean is looked at, or none where nothing but proof counts."""
    least, question = betting_least_cases(bar, 0.05), Question(n=n, bar=bar, alpha=0.05, method="betting")
    strict = replace(question, when_unproven="top_rung")
    assert (rule_of(question).verdict, rule_of(strict).verdict) == (None, Verdict.NOT_PROVEN)
    for asked in (question, strict):
        got = judge([Outcome(value=1.0)] * n, asked)
        assert (got.verdict, got.cases, got.least_cases) == (Verdict.PROVISIONAL, n, least)
        assert got.stopped_at is None
        assert got.risk is not None
        assert got.risk > 0.05
    if least is not None:
        assert least == n + 1
        enough = judge([Outcome(value=1.0)] * least, Question(n=least, bar=bar, alpha=0.05, method="betting"))
        assert enough.verdict is Verdict.PROVEN


@pytest.mark.parametrize("mean", [0.95, 0.9, 0.88, 0.5])
def test_needed_cases_of_bets(mean: float) -> None:
    """Some number is enough for a mean at or above the bar, and as long as the truth may be; what varies needs more."""
    question = Question(n=100, bar=0.9, alpha=0.05, method="betting")

    def run(spread: float) -> list[Outcome]:
        return [Outcome(value=mean + spread * (-1) ** place) for place in range(20)]

    steady, wild = judge(run(0.0), question), judge(run(0.05), question)
    for got in (steady, wild):
        assert (got.needed_cases is not None) == (got.interval[1] > 0.9) == (mean > 0.5)
    least = betting_least_cases(0.9, 0.05)
    assert least is not None
    if mean > 0.5:
        assert steady.needed_cases is not None
        assert least <= steady.needed_cases
    if mean >= 0.9:
        assert steady.needed_cases is not None
        assert wild.needed_cases is not None
        assert steady.needed_cases < wild.needed_cases
    else:
        assert steady.hoped == (steady.interval[1] if mean > 0.5 else None)


# --- clusters ---------------------------------------------------------------------------------------------------------


def _clustered(p: float, icc: float, count: int = 40) -> Draw:
    def draw(rng: np.random.Generator) -> Values:
        rates = rng.beta(p * (1 / icc - 1), (1 - p) * (1 / icc - 1), count)
        return (rng.random((count, 5)) < rates[:, None]).astype(float).ravel()

    return draw


@pytest.mark.parametrize("icc", [0.1, 0.3, 0.5])
def test_clusters_keep_the_promise_that_counting_cases_breaks(icc: float) -> None:
    """40 clusters of 5 at the bar: at most about alpha passes; taken for independent, more than alpha does."""
    trials = 600
    question = Question(n=200, bar=0.9, alpha=0.05, method="clusters", clusters=40)
    found = _proven(_clustered(0.9, icc), question, trials, 5, size=5)[0]
    naive = _proven(_clustered(0.9, icc), Question(n=200, bar=0.9, alpha=0.05), trials, 5)[0]
    assert found <= 0.052 + 3 * math.sqrt(0.05 * 0.95 / trials)
    assert naive > found + 0.02


@settings(max_examples=60, deadline=None)
@given(
    run=st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0]), min_size=40, max_size=40), weighted=st.booleans()
)
def test_the_verdict_on_clusters_is_the_bound_over_all_cases(run: list[float], weighted: bool) -> None:
    """Stopping early never changes it: proven is exactly what the Korn-Graubard bound over all cases proves."""
    method = "weighted clusters" if weighted else "clusters"
    outcomes = _outcomes(run, method)
    weights = [one.weight if weighted else 1.0 for one in outcomes]
    pairs = [(weights[at], weights[at + 1], outcomes[at].value, outcomes[at + 1].value) for at in range(0, 40, 2)]
    sums, sizes = [a * x + b * y for a, b, x, y in pairs], [a + b for a, b, _, _ in pairs]
    kish = sum(weights) ** 2 / sum(w * w for w in weights)
    proven = korn_graubard_lower(sums, sizes, 0.05, kish) >= 0.8
    got = judge(outcomes, _question(method))
    assert got.verdict.proven == proven
    mean = sum(sums) / sum(sizes)
    assert got.verdict.passes == (proven or mean >= 0.8 - 1e-12)
    assert got.cases == 40
    assert got.stopped_at is None or not proven


def test_clusters_pass_only_at_the_end() -> None:
    """A perfect run is not stopped early; a hopeless one is, as soon as its mean cannot reach the bar.

    Where nothing but proof counts that is as soon as independent cases could not prove it.
    """
    # 32 of 40 are the bar, 37 a proof by independent cases
    stops: dict[WhenUnproven, int] = {"provisional": 9, "top_rung": 4}
    for policy, stop in stops.items():
        question = _question("clusters", policy=policy)
        perfect = judge(_outcomes([1.0] * 40, "clusters"), question)
        assert (perfect.verdict, perfect.cases, perfect.clusters) == (Verdict.PROVEN, 40, 20)
        assert perfect.stopped_at is None
        hopeless = judge(_outcomes([0.0] * 40, "clusters"), question)
        assert hopeless.stopped_at == stop
        assert (hopeless.verdict, hopeless.cases, hopeless.clusters) == (Verdict.BELOW, 40, 20)
        cut = judge(_outcomes([0.0] * 40, "clusters")[:stop], question)
        assert (cut.cases, cut.clusters) == (stop, (stop + 1) // 2)
        assert cut.verdict.missed == (policy == "provisional")


def test_clusters_seen_to_be_below() -> None:
    """Cluster after cluster of failures in the midst of passes shows a mean below the bar."""
    run = [0.0, 0.0, 1.0, 1.0] * 50
    outcomes = [Outcome(value=value, cluster=f"k{place // 2}") for place, value in enumerate(run)]
    got = judge(outcomes, Question(n=200, bar=0.9, alpha=0.05, method="clusters", clusters=100))
    assert got.verdict is Verdict.BELOW
    assert got.interval[1] < 0.9


def test_a_case_without_a_cluster_is_its_own() -> None:
    """Named and nameless cases are told apart; all nameless, every case is a cluster."""
    outcomes = [Outcome(value=1.0, cluster=None if place % 2 else "k") for place in range(40)]
    question = Question(n=40, bar=0.8, alpha=0.05, method="clusters", clusters=21)
    assert judge(outcomes, question).clusters == 21


def test_a_cluster_that_comes_apart_is_still_one() -> None:
    """Cases of one cluster that do not stand together count as one cluster all the same."""
    outcomes = [Outcome(value=1.0, cluster=f"k{place % 20}") for place in range(40)]
    assert judge(outcomes, Question(n=40, bar=0.8, alpha=0.05, method="clusters", clusters=20)).clusters == 20


@pytest.mark.parametrize(("clusters", "passes"), [(13, False), (14, True)])
def test_too_few_clusters_prove_nothing(clusters: int, passes: bool) -> None:
    """A perfect score counts each cluster as one case: 14 of them prove .8 as 14 cases do, 13 cannot."""
    outcomes = [Outcome(value=1.0, cluster=f"k{place // 3}") for place in range(3 * clusters)]
    question = Question(n=3 * clusters, bar=0.8, alpha=0.05, method="clusters", clusters=clusters)
    got = judge(outcomes, question)
    assert (got.cases, got.least_cases) == (3 * clusters, 42)
    assert got.verdict is (Verdict.PROVEN if passes else Verdict.PROVISIONAL)
    assert rule_of(question).verdict is None
    assert (rule_of(replace(question, when_unproven="top_rung")).verdict is None) == passes


def test_needed_cases_of_clusters() -> None:
    """Cases that resemble each other tell less: the same score takes more of them than independent ones."""
    alike = [Outcome(value=float(place // 5 % 10 > 0), cluster=f"k{place // 5}") for place in range(200)]
    mixed = [Outcome(value=float(place % 10 > 0), cluster=f"k{place // 5}") for place in range(200)]
    question = Question(n=200, bar=0.87, alpha=0.05, method="clusters", clusters=40)
    more, fewer = judge(alike, question).needed_cases, judge(mixed, question).needed_cases
    assert more is not None
    assert fewer is not None
    assert more > 3 * fewer
