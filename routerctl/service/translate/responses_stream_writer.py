"""Writes neutral events as the numbered events of a response's stream; a whole response is what its last event has.

Source of the shapes: `ResponseStreamEvent` of the `openai` SDK. An item stays open until the next one begins, so that
its status can say whether the reply was cut short within it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from routerctl.service.translate.blocks import BlockClosed, BlockOpened, Blocks, BlockStep
from routerctl.service.translate.chat_reply import refusal_words
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
    ToolCallDelta,
)
from routerctl.service.translate.responses_items import Item, item_of
from routerctl.service.translate.sse_writer import named_frame
from routerctl.service.translate.stop_reasons import CUT_SHORT, id_of
from routerctl.service.translate.usage import is_told, responses_usage
from routerctl.types import StopReason

# Fields of a request that its reply repeats -> their default.
_ECHOED: Mapping[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}
_CODES: Mapping[str, str] = {"rate_limit_error": "rate_limit_exceeded", "invalid_request_error": "invalid_prompt"}
Body = dict[str, Any]


class ResponsesStreamWriter:
    """Writes one stream."""

    def __init__(self, *, asked: Mapping[str, Any], model: str, names: Mapping[str, str], created: int) -> None:
        self._asked, self._model, self._names, self._created = asked, model, names, created
        self._id, self._served, self._began, self._numbers = "", "", False, count()
        self._blocks, self._refused = Blocks(), False
        self._items: list[Body] = []  # whole ones
        self._item: Item | None = None
        self.response: Body = {}  # as the last event had it

    def write(self, event: Event) -> bytes:
        """Give the bytes of an event."""
        match event:
            case ReplyBegan():
                self._id, self._served, self._model = event.id, event.model, event.model or self._model
                return self._begin()
            case ReplyEnded():
                return self._end(event)
            case ReplyFailed(kind=kind, message=message):
                return self.fail(kind, message)
            case _:
                return self._steps(self._blocks.take(event))

    def fail(self, kind: str, message: str, *, code: str | None = None) -> bytes:
        """Give the terminal event of a response that failed, without which clients wait or ask again for ever.

        `code`: has no place there, as the SDK knows a list of its own.
        """
        del code
        error = {"code": _CODES.get(kind, "server_error"), "message": message}
        begun = b"" if self._began else self._begin()
        return begun + self._state("failed", error=error)

    def _begin(self) -> bytes:
        self._began = True
        created = self._event("response.created", response=self._response("in_progress"))
        return created + self._event("response.in_progress", response=self._response("in_progress"))

    def _end(self, ended: ReplyEnded) -> bytes:
        rest = self._steps(self._blocks.end())
        if not self._refused and (words := refusal_words(ended.stop, ended.category)):
            rest += self._steps(self._blocks.take(RefusalDelta(text=words)) + self._blocks.end())
        is_cut = ended.stop in CUT_SHORT
        rest += self._close_item("incomplete" if is_cut else "completed")
        usage = responses_usage(ended.usage, ended.reasoning_tokens) if is_told(ended.usage) else None
        is_filtered = ended.stop is StopReason.REFUSAL and not self._refused
        if not (is_cut or is_filtered):
            return rest + self._state("completed", usage=usage)
        reason = {"reason": "content_filter" if is_filtered else "max_output_tokens"}
        return rest + self._state("incomplete", usage=usage, incomplete_details=reason)

    # --- items ---

    def _steps(self, steps: list[BlockStep]) -> bytes:
        return b"".join(self._step(step) for step in steps)

    def _step(self, step: BlockStep) -> bytes:
        match step:
            case BlockOpened():
                return self._open(step)
            case BlockClosed():
                return self._told(self._item.close_part()) if self._item else b""
            case _:
                self._refused = self._refused or isinstance(step, RefusalDelta)
                return self._told(self._item.add(_piece(step))) if self._item else b""

    def _open(self, step: BlockOpened) -> bytes:
        """Open a block: a text goes on in the message that is open, anything else begins an item."""
        begun = b""
        if self._item is None or not self._item.takes(step.kind):
            begun = self._close_item("completed")
            tail = f"{id_of('', self._id)}_{len(self._items)}"
            self._item = item_of(step, tail=tail, names=self._names, model=self._served)
            begun += self._event("response.output_item.added", output_index=len(self._items), item=self._item.opened())
        return begun + self._told(self._item.open_part(step.kind))

    def _close_item(self, status: str) -> bytes:
        if self._item is None:
            return b""
        item = self._item.whole(status)
        done = self._event("response.output_item.done", output_index=len(self._items), item=item)
        self._items, self._item = [*self._items, item], None
        return done

    def _told(self, events: list[tuple[str, Body]]) -> bytes:
        """Give events of the open item, which say whose they are."""
        here = {"item_id": self._item.id, "output_index": len(self._items)} if self._item else {}
        return b"".join(self._event(f"response.{kind}", **here, **fields) for kind, fields in events)

    # --- the response ---

    def _state(self, status: str, **fields: Any) -> bytes:
        self.response = self._response(status) | fields
        return self._event(f"response.{status}", response=self.response)

    def _response(self, status: str) -> Body:
        return {
            "id": id_of("resp_", self._id),
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": self._model,
            "output": self._items,
            **{name: default if (told := self._asked.get(name)) is None else told for name, default in _ECHOED.items()},
            "store": False,
            "usage": None,
        }

    def _event(self, kind: str, **fields: Any) -> bytes:
        return named_frame(kind, {"sequence_number": next(self._numbers), **fields})


def _piece(step: BlockStep) -> tuple[str, str]:
    """Give what a piece brings: the name of its field, and the text."""
    match step:
        case TextDelta(text=text) | ThinkingDelta(text=text) | RefusalDelta(text=text):
            return "text", text
        case ToolCallDelta(fragment=fragment):
            return "text", fragment
        case ThinkingSignature(signature=signature):
            return "signature", signature
        case RedactedThinking(data=data):
            return "sealed", data
        case BlockOpened() | BlockClosed():
            raise AssertionError("no piece")
