"""Both official SDKs, through our providers, against a server that goes wrong on command."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from routerctl import errors, notices
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
    (Fault(504), errors.TimedOut),
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


# --- answers that are whole but for what is beside the text -----------------------------------------------------------


def _good(kind: str, **change: Any) -> bytes:
    """A whole answer with some fields changed, or left out where the change is None."""
    chat = {
        "choices": [{"message": {"role": "assistant", "content": "42"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }
    message = {
        "content": [{"type": "text", "text": "42"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 2},
    }
    body: dict[str, Any] = {"model": MODELS[kind]} | (message if kind == "anthropic" else chat) | change
    return json.dumps({name: value for name, value in body.items() if value is not None}).encode()


TOLD = {"anthropic": ("input_tokens", "output_tokens"), "openai": ("prompt_tokens", "completion_tokens")}
LACKING: list[Callable[[str, str], Any]] = [
    lambda _read, _wrote: None,
    lambda _read, _wrote: [],
    lambda read, _wrote: {read: 9},
    lambda read, wrote: {read: None, wrote: None},
    lambda read, wrote: {read: 0, wrote: 0},
    lambda read, wrote: {read: 9, wrote: "2"},
    lambda read, wrote: {read: -9, wrote: 2},
    lambda read, wrote: {read: 10**400, wrote: 2},
]


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize("usage", LACKING)
async def test_an_answer_without_its_tokens_is_served(
    kind: str, usage: Callable[[str, str], Any], emu: Emulator, sleeper: Sleeper
) -> None:
    """Not bought again: the next one would lack them, too. Its cost is an estimate, and not below what it can be."""
    emu.play(*[Fault(body=_good(kind, usage=usage(*TOLD[kind])))] * 2)
    heard: list[str] = []
    before = notices.take(lambda text, _level: heard.append(text))
    try:
        async with _wire(sleeper, _spec(kind, emu)) as wire:
            replies = [await wire.call(kind, _ask(kind)) for _ in range(2)]
    finally:
        notices.take(before)
    assert [(reply.text, reply.attempts, reply.usage.estimated) for reply in replies] == [("42", 1, True)] * 2
    assert replies[0].cost_usd >= _price(_spec(kind, emu), MODELS[kind])(Usage(input_tokens=9, output_tokens=2), 0.0)
    assert len(heard) == 1
    assert MODELS[kind] in heard[0]


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize("model", [None, 7, ["m"], {}])
async def test_an_answer_that_names_no_model_is_served(
    kind: str, model: Any, emu: Emulator, sleeper: Sleeper, caplog: pytest.LogCaptureFixture
) -> None:
    """That it was the pinned one is neither claimed nor denied; a person is told so."""
    emu.play(Fault(body=_good(kind, model=model)), emulator.NO_MODEL)
    async with _wire(sleeper, _spec(kind, emu)) as wire:
        replies = [await wire.call(kind, _ask(kind)) for _ in range(2)]
    assert [(reply.text, reply.served_model, reply.attempts) for reply in replies] == [("42", "", 1)] * 2
    assert caplog.text.count("does not say which model served") == 1


@pytest.mark.parametrize("kind", VENDORS)
async def test_half_an_answer_with_an_error_is_a_failure(kind: str, emu: Emulator, sleeper: Sleeper) -> None:
    """It is tried again as its code says, and what it used is in the books: it told its tokens."""
    emu.play(emulator.FAILED_WITHIN)
    async with _wire(sleeper, _spec(kind, emu, max_attempts=2)) as wire:
        reply = await wire.call(kind, _ask(kind))
        assert (reply.text, reply.attempts, reply.perhaps_usd) == ("42", 2, Decimal(0))
        assert reply.failed_usd == reply.cost_usd > 0
        emu.play(*[emulator.FAILED_WITHIN] * 2)
        with pytest.raises(errors.ServerFault, match="Provider disconnected") as caught:
            await wire.call(kind, _ask(kind))
    assert (caught.value.cost_usd, caught.value.perhaps_usd) == (2 * reply.cost_usd, Decimal(0))


@pytest.mark.parametrize("kind", VENDORS)
async def test_a_body_labelled_as_something_else_is_read(kind: str, emu: Emulator, sleeper: Sleeper) -> None:
    """The text is what counts: a proxy may label everything as a page."""
    emu.play(Fault(body=_good(kind), headers={"content-type": "text/html"}))
    async with _wire(sleeper, _spec(kind, emu)) as wire:
        assert (await wire.call(kind, _ask(kind))).attempts == 1


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("openai", {"choices": {}}, "choices: expected list, got dict"),
        ("openai", {"choices": {"a": 1}}, "choices: expected list, got dict"),
        ("openai", {"choices": []}, "choices[0]: expected dict, got nothing"),
        ("openai", {"choices": [None]}, "choices[0]: expected dict, got nothing"),
        ("openai", {"choices": [{"message": [1]}]}, "choices[0].message: expected dict, got list"),
        ("openai", {"choices": [{"message": {"content": 7}}]}, "choices[0].message.content: expected str, got int"),
        ("openai", {"choices": [{"message": {"content": [7]}}]}, "choices[0].message.content[0]: expected dict"),
        ("anthropic", {"content": None}, "content: expected list, got nothing"),
        ("anthropic", {"content": "42"}, "content: expected list, got str"),
        ("anthropic", {"content": ["42"]}, "content[0]: expected dict, got str"),
        ("anthropic", {"content": [{"type": "text", "text": None}]}, "content[0].text: expected str, got nothing"),
    ],
)
async def test_the_odd_field_of_an_answer_is_named(
    kind: str, change: dict[str, Any], words: str, emu: Emulator, sleeper: Sleeper
) -> None:
    """With its path; its tokens were told, so its cost is known."""
    emu.play(Fault(body=_good(kind, **change)))
    async with _wire(sleeper, _spec(kind, emu, max_attempts=1)) as wire:
        with pytest.raises(errors.BrokenReply) as caught:
            await wire.call(kind, _ask(kind))
    assert words in str(caught.value)
    assert caught.value.usage == Usage(input_tokens=9, output_tokens=2)
    assert (caught.value.cost_usd > 0, caught.value.perhaps_usd, caught.value.may_be_billed) == (
        True,
        Decimal(0),
        False,
    )


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize(
    ("fault", "billed"),
    [
        (emulator.CUT, True),
        (Fault(body=b"no gzip", headers={"content-encoding": "gzip"}), True),
        (emulator.HANG_UP, False),
        (emulator.NOT_HTTP, False),
        (Fault(500), False),
    ],
    ids=_label,
)
async def test_an_answer_that_broke_off_may_be_billed(
    kind: str, fault: Fault, billed: bool, emu: Emulator, sleeper: Sleeper
) -> None:
    """Its work was done; where no answer had begun, nobody says so."""
    emu.play(fault)
    async with _wire(sleeper, _spec(kind, emu, max_attempts=1)) as wire:
        with pytest.raises(errors.ProviderError) as caught:
            await wire.call(kind, _ask(kind))
    assert caught.value.may_be_billed is billed
    assert (caught.value.perhaps_usd > 0) is billed


async def test_a_text_in_parts_is_one_text(emu: Emulator, sleeper: Sleeper) -> None:
    """Some servers give what was thought and what is said as a list."""
    parts = [{"type": "thinking", "thinking": "6 x 7"}, {"type": "text", "text": "4"}, {"type": "text", "text": "2"}]
    emu.play(Fault(body=_good("openai", choices=[{"message": {"content": parts}, "finish_reason": "stop"}])))
    async with _wire(sleeper, _spec("openai", emu)) as wire:
        assert (await wire.call("openai", _ask("openai"))).text == "42"


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(kind: str, status: int, emu: Emulator, sleeper: Sleeper) -> None:
    """Neither to another place, which would read the prompt, nor to the same one; also a probe's."""
    async with Emulator() as other:
        for place in (other, emu):
            to = Fault(status, headers={"location": f"{place.url}/v1/messages?token=SECRET"}, body=b"")
            emu.play(to)
            emu.play_gets(kind, to)
            before = emu.posts
            async with _wire(sleeper, _spec(kind, emu)) as wire:
                with pytest.raises(errors.WrongAddress) as caught:
                    await wire.call(kind, _ask(kind))
                with pytest.raises(errors.WrongAddress):
                    await wire.probe(kind, MODELS[kind])
            assert emu.posts == before + 1
            assert f"it redirects to {place.url}/v1/messages" in str(caught.value)
            assert "SECRET" not in str(caught.value)
    assert (other.received, other.gets) == ([], 0)


@pytest.mark.parametrize(
    ("kind", "path", "hint"),
    [
        ("openai", "", "/chat/completions: .*should base_url end in /v1"),
        ("openai", "/v1/v1", "/v1/v1/chat/completions: .*version twice"),
        ("openai", "/other/v1", "/other/v1/chat/completions: "),
        ("anthropic", "/v1", "/v1/v1/messages: .*version twice"),
        ("anthropic", "/other", "/other/v1/messages: "),
    ],
)
async def test_a_wrong_base_url_is_told_by_what_was_asked(
    kind: str, path: str, hint: str, emu: Emulator, sleeper: Sleeper
) -> None:
    """The address and what may be wrong with it, not that the model is missing."""
    spec = replace(_spec(kind, emu), base_url=emu.url + path)
    async with _wire(sleeper, spec) as wire:
        with pytest.raises(errors.WrongAddress, match=f"404 from {emu.url}{hint}"):
            await wire.call(kind, _ask(kind))


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize("ends", ["/", "//"])
async def test_slashes_at_the_end_of_a_base_url_do_not_matter(
    kind: str, ends: str, emu: Emulator, sleeper: Sleeper
) -> None:
    """They are no other address."""
    spec = _spec(kind, emu)
    async with _wire(sleeper, replace(spec, base_url=f"{spec.base_url}{ends}")) as wire:
        assert (await wire.call(kind, _ask(kind))).text == "42"


@pytest.mark.parametrize("kind", VENDORS)
@pytest.mark.parametrize("ends", ["/chat/completions", "/chat/completions/", "/messages", "/v1/messages"])
async def test_an_endpoint_is_no_base_url(kind: str, ends: str, emu: Emulator, sleeper: Sleeper) -> None:
    """It is refused before it is asked, with the address that was meant."""
    async with _wire(sleeper, replace(_spec(kind, emu), base_url=f"{emu.url}{ends}")) as wire:
        with pytest.raises(errors.InputError, match=f"like '{emu.url}', got "):
            await wire.call(kind, _ask(kind))
    assert emu.posts == 0


async def test_a_place_that_has_no_list_of_models_is_well(emu: Emulator, sleeper: Sleeper) -> None:
    """A gateway may know the one endpoint alone: a probe learns nothing there, and shuts nothing."""
    page = Fault(404, body=b"<html>404</html>")
    for kind in VENDORS:
        emu.play_gets(kind, page)
        async with _wire(sleeper, _spec(kind, emu)) as wire:
            found = await wire.probe(kind, MODELS[kind])
        assert found is not None
        assert found.detail.startswith("it answers, but ")


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
    times = iter([0.0, 0.0, 1.0, 1.0, 1.0, 100.0, 100.0, 100.25])

    async def sleep(_seconds: float) -> None:
        return None

    emu.play(emulator.WRONG_SHAPE)
    async with Wire([_spec("openai", emu)], Outside(env=KEYS, clock=lambda: next(times), sleep=sleep), _price) as wire:
        reply = await wire.call("openai", _ask("openai"))
    assert (reply.latency_s, reply.attempts) == (0.25, 2)


def test_by_hand_a_port_in_use_is_said_in_one_line() -> None:
    """No traceback: the port, and what is wrong with it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "routerctl.testing.emulator", "--port", port]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"--port {port}: ")
