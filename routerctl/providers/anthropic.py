"""Turns a `Request` into one call of Anthropic's Messages API and its answer into a `Reply`.

The only file that imports the `anthropic` SDK. Knows nothing of retries, prices or other providers. Thinking is left at
the model's default; `effort` is the lever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import anthropic
import httpx2

from routerctl import errors
from routerctl.providers import base
from routerctl.providers.addresses import checked_url
from routerctl.providers.anthropic_fields import STOP_REASONS, usage_of_message
from routerctl.providers.base import Probed
from routerctl.providers.environment import checked_environment
from routerctl.providers.fast_reader import read_message_fast
from routerctl.providers.faults import Faults
from routerctl.providers.raw import Api, RawCaller
from routerctl.providers.reading import Far, Odd, Once, body_of, completed
from routerctl.providers.stream_state import StreamState
from routerctl.providers.timing import Timing
from routerctl.types import (
    Json,
    Prompt,
    ProviderSpec,
    RawReply,
    RawRequest,
    RawWire,
    Reply,
    ReplySpec,
    Request,
    Sampling,
    StopReason,
    Usage,
)

# The API's stable `error.details.error_code`, else its `error.type`; where they say nothing, the HTTP status decides
# (`base.BY_STATUS`). https://platform.claude.com/docs/en/api/errors
BY_CODE: Mapping[str, type[errors.ProviderError]] = {
    "contract_spend_limit_reached": errors.BillingProblem,  # these two come as a 429: waiting does not help
    "enforced_spend_limit_reached": errors.BillingProblem,
    "linked_organization_spend_limit_reached": errors.BillingProblem,
    "linked_organization_billing_unavailable": errors.BillingProblem,
    "organization_on_hold": errors.KeyRefused,  # comes as a 400
    "billing_error": errors.BillingProblem,
    "overloaded_error": errors.Overloaded,
}

# Whatever an attempt may raise, most specific first; a status error goes by code and status instead.
BY_CLASS: tuple[tuple[type[Exception], type[errors.ProviderError]], ...] = (
    (anthropic.APITimeoutError, errors.TimedOut),
    (anthropic.APIConnectionError, errors.ConnectionFailed),  # the SDK puts all transport failures into this one
    (anthropic.APIResponseValidationError, errors.BrokenReply),
    (anthropic.CredentialsError, errors.KeyRefused),
    (anthropic.AnthropicError, errors.BrokenReply),  # any other: raised while the SDK reads an answer
    (ValueError, errors.BrokenReply),  # the JSON reader on a 200 that is no JSON
    (RecursionError, errors.BrokenReply),
)
RAISED = tuple(theirs for theirs, _ in BY_CLASS)
_URL, _VERSION = "https://api.anthropic.com", "2023-06-01"


class AnthropicProvider:
    """Calls the Messages API; `spec.region` asks for an `inference_geo`.

    `spec.options`: `prompt_cache: false` leaves out the cache breakpoint (a write costs a quarter more than plain
    input and pays from the second request within five minutes on).
    """

    OPTIONS: ClassVar[Mapping[str, type]] = {"prompt_cache": bool}

    def __init__(self, spec: ProviderSpec, outside: base.Outside) -> None:
        self._spec, self._timing, self._once = spec, Timing(outside.clock, outside.turns), Once(spec.name)
        self._options = base.checked_options(spec, self.OPTIONS)
        checked_environment(outside.env, spec, "ANTHROPIC_BASE_URL")
        self._key = base.key_of(spec, outside.env, "ANTHROPIC_API_KEY")
        self._faults = Faults(provider=spec.name, by_code=BY_CODE, key=self._key, versioned=False)
        # An explicit timeout also lifts the SDK's refusal of long answers without streaming.
        timeout = httpx2.Timeout(spec.timeout_s, connect=min(base.CONNECT_TIMEOUT_S, spec.timeout_s))
        self._client = anthropic.AsyncAnthropic(
            api_key=self._key,
            base_url=checked_url(spec, spec.base_url),
            max_retries=0,  # the wire's loop owns latency and cost
            timeout=timeout,
            # A redirect would take the prompt to another place than the one that is configured.
            http_client=anthropic.DefaultAioHttpClient(
                timeout=timeout, event_hooks=self._timing.hooks, follow_redirects=False
            ),
        )
        # Here and not at the first reply: the SDK imports its parts when they are touched, which is no latency.
        self._create = self._client.messages.with_raw_response.create
        self._raw = RawCaller(spec, outside, self._api())
        self.wires, self.forward = self._raw.wires, self._raw.call

    async def reply(self, request: Request) -> Reply:
        """Make one attempt.

        Raises:
            ProviderError: whatever went wrong, in the project's words.
        """
        if request.sampling != Sampling():
            raise errors.BadRequest("the API has no sampling parameters", provider=self._spec.name)
        body = self._body(request)
        try:
            with self._timing.call() as timed:
                answer = await self._create(**body)
        except RAISED as problem:
            ours = self._error(problem, request.model, request)
            raise timed.told_by(ours, problem) from None  # a chain shows the far text
        return self._read(answer.http_response.content, request, timed.latency_s)

    def additions(self, wire: RawWire) -> Mapping[str, Json]:
        """Give the region where its provider has one; counting tokens has none."""
        return {"inference_geo": self._spec.region} if self._spec.region and wire == "messages" else {}

    async def probe(self, model: str) -> Probed:
        """Ask `GET /v1/models/{id}`.

        Raises:
            ProviderError: whatever went wrong, in the project's words; ModelNotFound for a model it does not have.
        """
        try:
            told = await self._client.models.retrieve(model)
        except RAISED as problem:
            ours = self._error(problem, model)
            if self._spec.base_url and isinstance(ours, errors.WrongAddress) and ours.status in (404, 405):
                return Probed(model=model, detail="it answers, but cannot be asked about a model")
            raise ours from None
        try:
            return Probed(
                model=base.typed(told.id, str),
                lifecycle=base.far_text(getattr(told, "lifecycle", None) or ""),
                retires_on=base.iso_day(getattr(told, "retires_at", None)),
            )
        except (AttributeError, TypeError) as problem:
            shown = base.far_text(f"not a model: {problem}", self._key)
            raise errors.BrokenReply(shown, provider=self._spec.name) from None

    async def close(self) -> None:
        """Close the connections."""
        await self._raw.close()
        await self._client.close()

    def _api(self) -> Api:
        return Api(
            url=checked_url(self._spec, self._spec.base_url) or _URL,
            headers={"x-api-key": self._key, "anthropic-version": _VERSION},
            paths={"messages": "/v1/messages", "count_tokens": "/v1/messages/count_tokens"},
            plain={"messages": read_message_fast},
            stops=STOP_REASONS,
            read={"messages": self._message, "count_tokens": _count},
            read_stream={"messages": self._streamed},
            count={"messages": usage_of_message},
            faults=self._faults,
        )

    def _body(self, request: Request) -> dict[str, Any]:
        caches = self._options.get("prompt_cache", True)
        fields: dict[str, Any] = {
            "model": request.model,
            "max_tokens": request.reply.max_tokens,
            "system": _system(request.prompt, mark=caches and request.prompt.shared == 0),
            "messages": _messages(request.prompt, mark=caches),
            "output_config": _output_config(request.effort, request.reply),
            "inference_geo": self._spec.region,
        }
        return {name: value for name, value in fields.items() if value}

    def _read(self, content: bytes, request: Request, latency_s: float) -> Reply:
        try:
            answer = body_of(content)
        except Odd as odd:
            raise self._faults.broken("not a message", odd, None) from None
        return self._message(answer, request, latency_s)

    def _message(
        self, body: Far, request: Request | RawRequest, latency_s: float, raw: RawReply | None = None
    ) -> Reply:
        """Turn a whole answer into a reply; every field of it may be absent or odd."""
        usage = None
        try:
            answer = body.mapping()
            usage, lacking = usage_of_message(answer["usage"])
            if problem := self._faults.within(answer, request, usage):
                raise problem
            blocks = [block.mapping() for block in answer["content"].items()]
            reply = Reply(
                text="".join(block["text"].text() for block in blocks if block["type"].value == "text"),
                stop_reason=answer["stop_reason"].one_of(STOP_REASONS),
                served_model=answer["model"].name(),
                usage=usage,
                latency_s=latency_s,
                raw=raw,
            )
        except Odd as odd:
            raise self._faults.broken("not a message", odd, usage) from None
        thought = any(block["type"].value in ("thinking", "redacted_thinking") for block in blocks)
        reply = replace(completed(reply, request, thought=thought), detail=self._detail(answer, reply.stop_reason))
        self._once.say_of(reply, request.model, lacking)
        return reply

    def _streamed(self, state: StreamState, request: RawRequest, latency_s: float) -> Reply:
        usage, lacking = state.counted(usage_of_message, request)
        reply = Reply(
            text="".join(state.text),
            stop_reason=Far(state.stop).one_of(STOP_REASONS),
            served_model=state.served_model,
            usage=usage,
            latency_s=latency_s,
            detail=base.far_text(state.detail, self._key),
        )
        self._once.say_of(reply, request.model, lacking)
        return reply

    def _detail(self, answer: Far, stop: StopReason) -> str:
        """The refusal's category, or the stop reason that we have no word for."""
        shown = answer["stop_details"]["category"] if stop is StopReason.REFUSAL else answer["stop_reason"]
        said = shown.value if stop in (StopReason.REFUSAL, StopReason.OTHER) else None
        return "" if said is None else base.far_text(said, self._key)

    def _error(self, problem: Exception, model: str, request: Request | None = None) -> errors.ProviderError:
        """One of the project's errors for whatever the SDK raised; `request`: none for a probe."""
        if isinstance(problem, anthropic.APIStatusError):
            return self._faults.of_response(problem.response, request, model)
        cause = problem.__cause__ or problem
        shown = base.far_text(f"{type(cause).__name__}: {cause}", self._key)
        return error_class(problem)(shown, provider=self._spec.name)


def error_class(problem: Exception) -> type[errors.ProviderError]:
    """Class of error for anything in `RAISED` that is no answer with a status of failure."""
    return next(ours for theirs, ours in BY_CLASS if isinstance(problem, theirs))


def _block(text: str, *, mark: bool) -> list[dict[str, Any]]:
    """A text block, marked as the end of a cacheable prefix; the API ignores the mark on a prefix that is too short."""
    return [{"type": "text", "text": text} | ({"cache_control": {"type": "ephemeral"}} if mark else {})]


def _system(prompt: Prompt, *, mark: bool) -> Any:
    return _block(prompt.system, mark=True) if mark and prompt.system else prompt.system


def _messages(prompt: Prompt, *, mark: bool) -> list[dict[str, Any]]:
    """The turns; the last one that all requests of the task class share ends the cacheable prefix."""
    last_shared = prompt.shared - 1 if mark else -1
    return [
        {"role": turn.role, "content": _block(turn.content, mark=True) if place == last_shared else turn.content}
        for place, turn in enumerate(prompt.messages)
    ]


def _output_config(effort: str | None, reply: ReplySpec) -> dict[str, Any]:
    config: dict[str, Any] = {"effort": effort} if effort else {}
    if reply.json_schema is not None:
        config["format"] = {"type": "json_schema", "schema": dict(reply.json_schema)}
    return config


def _count(_answer: Far, request: RawRequest, latency_s: float, raw: RawReply) -> Reply:
    """A number of tokens, which costs nothing."""
    stop, served, usage = StopReason.END, request.model, Usage()
    return Reply(text="", stop_reason=stop, served_model=served, usage=usage, latency_s=latency_s, raw=raw)
