"""How often the test of non-inferiority proves what is true, and how many cases that takes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.statistics.noninferiority import noninferiority_p
from routerctl.statistics.noninferiority_power import cases_for_noninferiority, critical_lost, noninferiority_power


@pytest.mark.parametrize(
    ("n", "margin", "alpha"), [(12, 0.3, 0.1), (30, 0.1, 0.05), (40, 0.05, 0.025), (40, 0.0, 0.025)]
)
def test_critical_lost_is_the_p_value_turned_round(n: int, margin: float, alpha: float) -> None:
    """A candidate passes exactly where its p-value is at most alpha, outcome by outcome."""
    critical = critical_lost(n, margin, alpha, 0, n)
    for discordant in range(n + 1):
        for lost in range(discordant + 1):
            passes = noninferiority_p(n, lost, discordant - lost, margin) <= alpha
            assert passes == (lost <= critical[discordant]), (lost, discordant)


@pytest.mark.parametrize(("n", "margin", "alpha"), [(200, 0.03, 0.025), (500, 0.02, 0.05 / 3), (1000, 0.05, 0.025)])
def test_critical_lost_at_larger_sizes(n: int, margin: float, alpha: float) -> None:
    """The same at the line itself, where sets are as large as they are in earnest."""
    for discordant in (n // 20, n // 8):
        (lost,) = critical_lost(n, margin, alpha, discordant, discordant).tolist()
        assert noninferiority_p(n, lost, discordant - lost, margin) <= alpha
        assert noninferiority_p(n, lost + 1, discordant - lost - 1, margin) > alpha


def error(n: int, margin: float, discordance: float, critical: list[int]) -> float:
    """P(pass) at the margin, summed over numbers of discordant cases and lost ones."""
    total, losing = 0.0, (1 + margin / discordance) / 2
    for discordant, most in enumerate(critical):
        chance = math.comb(n, discordant) * discordance**discordant * (1 - discordance) ** (n - discordant)
        if most >= 0 and chance > 1e-12:
            total += chance * sum(
                math.comb(discordant, lost) * losing**lost * (1 - losing) ** (discordant - lost)
                for lost in range(most + 1)
            )
    return total


@pytest.mark.parametrize("alpha", [0.05, 0.025, 0.05 / 3])
@pytest.mark.parametrize(
    ("n", "margin"), [(20, 0.05), (20, 0.2), (50, 0.0), (50, 0.03), (50, 0.1), (200, 0.02), (200, 0.05)]
)
def test_the_error_is_within_alpha_at_every_discordance(n: int, margin: float, alpha: float) -> None:
    """The exact P(pass) of a candidate worse by the margin exceeds alpha nowhere, and comes near it where it can."""
    critical = critical_lost(n, margin, alpha, 0, n).tolist()
    errors = [error(n, margin, one, critical) for one in np.linspace(max(margin, 0.001), 0.999, 67)]
    assert max(errors) <= alpha
    assert max(errors) >= alpha / 2 or n * margin < 2


def test_power_is_that_of_every_outcome() -> None:
    """The power is the sum over all (lost, gained) that pass, counted one by one."""
    n, discordance, difference, margin, alpha = 30, 0.2, 0.05, 0.1, 0.05
    worse, better = (discordance - difference) / 2, (discordance + difference) / 2
    slow = sum(
        math.comb(n, lost) * math.comb(n - lost, gained) * worse**lost * better**gained
        * (1 - discordance) ** (n - lost - gained)
        for lost in range(n + 1)
        for gained in range(n - lost + 1)
        if noninferiority_p(n, lost, gained, margin) <= alpha
    )  # fmt: skip
    assert noninferiority_power(n, discordance, difference, margin, alpha) == pytest.approx(slow, abs=1e-6)


@given(st.floats(0.02, 0.3), st.sampled_from([0.02, 0.05]), st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=30)
def test_power_rises_with_the_difference(discordance: float, margin: float, one: float, other: float) -> None:
    """A better candidate passes more often; one that is worse by the margin or more passes with at most alpha."""
    low, high = (discordance * (2 * share - 1) for share in sorted((one, other)))
    powers = [noninferiority_power(150, discordance, difference, margin, 0.025) for difference in (low, high)]
    assert powers[0] <= powers[1] + 1e-7
    assert low > -margin or powers[0] <= 0.025


@pytest.mark.parametrize(
    ("discordance", "margin", "n", "power"),
    [(0.05, 0.05, 200, 0.794), (0.1, 0.03, 500, 0.544), (0.1, 0.05, 500, 0.930), (0.2, 0.05, 500, 0.699)],
)
def test_power_is_that_of_tangos_test(discordance: float, margin: float, n: int, power: float) -> None:
    """Tango's score test, which only nearly has its level, is what to expect: the exact test has no less to show."""
    assert noninferiority_power(n, discordance, 0.0, margin, 0.025) == pytest.approx(power, abs=0.005)


# --- how many cases ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("discordance", "difference", "margin"),
    [(0.1, 0.0, 0.05), (0.05, 0.01, 0.05), (0.02, 0.02, 0.02), (0.2, -0.01, 0.1), (0.06, 0.05, 0.0), (0.0, 0.0, 0.05)],
)
@pytest.mark.parametrize("power", [0.8, 0.9])
def test_cases_are_enough_and_not_too_many(discordance: float, difference: float, margin: float, power: float) -> None:
    """With the number given the exact power is about reached; a tenth more reach it, four tenths less do not."""
    n = cases_for_noninferiority(discordance, difference, margin, 0.025, power)
    assert n is not None
    assert noninferiority_power(n, discordance, difference, margin, 0.025) >= power - 0.01
    assert noninferiority_power(int(n * 1.1), discordance, difference, margin, 0.025) >= power
    assert noninferiority_power(int(n * 0.6), discordance, difference, margin, 0.025) < power


def test_cases_where_none_would_do() -> None:
    """A candidate that truly is worse by the margin or more is never proven; nor one as good to be better."""
    assert cases_for_noninferiority(0.1, -0.02, 0.02, 0.025) is None
    assert cases_for_noninferiority(0.1, -0.05, 0.02, 0.025) is None
    assert cases_for_noninferiority(0.1, 0.0, 0.0, 0.025) is None


def test_cases_grow_with_the_square_of_what_is_left_of_the_margin() -> None:
    """Half the distance to the margin takes four times the cases."""
    near, far = (cases_for_noninferiority(0.1, -0.02 + left, 0.02, 0.025) for left in (0.004, 0.002))
    assert near is not None
    assert far == pytest.approx(4 * near, rel=0.01)


def test_what_is_out_of_range_is_refused() -> None:
    """What does not fit is refused; a level below the test's own additions passes nobody."""
    with pytest.raises(ValueError, match="does not come of"):
        noninferiority_power(100, 0.1, 0.2, 0.02, 0.025)
    with pytest.raises(ValueError, match="does not come of"):
        cases_for_noninferiority(0.1, -0.2, 0.02, 0.025)
    with pytest.raises(ValueError, match="no test at"):
        critical_lost(10, 0.1, 0.0, 0, 10)
    with pytest.raises(ValueError, match="no test at"):
        critical_lost(10, 0.1, 0.05, 5, 4)
    assert (critical_lost(10, 0.1, 0.0001, 0, 10) == -1).all()
