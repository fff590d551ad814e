"""Tests by betting on values between 0 and 1: the wealth, the interval, and how many values they need."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from routerctl.statistics import (
    Bets,
    betting_decidable,
    betting_interval,
    betting_least_cases,
    betting_needed_cases,
    least_cases,
)
from routerctl.statistics.betting import CAP, PRIOR, _forlorn, _log_wealth, _stakes

values = st.lists(st.floats(0, 1), min_size=1, max_size=60)
bars = st.floats(0.05, 0.99)


def _wealth(
    run: list[float], weights: list[float], *, mean: float, alpha: float, n: int, greatest: float, mean_weight: float
) -> float:
    """The wealth written out anew: a product of factors, each stake from the values before it."""
    gains, wealth = list[float](), 1.0
    for value, weight in zip(run, weights, strict=True):
        squares = PRIOR * mean * (1 - mean) * mean_weight * greatest
        for place, gain in enumerate(gains, 1):
            squares += (gain - sum(gains[:place]) / (PRIOR + place)) ** 2
        variance = max(squares / (PRIOR + len(gains)), 1e-6 * greatest**2)
        stake = min(math.sqrt(2 * math.log(1 / alpha) / (n * variance)), CAP / (mean * greatest))
        gain = weight * (value - mean)
        wealth *= 1 + stake * gain
        gains.append(gain)
    return wealth


# --- bets -------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(run=st.lists(st.floats(0, 1), max_size=25), mean=st.floats(0.05, 0.99), data=st.data())
def test_wealth_against_its_definition(run: list[float], mean: float, data: st.DataObject) -> None:
    """The running sums give the product that is written out, with weights and without."""
    weights = data.draw(st.lists(st.floats(0, 3), min_size=len(run), max_size=len(run)))
    for each, mean_weight, greatest in (([1.0] * len(run), 1.0, 1.0), (weights, 1.5, 3.0)):
        bets = Bets(mean, 0.05, 40, mean_weight=mean_weight, max_weight=greatest)
        for value, weight in zip(run, each, strict=True):
            bets.bet(value, weight)
        expected = _wealth(run, each, mean=mean, alpha=0.05, n=40, greatest=greatest, mean_weight=mean_weight)
        assert math.exp(bets.log_wealth) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(run=values, mean=bars, weight=st.floats(0, 1))
def test_no_bet_gains_on_average(run: list[float], mean: float, weight: float) -> None:
    """Whatever came before, a 0/1 value with the tested mean leaves the expected wealth as it was: nobody can win."""
    bets = Bets(mean, 0.05, 60, max_weight=1.0)
    for value in run:
        bets.bet(value)
    before, after = bets.log_wealth, []
    for value in (0.0, 1.0):
        other = Bets(mean, 0.05, 60, max_weight=1.0)
        for one in run:
            other.bet(one)
        other.bet(value, weight)
        after.append(math.exp(other.log_wealth - before))
    assert min(after) >= 1 - CAP - 1e-12
    assert (1 - mean) * after[0] + mean * after[1] == pytest.approx(1)


def test_an_unknown_greatest_weight_keeps_wealth_positive() -> None:
    """A weight far above all before it cannot ruin the gambler: the cap holds at once."""
    bets = Bets(0.5, 0.05, 10, mean_weight=1.0)
    for weight in (1.0, 1.0, 1000.0, 1.0):
        bets.bet(0.0, weight)
    assert math.isfinite(bets.log_wealth)


@pytest.mark.parametrize(("bar", "n"), [(0.8, 200), (0.9, 200), (0.95, 400)])
def test_perfect_runs_are_never_given_up(bar: float, n: int) -> None:
    """Where a perfect score can win, no look on its way takes it for hopeless, at the least size nor at larger ones."""
    least = betting_least_cases(bar, 0.05)
    assert least is not None
    for size in (least, n):
        bets = Bets(bar, 0.05, size, max_weight=1.0)
        for place in range(1, size + 1):
            bets.bet(1.0)
            assert bets.won or not bets.hopeless(size - place, size - place)
        assert bets.won


@settings(max_examples=60, deadline=None)
@given(run=values, bar=bars, rest=st.lists(st.floats(0, 1), max_size=60))
def test_what_cannot_be_won_is_not(run: list[float], bar: float, rest: list[float]) -> None:
    """The bound on what a perfect rest adds is one: no rest adds more."""
    n = len(run) + len(rest)
    bets = Bets(bar, 0.05, n, max_weight=1.0)
    for value in run:
        bets.bet(value)
    most = bets.log_wealth + bets._best_gain(len(rest), len(rest), bets._squares)
    perfect = [1.0] * len(rest)
    for tail in (rest, perfect):
        ahead = Bets(bar, 0.05, n, max_weight=1.0)
        for value in [*run, *tail]:
            ahead.bet(value)
        assert ahead.log_wealth <= most + 1e-9


def test_the_line_of_hopelessness() -> None:
    """It is where a normal walk that wins nine times in ten still wins once in twenty, and rises to the goal."""
    goal, rng = math.log(20), np.random.default_rng(3)
    share, trials = 0.4, 200_000
    drift, spread = goal + 1.2815515655 * math.sqrt(2 * goal), math.sqrt(2 * goal)
    rest = rng.normal(drift * share, spread * math.sqrt(share), trials)
    assert (_forlorn(share, goal) + rest >= goal).mean() == pytest.approx(0.05, abs=0.003)
    assert _forlorn(0.0, goal) == goal
    assert _forlorn(1.0, goal) < 0


def test_giving_up_saves_values() -> None:
    """Runs at the bar are given up at the line well before a perfect rest would not do any more."""
    rng, n, looks, patient = np.random.default_rng(14), 400, 0, 0
    for _ in range(60):
        bets, given_up = Bets(0.8, 0.05, n, max_weight=1.0), False
        for place, value in enumerate((rng.random(n) < 0.8).astype(float).tolist(), 1):
            bets.bet(value)
            given_up = given_up or bets.won or bets.hopeless(n - place, n - place)
            looks += not given_up
            if bets.won or bets.log_wealth + bets._best_gain(n - place, n - place, bets._squares) < bets.goal:
                break
            patient += 1
    assert looks < 0.8 * patient


# --- the interval -----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(run=values, alpha=st.sampled_from([0.2, 0.05, 0.01]), weighted=st.booleans(), data=st.data())
def test_interval_against_every_mean(run: list[float], alpha: float, weighted: bool, data: st.DataObject) -> None:
    """What is kept of a fine grid of means, both halves tried on each, is exactly what lies between the ends."""
    n = len(run) + 10
    weights = data.draw(st.lists(st.floats(0.1, 2), min_size=len(run), max_size=len(run))) if weighted else [1.0] * n
    weights, greatest = weights[: len(run)], 2.0 if weighted else 1.0
    low, high = betting_interval(run, weights, alpha, n, greatest)
    y, w = np.asarray(run), np.asarray(weights)
    goal, every = math.log(2 / alpha), np.full(len(run), greatest)
    stakes = _stakes(y, w, every, goal, n)
    for m in np.linspace(0.001, 0.999, 333):
        kept = _log_wealth(y, w, every, stakes, m) < goal and _log_wealth(1 - y, w, every, stakes, 1 - m) < goal
        if not (abs(m - low) < 1e-9 or abs(m - high) < 1e-9):
            assert kept == (low < m < high)


@settings(max_examples=60, deadline=None)
@given(run=values, one=st.floats(0, 1), other=st.floats(0, 1))
def test_wealth_falls_with_the_mean_that_is_tested(run: list[float], one: float, other: float) -> None:
    """Which is why the kept means are an interval, and bisection finds its ends."""
    y, w = np.asarray(run), np.ones(len(run))
    stakes = _stakes(y, w, w, math.log(40), len(run))
    low, high = sorted((one, other))
    assert _log_wealth(y, w, w, stakes, high) <= _log_wealth(y, w, w, stakes, low) + 1e-9


@pytest.mark.parametrize("kind", ["coins", "graded", "weighted", "clusters"])
@pytest.mark.parametrize("p", [0.5, 0.95])
def test_interval_holds_at_all_looks_at_once(kind: str, p: float) -> None:
    """The true mean is outside at some look of a run in at most alpha of the runs (3 standard errors)."""
    rng, alpha, trials, n, missed = np.random.default_rng(6), 0.1, 200, 80, 0
    for _ in range(trials):
        weights: NDArray[np.float64] = np.ones(n)
        greatest: float | None = 1.0
        run = rng.beta(8 * p, 8 * (1 - p), n) if kind == "graded" else (rng.random(n) < p).astype(float)
        if kind == "weighted":
            weights, greatest = rng.choice([1.0, 4.0], n), 4.0
        if kind == "clusters":
            weights, greatest = rng.integers(1, 9, n).astype(float), None
            run = rng.binomial(weights.astype(int), rng.beta(2 * p, 2 * (1 - p), n)) / weights
        looks = (
            betting_interval(run[:t].tolist(), weights[:t].tolist(), alpha, n, greatest) for t in range(8, n + 1, 8)
        )
        missed += any(not low <= p <= high for low, high in looks)
    assert missed / trials <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / trials)


def test_interval_at_the_edges() -> None:
    """Without a value everything is possible; equal values at an end leave that end; weight 0 says nothing."""
    assert betting_interval([], [], 0.05, 10) == (0.0, 1.0)
    low, high = betting_interval([1.0] * 50, [1.0] * 50, 0.05, 50, 1.0)
    assert (low > 0.8, high) == (True, 1.0)
    assert betting_interval([0.0] * 50, [1.0] * 50, 0.05, 50, 1.0)[0] == 0.0
    assert betting_interval([0.0, 1.0], [0.0, 0.0], 0.05, 50, None) == (0.0, 1.0)


def test_graded_values_give_a_narrower_interval_than_coins() -> None:
    """Values that vary less tell more."""
    rng = np.random.default_rng(9)
    widths = [
        np.subtract(*betting_interval(run.tolist(), [1.0] * 200, 0.05, 200, 1.0)[::-1])
        for run in (rng.beta(7.2, 0.8, 200), (rng.random(200) < 0.9).astype(float))
    ]
    assert widths[0] < 0.6 * widths[1]


# --- how many values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bar", "alpha"), [(0.5, 0.05), (0.8, 0.05), (0.9, 0.05), (0.95, 0.05 / 3)])
def test_betting_least_cases(bar: float, alpha: float) -> None:
    """From there on perfect scores win at every size, below at none; bets take more than the exact test."""
    least, exact = betting_least_cases(bar, alpha), least_cases(bar, alpha)
    assert least is not None
    assert exact is not None
    assert [betting_decidable(n, bar, alpha) for n in range(1, 3 * least)] == [n >= least for n in range(1, 3 * least)]
    assert exact <= least <= 1.5 * exact + 1
    assert betting_least_cases(1.0, alpha) is None


def test_unequal_weights_need_more_cases() -> None:
    """The greatest weight bounds the stakes: where the mean one is half of that, perfect scores win about half."""
    equal, unequal = betting_least_cases(0.9, 0.05), betting_least_cases(0.9, 0.05, 0.5)
    assert equal is not None
    assert unequal is not None
    assert 1.5 * equal < unequal < 2.5 * equal


@pytest.mark.parametrize(
    ("bar", "gain", "graded"), [(0.8, 0.05, True), (0.8, 0.08, False), (0.9, 0.05, False), (0.9, 0.03, True)]
)
def test_needed_cases_are_enough(bar: float, gain: float, graded: bool) -> None:
    """Simulated: with the printed number at least 80 % of runs with that mean win (3 standard errors)."""
    p, rng, trials = bar + gain, np.random.default_rng(12), 250
    deviation = math.sqrt(p * (1 - p) / (9 if graded else 1))
    n, won = betting_needed_cases(bar, p, deviation, 0.05), 0
    for _ in range(trials):
        bets = Bets(bar, 0.05, n, max_weight=1.0)
        run = rng.beta(8 * p, 8 * (1 - p), n) if graded else (rng.random(n) < p).astype(float)
        for place, value in enumerate(run.tolist(), 1):
            bets.bet(value)
            if bets.won or bets.hopeless(n - place, n - place):
                break
        won += bets.won
    assert won / trials >= 0.8 - 3 * math.sqrt(0.16 / trials)


@settings(max_examples=30, deadline=None)
@given(bar=st.floats(0.3, 0.9), gain=st.floats(0.02, 0.09), deviation=st.floats(0, 0.3))
def test_needed_cases_fall_with_the_gain_and_rise_with_the_deviation(bar: float, gain: float, deviation: float) -> None:
    """Clearer differences and steadier values need fewer cases, never fewer than the least."""
    found, least = betting_needed_cases(bar, bar + gain, deviation, 0.05), betting_least_cases(bar, 0.05)
    assert least is not None
    assert found >= least
    assert found >= betting_needed_cases(bar, bar + gain + 0.01, deviation, 0.05)
    assert found <= betting_needed_cases(bar, bar + gain, deviation + 0.05, 0.05)


@pytest.mark.parametrize(("bar", "mean"), [(0.9, 0.9), (0.9, 0.5), (1.0, 1.0), (0.9, 1.1)])
def test_needed_cases_where_none_would_do(bar: float, mean: float) -> None:
    """At or below the bar no number of cases proves it."""
    with pytest.raises(ValueError, match="no number of cases"):
        betting_needed_cases(bar, mean, 0.1, 0.05)


@pytest.mark.parametrize(("n", "bar", "alpha"), [(0, 0.9, 0.05), (10, 0.0, 0.05), (10, 1.1, 0.05), (10, 0.9, 1.0)])
def test_nonsense_is_refused(n: int, bar: float, alpha: float) -> None:
    """Bets without values, on a mean outside (0, 1], or with a certain error are none."""
    with pytest.raises(ValueError, match="a test needs"):
        Bets(bar, alpha, n)
