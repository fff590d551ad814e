"""Bodies of which any field may be odd: values with their paths, tokens, and replies that are completed or refused."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routerctl import notices
from routerctl.costs import MOST_FRAME_TOKENS, request_bytes
from routerctl.providers.reading import MOST_TOKENS, Far, Odd, Once, body_of, checked, completed, counted, whole_text
from routerctl.types import Message, Prompt, Reply, ReplySpec, Request, StopReason, Usage

REQUEST = Request(
    model="m", prompt=Prompt(system="", messages=(Message(role="user", content="Grüß dich?"),)), reply=ReplySpec()
)
REPLY = Reply(text="hé", stop_reason=StopReason.END, served_model="m", usage=Usage(), latency_s=0.5)
ASKED = request_bytes(REQUEST) + MOST_FRAME_TOKENS
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [{"b": 1}]}, "a[0].b: expected str, got int"),
        ({"a": [{}]}, "a[0].b: expected str, got nothing"),
        ({"a": {}}, "a[0].b: expected str, got nothing"),
        ([], "a[0].b: expected str, got nothing"),
    ],
)
def test_an_odd_field_is_named(value: Any, words: str) -> None:
    """With its path, what was expected and what is there."""
    with pytest.raises(Odd, match=re.escape(words)):
        Far(value)["a"][0]["b"].text()


@given(JSON)
def test_reading_any_value_ends_as_a_value_or_as_odd(value: Any) -> None:
    """No other exception, whatever stands there."""
    for read in (Far.text, Far.items, Far.mapping, Far.count, Far.name):
        try:
            read(Far(value)["a"])
            read(Far(value)[0])
            read(Far(value))
        except Odd:
            pass


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b"9" * 5000, b'{"a": 1', b"data: {}"])
def test_what_is_no_json_is_odd(content: bytes) -> None:
    """Also what is nested beyond reading, or a number beyond it."""
    with pytest.raises(Odd, match="not JSON"):
        body_of(content)


@given(st.text(alphabet=st.characters(), max_size=20))
def test_a_whole_text_can_be_written_down(text: str) -> None:
    """Halves of characters are replaced, everything else stays."""
    whole = whole_text(text)
    whole.encode()
    assert whole == text or any("\ud800" <= char <= "\udfff" for char in text)


# --- tokens -----------------------------------------------------------------------------------------------------------


def _counted(usage: Any, *, beside: bool = False) -> tuple[Usage, str]:
    far = Far(usage, "usage")
    return counted(
        far, total=far["input"], output=far["output"], read=far["read"], written=far["written"], beside=beside
    )


def test_tokens_that_were_told_are_taken() -> None:
    """Cached ones are in the whole, or beside it; a whole number may be written as a float."""
    told = {"input": 10, "output": 2.0, "read": 3, "written": None}
    assert _counted(told) == (Usage(input_tokens=10, output_tokens=2, cache_read_tokens=3), "")
    assert _counted(told, beside=True)[0] == Usage(input_tokens=13, output_tokens=2, cache_read_tokens=3)


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (None, "usage: expected dict, got nothing"),
        ([1], "usage: expected dict, got list"),
        ({"output": 2}, "usage.input: expected int, got nothing"),
        ({"input": "10", "output": 2}, "usage.input: expected int, got str"),
        ({"input": True, "output": 2}, "usage.input: expected int, got bool"),
        ({"input": 1.5, "output": 2}, "usage.input: expected int, got float"),
        ({"input": float("nan"), "output": 2}, "usage.input: expected int, got float"),
        ({"input": float("inf"), "output": 2}, "usage.input: expected int, got float"),
        ({"input": -1, "output": 2}, "usage.input: expected a number of tokens, got one below 0"),
        ({"input": 10**400, "output": 2}, "usage.input: expected a number of tokens, got one too great"),
        ({"input": MOST_TOKENS, "output": {}}, "usage.output: expected int, got dict"),
        ({"input": 10, "output": 2, "read": "3"}, "usage.read: expected int, got str"),
        ({"input": 10, "output": 2, "read": 8, "written": 3}, "usage.input: 11 cached tokens of 10"),
    ],
)
def test_tokens_that_cannot_be_are_named(usage: Any, words: str) -> None:
    """What is odd is left out, so that nothing impossible is priced, and the rest is an estimate."""
    found, odd = _counted(usage)
    assert odd.split("; ")[0] == words
    assert found.estimated
    assert found.cache_read_tokens + found.cache_write_tokens <= found.input_tokens


@pytest.mark.parametrize(
    ("usage", "stop", "thought", "tokens"),
    [
        (Usage(estimated=True), StopReason.END, False, (ASKED, 3)),
        (Usage(), StopReason.END, False, (ASKED, 3)),
        (Usage(input_tokens=7, estimated=True), StopReason.END, False, (7, 3)),
        (Usage(output_tokens=9, estimated=True), StopReason.END, False, (ASKED, 9)),
        (Usage(estimated=True), StopReason.MAX_TOKENS, False, (ASKED, 1024)),
        (Usage(estimated=True), StopReason.END, True, (ASKED, 1024)),
    ],
)
def test_tokens_that_nobody_counted_are_estimated(
    usage: Usage, stop: StopReason, thought: bool, tokens: tuple[int, int]
) -> None:
    """At the most that they can be, as budgets reserve them: a byte a token; a text's tokens are never 0."""
    found = completed(replace(REPLY, usage=usage, stop_reason=stop), REQUEST, thought=thought).usage
    assert (found.input_tokens, found.output_tokens, found.estimated) == (*tokens, True)


def test_tokens_that_were_counted_stay() -> None:
    """Also none for a reply without text."""
    usage = Usage(input_tokens=7, output_tokens=9)
    assert completed(replace(REPLY, usage=usage), REQUEST, thought=True).usage == usage
    empty = replace(REPLY, text="", usage=Usage(input_tokens=7))
    assert completed(empty, REQUEST, thought=False) == empty


def test_what_is_lacking_is_said_once_of_a_model() -> None:
    """A person hears it, not once a reply."""
    heard: list[str] = []
    before = notices.take(lambda text, _level: heard.append(text))
    try:
        once = Once("p")
        for model in ("m", "m", "n"):
            once.say_of(replace(REPLY, usage=Usage(estimated=True), served_model=""), model, "usage: gone")
    finally:
        notices.take(before)
    assert len(heard) == 4
    assert "m's replies (usage: gone)" in heard[0]
    assert "does not say which model served m" in heard[1]


# --- replies of anybody's provider ------------------------------------------------------------------------------------


def _odd(**fields: Any) -> Reply:
    return replace(REPLY, **fields)


_NO_COUNT: Any = replace(Usage(), input_tokens=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "reply",
    [
        None,
        "text",
        _odd(text=None),
        _odd(served_model=None),
        _odd(detail=7),
        _odd(usage=None),
        _odd(usage=Usage(input_tokens=-1)),
        _odd(usage=_NO_COUNT),
        _odd(usage=Usage(input_tokens=1, cache_read_tokens=2)),
        _odd(latency_s=float("nan")),
        _odd(latency_s=-1.0),
        _odd(latency_s="1"),
        _odd(stop_reason="end"),
    ],
    ids=repr,
)
def test_a_reply_that_cannot_be_priced_or_written_is_odd(reply: Any) -> None:
    """A provider may be anybody's code."""
    with pytest.raises(Odd):
        checked(reply)


def test_a_good_reply_is_as_it_was() -> None:
    """But for halves of characters."""
    assert checked(REPLY) == REPLY
    assert checked(replace(REPLY, text="a\ud800b")).text == "a\ufffdb"
