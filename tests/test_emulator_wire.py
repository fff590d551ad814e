"""Both official SDKs, through our providers, against a server that goes wrong on command."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from routerctl import errors
from routerctl.costs import price_of, pricer_of
from routerctl.providers.base import Outside
from routerctl.providers.wire import Wire
from routerctl.testing import emulator
from routerctl.testing.emulator import Emulator, Fault
from routerctl.types import Message, Prompt, ProviderSpec, ReplySpec, Request, Sampling, StopReason, Usage

KEYS = {"ANTHROPIC_API_KEY": "sk-ant-api03-THESECRET", "OPENAI_API_KEY": "sk-proj-THESECRET"}
VENDORS = ("anthropic", "openai")
MODELS = {"anthropic": "claude-haiku-5-5", "openai": "gpt-6-luna"}


class Sleeper:
    """Sleeps by noting it, so that waits cost no time."""

    def __init__(self) -> None:
        self.slept, self.now = list[float](), 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
async def emu() -> AsyncIterator[Emulator]:
    """A server that answers "42"."""
    async with Emulator(lambda _body: "42", models=list(MODELS.values())) as running:
        yield running


@pytest.fixture
def sleeper() -> Sleeper:
    """Where the wire's waits go."""
    return Sleeper()


def _spec(kind: str, emu: Emulator, **more: Any) -> ProviderSpec:
    url = emu.url if kind == "anthropic" else f"{emu.url}/v1"
    variable = "ANTHROPIC_API_KEY" if kind == "anthropic" else "OPENAI_API_KEY"
    return ProviderSpec(name=kind, kind=kind, base_url=url, api_key_env=variable, **more)


def _price(spec: ProviderSpec, model: str) -> Callable[[Usage, float], Decimal]:
    from datetime import date

    return pricer_of(price_of(spec, model, {}, date(2026, 11, 23)), spec, model)


def _wire(sleeper: Sleeper, *specs: ProviderSpec) -> Wire:
    return Wire(specs, Outside(env=KEYS, clock=lambda: sleeper.now, sleep=sleeper.sleep), _price)


def _ask(kind: str, prompt: Prompt | None = None, **more: Any) -> Request:
    asked = prompt or Prompt(system="Answer with a number.", messages=(Message(role="user", content="6 x 7?"),))
    return replace(Request(model=MODELS[kind], prompt=asked, reply=ReplySpec()), **more)


@pytest.mark.parametrize("kind", VENDORS)
async def test_a_good_answer(kind: str, emu: Emulator, sleeper: Sleeper) -> None:
    """Text, model, tokens and cost come back; one POST was made, with the key where the vendor wants it."""
    async with _wire(sleeper, _spec(kind, emu)) as wire:
        reply = await wire.call(kind, _ask(kind))
    assert (reply.text, reply.stop_reason, reply.attempts) == ("42", StopReason.END, 1)
    assert reply.served_model == MODELS[kind]
    assert reply.usage.input_tokens > reply.usage.cache_read_tokens > 0
    assert reply.cost_usd == _price(_spec(kind, emu), MODELS[kind])(reply.usage, 0.0) > 0
    assert [sent.headers["authorization"] for sent in emu.received] == [f"Bearer {KEYS[f'{kind.upper()}_API_KEY']}"]


TEMPORARY = [
    (Fault(408), errors.TimedOut),
    (Fault(409), errors.ServerFault),
    (Fault(429), errors.RateLimited),
    (Fault(500), errors.ServerFault),
    (Fault(502), errors.ServerFault),
    (Fault(503), errors.Overloaded),
    (Fault(504), errors.ServerFault),
    (Fault(529), errors.Overloaded),
    (emulator.CUT, errors.ConnectionFailed),
    (emulator.HANG_UP, errors.ConnectionFailed),
    (emulator.NOT_HTTP, errors.ConnectionFailed),
    (emulator.NOT_JSON, errors.BrokenReply),
    (emulator.HTML, errors.BrokenReply),
    (emulator.WRONG_SHAPE, errors.BrokenReply),
]
FINAL = [
    (Fault(400), errors.BadRequest),
    (Fault(401), errors.KeyRefused),
    (Fault(402), errors.BillingProblem),
    (Fault(403), errors.KeyRefused),
    (Fault(404), errors.ModelNotFound),
    (Fault(413), errors.BadRequest),
    (Fault(422), errors.BadRequest),
]


def _label(value: object) -> str:
    return (value.way or str(value.status)) if isinstance(value, Fault) else getattr(value, "__name__", str(value))


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize(("fault", "expected"), TEMPORARY, ids=_label)
async def test_a_temporary_fault_is_tried_again(
    kind: str, fault: Fault, expected: type[errors.ProviderError], emu: Emulator, sleeper: Sleeper
) -> None:
    """After one fault the second attempt serves; faults without end give the right error after max_attempts."""
    async with _wire(sleeper, _spec(kind, emu, max_attempts=3)) as wire:
        emu.play(fault)
        assert (await wire.call(kind, _ask(kind))).attempts == 2
        assert emu.posts == 2
        emu.play(fault, fault, fault)
        with pytest.raises(expected) as caught:
            await wire.call(kind, _ask(kind))
    assert type(caught.value) is expected
    assert (emu.posts, caught.value.provider) == (5, kind)


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize(("fault", "expected"), FINAL, ids=_label)
async def test_a_final_fault_is_not(
    kind: str, fault: Fault, expected: type[errors.ProviderError], emu: Emulator, sleeper: Sleeper
) -> None:
    """A refusal that will not change is told after one POST, with status and the API's own words."""
    emu.play(fault)
    async with _wire(sleeper, _spec(kind, emu)) as wire:
        with pytest.raises(expected) as caught:
            await wire.call(kind, _ask(kind))
    assert type(caught.value) is expected
    assert str(caught.value) == f"{kind}: {fault.status} for model '{MODELS[kind]}': scripted fault"
    assert (emu.posts, sleeper.slept, caught.value.status) == (1, [], fault.status)


@pytest.mark.parametrize(
    ("kind", "status", "code", "expected"),
    [
        ("openai", 429, "insufficient_quota", errors.BillingProblem),
        ("openai", 429, "rate_limit_exceeded", errors.RateLimited),
        ("openai", 400, "context_length_exceeded", errors.BadRequest),
        ("openai", 403, "model_not_found", errors.ModelNotFound),
        ("openai", 401, "invalid_api_key", errors.KeyRefused),
        ("anthropic", 429, "contract_spend_limit_reached", errors.BillingProblem),
        ("anthropic", 429, "enforced_spend_limit_reached", errors.BillingProblem),
        ("anthropic", 429, "ramp_limit_exceeded", errors.RateLimited),
        ("anthropic", 400, "organization_on_hold", errors.KeyRefused),
    ],
)
async def test_a_stable_code_goes_before_the_status(
    *, kind: str, status: int, code: str, expected: type[errors.ProviderError], emu: Emulator, sleeper: Sleeper
) -> None:
    """An account without money answers 429 like a busy one; the code tells them apart, and only one is tried again."""
    emu.play(*[Fault(status, code=code)] * 2)
    async with _wire(sleeper, _spec(kind, emu, max_attempts=2)) as wire:
        with pytest.raises(expected) as caught:
            await wire.call(kind, _ask(kind))
    assert type(caught.value) is expected
    assert emu.posts == (2 if expected.retryable else 1)


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:20 GMT", "date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 20.0),
    ],
    ids=["seconds", "milliseconds", "date"],
)
async def test_the_wait_asked_for_is_waited(
    kind: str, headers: dict[str, str], wait_s: float, emu: Emulator, sleeper: Sleeper
) -> None:
    """All three forms of retry-after are honoured, at most half a second of jitter later."""
    emu.play(Fault(429, headers=headers))
    async with _wire(sleeper, _spec(kind, emu)) as wire:
        assert (await wire.call(kind, _ask(kind))).attempts == 2
    assert len(sleeper.slept) == 1
    assert wait_s <= sleeper.slept[0] <= wait_s + 0.5


@pytest.mark.parametrize(
    ("kind", "fault", "text", "stop", "detail"),
    [
        ("anthropic", emulator.REFUSAL, "", StopReason.REFUSAL, "cyber"),
        ("openai", emulator.REFUSAL, "", StopReason.REFUSAL, "content_filter"),
        ("openai", emulator.REFUSED_IN_WORDS, "I can't help with that.", StopReason.REFUSAL, "refusal"),
        ("anthropic", emulator.TRUNCATED, "42", StopReason.MAX_TOKENS, ""),
        ("openai", emulator.TRUNCATED, "42", StopReason.MAX_TOKENS, ""),
        ("anthropic", emulator.EMPTY, "", StopReason.MAX_TOKENS, ""),
        ("openai", emulator.EMPTY, "", StopReason.MAX_TOKENS, ""),
    ],
    ids=_label,
)
async def test_a_refusal_or_a_cut_answer_is_a_reply(
    *, kind: str, fault: Fault, text: str, stop: StopReason, detail: str, emu: Emulator, sleeper: Sleeper
) -> None:
    """They cost money and say something of the model, so they are replies, not errors, and are not tried again."""
    emu.play(fault)
    async with _wire(sleeper, _spec(kind, emu)) as wire:
        reply = await wire.call(kind, _ask(kind))
    assert (reply.text, reply.stop_reason, reply.detail, reply.attempts) == (text, stop, detail, 1)
    assert reply.cost_usd > 0


@pytest.mark.parametrize("kind", VENDORS)
async def test_silence_is_a_timeout(kind: str, emu: Emulator, sleeper: Sleeper) -> None:
    """A server that takes the request and says nothing is given up after timeout_s, each time."""
    emu.play(emulator.SILENT, emulator.SILENT)
    async with _wire(sleeper, _spec(kind, emu, max_attempts=2, timeout_s=1.0)) as wire:
        with pytest.raises(errors.TimedOut):
            await wire.call(kind, _ask(kind))
    assert emu.posts == 2


@pytest.mark.parametrize("kind", VENDORS)
async def test_nobody_listens(kind: str, emu: Emulator, sleeper: Sleeper) -> None:
    """A refused connection is a failed connection, not a timeout."""
    spec = _spec(kind, emu, max_attempts=2)
    await emu.__aexit__()
    async with _wire(sleeper, spec) as wire:
        with pytest.raises(errors.ConnectionFailed, match=f"{kind}: .*Connect call failed"):
            await wire.call(kind, _ask(kind))
    assert len(sleeper.slept) == 1


@pytest.mark.parametrize("kind", VENDORS)
async def test_an_unknown_model_is_named(kind: str, emu: Emulator, sleeper: Sleeper) -> None:
    """A model that the server does not have is ModelNotFound, and the message names it."""
    spec = _spec(kind, emu, usd_per_hour=Decimal(1))
    async with _wire(sleeper, spec) as wire:
        with pytest.raises(errors.ModelNotFound, match="retired-1"):
            await wire.call(kind, _ask(kind, model="retired-1"))


@pytest.mark.parametrize("kind", VENDORS)
async def test_callers_share_slots_and_the_pause(kind: str, emu: Emulator, sleeper: Sleeper) -> None:
    """Twenty callers make at most `concurrency` calls at once, and all get their answer."""
    async with _wire(sleeper, _spec(kind, emu, concurrency=2)) as wire:
        replies = await asyncio.gather(*(wire.call(kind, _ask(kind)) for _ in range(20)))
    assert {reply.text for reply in replies} == {"42"}
    assert emu.posts == 20
    assert emu.most_in_flight <= 2


@pytest.mark.parametrize("kind", VENDORS)
async def test_a_key_leaks_nowhere(
    kind: str, emu: Emulator, sleeper: Sleeper, caplog: pytest.LogCaptureFixture
) -> None:
    """Not into the error that quotes it, nor its traceback, nor the objects' reprs, nor the SDK's own debug log."""
    caplog.set_level(logging.DEBUG)
    key = KEYS[f"{kind.upper()}_API_KEY"]
    emu.play(Fault(401, message=f"Incorrect key provided: {key}, or sk-pro*****CRET\n\x1b[31m" + "x" * 1000))
    async with _wire(sleeper, _spec(kind, emu)) as wire:
        with pytest.raises(errors.KeyRefused) as caught:
            await wire.call(kind, _ask(kind))
        lane = wire._lanes[kind]
        shown = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
        shown += [repr(wire), repr(lane), repr(wire._outside), repr(lane.provider), caplog.text]
    assert all("THESECRET" not in text and "CRET" not in text for text in shown)
    text = str(caught.value)
    assert "Incorrect key provided: [key], or [key] [31mxxx" in text
    assert text.endswith("x…")
    assert len(text) < 400


SHARED = Prompt(
    system="Sort.",
    messages=(
        Message(role="user", content="b a"),
        Message(role="assistant", content="a b"),
        Message(role="user", content="d c"),
    ),
    shared=2,
)
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


async def test_what_anthropic_is_sent(emu: Emulator, sleeper: Sleeper) -> None:
    """Every field of a request arrives in the Messages API's words, and nothing that 5.x models refuse."""
    request = _ask("anthropic", SHARED, effort="low", reply=ReplySpec(max_tokens=64_000, json_schema=SCHEMA))
    async with _wire(sleeper, _spec("anthropic", emu, region="eu")) as wire:
        await wire.call("anthropic", request)
    mark = {"type": "ephemeral"}
    assert emu.received[0].body == {
        "model": "claude-haiku-5-5",
        "max_tokens": 64_000,
        "system": "Sort.",
        "messages": [
            {"role": "user", "content": "b a"},
            {"role": "assistant", "content": [{"type": "text", "text": "a b", "cache_control": mark}]},
            {"role": "user", "content": "d c"},
        ],
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        "inference_geo": "eu",
    }


@pytest.mark.parametrize(("options", "marked"), [({}, True), ({"prompt_cache": False}, False)])
async def test_the_cache_breakpoint(options: dict[str, bool], marked: bool, emu: Emulator, sleeper: Sleeper) -> None:
    """Without shared turns the system prompt ends the cacheable prefix; the option turns it off."""
    async with _wire(sleeper, _spec("anthropic", emu, options=options)) as wire:
        await wire.call("anthropic", _ask("anthropic"))
    assert ("cache_control" in str(emu.received[0].body)) is marked
    assert (emu.received[0].body["system"] == "Answer with a number.") is not marked


async def test_anthropic_takes_no_sampling(emu: Emulator, sleeper: Sleeper) -> None:
    """A sampling parameter is refused before the request is made."""
    async with _wire(sleeper, _spec("anthropic", emu)) as wire:
        with pytest.raises(errors.BadRequest, match="no sampling parameters"):
            await wire.call("anthropic", _ask("anthropic", sampling=Sampling(temperature=0.0)))
    assert emu.posts == 0


async def test_what_openai_is_sent(emu: Emulator, sleeper: Sleeper) -> None:
    """Every field of a request arrives in the chat API's words; each sample has a seed of its own."""
    request = _ask(
        "openai",
        SHARED,
        effort="xhigh",
        reply=ReplySpec(max_tokens=64, json_schema=SCHEMA),
        sampling=Sampling(temperature=0.5, top_p=0.9, seed=100),
        sample=2,
    )
    async with _wire(sleeper, _spec("openai", emu, options={"logprobs": True, "extra_body": {"top_k": 5}})) as wire:
        reply = await wire.call("openai", request)
    assert emu.received[0].body == {
        "model": "gpt-6-luna",
        "max_completion_tokens": 64,
        "messages": [
            {"role": "system", "content": "Sort."},
            {"role": "user", "content": "b a"},
            {"role": "assistant", "content": "a b"},
            {"role": "user", "content": "d c"},
        ],
        "reasoning_effort": "xhigh",
        "response_format": {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True}},
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 102,
        "logprobs": True,
        "top_k": 5,
    }
    assert reply.mean_logprob == -1.0


async def test_openai_is_sent_nothing_more_than_asked(emu: Emulator, sleeper: Sleeper) -> None:
    """A plain request has only model, messages and the token limit."""
    plain = Prompt(system="", messages=(Message(role="user", content="6 x 7?"),))
    async with _wire(sleeper, _spec("openai", emu)) as wire:
        reply = await wire.call("openai", _ask("openai", plain))
    assert emu.received[0].body == {
        "model": "gpt-6-luna",
        "max_completion_tokens": 1024,
        "messages": [{"role": "user", "content": "6 x 7?"}],
    }
    assert reply.mean_logprob is None


async def test_a_server_of_ones_own_gets_no_vendor_key(emu: Emulator, sleeper: Sleeper) -> None:
    """With a base URL and no key variable, OPENAI_API_KEY stays at home; time pays where usage is not counted."""
    spec = ProviderSpec(name="mine", kind="openai", base_url=f"{emu.url}/v1", usd_per_hour=Decimal(3600))
    emu.play(emulator.NO_USAGE)
    async with _wire(sleeper, spec) as wire:
        reply = await wire.call("mine", _ask("openai"))
    assert emu.received[0].headers["authorization"] == "Bearer none"
    assert (reply.usage, reply.cost_usd) == (Usage(), Decimal(reply.latency_s))


async def test_latency_is_the_request_alone(emu: Emulator) -> None:
    """Neither retries nor waits count as latency: only the attempt that served."""
    # Each attempt is timed by the provider, from within the wire's own timing, whose end matters where it failed.
    times = iter([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 100.0, 100.0, 100.0, 100.25])

    async def sleep(_seconds: float) -> None:
        return None

    emu.play(emulator.WRONG_SHAPE)
    async with Wire([_spec("openai", emu)], Outside(env=KEYS, clock=lambda: next(times), sleep=sleep), _price) as wire:
        reply = await wire.call("openai", _ask("openai"))
    assert (reply.latency_s, reply.attempts) == (0.25, 2)
