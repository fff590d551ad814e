"""Whole replies: an upstream wire -> the neutral form -> a client wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routerctl.providers.reading import Far, Odd
from routerctl.service.translate import chat_reply, messages_reply
from routerctl.service.translate.neutral_reply import NeutralReply, events_of
from routerctl.service.translate.neutral_request import NeutralRequest, UpstreamRequest
from routerctl.service.translate.responses_stream_writer import ResponsesStreamWriter
from routerctl.types import ApiFormat


def read_reply(wire: ApiFormat, body: Mapping[str, Any]) -> NeutralReply:
    """Read a reply of an upstream wire, `chat` or `messages`.

    Raises:
        ValueError: it is none (Odd: says which field).
    """
    try:
        far = Far(dict(body))
        return chat_reply.read(far) if wire == "chat" else messages_reply.read(far)
    except RecursionError:
        raise Odd("nested too deeply") from None


def write_reply(
    replied: NeutralReply, to: ApiFormat, *, written: UpstreamRequest | None, asked: NeutralRequest, created: int = 0
) -> dict[str, Any]:
    """Write a reply for a client; `written`: the request that it answers, `created`: its time in Unix seconds.

    Raises:
        ValueError: the arguments of a tool call are no JSON object, and the wire has them as one.
    """
    names = written.names if written else {}
    if to == "chat":
        return chat_reply.write(replied, names=names, created=created)
    if to == "messages":
        return messages_reply.write(replied, names=names)
    stream = ResponsesStreamWriter(asked=asked.body, model=replied.model, names=names, created=created)
    for event in events_of(replied):
        stream.write(event)
    return stream.response
