"""Where nobody reaches the bar: those as good as the best run on to all cases before one of them is called so."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from routerctl import errors
from routerctl.evaluation.run.cached_call import Spending
from routerctl.evaluation.run.climb import Evaluation
from routerctl.evaluation.run.session import Planned, run_eval
from routerctl.providers.base import Outside
from routerctl.providers.fake import FakeProvider, reply_of
from routerctl.table import load_table
from routerctl.types import Reply, Request, Result, Verdict
from tests.conftest import Project
from tests.test_evaluate import Seen, _clock, _plan, _run

NAMES = ("small", "mid", "large")
Rights = Mapping[str, Callable[[int], bool]]  # candidate -> whether it is right at this place of the planned order


def half(place: int) -> bool:
    """Right at every other place: of 60 cases at a bar of 0.8 the 26th is the 13th failure, which ends the test."""
    return place % 2 == 0


def third(place: int) -> bool:
    """Right at every third place, until the 20th ends the test."""
    return place % 3 == 0


def never(_place: int) -> bool:
    """Never right."""
    return False


@pytest.fixture
def three(project: Project) -> Project:
    """A ladder of three, whose prices rise by half, and 60 cases at a bar of 0.8."""
    config = project.config
    config["candidates"] = {name: {"provider": "fake", "model": f"model-{name}"} for name in NAMES}
    config["ladders"] = {"main": list(NAMES)}
    price = config["prices"][0]
    config["prices"] = [
        price | {"model": f"model-{name}", "input_mtok_usd": 1 + rung} for rung, name in enumerate(NAMES)
    ]
    project.save()
    return project


def _scripted(planned: Planned, rights: Rights, fails: Callable[[int], bool] = lambda _call: False) -> FakeProvider:
    """Answer rightly as `rights` says; `fails`: which calls fail, 0-based in the order of the calls."""
    places = {str(case.input): place for place, case in enumerate(planned.jobs[0].cases)}
    calls = iter(range(10_000))

    def script(request: Request) -> Reply | errors.ProviderError:
        if fails(next(calls)):
            return errors.ServerFault("scripted", provider="fake")
        text = request.prompt.messages[-1].content
        right = rights[request.model.removeprefix("model-")](places[text])
        return reply_of(str(int(text.rpartition("+")[2]) + 1) if right else "wrong", request)

    return FakeProvider(planned.header.providers["fake"], Outside(env={}), script)


async def _raced(
    project: Project, rights: Rights, *, concurrency: int = 1, **options: Any
) -> tuple[Seen, Counter[str]]:
    planned = _plan(project, concurrency=concurrency, **options)
    async with asyncio.timeout(60):
        seen = await _run(planned, _scripted(planned, rights))
    return seen, Counter(result.candidate for result in seen.results)


async def test_those_as_good_as_the_best_run_on_and_others_do_not(three: Project) -> None:
    """Two that came out alike are asked all cases, cheapest first; the third, which is worse, is asked no further."""
    seen, asked = await _raced(three, {"small": half, "mid": half, "large": third})
    assert asked == {"small": 60, "mid": 60, "large": 20}
    order = [result.candidate for result in seen.results]
    assert order == ["small"] * 26 + ["mid"] * 26 + ["large"] * 20 + ["small"] * 34 + ["mid"] * 34
    for name in ("small", "mid"):
        judgement = seen.verdicts["sums", name]
        assert (judgement.cases, judgement.passes, judgement.stopped_at) == (60, 30, 26)
    assert seen.verdicts["sums", "large"].cases == 20


async def test_who_falls_behind_in_the_race_brings_no_third_in(three: Project) -> None:
    """The cheapest turns out worse: the other runs on to be compared with it, and that is the end."""
    _, asked = await _raced(three, {"small": lambda place: half(place) and place < 26, "mid": half, "large": third})
    assert asked == {"small": 60, "mid": 60, "large": 20}


@pytest.mark.parametrize("concurrency", [3, 32])
async def test_many_workers_race_too(concurrency: int, three: Project) -> None:
    """Whatever had landed beyond the ends: those that are as good have all cases, each asked once."""
    seen, asked = await _raced(three, {"small": half, "mid": half, "large": never}, concurrency=concurrency)
    assert (asked["small"], asked["mid"]) == (60, 60)
    assert 13 <= asked["large"] < 60
    assert max(Counter((result.candidate, result.index) for result in seen.results).values()) == 1


@pytest.mark.parametrize(
    ("rights", "asked"),
    [
        pytest.param(
            {"small": third, "mid": half, "large": third}, {"small": 20, "mid": 26, "large": 20}, id="one best"
        ),
        pytest.param({"small": never, "mid": never, "large": never}, dict.fromkeys(NAMES, 13), id="nobody ever right"),
        pytest.param(
            {"small": half, "mid": half, "large": lambda place: place % 6 != 0},
            {"small": 26, "mid": 26, "large": 60},
            id="the last is provisional",
        ),
    ],
)
async def test_where_there_is_nothing_to_tell_apart_nobody_runs_on(
    rights: Rights, asked: Mapping[str, int], three: Project
) -> None:
    """A single best, a setup in which nothing is ever right, a class that has its candidate: no case more is paid."""
    _, found = await _raced(three, rights)
    assert found == asked


async def test_where_nothing_but_proof_counts_nobody_runs_on(three: Project) -> None:
    """The top rung serves whatever the scores."""
    three.config["when_unproven"] = "top_rung"
    _, asked = await _raced(three, {"small": half, "mid": half, "large": half})
    assert max(asked.values()) < 26


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"epochs": 2, "measure": "mean_score"},
        {"cases": [{"id": f"{k}", "input": f"1+{k}", "expected": f"{k + 1}", "cluster": f"{k % 4}"} for k in range(9)]},
    ],
    ids=["counts", "values", "clusters"],
)
async def test_a_set_that_proves_nothing_tells_the_top_rung_s_score(more: dict[str, Any], three: Project) -> None:
    """Where nothing but proof counts it will serve: it is run on all cases, and nobody else is."""
    three.eval_set("sums", 9, when_unproven="top_rung", **more)
    seen, asked = await _raced(three, {"small": half, "mid": half, "large": half})
    assert asked == {"large": 9 * more.get("epochs", 1)}
    assert seen.verdicts["sums", "large"].cases == 9
    assert seen.verdicts["sums", "small"].cases == 0


async def test_before_an_untested_top_rung_nobody_runs_on(three: Project) -> None:
    """It serves where nobody reaches the bar, whatever the scores of the others."""
    three.config["top_rung"] = "skip"
    _, asked = await _raced(three, {"small": half, "mid": half, "large": half})
    assert asked == {"small": 26, "mid": 26}
    _, asked = await _raced(three, {"small": half, "mid": half, "large": half}, candidates=("small", "mid"))
    assert asked == {"small": 26, "mid": 26}


async def test_a_full_run_has_nothing_left_to_race_for(three: Project) -> None:
    """All cases of all candidates are there; each is asked once and judged once."""
    seen, asked = await _raced(three, {"small": half, "mid": half, "large": third}, full=True)
    assert asked == dict.fromkeys(NAMES, 60)
    assert [name for _, name in seen.verdicts] == list(NAMES)


async def test_failed_calls_end_no_race_and_start_none_anew(three: Project) -> None:
    """Cases that failed are cases: they count as not passed, and the race ends with the last of them."""
    planned = _plan(three, concurrency=1)
    provider = _scripted(
        planned, {"small": half, "mid": half, "large": never}, lambda call: call > 80 and call % 5 == 0
    )
    async with asyncio.timeout(60):
        seen = await _run(planned, provider)
    assert Counter(result.candidate for result in seen.results) == {"small": 60, "mid": 60, "large": 13}
    assert any(result.error for result in seen.results)


async def test_an_outage_in_a_race_ends_the_run(three: Project) -> None:
    """Ten failed cases in a row are no evidence, there as elsewhere: nobody is found worse for them."""
    planned = _plan(three, concurrency=1)
    provider = _scripted(planned, {"small": half, "mid": half, "large": never}, lambda call: call > 80)
    async with asyncio.timeout(60):
        with pytest.raises(errors.ServerFault, match="10 cases in a row failed"):
            await _run(planned, provider)


@pytest.mark.parametrize("after", [75, 100, 130])
async def test_a_stop_in_a_race_ends_it(after: int, three: Project) -> None:
    """No further call is started, and nothing waits for the cases that will not come."""
    planned = _plan(three, concurrency=4)
    provider = _scripted(planned, {"small": half, "mid": half, "large": never})
    kept: list[Result] = []
    running: list[Evaluation] = []

    def keep(result: Result) -> None:
        kept.append(result)
        if len(kept) == after:
            running[0].stop()

    async with asyncio.timeout(60):
        seen = await _run(planned, provider, keep=keep, watch=running.append)
    assert after <= len(kept) == len(provider.requests) <= after + 4
    assert all(judgement.cases <= 60 for judgement in seen.verdicts.values())


@pytest.mark.usefixtures("in_process")
async def test_the_table_serves_the_best_of_the_race(three: Project) -> None:
    """After the race the better one serves though it is dearer, as the best available; a run again pays nothing."""
    rights: Rights = {"small": lambda place: half(place) and place < 26, "mid": half, "large": third}
    paid = []
    for concurrency in (1, 7):
        planned = _plan(three, concurrency=concurrency)
        spending = Spending()
        provider = _scripted(planned, rights)
        await run_eval(planned, Seen(), Outside(env={}), spending=spending, now=_clock(), ready={"fake": provider})
        paid.append(spending.paid_calls)
    assert paid == [140, 0]
    assert (await asyncio.to_thread(three.run, "build-table")).code == 0
    route = load_table(three.root / "routes.yaml").routes["sums"]
    assert (route.chosen, route.level, route.rungs) == ("mid", "best available", ("mid",))
    judged = {one.candidate: one.judgement for one in route.evidence}
    assert (judged["small"].passes, judged["mid"].passes, judged["mid"].cases) == (13, 30, 60)
    assert judged["mid"].verdict in (Verdict.NOT_REACHED, Verdict.BELOW)
