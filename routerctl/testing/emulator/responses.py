"""OpenAI's Responses: a reply as a whole, and as the numbered events of a stream.

Source of the shapes: the types of the `openai` SDK (3.54): Response, ResponseStreamEvent and what they are made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from routerctl.testing.emulator.faults import Fault
from routerctl.testing.emulator.frames import Frame, delta, event
from routerctl.testing.emulator.said import CREATED, Body, Said, Turn, encoded, pieces, tokens
from routerctl.types import Usage

PING = Frame(b": keep-alive\n\n")
ODD = Frame(b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":null}\n\n')
BROKEN = Frame(b'event: response.output_text.delta\ndata: {"type":"response.output_te\n\n')
_RUNS: Mapping[str, str] = {
    "summary_text": "reasoning_summary_text"
}  # a part's type -> the name of its deltas, where it differs
_ECHOED: Mapping[str, Any] = {  # fields of a request that its reply repeats -> their default
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}


def usage_of(body: Body, said: Said) -> Usage:
    """Count: half of what is asked is read from the cache."""
    asked = sum(tokens(body[name]) for name in ("input", "instructions", "tools") if name in body)
    return said.billed(asked, asked // 2)


def whole(turn: Turn) -> Body:
    """Give the reply as one object."""
    return _response(turn, _items(turn), _status(turn.said))


def frames(turn: Turn) -> Iterator[Frame]:
    """Give the reply as a stream: item after item, each opened, brought and closed."""
    stream, items, status = _Stream(turn.chunks), _items(turn), _status(turn.said)
    opened = _response(turn, [], "in_progress")
    yield stream.event("response.created", response=opened)
    yield stream.event("response.in_progress", response=opened)
    for index, item in enumerate(items):
        yield from stream.item(index, item)
    yield stream.event(f"response.{status}", response=_response(turn, items, status))


def failed_at_once(fault: Fault) -> Frame:
    """Give the error that comes as the first event: its fields stand beside the type."""
    return event("error", code=_code(fault), message=fault.message, param=None, sequence_number=0)


def failed(fault: Fault, turn: Turn, number: int) -> Frame:
    """Give the terminal event of a response that failed as its `number`-th event."""
    error = {"code": _code(fault), "message": fault.message}
    return event("response.failed", sequence_number=number, response=_response(turn, [], "failed") | {"error": error})


def _code(fault: Fault) -> str:
    return fault.code or "server_error"


def _status(said: Said) -> str:
    return "incomplete" if said.truncated or said.refusal == "" else "completed"


def _response(turn: Turn, output: Sequence[Body], status: str) -> Body:
    reason = "max_output_tokens" if turn.said.truncated else "content_filter"
    ended = status not in ("in_progress", "failed")
    return {
        "id": f"resp_{turn.number}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        **turn.named,
        "output": list(output),
        **{name: turn.body.get(name, default) for name, default in _ECHOED.items()},
        "usage": _told(turn) if ended and turn.counted else None,
    }


def _items(turn: Turn) -> list[Body]:
    said, number = turn.said, turn.number
    items: list[Body] = []
    if said.thinking:
        summary = [{"type": "summary_text", "text": said.thinking}]
        sealed = "reasoning.encrypted_content" in (turn.body.get("include") or ())
        hidden = {"encrypted_content": f"sealed-{number}"} if sealed else {}
        items.append({"id": f"rs_{number}", "type": "reasoning", "summary": summary, **hidden})
    parts: list[Body] = [
        {"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in said.texts
    ]
    parts += [{"type": "refusal", "refusal": said.refusal}] if said.refusal else []
    if parts:
        status = _status(said)
        message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "status": status, "content": parts}
        items.append(message)
    for index, call in enumerate(said.tools):
        made = {"id": f"fc_{number}_{index}", "call_id": call.id or f"call_{number}_{index}"}
        told = {"type": "function_call", "name": call.name, "arguments": call.arguments, "status": "completed"}
        items.append(made | told)
    return items


class _Stream:
    """Numbers the events of one stream."""

    def __init__(self, chunks: int) -> None:
        self._chunks, self._numbers = chunks, count()

    def event(self, kind: str, **data: Any) -> Frame:
        return event(kind, sequence_number=next(self._numbers), **data)

    def item(self, index: int, item: Body) -> Iterator[Frame]:
        empty: Body = {"content": [], "summary": [], "arguments": "", "status": "in_progress"}
        opened = {name: empty.get(name, value) for name, value in item.items()}
        here = {"item_id": item["id"], "output_index": index}
        yield self.event("response.output_item.added", output_index=index, item=opened)
        for place, part in enumerate(item.get("summary", ())):
            yield from self._part("reasoning_summary_part", here | {"summary_index": place}, part)
        for place, part in enumerate(item.get("content", ())):
            yield from self._part("content_part", here | {"content_index": place}, part)
        if item["type"] == "function_call":
            yield from self._run("function_call_arguments", "arguments", here, item["arguments"])
        yield self.event("response.output_item.done", output_index=index, item=item)

    def _part(self, kind: str, here: Body, part: Body) -> Iterator[Frame]:
        said = str(part["type"])
        field = "refusal" if said == "refusal" else "text"
        yield self.event(f"response.{kind}.added", **here, part=part | {field: ""})
        yield from self._run(_RUNS.get(said, said), field, here, part[field])
        yield self.event(f"response.{kind}.done", **here, part=part)

    def _run(self, kind: str, field: str, here: Body, text: str) -> Iterator[Frame]:
        """The deltas of one text, and the event that repeats it whole."""
        more: Body = {"logprobs": []} if kind == "output_text" else {}
        place = encoded(here | more)[1:-1]
        for piece in pieces(text, self._chunks):
            number = next(self._numbers)
            yield delta(f"response.{kind}.delta", f'"sequence_number":{number},{place},"delta":{piece}')
        yield self.event(f"response.{kind}.done", **here, **more, **{field: text})


def _told(turn: Turn) -> Body:
    usage = turn.usage
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": turn.said.thought_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
