"""Every client through the service to every provider's wire: what is asked arrives, and what is said comes back."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from routerctl.testing.emulator import Body, Said, signature_of
from routerctl.types import ApiFormat, Usage
from tests.matrix import CLIENTS, MODELS, UPSTREAMS, Matrix, Seen, matrix_at, seen
from tests.matrix_cases import CASES, EXTRAS, RESULTS

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAYS = [pytest.param(client, upstream, id=f"{client} to {upstream}") for client in CLIENTS for upstream in UPSTREAMS]
_CHAT_STOPS = {"max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}
_RESPONSES_STOPS = {"max_tokens": "incomplete max_output_tokens", "refusal": "incomplete content_filter"}


def _marks(client: str, case: str) -> list[pytest.MarkDecorator]:
    """The SDK without asyncio reads as the other one does: most of its cases are run at leisure."""
    return [pytest.mark.slow] if "thread" in client and case not in ("text", "three tools at once") else []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def matrix(built: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Matrix]:
    """One service for all of it."""
    async with matrix_at(tmp_path_factory.mktemp("matrix"), built) as made:
        yield made


def stop_of(wire: ApiFormat, upstream: ApiFormat, said: Said) -> str:
    """Why a client hears that an answer ended."""
    stop = said.stop
    if stop == "stop_sequence" and upstream == "chat":
        stop = "end_turn"  # OpenAI does not tell the one from the other
    if wire == "chat":
        as_it_came = upstream == "chat" and said.refusal
        return "stop" if as_it_came else _CHAT_STOPS.get(stop, "stop")
    if wire == "responses" and refusal_of(wire, upstream, said):
        return "completed"
    return _RESPONSES_STOPS.get(stop, "completed") if wire == "responses" else stop


def refusal_of(wire: ApiFormat, upstream: ApiFormat, said: Said) -> str:
    """The words of a refusal; where Claude has none, an OpenAI client is told its category."""
    if said.refusal == "" and (wire != "messages", upstream) == (True, "messages"):
        return "The model declined to answer (cyber)."
    return said.refusal or ""


def expected(wire: ApiFormat, upstream: ApiFormat, said: Said, usage: Usage) -> Seen:
    """What a client must see of what a model said."""
    joins = "chat" in (wire, upstream)
    return Seen(
        texts=tuple(one for one in ("".join(said.texts),) if one) if joins else said.texts,
        thinking=said.thinking,
        calls=tuple((one.name, json.loads(one.arguments)) for one in said.tools),
        refusal=refusal_of(wire, upstream, said),
        stop=stop_of(wire, upstream, said),
        stop_sequence=said.stop_sequence if (wire, upstream) == ("messages", "messages") else None,
        usage=usage,
        thought_tokens=said.thought_tokens,
        model=f"model-{MODELS[upstream]}",
    )


@pytest.mark.parametrize(
    ("client", "upstream", "case"),
    [
        pytest.param(client, upstream, case, id=f"{client} to {upstream}: {case}", marks=_marks(client, case))
        for client in CLIENTS
        for upstream in UPSTREAMS
        for case in CASES
        if CLIENTS[client].wire in CASES[case].asked
    ],
)
async def test_a_stream_comes_to_the_same_as_a_whole_answer(
    matrix: Matrix, client: str, upstream: ApiFormat, case: str
) -> None:
    """The SDK makes one object of both, which says what the model said and bills what the provider bills."""
    wire, given = CLIENTS[client].wire, CASES[case]
    answers = []
    for stream in (False, True):
        answers.append(await matrix.ask(client, upstream, given.asked[wire], given.said, stream=stream))
        usage = (await matrix.billed()).usage
        assert seen(wire, answers[-1]) == expected(wire, upstream, given.said, usage)
        sent = json.dumps(matrix.sent, ensure_ascii=False)
        assert [one for one in given.carried if one not in sent] == []
        assert matrix.dropped(client) == []
    assert answers[0] == answers[1]


# --- a second turn ----------------------------------------------------------------------------------------------------


def second_turn(wire: ApiFormat, asked: Body, answer: Body) -> Body:
    """Send an answer back as the SDK gave it, with the results of its tool calls or another question behind it."""
    if wire == "responses":
        calls = [item for item in answer["output"] if item["type"] == "function_call"]
        results = [
            {"type": "function_call_output", "call_id": one["call_id"], "output": RESULTS[one["name"]]} for one in calls
        ]
        more: list[Body] = results or [{"role": "user", "content": "And then?"}]
        return asked | {"input": [*asked["input"], *answer["output"], *more]}
    if wire == "chat":
        message = answer["choices"][0]["message"]
        results = [
            {"role": "tool", "tool_call_id": one["id"], "content": RESULTS[one["function"]["name"]]}
            for one in message.get("tool_calls", ())
        ]
        more = results or [{"role": "user", "content": "And then?"}]
        return asked | {"messages": [*asked["messages"], message, *more]}
    results = [
        {"type": "tool_result", "tool_use_id": one["id"], "content": RESULTS[one["name"]]}
        for one in answer["content"]
        if one["type"] == "tool_use"
    ]
    content: Any = results or "And then?"
    said = {"role": "assistant", "content": answer["content"]}
    return asked | {"messages": [*asked["messages"], said, {"role": "user", "content": content}]}


# What of a first answer is not taken back by whom: what was thought, as its wire shows it, unsigned or another's.
_LEFT = {
    ("chat", "messages"): ["messages[2].reasoning_content"],
    ("responses", "chat"): ["input[1]"],
    ("messages", "chat"): ["messages[1].content[0]"],
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("case", ["thinking", "three tools at once", "thinking and tools"])
@pytest.mark.parametrize(("client", "upstream"), WAYS)
async def test_an_answer_is_taken_back_with_the_results_of_its_tools(
    matrix: Matrix, client: str, upstream: ApiFormat, case: str, *, stream: bool
) -> None:
    """As the SDK gave it, by the strict provider: calls, results and signed thinking; what is left behind is named."""
    wire, given = CLIENTS[client].wire, CASES[case]
    first = await matrix.ask(client, upstream, given.asked[wire], given.said, stream=stream)
    asked = second_turn(wire, given.asked[wire], first)
    last = await matrix.ask(client, upstream, asked, Said(text="All is said."), stream=stream)
    assert seen(wire, last).texts == ("All is said.",)
    sent = json.dumps(matrix.sent, ensure_ascii=False)
    expects = [*given.said.texts, *(RESULTS[one.name] for one in given.said.tools)]
    assert [one for one in expects if one not in sent] == []
    assert sum(sent.count(f'"name": "{one.name}"') for one in given.said.tools) == 2 * len(given.said.tools)
    if upstream == "messages" and wire != "chat":
        (thought,) = [block for block in matrix.sent["messages"][1]["content"] if block["type"] == "thinking"]
        assert thought["signature"] == signature_of("model-claude", given.said.thinking)
    has_thought = given.said.thinking or (wire, upstream) == ("messages", "messages")
    assert matrix.dropped(client) == (_LEFT.get((wire, upstream), []) if has_thought else [])


@pytest.mark.parametrize("client", ["openai responses", "anthropic"])
async def test_thinking_is_not_taken_to_another_provider(matrix: Matrix, client: str) -> None:
    """A conversation that changes its provider goes on without the first one's thinking, which is named."""
    wire, given = CLIENTS[client].wire, CASES["thinking and tools"]
    first = await matrix.ask(client, "messages", given.asked[wire], given.said, stream=True)
    asked = second_turn(wire, given.asked[wire], first)
    await matrix.ask(client, "chat", asked, Said(text="ok"), stream=True)
    assert "Hm." not in json.dumps(matrix.sent)
    assert matrix.dropped(client) == _LEFT[wire, "chat"]


# --- fields that not everybody has ------------------------------------------------------------------------------------

_NOT_CARRIED = {
    ("chat", "messages"): ["logit_bias", "presence_penalty", "seed", "temperature"],
    ("responses", "messages"): ["temperature", "text.verbosity", "truncation"],
    ("responses", "chat"): ["truncation"],
    ("messages", "chat"): ["service_tier"],
}


@pytest.mark.parametrize(("client", "upstream"), WAYS)
async def test_what_a_provider_has_no_field_for_is_named(matrix: Matrix, client: str, upstream: ApiFormat) -> None:
    """Every field of a request is sent on or named, and what is named is not sent."""
    wire = CLIENTS[client].wire
    await matrix.ask(client, upstream, CASES["text"].asked[wire] | EXTRAS[wire], Said(text="ok"), stream=False)
    left = _NOT_CARRIED.get((wire, upstream), [])
    assert matrix.dropped(client) == left
    assert [name for name in left if name in matrix.sent] == []
    assert "u-17" in json.dumps(matrix.sent)
