"""Whole replies of OpenAI's Chat Completions, read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from routerctl.providers.openai_fields import STOP_REASONS
from routerctl.providers.reading import Far, Odd, is_failure
from routerctl.service.translate.fields import is_given
from routerctl.service.translate.neutral_reply import (
    Block,
    NeutralReply,
    RefusalBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from routerctl.service.translate.stop_reasons import chat_stop, id_of
from routerctl.service.translate.tool_names import chat_id, made_id
from routerctl.service.translate.usage import chat_usage, is_told, read_chat
from routerctl.types import StopReason

Body = dict[str, Any]


def read(far: Far) -> NeutralReply:
    """Read a reply; raises Odd."""
    if is_given(far["error"]):
        raise Odd("error: expected a reply, got an error")
    far["choices"].items()
    choice = far["choices"][0].mapping()
    message, made = choice["message"].mapping(), far["id"].name()
    tools = [_called(call, made, index) for index, call in enumerate(calls_in(message))]
    refusal = message["refusal"].text_or("")
    usage, reasoning = read_chat(far["usage"])
    return NeutralReply(
        id=made,
        model=far["model"].name(),
        blocks=(*_spoken(message, refusal), *tools),
        stop=stop_of(choice["finish_reason"], tools=bool(tools), refused=bool(refusal)),
        stop_sequence=matched_stop(choice),
        usage=usage,
        reasoning_tokens=reasoning,
        dropped=_dropped(far, message),
    )


def _dropped(far: Far, message: Far) -> tuple[str, ...]:
    """Name what stands in a reply that no other API has a word for."""
    more = ["reply.choices"] if len(far["choices"].items()) > 1 else []
    return (*more, *(f"reply.{name}" for name in _EXTRAS if is_given(message[name])))


_EXTRAS = ("annotations", "audio", "images")


def _spoken(message: Far, refusal: str) -> list[Block]:
    thought, text = thinking_in(message), text_in(message["content"])
    blocks: list[Block] = [ThinkingBlock(text=thought)] if thought else []
    blocks += [TextBlock(text=text)] if text else []
    return blocks + ([RefusalBlock(text=refusal)] if refusal else [])


def thinking_in(message: Far) -> str:
    """Give what was thought, under either of the names that servers of this wire use."""
    return message["reasoning_content"].name() or message["reasoning"].name()


def text_in(content: Far) -> str:
    """Give a text; some servers give its parts, with what was thought among them; raises Odd."""
    if isinstance(content.value, list):
        return "".join(part["text"].text() for part in content.items() if part.mapping()["type"].value == "text")
    return content.text_or("")


def calls_in(message: Far) -> list[Far]:
    """Give the tool calls of a message, the one in the words of older servers among them; raises Odd."""
    calls = [call.mapping() for call in message["tool_calls"].items()] if is_given(message["tool_calls"]) else []
    older = message["function_call"]
    return calls + ([Far({"index": 0, "function": older.value}, "function_call")] if is_given(older) else [])


def _called(call: Far, reply: str, index: int) -> ToolCallBlock:
    function = call["function"].mapping()
    return ToolCallBlock(
        id=call["id"].text_or("") or made_id((reply, index)),
        name=function["name"].text(),
        arguments=arguments_in(function["arguments"]) or "{}",
    )


def arguments_in(far: Far) -> str:
    """Give a call's arguments as JSON; some servers give the object itself; raises Odd."""
    if isinstance(far.value, dict):
        return json.dumps(far.value, separators=(",", ":"), ensure_ascii=False)
    return far.text_or("")


def stop_of(finish: Far, *, tools: bool, refused: bool) -> StopReason:
    """Give why it stopped; some servers say `stop`, or nothing, where there are tool calls, or words of a refusal."""
    if is_failure(finish.name()):
        raise Odd(f"{finish.path}: the reply broke off")
    stop = StopReason.END if finish.value is None else finish.one_of(STOP_REASONS)
    if stop not in (StopReason.END, StopReason.OTHER, StopReason.TOOL_USE):
        return stop
    if refused:
        return StopReason.REFUSAL
    return StopReason.TOOL_USE if tools else StopReason.END


def matched_stop(choice: Far) -> str | None:
    """Give the stop sequence that was met, which vLLM and SGLang tell."""
    if choice["finish_reason"].value != "stop":
        return None
    return choice["stop_reason"].name() or choice["matched_stop"].name() or None


def write(replied: NeutralReply, *, names: Mapping[str, str], created: int) -> Body:
    """Write a reply."""
    message: Body = {"role": "assistant", "content": None, "refusal": refusal_of(replied)}
    if text := "".join(one.text for one in replied.blocks if isinstance(one, TextBlock)):
        message["content"] = text
    if thought := "".join(one.text for one in replied.blocks if isinstance(one, ThinkingBlock)):
        message["reasoning_content"] = thought
    if calls := [_call(one, names) for one in replied.blocks if isinstance(one, ToolCallBlock)]:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": chat_stop(replied.stop)}
    usage = {"usage": chat_usage(replied.usage, replied.reasoning_tokens)} if is_told(replied.usage) else {}
    return {
        "id": id_of("chatcmpl-", replied.id),
        "object": "chat.completion",
        "created": created,
        "model": replied.model,
        "choices": [choice],
        **usage,
    }


def refusal_of(replied: NeutralReply) -> str | None:
    """Give the words of a refusal, or its category."""
    words = "".join(one.text for one in replied.blocks if isinstance(one, RefusalBlock))
    return words or refusal_words(replied.stop, replied.category)


def refusal_words(stop: StopReason, category: str | None) -> str | None:
    """Give words for a refusal that has none of its own, where its category is known."""
    return f"The model declined to answer ({category})." if stop is StopReason.REFUSAL and category else None


def _call(call: ToolCallBlock, names: Mapping[str, str]) -> Body:
    function = {"name": names.get(call.name, call.name), "arguments": call.arguments}
    return {"id": chat_id(call.id), "type": "function", "function": function}
