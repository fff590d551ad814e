"""Every field that the vendors' SDKs know is carried, refused or named where a request goes to another wire."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_type_hints

import pytest
from anthropic.types import message_create_params as of_messages
from anthropic.types.assistant_message_param import AssistantMessageParam
from anthropic.types.base64_image_source_param import Base64ImageSourceParam
from anthropic.types.document_block_param import DocumentBlockParam
from anthropic.types.image_block_param import ImageBlockParam
from anthropic.types.output_config_param import OutputConfigParam
from anthropic.types.text_block_param import TextBlockParam
from anthropic.types.tool_choice_tool_param import ToolChoiceToolParam
from anthropic.types.tool_param import ToolParam
from anthropic.types.tool_result_block_param import ToolResultBlockParam
from anthropic.types.tool_use_block_param import ToolUseBlockParam
from anthropic.types.user_message_param import UserMessageParam
from openai.types.chat import completion_create_params as of_chat
from openai.types.chat.chat_completion_assistant_message_param import ChatCompletionAssistantMessageParam
from openai.types.chat.chat_completion_content_part_image_param import (
    ChatCompletionContentPartImageParam,
    ImageURL,
)
from openai.types.chat.chat_completion_content_part_param import File, FileFile
from openai.types.chat.chat_completion_content_part_text_param import ChatCompletionContentPartTextParam
from openai.types.chat.chat_completion_function_tool_param import ChatCompletionFunctionToolParam
from openai.types.chat.chat_completion_tool_message_param import ChatCompletionToolMessageParam
from openai.types.chat.chat_completion_user_message_param import ChatCompletionUserMessageParam
from openai.types.responses import response_create_params as of_responses
from openai.types.responses.easy_input_message_param import EasyInputMessageParam
from openai.types.responses.function_tool_param import FunctionToolParam
from openai.types.responses.response_format_text_json_schema_config_param import (
    ResponseFormatTextJSONSchemaConfigParam,
)
from openai.types.responses.response_function_tool_call_param import ResponseFunctionToolCallParam
from openai.types.responses.response_input_file_param import ResponseInputFileParam
from openai.types.responses.response_input_image_param import ResponseInputImageParam
from openai.types.responses.response_input_param import FunctionCallOutput
from openai.types.responses.response_input_text_param import ResponseInputTextParam
from openai.types.responses.response_text_config_param import ResponseTextConfigParam
from openai.types.shared_params.function_definition import FunctionDefinition
from openai.types.shared_params.reasoning import Reasoning
from openai.types.shared_params.response_format_json_schema import JSONSchema

from routerctl.service.translate import Untranslatable, read_request, write_request
from routerctl.types import ApiFormat

Body = dict[str, Any]
PNG = "iVBORw0KGgo="
SCHEMA: Body = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}

CHAT: Body = {
    "model": "m",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "one"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},
            ],
        },
        {
            "role": "assistant",
            "content": "two",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "three"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": SCHEMA}},
    "stream": True,
}
MESSAGES: Body = {
    "model": "m",
    "max_tokens": 5000,
    "system": [{"type": "text", "text": "zero"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "one"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
                },
            ],
        },
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "three"}]}],
        },
    ],
    "tools": [{"name": "f", "input_schema": SCHEMA}],
    "tool_choice": {"type": "tool", "name": "f"},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
}
RESPONSES: Body = {
    "model": "m",
    "input": [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "one"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0="},
            ],
        },
        {"role": "assistant", "content": "said"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "three"},
    ],
    "tools": [{"type": "function", "name": "f", "parameters": SCHEMA, "strict": False}],
    "text": {"format": {"type": "json_schema", "name": "r", "schema": SCHEMA}},
    "reasoning": {"effort": "low"},
}
BODIES: Mapping[ApiFormat, Body] = {"chat": CHAT, "messages": MESSAGES, "responses": RESPONSES}
WAYS: Sequence[tuple[ApiFormat, ApiFormat]] = (
    ("chat", "messages"),
    ("messages", "chat"),
    ("responses", "chat"),
    ("responses", "messages"),
)
Path = tuple[str | int, ...]
PLACES: Mapping[ApiFormat, Mapping[Path, type]] = {  # where an object stands in the body, and the SDK's type of it
    "chat": {
        (): of_chat.CompletionCreateParamsBase,
        ("messages", 0): ChatCompletionUserMessageParam,
        ("messages", 0, "content", 0): ChatCompletionContentPartTextParam,
        ("messages", 0, "content", 1): ChatCompletionContentPartImageParam,
        ("messages", 0, "content", 1, "image_url"): ImageURL,
        ("messages", 0, "content", 2): File,
        ("messages", 0, "content", 2, "file"): FileFile,
        ("messages", 1): ChatCompletionAssistantMessageParam,
        ("messages", 2): ChatCompletionToolMessageParam,
        ("messages", 2, "content", 0): ChatCompletionContentPartTextParam,
        ("tools", 0): ChatCompletionFunctionToolParam,
        ("tools", 0, "function"): FunctionDefinition,
        ("response_format", "json_schema"): JSONSchema,
    },
    "messages": {
        (): of_messages.MessageCreateParamsBase,
        ("system", 0): TextBlockParam,
        ("messages", 0): UserMessageParam,
        ("messages", 0, "content", 0): TextBlockParam,
        ("messages", 0, "content", 1): ImageBlockParam,
        ("messages", 0, "content", 1, "source"): Base64ImageSourceParam,
        ("messages", 0, "content", 2): DocumentBlockParam,
        ("messages", 1): AssistantMessageParam,
        ("messages", 1, "content", 0): ToolUseBlockParam,
        ("messages", 2, "content", 0): ToolResultBlockParam,
        ("messages", 2, "content", 0, "content", 0): TextBlockParam,
        ("tools", 0): ToolParam,
        ("tool_choice",): ToolChoiceToolParam,
        ("output_config",): OutputConfigParam,
    },
    "responses": {
        (): of_responses.ResponseCreateParamsBase,
        ("input", 0): EasyInputMessageParam,
        ("input", 0, "content", 0): ResponseInputTextParam,
        ("input", 0, "content", 1): ResponseInputImageParam,
        ("input", 0, "content", 2): ResponseInputFileParam,
        ("input", 1): EasyInputMessageParam,
        ("input", 2): ResponseFunctionToolCallParam,
        ("input", 3): FunctionCallOutput,
        ("tools", 0): FunctionToolParam,
        ("text",): ResponseTextConfigParam,
        ("text", "format"): ResponseFormatTextJSONSchemaConfigParam,
        ("reasoning",): Reasoning,
    },
}
CACHE: Body = {"type": "ephemeral", "ttl": "1h"}
# What a field says in the test; one that is not here says "x".
SAYS: Mapping[str, Any] = {
    **dict.fromkeys(("frequency_penalty", "presence_penalty", "temperature", "top_p"), 0.5),
    **dict.fromkeys(("n", "top_logprobs", "max_tool_calls", "max_tokens", "max_completion_tokens", "seed"), 3),
    "max_output_tokens": 3,
    **dict.fromkeys(("logprobs", "store", "background", "strict", "is_error", "defer_loading", "async"), True),
    "parallel_tool_calls": False,
    "disable_parallel_tool_use": True,
    "eager_input_streaming": True,
    "cache_control": CACHE,
    "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"},
    "tool_choice": "required",
    "tool_calls": [],
    "stop": ["END"],
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u"},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "reasoning_effort": "high",
    "effort": "high",
    "verbosity": "low",
    "detail": "high",
    "modalities": ["audio"],
    "include": ["message.output_text.logprobs"],
    "truncation": "auto",
    "context_management": [{"type": "compaction"}],
    "functions": [{"name": "f"}],
    "stream_options": {"include_obfuscation": True},
    "parameters": SCHEMA,
    "citations": {"enabled": True},
    "transformations": {"resize": True},
    "allowed_callers": ["direct"],
    "input_examples": [{"a": "b"}],
    "output_schema": SCHEMA,
    "phase": "commentary",
    "summary": "auto",
    "generate_summary": "auto",
    "caller": {"type": "direct"},
}
# What says nothing that another API could do anything about.
SILENT: Mapping[ApiFormat, set[str]] = {
    # OpenAI's names for what it stored, a call's name beside its id, the padding of OpenAI's own streams
    "responses": {"status", "id", "name", "stream_options"},
    "chat": {"stream_options"},  # usage is always asked for upstream
    "messages": set(),
}


def _cases() -> Iterator[Any]:
    """Give every field that the SDK knows and the bodies do not have yet."""
    for wire, to in WAYS:
        for path, kind in PLACES[wire].items():
            for name in get_type_hints(kind):
                place = ".".join(map(str, (*path, name)))
                if (
                    name not in _at(BODIES[wire], path)
                    and name not in SILENT[wire]
                    and not _goes_without_saying(to, path, name)
                ):
                    yield pytest.param(wire, to, path, name, id=f"{wire}-{to}-{place}")


def _goes_without_saying(to: ApiFormat, path: Path, name: str) -> bool:
    """Tell whether a schema of the reply is to be kept to: Anthropic does nothing else."""
    return to == "messages" and name == "strict" and path[-1:] in (("json_schema",), ("format",))


def _at(body: Any, path: Path) -> Any:
    for key in path:
        body = body[key]
    return body


def _written(wire: ApiFormat, to: ApiFormat, body: Body) -> tuple[str, tuple[str, ...]]:
    accepts = ("temperature", "top_p")
    written = write_request(read_request(wire, body), to, model="served", max_tokens=50, accepts=accepts)
    return json.dumps(written.body), written.dropped


@pytest.mark.parametrize(("wire", "to", "path", "name"), [*_cases()])
def test_no_field_is_lost_in_silence(wire: ApiFormat, to: ApiFormat, path: Path, name: str) -> None:
    """A field changes what is sent, or is named as dropped, or is refused by its name."""
    body = copy.deepcopy(BODIES[wire])
    plain, dropped = _written(wire, to, BODIES[wire])
    _at(body, path)[name] = SAYS.get(name, "x")
    refused = ""
    try:
        changed, named = _written(wire, to, body)
    except Untranslatable as problem:
        refused = problem.param or ""
        changed, named = plain, (refused,) if any(str(key) in refused for key in (*path, name)) else ()
    assert changed != plain or any(name in one or refused for one in set(named) - set(dropped))


# --- what several fields say together ---------------------------------------------------------------------------------


def _chat(*turns: Body, **more: Any) -> Body:
    return {"model": "m", "messages": [*turns], **more}


def _user(*content: Body) -> Body:
    return {"role": "user", "content": [*content]}


def _result(*content: Body, arguments: str = "{}") -> list[Body]:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    turns: list[Body] = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    return [*turns, {"role": "tool", "tool_call_id": "c1", "content": [*content]}]


MARKED: Sequence[Body] = [{"type": "text", "text": f"t{k}", "cache_control": CACHE} for k in range(6)]
HELLO: Body = {"type": "text", "text": "hi"}


@pytest.mark.parametrize(
    "body",
    [_chat(_user(*MARKED)), _chat(_user(*MARKED[:4]), *_result(*MARKED[4:]))],
    ids=["in a message", "in a tool's result"],
)
def test_the_last_four_marks_stay(body: Body) -> None:
    """Anthropic takes four cache marks, wherever they stand; the first ones are left out, by name."""
    text, dropped = _written("chat", "messages", body)
    assert text.count("cache_control") == 4
    assert dropped == ("messages[0].content[0].cache_control", "messages[0].content[1].cache_control")


def test_how_long_a_mark_of_openai_lasts_is_named() -> None:
    """A breakpoint becomes a cache mark; how long it lasts has no form there."""
    mark = {"mode": "explicit", "ttl": "12h"}
    text, dropped = _written("chat", "messages", _chat(_user(HELLO | {"prompt_cache_breakpoint": mark})))
    assert '"cache_control": {"type": "ephemeral"}' in text
    assert dropped == ("messages[0].content[0].prompt_cache_breakpoint.ttl",)


def test_a_document_in_a_tools_result_arrives() -> None:
    """Servers of the chat wire take more than text from a tool; it is no less a part of the result."""
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
    text, dropped = _written("chat", "messages", _chat(_user(HELLO), *_result(HELLO, file)))
    assert '"application/pdf", "data": "JVBERi0="' in text
    assert dropped == ()


@pytest.mark.parametrize("arguments", ['{"a": NaN}', '{"a": [-Infinity]}', "[1]", "{", "null", '{"a": 1}}'])
def test_arguments_that_are_no_json_object_are_refused(arguments: str) -> None:
    """Python reads NaN as a number, which no JSON has: it would make a body that nobody can read."""
    with pytest.raises(Untranslatable, match="JSON object") as raised:
        _written("chat", "messages", _chat(_user(HELLO), *_result(HELLO, arguments=arguments)))
    assert raised.value.param == "messages[1].tool_calls[0]"


def test_a_budget_beside_an_effort_is_named() -> None:
    """Effort goes by its name, so that the budget beside it is not carried."""
    body: Body = {"model": "m", "max_tokens": 5000, "messages": [_user(HELLO)], "output_config": {"effort": "low"}}
    text, dropped = _written("messages", "chat", body | {"thinking": {"type": "enabled", "budget_tokens": 2000}})
    assert '"reasoning_effort": "low"' in text
    assert dropped == ("thinking.budget_tokens",)


@pytest.mark.parametrize(
    ("user", "dropped"),
    [
        ({"user": "a"}, ()),
        ({"user": "a", "safety_identifier": "a"}, ()),
        ({"user": "b", "safety_identifier": "a"}, ("user",)),
    ],
)
def test_of_two_users_one_is_named(user: Body, dropped: tuple[str, ...]) -> None:
    """OpenAI has an older and a newer field for the end user; the newer one holds."""
    text, named = _written("chat", "messages", _chat(_user(HELLO), **user))
    assert '"metadata": {"user_id": "a"}' in text
    assert named == dropped


def test_a_strict_schema_is_named_where_it_stands() -> None:
    """A refusal names the field of the client's own wire."""
    open_schema = {"type": "object", "properties": {}, "additionalProperties": True}
    tool = {"type": "function", "name": "f", "parameters": open_schema, "strict": True}
    with pytest.raises(Untranslatable) as raised:
        _written("responses", "messages", {"model": "m", "input": "hi", "tools": [tool]})
    assert raised.value.param == "tools[0].parameters.additionalProperties"
