"""Writes neutral events as the chunks of a chat completion's stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routerctl.service.translate.chat_reply import refusal_words
from routerctl.service.translate.errors import openai_error
from routerctl.service.translate.neutral_reply import (
    Event,
    RefusalDelta,
    ReplyBegan,
    ReplyEnded,
    ReplyFailed,
    TextDelta,
    ThinkingDelta,
    ToolCallBegan,
    ToolCallDelta,
)
from routerctl.service.translate.sse_writer import data_frame
from routerctl.service.translate.stop_reasons import chat_stop, id_of
from routerctl.service.translate.tool_names import chat_id
from routerctl.service.translate.usage import chat_usage, is_told

DONE = b"data: [DONE]\n\n"
Body = dict[str, Any]


class ChatStreamWriter:
    """Writes one stream; the role stands in the first chunk alone, whatever it brings."""

    def __init__(self, *, model: str, names: Mapping[str, str], created: int, with_usage: bool) -> None:
        self._model, self._names, self._created, self._with_usage = model, names, created, with_usage
        self._id, self._role, self._refused = "", True, False

    def write(self, event: Event) -> bytes:
        """Give the bytes of an event."""
        match event:
            case ReplyBegan():
                self._id, self._model = event.id, event.model or self._model
                return b""
            case TextDelta(text=text):
                return self._chunk({"content": text})
            case ThinkingDelta(text=text):
                return self._chunk({"reasoning_content": text})
            case RefusalDelta(text=text):
                self._refused = True
                return self._chunk({"refusal": text})
            case ToolCallBegan(index=index, id=made, name=name):
                function = {"name": self._names.get(name, name), "arguments": ""}
                call = {"index": index, "id": chat_id(made), "type": "function", "function": function}
                return self._chunk({"tool_calls": [call]})
            case ToolCallDelta(index=index, fragment=fragment):
                return self._chunk({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]})
            case ReplyEnded():
                return self._end(event)
            case ReplyFailed(kind=kind, message=message):
                return self.fail(kind, message)
            case _:  # signatures and the ends of blocks have no form here
                return b""

    @staticmethod
    def fail(kind: str, message: str, *, code: str | None = None) -> bytes:
        """Give the chunk of an error: it is the last one, `[DONE]` is for success."""
        return data_frame(openai_error(kind, message, code=code))

    def _end(self, ended: ReplyEnded) -> bytes:
        words = None if self._refused else refusal_words(ended.stop, ended.category)
        refusal = self._chunk({"refusal": words}) if words else b""
        finish = self._chunk({}, finish=chat_stop(ended.stop))
        told = self._with_usage and is_told(ended.usage)
        usage = self._shell([], {"usage": chat_usage(ended.usage, ended.reasoning_tokens)}) if told else b""
        return refusal + finish + usage + DONE

    def _chunk(self, delta: Body, *, finish: str | None = None) -> bytes:
        role = {"role": "assistant"} if self._role else {}
        self._role = False
        choice = {"index": 0, "delta": role | delta, "logprobs": None, "finish_reason": finish}
        return self._shell([choice], {"usage": None} if self._with_usage else {})

    def _shell(self, choices: list[Body], more: Body) -> bytes:
        return data_frame(
            {
                "id": id_of("chatcmpl-", self._id),
                "object": "chat.completion.chunk",
                "created": self._created,
                "model": self._model,
                "choices": choices,
                **more,
            }
        )
