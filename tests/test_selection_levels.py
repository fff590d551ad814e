"""The three levels: what is proven, what is provisional and at which risk, and that every outcome counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.evaluation.selection import Outcome, Question, Reorder, judge, rule_of
from routerctl.statistics import anytime_interval, korn_graubard_lower, plan
from routerctl.types import Judgement, Verdict

METHODS: Mapping[str, Mapping[str, Any]] = {
    "exact": {},
    "judged": {"trust": "judge"},
    "betting": {"method": "betting"},
    "mean score": {"method": "betting", "measure": "mean_score"},
    "weighted": {"method": "betting", "total_weight": 60.0, "max_weight": 2.0},
    "clusters": {"method": "clusters", "clusters": 20},
    "weighted clusters": {"method": "clusters", "clusters": 20, "total_weight": 60.0, "max_weight": 2.0},
    "grows": {"attempt": 2, "total_alpha": 0.0625, "alpha": 0.0125},
    "to be added to": {"n": 100, "available": 40},
    "mean to be added to": {"n": 100, "available": 40, "method": "betting"},
    "clusters to be added to": {"n": 100, "available": 40, "method": "clusters", "clusters": 20},
    "weighted, to be added to": {"n": 100, "available": 40, "method": "betting", "total_weight": 60.0, "max_weight": 2},
}
methods = st.sampled_from(sorted(METHODS))
modes = st.sampled_from([("proven", 0.0), ("margin", 0.05), ("point", 0.0)])
policies = st.sampled_from(["provisional", "top_rung"])
runs = st.lists(st.booleans(), min_size=40, max_size=40)


def asked(name: str = "exact", **more: Any) -> Question:
    """A question on 40 cases at a bar of 0.8."""
    return Question(**{"n": 40, "bar": 0.8, "alpha": 0.05, **METHODS[name], **more})


def outcomes_of(run: Sequence[float]) -> list[Outcome]:
    """Cases 0 and 1, 2 and 3, ... are a cluster and weigh 1 and 2."""
    return [
        Outcome(value=float(value), weight=1.0 + place % 2, cluster=f"k{place // 2}") for place, value in enumerate(run)
    ]


def counted(passes: int, cases: int, *, failures_first: bool = False, **question: Any) -> Judgement:
    """The judgement on so many passes, the failures last or first."""
    run = [True] * passes + [False] * (cases - passes)
    return judge(outcomes_of(run[::-1] if failures_first else run), Question(**question))


# --- provisional and its risk -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "bar", "at_the_bar"),
    [
        (24, 0.8, 20),
        (20, 0.9, 18),
        (10, 0.8, 8),
        (100, 0.55, 55),
        (40, 0.7, 28),
        (50, 0.98, 49),
        (3, 0.9, 3),
        (1, 1, 1),
    ],
)
def test_the_bar_is_compared_as_a_count(n: int, bar: float, at_the_bar: int) -> None:
    """A score exactly at the bar reaches it, whatever a product of floats is; one pass less does not."""
    question = {"n": n, "bar": bar, "alpha": 0.01}
    reached, missed = (counted(k, n, failures_first=True, **question) for k in (at_the_bar, at_the_bar - 1))
    assert (reached.verdict, missed.verdict.missed) == (Verdict.PROVISIONAL, True)
    assert reached.risk == pytest.approx(stats.binom.sf(at_the_bar - 1, n, bar))
    assert missed.risk is None


def test_one_wrong_of_24_is_provisional_at_its_risk() -> None:
    """23 of 24 at a bar of 0.8: a candidate at the bar does as well in 3.3 % of all cases, which three rungs forbid."""
    got = counted(23, 24, failures_first=True, n=24, bar=0.8, alpha=0.05 / 3)
    assert (got.verdict, got.passes, got.cases) == (Verdict.PROVISIONAL, 23, 24)
    assert got.risk == pytest.approx(0.0331, abs=0.0001)
    assert got.needed_cases is not None
    assert 24 < got.needed_cases < 100


@settings(max_examples=200, deadline=None)
@given(n=st.integers(1, 60), bar=st.sampled_from([0.5, 0.7, 0.8, 0.9, 0.95]), data=st.data())
def test_the_risk_is_the_level_that_proves(n: int, bar: float, data: st.DataObject) -> None:
    """A provisional candidate of a fixed test would be proven at its risk, and at no smaller level."""
    passes = data.draw(st.integers(0, n))
    got = counted(passes, n, failures_first=True, n=n, bar=bar, alpha=0.02)
    if got.verdict is not Verdict.PROVISIONAL:
        assert got.risk is None
        return
    assert got.risk is not None
    assert got.risk > got.alpha
    if got.risk < 0.9:
        assert plan(n, bar, min(got.risk + 1e-9, 0.99)).need <= passes < plan(n, bar, got.risk - 1e-9).need


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_kind_of_set_has_a_provisional_level(name: str) -> None:
    """A score at the bar that proves nothing: provisional, with a risk above alpha and cases that would prove it."""
    run = [place % 6 != 0 for place in range(40)]  # 33 of 40: 82.5 %, weighted 80.0 % or more
    question = asked(name)
    got = judge(outcomes_of(run), question)
    assert (got.verdict, got.cases) == (Verdict.PROVISIONAL, 40)
    assert got.risk is not None
    assert question.alpha < got.risk <= 1
    assert got.needed_cases is not None
    assert got.needed_cases > 40
    assert got.interval[0] < 0.8 < got.interval[1]
    assert got.trust == ("judge" if name == "judged" else "scorer")


@pytest.mark.parametrize("name", sorted(METHODS))
def test_the_better_the_score_the_smaller_the_risk(name: str) -> None:
    """From a score at the bar to one that is all but proven the risk falls, in every method."""
    risks = []
    for failures in (7, 5, 4):
        run = [True] * 40
        run[: 5 * failures : 5] = [False] * failures
        risks.append(judge(outcomes_of(run), asked(name)).risk)
    known = [risk for risk in risks if risk is not None]  # proven: none
    assert known == sorted(known, reverse=True)
    assert known[0] > known[-1]


@pytest.mark.parametrize("n", [3, 10, 17])
def test_the_risk_of_bets_on_a_set_too_small_to_win_on(n: int) -> None:
    """Perfect values that are too few to prove anything are not called as risky as can be: the wealth says how far."""
    got = judge([Outcome(value=1.0)] * n, Question(n=n, bar=0.8, alpha=0.05, method="betting"))
    assert got.verdict is Verdict.PROVISIONAL
    assert got.risk is not None
    assert 0.05 < got.risk < 0.7
    more = judge([Outcome(value=1.0)] * (n + 1), Question(n=n + 1, bar=0.8, alpha=0.05, method="betting"))
    assert more.risk is None or more.risk < got.risk


@pytest.mark.parametrize("weighted", [False, True])
def test_the_risk_of_clusters_is_the_level_of_the_bound(weighted: bool) -> None:
    """At the risk the Korn-Graubard bound reaches the bar, and just below it does not."""
    run = [place % 6 != 0 for place in range(40)]
    got = judge(outcomes_of(run), asked("weighted clusters" if weighted else "clusters"))
    weights = [1.0 + place % 2 if weighted else 1.0 for place in range(40)]
    sums = [weights[k] * run[k] + weights[k + 1] * run[k + 1] for k in range(0, 40, 2)]
    sizes = [weights[k] + weights[k + 1] for k in range(0, 40, 2)]
    kish = sum(weights) ** 2 / sum(weight**2 for weight in weights)
    assert got.risk is not None
    assert korn_graubard_lower(sums, sizes, got.risk + 1e-5, kish) >= 0.8
    assert korn_graubard_lower(sums, sizes, got.risk - 1e-5, kish) < 0.8


@pytest.mark.parametrize("name", sorted(METHODS))
def test_no_number_of_cases_is_said_only_below_the_bar(name: str) -> None:
    """Cases that would prove it are told as long as the interval reaches above the bar, and never beyond."""
    for failures in range(0, 41, 2):
        run = [place * failures % 40 >= failures for place in range(40)]
        got = judge(outcomes_of(run), asked(name))
        if got.verdict.proven:
            assert (got.needed_cases, got.hoped is None) == (None, False)
        else:
            assert (got.needed_cases is None) == (got.hoped is None) == (got.interval[1] <= 0.8)
            assert got.needed_cases is None or got.needed_cases >= (got.least_cases or 0)


def test_where_nothing_but_proof_counts_a_run_is_given_up() -> None:
    """`top_rung`: once a good enough candidate would hardly be proven any more, no further case is asked for."""
    run = outcomes_of([place % 6 != 5 for place in range(40)])
    patient, strict = rule_of(asked()), rule_of(asked(when_unproven="top_rung"))
    for outcome in run:
        patient.feed(outcome)
        strict.feed(outcome)
    assert patient.stopped_at == 40
    assert strict.stopped_at is not None
    assert strict.stopped_at < 40
    full, cut = judge(run, asked(when_unproven="top_rung")), judge(run[: strict.stopped_at], asked())
    assert (full.verdict, full.cases, full.stopped_at) == (Verdict.PROVISIONAL, 40, strict.stopped_at)
    assert cut.verdict is Verdict.NOT_PROVEN


# --- all outcomes count -----------------------------------------------------------------------------------------------


def test_an_import_with_8_of_10_says_8_of_10() -> None:
    """A test that would have ended after five cases hides none of the ten that are there."""
    got = counted(8, 10, n=10, bar=0.95, alpha=0.05)
    again = counted(8, 10, failures_first=True, n=10, bar=0.95, alpha=0.05)
    for one, stop in ((got, 9), (again, 1)):
        assert (one.passes, one.cases, one.score) == (8, 10, 0.8)
        assert (one.verdict.missed, one.stopped_at) == (True, stop)
        assert one.interval == anytime_interval(8, 10, 0.05)


def test_a_full_run_with_49_of_50_says_49_of_50() -> None:
    """The test had its proof before the last case; the one that failed later counts, and undoes no proof."""
    got = counted(49, 50, n=50, bar=0.8, alpha=0.05)
    assert (got.verdict, got.passes, got.cases) == (Verdict.PROVEN, 49, 50)
    assert got.stopped_at == 26
    assert got.interval == anytime_interval(49, 50, 0.05)


@pytest.mark.parametrize("changes", [{}, {"method": "betting", "measure": "mean_score"}])
def test_a_proof_that_all_outcomes_contradict_is_none(changes: dict[str, Any]) -> None:
    """Right 45 times, then never again, as when a provider breaks down: the first of the cases prove nothing."""
    question = Question(n=100, bar=0.8, alpha=0.05, **changes)
    first = judge([Outcome(value=1.0)] * 45, question)
    whole = judge([Outcome(value=float(k < 45)) for k in range(100)], question)
    beyond = judge([Outcome(value=1.0)] * 45, question, [Outcome(value=0.0)] * 55)
    assert (first.verdict, whole.verdict, beyond.verdict) == (Verdict.PROVEN, Verdict.BELOW, Verdict.BELOW)
    assert (whole.cases, whole.score) == (100, 0.45)


def test_a_proof_that_comes_after_the_end_is_one() -> None:
    """Given up early, then right all the time: the line is crossed later, which no futility binds."""
    run = [False] * 10 + [True] * 90
    question = Question(n=100, bar=0.8, alpha=0.05, when_unproven="top_rung")
    live = rule_of(question)
    while live.verdict is None:
        live.feed(Outcome(value=float(run[live.cases])))
    assert not live.standing.passes
    got = judge([Outcome(value=float(passed)) for passed in run], question)
    assert (got.verdict, got.stopped_at, got.passes) == (Verdict.PROVEN, 10, 90)


@settings(max_examples=200, deadline=None)
@given(run=runs, gone=st.sets(st.integers(0, 39), min_size=1), name=methods, mode_margin=modes)
def test_outcomes_beyond_a_gap_count_but_do_not_decide(
    run: list[bool], gone: set[int], name: str, mode_margin: tuple[str, float]
) -> None:
    """The verdict is that of the prefix; counts, score and interval are of everything that is there."""
    question = asked(name, mode=mode_margin[0], margin=mode_margin[1])
    outcomes, gap = outcomes_of(run), min(gone)
    beyond = [one for place, one in enumerate(outcomes) if place > gap and place not in gone]
    got, prefix = judge(outcomes[:gap], question, beyond), judge(outcomes[:gap], question)
    assert got.verdict is prefix.verdict
    assert (got.stopped_at or gap) == (prefix.stopped_at or gap)
    assert got.cases == gap + len(beyond) == 40 - len(gone)
    assert got.passes == sum(one.value for one in outcomes[:gap] + beyond)
    if name == "exact":
        assert got.interval == anytime_interval(got.passes, got.cases, 0.05)


@settings(max_examples=300, deadline=None)
@given(run=runs, name=methods, mode_margin=modes, policy=policies)
def test_a_full_run_proves_what_a_live_one_does_or_more(
    run: list[bool], name: str, mode_margin: tuple[str, float], policy: str
) -> None:
    """Whoever runs on after the end of the test loses no proof and no level by it."""
    question = asked(name, mode=mode_margin[0], margin=mode_margin[1], when_unproven=policy)
    outcomes, live = outcomes_of(run), rule_of(question)
    while live.verdict is None:
        live.feed(outcomes[live.cases])
    stopped, full = judge(outcomes[: live.cases], question), judge(outcomes, question)
    assert (stopped.verdict, stopped.cases, stopped.stopped_at) == (live.verdict, live.stopped_at, None)
    assert (full.stopped_at or full.cases) == live.stopped_at
    assert full.verdict.proven >= stopped.verdict.proven
    assert full.verdict.passes >= stopped.verdict.passes
    assert full.cases == 40


@settings(max_examples=200, deadline=None)
@given(run=runs, place=st.integers(0, 39), name=methods, mode_margin=modes)
def test_one_pass_more_never_lowers_the_level(
    run: list[bool], place: int, name: str, mode_margin: tuple[str, float]
) -> None:
    """A failure turned into a pass keeps what was reached; where counts decide, also what was proven."""
    question = asked(name, mode=mode_margin[0], margin=mode_margin[1])
    better = [passed or at == place for at, passed in enumerate(run)]
    one, two = judge(outcomes_of(run), question), judge(outcomes_of(better), question)
    assert two.passes >= one.passes
    assert (two.score or 0) >= (one.score or 0)
    if question.method == "exact":
        assert two.verdict.proven >= one.verdict.proven
        assert two.verdict.passes >= one.verdict.passes
        if one.risk is not None and two.risk is not None:
            assert two.risk <= one.risk
    else:
        assert two.verdict.passes or one.verdict is not Verdict.PROVISIONAL


@settings(max_examples=100, deadline=None)
@given(run=runs, order=st.permutations(range(40)), name=methods, policy=policies, workers=st.integers(1, 40))
def test_concurrency_changes_no_verdict(
    run: list[bool], order: list[int], name: str, policy: str, workers: int
) -> None:
    """Whatever landed beyond the end of a test with many workers: its end and its proof are those of one worker."""
    question, outcomes = asked(name, when_unproven=policy), outcomes_of(run)
    live = rule_of(question)
    reorder = Reorder(live, question.n)
    waiting, landed, following = list(range(workers)), dict[int, Outcome](), workers
    while live.verdict is None and waiting:
        first = min(waiting, key=order.index)
        waiting.remove(first)
        landed[first] = outcomes[first]
        reorder.put(first, outcomes[first])
        if following < 40:
            waiting.append(following)
            following += 1
    gap = next(place for place in range(41) if place not in landed)
    got = judge(outcomes[:gap], question, [landed[place] for place in sorted(landed) if place > gap])
    alone = rule_of(question)
    while alone.verdict is None:
        alone.feed(outcomes[alone.cases])
    assert (got.stopped_at or got.cases) == alone.stopped_at
    assert got.cases == len(landed)
    assert got.verdict.proven >= alone.standing.proven
    assert got.verdict.passes >= alone.standing.passes
    if question.method == "exact":
        assert got.verdict.proven == alone.standing.proven or policy == "top_rung"


def test_more_outcomes_than_there_are_cases_are_refused() -> None:
    """Also where the plan has room for cases that are not there yet."""
    with pytest.raises(ValueError, match="41 results for 40"):
        judge([Outcome(value=1.0)] * 41, asked("to be added to"))


# --- sets that are planned for ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clusters", "weighted", "weighted clusters"])
def test_a_planned_set_is_like_the_part_of_it_that_is_there(name: str) -> None:
    """The weights and clusters of cases to come are those of the cases that are there, many times over."""
    scale = {"available": 40, "n": 400}
    planned = asked(name, **scale)
    more = {key: value * 10 for key, value in METHODS[name].items() if key in ("clusters", "total_weight")}
    whole = Question(**{"n": 400, "bar": 0.8, "alpha": 0.05, **METHODS[name], **more})
    assert planned.mean_weight == whole.mean_weight
    one = judge(outcomes_of([True] * 40), planned)
    # Of a plan that goes on the last cluster is known to be whole once the next one has begun.
    two = judge(outcomes_of([True] * (41 if whole.method == "clusters" else 40)), whole)
    assert one.least_cases == two.least_cases
    assert one.interval == pytest.approx(two.interval)
    assert (one.verdict is Verdict.PROVISIONAL) or one.verdict is two.verdict


def test_provisional_on_the_cases_there_are() -> None:
    """A set that is planned larger has its score on the cases it has; the proof goes on with those to come."""
    run = outcomes_of([place % 8 != 0 for place in range(40)])
    got = judge(run, asked("to be added to"))
    assert (got.verdict, got.cases, got.n) == (Verdict.PROVISIONAL, 40, 100)
    assert judge(run[:39], asked("to be added to")).verdict is Verdict.NOT_PROVEN
    assert math.isclose(got.risk or 0, stats.binom.sf(34, 40, 0.8))
