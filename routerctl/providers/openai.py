"""Turns a `Request` into one call of the OpenAI chat API, or of any server that speaks it, and back into a `Reply`.

The only file that imports the `openai` SDK. Knows nothing of retries, prices or other providers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import aiohttp
import httpx2
import openai

from routerctl import errors
from routerctl.providers import base
from routerctl.providers.addresses import checked_url
from routerctl.providers.base import Probed
from routerctl.providers.environment import checked_environment
from routerctl.providers.fast_reader import read_completion_fast
from routerctl.providers.faults import Faults
from routerctl.providers.openai_fields import (
    STOP_REASONS,
    content_text,
    mean_logprob,
    message_parts,
    usage_of_completion,
    usage_of_response,
)
from routerctl.providers.raw import Api, RawCaller
from routerctl.providers.reading import Far, Odd, Once, body_of, completed
from routerctl.providers.stream_state import StreamState, stop_of_response
from routerctl.providers.timing import Timing
from routerctl.types import Json, ProviderSpec, RawReply, RawRequest, RawWire, Reply, Request, StopReason, Usage

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
    """Calls chat completions; `base_url` and `api_key` go before what the spec says, and not `proxied` means directly.

    `spec.options`: `logprobs: true` asks for the tokens' log probabilities; `extra_body` is added to every request;
    `responses: true`: a server with a `base_url` has the Responses API, as OpenAI's own has.
    """

    OPTIONS: ClassVar[Mapping[str, type]] = {"extra_body": dict, "logprobs": bool, "responses": bool}

    def __init__(
        self,
        spec: ProviderSpec,
        outside: base.Outside,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        proxied: bool = True,
    ) -> None:
        self._spec, self._clock = spec, outside.clock
        self._timing, self._once = Timing(outside.clock, outside.turns), Once(spec.name)
        self._options = base.checked_options(spec, self.OPTIONS)
        if proxied:
            checked_environment(outside.env, spec, "OPENAI_BASE_URL")
        self._url = checked_url(spec, base_url or spec.base_url)
        self._key = api_key or _key(spec, outside.env, self._url)
        self._faults = Faults(provider=spec.name, by_code=BY_CODE, key=self._key, versioned=bool(self._url))
        timeout = httpx2.Timeout(spec.timeout_s, connect=min(base.CONNECT_TIMEOUT_S, spec.timeout_s))
        place = {"base_url": self._url} if self._url else _residency(spec)
        try:
            self._client = openai.AsyncOpenAI(
                api_key=self._key,
                max_retries=0,  # the wire's loop owns latency and cost
                timeout=timeout,
                # A redirect would take the prompt to another place than the one that is configured.
                http_client=openai.DefaultAioHttpClient(
                    timeout=timeout, event_hooks=self._timing.hooks, follow_redirects=False, trust_env=proxied
                ),
                **place,
            )
        except ValueError as problem:
            raise errors.InputError(f"provider '{spec.name}': region '{spec.region}': {problem}") from None
        # Here and not at the first reply: the SDK imports its parts when they are touched, which is no latency.
        self._create = self._client.chat.completions.with_raw_response.create
        self._raw = RawCaller(spec, outside, self._api(proxied=proxied))
        self.wires, self.forward = self._raw.wires, self._raw.call

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
            ours = self._error(problem, request.model, request)
            raise timed.told_by(ours, problem) from None  # a chain shows the far text
        return self._read(answer.http_response.content, request, timed.latency_s)

    def additions(self, wire: RawWire) -> Mapping[str, Json]:
        """Give the provider's `extra_body`, and the tier that the list's price is of."""
        tier = {} if self._url or wire == "embeddings" else {"service_tier": "default"}
        return {**tier, **self._options.get("extra_body", {})}

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
        await self._raw.close()
        await self._client.close()

    def _api(self, *, proxied: bool) -> Api:
        has_responses = not self._url or self._options.get("responses", False)
        responses: dict[RawWire, str] = {"responses": "/responses"} if has_responses else {}
        return Api(
            url=str(self._client.base_url).rstrip("/"),
            headers={"authorization": f"Bearer {self._key}"},
            paths={"chat": "/chat/completions", "embeddings": "/embeddings", **responses},
            plain={"chat": read_completion_fast},
            stops=STOP_REASONS,
            read={"chat": self._completion, "responses": self._response, "embeddings": self._embedded},
            read_stream={"chat": self._streamed, "responses": self._streamed},
            count={"chat": self._usage, "responses": usage_of_response},
            faults=self._faults,
            proxied=proxied,
        )

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

    def _read(self, content: bytes, request: Request, latency_s: float) -> Reply:
        try:
            answer = body_of(content)
        except Odd as odd:
            raise self._faults.broken("not a chat completion", odd, None) from None
        return self._completion(answer, request, latency_s)

    def _completion(
        self, body: Far, request: Request | RawRequest, latency_s: float, raw: RawReply | None = None
    ) -> Reply:
        """Turn a whole answer into a reply; every field of it may be absent or odd."""
        usage = None
        try:
            answer = body.mapping()
            usage, lacking = self._usage(answer["usage"])
            if problem := self._faults.within(answer, request, usage):
                raise problem
            answer["choices"].items()
            choice = answer["choices"][0].mapping()
            message = choice["message"].mapping()
            refusal = message["refusal"].text_or("")
            reply = Reply(
                text=refusal or content_text(message["content"]),
                stop_reason=StopReason.REFUSAL if refusal else choice["finish_reason"].one_of(STOP_REASONS),
                served_model=answer["model"].name(),
                usage=usage,
                latency_s=latency_s,
                mean_logprob=mean_logprob(choice["logprobs"]["content"]),
                raw=raw,
            )
        except Odd as odd:
            raise self._faults.broken("not a chat completion", odd, usage) from None
        if reply.stop_reason in (StopReason.REFUSAL, StopReason.OTHER):
            reason = "refusal" if refusal else choice["finish_reason"].value
            reply = replace(reply, detail=base.far_text("" if reason is None else reason, self._key))
        if self._spec.usd_per_hour is None:  # some servers that are priced by time do not count
            thought = bool(message["reasoning_content"].value or message["reasoning"].value)
            reply = completed(reply, request, thought=thought)
        self._once.say_of(reply, request.model, lacking)
        return reply

    def _streamed(self, state: StreamState, request: RawRequest, latency_s: float) -> Reply:
        count = self._usage if request.wire == "chat" else usage_of_response
        usage, lacking = state.counted(count, request)
        if self._spec.usd_per_hour is not None and not state.usage:
            usage, lacking = Usage(), ""
        stop = Far(state.stop).one_of(STOP_REASONS)
        reply = Reply(
            text="".join(state.text),
            stop_reason=StopReason.REFUSAL if state.detail == "refusal" else stop,
            served_model=state.served_model,
            usage=usage,
            latency_s=latency_s,
            detail=state.detail,
        )
        self._once.say_of(reply, request.model, lacking)
        return reply

    def _response(self, body: Far, request: RawRequest, latency_s: float, raw: RawReply) -> Reply:
        """Read an answer of the Responses API."""
        usage = None
        try:
            answer = body.mapping()
            usage, lacking = usage_of_response(answer["usage"])
            if problem := self._faults.within(answer, request, usage):
                raise problem
            parts = [part for item in answer["output"].items() for part in message_parts(item)]
            refusal = "".join(part["refusal"].text_or("") for part in parts)
            stop = Far(stop_of_response(answer.value)).one_of(STOP_REASONS)
            reply = Reply(
                text=refusal or "".join(part["text"].text_or("") for part in parts),
                stop_reason=StopReason.REFUSAL if refusal else stop,
                served_model=answer["model"].name(),
                usage=usage,
                latency_s=latency_s,
                detail="refusal" if refusal else "",
                raw=raw,
            )
        except Odd as odd:
            raise self._faults.broken("not a response", odd, usage) from None
        reply = completed(reply, request, thought=False)
        self._once.say_of(reply, request.model, lacking)
        return reply

    def _embedded(self, body: Far, request: RawRequest, latency_s: float, raw: RawReply) -> Reply:
        """Read an answer of the Embeddings API: nothing is written, so only the prompt has tokens."""
        try:
            answer = body.mapping()
            answer["data"].items()
            told = answer["usage"]["prompt_tokens"].count()
        except Odd as odd:
            raise self._faults.broken("not embeddings", odd, None) from None
        usage = Usage(input_tokens=request.most_input_tokens if told is None else told, estimated=told is None)
        return Reply(
            text="",
            stop_reason=StopReason.END,
            served_model=answer["model"].name(),
            usage=usage,
            latency_s=latency_s,
            raw=raw,
        )

    def _usage(self, usage: Far) -> tuple[Usage, str]:
        if usage.value is None and self._spec.usd_per_hour is not None:
            return Usage(), ""
        return usage_of_completion(usage)

    def _error(self, problem: Exception, model: str, request: Request | None = None) -> errors.ProviderError:
        """One of the project's errors for whatever the SDK or its transport raised; `request`: none for a probe."""
        if isinstance(problem, openai.APIStatusError):
            return self._faults.of_response(problem.response, request, model)
        root = _root(problem)
        shown = base.far_text(f"{type(root).__name__}: {root}", self._key)
        return error_class(problem)(shown, provider=self._spec.name)


def error_class(problem: Exception) -> type[errors.ProviderError]:
    """Class of error for anything in `RAISED` that is no answer with a status of failure."""
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
