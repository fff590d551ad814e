"""Bounds on the score of cases that come in clusters or carry weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics import design_effect, independent_need, korn_graubard_lower, least_cases, plan


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 150), bar=st.floats(0.3, 0.99), alpha=st.sampled_from([0.2, 0.05, 0.01]))
def test_independent_need_is_the_plans_need_with_fractions(n: int, bar: float, alpha: float) -> None:
    """Rounded up it is what the exact test needs at its last case; there the Clopper-Pearson bound is the bar."""
    need, exact = independent_need(n, bar, alpha), plan(n, bar, alpha).need
    assert math.ceil(need - 1e-9) == exact
    if exact <= n:
        assert stats.beta.ppf(alpha, need, n - need + 1) == pytest.approx(bar, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 6), st.floats(0.2, 4)), min_size=1, max_size=40),
    alpha=st.sampled_from([0.2, 0.05, 0.01]),
)
def test_no_bound_exceeds_that_of_independent_cases(rows: list[tuple[float, int, float]], alpha: float) -> None:
    """Clusters and weights only take knowledge away: the bound is at most Clopper-Pearson's over all cases."""
    sums, sizes = [value * size * w for value, size, w in rows], [size * w for _, size, w in rows]
    cases = sum(size for _, size, _ in rows)
    kish = sum(sizes) ** 2 / sum(size * w * w for _, size, w in rows)
    score = min(sum(sums) / sum(sizes), 1.0)
    found = korn_graubard_lower(sums, sizes, alpha, kish)
    assert 0 <= found <= score + 1e-9
    if score <= 1e-12:  # SciPy's own quantile overflows
        assert found == 0
    else:
        assert found <= stats.beta.ppf(alpha, score * cases, cases - score * cases + 1) + 1e-9


@pytest.mark.parametrize("scale", [1e-3, 2.0, 1e5])
def test_the_unit_of_weights_plays_no_part(scale: float) -> None:
    """Only ratios of weights count, once the effective number of cases is handed in."""
    sums, sizes = [4.0, 1.0, 6.0, 2.5], [5.0, 2.0, 6.0, 3.0]
    scaled = [one * scale for one in sums], [one * scale for one in sizes]
    plain = korn_graubard_lower(sums, sizes, 0.05, 11.0)
    assert korn_graubard_lower(*scaled, 0.05, 11.0) == pytest.approx(plain)
    assert design_effect(*scaled, 11.0) == pytest.approx(design_effect(sums, sizes, 11.0))


def test_equal_weights_are_no_weights() -> None:
    """With the number of cases handed in the bound is the one without it."""
    sums, sizes = [5.0, 4.0, 5.0, 3.0], [5.0] * 4
    assert korn_graubard_lower(sums, sizes, 0.05, 20) == korn_graubard_lower(sums, sizes, 0.05)


@pytest.mark.parametrize(("clusters", "kish", "counted"), [(10, 40.0, 10), (10, 7.5, 7.5)])
def test_a_perfect_score_counts_clusters_or_effective_cases(clusters: int, kish: float, counted: float) -> None:
    """Whichever are fewer."""
    assert korn_graubard_lower([5.0] * clusters, [5.0] * clusters, 0.05, kish) == pytest.approx(0.05 ** (1 / counted))


@pytest.mark.parametrize(
    ("passes", "sizes", "effect"),
    [
        # Every cluster is all or nothing: each is worth one case, corrected for four.
        ([5, 5, 0, 5], [5] * 4, 5 * 4 / 3),
        ([4, 4, 4, 4], [5] * 4, 1.0),
        ([5, 5, 5], [5] * 3, 5.0),
        ([3], [4], 4.0),
        ([], [], 1.0),
    ],
)
def test_design_effect(passes: list[int], sizes: list[int], effect: float) -> None:
    """From 1, cases that tell as much as independent ones, to the size of a cluster whose cases are all alike."""
    assert design_effect(passes, sizes) == pytest.approx(effect)


@pytest.mark.parametrize(
    ("bar", "weighted", "icc"), [(0.9, False, 0.3), (0.8, True, 0.3), (0.9, True, 0.1), (0.8, False, 0.5)]
)
def test_the_level_of_the_bound(bar: float, weighted: bool, icc: float) -> None:
    """At the bar, 60 clusters of unequal size, weighted or not: the bound exceeds it in about alpha of the runs."""
    # It is an approximation, measured up to .055 for .05 elsewhere; 3 standard errors on top.
    rng, trials, over = np.random.default_rng(5), 1500, 0
    for _ in range(trials):
        sizes = rng.integers(2, 9, 60)
        rates = rng.beta(bar * (1 / icc - 1), (1 - bar) * (1 / icc - 1), 60)
        weights = [rng.choice([1.0, 3.0], size) if weighted else np.ones(size) for size in sizes]
        sums = [float(w @ (rng.random(len(w)) < rate)) for w, rate in zip(weights, rates, strict=True)]
        totals = [float(w.sum()) for w in weights]
        kish = sum(totals) ** 2 / sum(float(w @ w) for w in weights)
        over += korn_graubard_lower(sums, totals, 0.05, kish) >= bar
    assert 0.005 < over / trials <= 0.055 + 3 * math.sqrt(0.05 * 0.95 / trials)


def test_few_effective_cases_prove_nothing() -> None:
    """One effective case, or none, leaves no bound; and no number of cases proves 1."""
    assert korn_graubard_lower([1.0, 0.5], [1.0, 1.0], 0.05, 1.0) == 0.0
    assert least_cases(1.0, 0.05) is None
    assert independent_need(50, 1.0, 0.05) == 51
