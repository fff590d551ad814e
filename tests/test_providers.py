"""What the providers share, the map from foreign exceptions to ours, and the scripted provider."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import anthropic
import httpx2
import openai
import pytest
from anthropic._error_classes import ERROR_CLASSES
from hypothesis import given
from hypothesis import strategies as st

from routerctl import errors
from routerctl.providers import anthropic as ours_anthropic
from routerctl.providers import base
from routerctl.providers import openai as ours_openai
from routerctl.providers.fake import FakeProvider
from routerctl.providers.faults import ByCode, Faults
from routerctl.providers.kinds import kind_class
from routerctl.types import Message, Prompt, ProviderSpec, ReplySpec, Request, StopReason

REQUEST = Request(
    model="m", prompt=Prompt(system="", messages=(Message(role="user", content="Hello?"),)), reply=ReplySpec()
)
SENT = httpx2.Request("POST", "http://127.0.0.1/")
SPEC = ProviderSpec(name="p", kind="fake")


def _subclasses(root: type[BaseException]) -> Iterator[type[BaseException]]:
    for child in root.__subclasses__():
        yield child
        yield from _subclasses(child)


# --- foreign exceptions -----------------------------------------------------------------------------------------------

# Classes that a plain call cannot raise, each with the reason; everything else must be in the module's table.
NOT_FROM_A_CALL = {
    "APIError": "the abstract parent",
    "RetryableError": "raised by middleware only, and we install none",
    "APIWebhookValidationError": "webhooks",
    "SubjectTokenProviderError": "workload identity, which we do not use",
    "LengthFinishReasonError": "parse() helpers",
    "ContentFilterFinishReasonError": "parse() helpers",
    "WebSocketConnectionClosedError": "the realtime API",
    "WebSocketQueueFullError": "the realtime API",
    "StreamAlreadyConsumed": "streaming",
    "_AmbiguousModuleClientUsageError": "the module-level client",
}
NOT_FROM_A_CALL_IN = (".lib.", "._extras.")  # tool runners, other clouds' clients, optional dependencies


@pytest.mark.parametrize(
    ("root", "status_error", "module"),
    [
        (anthropic.AnthropicError, anthropic.APIStatusError, ours_anthropic),
        (openai.OpenAIError, openai.APIStatusError, ours_openai),
    ],
    ids=["anthropic", "openai"],
)
def test_every_sdk_exception_is_mapped(root: type, status_error: type, module: ModuleType) -> None:
    """A new exception class in an SDK fails here until somebody decides what it means."""
    mapped = tuple(theirs for theirs, _ in module.BY_CLASS if theirs is not root)
    undecided = [
        theirs.__name__
        for theirs in _subclasses(root)
        if not issubclass(theirs, (*mapped, status_error))
        and theirs.__name__ not in NOT_FROM_A_CALL
        and not any(part in theirs.__module__ for part in NOT_FROM_A_CALL_IN)
    ]
    assert undecided == []


# What each status means; codes that mean something else than their status stand in the providers' BY_CODE.
STATUS_MEANS = {
    400: errors.BadRequest,
    401: errors.KeyRefused,
    402: errors.BillingProblem,
    403: errors.KeyRefused,
    404: errors.WrongAddress,  # unless it says that it is about the model
    405: errors.WrongAddress,
    408: errors.TimedOut,
    409: errors.ServerFault,
    412: errors.BadRequest,
    413: errors.BadRequest,
    422: errors.BadRequest,
    429: errors.RateLimited,
    431: errors.BadRequest,
    499: errors.ConnectionFailed,
    500: errors.ServerFault,
    501: errors.ServerFault,
    502: errors.ServerFault,
    503: errors.Overloaded,
    504: errors.TimedOut,
    529: errors.Overloaded,
}


def _faults(by_code: ByCode) -> Faults:
    return Faults(provider="p", by_code=by_code, key="KEY-1", versioned=True)


@pytest.mark.parametrize("status", sorted({status for status, _ in ERROR_CLASSES} | STATUS_MEANS.keys()))
def test_every_status_has_one_meaning(status: int) -> None:
    """Both providers read a status without a code in the same way; none that Anthropic's SDK knows is left out."""
    answer = httpx2.Response(status, request=SENT, json={"error": {"message": "no"}})
    for module in (ours_anthropic, ours_openai):
        assert type(_faults(module.BY_CODE).of_response(answer, REQUEST, "m")) is STATUS_MEANS[status]


def test_every_code_about_money_is_known() -> None:
    """Each code of Anthropic's SDK that speaks of spending or billing on a model call ends as a billing problem."""
    money = {code for _, code in ERROR_CLASSES if code and ("spend_limit_reached" in code or "billing_unav" in code)}
    assert len(money) >= 4
    assert {ours_anthropic.BY_CODE.get(code) for code in money} == {errors.BillingProblem}


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (anthropic.APITimeoutError(request=SENT), errors.TimedOut),
        (anthropic.APIConnectionError(request=SENT), errors.ConnectionFailed),
        (anthropic.APIResponseValidationError(httpx2.Response(200, request=SENT), None), errors.BrokenReply),
        (anthropic.IdentityTokenFileError("no file"), errors.KeyRefused),
        (json.JSONDecodeError("x", "", 0), errors.BrokenReply),
        (RecursionError(), errors.BrokenReply),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_anthropic_exceptions(theirs: Exception, expected: type[errors.ProviderError]) -> None:
    """Each exception without a status has its meaning."""
    assert ours_anthropic.error_class(theirs) is expected


@pytest.mark.parametrize(
    ("theirs", "cause", "expected"),
    [
        (openai.APITimeoutError(request=SENT), None, errors.TimedOut),
        (openai.APITimeoutError(request=SENT), TimeoutError(), errors.TimedOut),
        (openai.APITimeoutError(request=SENT), ConnectionRefusedError(), errors.ConnectionFailed),
        (openai.APIConnectionError(request=SENT), None, errors.ConnectionFailed),
        (openai.APIResponseValidationError(httpx2.Response(200, request=SENT), None), None, errors.BrokenReply),
        (json.JSONDecodeError("x", "", 0), None, errors.BrokenReply),
        (httpx2.DecodingError("x"), None, errors.ConnectionFailed),
        (ConnectionResetError(), None, errors.ConnectionFailed),
        (TimeoutError(), None, errors.TimedOut),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_openai_exceptions(theirs: Exception, cause: Exception | None, expected: type[errors.ProviderError]) -> None:
    """Each exception without a status has its meaning; what the SDK calls a timeout is believed only if it was one."""
    theirs.__cause__ = cause
    assert ours_openai.error_class(theirs) is expected


# --- keys, texts, headers, options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "kind", "text"),
    [
        ({}, errors.KeyMissing, "p: set the environment variable MY_KEY to its API key"),
        ({"MY_KEY": " \n"}, errors.KeyMissing, "p: set the environment variable MY_KEY to its API key"),
        ({"MY_KEY": "sk-a b"}, errors.KeyRefused, "p: MY_KEY holds characters that no API key has"),
        ({"MY_KEY": "sk-\u201cx\u201d"}, errors.KeyRefused, "p: MY_KEY holds characters that no API key has"),
    ],
)
def test_a_key_that_cannot_be_used(env: dict[str, str], kind: type[errors.ProviderError], text: str) -> None:
    """The variable is named, its content never."""
    spec = ProviderSpec(name="p", kind="openai", api_key_env="MY_KEY")
    with pytest.raises(kind) as caught:
        base.key_of(spec, env, "OPENAI_API_KEY")
    assert str(caught.value) == text


def test_a_key_loses_its_line_break() -> None:
    """A key read from a file into the variable works with the line break at its end."""
    assert base.key_of(SPEC, {"OPENAI_API_KEY": "sk-1\n"}, "OPENAI_API_KEY") == "sk-1"


@pytest.mark.parametrize("module", [ours_anthropic.AnthropicProvider, ours_openai.OpenAIProvider])
def test_a_provider_without_its_key_is_not_made(module: type) -> None:
    """The default variable of the vendor is asked for by name, before anything is sent."""
    with pytest.raises(errors.KeyMissing, match=r"p: set the environment variable (ANTHROPIC|OPENAI)_API_KEY"):
        module(SPEC, base.Outside(env={}))


@given(st.text(max_size=2000))
def test_far_text_is_fit_to_show(text: str) -> None:
    """Whatever the far side sends becomes one printable line of at most 300 characters without the key."""
    shown = base.far_text(text + " KEY-1 " + text, "KEY-1")
    assert len(shown) <= 300
    assert shown.isprintable() or not shown
    assert "KEY-1" not in shown


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:20 GMT"}, None),  # no clock of theirs to compare with
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT", "date": "Mon, 23 Nov 2026 12:00:00 GMT"}, 0.0),
    ],
)
def test_retry_after(headers: dict[str, str], wait_s: float | None) -> None:
    """Seconds, milliseconds and dates are read; nonsense is no wait."""
    assert base.retry_after_s(headers) == wait_s


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"logprob": True}, "provider 'p': no option 'logprob'; did you mean 'logprobs'?"),
        ({"logprobs": "yes"}, "provider 'p': option 'logprobs' must be of type bool"),
        ({"n": True}, "provider 'p': option 'n' must be of type float"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, object], text: str) -> None:
    """An option's slip is told with the nearest right name, its wrong type with the right one."""
    spec = ProviderSpec(name="p", kind="openai", options=options)
    with pytest.raises(errors.InputError) as caught:
        base.checked_options(spec, {"logprobs": bool, "n": float})
    assert str(caught.value) == text


@pytest.mark.parametrize("module", [ours_anthropic.AnthropicProvider, ours_openai.OpenAIProvider])
@pytest.mark.parametrize("url", ["127.0.0.1:8000/v1", "ftp://x/", "http://", "http://[::1", "not a url", "/v1"])
def test_a_base_url_that_cannot_be_called_is_the_users_error(module: type, url: str) -> None:
    """A slip in a base URL is told as such, not tried again as a failed connection."""
    spec = ProviderSpec(name="p", kind="x", base_url=url, api_key_env="KEY")
    with pytest.raises(errors.InputError, match="provider 'p': base_url: expected http"):
        module(spec, base.Outside(env={"KEY": "sk-1"}))


def test_an_unknown_region_is_the_users_error() -> None:
    """OpenAI has hosts for some regions; another one is refused with their names."""
    spec = ProviderSpec(name="p", kind="openai", region="mars")
    with pytest.raises(errors.InputError, match=r"provider 'p': region 'mars': .*'eu'"):
        ours_openai.OpenAIProvider(spec, base.Outside(env={"OPENAI_API_KEY": "sk-1"}))


@pytest.mark.parametrize(("base_url", "tier"), [(None, "default"), ("http://127.0.0.1:1/v1", None)])
async def test_openai_itself_is_asked_for_the_tier_the_price_is_of(base_url: str | None, tier: str | None) -> None:
    """Without it a project's own setting may serve, and bill, another tier; other servers do not know the field."""
    spec = ProviderSpec(name="p", kind="openai", base_url=base_url)
    provider = ours_openai.OpenAIProvider(spec, base.Outside(env={"OPENAI_API_KEY": "sk-1"}))
    assert provider._body(REQUEST).get("service_tier") == tier
    await provider.close()


# --- kinds, start-up --------------------------------------------------------------------------------------------------


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    """A slip in a provider's kind gets the right one suggested."""
    with pytest.raises(errors.InputError, match="no provider kind 'antropic'; did you mean 'anthropic'"):
        kind_class("antropic")


def test_a_plug_in_brings_a_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that registers the entry point group adds a kind."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[routerctl.providers]\nacme = routerctl.providers.fake:FakeProvider\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert kind_class("acme") is FakeProvider


def test_importing_the_wire_imports_nothing_heavy() -> None:
    """No SDK, price list or array library is loaded until a call needs it."""
    code = (
        "import sys, routerctl.costs, routerctl.providers.base, routerctl.providers.fake, routerctl.providers.pins;"
        "from routerctl.providers.pins import alias_problem; alias_problem('gpt-4o', 'openai');"
        "heavy = {'anthropic', 'openai', 'genai_prices', 'numpy', 'pydantic', 'aiohttp', 'httpx2', 'yaml'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- the scripted provider --------------------------------------------------------------------------------------------


def _from_file(tmp_path: Path, content: object, **options: object) -> FakeProvider:
    file = tmp_path / "replies.json"
    file.write_text(json.dumps(content))
    spec = ProviderSpec(name="p", kind="fake", options={"replies": str(file), **options})
    return FakeProvider(spec, base.Outside(env={}, sleep=lambda _seconds: asyncio.sleep(0)))


@pytest.mark.parametrize(
    ("content", "text", "stop", "latency_s"),
    [
        ({"m": {"Hello?": "Hi."}}, "Hi.", StopReason.END, 0.25),
        ({"*": {"*": "anything"}}, "anything", StopReason.END, 0.25),
        ({"*": {"*": "no"}, "m": {"*": "yes"}}, "yes", StopReason.END, 0.25),
        ({"m": {"*": {"text": "", "stop_reason": "refusal", "latency_s": 2}}}, "", StopReason.REFUSAL, 2.0),
    ],
)
async def test_the_fake_reads_a_file(
    tmp_path: Path, content: object, text: str, stop: StopReason, latency_s: float
) -> None:
    """The most particular entry of the file is the reply, with its latency and made-up tokens."""
    reply = await _from_file(tmp_path, content, latency_s=0.25).reply(REQUEST)
    assert (reply.text, reply.stop_reason, reply.latency_s) == (text, stop, latency_s)
    assert (reply.served_model, reply.usage.input_tokens, reply.cost_usd) == ("m", 2, Decimal(0))


async def test_the_fake_raises_on_command(tmp_path: Path) -> None:
    """An entry may name an error of the project."""
    with pytest.raises(errors.RateLimited):
        await _from_file(tmp_path, {"*": {"*": {"error": "RateLimited"}}}).reply(REQUEST)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"other": {"*": "x"}}, "no reply of model 'm' to: Hello?"),
        ({"m": {"*": {"error": "Exception"}}}, "'Exception' is not a provider error"),
        ({"m": {"*": {"stop_reason": "bored"}}}, "'bored' is not a valid StopReason"),
        (["x"], "expected a map from model ids"),
    ],
)
async def test_a_wrong_script_is_the_users_error(tmp_path: Path, content: object, text: str) -> None:
    """What the file lacks or has wrong is told with the file's name."""
    with pytest.raises(errors.InputError, match=f"replies.json: {text}"):
        await _from_file(tmp_path, content).reply(REQUEST)


async def test_a_script_in_order_ends() -> None:
    """Replies given as a list are used up in order, and one too many is an error of the test."""
    provider = FakeProvider(SPEC, base.Outside(env={}), ["a", "b"])
    assert [(await provider.reply(REQUEST)).text for _ in "ab"] == ["a", "b"]
    with pytest.raises(errors.InputError, match="has no reply"):
        await provider.reply(REQUEST)
    assert len(provider.requests) == 3


async def test_a_script_by_text() -> None:
    """Replies given as a map go by the last message."""
    provider = FakeProvider(SPEC, base.Outside(env={}), {"Hello?": "Hi.", "*": "?"})
    assert (await provider.reply(REQUEST)).text == "Hi."


@pytest.mark.parametrize(
    ("options", "text"),
    [({}, "needs `options: {replies: FILE.json}`"), ({"replies": "/nowhere.json"}, "cannot be read")],
)
def test_a_fake_without_a_script_is_refused(options: dict[str, str], text: str) -> None:
    """Kind fake in routerctl.yaml needs its replies."""
    with pytest.raises(errors.InputError, match=text):
        FakeProvider(ProviderSpec(name="p", kind="fake", options=options), base.Outside(env={}))


def test_nobody_can_be_asked_for_imported_outcomes() -> None:
    """A candidate that only ever was imported says what to do to be served."""
    with pytest.raises(errors.InputError, match=r"add it to routerctl\.yaml"):
        kind_class("imported")
