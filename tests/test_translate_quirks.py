from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.service.translate import (
    Event,
    ReplyBegan,
    ReplyEnded,
    ReplyFailed,
    StreamReader,
    StreamWriter,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    fold_events,
    read_request,
)
from routerctl.service.translate.neutral_reply import RefusalBlock, TextBlock, ThinkingBlock, ToolCallBlock
from routerctl.service.translate.tool_names import made_id
from routerctl.types import ApiFormat, StopReason, Usage
from tests.translated import ASKED, CLIENTS, RICH, SAID, UPSTREAM, datas, events_in, stream_of, stream_to

# --- bytes ------------------------------------------------------------------------------------------------------------


def _streams(wire: ApiFormat) -> list[bytes]:
    """One stream in the spellings that the standard allows."""
    stream = stream_of(wire, RICH)
    pinged = stream.replace(b"\n\n", b"\n\n: keep-alive\n\n", 3)
    named = stream.replace(b"data: {", b"id: 1\nevent: x\ndata: {") if wire == "chat" else stream
    return [stream, stream.replace(b"\n", b"\r\n"), stream.replace(b"\n", b"\r"), pinged, named, stream.rstrip()]


@pytest.mark.parametrize("wire", UPSTREAM)
def test_every_spelling_and_every_cut_in_two_gives_the_same_events(wire: ApiFormat) -> None:
    """A stream may be cut anywhere: inside a character, a line's end, an event's name."""
    want = events_in(wire, [stream_of(wire, RICH)])
    assert isinstance(want[-1], ReplyEnded)
    for stream in _streams(wire):
        assert events_in(wire, [stream]) == want
    crlf = _streams(wire)[1]
    for cut in range(0, len(crlf), 7 if wire == "messages" else 11):
        assert events_in(wire, [crlf[:cut], crlf[cut:]]) == want


@settings(max_examples=40, deadline=None)
@given(data=st.data(), wire=st.sampled_from(UPSTREAM), spelling=st.integers(0, 5))
def test_any_chunks_give_the_same_events(data: st.DataObject, wire: ApiFormat, spelling: int) -> None:
    """However many chunks a stream comes in, what is read is the same."""
    stream = _streams(wire)[spelling]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert events_in(wire, pieces) == events_in(wire, [stream])


@pytest.mark.parametrize("wire", UPSTREAM)
def test_byte_by_byte(wire: ApiFormat) -> None:
    """A byte at a time is read as well."""
    stream = _streams(wire)[1]
    assert events_in(wire, [bytes([one]) for one in stream]) == events_in(wire, [stream])


# --- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("wire", UPSTREAM)
def test_blocks_of_a_message_come_one_after_the_other(wire: ApiFormat, name: str) -> None:
    """message_start once; each block opened, brought in its own kind and closed once; message_delta; message_stop."""
    asked = read_request("messages", ASKED["messages"])
    events = datas(stream_to("messages", events_in(wire, [stream_of(wire, SAID[name])]), asked))
    kinds = [event["type"] for event in events]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    open_block, index = None, -1
    for event in events[1:-2]:
        if event["type"] == "content_block_start":
            assert open_block is None
            index, open_block = index + 1, event["content_block"]["type"]
        elif event["type"] == "content_block_delta":
            assert event["delta"]["type"] in _DELTAS[open_block or ""]
        else:
            assert event["type"] == "content_block_stop"
            open_block = None
        assert event["index"] == index
    assert open_block is None


_DELTAS = {
    "text": ("text_delta",),
    "thinking": ("thinking_delta", "signature_delta"),
    "tool_use": ("input_json_delta",),
}


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("wire", UPSTREAM)
def test_chunks_of_a_completion(wire: ApiFormat, name: str) -> None:
    """The role comes once, tools are counted from 0, usage comes in the last chunk and `[DONE]` after it."""
    asked = read_request("chat", ASKED["chat"])
    *chunks, done = datas(stream_to("chat", events_in(wire, [stream_of(wire, SAID[name])]), asked))
    assert done == "[DONE]"
    assert chunks[-1]["choices"] == []
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert ["role" in chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [True, *[False] * (len(chunks) - 2)]
    begun = [call["index"] for chunk in chunks[:-1] for call in _calls(chunk) if "id" in call]
    assert begun == list(range(len(SAID[name].tools)))
    assert [chunk["choices"][0]["finish_reason"] is None for chunk in chunks[:-1]].count(False) == 1


def _calls(chunk: Any) -> list[Any]:
    return list(chunk["choices"][0]["delta"].get("tool_calls") or [])


def test_usage_is_given_to_whom_asked_alone() -> None:
    """A chat client without include_usage gets no chunk without choices: old clients stumble over it."""
    asked = read_request("chat", {**ASKED["chat"], "stream_options": None})
    chunks = datas(stream_to("chat", events_in("chat", [stream_of("chat", SAID["text"])]), asked))[:-1]
    assert all(chunk["choices"] and "usage" not in chunk for chunk in chunks)


@pytest.mark.parametrize("wire", UPSTREAM)
def test_a_message_begins_with_tokens(wire: ApiFormat) -> None:
    """Clients keep what message_start says: our estimate where the provider tells later, and the truth at the end."""
    asked = read_request("messages", ASKED["messages"])
    stream = stream_of(wire, SAID["cached"])
    events = datas(stream_to("messages", events_in(wire, [stream]), asked, input_tokens=77))
    start = events[0]["message"]["usage"]
    assert start["input_tokens"] == (77 if wire == "chat" else 100)
    assert events[-2]["usage"] == {
        "input_tokens": 100,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 700,
        "output_tokens": 5,
    }


# --- what servers of the chat wire differ in --------------------------------------------------------------------------


def _chunk(delta: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish} | more.pop("choice", {})
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **more}


def _read(*chunks: Any) -> list[Event]:
    frames = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    return events_in("chat", [*frames, b"data: [DONE]\n\n"])


def _call(index: int | None, arguments: Any = None, **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments} if arguments is not None else {}
    name = {"name": more.pop("name")} if "name" in more else {}
    place = {} if index is None else {"index": index}
    return {"tool_calls": [{**place, **more, "function": {**name, **function}}]}


TOLD = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}
A, B = ToolCallBlock(id="a", name="f", arguments='{"x":1}'), ToolCallBlock(id="b", name="g", arguments="{}")
QUIRKS: dict[str, tuple[Sequence[Any], Sequence[Any], StopReason]] = {
    "content shares the chunk of the end": (
        [_chunk({"content": "Hi"}, "stop")],
        [TextBlock(text="Hi")],
        StopReason.END,
    ),
    "the end is not told": ([_chunk({"content": "Hi"})], [TextBlock(text="Hi")], StopReason.END),
    "the end of tools is not told": (
        [_chunk(_call(0, '{"x":1}', id="a", name="f"))],
        [A],
        StopReason.TOOL_USE,
    ),
    "stop although there are tools": (
        [_chunk(_call(0, '{"x":1}', id="a", name="f"), "stop")],
        [A],
        StopReason.TOOL_USE,
    ),
    "keepalives without choices": (
        [{"choices": []}, _chunk({"content": "H"}), {"choices": [], "usage": None}, _chunk({"content": "i"}, "stop")],
        [TextBlock(text="Hi")],
        StopReason.END,
    ),
    "a delta that is null": (
        [_chunk({"content": "Hi"}), _chunk(None, "length")],
        [TextBlock(text="Hi")],
        StopReason.MAX_TOKENS,
    ),
    "interleaved calls": (
        [
            _chunk(_call(0, "", id="a", name="f")),
            _chunk(_call(1, "", id="b", name="g")),
            _chunk(_call(0, '{"x"')),
            _chunk(_call(1, "{")),
            _chunk(_call(0, ":1}")),
            _chunk(_call(1, "}"), "tool_calls"),
        ],
        [A, B],
        StopReason.TOOL_USE,
    ),
    "the change of block brings its first delta": (
        [
            _chunk({"reasoning_content": "Hm"}),
            _chunk({"content": "Hi", **_call(0, '{"x":1}', id="a", name="f")}, "tool_calls"),
        ],
        [ThinkingBlock(text="Hm"), TextBlock(text="Hi"), A],
        StopReason.TOOL_USE,
    ),
    "a name in pieces, an id again": (
        [
            _chunk(_call(0, id="a", name="lo")),
            _chunk(_call(0, id="a", name="ok")),
            _chunk(_call(0, "{}", id="a", name="look")),
        ],
        [ToolCallBlock(id="a", name="look", arguments="{}")],
        StopReason.TOOL_USE,
    ),
    "no index": (
        [
            _chunk(_call(None, '{"x"', id="a", name="f")),
            _chunk(_call(None, ":1}")),
            _chunk(_call(None, "{}", id="b", name="g")),
        ],
        [A, B],
        StopReason.TOOL_USE,
    ),
    "one index for all, interleaved": (
        [
            _chunk(_call(0, '{"x"', id="a", name="f")),
            _chunk(_call(0, "{", id="b", name="g")),
            _chunk(_call(0, "}")),
            _chunk(_call(0, ":1}", id="a", name="f")),
        ],
        [A, B],
        StopReason.TOOL_USE,
    ),
    "another id with every piece": (
        [_chunk(_call(0, '{"x"', id="a", name="f")), _chunk(_call(0, ":1}", id="b"))],
        [A],
        StopReason.TOOL_USE,
    ),
    "arguments before the name": (
        [_chunk(_call(0, '{"x"', id="a")), _chunk(_call(0, ":1", name="f")), _chunk(_call(0, "}"))],
        [A],
        StopReason.TOOL_USE,
    ),
    "a call in the words of older servers": (
        [
            _chunk({"function_call": {"name": "f", "arguments": '{"x"'}}),
            _chunk({"function_call": {"arguments": ":1}"}}, "function_call"),
        ],
        [ToolCallBlock(id=made_id(("chatcmpl-1", 0)), name="f", arguments='{"x":1}')],
        StopReason.TOOL_USE,
    ),
    "indices that begin at 1": (
        [_chunk(_call(1, '{"x":1}', id="a", name="f"), "tool_calls")],
        [A],
        StopReason.TOOL_USE,
    ),
    "arguments as an object": ([_chunk(_call(0, {"x": 1}, id="a", name="f"))], [A], StopReason.TOOL_USE),
    "no arguments": ([_chunk(_call(0, "", id="b", name="g"))], [B], StopReason.TOOL_USE),
    "a refusal": ([_chunk({"refusal": "No."}, "stop")], [RefusalBlock(text="No.")], StopReason.REFUSAL),
    "filtered": ([_chunk({"content": "H"}, "content_filter")], [TextBlock(text="H")], StopReason.REFUSAL),
    "reasoning under another name": ([_chunk({"reasoning": "Hm"}, "stop")], [ThinkingBlock(text="Hm")], StopReason.END),
}


@pytest.mark.parametrize("quirk", QUIRKS)
def test_quirks(quirk: str) -> None:
    """What servers do differently is read as what it means, and every client can be told it."""
    chunks, blocks, stop = QUIRKS[quirk]
    events = _read(*chunks)
    replied = fold_events(events)
    assert list(replied.blocks) == list(blocks)
    assert replied.stop is stop
    for to in CLIENTS:
        assert stream_to(to, events, read_request(to, ASKED[to]))


@pytest.mark.parametrize(
    "chunks",
    [
        [_chunk(_call(0, "{}", id="a"), "tool_calls")],
        [_chunk({"content": "Hi"}, "abort")],
        [_chunk({"content": "Hi"}, "error")],
    ],
)
def test_what_broke_off_is_no_success(chunks: list[dict[str, Any]]) -> None:
    """A call that has no name, and a reply of which its server says itself that it is none."""
    assert isinstance(_read(*chunks)[-1], ReplyFailed)


def test_a_reply_of_which_nothing_can_be_carried_is_no_success() -> None:
    """Where something was said, an empty message would have a client ask again and again."""
    stream = f"data: {json.dumps(_chunk({'audio': {'data': 'AAAA'}}, 'stop'))}\n\ndata: [DONE]\n\n".encode()
    for has_content, end in ((True, ReplyFailed), (False, ReplyEnded)):
        assert isinstance(StreamReader("chat", has_content=has_content).feed(stream)[-1], end)


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    """Two calls whose server gives no ids have two, the same ones on every reading."""
    chunks = [_chunk(_call(0, "{}", name="f")), _chunk(_call(1, "{}", name="g"))]
    ids = [event.id for event in _read(*chunks) if isinstance(event, ToolCallBegan)]
    assert len({*ids}) == 2
    assert ids == [event.id for event in _read(*chunks) if isinstance(event, ToolCallBegan)]


@pytest.mark.parametrize("places", [(0,), (0, 1, 2), (2,)])
def test_usage_wherever_it_comes(places: Sequence[int]) -> None:
    """Usage in the first, the last or every chunk is that of the last that tells it, once."""
    chunks = [_chunk({"content": "a"}), _chunk({"content": "b"}, "stop"), {"choices": []}]
    for place in places:
        chunks[place]["usage"] = {**TOLD, "completion_tokens": place}
    (ended,) = [event for event in _read(*chunks) if isinstance(event, ReplyEnded)]
    assert ended.usage == Usage(input_tokens=10, output_tokens=places[-1])


def test_nothing_is_ended_before_usage() -> None:
    """The end waits for `[DONE]`: usage comes after the finish_reason."""
    reader = StreamReader("chat")
    assert [*map(type, reader.feed(f"data: {json.dumps(_chunk({'content': 'a'}, 'stop'))}\n\n".encode()))] == [
        ReplyBegan,
        TextDelta,
    ]
    assert reader.feed(f"data: {json.dumps({'choices': [], 'usage': TOLD})}\n\n".encode()) == []
    (ended,) = reader.feed(b"data: [DONE]\n\n")
    assert isinstance(ended, ReplyEnded)
    assert reader.feed(b"data: {}\n\n") + reader.end() == []


def test_the_stop_sequence_that_was_met() -> None:
    """VLLM and SGLang say which stop sequence was met; Anthropic's client is told."""
    for name in ("stop_reason", "matched_stop"):
        events = _read(_chunk({"content": "a"}, "stop", choice={name: "END"}))
        last = datas(stream_to("messages", events, read_request("messages", ASKED["messages"])))[-2]
        assert last["delta"]["stop_reason"] == "stop_sequence"
        assert last["delta"]["stop_sequence"] == "END"


def test_the_first_of_several_calls_is_not_held_back() -> None:
    """The arguments of the first tool call reach an Anthropic client as they come, though others are open."""
    asked = read_request("messages", ASKED["messages"])
    writer = StreamWriter("messages", asked, model="m", written=None)
    writer.write(ReplyBegan(id="1", model="m"))
    writer.write(ToolCallBegan(index=0, id="a", name="f"))
    assert writer.write(ToolCallBegan(index=1, id="b", name="g")) == b""
    assert writer.write(ToolCallDelta(index=1, fragment="{}")) == b""
    assert b"input_json_delta" in writer.write(ToolCallDelta(index=0, fragment="{"))
