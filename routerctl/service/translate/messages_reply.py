"""Whole replies of Anthropic's Messages, read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from routerctl.providers.anthropic_fields import STOP_REASONS
from routerctl.providers.reading import Far, Odd
from routerctl.service.translate.fields import is_given
from routerctl.service.translate.neutral_reply import (
    Block,
    NeutralReply,
    RefusalBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from routerctl.service.translate.stop_reasons import CUT_SHORT, id_of, messages_stop
from routerctl.service.translate.tool_names import messages_id
from routerctl.service.translate.usage import messages_usage, read_messages
from routerctl.types import StopReason

Body = dict[str, Any]


def read(far: Far) -> NeutralReply:
    """Read a reply; raises Odd."""
    if is_given(far["error"]):
        raise Odd("error: expected a reply, got an error")
    blocks = [made for block in far["content"].items() for made in _block(block.mapping())]
    stop = far["stop_reason"].one_of(STOP_REASONS)
    words = explanation(far) if stop is StopReason.REFUSAL else ""
    usage, reasoning = read_messages(far["usage"])
    return NeutralReply(
        id=far["id"].name(),
        model=far["model"].name(),
        blocks=(*blocks, *([RefusalBlock(text=words)] if words else [])),
        stop=stop,
        stop_sequence=far["stop_sequence"].name() or None,
        category=far["stop_details"]["category"].name() or None,
        usage=usage,
        reasoning_tokens=reasoning,
        dropped=_dropped(far["content"].items()),
    )


def _dropped(content: list[Far]) -> tuple[str, ...]:
    """Name what stands in a reply that no other API has a word for: blocks of server tools, citations."""
    kinds = [block["type"].name() for block in content]
    names = [f"reply.{kind}" for kind in kinds if kind and kind not in _CARRIED]
    cited = ["reply.citations"] if any(is_given(block["citations"]) for block in content) else []
    return tuple(dict.fromkeys([*names, *cited]))


_CARRIED = ("text", "thinking", "redacted_thinking", "tool_use")


def explanation(stopped: Far) -> str:
    """Give the words of a refusal, "" where there are none."""
    return stopped["stop_details"]["explanation"].name()


def _block(block: Far) -> list[Block]:
    """Read a block: an empty one says nothing; those of server tools are not asked for."""
    match block["type"].value:
        case "text":
            text = block["text"].text()
            return [TextBlock(text=text)] if text else []
        case "thinking":
            text, signature = block["thinking"].text_or(""), block["signature"].text_or("")
            return [ThinkingBlock(text=text, signature=signature)] if text or signature else []
        case "redacted_thinking":
            return [ThinkingBlock(sealed=block["data"].text())]
        case "tool_use":
            return [ToolCallBlock(id=block["id"].text(), name=block["name"].text(), arguments=compact(block["input"]))]
        case _:
            return []


def compact(value: Far) -> str:
    """Give a call's input as JSON; raises Odd."""
    return json.dumps(value.mapping().value, separators=(",", ":"), ensure_ascii=False)


def write(replied: NeutralReply, *, names: Mapping[str, str]) -> Body:
    """Write a reply; raises Odd where a call's arguments are no object, unless the reply was cut short within them."""
    cut = replied.stop in CUT_SHORT
    content = [_written(block, names, cut=cut) for block in replied.blocks if not isinstance(block, RefusalBlock)]
    words = "".join(block.text for block in replied.blocks if isinstance(block, RefusalBlock))
    return {
        "id": id_of("msg_", replied.id),
        "type": "message",
        "role": "assistant",
        "model": replied.model,
        "content": content,
        **stopped(replied.stop, replied.stop_sequence, replied.category, words),
        "usage": messages_usage(replied.usage, replied.reasoning_tokens),
    }


def stopped(stop: StopReason, stop_sequence: str | None, category: str | None, words: str) -> Body:
    """Write why a reply ended."""
    details = {"type": "refusal", "category": category, "explanation": words or None}
    return {
        "stop_reason": messages_stop(stop, stop_sequence),
        "stop_sequence": stop_sequence if stop is StopReason.END else None,
        "stop_details": details if stop is StopReason.REFUSAL else None,
    }


def _written(block: TextBlock | ThinkingBlock | ToolCallBlock, names: Mapping[str, str], *, cut: bool) -> Body:
    match block:
        case TextBlock(text=text):
            return {"type": "text", "text": text}
        case ThinkingBlock(sealed=sealed) if sealed:
            return {"type": "redacted_thinking", "data": sealed}
        case ThinkingBlock(text=text, signature=signature):
            return {"type": "thinking", "thinking": text, "signature": signature}
        case ToolCallBlock(id=made, name=name):
            used = {"type": "tool_use", "id": messages_id(made), "name": names.get(name, name)}
            return used | {"input": _input(block, cut=cut)}


def _input(call: ToolCallBlock, *, cut: bool) -> Body:
    """Read a call's arguments; the stop reason says of those that were cut short that nobody is to act on them."""
    try:
        found = json.loads(call.arguments)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        if cut:
            return {}
        raise Odd(f"tool call '{call.name[:80]}': expected its arguments as a JSON object")
    return found
