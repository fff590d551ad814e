"""A candidate and a prompt -> one `Answer`, by one call or several: the strategies that are part of a candidate.

`evaluation` and `routing` share them. A strategy only knows `ask`, which may call, replay or refuse.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from routerctl.providers.thinking import reply_limit
from routerctl.scorers import Unscorable, extract
from routerctl.scorers.reply import answering
from routerctl.types import (
    Answer,
    Candidate,
    Message,
    Prompt,
    Reply,
    ReplySpec,
    Request,
    ScorerSpec,
    StopReason,
    Strategy,
)

Ask = Callable[[Request], Awaitable[Reply]]

_TAG, _THINKING = 12, ("<think", "[think]", "\u25c1think", "<|channel|>")  # how servers that leave it in begin it
_CRITIQUE = (
    "Check your answer against the request, step by step. Name each mistake in one short line. "
    "If there is none, say only: no mistakes."
)
_REVISE = "Now give your final answer, in exactly the form that was asked for first, and nothing else."
_CRITIQUE_MIN_TOKENS = 256  # room for a few lines, however short the answer itself has to be


async def answer(ask: Ask, candidate: Candidate, prompt: Prompt, reply: ReplySpec, scorer: ScorerSpec) -> Answer:
    """Ask a candidate in its own way; the scorer's extraction is what votes are counted on.

    Raises: ProviderError of the first call that failed for good, and whatever else `ask` raises.
    """
    request = first_request(candidate, prompt, reply)
    if candidate.strategy.name == "self_consistency":
        return await _self_consistency(ask, request, candidate.strategy.samples, scorer)
    if candidate.strategy.name == "reflexion":
        return await _reflexion(ask, request)
    return _single(await ask(request))


def first_request(candidate: Candidate, prompt: Prompt, reply: ReplySpec) -> Request:
    """Make the request that every strategy starts with."""
    limit = reply_limit(candidate, reply)
    return Request(
        model=candidate.model,
        prompt=prompt,
        reply=reply if limit == reply.max_tokens else replace(reply, max_tokens=limit),
        effort=candidate.effort,
        sampling=candidate.sampling,
    )


def longest_requests(first: Request, strategy: Strategy) -> tuple[Request, ...]:
    """Give the requests of one input, each as long as it can get; a byte in it stands for a token of a reply."""
    if strategy.name == "self_consistency":
        return tuple(replace(first, sample=number) for number in range(strategy.samples))
    if strategy.name == "reflexion":
        answered = "." * first.reply.max_tokens
        critique = _critique_request(first, answered)
        return first, critique, _revision_request(first, answered, "." * critique.reply.max_tokens)
    return (first,)


def _single(reply: Reply) -> Answer:
    return Answer(text=reply.text, replies=(reply,), stop_reason=reply.stop_reason, latency_s=reply.latency_s)


async def _self_consistency(ask: Ask, request: Request, samples: int, scorer: ScorerSpec) -> Answer:
    """Sample up to k replies and deliver the answer that most of them give (Wang et al., arXiv 2203.11171).

    As many as a majority needs are asked side by side, the rest one by one, and only while it is undecided.
    """
    majority = samples // 2 + 1
    replies = await _side_by_side([ask(replace(request, sample=number)) for number in range(majority)])
    latency_s = max(reply.latency_s for reply in replies)
    votes = [_vote(reply, scorer) for reply in replies]
    while len(replies) < samples and _most_votes(votes) < majority:
        reply = await ask(replace(request, sample=len(replies)))
        replies.append(reply)
        votes.append(_vote(reply, scorer))
        latency_s += reply.latency_s
    winner = _leading(votes)
    chosen = replies[votes.index(winner)]
    return Answer(
        text=chosen.text,
        replies=tuple(replies),
        stop_reason=chosen.stop_reason,
        latency_s=latency_s,
        agreement=_most_votes(votes) / len(votes),
    )


async def _side_by_side(calls: Sequence[Awaitable[Reply]]) -> list[Reply]:
    """Await all calls, then raise the first failure: the others are being paid for, so their replies must be kept."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    for reply in ended:
        if isinstance(reply, BaseException):
            raise reply
    return [reply for reply in ended if isinstance(reply, Reply)]


def _vote(reply: Reply, scorer: ScorerSpec) -> str | None:
    try:
        return None if reply.stop_reason is StopReason.REFUSAL else extract(scorer, reply.text)
    except Unscorable:  # no vote can be read off it; whoever scores the delivered reply meets the fault again
        return None


def _most_votes(votes: Sequence[str | None]) -> int:
    """Count the votes of the leading answer; 0 where no reply has one: nothing is agreed on then."""
    return max(Counter(vote for vote in votes if vote is not None).values(), default=0)


def _leading(votes: Sequence[str | None]) -> str | None:
    """Give the answer with the most votes, the earliest on a tie; None where no reply has one."""
    counts = Counter(vote for vote in votes if vote is not None)
    return max(counts, key=lambda vote: counts[vote], default=None)  # a Counter keeps the order of first votes


async def _reflexion(ask: Ask, request: Request) -> Answer:
    """Answer, critique, revise: three calls, two where the critique finds nothing (Shinn et al., arXiv 2303.11366)."""
    first = await ask(request)
    if _says_nothing(first):
        return _single(first)
    critique = await ask(_critique_request(request, first.text))
    if _says_nothing(critique) or critique.text.strip().lower().startswith("no mistakes"):
        return _several((first, critique), first)
    revised = await ask(_revision_request(request, first.text, critique.text))
    return _several((first, critique, revised), first if _says_nothing(revised) else revised)


def _says_nothing(reply: Reply) -> bool:
    return reply.stop_reason is StopReason.REFUSAL or not says_something(reply.text)


def says_something(text: str) -> bool:
    """Tell whether there is anything to read in a reply: not blanks, what has no width, or thinking alone."""
    said = answering(text) if text.lstrip()[:_TAG].lower().startswith(_THINKING) else text
    return any(char.isprintable() and not char.isspace() for char in said)


def _critique_request(request: Request, answered: str) -> Request:
    free = replace(request.reply, choices=(), json_schema=None)
    room = replace(free, max_tokens=max(free.max_tokens, _CRITIQUE_MIN_TOKENS))
    return replace(request, prompt=_longer(request.prompt, answered, _CRITIQUE), reply=room)


def _revision_request(request: Request, answered: str, critique: str) -> Request:
    return replace(request, prompt=_longer(_longer(request.prompt, answered, _CRITIQUE), critique, _REVISE))


def _longer(prompt: Prompt, said: str, then: str) -> Prompt:
    turns = (Message(role="assistant", content=said), Message(role="user", content=then))
    return replace(prompt, messages=(*prompt.messages, *turns))


def _several(replies: tuple[Reply, ...], delivered: Reply) -> Answer:
    latency_s = sum(reply.latency_s for reply in replies)
    return Answer(text=delivered.text, replies=replies, stop_reason=delivered.stop_reason, latency_s=latency_s)
