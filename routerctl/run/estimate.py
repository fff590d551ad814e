"""A planned run -> what it may cost, before the first call.

Place: the evaluation line, beside the plan. Tokens are estimated from bytes; dollars are the most that can be spent,
since how early the rule stops is known only afterwards. What was paid for before is found by replaying each strategy
from the cache.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from routerctl.cache import ReplyCache, reply_key
from routerctl.cascade import answer
from routerctl.costs import Pricer, most_usd, pricer_of, request_bytes
from routerctl.errors import RouterctlError
from routerctl.judge import judge_request
from routerctl.prompts import render_prompt
from routerctl.providers.thinking import reply_limit
from routerctl.run.asking import Job
from routerctl.scorers.judge import judge_spec
from routerctl.selection import Outcome, question_of, rule_of
from routerctl.strategies import Ask, first_request, longest_requests
from routerctl.types import Candidate, Case, Prompt, Reply, Request, RunHeader

_BYTES_PER_TOKEN = 4  # English text, about


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one candidate may take on one class; least = a pass without a miss, most = every case and every token."""

    task_class: str
    candidate: str
    least_calls: int
    most_calls: int
    cached_calls: int  # of most_calls: already paid for, as far as can be told
    input_tokens: int  # of the calls still to be paid, about
    output_tokens: int  # likewise, at most
    most_usd: Decimal  # likewise; a byte counted as a token, time as timeout_s of every attempt
    most_s: float | None  # one call after another, from latencies measured before; None: none is known


def pricers_of(header: RunHeader) -> dict[str, Pricer]:
    """Make each candidate's function from usage and seconds to USD."""
    return {
        name: pricer_of(header.prices[name], header.providers[item.provider], item.model)
        for name, item in header.candidates.items()
    }


def ceiling_of(header: RunHeader) -> Callable[[Candidate, Request], Decimal]:
    """Make the function that tells the most USD that one call can cost, all its attempts where time is the price."""
    pricers = pricers_of(header)

    def ceiling(candidate: Candidate, request: Request) -> Decimal:
        spec = header.providers[candidate.provider]
        return most_usd(pricers[candidate.name], request, spec.timeout_s * spec.max_attempts)

    return ceiling


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """How many calls of a case are in the cache, and whether it takes more."""

    kept: int
    more: bool


class _NotKept(RouterctlError):
    """The cache has no reply to this request: the replay of a strategy ends here."""


class Estimator:
    """Estimates each class x candidate of a planned run."""

    def __init__(
        self,
        header: RunHeader,
        *,
        cache: ReplyCache | None,
        latencies_s: Mapping[str, float],
    ) -> None:
        """`latencies_s`: seconds of one case by candidate, where known."""
        self._header, self._cache, self._latencies_s = header, cache, latencies_s
        self._ceiling = ceiling_of(header)

    def estimate(self, job: Job, name: str) -> Estimate:
        """Estimate one candidate on one class."""
        candidate, epochs = self._header.candidates[name], range(job.eval_set.epochs)
        asked = [
            (case, render_prompt(job.eval_set.prompt, case.input), epoch) for case in job.cases for epoch in epochs
        ]
        requests = [self._requests(candidate, job, prompt, epoch) for _, prompt, epoch in asked]
        kept = self._kept(candidate, job, [(prompt, epoch) for _, prompt, epoch in asked])
        pairs = [pair for calls, case in zip(kept, requests, strict=True) if calls.more for pair in case[calls.kept :]]
        fresh = [request for _, request in pairs]
        judging = self._judging(
            candidate, job, [case for (case, *_), calls in zip(asked, kept, strict=True) if calls.more]
        )
        latency_s = self._latencies_s.get(name)
        most_s = None if latency_s is None else latency_s * sum(calls.more for calls in kept)
        own = sum(who.name == name for who, _ in requests[0])
        least_calls = min(own, own // 2 + 1) + (1 if job.judge else 0)
        return Estimate(
            task_class=job.eval_set.name,
            candidate=name,
            least_calls=self._least_cases(job) * len(epochs) * least_calls,
            most_calls=sum(len(case) for case in requests) + (len(asked) if job.judge else 0),
            cached_calls=sum(calls.kept for calls in kept),
            input_tokens=sum(request_bytes(request) // _BYTES_PER_TOKEN for request in [*fresh, *judging]),
            output_tokens=sum(request.reply.max_tokens for request in [*fresh, *judging]),
            most_usd=self._most_usd(candidate, pairs, most_s) + self._judging_usd(job, judging),
            most_s=most_s,
        )

    def _requests(self, candidate: Candidate, job: Job, prompt: Prompt, epoch: int) -> list[tuple[Candidate, Request]]:
        """Give who is asked what: a cascade asks both at most."""
        asked = [candidate]
        if candidate.escalation:
            asked.append(self._header.candidates[candidate.escalation.to])
        firsts = [(one, replace(first_request(one, prompt, job.eval_set.reply), epoch=epoch)) for one in asked]
        return [(one, request) for one, first in firsts for request in longest_requests(first, one.strategy)]

    def _judging(self, candidate: Candidate, job: Job, cases: Sequence[Case]) -> list[Request]:
        """Give the judge's requests about replies yet to be made, each as long as it can get."""
        if job.judge is None:
            return []
        longest = "." * reply_limit(candidate, job.eval_set.reply)
        spec = judge_spec(job.scorer.params)
        return [judge_request(job.judge, spec, case.input, case.expected, longest) for case in cases]

    def _judging_usd(self, job: Job, judging: Sequence[Request]) -> Decimal:
        if job.judge is None:
            return Decimal(0)
        return sum((self._ceiling(job.judge, request) for request in judging), Decimal(0))

    def _most_usd(
        self, candidate: Candidate, fresh: Sequence[tuple[Candidate, Request]], most_s: float | None
    ) -> Decimal:
        """Add up the ceilings; where time is the price and was measured before, that says more than the time limit."""
        hourly = self._header.prices[candidate.name].usd_per_hour
        if hourly is not None and most_s is not None and candidate.escalation is None:
            return hourly * Decimal(repr(most_s)) / 3600
        return sum((self._ceiling(who, request) for who, request in fresh), Decimal(0))

    def _least_cases(self, job: Job) -> int:
        """Count the cases of a pass without a miss; 0 where no score on so few could pass."""
        header = self._header
        rule = rule_of(question_of(header.classes[job.eval_set.name], header))
        for case in job.cases:
            if rule.verdict is not None:
                break
            rule.feed(Outcome(value=1.0, weight=case.weight, cluster=case.cluster))
        return len(job.cases) if header.full else rule.cases

    def _kept(self, candidate: Candidate, job: Job, asked: Sequence[tuple[Prompt, int]]) -> list[_Kept]:
        """Tell what is paid for of each prompt and epoch."""
        if self._cache is None:
            return [_Kept(kept=0, more=True)] * len(asked)
        cache = self._cache

        async def replay_all() -> list[_Kept]:
            return [await self._replay(cache, candidate, job, prompt, epoch) for prompt, epoch in asked]

        return asyncio.run(replay_all())

    async def _replay(self, cache: ReplyCache, candidate: Candidate, job: Job, prompt: Prompt, epoch: int) -> _Kept:
        """Ask in the candidate's own way, but only the cache: a vote that was decided early needs no more calls."""
        kept = 0

        def asking(who: Candidate) -> Ask:
            async def ask(request: Request) -> Reply:
                nonlocal kept
                key = reply_key(replace(request, epoch=epoch), self._header.providers[who.provider])
                reply = cache.get(key)
                if reply is None:
                    raise _NotKept
                kept += 1
                return reply

            return ask

        other = self._header.candidates[candidate.escalation.to] if candidate.escalation else None
        then = (asking(other), other) if other else None
        try:
            await answer(asking(candidate), candidate, then, prompt, job.eval_set.reply, job.eval_set.scorer)
        except _NotKept:
            return _Kept(kept=kept, more=True)
        return _Kept(kept=kept, more=False)
