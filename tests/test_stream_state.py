"""Bytes of streams, in whatever pieces they come: the same state, the same bytes passed on."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.providers.stream_state import STATES
from routerctl.service.response import WholeEvents, WithoutUsage
from routerctl.testing.emulator import chat, messages, responses
from routerctl.testing.emulator.faults import Fault
from routerctl.testing.emulator.said import Said, ToolCall, Turn
from routerctl.types import Usage

FRAMES = {"chat": chat.frames, "messages": messages.frames, "responses": responses.frames}
ENDS = ["\n", "\r\n", "\r"]


def stream(wire: str, text: str, *, tools: bool = False) -> bytes:
    """Write a stream as the emulator sends it."""
    said = Said(text=text, tools=(ToolCall(name="look", arguments='{"a": "b"}'),) if tools else ())
    body = {"messages": [], "input": "", "stream_options": {"include_usage": True}}
    usage = Usage(input_tokens=10, output_tokens=5)
    turn = Turn(number=1, model="m", body=body, said=said, usage=usage, chunks=4, fault=Fault())
    return b"".join(frame.sent for frame in FRAMES[wire](turn))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """A stream as the emulator sends it."""
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(marks)]


def state_of(wire: str, pieces: list[bytes], *, keep_text: bool) -> dict[str, Any]:
    """The bytes cut at some places."""
    state = STATES[wire](keep_text=keep_text)
    for piece in pieces:
        state.feed(piece)
    state.end()
    return {**vars(state), "text": "".join(state.text)}


@pytest.mark.parametrize("wire", FRAMES)
@settings(max_examples=60, deadline=None)
@given(
    text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    places=st.lists(st.integers(0, 10_000), max_size=12),
    end=st.sampled_from(ENDS),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_pieces_make_no_difference_to_what_a_stream_says(
    wire: str, text: str, places: list[int], end: str, flags: tuple[bool, bool]
) -> None:
    """In one piece, event by event, or cut anywhere: content, tokens, stop, bytes said."""
    data = stream(wire, text, tools=flags[0]).replace(b"\n", end.encode())
    whole = state_of(wire, [data], keep_text=flags[1])
    assert whole["is_done"]
    assert whole["has_content"]
    assert whole["said_bytes"] >= len(text.encode())
    events = re.findall(rb".*?(?:\r\n\r\n|\n\n|\r\r)", data, re.DOTALL)
    assert state_of(wire, events, keep_text=flags[1]) == whole
    assert state_of(wire, cut(data, places), keep_text=flags[1]) == whole


def passed(change: WholeEvents, pieces: list[bytes]) -> bytes:
    """Give what is passed on of pieces."""
    return b"".join([change.feed(piece) for piece in pieces]) + change.end()


@settings(max_examples=100, deadline=None)
@given(places=st.lists(st.integers(0, 10_000), max_size=12), end=st.sampled_from(ENDS), wire=st.sampled_from([*FRAMES]))
def test_whole_events_are_passed_on_as_they_are(places: list[int], end: str, wire: str) -> None:
    """Whatever has been passed on ends with an event's end."""
    data = stream(wire, "Hello, world").replace(b"\n", end.encode())
    change, came = WholeEvents(), b""
    for piece in cut(data, places):
        came += change.feed(piece)
        assert data.startswith(came)
        assert not came or came.endswith(end.encode() * 2)
    assert came + change.end() == data


def test_mixed_line_ends_are_an_events_end() -> None:
    """An event is not held because its two line ends are of two kinds."""
    for mixed in (b"\n\r\n", b"\r\n\n"):
        assert WholeEvents().feed(b"data: {}" + mixed) == b"data: {}" + mixed


@settings(max_examples=150, deadline=None)
@given(
    places=st.lists(st.integers(0, 10_000), max_size=12),
    end=st.sampled_from([("\n", "\n"), ("\r\n", "\r\n"), ("\r", "\r"), ("\n", "\r\n")]),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]),
    order=st.permutations(["id", "choices", "usage", "model"]),
)
def test_the_chunk_that_only_holds_the_usage_is_left_out(
    places: list[int], end: tuple[str, str], separators: tuple[str, str], order: list[str]
) -> None:
    """Whatever its spacing, order and line ends; nothing else is, not even a text that looks like it."""
    trap = '"choices":[],"usage":{"prompt_tokens":1}'
    fields = {"id": "1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}, "model": "m"}
    others = [{"choices": [{"delta": {"content": trap}}], "usage": None}, {"choices": [], "usage": None}]
    events = [json.dumps(one, separators=separators) for one in (*others, {name: fields[name] for name in order})]
    written = [f"data: {event}{end[0]}{end[1]}".encode() for event in (*events, "[DONE]")]
    expected = b"".join(written[:2] + written[3:])
    assert passed(WithoutUsage(), cut(b"".join(written), places)) == expected
