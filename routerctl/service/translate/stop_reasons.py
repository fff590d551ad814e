"""Why a reply ended, in each wire's words, and the ids of replies."""

from __future__ import annotations

from collections.abc import Mapping

from routerctl.types import StopReason

CUT_SHORT = (StopReason.MAX_TOKENS, StopReason.CONTEXT_FULL)
_TO_CHAT: Mapping[StopReason, str] = {
    StopReason.END: "stop",
    StopReason.MAX_TOKENS: "length",
    StopReason.TOOL_USE: "tool_calls",
    StopReason.REFUSAL: "content_filter",
    StopReason.CONTEXT_FULL: "length",
    StopReason.OTHER: "stop",
}
_TO_MESSAGES: Mapping[StopReason, str] = {
    StopReason.END: "end_turn",
    StopReason.MAX_TOKENS: "max_tokens",
    StopReason.TOOL_USE: "tool_use",
    StopReason.REFUSAL: "refusal",
    StopReason.CONTEXT_FULL: "model_context_window_exceeded",
    StopReason.OTHER: "end_turn",
}
_PREFIXES = ("chatcmpl-", "msg_", "resp_")


def chat_stop(stop: StopReason) -> str:
    """Give OpenAI's `finish_reason`."""
    return _TO_CHAT[stop]


def messages_stop(stop: StopReason, stop_sequence: str | None) -> str:
    """Give Anthropic's `stop_reason`."""
    return "stop_sequence" if stop is StopReason.END and stop_sequence is not None else _TO_MESSAGES[stop]


def id_of(prefix: str, made: str) -> str:
    """Give a reply's id as its wire writes ids."""
    for other in _PREFIXES:
        made = made.removeprefix(other)
    return prefix + (made or "0")
