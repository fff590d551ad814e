"""Non-inferiority where outcomes are graded, weighted or clustered."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from routerctl.statistics.noninferiority import noninferiority_p
from routerctl.statistics.noninferiority_values import clustered_noninferiority_p, noninferiority_bets


def draws(runs: int, n: int, losing: float, gaining: float, seed: int) -> NDArray[np.float64]:
    """Differences of 0/1 pairs, [runs, n]."""
    return np.random.default_rng(seed).choice(
        [-1.0, 0.0, 1.0], size=(runs, n), p=[losing, 1 - losing - gaining, gaining]
    )


# --- bets -------------------------------------------------------------------------------------------------------------


def test_bets_are_products_of_wealth() -> None:
    """One pair, one bet: the stake is what the guess of the variance gives, and p is 1 / the wealth after it."""
    alpha, margin = 0.05, 0.1
    stake = min(math.sqrt(2 * -math.log(alpha) / 0.03), 0.75 / 0.45)
    assert noninferiority_bets([1.0], margin, alpha) == pytest.approx(1 / (1 + stake * (1 - 0.45)))
    assert noninferiority_bets([-1.0], margin, alpha) == 1
    assert noninferiority_bets([], margin, alpha) == 1


def test_bets_keep_their_level() -> None:
    """At a candidate worse by the margin p <= alpha in at most alpha of the runs (3 standard errors)."""
    runs, alpha = 600, 0.05
    for losing, gaining in ((0.05, 0.0), (0.1, 0.05)):
        wins = sum(
            noninferiority_bets(row, 0.05, alpha) <= alpha for row in draws(runs, 150, losing, gaining, 3).tolist()
        )
        assert wins / runs <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / runs)


def test_bets_find_what_there_is() -> None:
    """7.5 % discordant pairs, margin .05, 500 cases: .92 of candidates that are as good are proven at .025."""
    wins = sum(noninferiority_bets(row, 0.05, 0.025) <= 0.025 for row in draws(200, 500, 0.0375, 0.0375, 4).tolist())
    assert wins / 200 == pytest.approx(0.92, abs=0.06)


def test_bets_on_graded_values_find_more() -> None:
    """Differences that are half as large are a quarter of the noise."""
    rows = draws(1, 300, 0.05, 0.05, 5)[0]
    assert noninferiority_bets((rows / 2).tolist(), 0.05, 0.025) < noninferiority_bets(rows.tolist(), 0.05, 0.025)


def test_a_common_weight_says_nothing() -> None:
    """Twice the weight for every case is the same question; a case of weight 0 takes no part but a place."""
    rows = draws(1, 100, 0.02, 0.04, 6)[0].tolist()
    same = noninferiority_bets(rows, 0.05, 0.05, weights=[2.0] * 100)
    assert same == pytest.approx(noninferiority_bets(rows, 0.05, 0.05))
    assert noninferiority_bets([1.0, -1.0], 0.1, 0.05, weights=[1.0, 0.0]) < 1


def test_clusters_are_units_of_the_bets() -> None:
    """Each case a cluster of its own changes nothing; equal cases of few clusters are few bets."""
    rows = draws(1, 60, 0.02, 0.1, 7)[0].tolist()
    alone = noninferiority_bets(rows, 0.05, 0.05, clusters=[str(k) for k in range(60)])
    assert alone == pytest.approx(noninferiority_bets(rows, 0.05, 0.05))
    together = noninferiority_bets([1.0] * 60, 0.05, 0.05, clusters=[str(k // 30) for k in range(60)])
    assert together == pytest.approx(noninferiority_bets([1.0] * 2, 0.05, 0.05))


@pytest.mark.parametrize("margin", [-0.1, 1.0])
def test_bets_refuse_what_is_no_margin(margin: float) -> None:
    """A margin out of range is refused."""
    with pytest.raises(ValueError, match="margin"):
        noninferiority_bets([0.0], margin, 0.05)


# --- clusters ---------------------------------------------------------------------------------------------------------


def test_clusters_of_one_case_are_cases() -> None:
    """Where each case is its own cluster and something varies, the exact test is left as it was."""
    rows = [-1] * 3 + [1] * 5 + [0] * 192
    p = clustered_noninferiority_p(rows, [str(k) for k in range(200)], 0.05, 0.025)
    assert p == pytest.approx(noninferiority_p(200, 3, 5, 0.05))


def test_clusters_that_move_whole_are_cases() -> None:
    """40 clusters of 5, of which one is lost and two are gained whole, say hardly more than 40 cases."""
    rows = [-1] * 5 + [1] * 10 + [0] * 185
    names = [str(k // 5) for k in range(200)]
    p = clustered_noninferiority_p(rows, names, 0.05, 0.025)
    assert noninferiority_p(200, 5, 10, 0.05) < 0.01 < noninferiority_p(40, 1, 2, 0.05) <= p


def test_clusters_without_discordance_count_as_cases() -> None:
    """Nothing shows how cases of a cluster hang together: then each cluster is one case."""
    names = [str(k // 5) for k in range(200)]
    assert clustered_noninferiority_p([0] * 200, names, 0.05, 0.025) == noninferiority_p(40, 0, 0, 0.05)
    assert clustered_noninferiority_p([0] * 200, ["one"] * 200, 0.05, 0.025) == 1


def test_clusters_keep_the_level_about() -> None:
    """Clusters lost whole as often as the margin allows pass at .025 no more often than that (3 standard errors)."""
    names, rng, runs = [str(k // 5) for k in range(500)], np.random.default_rng(8), 200
    lost = np.repeat(rng.random((runs, 100)) < 0.05, 5, axis=1)
    passes = sum(clustered_noninferiority_p(row, names, 0.05, 0.025) <= 0.025 for row in (-lost.astype(int)).tolist())
    assert passes / runs <= 0.025 + 3 * math.sqrt(0.025 / runs)
    assert sum(noninferiority_p(500, int(row.sum()), 0, 0.05) <= 0.025 for row in lost) / runs > 0.15
