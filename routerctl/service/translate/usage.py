"""Tokens between the vendors' conventions: OpenAI counts cached tokens into the input, Anthropic beside it.

`Usage` counts as OpenAI does. What is thought is part of the output everywhere. A count that nobody told is no 0.
"""

from __future__ import annotations

from typing import Any

from routerctl.providers.anthropic_fields import usage_of_message
from routerctl.providers.openai_fields import usage_of_completion
from routerctl.providers.reading import Far, Odd
from routerctl.service.translate.neutral_reply import NOT_TOLD
from routerctl.types import Usage

UsageAndReasoning = tuple[Usage, int | None]  # and the reasoning tokens
Body = dict[str, Any]


def read_chat(usage: Far) -> UsageAndReasoning:
    """Read OpenAI's `usage`."""
    if not isinstance(usage.value, dict):
        return NOT_TOLD, None
    found, _ = usage_of_completion(usage)
    return found, _count(usage["completion_tokens_details"]["reasoning_tokens"])


def read_messages(usage: Far) -> UsageAndReasoning:
    """Read Anthropic's `usage`."""
    if not isinstance(usage.value, dict):
        return NOT_TOLD, None
    found, _ = usage_of_message(usage)
    return found, _count(usage["output_tokens_details"]["thinking_tokens"])


def _count(far: Far) -> int | None:
    try:
        return far.count()
    except Odd:
        return None


def chat_usage(usage: Usage, reasoning: int | None) -> Body:
    """Write OpenAI's `usage` of chat completions."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": reasoning or 0},
    }


def responses_usage(usage: Usage, reasoning: int | None) -> Body:
    """Write OpenAI's `usage` of responses."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning or 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def messages_usage(usage: Usage, reasoning: int | None = None) -> Body:
    """Write Anthropic's `usage`."""
    thought = {"output_tokens_details": {"thinking_tokens": reasoning}} if reasoning else {}
    return {
        "input_tokens": max(0, usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        **thought,
    }


def is_told(usage: Usage) -> bool:
    """Whether there is any count in it."""
    return not usage.estimated or usage.input_tokens > 0 or usage.output_tokens > 0
