"""A candidate and a prompt -> one `Answer`, by one call or several: the strategies that are part of a candidate.

Place: the floor above the wire, shared by both lines. A strategy only knows `ask`, which may call, replay or refuse.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from routerctl.errors import RouterctlError
from routerctl.scorers import extract
from routerctl.types import Answer, Candidate, Message, Prompt, Reply, ReplySpec, Request, ScorerSpec, StopReason

Ask = Callable[[Request], Awaitable[Reply]]

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
    return Request(
        model=candidate.model,
        prompt=prompt,
        reply=replace(reply, max_tokens=candidate.max_tokens or reply.max_tokens),
        effort=candidate.effort,
        sampling=candidate.sampling,
    )


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
    while len(replies) < samples and _leading(votes)[1] < majority:
        reply = await ask(replace(request, sample=len(replies)))
        replies.append(reply)
        votes.append(_vote(reply, scorer))
        latency_s += reply.latency_s
    winner, count = _leading(votes)
    chosen = replies[votes.index(winner)]
    return Answer(
        text=chosen.text,
        replies=tuple(replies),
        stop_reason=chosen.stop_reason,
        latency_s=latency_s,
        agreement=count / len(votes),
    )


async def _side_by_side(calls: Sequence[Awaitable[Reply]]) -> list[Reply]:
    """Await all calls; the first failure ends the others and is raised as itself."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except (RouterctlError, asyncio.CancelledError):
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def _vote(reply: Reply, scorer: ScorerSpec) -> str | None:
    return None if reply.stop_reason is StopReason.REFUSAL else extract(scorer, reply.text)


def _leading(votes: Sequence[str | None]) -> tuple[str | None, int]:
    """Give the answer with the most votes, the earliest on a tie; a reply without one counts only if none has one."""
    given = [vote for vote in votes if vote is not None]
    counts: Counter[str | None] = Counter(given or votes)
    winner = max(counts, key=lambda vote: (counts[vote], -votes.index(vote)))
    return winner, counts[winner]


async def _reflexion(ask: Ask, request: Request) -> Answer:
    """Answer, critique, revise: three calls, two where the critique finds nothing (Shinn et al., arXiv 2303.11366)."""
    first = await ask(request)
    if first.stop_reason is StopReason.REFUSAL or not first.text.strip():
        return _single(first)
    free = replace(request.reply, choices=(), json_schema=None)
    room = replace(free, max_tokens=max(free.max_tokens, _CRITIQUE_MIN_TOKENS))
    critique = await ask(replace(request, prompt=_longer(request.prompt, first.text, _CRITIQUE), reply=room))
    if not critique.text.strip() or critique.text.strip().lower().startswith("no mistakes"):
        return _several((first, critique), first)
    talk = _longer(_longer(request.prompt, first.text, _CRITIQUE), critique.text, _REVISE)
    revised = await ask(replace(request, prompt=talk))
    return _several((first, critique, revised), revised if revised.text.strip() else first)


def _longer(prompt: Prompt, said: str, then: str) -> Prompt:
    turns = (Message(role="assistant", content=said), Message(role="user", content=then))
    return replace(prompt, messages=(*prompt.messages, *turns))


def _several(replies: tuple[Reply, ...], delivered: Reply) -> Answer:
    latency_s = sum(reply.latency_s for reply in replies)
    return Answer(text=delivered.text, replies=replies, stop_reason=delivered.stop_reason, latency_s=latency_s)
