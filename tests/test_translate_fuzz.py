from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.providers.reading import Odd
from routerctl.service.translate import (
    Untranslatable,
    fold_events,
    plain_turns,
    read_reply,
    read_request,
    write_reply,
    write_request,
)
from routerctl.testing.emulator import Body
from routerctl.types import ApiFormat
from tests.asked import CLOSED, FOUND, LOOK, PICTURE, PNG, USER, calls, result, text, used
from tests.asked import given as results
from tests.translated import ASKED, CLIENTS, RICH, SAID, UPSTREAM, events_in, stream_of, stream_to, whole_of

FORMAT = {"type": "json_schema", "name": "n", "schema": CLOSED, "strict": True}
FUNCTION = {"type": "function", "name": "look", "parameters": CLOSED, "strict": True}
BODIES: dict[ApiFormat, Body] = {
    "chat": {
        "messages": [
            {"role": "system", "content": [text("S")]},
            {"role": "user", "content": [text("Hi"), {"type": "image_url", "image_url": {"url": PNG}}]},
            calls("x"),
            result("x"),
        ],
        "tools": [LOOK],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "response_format": {"type": "json_schema", "json_schema": FORMAT},
        "stop": ["a"],
        "reasoning_effort": "low",
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 5,
        "temperature": 0.5,
    },
    "messages": {
        "system": [text("S", cache_control={"type": "ephemeral"})],
        "messages": [USER, used("x"), results("x", after=(PICTURE, text("go")))],
        "tools": [FOUND],
        "tool_choice": {"type": "tool", "name": "look", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": CLOSED}},
        "metadata": {"user_id": "u"},
        "stop_sequences": ["a"],
        "max_tokens": 9,
    },
    "responses": {
        "instructions": "S",
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "Hi"}, {"type": "input_image", "image_url": PNG}],
            },
            {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "x"},
            {"type": "function_call", "call_id": "x", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "x", "output": "ok"},
        ],
        "tools": [FUNCTION],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "look"}]},
        "text": {"format": FORMAT, "verbosity": "low"},
        "reasoning": {"effort": "low"},
        "include": ["reasoning.encrypted_content"],
    },
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "x", "\ud800", "auto", "type", "data:;base64,%"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "text", "role", "name", "content", "function", "id"]), inner, max_size=3
        )
    ),
    max_leaves=4,
)


def _places(value: Any) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in items for place in [(value, key), *_places(one)]]


def _broken(data: st.DataObject, body: Body) -> Body:
    """Put anything in the place of one or two fields."""
    body = copy.deepcopy(body)
    for _ in range(data.draw(st.integers(1, 2))):
        if not (places := _places(body)):
            break
        owner, key = data.draw(st.sampled_from(places))
        owner[key] = data.draw(ANYTHING)
    return body


@pytest.mark.parametrize("wire", CLIENTS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_no_request_crashes(wire: ApiFormat, data: st.DataObject) -> None:
    """Whatever stands in a field, a request is translated or refused in words."""
    body = _broken(data, BODIES[wire])
    try:
        asked = read_request(wire, body)
    except Untranslatable:
        return
    for to in UPSTREAM:
        with suppress(Untranslatable):
            json.dumps(write_request(asked, to, model="m", max_tokens=9).body)
    for client in CLIENTS:
        assert stream_to(client, events_in("chat", [stream_of("chat", SAID["text"])]), asked)
    with suppress(Untranslatable):
        plain_turns(asked, why="x")


@pytest.mark.parametrize("wire", UPSTREAM)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_no_reply_crashes(wire: ApiFormat, data: st.DataObject) -> None:
    """Whatever a provider sends, it is a reply for every client, or none."""
    body = _broken(data, whole_of(wire, RICH))
    try:
        replied = read_reply(wire, body)
    except Odd:
        return
    for to in CLIENTS:
        asked = read_request(to, ASKED[to])
        with suppress(Odd):
            json.dumps(write_reply(replied, to, written=None, asked=asked))


@pytest.mark.parametrize("wire", UPSTREAM)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_no_stream_crashes(wire: ApiFormat, data: st.DataObject) -> None:
    """Whatever an event has in it, a stream ends once, well or badly, for every client."""
    frames = stream_of(wire, RICH).split(b"\n\n")[:-1]
    index = data.draw(st.integers(0, len(frames) - 2))
    head, _, told = frames[index].rpartition(b"data: ")
    if told.startswith(b"{"):
        frames[index] = head + b"data: " + json.dumps(_broken(data, json.loads(told))).encode()
    events = events_in(wire, [frame + b"\n\n" for frame in frames])
    assert [type(event).__name__ in ("ReplyEnded", "ReplyFailed") for event in events] == [False] * (
        len(events) - 1
    ) + [True]
    for to in CLIENTS:
        assert stream_to(to, events, read_request(to, ASKED[to]))
    if type(events[-1]).__name__ == "ReplyEnded":
        assert fold_events(events)
