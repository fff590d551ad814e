"""Requests: any client wire -> the neutral form -> an upstream wire, or the plain turns of a text conversation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Literal

from routerctl.providers.reading import Odd
from routerctl.service.translate import (
    chat_request_reader,
    chat_request_writer,
    messages_request_reader,
    messages_request_writer,
    responses_request_reader,
)
from routerctl.service.translate.neutral_request import NeutralRequest, TextPart, Turn, Untranslatable, UpstreamRequest
from routerctl.types import ApiFormat

_READERS: Mapping[ApiFormat, Callable[[Mapping[str, Any]], NeutralRequest]] = {
    "chat": chat_request_reader.read,
    "responses": responses_request_reader.read,
    "messages": messages_request_reader.read,
}
_DEEP = "the body is nested too deeply"


def read_request(wire: ApiFormat, body: Mapping[str, Any]) -> NeutralRequest:
    """Read a client's request.

    Raises:
        Untranslatable: it is malformed; says which field is, and what was expected there.
    """
    try:
        return _READERS[wire](body)
    except Odd as odd:
        param = str(odd).partition(":")[0]
        raise Untranslatable(str(odd), param=None if param == "the body" else param) from None
    except RecursionError:
        raise Untranslatable(_DEEP) from None


def write_request(
    asked: NeutralRequest, to: ApiFormat, *, model: str, max_tokens: int, accepts: Collection[str] = ()
) -> UpstreamRequest:
    """Write a request for an upstream wire, `chat` or `messages`.

    `max_tokens`: where the client gave no limit and the wire needs one. `accepts`: what the model takes on the messages
    wire: sampling parameters, and `system_messages` (between the others).

    Raises:
        Untranslatable: something in it cannot be carried, and must not be dropped.
    """
    if asked.unsupported:
        raise Untranslatable(asked.unsupported[0].problem, param=asked.unsupported[0].param)
    if asked.choice and asked.choice.kind in ("any", "tool") and not asked.tools:
        raise Untranslatable("tool_choice: expected tools beside it", param="tool_choice")
    names = {tool.name for tool in asked.tools}
    if asked.choice and (lost := [name for name in asked.choice.allowed if name not in names]):
        raise Untranslatable(f"tool_choice: allows '{lost[0][:80]}', which is none of the tools", param="tool_choice")
    try:
        if to == "chat":
            written = chat_request_writer.write(asked, model=model)
        else:
            written = messages_request_writer.write(asked, model=model, max_tokens=max_tokens, accepts=accepts)
    except RecursionError:
        raise Untranslatable(_DEEP) from None
    return replace(written, dropped=tuple(dict.fromkeys(asked.dropped + written.dropped)))


def plain_turns(asked: NeutralRequest, *, why: str) -> tuple[str, list[tuple[Literal["user", "assistant"], str]]]:
    """Give the system text and the turns of a request that is text alone.

    Raises:
        Untranslatable: there is more in it: `why` says for what text alone is needed.
    """
    if asked.unsupported:
        raise Untranslatable(f"{why}: {asked.unsupported[0].problem}", param=asked.unsupported[0].param)
    if asked.tools:
        raise Untranslatable(f"{why}: expected no tools", param="tools")
    if asked.format:
        raise Untranslatable(f"{why}: expected no schema of the reply", param=asked.format.at)
    system: list[str] = []
    turns: list[tuple[Literal["user", "assistant"], str]] = []
    for turn in asked.turns:
        text = _plain(turn, why)
        if turn.role in ("system", "developer"):
            system.append(text)
        elif text:
            turns.append(("assistant" if turn.role == "assistant" else "user", text))
    if not turns or turns[-1][0] == "assistant":
        raise Untranslatable(f"{why}: expected a user's message at the end", param=asked.turns[-1].at)
    return "\n\n".join(system), turns


def _plain(turn: Turn, why: str) -> str:
    for part in turn.parts:
        if not isinstance(part, TextPart):
            raise Untranslatable(f"{why}: {part.at}: expected text alone", param=part.at)
    return "".join(part.text for part in turn.parts if isinstance(part, TextPart))
