"""Turns a `Request` into one call of the OpenAI chat API, or of any server that speaks it, and back into a `Reply`.

The only file that imports the `openai` SDK. Knows nothing of retries, prices or other providers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import aiohttp
import httpx2
import openai

from routerctl import errors
from routerctl.providers import base
from routerctl.providers.base import Probed
from routerctl.providers.timing import Timing
from routerctl.types import Json, ProviderSpec, Reply, Request, StopReason, Usage

STOP_REASONS: Mapping[str, StopReason] = {
    "stop": StopReason.END,
    "length": StopReason.MAX_TOKENS,
    "tool_calls": StopReason.TOOL_USE,
    "function_call": StopReason.TOOL_USE,
    "content_filter": StopReason.REFUSAL,
    "refusal": StopReason.REFUSAL,  # ours: the API says "stop" and puts the words into message.refusal
}

# The API's stable `error.code`; where it says nothing, the HTTP status decides (`base.BY_STATUS`).
# https://developers.openai.com/api/docs/guides/error-codes
BY_CODE: Mapping[str, type[errors.ProviderError]] = {
    "insufficient_quota": errors.BillingProblem,  # comes as a 429: waiting will not fill the account
    "billing_hard_limit_reached": errors.BillingProblem,
    "billing_not_active": errors.BillingProblem,
    "account_deactivated": errors.KeyRefused,
    "invalid_api_key": errors.KeyRefused,
    "model_not_found": errors.ModelNotFound,
    "context_length_exceeded": errors.BadRequest,
}

# Whatever an attempt may raise, most specific first; a status error goes by code and status instead.
BY_CLASS: tuple[tuple[type[Exception], type[errors.ProviderError]], ...] = (
    (openai.APITimeoutError, errors.TimedOut),
    (openai.APIConnectionError, errors.ConnectionFailed),
    (openai.APIResponseValidationError, errors.BrokenReply),
    (openai.OpenAIError, errors.BrokenReply),  # any other: raised while the SDK reads an answer
    # The SDK passes on what its HTTP transport does not map (a server that speaks no HTTP, say) ...
    (TimeoutError, errors.TimedOut),
    (aiohttp.ClientError, errors.ConnectionFailed),
    (httpx2.HTTPError, errors.ConnectionFailed),
    (OSError, errors.ConnectionFailed),
    # ... and what the JSON reader says of a 200 that is no JSON.
    (ValueError, errors.BrokenReply),
    (RecursionError, errors.BrokenReply),
)
RAISED = tuple(theirs for theirs, _ in BY_CLASS)
EPOCH_STRIDE = 1000  # seeds of one epoch's samples; no strategy takes so many
TIMEOUTS = (openai.APITimeoutError, httpx2.TimeoutException, TimeoutError)


class OpenAIProvider:
    """Calls chat completions; `base_url` and `api_key` go before what the spec says.

    `spec.options`: `logprobs: true` asks for the tokens' log probabilities; `extra_body` is added to every request.
    """

    OPTIONS: ClassVar[Mapping[str, type]] = {"extra_body": dict, "logprobs": bool}

    def __init__(
        self,
        spec: ProviderSpec,
        outside: base.Outside,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        self._spec, self._clock = spec, outside.clock
        self._timing = Timing(outside.clock, outside.turns)
        self._options = base.checked_options(spec, self.OPTIONS)
        self._url = base.checked_url(spec, base_url or spec.base_url)
        self._key = api_key or _key(spec, outside.env, self._url)
        timeout = httpx2.Timeout(spec.timeout_s, connect=min(base.CONNECT_TIMEOUT_S, spec.timeout_s))
        place = {"base_url": self._url} if self._url else _residency(spec)
        try:
            self._client = openai.AsyncOpenAI(
                api_key=self._key,
                max_retries=0,  # the wire's loop owns latency and cost
                timeout=timeout,
                http_client=openai.DefaultAioHttpClient(timeout=timeout, event_hooks=self._timing.hooks),
                **place,
            )
        except ValueError as problem:
            raise errors.InputError(f"provider '{spec.name}': region '{spec.region}': {problem}") from None
        # Here and not at the first reply: the SDK imports its parts when they are touched, which is no latency.
        self._create = self._client.chat.completions.create

    async def reply(self, request: Request) -> Reply:
        """Make one attempt.

        Raises:
            ProviderError: whatever went wrong, in the project's words.
        """
        body = self._body(request)
        extra = dict(self.extra_body(request))
        try:
            with self._timing.call() as timed:
                answer = await self._create(**body, extra_body=extra or None)
        except RAISED as problem:
            raise self._error(problem, request.model) from None  # the chain would show the far side's text unredacted
        return self._read(answer, timed.latency_s)

    async def probe(self, model: str) -> Probed:
        """Ask OpenAI about the model; ask any other server, which may know only `GET /v1/models`, for its list.

        Raises:
            ProviderError: whatever went wrong, in the project's words; ModelNotFound for a model it does not have.
        """
        try:
            if not self._url:
                return _probed(await self._client.models.retrieve(model))
            known = {base.typed(one.id, str): one async for one in self._client.models.list()}
        except openai.NotFoundError as problem:
            if not self._url:
                raise self._error(problem, model) from None
            return Probed(model=model, detail="it answers, but has no list of models")
        except RAISED as problem:
            raise self._error(problem, model) from None
        except (AttributeError, TypeError) as problem:
            shown = base.far_text(f"not a list of models: {problem}", self._key)
            raise errors.BrokenReply(shown, provider=self._spec.name) from None
        if model not in known:
            near = base.far_text(errors.nearest(model, known), self._key)
            raise errors.ModelNotFound(f"its list of models has no '{model}'{near}", provider=self._spec.name)
        return _probed(known[model])

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def extra_body(self, request: Request) -> Mapping[str, Json]:
        """Fields to add to the request's body; a provider that stands on this one puts its own here."""
        del request
        extra: Mapping[str, Json] = self._options.get("extra_body", {})
        return extra

    def _body(self, request: Request) -> dict[str, Any]:
        system = [{"role": "system", "content": request.prompt.system}] if request.prompt.system else []
        turns = [{"role": turn.role, "content": turn.content} for turn in request.prompt.messages]
        sampling = request.sampling
        fields: dict[str, Any] = {
            "model": request.model,
            "messages": system + turns,
            "max_completion_tokens": request.reply.max_tokens,
            "reasoning_effort": request.effort,
            "response_format": _response_format(request.reply.json_schema),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            # Each sample of a strategy has its own seed, else they would all be the same.
            "seed": None if sampling.seed is None else sampling.seed + request.sample + EPOCH_STRIDE * request.epoch,
            # The list's price is of this tier; left out, a setting of the user's project decides. Others have no tiers.
            "service_tier": None if self._url else "default",
            "logprobs": True if self._options.get("logprobs") else None,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def _read(self, answer: Any, latency_s: float) -> Reply:
        """Turn the SDK's answer into a reply; the SDK does not validate it, so every field may be absent or odd."""
        if isinstance(answer, str):  # what the SDK makes of a 200 that is not labelled as JSON
            raise errors.BrokenReply(base.far_text(f"not JSON: {answer}", self._key), provider=self._spec.name)
        try:
            choice = answer.choices[0]
            text = choice.message.refusal or choice.message.content or ""
            reason = "refusal" if choice.message.refusal else choice.finish_reason
            stop = STOP_REASONS.get(reason, StopReason.OTHER)
            reply = Reply(
                text=base.typed(text, str),
                stop_reason=stop,
                served_model=base.typed(answer.model, str),
                usage=self._usage(answer.usage),
                latency_s=latency_s,
                mean_logprob=_mean_logprob(choice),
                detail=base.far_text(reason) if stop in (StopReason.REFUSAL, StopReason.OTHER) else "",
            )
        except (AttributeError, IndexError, TypeError, ValueError) as problem:
            shown = base.far_text(f"not a chat completion: {problem}", self._key)
            raise errors.BrokenReply(shown, provider=self._spec.name) from None
        return reply

    def _usage(self, usage: Any) -> Usage:
        if usage is None:
            if self._spec.usd_per_hour is None:
                raise ValueError("it reports no token usage, so it cannot be priced")
            return Usage()  # priced by time: some self-hosted servers do not count
        details = usage.prompt_tokens_details
        return base.counted(
            usage.prompt_tokens,
            output=usage.completion_tokens,
            read=details and details.cached_tokens,
            written=details and details.cache_write_tokens,
        )

    def _error(self, problem: Exception, model: str) -> errors.ProviderError:
        """One of the project's errors for whatever the SDK or its transport raised."""
        if isinstance(problem, openai.APIStatusError):
            status = problem.response.status_code
            shown = base.far_text(_message(problem), self._key)
            return error_class(problem)(
                f"{status} for model '{model}': {shown}",
                provider=self._spec.name,
                status=status,
                retry_after_s=base.retry_after_s(problem.response.headers),
            )
        root = _root(problem)
        shown = base.far_text(f"{type(root).__name__}: {root}", self._key)
        return error_class(problem)(shown, provider=self._spec.name)


def error_class(problem: Exception) -> type[errors.ProviderError]:
    """Class of error for anything in `RAISED`."""
    if isinstance(problem, openai.APIStatusError):
        code = str(problem.code or problem.type)
        return BY_CODE.get(code) or base.error_for_status(problem.response.status_code)
    if isinstance(problem, openai.APITimeoutError) and not isinstance(_root(problem), TIMEOUTS):
        return errors.ConnectionFailed  # the SDK's aiohttp transport calls a refused or dropped connection a timeout
    return next(ours for theirs, ours in BY_CLASS if isinstance(problem, theirs))


def _root(problem: BaseException) -> BaseException:
    """What was raised first."""
    return problem if problem.__cause__ is None else _root(problem.__cause__)


def _key(spec: ProviderSpec, env: Mapping[str, str], url: str | None) -> str:
    if url and spec.api_key_env is None:
        return "none"  # a self-hosted server that wants a key has an api_key_env; OpenAI's own must not go there
    return base.key_of(spec, env, "OPENAI_API_KEY")


def _probed(told: openai.types.Model) -> Probed:
    """Read the `shutdown_date` of a model, an ISO day or null; servers that are not OpenAI's may send none."""
    return Probed(model=base.typed(told.id, str), retires_on=base.iso_day(getattr(told, "shutdown_date", None)))


def _residency(spec: ProviderSpec) -> dict[str, Any]:
    """The region picks OpenAI's own host for it; with a base_url it is only a label."""
    return {"data_residency": spec.region} if spec.region else {}


def _response_format(schema: Mapping[str, Json] | None) -> dict[str, Json] | None:
    if schema is None:
        return None
    return {"type": "json_schema", "json_schema": {"name": "reply", "schema": dict(schema), "strict": True}}


def _message(problem: openai.APIStatusError) -> str:
    """The API's own sentence where there is one; the SDK's message wraps it in the whole body."""
    body = problem.body
    told = body.get("message") if isinstance(body, Mapping) else None
    return told if isinstance(told, str) else problem.message


def _mean_logprob(choice: Any) -> float | None:
    """Mean natural-log probability of the reply's tokens; None where the server sent none."""
    tokens = choice.logprobs.content if choice.logprobs else None
    if not tokens:
        return None
    mean = math.fsum(token.logprob for token in tokens) / len(tokens)
    return mean if math.isfinite(mean) else None
