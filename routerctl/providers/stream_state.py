"""The bytes of a streamed reply, in whatever pieces they come -> what they say: first content, tokens, end, error.

They are passed on as they are; nothing of them is changed here. Before the first content every event is read, and after
it only those that may say how the stream goes: an unescaped `"usage":{` cannot stand inside a text. One class a wire.
Place: beside `reading`, which does the same for whole replies.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from routerctl.providers.reading import Far, is_failure, whole_text
from routerctl.types import Json, RawRequest, StopReason, Usage

# What a far side may have written of a reply that broke off beside what came of it, before it heard that nobody reads
# on: a second of a fast model. No token is shorter than a byte.
_ON_ITS_WAY = 200  # tokens
_SAID = re.compile(
    rb'"(?:content|text|thinking|partial_json|arguments|reasoning_content|reasoning|refusal|delta)":\s*'
    rb'"((?:[^"\\]|\\.)*)"'
)
_MOST_LINE = 32 * 1024 * 1024  # bytes without a line's end: more is no stream of events


class StreamState:
    """What one stream has said so far."""

    wanted: ClassVar[re.Pattern[bytes]]  # what must be read after the first content
    names: ClassVar[tuple[bytes, ...]]  # one of which stands in it

    def __init__(self, *, keep_text: bool = False) -> None:
        """`keep_text`: everything is read, and the text kept."""
        self.has_content = False
        self.is_done = False  # its own last event has come
        self.error: Far | None = None  # the event that says what went wrong
        self.stop: str | None = None
        self.served_model = ""
        self.began: Json = None  # of OpenAI's Responses: the response as it was when it began
        self.detail = ""
        self.usage: Mapping[str, Json] = {}  # as told, the latest of each
        self.odd = ""  # what cannot be read of it; "": nothing
        self.said_bytes = 0
        self.text: list[str] = []
        self._keeps_text, self._tail = keep_text, bytearray()
        self._has_begun = False

    def feed(self, data: bytes) -> None:
        """Read what came."""
        if self._tail or data[-1:] != b"\n":
            data = self._whole_lines(data)
        if not self.has_content:
            self._begin(data)
            return
        self._count_said(data)
        if self._keeps_text or self._is_wanted(data):
            self._events(data)

    def _begin(self, data: bytes) -> None:
        """Read every event up to the first content, behind which much more may come."""
        if not self._has_begun and data:
            data, self._has_begun = data.removeprefix(codecs.BOM_UTF8), True
        for line in data.splitlines():
            self._events(line)
            if self.has_content:
                self._count_said(line)

    def _events(self, data: bytes) -> None:
        for line in data.splitlines():
            if line.startswith(b"data:"):
                self._event(line[5:].strip())

    def _count_said(self, data: bytes) -> None:
        for found in _SAID.finditer(data):
            self.said_bytes += found.end(1) - found.start(1)

    def _whole_lines(self, data: bytes) -> bytes:
        """Give the lines that are whole with what has come; the rest is kept."""
        if b"\n" not in data and b"\r" not in data and self._tail[-1:] != b"\r":
            self._tail += data  # of a line as long as a picture, which is put together once
            data = b""
        else:
            data, self._tail = bytes(self._tail) + data, bytearray()
        end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1  # a \r at the very end may be half of \r\n
        self._tail += data[end:]
        if len(self._tail) > _MOST_LINE:
            self.odd = "a line without end"
        return data[:end]

    def _is_wanted(self, data: bytes) -> bool:
        """Tell whether there may be something to be read, by its name first: a pattern takes ten times as long."""
        return any(name in data for name in self.names) and self.wanted.search(data) is not None

    def end(self) -> None:
        """Read what stands behind the last line's end: some servers leave out the last blank line."""
        if self._tail:
            self.feed(b"\n")

    def _event(self, data: bytes) -> None:
        if data == b"[DONE]":
            self._marked_done()
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            self.odd = self.odd or "an event that is not JSON"
            return
        if isinstance(event, dict):
            self._read(event)
        else:
            self.odd = self.odd or f"an event that is no object but {type(event).__name__}"

    def _marked_done(self) -> None:
        """`[DONE]`, which only one wire has."""

    def _read(self, event: dict[str, Any]) -> None:
        raise NotImplementedError

    def _says(self, text: object) -> None:
        """Note content: a text, or anything that is no text but is there."""
        if not text:
            return
        self.has_content = True
        if self._keeps_text and isinstance(text, str):
            self.text.append(whole_text(text))

    def counted(self, count: Callable[[Far], tuple[Usage, str]], request: RawRequest) -> tuple[Usage, str]:
        """Give the tokens that were told, what nobody counted at the most that it can be, and what is odd of them."""
        usage, lacking = count(Far(dict(self.usage) or None, "usage"))
        if not usage.estimated and usage.input_tokens and (usage.output_tokens or not self.has_content):
            return usage, lacking
        most = min(request.most_output_tokens, max(self.said_bytes, usage.output_tokens))
        return replace(
            usage,
            input_tokens=usage.input_tokens or request.most_input_tokens,
            output_tokens=usage.output_tokens or most,
            estimated=True,
        ), lacking


class ChatStreamState(StreamState):
    """OpenAI's Chat Completions: chunks, then `[DONE]`."""

    wanted = re.compile(
        rb'"usage"\s*:\s*\{|"error":\s*[{"\[]|"object":\s*"error"|"(?:finish_reason|refusal)":\s*"|\[DONE\]'
    )
    names = (
        *(b"_tokens", b'"error"', b"[DONE]"),
        *(b'"finish_reason":"', b'"finish_reason": "', b'"refusal":"', b'"refusal": "'),
    )

    def _marked_done(self) -> None:
        self.is_done = True

    def _read(self, event: dict[str, Any]) -> None:
        if event.get("error") or event.get("object") == "error":  # as older servers of vLLM say it
            self.error = Far(event)
            return
        if isinstance(event.get("usage"), dict):
            self.usage = event["usage"]
        if not self.served_model and isinstance(event.get("model"), str):
            self.served_model = whole_text(event["model"])
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._choice(choice)
        if self.stop and is_failure(self.stop):
            self.error = self.error or Far(event)

    def _choice(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._says(delta.get("content"))
            if not self.has_content:
                for name in ("tool_calls", "refusal", "function_call", "reasoning_content", "reasoning", "audio"):
                    self.has_content = self.has_content or bool(delta.get(name))
            if delta.get("refusal"):
                self.detail = "refusal"
        if choice.get("error"):
            self.error = Far(choice)
        if isinstance(choice.get("finish_reason"), str):
            self.stop = choice["finish_reason"]
            self.has_content = self.has_content or self.stop == "content_filter"


class MessagesStreamState(StreamState):
    """Anthropic's Messages: named events, the last of which is `message_stop`."""

    wanted = re.compile(rb'"type":\s*"(message_start|message_delta|message_stop|error)"')
    names = (b'"message_', b'"error"')

    def _read(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "content_block_delta":
            self._delta(event.get("delta"))
        elif kind == "content_block_start":
            block = event.get("content_block")
            if isinstance(block, dict):
                is_text = block.get("type") in ("text", "thinking")
                self._says(block.get("text") or block.get("thinking") if is_text else {"block": 1})
        elif kind == "message_start":
            self._message(event.get("message"))
        elif kind == "message_delta":
            self._end(event)
        elif kind == "message_stop":
            self.is_done = True
        elif kind == "error":
            self.error = Far(event)

    def _delta(self, delta: object) -> None:
        if isinstance(delta, dict):
            self._says(delta.get("text"))
            if not self.has_content:
                self.has_content = bool(delta.get("thinking") or delta.get("partial_json"))

    def _message(self, message: object) -> None:
        if isinstance(message, dict):
            if isinstance(message.get("model"), str):
                self.served_model = whole_text(message["model"])
            self._count(message.get("usage"))

    def _end(self, event: dict[str, Any]) -> None:
        self._count(event.get("usage"))
        delta = event.get("delta")
        if isinstance(delta, dict) and isinstance(delta.get("stop_reason"), str):
            self.stop = delta["stop_reason"]
            details = delta.get("stop_details")
            self.detail = str(details.get("category") or "") if isinstance(details, dict) else ""
            self.has_content = self.has_content or self.stop == "refusal"

    def _count(self, usage: object) -> None:
        """Counts are cumulative; a later null or 0 takes nothing back."""
        if isinstance(usage, dict):
            self.usage = {**self.usage, **{name: value for name, value in usage.items() if value}} or dict(usage)


class ResponsesStreamState(StreamState):
    """OpenAI's Responses: named events, the last of which holds the whole response."""

    wanted = re.compile(rb'"type":\s*"(response\.(completed|incomplete|failed|created)|error)"')
    names = (b'"response.completed"', b'"response.incomplete"', b'"response.failed"', b'"error"')
    _CONTENT = re.compile(r"response\.(output_text|refusal|reasoning\w*|function_call_arguments|audio\w*|\w+)\.delta")

    def _read(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        response = event.get("response")
        told: dict[str, Any] = response if isinstance(response, dict) else {}
        if isinstance(told.get("model"), str):
            self.served_model = whole_text(told["model"])
        if kind == "response.created":
            self.began = told
        if kind in ("response.completed", "response.incomplete"):
            self.is_done = True
            self.usage = told.get("usage") if isinstance(told.get("usage"), dict) else {}  # type: ignore[assignment]  # looked at
            self.stop = stop_of_response(told)
            self.has_content = self.has_content or self.stop == "content_filter"
        elif kind in ("response.failed", "error"):
            self.error = Far(told if told.get("error") else event)
        elif isinstance(kind, str) and self._CONTENT.fullmatch(kind):
            self._says(event.get("delta"))
        elif kind == "response.output_item.added" and isinstance(event.get("item"), dict):
            self._says({} if event["item"].get("type") in ("message", "reasoning") else {"item": 1})


def stop_of_response(response: Mapping[str, Any]) -> str:
    """Give why a response ended, in the words of Chat Completions."""
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if response.get("status") == "incomplete" or reason:
        return "content_filter" if reason == "content_filter" else "length"
    output = response.get("output")
    items = output if isinstance(output, list) else []
    calls = any(isinstance(item, dict) and str(item.get("type", "")).endswith("_call") for item in items)
    return "tool_calls" if calls else "stop"


STATES: Mapping[str, type[StreamState]] = {
    "chat": ChatStreamState,
    "messages": MessagesStreamState,
    "responses": ResponsesStreamState,
}


def part_seen(state: StreamState, usage: Usage | None, request: RawRequest) -> Usage:
    """Give the tokens of a stream that broke off, by what was seen of it: an estimate that errs high."""
    known = usage or Usage()
    written = min(request.most_output_tokens, state.said_bytes + _ON_ITS_WAY)
    return Usage(
        input_tokens=known.input_tokens or request.most_input_tokens,
        output_tokens=max(known.output_tokens, written),
        cache_read_tokens=known.cache_read_tokens,
        cache_write_tokens=known.cache_write_tokens,
        estimated=True,
    )


CUT_SHORT = StopReason.OTHER  # of a stream that nobody read to its end
