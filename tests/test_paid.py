"""What a run paid is one number: ledger, results, terminal and report agree to the digit."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from routerctl import errors
from routerctl.evaluation.build import build_table
from routerctl.evaluation.run.cached_call import Spending
from routerctl.evaluation.run.session import EvalOptions, Finished, plan_run, run_eval
from routerctl.evaluation.run_files import read_run
from routerctl.providers.base import Outside
from routerctl.providers.fake import FakeProvider, reply_of
from routerctl.review.report import money
from routerctl.review.report.answers import Answers, total
from routerctl.types import Reply, Request, Run
from routerctl.words import usd
from tests.conftest import Project
from tests.test_evaluate import Seen
from tests.test_evaluate_designs import _clock

pytestmark = pytest.mark.usefixtures("in_process")
Script = Callable[[Request], Reply | errors.ProviderError]


def _script(request: Request) -> Reply:
    """Every candidate says the same; the judge accepts it."""
    if request.model == "model-judge":
        return reply_of(json.dumps({"reason": "so it is", "score": "pass"}), request)
    return reply_of("42", request)


async def _run(project: Project, script: Script = _script, **options: Any) -> tuple[Finished, Run]:
    planned = plan_run(project.root, EvalOptions(**options), _clock)
    provider = FakeProvider(planned.header.providers["fake"], Outside(env={}), script)
    finished = await run_eval(
        planned, Seen(), Outside(env={}), spending=Spending(), now=_clock, ready={"fake": provider}
    )
    return finished, read_run(finished.folder)


def _agree(finished: Finished, run: Run) -> Decimal:
    """Check that everybody says the same amount and the same calls, and give the amount."""
    spend = total([Answers(build_table(dict.fromkeys(run.header.classes, run), previous=None), [run]).spend("sums", 1)])
    told = json.loads(json.dumps(finished.paid))
    assert finished.spending.spent_usd == spend.paid_usd == Decimal(told["paid_usd"])
    assert finished.spending.paid_calls == sum(one.calls_made + one.judge_calls_made for one in run.results)
    assert finished.spending.paid_calls == spend.calls + spend.judge_calls_made
    words = money.taken(spend, [run.header])
    assert f"Paid in this run: {usd(spend.paid_usd)};" in words
    assert finished.paid_words.startswith(f"paid {usd(spend.paid_usd)} for ")
    assert spend.paid_usd + spend.cached_usd == sum(one.cost_usd + one.judge_usd for one in run.results)
    return spend.paid_usd


_JUDGE = {"name": "judge", "candidate": "referee", "rubric": "Is the sum right?"}


def _with_judge(project: Project, rubric: str = "Is the sum right?") -> None:
    project.config["candidates"]["referee"] = {"provider": "fake", "model": "model-judge"}
    if len(project.config["prices"]) < 3:
        project.config["prices"].append({**project.config["prices"][0], "model": "model-judge"})
    project.save()
    project.eval_set("sums", 60, scorer={"name": "judge", "candidate": "referee", "rubric": rubric})


async def test_a_verdict_from_the_cache_beside_a_fresh_reply_is_not_paid(project: Project) -> None:
    """A second candidate that says what the first said pays for its replies and for no verdict."""
    _with_judge(project)
    await _run(project, candidates=("small",), full=True)
    finished, run = await _run(project, candidates=("large",), full=True)
    assert {one.judge_paid_usd for one in run.results} == {Decimal(0)}
    assert _agree(finished, run) == sum(one.cost_usd for one in run.results)


async def test_a_fresh_verdict_on_a_reply_from_the_cache_is_paid_alone(project: Project) -> None:
    """Another rubric judges the same replies anew: the replies cost nothing, and count as cached."""
    _with_judge(project)
    await _run(project, candidates=("small",), full=True)
    _with_judge(project, rubric="Is it a number?")
    finished, run = await _run(project, candidates=("small",), full=True)
    assert all(one.cached and one.calls_made == 0 for one in run.results)
    assert _agree(finished, run) == sum(one.judge_usd for one in run.results) > 0


async def test_a_vote_pays_for_the_samples_that_were_not_there(project: Project) -> None:
    """Of a vote whose first samples are in the cache only the further ones are paid for."""
    project.eval_set("sums", 60)
    _voting(project, 3)
    await _run(project, _each_sample_another, candidates=("small",), full=True)
    _voting(project, 5)
    finished, run = await _run(project, _each_sample_another, candidates=("small",), full=True)
    assert {(one.calls, one.calls_made) for one in run.results} == {(5, 2)}
    assert _agree(finished, run) * 5 == sum(one.cost_usd for one in run.results) * 2


def _voting(project: Project, samples: int) -> None:
    project.config["candidates"]["small"]["strategy"] = {"name": "self_consistency", "samples": samples}
    project.save()


def _each_sample_another(request: Request) -> Reply:
    return reply_of(f"{request.sample + 10}", request)  # no majority: every sample is asked for


async def test_calls_without_a_reply_are_paid_where_time_is_the_price(project: Project) -> None:
    """The seconds of an attempt that failed stand in the case that it was made for."""
    project.config["providers"]["fake"] |= {"usd_per_hour": 3600, "max_attempts": 1, "concurrency": 1}
    project.config["prices"] = []
    project.save()
    project.eval_set("sums", 60)
    count = iter(range(1000))

    def script(request: Request) -> Reply | errors.ProviderError:
        return errors.ServerFault("x", provider="fake") if next(count) % 3 == 0 else reply_of("42", request)

    finished, run = await _run(project, script, candidates=("small",), full=True)
    failed = [one for one in run.results if not one.calls]
    assert failed
    assert all(one.spent_usd > 0 for one in failed)
    _agree(finished, run)


_WAYS: dict[str, dict[str, Any]] = {
    "single": {},
    "vote": {"strategy": {"name": "self_consistency", "samples": 3}},
    "reflexion": {"strategy": {"name": "reflexion"}},
    "cascade": {"escalation": {"to": "large", "below": {"length": 1}}},
}


@pytest.mark.parametrize("price", [True, False], ids=["priced", "free judge"])
@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("way", _WAYS)
async def test_what_is_partly_in_the_cache_is_partly_paid(way: str, epochs: int, price: bool, project: Project) -> None:
    """Whatever the strategy: of replies and verdicts that are there in part, who was called is who was paid."""
    _with_judge(project)
    project.config["candidates"]["small"] |= _WAYS[way]
    if not price:
        free = {"input_mtok_usd": 0, "output_mtok_usd": 0}
        project.config["prices"] = [
            one | (free if one["model"] == "model-judge" else {}) for one in project.config["prices"]
        ]
    project.save()
    project.eval_set("sums", 12, scorer=dict(_JUDGE), epochs=epochs)
    whole, run = await _run(project, candidates=("small",), full=True)
    _agree(whole, run)
    _forget(project, 2)
    finished, again = await _run(project, candidates=("small",), full=True)
    _agree(finished, again)
    assert 0 < finished.spending.paid_calls < whole.spending.paid_calls
    assert sum(one.cost_usd + one.judge_usd for one in again.results) == sum(
        one.cost_usd + one.judge_usd for one in run.results
    )


def _forget(project: Project, every: int) -> None:
    """Take one in so many replies out of the cache."""
    with sqlite3.connect(project.root / ".routerctl/cache.sqlite") as database:
        database.execute("DELETE FROM replies WHERE rowid % ? = 0", (every,))


async def test_attempts_that_told_their_tokens_are_paid_with_the_reply(project: Project) -> None:
    """What is known of their cost belongs to the case, now and when its reply comes from the cache."""
    project.eval_set("sums", 12)
    count = iter(range(1000))

    def script(request: Request) -> Reply | errors.ProviderError:
        problem = errors.BrokenReply("cut", provider="fake")
        problem.usage = reply_of("42", request).usage
        return problem if next(count) % 5 == 0 else reply_of("42", request)

    finished, run = await _run(project, script, candidates=("small",), full=True)
    paid_usd = _agree(finished, run)
    assert paid_usd == sum(one.cost_usd for one in run.results)
    assert any(one.retries for one in run.results)
    again, repeated = await _run(project, script, candidates=("small",), full=True)
    assert _agree(again, repeated) == 0
    assert sum(one.cost_usd for one in repeated.results) == paid_usd


async def test_what_attempts_without_a_reply_may_cost_is_told_in_the_report_too(project: Project) -> None:
    """Beside what was paid, as in the terminal; the run's header keeps it."""
    project.eval_set("sums", 12)
    count = iter(range(1000))

    def script(request: Request) -> Reply | errors.ProviderError:
        return errors.TimedOut("x", provider="fake") if next(count) % 5 == 0 else reply_of("42", request)

    finished, run = await _run(project, script, candidates=("small",), full=True)
    assert run.header.perhaps_usd == finished.spending.perhaps_usd > 0
    told = f"Attempts without a reply may be billed too: {usd(run.header.perhaps_usd)} at most."
    spend = total([Answers(build_table({"sums": run}, previous=None), [run]).spend("sums", 1)])
    assert told in money.taken(spend, [run.header])


def test_a_run_that_ends_early_says_what_it_paid(project: Project) -> None:
    """Where it failed or was at its limit there are no results to say it with."""
    project.eval_set("sums", 60)
    done = project.run("eval", "--full", "--max-cost-usd", "0.0025")
    assert done.code == 6
    (paid,) = re.findall(r"the run ended early; it paid (\$[0-9.]+) for \d+ calls", done.err)
    assert f": {paid} is spent, and" in done.last
    (results,) = project.root.glob("reports/*/results.jsonl")
    kept = [json.loads(line) for line in results.read_text().splitlines()]
    assert paid == usd(sum((Decimal(str(one["cost_usd"])) for one in kept), Decimal(0)))


async def test_running_again_pays_nothing(project: Project) -> None:
    """What was paid for before is worth what it cost, and paid by nobody."""
    _with_judge(project)
    await _run(project, full=True)
    finished, run = await _run(project, full=True)
    assert _agree(finished, run) == 0
    assert finished.paid_words.startswith("paid $0 for 0 calls, 240 came from the cache")


async def test_what_was_asked_twice_in_one_run_did_not_come_from_the_cache(project: Project) -> None:
    """Both candidates say the same, so the judge is asked about the second one's replies what it was asked already."""
    _with_judge(project)
    finished, run = await _run(project, full=True)
    _agree(finished, run)
    assert finished.paid["paid_calls"] == 120 + 60
    assert (finished.paid["cached_calls"], finished.paid["repeated_calls"]) == (0, 60)
    assert finished.paid_words.endswith("for 180 calls, 60 had been asked in this run already")
    again, _ = await _run(project, full=True)
    assert (again.paid["cached_calls"], again.paid["repeated_calls"]) == (240, 0)
