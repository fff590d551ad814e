"""Runs whose cases are not plain: epochs, weights, clusters, a skipped top rung, bounded speculation, grown sets."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from routerctl import errors
from routerctl.evaluation.run.cached_call import Spending
from routerctl.evaluation.run.session import EvalOptions, Planned, estimate_run, plan_run, run_eval
from routerctl.providers.base import Outside
from routerctl.providers.fake import FakeProvider, reply_of
from routerctl.types import Judgement, Reply, Request, RunHeader, Verdict
from tests.conftest import Project
from tests.test_evaluate import Seen

pytestmark = pytest.mark.usefixtures("in_process")

NOW = datetime(2026, 11, 24, tzinfo=UTC)
_TICKS = itertools.count()


def _clock() -> datetime:
    """Every look at this clock is a second later."""
    return NOW + timedelta(seconds=next(_TICKS))


def _cases(count: int, **more: Callable[[int], Any]) -> list[dict[str, Any]]:
    made = [{"id": f"case-{k}", "input": f"sums: 1+{k}", "expected": str(k + 1)} for k in range(count)]
    return [case | {name: of(k) for name, of in more.items()} for k, case in enumerate(made)]


def _answering(planned: Planned, right: Callable[[int, int], bool]) -> FakeProvider:
    """Answer rightly where `right(number of the case, epoch)` says so."""

    def script(request: Request) -> Reply:
        number = int(request.prompt.messages[-1].content.rpartition("+")[2])
        return reply_of(str(number + 1) if right(number, request.epoch) else "wrong", request)

    return FakeProvider(planned.header.providers["fake"], Outside(env={}), script)


async def _run(
    project: Project, right: Callable[[int, int], bool] = lambda *_: True, *, concurrency: int = 4, **options: Any
) -> tuple[Seen, FakeProvider, RunHeader]:
    project.config["providers"]["fake"] |= {"concurrency": concurrency, "max_attempts": 1}
    project.save()
    planned = plan_run(project.root, EvalOptions(**options), _clock)
    provider, seen = _answering(planned, right), Seen()
    finished = await run_eval(planned, seen, Outside(env={}), spending=Spending(), now=_clock, ready={"fake": provider})
    return seen, provider, finished.header


# --- epochs -----------------------------------------------------------------------------------------------------------


async def test_epochs_are_asked_apart_and_averaged_within_the_case(project: Project) -> None:
    """Three epochs make three calls a case, each of its own; the rule sees one value a case."""
    project.eval_set("sums", 60, epochs=3)
    seen, provider, _ = await _run(project, lambda _number, epoch: epoch != 1, candidates=("large",), full=True)
    assert Counter(request.epoch for request in provider.requests) == {0: 60, 1: 60, 2: 60}
    assert Counter((result.index, result.epoch) for result in seen.results) == {
        (index, epoch): 1 for index in range(60) for epoch in range(3)
    }
    judgement = seen.verdicts["sums", "large"]
    assert judgement.method == "betting"
    assert judgement.mean == pytest.approx(2 / 3)


async def test_a_second_run_with_epochs_pays_nothing(project: Project) -> None:
    """Each epoch has a place of its own in the cache."""
    project.eval_set("sums", 60, epochs=2)
    _, first, _ = await _run(project, candidates=("large",))
    _, again, _ = await _run(project, candidates=("large",))
    assert len(first.requests) > 0
    assert len(again.requests) == 0


async def test_an_epoch_that_fails_counts_as_not_passed_in_its_case(project: Project) -> None:
    """One failed reply of two halves the case's value; the case is still evidence."""
    project.eval_set("sums", 60, epochs=2)
    project.config["providers"]["fake"]["max_attempts"] = 1
    project.save()
    planned = plan_run(project.root, EvalOptions(candidates=("large",), full=True), _clock)

    def script(request: Request) -> Reply | errors.ProviderError:
        number = int(request.prompt.messages[-1].content.rpartition("+")[2])
        return errors.ServerFault("x", provider="fake") if request.epoch else reply_of(str(number + 1), request)

    provider, seen = FakeProvider(planned.header.providers["fake"], Outside(env={}), script), Seen()
    await run_eval(planned, seen, Outside(env={}), spending=Spending(), now=_clock, ready={"fake": provider})
    assert seen.verdicts["sums", "large"].mean == pytest.approx(0.5)


# --- weights and clusters ---------------------------------------------------------------------------------------------


async def test_weights_decide_what_the_mean_is(project: Project) -> None:
    """A candidate that is right on the heavy cases alone has their share of the weight as its score."""
    project.eval_set("sums", 60, cases=_cases(60, weight=lambda k: 9 if k % 2 else 1))
    seen, _, header = await _run(project, lambda number, _: number % 2 == 1, candidates=("large",), full=True)
    judgement = seen.verdicts["sums", "large"]
    assert header.classes["sums"].weighted
    assert judgement.method == "betting"
    assert 0.85 < (judgement.mean or 0) <= 0.95


async def test_whole_clusters_run_together_and_are_judged_once_all_are_there(project: Project) -> None:
    """No early pass: a perfect candidate on clustered cases is asked every case, cluster by cluster."""
    project.eval_set("sums", 120, cases=_cases(120, cluster=lambda k: f"doc-{k % 40}"))
    seen, _, header = await _run(project, candidates=("large",))
    assert header.classes["sums"].clusters == 40
    judgement = seen.verdicts["sums", "large"]
    assert (judgement.method, judgement.cases, judgement.clusters) == ("clusters", 120, 40)
    assert judgement.verdict is Verdict.PROVEN
    in_order = [one.cluster for one in sorted(seen.results, key=lambda one: one.index)]
    assert sum(a != b for a, b in itertools.pairwise(in_order)) == 39


# --- the top rung, speculation ----------------------------------------------------------------------------------------


async def test_a_skipped_top_rung_is_not_asked_and_takes_no_share_of_the_risk(project: Project) -> None:
    """It serves where nothing passes whatever a test would say; the candidates that are tested share the risk."""
    project.config["top_rung"] = "skip"
    seen, provider, _ = await _run(project, lambda *_: False)
    assert {request.model for request in provider.requests} == {"model-small"}
    assert seen.verdicts["sums", "small"].alpha == pytest.approx(0.05)


@pytest.mark.parametrize("speculation", [0, 3])
async def test_speculation_is_bounded(speculation: int, project: Project) -> None:
    """With many workers no more than so many replies arrive that the verdict did not need."""
    project.config["speculation"] = speculation
    project.eval_set("sums", 200)
    seen, _, header = await _run(project, lambda number, _: number % 9 != 0, concurrency=32, candidates=("large",))
    assert header.speculation == speculation
    judgement = seen.verdicts["sums", "large"]
    assert judgement.cases == len(seen.results)
    assert 0 <= len(seen.results) - (judgement.stopped_at or judgement.cases) <= speculation


# --- sets that grow ---------------------------------------------------------------------------------------------------


async def test_a_set_that_grew_is_a_second_attempt_at_a_smaller_alpha(project: Project) -> None:
    """Adding cases and testing again is another chance: it is counted, and paid for with a quarter of the alpha."""
    project.eval_set("sums", 60)
    _, _, first = await _run(project, lambda *_: False)
    project.eval_set("sums", 90)
    seen, _, second = await _run(project, lambda *_: False)
    assert (first.classes["sums"].attempt, second.classes["sums"].attempt) == (1, 2)
    assert seen.verdicts["sums", "small"].alpha == pytest.approx(0.025 / 4)
    project.eval_set("sums", 90, description="Said otherwise.")
    _, _, same = await _run(project, lambda *_: False)
    assert same.classes["sums"].attempt == 2


async def test_taking_a_case_out_does_not_undo_a_look(project: Project) -> None:
    """A set that grew counts as tested before, also where a case that was asked is no longer in it."""
    project.eval_set("sums", 60)
    _, _, first = await _run(project, lambda *_: False, full=True)
    project.eval_set("sums", 90, cases=_cases(91)[1:])
    _, _, second = await _run(project, lambda *_: False)
    assert (first.classes["sums"].attempt, second.classes["sums"].attempt) == (1, 2)


async def test_another_prompt_is_another_question(project: Project) -> None:
    """A set whose prompt changed has not been tested before."""
    project.eval_set("sums", 60)
    await _run(project, lambda *_: False)
    project.eval_set("sums", 90, prompt={"system": "Add."})
    _, _, header = await _run(project, lambda *_: False)
    assert header.classes["sums"].attempt == 1


async def test_a_declared_set_goes_on_where_it_was(project: Project) -> None:
    """With max_cases declared, cases of a later batch come after the earlier ones, in one and the same test."""
    project.eval_set("sums", 60, max_cases=120)
    seen, _, first = await _run(project, lambda number, _: number % 8 != 0, candidates=("large",), full=True)
    assert (first.classes["sums"].n, seen.verdicts["sums", "large"].n) == (120, 120)
    later = _cases(60) + [case | {"batch": 2} for case in _cases(120)[60:]]
    project.eval_set("sums", 120, max_cases=120, cases=later)
    again, provider, second = await _run(project, lambda number, _: number % 8 != 0, candidates=("large",), full=True)
    assert second.classes["sums"].attempt == 1
    assert len(provider.requests) == 60
    before = [one.case_id for one in sorted(seen.results, key=lambda one: one.index)]
    assert [one.case_id for one in sorted(again.results, key=lambda one: one.index)][:60] == before


@pytest.mark.parametrize("grown", [90, 120, 150])  # to less than was declared, to as much, to more
async def test_cases_put_amidst_a_declared_set_are_refused(project: Project, grown: int) -> None:
    """Without a batch the added cases would come before ones that the test has seen already."""
    project.eval_set("sums", 60, max_cases=120)
    await _run(project, lambda number, _: number % 8 != 0, candidates=("large",), full=True)
    project.eval_set("sums", grown, max_cases=120)
    with pytest.raises(errors.InputError, match=r"was added since run .*: give the added cases `batch: 2`"):
        plan_run(project.root, EvalOptions(), _clock)


# --- judges -----------------------------------------------------------------------------------------------------------


def _judging(planned: Planned) -> FakeProvider:
    """Answer sums; as the judge, accept what holds no `wrong`."""

    def script(request: Request) -> Reply:
        text = request.prompt.messages[-1].content
        if request.model == "model-judge":
            return reply_of(json.dumps({"reason": "so it is", "score": "fail" if "wrong" in text else "pass"}), request)
        number = int(text.rpartition("+")[2])
        return reply_of("wrong" if number % 40 == 0 else str(number + 1), request)

    return FakeProvider(planned.header.providers["fake"], Outside(env={}), script)


def _with_judge(project: Project) -> None:
    project.config["candidates"]["referee"] = {"provider": "fake", "model": "model-judge"}
    project.config["prices"].append({**project.config["prices"][0], "model": "model-judge"})
    project.save()
    project.eval_set("sums", 60, scorer={"name": "judge", "candidate": "referee", "rubric": "Is the sum right?"})


async def test_a_judge_is_asked_paid_for_and_named(project: Project) -> None:
    """Its calls are booked beside the candidate's, its verdict is according to the judge, and nothing is paid twice."""
    _with_judge(project)
    planned = plan_run(project.root, EvalOptions(candidates=("large",)), _clock)
    provider, seen, spending = _judging(planned), Seen(), Spending()
    await run_eval(planned, seen, Outside(env={}), spending=spending, now=_clock, ready={"fake": provider})
    assert {result.judge_calls for result in seen.results} == {1}
    assert all(result.judge_usd > 0 for result in seen.results)
    assert spending.paid_calls == 2 * len(seen.results)
    assert spending.spent_usd == sum(result.cost_usd + result.judge_usd for result in seen.results)
    judgement: Judgement = seen.verdicts["sums", "large"]
    assert (judgement.trust, judgement.verdict) == ("judge", Verdict.PROVEN)
    again = plan_run(project.root, EvalOptions(candidates=("large",)), _clock)
    free = Spending()
    await run_eval(again, Seen(), Outside(env={}), spending=free, now=_clock, ready={"fake": provider})
    assert free.paid_calls == 0


def test_the_estimate_counts_the_judge(project: Project) -> None:
    """One call of the judge a reply, at its own price."""
    _with_judge(project)
    estimate = estimate_run(plan_run(project.root, EvalOptions(candidates=("large",)), _clock), _clock)[0]
    attempts = 4
    assert estimate.at_most.calls == 120 * attempts
    project.eval_set("sums", 60)
    plain = estimate_run(plan_run(project.root, EvalOptions(candidates=("large",)), _clock), _clock)[0]
    assert plain.at_most.calls == 60 * attempts
    assert plain.at_most.usd < estimate.at_most.usd
    assert plain.likely.usd < estimate.likely.usd


async def test_a_judge_that_is_down_is_an_outage_not_evidence(project: Project) -> None:
    """Ten replies in a row that could not be judged end the run; no candidate is found wanting for it."""
    _with_judge(project)
    planned = plan_run(project.root, EvalOptions(candidates=("large",), full=True), _clock)

    def script(request: Request) -> Reply | errors.ProviderError:
        judged = request.model == "model-judge"
        return errors.BadRequest("no", provider="fake") if judged else reply_of("1", request)

    provider, seen = FakeProvider(planned.header.providers["fake"], Outside(env={}), script), Seen()
    with pytest.raises(errors.BadRequest, match="referee: 10 cases in a row failed"):
        await run_eval(planned, seen, Outside(env={}), spending=Spending(), now=_clock, ready={"fake": provider})
    assert seen.verdicts == {}


def test_an_unknown_judge_is_refused_with_the_nearest_name(project: Project) -> None:
    """The judge is a candidate of routerctl.yaml."""
    _with_judge(project)
    project.eval_set("sums", 60, scorer={"name": "judge", "candidate": "referre", "rubric": "Is it right?"})
    with pytest.raises(errors.InputError, match=r"no candidate 'referre'.*did you mean 'referee'"):
        plan_run(project.root, EvalOptions(), _clock)


# --- the risk ---------------------------------------------------------------------------------------------------------


def test_a_family_risk_is_divided_by_the_classes(project: Project) -> None:
    """One risk over all classes: each gets its share, also where only one of them is run."""
    for name in ("more", "most", "sums"):
        project.eval_set(name, 60)
    project.config["family_risk"] = 0.03
    project.save()
    planned = plan_run(project.root, EvalOptions(only=("sums",)), _clock)
    assert planned.header.risk == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"risk": 0.05, "family_risk": 0.05}, "risk and family_risk exclude each other"),
        ({"family_risk": 1.5}, "expected a number between 0 and 1, got 1.5"),
        ({"speculation": -1}, "expected a whole number from 0"),
        ({"top_rung": "leave"}, "'leave' is not known here"),
    ],
)
def test_settings_of_the_risk_are_checked(settings: dict[str, Any], problem: str, project: Project) -> None:
    """Each is refused with its place and what was expected."""
    project.config.update(settings)
    project.save()
    with pytest.raises(errors.InputError, match=problem) as caught:
        plan_run(project.root, EvalOptions(), _clock)
    assert str(caught.value).startswith("routerctl.yaml:")


def test_a_table_with_a_skipped_top_rung_follows_from_its_evidence(project: Project) -> None:
    """Where nothing passed, the untested last rung serves, flagged; check notices when the setting changes."""
    project.config["top_rung"] = "skip"
    project.save()
    assert project.run("eval").code == 0
    built = project.run("build-table", "--json")
    assert json.loads(built.out)["routes"]["sums"]["chosen"] == "large"
    assert json.loads(built.out)["routes"]["sums"]["level"] == "best available"
    assert project.run("check").code == 0
    project.config["top_rung"] = "report"
    project.save()
    changed = project.run("check")
    assert (changed.code, "top_rung is now report" in changed.last) == (3, True)


def test_what_came_after_the_stop_is_told(project: Project) -> None:
    """A full run says how many replies its verdicts did not need, but does not lament them: they were asked for."""
    done = project.run("eval", "--full", "--json")
    beyond = json.loads(done.out)["beyond_the_stop"]
    assert 0 < beyond < 120
    again = project.run("eval", "--full")
    assert "came after a test had stopped" not in again.err
