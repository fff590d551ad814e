"""A reply that is none is never an answer: the next rung is asked, or it is said on stderr and in the exit code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from routerctl.testing.emulator import REFUSAL, REFUSED_IN_WORDS, TRUNCATED, Fault
from tests.conftest import SECRET, Far, Project

ENV = {"TEST_KEY": SECRET}


def _message(content: Any, stop: str = "end_turn", **more: Any) -> bytes:
    usage = {"input_tokens": 100, "output_tokens": 10}
    whole = {"id": "m", "type": "message", "role": "assistant", "model": "model-small", "content": content}
    return json.dumps({**whole, "stop_reason": stop, "stop_sequence": None, "usage": usage, **more}).encode()


def _completion(content: Any, stop: str = "stop", **message: Any) -> bytes:
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    choice = {"index": 0, "finish_reason": stop, "message": {"role": "assistant", "content": content, **message}}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "model-small", "choices": [choice]}
    return json.dumps({**whole, "usage": usage}).encode()


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


_TOOL = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
_CALL = {"id": "t", "type": "function", "function": {"name": "look", "arguments": "{}"}}
EMPTY: dict[str, dict[str, bytes]] = {
    "anthropic": {
        "no content": _message([]),
        "no text": _message(_text("")),
        "blanks": _message(_text(" \n\t")),
        "no width": _message(_text("\u200b\ufeff\u2060")),
        "thinking alone": _message([{"type": "thinking", "thinking": "hm", "signature": "x"}]),
        "thinking in the text": _message(_text("<think>so it must be 42</think>\n")),
        "thinking without end": _message(_text("<think>so it must be"), "max_tokens"),
        "a tool alone": _message([_TOOL], "tool_use"),
        "cut off before the first word": _message([], "max_tokens"),
        "refused without a word": _message([], "refusal", stop_details={"type": "refusal", "category": "cyber"}),
    },
    "openai": {
        "null": _completion(None),
        "no text": _completion(""),
        "blanks": _completion(" \r\n"),
        "no width": _completion("\u200d\u2062"),
        "thinking alone": _completion(None, reasoning_content="hm"),
        "thinking in the text": _completion("<think>\nso it must be 42\n</think>"),
        "thinking without end": _completion("<think>so", "length"),
        "a tool alone": _completion(None, "tool_calls", tool_calls=[_CALL]),
        "cut off before the first word": _completion("", "length"),
        "filtered without a word": _completion(None, "content_filter"),
    },
}
CASES = [(wire, name) for wire, kinds in EMPTY.items() for name in kinds]


@pytest.fixture
def ladder(vendors: Project, far: Far, in_process: None, key: str) -> Callable[[str], Project]:
    """Make a table whose first rung stands on a wire, its second on the other."""

    def made(first: str) -> Project:
        other = {"anthropic": "openai", "openai": "anthropic"}[first]
        for name, provider in (("small", first), ("large", other)):
            vendors.config["candidates"][name]["provider"] = provider
        for price, provider in zip(vendors.config["prices"], (first, other), strict=True):
            price["provider"] = provider
        vendors.save()
        assert vendors.run("eval").code == vendors.run("build-table").code == 0
        return vendors

    return made


def _hops(project: Project) -> list[list[str]]:
    with sqlite3.connect(project.root / ".routerctl/decisions.sqlite") as database:
        rows = database.execute("SELECT hops FROM decisions ORDER BY number").fetchall()
    database.close()
    return [[hop["outcome"] for hop in json.loads(hops)] for (hops,) in rows]


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
def test_an_empty_reply_is_followed_by_the_next_rung(wire: str, ladder: Callable[[str], Project], far: Far) -> None:
    """Whatever it is empty of, nobody gets a blank line: it is a hop with its cost, and the next rung answers."""
    project = ladder(wire)
    for name, body in EMPTY[wire].items():
        far.emulator.play(Fault(body=body))
        done = project.run("route", "--json", stdin=b"hello")
        told = json.loads(done.out)
        assert (done.code, told["answer"]) == (0, "I am model-large."), name
        assert [hop["outcome"] for hop in told["hops"]] == ["no answer", "served"], name
        assert told["hops"][0]["cost_usd"] == "0.00012", name
        assert f"after small at {wire} gave no answer" in done.err, name
    assert _hops(project) == [["no answer", "served"]] * len(EMPTY[wire])


@pytest.mark.parametrize(("wire", "name"), CASES)
def test_an_empty_reply_of_the_last_rung_is_no_answer(
    wire: str, name: str, ladder: Callable[[str], Project], far: Far
) -> None:
    """Exit 4, nothing on stdout, and the reason says that nothing stood in the reply and how it ended."""
    other = {"anthropic": "openai", "openai": "anthropic"}[wire]
    project = ladder(other)
    far.emulator.play(Fault(400), Fault(body=EMPTY[wire][name]))
    done = project.run("route", stdin=b"hello")
    assert (done.code, done.out) == (4, "")
    assert "large: replied with nothing (it ended with: " in done.err


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
def test_half_an_answer_is_followed_by_the_next_rung(wire: str, ladder: Callable[[str], Project], far: Far) -> None:
    """No threshold is set: what was cut off is not served where somebody else gives a whole answer."""
    project = ladder(wire)
    far.emulator.play(TRUNCATED)
    done = project.run("route", stdin=b"hello")
    assert (done.code, done.out) == (0, "I am model-large.\n")
    assert f"after small at {wire} was not confident" in done.err


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
def test_where_nobody_gives_a_whole_answer_half_of_one_is_told(
    wire: str, ladder: Callable[[str], Project], far: Far
) -> None:
    """It is delivered, with an alarm and exit code 4; a threshold of 0 says that half an answer will do."""
    project = ladder(wire)
    far.emulator.play(*[TRUNCATED] * 4)
    done = project.run("route", "--lines", stdin=b"hello\nagain\n")
    assert done.code == 4
    assert [line.startswith("I am model-") for line in done.out.splitlines()] == [True, True]
    assert "ALARM: the reply was cut off (max_tokens)" in done.err
    assert done.last == "routerctl: 2 of 2 prompts could not be served or not to the end"
    project.config["routing"] = {"thresholds": {"sums": {"complete": 0}}}
    project.save()
    assert project.run("build-table").code == 0
    far.emulator.play(TRUNCATED)
    done = project.run("route", stdin=b"hello")
    assert (done.code, done.out, "ALARM" in done.err) == (0, "I am model-small.\n", False)


def test_a_label_that_was_cut_off_after_its_end_is_an_answer(
    ladder: Callable[[str], Project], far: Far, vendors: Project
) -> None:
    """`max_tokens: 4` cuts off what a model says after the label: what was asked for stands there."""
    vendors.eval_set("sums", 60, scorer={"name": "choice", "choices": ["alpha", "beta"]})
    cases = [{"id": f"c{k}", "input": f"{k}", "expected": "alpha"} for k in range(60)]
    vendors.eval_set("sums", 0, scorer={"name": "choice", "choices": ["alpha", "beta"]}, cases=cases)
    far.answer = lambda _body: "alpha"
    project = ladder("anthropic")
    far.emulator.play(TRUNCATED)
    done = project.run("route", stdin=b"hello")
    assert (done.code, done.out, "ALARM" in done.err) == (0, "alpha\n", False)
    far.answer = lambda _body: "Well, let me"
    far.emulator.play(TRUNCATED, TRUNCATED)
    assert project.run("route", stdin=b"hello").code == 4


def test_a_refusal_is_named_without_a_threshold(ladder: Callable[[str], Project], far: Far) -> None:
    """By the provider's own sign with no text it is no answer; in words it is one, and the reason line says it."""
    project = ladder("openai")
    far.emulator.play(REFUSED_IN_WORDS)
    done = project.run("route", "--json", stdin=b"hello")
    assert json.loads(done.out)["refused"] is True
    assert "-> small, which refused, " in done.err
    far.answer = lambda _body: "I'm sorry, but I can't help with that."
    done = project.run("route", stdin=b"hello")
    assert (done.code, "-> small, which refused, " in done.err) == (0, True)
    far.answer = lambda _body: "fine"
    far.emulator.play(REFUSAL)
    done = project.run("route", stdin=b"hello")
    assert (done.out, "after small at openai gave no answer" in done.err) == ("fine\n", True)


def test_a_key_that_is_not_set_is_the_users_to_set(
    ladder: Callable[[str], Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 where no rung could be asked for that; nobody was called, and each line says which variable it is."""
    project = ladder("anthropic")
    monkeypatch.delenv("TEST_KEY")
    done = project.run("route", "--lines", stdin=b"hello\nagain\n")
    assert (done.code, done.out) == (2, "\n\n")
    assert done.err.count("large: openai: set the environment variable TEST_KEY to its API key") == 2
