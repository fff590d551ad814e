"""Reads the events of a message's stream as neutral events."""

from __future__ import annotations

import json
from typing import Any

from routerctl.providers.anthropic_fields import STOP_REASONS
from routerctl.providers.reading import Far, Odd
from routerctl.service.translate.errors import STATUSES
from routerctl.service.translate.fields import is_given
from routerctl.service.translate.messages_reply import compact, explanation
from routerctl.service.translate.neutral_reply import (
    BlockEnded,
    Event,
    RedactedThinking,
    RefusalDelta,
    ReplyBegan,
    ReplyEnded,
    ReplyFailed,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallBegan,
    ToolCallDelta,
)
from routerctl.service.translate.usage import read_messages
from routerctl.types import StopReason


class MessagesStreamReader:
    """Reads one stream, an event after the other."""

    def __init__(self) -> None:
        self._counts: dict[str, Any] = {}
        self._tools: dict[int, int] = {}  # a block's index -> its place among the tool calls
        self._with_input: set[int] = set()  # tool calls that have some
        self._began, self._stopped = False, Far(None)

    def take(self, name: str, data: str) -> list[Event]:
        """Give the events of one; raises Odd, ValueError."""
        event = Far(json.loads(data)).mapping()
        match event["type"].name() or name:
            case "message_start":
                return self._start(event["message"].mapping())
            case "content_block_start":
                return self._block(event["index"].count(), event["content_block"].mapping())
            case "content_block_delta":
                return self._delta(event["index"].count(), event["delta"].mapping())
            case "content_block_stop":
                return self._block_ended(event["index"].count())
            case "message_delta":
                self._count(event["usage"])
                if is_given(event["delta"]["stop_reason"]):
                    self._stopped = event["delta"]
                return []
            case "message_stop":
                return self._end()
            case "error":
                return [_failed(event["error"])]
            case _:
                return []

    def _count(self, usage: Far) -> None:
        """Take the counts of one event: they are totals, and a later zero says nothing."""
        if isinstance(usage.value, dict):
            self._counts.update({name: count for name, count in usage.value.items() if count})

    def _start(self, message: Far) -> list[Event]:
        if self._began:
            raise Odd("message_start: it had begun before")
        self._began = True
        self._count(message["usage"])
        usage, _ = read_messages(message["usage"])
        told = isinstance(message["usage"].value, dict)
        return [ReplyBegan(id=message["id"].name(), model=message["model"].name(), usage=usage if told else None)]

    def _block(self, index: int | None, block: Far) -> list[Event]:
        match block["type"].value:
            case "text":
                return _text(block["text"])
            case "thinking":
                return [*_thinking(block["thinking"]), *_signature(block["signature"])]
            case "redacted_thinking":
                return [RedactedThinking(data=block["data"].text())]
            case "tool_use":
                return self._tool(-1 if index is None else index, block)
            case _:
                return []

    def _tool(self, index: int, block: Far) -> list[Event]:
        place = self._tools[index] = len(self._tools)
        began = ToolCallBegan(index=place, id=block["id"].text(), name=block["name"].text())
        if not block["input"].value:
            return [began]
        self._with_input.add(place)
        return [began, ToolCallDelta(index=place, fragment=compact(block["input"]))]

    def _delta(self, index: int | None, delta: Far) -> list[Event]:
        match delta["type"].value:
            case "text_delta":
                return _text(delta["text"])
            case "thinking_delta":
                return _thinking(delta["thinking"])
            case "signature_delta":
                return _signature(delta["signature"])
            case "input_json_delta":
                return self._input(index, delta["partial_json"].text())
            case _:
                return []

    def _input(self, index: int | None, fragment: str) -> list[Event]:
        place = self._tools.get(-1 if index is None else index)
        if place is None or not fragment:  # of a server tool, or the empty piece that comes first
            return []
        self._with_input.add(place)
        return [ToolCallDelta(index=place, fragment=fragment)]

    def _block_ended(self, index: int | None) -> list[Event]:
        place = self._tools.get(-1 if index is None else index)
        empty = place is not None and place not in self._with_input
        nothing: list[Event] = [ToolCallDelta(index=place, fragment="{}")] if empty and place is not None else []
        return [*nothing, BlockEnded(index=place)]

    def _end(self) -> list[Event]:
        if not self._began:
            raise Odd("message_stop: nothing had begun")
        stop = self._stopped["stop_reason"].one_of(STOP_REASONS)
        words = explanation(self._stopped) if stop is StopReason.REFUSAL else ""
        usage, reasoning = read_messages(Far(self._counts or None))
        ended = ReplyEnded(
            stop=stop,
            stop_sequence=self._stopped["stop_sequence"].name() or None,
            category=self._stopped["stop_details"]["category"].name() or None,
            usage=usage,
            reasoning_tokens=reasoning,
        )
        return [*([RefusalDelta(text=words)] if words else []), ended]


def _text(far: Far) -> list[Event]:
    text = far.text_or("")
    return [TextDelta(text=text)] if text else []


def _thinking(far: Far) -> list[Event]:
    text = far.text_or("")
    return [ThinkingDelta(text=text)] if text else []


def _signature(far: Far) -> list[Event]:
    signature = far.text_or("")
    return [ThinkingSignature(signature=signature)] if signature else []


def _failed(error: Far) -> ReplyFailed:
    kind = error["type"].name()
    kind = kind if kind in STATUSES else "api_error"
    message = f"the provider reported an error in its stream: {kind}"
    return ReplyFailed(kind=kind, status=STATUSES[kind], message=message, detail=error["message"].name())
