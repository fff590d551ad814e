from __future__ import annotations

from typing import Any

import pytest

from routerctl.providers.reading import Odd
from routerctl.service.translate import (
    NeutralReply,
    error_body,
    events_of,
    fold_events,
    plain_reply,
    read_reply,
    read_request,
    write_reply,
    write_request,
)
from routerctl.service.translate.neutral_reply import RefusalBlock, TextBlock, ThinkingBlock, ToolCallBlock
from routerctl.testing.emulator import Body
from routerctl.types import ApiFormat, StopReason, Usage
from tests.asked import FOUND, USER
from tests.translated import ASKED, CLIENTS, SAID, UPSTREAM, assembled, stream_to, whole_of

USAGE = Usage(input_tokens=1000, output_tokens=50, cache_read_tokens=700, cache_write_tokens=200)


def replied(*blocks: Any, stop: StopReason = StopReason.END, **more: Any) -> NeutralReply:
    """A reply of these blocks."""
    told: dict[str, Any] = {"usage": USAGE, "reasoning_tokens": 9}
    return NeutralReply(id="1", model="m", blocks=blocks, stop=stop, **told | more)


def written(to: ApiFormat, one: NeutralReply) -> Body:
    """Write a reply for a client, and hold its stream against it."""
    asked = read_request(to, ASKED[to])
    whole = write_reply(one, to, written=None, asked=asked, created=1)
    streamed = assembled(to, stream_to(to, events_of(one), asked))
    for name in ("stop_reason", "stop_sequence", "status"):
        assert streamed.get(name) == whole.get(name)
    return whole


# stop, stop sequence -> chat's finish_reason, Anthropic's stop_reason, Responses' status and why it is incomplete
STOPS: list[tuple[StopReason, str | None, str, str, str, str | None]] = [
    (StopReason.END, None, "stop", "end_turn", "completed", None),
    (StopReason.END, "END", "stop", "stop_sequence", "completed", None),
    (StopReason.MAX_TOKENS, None, "length", "max_tokens", "incomplete", "max_output_tokens"),
    (StopReason.CONTEXT_FULL, None, "length", "model_context_window_exceeded", "incomplete", "max_output_tokens"),
    (StopReason.TOOL_USE, None, "tool_calls", "tool_use", "completed", None),
    (StopReason.REFUSAL, None, "content_filter", "refusal", "incomplete", "content_filter"),
    (StopReason.OTHER, None, "stop", "end_turn", "completed", None),
]


@pytest.mark.parametrize("row", STOPS)
def test_stops(row: tuple[StopReason, str | None, str, str, str, str | None]) -> None:
    """Every stop reason has a word on every wire."""
    stop, met, finish, reason, status, why = row
    one = replied(TextBlock(text="a"), stop=stop, stop_sequence=met)
    assert written("chat", one)["choices"][0]["finish_reason"] == finish
    message = written("messages", one)
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, met)
    response = written("responses", one)
    assert (response["status"], (response["incomplete_details"] or {}).get("reason")) == (status, why)
    assert response["output"][-1]["status"] == ("incomplete" if finish == "length" else "completed")


READ_STOPS: list[tuple[ApiFormat, str, StopReason]] = [
    ("chat", "stop", StopReason.END),
    ("chat", "length", StopReason.MAX_TOKENS),
    ("chat", "content_filter", StopReason.REFUSAL),
    ("messages", "end_turn", StopReason.END),
    ("messages", "stop_sequence", StopReason.END),
    ("messages", "max_tokens", StopReason.MAX_TOKENS),
    ("messages", "tool_use", StopReason.TOOL_USE),
    ("messages", "refusal", StopReason.REFUSAL),
    ("messages", "pause_turn", StopReason.OTHER),
    ("messages", "model_context_window_exceeded", StopReason.CONTEXT_FULL),
]


@pytest.mark.parametrize(("wire", "word", "stop"), READ_STOPS)
def test_stops_are_read(wire: ApiFormat, word: str, stop: StopReason) -> None:
    """Every word of an upstream wire is a stop reason."""
    body = whole_of(wire, SAID["text"])
    (body if wire == "messages" else body["choices"][0])["stop_reason" if wire == "messages" else "finish_reason"] = (
        word
    )
    assert read_reply(wire, body).stop is stop


@pytest.mark.parametrize("wire", UPSTREAM)
def test_tokens_are_counted_as_each_vendor_counts(wire: ApiFormat) -> None:
    """OpenAI counts cached tokens in, Anthropic beside the input; neither is counted twice or lost."""
    one = read_reply(wire, whole_of(wire, SAID["cached"]))
    assert one.usage == Usage(input_tokens=1000, output_tokens=5, cache_read_tokens=700, cache_write_tokens=200)
    assert written("messages", one)["usage"] == {
        "input_tokens": 100,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 700,
        "output_tokens": 5,
    }
    chat = written("chat", one)["usage"]
    assert (chat["prompt_tokens"], chat["completion_tokens"], chat["total_tokens"]) == (1000, 5, 1005)
    assert chat["prompt_tokens_details"] == {"cached_tokens": 700, "cache_write_tokens": 200}
    response = written("responses", one)["usage"]
    assert (response["input_tokens"], response["output_tokens"], response["total_tokens"]) == (1000, 5, 1005)
    assert response["input_tokens_details"] == {"cached_tokens": 700, "cache_write_tokens": 200}


def test_reasoning_tokens() -> None:
    """What was thought is told as part of the output."""
    one = replied(TextBlock(text="a"))
    assert written("chat", one)["usage"]["completion_tokens_details"] == {"reasoning_tokens": 9}
    assert written("messages", one)["usage"]["output_tokens_details"] == {"thinking_tokens": 9}
    assert written("responses", one)["usage"]["output_tokens_details"] == {"reasoning_tokens": 9}


@pytest.mark.parametrize("wire", UPSTREAM)
def test_tokens_that_nobody_told(wire: ApiFormat) -> None:
    """A reply without usage says so: no count is made up."""
    body = whole_of(wire, SAID["text"])
    del body["usage"]
    one = read_reply(wire, body)
    assert one.usage == Usage(estimated=True)
    assert "usage" not in written("chat", one)
    assert written("responses", one)["usage"] is None


def test_blocks_of_a_chat_reply() -> None:
    """Texts are one without anything between them, every tool call is there, thinking is no text."""
    calls = [ToolCallBlock(id=name, name=name, arguments="{}") for name in "fg"]
    one = replied(
        ThinkingBlock(text="Hm", signature="s"),
        TextBlock(text="a"),
        TextBlock(text="b"),
        *calls,
        stop=StopReason.TOOL_USE,
    )
    message = written("chat", one)["choices"][0]["message"]
    assert message["content"] == "ab"
    assert message["reasoning_content"] == "Hm"
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["f", "g"]
    assert written("chat", replied(*calls, stop=StopReason.TOOL_USE))["choices"][0]["message"]["content"] is None


def test_refusals() -> None:
    """Its words are `message.refusal`, `stop_details` and a refusal part; a category alone is told in words."""
    one = replied(RefusalBlock(text="No."), stop=StopReason.REFUSAL, category="cyber")
    assert written("chat", one)["choices"][0]["message"]["refusal"] == "No."
    details = {"type": "refusal", "category": "cyber", "explanation": "No."}
    assert written("messages", one)["stop_details"] == details
    assert written("responses", one)["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    bare = replied(stop=StopReason.REFUSAL, category="cyber")
    assert "cyber" in written("chat", bare)["choices"][0]["message"]["refusal"]
    assert "cyber" in written("responses", bare)["output"][0]["content"][0]["refusal"]


@pytest.mark.parametrize(
    "thought", [ThinkingBlock(text="Hm", signature="s"), ThinkingBlock(signature="s"), ThinkingBlock(sealed="x")]
)
def test_a_thought_comes_back_through_a_responses_client(thought: ThinkingBlock) -> None:
    """What Anthropic signed or sealed goes out in encrypted_content and back to it word for word."""
    one = replied(thought, TextBlock(text="a"))
    items = written("responses", one)["output"]
    asked = read_request("responses", {"input": [USER, *items, USER]})
    message = write_request(asked, "messages", model="m", max_tokens=9).body["messages"][1]
    native = written("messages", one)["content"]
    assert message["content"] == native


def test_an_unsigned_thought_goes_back_to_nobody() -> None:
    """What a chat provider thought is shown to an Anthropic client, and stays behind in its next turn."""
    content = written("messages", replied(ThinkingBlock(text="Hm"), TextBlock(text="a")))["content"]
    assert content[0] == {"type": "thinking", "thinking": "Hm", "signature": ""}
    asked = read_request("messages", {"messages": [USER, {"role": "assistant", "content": content}, USER]})
    for to in UPSTREAM:
        assert write_request(asked, to, model="m", max_tokens=9).dropped == ("messages[1].content[0]",)


@pytest.mark.parametrize("to", CLIENTS)
def test_names_of_tools_are_the_clients_own(to: ApiFormat) -> None:
    """A name that was shortened on the way there is the client's own in the reply and in the stream."""
    name = "tool_" * 30
    bodies: dict[ApiFormat, Body] = {
        "chat": {"tools": [{"type": "function", "function": {"name": name}}]},
        "messages": {"tools": [FOUND | {"name": name}]},
        "responses": {"tools": [{"type": "function", "name": name, "parameters": None, "strict": False}]},
    }
    asked = read_request(to, {**ASKED[to], **bodies[to]})
    sent = write_request(asked, "chat", model="m", max_tokens=9)
    (short,) = sent.names
    one = replied(ToolCallBlock(id="x", name=short, arguments="{}"), stop=StopReason.TOOL_USE)
    assert f"'{name}'" in str(write_reply(one, to, written=sent, asked=asked))
    stream = stream_to(to, events_of(one), asked, written=sent).decode()
    assert f'"{name}"' in stream
    assert f'"name":"{short}"' not in stream


def test_arguments_that_are_no_object() -> None:
    """Anthropic's wire has arguments as an object: what is none is no reply, and not an empty object."""
    for arguments in ("{", "[]", "1"):
        one = replied(ToolCallBlock(id="x", name="f", arguments=arguments))
        with pytest.raises(Odd, match="arguments"):
            write_reply(one, "messages", written=None, asked=read_request("messages", ASKED["messages"]))


def test_ids_and_models() -> None:
    """Ids are spelled as the client's wire spells them, and the model is the one that served."""
    one = read_reply("chat", whole_of("chat", SAID["text"]))
    assert {to: written(to, one)["id"] for to in CLIENTS} == {
        "chat": "chatcmpl-7",
        "messages": "msg_7",
        "responses": "resp_7",
    }
    assert {written(to, one)["model"] for to in CLIENTS} == {one.model}


@pytest.mark.parametrize("wire", UPSTREAM)
@pytest.mark.parametrize(
    "body", [{}, {"choices": []}, {"content": None}, {"error": {"message": "x"}, "choices": [], "content": []}]
)
def test_what_is_no_reply(wire: ApiFormat, body: Body) -> None:
    """What is of another shape is none, and says which field."""
    with pytest.raises(ValueError, match=r"choices|content|error"):
        read_reply(wire, body)


def test_what_no_other_api_has_is_named() -> None:
    """Of a reply, too: citations, pictures, further choices, blocks of server tools."""
    chat = whole_of("chat", SAID["text"])
    first = chat["choices"][0]
    first["message"] |= {"annotations": [{"type": "url_citation"}], "images": [{"type": "image_url"}], "audio": None}
    chat["choices"].append(first)
    assert read_reply("chat", chat).dropped == ("reply.choices", "reply.annotations", "reply.images")
    message = whole_of("messages", SAID["text"])
    message["content"][0]["citations"] = [{"type": "char_location"}]
    message["content"] += [{"type": "web_search_tool_result", "tool_use_id": "a", "content": []}] * 2
    assert read_reply("messages", message).dropped == ("reply.web_search_tool_result", "reply.citations")
    assert all(read_reply(wire, whole_of(wire, said)).dropped == () for wire in UPSTREAM for said in SAID.values())


def test_plain_replies() -> None:
    """A text that came otherwise is a reply; that of a refusal is its words."""
    one = plain_reply("a", StopReason.END, model="m", usage=USAGE, id="9")
    assert fold_events(events_of(one)) == one
    assert written("messages", one)["content"] == [{"type": "text", "text": "a"}]
    refused = plain_reply("No.", StopReason.REFUSAL, model="m", usage=USAGE)
    assert written("chat", refused)["choices"][0]["message"]["refusal"] == "No."
    assert plain_reply("", StopReason.MAX_TOKENS, model="m", usage=USAGE).blocks == ()


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("wire", UPSTREAM)
def test_events_of_a_whole_reply_fold_into_it(wire: ApiFormat, name: str) -> None:
    """A whole reply may be streamed: nothing of it is lost."""
    one = read_reply(wire, whole_of(wire, SAID[name]))
    assert fold_events(events_of(one)) == one


# wire, status -> status, type, code
ERRORS: list[tuple[ApiFormat, int, int, str, str | None]] = [
    ("messages", 400, 400, "invalid_request_error", None),
    ("messages", 401, 401, "authentication_error", None),
    ("messages", 402, 402, "billing_error", None),
    ("messages", 403, 403, "permission_error", None),
    ("messages", 404, 404, "not_found_error", None),
    ("messages", 413, 413, "request_too_large", None),
    ("messages", 422, 422, "invalid_request_error", None),
    ("messages", 429, 429, "rate_limit_error", None),
    ("messages", 500, 500, "api_error", None),
    ("messages", 502, 502, "api_error", None),
    ("messages", 503, 529, "overloaded_error", None),
    ("messages", 504, 504, "timeout_error", None),
    ("messages", 529, 529, "overloaded_error", None),
    ("chat", 400, 400, "invalid_request_error", None),
    ("chat", 401, 401, "authentication_error", "invalid_api_key"),
    ("chat", 404, 404, "invalid_request_error", "model_not_found"),
    ("chat", 429, 429, "requests", "rate_limit_exceeded"),
    ("responses", 402, 402, "insufficient_quota", "insufficient_quota"),
    ("responses", 500, 500, "server_error", None),
    ("chat", 529, 503, "server_error", "overloaded"),
]


@pytest.mark.parametrize(("wire", "status", "told", "kind", "code"), ERRORS)
def test_errors(wire: ApiFormat, status: int, told: int, kind: str, code: str | None) -> None:
    """An error has each wire's own status, type and code."""
    found, body = error_body(wire, status, "m", param="p", request_id="r")
    assert found == told
    if wire == "messages":
        assert body == {"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "r"}
    else:
        assert body == {"error": {"message": "m", "type": kind, "param": "p", "code": code}}


def test_a_stable_code_is_kept() -> None:
    """A code that is known goes before the usual one, where each vendor has it."""
    assert error_body("chat", 429, "m", code="insufficient_quota")[1]["error"]["code"] == "insufficient_quota"
    details = error_body("messages", 429, "m", code="budget_spent")[1]["error"]["details"]
    assert details == {"error_code": "budget_spent"}
