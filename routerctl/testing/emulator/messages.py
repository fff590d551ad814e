"""Anthropic's Messages: a reply as a whole, and as the events of a stream.

Source of the shapes: the types of the `anthropic` SDK (2.12): Message, RawMessageStreamEvent, MessageDeltaUsage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from routerctl.testing.emulator.faults import NAMES, Fault
from routerctl.testing.emulator.frames import Frame, delta, event
from routerctl.testing.emulator.said import Body, Said, Turn, pieces, signature_of, tokens
from routerctl.types import Usage

PING = Frame(b'event: ping\ndata: {"type": "ping"}\n\n')
ODD = Frame(b'event: content_block_delta\ndata: {"type":"content_block_delta","index":"none","delta":null}\n\n')
BROKEN = Frame(b'event: content_block_delta\ndata: {"type":"content_block_del\n\n')


def usage_of(body: Body, said: Said) -> Usage:
    """Count: the system prompt is read from the cache, messages and tools are not."""
    read = tokens(body["system"]) if "system" in body else 0
    return said.billed(input_tokens(body), read)


def input_tokens(body: Body) -> int:
    """Count what is asked: messages, system prompt and tools."""
    return sum(tokens(body[name]) for name in ("messages", "system", "tools") if name in body)


def whole(turn: Turn) -> Body:
    """Give the reply as one object."""
    return _shell(turn) | {"content": [*_blocks(turn)]} | _stop(turn.said) | _told(turn, turn.usage.output_tokens)


def frames(turn: Turn) -> Iterator[Frame]:
    """Give the reply as a stream: a block is opened, brought and closed before the next one."""
    empty: Body = {"content": [], "stop_reason": None, "stop_details": None, "stop_sequence": None}
    yield event("message_start", message=_shell(turn) | empty | _told(turn, 1))
    for index, block in enumerate(_blocks(turn)):
        yield event("content_block_start", index=index, content_block=_opened(block))
        if index == 0:
            yield PING
        yield from _deltas(index, block, turn)
        yield event("content_block_stop", index=index)
    yield event("message_delta", delta=_stop(turn.said), **_told(turn, turn.usage.output_tokens, in_stream=True))
    yield event("message_stop")


def failed(fault: Fault) -> Frame:
    """Give the event of an error in a stream: an overload, as nearly all of them are."""
    return event("error", error=error_body(529, fault)["error"])


def error_body(status: int, fault: Fault, number: int = 1) -> Body:
    """Give the body of an HTTP error."""
    error: Body = {"type": NAMES.get(status, ("api_error", None))[0], "message": fault.message}
    if fault.code:
        error["details"] = {"error_code": fault.code}
    return {"type": "error", "error": error, "request_id": f"req_{number}"}


def _shell(turn: Turn) -> Body:
    return {"id": f"msg_{turn.number}", "type": "message", "role": "assistant"} | turn.named


def _blocks(turn: Turn) -> Iterator[Body]:
    """The answer is never content[0]: these models think, whether or not they show it."""
    said = turn.said
    yield {"type": "thinking", "thinking": said.thinking, "signature": signature_of(turn.model, said.thinking)}
    for text in said.texts:
        yield {"type": "text", "text": text}
    for index, call in enumerate(said.tools):
        made = call.id or f"toolu_{turn.number}_{index}"
        yield {"type": "tool_use", "id": made, "name": call.name, "input": json.loads(call.arguments)}


def _opened(block: Body) -> Body:
    empty: Body = {"thinking": "", "signature": "", "text": "", "input": {}}
    return {name: empty.get(name, value) for name, value in block.items()}


def _deltas(index: int, block: Body, turn: Turn) -> Iterator[Frame]:
    start = f'"index":{index},"delta":'
    kind = block["type"]
    if kind == "text":
        for piece in pieces(block["text"], turn.chunks):
            yield delta("content_block_delta", f'{start}{{"type":"text_delta","text":{piece}}}')
    elif kind == "thinking":
        for piece in pieces(block["thinking"], turn.chunks):
            yield delta("content_block_delta", f'{start}{{"type":"thinking_delta","thinking":{piece}}}')
        signed = {"type": "signature_delta", "signature": block["signature"]}
        yield event("content_block_delta", index=index, delta=signed)
    else:
        for piece in ('""', *pieces(json.dumps(block["input"]), turn.chunks)):
            yield delta("content_block_delta", f'{start}{{"type":"input_json_delta","partial_json":{piece}}}')


def _stop(said: Said) -> Body:
    details = {"type": "refusal", "category": "cyber", "explanation": said.refusal or None}
    return {
        "stop_reason": said.stop,
        "stop_details": details if said.stop == "refusal" else None,
        "stop_sequence": said.stop_sequence if said.stop == "stop_sequence" else None,
    }


def _told(turn: Turn, output: int, *, in_stream: bool = False) -> dict[str, Any]:
    """What it says of its tokens: the cached ones are not among `input_tokens`."""
    if not turn.counted:
        return {}
    usage, thought = turn.usage, turn.said.thought_tokens
    told: Body = {
        "input_tokens": usage.input_tokens - usage.cache_read_tokens - usage.cache_write_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": output,
    }
    if thought and output == usage.output_tokens:
        told["output_tokens_details"] = {"thinking_tokens": thought}
    if not in_stream:
        told["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": 0,
        }
        told["service_tier"] = "standard"
    return {"usage": told}
