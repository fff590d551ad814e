"""Brings the events of a reply into blocks of which one is open at a time, as Anthropic and Responses stream them.

Tool calls of a chat completion may be open all at once: the first one goes on as it comes, the others wait until those
before them are whole. A text that is followed by something else is whole.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from routerctl.service.translate.neutral_reply import (
    BlockEnded,
    RedactedThinking,
    RefusalDelta,
    TextDelta,
    ThinkingDelta,
    ThinkingSignature,
    ToolCallBegan,
    ToolCallDelta,
)

Kind = Literal["text", "thinking", "sealed", "refusal", "tool"]
Piece = TextDelta | ThinkingDelta | ThinkingSignature | RedactedThinking | RefusalDelta | ToolCallDelta
_KINDS: dict[type[Piece], Kind] = {
    TextDelta: "text",
    ThinkingDelta: "thinking",
    ThinkingSignature: "thinking",
    RedactedThinking: "sealed",
    RefusalDelta: "refusal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockOpened:
    """A block is opened."""

    kind: Kind
    tool: ToolCallBegan | None = None  # of kind `tool`


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockClosed:
    """The open block is whole."""


BlockStep = BlockOpened | Piece | BlockClosed


@dataclass(slots=True, kw_only=True)
class _Block:
    kind: Kind
    tool: ToolCallBegan | None = None
    waiting: list[Piece] = field(default_factory=list)
    opened: bool = False
    ended: bool = False


class Blocks:
    """Orders the events of one reply."""

    def __init__(self) -> None:
        self._queue: deque[_Block] = deque()  # the first one is open

    def take(self, event: Piece | ToolCallBegan | BlockEnded) -> list[BlockStep]:
        """Give the steps that may be taken now."""
        match event:
            case ToolCallBegan():
                self._end_texts()
                self._queue.append(_Block(kind="tool", tool=event))
            case ToolCallDelta(index=index) | BlockEnded(index=int(index)):
                block = next((one for one in self._queue if one.tool and one.tool.index == index), None)
                if block and isinstance(event, ToolCallDelta):
                    block.waiting.append(event)
                elif block:
                    block.ended = True
            case BlockEnded():
                self._end_texts()
            case _:
                self._add(event)
        return self._steps()

    def end(self) -> list[BlockStep]:
        """Give what is left: everything is whole."""
        for block in self._queue:
            block.ended = True
        return self._steps()

    def _end_texts(self) -> None:
        for block in self._queue:
            block.ended = block.ended or block.tool is None

    def _add(self, piece: Piece) -> None:
        kind, last = _KINDS[type(piece)], self._queue[-1] if self._queue else None
        if last is None or last.kind != kind or last.ended:
            self._end_texts()
            self._queue.append(_Block(kind=kind, ended=kind == "sealed"))
        self._queue[-1].waiting.append(piece)

    def _steps(self) -> list[BlockStep]:
        steps: list[BlockStep] = []
        while self._queue:
            block = self._queue[0]
            if not block.opened:
                steps.append(BlockOpened(kind=block.kind, tool=block.tool))
                block.opened = True
            steps += block.waiting
            block.waiting.clear()
            if not block.ended:
                break
            self._queue.popleft()
            steps.append(BlockClosed())
        return steps
