"""Any conversation, in any client's words, becomes a request that the other API takes and that has every word of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.service.translate import UpstreamRequest, read_request, write_request
from routerctl.testing.emulator.checks import chat as chat_checks
from routerctl.testing.emulator.checks import messages as messages_checks
from routerctl.testing.emulator.checks import responses as responses_checks

Body = dict[str, Any]
PNG = "iVBORw0KGgo="
NAMES = ("look", "files.read", "mcp__" + "server__" * 10 + "get")  # the last two no vendor takes, or not each
IDS = ("call_{}", "functions.look:{}", "toolu_" + "x" * 70 + "_{}")
COMPLAINTS = {
    "chat": chat_checks.complaint,
    "messages": messages_checks.complaint,
    "responses": responses_checks.complaint,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that is said: by the system, the user, or the model with what its tools gave."""

    who: str
    texts: tuple[str, ...] = ()
    image: bool = False
    thinking: str = ""
    calls: tuple[Body, ...] = ()  # name, id, words of its argument and of its result, error, image


@dataclass(slots=True)
class Words:
    """Words of which no two are the same."""

    made: Iterator[int] = field(default_factory=count)

    def new(self, kind: str) -> str:
        return f"{kind}{next(self.made)}é."


@st.composite
def conversations(draw: st.DrawFn) -> list[Step]:
    """Draw steps, the last of which is not the model's."""
    words, steps = Words(), list[Step]()
    for who in draw(st.lists(st.sampled_from(("user", "user", "model", "system")), max_size=6)):
        steps.append(_step(draw, who, words))
    if steps and steps[0].who == "model":
        steps.insert(0, _step(draw, "user", words))
    return [*steps, _step(draw, "user", words)]


def _step(draw: st.DrawFn, who: str, words: Words) -> Step:
    texts = tuple(words.new(who) for _ in range(draw(st.integers(1, 2))))
    if who == "user":
        return Step(who=who, texts=texts, image=draw(st.booleans()))
    if who == "system":
        return Step(who=who, texts=texts)
    calls = tuple(_call(draw, words) for _ in range(draw(st.integers(0, 3))))
    spoken = draw(st.sampled_from((texts, (), ("",)))) if calls else texts
    return Step(who=who, texts=spoken, thinking=words.new("thinking") if draw(st.booleans()) else "", calls=calls)


def _call(draw: st.DrawFn, words: Words) -> Body:
    return {
        "name": draw(st.sampled_from(NAMES)),
        "id": draw(st.sampled_from(IDS)).format(next(words.made)),
        "argument": words.new("argument"),
        "result": words.new("result"),
        "error": draw(st.booleans()),
        "image": draw(st.booleans()),
    }


# --- the same conversation in three wires' words ----------------------------------------------------------------------


def as_chat(steps: Sequence[Step]) -> Body:
    """Write it as an OpenAI chat: errors and pictures of tools have no form there."""
    turns: list[Body] = []
    for step in steps:
        texts: list[Body] = [{"type": "text", "text": text} for text in step.texts]
        if step.who == "user":
            url = f"data:image/png;base64,{PNG}"
            picture = [{"type": "image_url", "image_url": {"url": url}}] if step.image else []
            turns.append({"role": "user", "content": texts + picture})
        elif step.who == "system":
            turns.append({"role": "developer", "content": texts})
        else:
            calls = [
                {
                    "id": call["id"],
                    "type": "function",
                    "function": {
                        "name": call["name"],
                        "arguments": json.dumps({"q": call["argument"]}, ensure_ascii=False),
                    },
                }
                for call in step.calls
            ]
            said = "".join(step.texts) if step.texts else None
            turns.append({"role": "assistant", "content": said} | ({"tool_calls": calls} if calls else {}))
            turns += [{"role": "tool", "tool_call_id": call["id"], "content": call["result"]} for call in step.calls]
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in NAMES]
    return {"model": "asked", "messages": turns, "tools": tools}


def as_messages(steps: Sequence[Step]) -> Body:
    """Write it as an Anthropic client does: one system prompt, alternating turns."""
    system: list[Body] = []
    rows: list[tuple[str, list[Body]]] = []

    def add(role: str, blocks: list[Body]) -> None:
        if rows and rows[-1][0] == role:
            rows[-1][1].extend(blocks)
        else:
            rows.append((role, blocks))

    for step in steps:
        texts: list[Body] = [{"type": "text", "text": text} for text in step.texts if text]
        if step.who == "system":
            system += texts
        elif step.who == "user":
            add("user", texts + ([_picture()] if step.image else []))
        else:
            signed = {"type": "thinking", "thinking": step.thinking, "signature": "c2ln"}
            calls = [
                {"type": "tool_use", "id": call["id"], "name": call["name"], "input": {"q": call["argument"]}}
                for call in step.calls
            ]
            add("assistant", [*([signed] if step.thinking else []), *texts, *calls])
            if step.calls:
                add("user", [_tool_result(call) for call in step.calls])
    turns = [{"role": role, "content": blocks} for role, blocks in rows]
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in NAMES]
    body: Body = {"model": "asked", "max_tokens": 99, "messages": turns, "tools": tools}
    return body | ({"system": system} if system else {})


def _picture() -> Body:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}


def _tool_result(call: Body) -> Body:
    content = [{"type": "text", "text": call["result"]}, *([_picture()] if call["image"] else [])]
    return {"type": "tool_result", "tool_use_id": call["id"], "content": content, "is_error": call["error"]}


def as_responses(steps: Sequence[Step]) -> Body:
    """Write it as items of OpenAI's Responses; the thoughts are another provider's."""
    items: list[Body] = []
    for step in steps:
        texts: list[Body] = [{"type": "input_text", "text": text} for text in step.texts]
        if step.who == "user":
            url = f"data:image/png;base64,{PNG}"
            items.append(
                {
                    "role": "user",
                    "content": texts + ([{"type": "input_image", "image_url": url}] if step.image else []),
                }
            )
        elif step.who == "system":
            items.append({"type": "message", "role": "developer", "content": texts})
        else:
            items += _said(step)
    tools = [{"type": "function", "name": name, "parameters": {"type": "object"}, "strict": False} for name in NAMES]
    return {"model": "asked", "input": items, "tools": tools}


def _said(step: Step) -> list[Body]:
    foreign = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": step.thinking}
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in step.texts if text]
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": parts}
    calls = [
        {
            "type": "function_call",
            "call_id": call["id"],
            "name": call["name"],
            "arguments": json.dumps({"q": call["argument"]}, ensure_ascii=False),
        }
        for call in step.calls
    ]
    results = [{"type": "function_call_output", "call_id": call["id"], "output": call["result"]} for call in step.calls]
    return [*([foreign] if step.thinking else []), *([message] if parts else []), *calls, *results]


WAYS: Mapping[tuple[str, str], Callable[[Sequence[Step]], Body]] = {
    ("chat", "messages"): as_chat,
    ("messages", "chat"): as_messages,
    ("responses", "chat"): as_responses,
    ("responses", "messages"): as_responses,
}


def _written(steps: Sequence[Step], wire: Any, to: Any) -> UpstreamRequest:
    asked = read_request(wire, WAYS[wire, to](steps))
    return write_request(asked, to, model="served", max_tokens=50)


def _expected(steps: Sequence[Step]) -> list[str]:
    """Give the words in the order in which every wire has them: a turn's results before what the user says next."""
    found: list[str] = []
    for step in steps:
        if step.who != "system":
            found += [text for text in step.texts if text]
            found += [call["argument"] for call in step.calls] + [call["result"] for call in step.calls]
    return found


@pytest.mark.parametrize(("wire", "to"), WAYS)
@given(steps=conversations())
@settings(max_examples=40, deadline=None)
def test_the_other_api_takes_what_is_written(wire: str, to: str, steps: list[Step]) -> None:
    """Whatever order, names and ids a conversation has, the target's own checks find nothing wrong with it."""
    assert COMPLAINTS[to](_written(steps, wire, to).body, "served") is None


@pytest.mark.parametrize(("wire", "to"), WAYS)
@given(steps=conversations())
@settings(max_examples=40, deadline=None)
def test_every_word_arrives_in_order(wire: str, to: str, steps: list[Step]) -> None:
    """No text, argument or result is lost or changes its place; no thought becomes text, each is named instead."""
    written = _written(steps, wire, to)
    text = json.dumps(written.body["messages"], ensure_ascii=False)
    places = [text.find(word) for word in _expected(steps)]
    assert -1 not in places
    assert places == sorted(places)
    whole = json.dumps(written.body, ensure_ascii=False)
    assert all(word in whole for step in steps if step.who == "system" for word in step.texts)
    thoughts = [step.thinking for step in steps if step.thinking and wire != "chat"]
    assert not any(thought in whole for thought in thoughts)
    assert len([name for name in written.dropped if not name.endswith("(its place)")]) == len(thoughts)


@pytest.mark.parametrize(("wire", "to"), WAYS)
@given(steps=conversations())
@settings(max_examples=20, deadline=None)
def test_every_picture_and_every_call_arrives(wire: str, to: str, steps: list[Step]) -> None:
    """Pictures of the user's and of tools are all there; calls have the client's names once they are mapped back."""
    written = _written(steps, wire, to)
    pictures = sum(step.image for step in steps)
    if wire == "messages":
        pictures += sum(call["image"] for step in steps for call in step.calls)
    assert json.dumps(written.body).count(PNG) == pictures
    names = [call["name"] for step in steps for call in step.calls]
    assert [written.names.get(name, name) for name in _called(written.body)] == names


def _called(body: Body) -> list[str]:
    found: list[str] = []
    for turn in body["messages"]:
        found += [call["function"]["name"] for call in turn.get("tool_calls", ())]
        content = turn["content"] if isinstance(turn["content"], list) else []
        found += [block["name"] for block in content if block["type"] == "tool_use"]
    return found


@given(steps=conversations())
@settings(max_examples=40, deadline=None)
def test_errors_of_tools_stay_errors_on_the_way_back(steps: list[Step]) -> None:
    """What a tool's error became for OpenAI's wire is an error again where it is carried back to Anthropic's."""
    there = _written([replace(step, thinking="") for step in steps], "messages", "chat").body
    back = write_request(read_request("chat", there), "messages", model="served", max_tokens=50).body
    told = [
        bool(block.get("is_error"))
        for turn in back["messages"]
        for block in turn["content"]
        if isinstance(block, dict) and block["type"] == "tool_result"
    ]
    assert told == [call["error"] for step in steps for call in step.calls]
