"""Several candidates' outcomes on the same cases: contrasts, who is best, and choices over several tasks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from routerctl.statistics.best import best_available, cheapest, reaching, shown_at, within
from routerctl.statistics.frontier import descent, hull, mixed
from routerctl.statistics.outcomes import Outcomes, contrast, folds, outcomes_of, spliced
from routerctl.statistics.pooling import Span, differences, pooled, shrunken
from routerctl.statistics.shrinkage import paired_mean

NAN = math.nan


def made(
    values: ArrayLike,
    costs: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
) -> Outcomes:
    """Outcomes of these rows; every case costs its row's number plus one unless given."""
    rows = np.asarray(values, dtype=float)
    prices = np.arange(1, len(rows) + 1)[:, None] * np.ones(rows.shape) if costs is None else np.asarray(costs, float)
    return Outcomes(
        values=rows,
        costs=np.where(np.isnan(rows), np.nan, prices),
        weights=np.ones(rows.shape[1]) if weights is None else np.asarray(weights, dtype=float),
        clusters=None if clusters is None else np.asarray(clusters),
    )


# --- differences ------------------------------------------------------------------------------------------------------

VALUE = st.sampled_from([0.0, 0.5, 1.0, NAN])
ROWS = st.integers(2, 14).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(VALUE, min_size=n, max_size=n), min_size=2, max_size=4),
        st.lists(st.floats(0.1, 5), min_size=n, max_size=n),
        st.none() | st.lists(st.integers(0, 4), min_size=n, max_size=n),
    )
)


@settings(deadline=None)
@given(ROWS)
def test_a_contrast_is_the_paired_mean_of_every_row(
    given_: tuple[list[list[float]], list[float], list[int] | None],
) -> None:
    """On the cases that both rows have: the same mean and error as row by row; without a common case there is none."""
    values, weights, clusters = given_
    labels = None if clusters is None else np.unique(clusters, return_inverse=True)[1]
    rows = made(values, weights=weights, clusters=labels)
    found = contrast(rows.values, rows.values[0], rows.weights, rows.clusters)
    for row in range(len(values)):
        both = [k for k in range(len(weights)) if not math.isnan(values[row][k]) and not math.isnan(values[0][k])]
        assert found.cases[row] == len(both)
        if not both:
            assert math.isnan(found.mean[row])
            continue
        mean, error = paired_mean(
            [values[row][k] - values[0][k] for k in both],
            [weights[k] for k in both],
            None if clusters is None else [str(clusters[k]) for k in both],
        )
        assert (found.mean[row], found.se[row]) == (pytest.approx(mean), pytest.approx(error))


def test_replies_become_a_matrix() -> None:
    """A case counts where all its epochs are there; the last of two entries counts; empty columns are left out."""
    entries = [(0, 0, 0, 1.0, 2.0), (0, 0, 1, 0.0, 3.0), (1, 0, 0, 1.0, 1.0), (0, 2, 0, 0.0, 1.0), (0, 2, 1, 0.0, 1.0),
               (0, 2, 1, 1.0, 4.0)]  # fmt: skip
    found = outcomes_of(entries, (2, 3, 2), [1.0, 1.0, 2.0], ["a", "b", "a"])
    assert found.cases == 2
    np.testing.assert_equal(found.values, [[0.5, 0.5], [NAN, NAN]])
    np.testing.assert_equal(found.costs, [[2.5, 2.5], [NAN, NAN]])
    assert found.clusters is not None
    assert (found.weights.tolist(), found.clusters.tolist()) == ([1.0, 2.0], [0, 0])
    assert found.counts().tolist() == [2, 0]
    assert found.complete().tolist() == [True, False]


@given(st.integers(1, 40), st.integers(2, 5), st.booleans())
def test_folds_part_the_cases(n: int, count: int, clustered: bool) -> None:
    """Every case is in one fold, the folds differ by one unit at most, and a cluster stays whole."""
    clusters = np.arange(n) // 3 if clustered else None
    parts = folds(made(np.ones((1, n)), clusters=clusters), count)
    assert (np.sum(parts, axis=0) == 1).all()
    units = [len(set(np.flatnonzero(part) // 3 if clustered else np.flatnonzero(part))) for part in parts]
    assert max(units) - min(units) <= 1
    if clusters is not None:
        assert all(len(set(part[clusters == each].tolist())) == 1 for part in parts for each in clusters)


def test_each_part_is_served_by_its_row() -> None:
    """What was picked for a part of the cases answers these."""
    rows = made([[1, 1, 0, 0], [0, 0, 1, 1]])
    first = np.array([True, False, True, False])
    values, costs = spliced(rows, [(first, 0), (~first, 1)])
    assert (values.tolist(), costs.tolist()) == ([1, 0, 0, 1], [1, 2, 1, 2])


def test_strata_are_weighed_together() -> None:
    """Means by their weights, errors by the root of their squares; what is missing counts as nothing."""
    found = pooled([0.1, -0.2], [0.03, 0.04], [0.5, 0.25])
    error = math.hypot(0.5 * 0.03, 0.25 * 0.04)
    assert (found.mean, found.high - found.mean) == pytest.approx((0.0, 1.959964 * error))
    assert pooled([], [], []) == Span(mean=0.0, low=0.0, high=0.0)
    assert -Span(mean=1.0, low=0.5, high=3.0) == Span(mean=-1.0, low=-3.0, high=-0.5)


def test_noise_is_pulled_to_what_classes_have_in_common() -> None:
    """Where classes differ by no more than noise, all get the common difference; a row against itself stays at 0."""
    rng = np.random.default_rng(3)
    strata = [made((rng.random((2, 60)) < 0.7).astype(float)) for _ in range(8)]
    means, errors = differences(strata, 0)
    assert (means[:, 0] == 0).all()
    assert (errors[:, 0] == 0).all()
    pulled = shrunken(means, errors)
    assert pulled[:, 1].std() < means[:, 1].std() / 2
    assert (pulled[:, 0] == 0).all()


# --- one task ---------------------------------------------------------------------------------------------------------


def test_who_reaches_a_bar() -> None:
    """A sum exactly at the bar reaches it; a row with a case missing does not, whatever it shows."""
    rows = made([[1.0, 1, 1, 0, 0], [1.0, 1, 0, 0, 0], [1.0, 1, 1, 1, NAN]])
    assert reaching(rows, 0.6).tolist() == [True, False, False]
    assert reaching(made(rows.values, weights=[1, 1, 1, 3, 3]), 0.6).tolist() == [False, False, False]


def test_who_is_shown_to_be_above_a_bar() -> None:
    """59 of 59 prove .95 at 5 %, 58 of 58 do not."""
    assert shown_at(made(np.ones((1, 59))), 0.95, 0.05).tolist() == [True]
    assert shown_at(made(np.ones((1, 58))), 0.95, 0.05).tolist() == [False]


def test_who_is_within_a_reference() -> None:
    """The difference on common cases counts, ties reach it."""
    rows = made([[1] * 50, [1] * 49 + [0], [1] * 48 + [0, 0]])
    assert within(rows, 0.02, 0).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("right", "scores", "chosen", "alike"),
    [
        ((80, 160, 60), None, 1, [1]),  # the best, not the dearest
        ((158, 160, 160), None, 0, [0, 1, 2]),  # within two points
        ((120, 158, 160), None, 1, [1, 2]),
        ((158, 160, 120), (NAN, 0.8, 0.6), 1, [1]),  # who has no score is not taken
    ],
)
def test_the_best_available(
    right: tuple[int, ...], scores: tuple[float, ...] | None, chosen: int, alike: list[int]
) -> None:
    """The cheapest of those that 200 cases do not tell from the best, each one's right answers drawn by lot."""
    rng = np.random.default_rng(5)
    rows = made([rng.permutation([1.0] * count + [0.0] * (200 - count)) for count in right])
    assert best_available(rows, None if scores is None else np.array(scores)) == (chosen, alike)


def test_without_a_cost_the_first_of_those_alike_serves() -> None:
    """Rows stand cheapest first, so their order decides where costs do not."""
    rows = made([[1, 0], [1, 0]], costs=[[NAN, NAN], [1.0, 1.0]])
    assert best_available(rows)[0] == 0


@pytest.mark.parametrize("cost", [0.0, 1.0])
def test_of_equally_cheap_ones_the_better_serves(cost: float) -> None:
    """Free models have a price of nothing in common, which says nothing of who is right."""
    right = [[1.0] * 98 + [0.0] * 2, [1.0] * 99 + [0.0]]
    assert best_available(made(right, costs=[[cost] * 100] * 2)) == (1, [0, 1])
    assert cheapest(np.array([cost, cost, cost]), [0, 1, 2], np.array([0.5, 0.7, 0.7])) == 1


# --- several tasks ----------------------------------------------------------------------------------------------------

POINT = st.tuples(st.integers(1, 40).map(float), st.integers(-20, 20).map(float))
TASKS = st.lists(st.lists(POINT, min_size=1, max_size=4), min_size=1, max_size=4)


@settings(deadline=None)
@given(TASKS, st.data())
def test_no_choice_is_better_at_the_price_of_a_step(
    tasks: list[list[tuple[float, float]]], data: st.DataObject
) -> None:
    """Against every combination of options: none costs no more than a step and brings more; steps only descend."""
    weights = data.draw(st.lists(st.floats(0.1, 3), min_size=len(tasks), max_size=len(tasks)))
    steps = descent(tasks, weights)
    assert len(steps) <= 1 + sum(len(options) - 1 for options in tasks)
    for one, other in itertools.pairwise(steps):
        assert other.cost < one.cost
        assert other.gain < one.gain
        assert other.slope > one.slope
    for combination in itertools.product(*tasks):
        cost = sum(w * point[0] for w, point in zip(weights, combination, strict=True))
        gain = sum(w * point[1] for w, point in zip(weights, combination, strict=True))
        for step in steps:
            if cost <= step.cost:
                assert gain <= step.gain + 1e-9 * (1 + abs(gain))


@settings(deadline=None)
@given(TASKS, st.floats(0, 5))
def test_each_lambda_has_its_step(tasks: list[list[tuple[float, float]]], price: float) -> None:
    """The step that a lambda falls on maximises gain - lambda x cost, task by task."""
    steps = descent(tasks, [1.0] * len(tasks))
    step = [one for one in steps if one.slope <= price][-1]
    best = sum(max(gain - price * cost for cost, gain in options) for options in tasks)
    assert step.gain - price * step.cost == pytest.approx(best)


def test_options_that_may_not_be_chosen_are_not() -> None:
    """None keeps an option's place without being chosen; a task without any option is an error."""
    (step,) = descent([[None, (2.0, 0.5)]], [1.0])
    assert step.choices == (1,)
    with pytest.raises(ValueError, match="every task needs an option"):
        descent([[None]], [1.0])


def test_the_hull_drops_what_a_lot_between_others_beats() -> None:
    """Dearer and worse goes, below the line between two goes, on the line goes; of equals the first stays."""
    assert [place for place, _ in hull(list(enumerate([(1.0, 0.0), (2.0, 1.0), (3.0, 2.0)])))] == [0, 2]
    assert [place for place, _ in hull(list(enumerate([(1.0, 0.0), (2.0, 2.0), (2.0, 2.0), (5.0, 1.0)])))] == [0, 1]


@pytest.mark.parametrize(("cost", "gain"), [(0.5, None), (1.0, 0.2), (2.0, 0.5), (3.0, 0.8), (9.0, 0.8)])
def test_a_lot_between_two_lies_on_their_line(cost: float, gain: float | None) -> None:
    """Between two options their shares of the requests decide; beyond the dearest nothing more is had."""
    assert mixed([(3.0, 0.8), (1.0, 0.2), (2.5, 0.3)], cost) == (None if gain is None else pytest.approx(gain))
