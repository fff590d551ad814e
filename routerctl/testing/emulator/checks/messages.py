"""What Anthropic's Messages refuses, in its words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from routerctl.testing.emulator.checks import fields
from routerctl.testing.emulator.checks.base import MESSAGES_NAME, Complaint, dicts, first, open_objects
from routerctl.testing.emulator.checks.blocks import content_complaints
from routerctl.testing.emulator.checks.tool_turns import tool_turn_complaints
from routerctl.testing.emulator.said import Body

SAMPLING = ("temperature", "top_p", "top_k")  # of older models
MOST_CACHED = 4
_CHOICES = ("auto", "any", "tool", "none")


def complaint(body: Body, model: str) -> Complaint | None:
    """Give the first thing that is wrong with a request, if any; `model`: the one that answers."""
    return first(_head(body, fields.MESSAGES | fields.MESSAGES_BETA), _limits(body), _content(body, model))


def counted_complaint(body: Body, model: str) -> Complaint | None:
    """Give the first thing that is wrong with a request to count tokens, if any."""
    return first(_head(body, fields.COUNTED | fields.MESSAGES_BETA), _content(body, model))


def _head(body: Body, known: frozenset[str]) -> Iterator[Complaint]:
    if not isinstance(body.get("model"), str):
        yield Complaint("model: Field required")
    for name in SAMPLING:
        if name in body:
            yield Complaint(f"`{name}` is not supported by this model")
    for name in sorted(body.keys() - known):
        yield Complaint(f"{name}: Extra inputs are not permitted")
    turns = body.get("messages")
    if not isinstance(turns, list):
        yield Complaint("messages: Field required" if turns is None else "messages: Input should be a valid list")
    elif not turns:
        yield Complaint("messages: at least one message is required")


def _limits(body: Body) -> Iterator[Complaint]:
    most = body.get("max_tokens")
    if most is None:
        yield Complaint("max_tokens: Field required")
    elif not isinstance(most, int) or isinstance(most, bool) or most < 0:
        yield Complaint("max_tokens: Input should be a valid integer, at least 0")
    else:
        yield from _thinking(body.get("thinking"), most)
    for index, stop in enumerate(body.get("stop_sequences") or ()):
        if not isinstance(stop, str) or not stop.strip():
            yield Complaint(f"stop_sequences: each stop sequence must contain non-whitespace; at {index}")
    for name in sorted((body.get("metadata") or {}).keys() - {"user_id"}):
        yield Complaint(f"metadata.{name}: Extra inputs are not permitted")


def _thinking(asked: Any, max_tokens: int) -> Iterator[Complaint]:
    budget = asked.get("budget_tokens", 0) if isinstance(asked, dict) and asked.get("type") == "enabled" else None
    if budget is not None and budget < 1024:
        yield Complaint("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    elif budget is not None and budget >= max_tokens:
        yield Complaint("`max_tokens` must be greater than `thinking.budget_tokens`")


def _content(body: Body, model: str) -> Iterator[Complaint]:
    yield from _system(body.get("system"))
    for index, turn in enumerate(body["messages"]):
        yield from _turn(turn, f"messages.{index}", model)
    yield from tool_turn_complaints(body["messages"])
    if body["messages"][-1]["role"] == "assistant":
        yield Complaint(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    yield from _tools(body)
    yield from _format(body.get("output_config"))
    marked = sum("cache_control" in one for one in _markable(body))
    if marked > MOST_CACHED:
        yield Complaint(f"A maximum of {MOST_CACHED} blocks with cache_control may be provided. Found {marked}.")


def _turn(turn: Any, place: str, model: str) -> Iterator[Complaint]:
    if not isinstance(turn, dict):
        yield Complaint(f"{place}: Input should be a valid dictionary")
        return
    if turn.get("role") not in ("user", "assistant"):
        yield Complaint(f"{place}.role: Input should be 'user' or 'assistant'")
    for name in sorted(turn.keys() - {"role", "content"}):
        yield Complaint(f"{place}.{name}: Extra inputs are not permitted")
    yield from content_complaints(turn, place, model)


def _system(system: Any) -> Iterator[Complaint]:
    for index, block in enumerate(system if isinstance(system, list) else ()):
        if not isinstance(block, dict) or block.get("type") != "text":
            yield Complaint(f"system.{index}: Input should be a text block")
        elif not str(block.get("text", "")).strip():
            yield Complaint("system: text content blocks must be non-empty")
    if system is not None and not isinstance(system, str | list):
        yield Complaint("system: Input should be a valid string or list")


def _tools(body: Body) -> Iterator[Complaint]:
    for index, tool in enumerate(body.get("tools") or ()):
        yield from _tool(tool, f"tools.{index}")
    choice = body.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in _CHOICES:
        yield Complaint(f"tool_choice: Input tag '{kind}' does not match any of the expected tags: {_CHOICES}")
    if not body.get("tools"):
        yield Complaint("tool_choice: may only be specified while providing tools")
    if kind == "none" and "disable_parallel_tool_use" in choice:
        yield Complaint("tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted")
    if kind == "tool" and choice.get("name") not in {tool.get("name") for tool in dicts(body.get("tools"))}:
        yield Complaint(f"Tool '{choice.get('name')}' not found in provided tools")
    if kind in ("any", "tool") and (body.get("thinking") or {}).get("type") in ("enabled", "adaptive"):
        yield Complaint("Thinking may not be enabled when tool_choice forces tool use.")


def _tool(tool: Any, place: str) -> Iterator[Complaint]:
    kind = tool.get("type", "custom") if isinstance(tool, dict) else None
    if kind in (None, "function"):
        yield Complaint(f"{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    elif kind == "custom":
        if not MESSAGES_NAME.fullmatch(str(tool.get("name", ""))):
            yield Complaint(f"{place}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            yield Complaint(f"{place}.custom.input_schema: Field required")
        elif schema.get("type") != "object":
            yield Complaint(f"{place}.custom.input_schema.type: Input should be 'object'")
        elif tool.get("strict") and any(open_objects(schema)):
            yield Complaint(
                f"{place}.custom: For 'object' type, 'additionalProperties' must be explicitly set to false"
            )


def _format(config: Any) -> Iterator[Complaint]:
    asked = config.get("format") if isinstance(config, dict) else None
    if asked is None:
        return
    if not isinstance(asked, dict) or asked.get("type") != "json_schema":
        yield Complaint("output_config.format.type: Input should be 'json_schema'")
        return
    for name in sorted(asked.keys() - {"type", "schema"}):
        yield Complaint(f"output_config.format.{name}: Extra inputs are not permitted")
    for _place, _schema in open_objects(asked.get("schema")):
        yield Complaint(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )


def _markable(body: Body) -> Iterator[Body]:
    yield from dicts(body.get("system"))
    yield from dicts(body.get("tools"))
    for turn in body["messages"]:
        for block in dicts(turn["content"]):
            yield block
            yield from dicts(block.get("content"))
