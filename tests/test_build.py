"""From runs to a table: the planned prefix of the results, the evidence, and who serves each class."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.costs import NOT_KNOWN
from routerctl.errors import InputError
from routerctl.evaluation.build import build_table, evidence_of, planned_prefix
from routerctl.evaluation.selection import nobody_words, not_asked_words, unproven_words
from routerctl.levels import level_name
from routerctl.statistics import anytime_interval
from routerctl.table import table_text
from routerctl.types import (
    Candidate,
    ClassHeader,
    Condition,
    Policy,
    Price,
    PromptSpec,
    ProviderSpec,
    ReplySpec,
    Result,
    Rule,
    Run,
    RunHeader,
    ScorerSpec,
    Stakes,
    Status,
    StopReason,
    Table,
    Verdict,
)

LADDER = ("small", "large")


def of_class(name: str = "sums", **changes: Any) -> ClassHeader:
    """A class of 40 cases at a bar of 0.8."""
    header = ClassHeader(
        task_class=name,
        description=f"{name} of numbers",
        digest=f"sha256:{name}",
        bar=0.8,
        pass_at=1.0,
        n=40,
        prompt=PromptSpec(),
        reply=ReplySpec(),
        scorer=ScorerSpec(name="exact"),
    )
    return replace(header, **changes)


def header(*classes: ClassHeader, **changes: Any) -> RunHeader:
    """A finished run's header."""
    made = RunHeader(
        run_id="20261123-000000-aaaaaa",
        created_at="2026-11-23T00:00:00Z",
        finished=True,
        seed=1,
        mode="proven",
        risk=0.1,
        margin=0.03,
        full=False,
        ladder_name="main",
        ladder=LADDER,
        providers={"far": ProviderSpec(name="far", kind="fake")},
        candidates={name: Candidate(name=name, provider="far", model=name) for name in LADDER},
        prices={name: Price(date="2026-11-23", source="x", usd_per_hour=Decimal(1)) for name in LADDER},
        classes={item.task_class: item for item in classes or (of_class(),)},
        software={},
    )
    return replace(made, **changes)


def result(index: int, *, passed: bool = True, candidate: str = "small", **changes: Any) -> Result:
    """The result of one case, which cost a cent and took a second."""
    made = Result(
        task_class="sums",
        candidate=candidate,
        case_id=str(index),
        index=index,
        input="x",
        expected="y",
        status=Status.SCORED,
        passed=passed,
        score=float(passed),
        extracted="y",
        explanation="",
        reply="y",
        stop_reason=StopReason.END,
        served_model="m",
        calls=1,
        input_tokens=1,
        output_tokens=1,
        cost_usd=Decimal("0.01"),
        latency_s=1.0,
        cached=False,
    )
    return replace(made, **changes)


def perfect(count: int = 40, **changes: Any) -> list[Result]:
    """So many passed cases."""
    return [result(index, **changes) for index in range(count)]


def table_of(*results: Result, previous: Table | None = None, **changes: Any) -> Table:
    """The table of one class, `sums`."""
    run = Run(header=header(**changes), results=results)
    return build_table({"sums": run}, previous=previous)


# --- the planned prefix -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("indices", "prefix"),
    [
        ([], []),
        ([0, 1, 2], [0, 1, 2]),
        ([2, 0, 1], [0, 1, 2]),
        ([0, 1, 3, 4], [0, 1]),
        ([1, 2], []),
        ([3, 0], [0]),
        ([0, 0, 1], [0, 1]),
    ],
)
def test_planned_prefix(indices: list[int], prefix: list[int]) -> None:
    """Results count in planned order up to the first gap."""
    assert [case[0].index for case in planned_prefix(result(index) for index in indices)] == prefix


def test_the_last_result_of_a_case_counts() -> None:
    """A case that was asked again is what it came to the last time."""
    again = planned_prefix([result(0, passed=False), result(1), result(0), result(1, passed=False)])
    assert [case[0].passed for case in again] == [True, False]


@given(order=st.permutations(range(12)), gone=st.sets(st.integers(0, 11)))
def test_the_order_of_arrival_plays_no_part(order: list[int], gone: set[int]) -> None:
    """Whatever order results were written in and whichever are missing, the prefix ends at the first missing one."""
    kept = [index for index in order if index not in gone]
    assert [case[0].index for case in planned_prefix(map(result, kept))] == list(range(min(gone, default=12)))


@given(order=st.permutations(range(12)), gone=st.sets(st.integers(0, 11)))
def test_a_case_counts_when_all_its_epochs_are_there(order: list[int], gone: set[int]) -> None:
    """Four cases of three epochs: the prefix ends at the first case with an epoch missing, epochs stand in order."""
    results = [result(place // 3, epoch=place % 3) for place in order if place not in gone]
    prefix = planned_prefix(results, epochs=3)
    assert len(prefix) == min((place // 3 for place in gone), default=4)
    for index, case in enumerate(prefix):
        assert [(one.index, one.epoch) for one in case] == [(index, epoch) for epoch in range(3)]


# --- evidence ---------------------------------------------------------------------------------------------------------


def evidence(*results: Result, **changes: Any) -> Any:
    """The first candidate's evidence."""
    return evidence_of(Run(header=header(**changes), results=results), "sums")[0]


def test_cases_after_the_stop_count_and_undo_no_proof() -> None:
    """Cases in flight when the rule stopped are evidence: counts, cost and latency are of all; the proof stands."""
    stopped = evidence(*perfect()).judgement.stopped_at
    assert stopped == 20
    late = [result(index, passed=False, cost_usd=Decimal("0.09"), latency_s=99.0) for index in range(stopped, 25)]
    found = evidence(*perfect(stopped), *late)
    assert (found.judgement.verdict, found.judgement.stopped_at) == (Verdict.PROVEN, stopped)
    assert (found.judgement.passes, found.judgement.cases) == (stopped, 25)
    assert (found.cost_per_case_usd, found.cost_per_accepted_usd) == (Decimal("0.026"), Decimal("0.0325"))
    assert (found.latency_p95_s, found.wrong_per_thousand) == (99.0, 200.0)


def test_a_full_run_and_an_import_say_what_is_there() -> None:
    """49 of 50 and 8 of 10 are what table and evidence say, wherever a test would have ended."""
    for passed, cases, verdict in ((49, 50, Verdict.PROVEN), (8, 10, Verdict.PROVISIONAL)):
        results = [result(index, passed=index < passed) for index in range(cases)]
        table = table_of(*results, full=True, classes={"sums": of_class(n=cases)})
        found = table.routes["sums"].evidence[0].judgement
        assert (found.passes, found.cases, found.verdict) == (passed, cases, verdict)
        assert f"{passed} of {cases} cases passed" in table.routes["sums"].verdict
        assert f"\n        passes: {passed}\n" in table_text(table)


def test_what_lies_beyond_a_gap_counts_but_does_not_decide() -> None:
    """What a cut-off run has beyond a gap is not shown to the rule, however good it is; it is counted and priced."""
    found = evidence(*(item for item in perfect() if item.index != 3))
    assert (found.judgement.cases, found.judgement.passes, found.judgement.verdict) == (39, 39, Verdict.NOT_PROVEN)
    assert found.judgement.interval[0] == math.floor(anytime_interval(39, 39, 0.05)[0] * 1e4) / 1e4
    assert found.cost_per_case_usd == Decimal("0.01")


def test_what_went_wrong_is_counted() -> None:
    """Failed, unscored, refused and truncated cases are counted among those the rule looked at."""
    results = [
        result(0, passed=False, status=Status.FAILED, stop_reason=None, served_model=None, latency_s=None),
        result(1, passed=False, status=Status.UNSCORED),
        result(2, passed=False, stop_reason=StopReason.REFUSAL),
        result(3, stop_reason=StopReason.MAX_TOKENS, served_model="m-2", latency_s=3.0),
    ]
    found = evidence(*results)
    assert (found.failed, found.unscored, found.refused, found.truncated) == (1, 1, 1, 1)
    assert found.served_models == ("m", "m-2")
    assert (found.latency_p50_s, found.latency_p95_s) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("costs", "passed", "per_case", "per_accepted"),
    [
        (["0.01", "0.02"], [True, True], "0.015", "0.015"),
        (["0.01", "0.02"], [True, False], "0.015", "0.03"),
        (["0.01", "0.02"], [False, False], "0.015", None),
        (["0", "0"], [True, True], "0", "0"),
        (["0.0000000001", "0"], [True, True], "0", "0"),
        (["1", "1", "1"], [True, True, False], "1", "1.5"),
        (["0.01", "0", "0"], [True, True, True], "0.0033333333", "0.0033333333"),
        (["100", "300"], [True, True], "200", "200"),
    ],
)
def test_cost_per_accepted(costs: list[str], passed: list[bool], per_case: str, per_accepted: str | None) -> None:
    """What all cases cost, per case and per passed case: wrong answers are paid for, too. None without a pass."""
    pairs = enumerate(zip(costs, passed, strict=True))
    found = evidence(*(result(index, passed=one, cost_usd=Decimal(cost)) for index, (cost, one) in pairs))
    assert found.cost_per_case_usd == Decimal(per_case)
    assert found.cost_per_accepted_usd == (None if per_accepted is None else Decimal(per_accepted))


@given(latencies_s=st.lists(st.floats(0, 99), min_size=1, max_size=13), shuffler=st.randoms())
def test_quantiles_are_measured_values(latencies_s: list[float], shuffler: Any) -> None:
    """The nearest-rank quantile: at least that share of the cases took no longer, and it was really measured."""
    shuffler.shuffle(latencies_s)
    results = (result(index, passed=index % 2 == 0, latency_s=one) for index, one in enumerate(latencies_s))
    found = evidence(*results)
    used = sorted(latencies_s)
    for share, value in ((0.5, found.latency_p50_s), (0.95, found.latency_p95_s)):
        assert value == round(used[math.ceil(share * len(used)) - 1], 4)


@pytest.mark.parametrize(("count", "p50", "p95"), [(1, 1, 1), (2, 1, 2), (19, 10, 19), (20, 10, 19), (21, 11, 20)])
def test_nearest_rank(count: int, p50: int, p95: int) -> None:
    """Of 20 values the 95th percentile is the 19th; of 19 it is the last."""
    results = (result(index, passed=index % 2 == 0, latency_s=float(index + 1)) for index in range(count))
    found = evidence(*results, mode="point", classes={"sums": of_class(bar=0.3)})
    assert found.judgement.cases == count
    assert (found.latency_p50_s, found.latency_p95_s) == (p50, p95)


def test_the_longest_replies_but_one_in_a_hundred_are_told() -> None:
    """What budgets reserve by: of 200 replies the 198th in length; nothing where no tokens were recorded."""
    longer = [result(index, output_tokens=index + 1) for index in range(200)]
    planned = {"sums": of_class(n=200)}
    assert evidence(*longer, classes=planned).output_tokens_p99 == 198
    silent = [replace(one, output_tokens=0) for one in longer]
    assert evidence(*silent, classes=planned).output_tokens_p99 is None


def test_the_interval_is_rounded_outwards() -> None:
    """Four digits are kept of an interval, and none of what it covers is lost."""
    judgement = evidence(*(result(index, passed=index % 3 > 0) for index in range(7))).judgement
    exact = anytime_interval(judgement.passes, judgement.cases, judgement.alpha)
    for kept, end, outwards in zip(judgement.interval, exact, (-1, 1), strict=True):
        assert kept == round(kept, 4)
        assert 0 < (kept - end) * outwards < 1e-4


def test_without_the_first_case() -> None:
    """A case beyond the gap is seen and paid for; it proves nothing."""
    found = evidence(result(5))
    assert (found.judgement.cases, found.cost_per_case_usd, found.latency_p50_s) == (1, Decimal("0.01"), 1.0)
    assert (found.judgement.verdict, found.judgement.stopped_at) == (Verdict.NOT_PROVEN, None)


def test_without_a_whole_case() -> None:
    """A candidate whose every case lacks an epoch has nothing to judge: it is not among the evidence."""
    run = Run(header=header(classes={"sums": of_class(epochs=2)}), results=(result(0), result(1, epoch=1)))
    assert evidence_of(run, "sums") == ()


def test_wrong_answers_are_told_from_failures() -> None:
    """Per 1,000 replies: those delivered though they are wrong; a failed call and a refusal delivered nothing."""
    results = [
        result(0, passed=False, status=Status.FAILED, stop_reason=None),
        result(1, passed=False, stop_reason=StopReason.REFUSAL),
        result(2, passed=False, status=Status.UNSCORED),
        result(3, passed=False, retries=2),
        result(4),
        result(5, retries=1),
        result(6),
    ]
    found = evidence(*results, mode="point", classes={"sums": of_class(bar=0.3)})
    assert (found.judgement.cases, found.wrong_per_thousand, found.retries) == (7, 285.7, 3)
    alone = evidence(result(5, passed=False), mode="point", classes={"sums": of_class(bar=0.3)})
    assert alone.wrong_per_thousand == 1000.0


def test_epochs_are_averaged_and_paid_for_each() -> None:
    """Two cases of three epochs: values 2/3 and 1, six replies' costs, five of them accepted."""
    results = [result(index, epoch=epoch, passed=index + epoch > 0) for epoch in range(3) for index in range(2)]
    found = evidence(*results, mode="point", classes={"sums": of_class(n=2, epochs=3)})
    assert (found.judgement.verdict, found.judgement.method) == (Verdict.PROVISIONAL, "betting")
    assert (found.judgement.cases, found.judgement.passes, found.judgement.mean) == (2, 2, round(5 / 6, 9))
    assert (found.cost_per_case_usd, found.cost_per_accepted_usd) == (Decimal("0.01"), Decimal("0.012"))
    assert found.wrong_per_thousand == 166.7


def test_an_unfinished_case_plays_no_part() -> None:
    """Of a case whose last epoch is missing neither outcome nor cost counts."""
    results = [result(0, epoch=epoch) for epoch in range(3)] + [result(1, epoch=0, cost_usd=Decimal(9))]
    found = evidence(*results, classes={"sums": of_class(epochs=3)})
    assert (found.judgement.cases, found.cost_per_case_usd) == (1, Decimal("0.01"))


def test_mean_scores_are_what_is_accepted() -> None:
    """Where the bar is one of mean scores, a reply is worth its score: three cents for scores of 1.5 together."""
    scores = [0.3, 0.5, 0.7]
    results = [result(index, passed=False, score=score) for index, score in enumerate(scores)]
    found = evidence(*results, mode="point", classes={"sums": of_class(n=3, measure="mean_score", bar=0.5)})
    assert (found.judgement.verdict, found.judgement.passes, found.judgement.score) == (Verdict.PROVISIONAL, 1, 0.5)
    assert found.cost_per_accepted_usd == Decimal("0.02")


@pytest.mark.parametrize(
    ("changes", "method", "clusters"),
    [({"total_weight": 60.0, "max_weight": 2.0}, "betting", 0), ({"clusters": 20}, "clusters", 20)],
)
def test_weights_and_clusters_reach_the_rule(changes: dict[str, Any], method: str, clusters: int) -> None:
    """A case's weight and cluster stand in its results; the header says what the set has of them."""
    results = [
        result(index, passed=index % 2 == 0, weight=1.0 + index % 2, cluster=f"k{index // 2}") for index in range(40)
    ]
    found = evidence(*results, mode="point", classes={"sums": of_class(bar=0.1, **changes)}).judgement
    assert (found.method, found.verdict) == (method, Verdict.PROVISIONAL)
    full = evidence(*results, mode="proven", classes={"sums": of_class(bar=0.1, **changes)}).judgement
    assert full.clusters == clusters
    if method == "betting":
        passed, failed = math.ceil(full.cases / 2), full.cases // 2
        assert full.mean == pytest.approx(passed / (passed + 2 * failed))


def test_an_attempt_stands_in_the_evidence() -> None:
    """A set that grew is tested at a smaller share; the judgement says which attempt it was and what they sum to."""
    first, second = (evidence(*perfect(), classes={"sums": of_class(attempt=one)}).judgement for one in (1, 2))
    assert (first.alpha, first.attempt, first.total_alpha) == (0.05, 1, None)
    assert (second.alpha, second.attempt, second.total_alpha) == (0.0125, 2, 0.0625)


def test_the_skipped_top_rung_takes_no_share() -> None:
    """Of two candidates one is tested: it has the whole risk of .1."""
    assert evidence(*perfect(), top_rung="skip").judgement.alpha == 0.1


def test_evidence_stands_in_ladder_order() -> None:
    """Candidates that were run appear in ladder order; those that were not, and other classes, do not."""
    results = (*perfect(3, candidate="large"), *perfect(2), *perfect(9, task_class="other"))
    found = evidence_of(Run(header=header(), results=results), "sums")
    assert [(item.candidate, item.judgement.cases) for item in found] == [("small", 2), ("large", 3)]


@pytest.mark.parametrize(
    ("results", "changes"),
    [
        (perfect(41), {"classes": {"sums": of_class(n=40, bar=1.0)}, "mode": "point"}),
        (perfect(), {"classes": {"sums": of_class(bar=1.5)}}),
        (perfect(), {"classes": {"sums": of_class(n=0)}}),
        (perfect(), {"risk": 0.0}),
        (perfect(), {"mode": "margin", "margin": 0.8}),
    ],
)
def test_evidence_that_no_run_writes(results: list[Result], changes: dict[str, Any]) -> None:
    """A header or results edited beyond what the rule takes are the user's error, naming run and class."""
    with pytest.raises(InputError, match=r"^run 20261123-000000-aaaaaa, class sums: "):
        evidence(*results, **changes)


# --- the table --------------------------------------------------------------------------------------------------------


def test_unchanged_evidence_keeps_the_bytes() -> None:
    """Built again from the same runs, a table has the same version and the same bytes."""
    first = table_of(*perfect())
    again = table_of(*perfect(), previous=first)
    assert first.table_version == 1
    assert again == first
    assert table_text(again) == table_text(first)


def test_the_order_of_results_keeps_the_bytes() -> None:
    """Completion order, which no two runs share, is not in the table."""
    assert table_text(table_of(*perfect())) == table_text(table_of(*reversed(perfect())))


@pytest.mark.parametrize(
    ("results", "changes"),
    [
        ([result(0, passed=False), *perfect()[1:]], {}),
        ([result(0, cost_usd=Decimal("0.02")), *perfect()[1:]], {}),
        (perfect(), {"run_id": "20261124-000000-bbbbbb"}),
        (perfect(), {"seed": 2}),
        (perfect(), {"ladder": ("large", "small")}),
        (perfect(), {"classes": {"sums": of_class(description="other")}}),
        (perfect(), {"classes": {"sums": of_class(reply=ReplySpec(json_schema={"a": 1, "b": True}))}}),
    ],
)
def test_changed_evidence_raises_the_version(results: list[Result], changes: dict[str, Any]) -> None:
    """Any change raises the version by one and gives another digest."""
    first = table_of(*perfect())
    changed = table_of(*results, previous=first, **changes)
    assert changed.table_version == 2
    assert changed.digest != first.digest
    assert table_of(*results, previous=changed, **changes) == changed


@pytest.mark.parametrize("schema", [{"b": True, "a": 1}, {"a": True, "b": True}, {"a": 1.0, "b": True}])
def test_changes_that_look_equal(schema: dict[str, Any]) -> None:
    """Python's == sees no order of keys and takes true for 1; a model does not, nor do the bytes of the file."""
    one = {"sums": of_class(reply=ReplySpec(json_schema={"a": 1, "b": True}))}
    other = {"sums": of_class(reply=ReplySpec(json_schema=schema))}
    first = table_of(*perfect(), classes=one)
    changed = table_of(*perfect(), previous=first, classes=other)
    assert (changed.table_version, changed.digest != first.digest) == (2, True)


def test_a_route() -> None:
    """The route serves the proven candidate first, then what is open above it; its pins are the run's."""
    route = table_of(*perfect()).routes["sums"]
    assert (route.chosen, route.level, route.rungs) == ("small", "proven", ("small", "large"))
    assert (route.passing, route.when_unproven) == (True, "provisional")
    assert (route.run_id, route.eval_set_digest) == ("20261123-000000-aaaaaa", "sha256:sums")


def test_stakes_stand_in_the_route() -> None:
    """What a class is worth is handed in; it changes no verdict."""
    stakes = Stakes(requests_per_month=1000.0, quality_critical=True)
    run = Run(header=header(), results=tuple(perfect()))
    plain, staked = (
        build_table({"sums": run}, previous=None, stakes=given_) for given_ in ({}, {"sums": stakes, "gone": Stakes()})
    )
    assert plain.routes["sums"].stakes == Stakes()
    assert staked.routes["sums"] == replace(plain.routes["sums"], stakes=stakes)


def scored(passed: int, candidate: str, cost_usd: str = "0.01", count: int = 40) -> list[Result]:
    """All cases of a candidate, the first so many of which it did not pass."""
    cost = Decimal(cost_usd)
    return [result(index, passed=index >= count - passed, candidate=candidate, cost_usd=cost) for index in range(count)]


@pytest.mark.parametrize(
    ("results", "route"),
    [
        pytest.param(scored(33, "small"), ("small", "provisional", ("small", "large")), id="at the bar"),
        pytest.param([*scored(31, "small"), *scored(33, "large")], ("large", "provisional", ("large",)), id="above"),
        pytest.param(
            [*scored(33, "small", "0.05"), *scored(34, "large", "0.04")],
            ("large", "provisional", ("large", "small")),
            id="the cheaper of two",
        ),
        pytest.param(
            [*scored(33, "small"), *scored(40, "large", "0.05")],
            ("small", "provisional", ("small", "large")),
            id="cheaper than the proven one",
        ),
        pytest.param(
            [*scored(20, "small"), *scored(31, "large", "0.05")], ("large", "best available", ("large",)), id="the best"
        ),
        pytest.param(
            [*scored(31, "small"), *scored(20, "large", "0.05")], ("small", "best available", ("small",)), id="cheap"
        ),
        pytest.param(
            [*scored(31, "small"), *scored(31, "large", "0.05")],
            ("small", "best available", ("small", "large")),
            id="the cheapest of equals",
        ),
        pytest.param(perfect(3), ("small", "best available", ("small",)), id="cut off: what there is"),
        pytest.param([], ("large", "best available", ("large",)), id="nothing was run"),
    ],
)
def test_who_serves_where_nothing_is_proven(results: list[Result], route: tuple[str, str, tuple[str, ...]]) -> None:
    """The cheapest at the bar, provisional; where nobody is, the best score, the cheapest of equals, flagged."""
    found = table_of(*results).routes["sums"]
    assert (found.chosen, found.level, found.rungs) == route
    assert found.passing == (found.level != "best available")


def test_the_risk_stands_in_the_table() -> None:
    """What is provisional says its risk in the words, and in the evidence with three digits."""
    route = table_of(*scored(33, "small")).routes["sums"]
    assert route.evidence[0].judgement.risk == pytest.approx(stats.binom.sf(32, 40, 0.8), rel=1e-3)
    assert route.verdict.startswith("Provisional: 33 of 40 cases passed (40 planned), so the score reaches 80%; ")
    assert "a candidate at 80% would do as well with 43.7% probability, and proof takes 5% or less" in route.verdict


@pytest.mark.parametrize("where", ["the run", "the project"])
def test_where_nothing_but_proof_counts_the_top_rung_serves(where: str) -> None:
    """`top_rung`, as the run has it or as the project says now: a provisional candidate serves nobody."""
    classes = {"sums": of_class(when_unproven="top_rung" if where == "the run" else "provisional")}
    run = Run(header=header(classes=classes), results=(*scored(33, "small"), *scored(31, "large")))
    said: Any = {} if where == "the run" else {"unproven": {"sums": "top_rung"}}
    route = build_table({"sums": run}, previous=None, **said).routes["sums"]
    assert (route.chosen, route.level, route.when_unproven) == ("large", "best available", "top_rung")
    assert "nothing but proof counts here, else the top rung serves" in route.rule
    proven = replace(run, results=(*perfect(), *scored(31, "large")))
    assert build_table({"sums": proven}, previous=None, **said).routes["sums"].chosen == "small"


THREE = ("small", "mid", "large")


@pytest.mark.parametrize(
    ("ran", "changes", "expected"),
    [
        (("small",), {}, "`routerctl eval` runs the candidates not yet run: mid, large"),
        (("small", "mid"), {}, "`routerctl eval` runs the candidates not yet run: large"),
        (("small",), {"top_rung": "skip"}, "`routerctl eval` runs the candidates not yet run: mid"),
        (("small", "mid"), {"top_rung": "skip"}, ""),
        (("small", "large"), {}, ""),  # the top rung serves and was run: its own evidence counts
        ((), {}, ""),
        (("small",), {"n": 10}, "`routerctl eval` runs the candidates not yet run: large"),  # 10 cases prove nothing
        (("small",), {"scorer": "imported"}, "no outcomes of mid, large were imported"),
    ],
)
def test_who_was_not_asked_is_told_before_more_cases(
    ran: tuple[str, ...], changes: dict[str, Any], expected: str
) -> None:
    """One provisional candidate ended the climb; now that nothing but proof counts, the others may be proven."""
    n = changes.pop("n", 40)
    class_ = of_class(n=n, scorer=ScorerSpec(name=changes.pop("scorer", "exact")))
    pinned = {name: Candidate(name=name, provider="far", model=name) for name in THREE}
    prices = {name: Price(date="2026-11-23", source="x", usd_per_hour=Decimal(1)) for name in THREE}
    made = header(class_, ladder=THREE, candidates=pinned, prices=prices, **changes)
    run = Run(header=made, results=tuple(one for name in ran for one in scored(n * 9 // 10, name, count=n)))
    table = build_table({"sums": run}, previous=None, unproven={"sums": "top_rung"})
    route = table.routes["sums"]
    assert (route.chosen, route.rungs) == ("large", ("large",))
    assert not_asked_words(route, table) == expected
    said = unproven_words(route, table)
    assert ("not yet run" in said or "were imported" in said, said.endswith(expected)) == (bool(expected), True)
    assert not_asked_words(build_table({"sums": run}, previous=None).routes["sums"], table) == ""


def test_of_a_run_that_was_cut_off_it_is_said_that_nothing_is_decided() -> None:
    """The bar is neither reached nor missed: the level alone would read as a miss."""
    route = table_of(*scored(12, "small", count=12)).routes["sums"]
    assert (route.chosen, route.level, level_name(route)) == ("small", "best available", "best available, undecided")
    assert nobody_words(route) == (
        "No candidate has been shown to reach the bar of 80%; small serves as the best available, undecided: 12 of 40 "
        "planned cases were run."
    )
    assert unproven_words(route, table_of(*scored(12, "small", count=12))).startswith(
        f"sums: {nobody_words(route)[:-1]}, 12/12; "
    )
    whole = table_of(*scored(31, "small")).routes["sums"]
    assert level_name(whole) == "best available"
    assert "undecided" not in nobody_words(whole)
    strict = table_of(*scored(12, "large", count=12), classes={"sums": of_class(when_unproven="top_rung")}).routes[
        "sums"
    ]
    assert "undecided" not in level_name(strict) + nobody_words(strict)


def test_the_skipped_top_rung_serves_where_nobody_is_at_the_bar() -> None:
    """It was not run: who is at the bar serves before it, who is not does not."""
    for passed, chosen, level in ((33, "small", "provisional"), (31, "large", "best available")):
        route = table_of(*scored(passed, "small"), top_rung="skip").routes["sums"]
        assert (route.chosen, route.level) == (chosen, level)
    assert route.verdict == "Not run."


def test_classes_stand_in_alphabetical_order() -> None:
    """The order in which runs are handed over is not in the table."""
    run = Run(header=header(of_class("b"), of_class("a")), results=())
    built = [build_table(dict.fromkeys(order, run), previous=None) for order in ("ab", "ba")]
    assert list(built[0].routes) == ["a", "b"]
    assert table_text(built[0]) == table_text(built[1])


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"ladder_name": "other"}, "ladder name"),
        ({"ladder": ("small",)}, "ladder"),
        ({"mode": "point"}, "mode"),
        ({"risk": 0.2}, "risk"),
        ({"margin": 0.1}, "margin"),
        ({"seed": 2}, "seed"),
        ({"top_rung": "skip"}, "top rung"),
        ({"providers": {"far": ProviderSpec(name="far", kind="openai")}}, "providers"),
        ({"candidates": {"small": Candidate(name="small", provider="far", model="another")}}, "candidates"),
        ({"prices": {"small": Price(date="2020-01-01", source="old")}}, "prices"),
    ],
)
def test_runs_must_agree(changes: dict[str, Any], what: str) -> None:
    """Runs that differ in what a table says once are refused, naming both runs and the difference."""
    one = Run(header=header(of_class("a")), results=())
    other = Run(header=header(of_class("b"), run_id="20261124-000000-bbbbbb", **changes), results=())
    with pytest.raises(InputError) as caught:
        build_table({"a": one, "b": other}, previous=None)
    start = f"runs {one.header.run_id} and {other.header.run_id} were made with different {what}; run `routerctl eval`"
    assert str(caught.value).startswith(start)


def test_runs_may_differ_in_what_they_are() -> None:
    """Time, software and fullness may differ: the table says each class's run by its id."""
    one = Run(header=header(of_class("a")), results=())
    late = {
        "run_id": "20261124-000000-bbbbbb",
        "created_at": "2026-11-24T00:00:00Z",
        "full": True,
        "software": {"x": "1"},
    }
    other = Run(header=header(of_class("b"), **late), results=())
    built = build_table({"a": one, "b": other}, previous=None)
    assert [route.run_id for route in built.routes.values()] == [one.header.run_id, other.header.run_id]


def test_no_runs() -> None:
    """Without evidence there is no table."""
    with pytest.raises(InputError, match="no evidence: run `routerctl eval` first"):
        build_table({}, previous=None)


_SHORT = Condition(max_chars=9)


@pytest.mark.parametrize(
    ("rules", "default_class", "who"),
    [
        (
            (Rule(name="short", task_class="sum", when=Condition(max_chars=9)),),
            None,
            "rule 'short' names the class 'sum'",
        ),
        ((), "topic", "default_class names the class 'topic'"),
    ],
)
def test_rules_name_classes_that_exist(rules: tuple[Rule, ...], default_class: str | None, who: str) -> None:
    """A rule or a default for a class without an eval set is refused by name."""
    run = Run(header=header(), results=())
    with pytest.raises(InputError, match=f"^routerctl.yaml: {who}, which has no eval set"):
        build_table({"sums": run}, policy=Policy(rules=rules, default_class=default_class), previous=None)


def test_what_could_not_be_told_stands_with_the_verdict() -> None:
    """A class whose cases failed or could not be scored says so beside its verdict: they count as not passed."""
    told = [result(index, candidate="large", status=Status.UNSCORED, passed=False, score=None) for index in range(3)]
    failed = [result(index, candidate="large", status=Status.FAILED, passed=False, score=None) for index in (3,)]
    right = [result(index, candidate="large") for index in range(4, 10)]
    small = [result(index, passed=False, score=0.0) for index in range(10)]
    run = Run(header=header(), results=(*small, *told, *failed, *right))
    verdict = build_table({"sums": run}, policy=Policy(), previous=None).routes["sums"].verdict
    assert verdict.endswith(" Among those that did not pass: 1 call failed, 3 could not be scored."), verdict


def test_imported_outcomes_without_a_cost_are_not_free() -> None:
    """Where nobody knows what outcomes cost, the evidence has no cost; what is known to cost nothing costs 0."""
    free = [result(index, cost_usd=Decimal(0)) for index in range(20)]
    ours = Run(header=header(), results=tuple(free))
    theirs = Run(header=header(imported=("outcomes.csv",)), results=tuple(free))
    unpriced = {name: Price(date="2026-11-22", source=NOT_KNOWN) for name in theirs.header.prices}
    unknown = replace(theirs, header=replace(theirs.header, prices=unpriced))
    assert [evidence_of(one, "sums")[0].cost_per_accepted_usd for one in (ours, theirs)] == [Decimal(0)] * 2
    (foreign,) = evidence_of(unknown, "sums")
    assert (foreign.cost_per_case_usd, foreign.cost_per_accepted_usd) == (None, None)
