"""How a candidate answers: one shot, votes and reflexion, their calls and what they cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl.errors import BudgetSpent, Overloaded, ProviderError
from routerctl.providers.base import Outside
from routerctl.providers.fake import FakeProvider, reply_of
from routerctl.providers.wire import Wire
from routerctl.scorers import extract
from routerctl.strategies.answer import answer, first_request, longest_requests
from routerctl.types import (
    Answer,
    Candidate,
    Message,
    Prompt,
    ProviderSpec,
    Reply,
    ReplySpec,
    Request,
    Sampling,
    ScorerSpec,
    StopReason,
    Strategy,
    StrategyName,
)

SPEC = ProviderSpec(name="fake", kind="fake", concurrency=99, max_attempts=1)
PROMPT = Prompt(system="S", messages=(Message(role="user", content="2 + 2?"),))
NUMBER = ScorerSpec(name="number")
EXACT = ScorerSpec(name="exact")
CALL_USD = Decimal("0.01")
REFUSED = "\0refused"  # a turn that refuses


def candidate(name: StrategyName = "single_shot", samples: int = 1) -> Candidate:
    """A candidate with this strategy."""
    strategy = Strategy(name=name, samples=samples)
    return Candidate(name="c", provider="fake", model="m", strategy=strategy)


class Far:
    """A fake provider behind the real wire: a turn for each call in their order, at one cent and its seconds."""

    def __init__(self, turns: Sequence[str | ProviderError], latencies_s: Sequence[float] = ()) -> None:
        self._turns, self._latencies_s = turns, latencies_s or [1.0] * len(turns)
        self.finished = 0
        outside = Outside(env={}, sleep=self._sleep)
        self.provider = FakeProvider(SPEC, outside, self._turn)
        self._wire = Wire(
            [SPEC], outside, lambda _spec, _model: lambda _usage, _s: CALL_USD, ready={"fake": self.provider}
        )

    async def ask(self, request: Request) -> Reply:
        reply = await self._wire.call("fake", request)
        self.finished += 1
        return reply

    @property
    def requests(self) -> list[Request]:
        return self.provider.requests

    async def _sleep(self, _s: float) -> None:
        await asyncio.sleep(0)

    def _turn(self, request: Request) -> Reply | ProviderError:
        place = len(self.requests) - 1
        turn = self._turns[place]
        if isinstance(turn, ProviderError):
            return turn
        stop = StopReason.REFUSAL if turn == REFUSED else StopReason.END
        return reply_of(turn, request, latency_s=self._latencies_s[place], stop=stop)


async def delivered(far: Far, asked: Candidate, scorer: ScorerSpec = NUMBER, reply: ReplySpec = ReplySpec()) -> Answer:
    """The candidate's answer to the prompt."""
    return await answer(far.ask, asked, PROMPT, reply, scorer)


def test_the_first_request_is_the_candidate_s() -> None:
    """Model, effort, sampling and room are the candidate's; the shape is the eval set's."""
    asked = replace(candidate(), effort="low", sampling=Sampling(temperature=0.5), max_tokens=7)
    reply = ReplySpec(max_tokens=99, choices=("a", "b"))
    assert first_request(asked, PROMPT, reply) == Request(
        model="m",
        prompt=PROMPT,
        reply=ReplySpec(max_tokens=7, choices=("a", "b")),
        effort="low",
        sampling=Sampling(temperature=0.5),
    )
    assert first_request(candidate(), PROMPT, reply).reply.max_tokens == 99


async def test_a_single_shot() -> None:
    """One call: its text, stop reason, cost and latency are the answer's; there is no agreement of one."""
    far = Far(["4"], [2.5])
    found = await delivered(far, candidate())
    assert (found.text, found.stop_reason, found.latency_s, found.cost_usd, found.agreement) == (
        "4",
        StopReason.END,
        2.5,
        CALL_USD,
        None,
    )


@pytest.mark.parametrize(
    ("samples", "turns", "calls", "text", "agreement"),
    [
        (3, ["it is 4", "**4**"], 2, "it is 4", 1.0),
        (3, ["4", "5", "4"], 3, "4", 2 / 3),
        (3, ["5", "4", "4"], 3, "4", 2 / 3),
        (3, ["4", "5", "6"], 3, "4", 1 / 3),
        (5, ["4", "4", "4"], 3, "4", 1.0),
        (5, ["4", "5", "4", "4"], 4, "4", 3 / 4),
        (5, ["4", "4", "5", "5", "5"], 5, "5", 3 / 5),
        (5, ["5", "4", "4", "5", "6"], 5, "5", 2 / 5),
        (5, ["6", "5", "4", "4", "5"], 5, "5", 2 / 5),
        (5, ["none", "4", "none", "none", "none"], 5, "4", 1 / 5),
        (3, ["none", "none", "4"], 3, "4", 1 / 3),
        (3, ["first", "second", "third"], 3, "first", 0.0),
        (3, [REFUSED, "4", REFUSED], 3, "4", 1 / 3),
        (3, [REFUSED, "4", "4"], 3, "4", 2 / 3),
        (3, [REFUSED, REFUSED, REFUSED], 3, REFUSED, 0.0),
        (3, ["4.0", "4"], 2, "4.0", 1.0),
        (7, ["1", "1", "2", "2", "1", "1"], 6, "1", 4 / 6),
    ],
)
async def test_votes(samples: int, turns: list[str], calls: int, text: str, agreement: float) -> None:
    """A majority of all samples ends the vote; a tie goes to the earliest; no answer and refusals do not vote."""
    far = Far(turns)
    found = await delivered(far, candidate("self_consistency", samples))
    assert (len(far.requests), found.text) == (calls, text)
    assert found.agreement == pytest.approx(agreement)
    assert [request.sample for request in far.requests] == list(range(calls))
    assert found.cost_usd == calls * CALL_USD
    assert found.stop_reason is (StopReason.REFUSAL if text == REFUSED else StopReason.END)


@given(
    votes=st.lists(st.sampled_from(["1", "2", "3", "none", REFUSED]), min_size=9, max_size=9), half=st.integers(1, 4)
)
def test_stopping_early_changes_no_answer(votes: list[str], half: int) -> None:
    """The answer delivered is the one that asking all k samples would have delivered."""
    samples = 2 * half + 1
    found = asyncio.run(delivered(Far(votes), candidate("self_consistency", samples)))
    given_votes = [vote for vote in votes[:samples] if extract(NUMBER, vote) and vote != REFUSED]
    counts = Counter(given_votes)
    best = max(counts.values(), default=0)
    wanted = next((vote for vote in given_votes if counts[vote] == best), votes[0])
    assert found.text == wanted


async def test_side_by_side_latency() -> None:
    """Samples asked side by side count once, by the slowest; those asked after it are added."""
    found = await delivered(
        Far(["1", "2", "3", "3", "1"], [1.0, 5.0, 2.0, 0.5, 0.25]), candidate("self_consistency", 5)
    )
    assert found.latency_s == 5.0 + 0.5 + 0.25


@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_one_failed_sample_fails_the_case(failing: int) -> None:
    """A failed sample is raised as itself, after those beside it are home: they are paid for and must be kept."""
    turns: list[str | ProviderError] = ["4", "4", "4"]
    turns[failing] = Overloaded("busy")
    far = Far(turns)
    with pytest.raises(Overloaded, match="busy"):
        await delivered(far, candidate("self_consistency", 5))
    assert (len(far.requests), far.finished) == (3, 2)


async def test_a_spent_budget_waits_for_what_is_in_flight() -> None:
    """Where the limit stops one sample, the replies of those already sent still arrive."""
    far = Far(["4", "4", "4"])

    async def ask(request: Request) -> Reply:
        if request.sample == 2:
            raise BudgetSpent("spent")
        return await far.ask(request)

    with pytest.raises(BudgetSpent):
        await answer(ask, candidate("self_consistency", 5), PROMPT, ReplySpec(), NUMBER)
    assert far.finished == 2


async def test_cancelling_ends_the_samples() -> None:
    """A cancelled case leaves no call behind."""
    started, ended, all_started = [], [], asyncio.Event()

    async def ask(request: Request) -> Reply:
        started.append(request.sample)
        if len(started) == 2:
            all_started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(request.sample)
        raise AssertionError

    task = asyncio.ensure_future(answer(ask, candidate("self_consistency", 3), PROMPT, ReplySpec(), NUMBER))
    await all_started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == started == [0, 1]


async def test_an_unreadable_reply_has_no_vote() -> None:
    """A scorer that fails on a reply costs that reply its vote, not the run."""
    broken = ScorerSpec(name="regex", params={"pattern": 5})  # no eval set gets past its check with this
    found = await delivered(Far(["a", "b", "c"]), candidate("self_consistency", 3), broken)
    assert (found.text, found.agreement, len(found.replies)) == ("a", 0.0, 3)


async def test_reflexion_revises() -> None:
    """Answer, critique, revise: each call sees the talk so far, the critique is free in form, sums are of all three."""
    far = Far(["5", "2 + 2 is 4", "4"], [1.0, 2.0, 4.0])
    shape = ReplySpec(max_tokens=8, choices=("4", "5"))
    found = await delivered(far, candidate("reflexion"), reply=shape)
    first, critique, revision = far.requests
    assert (found.text, found.latency_s, found.cost_usd, len(found.replies)) == ("4", 7.0, 3 * CALL_USD, 3)
    assert first.prompt == PROMPT
    assert [turn.role for turn in critique.prompt.messages] == ["user", "assistant", "user"]
    assert [turn.content for turn in critique.prompt.messages[:2]] == ["2 + 2?", "5"]
    assert (critique.reply.choices, critique.reply.max_tokens) == ((), 256)
    assert revision.prompt.messages[:3] == critique.prompt.messages
    assert revision.prompt.messages[3] == Message(role="assistant", content="2 + 2 is 4")
    assert [turn.role for turn in revision.prompt.messages] == ["user", "assistant"] * 2 + ["user"]
    assert first.reply == revision.reply == shape


@pytest.mark.parametrize(
    ("turns", "calls", "text", "stop"),
    [
        (["4", "No mistakes."], 2, "4", StopReason.END),
        (["4", "  no mistakes"], 2, "4", StopReason.END),
        (["4", ""], 2, "4", StopReason.END),
        (["4", REFUSED], 2, "4", StopReason.END),
        (["4", "wrong", "\n"], 3, "4", StopReason.END),
        (["4", "wrong", REFUSED], 3, "4", StopReason.END),
        ([REFUSED], 1, REFUSED, StopReason.REFUSAL),
        ([" \n"], 1, " \n", StopReason.END),
    ],
)
async def test_reflexion_stops(turns: list[str], calls: int, text: str, stop: StopReason) -> None:
    """Nothing is asked after a refusal, silence or a clean critique, and none of these replaces an answer."""
    far = Far(turns)
    found = await delivered(far, candidate("reflexion"))
    assert (len(far.requests), found.text, found.stop_reason) == (calls, text, stop)
    assert found.cost_usd == calls * CALL_USD
    assert found.latency_s == calls


@pytest.mark.parametrize("failing", [0, 1, 2])
async def test_a_failed_step_of_reflexion(failing: int) -> None:
    """A step that fails for good fails the case; nothing is asked after it."""
    turns: list[str | ProviderError] = ["5", "wrong", "4"]
    turns[failing] = Overloaded("busy")
    far = Far(turns)
    with pytest.raises(Overloaded):
        await delivered(far, candidate("reflexion"))
    assert len(far.requests) == failing + 1


@given(
    name=st.sampled_from([("single_shot", 1), ("self_consistency", 3), ("self_consistency", 5), ("reflexion", 1)]),
    turns=st.lists(st.sampled_from(["1", "2", "none of it", REFUSED, "", "x" * 16]), min_size=5, max_size=5),
)
def test_no_request_is_longer_than_planned(name: tuple[StrategyName, int], turns: list[str]) -> None:
    """`longest_requests` bounds each call that a strategy makes, so that an estimate made of it is never too low."""
    far, asked = Far(turns), candidate(*name)
    shape = ReplySpec(max_tokens=16)  # as many characters, at a token each, has no turn more
    asyncio.run(delivered(far, asked, reply=shape))
    planned = longest_requests(first_request(asked, PROMPT, shape), asked.strategy)
    assert len(far.requests) <= len(planned)
    for request, longest in zip(far.requests, planned, strict=False):
        assert request.reply.max_tokens <= longest.reply.max_tokens
        assert size(request) <= size(longest)


def size(request: Request) -> int:
    """Characters of a request's messages."""
    return sum(len(turn.content) for turn in request.prompt.messages)
