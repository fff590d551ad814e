"""What OpenAI's Chat Completions refuses, in its words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from routerctl.testing.emulator.checks import fields
from routerctl.testing.emulator.checks.base import Complaint, dicts, first, loose_schema, not_a_name, not_a_tool_name
from routerctl.testing.emulator.said import Body

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_PARTS = {
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
}
MOST_STOPS = 4


def complaint(body: Body, _model: str) -> Complaint | None:
    """Give the first thing that is wrong with a request, if any."""
    return first(_head(body), _together(body), _turns(body["messages"]), _tools(body), _format(body))


def unknown_fields(body: Body, known: frozenset[str]) -> Iterator[Complaint]:
    """Complain of what the route does not know."""
    for name in sorted(body.keys() - known):
        yield Complaint(f"Unrecognized request argument supplied: {name}")


def required(body: Body, *names: str) -> Iterator[Complaint]:
    """Complain of what the route cannot do without."""
    for name in names:
        if body.get(name) in (None, "", []):
            yield Complaint(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def _head(body: Body) -> Iterator[Complaint]:
    yield from unknown_fields(body, fields.CHAT)
    yield from required(body, "model", "messages")
    if not isinstance(body.get("messages"), list):
        yield Complaint("Invalid type for 'messages': expected an array of objects.", "messages", "invalid_type")
    if isinstance(body.get("stop"), list) and len(body["stop"]) > MOST_STOPS:
        yield Complaint(
            f"Invalid 'stop': array too long. Expected at most {MOST_STOPS}.", "stop", "array_above_max_length"
        )


def _together(body: Body) -> Iterator[Complaint]:
    """What is only allowed beside something else."""
    for name, other in (
        ("stream_options", "stream"),
        ("tool_choice", "tools"),
        ("parallel_tool_calls", "tools"),
        ("metadata", "store"),
        ("top_logprobs", "logprobs"),
    ):
        if body.get(name) is not None and not body.get(other):
            yield Complaint(f"The '{name}' parameter is only allowed when '{other}' is specified.", name)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        yield Complaint(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", "max_tokens"
        )


def _turns(turns: Sequence[Any]) -> Iterator[Complaint]:
    waited: list[str] = []  # calls of the last assistant turn that have no result yet
    for index, turn in enumerate(turns):
        place = f"messages[{index}]"
        role = turn.get("role") if isinstance(turn, dict) else None
        if role not in _ROLES:
            yield Complaint(
                f"Invalid value: '{role}'. Supported values are: {_ROLES}.", f"{place}.role", "invalid_value"
            )
        elif role == "tool":
            yield from _result(turn, place, waited)
        else:
            yield from _unanswered(waited, place)
            yield from _content(turn, place)
            waited = []
            for number, call in enumerate(turn.get("tool_calls") or ()):
                yield from _call(call, f"{place}.tool_calls[{number}]")
                waited.append(call["id"])
    yield from _unanswered(waited, "messages")


def _result(turn: Body, place: str, waited: list[str]) -> Iterator[Complaint]:
    made = turn.get("tool_call_id")
    yield from not_a_name(made, f"{place}.tool_call_id")
    if made not in waited:
        yield Complaint(
            "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
            "'tool_calls'.",
            f"{place}.role",
        )
    else:
        waited.remove(made)
    content = turn.get("content")
    if not isinstance(content, str | list):
        yield Complaint(f"Invalid value for 'content': expected a string, got {_kind(content)}.", f"{place}.content")
    yield from _parts(content, ("text",), place)


def _unanswered(waited: Sequence[str], place: str) -> Iterator[Complaint]:
    if waited:
        yield Complaint(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waited)}",
            place,
        )


def _content(turn: Body, place: str) -> Iterator[Complaint]:
    content, role = turn.get("content"), turn["role"]
    silent = role == "assistant" and (turn.get("tool_calls") or turn.get("refusal") or turn.get("audio"))
    if not isinstance(content, str | list) and not (content is None and silent):
        yield Complaint(f"Invalid value for 'content': expected a string, got {_kind(content)}.", f"{place}.content")
    yield from _parts(content, _PARTS.get(role, ("text",)), place)


def _parts(content: Any, kinds: Sequence[str], place: str) -> Iterator[Complaint]:
    for number, part in enumerate(content if isinstance(content, list) else ()):
        param = f"{place}.content[{number}]"
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in kinds:
            supported = ", ".join(repr(one) for one in kinds)
            yield Complaint(
                f"Invalid value: '{kind}'. Supported values are: {supported}.", f"{param}.type", "invalid_value"
            )
        elif kind == "image_url" and not _is_image(part.get("image_url")):
            yield Complaint(
                f"Invalid '{param}.image_url.url'. Expected a URL of http, https or data.", param, "invalid_image_url"
            )


def _is_image(value: Any) -> bool:
    url = value.get("url") if isinstance(value, dict) else None
    return isinstance(url, str) and url.startswith(("https://", "http://", "data:image/"))


def _call(call: Any, param: str) -> Iterator[Complaint]:
    call = call if isinstance(call, dict) else {}
    yield from not_a_name(call.get("id"), f"{param}.id")
    function = call.get("function") if isinstance(call.get("function"), dict) else {}
    yield from not_a_tool_name(function.get("name"), f"{param}.function.name")
    if not isinstance(function.get("arguments"), str):
        got = _kind(function.get("arguments"))
        yield Complaint(
            f"Invalid type for '{param}.function.arguments': expected a string, but got {got} instead.",
            f"{param}.function.arguments",
            "invalid_type",
        )


def _tools(body: Body) -> Iterator[Complaint]:
    for index, tool in enumerate(body.get("tools") or ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind not in ("function", "custom"):
            param = f"tools[{index}].type"
            yield Complaint(
                f"Invalid value: '{kind}'. Supported values are: 'function' and 'custom'.", param, "invalid_value"
            )
        elif kind == "function":
            function = tool.get("function") or {}
            param = f"tools[{index}].function"
            yield from not_a_tool_name(function.get("name"), f"{param}.name")
            if function.get("strict"):
                yield from loose_schema(function.get("parameters"), function.get("name"), f"{param}.parameters")
    choice = body.get("tool_choice")
    known = {(tool.get("function") or {}).get("name") for tool in dicts(body.get("tools"))}
    if isinstance(choice, dict) and choice.get("type") == "function" and choice["function"]["name"] not in known:
        yield Complaint("Invalid value for 'tool_choice': no such tool among 'tools'.", "tool_choice")
    elif isinstance(choice, str) and choice not in ("none", "auto", "required"):
        yield Complaint(
            f"Invalid value: '{choice}'. Supported values are: 'none', 'auto' and 'required'.", "tool_choice"
        )


def _format(body: Body) -> Iterator[Complaint]:
    asked = body.get("response_format") or {}
    if asked.get("type", "text") not in ("text", "json_object", "json_schema"):
        yield Complaint(f"Invalid value: '{asked['type']}'.", "response_format.type", "invalid_value")
    if asked.get("type") == "json_schema":
        told = asked.get("json_schema") or {}
        yield from not_a_tool_name(told.get("name"), "response_format.json_schema.name")
        if told.get("strict"):
            yield from loose_schema(told.get("schema"), told.get("name"), "response_format")


def _kind(value: Any) -> str:
    return {dict: "an object", list: "an array", type(None): "null"}.get(type(value), type(value).__name__)
