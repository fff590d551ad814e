"""The quick reader of replies agrees with the careful one wherever it speaks."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.providers.anthropic import AnthropicProvider
from routerctl.providers.base import Outside
from routerctl.providers.fast_reader import FastReply, read_completion_fast, read_message_fast
from routerctl.providers.openai import OpenAIProvider
from routerctl.providers.raw import Api, says_something
from routerctl.providers.reading import Far
from routerctl.types import ProviderSpec, RawReply, RawRequest, RawWire
from tests.test_far_sides import CHAT, MESSAGE

ENV = {"KEY": "sk-secret"}
ODD = st.sampled_from(
    [None, True, False, 0, 0.0, 1, 1.0, -1, 7, 1e9, 10**10, "", "42", "stop", "\ud800", "\xe9", [], ["x"], {}, {"a": 1}]
)
MORE = st.sampled_from(["error", "refusal", "audio", "tool_calls", "function_call", "reasoning", "logprobs", "text"])


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a body."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, one in inner for place in places(one, (*at, key)))]


def mutated(body: Any, data: st.DataObject) -> Any:
    """The body with a value replaced, dropped or added."""
    at = data.draw(st.sampled_from(places(body)[1:]))
    *above, key = at
    whole = body
    for step in above:
        whole = whole[step]
    way = data.draw(st.sampled_from(["replace", "drop", "add"]))
    if way == "replace":
        whole[key] = copy.deepcopy(data.draw(ODD))
    elif way == "drop":
        del whole[key]
    elif isinstance(whole, dict):
        whole[data.draw(MORE)] = copy.deepcopy(data.draw(ODD))
    return body


RAW = RawReply(wire="chat", headers={}, body=b"", has_content=True)


@cache
def api_of(kind: type[Any]) -> Api:
    """Give a provider's own readers."""
    spec = ProviderSpec(name="p", kind="openai", base_url="http://127.0.0.1:1/v1", api_key_env="KEY")
    api: Api = kind(spec, Outside(env=ENV))._raw._api
    return api


def request(wire: RawWire) -> RawRequest:
    """A provider's own readers."""
    return RawRequest(
        model="model-1",
        wire=wire,
        body=b"{}",
        most_input_tokens=100,
        most_output_tokens=1000,
        price=lambda _usage, _took_s: Decimal(0),
    )


@pytest.mark.parametrize(
    ("wire", "kind", "body", "plain"),
    [("chat", OpenAIProvider, CHAT, read_completion_fast), ("messages", AnthropicProvider, MESSAGE, read_message_fast)],
)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_quick_reader_agrees_with_the_careful_one(
    wire: RawWire, kind: type[Any], body: Any, plain: Callable[[Any], FastReply | None], data: st.DataObject
) -> None:
    """Of a body with a few fields changed, dropped or added it says nothing, or the very same."""
    changed = copy.deepcopy(body)
    if wire == "chat":
        changed["choices"][0]["logprobs"] = None
    for _ in range(data.draw(st.integers(0, 2))):
        changed = mutated(changed, data)
    said = plain(changed)
    if said is None:
        return
    api = api_of(kind)  # type: ignore[arg-type]  # a class is hashable
    careful = api.read[wire](Far(changed), request(wire), 0.5, RAW)
    assert (said.text, api.stops[said.stop], said.served_model, said.usage) == (
        careful.text,
        careful.stop_reason,
        careful.served_model,
        careful.usage,
    ), json.dumps(changed)
    assert (careful.detail, careful.mean_logprob) == ("", None)
    assert said.has_content == says_something(wire, changed)
