"""Fields of Anthropic's answers -> stop reasons, tokens: what no other vendor's answers have."""

from __future__ import annotations

from collections.abc import Mapping

from routerctl.providers.reading import Far, counted
from routerctl.types import StopReason, Usage

STOP_REASONS: Mapping[str, StopReason] = {
    "end_turn": StopReason.END,
    "stop_sequence": StopReason.END,
    "max_tokens": StopReason.MAX_TOKENS,
    "tool_use": StopReason.TOOL_USE,
    "refusal": StopReason.REFUSAL,
    "model_context_window_exceeded": StopReason.CONTEXT_FULL,
    "pause_turn": StopReason.OTHER,
}


def usage_of_message(usage: Far) -> tuple[Usage, str]:
    """Read the usage of a message: tokens, and what is odd or lacking.

    The API counts cache reads and writes apart from `input_tokens`; `Usage` counts them in.
    """
    return counted(
        usage,
        total=usage["input_tokens"],
        output=usage["output_tokens"],
        read=usage["cache_read_input_tokens"],
        written=usage["cache_creation_input_tokens"],
        beside=True,
    )
