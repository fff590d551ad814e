from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from routerctl.service.translate import NeutralReply, fold_events, read_reply, read_request, write_reply
from routerctl.service.translate.neutral_reply import ToolCallBlock
from routerctl.types import ApiFormat
from tests.translated import ASKED, CLIENTS, SAID, UPSTREAM, assembled, events_in, stream_of, stream_to, whole_of


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("wire", UPSTREAM)
def test_a_stream_folds_into_the_whole_reply(wire: ApiFormat, name: str) -> None:
    """A reply is the same whether it was streamed or not: text, thinking, tools, stop, tokens."""
    streamed = fold_events(events_in(wire, [stream_of(wire, SAID[name])]))
    assert _spaceless(streamed) == _spaceless(read_reply(wire, whole_of(wire, SAID[name])))


def _spaceless(replied: NeutralReply) -> NeutralReply:
    """Anthropic's streams have blanks in the JSON of arguments."""
    blocks = [
        replace(one, arguments=json.dumps(json.loads(one.arguments))) if isinstance(one, ToolCallBlock) else one
        for one in replied.blocks
    ]
    return replace(replied, blocks=tuple(blocks))


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("to", CLIENTS)
@pytest.mark.parametrize("wire", UPSTREAM)
def test_the_sdk_makes_the_whole_reply_of_the_stream(wire: ApiFormat, to: ApiFormat, name: str) -> None:
    """What the client's own SDK assembles from our stream is what it would have got without streaming."""
    asked = read_request(to, ASKED[to])
    whole = write_reply(read_reply(wire, whole_of(wire, SAID[name])), to, written=None, asked=asked, created=1)
    found = assembled(to, stream_to(to, events_in(wire, [stream_of(wire, SAID[name])]), asked))
    assert _subset(whole, found)


def _subset(part: Any, of: Any) -> bool:
    """Whether all that is said in `part` is said in `of`; nothing said is as good as null."""
    if isinstance(part, dict) and isinstance(of, dict):
        return all(_subset(value, of.get(name)) for name, value in part.items() if value is not None)
    if isinstance(part, str) and isinstance(of, str) and part.startswith("{"):
        return bool(json.loads(part) == json.loads(of))
    if isinstance(part, list) and isinstance(of, list):
        return len(part) == len(of) and all(_subset(one, other) for one, other in zip(part, of, strict=True))
    return bool(part == of)
