"""The question that a run asks of each candidate, the outcome of a case, and the planned order."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.evaluation.selection import (
    Outcome,
    alpha_of_attempt,
    method_of,
    outcome_of,
    planned_order,
    question_of,
    total_alpha,
)
from routerctl.types import Case, ClassHeader, Method, PromptSpec, ReplySpec, Result, RunHeader, ScorerSpec, Status

CLASS = ClassHeader(
    task_class="sums",
    description="",
    digest="sha256:x",
    bar=0.8,
    pass_at=1.0,
    n=40,
    prompt=PromptSpec(),
    reply=ReplySpec(),
    scorer=ScorerSpec(name="exact"),
)
HEADER = RunHeader(
    run_id="r",
    created_at="2026-11-23T00:00:00Z",
    finished=True,
    seed=1,
    mode="proven",
    risk=0.06,
    margin=0.03,
    full=False,
    ladder_name="main",
    ladder=("a", "b", "c"),
    providers={},
    candidates={},
    prices={},
    classes={},
    software={},
)


def _result(
    *, passed: bool = True, score: float | None = 1.0, status: Status = Status.SCORED, **changes: Any
) -> Result:
    made = Result(
        task_class="sums",
        candidate="a",
        case_id="1",
        index=0,
        input="x",
        expected="y",
        status=status,
        passed=passed,
        score=score,
        extracted=None,
        explanation="",
        reply="",
        stop_reason=None,
        served_model=None,
        calls=1,
        input_tokens=1,
        output_tokens=1,
        cost_usd=Decimal(0),
        latency_s=None,
        cached=False,
    )
    return replace(made, **changes)


# --- the question -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        ({}, "exact"),
        ({"max_weight": 2.0}, "exact"),
        ({"total_weight": 50.0, "max_weight": 2.0}, "betting"),
        ({"epochs": 3}, "betting"),
        ({"measure": "mean_score"}, "betting"),
        ({"clusters": 12}, "clusters"),
        ({"clusters": 12, "epochs": 3, "measure": "mean_score", "total_weight": 50.0}, "clusters"),
    ],
)
def test_method_of(changes: dict[str, Any], method: Method) -> None:
    """The exact test is for 0/1 cases that weigh the same; dependent cases take theirs whatever their values are."""
    assert method_of(replace(CLASS, **changes)) == method


@pytest.mark.parametrize(
    ("of_class", "header", "alpha", "total"),
    [
        ({}, {}, 0.02, None),
        ({}, {"top_rung": "skip"}, 0.03, None),
        ({}, {"top_rung": "skip", "ladder": ("a",)}, 0.06, None),
        ({"attempt": 2}, {}, 0.005, 0.025),
        ({"grows": True}, {}, 0.01, 0.01),
        ({"grows": True, "attempt": 3}, {}, 0.0025, 0.0175),
        ({"attempt": 2}, {"top_rung": "skip"}, 0.0075, 0.0375),
    ],
)
def test_the_share_of_the_risk(
    of_class: dict[str, Any], header: dict[str, Any], alpha: float, total: float | None
) -> None:
    """Risk .06 over the candidates tested, and over the attempts; the top rung takes no share where it is skipped."""
    question = question_of(replace(CLASS, **of_class), replace(HEADER, **header))
    assert question.alpha == pytest.approx(alpha)
    assert question.total_alpha == (None if total is None else pytest.approx(total))


def test_the_question_says_what_the_header_says() -> None:
    """Everything that the rule needs comes from the header; a judge's class is marked so."""
    of_class = replace(
        CLASS, epochs=3, clusters=8, max_weight=2.0, total_weight=50.0, measure="mean_score", judge="big"
    )
    question = question_of(of_class, replace(HEADER, mode="margin"))
    assert (question.n, question.bar, question.mode, question.margin) == (40, 0.8, "margin", 0.03)
    assert (question.epochs, question.clusters, question.measure, question.method) == (3, 8, "mean_score", "clusters")
    assert (question.max_weight, question.total_weight, question.trust) == (2.0, 50.0, "judge")
    assert question_of(CLASS, HEADER).trust == "scorer"


@given(alpha=st.floats(1e-6, 0.5), attempts=st.integers(1, 40))
def test_a_declared_set_never_spends_more_than_its_share(alpha: float, attempts: int) -> None:
    """However often a set grows, the attempts together stay within alpha; undeclared they stay within 1.5 alpha."""
    assert total_alpha(alpha, attempts, grows=True) <= alpha
    assert total_alpha(alpha, attempts, grows=False) <= 1.5 * alpha
    assert alpha_of_attempt(alpha, 1, grows=False) == alpha


def test_attempts_count_from_one() -> None:
    """There is no attempt 0."""
    with pytest.raises(ValueError, match="count from 1"):
        alpha_of_attempt(0.05, 0, grows=True)


# --- outcomes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("results", "pass_rate", "mean_score"),
    [
        ([_result()], 1.0, 1.0),
        ([_result(passed=False, score=0.7)], 0.0, 0.7),
        ([_result(), _result(passed=False, score=0.5)], 0.5, 0.75),
        ([_result(), _result(passed=False, score=None, status=Status.FAILED)], 0.5, 0.5),
        ([_result(), _result(), _result(passed=False, score=None, status=Status.UNSCORED)], 2 / 3, 2 / 3),
    ],
)
def test_outcome_of(results: list[Result], pass_rate: float, mean_score: float) -> None:
    """The mean over the epochs of one case; what failed or could not be scored counts 0 in both measures."""
    assert outcome_of(results, "pass_rate").value == pytest.approx(pass_rate)
    assert outcome_of(results, "mean_score").value == pytest.approx(mean_score)


def test_an_outcome_keeps_weight_and_cluster() -> None:
    """They are the case's."""
    assert outcome_of([_result(weight=2.5, cluster="k")], "pass_rate") == Outcome(value=1.0, weight=2.5, cluster="k")
    with pytest.raises(ValueError, match="without a result"):
        outcome_of([], "pass_rate")


# --- the order --------------------------------------------------------------------------------------------------------


def _case(name: str, cluster: str | None = None, batch: int = 1) -> Case:
    return Case(id=name, input=name, expected=name, cluster=cluster, batch=batch)


sets = st.lists(st.tuples(st.sampled_from([None, "k", "l", "m"]), st.integers(1, 3)), min_size=1, max_size=25).map(
    lambda rows: [_case(f"c{number}", *row) for number, row in enumerate(rows)]
)


def test_later_batches_come_later() -> None:
    """What was added later stands after all that was there; within a batch the order is the one of ids."""
    first, second = (
        [_case(f"c{number}") for number in range(20)],
        [_case(f"d{number}", batch=2) for number in range(20)],
    )
    ordered = planned_order([*second, *first], 3)
    assert ordered[:20] == planned_order(first, 3)
    assert [case.id for case in ordered[20:]] == [case.id for case in planned_order(second, 3)]


@given(cases=sets, seed=st.integers(0, 9), shuffler=st.randoms())
def test_clusters_stay_together(cases: list[Case], seed: int, shuffler: Random) -> None:
    """Every cluster is one stretch, whatever order the file has; batches do not come before those they belong after."""
    ordered = planned_order(cases, seed)
    shuffled = list(cases)
    shuffler.shuffle(shuffled)
    assert planned_order(shuffled, seed) == ordered
    assert sorted(case.id for case in ordered) == sorted(case.id for case in cases)
    names = [case.cluster for case in ordered if case.cluster]
    stretches = [name for place, name in enumerate(names) if place == 0 or names[place - 1] != name]
    assert len(stretches) == len(set(names))
    first_batch = {name: min(case.batch for case in cases if case.cluster == name) for name in set(names)}
    batches = [first_batch.get(case.cluster or "", case.batch) for case in ordered]
    assert batches == sorted(batches)


@given(cases=sets, seed=st.integers(0, 9), most=st.integers(1, 25))
def test_the_cut_goes_through_no_cluster(cases: list[Case], seed: int, most: int) -> None:
    """What is kept is a beginning of the order, of whole clusters, no longer than asked for unless it is only one."""
    ordered, kept = planned_order(cases, seed), planned_order(cases, seed, max_cases=most)
    assert kept == ordered[: len(kept)]
    assert len(kept) <= most or len({case.cluster for case in kept}) == 1
    inside, outside = ({case.cluster for case in part if case.cluster} for part in (kept, ordered[len(kept) :]))
    assert not inside & outside
    assert kept


def test_no_later_cluster_takes_a_left_out_ones_place() -> None:
    """Where the next cluster is too large the order ends: a smaller one behind it would be chosen for its size."""
    cases = [_case(f"{name}{number}", name) for name, size in (("k", 3), ("l", 4), ("m", 1)) for number in range(size)]
    ordered = planned_order(cases, 0)
    sizes = [sum(case.cluster == name for case in cases) for name in dict.fromkeys(case.cluster for case in ordered)]
    for most in range(1, 9):
        fitting = [sum(sizes[:count]) for count in range(1, 4) if sum(sizes[:count]) <= most]
        assert len(planned_order(cases, 0, max_cases=most)) == max(fitting, default=sizes[0])
