"""A candidate and a prompt -> one `Answer`: its own, or that of the candidate it escalates to.

For `evaluation`: a cascade is measured as one candidate, so its verdict and its cost are those of both. It only knows
`ask`, one for each of the two.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from routerctl.strategies import answer as strategies
from routerctl.strategies.confidence import delivered_of_answer, first_below, signal_values
from routerctl.types import Answer, Candidate, Prompt, ReplySpec, ScorerSpec


async def answer(  # noqa: PLR0917 - who is asked, who is asked next, and the three parts of what is asked
    ask: strategies.Ask,
    candidate: Candidate,
    then: tuple[strategies.Ask, Candidate] | None,
    prompt: Prompt,
    reply: ReplySpec,
    scorer: ScorerSpec,
) -> Answer:
    """Ask a candidate; where a signal of its reply is below its threshold, ask `then` and deliver what that one says.

    Raises: ProviderError of the first call that failed for good, and whatever else `ask` raises.
    """
    first = await strategies.answer(ask, candidate, prompt, reply, scorer)
    if candidate.escalation is None or then is None:
        return first
    below = candidate.escalation.below
    # In a thread: looking whether a reply fits its schema may take seconds, in which other cases are asked.
    values = await asyncio.to_thread(signal_values, delivered_of_answer(first, reply, scorer), below)
    if first_below(values, below) is None:
        return replace(first, confidence=values)
    ask_next, other = then
    second = await strategies.answer(ask_next, other, prompt, reply, scorer)
    return replace(
        second,
        replies=(*first.replies, *second.replies),
        latency_s=first.latency_s + second.latency_s,
        served_by=other.name,
        confidence=values,
    )
