"""Aliases and the ids that pin them."""

from __future__ import annotations

import re

import pytest

from routerctl.providers.pins import alias_problem, as_pinned, foreign_of, moving_warning, served_of
from routerctl.providers.sdk_lists import model_ids
from routerctl.types import Reply, StopReason, Usage
from tests.conftest import Project

ALIASES = [
    ("claude-haiku-4-5", "anthropic", ["claude-haiku-4-5-20251001"]),
    ("claude-opus-4-5", "anthropic", ["claude-opus-4-5-20251101"]),
    ("claude-opus-5-latest", "anthropic", ["claude-opus-5"]),
    ("claude-haiku-4-5-latest", "anthropic", ["claude-haiku-4-5-20251001"]),
    ("claude-opus-latest", "anthropic", ["claude-opus-5-5"]),  # a family: its newest generation
    ("claude-opus-4-1", "anthropic", []),  # before 4.6 the dated id is the pin, whether it is known here or not
    ("claude-opus-4", "anthropic", []),
    ("claude-3-5-haiku", "anthropic", []),
    ("claude-3-7-sonnet-latest", "anthropic", []),
    ("claude-latest", "anthropic", []),
    ("claude-sonnet", "anthropic", ["claude-sonnet-5-5"]),  # no generation at all
    ("claude", "anthropic", []),
    ("claude-next", "anthropic", []),
    ("claude-sonnet-4-5@latest", "anthropic", ["claude-sonnet-4-5-20250929"]),
    ("claude-opus-5@default", "anthropic", ["claude-opus-5"]),
    ("anthropic/claude-opus-latest", "openai", []),  # a gateway has ids of its own: none is proposed
    ("gemini-flash-latest", "openai", []),
    ("google/gemini-2.5-pro-latest", "openai", []),
    ("mistral-large-latest", "openai", []),
    ("latest", "openai", []),
    ("openrouter/auto", "openai", []),
    ("gpt-4o", "openai", ["gpt-4o-2024-11-20"]),  # the latest of three
    ("gpt-4o-mini", "openai", ["gpt-4o-mini-2024-07-18"]),
    ("gpt-4o-audio-preview", "openai", ["gpt-4o-audio-preview-2025-06-03"]),
    ("gpt-4", "openai", ["gpt-4-0314", "gpt-4-0613"]),  # a day without a year tells no newest
    ("o3", "openai", ["o3-2025-04-16"]),
    ("gpt-5.1-chat-latest", "openai", []),
    ("chatgpt-4o-latest", "openai", []),
    ("llama3:latest", "openai", []),  # a self-hosted server's tag moves, too
    ("mistral/mistral-large-latest", "openai", []),
    ("anything-LATEST", "acme", []),
]


@pytest.mark.parametrize(("model", "kind", "pins"), ALIASES)
def test_an_alias_is_refused_with_pins_that_exist(model: str, kind: str, pins: list[str]) -> None:
    """Any `-latest`, any id that is no snapshot by its vendor's rule; where no pin is known, where to look is said."""
    said = alias_problem(model, kind) or ""
    assert said.startswith(f"{model!r} is an alias that may move")
    assert re.findall("'([^']+)'", said)[1:] == pins
    assert set(pins) <= (model_ids("anthropic") or set()) | (model_ids("openai") or set())
    assert ("GET /v1/models" in said) == (not pins)
    for pin in pins:
        assert alias_problem(pin, kind) is moving_warning(pin, kind) is None


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("claude-haiku-5-5", "anthropic"),  # from 4.6 on the short id is the snapshot
        ("claude-sonnet-4-6", "anthropic"),
        ("claude-haiku-4-5-20251001", "anthropic"),
        ("claude-sonnet-4-5@20250929", "anthropic"),
        ("gpt-4o-2024-08-06", "openai"),
        ("gpt-4-0613", "openai"),
        ("gpt-oss-20b", "openai"),
        ("mistral-large-2512", "openai"),
        ("deepseek-chat-v3-0324", "openai"),
        ("grok-4-0709", "openai"),
        ("command-r-08-2024", "openai"),
        ("qwen-plus-2025-04-28", "openai"),
        ("gemini-2.5-flash", "openai"),  # what is called stable does not change
        ("gemini-2.5-flash-preview-05-20", "openai"),
        ("meta-llama/llama-3.3-70b-instruct", "openai"),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "openai"),
        ("anthropic/claude-opus-5.5", "openai"),
        ("claude-opus-6", "anthropic"),  # a generation to come
        ("my-own-auto-complete", "openai"),
        ("qwen2.5-7b", "openai"),
        ("claude-sonnet-5-5", "openai"),
        ("anything", "local"),
        ("claude-haiku-4-5", "acme"),
    ],
)
def test_a_pin_is_no_alias(model: str, kind: str) -> None:
    """What names one snapshot, or is nobody's we know the rule of, is neither refused nor warned of."""
    assert alias_problem(model, kind) is moving_warning(model, kind) is None


@pytest.mark.parametrize(
    "model",
    [
        *("gpt-6-luna", "gpt-5.4", "openai/gpt-4o", "anthropic/claude-haiku-4.5", "anthropic/claude-sonnet-4-5"),
        *(
            "eu.anthropic.claude-sonnet-4-5",
            "claude-mythos-preview",
            "claude-opus-5-5-turbo",
            "anthropic/claude-sonnet",
        ),
        *("gemini-3-pro-preview", "google/gemini-2.0-flash-exp", "deepseek-chat", "mistralai/mistral-large", "grok-4"),
        *("x-ai/grok-4.1-fast", "command-r-plus", "qwen-max", "qwen/qwen3-max-preview"),
    ],
)
def test_an_id_that_may_move_and_has_no_known_pin_is_warned_of(model: str) -> None:
    """No dated id is known that could stand in its place: it may be used, and the served id is what tells."""
    assert alias_problem(model, "openai") is None
    assert f"{model!r} has no date" in (moving_warning(model, "openai") or "")


@pytest.mark.parametrize("model", ["deepseek-chat", "qwen-max", "kimi-k3-preview"])
def test_other_vendors_names_move_behind_either_api(model: str) -> None:
    """Some serve Anthropic's API: the name is theirs all the same."""
    assert alias_problem(model, "anthropic") is None
    assert "has no date" in (moving_warning(model, "anthropic") or "")
    assert moving_warning(f"{model}-2026-05-01", "anthropic") is None


@pytest.mark.parametrize("served", ["claude-haiku-5-6", "claude-haiku-5-5-20260901", "claude-haiku-5", "", "x/y"])
def test_another_id_is_another_model(served: str) -> None:
    """Nothing but the pin itself is the pin."""
    assert as_pinned("claude-haiku-5-5", served) == served


def test_a_gateways_prefix_says_nothing_an_owners_does() -> None:
    """`vendor/` before one of two ids is where it was asked; before both it is whose weights they are."""
    assert as_pinned("claude-haiku-5-5", "anthropic/claude-haiku-5-5") == "claude-haiku-5-5"
    assert as_pinned("anthropic/claude-haiku-5-5", "claude-haiku-5-5") == "anthropic/claude-haiku-5-5"
    assert as_pinned("meta/llama-3", "acme/llama-3") == "acme/llama-3"


def test_check_and_eval_say_which_ids_may_move(project: Project, in_process: None) -> None:
    """An id without a date is a line of its own, at other places too."""
    far = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "usd_per_hour": 1}
    project.config["providers"] |= {"far": far, "other": far}
    project.config["candidates"]["luna"] = {
        "provider": "far",
        "model": "gpt-6-luna",
        "also": [{"provider": "other", "model": "gpt-6.1-sol"}],
    }
    project.save()
    said = project.run("check").err
    assert "warning: candidates.luna: 'gpt-6-luna' has no date" in said
    assert said.count("'gpt-6.1-sol' has no date") == 1


@pytest.mark.parametrize(
    ("served", "answered", "foreign"),
    [
        (["m"], "m", set()),
        (["m", "n"], "n", {"n"}),
        (["m", ""], None, set()),
        (["", "n"], "n", {"n"}),
        ([""], None, set()),
    ],
)
def test_who_answered_is_not_known_where_a_reply_does_not_say_it(
    served: list[str], answered: str | None, foreign: set[str]
) -> None:
    """Then nobody claims that it was the pin, nor that it was not; another model that is named is told all the same."""
    replies = [
        Reply(text="", stop_reason=StopReason.END, served_model=name, usage=Usage(), latency_s=0.0) for name in served
    ]
    assert served_of("m", replies) == answered
    assert foreign_of("m", replies) == foreign
