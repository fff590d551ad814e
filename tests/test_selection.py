import heapq
import itertools
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.selection import (
    Outcome,
    Question,
    Reorder,
    alpha_per_candidate,
    choose,
    judge,
    planned_order,
    rule_of,
    two_sentences,
    verdict_words,
)
from routerctl.statistics import anytime_interval, below_line, needed_cases, pass_probability, plan, point_plan
from routerctl.types import Case, Evidence, Judgement, Verdict

runs = st.lists(st.booleans(), min_size=40, max_size=40)
modes = st.sampled_from([("proven", 0.0), ("margin", 0.05), ("point", 0.0)])


def _cases(count):
    return [Case(id=f"c{number}", input=number, expected=number) for number in range(count)]


def _draw(rng, n, p):
    return (rng.random(n) < p).tolist()


def _outcome(passed):
    return Outcome(value=float(passed))


def _test(**question):
    return rule_of(Question(**question))


def _judge(run, **question):
    return judge([_outcome(passed) for passed in run], Question(**question))


# --- order ------------------------------------------------------------------------------------------------------------


def test_planned_order_does_not_depend_on_the_file_order():
    """The order is one of seed and ids; another seed gives another order, and no case is lost."""
    given_order = _cases(50)
    ordered = planned_order(given_order, 7)
    assert ordered == planned_order(reversed(given_order), 7)
    assert ordered != planned_order(given_order, 8)
    assert ordered != tuple(given_order)
    assert sorted(case.id for case in ordered) == sorted(case.id for case in given_order)


def test_planned_order_is_pinned():
    """A lock file rests on this order: a change of it is a change of every verdict."""
    assert [case.id for case in planned_order(_cases(6), 0)] == ["c4", "c3", "c5", "c2", "c0", "c1"]


def test_planned_order_cut():
    """`max_cases` keeps the beginning; a new case moves none of the others past each other."""
    ordered = planned_order(_cases(30), 1)
    assert planned_order(_cases(30), 1, max_cases=10) == ordered[:10]
    assert tuple(case for case in planned_order(_cases(31), 1) if case.id != "c30") == ordered


@pytest.mark.parametrize(("risk", "length", "alpha"), [(0.05, 1, 0.05), (0.06, 3, 0.02), (0.2, 4, 0.05)])
def test_alpha_per_candidate(risk, length, alpha):
    """The risk of a class is split evenly."""
    assert alpha_per_candidate(risk, length) == pytest.approx(alpha)
    with pytest.raises(ValueError, match="at least one"):
        alpha_per_candidate(risk, 0)


# --- the test of one candidate ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "margin", "run", "verdict", "seen"),
    [
        ("proven", 0.0, [True] * 200, Verdict.PROVEN, 54),
        ("proven", 0.0, [False] * 200, Verdict.BELOW, 9),
        ("proven", 0.0, [True, True, True, True, False] * 40, Verdict.NOT_PROVEN, 50),
        ("margin", 0.03, [True] * 200, Verdict.WITHIN_MARGIN, 180),
        ("margin", 0.03, [False] * 200, Verdict.BELOW, 11),
        ("point", 0.0, [True] * 200, Verdict.MET, 180),
        ("point", 0.0, [False] * 200, Verdict.NOT_MET, 21),
        ("point", 0.0, [False] * 20 + [True] * 180, Verdict.MET, 200),
    ],
)
def test_verdicts(mode, margin, run, verdict, seen):
    """What each mode says of clear runs on 200 cases at bar 0.9, alpha 0.05, and after how many cases."""
    test = _test(n=200, bar=0.9, alpha=0.05, mode=mode, margin=margin)
    for passed in run:
        if test.feed(_outcome(passed)) is not None:
            break
    assert (test.verdict, test.cases, test.passes) == (verdict, seen, sum(run[:seen]))


@settings(max_examples=200, deadline=None)
@given(run=runs, mode_margin=modes)
def test_verdict_against_the_definition(run, mode_margin):
    """The walk agrees with reading the definition off the whole run: first look at which a line is met."""
    mode, margin = mode_margin
    n, bar, alpha = 40, 0.8, 0.05
    lines = {"proven": [plan(n, bar, alpha)], "point": [point_plan(n, bar)]}
    lines["margin"] = [plan(n, 0.75, alpha), point_plan(n, bar)]
    counts = list(enumerate(itertools.accumulate(run), 1))
    up = [next((t for t, s in counts if s >= made.up[t]), math.inf) for made in lines[mode]]
    low = [next((t for t, s in counts if s <= made.low[t]), math.inf) for made in lines[mode]]
    failed = min((fell for fell, rose in zip(low, up, strict=True) if fell < rose), default=math.inf)
    stop = min(failed, max(up))
    said_below = any(s <= below_line(n, bar, alpha)[t] for t, s in counts if t <= stop)
    failing = Verdict.NOT_MET if mode == "point" else Verdict.BELOW if said_below else Verdict.NOT_PROVEN
    passing = {"proven": Verdict.PROVEN, "margin": Verdict.WITHIN_MARGIN, "point": Verdict.MET}[mode]
    got = _judge(run, n=n, bar=bar, alpha=alpha, mode=mode, margin=margin)
    assert (got.verdict, got.cases) == (passing if max(up) < failed else failing, stop)


@settings(max_examples=100, deadline=None)
@given(run=runs)
def test_the_point_rule_is_the_score_and_the_margin_rule_implies_it(run):
    """Curtailment never changes the point rule's answer; what passes within the margin reaches the bar."""
    n, bar, alpha = 40, 0.8, 0.05
    point = _judge(run, n=n, bar=bar, alpha=alpha, mode="point")
    margin = _judge(run, n=n, bar=bar, alpha=alpha, mode="margin", margin=0.1)
    assert point.verdict.passes == (sum(run) >= 32)
    assert point.verdict.passes or not margin.verdict.passes


@settings(max_examples=100, deadline=None)
@given(run=runs, mode_margin=modes, more=st.lists(st.booleans(), max_size=20))
def test_a_verdict_is_final(run, mode_margin, more):
    """Cases fed after the verdict change neither it nor the counts."""
    mode, margin = mode_margin
    test = _test(n=40, bar=0.8, alpha=0.05, mode=mode, margin=margin)
    for passed in run:
        test.feed(_outcome(passed))
    before = (test.verdict, test.cases, test.passes)
    assert before[0] is not None
    for passed in more:
        assert test.feed(_outcome(passed)) is before[0]
    assert (test.verdict, test.cases, test.passes) == before


@pytest.mark.parametrize("mode", ["proven", "margin"])
@pytest.mark.parametrize(("n", "bar", "least"), [(20, 0.9, 29), (500, 1.0, None)])
def test_undecidable_plans_run_nothing(mode, n, bar, least):
    """Where even a perfect score could not pass, the verdict stands before the first case and says what it takes."""
    assert _test(n=n, bar=bar, alpha=0.05, mode=mode).verdict is Verdict.NOT_PROVEN
    got = _judge([], n=n, bar=bar, alpha=0.05, mode=mode)
    assert (got.verdict, got.cases, got.score, got.good_enough) == (Verdict.NOT_PROVEN, 0, None, None)
    assert (got.least_cases, got.needed_cases, got.interval) == (least, None, (0.0, 1.0))


@pytest.mark.parametrize(("n", "bar"), [(20, 0.9), (500, 1.0)])
def test_what_was_run_on_an_undecidable_plan_is_counted(n, bar):
    """A full run and imported outcomes are there all the same: the verdict stays, and what was seen is shown."""
    got = _judge([True] * (n - 1) + [False], n=n, bar=bar, alpha=0.05)
    assert (got.verdict, got.cases, got.passes) == (Verdict.NOT_PROVEN, n, n - 1)
    assert got.interval == anytime_interval(n - 1, n, 0.05)
    assert (got.needed_cases is None) == (bar == 1)


def test_a_perfect_score_meets_a_bar_of_one():
    """The point rule may ask for all cases; the first failure answers it."""
    assert _judge([True] * 20, n=20, bar=1.0, alpha=0.05, mode="point").verdict is Verdict.MET
    missed = _judge([True, False], n=20, bar=1.0, alpha=0.05, mode="point")
    assert (missed.verdict, missed.cases) == (Verdict.NOT_MET, 2)


@pytest.mark.parametrize("margin", [-0.01, 0.9, 1.0])
def test_a_margin_that_leaves_no_bar_is_refused(margin):
    """What is left of the bar must be something to prove."""
    with pytest.raises(ValueError, match="margin must lie"):
        _test(n=100, bar=0.9, alpha=0.05, mode="margin", margin=margin)


@pytest.mark.parametrize(("n", "bar", "alpha", "p"), [(60, 0.8, 0.05, 0.8), (60, 0.8, 0.05, 0.9), (80, 0.9, 0.1, 0.95)])
def test_simulated_candidates_pass_as_often_as_computed(n, bar, alpha, p):
    """P(pass) and expected cases of the exact computation, met by runs through the test itself (3 standard errors)."""
    rng, trials = np.random.default_rng(11), 2000
    judged = []
    for _ in range(trials):
        test = _test(n=n, bar=bar, alpha=alpha, mode="proven")
        for passed in _draw(rng, n, p):
            if test.feed(_outcome(passed)) is not None:
                break
        judged.append((test.verdict.passes, test.cases))
    passed, expected = pass_probability(plan(n, bar, alpha), p)
    assert abs(sum(one for one, _ in judged) / trials - passed) <= 3 * math.sqrt(passed * (1 - passed) / trials)
    mean = sum(count for _, count in judged) / trials
    spread = math.sqrt(sum((count - mean) ** 2 for _, count in judged)) / trials
    assert abs(mean - expected) <= 3 * spread


# --- results out of order ---------------------------------------------------------------------------------------------


def _arrivals(run, workers, rng, slow):
    """Indices in order of completion; `workers` take cases in planned order, wrong ones take `slow` times as long."""
    busy, now, order = [], 0.0, []
    for index, (passed, took) in enumerate(zip(run, rng.exponential(size=len(run)).tolist(), strict=True)):
        if len(busy) == workers:
            now, done = heapq.heappop(busy)
            order.append(done)
        heapq.heappush(busy, (now + took * (1 if passed else slow), index))
    order.extend(heapq.heappop(busy)[1] for _ in range(len(busy)))
    return order


def _verdict_of(test, fed):
    return next((verdict for verdict in fed if verdict is not None), test.verdict)


@pytest.mark.parametrize("p", [0.9, 0.88])
def test_slow_wrong_answers_do_not_help(p):
    """With 32 workers every verdict is that of the sequential run; fed in order of arrival the promise breaks."""
    n, bar, alpha, trials, rng = 200, 0.9, 0.05, 1000, np.random.default_rng(5)
    in_plan = by_arrival = 0
    for _ in range(trials):
        run = _draw(rng, n, p)
        order = _arrivals(run, 32, rng, slow=3.0)
        test = _test(n=n, bar=bar, alpha=alpha, mode="proven")
        reorder = Reorder(test, n)
        verdict = _verdict_of(test, (reorder.put(index, _outcome(run[index])) for index in order))
        assert verdict is _judge(run, n=n, bar=bar, alpha=alpha, mode="proven").verdict
        in_plan += verdict.passes
        by_arrival += _judge([run[index] for index in order], n=n, bar=bar, alpha=alpha, mode="proven").verdict.passes
    allowed = alpha + 3 * math.sqrt(alpha * (1 - alpha) / trials)
    assert in_plan / trials <= allowed
    assert by_arrival / trials > allowed


@settings(max_examples=100, deadline=None)
@given(run=runs, order=st.permutations(range(40)), mode_margin=modes)
def test_reorder_sees_only_the_planned_order(run, order, mode_margin):
    """Whatever order results arrive in, after all of them the test stands where the sequential one stands."""
    mode, margin = mode_margin
    test = _test(n=40, bar=0.8, alpha=0.05, mode=mode, margin=margin)
    reorder = Reorder(test, 40)
    for index in order:
        reorder.put(index, _outcome(run[index]))
    expected = _judge(run, n=40, bar=0.8, alpha=0.05, mode=mode, margin=margin)
    assert (test.verdict, test.cases, test.passes) == (expected.verdict, expected.cases, expected.passes)


def test_reorder_waits_for_the_gap():
    """A result that arrived before its predecessor is held back."""
    test = _test(n=10, bar=0.5, alpha=0.2, mode="point")
    reorder = Reorder(test, 10)
    for index in (1, 2, 3, 4, 5):
        assert reorder.put(index, _outcome(True)) is None
    assert test.cases == 0
    assert reorder.put(0, _outcome(True)) is Verdict.MET
    assert test.cases == 5


@pytest.mark.parametrize("index", [-1, 0, 2, 10])
def test_reorder_refuses_what_cannot_be(index):
    """An index outside the plan, one already counted and one already waiting are programming errors."""
    reorder = Reorder(_test(n=10, bar=0.5, alpha=0.2, mode="point"), 10)
    reorder.put(0, _outcome(True))
    reorder.put(2, _outcome(True))
    with pytest.raises(ValueError, match="was not expected"):
        reorder.put(index, _outcome(True))


# --- judgements -------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(run=runs, mode_margin=modes, length=st.integers(0, 40))
def test_full_and_early_stopped_runs_agree(run, mode_margin, length):
    """Results beyond the stopping case change nothing, however many there are."""
    mode, margin = mode_margin
    rule = {"n": 40, "bar": 0.8, "alpha": 0.05, "mode": mode, "margin": margin}
    full = _judge(run, **rule)
    assert _judge(run[: max(length, full.cases)], **rule) == full
    assert full.passes == sum(run[: full.cases])


@pytest.mark.parametrize(
    ("mode", "run", "verdict"),
    [
        ("proven", [True] * 10, Verdict.NOT_PROVEN),
        ("proven", [], Verdict.NOT_PROVEN),
        ("margin", [True] * 10, Verdict.NOT_PROVEN),
        ("point", [True] * 10, Verdict.NOT_MET),
    ],
)
def test_an_interrupted_run_has_not_passed(mode, run, verdict):
    """A prefix that ends before the rule stops is judged as far as it goes."""
    got = _judge(run, n=200, bar=0.9, alpha=0.05, mode=mode, margin=0.03)
    assert (got.verdict, got.cases) == (verdict, len(run))


def test_more_results_than_cases_are_refused():
    """They cannot all be of this plan."""
    with pytest.raises(ValueError, match="11 results for 10"):
        _judge([True] * 11, n=10, bar=0.8, alpha=0.05, mode="point")


@pytest.mark.parametrize(
    ("mode", "margin", "passes", "seen", "needed"),
    [
        ("proven", 0.0, 38, 40, needed_cases(0.9, 0.95, 0.05)),
        ("proven", 0.0, 36, 40, needed_cases(0.9, 0.91, 0.05)),
        ("proven", 0.0, 35, 40, None),
        ("margin", 0.03, 38, 40, max(needed_cases(0.87, 0.95, 0.05), needed_cases(0.9, 0.95, 0.5))),
        ("margin", 0.03, 36, 40, needed_cases(0.9, 0.91, 0.5)),
        ("margin", 0.03, 35, 40, None),
    ],
)
def test_needed_cases(mode, margin, passes, seen, needed):
    """Enough cases if the truth is what was seen, at least a point above the bar; below the bar no number is."""
    run = ([False] + [True] * 7) * 5 if passes == 35 else [True] * passes + [False] * (seen - passes)
    got = _judge(run, n=200, bar=0.9, alpha=0.05, mode=mode, margin=margin)
    assert (got.passes, got.cases) == (passes, seen)
    assert got.needed_cases == needed


def test_margin_judgement_speaks_of_the_lower_bar():
    """With a margin the least set size is that of bar - margin, and good enough covers both of its rules."""
    got = _judge([], n=200, bar=0.9, alpha=0.05, mode="margin", margin=0.03)
    assert (got.margin, got.least_cases) == (0.03, 22)
    assert got.good_enough >= max(plan(200, 0.87, 0.05).good_enough, point_plan(200, 0.9).good_enough)
    assert _judge([], n=200, bar=0.9, alpha=0.05, mode="proven", margin=0.03).margin == 0


# --- choosing ---------------------------------------------------------------------------------------------------------


def _evidence(verdict, cost):
    judgement = Judgement(
        verdict=verdict,
        cases=100,
        passes=90,
        n=200,
        bar=0.9,
        alpha=0.05,
        interval=(0.8, 0.95),
        good_enough=0.95,
        least_cases=29,
        needed_cases=None,
    )
    return Evidence(
        candidate="",
        judgement=judgement,
        failed=0,
        unscored=0,
        refused=0,
        truncated=0,
        served_models=(),
        cost_per_case_usd=None,
        cost_per_accepted_usd=None if cost is None else Decimal(cost),
        latency_p50_s=None,
        latency_p95_s=None,
    )


P, W, M = Verdict.PROVEN, Verdict.WITHIN_MARGIN, Verdict.MET
B, N, X = Verdict.BELOW, Verdict.NOT_PROVEN, Verdict.NOT_MET


@pytest.mark.parametrize(
    ("seen", "chosen"),
    [
        pytest.param({"a": (P, "1")}, ("a", True, "abc"), id="first passes, the rest was not run"),
        pytest.param({"a": (B, "1"), "b": (P, "3")}, ("b", True, "bc"), id="those that failed below do not serve"),
        pytest.param({"a": (N, "1"), "b": (W, "3")}, ("b", True, "bc"), id="not even if merely not proven"),
        pytest.param({"a": (P, "1"), "b": (N, "3"), "c": (P, "5")}, ("a", True, "abc"), id="not proven above may"),
        pytest.param({"a": (P, "1"), "b": (B, "3"), "c": (P, "5")}, ("a", True, "ac"), id="below above may not"),
        pytest.param({"a": (M, "1"), "b": (X, "3"), "c": (X, "5")}, ("a", True, "a"), id="nor not met"),
        pytest.param(
            {"a": (P, "4"), "b": (P, "3"), "c": (P, "5")}, ("b", True, "bac"), id="measured cheaper, higher up"
        ),
        pytest.param({"a": (P, "4"), "b": (P, "5"), "c": (P, "3")}, ("c", True, "cab"), id="the top is the cheapest"),
        pytest.param({"a": (P, "3"), "b": (P, "3.0"), "c": (N, "1")}, ("a", True, "abc"), id="tie: ladder order"),
        pytest.param({"a": (P, None), "b": (P, "1")}, ("a", True, "abc"), id="a missing cost: ladder order"),
        pytest.param({"a": (P, "2"), "b": (P, "1"), "c": (P, None)}, ("a", True, "abc"), id="missing anywhere"),
        pytest.param({"a": (B, None), "b": (P, "2"), "c": (P, "1")}, ("c", True, "cb"), id="but not of a failed one"),
        pytest.param({"a": (B, "1"), "b": (N, "3"), "c": (B, "5")}, ("c", False, "c"), id="nothing passes: top rung"),
        pytest.param({}, ("c", False, "c"), id="nothing was run: top rung"),
        pytest.param({"a": (N, "1"), "z": (P, "0")}, ("c", False, "c"), id="off the ladder plays no part"),
    ],
)
def test_choose(seen, chosen):
    """Ladder a, b, c: which candidate is chosen, whether it passes, and who stands behind it."""
    name, passing, rungs = choose("abc", {key: _evidence(*value) for key, value in seen.items()})
    assert (name, passing, "".join(rungs)) == chosen


@settings(max_examples=200, deadline=None)
@given(seen=st.dictionaries(st.sampled_from("abcde"), st.tuples(st.sampled_from([P, B, N]), st.integers(1, 4))))
def test_choose_invariants(seen):
    """The chosen is the cheapest that passes and serves first; nobody twice; nobody shown to miss the bar."""
    name, passing, rungs = choose(
        "abcde", {key: _evidence(verdict, str(cost)) for key, (verdict, cost) in seen.items()}
    )
    assert rungs[0] == name
    assert len(set(rungs)) == len(rungs)
    assert passing == any(verdict.passes for verdict, _ in seen.values())
    if passing:
        assert seen[name][1] == min(cost for verdict, cost in seen.values() if verdict.passes)
        assert not any(seen[rung][0] is B for rung in rungs if rung in seen)
    else:
        assert rungs == ("e",)


def test_choose_needs_a_ladder():
    """Without a candidate there is no route."""
    with pytest.raises(ValueError, match="at least one"):
        choose([], {})


# --- words ------------------------------------------------------------------------------------------------------------


def _judged(run, n=200, bar=0.9, mode="proven", margin=0.0):
    return _judge(run, n=n, bar=bar, alpha=0.05 / 3, mode=mode, margin=margin)


@pytest.mark.parametrize(
    ("judgement", "said"),
    [
        (
            _judged([True] * 200),
            """Proven: 62 of 62 cases passed (200 planned); true accuracy is at least 90% at error probability 1.67%
            (the interval 87.6% to 100% holds at any stopping time, so it is wider than the test).""",
        ),
        (
            _judged([True] * 200, mode="margin", margin=0.03),
            """Within the margin: 180 of 180 cases passed (200 planned), so the score reaches 90%; true accuracy is at
            least 87% at error probability 1.67% (the interval 95% to 100% holds at any stopping time, so it is wider
            than the test).""",
        ),
        (
            _judged([True] * 18, n=20, mode="point"),
            """Met: at least 90% of these cases pass, 18 of 18 cases passed (20 planned); on other cases its accuracy
            may be anything from 67.6% to 100% at error probability 1.67%.""",
        ),
        (
            _judged([False] * 10, n=20, mode="point"),
            """Not met: less than 90% of these cases pass, 0 of 3 cases passed (20 planned); on other cases its accuracy
            may be anything from 0% to 83.9% at error probability 1.67%.""",
        ),
        (
            _judged([False] * 10),
            """Below the bar: 0 of 8 cases passed (200 planned); true accuracy is below 90%, 0% to 54.5% at error
            probability 1.67%.""",
        ),
        (
            _judged([True] * 19 + [False]),
            """Not proven to reach 90%, so far: 20 of 200 planned cases are there; 19 of 20 cases passed (200 planned);
            true accuracy 61.7% to 99.996% at error probability 1.67%; if its accuracy is what was seen, 303 cases would
            be enough (power 80%).""",
        ),
        (
            _judged([True] * 4 + [False] + [True] * 34 + [False] * 161),
            """Not proven to reach 90%: 38 of 47 cases passed (200 planned); true accuracy 56.9% to 95.1% at error
            probability 1.67%; if its accuracy is what was seen, no number of cases would be enough.""",
        ),
        (
            _judged([True] * 8 + [False] * 2, mode="margin", margin=0.03),
            """Not proven to reach 87% together with a score of 90%, so far: 10 of 200 planned cases are there; 8 of 10
            cases passed (200 planned); true accuracy 30.2% to 99.4% at error probability 1.67%; if its accuracy is what
            was seen, no number of cases would be enough.""",
        ),
        (
            _judged([True] * 20, n=20),
            """Not proven: even 20 passes in 20 cases would not prove 90% at error probability 1.67%; it takes at least
            39 cases. Seen: 20 of 20 cases passed (20 planned); true accuracy 70% to 100% at error probability
            1.67%.""",
        ),
        (
            _judged([True] * 20, n=20, bar=1.0),
            """Not proven: no number of cases proves a bar of 100%. Seen: 20 of 20 cases passed (20 planned); 0 failures
            seen in 20: true failure rate at most 18.5% at error probability 1.67%.""",
        ),
        (_judged([]), "Not proven: no case has been looked at."),
        (_judged([], n=20, mode="point"), "Not met: no case has been looked at."),
    ],
)
def test_verdict_words(judgement, said):
    """One plain sentence per kind of verdict."""
    assert verdict_words(judgement) == " ".join(said.split())


def test_two_sentences():
    """The promise, filled in: bar, this candidate's error, where it comes from, and who would have passed."""
    said = """Cases run in a fixed random order; a candidate PASSES as soon as its count of passed cases reaches a line
        drawn beforehand, which a candidate with true accuracy below 90% would ever reach with at most 1.67% probability
        (the 5% risk of the class, divided by its 3 candidates). It is DROPPED as soon as even a candidate good enough
        to pass this test 90% of the time (96.3%) would have less than a 5% chance of still reaching that line;
        "dropped" means not proven on these 200 cases, not proven bad."""
    assert two_sentences(_judged([]), mode="proven", risk=0.05, ladder_length=3) == " ".join(said.split())


@pytest.mark.parametrize(
    ("judgement", "mode", "length", "parts"),
    [
        (
            _judged([], mode="margin", margin=0.03),
            "margin",
            3,
            ["below 87%", "at least 90% of all 200 cases", "(94.3%)"],
        ),
        (
            _judged([], mode="point"),
            "point",
            3,
            ["at least 90% of these 200 cases", "promises nothing about any others"],
        ),
        (_judged([], n=20), "proven", 3, ["at least 39 cases", "No case is run and the top rung serves"]),
        (_judged([], bar=1.0), "proven", 3, ["no number of cases proves a bar of 100%"]),
        (
            _judged([], bar=0.985, n=600),
            "proven",
            1,
            ["below 98.5%", "the 5% risk of the class, which has one candidate"],
        ),
    ],
)
def test_two_sentences_of_other_modes(judgement, mode, length, parts):
    """Each mode makes its own promise, and a set too small makes none."""
    said = two_sentences(judgement, mode=mode, risk=0.05, ladder_length=length)
    for part in parts:
        assert part in said


def test_words_never_round_to_certainty():
    """99.99 % is not called 100 %."""
    said = verdict_words(_judge([True] * 9999 + [False], n=10_000, bar=0.9995, alpha=0.05, mode="point"))
    assert "99.95%" in said
    assert " 100%" in verdict_words(_judged([True] * 200))
