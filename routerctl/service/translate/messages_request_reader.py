"""Reads a request of Anthropic's Messages into the neutral form.

Source of the shapes: `MessageCreateParams` of the `anthropic` SDK; sampling parameters are those of older models.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from routerctl.providers.reading import Far, Odd
from routerctl.service.translate.effort import LEVELS, level_of
from routerctl.service.translate.fields import Notes, flag, is_given, mapping_or_none, number, parts_of, word
from routerctl.service.translate.neutral_request import (
    EffortLevel,
    FilePart,
    ImagePart,
    NeutralRequest,
    Part,
    ReplyFormat,
    Role,
    TextPart,
    ThinkingPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    Turn,
)

_BOUND = {
    "container": "a container",
    "mcp_servers": "an MCP server",
    "context_management": "context management",
    "fallbacks": "fallbacks",
}
_KNOWN = frozenset(
    {
        *_BOUND,
        *("model", "messages", "system", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "stream"),
        *("tools", "tool_choice", "thinking", "output_config", "output_format", "metadata", "cache_control"),
    }
)
_CHOICES: Mapping[str, ToolChoice] = {name: ToolChoice(kind=name) for name in ("auto", "any", "none")}
_ROLES: tuple[Role, ...] = ("user", "assistant", "system")
_EFFORTS = tuple(level for level in LEVELS if level not in ("none", "minimal"))


def read(body: Mapping[str, Any]) -> NeutralRequest:
    """Read a request; raises Odd."""
    far, notes = Far(dict(body)), Notes()
    notes.bind_there(far, _BOUND)
    notes.drop_others(far["metadata"], ("user_id",)) if is_given(far["metadata"]) else None
    tools = tuple(_tool(one.mapping(), notes) for one in far["tools"].items()) if is_given(far["tools"]) else ()
    serial = flag(far["tool_choice"]["disable_parallel_tool_use"])
    return NeutralRequest(
        wire="messages",
        model=far["model"].text_or(""),
        turns=(*_system(far["system"], notes), *_turns(far["messages"], notes)),
        tools=tools,
        choice=_choice(far["tool_choice"]),
        parallel=None if serial is None else not serial,
        max_tokens=far["max_tokens"].count(),
        temperature=number(far["temperature"]),
        top_p=number(far["top_p"]),
        top_k=far["top_k"].count(),
        stop=tuple(one.text() for one in far["stop_sequences"].items()) if is_given(far["stop_sequences"]) else (),
        format=_format(far, notes),
        effort=_effort(far, notes),
        user=far["metadata"]["user_id"].text_or(""),
        stream=bool(flag(far["stream"])),
        cache=far["cache_control"].value,
        extras={name: value for name, value in body.items() if name not in _KNOWN and is_given(far[name])},
        unsupported=tuple(notes.unsupported),
        dropped=tuple(notes.dropped),
        body=body,
    )


# --- messages ---------------------------------------------------------------------------------------------------------


def _system(system: Far, notes: Notes) -> list[Turn]:
    parts = _content(system, notes)
    return [Turn(role="system", parts=tuple(parts), at="system")] if parts else []


def _turns(messages: Far, notes: Notes) -> list[Turn]:
    turns = []
    for message in messages.items():
        role = word(message.mapping()["role"], _ROLES)
        if role is None:
            raise message["role"].odd("user or assistant")
        notes.drop_others(message, ("role", "content"))
        if message["content"].value is None:
            raise message["content"].odd("str or list")
        turns.append(Turn(role=role, parts=tuple(_content(message["content"], notes)), at=message.path))
    if not turns:
        raise messages.odd("at least one message")
    return turns


def _content(content: Far, notes: Notes) -> list[Part]:
    return [part for one in parts_of(content) for part in _block(one, notes)]


def _block(block: Far, notes: Notes) -> list[Part]:
    """Read a block; those of server tools have no form elsewhere."""
    kind, cache, at = block["type"].text(), block["cache_control"].value, block.path
    match kind:
        case "text":
            notes.drop_others(block, ("type", "text", "cache_control"))
            return [TextPart(text=block["text"].text(), cache=cache, at=at)]
        case "thinking":
            return [ThinkingPart(text=block["thinking"].text(), signature=block["signature"].text_or(""), at=at)]
        case "redacted_thinking":
            return [ThinkingPart(sealed=block["data"].text(), at=at)]
        case "tool_use":
            return [_call(block, notes)]
        case "tool_result":
            return [_result(block, notes)]
        case "image" if not is_given(block["source"]["file_id"]):
            notes.drop_others(block, ("type", "source", "cache_control"))
            return [_image(block)]
        case "document" if not is_given(block["source"]["file_id"]):
            return _document(block, notes)
        case _:
            notes.bind(block, "a file by its id" if kind in ("image", "document") else f"a block of type '{kind[:40]}'")
            return []


def _call(block: Far, notes: Notes) -> ToolCallPart:
    notes.drop_others(block, ("type", "id", "name", "input", "cache_control"))
    return ToolCallPart(
        id=block["id"].text(),
        name=block["name"].text(),
        arguments=json.dumps(mapping_or_none(block["input"]) or {}, separators=(",", ":"), ensure_ascii=False),
        cache=block["cache_control"].value,
        at=block.path,
    )


def _result(block: Far, notes: Notes) -> ToolResultPart:
    notes.drop_others(block, ("type", "tool_use_id", "content", "is_error", "cache_control"))
    parts = tuple(
        part for part in _content(block["content"], notes) if isinstance(part, TextPart | ImagePart | FilePart)
    )
    return ToolResultPart(
        id=block["tool_use_id"].text(),
        parts=parts,
        is_error=bool(flag(block["is_error"])),
        cache=block["cache_control"].value,
        at=block.path,
    )


def _image(block: Far) -> ImagePart:
    source, cache = block["source"].mapping(), block["cache_control"].value
    if word(source["type"], ("base64", "url")) == "url":
        return ImagePart(url=source["url"].text(), cache=cache, at=block.path)
    return ImagePart(data=source["data"].text(), media_type=source["media_type"].text(), cache=cache, at=block.path)


def _document(block: Far, notes: Notes) -> list[Part]:
    """Read a document; one that is made of blocks is those blocks."""
    notes.drop_others(block, ("type", "source", "title", "cache_control"))
    source, cache, at = block["source"].mapping(), block["cache_control"].value, block.path
    name = block["title"].text_or("")
    match word(source["type"], ("base64", "text", "url", "content")):
        case "base64":
            data, media_type = source["data"].text(), source["media_type"].text()
            return [FilePart(data=data, media_type=media_type, name=name, cache=cache, at=at)]
        case "text":
            return [FilePart(text=source["data"].text(), name=name, cache=cache, at=at)]
        case "url":
            return [FilePart(url=source["url"].text(), name=name, cache=cache, at=at)]
        case _:
            notes.drop_there(block, ("title", "cache_control"))
            return _content(source["content"], notes)


# --- tools, thinking, format ------------------------------------------------------------------------------------------


def _tool(tool: Far, notes: Notes) -> Tool:
    if tool["type"].text_or("custom") != "custom":
        notes.bind(tool, f"the server tool '{tool['type'].text()[:40]}'")
        return Tool(name=tool["name"].name(), at=tool.path)
    notes.drop_others(tool, ("type", "name", "description", "input_schema", "strict", "cache_control"))
    return Tool(
        name=tool["name"].text(),
        description=None if tool["description"].value is None else tool["description"].text(),
        schema=tool["input_schema"].mapping().value,
        strict=flag(tool["strict"]),
        cache=tool["cache_control"].value,
        at=tool.path,
    )


def _choice(choice: Far) -> ToolChoice | None:
    if choice.value is None:
        return None
    kind = word(choice.mapping()["type"], ("auto", "any", "none", "tool"))
    if kind is None:
        raise choice["type"].odd("auto, any, none or tool")
    return ToolChoice(kind="tool", name=choice["name"].text()) if kind == "tool" else _CHOICES[kind]


def _effort(far: Far, notes: Notes) -> EffortLevel | None:
    """Give the level that is asked for: in so many words, or by what the thinking may cost."""
    effort = word(far["output_config"]["effort"], _EFFORTS)
    thinking = far["thinking"]
    notes.drop_there(thinking, ("display",))
    kind = word(thinking["type"], ("enabled", "disabled", "adaptive", "between_tools"))
    if kind == "disabled":
        notes.drop_there(far["output_config"], ("effort",))
        return "none"
    if kind == "between_tools":
        notes.drop(thinking.path)
    if effort is not None:
        notes.drop_there(thinking, ("budget_tokens",))
    elif kind == "enabled":
        budget = thinking["budget_tokens"].count()
        if budget is None:
            raise thinking["budget_tokens"].odd("int")
        return level_of(budget)
    return effort


def _format(far: Far, notes: Notes) -> ReplyFormat | None:
    """Read the schema of the reply, from where it is now or where the beta had it."""
    if is_given(far["output_config"]):
        notes.drop_others(far["output_config"], ("effort", "format"))
    asked = far["output_config"]["format"]
    asked = asked if asked.value is not None else far["output_format"]
    if asked.value is None:
        return None
    if asked.mapping()["type"].value != "json_schema":
        raise Odd(f"{asked.path}.type: expected json_schema")
    return ReplyFormat(schema=asked["schema"].mapping().value, at=asked.path)
