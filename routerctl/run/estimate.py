"""A planned run -> what it may cost, before the first call.

Place: the evaluation line, beside the plan. Tokens are estimated from bytes; dollars are the most that can be spent,
since how early the rule stops is known only afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from routerctl.cache import ReplyCache, reply_key
from routerctl.costs import Pricer, estimate, pricer_of
from routerctl.prompts import render_prompt
from routerctl.run.evaluate import Job
from routerctl.selection import alpha_per_candidate
from routerctl.statistics import least_cases
from routerctl.strategies import first_request
from routerctl.types import Candidate, Prompt, Request, RunHeader

_BYTES_PER_TOKEN = 4  # English text, about
_LEAST_BYTES_PER_TOKEN = 2  # no tokenizer makes more tokens of text than this
_MAX_CALLS = {"single_shot": 1, "reflexion": 3}  # a case, at most; self_consistency: its samples


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
    most_usd: Decimal  # likewise
    most_s: float | None  # one call after another, from latencies measured before; None: none is known


def pricers_of(header: RunHeader) -> dict[str, Pricer]:
    """Make each candidate's function from usage and seconds to USD."""
    return {
        name: pricer_of(header.prices[name], header.providers[item.provider], item.model)
        for name, item in header.candidates.items()
    }


def ceiling_of(header: RunHeader) -> Callable[[Candidate, Request], Decimal]:
    """Make the function that tells the most USD that one call can cost."""
    pricers = pricers_of(header)

    def ceiling(candidate: Candidate, request: Request) -> Decimal:
        return estimate(
            pricers[candidate.name],
            calls=1,
            input_tokens=_prompt_bytes(request.prompt) // _LEAST_BYTES_PER_TOKEN + 64,
            output_tokens=request.reply.max_tokens,
            seconds=header.providers[candidate.provider].timeout_s,
        )

    return ceiling


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
        self._pricers = pricers_of(header)
        self._alpha = alpha_per_candidate(header.risk, len(header.ladder))

    def estimate(self, job: Job, name: str) -> Estimate:
        """Estimate one candidate on one class."""
        candidate = self._header.candidates[name]
        prompts = [render_prompt(job.eval_set.prompt, case.input) for case in job.cases]
        calls_a_case = _MAX_CALLS.get(candidate.strategy.name, candidate.strategy.samples)
        fresh = [prompt for prompt in prompts if not self._known(candidate, job, prompt)]
        max_tokens = candidate.max_tokens or job.eval_set.reply.max_tokens
        tokens = [_prompt_bytes(prompt) // _BYTES_PER_TOKEN for prompt in fresh]
        latency_s = self._latencies_s.get(name)
        seconds = (latency_s or 0.0) / calls_a_case
        costs = (
            estimate(
                self._pricers[name], calls=calls_a_case, input_tokens=count, output_tokens=max_tokens, seconds=seconds
            )
            for count in tokens
        )
        least = least_cases(job.eval_set.bar, self._alpha) or len(prompts)
        return Estimate(
            task_class=job.eval_set.name,
            candidate=name,
            least_calls=min(len(prompts), least) * min(calls_a_case, calls_a_case // 2 + 1),
            most_calls=len(prompts) * calls_a_case,
            cached_calls=(len(prompts) - len(fresh)) * calls_a_case,
            input_tokens=sum(tokens) * calls_a_case,
            output_tokens=len(fresh) * calls_a_case * max_tokens,
            most_usd=sum(costs, Decimal(0)),
            most_s=None if latency_s is None else latency_s * len(fresh),
        )

    def _known(self, candidate: Candidate, job: Job, prompt: Prompt) -> bool:
        """Tell whether the first call of a case was paid for before; the others of a strategy then were, too."""
        if self._cache is None:
            return False
        provider = self._header.providers[candidate.provider]
        request = first_request(candidate, prompt, job.eval_set.reply)
        return self._cache.get(reply_key(request, kind=provider.kind, base_url=provider.base_url)) is not None


def _prompt_bytes(prompt: Prompt) -> int:
    return len(prompt.system.encode()) + sum(len(message.content.encode()) for message in prompt.messages)
