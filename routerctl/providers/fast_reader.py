"""A whole reply that is exactly as its API says -> what it says, read in one go; anything else is None.

Nearly every reply is so, and whoever passes thousands a second on cannot look at each field of each with care. What is
odd in any way is read by the provider's own reader, which says what is: the two agree wherever this one speaks.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from routerctl.types import Usage

_MOST = 10**9  # tokens


class FastReply(NamedTuple):
    """What such a reply says."""

    text: str
    stop: str
    served_model: str
    usage: Usage
    has_content: bool


def read_completion_fast(body: Any) -> FastReply | None:
    """Read a chat completion of one choice that ended as usual."""
    try:
        (choice,) = body["choices"]
        message, usage, stop, model = choice["message"], body["usage"], choice["finish_reason"], body["model"]
        content = message["content"]
        asked, told = usage["prompt_tokens"], usage["completion_tokens"]
        details = usage.get("prompt_tokens_details")
        details = _NONE if details is None else details
        read, written = _or_0(details.get("cached_tokens")), _or_0(details.get("cache_write_tokens"))
        text = "" if content is None else content
        has_content = bool(text.strip()) or any(message.get(name) for name in ("tool_calls", "function_call", "audio"))
        odd = (
            stop not in ("stop", "length", "tool_calls")
            or "error" in body
            or "error" in choice
            or "error" in message
            or message.get("refusal") not in (None, "")
            or choice.get("logprobs")
            or message.get("reasoning_content")
            or message.get("reasoning")
        )
        text.encode()  # raises where half of a character stands in it
        plain = type(text) is type(model) is str and model.isascii()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if odd or not plain or not _counts(asked, told, read, written) or read + written > asked or not (asked and told):
        return None
    tokens = Usage(input_tokens=asked, output_tokens=told, cache_read_tokens=read, cache_write_tokens=written)
    return FastReply(text, stop, model, tokens, has_content)


def read_message_fast(body: Any) -> FastReply | None:
    """Read a message of Anthropic's that ended as usual: texts, thinking and calls of tools."""
    try:
        usage, stop, model, blocks = body["usage"], body["stop_reason"], body["model"], body["content"]
        asked, told = usage["input_tokens"], usage["output_tokens"]
        read = _or_0(usage.get("cache_read_input_tokens"))
        written = _or_0(usage.get("cache_creation_input_tokens"))
        kinds = {block["type"] for block in blocks}
        text = "".join([block["text"] for block in blocks if block["type"] == "text"])
        odd = stop not in ("end_turn", "max_tokens", "tool_use", "stop_sequence") or "error" in body
        text.encode()
        plain = kinds <= _BLOCKS and type(blocks) is list and type(model) is str and model.isascii()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if odd or not plain or body.get("type") != "message" or not _counts(asked, told, read, written) or not told:
        return None
    asked += read + written
    if not asked:
        return None
    tokens = Usage(input_tokens=asked, output_tokens=told, cache_read_tokens=read, cache_write_tokens=written)
    return FastReply(text, stop, model, tokens, bool(text.strip()) or "tool_use" in kinds)


_BLOCKS = {"text", "thinking", "tool_use"}
_NONE: dict[str, Any] = {}


def _or_0(number: Any) -> Any:
    """Give a count, 0 where there is none: any other thing that is not true is odd."""
    return 0 if number is None else number


def _counts(*numbers: object) -> bool:
    return all(type(number) is int and 0 <= number <= _MOST for number in numbers)
