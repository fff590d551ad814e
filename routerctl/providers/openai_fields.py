"""Fields of OpenAI's answers -> stop reasons, texts, tokens, probabilities: what no other vendor's answers have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from routerctl.providers.reading import Far, counted
from routerctl.types import Json, StopReason, Usage

_GREAT = 1e9  # beyond any log probability
STOP_REASONS: Mapping[str, StopReason] = {  # of Chat Completions
    "stop": StopReason.END,
    "length": StopReason.MAX_TOKENS,
    "tool_calls": StopReason.TOOL_USE,
    "function_call": StopReason.TOOL_USE,
    "content_filter": StopReason.REFUSAL,
}


def usage_of_completion(usage: Far) -> tuple[Usage, str]:
    """Read the usage of a chat completion: tokens, and what is odd or lacking."""
    details = usage["prompt_tokens_details"]
    return counted(
        usage,
        total=usage["prompt_tokens"],
        output=usage["completion_tokens"],
        read=details["cached_tokens"],
        written=details["cache_write_tokens"],
    )


def usage_of_response(usage: Far) -> tuple[Usage, str]:
    """Read the usage of the Responses API: tokens, and what is odd or lacking."""
    details = usage["input_tokens_details"]
    return counted(
        usage,
        total=usage["input_tokens"],
        output=usage["output_tokens"],
        read=details["cached_tokens"],
        written=details["cache_write_tokens"],
    )


def message_parts(item: Far) -> list[Far]:
    """The parts of an output item that is a message."""
    return item["content"].items() if item["type"].value == "message" else []


def content_text(content: Far) -> str:
    """The reply's text; some servers give its parts, with what was thought among them."""
    if isinstance(content.value, list):
        return "".join(part["text"].text() for part in content.items() if part.mapping()["type"].value == "text")
    return content.text_or("")


def mean_logprob(tokens: Far) -> float | None:
    """Mean natural-log probability of the reply's tokens; None where the server sent none that can be read."""
    if not isinstance(tokens.value, list) or not tokens.value:
        return None
    values = [token["logprob"].value for token in tokens.items()]
    if not _numbers(values):
        return None
    mean = math.fsum(values) / len(values)
    return mean if math.isfinite(mean) else None


def _numbers(values: Iterable[Json]) -> bool:
    """Whether all are finite numbers of a size that can be summed."""
    return all(isinstance(one, int | float) and abs(one) < _GREAT for one in values)
