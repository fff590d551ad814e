"""Writes the neutral form as a request of Anthropic's Messages."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from routerctl.service.translate.effort import ANTHROPIC
from routerctl.service.translate.fields import Notes
from routerctl.service.translate.media import file_source, image_source
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
from routerctl.service.translate.schemas import closed, parameters
from routerctl.service.translate.tool_names import ToolNames, messages_id

SYSTEM_IN_PLACE = "system_messages"  # among what a model accepts: system messages between the others
_MOST_MARKS = 4  # blocks with cache_control in a request
Body = dict[str, Any]


def write(asked: NeutralRequest, *, model: str, max_tokens: int, accepts: Collection[str]) -> UpstreamRequest:
    """Write a request.

    Raises:
        Untranslatable: something in it has no form there, and the reply would not be what was asked for without it.
    """
    writer = _Writer(model, in_place=SYSTEM_IN_PLACE in accepts)
    system, messages = writer.conversation(asked.turns)
    tools = writer.tools(asked)
    fields: Body = {
        "model": model,
        "max_tokens": max_tokens if asked.max_tokens is None else asked.max_tokens,
        "system": system,
        "messages": messages,
        "tools": tools,
        "tool_choice": writer.choice(asked) if tools else None,
        "stop_sequences": _stops(asked.stop),
        "output_config": writer.output_config(asked),
        "thinking": {"type": "disabled"} if asked.effort == "none" else None,
        "metadata": {"user_id": asked.user} if asked.user else None,
        "stream": asked.stream or None,
        "cache_control": asked.cache,
        **writer.sampling(asked, accepts),
        **(asked.extras if asked.wire == "messages" else {}),
    }
    if asked.wire != "messages":
        writer.notes.drop(*_named(asked))
        writer.limit_marks([*tools, *system, *(block for message in messages for block in message["content"])])
    body = {name: value for name, value in fields.items() if value not in (None, [], {})}
    return UpstreamRequest(body=body, dropped=tuple(writer.notes.dropped), names=writer.names.theirs)


def _named(asked: NeutralRequest) -> list[str]:
    """Name the extras as the client's wire does."""
    inside = {"verbosity": "text.verbosity"} if asked.wire == "responses" else {}
    return [inside.get(name, name) for name in asked.extras]


def _stops(stops: Sequence[str]) -> list[str]:
    """Give the stop sequences; Anthropic refuses those of blanks alone."""
    if any(not one.strip() for one in stops):
        raise Untranslatable("stop: Claude takes no stop sequence of blanks or newlines alone", param="stop")
    return [*stops]


class _Writer:
    """Writes the parts of one request, and notes what it leaves behind."""

    def __init__(self, model: str, *, in_place: bool) -> None:
        self._model, self._in_place = model, in_place
        self.names, self.notes = ToolNames("messages"), Notes()
        self._marks: list[tuple[Body, str]] = []  # blocks with cache_control, and whence it came

    # --- messages ---

    def conversation(self, turns: Sequence[Turn]) -> tuple[list[Body], list[Body]]:
        """Write the system prompt and the messages: those of one role that follow each other are one message."""
        system: list[Body] = []
        rows: list[tuple[str, list[Body]]] = []
        waiting: list[tuple[str, list[Body]]] = []  # system messages between tool calls and their results
        for turn in turns:
            blocks = self._blocks(turn)
            if turn.role in ("system", "developer"):
                if not rows or not self._in_place:
                    self.notes.drop(*([f"{turn.at} (its place)"] if rows and blocks else []))
                    system += blocks
                elif blocks:
                    (waiting if _calls(rows[-1]) else rows).append(("system", blocks))
                continue
            if rows and rows[-1][0] == turn.role:
                rows[-1][1].extend(blocks)
            elif blocks:
                rows.append((turn.role, blocks))
            if waiting and rows[-1][0] == "user":
                rows, waiting = rows + waiting, []
        self._check_end(turns, rows)
        return system, [{"role": role, "content": _results_first(blocks)} for role, blocks in rows]

    @staticmethod
    def _check_end(turns: Sequence[Turn], rows: Sequence[tuple[str, list[Body]]]) -> None:
        at = turns[-1].at
        last = [role for role, _ in rows if role != "system"][-1:]
        if not last:
            raise Untranslatable("messages: expected at least one message with content", param=at)
        if last == ["assistant"]:
            raise Untranslatable(
                f"{at}: the last message is the assistant's: Claude does not continue a reply that is begun", param=at
            )

    def _blocks(self, turn: Turn) -> list[Body]:
        return [block for part in turn.parts for block in self._part(part)]

    def _part(self, part: Part) -> list[Body]:
        match part:
            case TextPart() | RefusalPart():
                return self._text(part)
            case ImagePart():
                self.notes.drop(*([f"{part.at}.detail"] if part.detail else []))
                return [self._marked({"type": "image", "source": image_source(part)}, part)]
            case FilePart():
                title = {"title": part.name} if part.name else {}
                return [self._marked({"type": "document", "source": file_source(part)} | title, part)]
            case ToolCallPart():
                return [self._call(part)]
            case ToolResultPart():
                return [self._result(part)]
            case ThinkingPart():
                return self._thought(part)

    def _text(self, part: TextPart | RefusalPart) -> list[Body]:
        """Write a text; one of blanks alone would be refused, and an empty one says nothing."""
        if not part.text.strip():
            self.notes.drop(*([part.at] if part.text else []))
            return []
        block: Body = {"type": "text", "text": part.text}
        if isinstance(part, TextPart) and part.breakpoint and not part.cache:
            return [self._marked_as_openai(block, part)]
        return [self._marked(block, part)]

    def _marked(self, block: Body, part: Part | Tool) -> Body:
        """Mark a block as its part was."""
        if cache := getattr(part, "cache", None):
            block["cache_control"] = cache
            self._marks.append((block, f"{part.at}.cache_control"))
        return block

    def _marked_as_openai(self, block: Body, part: TextPart) -> Body:
        """Mark a block where OpenAI's mark stood; how long that lasts there has no form here."""
        at = f"{part.at}.prompt_cache_breakpoint"
        block["cache_control"] = {"type": "ephemeral"}
        self._marks.append((block, at))
        if isinstance(part.breakpoint, dict) and "ttl" in part.breakpoint:
            self.notes.drop(f"{at}.ttl")
        return block

    def limit_marks(self, blocks: Sequence[Body]) -> None:
        """Leave the last marks that Anthropic takes, which are those of the longest prefixes; name the others.

        `blocks`: in the order of the prefix.
        """
        inner = [one for block in blocks for one in (*_inside(block), block)]
        marked = [one for one in inner if "cache_control" in one]
        for one in marked[:-_MOST_MARKS]:
            del one["cache_control"]
            self.notes.drop(*(at for block, at in self._marks if block is one))

    def _call(self, part: ToolCallPart) -> Body:
        block = {"type": "tool_use", "id": messages_id(part.id), "name": self.names.write(part.name)}
        return self._marked(block | {"input": arguments_of(part)}, part)

    def _result(self, part: ToolResultPart) -> Body:
        content = [block for one in part.parts for block in self._part(one)]
        block: Body = {"type": "tool_result", "tool_use_id": messages_id(part.id)}
        if content:
            alone = content[0] if len(content) == 1 else {}
            block["content"] = alone["text"] if alone.keys() == {"type", "text"} else content
        return self._marked(block | ({"is_error": True} if part.is_error else {}), part)

    def _thought(self, part: ThinkingPart) -> list[Body]:
        """Write a thought back to who signed it; an unsigned one, or another model's, stays behind."""
        if not (part.signature or part.sealed) or not _same(part.model, self._model):
            self.notes.drop(part.at)
            return []
        if part.sealed:
            return [{"type": "redacted_thinking", "data": part.sealed}]
        return [{"type": "thinking", "thinking": part.text, "signature": part.signature}]

    # --- tools, format, sampling ---

    def tools(self, asked: NeutralRequest) -> list[Body]:
        """Write the tools; those that may not be called are left out, which is what `allowed_tools` says."""
        allowed = asked.choice.allowed if asked.choice else ()
        inner = "function.parameters" if asked.wire == "chat" else "parameters"
        called = [tool for tool in asked.tools if not allowed or tool.name in allowed]
        return [self._tool(tool, schema_at=f"{tool.at}.{inner}") for tool in called]

    def _tool(self, tool: Tool, *, schema_at: str) -> Body:
        schema = parameters(tool.schema)
        fields: Body = {
            "name": self.names.write(tool.name),
            "description": tool.description,
            "input_schema": closed(schema, at=schema_at) if tool.strict else schema,
            "strict": tool.strict or None,
        }
        return self._marked({name: value for name, value in fields.items() if value is not None}, tool)

    def choice(self, asked: NeutralRequest) -> Body | None:
        """Write the choice; whether tools may be called at once stands inside it."""
        choice, serial = asked.choice, asked.parallel is False
        if choice is None and not serial:
            return None
        choice = choice or ToolChoice(kind="auto")
        name = {"name": self.names.write(choice.name)} if choice.kind == "tool" else {}
        return (
            {"type": choice.kind}
            | name
            | ({"disable_parallel_tool_use": True} if serial and choice.kind != "none" else {})
        )

    def output_config(self, asked: NeutralRequest) -> Body:
        """Write effort and schema."""
        config: Body = {}
        if asked.effort and asked.effort != "none":
            config["effort"] = ANTHROPIC[asked.effort]
        if asked.format:
            config["format"] = {"type": "json_schema", "schema": self._schema(asked.format)}
        return config

    def _schema(self, asked: ReplyFormat) -> Any:
        if asked.schema is None:
            raise Untranslatable(
                f"{asked.at}: Claude has no json_object: expected a json_schema, or no format", param=asked.at
            )
        self.notes.drop(*([f"{asked.at}.description"] if asked.description else []))
        return closed(dict(asked.schema), at=f"{asked.at}.schema")

    def sampling(self, asked: NeutralRequest, accepts: Collection[str]) -> Body:
        """Write the sampling parameters that the model takes: one of temperature and top_p, and no heat above 1."""
        given: Body = {"temperature": asked.temperature, "top_p": asked.top_p, "top_k": asked.top_k}
        given = {name: value for name, value in given.items() if value is not None}
        kept = {name: value for name, value in given.items() if name in accepts}
        if kept.get("temperature", 0) > 1:
            del kept["temperature"]
        if "temperature" in kept:
            kept.pop("top_p", None)
        self.notes.drop(*(name for name in given if name not in kept))
        return kept


def arguments_of(part: ToolCallPart) -> Body:
    """Read a call's arguments, which are an object here.

    Raises:
        Untranslatable: they are no JSON, or no object.
    """
    try:
        found = json.loads(part.arguments or "{}", parse_constant=_no_number)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Untranslatable(f"{part.at}: expected the arguments of a tool call as a JSON object", param=part.at)
    return found


def _calls(row: tuple[str, list[Body]]) -> bool:
    return any(block["type"] == "tool_use" for block in row[1])


def _results_first(blocks: Sequence[Body]) -> list[Body]:
    """Give a message's blocks, tool results before what else the user says."""
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _no_number(word: str) -> None:
    """Refuse NaN and the infinities, which Python reads and JSON does not have."""
    raise ValueError(word)


def _inside(block: Body) -> list[Body]:
    """Give the blocks that a tool's result is made of."""
    content = block.get("content")
    return content if isinstance(content, list) else []


def _same(thought_by: str, model: str) -> bool:
    """Whether a thought may go to a model: one name may be the other's with a date behind it."""
    return not thought_by or thought_by.startswith(model) or model.startswith(thought_by)
