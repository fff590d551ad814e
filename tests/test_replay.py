"""A log replayed under another table: weights, intervals, and what cannot be known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from routerctl.monitoring.replay import Cell, CostEvidence, replay_log, replay_words
from routerctl.statistics.weighting import (
    Sums,
    Units,
    Weighted,
    amount_interval,
    combine,
    ips_mean,
    share_interval,
    weighted,
)


def cell(
    candidate: str = "small",
    costs: Sequence[float] = (0.01,),
    *,
    task_class: str = "sums",
    policy: str = "p",
    propensity: float = 1.0,
    scores: Sequence[float] = (),
    arm: str = "",
) -> Cell:
    """Decisions of one class, policy and candidate with these costs and scores."""
    return Cell(
        arm=arm,
        task_class=task_class,
        policy=policy,
        candidate=candidate,
        propensity=propensity,
        requests=len(costs),
        cost_usd=math.fsum(costs),
        cost_usd_2=math.fsum(cost**2 for cost in costs),
        cost_usd_3=math.fsum(cost**3 for cost in costs),
        scored=len(scores),
        score=math.fsum(scores),
        score_2=math.fsum(score**2 for score in scores),
    )


def sums(values: Sequence[float], chance: float = 1.0) -> Sums:
    """Power sums of values that were each seen with this chance."""
    return Sums(
        chance=chance,
        n=len(values),
        total=math.fsum(values),
        squares=math.fsum(value**2 for value in values),
        cubes=math.fsum(value**3 for value in values),
    )


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chances", [(0.5, 0.5, 0.5), (0.2, 0.7, 1.0), (0.05, 0.9, 0.4)])
def test_inverse_propensity_is_unbiased_over_every_way_the_log_could_have_come_out(
    chances: tuple[float, float, float],
) -> None:
    """The mean over all patterns of who was seen, each with its probability, is the true mean."""
    values, expected = (3.0, 10.0, 0.5), 0.0
    for pattern in itertools.product((True, False), repeat=3):
        chance = math.prod(p if seen else 1 - p for p, seen in zip(chances, pattern, strict=True))
        kept = [sums([v], p) for v, p, seen in zip(values, chances, pattern, strict=True) if seen]
        expected += chance * ips_mean(kept, 3)
    assert expected == pytest.approx(sum(values) / 3)


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=2, max_size=20), st.floats(0.01, 1))
def test_equal_chances_cancel_in_the_self_normalised_mean(values: Sequence[float], chance: float) -> None:
    """Where all had the same chance, it is the plain mean with the plain variance, and every value counts once."""
    found = weighted([sums(values, chance)])
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.variance == pytest.approx(np.var(values, ddof=1) / len(values), abs=1e-9)
    assert found.effective == pytest.approx(len(values))


@settings(deadline=None)
@given(st.lists(st.floats(0, 10), min_size=2, max_size=20), st.integers(1, 10))
def test_sums_may_be_divided_among_cells(values: Sequence[float], cut: int) -> None:
    """A database may group as finely as it likes: the same values in two cells give the same answer."""
    one, two = weighted([sums(values, 0.3)]), weighted([sums(values[:cut], 0.3), sums(values[cut:], 0.3)])
    assert (one.mean, one.variance, one.effective) == pytest.approx((two.mean, two.variance, two.effective), abs=1e-9)


def test_a_value_that_was_rarely_seen_stands_for_many() -> None:
    """One value seen with chance 0.1 weighs as much as ten that were sure to be seen."""
    found = weighted([sums([1.0], 0.1), sums([0.0] * 10)])
    assert found.mean == pytest.approx(0.5)
    assert found.effective == pytest.approx(20**2 / (100 + 10))


@pytest.mark.parametrize("chance", [0.0, -0.1, 1.1])
def test_an_impossible_chance_is_refused(chance: float) -> None:
    """What had no chance cannot be weighted."""
    with pytest.raises(ValueError, match="chance"):
        weighted([sums([1.0], chance)])
    with pytest.raises(ValueError, match="chance"):
        ips_mean([sums([1.0], chance)], 1)


def test_nothing_seen_is_refused() -> None:
    """There is no mean of nothing."""
    with pytest.raises(ValueError, match="nothing was seen"):
        weighted([])
    with pytest.raises(ValueError, match="population"):
        ips_mean([], 0)


# --- intervals --------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=5, max_size=30), st.floats(10, 1e6))
@example([73.4921875] * 4 + [73.49188509296768], 10.0)  # nearly equal: what is left of their cubes is rounding
@example([99.9] * 29 + [99.9 + 1e-7], 1e6)
@example([1e-9, 1e-9, 1e-9, 1e-9, 1.0001e-9], 10.0)
def test_an_interval_of_amounts_is_around_its_mean_and_not_negative(values: Sequence[float], future: float) -> None:
    """Amounts are not negative; the interval of a prediction holds the estimate."""
    found = weighted([sums(values)])
    low, high = amount_interval(found, future=future, level=0.95)
    assert 0 <= low <= found.mean + 1e-9
    assert high >= found.mean - 1e-9


def test_skewed_amounts_have_a_longer_upper_side() -> None:
    """A few dear ones that were not seen are likelier than as many cheap ones."""
    found = weighted([sums([1.0] * 95 + [20.0] * 5)])
    low, high = amount_interval(found, future=math.inf, level=0.95)
    assert high - found.mean > 1.2 * (found.mean - low)


def test_predicting_fewer_requests_is_less_sure() -> None:
    """A measurement of few requests has an error of its own."""
    found = weighted([sums([1.0, 2.0, 3.0, 4.0] * 20)])
    wide, narrow = (amount_interval(found, future=n, level=0.95) for n in (10, 10_000))
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_a_perfect_score_of_few_is_no_certainty() -> None:
    """Ten of ten have the lower end of Clopper and Pearson, 0.025^(1/10)."""
    low, high = share_interval(weighted([sums([1.0] * 10)]), level=0.95)
    assert low == pytest.approx(0.025**0.1)
    assert high == 1.0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 40), st.integers(1, 40))
def test_unweighted_shares_have_the_exact_interval_or_nearly(passes: int, misses: int) -> None:
    """Without weights the interval is Clopper and Pearson's within the n - 1 of the variance."""
    from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

    n = passes + misses
    found = share_interval(weighted([sums([1.0] * passes + [0.0] * misses)]), level=0.95)
    exact = stats.binomtest(passes, n).proportion_ci(method="exact")
    assert found == pytest.approx((exact.low, exact.high), abs=0.02)


def test_parts_add_up_like_independent_errors() -> None:
    """Two parts of weight one half: distances add up by squares on each side."""
    value, (low, high) = combine([(0.5, 10.0, (4.0, 18.0)), (0.5, 20.0, (12.0, 26.0))])
    assert value == 15.0
    assert (low, high) == pytest.approx((15 - 5.0, 15 + 5.0))


# --- what a log tells -------------------------------------------------------------------------------------------------


def test_an_unchanged_choice_is_measured() -> None:
    """Where the table keeps the candidate, cost and quality are what was logged, all of it measured."""
    found = replay_log([cell(costs=(0.01, 0.03) * 50, scores=(1.0, 0.0) * 20)], {"sums": "small"})
    (one,) = found.classes
    assert one.cost_usd is not None
    assert one.score is not None
    assert found.cost_usd is not None
    assert one.cost_usd.value == pytest.approx(0.02) == one.logged_usd
    assert (one.cost_basis.matched, one.score.value, one.scored) == (100, 0.5, 40)
    assert found.cost_usd[0] == found.logged_usd == Decimal("2.000000000")


def test_an_arm_with_a_chance_is_weighted() -> None:
    """Where the candidate had a chance of one in five, it stands for all of the policy's requests."""
    cells = [cell("large", (0.1,) * 80, propensity=0.8), cell("small", (0.01, 0.03) * 10, propensity=0.2)]
    (one,) = replay_log(cells, {"sums": "small"}).classes
    assert one.cost_usd is not None
    assert one.cost_usd.value == pytest.approx(0.02)
    assert one.cost_ips_usd == pytest.approx(0.02)
    assert (one.cost_basis.matched, one.cost_basis.weighted, one.cost_basis.carried) == (20, 80, 0)


def test_a_candidate_of_both_arms_had_both_chances() -> None:
    """Both tables of an experiment choose it: it served everybody, so it is measured, and nobody counts tenfold."""
    cells = [cell(costs=(0.01,) * 90, propensity=0.9, arm="A"), cell(costs=(0.03,) * 10, propensity=0.1, arm="B")]
    (one,) = replay_log(cells, {"sums": "small"}).classes
    assert one.cost_usd is not None
    assert one.cost_usd.value == pytest.approx(0.012) == one.cost_ips_usd
    assert (one.cost_basis.matched, one.cost_basis.weighted) == (100, 0)


def test_times_without_a_chance_are_said_to_be_carried_over() -> None:
    """Requests of another policy, which gave the candidate no chance, are taken to be like those where it had one."""
    cells = [cell("large", (0.1,) * 50, policy="old"), cell("small", (0.02,) * 50, policy="new")]
    (one,) = replay_log(cells, {"sums": "small"}).classes
    assert (one.cost_basis.matched, one.cost_basis.carried) == (50, 50)


def test_a_candidate_that_never_served_is_modelled_by_the_ratio_on_the_eval_set() -> None:
    """Traffic costs twice what the eval set did, so the other candidate is taken to as well; the interval is wide."""
    evidence = {
        ("sums", "large"): CostEvidence(cases=200, mean_usd=0.05, deviation_usd=0.01),
        ("sums", "small"): CostEvidence(cases=200, mean_usd=0.005, deviation_usd=0.001),
    }
    found = replay_log([cell("large", (0.1,) * 100)], {"sums": "small"}, evidence)
    (one,) = found.classes
    assert one.cost_usd is not None
    assert one.cost_usd.value == pytest.approx(0.01)
    assert (one.cost_basis.modelled, one.cost_basis.matched) == (100, 0)
    assert one.cost_usd.low < 0.0069
    assert one.cost_usd.high > 0.0145
    assert any("assumption" in line for line in replay_words(found))


def test_a_few_decisions_do_not_outweigh_the_eval_set() -> None:
    """Fewer than thirty decisions of a candidate are too few for heavy-tailed costs where a model exists."""
    evidence = {
        ("sums", "large"): CostEvidence(cases=200, mean_usd=0.1),
        ("sums", "small"): CostEvidence(cases=200, mean_usd=0.01),
    }
    cells = [cell("large", (0.1,) * 90, propensity=0.9), cell("small", (0.02,) * 10, propensity=0.1)]
    (with_model,) = replay_log(cells, {"sums": "small"}, evidence).classes
    (without,) = replay_log(cells, {"sums": "small"}).classes
    assert (with_model.cost_basis.modelled, without.cost_basis.matched) == (100, 10)


@pytest.mark.parametrize("count", [1, 2, 29])
def test_what_the_choice_itself_cost_comes_before_a_model(count: int) -> None:
    """Where nobody else was asked, the recorded costs stand however few they are; one alone gets the model's spread."""
    evidence = {("sums", "small"): CostEvidence(cases=200, mean_usd=0.5, deviation_usd=0.1)}
    costs = tuple(0.02 + 0.001 * (k % 2) for k in range(count))
    (one,) = replay_log([cell("small", costs)], {"sums": "small"}, evidence).classes
    assert one.cost_usd is not None
    assert one.cost_usd.value == pytest.approx(math.fsum(costs) / count)
    assert (one.cost_basis.matched, one.cost_basis.modelled) == (count, 0)
    assert one.cost_usd.low < one.cost_usd.value < one.cost_usd.high
    moved = replace(cell("small", costs), price=None)  # at prices that moved apart nothing is recorded
    (other,) = replay_log([moved], {"sums": "small"}, evidence).classes
    assert other.cost_basis.modelled == count


def test_where_nothing_is_known_it_says_so() -> None:
    """No decision and no evidence of the choice: cost and quality are unknown, not nought."""
    found = replay_log([cell("large", (0.1,) * 100, scores=(1.0,) * 10)], {"sums": "small"})
    (one,) = found.classes
    assert (one.cost_usd, one.score, found.cost_usd, found.score) == (None, None, None, None)
    assert one.cost_basis.unknown == one.score_basis.unknown == 100
    assert found.score_bounds == (0.0, 1.0)
    words = " ".join(replay_words(found))
    assert "The cost cannot be known" in words
    assert "Quality cannot be known" in words


def test_quality_is_never_modelled() -> None:
    """Evidence of the eval set gives a cost, not a quality: a score there is not one in traffic."""
    evidence = {("sums", "small"): CostEvidence(cases=200, mean_usd=0.01)}
    (one,) = replay_log([cell("large", (0.1,) * 100)], {"sums": "small"}, evidence).classes
    assert one.cost_usd is not None
    assert one.score is None


def test_bounds_of_quality_take_the_unknown_part_at_its_worst_and_best() -> None:
    """Half the requests are unknown: the bounds are the known half's interval, plus nothing or plus one half."""
    cells = [
        cell("small", (0.01,) * 100, scores=(1.0,) * 100),
        cell("large", (0.1,) * 100, task_class="other"),
    ]
    found = replay_log(cells, {"sums": "small", "other": "small"})
    low, high = found.score_bounds
    assert low == pytest.approx(0.5 * 0.025 ** (1 / 100))
    assert high == 1.0
    assert found.share(found.score_basis.unknown) == 0.5


def test_a_class_without_a_route_is_unknown() -> None:
    """A class that the changed table does not serve has no cost under it."""
    found = replay_log([cell()], {})
    assert found.classes[0].candidate is None


def test_an_empty_log_has_nothing_to_replay() -> None:
    """No decision, no figure."""
    found = replay_log([], {"sums": "small"})
    assert found.requests == 0
    assert replay_words(found) == ("Nothing to replay: the log has no decision of this kind.",)


def test_intervals_hold_what_is_then_measured() -> None:
    """Of 100 trials with lognormal costs and a chance of one in ten, at least 88 measurements are within 95 %."""
    held = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        seen, later = rng.lognormal(0, 1.0, 200), rng.lognormal(0, 1.0, 2000)
        found = weighted([sums(seen.tolist(), 0.1)])
        low, high = amount_interval(found, future=2000, level=0.95)
        held += low <= later.mean() <= high
    assert held >= 88


def test_constant_costs_have_no_spread() -> None:
    """Where all cost the same, the interval is that cost."""
    found = Weighted(
        mean=2.0, n=5, units=5, effective=5.0, deviation=0.0, variance=0.0, third=0.0, moment=0.0, skewness=0.0
    )
    assert amount_interval(found, future=10, level=0.95) == (2.0, 2.0)


def test_users_of_one_arm_are_few_values() -> None:
    """Split by user, 40 requests a user say as much as a user: intervals hold what all users cost, 19 times in 20."""
    rng, held = np.random.default_rng(3), np.zeros(2)
    for _ in range(200):
        usd, good, in_b = rng.lognormal(0, 1, 100), rng.beta(1.5, 0.5, 100), rng.random(100) < 0.3
        costs, rights = usd[:, None] * rng.lognormal(0, 0.3, (100, 40)), rng.random((100, 40)) < good[:, None]
        cells = [
            Cell(
                task_class="sums",
                policy="experiment",
                candidate=name,
                arm=name,
                propensity=chance,
                requests=cost.size,
                cost_usd=cost.sum(),
                cost_usd_2=(cost**2).sum(),
                cost_usd_3=(cost**3).sum(),
                scored=right.size,
                score=right.sum(),
                score_2=right.sum(),
                cost_units=by_user(cost),
                score_units=by_user(right.astype(float)),
            )
            for name, chance, cost, right in (
                ("A", 0.7, costs[~in_b], rights[~in_b]),
                ("B", 0.3, costs[in_b], rights[in_b]),
            )
        ]
        (found,) = replay_log(cells, {"sums": "B"}).classes
        assert found.cost_usd is not None
        assert found.score is not None
        held[0] += found.cost_usd.low <= costs.mean() <= found.cost_usd.high
        held[1] += found.score.low <= good.mean() <= found.score.high
    assert min(held) >= 0.9 * 200


def by_user(values: NDArray[np.float64]) -> Units:
    """The sums over rows."""
    n, totals = float(values.shape[1]), values.sum(axis=1)
    return Units(
        units=len(totals),
        n_2=len(totals) * n**2,
        n_3=len(totals) * n**3,
        total_n=totals.sum() * n,
        total_n_2=totals.sum() * n**2,
        total_2=(totals**2).sum(),
        total_2_n=(totals**2).sum() * n,
        total_3=(totals**3).sum(),
    )


def test_a_single_user_tells_nothing_of_others() -> None:
    """However many requests one user made, the interval is as wide as if nothing was known."""
    values = np.full((1, 50), 0.01)
    seen = weighted([Sums(chance=0.5, n=50, total=0.5, squares=0.005, cubes=5e-5, units=by_user(values))])
    low, high = amount_interval(seen, future=100, level=0.95)
    assert low < 0.001
    assert high > 0.1
