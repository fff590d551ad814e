"""What a far side says went wrong (a status, a body, an `error` inside an answer) -> one of the project's errors.

For the providers whose replies are JSON; each brings the table of its vendor's stable codes. The codes decide, then the
words that a vendor has no code for, then the HTTP status.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from routerctl import errors
from routerctl.providers import base
from routerctl.providers.addresses import address_hint, plain_address
from routerctl.providers.reading import Far, Odd, body_of, is_failure
from routerctl.types import Json, RawRequest, Request, Usage

Kind = type[errors.ProviderError]
ByCode = Mapping[str, Kind]
Asked = Request | RawRequest | None  # None: a probe asks nothing

# What an `error` inside an answer is where only its name tells; of an HTTP error the status tells more.
_BY_NAME: ByCode = {
    "api_error": errors.ServerFault,
    "authentication_error": errors.KeyRefused,
    "billing_error": errors.BillingProblem,
    "insufficient_quota": errors.BillingProblem,
    "invalid_request_error": errors.BadRequest,
    "overloaded_error": errors.Overloaded,
    "permission_error": errors.KeyRefused,
    "rate_limit_error": errors.RateLimited,
    "rate_limit_exceeded": errors.RateLimited,
    "request_too_large": errors.BadRequest,
    "server_error": errors.ServerFault,
    "timeout_error": errors.TimedOut,
}
_NO_MODEL = ("model_not_found", "not_found_error", "NotFoundError")
_NOT_THERE = (404, 410)

# An empty account, and a limit that its owner set, where the vendor has no code for it. As sentences of the vendors:
# an error may quote a prompt that speaks of money.
_NO_MONEY = re.compile(
    r"your credit balance is too low|you exceeded your current quota, please check your plan and billing"
    r"|you have reached your specified (workspace )?(api )?usage limits?|billing hard limit has been reached"
    r"|^(error code: \d+ - )?(insufficient[ _](credits?|balance|funds|quota)\b|your account is not active, please check"
    r" your billing|this request requires more credits)",
    re.IGNORECASE,
)
_DISABLED = re.compile(r"^this organization has been disabled", re.IGNORECASE)
_SOON = re.compile(r"\b(retry|try again) (in|after) \d", re.IGNORECASE)  # a limit that passes by itself
_CODE_PARTS, _WORD_PARTS = ("code", "type", "status"), ("message", "msg", "detail", "error", "error_description")
_REASONS = ("finish_reason", "native_finish_reason")  # why a choice ended
_DEEPEST = 4  # objects around an error's own


@dataclass(frozen=True, slots=True)
class Told:
    """What a body says went wrong."""

    codes: tuple[str, ...]  # the most particular first
    message: str
    where: str = ""  # which field of an answer said it
    is_page: bool = False  # it is no JSON: hardly the API's own words

    @property
    def status(self) -> int | None:
        """The HTTP status that a code is, if any is one."""
        numbers = (int(code) for code in self.codes if re.fullmatch(r"[45]\d\d", code))
        return next(numbers, None)


def told_in(error: Far) -> Told:
    """Read an error, however it is written: text, an object, or either within a list or another object."""
    for _ in range(_DEEPEST):
        inner = error[0] if isinstance(error.value, list) else error["error"]
        if not isinstance(inner.value, dict | list):
            break
        error = inner
    if not isinstance(error.value, dict):
        return Told((), error.value if isinstance(error.value, str) else "", error.path)
    found = [error["details"]["error_code"], *(error[part] for part in _CODE_PARTS)]
    codes = tuple(str(one.value) for one in found if isinstance(one.value, str | int) and one.value)
    words = (error[part].value for part in _WORD_PARTS)
    return Told(codes, next((one for one in words if isinstance(one, str) and one), ""), error.path)


def error_within(answer: Far) -> Told | None:
    """Find the error that an answer with a status of success carries; None where it has none."""
    choice = answer["choices"][0]
    for part in (answer, choice, choice["message"]):
        fields = part.value
        if isinstance(fields, dict) and _says_something(fields.get("error")):
            return told_in(part["error"])
    for part, names in ((answer, ("type", "object", "stop_reason")), (choice, _REASONS)):
        fields = part.value if isinstance(part.value, dict) else {}
        for name in names:
            word = fields.get(name)
            if word == "insufficient_system_resource":
                return Told(("overloaded_error",), "it ran out of resources", part[name].path)
            if isinstance(word, str) and is_failure(word):
                path = part[name].path
                return Told((word,), f"{path} is '{word}'", path)
    return None


def _says_something(error: Json) -> bool:
    """Some servers send an error without content along with every good answer."""
    if error is None:
        return False
    parts = error.values() if isinstance(error, dict) else error if isinstance(error, list) else [error]
    return any(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Makes one provider's errors; `by_code`: its vendor's stable codes."""

    provider: str
    by_code: ByCode
    key: str
    versioned: bool  # its base URL is to end in the API's version

    def of_response(self, response: Any, request: Asked, model: str) -> errors.ProviderError:
        """Make the error of an answer (httpx2's) whose status is one of failure; `request`: none for a probe."""
        status: int = response.status_code
        told = _told_by(response.content)
        kind = self._kind(told, status, request, model)
        shown = base.far_text(told.message, self.key) or "no words"
        if kind is errors.WrongAddress:
            shown = f"{status} from {plain_address(str(response.request.url))}: {self._elsewhere(response, shown)}"
        else:
            shown = f"{status} for model '{model}': {shown}"
        wait_s = base.retry_after_s(response.headers)
        return kind(shown, provider=self.provider, status=status, retry_after_s=wait_s)

    def within(self, answer: Far, request: Request | RawRequest, usage: Usage | None) -> errors.ProviderError | None:
        """Make the error that an answer carries beside or in place of its content; None where it carries none.

        `usage`: what it told of its tokens.
        """
        told = error_within(answer)
        if told is None:
            return None
        kind = self._kind(told, None, request, request.model)
        shown = base.far_text(told.message or ", ".join(told.codes) or "no words", self.key)
        problem = kind(f"an error in its answer ({told.where}): {shown}", provider=self.provider, status=told.status)
        begun = bool(answer["choices"].value or answer["content"].value)
        return priced(problem, usage, may_be_billed=begun or kind.may_be_billed)

    def broken(self, what: str, odd: Odd, usage: Usage | None) -> errors.ProviderError:
        """Make the error of an answer that is not of the API's shape."""
        shown = base.far_text(f"{what}: {odd}" if what else str(odd), self.key)
        return priced(errors.BrokenReply(shown, provider=self.provider), usage, may_be_billed=True)

    def _kind(self, told: Told, status: int | None, request: Asked, model: str) -> Kind:
        """Class of error: `status` is None inside an answer whose own says that all is well."""
        for code in told.codes:
            if code in self.by_code and code not in _NO_MODEL:
                return self.by_code[code]
        if _is_about(_NO_MONEY, told, request) and not _SOON.search(told.message):
            return errors.BillingProblem
        if _is_about(_DISABLED, told, request):
            return errors.KeyRefused
        if "model_not_found" in told.codes:
            return errors.ModelNotFound
        number = status or told.status
        if number in _NOT_THERE or (status is None and "not_found_error" in told.codes):
            named = _names(model, told.message) or any(code in _NO_MODEL for code in told.codes)
            bare = told.is_page or told.message.strip(" .").lower() == "not found"
            return errors.ModelNotFound if named and not bare else errors.WrongAddress
        if number is not None:
            return base.error_for_status(number)
        return next((_BY_NAME[code] for code in told.codes if code in _BY_NAME), errors.ServerFault)

    def _elsewhere(self, response: Any, shown: str) -> str:
        """Say what was found at an address where the API is not, and what may be wrong with the address."""
        if 300 <= response.status_code < 400:
            to = base.far_text(plain_address(response.headers.get("location", "")) or "nowhere", self.key)
            return f"it redirects to {to}; redirects are not followed: a prompt goes to the configured address alone"
        hint = address_hint(str(response.request.url), versioned=self.versioned)
        return f"{shown} ({hint})" if hint else shown


def _names(model: str, message: str) -> bool:
    """Tell whether a message names a model, and not a longer id or an address in which its letters stand."""
    return bool(re.search(rf"(?<![\w./-]){re.escape(model)}(?![\w/-]|\.\w)", message))


def priced(problem: errors.ProviderError, usage: Usage | None, *, may_be_billed: bool) -> errors.ProviderError:
    """Give an error what is known of its cost."""
    known = usage is not None and not usage.estimated
    problem.usage = usage if known else None
    problem.may_be_billed = may_be_billed and not known
    return problem


def _told_by(content: bytes) -> Told:
    """Read the body of an answer whose status is one of failure."""
    raw = content[:1000].decode(errors="replace")
    try:
        told = told_in(body_of(content))
    except Odd:
        return Told((), raw, is_page=True)
    return told if told.message else replace(told, message=raw)


def _is_about(words: re.Pattern[str], told: Told, request: Asked) -> bool:
    """Whether a message has such words of its own: what stands in the prompt may be a quotation."""
    found = words.search(told.message.strip())
    return found is not None and not any(found[0].lower() in text.lower() for text in _texts(request))


def _texts(request: Asked) -> Iterator[str]:
    if isinstance(request, RawRequest):
        yield request.body.decode(errors="replace")
    elif request is not None:
        yield request.prompt.system
        yield from (turn.content for turn in request.prompt.messages)
