"""Writes neutral events as the events of a message's stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routerctl.service.translate.blocks import BlockClosed, BlockOpened, Blocks, BlockStep
from routerctl.service.translate.errors import messages_error
from routerctl.service.translate.messages_reply import stopped
from routerctl.service.translate.neutral_reply import (
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
from routerctl.service.translate.sse_writer import named_frame
from routerctl.service.translate.stop_reasons import id_of
from routerctl.service.translate.tool_names import messages_id
from routerctl.service.translate.usage import is_told, messages_usage
from routerctl.types import Usage

Body = dict[str, Any]


class MessagesStreamWriter:
    """Writes one stream: message_start, each block opened, brought and closed, message_delta, message_stop."""

    def __init__(self, *, model: str, names: Mapping[str, str], input_tokens: int) -> None:
        self._model, self._names, self._estimate = model, names, Usage(input_tokens=input_tokens)
        self._blocks, self._index, self._refusal = Blocks(), -1, ""

    def write(self, event: Event) -> bytes:
        """Give the bytes of an event."""
        match event:
            case ReplyBegan():
                return self._start(event)
            case ReplyEnded():
                return self._steps(self._blocks.end()) + self._end(event)
            case ReplyFailed(kind=kind, message=message):
                return self.fail(kind, message)
            case RefusalDelta(text=text):  # its place is at the end, in stop_details
                self._refusal += text
                return b""
            case _:
                return self._steps(self._blocks.take(event))

    @staticmethod
    def fail(kind: str, message: str, *, code: str | None = None) -> bytes:
        """Give the event of an error, after which nothing comes."""
        return named_frame("error", messages_error(kind, message, code=code))

    def _start(self, began: ReplyBegan) -> bytes:
        """Begin; clients keep what it says of the input, which OpenAI's wire does not know yet: it is our estimate."""
        message: Body = {
            "id": id_of("msg_", began.id),
            "type": "message",
            "role": "assistant",
            "model": began.model or self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": messages_usage(began.usage if began.usage and began.usage.input_tokens else self._estimate),
        }
        return named_frame("message_start", {"message": message})

    def _end(self, ended: ReplyEnded) -> bytes:
        usage = messages_usage(ended.usage, ended.reasoning_tokens)
        if not is_told(ended.usage):
            usage = {"output_tokens": 0}  # what message_start said of the input stands
        stop = stopped(ended.stop, ended.stop_sequence, ended.category, self._refusal)
        return named_frame("message_delta", {"delta": stop, "usage": usage}) + named_frame("message_stop", {})

    def _steps(self, steps: list[BlockStep]) -> bytes:
        return b"".join(self._step(step) for step in steps)

    def _step(self, step: BlockStep) -> bytes:
        match step:
            case BlockOpened():
                self._index += 1
                return self._block("start", content_block=self._opened(step)) if step.kind != "sealed" else b""
            case RedactedThinking(data=data):
                return self._block("start", content_block={"type": "redacted_thinking", "data": data})
            case BlockClosed():
                return self._block("stop")
            case TextDelta(text=text):
                return self._delta("text_delta", "text", text)
            case ThinkingDelta(text=text):
                return self._delta("thinking_delta", "thinking", text)
            case ThinkingSignature(signature=signature):
                return self._delta("signature_delta", "signature", signature)
            case ToolCallDelta(fragment=fragment):
                return self._delta("input_json_delta", "partial_json", fragment)
            case RefusalDelta():
                return b""

    def _opened(self, step: BlockOpened) -> Body:
        if isinstance(tool := step.tool, ToolCallBegan):
            name = self._names.get(tool.name, tool.name)
            return {"type": "tool_use", "id": messages_id(tool.id), "name": name, "input": {}}
        if step.kind == "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        return {"type": "text", "text": ""}

    def _delta(self, kind: str, field: str, value: str) -> bytes:
        return self._block("delta", delta={"type": kind, field: value})

    def _block(self, what: str, **fields: Body) -> bytes:
        return named_frame(f"content_block_{what}", {"index": self._index, **fields})
