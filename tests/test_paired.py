"""Paired comparisons of two runs: sign flips, several of them at once, and what drop would have been noticed."""

from __future__ import annotations

import itertools
import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.paired import (
    holm,
    least_detectable_drop,
    least_detectable_shift,
    mcnemar_midp,
    power_of,
    sign_flip,
    unit_sums,
)

thirds = st.sampled_from([k / 3 for k in range(-3, 4)])
whole = st.sampled_from([-1.0, 0.0, 1.0])


def by_every_pattern(units: list[float]) -> float:
    """The p-value the slow way: all sign patterns, one by one."""
    sums = [
        sum(s * u for s, u in zip(signs, units, strict=True)) for signs in itertools.product((1, -1), repeat=len(units))
    ]
    return sum(one >= sum(units) - 1e-9 for one in sums) / len(sums)


# --- sign flips -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([], 1.0),
        ([0.0, 0.0], 1.0),
        ([1.0], 0.5),
        ([-1.0], 1.0),
        ([1.0] * 5, 1 / 32),
        ([1.0, 1.0, 1.0, -1.0], 5 / 16),
        ([2 / 3, 1 / 3], 1 / 4),
        ([0.1, 0.2, math.pi / 10], 1 / 8),
    ],
)
def test_sign_flip(differences: list[float], p: float) -> None:
    """Small cases, counted by hand: no change says nothing, one way only is 2^-n."""
    assert sign_flip(differences) == pytest.approx(p)


@settings(max_examples=80, deadline=None)
@given(st.lists(thirds, min_size=1, max_size=10))
def test_sign_flip_is_exact_for_means_over_epochs(differences: list[float]) -> None:
    """For multiples of a third the distribution is that of all sign patterns."""
    assert sign_flip(differences) == pytest.approx(by_every_pattern(differences))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9))
def test_sign_flip_is_exact_for_few_odd_values(differences: list[float]) -> None:
    """So it is for up to 13 values without a common fraction."""
    kept = [one for one in differences if abs(one) > 1e-9]
    assert sign_flip(differences) == pytest.approx(by_every_pattern(kept) if kept else 1.0)


@settings(max_examples=40, deadline=None)
@given(broke=st.integers(0, 60), fixed=st.integers(0, 60), same=st.integers(0, 20))
def test_sign_flip_of_binary_cases_is_the_sign_test(broke: int, fixed: int, same: int) -> None:
    """With one reply a case it is the exact McNemar test: P(Bin(changed, 1/2) >= broke)."""
    exact = stats.binom.sf(broke - 1, broke + fixed, 0.5) if broke + fixed else 1.0
    assert sign_flip([1.0] * broke + [-1.0] * fixed + [0.0] * same) == pytest.approx(exact)


def test_sign_flip_at_random_agrees_with_scipy() -> None:
    """Many values without a common fraction: random patterns, the same answer for the same seed."""
    differences = np.random.default_rng(3).normal(0.03, 0.2, size=80)
    found = sign_flip(list(differences), seed=1)
    theirs = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", alternative="greater", n_resamples=9999, rng=5
    )
    assert found == sign_flip(list(differences), seed=1)
    assert found == pytest.approx(float(theirs.pvalue), abs=0.02)
    assert found != sign_flip(list(differences), seed=2)


def test_random_patterns_never_give_zero() -> None:
    """A p-value from random patterns counts the pattern seen: at least 1 / (resamples + 1)."""
    differences = [math.sqrt(k) / 10 for k in range(2, 80)]
    assert sign_flip(differences, resamples=99) == pytest.approx(1 / 100)


def test_clusters_change_sign_together() -> None:
    """Ten equal cases of one document are one piece of news, not ten."""
    assert sign_flip([1.0] * 10) == pytest.approx(2**-10)
    assert sign_flip([1.0] * 10, clusters=["doc"] * 10) == 0.5
    assert sign_flip([1.0, 1.0, -1.0, 0.5], clusters=["a", "b", "b", "c"]) == sign_flip([1.0, 0.0, 0.5])


def test_unit_sums() -> None:
    """Clusters come back summed, cases without clusters as they are."""
    assert unit_sums([1, -1, 1], None).tolist() == [1, -1, 1]
    assert unit_sums([1, -1, 1], ["x", "x", "y"]).tolist() == [0, 1]


def test_sign_flip_keeps_its_level() -> None:
    """With nothing changed, p <= 5 % in at most 5 % of runs, whatever the number of epochs (3 standard errors)."""
    rng, runs = np.random.default_rng(8), 1000
    for epochs in (1, 3):
        chance = rng.beta(0.9, 0.1, (runs, 60))
        before, after = (rng.binomial(epochs, chance) / epochs for _ in range(2))
        alarms = sum(sign_flip(list(row)) <= 0.05 for row in before - after)
        assert alarms / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


# --- several tests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_p", "adjusted"),
    [
        ((), ()),
        ((0.03,), (0.03,)),
        ((0.01, 0.04, 0.03), (0.03, 0.06, 0.06)),
        ((0.5, 0.9), (1.0, 1.0)),
        ((0.02, 0.02), (0.04, 0.04)),
    ],
)
def test_holm(given_p: tuple[float, ...], adjusted: tuple[float, ...]) -> None:
    """The smallest times their number, the next times one fewer, never falling, never above 1."""
    assert holm(given_p) == pytest.approx(adjusted)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.randoms())
def test_holm_lies_between_none_and_bonferroni(p_values: list[float], random: Random) -> None:
    """Every adjusted p lies between p and p times their number, and goes with its p, not with its place."""
    adjusted = holm(p_values)
    assert all(
        p <= a + 1e-12 and a <= min(1, p * len(p_values)) + 1e-12 for p, a in zip(p_values, adjusted, strict=True)
    )
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert holm([p_values[k] for k in order]) == tuple(adjusted[k] for k in order)


# --- what a set could show --------------------------------------------------------------------------------------------

# Drops in points at 80 % power, alpha 5 %, by rerun noise: computed apart from this code.
DROPS = [
    (50, (12.7, 15.0, 17.6, 22.0), 24.0),
    (100, (7.2, 8.9, 11.0, 14.2), 14.1),
    (200, (4.2, 5.5, 7.1, 9.4), 8.6),
    (500, (2.2, 3.1, 4.2, 5.6), 4.6),
    (1000, (1.4, 2.1, 2.8, 3.8), 3.0),
]


@pytest.mark.parametrize(("n", "drops", "tenth"), DROPS)
def test_least_detectable_drop(n: int, drops: tuple[float, ...], tenth: float) -> None:
    """The table of drops is met within 0.2 points, the last column at a tenth of alpha."""
    for noise, points in zip((0.02, 0.05, 0.1, 0.2), drops, strict=True):
        found = least_detectable_drop(n, noise, 0.05)
        assert found is not None
        assert 100 * found == pytest.approx(points, abs=0.1)
    strict = least_detectable_drop(n, 0.05, 0.005)
    assert strict is not None
    assert 100 * strict == pytest.approx(tenth, abs=0.1)


def test_a_set_can_be_too_small() -> None:
    """Four cases that all break are p = 1/32: nothing shows at a level below."""
    assert least_detectable_drop(4, 0.0, 0.03) is None
    assert least_detectable_drop(4, 0.0, 0.05) is not None


def test_power_is_that_of_every_outcome() -> None:
    """The power is the sum over all (broke, fixed) that the test rejects, counted one by one."""
    n, drop, noise, alpha = 12, 0.3, 0.1, 0.1
    worse, better = drop + noise / 2, noise / 2
    slow = sum(
        math.comb(n, broke) * math.comb(n - broke, fixed) * worse**broke * better**fixed
        * (1 - worse - better) ** (n - broke - fixed)
        for broke in range(n + 1)
        for fixed in range(n + 1 - broke)
        if mcnemar_midp(broke, fixed) <= alpha
    )  # fmt: skip
    assert power_of(n, drop, noise, alpha) == pytest.approx(slow)


def test_power_without_a_drop_is_the_level() -> None:
    """With no drop the power is the false-alarm rate, which mid-p keeps near alpha."""
    assert power_of(200, 0.0, 0.0, 0.05) == 0.0
    assert 0.03 < power_of(200, 0.0, 0.05, 0.05) <= 0.05


@pytest.mark.parametrize(("n", "drop", "noise"), [(0, 0.1, 0.1), (10, -0.1, 0.1), (10, 0.6, 0.5), (10, 0.1, 1.1)])
def test_power_refuses_what_is_no_share(n: int, drop: float, noise: float) -> None:
    """A share outside its range is refused."""
    with pytest.raises(ValueError, match="no test of"):
        power_of(n, drop, noise, 0.05)


@pytest.mark.parametrize(("n", "moved"), [(60, 0), (200, 0), (200, 5), (500, 25)])
def test_least_detectable_shift(n: int, moved: int) -> None:
    """It comes near the exact drop for binary cases, also where nothing moved; a cluster of one is a case."""
    units = [1.0] * moved + [-1.0] * moved + [0.0] * (n - 2 * moved)
    exact = least_detectable_drop(n, (2 * moved + 1) / (n + 1), 0.05)
    assert least_detectable_shift(units, [1.0] * n, 0.05) == pytest.approx(exact, rel=0.1)


def test_least_detectable_shift_of_few() -> None:
    """So few that not even all of them, broken, would be noticed: none; and never less than what signs alone show."""
    assert least_detectable_shift([0.0] * 4, [1.0] * 4, 0.05) is None
    assert least_detectable_shift([1.0], [1.0], 0.05) is None
    of_five = least_detectable_shift([0.0] * 5, [1.0] * 5, 0.05)
    assert of_five is not None
    assert 0.8 ** (1 / 5) <= of_five < 1
    assert least_detectable_shift([0.0] * 4, [50.0] * 4, 0.05) is None


def test_least_detectable_shift_grows_with_noise_and_clusters() -> None:
    """Cases that move together show less than as many that do not, and noise hides more."""
    alone = least_detectable_shift([0.0] * 200, [1.0] * 200, 0.05)
    noisy = least_detectable_shift([0.3, -0.3] * 100, [1.0] * 200, 0.05)
    together = least_detectable_shift([0.0] * 40, [5.0] * 40, 0.05)
    assert alone is not None
    assert noisy is not None
    assert together is not None
    assert alone < noisy < together


@pytest.mark.parametrize(("units", "size", "alpha"), [(60, 1, 0.05), (60, 1, 0.00625), (40, 5, 0.05), (12, 5, 0.05)])
def test_a_drop_that_is_promised_is_noticed(units: int, size: int, alpha: float) -> None:
    """Without any noise, whole units that break as often as said are noticed 4 times in 5."""
    drop = least_detectable_shift([0.0] * units, [float(size)] * units, alpha)
    assert drop is not None
    rng = np.random.default_rng(7)
    broken = rng.binomial(units, drop, size=2000)
    noticed = [sign_flip([float(size)] * k + [0.0] * (units - k)) <= alpha for k in range(units + 1)]
    assert np.mean([noticed[k] for k in broken]) >= 0.78
