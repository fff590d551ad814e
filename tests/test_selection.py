"""Case order, the test of one candidate, and what is said of it: pass/fail cases that weigh the same."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.evaluation.selection import (
    Outcome,
    Question,
    Reorder,
    alpha_per_candidate,
    judge,
    planned_order,
    rule_of,
    two_sentences,
    verdict_words,
)
from routerctl.statistics import (
    anytime_interval,
    below_line,
    hopeless,
    needed_cases,
    pass_probability,
    plan,
    point_plan,
    without_futility,
)
from routerctl.statistics.tails import Counts, tail
from routerctl.types import Case, Judgement, Mode, Verdict, WhenUnproven

runs = st.lists(st.booleans(), min_size=40, max_size=40)
modes = st.sampled_from([("proven", 0.0), ("margin", 0.05), ("point", 0.0)])
policies = st.sampled_from(["provisional", "top_rung"])


def _cases(count: int) -> list[Case]:
    return [Case(id=f"c{number}", input=number, expected=number) for number in range(count)]


def _draw(rng: np.random.Generator, n: int, p: float) -> list[bool]:
    drawn: list[bool] = (rng.random(n) < p).tolist()
    return drawn


def _outcome(passed: bool) -> Outcome:
    return Outcome(value=float(passed))


def _judge(run: Sequence[bool], question: Question) -> Judgement:
    return judge([_outcome(passed) for passed in run], question)


# --- order ------------------------------------------------------------------------------------------------------------


def test_planned_order_does_not_depend_on_the_file_order() -> None:
    """The order is one of seed and ids; another seed gives another order, and no case is lost."""
    given_order = _cases(50)
    ordered = planned_order(given_order, 7)
    assert ordered == planned_order(reversed(given_order), 7)
    assert ordered != planned_order(given_order, 8)
    assert ordered != tuple(given_order)
    assert sorted(case.id for case in ordered) == sorted(case.id for case in given_order)


def test_planned_order_is_pinned() -> None:
    """A lock file rests on this order: a change of it is a change of every verdict."""
    assert [case.id for case in planned_order(_cases(6), 0)] == ["c4", "c3", "c5", "c2", "c0", "c1"]


def test_planned_order_cut() -> None:
    """`max_cases` keeps the beginning; a new case moves none of the others past each other."""
    ordered = planned_order(_cases(30), 1)
    assert planned_order(_cases(30), 1, max_cases=10) == ordered[:10]
    assert tuple(case for case in planned_order(_cases(31), 1) if case.id != "c30") == ordered


@pytest.mark.parametrize(("risk", "length", "alpha"), [(0.05, 1, 0.05), (0.06, 3, 0.02), (0.2, 4, 0.05)])
def test_alpha_per_candidate(risk: float, length: int, alpha: float) -> None:
    """The risk of a class is split evenly."""
    assert alpha_per_candidate(risk, length) == pytest.approx(alpha)
    with pytest.raises(ValueError, match="at least one"):
        alpha_per_candidate(risk, 0)


# --- the test of one candidate ----------------------------------------------------------------------------------------


FAILING, MIXED = [False] * 200, [True, True, True, True, False] * 40


@pytest.mark.parametrize(
    ("mode", "run", "verdict", "seen", "given_up"),
    [
        ("proven", [True] * 200, Verdict.PROVEN, 54, (Verdict.PROVEN, 54)),
        ("proven", FAILING, Verdict.BELOW, 21, (Verdict.BELOW, 9)),
        ("proven", MIXED, Verdict.NOT_REACHED, 105, (Verdict.NOT_PROVEN, 50)),
        ("proven", ([True] * 11 + [False]) * 16 + [True] * 8, Verdict.PROVISIONAL, 200, (Verdict.NOT_PROVEN, 156)),
        ("proven", [False] * 20 + [True] * 180, Verdict.PROVISIONAL, 200, (Verdict.BELOW, 9)),
        ("proven", [True] * 50 + [False] * 21 + [True] * 129, Verdict.BELOW, 71, (Verdict.NOT_PROVEN, 60)),
        ("margin", [True] * 200, Verdict.WITHIN_MARGIN, 180, (Verdict.WITHIN_MARGIN, 180)),
        ("margin", FAILING, Verdict.BELOW, 21, (Verdict.BELOW, 11)),
        ("margin", [False] * 20 + [True] * 180, Verdict.PROVISIONAL, 200, (Verdict.BELOW, 11)),
        ("point", [True] * 200, Verdict.PROVISIONAL, 180, (Verdict.PROVISIONAL, 180)),
        ("point", FAILING, Verdict.NOT_REACHED, 21, (Verdict.NOT_REACHED, 21)),
        ("point", [False] * 20 + [True] * 180, Verdict.PROVISIONAL, 200, (Verdict.PROVISIONAL, 200)),
    ],
)
def test_verdicts(mode: Mode, run: list[bool], verdict: Verdict, seen: int, given_up: tuple[Verdict, int]) -> None:
    """What each mode says of clear runs on 200 cases at bar 0.9, alpha 0.05, and after how many cases.

    `given_up`: the same where nothing but proof counts.
    """
    by_policy: dict[WhenUnproven, tuple[Verdict, int]] = {"provisional": (verdict, seen), "top_rung": given_up}
    for policy, expected in by_policy.items():
        test = rule_of(Question(n=200, bar=0.9, alpha=0.05, mode=mode, margin=0.03, when_unproven=policy))
        for passed in run:
            if test.feed(_outcome(passed)) is not None:
                break
        assert (test.verdict, test.cases, test.passes) == (*expected, sum(run[: expected[1]]))
        assert test.stopped_at == expected[1]


@settings(max_examples=300, deadline=None)
@given(run=runs, mode_margin=modes, policy=policies)
def test_verdict_against_the_definition(run: list[bool], mode_margin: tuple[Mode, float], policy: WhenUnproven) -> None:
    """The walk agrees with reading the definition off the whole run: first looks at which each line is met."""
    (mode, margin), n, bar, alpha = mode_margin, 40, 0.8, 0.05
    proof, reach = plan(n, 0.75 if mode == "margin" else bar, alpha), point_plan(n, bar)
    counts = list(enumerate(itertools.accumulate(run), 1))

    def first(met: Callable[[int, int], bool]) -> float:
        return next((t for t, s in counts if met(t, s)), math.inf)

    proven = math.inf if mode == "point" else first(lambda t, s: s >= proof.up[t])
    reached, lost = first(lambda _, s: s >= reach.need), first(lambda t, s: s <= hopeless(reach)[t])
    futile = first(lambda t, s: s <= proof.low[t]) if policy == "top_rung" and mode != "point" else math.inf
    passed = {"proven": proven, "margin": max(proven, reached), "point": reached}[mode]
    stop = int(min(passed, lost, futile if futile < proven else math.inf, n))
    passing = {"proven": Verdict.PROVEN, "margin": Verdict.WITHIN_MARGIN, "point": Verdict.PROVISIONAL}[mode]

    def expected(cases: int) -> Verdict:
        if passed <= cases:
            return passing
        if reached <= cases == n:
            return Verdict.PROVISIONAL
        if mode != "point" and any(s <= below_line(n, bar, alpha)[t] for t, s in counts if t <= cases):
            return Verdict.BELOW
        return Verdict.NOT_REACHED if lost <= cases else Verdict.NOT_PROVEN

    question = Question(n=n, bar=bar, alpha=alpha, mode=mode, margin=margin, when_unproven=policy)
    live, full = _judge(run[:stop], question), _judge(run, question)
    assert (live.verdict, live.cases, live.stopped_at) == (expected(stop), stop, None)
    assert (full.verdict, full.cases, full.stopped_at) == (expected(n), n, stop if stop < n else None)


@settings(max_examples=100, deadline=None)
@given(run=runs)
def test_the_point_rule_is_the_score_and_the_margin_rule_implies_it(run: list[bool]) -> None:
    """Curtailment never changes the point rule's answer; what passes in mode margin is what reaches the bar."""
    n, bar, alpha = 40, 0.8, 0.05
    point = _judge(run, Question(n=n, bar=bar, alpha=alpha, mode="point"))
    margin = _judge(run, Question(n=n, bar=bar, alpha=alpha, mode="margin", margin=0.1))
    assert point.verdict.passes == (sum(run) >= 32)
    assert margin.verdict.passes == point.verdict.passes
    assert _judge(run, Question(n=n, bar=bar, alpha=alpha)).verdict.passes >= point.verdict.passes


@settings(max_examples=100, deadline=None)
@given(run=runs, mode_margin=modes, policy=policies)
def test_the_end_of_a_test_is_final_and_hides_nothing(
    run: list[bool], mode_margin: tuple[Mode, float], policy: WhenUnproven
) -> None:
    """Cases fed after the end do not move it; they count, and may prove more, never less."""
    mode, margin = mode_margin
    test = rule_of(Question(n=40, bar=0.8, alpha=0.05, mode=mode, margin=margin, when_unproven=policy))
    ended = None
    for place, passed in enumerate(run, 1):
        test.feed(_outcome(passed))
        assert (test.cases, test.passes) == (place, sum(run[:place]))
        if ended is None and test.verdict is not None:
            ended = (place, test.verdict)
    assert ended is not None
    assert test.verdict is not None
    assert test.stopped_at == ended[0]
    assert test.verdict.passes or not ended[1].passes
    assert test.verdict.proven >= ended[1].proven
    with pytest.raises(ValueError, match="one more outcome than the 40 cases"):
        test.feed(_outcome(passed=True))


@pytest.mark.parametrize("mode", ["proven", "margin"])
@pytest.mark.parametrize(("n", "bar", "least"), [(20, 0.9, 29), (500, 1.0, None)])
def test_undecidable_plans_run_nothing_where_nothing_but_proof_counts(
    mode: Mode, n: int, bar: float, least: int | None
) -> None:
    """Where even a perfect score could not pass, the verdict stands before the first case and says what it takes."""
    assert (
        rule_of(Question(n=n, bar=bar, alpha=0.05, mode=mode, when_unproven="top_rung")).verdict is Verdict.NOT_PROVEN
    )
    got = _judge([], Question(n=n, bar=bar, alpha=0.05, mode=mode, when_unproven="top_rung"))
    assert (got.verdict, got.cases, got.score, got.good_enough) == (Verdict.NOT_PROVEN, 0, None, None)
    assert (got.least_cases, got.needed_cases, got.interval) == (least, None, (0.0, 1.0))


@pytest.mark.parametrize("mode", ["proven", "margin"])
@pytest.mark.parametrize(("n", "bar", "allowed"), [(20, 0.9, 2), (500, 1.0, 0)])
def test_undecidable_plans_are_run_for_their_score(mode: Mode, n: int, bar: float, allowed: int) -> None:
    """A set too small to prove anything still tells whether the score reaches the bar, and how likely that is at it."""
    question = Question(n=n, bar=bar, alpha=0.05, mode=mode)
    assert rule_of(question).verdict is None
    for failed in range(allowed + 1):
        got = _judge([False] * failed + [True] * (n - failed), question)
        assert (got.verdict, got.cases, got.passes) == (Verdict.PROVISIONAL, n, n - failed)
        assert got.risk == tail(n - failed, n, bar) > 0.05
    missed = rule_of(question)
    for _ in range(allowed + 1):
        missed.feed(_outcome(passed=False))
    assert missed.verdict is not None
    assert (missed.verdict.missed, missed.stopped_at) == (True, allowed + 1)


@pytest.mark.parametrize(("n", "bar", "verdict"), [(20, 0.9, Verdict.PROVISIONAL), (500, 1.0, Verdict.BELOW)])
@pytest.mark.parametrize("policy", ["provisional", "top_rung"])
def test_what_was_run_on_an_undecidable_plan_is_counted(
    n: int, bar: float, verdict: Verdict, policy: WhenUnproven
) -> None:
    """A full run and imported outcomes are there all the same: what was seen is shown, and its score counts."""
    got = _judge([True] * (n - 1) + [False], Question(n=n, bar=bar, alpha=0.05, when_unproven=policy))
    assert (got.verdict, got.cases, got.passes) == (verdict, n, n - 1)
    assert got.interval == anytime_interval(n - 1, n, 0.05)
    assert (got.needed_cases is None) == (bar == 1)


def test_a_perfect_score_meets_a_bar_of_one() -> None:
    """The point rule may ask for all cases; the first failure answers it."""
    met = _judge([True] * 20, Question(n=20, bar=1.0, alpha=0.05, mode="point"))
    assert (met.verdict, met.risk) == (Verdict.PROVISIONAL, 1.0)
    missed = _judge([True, False], Question(n=20, bar=1.0, alpha=0.05, mode="point"))
    assert (missed.verdict, missed.cases) == (Verdict.NOT_REACHED, 2)


@pytest.mark.parametrize("margin", [-0.01, 0.9, 1.0])
def test_a_margin_that_leaves_no_bar_is_refused(margin: float) -> None:
    """What is left of the bar must be something to prove."""
    with pytest.raises(ValueError, match="margin must lie"):
        rule_of(Question(n=100, bar=0.9, alpha=0.05, mode="margin", margin=margin))


def _shares(n: int, bar: float, alpha: float, p: float, low: Counts) -> tuple[float, float, float]:
    """P(proven), P(provisional) and expected cases of a candidate, where a run also ends before n at the line `low`."""
    up, alive, proven, cases = plan(n, bar, alpha).up, np.array([1.0]), 0.0, 0.0
    down = [*low[:n], point_plan(n, bar).need - 1]
    for t in range(1, n + 1):
        cases += alive.sum()
        alive = np.append(alive * (1 - p), 0.0) + np.append(0.0, alive * p)
        proven += alive[up[t] :].sum()
        alive[up[t] :] = 0.0
        alive[: max(down[t] + 1, 0)] = 0.0
    return proven, alive.sum(), cases


@pytest.mark.parametrize("policy", ["provisional", "top_rung"])
@pytest.mark.parametrize(("n", "bar", "alpha", "p"), [(60, 0.8, 0.05, 0.8), (60, 0.8, 0.05, 0.9), (80, 0.9, 0.1, 0.95)])
def test_simulated_candidates_pass_as_often_as_computed(
    n: int, bar: float, alpha: float, p: float, policy: WhenUnproven
) -> None:
    """P(proven), P(provisional) and expected cases, computed exactly, met by runs through the test itself (3 SE)."""
    rng, trials = np.random.default_rng(11), 2000
    made, judged = plan(n, bar, alpha), []
    for _ in range(trials):
        test = rule_of(Question(n=n, bar=bar, alpha=alpha, mode="proven", when_unproven=policy))
        for passed in _draw(rng, n, p):
            if test.feed(_outcome(passed)) is not None:
                break
        judged.append((test.verdict, test.cases))
    low = made.low if policy == "top_rung" else hopeless(point_plan(n, bar))
    proven, provisional, expected = _shares(n, bar, alpha, p, low)
    assert proven == pytest.approx(pass_probability(made if policy == "top_rung" else without_futility(made), p)[0])
    for share, verdict in ((proven, Verdict.PROVEN), (provisional, Verdict.PROVISIONAL)):
        found = sum(one is verdict for one, _ in judged) / trials
        assert abs(found - share) <= 3 * math.sqrt(share * (1 - share) / trials)
    mean = sum(count for _, count in judged) / trials
    spread = math.sqrt(sum((count - mean) ** 2 for _, count in judged)) / trials
    assert abs(mean - expected) <= 3 * spread


# --- results out of order ---------------------------------------------------------------------------------------------


def _arrivals(run: list[bool], workers: int, rng: np.random.Generator, slow: float) -> list[int]:
    """Indices in order of completion; `workers` take cases in planned order, wrong ones take `slow` times as long."""
    busy: list[tuple[float, int]] = []
    now, order = 0.0, list[int]()
    for index, (passed, took) in enumerate(zip(run, rng.exponential(size=len(run)).tolist(), strict=True)):
        if len(busy) == workers:
            now, done = heapq.heappop(busy)
            order.append(done)
        heapq.heappush(busy, (now + took * (1 if passed else slow), index))
    order.extend(heapq.heappop(busy)[1] for _ in range(len(busy)))
    return order


@pytest.mark.parametrize("p", [0.9, 0.88])
def test_slow_wrong_answers_do_not_help(p: float) -> None:
    """With 32 workers every verdict is that of the sequential run; fed in order of arrival the promise breaks."""
    n, bar, alpha, trials, rng = 200, 0.9, 0.05, 1000, np.random.default_rng(5)
    in_plan = by_arrival = 0
    for _ in range(trials):
        run = _draw(rng, n, p)
        order = _arrivals(run, 32, rng, slow=3.0)
        test = rule_of(Question(n=n, bar=bar, alpha=alpha, mode="proven"))
        reorder = Reorder(test, n)
        for index in order:
            reorder.put(index, _outcome(run[index]))
        judged = _judge(run, Question(n=n, bar=bar, alpha=alpha, mode="proven"))
        assert test.verdict is not None
        assert (test.verdict, test.stopped_at) == (judged.verdict, judged.stopped_at or n)
        in_plan += test.verdict.proven
        by_arrival += _judge(
            [run[index] for index in order], Question(n=n, bar=bar, alpha=alpha, mode="proven")
        ).verdict.proven
    allowed = alpha + 3 * math.sqrt(alpha * (1 - alpha) / trials)
    assert in_plan / trials <= allowed
    assert by_arrival / trials > allowed


@settings(max_examples=100, deadline=None)
@given(run=runs, order=st.permutations(range(40)), mode_margin=modes)
def test_reorder_sees_only_the_planned_order(
    run: list[bool], order: list[int], mode_margin: tuple[Mode, float]
) -> None:
    """Whatever order results arrive in, after all of them the test stands where the sequential one stands."""
    mode, margin = mode_margin
    test = rule_of(Question(n=40, bar=0.8, alpha=0.05, mode=mode, margin=margin))
    reorder = Reorder(test, 40)
    for index in order:
        reorder.put(index, _outcome(run[index]))
    expected = _judge(run, Question(n=40, bar=0.8, alpha=0.05, mode=mode, margin=margin))
    assert (test.verdict, test.cases, test.passes) == (expected.verdict, expected.cases, expected.passes)
    assert test.stopped_at == (expected.stopped_at or 40)


def test_reorder_waits_for_the_gap() -> None:
    """A result that arrived before its predecessor is held back."""
    test = rule_of(Question(n=10, bar=0.5, alpha=0.2, mode="point"))
    reorder = Reorder(test, 10)
    for index in (1, 2, 3, 4, 5):
        assert reorder.put(index, _outcome(True)) is None
    assert test.cases == 0
    assert reorder.put(0, _outcome(True)) is Verdict.PROVISIONAL
    assert (test.cases, test.stopped_at) == (6, 5)


@pytest.mark.parametrize("index", [-1, 0, 2, 10])
def test_reorder_refuses_what_cannot_be(index: int) -> None:
    """An index outside the plan, one already counted and one already waiting are programming errors."""
    reorder = Reorder(rule_of(Question(n=10, bar=0.5, alpha=0.2, mode="point")), 10)
    reorder.put(0, _outcome(True))
    reorder.put(2, _outcome(True))
    with pytest.raises(ValueError, match="was not expected"):
        reorder.put(index, _outcome(True))


# --- judgements -------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(run=runs, mode_margin=modes, policy=policies, length=st.integers(0, 40))
def test_full_and_early_stopped_runs_agree(
    run: list[bool], mode_margin: tuple[Mode, float], policy: WhenUnproven, length: int
) -> None:
    """However many results there are beyond the end of the test, they say the same of it; all of them are counted."""
    mode, margin = mode_margin
    rule = Question(n=40, bar=0.8, alpha=0.05, mode=mode, margin=margin, when_unproven=policy)
    full = _judge(run, rule)
    stop = full.stopped_at or full.cases
    got = _judge(run[: max(length, stop)], rule)
    assert (got.stopped_at or got.cases) == stop
    assert (got.cases, got.passes) == (max(length, stop), sum(run[: max(length, stop)]))
    assert got.interval == anytime_interval(got.passes, got.cases, 0.05)
    assert full.verdict.proven >= got.verdict.proven
    if policy == "provisional":
        assert full.verdict.passes == got.verdict.passes


@pytest.mark.parametrize(
    ("mode", "run", "verdict"),
    [
        ("proven", [True] * 10, Verdict.NOT_PROVEN),
        ("proven", [], Verdict.NOT_PROVEN),
        ("margin", [True] * 10, Verdict.NOT_PROVEN),
        ("point", [True] * 10, Verdict.NOT_PROVEN),
    ],
)
def test_an_interrupted_run_has_not_passed(mode: Mode, run: list[bool], verdict: Verdict) -> None:
    """A prefix that ends before the rule stops is judged as far as it goes."""
    got = _judge(run, Question(n=200, bar=0.9, alpha=0.05, mode=mode, margin=0.03))
    assert (got.verdict, got.cases) == (verdict, len(run))


def test_more_results_than_cases_are_refused() -> None:
    """They cannot all be of this plan."""
    with pytest.raises(ValueError, match="11 results for 10"):
        _judge([True] * 11, Question(n=10, bar=0.8, alpha=0.05, mode="point"))


@pytest.mark.parametrize(
    ("mode", "margin", "passes", "seen", "needed"),
    [
        ("proven", 0.0, 38, 40, needed_cases(0.9, 0.95, 0.05)),
        ("proven", 0.0, 36, 40, needed_cases(0.9, 0.91, 0.05)),
        ("proven", 0.0, 35, 40, needed_cases(0.9, anytime_interval(35, 40, 0.05)[1], 0.05)),
        ("proven", 0.0, 25, 40, None),
        ("margin", 0.03, 38, 40, max(needed_cases(0.87, 0.95, 0.05), needed_cases(0.9, 0.95, 0.5))),
        ("margin", 0.03, 36, 40, needed_cases(0.9, 0.91, 0.5)),
        ("margin", 0.03, 35, 40, needed_cases(0.87, anytime_interval(35, 40, 0.05)[1], 0.05)),
        ("margin", 0.03, 25, 40, None),
    ],
)
def test_needed_cases(mode: Mode, margin: float, passes: int, seen: int, needed: int | None) -> None:
    """Enough cases if the truth is what was seen, at least a point above the bar; else if it is as good as it may be.

    No number of cases is enough only where the interval ends below the bar.
    """
    run = [True] * passes + [False] * (seen - passes)
    got = _judge(run, Question(n=200, bar=0.9, alpha=0.05, mode=mode, margin=margin))
    assert (got.passes, got.cases) == (passes, seen)
    assert got.needed_cases == needed
    assert (got.needed_cases is None) == (got.interval[1] < 0.9)


def test_margin_judgement_speaks_of_the_lower_bar() -> None:
    """With a margin the least set size is that of bar - margin, and good enough covers both of its rules."""
    got = _judge([], Question(n=200, bar=0.9, alpha=0.05, mode="margin", margin=0.03))
    assert (got.margin, got.least_cases) == (0.03, 22)
    proof, reach = plan(200, 0.87, 0.05).good_enough, point_plan(200, 0.9).good_enough
    assert got.good_enough is not None
    assert proof is not None
    assert reach is not None
    assert got.good_enough >= max(proof, reach)
    assert _judge([], Question(n=200, bar=0.9, alpha=0.05, mode="proven", margin=0.03)).margin == 0


# --- words ------------------------------------------------------------------------------------------------------------


def _judged(
    run: Sequence[bool], n: int = 200, bar: float = 0.9, mode: Mode = "proven", margin: float = 0.0
) -> Judgement:
    return _judge(run, Question(n=n, bar=bar, alpha=0.05 / 3, mode=mode, margin=margin))


@pytest.mark.parametrize(
    ("judgement", "said"),
    [
        (
            _judged([True] * 62),
            """Proven: 62 of 62 cases passed (200 planned); true accuracy is at least 90% at error probability 1.67%
            (interval 87.6% to 100.0%, which holds at any stopping time, so it is wider than the test).""",
        ),
        (
            _judged([True] * 200),
            """Proven: 200 of 200 cases passed (200 planned); true accuracy is at least 90% at error probability 1.67%
            (interval 95.4% to 100.0%). The test had ended after 62 cases.""",
        ),
        (
            _judged([True] * 180, mode="margin", margin=0.03),
            """Within the margin: 180 of 180 cases passed (200 planned), so the score reaches 90%; true accuracy is at
            least 87% at error probability 1.67% (interval 95.0% to 100.0%).""",
        ),
        (
            _judged([False] * 20 + [True] * 180, mode="margin", margin=0.03),
            """Provisional: 180 of 200 cases passed (200 planned), so the score reaches 90%; not proven: a candidate at
            87% would do as well with 12.2% probability, and proof takes 1.67% or less; if its accuracy is 91%, a
            point above the bar, 777 cases in all would prove it (power 80%).""",
        ),
        (
            _judged(([True] * 11 + [False]) * 16 + [True] * 8),
            """Provisional: 184 of 200 cases passed (200 planned), so the score reaches 90%; not proven: a candidate at
            90% would do as well with 20.7% probability, and proof takes 1.67% or less; if its accuracy is what was
            seen, 2104 cases in all would prove it (power 80%).""",
        ),
        (
            _judged([True] * 18, n=20, mode="point"),
            """Provisional: 18 of 18 cases passed (20 planned), so the score reaches 90%; not proven: a candidate at 90%
            would do as well with 15% probability, and proof takes 1.67% or less; if its accuracy is what was seen, 39
            cases in all would prove it (power 80%).""",
        ),
        (
            _judged([False] * 10, n=20, mode="point"),
            """Bar of 90% not reached: 0 of 10 cases passed (20 planned); true accuracy 0.0% to 47.8% at error
            probability 1.67%; its accuracy would have to change: no number of cases proves the bar otherwise. The test
            had ended after 3 cases.""",
        ),
        (
            _judged([False] * 10),
            """Below the bar: 0 of 10 cases passed (200 planned); true accuracy is below 90%, 0.0% to 47.8% at error
            probability 1.67%.""",
        ),
        (
            _judged([True] * 19 + [False]),
            """Not decided: 19 of 20 cases passed (200 planned); true accuracy 61.7% to 99.9% at error probability
            1.67%; if its accuracy is what was seen, 276 cases in all would prove it (power 80%).""",
        ),
        (
            _judged(MIXED[:105]),
            """Bar of 90% not reached: 84 of 105 cases passed (200 planned); the score misses it, the true accuracy
            may not: 64.0% to 91.3% at error probability 1.67%; if its accuracy is as high as 91.3%, the end of its
            interval, 4866 cases in all would prove it (power 80%).""",
        ),
        (
            _judged([True] * 8 + [False] * 2, mode="margin", margin=0.03),
            """Not decided: 8 of 10 cases passed (200 planned); true accuracy 30.2% to 99.4% at error probability 1.67%;
            if its accuracy is as high as 99.4%, the end of its interval, 30 cases in all would prove it (power
            80%).""",
        ),
        (
            _judged([True] * 20, n=20),
            """Provisional: 20 of 20 cases passed (20 planned), so the score reaches 90%; not proven: a candidate at 90%
            would do as well with 12.2% probability, and proof takes 1.67% or less; if its accuracy is what was seen, 39
            cases in all would prove it (power 80%).""",
        ),
        (
            _judged([True] * 20, n=20, bar=1.0),
            """Provisional: 20 of 20 cases passed (20 planned), so the score reaches 100%; 0 failures seen in 20: true
            failure rate at most 18.5% at error probability 1.67%.""",
        ),
        (_judged([]), "Not proven: no case has been looked at."),
        (
            _judged([], n=20),
            """Even 20 passes in 20 cases would not prove 90% at error probability 1.67%; it takes at least 39
            cases.""",
        ),
    ],
)
def test_verdict_words(judgement: Judgement, said: str) -> None:
    """One plain sentence per kind of verdict."""
    assert verdict_words(judgement) == " ".join(said.split())


PROMISE = """Cases run in a fixed random order; a candidate is PROVEN as soon as its count of passed cases reaches a
    line drawn beforehand, which a candidate with true accuracy below 90% would ever reach with at most 1.67%
    probability (the 5% risk of the class, divided by its 3 candidates)."""


@pytest.mark.parametrize(
    ("top_rung", "then"),
    [
        (
            False,
            """A candidate is PROVISIONAL when all cases were run and at least 90% of them passed; its risk is the
            probability that a candidate at exactly 90% does as well. It is DROPPED as soon as the cases left cannot
            bring it there.""",
        ),
        (
            True,
            """It is DROPPED as soon as even a candidate good enough to be proven 90% of the time (96.3%) would have
            less than a 5% chance of getting there: nothing but proof counts here, else the top rung serves.""",
        ),
    ],
)
def test_two_sentences(top_rung: bool, then: str) -> None:
    """The promise, filled in: bar, this candidate's error, where it comes from, and what becomes of the others."""
    said = two_sentences(_judged([]), mode="proven", risk=0.05, ladder_length=3, top_rung=top_rung)
    assert said == " ".join(f"{PROMISE} {then}".split())


@pytest.mark.parametrize(
    ("judgement", "mode", "length", "parts", "proof_only"),
    [
        (
            _judged([], mode="margin", margin=0.03),
            "margin",
            3,
            ["below 87%", "at least 90% of all 200 cases", "a candidate at exactly 87% does as well"],
            ["below 87%", "at least 90% of all 200 cases", "(94.3%)", "or its score cannot reach the bar any more"],
        ),
        (
            _judged([], mode="point"),
            "point",
            3,
            ["at least 90% of these 200 cases", "promises nothing about any others"],
            ["at least 90% of these 200 cases", "promises nothing about any others"],
        ),
        (
            _judged([], n=20),
            "proven",
            3,
            ["at least 39 cases", "PROVISIONAL when all cases were run and at least 90%"],
            ["at least 39 cases", "so the top rung serves, unproven"],
        ),
        (
            _judged([True] * 20, n=20),
            "proven",
            3,
            ["at least 39 cases", "PROVISIONAL when all cases were run"],
            ["at least 39 cases", "so the top rung serves, unproven"],
        ),
        (
            _judged([], bar=1.0),
            "proven",
            3,
            ["No number of cases proves a bar of 100%", "at least 100% of them passed"],
            ["No number of cases proves a bar of 100%", "so the top rung serves, unproven"],
        ),
        (
            _judged([], bar=0.985, n=600),
            "proven",
            1,
            ["below 98.5%", "the 5% risk of the class, which has one candidate"],
            ["below 98.5%", "the 5% risk of the class, which has one candidate"],
        ),
    ],
)
def test_two_sentences_of_other_modes(
    judgement: Judgement, mode: Mode, length: int, parts: list[str], proof_only: list[str]
) -> None:
    """Each mode makes its own promise, and a set too small makes none; `proof_only`: where nothing but proof counts."""
    for top_rung, expected in ((False, parts), (True, proof_only)):
        said = two_sentences(judgement, mode=mode, risk=0.05, ladder_length=length, top_rung=top_rung)
        for part in expected:
            assert part in said


def test_words_never_round_to_certainty() -> None:
    """99.99 % is not called 100 %."""
    said = verdict_words(_judge([True] * 9999 + [False], Question(n=10_000, bar=0.9995, alpha=0.05, mode="point")))
    assert "99.95%" in said
    assert " 100.0%)" in verdict_words(_judged([True] * 200))
