"""What a table is worth: price, price per correct answer, wrong answers, and cascades counted case by case."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.evaluation import worth
from routerctl.evaluation.worth.cascades import LEAST_REJECTED
from routerctl.strategies.confidence import SIGNALS, first_below, recorded_values
from routerctl.types import (
    Candidate,
    Evidence,
    Judgement,
    PromptSpec,
    ReplySpec,
    Result,
    Route,
    ScorerSpec,
    Stakes,
    Status,
    StopReason,
    Table,
    Verdict,
)

PROVEN, NOT_PROVEN, BELOW = Verdict.PROVEN, Verdict.NOT_PROVEN, Verdict.BELOW
LADDER = ("small", "mid", "top")


def evidence(candidate: str, passes: int, cost: str, verdict: Verdict = PROVEN, *, cases: int = 100) -> Evidence:
    """What one candidate showed: `passes` of `cases`, `cost` USD per case, an interval of +- 5 points."""
    score = passes / cases
    judgement = Judgement(
        verdict=verdict,
        cases=cases,
        passes=passes,
        n=cases,
        bar=0.8,
        alpha=0.01,
        interval=(max(0.0, score - 0.05), min(1.0, score + 0.05)),
        good_enough=0.9,
        least_cases=20,
        needed_cases=None,
    )
    cost_usd = Decimal(cost)
    return Evidence(
        candidate=candidate,
        judgement=judgement,
        failed=0,
        unscored=0,
        refused=0,
        truncated=0,
        served_models=(),
        cost_per_case_usd=cost_usd,
        cost_per_accepted_usd=cost_usd * cases / passes if passes else None,
        latency_p50_s=1.0,
        latency_p95_s=2.0,
    )


def route(name: str, *shown: Evidence, chosen: str, stakes: Stakes = Stakes()) -> Route:
    """A class with this evidence."""
    return Route(
        task_class=name,
        description="",
        bar=0.8,
        chosen=chosen,
        level=next((one.judgement.verdict.level for one in shown if one.candidate == chosen), "best available"),
        rungs=(chosen,),
        evidence=shown,
        run_id="r",
        eval_set_digest="sha256:0",
        prompt=PromptSpec(),
        reply=ReplySpec(),
        scorer=ScorerSpec(name="exact"),
        stakes=stakes,
    )


def table(*routes: Route) -> Table:
    """A table of these classes on the ladder small, mid, top."""
    return Table(
        table_version=1,
        digest="",
        ladder_name="main",
        ladder=LADDER,
        mode="proven",
        risk=0.05,
        margin=0.0,
        seed=1,
        rules=(),
        default_class=None,
        providers={},
        candidates={name: Candidate(name=name, provider="p", model=name) for name in LADDER},
        prices={},
        routes={one.task_class: one for one in routes},
    )


def two_classes(requests: tuple[float | None, float | None] = (None, None), stakes: Stakes = Stakes()) -> Table:
    """An easy class served by `small`, a hard one by `top`; `top` was run on both, $0.01 against $0.001."""
    easy = (evidence("small", 95, "0.001"), evidence("top", 98, "0.01"))
    hard = (evidence("small", 50, "0.001", BELOW), evidence("top", 95, "0.01"))
    return table(
        route("easy", *easy, chosen="small", stakes=replace(stakes, requests_per_month=requests[0])),
        route("hard", *hard, chosen="top", stakes=replace(stakes, requests_per_month=requests[1])),
    )


# --- three numbers ----------------------------------------------------------------------------------------------------


def test_three_numbers_spread_evenly() -> None:
    """Price is the mean over classes, price per correct answer is C / p, wrong answers are counted per 1,000."""
    made = two_classes()
    found = worth.table_figures(made, worth.weighting(made))
    assert found is not None
    assert found.cost_usd == Decimal("0.0055")
    assert found.per_correct_usd == Decimal("0.0055") / Decimal("0.95")
    assert found.wrong_per_thousand == 50
    assert (found.total_usd, found.month_usd, found.month_total_usd) == (None, None, None)


def test_three_numbers_by_volume() -> None:
    """Where every class has a volume it weighs by it, and a month costs its requests plus its wrong answers."""
    made = two_classes((9000.0, 1000.0), Stakes(wrong_answer_usd=Decimal("0.20")))
    found = worth.table_figures(made, worth.weighting(made))
    assert found is not None
    assert found.cost_usd == Decimal("0.0019")  # (9 x 0.001 + 1 x 0.01) / 10
    assert found.month_usd == 19
    assert found.total_usd == Decimal("0.0019") + Decimal("0.01")  # 5 % wrong at 20 cents
    assert found.month_total_usd == 19 + 100


@pytest.mark.parametrize(
    ("stated", "measured", "by_volume", "requests"),
    [
        ((None, None), {}, False, {}),
        ((5.0, None), {}, False, {"easy": 5.0}),
        ((5.0, None), {"hard": 7.0, "gone": 1.0}, True, {"easy": 5.0, "hard": 7.0}),
        ((5.0, 6.0), {"hard": 7.0}, True, {"easy": 5.0, "hard": 6.0}),
        ((0.0, 0.0), {}, False, {"easy": 0.0, "hard": 0.0}),
    ],
)
def test_where_volumes_come_from(
    stated: tuple[float | None, float | None], measured: dict[str, float], by_volume: bool, requests: dict[str, float]
) -> None:
    """A stated volume goes before a measured one; with one class unknown, or nothing asked, all weigh the same."""
    found = worth.weighting(two_classes(stated), measured)
    assert (found.by_volume, found.requests) == (by_volume, requests)


@pytest.mark.parametrize(
    ("more", "counts", "expected"),
    [
        ({}, {}, 100.0),
        ({"failed": 4}, {}, 60.0),
        ({"wrong_per_thousand": 12.5}, {}, 12.5),
        ({}, {"method": "betting", "mean": 0.9}, None),
        ({}, {"cases": 0, "passes": 0}, None),
    ],
)
def test_wrong_answers_of_older_tables(more: dict[str, Any], counts: dict[str, Any], expected: float | None) -> None:
    """Evidence without the figure gives it by its counts, where these are of one 0/1 reply a case."""
    one = replace(evidence("small", 90, "1"), **more)
    one = replace(one, judgement=replace(one.judgement, **counts))
    assert worth.wrong_per_thousand(one) == expected


@given(
    st.lists(
        st.tuples(st.integers(1, 100), st.integers(0, 10**6), st.integers(0, 10**5)),
        min_size=1,
        max_size=5,
    )
)
@settings(deadline=None)
def test_the_whole_lies_between_its_classes(rows: list[tuple[int, int, int]]) -> None:
    """A figure of several classes is no less than the least and no more than the greatest; a month is their sum."""
    made = table(
        *(
            route(
                f"c{k}",
                evidence("small", passes, f"{cost}e-6"),
                chosen="small",
                stakes=Stakes(requests_per_month=float(n)),
            )
            for k, (passes, cost, n) in enumerate(rows)
        )
    )
    of = worth.weighting(made)
    found = worth.table_figures(made, of)
    assert found is not None
    costs = [Decimal(cost) / 10**6 for _, cost, _ in rows]
    assert min(costs) - Decimal("1e-20") <= found.cost_usd <= max(costs) + Decimal("1e-20")
    assert min(p for p, _, _ in rows) - 1e-9 <= 100 * found.correct <= max(p for p, _, _ in rows) + 1e-9
    if of.by_volume:
        assert found.month_usd is not None
        month = sum(cost * n for cost, (_, _, n) in zip(costs, rows, strict=True))
        assert abs(found.month_usd - month) < Decimal("1e-12")


# --- cascades ---------------------------------------------------------------------------------------------------------


def result(
    index: int, *, passed: bool, candidate: str = "a", cost: str = "0.001", usable: bool = True, epoch: int = 0
) -> Result:
    """One result; not usable = nothing was replied."""
    return Result(
        task_class="c",
        candidate=candidate,
        case_id=f"case-{index}",
        index=index,
        input="",
        expected="",
        status=Status.SCORED,
        passed=passed,
        score=float(passed),
        extracted="x",
        explanation="",
        reply="x" if usable else "",
        stop_reason=StopReason.END,
        served_model="m",
        calls=1,
        input_tokens=1,
        output_tokens=1,
        cost_usd=Decimal(cost),
        latency_s=1.0,
        cached=False,
        epoch=epoch,
    )


def cascade(
    first: Sequence[Result],
    second: Sequence[Result],
    *,
    check_usd: Decimal = Decimal(0),
    least_rejected: int = LEAST_REJECTED,
) -> worth.Cascade | None:
    """The cascade of two candidates' results by the signal that something was said."""
    replies = worth.replies_of(first)
    return worth.cascade(
        replies,
        worth.replies_of(second),
        replies.where(_said),
        check_usd=check_usd,
        least_rejected=least_rejected,
    )


def _said(one: Result) -> bool:
    values = recorded_values(one, ReplySpec(), ScorerSpec(name="exact"), SIGNALS)
    return first_below(values, {"length": 0.5}) is None


def test_a_cascade_by_hand() -> None:
    """20 cases, 10 rejected of which the second gets 6 right: every figure as counted by hand."""
    first = [result(k, passed=k < 8, usable=k < 10) for k in range(20)]  # 8 right and 2 wrong accepted
    second = [result(k, passed=k < 16, cost="0.01", candidate="b") for k in range(20)]
    found = cascade(first, second, check_usd=Decimal("0.0005"))
    assert found is not None
    assert (found.cases, found.rejected, found.rescued, found.q, found.accepted) == (20, 10, 6, 0.6, 0.5)
    assert (found.tpr, found.fpr) == (1.0, 2 / 12)
    assert found.cost_usd == Decimal("0.0065")  # 0.001 + 0.0005 + 10/20 x 0.01
    assert (found.correct, found.wrong) == (14 / 20, 6 / 20)
    assert (found.first_correct, found.second_correct, found.second_usd) == (0.4, 0.8, Decimal("0.01"))
    assert found.cheaper
    assert found.q_interval == pytest.approx((0.2624, 0.8784), abs=1e-4)  # Clopper-Pearson, 6 of 10


ROWS = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=10, max_size=60)


@given(ROWS, st.sampled_from(["0", "0.002"]))
@settings(deadline=None)
def test_the_counts_obey_the_formulas(rows: list[tuple[bool, bool, bool]], check: str) -> None:
    """C = c1 + g + (1-a) c2, correct = p1 TPR + (1-a) q, undetected wrong = (1-p1) FPR + (1-a)(1-q)."""
    first = [result(k, passed=one and usable, usable=usable) for k, (one, _, usable) in enumerate(rows)]
    second = [result(k, passed=two, cost="0.01", candidate="b") for k, (_, two, _) in enumerate(rows)]
    found = cascade(first, second, check_usd=Decimal(check), least_rejected=1)
    if found is None:
        assert all(usable for _, _, usable in rows)
        return
    p1, a, c = found.first_correct, found.accepted, Decimal("0.001") + Decimal(check)
    assert float(found.cost_usd) == pytest.approx(float(c) + (1 - a) * 0.01)
    assert found.correct == pytest.approx(p1 * (found.tpr or 0) + (1 - a) * found.q)
    assert found.wrong == pytest.approx((1 - p1) * (found.fpr or 0) + (1 - a) * (1 - found.q))
    assert found.q_interval[0] <= found.q <= found.q_interval[1]


def test_q_is_what_the_second_does_on_rejected_cases() -> None:
    """With cases hard for both, q lies well below the second's own share: the product formula would flatter."""
    rng = random.Random(3)  # noqa: S311 - sample data
    hard = [rng.random() < 0.3 for _ in range(2000)]
    first = [result(k, passed=(ok := rng.random() < (0.4 if h else 0.95)), usable=ok) for k, h in enumerate(hard)]
    second = [result(k, passed=rng.random() < (0.7 if h else 0.99), candidate="b") for k, h in enumerate(hard)]
    found = cascade(first, second)
    assert found is not None
    assert found.q < found.second_correct - 0.1
    assert found.q == pytest.approx((0.3 * 0.6 * 0.7 + 0.7 * 0.05 * 0.99) / (0.3 * 0.6 + 0.7 * 0.05), abs=0.05)


def test_no_cascade_without_common_rejected_cases() -> None:
    """Fewer than ten rejected cases that both were run on give no figure, nor do no cases at all."""
    first = [result(k, passed=False, usable=False) for k in range(30)]
    second = [result(k, passed=True, candidate="b") for k in range(30)]
    assert cascade(first, second[:9]) is None
    enough = cascade(first, second[:10])
    assert enough is not None
    assert enough.cases == 10
    assert cascade(first[:10], second[10:]) is None
    assert cascade([], []) is None


def test_a_case_counts_once() -> None:
    """Of several epochs one pair counts, of a case asked twice the last result, in whatever order they come."""
    first = [result(k, passed=False, usable=False, epoch=e) for k, e in itertools.product(range(12), range(3))]
    second = [result(k, passed=k < 6, candidate="b", epoch=e) for k, e in itertools.product(range(12), (1, 2))]
    again = [replace(second[0], passed=True), *second, replace(second[0], passed=False)]
    found = cascade(first, random.Random(1).sample(again[1:-1], 24) + again[-1:])  # noqa: S311 - sample data
    assert found is not None
    assert (found.cases, found.rescued) == (12, 5)


@pytest.mark.parametrize(
    ("hits", "n", "alpha", "expected"),
    [(190, 200, 0.1, (0.91666, 0.97256)), (0, 10, 0.05, (0.0, 0.30850)), (10, 10, 0.05, (0.69150, 1.0))],
)
def test_exact_interval(hits: int, n: int, alpha: float, expected: tuple[float, float]) -> None:
    """The interval of a share is Clopper and Pearson's."""
    assert worth.share_interval(hits, n, alpha) == pytest.approx(expected, abs=1e-4)
