"""A planned run -> what it is likely to take and what it takes at most, before the first call.

Likely: what a case took before, times how likely each case is to be asked under the rule. At most: every case of every
candidate, every token a reply may have, every call tried again as often as it may be. Replies in the cache cost nothing
in either. It puts together what `calls_left`, `measured` and `expected` say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import fmean
from typing import Literal

from routerctl.costs import MOST_FRAME_TOKENS, PICODOLLAR, lost_usd, most_usd, pricers_of, request_bytes
from routerctl.evaluation.cache import ReplyCache
from routerctl.evaluation.run.calls_left import Left, PlannedCall, left_of
from routerctl.evaluation.run.case import Job
from routerctl.evaluation.run.expected import Contender, chances_asked
from routerctl.evaluation.run.measured import Measured, Took
from routerctl.evaluation.selection import Question, question_of
from routerctl.providers.thinking import reply_limit, thinks
from routerctl.strategies.answer import first_request
from routerctl.strategies.prompts import render_prompt
from routerctl.types import Candidate, ProviderSpec, RelativeBar, Request, RunHeader, Usage

# Where the likely figures come from: measured on this class, while serving, on other classes, or of other candidates on
# this class; or guessed from the limits that the class sets for a reply.
Basis = Literal["class", "log", "candidate", "others", "reply"]

_BYTES_PER_TOKEN = 4  # English text, about
_OF_MOST = 0.25  # of max_tokens, or of the time limit: what is guessed where nothing was measured
_CHOICE_TOKENS = 2  # around a choice that is written out
_VERDICT_TOKENS = 80  # of a judge: one or two sentences and a score
_ESCALATED = 0.5  # of a cascade's replies, where nothing was measured
_NOTHING = Took(cases=0, calls=0.0, input_tokens=0.0, output_tokens=0.0, seconds=0.0, usd=Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What calls take; replies in the cache are not among them."""

    calls: float  # at most: all attempts at them
    input_tokens: int
    output_tokens: int
    usd: Decimal
    seconds: float | None  # as many calls side by side as the provider's concurrency allows; None: nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one candidate may take on one class."""

    task_class: str
    candidate: str
    basis: Basis
    chance: float  # that it is asked at all: a cheaper one may do
    likely: Amount  # the expectation, that chance included
    at_most: Amount
    cached_calls: int  # paid for before, as far as can be told


def ceiling_of(header: RunHeader) -> Callable[[Candidate, Request], Decimal]:
    """Make the function that tells the most USD that one call can cost, all its attempts where time is the price."""
    pricers = pricers_of(header)

    def ceiling(candidate: Candidate, request: Request) -> Decimal:
        return most_usd(pricers[candidate.name], request, _longest_s(header.providers[candidate.provider]))

    return ceiling


def _longest_s(spec: ProviderSpec) -> float:
    """Seconds that all attempts at one call may take, the waits between them apart."""
    return spec.timeout_s * spec.max_attempts


class Estimator:
    """Estimates each class x candidate of a planned run."""

    def __init__(self, header: RunHeader, *, cache: ReplyCache | None, measured: Measured, classes: int = 1) -> None:
        """`classes`: how many share a provider's concurrency."""
        self._header, self._cache, self._measured, self._classes = header, cache, measured, classes
        self._pricers, self._ceiling = pricers_of(header), ceiling_of(header)

    def estimate(self, job: Job, rungs: Sequence[str]) -> list[Estimate]:
        """Estimate the climb of one class's ladder, a part an estimate a rung."""
        of_class = self._header.classes[job.eval_set.name]
        reference = of_class.bar.of if isinstance(of_class.bar, RelativeBar) else ""
        today = of_class.today if self._header.compares_today else ""
        beside = () if self._header.baseline else (reference, today)
        names = dict.fromkeys((*rungs, *(name for name in beside if name)))
        candidates = [self._header.candidates[name] for name in names]
        lefts = [left_of(self._header, job, one, self._cache) for one in candidates]
        ladder = [
            self._contender(job, one.name, left, climbs=one.name in rungs)
            for one, left in zip(candidates, lefts, strict=True)
        ]
        ahead = min((self._ahead(one) for one in candidates), default=0)

        def question_for(name: str, theirs: Sequence[float]) -> Question:
            return question_of(of_class, self._header, name, theirs)

        races, full = self._header.top_rung == "report", self._header.full
        chances = chances_asked(question_for, job.cases, ladder, ahead=ahead, races=races, full=full, today=today)
        return [
            self._rung(job, candidate, left, chance)
            for candidate, left, chance in zip(candidates, lefts, chances, strict=True)
        ]

    def _contender(self, job: Job, name: str, left: Sequence[Left], *, climbs: bool) -> Contender:
        known = self._measured.values.get((job.eval_set.name, name), {})
        seen = {place: known[case.id] for place, case in enumerate(job.cases) if case.id in known}
        kept = frozenset(place for place, one in enumerate(left) if one.is_whole)
        return Contender(name=name, seen=seen, kept=kept, climbs=climbs)

    def _ahead(self, candidate: Candidate) -> int:
        """Count the cases that are in flight when a test ends, and are paid for: a class's share of the concurrency."""
        share = math.ceil(self._header.providers[candidate.provider].concurrency / self._classes)
        allowed = self._header.speculation
        return share - 1 if allowed is None else min(share - 1, allowed)

    def _rung(self, job: Job, candidate: Candidate, lefts: Sequence[Left], chances: Sequence[float]) -> Estimate:
        basis, took = self._usual(job, candidate)
        return Estimate(
            task_class=job.eval_set.name,
            candidate=candidate.name,
            basis=basis,
            chance=max(chances, default=0.0),
            likely=self._likely(job, candidate, took, lefts, chances),
            at_most=self._at_most(job, candidate, lefts),
            cached_calls=sum(one.kept for one in lefts),
        )

    # --- likely -------------------------------------------------------------------------------------------------------

    def _likely(
        self, job: Job, candidate: Candidate, took: Took, lefts: Sequence[Left], chances: Sequence[float]
    ) -> Amount:
        """Take what a case usually takes as often as a case is likely to be asked and not in the cache."""
        parts = [(chance, _share(one, took)) for chance, one in zip(chances, lefts, strict=True)]
        cases = sum(chance * share for chance, share in parts)
        judged = sum(chance * len(one.judging) for chance, one in zip(chances, lefts, strict=True))
        verdict = self._verdict(job, took, lefts)
        concurrency = self._header.providers[candidate.provider].concurrency
        return Amount(
            calls=round(cases * took.calls + judged, 1),
            input_tokens=round(cases * took.input_tokens + judged * verdict.input_tokens),
            output_tokens=round(cases * took.output_tokens + judged * verdict.output_tokens),
            usd=_rounded(took.usd * _exact(cases) + verdict.usd * _exact(judged)),
            seconds=None if took.seconds is None else round(cases * took.seconds / concurrency, 3),
        )

    def _usual(self, job: Job, candidate: Candidate) -> tuple[Basis, Took]:
        """Give what a case of a class takes, and where that is known from."""
        key = job.eval_set.name, candidate.name
        if key in self._measured.of_class:
            return "class", self._measured.of_class[key]
        if key in self._measured.of_log:
            return "log", self._measured.of_log[key]
        known = self._measured.of_candidate.get(candidate.name)
        if known:
            return "candidate", self._as_elsewhere(job, candidate, known)
        others = [one for (name, _), one in self._measured.of_class.items() if name == job.eval_set.name]
        if others:
            return "others", self._guess(job, candidate, fmean(one.output_tokens / one.calls for one in others))
        return "reply", self._guess(job, candidate, _reply_tokens(job, candidate))

    def _as_elsewhere(self, job: Job, candidate: Candidate, known: Took) -> Took:
        """Take this class's prompts, and replies as long as on other classes, within what this class allows."""
        read = known.calls * self._read(job, candidate)
        written = min(known.output_tokens, known.calls * reply_limit(candidate, job.eval_set.reply))
        usage = Usage(input_tokens=round(read), output_tokens=round(written))
        usd = self._pricers[candidate.name](usage, known.seconds or 0.0)
        return replace(known, input_tokens=read, output_tokens=written, usd=usd, judge_usd=None)

    def _guess(self, job: Job, candidate: Candidate, written: float) -> Took:
        """Guess a case by its strategy and the tokens of a call's reply; time is known only where it is the price."""
        calls, read = _usual_calls(candidate), self._read(job, candidate)
        timed = self._header.prices[candidate.name].usd_per_hour is not None
        seconds = _OF_MOST * self._header.providers[candidate.provider].timeout_s if timed else None
        usage = Usage(input_tokens=round(read), output_tokens=round(written))
        own = Took(
            cases=0,
            calls=calls,
            input_tokens=calls * read,
            output_tokens=calls * written,
            seconds=None if seconds is None else calls * seconds,
            usd=self._pricers[candidate.name](usage, seconds or 0.0) * _exact(calls),
        )
        if candidate.escalation is None:
            return own
        return _sum(own, self._guess(job, self._header.candidates[candidate.escalation.to], written), _ESCALATED)

    def _read(self, job: Job, candidate: Candidate) -> float:
        """Average the tokens of a first request, from its bytes."""
        reply = job.eval_set.reply
        prompts = [render_prompt(job.eval_set.prompt, case.input) for case in job.cases]
        firsts = [first_request(candidate, prompt, reply) for prompt in prompts]
        return fmean(request_bytes(request) for request in firsts) / _BYTES_PER_TOKEN if firsts else 0.0

    def _verdict(self, job: Job, took: Took, lefts: Sequence[Left]) -> Took:
        """Give what a judge's call takes about a reply of the usual length."""
        asked = [request for one in lefts for request in one.judging]
        if job.judge is None or not asked:
            return _NOTHING
        longest = job.eval_set.reply.max_tokens  # bytes that stand for a reply yet to be made
        usual = took.output_tokens / max(took.calls, 1.0)
        read = fmean(max(request_bytes(one) - longest, 0) for one in asked) / _BYTES_PER_TOKEN + usual
        guess = self._pricers[job.judge.name](
            Usage(input_tokens=round(read), output_tokens=_VERDICT_TOKENS),
            _OF_MOST * self._header.providers[job.judge.provider].timeout_s,
        )
        usd = guess if took.judge_usd is None else took.judge_usd
        return replace(_NOTHING, calls=1.0, input_tokens=read, output_tokens=float(_VERDICT_TOKENS), usd=usd)

    # --- at most ------------------------------------------------------------------------------------------------------

    def _at_most(self, job: Job, candidate: Candidate, lefts: Sequence[Left]) -> Amount:
        """Add up the ceilings of every call that may have to be made; a byte counts as a token, as in reservations."""
        calls = [call for one in lefts for call in _calls(job, one)]
        attempts = [self._header.providers[who.provider].max_attempts for who, _ in calls]
        sized = list(zip(calls, attempts, strict=True))
        return Amount(
            calls=sum(attempts),
            input_tokens=sum(times * (request_bytes(asked) + MOST_FRAME_TOKENS) for (_, asked), times in sized),
            output_tokens=sum(times * asked.reply.max_tokens for (_, asked), times in sized),
            usd=sum((self._most_usd(*call) for call in calls), Decimal(0)),
            seconds=round(self._most_s(candidate, [_calls(job, one) for one in lefts]), 3),
        )

    def _most_usd(self, who: Candidate, request: Request) -> Decimal:
        """Give the ceiling of one call with all its attempts, each of which may be billed."""
        again = self._header.providers[who.provider].max_attempts - 1
        return self._ceiling(who, request) + lost_usd(self._pricers[who.name], request, again, 0.0)

    def _most_s(self, candidate: Candidate, cases: Iterable[Sequence[PlannedCall]]) -> float:
        """Bound the time of cases that run side by side (Graham, 1966): their sum shared out, and the longest one."""
        each_s = [sum(_longest_s(self._header.providers[who.provider]) for who, _ in calls) for calls in cases]
        bounded = self._header.speculation is not None and not self._header.full
        side_by_side = 1 if bounded else self._header.providers[candidate.provider].concurrency
        return sum(each_s) / side_by_side + (max(each_s, default=0.0) if side_by_side > 1 else 0.0)


def _calls(job: Job, left: Left) -> list[PlannedCall]:
    judging = [(job.judge, request) for request in left.judging] if job.judge else []
    return [*left.calls, *judging]


def _share(left: Left, took: Took) -> float:
    """Count the replies still to be paid for; of one that is kept in part, its share of the usual calls."""
    usual = max(took.calls, 1.0)
    return sum(max(usual - kept, 1.0) / usual if kept else 1.0 for kept in left.partly)


def _usual_calls(candidate: Candidate) -> float:
    """Guess the calls of a strategy: a vote is decided between its least and all, a critique mostly finds something."""
    samples = candidate.strategy.samples
    calls = {"self_consistency": (samples // 2 + 1 + samples) / 2, "reflexion": 2.5}
    return calls.get(candidate.strategy.name, 1.0)


def _reply_tokens(job: Job, candidate: Candidate) -> float:
    """Guess the tokens of a reply: a choice's, unless it is thought about; else a share of what is allowed."""
    reply = job.eval_set.reply
    if reply.choices and not thinks(candidate):
        return max(len(choice.encode()) for choice in reply.choices) / _BYTES_PER_TOKEN + _CHOICE_TOKENS
    return _OF_MOST * reply_limit(candidate, reply)


def _sum(own: Took, other: Took, share: float) -> Took:
    """Add so much of another candidate's case."""
    return Took(
        cases=0,
        calls=own.calls + share * other.calls,
        input_tokens=own.input_tokens + share * other.input_tokens,
        output_tokens=own.output_tokens + share * other.output_tokens,
        seconds=None if own.seconds is None or other.seconds is None else own.seconds + share * other.seconds,
        usd=own.usd + other.usd * _exact(share),
    )


def _exact(number: float) -> Decimal:
    return Decimal(repr(number))


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(PICODOLLAR).normalize()


def between(least: Amount, most: Amount, share: float) -> Amount:
    """Add a share of what one amount has more than another."""
    seconds = None
    if least.seconds is not None and most.seconds is not None:
        seconds = least.seconds + share * (most.seconds - least.seconds)
    return Amount(
        calls=round(least.calls + share * (most.calls - least.calls), 1),
        input_tokens=round(least.input_tokens + share * (most.input_tokens - least.input_tokens)),
        output_tokens=round(least.output_tokens + share * (most.output_tokens - least.output_tokens)),
        usd=_rounded(least.usd + _exact(share) * (most.usd - least.usd)),
        seconds=seconds,
    )


def total(amounts: Iterable[Amount]) -> Amount:
    """Add amounts up."""
    several = list(amounts)
    known = [one.seconds for one in several if one.seconds is not None]
    return Amount(
        calls=sum(one.calls for one in several),
        input_tokens=sum(one.input_tokens for one in several),
        output_tokens=sum(one.output_tokens for one in several),
        usd=sum((one.usd for one in several), Decimal(0)),
        seconds=sum(known) if len(known) == len(several) else None,
    )
