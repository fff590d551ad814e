"""Reads the chunks of a chat completion's stream as neutral events.

What servers of this wire differ in is met here: usage in every chunk or in the last one, a finish_reason that is
missing or shares a chunk with content, tool calls that come interleaved, in one piece, or without an index.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from routerctl.providers.reading import Far, Odd
from routerctl.service.translate.chat_reply import arguments_in, calls_in, matched_stop, stop_of, text_in, thinking_in
from routerctl.service.translate.errors import STATUSES, kind_of
from routerctl.service.translate.fields import is_given
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
from routerctl.service.translate.tool_names import made_id
from routerctl.service.translate.usage import read_chat

_CODES = {  # OpenAI's error.code or type -> Anthropic's error.type
    "rate_limit_exceeded": "rate_limit_error",
    "insufficient_quota": "billing_error",
    "overloaded": "overloaded_error",
    "engine_overloaded": "overloaded_error",
    "server_error": "api_error",
}


@dataclass(slots=True)
class _Tool:
    """A tool call of which the first pieces may be all of the name."""

    id: str = ""
    name: str = ""
    began: bool = False
    held: str = ""  # arguments that came before the name
    has_arguments: bool = False


class ChatStreamReader:
    """Reads one stream, an event's data after the other."""

    def __init__(self) -> None:
        self._began: ReplyBegan | None = None
        self._tools: list[_Tool] = []  # in the order in which they began
        self._places: dict[int, int] = {}  # of the server's indices
        self._finish, self._refused = Far(None), False
        self._stop_sequence: str | None = None
        self._usage = Far(None)

    def take(self, _name: str, data: str) -> list[Event]:
        """Give the events of one chunk; raises Odd, ValueError."""
        if data.strip() == "[DONE]":
            return self._end()
        chunk = Far(json.loads(data)).mapping()
        if is_given(chunk["error"]):
            return [failed_with(chunk["error"])]
        if isinstance(chunk["usage"].value, dict):
            self._usage = chunk["usage"]
        choice = chunk["choices"][0]
        if choice.value is None:  # usage, a keepalive, what a filter says of the prompt
            return []
        events = self._begin(chunk) + self._delta(choice.mapping()["delta"])
        if choice["finish_reason"].value is not None:
            self._finish, self._stop_sequence = choice["finish_reason"], matched_stop(choice)
        return events

    def _begin(self, chunk: Far) -> list[Event]:
        if self._began:
            return []
        self._began = ReplyBegan(id=chunk["id"].name(), model=chunk["model"].name())
        return [self._began]

    def _delta(self, delta: Far) -> list[Event]:
        if delta.value is None:
            return []
        events: list[Event] = []
        if thought := thinking_in(delta):
            events.append(ThinkingDelta(text=thought))
        if text := text_in(delta["content"]):
            events.append(TextDelta(text=text))
        if refusal := delta["refusal"].text_or(""):
            self._refused = True
            events.append(RefusalDelta(text=refusal))
        for call in calls_in(delta):
            events += self._call(call)
        return events

    def _call(self, call: Far) -> list[Event]:
        place = self._place(call)
        begun: list[Event] = []
        if place == len(self._tools):
            begun = self._open_all()
            self._tools.append(_Tool())
        tool = self._tools[place]
        tool.id = tool.id or call["id"].text_or("")
        name = call["function"]["name"].text_or("")
        if not tool.began and name != tool.name:  # it may come in pieces, and some servers say it again
            tool.name += name
        tool.held += arguments_in(call["function"]["arguments"])
        return [*begun, *self._open(place)] if tool.held and tool.name else begun

    def _place(self, call: Far) -> int:
        """Give the place of a call: by its index, or, of a server without them or with one for all, by its id."""
        told, made = call["index"].count(), call["id"].text_or("")
        known = next((place for place, tool in enumerate(self._tools) if made and tool.id == made), None)
        new = len(self._tools)
        if told is None:
            return known if known is not None else new if made or not new else new - 1
        place = self._places.get(told)
        if place is None or (made and call["function"]["name"].text_or("") and self._tools[place].id not in ("", made)):
            place = new if place is None or known is None else known
            self._places[told] = place
        return place

    def _open(self, place: int) -> list[Event]:
        """Give what may be given of a call: its beginning, and the arguments that have come since."""
        tool, events = self._tools[place], list[Event]()
        if not tool.began:
            tool.began = True
            made = tool.id or made_id((self._began.id if self._began else "", place))
            events.append(ToolCallBegan(index=place, id=made, name=tool.name))
        if tool.held:
            events.append(ToolCallDelta(index=place, fragment=tool.held))
            tool.held, tool.has_arguments = "", True
        return events

    def _open_all(self) -> list[Event]:
        return [event for place, tool in enumerate(self._tools) if tool.name for event in self._open(place)]

    def _end(self) -> list[Event]:
        """Give what ends the reply; usage came last, so that only the terminal event ends it."""
        if self._began is None:
            return [ReplyFailed(kind="api_error", status=502, message="the provider's stream ended before it began")]
        usage, reasoning = read_chat(self._usage)
        if any(not tool.name for tool in self._tools):
            raise Odd("tool_calls: expected a name of each")
        opened = self._open_all()
        empty: list[Event] = [
            ToolCallDelta(index=place, fragment="{}")
            for place, tool in enumerate(self._tools)
            if not tool.has_arguments
        ]
        ended = ReplyEnded(
            stop=stop_of(self._finish, tools=bool(self._tools), refused=self._refused),
            stop_sequence=self._stop_sequence,
            usage=usage,
            reasoning_tokens=reasoning,
        )
        return [*opened, *empty, ended]


def failed_with(error: Far) -> ReplyFailed:
    """Give the failure that an OpenAI-shaped error is, in our words."""
    code = error["code"].value
    if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
        kind = kind_of(code)
    else:
        words = (error["code"].name(), error["type"].name())
        kind = next((_CODES.get(one, one) for one in words if _CODES.get(one, one) in STATUSES), "api_error")
    message = f"the provider reported an error in its stream: {kind}"
    detail = error["message"].name() or (error.value if isinstance(error.value, str) else "")
    return ReplyFailed(kind=kind, status=STATUSES[kind], message=message, detail=detail)
