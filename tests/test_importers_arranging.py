"""Records -> cases and runs: ids, repeats, common cases, costs, and the planned order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.errors import InputError
from routerctl.evaluation.importers.as_run import ImportPolicy, Lineup, make_run, write_run
from routerctl.evaluation.importers.base import Reading, Record
from routerctl.evaluation.importers.cases import Arranged, arrange
from routerctl.evaluation.importers.prices import Lacking, StatedModel, cost
from routerctl.evaluation.run_files import read_header
from routerctl.scorers import IMPORTED
from routerctl.types import Candidate, ProviderSpec, Run, Status

DAY = date(2026, 11, 24)
POLICY = ImportPolicy(
    bar=0.8,
    pass_at=1.0,
    measure="pass_rate",
    mode="proven",
    risk=0.05,
    margin=0.03,
    seed=0,
    top_rung="report",
    when_unproven="provisional",
    today="",
)


def record(model: str = "m", case: str = "", score: float | None = 1.0, **more: Any) -> Record:
    """One scored reply, unless `more` says otherwise."""
    status = Status.UNSCORED if score is None else Status.SCORED
    return Record(**({"task": "t", "model": model, "case": case, "status": status, "score": score} | more))


def reading(*records: Record, file: str = "file.csv") -> Reading:
    """One file that holds these."""
    return Reading(
        file=file, format="table", digest=f"sha256:{file}", scorer="score", records=records, rows=len(records)
    )


def arranged(*records: Record) -> Arranged:
    """The one class that these records make."""
    (found,) = arrange([reading(*records)], None)
    return found


def run_of(classes: Sequence[Arranged], models: Sequence[str], policy: ImportPolicy = POLICY) -> Run:
    """The run of these classes on a ladder of these models."""
    lineup = Lineup(
        ladder_name=IMPORTED,
        ladder=tuple(models),
        rungs=(),
        providers={IMPORTED: ProviderSpec(name=IMPORTED, kind=IMPORTED)},
        candidates={name: Candidate(name=name, provider=IMPORTED, model=name) for name in models},
        prices={},
        names={name: name for name in models},
    )
    answered = [reading(*(one for item in classes for several in item.replies.values() for one in several))]
    costed = cost(answered, {}, DAY)
    return make_run(classes, [reading()], lineup, policy, datetime(2026, 11, 24, tzinfo=UTC), costed=costed)


def test_an_id_that_repeats_is_a_case_asked_again() -> None:
    """The number of replies that every case has in common are the epochs; what is over is left out and counted."""
    found = arranged(*(record(case=case) for case in "aabbb"), *(record("n", case) for case in "aabb"))
    assert (found.epochs, [case.id for case in found.cases]) == (2, ["a", "b"])
    assert found.notes == ("t: 1 reply left out: 2 of each model count for every case",)


def test_an_input_that_repeats_everywhere_is_a_case_asked_again() -> None:
    """Without ids, the same input as often for all is a repeat."""
    found = arranged(*(record(input=text) for text in "ppqq"))
    assert (found.epochs, len(found.cases)) == (2, 2)


def test_an_input_that_repeats_here_and_there_makes_different_cases() -> None:
    """Without ids, the k-th row with the same words is the k-th case of these words, for every model."""
    found = arranged(
        *(record(model, input=text, score=score) for model in "mn" for text, score in [("p", 1), ("q", 0), ("p", 0)])
    )
    assert (found.epochs, len(found.cases)) == (1, 3)
    repeated = [case.id for case in found.cases if case.input == "p"]
    assert [found.replies["n", name][0].score for name in repeated] == [1, 0]
    assert repeated[1] == f"{repeated[0]}-2"


def test_long_ids_with_a_common_start_are_different_cases() -> None:
    """An id is cut, but never so that two become one."""
    found = arranged(*(record(case="the same preamble " * 20 + str(place), score=place) for place in range(2)))
    assert (found.epochs, len(found.cases), {len(case.id) for case in found.cases}) == (1, 2, {200})


def test_only_cases_that_every_model_answered_are_kept() -> None:
    """Models are compared on the same cases; how many were left out is said."""
    found = arranged(record("m", "a"), record("m", "b"), record("n", "b"), record("n", "c"))
    assert [case.id for case in found.cases] == ["b"]
    assert found.notes == ("t: 2 of 3 cases left out: not every model answered them",)


def test_a_failed_call_is_an_answer_that_counts() -> None:
    """A failed row keeps its case in, though it has neither input nor answer."""
    failed = record("m", "a", None, status=Status.FAILED, error="500")
    found = arranged(failed, record("n", "a", input="p", expected="q"))
    assert [(case.id, case.input, case.expected) for case in found.cases] == [("a", "p", "q")]


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([record("m", "a", input="p"), record("n", "a", input="q")], "the id 'a' stands for different cases"),
        ([record("m", "a", expected=1), record("m", "a", expected=2)], "the id 'a' stands for different cases"),
        ([record("m", "a"), record("n", "b")], "no case was answered by each of m, n"),
        ([record("m", "a", task="T x"), record("m", "a", task="t-x")], "would both be the class 't-x'"),
        ([record("m", "a", task="数")], "gives no class name"),
        ([], "no outcome"),
    ],
    ids=["other input", "other answer", "nothing common", "two tasks", "no name", "nothing"],
)
def test_what_cannot_be_put_together_is_named(records: list[Record], problem: str) -> None:
    """An error instead of a comparison of different things."""
    with pytest.raises(InputError, match=problem):
        arrange([reading(*records)], None)


@pytest.mark.parametrize(
    ("task", "named", "given"),
    [
        ("MMLU/Abstract Algebra", "mmlu-abstract-algebra", None),
        ("", "file", None),
        ("x", "mine", "mine"),
        ("a" * 99, "a" * 64, None),
    ],
)
def test_a_task_becomes_a_class_name(task: str, named: str, given: str | None) -> None:
    """The task's own name as a class may be called, else the file's, else what the user says."""
    (found,) = arrange([reading(record(case="a", task=task))], given)
    assert found.task_class == named


# --- costs ------------------------------------------------------------------------------------------------------------


def costs(*records: Record, **told: StatedModel) -> dict[str, Decimal | None]:
    """The cost of the last record of each model."""
    found = cost([reading(*records)], told, DAY)
    return {one.model: found.cost_usd(one) for one in records}


def test_what_the_user_says_goes_before_the_file_and_the_project() -> None:
    """A flat cost, then a price by token, then the file's own cost, then the candidate's price."""
    tokens = record(cost_usd=Decimal("0.5"), input_tokens=1_000_000, output_tokens=2_000_000)
    price = StatedModel(input_mtok_usd=Decimal(1), output_mtok_usd=Decimal(3))
    project = StatedModel(project=lambda usage, _seconds: Decimal(usage.output_tokens))
    assert costs(tokens, m=replace(price, cost_usd=Decimal(9))) == {"m": 9}
    assert costs(tokens, m=price) == {"m": 7}
    assert costs(tokens, m=project) == {"m": Decimal("0.5")}
    assert costs(replace(tokens, cost_usd=None), m=project) == {"m": 2_000_000}


def test_a_cached_reply_counts_as_what_it_would_have_cost() -> None:
    """A runner's cache says neither tokens nor cost: the mean of the model's paid replies, not nothing."""
    paid = [record(cost_usd=Decimal(usd), output_tokens=usd * 1_000_000) for usd in (1, 3)]
    cached = record(cached=True)
    assert costs(*paid, cached) == {"m": 2}
    assert costs(*paid, cached, m=StatedModel(input_mtok_usd=Decimal(0), output_mtok_usd=Decimal(5))) == {"m": 10}
    assert costs(*paid, replace(cached, cost_usd=Decimal(7))) == {"m": 7}
    assert costs(cached) == {"m": None}


def test_a_model_whose_cost_nobody_knows_does_not_pass_for_free() -> None:
    """Costs are kept for all models or for none, and the missing one is named."""
    records = [record("m", cost_usd=Decimal(1)), record("n")]
    found = cost([reading(*records)], {}, DAY)
    assert {found.cost_usd(one) for one in records} == {None}
    assert (found.missing, found.mean_usd) == (("n",), {"m": Decimal(1)})
    assert found.prices["n"].source == "not known"


@pytest.mark.parametrize("by_tokens", [False, True], ids=["costs", "tokens"])
def test_a_few_replies_that_the_file_does_not_tell_of_count_as_the_others(by_tokens: bool) -> None:
    """Up to one in ten at the mean of the others; of more, the model's cost is not known. Each time it is said."""
    told = {"m": StatedModel(input_mtok_usd=Decimal(1_000_000), output_mtok_usd=Decimal(0))} if by_tokens else {}
    says = [record(**({"input_tokens": k} if by_tokens else {"cost_usd": Decimal(k)})) for k in range(1, 10)]
    silent = [record(line=line) for line in (17, 18)]
    found = cost([reading(record("n", cost_usd=Decimal(1))), reading(*says, silent[0])], told, DAY)
    assert (found.missing, found.cost_usd(silent[0]), found.mean_usd["m"]) == ((), Decimal(5), Decimal(5))
    assert found.cost_usd(says[0]) == 1
    what: Literal["cost", "tokens"] = "tokens" if by_tokens else "cost"
    assert found.lacking == {"m": Lacking(replies=1, of=10, what=what, first="file.csv:17")}
    more = cost([reading(*says, *silent)], told, DAY)
    assert (more.missing, more.prices["m"].source, more.cost_usd(says[0])) == (("m",), "not known", None)
    assert more.lacking == {"m": Lacking(replies=2, of=11, what=what, first="file.csv:17")}


def test_replies_that_failed_or_were_cached_are_not_lacking() -> None:
    """Nobody pays for a failed call; of a cache it is known that it says no cost, however many replies come from it."""
    failed = record(score=None, status=Status.FAILED)
    found = cost([reading(record(cost_usd=Decimal(2)), *[record(cached=True), failed] * 9)], {}, DAY)
    assert (found.missing, found.lacking, found.mean_usd) == ((), {}, {"m": Decimal(20) / 19})


def test_a_failed_call_costs_nothing() -> None:
    """A flat cost is a reply's."""
    failed = record("m", score=None, status=Status.FAILED)
    found = cost([reading(failed, record("m"))], {"m": StatedModel(cost_usd=Decimal(2))}, DAY)
    assert [found.cost_usd(one) for one in (failed, record("m"))] == [0, 2]
    assert found.mean_usd == {"m": 1}


def test_a_price_by_token_needs_tokens() -> None:
    """It says which flag helps instead."""
    with pytest.raises(InputError, match="--price m: the files have no token counts of it; give --cost m=USD"):
        cost([reading(record())], {"m": StatedModel(input_mtok_usd=Decimal(1), output_mtok_usd=Decimal(1))}, DAY)


# --- runs -------------------------------------------------------------------------------------------------------------


def test_a_run_is_full_and_in_planned_order() -> None:
    """Every candidate has every case and epoch, at the place that the seed and the id give."""
    records = [record(model, f"c{place}", place % 2) for model in ("m", "n") for place in range(20) for _ in range(2)]
    run = run_of([arranged(*records)], ("n", "m"))
    header = run.header.classes["t"]
    assert (header.n, header.epochs, run.header.full, run.header.finished) == (20, 2, True, True)
    orders = [[one.case_id for one in run.results if one.candidate == name] for name in ("n", "m")]
    assert orders[0] == orders[1] != sorted(orders[0])
    assert [one.index for one in run.results][:6] == [0, 0, 1, 1, 2, 2]
    assert [one.epoch for one in run.results][:4] == [0, 1, 0, 1]
    assert run.header.classes["t"].scorer.name == IMPORTED


def test_a_run_is_finished_once_all_of_it_is_written(tmp_path: Path) -> None:
    """Whatever stops the writing leaves a header that says so, which nothing takes for evidence."""
    run = run_of([arranged(*(record(case=f"c{place}") for place in range(3)))], ("m",))
    broken = replace(run, results=(run.results[0], replace(run.results[1], input=object()), run.results[2]))
    with pytest.raises(TypeError):
        write_run(broken, tmp_path)
    assert not read_header(tmp_path / run.header.run_id).finished
    write_run(run, tmp_path / "again")
    assert read_header(tmp_path / "again" / run.header.run_id) == run.header


@given(order=st.permutations(range(12)), seed=st.integers(0, 5))
def test_the_order_of_the_file_plays_no_part(order: list[int], seed: int) -> None:
    """A file sorted in any way gives the same results, which is what keeps the sequential test honest."""
    rows = [record(case=f"c{place}", score=float(place % 3 == 0), input=f"question {place}") for place in range(12)]
    policy = replace(POLICY, seed=seed)
    straight = run_of([arranged(*rows)], ("m",), policy)
    shuffled = run_of([arranged(*(rows[place] for place in order))], ("m",), policy)
    assert straight == shuffled


@given(
    counts=st.dictionaries(
        st.tuples(st.sampled_from("mn"), st.sampled_from("abcd")), st.integers(1, 3), min_size=1, max_size=8
    )
)
def test_every_candidate_gets_the_same_cases_and_epochs(counts: dict[tuple[str, str], int]) -> None:
    """Whatever is missing or repeated: the grid that is kept has no hole."""
    records = [record(model, case) for (model, case), count in counts.items() for _ in range(count)]
    models = list(dict.fromkeys(one.model for one in records))
    try:
        found = arranged(*records)
    except InputError:
        assert not set.intersection(*({case for name, case in counts if name == model} for model in models))
        return
    run = run_of([found], models)
    grid = {(one.candidate, one.index, one.epoch) for one in run.results}
    assert grid == {
        (name, index, epoch) for name in models for index in range(len(found.cases)) for epoch in range(found.epochs)
    }
    assert len(run.results) == len(grid)


OUTCOMES = st.tuples(
    st.sampled_from("mn"), st.sampled_from("abc"), st.sampled_from([(1.0, ""), (0.0, ""), (None, ""), (None, "500")])
)


def _told(records: list[Record], *, ids: bool) -> object:
    """What is made of these records: refused, or each model's outcomes by case, and what is left out."""
    try:
        found = arranged(*records)
    except InputError:
        return "refused"
    by_case = {key: sorted(str(one.score) for one in replies) for key, replies in found.replies.items()}
    passed = {model: sum("1.0" in of for (name, _), of in by_case.items() if name == model) for model in found.models}
    return (by_case if ids else passed), found.epochs, found.left


@given(rows=st.lists(OUTCOMES, min_size=1, max_size=9), ids=st.booleans(), order=st.randoms(use_true_random=False))
def test_the_order_of_repeated_rows_plays_no_part(rows: list[Any], ids: bool, order: random.Random) -> None:
    """Retries, duplicates, holes: in any order the same outcomes, or refused; each row is counted."""
    records = [
        record(
            model,
            case if ids else "",
            score,
            input=case,
            error=error,
            status=Status.FAILED if error else Status.UNSCORED if score is None else Status.SCORED,
        )
        for model, case, (score, error) in rows
    ]
    shuffled = order.sample(records, len(records))
    assert _told(records, ids=ids) == _told(shuffled, ids=ids)
    if _told(records, ids=ids) != "refused":
        found = arranged(*records)
        assert len(records) == sum(map(len, found.replies.values())) + sum(found.left.values())


def test_clusters_are_counted_and_kept() -> None:
    """A case without one is a cluster of its own."""
    run = run_of([arranged(record(case="a", cluster="x"), record(case="b", cluster="x"), record(case="c"))], ("m",))
    assert run.header.classes["t"].clusters == 2
    assert sorted(str(one.cluster) for one in run.results) == ["None", "x", "x"]
    assert run_of([arranged(record(case="a"))], ("m",)).header.classes["t"].clusters == 0


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"seed": 3}, True),
        ({"risk": 0.1}, True),
        ({"bar": 0.9}, False),
        ({"pass_at": 0.5}, False),
        ({"measure": "mean_score"}, False),
    ],
    ids=str,
)
def test_the_digest_says_what_was_measured(change: dict[str, Any], same: bool) -> None:
    """It moves with the bar and with what a pass is, not with how the run was drawn."""
    plain, changed = (
        run_of([arranged(record(case="a"))], ("m",), replace(POLICY, **more)).header.classes["t"].digest
        for more in ({}, change)
    )
    assert (plain == changed) is same


def test_a_score_passes_at_its_threshold() -> None:
    """`pass_at` decides; failed and unscored replies never pass."""
    records = [record(case="a", score=0.5), record(case="b", score=0.49), record(case="c", score=None)]
    run = run_of([arranged(*records)], ("m",), replace(POLICY, pass_at=0.5))
    assert {one.case_id: one.passed for one in run.results} == {"a": True, "b": False, "c": False}
