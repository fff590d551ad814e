"""Experiments on live traffic: who is in which arm, what a look may conclude, and what the guardrails stop."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.routing.experiments import arm_of, point_of
from routerctl.routing.experiments.compare import (
    ExperimentDesign,
    LoggedOutcome,
    Standing,
    UnitOutcomes,
    compare,
    in_order,
    planned_outcomes,
)
from routerctl.routing.experiments.guardrails import Guardrail, capped, guard
from routerctl.routing.experiments.wording import comparison_words, guard_words, points
from routerctl.statistics.two_arms import Gambles, block_sizes, blocks, planned_blocks
from routerctl.words import plain

QUESTION = ExperimentDesign(least_difference=0.1, share=0.5, deviation=0.3)


def drawn(n: int, *, a: float, b: float, share: float = 0.5, seed: int = 0) -> UnitOutcomes:
    """Coin tosses of two arms."""
    rng = np.random.default_rng(seed)
    in_b = rng.random(n) < share
    return UnitOutcomes(values=(rng.random(n) < np.where(in_b, b, a)).astype(float), in_b=in_b)


# --- assignment -------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_who_is_in_b_stays_there_when_its_share_grows(key: str, one: float, other: float) -> None:
    """Growing B's share moves keys from A to B and none back."""
    small, large = sorted((one, other))
    assert (arm_of(b"salt", key, small), arm_of(b"salt", key, large)) != ("B", "A")


@settings(deadline=None)
@given(st.text())
def test_nobody_is_in_a_share_of_nothing_and_everybody_in_all_of_it(key: str) -> None:
    """A share of 0 is nobody and one of 1 everybody, lone surrogates included."""
    assert (arm_of(b"s", key, 0.0), arm_of(b"s", key, 1.0)) == ("A", "B")
    assert 0 <= point_of(b"s", key) < 1


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_shares_of_keys_are_within_binomial_bounds(share: float) -> None:
    """Of 20,000 keys B gets its share, give or take four standard deviations."""
    got = sum(arm_of(b"salt", f"user-{number}", share) == "B" for number in range(20_000))
    assert abs(got - 20_000 * share) <= 4 * math.sqrt(20_000 * share * (1 - share))


def test_two_experiments_divide_the_same_keys_independently() -> None:
    """Under another salt half of B's keys are in A."""
    both = sum(
        arm_of(b"one", f"user-{number}", 0.5) == arm_of(b"two", f"user-{number}", 0.5) == "B"
        for number in range(20_000)
    )
    assert abs(both - 5000) <= 4 * math.sqrt(20_000 * 0.25 * 0.75)


def test_a_key_has_the_same_place_in_every_process() -> None:
    """The place is a function of salt and key alone: a change of it would move everybody."""
    assert point_of(b"salt", "user-1") == 0.4604765109079334  # openssl dgst -sha256 -hmac salt


def test_assignment_imports_no_numpy() -> None:
    """The request line assigns arms, and must start without numpy."""
    code = "import sys, routerctl.routing.experiments; sys.exit('numpy' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- blocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "sizes"),
    [(0.5, (1, 1)), (0.1, (9, 1)), (0.9, (1, 9)), (0.2, (4, 1)), (0.3, (7, 3)), (0.01, (99, 1)), (0.4, (3, 2))],
)
def test_blocks_have_the_arms_in_their_shares(share: float, sizes: tuple[int, int]) -> None:
    """A block has A and B in the ratio of their shares."""
    assert block_sizes(share) == sizes


@settings(deadline=None)
@given(st.floats(0.001, 0.999))
def test_a_block_of_any_share_has_both_arms_and_nearly_their_ratio(share: float) -> None:
    """Rounding to small blocks wastes little: B's part of a block is within a fifth of its share, or 2.5 points."""
    a, b = block_sizes(share)
    assert min(a, b) >= 1
    assert abs(b / (a + b) - share) <= max(0.2 * min(share, 1 - share), 0.025)


def test_blocks_take_units_in_order_and_say_when_they_are_complete() -> None:
    """The first block is the first A and the first two B, complete when the later of them has come."""
    made = blocks([1.0, 0.0, 1.0, 0.0, 1.0], [True, False, True, False, True], 2 / 3)
    assert made.a.tolist() == [0.0]
    assert made.b.tolist() == [1.0]
    assert made.ends.tolist() == [3]
    assert (made.counts, made.means) == ((2, 3), (0.0, 1.0))


@pytest.mark.parametrize(
    ("values", "in_b", "share"),
    [([0.5], [True, False], 0.5), ([1.5], [True], 0.5), ([math.nan], [True], 0.5), ([0.5], [True], 0.0)],
)
def test_what_is_no_outcome_is_refused(values: list[float], in_b: list[bool], share: float) -> None:
    """Unequal lengths, values outside [0, 1], NaN and an impossible share raise."""
    with pytest.raises(ValueError, match=r"outcome|share"):
        blocks(values, in_b, share)


# --- bets -------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=60), st.floats(-0.9, 0.9))
def test_a_number_is_outside_the_interval_exactly_when_a_gambler_has_won_against_it(
    values: list[float], m: float
) -> None:
    """The interval and the bets say the same of every number at the last block."""
    gambles = Gambles(np.array(values), low=-1.0, high=1.0, deviation=0.5, n=30, goal=math.log(40))
    low, high = gambles.interval()
    if gambles.above(m)[-1] >= gambles.goal:
        assert m <= low + 1e-5
    if gambles.below(m)[-1] >= gambles.goal:
        assert m >= high - 1e-5
    if low + 1e-5 < m < high - 1e-5:
        assert max(gambles.above(m)[-1], gambles.below(m)[-1]) < gambles.goal


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40), st.floats(-0.9, 0.8), st.floats(0.01, 0.1))
def test_wealth_falls_with_the_number_one_bets_against(values: list[float], m: float, step: float) -> None:
    """Who bets that the mean is above a greater number never ends richer: what is kept is an interval."""
    gambles = Gambles(np.array(values), low=-1.0, high=1.0, deviation=0.5, n=20, goal=3.0)
    assert (gambles.above(m + step) <= gambles.above(m) + 1e-9).all()
    assert (gambles.below(m + step) >= gambles.below(m) - 1e-9).all()


def test_expected_wealth_is_one_where_the_mean_is_what_is_bet_against() -> None:
    """Over every sequence of eight fair differences the wealth at the true mean averages to 1: the bets are fair."""
    total = 0.0
    for pattern in range(2**8):
        values = np.array([1.0 if pattern >> bit & 1 else -1.0 for bit in range(8)])
        total += math.exp(Gambles(values, low=-1.0, high=1.0, deviation=1.0, n=8, goal=3.0).above(0.0)[-1])
    assert total / 2**8 == pytest.approx(1.0, abs=1e-12)


def test_values_are_mirrored_by_the_other_bet() -> None:
    """Betting that the mean of -v is above -m is betting that the mean of v is below m."""
    values = np.array([0.5, -1.0, 0.25, 1.0, 0.0])
    one = Gambles(values, low=-1.0, high=1.0, deviation=0.5, n=9, goal=3.0)
    other = Gambles(-values, low=-1.0, high=1.0, deviation=0.5, n=9, goal=3.0)
    assert one.above(0.2) == pytest.approx(other.below(-0.2))


def test_the_interval_narrows_with_the_outcomes() -> None:
    """Four times the outcomes make the interval less than three quarters as wide, also beyond the plan."""
    widths = []
    for n in (500, 2000, 8000):
        low, high = compare(drawn(n, a=0.8, b=0.8, seed=3), QUESTION).interval
        widths.append(high - low)
    assert widths[1] < 0.75 * widths[0]
    assert widths[2] < 0.75 * widths[1]


@pytest.mark.parametrize(("difference", "deviation"), [(0.03, 0.45), (0.1, 0.45), (0.03, 0.1)])
def test_blocks_planned_grow_as_the_square_of_deviation_over_difference(difference: float, deviation: float) -> None:
    """The plan is (2.72 + 1.28)^2 = 15.98 times the squared ratio for alpha 5 % and power 90 %."""
    planned = planned_blocks(difference, deviation, math.log(40), 0.9)
    assert planned == pytest.approx(15.98 * (deviation / difference) ** 2, rel=1e-3, abs=1)


def test_no_number_of_outcomes_shows_a_difference_of_nothing() -> None:
    """A question about no difference cannot be planned."""
    with pytest.raises(ValueError, match="no number of outcomes"):
        planned_outcomes(ExperimentDesign(least_difference=0.0, share=0.5))


# --- units ------------------------------------------------------------------------------------------------------------


def test_without_a_window_a_key_counts_with_its_first_outcome() -> None:
    """Outcomes of one key resemble each other: the second is not another unit."""
    found = in_order([LoggedOutcome(key="u", arm="B", value=1.0), LoggedOutcome(key="u", arm="B", value=0.0)])
    assert (list(found.values), list(found.in_b)) == ([1.0], [True])


def test_with_a_window_a_key_counts_with_its_mean_once_the_window_is_over() -> None:
    """A user's outcomes within a day are averaged; one whose day is not over, or which moved to B, waits or stays."""
    outcomes = [
        LoggedOutcome(key="u", arm="A", value=1.0, at_s=0),
        LoggedOutcome(key="u", arm="A", value=0.0, at_s=50),
        LoggedOutcome(key="u", arm="B", value=1.0, at_s=60),
        LoggedOutcome(key="v", arm="B", value=1.0, at_s=70),
        LoggedOutcome(key="u", arm="A", value=1.0, at_s=100),
    ]
    found = in_order(outcomes, window_s=100)
    assert (list(found.values), list(found.in_b)) == ([0.5], [False])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=30), st.integers(0, 30))
def test_later_outcomes_never_change_earlier_units(rows: list[tuple[int, int]], cut: int) -> None:
    """What a look saw is the beginning of what any later look sees: else looks would not be of the same process."""
    ordered = sorted(rows, key=lambda row: row[1])
    outcomes = [
        LoggedOutcome(key=str(key), arm="B" if key % 2 else "A", value=key / 5, at_s=float(at)) for key, at in ordered
    ]
    early, late = (in_order(some, window_s=7) for some in (outcomes[:cut], outcomes))
    assert list(late.values)[: len(early.values)] == list(early.values)
    assert list(late.in_b)[: len(early.in_b)] == list(early.in_b)


# --- the answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "standing"),
    [(0.7, 0.9, Standing.BETTER), (0.9, 0.7, Standing.WORSE), (0.8, 0.8, Standing.UNDECIDED)],
)
def test_large_differences_are_decided_and_none_is_not(a: float, b: float, standing: Standing) -> None:
    """Twenty points are decided well within the plan for ten, in the right direction."""
    found = compare(drawn(planned_outcomes(QUESTION), a=a, b=b), QUESTION)
    assert found.standing is standing
    assert (found.decided_at is None) is (standing is Standing.UNDECIDED)
    assert found.difference is not None
    assert found.interval[0] <= found.difference <= found.interval[1]


def test_what_was_decided_stays_decided() -> None:
    """Outcomes that come after the decision do not take it back, though they may move the interval."""
    early = drawn(2000, a=0.6, b=0.9)
    decided = compare(early, QUESTION)
    values = np.concatenate([early.values, 1.0 - np.asarray(early.in_b, dtype=float)])
    later = compare(UnitOutcomes(values=values, in_b=np.concatenate([early.in_b, early.in_b])), QUESTION)
    assert later.standing is decided.standing is Standing.BETTER
    assert later.decided_at == decided.decided_at


def test_arms_within_the_margin_are_called_alike() -> None:
    """With a margin of ten points and no difference, enough outcomes say so; without a margin nothing is said."""
    outcomes = drawn(6000, a=0.8, b=0.8)
    alike = ExperimentDesign(least_difference=0.1, share=0.5, deviation=0.4, margin=0.1)
    assert compare(outcomes, alike).standing is Standing.EQUIVALENT
    assert compare(outcomes, QUESTION).standing is Standing.UNDECIDED


def test_an_experiment_without_outcomes_is_undecided() -> None:
    """Before the first outcome nothing is known, and no number of further ones either."""
    found = compare(UnitOutcomes(values=[], in_b=[]), QUESTION)
    assert (found.standing, found.interval, found.more, found.difference) == (
        Standing.UNDECIDED,
        (-1.0, 1.0),
        None,
        None,
    )
    assert found.planned == planned_outcomes(QUESTION)


def test_the_more_it_takes_falls_as_outcomes_come() -> None:
    """With a real difference the outlook shrinks with what has come."""
    outcomes = drawn(4000, a=0.8, b=0.82, seed=5)
    looks = [compare(UnitOutcomes(values=outcomes.values[:n], in_b=outcomes.in_b[:n]), QUESTION) for n in (1000, 4000)]
    assert all(one.standing is Standing.UNDECIDED and one.more for one in looks)


def test_false_alarms_and_power_are_as_stated() -> None:
    """Of 200 experiments at most 12 alarm without a difference, at any look; at least 170 find the planned one."""
    question = ExperimentDesign(least_difference=0.1, share=0.5, deviation=0.4)
    n = planned_outcomes(question)
    quiet = sum(
        compare(drawn(2 * n, a=0.8, b=0.8, seed=seed), question).standing is not Standing.UNDECIDED
        for seed in range(200)
    )
    found = sum(
        compare(drawn(n, a=0.75, b=0.85, seed=seed), question).standing is Standing.BETTER for seed in range(200)
    )
    assert quiet <= 12
    assert found >= 170


# --- guardrails -------------------------------------------------------------------------------------------------------

ERRORS = Guardrail(name="errors", share=0.5, allowed=0.01)


@pytest.mark.parametrize(("b", "broken"), [(0.01, False), (0.02, False), (0.3, True)])
def test_a_guardrail_breaks_only_where_b_is_proven_to_be_beyond_it(b: float, broken: bool) -> None:
    """As many errors as allowed are no breach; many more are, soon."""
    found = guard(drawn(3000, a=0.01, b=b), ERRORS)
    assert found.broken is broken
    assert ("BROKEN" in guard_words(found)) is broken


def test_a_b_that_is_better_breaks_nothing() -> None:
    """Fewer errors are no breach of a guardrail, however surely."""
    assert not guard(drawn(3000, a=0.4, b=0.0), ERRORS).broken


def test_a_relative_guardrail_compares_with_a_multiple_of_a() -> None:
    """Twice the cost breaks "20 % more", the same cost does not; one freak answer counts as the cap."""
    rng = np.random.default_rng(1)
    in_b = rng.random(4000) < 0.5
    cost = rng.lognormal(0, 1, 4000)
    rail = Guardrail(name="cost", share=0.5, allowed=0.2, relative=True)
    doubled = UnitOutcomes(values=np.array(capped((cost * np.where(in_b, 2, 1)).tolist(), 20)), in_b=in_b)
    same = UnitOutcomes(values=np.array(capped([*cost.tolist()[:-1], 1e9], 20)), in_b=in_b)
    assert guard(doubled, rail).broken
    assert not guard(same, rail).broken


def test_amounts_are_shares_of_their_cap() -> None:
    """Beyond the cap an amount is 1; none is negative, and a cap is positive."""
    assert capped([0.0, 1.0, 5.0], 2.0) == [0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="positive"):
        capped([1.0], 0.0)
    with pytest.raises(ValueError, match="negative"):
        capped([-1.0], 1.0)
    with pytest.raises(ValueError, match="0 or more"):
        guard(drawn(10, a=0, b=0), Guardrail(name="x", share=0.5, allowed=-0.1))


# --- words ------------------------------------------------------------------------------------------------------------


def test_words_of_a_decided_experiment() -> None:
    """The standing comes first, then the difference with its interval; a decided experiment has no outlook."""
    words = [plain(line) for line in comparison_words(compare(drawn(1500, a=0.7, b=0.9), QUESTION))]
    assert words[0].startswith("B is better than A in quality: A ")
    assert "decided at outcome" in words[0]
    assert words[1].startswith("B \u2212 A is +")
    assert len(words) == 2


def test_words_of_an_undecided_experiment() -> None:
    """Undecided says how many were planned, how many came, and about how many more it takes."""
    words = [plain(line) for line in comparison_words(compare(drawn(300, a=0.8, b=0.83), QUESTION))]
    assert words[0].startswith("Undecided in quality")
    assert "300 have come" in words[2]
    few = comparison_words(compare(UnitOutcomes(values=[1.0], in_b=[True]), QUESTION))
    assert "too few" in few[0]


@pytest.mark.parametrize(
    ("difference", "text"), [(0.031, "+3.1 points"), (-0.031, "\u22123.1 points"), (0, "+0.0 points")]
)
def test_differences_have_a_sign(difference: float, text: str) -> None:
    """A loss has a minus sign, nothing has a plus."""
    assert plain(points(difference)) == text
