"""Writes the neutral form as a request of OpenAI's Chat Completions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from routerctl.service.translate.chat_request_reader import ERROR_MARK
from routerctl.service.translate.fields import Notes
from routerctl.service.translate.media import data_uri
from routerctl.service.translate.neutral_request import (
    FilePart,
    ImagePart,
    NeutralRequest,
    Part,
    RefusalPart,
    ReplyFormat,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    Turn,
    Untranslatable,
    UpstreamRequest,
)
from routerctl.service.translate.schemas import strict
from routerctl.service.translate.tool_names import ToolNames, chat_id

_MOST_STOPS = 4
_LONGEST_USER = 64  # letters
# Fields of Responses that Chat Completions has under the same name, with the same values.
_SHARED = ("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "service_tier", "verbosity")
Body = dict[str, Any]


def write(asked: NeutralRequest, *, model: str) -> UpstreamRequest:
    """Write a request.

    Raises:
        Untranslatable: something in it has no form there, and the reply would not be what was asked for without it.
    """
    writer = _Writer()
    fields: Body = {
        "model": model,
        "messages": writer.messages(asked.turns),
        "max_completion_tokens": _max_tokens(asked.max_tokens),
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "top_k": asked.top_k if asked.wire == "chat" else None,
        "stop": _stops(asked),
        "tools": [writer.tool(tool) for tool in asked.tools],
        "tool_choice": writer.choice(asked.choice) if asked.tools else None,
        "parallel_tool_calls": asked.parallel if asked.tools else None,
        "response_format": writer.format(asked.format),
        "reasoning_effort": asked.effort,
        "user": _user(asked.user),
        "stream": asked.stream or None,
        "stream_options": {"include_usage": True} if asked.stream else None,
        **writer.extras(asked),
    }
    body = {name: value for name, value in fields.items() if value not in (None, [], {})}
    return UpstreamRequest(body=body, dropped=tuple(writer.notes.dropped), names=writer.names.theirs)


def _max_tokens(most: int | None) -> int | None:
    if most == 0:
        raise Untranslatable("max_tokens: 0 warms a cache of Claude's; expected at least 1", param="max_tokens")
    return most


def _user(user: str) -> str | None:
    """Give the end user's id; a longer one than OpenAI takes becomes its digest, which names the same user."""
    return (user if len(user) <= _LONGEST_USER else hashlib.sha256(user.encode()).hexdigest()) or None


def _stops(asked: NeutralRequest) -> list[str]:
    if len(asked.stop) > _MOST_STOPS:
        name = "stop_sequences" if asked.wire == "messages" else "stop"
        raise Untranslatable(f"{name}: expected at most {_MOST_STOPS}, got {len(asked.stop)}", param=name)
    return [*asked.stop]


class _Writer:
    """Writes the parts of one request, and notes what it leaves behind."""

    def __init__(self) -> None:
        self.names, self.notes = ToolNames("chat"), Notes()

    def extras(self, asked: NeutralRequest) -> Body:
        """Write what the two OpenAI wires share; name the rest."""
        if asked.wire == "chat":
            return dict(asked.extras)
        kept = {name: asked.extras[name] for name in _SHARED if asked.wire == "responses" and name in asked.extras}
        self.notes.drop(*(name for name in asked.extras if name not in kept))
        self.notes.drop(*(["cache_control"] if asked.cache else []), *(["top_k"] if asked.top_k is not None else []))
        return kept

    # --- messages ---

    def messages(self, turns: Sequence[Turn]) -> list[Body]:
        """Write the messages; a user's turn may be several: a `tool` message for each result, then the rest."""
        messages = [message for turn in turns for message in self._turn(turn)]
        if not messages:
            raise Untranslatable("messages: expected at least one message with content", param=turns[-1].at)
        if messages[-1]["role"] == "assistant":
            at = turns[-1].at
            raise Untranslatable(
                f"{at}: the last message is the assistant's: no reply that is begun is continued there", param=at
            )
        return messages

    def _turn(self, turn: Turn) -> list[Body]:
        if turn.role == "assistant":
            return self._assistant(turn)
        results = [part for part in turn.parts if isinstance(part, ToolResultPart)]
        rest: list[Part] = [part for part in turn.parts if not isinstance(part, ToolResultPart)]
        media = [one for result in results for one in _media_of(result)]
        parts = [part for one in (*media, *rest) for part in self._part(one)]
        spoken = [{"role": turn.role, "content": _content(parts)}] if parts else []
        return [*(self._result(result) for result in results), *spoken]

    def _assistant(self, turn: Turn) -> list[Body]:
        """Write what the assistant said: its texts as one, its thoughts not at all (nobody else takes them)."""
        message: Body = {}
        self.notes.drop(*(part.at for part in turn.parts if isinstance(part, ThinkingPart)))
        texts = [part for part in turn.parts if isinstance(part, TextPart)]
        self._drop_marks(texts)
        if text := "".join(part.text for part in texts):
            message["content"] = text
        if refusal := "".join(part.text for part in turn.parts if isinstance(part, RefusalPart)):
            message["refusal"] = refusal
        if calls := [self._call(part) for part in turn.parts if isinstance(part, ToolCallPart)]:
            message["tool_calls"] = calls
        for part in turn.parts:
            if isinstance(part, ImagePart | FilePart | ToolResultPart):
                raise Untranslatable(f"{part.at}: an assistant's message has text and tool calls", param=part.at)
        return [{"role": "assistant", "content": None} | message] if message else []

    def _call(self, part: ToolCallPart) -> Body:
        self._drop_marks([part])
        function = {"name": self.names.write(part.name), "arguments": part.arguments or "{}"}
        return {"id": chat_id(part.id), "type": "function", "function": function}

    def _result(self, part: ToolResultPart) -> Body:
        """Write a result: this wire's has text alone, so that its pictures follow in a user's message."""
        self._drop_marks([part])
        texts = [one for one in part.parts if isinstance(one, TextPart)]
        others = len(part.parts) - len(texts)
        parts = [piece for one in texts for piece in self._part(one)]
        if others:
            parts.append({"type": "text", "text": "[The rest of this result follows in the next message.]"})
        if part.is_error:
            first = parts[0]["text"] if parts else ""
            parts = [{"type": "text", "text": ERROR_MARK + first}, *parts[1:]]
        return {"role": "tool", "tool_call_id": chat_id(part.id), "content": _content(parts) if parts else ""}

    def _part(self, part: Part) -> list[Body]:
        match part:
            case TextPart():
                mark = {"prompt_cache_breakpoint": part.breakpoint} if part.breakpoint else {}
                self._drop_marks([part])
                return [{"type": "text", "text": part.text} | mark] if part.text else []
            case ImagePart():
                self._drop_marks([part])
                url = part.url or data_uri(part.media_type, part.data)
                return [
                    {"type": "image_url", "image_url": {"url": url} | ({"detail": part.detail} if part.detail else {})}
                ]
            case FilePart():
                self._drop_marks([part])
                return [_file(part)]
            case RefusalPart() | ThinkingPart() | ToolCallPart() | ToolResultPart():
                raise Untranslatable(f"{part.at}: only an assistant's message may have it", param=part.at)

    def _drop_marks(
        self, parts: Iterable[TextPart | ImagePart | FilePart | ToolCallPart | ToolResultPart | Tool]
    ) -> None:
        self.notes.drop(*(f"{part.at}.cache_control" for part in parts if part.cache))

    # --- tools and format ---

    def tool(self, tool: Tool) -> Body:
        """Write a tool; strict as far as this wire's strict mode takes its schema."""
        self._drop_marks([tool])
        is_strict = tool.strict
        if is_strict and not strict(dict(tool.schema)):
            self.notes.drop(f"{tool.at}.strict")
            is_strict = False
        fields = {
            "name": self.names.write(tool.name),
            "description": tool.description,
            "parameters": dict(tool.schema) or None,
            "strict": is_strict,
        }
        return {"type": "function", "function": {name: value for name, value in fields.items() if value is not None}}

    def choice(self, choice: ToolChoice | None) -> Any:
        """Write the choice."""
        if choice is None:
            return None
        mode = "required" if choice.kind == "any" else choice.kind
        if choice.allowed:
            tools = [_named(self.names.write(name)) for name in choice.allowed]
            return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
        return _named(self.names.write(choice.name)) if choice.kind == "tool" else mode

    def format(self, asked: ReplyFormat | None) -> Body | None:
        """Write the shape of the reply; Anthropic holds every schema, strict mode only those that it takes."""
        if asked is None:
            return None
        if asked.schema is None:
            return {"type": "json_object"}
        is_strict = asked.strict
        if is_strict is None and asked.at.startswith("output_"):
            is_strict = strict(dict(asked.schema))
            self.notes.drop(*([] if is_strict else [f"{asked.at} (strictness)"]))
        fields = {
            "name": asked.name or "reply",
            "description": asked.description or None,
            "schema": dict(asked.schema),
            "strict": is_strict,
        }
        return {"type": "json_schema", "json_schema": {name: one for name, one in fields.items() if one is not None}}


def _named(name: str) -> Body:
    return {"type": "function", "function": {"name": name}}


def _media_of(result: ToolResultPart) -> list[TextPart | ImagePart | FilePart]:
    """Give what of a result is no text, with a line before it that says whose it is."""
    media = [part for part in result.parts if not isinstance(part, TextPart)]
    return [TextPart(text=f"[Result of the tool call {chat_id(result.id)}:]", at=result.at), *media] if media else []


def _content(parts: Sequence[Body]) -> Any:
    """Give a message's content: a text alone as such, which every server of this wire reads."""
    alone = parts[0] if len(parts) == 1 else {}
    return alone["text"] if alone.keys() == {"type", "text"} else [*parts]


def _file(part: FilePart) -> Body:
    if part.url:
        raise Untranslatable(
            f"{part.at}: a document by its address has no form there: expected its bytes", param=part.at
        )
    if part.text:
        return {"type": "text", "text": f"{part.name}\n\n{part.text}" if part.name else part.text}
    name = part.name or ("document.pdf" if part.media_type == "application/pdf" else "document")
    return {"type": "file", "file": {"filename": name, "file_data": data_uri(part.media_type, part.data)}}
