"""What a far side says went wrong, by status, code and words: on both wires, in an error and inside an answer."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from routerctl import errors
from routerctl.providers import anthropic, openai
from routerctl.providers.addresses import address_hint
from routerctl.providers.faults import Faults, error_within
from routerctl.providers.reading import Far
from routerctl.types import Message, Prompt, ReplySpec, Request, Usage

MODEL = "model-1"
CODES = {"anthropic": anthropic.BY_CODE, "openai": openai.BY_CODE}
PATHS = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}
CREDIT = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade."
QUOTA = "You exceeded your current quota, please check your plan and billing details."
LIMITS = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
WORKSPACE = "You have reached your specified workspace API usage limits. You will regain access on 2026-12-01."


def asking(text: str = "Hello?") -> Request:
    """A request with this prompt."""
    prompt = Prompt(system="", messages=(Message(role="user", content=text),))
    return Request(model=MODEL, prompt=prompt, reply=ReplySpec())


def refused(
    vendor: str, status: int, body: Any, *, path: str = "", text: str = "Hello?", headers: dict[str, str] | None = None
) -> errors.ProviderError:
    """The error that an answer with a status of failure becomes."""
    sent = httpx2.Request("POST", f"http://me:pw@host:8080{path or PATHS[vendor]}?key=SECRET")
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = httpx2.Response(status, request=sent, content=content, headers=headers)
    faults = Faults(provider="p", by_code=CODES[vendor], key="KEY-1", versioned=vendor == "openai")
    return faults.of_response(answer, asking(text), MODEL)


def within(vendor: str, answer: Any, usage: Usage | None = None) -> errors.ProviderError | None:
    """The error inside an answer."""
    faults = Faults(provider="p", by_code=CODES[vendor], key="KEY-1", versioned=True)
    return faults.within(Far(answer), asking(), usage)


ODD = [["rate_limit_error"], {"a": 1}, 429, 1.5, True, None, [], [[["x"]]], 10**400, "\x00"]


@pytest.mark.parametrize("vendor", CODES)
@pytest.mark.parametrize("field", ["type", "code", "message", "details", "param", "error"])
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_an_odd_field_of_an_error_leaves_it_to_the_status(vendor: str, field: str, odd: Any) -> None:
    """Whatever stands where a code or a message should, a 429 is a place that is busy."""
    plain = {"type": "rate_limit_error", "message": "slow down"}
    problem = refused(vendor, 429, {"type": "error", "error": plain | {field: odd}})
    assert type(problem) is errors.RateLimited
    assert str(problem).startswith("p: 429 for model 'model-1': ")


@pytest.mark.parametrize("vendor", CODES)
@pytest.mark.parametrize(
    "body",
    [
        "text",
        7,
        None,
        [],
        [{"error": {"message": "slow down", "code": 429}}],
        {},
        {"error": "slow down"},
        {"error": []},
        {"error": [["x"]]},
        {"message": "slow down"},
        {"detail": [{"loc": ["x"], "msg": "slow down"}]},
        b"",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"error":' * 400 + b"1" + b"}" * 400,
        b"<html>slow down</html>",
    ],
    ids=lambda body: repr(body)[:30],
)
def test_an_error_of_any_shape_is_what_its_status_says(vendor: str, body: Any) -> None:
    """A proxy's page, a list around the error (Gemini's), no body at all."""
    assert type(refused(vendor, 429, body)) is errors.RateLimited
    assert type(refused(vendor, 503, body)) is errors.Overloaded


@pytest.mark.parametrize(
    ("vendor", "status", "message"),
    [
        ("anthropic", 400, CREDIT),
        ("anthropic", 400, LIMITS),
        ("anthropic", 400, WORKSPACE),
        ("anthropic", 429, LIMITS),
        ("openai", 429, QUOTA),
        ("openai", 403, QUOTA),
        ("openai", 400, "Billing hard limit has been reached"),
        ("openai", 429, "Your account is not active, please check your billing details on our website."),
        ("openai", 403, "Insufficient credits. Add more using https://openrouter.ai/credits"),
        ("openai", 400, "Insufficient Balance"),
        ("openai", 400, f'litellm.BadRequestError: AnthropicException - {{"message": "{CREDIT}"}}'),
    ],
)
def test_an_empty_account_is_known_by_its_words(vendor: str, status: int, message: str) -> None:
    """Vendors have no code for it; it ends an evaluation and shuts the place for long."""
    problem = refused(vendor, status, {"error": {"type": "invalid_request_error", "message": message}})
    assert type(problem) is errors.BillingProblem
    assert problem.ends_run
    assert problem.lasting


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"])
@pytest.mark.parametrize("status", [400, 403, 429])
@pytest.mark.parametrize("field", ["code", "type"])
def test_an_empty_account_is_known_by_its_code(code: str, status: int, field: str) -> None:
    """Whatever the status, and whichever field a gateway puts the code into."""
    problem = refused("openai", status, {"error": {"message": "no", "type": "x", "code": None} | {field: code}})
    assert type(problem) is errors.BillingProblem


@pytest.mark.parametrize(
    ("status", "message", "text", "expected"),
    [
        (400, f"prompt is not allowed: {CREDIT}", f"Translate: {CREDIT}", errors.BadRequest),
        (400, f"'{QUOTA.upper()}' is no valid content", f"What does '{QUOTA}' mean?", errors.BadRequest),
        (400, "messages: the credit balance of the user is too low a number", "", errors.BadRequest),
        (400, "tools.0: insufficient balance of brackets", "", errors.BadRequest),
        (429, f"{QUOTA} Quota exceeded for requests per minute. Please retry in 34.07s.", "", errors.RateLimited),
        (429, "Number of request tokens has exceeded your per-minute rate limit", "", errors.RateLimited),
        (400, "This organization has been disabled.", "", errors.KeyRefused),
    ],
)
def test_words_about_money_that_do_not_mean_an_empty_account(
    status: int, message: str, text: str, expected: type[errors.ProviderError]
) -> None:
    """A quotation of the prompt, a limit that passes by itself, another sentence of the same words."""
    for vendor in CODES:
        body = {"error": {"type": "invalid_request_error", "message": message}}
        assert type(refused(vendor, status, body, text=text)) is expected


@pytest.mark.parametrize(
    ("vendor", "status", "body"),
    [
        ("anthropic", 404, {"type": "error", "error": {"type": "not_found_error", "message": "model: model-1"}}),
        ("openai", 404, {"error": {"message": "it does not exist", "code": "model_not_found"}}),
        ("openai", 403, {"error": {"message": "no access", "code": "model_not_found"}}),
        ("openai", 404, {"object": "error", "message": "The model `model-1` does not exist.", "code": 404}),
        ("openai", 404, {"error": {"message": 'model "model-1" not found, try pulling it first'}}),
        ("openai", 404, {"error": "model 'model-1' not found"}),
        ("openai", 410, {"error": {"message": "model-1 was retired"}}),
    ],
)
def test_a_model_is_gone_only_where_the_body_says_so(vendor: str, status: int, body: Any) -> None:
    """By its code, or by naming the model."""
    assert type(refused(vendor, status, body)) is errors.ModelNotFound


PAGE = b"<html><body>404 nginx</body></html>"


@pytest.mark.parametrize("vendor", CODES)
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, PAGE),
        (404, b""),
        (404, b"404 page not found: /v1/model-1"),
        (404, {"detail": "Not Found"}),
        (404, {"message": "no Route matched with those values"}),
        (404, {"type": "error", "error": {"type": "not_found_error", "message": "Not found."}}),
        (405, {"detail": "Method Not Allowed"}),
        (410, PAGE),
    ],
)
def test_a_plain_404_is_the_places_fault(vendor: str, status: int, body: Any) -> None:
    """A wrong path or a proxy's page is no retirement: it speaks against the place, whose address is named."""
    problem = refused(vendor, status, body)
    assert type(problem) is errors.WrongAddress
    assert (problem.unhealthy, problem.ends_run, problem.retryable) == (True, True, False)
    assert f"{status} from http://host:8080{PATHS[vendor]}: " in str(problem)
    assert "SECRET" not in str(problem)
    assert "pw" not in str(problem)


@pytest.mark.parametrize("vendor", CODES)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_says_where_to(vendor: str, status: int) -> None:
    """It is not followed; what may be secret in the address is left out."""
    problem = refused(vendor, status, b"", headers={"location": "https://me:pw@login.corp/x?token=SECRET"})
    assert type(problem) is errors.WrongAddress
    assert "it redirects to https://login.corp/x; redirects are not followed" in str(problem)
    assert "SECRET" not in str(problem)
    for odd in ("http://[broken", "", "/v1/", "\x7f"):
        assert type(refused(vendor, status, b"", headers={"location": odd})) is errors.WrongAddress


@pytest.mark.parametrize(
    ("path", "versioned", "hint"),
    [
        ("/chat/completions", True, "should base_url end in /v1?"),
        ("/v1/v1/messages", False, "the API's version twice"),
        ("/v1//v1/chat/completions", True, "the API's version twice"),
        ("/v1/chat/completions", True, ""),
        ("/openai/v1beta/chat/completions", True, ""),
        ("/v1/messages", False, ""),
    ],
)
def test_what_may_be_wrong_with_an_address(path: str, versioned: bool, hint: str) -> None:
    """The usual slips in a base URL are named."""
    found = address_hint(f"http://host{path}", versioned=versioned)
    assert hint in found
    assert bool(hint) is bool(found)


# --- errors inside an answer ------------------------------------------------------------------------------------------

HALF = {
    "openai": {"model": MODEL, "choices": [{"message": {"content": "half"}, "finish_reason": "stop"}]},
    "anthropic": {"model": MODEL, "content": [{"type": "text", "text": "half"}], "stop_reason": "end_turn"},
}


@pytest.mark.parametrize("vendor", CODES)
@pytest.mark.parametrize("whole", [True, False], ids=["beside content", "alone"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "Provider disconnected", "code": 502}, errors.ServerFault),
        ({"message": "x", "code": "503"}, errors.Overloaded),
        ({"message": "x", "code": 429}, errors.RateLimited),
        ({"message": "x", "code": 402}, errors.BillingProblem),
        ({"message": "x", "code": "insufficient_quota"}, errors.BillingProblem),
        ({"message": "x", "type": "overloaded_error"}, errors.Overloaded),
        ({"message": "x", "type": "rate_limit_error"}, errors.RateLimited),
        ({"message": "x", "type": "authentication_error"}, errors.KeyRefused),
        ({"message": "x", "type": "invalid_request_error"}, errors.BadRequest),
        ({"message": CREDIT, "type": "invalid_request_error"}, errors.BillingProblem),
        ({"message": "x", "code": "model_not_found"}, errors.ModelNotFound),
        ({"message": "x"}, errors.ServerFault),
        ({"code": ["a"], "message": {"b": 1}}, errors.ServerFault),
        ("it broke", errors.ServerFault),
        (["it broke"], errors.ServerFault),
        (True, errors.ServerFault),
    ],
    ids=repr,
)
def test_an_error_in_an_answer_is_a_failure(
    vendor: str, whole: bool, error: Any, expected: type[errors.ProviderError]
) -> None:
    """Of the kind that its code says; what came beside it may be billed, though nobody gets it."""
    problem = within(vendor, (HALF[vendor] if whole else {}) | {"error": error})
    assert type(problem) is expected
    assert problem.may_be_billed is (whole or expected.may_be_billed)


@pytest.mark.parametrize(
    ("vendor", "change"),
    [
        ("openai", {"choices": [{"message": {"content": "half"}, "finish_reason": "error"}]}),
        ("openai", {"choices": [{"message": {"content": "half"}, "finish_reason": "network_error"}]}),
        ("openai", {"choices": [{"message": {"content": "half"}, "native_finish_reason": "ERROR"}]}),
        ("openai", {"choices": [{"message": {}, "error": {"code": 502}, "finish_reason": "stop"}]}),
        ("openai", {"choices": [{"message": {"error": {"message": "x"}}, "finish_reason": "stop"}]}),
        ("openai", {"object": "error", "message": "x"}),
        ("anthropic", {"stop_reason": "error"}),
        ("anthropic", {"type": "error"}),
    ],
)
def test_an_answer_that_ends_in_error_is_a_failure(vendor: str, change: dict[str, Any]) -> None:
    """Wherever it is said."""
    assert type(within(vendor, HALF[vendor] | change)) is errors.ServerFault


def test_a_place_that_ran_out_of_resources_is_overloaded() -> None:
    """DeepSeek says so in place of a reason why the answer ended."""
    answer = {"choices": [{"message": {"content": "h"}, "finish_reason": "insufficient_system_resource"}]}
    assert type(within("openai", answer)) is errors.Overloaded


@pytest.mark.parametrize("nothing", [None, "", {}, [], False, 0, {"message": None, "code": ""}, [None]])
def test_an_error_that_says_nothing_is_none(nothing: Any) -> None:
    """Some servers send an empty one along with every answer."""
    for answer in HALF.values():
        assert error_within(Far(answer | {"error": nothing})) is None


def test_what_a_failed_answer_used_is_kept() -> None:
    """Where it told its tokens, its cost is known and need not be guessed."""
    usage = Usage(input_tokens=10, output_tokens=2)
    for known, priced in ((usage, True), (Usage(estimated=True), False), (None, False)):
        problem = within("openai", HALF["openai"] | {"error": "x"}, known)
        assert problem is not None
        assert (problem.usage, problem.may_be_billed) == (usage if priced else None, not priced)
