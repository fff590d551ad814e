"""OpenAI's Chat Completions: a reply as a whole, and as the chunks of a stream.

Source of the shapes: the types of the `openai` SDK (3.54): ChatCompletion, ChatCompletionChunk, CompletionUsage. What a
model thinks stands in `reasoning_content`, as in servers that speak this wire and show it; OpenAI's tells its tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any

from routerctl.testing.emulator.faults import NAMES, Fault
from routerctl.testing.emulator.frames import Frame
from routerctl.testing.emulator.said import CREATED, Body, Said, ToolCall, Turn, encoded, pieces, tokens
from routerctl.types import Usage

PING = Frame(b": keep-alive\n\n")  # a comment: this wire has no event for it
DONE = Frame(b"data: [DONE]\n\n")
ODD = Frame(b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":null}]}\n\n')
BROKEN = Frame(b'data: {"object":"chat.completion.chu\n\n')
_STOPS = {"max_tokens": "length", "tool_use": "tool_calls"}


def usage_of(body: Body, said: Said) -> Usage:
    """Count: half of what is asked is read from the cache."""
    asked = sum(tokens(body[name]) for name in ("messages", "tools") if name in body)
    return said.billed(asked, asked // 2)


def whole(turn: Turn) -> Body:
    """Give the reply as one object."""
    said = turn.said
    message: Body = {"role": "assistant", "content": "".join(said.texts) or None, "refusal": said.refusal or None}
    if said.thinking:
        message["reasoning_content"] = said.thinking
    if said.tools:
        message["tool_calls"] = [
            {"id": made, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for made, call in _calls(turn)
        ]
    choice = {"index": 0, "message": message, "finish_reason": _stop(said), "logprobs": _logprobs(turn.body)}
    return _shell(turn, "chat.completion") | {"choices": [choice]} | ({"usage": _told(turn)} if turn.counted else {})


def frames(turn: Turn) -> Iterator[Frame]:
    """Give the reply as a stream; usage comes last, in a chunk without choices, and only to whom asks for it."""
    asked = bool((turn.body.get("stream_options") or {}).get("include_usage")) and turn.counted
    head = f"data: {encoded(_shell(turn, 'chat.completion.chunk'))[:-1]},"
    tail = ',"usage":null}\n\n' if asked else "}\n\n"
    logprobs = encoded(_logprobs(turn.body))

    def chunk(said: str, stop: str = "null", logprobs: str = "null") -> bytes:
        choice = f'{{"index":0,"delta":{{{said}}},"logprobs":{logprobs},"finish_reason":{stop}}}'
        return f'{head}"choices":[{choice}]{tail}'.encode()

    yield Frame(chunk('"role":"assistant","content":"","refusal":null' if turn.said.texts else '"role":"assistant"'))
    for number, piece in enumerate(_deltas(turn)):
        yield Frame(chunk(piece, logprobs=logprobs if number == 0 else "null"), delta=True)
    yield Frame(chunk("", f'"{_stop(turn.said)}"'))
    if asked:
        yield Frame(f'{head}"choices":[],"usage":{encoded(_told(turn))}}}\n\n'.encode())
    yield DONE


def failed(fault: Fault) -> Frame:
    """Give the chunk of an error in a stream."""
    return Frame(f"data: {encoded(error_body(500, fault))}\n\n".encode())


def error_body(status: int, fault: Fault) -> Body:
    """Give the body of an HTTP error."""
    kind, code = NAMES.get(status, ("server_error" if status == 500 else "api_error", None))
    return {"error": {"message": fault.message, "type": kind, "param": fault.param, "code": fault.code or code}}


def _shell(turn: Turn, kind: str) -> Body:
    return {
        "id": f"chatcmpl-{turn.number}",
        "object": kind,
        "created": CREATED,
        **turn.named,
        "service_tier": "default",
    }


def _calls(turn: Turn) -> Iterator[tuple[str, ToolCall]]:
    for index, call in enumerate(turn.said.tools):
        yield call.id or f"call_{turn.number}_{index}", call


def _deltas(turn: Turn) -> Iterator[str]:
    said = turn.said
    for piece in pieces(said.thinking, turn.chunks):
        yield f'"reasoning_content":{piece}'
    for piece in chain.from_iterable(pieces(text, turn.chunks) for text in said.texts):
        yield f'"content":{piece}'
    for piece in pieces(said.refusal or "", turn.chunks):
        yield f'"refusal":{piece}'
    yield from _interleaved(
        [[*_call_deltas(index, made, call, turn)] for index, (made, call) in enumerate(_calls(turn))]
    )


def _call_deltas(index: int, made: str, call: ToolCall, turn: Turn) -> Iterator[str]:
    opened = {"index": index, "id": made, "type": "function", "function": {"name": call.name, "arguments": ""}}
    yield f'"tool_calls":[{encoded(opened)}]'
    for piece in pieces(call.arguments, turn.chunks):
        yield f'"tool_calls":[{{"index":{index},"function":{{"arguments":{piece}}}}}]'


def _interleaved(calls: Sequence[Sequence[str]]) -> Iterator[str]:
    """Parallel calls take turns, piece by piece: nothing but the index says whose a piece is."""
    for pieces_of_all in zip_longest(*calls):
        yield from (piece for piece in pieces_of_all if piece is not None)


def _stop(said: Said) -> str:
    if said.stop == "refusal":
        return "stop" if said.refusal else "content_filter"
    return _STOPS.get(said.stop, "stop")


def _logprobs(body: Body) -> Body | None:
    told = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]}
    return told if body.get("logprobs") else None


def _told(turn: Turn) -> dict[str, Any]:
    usage = turn.usage
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": turn.said.thought_tokens},
    }
