"""Reads a request of OpenAI's Responses into the neutral form.

Source of the shapes: `ResponseCreateParams` of the `openai` SDK. Its items become turns: what the assistant said,
thought and called between two turns of others is one turn, and so are the results of its calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routerctl.providers.reading import Far
from routerctl.service.translate.chat_request_reader import allowed_choice, choice_word, format_of, user_of
from routerctl.service.translate.effort import LEVELS
from routerctl.service.translate.fields import Notes, flag, is_given, mapping_or_none, number, parts_of, word
from routerctl.service.translate.media import file_of_data, image_of_url
from routerctl.service.translate.neutral_request import (
    FilePart,
    ImagePart,
    NeutralRequest,
    Part,
    RefusalPart,
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
from routerctl.service.translate.signed_thinking import unpack_thinking

_BOUND = {
    "previous_response_id": "previous_response_id (send the whole conversation as input)",
    "conversation": "a stored conversation (send the whole of it as input)",
    "background": "background mode",
    "prompt": "a stored prompt",
    "context_management": "context management",
    "moderation": "moderation",
    "top_logprobs": "log probabilities",
}
_KNOWN = frozenset(
    {
        *_BOUND,
        *("model", "input", "instructions", "max_output_tokens", "temperature", "top_p", "stream", "stream_options"),
        *("tools", "tool_choice", "parallel_tool_calls", "text", "reasoning", "user", "safety_identifier", "include"),
        "truncation",
    }
)
_ROLES: tuple[Role, ...] = ("system", "developer", "user", "assistant")
_KNOWN_PARTS = frozenset(
    {"type", "text", "image_url", "detail", "file_data", "file_url", "filename", "refusal", "prompt_cache_breakpoint"}
)
_SEALED = "reasoning.encrypted_content"


def read(body: Mapping[str, Any]) -> NeutralRequest:
    """Read a request; raises Odd."""
    far, notes = Far(dict(body)), Notes()
    notes.bind_there(far, _BOUND)
    for one in far["include"].items() if is_given(far["include"]) else ():
        if one.value != _SEALED:
            notes.bind(one, f"including '{one.text()[:60]}'")
    if far["truncation"].value == "auto":
        notes.drop("truncation")
    if is_given(far["text"]):
        notes.drop_others(far["text"], ("format", "verbosity"))
    if is_given(far["reasoning"]):
        notes.drop_others(far["reasoning"], ("effort",))
    tools = tuple(_tool(one.mapping(), notes) for one in far["tools"].items()) if is_given(far["tools"]) else ()
    verbosity = {"verbosity": far["text"]["verbosity"].value} if is_given(far["text"]["verbosity"]) else {}
    return NeutralRequest(
        wire="responses",
        model=far["model"].text_or(""),
        turns=(*_instructions(far["instructions"]), *_turns(far["input"], notes)),
        tools=tools,
        choice=_choice(far["tool_choice"], notes),
        parallel=flag(far["parallel_tool_calls"]),
        max_tokens=far["max_output_tokens"].count(),
        temperature=number(far["temperature"]),
        top_p=number(far["top_p"]),
        format=_format(far["text"]["format"]),
        effort=word(far["reasoning"]["effort"], LEVELS),
        user=user_of(far, notes),
        stream=bool(flag(far["stream"])),
        extras={name: value for name, value in body.items() if name not in _KNOWN and is_given(far[name])} | verbosity,
        unsupported=tuple(notes.unsupported),
        dropped=tuple(notes.dropped),
        body=body,
    )


# --- items ------------------------------------------------------------------------------------------------------------


def _instructions(far: Far) -> list[Turn]:
    text = far.text_or("")
    return [Turn(role="system", parts=(TextPart(text=text, at=far.path),), at=far.path)] if text else []


def _turns(asked: Far, notes: Notes) -> list[Turn]:
    if isinstance(asked.value, str):
        return [Turn(role="user", parts=(TextPart(text=asked.text(), at=asked.path),), at=asked.path)]
    turns: list[Turn] = []
    for item in asked.items():
        turn = _turn(item.mapping(), notes)
        last = turns[-1] if turns else None
        if turn is None:
            continue
        if last and last.role == turn.role and (turn.role == "assistant" or _only_results(last, turn)):
            turns[-1] = Turn(role=last.role, parts=last.parts + turn.parts, at=last.at)
        else:
            turns.append(turn)
    if not turns and not notes.unsupported:
        raise asked.odd("a text, or at least one item")
    return turns


def _only_results(*turns: Turn) -> bool:
    return all(isinstance(part, ToolResultPart) for turn in turns for part in turn.parts)


def _turn(item: Far, notes: Notes) -> Turn | None:
    """Read an item; those of built-in tools, and those that lie at OpenAI's, have no form elsewhere."""
    kind = item["type"].text_or("item_reference" if item["role"].value is None else "message")
    part: Part | None
    match kind:
        case "message":
            return _message(item, notes)
        case "function_call":
            part = _call(item, notes)
        case "function_call_output":
            return Turn(role="user", parts=(_result(item, notes),), at=item.path)
        case "reasoning":
            part = _thought(item, notes)
        case _:
            notes.bind(item, f"an item of type '{kind[:40]}'")
            return None
    return None if part is None else Turn(role="assistant", parts=(part,), at=item.path)


def _message(item: Far, notes: Notes) -> Turn:
    role = word(item["role"], _ROLES)
    if role is None:
        raise item["role"].odd("system, developer, user or assistant")
    notes.drop_others(item, ("type", "role", "content", "id", "status"))
    return Turn(role=role, parts=tuple(_content(item["content"], notes)), at=item.path)


def _call(item: Far, notes: Notes) -> ToolCallPart:
    notes.drop_others(item, ("type", "id", "call_id", "name", "arguments", "status"))
    return ToolCallPart(
        id=item["call_id"].text(), name=item["name"].text(), arguments=item["arguments"].text_or(""), at=item.path
    )


def _result(item: Far, notes: Notes) -> ToolResultPart:
    notes.drop_others(item, ("type", "id", "call_id", "output", "status", "name"))
    parts = _content(item["output"], notes)
    return ToolResultPart(
        id=item["call_id"].text(),
        parts=tuple(part for part in parts if isinstance(part, TextPart | ImagePart | FilePart)),
        at=item.path,
    )


def _thought(item: Far, notes: Notes) -> ThinkingPart | None:
    """Read a reasoning item that we made of signed thinking; another provider's goes no further."""
    thought = unpack_thinking(item["encrypted_content"].text_or(""), at=item.path)
    if thought is None:
        notes.drop(item.path)
    return thought


def _content(content: Far, notes: Notes) -> list[Part]:
    return [part for one in parts_of(content, "input_text") if (part := _part(one, notes)) is not None]


def _part(part: Far, notes: Notes) -> Part | None:
    kind, mark = part["type"].text(), part["prompt_cache_breakpoint"].value
    by_id = bool(is_given(part["file_id"]))
    if kind in ("input_text", "output_text", "text"):
        return TextPart(text=part["text"].text(), breakpoint=mark, at=part.path)
    if kind == "refusal":
        return RefusalPart(text=part["refusal"].text(), at=part.path)
    if by_id or kind not in ("input_image", "input_file"):
        notes.bind(part, "a file by its id" if by_id else f"a part of type '{kind[:40]}'")
        return None
    notes.drop_others(part, _KNOWN_PARTS)
    notes.drop_there(part, ("prompt_cache_breakpoint",))
    detail = part["detail"].text_or("")
    if kind == "input_image":
        return image_of_url(part["image_url"], detail="" if detail == "auto" else detail, cache=None, at=part.path)
    if detail not in ("", "auto"):
        notes.drop(part["detail"].path)
    name = part["filename"].text_or("")
    if is_given(part["file_url"]):
        return FilePart(url=part["file_url"].text(), name=name, at=part.path)
    return file_of_data(part["file_data"], name=name, cache=None, at=part.path)


# --- tools and format -------------------------------------------------------------------------------------------------


def _tool(tool: Far, notes: Notes) -> Tool:
    if tool["type"].text() != "function":
        notes.bind(tool, f"the built-in tool '{tool['type'].text()[:40]}'")
        return Tool(name=tool["name"].name(), at=tool.path)
    notes.drop_others(tool, ("type", "name", "description", "parameters", "strict"))
    return Tool(
        name=tool["name"].text(),
        description=None if tool["description"].value is None else tool["description"].text(),
        schema=mapping_or_none(tool["parameters"]) or {},
        strict=flag(tool["strict"]),
        at=tool.path,
    )


def _choice(choice: Far, notes: Notes) -> ToolChoice | None:
    if choice.value is None:
        return None
    if isinstance(choice.value, str):
        return choice_word(choice)
    kind = choice.mapping()["type"].text()
    if kind == "function":
        return ToolChoice(kind="tool", name=choice["name"].text())
    if kind == "allowed_tools":
        return allowed_choice(choice["mode"], tuple(one["name"].text() for one in choice["tools"].items()))
    notes.bind(choice, f"a choice of type '{kind[:40]}'")
    return None


def _format(asked: Far) -> ReplyFormat | None:
    if asked.value is None:
        return None
    kind = word(asked.mapping()["type"], ("text", "json_object", "json_schema"))
    if kind == "json_schema":
        return format_of(asked)
    return ReplyFormat(schema=None, at=asked.path) if kind == "json_object" else None
