"""What tests of the translation share: real replies of both upstream wires, and the SDKs that read what is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from anthropic._streaming import SSEDecoder as AnthropicDecoder
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from openai import omit
from openai._streaming import SSEDecoder as OpenAIDecoder
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from routerctl.service.translate import Event, NeutralRequest, StreamReader, StreamWriter, UpstreamRequest
from routerctl.testing.emulator import Body, Said, ToolCall, chat, messages
from routerctl.testing.emulator.faults import OK, Fault
from routerctl.testing.emulator.said import Turn
from routerctl.types import ApiFormat

UPSTREAM: tuple[ApiFormat, ...] = ("chat", "messages")
CLIENTS: tuple[ApiFormat, ...] = ("chat", "responses", "messages")
MODEL = "model-2026-01-01"
ASKED: Mapping[ApiFormat, Body] = {
    "chat": {
        "model": "auto",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "responses": {"model": "auto", "input": "Hi", "stream": True},
    "messages": {"model": "auto", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 99, "stream": True},
}
LOOK = ToolCall(name="look", arguments='{"where":"Zürich 🏔"}', id="call_a")
FIND = ToolCall(name="find", arguments='{"what":["x","y"],"n":3}', id="call_b")
NOW = ToolCall(name="now", arguments="{}", id="call_c")
SAID: Mapping[str, Said] = {
    "text": Said(text="Grüezi, 世界 🏔!\r\nA second line."),
    "one tool": Said(tools=(LOOK,)),
    "three tools at once": Said(text="Let me see.", tools=(LOOK, FIND, NOW)),
    "a tool without input": Said(tools=(NOW,)),
    "thinking": Said(text="42", thinking="Let me think of it for a while.", reasoning_tokens=9),
    "thinking and tools": Said(text="So.", thinking="Hm.", tools=(FIND, LOOK)),
    "a refusal in words": Said(refusal="I can't help with that."),
    "a refusal without words": Said(refusal=""),
    "cut short": Said(text="Once upon a", truncated=True),
    "cached": Said(text="ok", input_tokens=1000, cache_read_tokens=700, cache_write_tokens=200, output_tokens=5),
    "nothing": Said(text=""),
}
RICH = Said(text="Zürich 🏔\r\n世界", thinking="Hm…", tools=(LOOK, FIND, NOW))


def turn_of(
    said: Said, *, body: Body | None = None, chunks: int = 4, fault: Fault = OK, wire: ApiFormat = "chat"
) -> Turn:
    """Give a reply on its way to a wire."""
    body = body if body is not None else dict(ASKED[wire])
    usage = (chat if wire == "chat" else messages).usage_of(body, said)
    return Turn(number=7, model=MODEL, body=body, said=said, usage=usage, chunks=chunks, fault=fault)


def whole_of(wire: ApiFormat, said: Said) -> Body:
    """Give a whole reply of an upstream wire, as JSON brings it."""
    turn = turn_of(said, wire=wire)
    found: Body = json.loads(json.dumps(chat.whole(turn) if wire == "chat" else messages.whole(turn)))
    return found


def stream_of(wire: ApiFormat, said: Said) -> bytes:
    """Give a reply's stream of an upstream wire."""
    turn = turn_of(said, wire=wire)
    return b"".join(frame.sent for frame in (chat.frames(turn) if wire == "chat" else messages.frames(turn)))


def events_in(wire: ApiFormat, pieces: Iterable[bytes]) -> list[Event]:
    """Read a stream in pieces."""
    reader = StreamReader(wire)
    return [event for piece in pieces for event in reader.feed(piece)] + reader.end()


def stream_to(
    to: ApiFormat,
    events: Iterable[Event],
    asked: NeutralRequest,
    *,
    written: UpstreamRequest | None = None,
    input_tokens: int = 0,
) -> bytes:
    """Write a stream for a client."""
    writer = StreamWriter(to, asked, model=MODEL, written=written, input_tokens=input_tokens, created=1)
    return b"".join(writer.write(event) for event in events)


def datas(stream: bytes) -> list[Any]:
    """Give the data of a client's stream, read by the SDK's own decoder; `[DONE]` as it is."""
    found = [sse.data for sse in OpenAIDecoder().iter_bytes(iter([stream]))]
    return [data if data == "[DONE]" else json.loads(data) for data in found]


def assembled(to: ApiFormat, stream: bytes) -> Body:
    """Give the reply that the client's SDK makes of a stream."""
    return {"chat": _chat, "messages": _messages, "responses": _responses}[to](stream)


def _chat(stream: bytes) -> Body:
    state = ChatCompletionStreamState()
    for data in datas(stream):
        if data != "[DONE]":
            list(state.handle_chunk(ChatCompletionChunk.model_validate(data)))
    return state.current_completion_snapshot.model_dump(warnings=False)


def _messages(stream: bytes) -> Body:
    adapter, snapshot, buffers = TypeAdapter[Any](RawMessageStreamEvent), None, dict[int, bytes]()
    for sse in AnthropicDecoder().iter_bytes(iter([stream])):
        data = sse.json()
        assert data["type"] == sse.event
        snapshot = accumulate_event(event=adapter.validate_python(data), current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    return snapshot.model_dump(warnings=False)


def _responses(stream: bytes) -> Body:
    adapter, state = TypeAdapter[Any](ResponseStreamEvent), ResponseStreamState[Any](input_tools=omit, text_format=omit)
    last = None
    for number, data in enumerate(datas(stream)):
        assert data["sequence_number"] == number
        last = adapter.validate_python(data)
        state.handle_event(last)
    assert last is not None
    found: Body = last.response.model_dump(warnings=False)
    return found
