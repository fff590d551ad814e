"""A class's cases and a candidate -> the calls of each case that are still to be paid for, each as long as it can get.

What was paid for before is found by replaying each strategy, and its judge, from the cache. It knows no price and no
stopping rule.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from routerctl.errors import RouterctlError
from routerctl.evaluation.cache import ReplyCache, reply_key
from routerctl.evaluation.run.case import Job
from routerctl.providers.thinking import reply_limit
from routerctl.scorers import Unscorable
from routerctl.scorers.judge import judge_spec
from routerctl.strategies.answer import Ask, first_request, longest_requests
from routerctl.strategies.cascade import answer
from routerctl.strategies.judge import judge_reply, judge_request
from routerctl.strategies.prompts import render_prompt
from routerctl.types import Candidate, Case, Prompt, Reply, Request, RunHeader

PlannedCall = tuple[Candidate, Request]  # who is asked what


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is still to be paid for in one case, all its epochs together; without calls and judging nothing is."""

    kept: int  # calls in the cache
    partly: tuple[int, ...]  # of each reply that takes more calls: those of it that are in the cache
    calls: tuple[PlannedCall, ...]  # the most that may have to be made
    judging: tuple[Request, ...]  # likewise, of the judge

    @property
    def is_whole(self) -> bool:
        """Whether all of it is in the cache."""
        return not self.calls and not self.judging


class _NotKept(RouterctlError):
    """The cache has no reply to this request: the replay ends here."""


def left_of(header: RunHeader, job: Job, candidate: Candidate, cache: ReplyCache | None) -> list[Left]:
    """Tell what is still to be paid for in each case, in planned order."""
    replay = _Replay(header, job, candidate, cache)

    async def all_cases() -> list[Left]:
        return [await replay.case(case) for case in job.cases]

    return asyncio.run(all_cases())


class _Replay:
    """One candidate asked in its own way, of the cache alone: a vote that was decided early needs no more calls."""

    def __init__(self, header: RunHeader, job: Job, candidate: Candidate, cache: ReplyCache | None) -> None:
        self._header, self._job, self._candidate, self._cache = header, job, candidate, cache
        self._other = header.candidates[candidate.escalation.to] if candidate.escalation else None
        self._kept = 0  # of the reply that is replayed

    async def case(self, case: Case) -> Left:
        """Replay all epochs of one case."""
        prompt = render_prompt(self._job.eval_set.prompt, case.input)
        epochs = [await self._epoch(case, prompt, epoch) for epoch in range(self._job.eval_set.epochs)]
        return Left(
            kept=sum(one.kept for one in epochs),
            partly=tuple(kept for one in epochs for kept in one.partly),
            calls=tuple(call for one in epochs for call in one.calls),
            judging=tuple(request for one in epochs for request in one.judging),
        )

    async def _epoch(self, case: Case, prompt: Prompt, epoch: int) -> Left:
        eval_set, judge, self._kept = self._job.eval_set, self._job.judge, 0
        then = (self._ask(self._other, epoch), self._other) if self._other else None
        ask = self._ask(self._candidate, epoch)
        try:
            answered = await answer(ask, self._candidate, then, prompt, eval_set.reply, eval_set.scorer)
        except _NotKept:
            calls, kept = self._longest(prompt, epoch), self._kept
            return Left(kept=kept, partly=(kept,), calls=tuple(calls[kept:]), judging=self._judging(case))
        if judge is not None:
            try:
                ask = self._ask(judge, 0)
                await judge_reply(ask, judge, self._job.scorer, case.input, case.expected, answered.text)
            except _NotKept:
                return Left(kept=self._kept, partly=(), calls=(), judging=self._judging(case, answered.text))
            except Unscorable:  # it is paid for, whatever it says
                pass
        return Left(kept=self._kept, partly=(), calls=(), judging=())

    def _ask(self, who: Candidate, epoch: int) -> Ask:
        async def ask(request: Request) -> Reply:
            key = reply_key(replace(request, epoch=epoch), self._header.providers[who.provider])
            reply = self._cache.get(key) if self._cache else None
            if reply is None:
                raise _NotKept
            self._kept += 1
            return reply

        return ask

    def _longest(self, prompt: Prompt, epoch: int) -> Sequence[PlannedCall]:
        """Give who is asked what: a cascade asks both at most."""
        asked = [self._candidate, *([self._other] if self._other else [])]
        firsts = [(one, replace(first_request(one, prompt, self._job.eval_set.reply), epoch=epoch)) for one in asked]
        return [(one, request) for one, first in firsts for request in longest_requests(first, one.strategy)]

    def _judging(self, case: Case, text: str | None = None) -> tuple[Request, ...]:
        """Give the judge's request about a reply; None: one yet to be made, as long as it can get."""
        job = self._job
        if job.judge is None:
            return ()
        delivering = [reply_limit(one, job.eval_set.reply) for one in (self._candidate, self._other) if one]
        said = "." * max(delivering) if text is None else text
        return (judge_request(job.judge, judge_spec(job.scorer.params), case.input, case.expected, said),)
