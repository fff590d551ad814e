"""Both SDK providers against llama.cpp's own server: a peer that nobody here wrote."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from routerctl import errors
from routerctl.providers import base, weights, wire
from routerctl.types import Message, Prompt, ProviderSpec, Reply, ReplySpec, Request, Sampling, StopReason

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="needs the extra routerctl[local]"),
]

KEY = "sk-peer-0123456789abcdef"
MODEL = "peer-model"
KINDS = ("anthropic", "openai")
SHOTS = (
    Message(role="user", content="A lovely evening from start to finish."),
    Message(role="assistant", content="positive"),
    Message(role="user", content="The soup was cold and the waiter rude."),
    Message(role="assistant", content="negative"),
)

Sleeper = Callable[[float], Awaitable[object]]


def start_peer(path: Path, port: int = 0) -> Any:
    """Start llama.cpp's server as its documentation says; it stops with the last reference to it."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias, params.api_keys = {MODEL}, [KEY]
    params.hostnames, params.port, params.offline = ["127.0.0.1"], port, True
    params.n_ctx, params.n_parallel, params.verbosity = 1024, 1, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.sampling.temp = 0.0  # the Anthropic side cannot ask for it
    return xllamacpp.Server(params)


@pytest.fixture(scope="session")
def smollm() -> Path:
    """Give the weights of the smallest model."""
    return weights.fetch(weights.local_model("smollm2-135m"))


@pytest.fixture(scope="module")
def url(smollm: Path) -> Iterator[str]:
    """Give the address of a running peer."""
    peer = start_peer(smollm)
    yield peer.listening_address
    del peer


class Waits:
    """A sleeper that writes down how long it would have slept."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.waits: list[float] = []
        self._meanwhile = meanwhile

    async def __call__(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._meanwhile()


def wire_to(kind: str, url: str, *, key: str = KEY, sleep: Sleeper | None = None) -> wire.Wire:
    """A wire with one provider of the kind, which has the peer's address."""
    address = url if kind == "anthropic" else f"{url}/v1"
    spec = ProviderSpec(name="peer", kind=kind, base_url=address, api_key_env="PEER_KEY", max_attempts=3)
    outside = base.Outside(env={"PEER_KEY": key}, sleep=sleep or Waits(), rng=random.Random(0))  # noqa: S311 # jitter
    return wire.Wire([spec], outside, lambda spec, model: lambda usage, seconds: Decimal(0))


@pytest.fixture(params=KINDS)
async def ask(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Callable[[Request], Awaitable[Reply]]]:
    """Give a function that asks the peer through the SDK provider of either kind."""
    async with wire_to(request.param, url) as wire:
        yield lambda asked: wire.call("peer", asked)


def asked(*messages: str, system: str = "", max_tokens: int = 12, **more: Any) -> Request:
    """A request of user messages after the examples."""
    turns = (*SHOTS, *(Message(role="user", content=text) for text in messages))
    return Request(
        model=MODEL,
        prompt=Prompt(system=system, messages=turns, shared=len(SHOTS)),
        reply=ReplySpec(max_tokens=max_tokens),
        **more,
    )


async def test_few_shot_reply(ask: Callable[[Request], Awaitable[Reply]]) -> None:
    """The examples arrive as turns: the model answers with one of their labels, and ends by itself."""
    reply = await ask(asked("What a wonderful day, I loved it.", system="Label the sentiment in one word."))
    assert reply.text.strip().lower() in ("positive", "negative")
    assert reply.stop_reason is StopReason.END
    assert reply.served_model == MODEL
    assert reply.attempts == 1
    assert reply.latency_s > 0


async def test_both_sides_say_the_same(url: str) -> None:
    """The same request through both SDKs is the same prompt: as many tokens, the same greedy text."""
    replies = []
    for kind in KINDS:
        async with wire_to(kind, url) as wire:
            replies.append(await wire.call("peer", asked("The train was late again.", system="Label the sentiment.")))
    assert replies[0].usage.input_tokens == replies[1].usage.input_tokens
    assert replies[0].text == replies[1].text


async def test_system_text_arrives(ask: Callable[[Request], Awaitable[Reply]]) -> None:
    """A longer system text is counted as more input."""
    short = await ask(asked("Hi.", system="Be kind."))
    long = await ask(asked("Hi.", system="Be kind. " * 20))
    assert long.usage.input_tokens > short.usage.input_tokens + 40


async def test_truncated_reply_says_so(ask: Callable[[Request], Awaitable[Reply]]) -> None:
    """A reply cut off at max_tokens has that stop reason and that many output tokens."""
    story = Request(
        model=MODEL,
        prompt=Prompt(system="", messages=(Message(role="user", content="Tell a long story about the sea."),)),
        reply=ReplySpec(max_tokens=9),
    )
    reply = await ask(story)
    assert reply.stop_reason is StopReason.MAX_TOKENS
    assert reply.usage.output_tokens == 9


async def test_cached_tokens_are_counted_in(ask: Callable[[Request], Awaitable[Reply]]) -> None:
    """Tokens that the server had in its cache are part of the input tokens, and told apart."""
    request = asked("The museum opens at ten.", system="Label the sentiment in one word, please.")
    await ask(request)
    again = await ask(request)
    fresh = await ask(asked("Something else entirely, and of another length.", system="Other words stand first."))
    assert 0 < again.usage.cache_read_tokens < again.usage.input_tokens
    assert again.usage.cache_read_tokens > fresh.usage.cache_read_tokens
    assert (await ask(request)).usage.input_tokens == again.usage.input_tokens


async def test_json_schema_is_obeyed(url: str) -> None:
    """A JSON schema sent by the OpenAI provider constrains the reply."""
    schema = {"type": "object", "properties": {"stars": {"enum": [1, 2, 3]}}, "required": ["stars"]}
    request = replace(asked("Nice."), reply=ReplySpec(max_tokens=40, json_schema=schema))
    async with wire_to("openai", url) as wire:
        reply = await wire.call("peer", request)
    assert json.loads(reply.text)["stars"] in (1, 2, 3)


async def test_sampling_arrives(url: str) -> None:
    """Temperature and seed reach the server: samples differ from each other."""
    async with wire_to("openai", url) as wire:

        async def sample(number: int) -> str:
            request = asked("Tell me of the sea.", sampling=Sampling(temperature=1.5, seed=1), sample=number)
            return (await wire.call("peer", request)).text

        first = [await sample(number) for number in range(4)]
        assert len(set(first)) > 1


@pytest.mark.parametrize("kind", KINDS)
async def test_wrong_key(url: str, kind: str) -> None:
    """A wrong key is refused at once, and the error does not show it."""
    waits = Waits()
    async with wire_to(kind, url, key="sk-wrong-0123456789", sleep=waits) as wire:
        with pytest.raises(errors.KeyRefused) as caught:
            await wire.call("peer", asked("Hi."))
    assert caught.value.status == 401
    assert "sk-wrong" not in str(caught.value)
    assert waits.waits == []


@pytest.mark.parametrize("kind", KINDS)
async def test_too_long_prompt(url: str, kind: str) -> None:
    """A prompt that does not fit is a bad request: not tried again, but another model may take it."""
    waits = Waits()
    async with wire_to(kind, url, sleep=waits) as wire:
        with pytest.raises(errors.BadRequest, match="exceeds the available context size") as caught:
            await wire.call("peer", asked("word " * 2000))
    assert caught.value.status == 400
    assert waits.waits == []


@pytest.mark.parametrize("kind", KINDS)
async def test_unknown_route(url: str, kind: str) -> None:
    """A base URL that leads nowhere is a 404, named as what it is and not tried again."""
    async with wire_to(kind, f"{url}/nowhere") as wire:
        with pytest.raises(errors.ModelNotFound) as caught:
            await wire.call("peer", asked("Hi."))
    assert caught.value.status == 404


@pytest.mark.parametrize("kind", KINDS)
async def test_dead_server(kind: str) -> None:
    """A server that is gone is tried as often as the spec says, with growing room for jitter, then given up."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    waits = Waits()
    async with wire_to(kind, f"http://127.0.0.1:{port}", sleep=waits) as wire:
        with pytest.raises(errors.ConnectionFailed):
            await wire.call("peer", asked("Hi."))
    assert len(waits.waits) == 2
    assert all(0 <= wait <= base.BACKOFF_S * 2**number for number, wait in enumerate(waits.waits))


@pytest.mark.parametrize("kind", KINDS)
async def test_killed_server_that_comes_back(smollm: Path, kind: str) -> None:
    """A server killed between two calls and started again during the wait serves the second attempt."""
    peers = [start_peer(smollm)]
    url = peers[0].listening_address
    port = int(url.rsplit(":", 1)[1])
    waits = Waits(meanwhile=lambda: peers.append(start_peer(smollm, port)))
    async with wire_to(kind, url, sleep=waits) as wire:
        assert (await wire.call("peer", asked("Hi."))).attempts == 1
        peers.clear()
        reply = await wire.call("peer", asked("Hi."))
    assert reply.attempts == 2
    assert len(waits.waits) == 1
