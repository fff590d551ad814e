"""The exact test that a candidate is no worse than a reference by a margin, and the interval beside it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.statistics.noninferiority import (
    allowed,
    discordances,
    most_lost,
    noninferiority_p,
    paired_interval,
    reaching,
    score,
    slack,
)

Counts = tuple[int, int, int]  # n, lost, gained

margins = st.sampled_from([0.0, 0.01, 0.02, 0.05, 0.1, 0.3])


@st.composite
def pairs(draw: st.DrawFn, most: int = 60) -> Counts:
    """(n, lost, gained)."""
    n = draw(st.integers(1, most))
    lost = draw(st.integers(0, n))
    return n, lost, draw(st.integers(0, n - lost))


# --- the statistic ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "lost", "gained", "margin"), [(44, 1, 0, 0.1), (30, 4, 2, 0.05), (20, 3, 5, -0.2)])
def test_score_has_the_variance_of_the_likeliest_null(n: int, lost: int, gained: int, margin: float) -> None:
    """The closed form is the difference over its error, at the shares that maximise the likelihood, found by search."""
    worse = np.linspace(max(margin, 0) + 1e-9, (1 + margin) / 2 - 1e-9, 400_001)
    same = n - lost - gained
    likelihood = lost * np.log(worse) + gained * np.log(worse - margin) + same * np.log1p(margin - 2 * worse)
    at = worse[likelihood.argmax()]
    spread = math.sqrt(n * (2 * at - margin - margin**2))
    assert score(n, lost, gained, margin) == pytest.approx((gained - lost + n * margin) / spread, abs=1e-4)


def test_score_of_nothing() -> None:
    """Without a discordant case a margin is still evidence, that of its own binomial; a margin of 0 is none."""
    assert score(50, 0, 0, 0.0) == 0
    assert score(50, 0, 0, 0.05) == pytest.approx(math.sqrt(50 * 0.05 / 0.95))
    assert score(50, 3, 10, 0.0) == pytest.approx(7 / math.sqrt(13))


@given(pairs(), margins)
def test_score_falls_with_every_lost_case(counts: Counts, margin: float) -> None:
    """Among outcomes with as many discordant cases, one more lost is never better: the regions are what they seem."""
    n, lost, gained = counts
    discordant = lost + gained
    scores = score(n, np.arange(discordant + 1), discordant - np.arange(discordant + 1), margin)
    assert (np.diff(scores) <= 1e-9).all()


@given(st.integers(1, 60), margins, st.floats(-3, 6))
def test_most_lost_is_the_last_that_reaches(n: int, margin: float, reached: float) -> None:
    """For every number of discordant cases: that many lost reach the score, one more does not."""
    discordant = np.arange(n + 1)
    most = most_lost(n, margin, discordant, reached)
    for count, found in zip(discordant.tolist(), most.tolist(), strict=True):
        scores = score(n, np.arange(count + 1), count - np.arange(count + 1), margin)
        assert found == (scores >= reached - 1e-9).sum() - 1


# --- the p-value ------------------------------------------------------------------------------------------------------


def enumerated(n: int, margin: float, discordance: float, reached: float) -> float:
    """P(score >= reached) at the margin, outcome by outcome."""
    worse, better = (discordance + margin) / 2, (discordance - margin) / 2
    return sum(
        math.comb(n, lost) * math.comb(n - lost, gained) * worse**lost * better**gained
        * (1 - discordance) ** (n - lost - gained)
        for lost in range(n + 1)
        for gained in range(n - lost + 1)
        if score(n, lost, gained, margin) >= reached - 1e-9
    )  # fmt: skip


@pytest.mark.parametrize(
    ("n", "lost", "gained", "margin"), [(8, 0, 1, 0.1), (12, 1, 3, 0.05), (12, 2, 2, 0.3), (10, 1, 6, 0.0)]
)
def test_p_is_the_greatest_of_all_discordances(n: int, lost: int, gained: int, margin: float) -> None:
    """It is what counting outcomes gives at the discordances that the interval holds, and the two additions."""
    at = discordances(n, margin)[allowed(n, margin, lost + gained)]
    reached = float(score(n, lost, gained, margin))
    slow = max(enumerated(n, margin, float(one), reached) for one in at)
    assert noninferiority_p(n, lost, gained, margin) == pytest.approx(slow + slack(), abs=1e-7)


@pytest.mark.parametrize(("n", "lost", "gained"), [(24, 0, 1), (50, 0, 0), (50, 3, 10), (200, 5, 9), (400, 20, 22)])
@pytest.mark.parametrize("margin", [0.0, 0.02, 0.05])
def test_nothing_is_missed_between_the_discordances(n: int, lost: int, gained: int, margin: float) -> None:
    """On a grid twenty times finer no probability exceeds the greatest found by half of what is added for that."""
    coarse = discordances(n, margin)[allowed(n, margin, lost + gained)]
    fine = np.unique(np.concatenate([np.linspace(a, b, 21) for a, b in itertools.pairwise(coarse)]))
    reached = float(score(n, lost, gained, margin))
    assert reaching(n, margin, fine, reached).max() - reaching(n, margin, coarse, reached).max() < 5e-5


@given(pairs(200), margins)
@settings(deadline=None)
def test_p_falls_as_the_candidate_gains(counts: Counts, margin: float) -> None:
    """With as many discordant cases, fewer lost ones are never weaker evidence."""
    n, lost, gained = counts
    if lost:
        assert noninferiority_p(n, lost - 1, gained + 1, margin) <= noninferiority_p(n, lost, gained, margin) + 1e-9


@given(pairs(200))
@settings(deadline=None)
def test_p_of_a_candidate_that_is_worse_proves_nothing(counts: Counts) -> None:
    """An estimate at the margin or beyond is never at a level that anybody uses."""
    n, lost, gained = counts
    margin = 0.05
    if lost - gained >= n * margin:
        assert noninferiority_p(n, lost, gained, margin) > 0.1


def test_p_at_the_edges() -> None:
    """No pair differs: nothing shows that one is better, many cases that none is worse; all gained is p's floor."""
    assert noninferiority_p(50, 0, 0, 0.0) == 1
    assert noninferiority_p(50, 0, 0, 0.05) == pytest.approx(0.95**50, abs=3e-4)
    assert noninferiority_p(1000, 0, 0, 0.05) == pytest.approx(slack())
    assert noninferiority_p(100, 0, 100, 0.05) == pytest.approx(slack())
    assert noninferiority_p(100, 100, 0, 0.05) == 1
    assert noninferiority_p(1, 0, 0, 0.5) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("n", "lost", "gained", "margin"),
    [(0, 0, 0, 0.1), (5, 3, 3, 0.1), (5, -1, 0, 0.1), (5, 1, 0, 1.0), (5, 1, 0, -0.1)],
)
def test_p_refuses_what_are_no_pairs(n: int, lost: int, gained: int, margin: float) -> None:
    """Counts that do not fit and a margin out of range are refused."""
    with pytest.raises(ValueError, match="no test of"):
        noninferiority_p(n, lost, gained, margin)


# --- an interval ------------------------------------------------------------------------------------------------------


def test_paired_interval_of_the_literature() -> None:
    """Airway hyper-responsiveness before and after a transplant, 1 and 7 of 21 pairs: Fagerland et al. (2014)."""
    low, high = paired_interval(21, 7, 1, 0.05)
    assert (low, high) == pytest.approx((-0.517, -0.026), abs=5e-4)


@given(pairs())
def test_paired_interval_is_symmetric_and_holds_the_estimate(counts: Counts) -> None:
    """Who is called the candidate only turns it round."""
    n, lost, gained = counts
    low, high = paired_interval(n, lost, gained, 0.05)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    assert paired_interval(n, gained, lost, 0.05) == pytest.approx((-high, -low))


def test_paired_interval_without_discordance() -> None:
    """Cases that all agree leave a doubt that goes with 1 / n."""
    low, high = paired_interval(96, 0, 0, 0.05)
    assert high == -low == pytest.approx(3.8415 / (96 + 3.8415), abs=1e-4)


def test_paired_interval_is_near_its_level() -> None:
    """At 100 cases the exact coverage is within two points of 95 %, whatever the two differ by."""
    n = 100
    for worse, better in ((0.05, 0.05), (0.1, 0.05), (0.02, 0.1)):
        missed = sum(
            math.comb(n, lost) * math.comb(n - lost, gained) * worse**lost * better**gained
            * (1 - worse - better) ** (n - lost - gained)
            for lost in range(35)
            for gained in range(35)
            if abs(float(score(n, lost, gained, worse - better))) > 1.959964
        )  # fmt: skip
        assert missed == pytest.approx(0.05, abs=0.02)


def test_paired_interval_refuses_what_is_no_level() -> None:
    """An alpha outside (0, 1) is refused."""
    with pytest.raises(ValueError, match="alpha"):
        paired_interval(10, 1, 1, 1.0)
