"""Whether traffic has moved away from the evidence: the tests, their alarms, and the words for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.monitoring.drift import ALPHA, ClassBaseline, Floors, Spread, Tail, Window, drift_words, limits, look
from routerctl.monitoring.drift.wording import alarm_words
from routerctl.statistics.paired import holm
from routerctl.statistics.shifts import (
    exceeding,
    fewer_midp,
    mix_p,
    more_exact,
    noticed_fall,
    stability_index,
    weighted_holm,
)
from routerctl.words import plain

BASELINE = ClassBaseline(
    candidate="small",
    pin="model-1",
    cases=200,
    passes=186,
    flattered=False,
    replies=2000,
    refused=10,
    latency=Spread(n=2000, p50=1.0, p95=3.0),
    cost=Spread(n=2000, p50=0.001, p95=0.004),
    requests=10_000,
)
QUIET = Window(
    requests=10_000,
    served={"model-1": 4000},
    cases=200,
    passes=185,
    replies=4000,
    refused=21,
    latency=Tail(n=4000, above_p50=1300, above_p95=120, p50=1.01, p95=3.1),
    cost=Tail(n=4000, above_p50=1700, above_p95=150, below_p50=1700, p50=0.001, p95=0.0041),
)


def alarms(window: Window, baseline: ClassBaseline = BASELINE, floors: Floors | None = None) -> list[str]:
    """The quantities that a look at one class finds moved."""
    return [one.quantity for one in look({"sums": baseline}, {"sums": window}, floors=floors).alarms]


# --- the tests --------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 400), st.integers(1, 300), st.data())
def test_exceedances_have_their_exact_distribution(n: int, baseline_n: int, data: st.DataObject) -> None:
    """The p-value is the upper tail of the beta-binomial distribution, computed another way."""
    rank = data.draw(st.integers(1, baseline_n))
    count = data.draw(st.integers(0, n))
    expected = stats.betabinom.sf(count - 1, n, baseline_n - rank + 1, rank)
    assert exceeding(count, n, rank, baseline_n) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_shares_are_compared_by_fishers_test(before_n: int, now_n: int, data: st.DataObject) -> None:
    """The p-value of a risen share is scipy's exact one; the mid-p of a fallen share is between two such tails."""
    before, now = data.draw(st.integers(0, before_n)), data.draw(st.integers(0, now_n))
    table = [[now, now_n - now], [before, before_n - before]]
    assert more_exact(before, before_n, now, now_n) == pytest.approx(
        stats.fisher_exact(table, alternative="greater").pvalue, rel=1e-6, abs=1e-12
    )
    exact = stats.fisher_exact(table, alternative="less").pvalue
    assert fewer_midp(before, before_n, now, now_n) <= exact + 1e-12
    assert fewer_midp(before, before_n, now, now_n) >= exact / 2 - 1e-12


def test_tails_of_millions_agree_with_the_normal_one_where_they_meet() -> None:
    """Large counts are summed exactly or by the normal tail: both say the same of ten million."""
    p = more_exact(50_000, 10_000_000, 50_600, 10_000_000)
    z = 600 / math.sqrt(100_600 * (1 - 0.00503))
    assert p == pytest.approx(stats.norm.sf(z), rel=0.02)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(exceeding, (5, 4, 1, 10)), (exceeding, (1, 4, 11, 10)), (more_exact, (3, 2, 0, 5)), (fewer_midp, (0, 5, -1, 5))],
)
def test_impossible_counts_are_refused(function: Callable[..., float], arguments: tuple[int, ...]) -> None:
    """More of a kind than there are of all raises."""
    with pytest.raises(ValueError, match="of"):
        function(*arguments)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_equal_weights_are_holms_method(p_values: list[float]) -> None:
    """With one weight for all, the weighted method adjusts as Holm's does."""
    assert weighted_holm(p_values, [0.7] * len(p_values)) == pytest.approx(holm(p_values))


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(1e-6, 1), st.floats(0.01, 1)), min_size=1, max_size=10))
def test_adjusting_never_makes_a_p_value_smaller(rows: list[tuple[float, float]]) -> None:
    """An adjusted p-value is at least the plain one, and at most Bonferroni's weighted one."""
    p_values, weights = [p for p, _ in rows], [w for _, w in rows]
    for p, weight, adjusted in zip(p_values, weights, weighted_holm(p_values, weights), strict=True):
        assert p - 1e-9 <= adjusted <= min(1.0, p * sum(weights) / weight) + 1e-9


def test_every_test_has_a_weight() -> None:
    """A weight of nothing would mean a test that can never alarm."""
    with pytest.raises(ValueError, match="positive weight"):
        weighted_holm([0.5, 0.5], [1.0, 0.0])


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [((500, 300, 200), (50, 30, 20), True), ((500, 300, 200), (300, 500, 200), False), ((5, 0), (0, 0), True)],
)
def test_mixes(before: tuple[int, ...], now: tuple[int, ...], same: bool) -> None:
    """The same shares do not differ, exchanged ones do, and nothing cannot be compared."""
    assert (mix_p(before, now) > 0.05) is same


def test_a_mix_agrees_with_the_usual_table_test() -> None:
    """Without rare kinds the p-value is chi-squared's of the two rows."""
    before, now = (400, 300, 300), (90, 110, 100)
    assert mix_p(before, now) == pytest.approx(stats.chi2_contingency([before, now], correction=False).pvalue)


def test_rare_kinds_count_as_one() -> None:
    """Twenty kinds of one request each cannot be told apart, and do not break the test."""
    assert mix_p([1000, *[1] * 20], [1000, *[0] * 20]) == pytest.approx(mix_p([1000, 20], [1000, 0]))


def test_the_stability_index_of_equal_mixes_is_nought() -> None:
    """A mix compared with itself has index 0; one that loses half a class has a large one."""
    assert stability_index([100, 200], [100, 200]) == 0
    assert stability_index([500, 500], [250, 750]) > 0.25


def test_a_noticed_fall_is_noticed_four_times_in_five() -> None:
    """Of 400 simulated falls of this size about 80 % have p below alpha."""
    fall = noticed_fall(0.9, 200, 200, 0.05)
    assert fall is not None
    rng = np.random.default_rng(2)
    found = sum(
        fewer_midp(int(rng.binomial(200, 0.9)), 200, int(rng.binomial(200, 0.9 - fall)), 200) <= 0.05
        for _ in range(400)
    )
    assert 0.72 <= found / 400 <= 0.88
    assert fall == pytest.approx(0.08, abs=0.01)


# --- a look -----------------------------------------------------------------------------------------------------------


def test_a_quiet_week_is_quiet() -> None:
    """Nothing moved, and it is said what falls would have been noticed."""
    found = look({"sums": BASELINE}, {"sums": QUIET})
    assert found.alarms == ()
    words = [plain(line) for line in drift_words(found)]
    assert words[0].startswith("Nothing moved (7 figures compared; undisturbed traffic alarms in at most 5%")
    assert any("would have been noticed 4 times in 5" in line for line in words)


@pytest.mark.parametrize(
    ("change", "quantity", "words"),
    [
        ({"served": {"model-2": 1}}, "served model", "model-2 served instead of model-1"),
        ({"passes": 150}, "score", "from 93.0% to 75.0%"),
        ({"cases": 0, "pairs": (25, 3, 200)}, "score", "from 93.0% to 82.0%"),
        ({"refused": 120}, "refusals", "from 0.5% to 3.0%"),
        ({"latency": Tail(n=4000, above_p50=2600, above_p95=150, p50=1.7, p95=3.2)}, "latency p50", "from 1.00 s to"),
        ({"latency": Tail(n=4000, above_p50=1300, above_p95=500, p50=1.0, p95=5.0)}, "latency p95", "to 5.00 s"),
        ({"cost": Tail(n=4000, above_p50=3000, above_p95=150, p50=0.002)}, "cost p50", "from $0.001 to $0.002"),
        ({"cost": Tail(n=4000, above_p50=900, above_p95=50, below_p50=3000, p50=0.0005)}, "lower cost p50", "$0.0005"),
    ],
)
def test_an_alarm_names_what_moved_from_what_to_what(change: dict[str, Any], quantity: str, words: str) -> None:
    """One thing that moves is one alarm, by its name, with both figures."""
    found = look({"sums": BASELINE}, {"sums": replace(QUIET, **change)})
    assert [one.quantity for one in found.alarms] == [quantity]
    line = plain(alarm_words(found.alarms[0]))
    assert line.startswith("sums: ")
    assert words in line


def test_another_model_id_alarms_at_the_first_request() -> None:
    """One request of 4,001 by another id is an alarm; requests whose id is unknown are none."""
    assert alarms(replace(QUIET, served={"model-1": 4000, "model-2": 1})) == ["served model"]
    assert alarms(replace(QUIET, served={})) == []


def test_a_mix_that_moved_names_the_class_that_moved_most() -> None:
    """The mix is one alarm over all classes; a new class counts too."""
    base = {"a": replace(BASELINE, requests=5000), "b": replace(BASELINE, requests=5000)}
    windows = {"a": replace(QUIET, requests=5000), "b": replace(QUIET, requests=1000), "new": Window(requests=4000)}
    (one,) = look(base, windows).alarms
    assert (one.quantity, one.names) == ("class mix", ("b",))
    assert "class mix of b moved from 50.0% to 10.0%" in plain(alarm_words(one))


@pytest.mark.parametrize(
    "change",
    [
        {"cases": 1_000_000, "passes": 915_000},
        {"replies": 1_000_000, "refused": 7000},
        {"latency": Tail(n=1_000_000, above_p50=490_000, above_p95=40_000)},
    ],
)
def test_trivial_changes_are_no_alarm_however_many_requests_show_them(change: dict[str, Any]) -> None:
    """A point and a half of score, two tenths of a point of refusals, latency within a quarter: none is an alarm."""
    large = replace(BASELINE, cases=1_000_000, passes=930_000, replies=1_000_000, refused=5000)
    assert alarms(replace(QUIET, cases=0, **change) if "cases" not in change else replace(QUIET, **change), large) == []


def test_floors_can_be_lowered() -> None:
    """Who wants to hear of a point and a half says so."""
    large = replace(BASELINE, cases=1_000_000, passes=930_000)
    window = replace(QUIET, cases=1_000_000, passes=915_000)
    assert alarms(window, large, floors=Floors(score=0.01)) == ["score"]


def test_limits_are_the_quantiles_moved_by_what_does_not_matter() -> None:
    """The database counts beyond 1.25 times the latencies, beyond 1.2 times the costs and below their 1.2th part."""
    line = limits(BASELINE)
    assert (line.slow_p50_s, line.slow_p95_s) == (1.25, 3.75)
    assert (line.dear_p50_usd, line.dear_p95_usd) == pytest.approx((0.0012, 0.0048))
    assert line.cheap_p50_usd == pytest.approx(0.001 / 1.2)
    assert limits(ClassBaseline(candidate="small", pin="m")).slow_p50_s is None


def test_who_answered_is_held_against_who_did() -> None:
    """Nobody, or another one, half as often again and by more than the least; a single failure is no news."""
    base = replace(BASELINE, asked=4000, unanswered=8, diverted=40)
    usual = replace(QUIET, requests=4000, unanswered=9, diverted=45)
    assert alarms(usual, base) == []
    assert alarms(replace(usual, unanswered=40), base) == ["unanswered"]
    assert alarms(replace(usual, diverted=70), base) == []  # surely more, but by less than two points
    assert alarms(replace(usual, diverted=200), base) == ["served by another"]


def test_a_small_baseline_knows_its_quantiles_less_surely() -> None:
    """The same window alarms against 2,000 measured latencies and not against ten."""
    window = replace(QUIET, latency=Tail(n=4000, above_p50=2600, above_p95=150))
    small = replace(BASELINE, latency=Spread(n=10, p50=1.0, p95=3.0))
    assert alarms(window) == ["latency p50"]
    assert alarms(window, small) == []


def test_a_flattered_baseline_needs_a_larger_fall() -> None:
    """A candidate chosen for passing looks worse afterwards: what just alarms otherwise does not then."""
    chosen = replace(BASELINE, flattered=True)
    for window in (Window(cases=200, passes=175), Window(pairs=(12, 4, 200))):
        assert alarms(window) == ["score"]
        assert alarms(window, chosen) == []


def test_no_pair_is_no_paired_comparison() -> None:
    """Where no case of the baseline was asked again, other cases are compared, and without any there is no figure."""
    assert alarms(replace(QUIET, pairs=(0, 0, 0), passes=150)) == ["score"]
    found = look({"sums": BASELINE}, {"sums": Window(pairs=(0, 0, 0))})
    assert "sums: score" in found.not_looked_at


def test_what_has_no_figures_is_named() -> None:
    """A class without shadow evals, or that nobody asked for, is said not to have been compared."""
    found = look({"sums": BASELINE, "other": BASELINE}, {"sums": replace(QUIET, cases=0)})
    assert {"sums: score", "other: latency", "other: score"} <= set(found.not_looked_at)
    assert "Not compared" in drift_words(found)[-1]


def test_nothing_at_all_can_be_compared() -> None:
    """Without any figure there is no verdict."""
    found = look({"sums": ClassBaseline(candidate="small", pin="m")}, {})
    assert found.looked_at == ()
    assert "Nothing could be compared" in drift_words(found)[0]


def test_a_fall_of_ten_points_is_found_in_two_hundred_cases() -> None:
    """One class of ten fell by ten points, 5 % rerun noise, 200 cases asked again: found at least 4 times in 5."""
    rng, found = np.random.default_rng(5), 0
    base = {str(k): ClassBaseline(candidate="s", pin="m", cases=200, passes=186, flattered=False) for k in range(10)}
    for _ in range(150):
        broke, fixed = rng.binomial(200, [0.125] + [0.025] * 9), rng.binomial(200, 0.025, 10)
        windows = {str(k): Window(pairs=(int(broke[k]), int(fixed[k]), 200)) for k in range(10)}
        found += any(one.task_class == "0" for one in look(base, windows).alarms)
    assert found >= 0.8 * 150


def test_a_hundred_undisturbed_weeks_alarm_at_most_at_the_stated_rate() -> None:
    """Baseline and weeks of the same world: at most 5 of 100 looks alarm."""
    rng = np.random.default_rng(11)

    def tail(p50: float | None, p95: float | None, cheap: float | None, n: int) -> Tail:
        assert p50 is not None
        assert p95 is not None
        assert cheap is not None
        values = rng.lognormal(0, 1, n)
        return Tail(
            n=n,
            above_p50=int((values > p50).sum()),
            above_p95=int((values > p95).sum()),
            below_p50=int((values < cheap).sum()),
        )

    values = np.sort(rng.lognormal(0, 1, 200))
    spread = Spread(n=200, p50=float(values[99]), p95=float(values[189]))
    base = {
        str(k): replace(BASELINE, passes=int(rng.binomial(200, 0.93)), latency=spread, cost=spread) for k in range(3)
    }
    line = limits(base["0"])
    looks = 0
    for _ in range(100):
        windows = {
            str(k): replace(
                QUIET,
                passes=int(rng.binomial(200, 0.93)),
                refused=int(rng.binomial(4000, 0.005)),
                latency=tail(line.slow_p50_s, line.slow_p95_s, 0.0, 1000),
                cost=tail(line.dear_p50_usd, line.dear_p95_usd, line.cheap_p50_usd, 1000),
            )
            for k in range(3)
        }
        looks += bool(look(base, windows).alarms)
    assert looks <= 100 * ALPHA
