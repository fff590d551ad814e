"""Eval sets and a run's header -> results, climbing each class's ladder until a candidate passes.

Classes run side by side and share a provider's concurrency. Within a class the cases are asked in planned order and
the rule sees their outcomes in that order, whatever order the replies come in. Place: the heart of the evaluation
line; it knows neither the terminal nor the table.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

from routerctl import strategies
from routerctl.errors import InputError, ProviderError, RouterctlError
from routerctl.prompts import render_prompt
from routerctl.run.caller import Caller
from routerctl.run.places import Places, Share
from routerctl.scorers import Unscorable, score_reply
from routerctl.selection import CandidateTest, Reorder, alpha_per_candidate, judge, planned_order
from routerctl.types import (
    Answer,
    Candidate,
    Case,
    EvalSet,
    Judgement,
    Reply,
    Request,
    Result,
    RunHeader,
    ScorerSpec,
    Status,
)

_OUTAGE = 10  # so many failed cases of one candidate in a row are an outage, not evidence


class Watcher(Protocol):
    """Whoever wants to see a run as it goes."""

    def result(self, result: Result) -> None:
        """See one result."""

    def verdict(self, task_class: str, candidate: str, judgement: Judgement) -> None:
        """See the verdict on one candidate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One class's eval set with everything resolved that its cases need."""

    eval_set: EvalSet
    scorer: ScorerSpec  # with absolute paths
    cases: tuple[Case, ...]  # planned order, cut to n


class _Needless(RouterctlError):
    """The verdict was found before this case had to be paid for."""


class Evaluation:
    """One run in progress."""

    def __init__(
        self,
        header: RunHeader,
        *,
        caller_for: Callable[[Candidate], Caller],
        keep: Callable[[Result], None],
        watcher: Watcher,
        rungs: Sequence[str],
    ) -> None:
        """`keep` writes a result down; `rungs` are the candidates to run, a part of the header's ladder."""
        self._header, self._caller_for, self._keep, self._watcher = header, caller_for, keep, watcher
        self._rungs = [name for name in header.ladder if name in rungs]
        self._places = {name: Places(spec.concurrency) for name, spec in header.providers.items()}
        self._failed_in_row: Counter[str] = Counter()  # candidate -> failed cases since the last that did not fail
        self._last_failure: dict[str, ProviderError] = {}  # by candidate
        self._stopping = False

    def stop(self) -> None:
        """Start no further call; those in flight are waited for, since they are paid for."""
        self._stopping = True

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    async def run(self, jobs: Sequence[Job]) -> None:
        """Climb the ladders of all classes side by side.

        Raises: ProviderError where every further call would fail too, BudgetSpent, InputError.
        """
        climbs = [asyncio.ensure_future(self._climb(job)) for job in jobs]
        try:
            await asyncio.gather(*climbs)
        except BaseException:
            self.stop()  # the other classes finish what is in flight, then end
            await asyncio.gather(*climbs, return_exceptions=True)
            raise

    async def _climb(self, job: Job) -> None:
        for name in self._rungs:
            judgement = await self._test(job, self._header.candidates[name])
            if judgement is None:
                return
            self._watcher.verdict(job.eval_set.name, name, judgement)
            if judgement.verdict.passes and not self._header.full:
                return

    async def _test(self, job: Job, candidate: Candidate) -> Judgement | None:
        """Run one candidate's cases until the rule has decided; None where the run was stopped before that."""
        bar, n = job.eval_set.bar, len(job.cases)
        alpha = alpha_per_candidate(self._header.risk, len(self._header.ladder))
        mode, margin = self._header.mode, self._header.margin
        test = CandidateTest(n=n, bar=bar, alpha=alpha, mode=mode, margin=margin)
        reorder = Reorder(test, n)
        passed: dict[int, bool] = {}
        failed: list[int] = []

        def take(result: Result) -> None:
            passed[result.index] = result.passed
            if result.status is Status.FAILED:
                failed.append(result.index)
            self._keep(result)
            reorder.put(result.index, result.passed)
            self._watcher.result(result)

        await self._work(job, candidate, take, lambda: test.verdict is not None and not self._header.full)
        if test.verdict is None and self._stopping:
            return None
        if failed and len(failed) == len(passed):  # the rule may have decided before an outage's number was reached
            raise self._outage(candidate.name, len(failed))
        prefix = list(itertools.takewhile(lambda one: one is not None, (passed.get(index) for index in range(n))))
        return judge([bool(one) for one in prefix], n=n, bar=bar, alpha=alpha, mode=mode, margin=margin)

    async def _work(
        self, job: Job, candidate: Candidate, take: Callable[[Result], None], decided: Callable[[], bool]
    ) -> None:
        """Keep this class's share of the provider's concurrency busy, in planned order, until decided."""
        problem: Exception | None = None
        index = 0

        def needless() -> bool:
            return decided() or self._stopping or problem is not None

        async with self._places[candidate.provider].share() as share:
            while True:
                while not needless() and index < len(job.cases) and share.has_room:
                    share.start(index, self._case(job, candidate, index, share, needless))
                    index += 1
                if not share.flying:
                    break
                for place, task in await share.landed():
                    try:
                        if result := task.result():
                            take(result)
                    except Exception as error:  # noqa: BLE001 - raised below, once the calls in flight are kept
                        problem = problem or error
                    share.settled(place)
        if problem:
            raise problem

    def _outage(self, candidate: str, count: int) -> ProviderError:
        error = self._last_failure[candidate]
        return type(error)(
            f"{candidate}: {count} cases in a row failed, the last one: {error.problem}; "
            "this is an outage, not evidence. What was paid for is kept, running again goes on from there",
            provider=error.provider,
            status=error.status,
        )

    async def _case(
        self, job: Job, candidate: Candidate, index: int, share: Share, needless: Callable[[], bool]
    ) -> Result | None:
        """Ask and score one case; None where that became needless before anything was paid for.

        Raises: ProviderError where the failure is one that ends the run, BudgetSpent.
        """
        case, caller = job.cases[index], self._caller_for(candidate)
        prompt = render_prompt(job.eval_set.prompt, case.input)

        async def ask(request: Request) -> Reply:
            if not caller.paid and not caller.has(request):
                await share.must_pay(index)
                if needless() and not caller.paid:
                    raise _Needless
            return await caller.ask(request)

        try:
            answer = await strategies.answer(ask, candidate, prompt, job.eval_set.reply, job.eval_set.scorer)
        except _Needless:
            return None
        except ProviderError as error:
            self._failed_in_row[candidate.name] += 1
            self._last_failure[candidate.name] = error
            if error.ends_run:
                raise
            if self._failed_in_row[candidate.name] >= _OUTAGE:
                raise self._outage(candidate.name, _OUTAGE) from None
            return _failed(job, candidate, index, error, caller)
        self._failed_in_row[candidate.name] = 0
        return await _scored(job, candidate, index, answer, cached=not caller.paid)


async def _scored(job: Job, candidate: Candidate, index: int, answer: Answer, *, cached: bool) -> Result:
    """Score an answer, in a thread: an executing scorer must not hold up the calls in flight."""
    booked = replace(
        _booked(job, candidate, index, answer.replies),
        reply=answer.text,
        stop_reason=answer.stop_reason,
        served_model=answer.replies[-1].served_model,
        latency_s=answer.latency_s,
        cached=cached,
    )
    try:
        score = await asyncio.to_thread(score_reply, job.scorer, answer.text, booked.expected)
    except Unscorable as problem:
        return replace(booked, status=Status.UNSCORED, error=str(problem))
    return replace(
        booked,
        status=Status.SCORED,
        passed=score.value >= job.eval_set.pass_at,
        score=score.value,
        extracted=score.extracted,
        explanation=score.explanation,
    )


def _failed(job: Job, candidate: Candidate, index: int, error: ProviderError, caller: Caller) -> Result:
    """Book a case whose calls failed for good; those of a strategy that had succeeded before are paid all the same."""
    return replace(_booked(job, candidate, index, caller.replies), error=f"{type(error).__name__}: {error}")


def _booked(job: Job, candidate: Candidate, index: int, replies: Sequence[Reply]) -> Result:
    """Book what a case was and cost; what became of it stands at the worst until it is known."""
    case = job.cases[index]
    return Result(
        task_class=job.eval_set.name,
        candidate=candidate.name,
        case_id=case.id,
        index=index,
        input=case.input,
        expected=case.expected,
        status=Status.FAILED,
        passed=False,
        score=None,
        extracted=None,
        explanation="",
        reply="",
        stop_reason=None,
        served_model=None,
        calls=len(replies),
        input_tokens=sum(reply.usage.input_tokens for reply in replies),
        output_tokens=sum(reply.usage.output_tokens for reply in replies),
        cost_usd=sum((reply.cost_usd for reply in replies), Decimal(0)),
        latency_s=None,
        cached=False,
    )


def plan_jobs(eval_sets: Sequence[EvalSet], scorers: Mapping[str, ScorerSpec], seed: int) -> tuple[Job, ...]:
    """Put each eval set's cases into their planned order.

    Raises: InputError where the exact rule would not be true of a set: unequal weights, dependent cases.
    """
    for eval_set in eval_sets:
        if len({case.weight for case in eval_set.cases}) > 1:
            raise InputError("cases of unequal weight cannot be judged yet; leave `weight` out", file=eval_set.file)
        clusters = [case.cluster for case in eval_set.cases if case.cluster is not None]
        if len(set(clusters)) < len(clusters):
            raise InputError("clusters of cases cannot be judged yet; leave `cluster` out", file=eval_set.file)
    return tuple(
        Job(
            eval_set=eval_set,
            scorer=scorers[eval_set.name],
            cases=planned_order(eval_set.cases, seed, eval_set.max_cases),
        )
        for eval_set in eval_sets
    )
