"""What a strict emulator refuses: requests that the vendors refuse, in their shape, and none that they take."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types.beta.message_create_params import MessageCreateParamsBase as BetaParams
from anthropic.types.message_count_tokens_params import MessageCountTokensParams as CountParams
from anthropic.types.message_create_params import MessageCreateParamsBase as MessagesParams
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat.completion_create_params import CompletionCreateParamsBase as ChatParams
from openai.types.embedding_create_params import EmbeddingCreateParams
from openai.types.responses.response_create_params import ResponseCreateParamsBase as ResponsesParams

from routerctl.testing.emulator import Body, Emulator, Said, ToolCall, signature_of
from routerctl.testing.emulator.checks import chat, fields, messages, responses

USER = {"role": "user", "content": "Hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
LOOSE = {"type": "object", "properties": {"a": {"type": "object"}}, "additionalProperties": False}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}


def _use(*ids: str) -> Body:
    blocks = [{"type": "tool_use", "id": one, "name": "look", "input": {}} for one in ids]
    return {"role": "assistant", "content": [{"type": "text", "text": "Let me look."}, *blocks]}


def _results(*ids: str, before: list[Body] | None = None) -> Body:
    blocks = [{"type": "tool_result", "tool_use_id": one, "content": "ok"} for one in ids]
    return {"role": "user", "content": [*(before or []), *blocks]}


def _blocks(*blocks: Body) -> Body:
    return {"messages": [{"role": "user", "content": [*blocks]}]}


TOOL = {"name": "look", "input_schema": SCHEMA}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": signature_of("m", "Hm.")}
MESSAGES_GOOD: dict[str, Body] = {
    "plain": {},
    "blocks and an image": _blocks({"type": "text", "text": "See:"}, IMAGE),
    "tools and results": {"messages": [USER, _use("t1", "t2"), _results("t2", "t1")], "tools": [TOOL]},
    "text after results": {
        "messages": [
            USER,
            _use("t"),
            {"role": "user", "content": [*_results("t")["content"], *_blocks(IMAGE)["messages"][0]["content"]]},
        ]
    },
    "its own thought": {
        "messages": [USER, {"role": "assistant", "content": [THOUGHT, *_use("t")["content"]]}, _results("t")]
    },
    "a schema": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "a server tool": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    "a beta's field": {"context_management": {"edits": []}},
    "one turn twice": {"messages": [USER, USER]},
    "max_tokens of 0": {"max_tokens": 0},
}
MESSAGES_BAD: dict[str, tuple[Body, str]] = {
    "no max_tokens": ({"max_tokens": None}, "max_tokens: Field required"),
    "no messages": ({"messages": []}, "messages: at least one message is required"),
    "an unknown field": ({"seed": 1}, "seed: Extra inputs are not permitted"),
    "temperature": ({"temperature": 0.5}, "`temperature` is not supported"),
    "a tool's role": ({"messages": [USER, {"role": "tool", "content": "x"}]}, "messages.1.role: Input should be"),
    "a system turn": ({"messages": [{"role": "system", "content": "x"}, USER]}, "messages.0.role: Input should be"),
    "an empty text": (_blocks({"type": "text", "text": ""}), "text content blocks must be non-empty"),
    "a blank text": (_blocks({"type": "text", "text": " \n"}), "must contain non-whitespace text"),
    "no content": ({"messages": [{"role": "user", "content": []}]}, "must have non-empty content"),
    "an empty system block": ({"system": [{"type": "text", "text": ""}]}, "system: text content blocks"),
    "another vendor's image": (
        _blocks({"type": "image_url", "image_url": {"url": "https://x"}}),
        "Input tag 'image_url'",
    ),
    "an image that is none": (_blocks(IMAGE | {"source": IMAGE["source"] | {"data": "?"}}), "invalid base64 data"),  # type: ignore[operator]
    "a call without result": (
        {"messages": [USER, _use("t"), USER]},
        "without `tool_result` blocks immediately after: t",
    ),
    "a call at the end": ({"messages": [USER, _use("t")]}, "without `tool_result` blocks immediately after: t"),
    "one result of two": ({"messages": [USER, _use("a", "b"), _results("a")]}, "immediately after: b"),
    "results in two turns": (
        {"messages": [USER, _use("a", "b"), _results("a"), _results("b")]},
        "immediately after: b",
    ),
    "a result that is not first": (
        {"messages": [USER, _use("t"), _results("t", before=[{"type": "text", "text": "Well:"}])]},
        "immediately after: t",
    ),
    "a result of no call": ({"messages": [USER, _use("t"), _results("t", "u")]}, "unexpected `tool_use_id`"),
    "a result twice": ({"messages": [USER, _use("t"), _results("t", "t")]}, "must have a single result"),
    "one id for two calls": ({"messages": [USER, _use("t", "t"), _results("t")]}, "ids must be unique"),
    "another vendor's id": ({"messages": [USER, _use("f.look:0"), _results("f.look:0")]}, "should match pattern"),
    "an unsigned thought": (
        {"messages": [USER, {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}]}, USER]},
        "thinking.signature: Field required",
    ),
    "another model's thought": (
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [THOUGHT | {"signature": signature_of("n", "Hm.")}]},
                USER,
            ]
        },
        "Invalid `signature` in `thinking` block",
    ),
    "a cached thought": (
        {
            "messages": [
                USER,
                {"role": "assistant", "content": [THOUGHT | {"cache_control": {"type": "ephemeral"}}]},
                USER,
            ]
        },
        "cache_control: Extra inputs",
    ),
    "a prefill": ({"messages": [USER, {"role": "assistant", "content": "The"}]}, "does not support assistant message"),
    "another vendor's tool": (
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        "tools.0: Input tag 'function'",
    ),
    "a tool without schema": ({"tools": [{"name": "look"}]}, "input_schema: Field required"),
    "an unknown choice": ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice: Input tag"),
    "a choice without tools": ({"tool_choice": {"type": "auto"}}, "only be specified while providing tools"),
    "a forced tool while thinking": (
        {"tools": [TOOL], "tool_choice": {"type": "any"}, "thinking": {"type": "adaptive"}},
        "Thinking may not be enabled",
    ),
    "a budget above max_tokens": (
        {"thinking": {"type": "enabled", "budget_tokens": 4000}},
        "`max_tokens` must be greater",
    ),
    "an open schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": LOOSE}}},
        "'additionalProperties' must be explicitly set to false",
    ),
    "a schema's name": (
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA, "name": "n"}}},
        "output_config.format.name: Extra inputs",
    ),
    "another vendor's metadata": ({"metadata": {"run": "1"}}, "metadata.run: Extra inputs"),
    "five marks of the cache": (
        _blocks(*[{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}] * 5),
        "A maximum of 4 blocks with cache_control",
    ),
}


def _called(*ids: str, name: str = "look", arguments: Any = "{}") -> Body:
    calls = [{"id": one, "type": "function", "function": {"name": name, "arguments": arguments}} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def _told(made: str) -> Body:
    return {"role": "tool", "tool_call_id": made, "content": "ok"}


CHAT_TOOL = {"type": "function", "function": {"name": "look", "parameters": SCHEMA, "strict": True}}
CHAT_GOOD: dict[str, Body] = {
    "plain": {},
    "calls and results": {"messages": [USER, _called("a", "b"), _told("b"), _told("a"), USER], "tools": [CHAT_TOOL]},
    "an image": {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]
    },
    "a schema": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}
    },
    "a system turn anywhere": {"messages": [USER, {"role": "system", "content": "Be brief."}]},
}
CHAT_BAD: dict[str, tuple[Body, str]] = {
    "no messages": ({"messages": []}, "Missing required parameter: 'messages'"),
    "an unknown field": ({"thinking": {}}, "Unrecognized request argument supplied: thinking"),
    "a result of no call": ({"messages": [USER, _told("a")]}, "must be a response to a preceeding message"),
    "a call without result": (
        {"messages": [USER, _called("a", "b"), _told("a"), USER]},
        "did not have response messages: b",
    ),
    "a call at the end": ({"messages": [USER, _called("a")]}, "did not have response messages: a"),
    "a long id": ({"messages": [USER, _called("a" * 65), _told("a" * 65)]}, "maximum length 64"),
    "arguments as an object": (
        {"messages": [USER, _called("a", arguments={}), _told("a")]},
        "expected a string, but got",
    ),
    "a long name": ({"tools": [{"type": "function", "function": {"name": "n" * 65}}]}, "maximum length 64"),
    "a name with a dot": ({"tools": [{"type": "function", "function": {"name": "a.b"}}]}, "does not match pattern"),
    "another vendor's tool": ({"tools": [TOOL]}, "Supported values are: 'function'"),
    "another vendor's image": ({"messages": [{"role": "user", "content": [IMAGE]}]}, "Invalid value: 'image'"),
    "an image in a result": (
        {"messages": [USER, _called("a"), _told("a") | {"content": [{"type": "image_url"}]}]},
        "Invalid value: 'image_url'",
    ),
    "no content": ({"messages": [{"role": "user", "content": None}]}, "expected a string, got null"),
    "another vendor's choice": ({"tools": [CHAT_TOOL], "tool_choice": "any"}, "Invalid value: 'any'"),
    "a choice without tools": ({"tool_choice": "auto"}, "'tool_choice' parameter is only allowed when 'tools'"),
    "usage without a stream": ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'"),
    "five stops": ({"stop": ["1", "2", "3", "4", "5"]}, "array too long"),
    "an open schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": LOOSE, "strict": True}}},
        "'additionalProperties' is required",
    ),
    "a schema without name": ({"response_format": {"type": "json_schema", "json_schema": {}}}, "json_schema.name"),
}
CALL = {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "a", "output": "ok"}
RESPONSES_GOOD: dict[str, Body] = {
    "text": {},
    "items": {"input": [USER, CALL, OUTPUT], "tools": [{"type": "function", "name": "look", "parameters": SCHEMA}]},
    "an output of a kept response": {"input": [OUTPUT], "previous_response_id": "resp_1"},
}
RESPONSES_BAD: dict[str, tuple[Body, str]] = {
    "no input": ({"input": None}, "Missing required parameter: 'input'"),
    "messages": ({"messages": [USER]}, "Unrecognized request argument supplied: messages"),
    "an output of no call": ({"input": [USER, OUTPUT]}, "No tool call found for function call output with call_id a"),
    "a call without output": ({"input": [USER, CALL]}, "No tool output found for function call a"),
    "chat's tool": ({"tools": [CHAT_TOOL]}, "Missing required parameter: 'tools[0].name'"),
    "chat's part": ({"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "Invalid value: 'text'"),
}
BASES: dict[str, Body] = {
    "messages": {"model": "m", "max_tokens": 2000, "messages": [USER]},
    "chat": {"model": "m", "messages": [USER]},
    "responses": {"model": "m", "input": "Hi"},
}
CHECKS = {"messages": messages.complaint, "chat": chat.complaint, "responses": responses.complaint}
GOOD = {"messages": MESSAGES_GOOD, "chat": CHAT_GOOD, "responses": RESPONSES_GOOD}
BAD = {"messages": MESSAGES_BAD, "chat": CHAT_BAD, "responses": RESPONSES_BAD}


def _asked(wire: str, change: Body) -> Body:
    return {name: value for name, value in (BASES[wire] | change).items() if value is not None}


@pytest.mark.parametrize(("wire", "name"), [(wire, name) for wire, told in GOOD.items() for name in told])
def test_what_a_vendor_takes_is_taken(wire: str, name: str) -> None:
    """No complaint of a request that is well made."""
    assert CHECKS[wire](_asked(wire, GOOD[wire][name]), "m") is None


@pytest.mark.parametrize(("wire", "name"), [(wire, name) for wire, told in BAD.items() for name in told])
def test_what_a_vendor_refuses_is_refused(wire: str, name: str) -> None:
    """The first complaint says what is wrong, as its vendor says it."""
    change, expected = BAD[wire][name]
    complaint = CHECKS[wire](_asked(wire, change), "m")
    assert complaint is not None
    assert expected in complaint.message


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 7, "x", [], {}, [None], [7], [[]], {"type": 7}, {"type": "text"}]
)
PLACES = [(wire, name, body) for wire, told in GOOD.items() for name, body in told.items()]


def _spoiled(value: Any, draw: st.DataObject) -> Any:
    """The same with one value somewhere in it replaced."""
    if isinstance(value, dict | list) and value and draw.draw(st.integers(0, 3)):
        key = draw.draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        spoiled = _spoiled(value[key], draw)
        if isinstance(value, dict):
            return value | {key: spoiled}
        return [spoiled if place == key else one for place, one in enumerate(value)]
    return draw.draw(VALUES)


@given(place=st.sampled_from(PLACES), draw=st.data())
@settings(max_examples=300, deadline=None)
def test_no_shape_breaks_a_check(place: tuple[str, str, Body], draw: st.DataObject) -> None:
    """Whatever stands where in a request: it is taken or refused, and nothing is raised."""
    wire, _name, change = place
    asked = _asked(wire, change)
    key = draw.draw(st.sampled_from(sorted(asked)))
    CHECKS[wire](asked | {key: _spoiled(asked[key], draw)}, "m")


def test_the_fields_are_those_of_the_sdks() -> None:
    """No field is taken that an SDK does not send."""
    stream = {"stream"}
    assert set(MessagesParams.__annotations__) | stream >= fields.MESSAGES
    assert set(BetaParams.__annotations__) >= fields.MESSAGES_BETA
    assert set(CountParams.__annotations__) >= fields.COUNTED
    assert set(ChatParams.__annotations__) | stream >= fields.CHAT
    assert set(ResponsesParams.__annotations__) | stream >= fields.RESPONSES
    assert set(EmbeddingCreateParams.__annotations__) >= fields.EMBEDDINGS


@pytest.fixture
async def strict() -> AsyncIterator[Emulator]:
    """An emulator that refuses what the vendors refuse, and thinks before it calls a tool."""
    said = Said(text="Let me look.", thinking="Hm.", tools=(ToolCall(name="look"), ToolCall(name="look")))
    async with Emulator(lambda _body: said, strict=True) as running:
        yield running


async def test_a_refusal_has_the_vendors_shape(strict: Emulator) -> None:
    """A 400 that the SDKs read: its type and words, on OpenAI's wire the field and the code; it costs nothing."""
    async with (
        anthropic.AsyncAnthropic(base_url=strict.url, api_key="k", max_retries=0) as ours,
        openai.AsyncOpenAI(base_url=f"{strict.url}/v1", api_key="k", max_retries=0) as theirs,
    ):
        with pytest.raises(anthropic.BadRequestError, match="seed: Extra inputs are not permitted"):
            await ours.messages.create(**_asked("messages", {"extra_body": {"seed": 1}}))
        with pytest.raises(openai.BadRequestError, match="maximum length 64") as caught:
            await theirs.chat.completions.create(**_asked("chat", {"messages": [USER, _called("a" * 65)]}))
        assert (caught.value.param, caught.value.code) == ("messages[1].tool_calls[0].id", "string_above_max_length")
    assert [(entry.status, entry.usage.input_tokens) for entry in strict.ledger] == [(400, 0)] * 2


async def test_its_own_replies_are_taken_back(strict: Emulator) -> None:
    """A turn with thoughts and calls goes back as it came, with its results: on each wire the next turn is served."""
    async with (
        anthropic.AsyncAnthropic(base_url=strict.url, api_key="k", max_retries=0) as ours,
        openai.AsyncOpenAI(base_url=f"{strict.url}/v1", api_key="k", max_retries=0) as theirs,
    ):
        first = await ours.messages.create(**_asked("messages", {}))
        ids = [block.id for block in first.content if block.type == "tool_use"]
        turns: list[Any] = [USER, {"role": "assistant", "content": first.content}, _results(*ids)]
        assert (await ours.messages.create(**_asked("messages", {"messages": turns}))).stop_reason == "tool_use"
        message = (await theirs.chat.completions.create(**_asked("chat", {}))).choices[0].message
        back = message.model_dump(exclude_none=True, exclude={"reasoning_content"})
        turns = [USER, back, *(_told(call.id) for call in message.tool_calls or ())]
        assert (await theirs.chat.completions.create(**_asked("chat", {"messages": turns}))).choices
        said = await theirs.responses.create(**_asked("responses", {}))
        items: list[Any] = [USER, *(item.to_dict() for item in said.output)]
        items += [OUTPUT | {"call_id": item.call_id} for item in said.output if item.type == "function_call"]
        assert (await theirs.responses.create(**_asked("responses", {"input": items}))).status == "completed"
