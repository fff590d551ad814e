"""Reads a request of OpenAI's Chat Completions into the neutral form.

Source of the shapes: `CompletionCreateParams` of the `openai` SDK, and `cache_control` on parts and tools, which
routers and Anthropic's own compatible endpoint take there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routerctl.providers.reading import Far, Odd
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
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
    Turn,
)

ERROR_MARK = "[tool error] "  # before the text of a tool result that is an error: this wire has no field for it
_ROLES: tuple[Role, ...] = ("system", "developer", "user", "assistant")
_BOUND = {
    "audio": "audio",
    "functions": "functions (use tools)",
    "function_call": "function_call (use tool_choice)",
    "logprobs": "log probabilities",
    "moderation": "moderation",
    "web_search_options": "web search",
}
_KNOWN = frozenset(
    {
        *_BOUND,
        *(
            "model",
            "messages",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "top_p",
            "top_k",
            "stop",
            "stream",
        ),
        *("stream_options", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort"),
        *("user", "safety_identifier", "n", "modalities"),
    }
)
_KNOWN_PART = frozenset({"type", "text", "image_url", "file", "refusal", "cache_control", "prompt_cache_breakpoint"})


def read(body: Mapping[str, Any]) -> NeutralRequest:
    """Read a request; raises Odd."""
    far, notes = Far(dict(body)), Notes()
    notes.bind_there(far, _BOUND)
    if far["web_search_options"].value == {}:  # which asks for it as it comes
        notes.bind(far["web_search_options"], "web search")
    if is_given(far["n"]) and far["n"].value != 1:
        notes.bind(far["n"], "more than one reply")
    if is_given(far["modalities"]) and far["modalities"].value != ["text"]:
        notes.bind(far["modalities"], "audio")
    turns = _turns(far["messages"], notes)
    tools = tuple(_tool(one.mapping(), notes) for one in far["tools"].items()) if is_given(far["tools"]) else ()
    options = far["stream_options"]
    return NeutralRequest(
        wire="chat",
        model=far["model"].text_or(""),
        turns=turns,
        tools=tools,
        choice=_choice(far["tool_choice"], notes),
        parallel=flag(far["parallel_tool_calls"]),
        max_tokens=_max_tokens(far),
        temperature=number(far["temperature"]),
        top_p=number(far["top_p"]),
        top_k=far["top_k"].count(),
        stop=tuple(one["text"].text() for one in parts_of(far["stop"]))
        if isinstance(far["stop"].value, str)
        else _stops(far["stop"]),
        format=_format(far["response_format"], notes),
        effort=word(far["reasoning_effort"], LEVELS),
        user=user_of(far, notes),
        stream=bool(flag(far["stream"])),
        include_usage=bool(flag(options["include_usage"])),
        extras={name: value for name, value in body.items() if name not in _KNOWN and is_given(far[name])},
        unsupported=tuple(notes.unsupported),
        dropped=tuple(notes.dropped),
        body=body,
    )


def _max_tokens(far: Far) -> int | None:
    newer, older = far["max_completion_tokens"].count(), far["max_tokens"].count()
    return older if newer is None else newer


def user_of(far: Far, notes: Notes) -> str:
    """Give the end user's id, by either of OpenAI's fields; raises Odd."""
    older, newer = far["user"].text_or(""), far["safety_identifier"].text_or("")
    if newer and older and newer != older:
        notes.drop(far["user"].path)
    return newer or older


def _stops(stop: Far) -> tuple[str, ...]:
    return () if stop.value is None else tuple(one.text() for one in stop.items())


# --- messages ---------------------------------------------------------------------------------------------------------


def _turns(messages: Far, notes: Notes) -> tuple[Turn, ...]:
    """Read the messages; the results of one turn's tool calls, a message each here, become one turn."""
    turns: list[Turn] = []
    for message in messages.items():
        turn = _turn(message.mapping(), notes)
        last = turns[-1] if turns else None
        if last and _only_results(last) and _only_results(turn):
            turns[-1] = Turn(role="user", parts=last.parts + turn.parts, at=last.at)
        else:
            turns.append(turn)
    if not turns:
        raise Odd(f"{messages.path}: expected at least one message")
    return tuple(turns)


def _only_results(turn: Turn) -> bool:
    return bool(turn.parts) and all(isinstance(part, ToolResultPart) for part in turn.parts)


def _turn(message: Far, notes: Notes) -> Turn:
    if message["role"].value == "tool":
        notes.drop_others(message, ("role", "content", "tool_call_id", "name", "cache_control"))
        return Turn(role="user", parts=(_result(message, notes),), at=message.path)
    role = word(message["role"], _ROLES)
    if role is None:
        raise message["role"].odd("system, developer, user, assistant or tool")
    parts = content(message["content"], notes)
    if role == "assistant":
        parts += _said_before(message, notes)
    else:
        notes.drop_others(message, ("role", "content"))
    return Turn(role=role, parts=tuple(parts), at=message.path)


def _said_before(message: Far, notes: Notes) -> list[Part]:
    """What an assistant's message has beside its content; its thinking is unsigned, so that nobody takes it back."""
    notes.bind_there(message, {"audio": "audio", "function_call": "function_call (use tool_calls)"})
    notes.drop_others(message, ("role", "content", "refusal", "tool_calls", "audio", "function_call"))
    parts: list[Part] = []
    if is_given(message["refusal"]):
        parts.append(RefusalPart(text=message["refusal"].text(), at=message["refusal"].path))
    calls = message["tool_calls"].items() if is_given(message["tool_calls"]) else []
    return [*parts, *(_call(one.mapping()) for one in calls)]


def _call(call: Far) -> ToolCallPart:
    function = call["function"].mapping()
    return ToolCallPart(
        id=call["id"].text(),
        name=function["name"].text(),
        arguments=function["arguments"].text_or(""),
        cache=call["cache_control"].value,
        at=call.path,
    )


def _result(message: Far, notes: Notes) -> ToolResultPart:
    parts = tuple(
        part for part in content(message["content"], notes) if isinstance(part, TextPart | ImagePart | FilePart)
    )
    first = parts[0] if parts else None
    is_error = isinstance(first, TextPart) and first.text.startswith(ERROR_MARK)
    if is_error and isinstance(first, TextPart):
        rest = TextPart(text=first.text.removeprefix(ERROR_MARK), cache=first.cache, at=first.at)
        parts = (rest, *parts[1:])
    return ToolResultPart(
        id=message["tool_call_id"].text(),
        parts=parts,
        is_error=is_error,
        cache=message["cache_control"].value,
        at=message.path,
    )


def content(far: Far, notes: Notes) -> list[Part]:
    """Read a message's content, a text or parts."""
    return [part for one in parts_of(far) if (part := _part(one, notes)) is not None]


def _part(part: Far, notes: Notes) -> Part | None:
    kind, cache, mark = part["type"].text(), part["cache_control"].value, part["prompt_cache_breakpoint"].value
    notes.drop_others(part, _KNOWN_PART)
    if kind == "text":
        return TextPart(text=part["text"].text(), cache=cache, breakpoint=mark, at=part.path)
    if mark:  # of a picture or a document: OpenAI's own models refuse it there
        notes.drop(part["prompt_cache_breakpoint"].path)
    if kind == "image_url":
        image = part["image_url"].mapping()
        detail = image["detail"].text_or("")
        return image_of_url(image["url"], detail="" if detail == "auto" else detail, cache=cache, at=part.path)
    if kind == "refusal":
        return RefusalPart(text=part["refusal"].text(), at=part.path)
    if kind == "file" and not is_given(part["file"]["file_id"]):
        file = part["file"].mapping()
        return file_of_data(file["file_data"], name=file["filename"].text_or(""), cache=cache, at=part.path)
    notes.bind(part, "a file by its id" if kind == "file" else f"a part of type '{kind[:40]}'")
    return None


# --- tools and format -------------------------------------------------------------------------------------------------


def _tool(tool: Far, notes: Notes) -> Tool:
    if tool["type"].text_or("function") != "function":
        notes.bind(tool, f"a tool of type '{tool['type'].text()[:40]}'")
        return Tool(name=tool["name"].name(), at=tool.path)
    function = tool["function"].mapping()
    notes.drop_others(tool, ("type", "function", "cache_control"))
    notes.drop_others(function, ("name", "description", "parameters", "strict"))
    return Tool(
        name=function["name"].text(),
        description=None if function["description"].value is None else function["description"].text(),
        schema=mapping_or_none(function["parameters"]) or {},
        strict=flag(function["strict"]),
        cache=tool["cache_control"].value,
        at=tool.path,
    )


def _choice(choice: Far, notes: Notes) -> ToolChoice | None:
    if choice.value is None:
        return None
    if isinstance(choice.value, str):
        return choice_word(choice)
    kind = choice.mapping()["type"].text()
    if kind == "function":
        return ToolChoice(kind="tool", name=choice["function"]["name"].text())
    if kind == "allowed_tools":
        allowed = choice["allowed_tools"].mapping()
        names = tuple(one["function"]["name"].text() for one in allowed["tools"].items())
        return allowed_choice(allowed["mode"], names)
    notes.bind(choice, f"a choice of type '{kind[:40]}'")
    return None


def choice_word(choice: Far) -> ToolChoice:
    """Read OpenAI's words for a choice; raises Odd."""
    found = word(choice, ("auto", "none", "required"))
    return ToolChoice(kind="any" if found == "required" else "none" if found == "none" else "auto")


def allowed_choice(mode: Far, names: tuple[str, ...]) -> ToolChoice:
    """Read a choice among some of the tools; raises Odd."""
    if not names:
        raise Odd(f"{mode.path}: expected at least one tool beside it")
    return ToolChoice(kind="any" if word(mode, ("auto", "required")) == "required" else "auto", allowed=names)


def _format(asked: Far, notes: Notes) -> ReplyFormat | None:
    if asked.value is None:
        return None
    kind = word(asked.mapping()["type"], ("text", "json_object", "json_schema"))
    if kind == "json_schema":
        notes.drop_others(asked["json_schema"], ("name", "description", "schema", "strict"))
        return format_of(asked["json_schema"].mapping())
    return ReplyFormat(schema=None, at=asked.path) if kind == "json_object" else None


def format_of(far: Far) -> ReplyFormat:
    """Read OpenAI's schema of a reply; raises Odd."""
    return ReplyFormat(
        schema=mapping_or_none(far["schema"]) or {},
        name=far["name"].text_or(""),
        description=far["description"].text_or(""),
        strict=flag(far["strict"]),
        at=far.path,
    )
