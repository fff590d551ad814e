"""Several classes' differences, each with its error, pulled to what they have in common."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.statistics.shrinkage import paired_mean, shrink, stratified

values = st.lists(st.tuples(st.floats(-1, 1), st.floats(0.001, 0.5)), min_size=1, max_size=12)


# --- one class --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("differences", "mean", "squares"),
    [
        ([0] * 100, 0.0, 1.0),
        ([1] + [0] * 99, 0.01, 0.99 * 100 / 99 + 1),
        ([1, -1] + [0] * 98, 0.0, 2 * 100 / 99 + 1),
        ([0.5], 0.5, 1.0),
    ],
)
def test_paired_mean(differences: list[float], mean: float, squares: float) -> None:
    """The squared deviations, half a discordant case each way added, over n squared."""
    got = paired_mean(differences)
    assert got == pytest.approx((mean, math.sqrt(squares) / len(differences)))


def test_paired_mean_with_weights() -> None:
    """A weight of 3 moves the mean thrice as much; a common factor changes nothing."""
    mean, error = paired_mean([1, 0], [3, 1])
    assert mean == 0.75
    assert error == pytest.approx(math.sqrt(2 * (0.75**2 + 0.75**2) + 5) / 4)
    assert paired_mean([1, 0], [6, 2]) == pytest.approx((mean, error))


def test_paired_mean_with_clusters() -> None:
    """Cases that move together are one piece of news; clusters of one case are cases."""
    rows = [1, 1, 0, 0, 0, 0, -1, 0]
    assert paired_mean(rows, clusters=[str(k) for k in range(8)]) == paired_mean(rows)
    together = paired_mean([1] * 5 + [0] * 45, clusters=[str(k // 5) for k in range(50)])
    assert together == pytest.approx(paired_mean([1] + [0] * 9))


def test_the_error_is_that_of_repeated_samples() -> None:
    """Over samples of 200 cases with 6 % discordant, the root mean square error is what is said, the addition aside."""
    rng = np.random.default_rng(2)
    rows = rng.choice([-1, 0, 1], size=(2000, 200), p=[0.04, 0.94, 0.02])
    said = np.mean([paired_mean(row)[1] ** 2 - 1 / 200**2 for row in rows.tolist()])
    assert said == pytest.approx(rows.mean(axis=1).var(), rel=0.1)


def test_paired_mean_of_nothing() -> None:
    """No case, or none that weighs anything, has no mean."""
    for given_values, weights in (([], None), ([1.0], [0.0])):
        with pytest.raises(ValueError, match="a mean needs"):
            paired_mean(given_values, weights)


# --- several classes --------------------------------------------------------------------------------------------------


def test_shrink_by_hand() -> None:
    """Two values 0.2 apart with errors of 0.1: Q = 2, one of it is noise; C = 100, so tau2 is 0.01 and half is kept."""
    got = shrink([0.0, 0.2], [0.1, 0.1])
    assert (got.overall, got.tau2) == pytest.approx((0.1, 0.01))
    assert got.values == pytest.approx((0.05, 0.15))
    # own noise 0.5 * 0.01, and half of the overall's error, which is sqrt(0.02 / 2)
    assert got.errors == pytest.approx([math.sqrt(0.005 + 0.25 * 0.01)] * 2)


def test_shrink_with_unequal_errors_by_hand() -> None:
    """0 +- 0.1, 0.3 +- 0.1 and 0.3 +- 0.2: weights 100, 100, 25; mean 1/6; Q = 5, C = 225 - 20625 / 225 = 133.33."""
    got = shrink([0.0, 0.3, 0.3], [0.1, 0.1, 0.2])
    tau2 = (5 - 2) / (225 - 20625 / 225)
    assert got.tau2 == pytest.approx(tau2)
    weights = [1 / (tau2 + noise) for noise in (0.01, 0.01, 0.04)]
    overall = 0.3 * (weights[1] + weights[2]) / sum(weights)
    assert got.overall == pytest.approx(overall)
    assert got.values == pytest.approx(
        [overall + (d - overall) * tau2 * w for d, w in zip((0.0, 0.3, 0.3), weights, strict=True)]
    )


def test_values_that_noise_explains_become_one() -> None:
    """Less spread than the errors explain: tau2 is 0, and all classes are believed to be alike."""
    got = shrink([0.0, 0.02, -0.01], [0.05, 0.05, 0.05])
    assert got.tau2 == 0
    assert got.values == pytest.approx([0.01 / 3] * 3)
    assert got.errors == pytest.approx([0.05 / math.sqrt(3)] * 3)


def test_one_class_stays() -> None:
    """A single class has nothing to be pulled to."""
    got = shrink([0.1], [0.03])
    assert got.values == pytest.approx((0.1,))
    assert got.overall == pytest.approx(0.1)
    assert got.tau2 == 0
    assert got.errors == pytest.approx((0.03,))


def test_values_without_error() -> None:
    """Exact values stay where they are, beside noisy ones too, as long as values differ."""
    assert shrink([0.1, 0.2], [0.0, 0.0]).values == pytest.approx((0.1, 0.2))
    got = shrink([0.0, 0.5, 0.1], [0.0, 0.1, 0.1])
    assert got.tau2 > 0
    assert got.values[0] == pytest.approx(0.0, abs=1e-6)
    assert 0.1 < got.values[1] < 0.5


@given(values)
def test_shrunken_values_lie_between_their_own_and_the_overall(rows: list[tuple[float, float]]) -> None:
    """No class is pulled past what all have in common, nor away from it, and none becomes less certain than it was."""
    own, errors = zip(*rows, strict=True)
    got = shrink(own, errors)
    assert min(own) - 1e-9 <= got.overall <= max(own) + 1e-9
    for d, se, value, error in zip(own, errors, got.values, got.errors, strict=True):
        assert min(d, got.overall) - 1e-9 <= value <= max(d, got.overall) + 1e-9
        assert error <= se + 1e-9


@pytest.mark.parametrize(("own", "errors"), [([], []), ([0.1], [0.1, 0.2]), ([0.1, 0.2], [0.1, -0.1])])
def test_shrink_refuses_what_does_not_fit(own: list[float], errors: list[float]) -> None:
    """No value, not one error for each, a negative error."""
    with pytest.raises(ValueError, match="cannot be shrunk"):
        shrink(own, errors)


def test_stratified() -> None:
    """Means by share, errors as a root of squares, the interval two errors wide on each side."""
    got = stratified([0.1, 0.0], [0.02, 0.01], [3, 1])
    assert (got.mean, got.error) == pytest.approx((0.075, math.hypot(0.015, 0.0025)))
    assert got.interval == pytest.approx((0.075 - 1.959964 * got.error, 0.075 + 1.959964 * got.error))
    assert stratified([0.1, 0.0], [0.02, 0.01], [1, 0]).mean == pytest.approx(0.1)


@pytest.mark.parametrize("shares", [[0, 0], [1, -1], [math.nan, 1]])
def test_stratified_refuses_what_is_no_mix(shares: list[float]) -> None:
    """No share at all, and negative ones."""
    with pytest.raises(ValueError, match="shares"):
        stratified([0.1, 0.0], [0.02, 0.01], shares)
