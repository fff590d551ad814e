"""The climbing of ladders: verdicts that no latency can change, full use of a provider, outages, stops."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from routerctl import errors
from routerctl.costs import pricers_of
from routerctl.evaluation.run.cached_call import Caller, Spending
from routerctl.evaluation.run.climb import Evaluation
from routerctl.evaluation.run.estimate import ceiling_of
from routerctl.evaluation.run.session import EvalOptions, Planned, plan_run, run_eval
from routerctl.evaluation.selection import Outcome, question_of, rule_of
from routerctl.providers.base import Outside, Provider
from routerctl.providers.fake import FakeProvider, reply_of
from routerctl.providers.wire import Wire
from routerctl.types import Json, Judgement, Reply, Request, Result, Status, Verdict
from tests.conftest import Project

NOW = datetime(2026, 11, 23, 3, 31, tzinfo=UTC)


@dataclass(slots=True)
class Seen:
    """Everything a run tells its watcher, in the order in which it happened."""

    results: list[Result] = field(default_factory=list)
    verdicts: dict[tuple[str, str], Judgement] = field(default_factory=dict)
    least: list[tuple[str, int]] = field(default_factory=list)  # cases that a test needed, before each result
    needed: Callable[[], int] = int

    def testing(self, task_class: str, candidate: str, needed: Callable[[], int]) -> None:
        """See that a candidate is asked."""
        self.needed = needed
        self.least.append((candidate, needed()))

    def result(self, result: Result) -> None:
        """See one result, and what the cases before it left to be asked."""
        self.results.append(result)
        self.least.append((result.candidate, self.needed()))

    def verdict(self, task_class: str, candidate: str, judgement: Judgement) -> None:
        """See the verdict on one candidate."""
        self.verdicts[task_class, candidate] = judgement


def _plan(project: Project, *, concurrency: int, **options: Any) -> Planned:
    project.config["providers"]["fake"] |= {"concurrency": concurrency, "max_attempts": 1}
    project.save()
    return plan_run(project.root, EvalOptions(**options), lambda: NOW + timedelta(concurrency))


def _evaluation(planned: Planned, wire: Wire, seen: Seen, keep: Callable[[Result], None]) -> Evaluation:
    header, spending = planned.header, Spending()
    return Evaluation(
        header,
        caller_for=lambda candidate: Caller(
            candidate,
            header.providers[candidate.provider],
            call=wire.call,
            cache=None,
            spending=spending,
            pricer=pricers_of(header)[candidate.name],
            ceiling=ceiling_of(header),
            now=lambda: NOW,
        ),
        keep=keep,
        watcher=seen,
        rungs=planned.rungs,
    )


async def _run(
    planned: Planned,
    provider: Provider,
    *,
    keep: Callable[[Result], None] = lambda _: None,
    watch: Callable[[Evaluation], None] = lambda _: None,
) -> Seen:
    seen, pricers = Seen(), pricers_of(planned.header)
    models = {item.model: pricers[name] for name, item in planned.header.candidates.items()}
    ready: Mapping[str, Provider] = {"fake": provider}
    specs = planned.header.providers.values()
    async with Wire(specs, Outside(env={}), lambda _spec, model: models[model], ready=ready) as wire:
        evaluation = _evaluation(planned, wire, seen, keep)
        watch(evaluation)
        await evaluation.run(planned.jobs)
    return seen


# --- completion order -------------------------------------------------------------------------------------------------


class _Clock:
    """Time that passes only when nobody has anything left to do: who sleeps shorter wakes first on any machine."""

    def __init__(self) -> None:
        self._now, self._asleep = 0.0, list[tuple[float, int, asyncio.Future[None]]]()
        self._driver: asyncio.Task[None] | None = None

    async def sleep(self, seconds: float) -> None:
        mine = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asleep, (self._now + seconds, id(mine), mine))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.ensure_future(self._drive())
        await mine

    async def _drive(self) -> None:
        while self._asleep:
            for _ in range(20):  # turns of the loop, in which whoever is awake goes on until it sleeps
                await asyncio.sleep(0)
            self._now, _, first = heapq.heappop(self._asleep)
            if not first.done():
                first.set_result(None)


def _scripted(
    planned: Planned, right: set[str], latency_s: Callable[[str, bool], float], outside: Outside | None = None
) -> FakeProvider:
    """Answer the cases of `right` rightly, each case after its own latency."""

    def script(request: Request) -> Reply:
        text = request.prompt.messages[-1].content
        answer = str(int(text.rpartition("+")[2]) + 1) if text in right else "wrong"
        return reply_of(answer, request, latency_s=latency_s(text, text in right))

    return FakeProvider(planned.header.providers["fake"], outside or Outside(env={}), script)


def _wrong_ones_late(waits: Mapping[str, float], text: str, right: bool) -> float:
    return waits[text] + (0.0 if right else 0.006)


def _fed(planned: Planned, passed: list[bool]) -> tuple[Verdict, int, int]:
    """What the rule would say at its end had it seen these outcomes in this order."""
    header, job = planned.header, planned.jobs[0]
    test = rule_of(question_of(header.classes[job.eval_set.name], header))
    for one in passed:
        if test.feed(Outcome(value=float(one))) is not None:
            break
    return test.standing, test.cases, test.passes


@pytest.mark.parametrize("mode", ["proven", "margin", "point"])
async def test_completion_order_cannot_change_a_verdict(mode: str, project: Project) -> None:
    """Many workers, wrong answers slow: the same verdict on the same cases as one worker gives, over many seeds."""
    # The rule fed in completion order would have said otherwise, so this test can fail.
    project.config.update(mode=mode, margin=0.05)
    project.eval_set("sums", 120)
    misled = 0
    for seed in range(12):
        rng = random.Random(seed)  # noqa: S311 - a test's dice, not a secret's
        project.config["seed"] = seed
        project.config["ladders"]["main"] = ["large"]
        share = rng.choice([0.7, 0.8, 0.85, 0.9, 0.95])
        right = {f"sums: 1+{k}" for k in range(120) if rng.random() < share}
        waits = {f"sums: 1+{k}": rng.uniform(0, 0.002) for k in range(120)}
        many = _plan(project, concurrency=32)
        outside = Outside(env={}, sleep=_Clock().sleep)
        seen = await _run(many, _scripted(many, right, partial(_wrong_ones_late, waits), outside))
        one = _plan(project, concurrency=1)
        alone = await _run(one, _scripted(one, right, lambda _text, _is_right: 0.0))
        judged, expected = seen.verdicts["sums", "large"], alone.verdicts["sums", "large"]
        assert judged.verdict.level == expected.verdict.level, (mode, seed)
        assert (judged.stopped_at or judged.cases, expected.stopped_at) == (expected.cases, None), (mode, seed)
        assert (judged.cases, judged.passes) == (len(seen.results), sum(one.passed for one in seen.results))
        in_order = [case.input in right for case in one.jobs[0].cases]
        assert _fed(one, in_order) == (expected.verdict, expected.cases, expected.passes)
        assert len(seen.results) >= expected.cases
        misled += _fed(many, [result.passed for result in seen.results]) != (
            expected.verdict,
            expected.cases,
            expected.passes,
        )
    assert misled > 6


async def test_one_worker_asks_no_case_beyond_the_verdict(project: Project) -> None:
    """What is not needed is not paid for."""
    planned = _plan(project, concurrency=1, candidates=("large",))
    seen = await _run(planned, _scripted(planned, {f"sums: 1+{k}" for k in range(60)}, lambda *_: 0.0))
    judgement = seen.verdicts["sums", "large"]
    assert judgement.verdict is Verdict.PROVEN
    assert [result.index for result in seen.results] == list(range(judgement.cases))
    assert judgement.cases < 60


async def test_a_rung_above_one_that_passed_is_not_asked(project: Project) -> None:
    """The ladder is left where a candidate passes; --full climbs to its end and asks every case."""
    for full in (False, True):
        planned = _plan(project, concurrency=4, full=full)
        seen = await _run(planned, _scripted(planned, {f"sums: 1+{k}" for k in range(60)}, lambda *_: 0.0))
        assert [name for _, name in seen.verdicts] == (["small", "large"] if full else ["small"])
        assert not full or len(seen.results) == 120


@pytest.mark.parametrize(
    "strategy", [{}, {"strategy": {"name": "self_consistency", "samples": 3}}], ids=["", "samples"]
)
async def test_a_run_again_pays_nothing_however_many_workers_it_has(strategy: Json, project: Project) -> None:
    """Cases beyond the verdict are started ahead, but not paid for while answers at hand may still decide."""
    project.config["candidates"]["large"] |= strategy
    paid = []
    for concurrency in (1, 16):
        planned = _plan(project, concurrency=concurrency, candidates=("large",))
        provider = _scripted(planned, {f"sums: 1+{k}" for k in range(60)}, lambda *_: 0.0)
        spending = Spending()
        finished = await run_eval(
            planned, Seen(), Outside(env={}), spending=spending, now=_clock(), ready={"fake": provider}
        )
        assert finished.header.finished
        paid.append(spending.paid_calls)
    assert 0 < paid[0] < 60 * 3
    assert paid[1] == 0


def _clock() -> Callable[[], datetime]:
    """Every look at this clock is a second later."""
    ticks = iter(range(10_000))
    return lambda: NOW + timedelta(seconds=next(ticks))


# --- concurrency ------------------------------------------------------------------------------------------------------


class Gate:
    """A provider that answers nobody until it has as many calls in flight as it allows, or as many as are left."""

    def __init__(self, allowed: int, calls: int) -> None:
        self.allowed, self.left = allowed, calls
        self.in_flight = self.most = 0
        self._changed = asyncio.Condition()

    async def reply(self, request: Request) -> Reply:
        """Answer once the gate is full."""
        async with self._changed:
            self.in_flight += 1
            self.most = max(self.most, self.in_flight)
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self.in_flight >= min(self.allowed, self.left))
            self.in_flight -= 1
            self.left -= 1
            self._changed.notify_all()
        return reply_of("wrong", request)

    async def close(self) -> None:
        """Nothing to give back."""


@pytest.mark.parametrize("allowed", [1, 5, 8, 16])
@pytest.mark.parametrize("sizes", [(40,), (30, 30, 30), (25, 2, 40), (1, 1, 60)], ids=str)
async def test_a_provider_is_kept_full_and_never_overfull(
    sizes: tuple[int, ...], allowed: int, project: Project
) -> None:
    """Classes share a provider's concurrency: all of it is in use as long as there are cases, whatever their sizes."""
    # The gate opens only when it is full, so a place left empty while cases remain would stop this run for good.
    (project.root / "evals/sums.yaml").unlink()
    for number, size in enumerate(sizes):
        project.eval_set(f"class-{number}", size)
    planned = _plan(project, concurrency=allowed, full=True, candidates=("small",))
    gate = Gate(allowed, sum(sizes))
    async with asyncio.timeout(20):
        seen = await _run(planned, gate)
    assert gate.most == min(allowed, sum(sizes))
    assert len(seen.results) == sum(sizes)


# --- failures ---------------------------------------------------------------------------------------------------------


def _failing(planned: Planned, fails: Callable[[int], bool], error: type[errors.ProviderError]) -> FakeProvider:
    """Fail the calls of which `fails` says so (0-based, in the order of the calls), else answer rightly."""
    calls = iter(range(10_000))

    def script(request: Request) -> Reply | errors.ProviderError:
        text = request.prompt.messages[-1].content
        if fails(next(calls)):
            return error("scripted", provider="fake")
        return reply_of(str(int(text.rpartition("+")[2]) + 1), request)

    return FakeProvider(planned.header.providers["fake"], Outside(env={}), script)


async def test_a_failed_case_counts_as_not_passed_and_is_reported(project: Project) -> None:
    """The verdict sees a failed call as a case that did not pass; the result says that it failed, and how."""
    planned = _plan(project, concurrency=1, full=True, candidates=("large",))
    seen = await _run(planned, _failing(planned, lambda call: call % 7 == 3, errors.ServerFault))
    failed = [result for result in seen.results if result.status is Status.FAILED]
    assert [result.index for result in failed] == list(range(3, 60, 7))
    assert {(result.passed, result.score, result.error) for result in failed} == {
        (False, None, "ServerFault: fake: scripted")
    }
    judgement = seen.verdicts["sums", "large"]
    assert judgement.passes == judgement.cases - len([result for result in failed if result.index < judgement.cases])


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_ten_failed_cases_in_a_row_end_the_run(concurrency: int, project: Project) -> None:
    """An outage after good cases: no verdict is given on it."""
    project.eval_set("sums", 200, bar=0.5)
    planned = _plan(project, concurrency=concurrency, full=True, candidates=("large",))
    seen = Seen()
    with pytest.raises(errors.ServerFault, match="large: 10 cases in a row failed, the last one: scripted") as caught:
        seen = await _run(planned, _failing(planned, lambda call: call >= 20, errors.ServerFault), keep=seen.result)
    assert caught.value.exit_code == 5
    assert sum(result.status is Status.SCORED for result in seen.results) == 20
    assert seen.verdicts == {}


async def test_nine_failed_cases_in_a_row_do_not(project: Project) -> None:
    """Nine are bad luck; the count starts anew with each case that did not fail."""
    planned = _plan(project, concurrency=1, full=True, candidates=("large",))
    seen = await _run(planned, _failing(planned, lambda call: call % 10 != 0, errors.Overloaded))
    assert seen.verdicts["sums", "large"].verdict is Verdict.BELOW


async def test_a_candidate_that_never_answered_gets_no_verdict(project: Project) -> None:
    """Eight failed cases would decide, which an outage must not: all failed is no evidence."""
    planned = _plan(project, concurrency=4)
    with pytest.raises(errors.ConnectionFailed, match="this is an outage, not evidence"):
        await _run(planned, _failing(planned, lambda _call: True, errors.ConnectionFailed))


@pytest.mark.parametrize("error", [errors.KeyRefused, errors.BillingProblem, errors.ModelNotFound])
async def test_what_every_further_call_would_meet_ends_the_run_at_once(
    error: type[errors.ProviderError], project: Project
) -> None:
    """A refused key, an empty account, a retired model: no second round of calls is made."""
    planned = _plan(project, concurrency=4)
    provider = _failing(planned, lambda _call: True, error)
    with pytest.raises(error):
        await _run(planned, provider)
    assert len(provider.requests) <= 4


# --- stops ------------------------------------------------------------------------------------------------------------


async def test_stop_starts_no_call_and_keeps_those_in_flight(project: Project) -> None:
    """Every request that was made has its result, and there is no verdict on a class cut short."""
    planned = _plan(project, concurrency=8, full=True)
    provider = _scripted(planned, {f"sums: 1+{k}" for k in range(60)}, lambda *_: 0.002)
    kept: list[Result] = []
    running: list[Evaluation] = []

    def keep(result: Result) -> None:
        kept.append(result)
        if len(kept) == 10:
            running[0].stop()

    seen = await _run(planned, provider, keep=keep, watch=running.append)
    assert 10 <= len(kept) == len(provider.requests) < 60
    assert seen.verdicts == {}


async def test_a_result_that_cannot_be_written_ends_the_run_after_the_calls_in_flight(project: Project) -> None:
    """A full disk: the error comes out as itself, and no call that is being paid for is torn off."""
    planned = _plan(project, concurrency=8, full=True)
    torn = 0

    class Careful(FakeProvider):
        async def reply(self, request: Request) -> Reply:
            nonlocal torn
            torn += 1
            reply = await super().reply(request)
            torn -= 1
            return reply

    provider = Careful(planned.header.providers["fake"], Outside(env={}), lambda r: reply_of("x", r, latency_s=0.003))

    def keep(_: Result) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await _run(planned, provider, keep=keep)
    assert torn == 0
    assert len(provider.requests) <= 16


async def test_cancelling_leaves_no_task_behind(project: Project) -> None:
    """A second Ctrl-C cancels the run: its cases end with it."""
    planned = _plan(project, concurrency=8)
    task = asyncio.ensure_future(_run(planned, _scripted(planned, set(), lambda *_: 30.0)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_runs_of_one_second_neither_meet_nor_change_places(project: Project) -> None:
    """Run ids sort by time, also within a second: the newest run is the one that began last."""
    moments = [partial(NOW.replace, microsecond=number) for number in (3, 40_000, 500_000, 999_999)]
    ids = [plan_run(project.root, EvalOptions(), moment).header.run_id for moment in moments]
    assert ids == sorted(set(ids))
    assert {len(run_id) for run_id in ids} == {len("20261123-033100-5f2a1c")}


@pytest.mark.parametrize("full", [False, True])
async def test_a_watcher_knows_what_a_test_needs_at_least(full: bool, project: Project) -> None:
    """Never more than it then takes, and in the end exactly that; a whole run needs the rest of its cases."""
    planned = _plan(project, concurrency=1, full=full)
    right = {f"sums: 1+{k}" for k in range(60)}
    seen = await _run(planned, _scripted(planned, right, lambda *_: 0.0))
    _, *needed = [least for candidate, least in seen.least if candidate == "small"]
    took = range(len(needed), 0, -1)
    assert all(least <= rest for least, rest in zip(needed, took, strict=True))
    assert (len(needed), needed) == (60, [*took]) if full else len(needed) < 60
    assert needed[-1] == 1
