"""One case, one candidate -> its results: asked in the candidate's way, scored or judged, booked.

The climb decides what is asked. A case knows neither verdicts nor other cases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from routerctl.errors import ProviderError, RouterctlError
from routerctl.evaluation.run.cached_call import Caller
from routerctl.scorers import Unscorable, score_reply
from routerctl.strategies import answer as strategies
from routerctl.strategies import cascade
from routerctl.strategies.judge import judge_reply
from routerctl.strategies.prompts import render_prompt
from routerctl.types import (
    Answer,
    Candidate,
    Case,
    EvalSet,
    Reply,
    Request,
    Result,
    Score,
    ScorerSpec,
    Status,
)

Gate = Callable[[], Awaitable[None]]  # waits until a case may cost something


class Needless(RouterctlError):
    """The verdict was found before this case had to be paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One class's eval set with everything resolved that its cases need."""

    eval_set: EvalSet
    scorer: ScorerSpec  # with absolute paths
    cases: tuple[Case, ...]  # planned order, cut to max_cases
    judge: Candidate | None = None  # who judges, where the scorer is one


class Failure(RouterctlError):
    """A call failed for good: the candidate, the problem, and what had been paid for before."""

    def __init__(self, who: str, problem: ProviderError, result: Result) -> None:
        """`who`: the candidate asked, which may be the judge; `result`: the case as it is booked then."""
        self.who, self.problem, self.result = who, problem, result
        super().__init__(str(problem))


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAttempt:
    """One reply to one case, in the making."""

    job: Job
    candidate: Candidate
    index: int
    epoch: int
    caller: Caller
    judge_caller: Caller | None
    then: tuple[Candidate, Caller] | None = None  # the candidate that a cascade escalates to
    gate: Gate  # awaited before the first call of the case that costs something

    async def result(self) -> Result:
        """Ask, score and book.

        Raises: Needless where the gate says so before anything was paid; Failure; BudgetSpent.
        """
        case, eval_set = self.job.cases[self.index], self.job.eval_set
        prompt = render_prompt(eval_set.prompt, case.input)
        try:
            ask = self._ask(self.caller, self.epoch)
            then = (self._ask(self.then[1], self.epoch), self.then[0]) if self.then else None
            answer = await cascade.answer(ask, self.candidate, then, prompt, eval_set.reply, eval_set.scorer)
        except ProviderError as error:
            failed = replace(self._booked(), error=f"{type(error).__name__}: {error}")
            raise Failure(self.candidate.name, error, failed) from None
        booked = self._answered(answer)
        try:
            score = await self._score(answer, booked)
        except Unscorable as problem:
            return self._judged(replace(booked, status=Status.UNSCORED, error=str(problem)))
        except ProviderError as error:
            unscored = replace(booked, status=Status.UNSCORED, error=f"{type(error).__name__}: {error}")
            raise Failure(self.job.judge.name if self.job.judge else "", error, self._judged(unscored)) from None
        scored = replace(
            booked,
            status=Status.SCORED,
            passed=score.value >= eval_set.pass_at,
            score=score.value,
            extracted=score.extracted,
            explanation=score.explanation,
        )
        return self._judged(scored)

    def _ask(self, caller: Caller, epoch: int) -> strategies.Ask:
        async def ask(request: Request) -> Reply:
            asked = replace(request, epoch=epoch)
            if not self._paid and not caller.has(asked):
                await self.gate()
            return await caller.ask(asked)

        return ask

    @property
    def _callers(self) -> list[Caller]:
        return [self.caller, *([self.then[1]] if self.then else [])]

    @property
    def _served_model(self) -> str | None:
        asked = [one for one in self._callers if one.replies]
        return next((one for one in asked if one.is_foreign), asked[-1]).served_model

    @property
    def _paid(self) -> bool:
        return any(one.paid_calls for one in [*self._callers, self.judge_caller] if one)

    async def _score(self, answer: Answer, booked: Result) -> Score:
        """Score an answer, in a thread: an executing scorer must not hold up the calls in flight."""
        if self.judge_caller is None or self.job.judge is None:
            return await asyncio.to_thread(score_reply, self.job.scorer, answer.text, booked.expected)
        ask, spec = self._ask(self.judge_caller, 0), self.job.scorer  # the same reply is judged once, in any epoch
        score, _ = await judge_reply(ask, self.job.judge, spec, booked.input, booked.expected, answer.text)
        return score

    def _answered(self, answer: Answer) -> Result:
        return replace(
            self._booked(),
            reply=answer.text,
            stop_reason=answer.stop_reason,
            served_model=self._served_model,
            latency_s=answer.latency_s,
            agreement=answer.agreement,
            mean_logprob=answer.replies[0].mean_logprob if len(answer.replies) == 1 else None,
            served_by=answer.served_by,
        )

    def _judged(self, result: Result) -> Result:
        """Add what judging cost, and what of it was paid in this run."""
        if self.judge_caller is None:
            return result
        cost_usd, paid_usd = _cost_usd(self.judge_caller), self.judge_caller.paid_usd
        calls, paid_calls = len(self.judge_caller.replies), self.judge_caller.paid_calls
        return replace(
            result,
            judge_calls=calls,
            judge_usd=cost_usd,
            judge_served=self.judge_caller.served_model if self.judge_caller.is_foreign else None,
            judge_paid_usd=None if paid_usd == (0 if result.cached else cost_usd) else paid_usd,
            judge_paid_calls=None if paid_calls == (0 if result.cached else calls) else paid_calls,
        )

    def _booked(self) -> Result:
        """Record what a case was and cost; its outcome is the worst one until it is known.

        Calls of a strategy that had succeeded before one failed are paid all the same.
        """
        replies = [reply for caller in self._callers for reply in caller.replies]
        cost_usd = sum(map(_cost_usd, self._callers), Decimal(0))
        paid_usd = sum((caller.paid_usd for caller in self._callers), Decimal(0))
        paid_calls = sum(caller.paid_calls for caller in self._callers)
        cached = bool(replies) and not paid_calls
        case = self.job.cases[self.index]
        return Result(
            task_class=self.job.eval_set.name,
            candidate=self.candidate.name,
            case_id=case.id,
            index=self.index,
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
            cost_usd=cost_usd,
            latency_s=None,
            cached=cached,
            paid_calls=None if paid_calls == (0 if cached else len(replies)) else paid_calls,
            paid_usd=None if paid_usd == (0 if cached else cost_usd) else paid_usd,
            epoch=self.epoch,
            weight=case.weight,
            cluster=case.cluster,
            retries=sum(reply.attempts - 1 for reply in replies),
        )


def _cost_usd(caller: Caller) -> Decimal:
    """What a caller's calls cost when they were made, those without a reply too."""
    return sum((reply.cost_usd for reply in caller.replies), caller.failed_usd)
