"""Aliases and the ids that pin them."""

from typing import get_args

import openai
import pytest
from anthropic.types.model_param import ModelParam

from routerctl.providers.pins import alias_problem, known_ids


@pytest.mark.parametrize(
    ("model", "kind", "pin"),
    [
        ("claude-haiku-5-5", "anthropic", None),  # from 4.6 on the short id is the snapshot
        ("claude-sonnet-4-6", "anthropic", None),
        ("claude-haiku-4-5", "anthropic", "claude-haiku-4-5-20251001"),
        ("claude-haiku-4-5-20251001", "anthropic", None),
        ("claude-opus-4-5", "anthropic", "claude-opus-4-5-20251101"),
        ("claude-opus-5-latest", "anthropic", "claude-opus-5"),
        ("claude-haiku-4-5-latest", "anthropic", "claude-haiku-4-5-20251001"),
        ("gpt-4o", "openai", "gpt-4o-2024-11-20"),  # the latest of three
        ("gpt-4o-2024-08-06", "openai", None),
        ("gpt-4o-mini", "openai", "gpt-4o-mini-2024-07-18"),
        ("gpt-5.4", "openai", None),  # its only dated relatives are of gpt-5.4-mini and -nano
        ("gpt-6-luna", "openai", None),  # no dated id is known
        ("gpt-4-0613", "openai", None),
        ("qwen2.5-7b", "openai", None),
        ("anything", "local", None),
        ("claude-haiku-4-5", "acme", None),
    ],
)
def test_an_alias_has_a_pin(model: str, kind: str, pin: str | None) -> None:
    """An id is called an alias only where the pinned one is known."""
    assert alias_problem(model, kind) == pin


def test_pins_read_the_sdks_types() -> None:
    """The ids read without importing the SDKs are those of their types."""
    assert known_ids("anthropic") == set(get_args(get_args(ModelParam)[0]))
    assert known_ids("openai") == set(get_args(openai.types.ChatModel))
