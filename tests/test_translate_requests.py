from __future__ import annotations

import json
from typing import Any

import pytest

from routerctl.service.translate import Untranslatable, plain_turns, read_request, write_request
from routerctl.service.translate.signed_thinking import pack_thinking
from routerctl.testing.emulator.said import signature_of
from routerctl.types import ApiFormat
from tests.asked import CLOSED, FOUND, LOOK, PNG, USER, calls, given, result, translated, used

EVERY_LEVEL = {1024: "minimal", 4096: "low", 10_000: "medium", 24_000: "high", 48_000: "xhigh", 100_000: "max"}


@pytest.mark.parametrize("budget", EVERY_LEVEL)
def test_budgets_are_levels(budget: int) -> None:
    """Every level has budgets of its own."""
    thinking = {"thinking": {"type": "enabled", "budget_tokens": budget}}
    assert translated("messages", thinking, "chat").body["reasoning_effort"] == EVERY_LEVEL[budget]


@pytest.mark.parametrize(
    ("level", "effort"), [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("max", "max")]
)
def test_levels_go_by_name(level: str, effort: str) -> None:
    """Anthropic's effort is OpenAI's level of that name; it has none below low."""
    assert translated("chat", {"reasoning_effort": level}, "messages").body["output_config"] == {"effort": effort}


def test_sampling_that_an_older_model_takes() -> None:
    """One of temperature and top_p, and no temperature above 1, which is the most and the default."""
    accepts = {"accepts": ("temperature", "top_p")}
    both = translated("chat", {"temperature": 0.5, "top_p": 0.9}, "messages", **accepts)
    assert (both.body["temperature"], "top_p" in both.body, both.dropped) == (0.5, False, ("top_p",))
    hot = translated("chat", {"temperature": 1.5, "top_p": 0.9}, "messages", **accepts)
    assert ("temperature" in hot.body, hot.body["top_p"], hot.dropped) == (False, 0.9, ("temperature",))


def test_system_messages_where_a_model_takes_them_in_place() -> None:
    """They stay where they are, but for one between calls and their results, which comes after those."""
    late = {"role": "system", "content": "B"}
    body = {"messages": [USER, calls("x"), late, result("x"), USER, late], "tools": [LOOK]}
    written = translated("chat", body, "messages", accepts=("system_messages",))
    assert [turn["role"] for turn in written.body["messages"]] == [
        "user",
        "assistant",
        "user",
        "system",
        "user",
        "system",
    ]
    assert written.dropped == ()


def test_no_more_marks_than_anthropic_takes() -> None:
    """Of many breakpoints the last four are kept: they are those of the longest prefixes."""
    parts = [{"type": "text", "text": str(n), "prompt_cache_breakpoint": {"mode": "explicit"}} for n in range(6)]
    written = translated("chat", {"messages": [{"role": "user", "content": parts}]}, "messages")
    assert ["cache_control" in block for block in written.body["messages"][0]["content"]] == [False] * 2 + [True] * 4


LONG = "mcp__a_server_with_a_long_name__a_tool_whose_name_says_what_it_does_and_for_whom"


@pytest.mark.parametrize(
    ("wire", "to", "name"),
    [("messages", "chat", LONG), ("chat", "messages", "files.read"), ("chat", "messages", "x" * 130)],
)
def test_names_of_tools_are_shortened_the_same_way_everywhere(wire: ApiFormat, to: ApiFormat, name: str) -> None:
    """A tool has one short name in the list, the choice and the history, and `names` leads back."""
    if wire == "messages":
        use = used("x") | {"content": [used("x")["content"][0] | {"name": name}]}
        body: dict[str, Any] = {
            "messages": [USER, use, given("x")],
            "tools": [FOUND | {"name": name}],
            "tool_choice": {"type": "tool", "name": name},
        }
    else:
        call = {"id": "x", "type": "function", "function": {"name": name, "arguments": ""}}
        function = {"type": "function", "function": {"name": name}}
        body = {
            "messages": [USER, {"role": "assistant", "tool_calls": [call]}, result("x")],
            "tools": [function],
            "tool_choice": function,
        }
    written = translated(wire, body, to)
    ((short, found),) = written.names.items()
    assert found == name
    assert json.dumps(written.body).count(json.dumps(short)) == 3
    assert name not in json.dumps(written.body)
    assert translated(wire, body, to) == written


def test_ids_of_calls_come_back_as_they_were() -> None:
    """An id that Anthropic would refuse is coded for its clients, and their next turn brings the provider its own."""
    coded = translated(
        "chat", {"messages": [USER, calls("functions.look:0"), result("functions.look:0")], "tools": [LOOK]}, "messages"
    )
    made = coded.body["messages"][1]["content"][0]["id"]
    assert made == coded.body["messages"][2]["content"][0]["tool_use_id"]
    back = translated("messages", {"messages": [USER, used(made), given(made)], "tools": [FOUND]}, "chat")
    assert back.body["messages"][1]["tool_calls"][0]["id"] == "functions.look:0"
    assert back.body["messages"][2]["tool_call_id"] == "functions.look:0"
    long = translated("messages", {"messages": [USER, used("t" * 99), given("t" * 99)], "tools": [FOUND]}, "chat")
    assert len(long.body["messages"][2]["tool_call_id"]) <= 64
    assert long.body["messages"][2]["tool_call_id"] == long.body["messages"][1]["tool_calls"][0]["id"]


def test_its_own_thought_goes_back_to_anthropic() -> None:
    """What we sealed into a reasoning item is a signed thought again, before the call that it led to."""
    signed = signature_of("m", "Hm")
    items = [
        {"role": "user", "content": "Hi"},
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [],
            "encrypted_content": pack_thinking(text="Hm", signature=signed, data="", model="m"),
        },
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAA-foreign"},
        {"type": "function_call", "call_id": "x", "name": "look", "arguments": '{"a":"b"}'},
        {
            "type": "function_call_output",
            "call_id": "x",
            "output": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": PNG, "detail": "auto"},
            ],
        },
    ]
    tools = [{"type": "function", "name": "look", "parameters": CLOSED, "strict": True}]
    written = translated("responses", {"input": items, "tools": tools}, "messages")
    thought, call = written.body["messages"][1]["content"]
    assert thought == {"type": "thinking", "thinking": "Hm", "signature": signed}
    assert call["type"] == "tool_use"
    assert [block["type"] for block in written.body["messages"][2]["content"][0]["content"]] == ["text", "image"]
    assert written.dropped == ("input[2]",)
    other = write_request(
        read_request("responses", {"input": items, "tools": tools}), "messages", model="other", max_tokens=9
    )
    assert other.dropped == ("input[2]", "input[1]")
    assert translated("responses", {"input": items, "tools": tools}, "chat").dropped == ("input[2]", "input[1]")


@pytest.mark.parametrize("url", ["data:image/jpg;base64,AAAA", "DATA:Image/JPEG;Base64,AAAA"])
def test_a_picture_has_the_registered_name_of_its_type(url: str) -> None:
    """Anthropic takes no `image/jpg`, which many write; letters are of either case."""
    turn = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    (block,) = translated("chat", {"messages": [turn]}, "messages").body["messages"][0]["content"]
    assert block["source"] == {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}


def test_what_lies_at_openai_is_named_alone() -> None:
    """`store` asks for nothing that the reply shows: it is dropped by name."""
    assert translated("responses", {"store": True, "metadata": {"a": "b"}}, "chat").dropped == ("store", "metadata")


def test_deep_nesting_is_a_clear_error() -> None:
    """A schema without end of depth is a bad request and no crash."""
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"type": "object", "properties": {"a": deep}}
    asked = read_request(
        "chat", {"messages": [USER], "response_format": {"type": "json_schema", "json_schema": {"schema": deep}}}
    )
    with pytest.raises(Untranslatable, match="nested"):
        write_request(asked, "messages", model="m", max_tokens=1)


def test_plain_turns() -> None:
    """A conversation of text alone is its system text and its turns, from every wire."""
    talk = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}, {"role": "user", "content": "C"}]
    want = ("S", [("user", "A"), ("assistant", "B"), ("user", "C")])
    assert plain_turns(read_request("chat", {"messages": [{"role": "system", "content": "S"}, *talk]}), why="x") == want
    assert plain_turns(read_request("messages", {"system": "S", "messages": talk}), why="x") == want
    assert plain_turns(read_request("responses", {"instructions": "S", "input": talk}), why="x") == want


@pytest.mark.parametrize(
    "body",
    [
        {"tools": [LOOK]},
        {"n": 2},
        {"response_format": {"type": "json_object"}},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG}}]}]},
        {"messages": [USER, {"role": "assistant", "content": "B"}]},
    ],
)
def test_more_than_plain_turns(body: dict[str, Any]) -> None:
    """What is more than text says for what text alone is needed."""
    with pytest.raises(Untranslatable, match="voting"):
        plain_turns(read_request("chat", {"messages": [USER]} | body), why="voting")
