"""Turns a `Request` into one call of Anthropic's Messages API and its answer into a `Reply`.

The only file that imports the `anthropic` SDK. Knows nothing of retries, prices or other providers. Thinking is left at
the model's default; `effort` is the lever.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import anthropic
import httpx2

from routerctl import errors
from routerctl.providers import base
from routerctl.providers.base import Probed
from routerctl.providers.timing import Timing
from routerctl.types import Prompt, ProviderSpec, Reply, ReplySpec, Request, Sampling, StopReason, Usage

STOP_REASONS: Mapping[str, StopReason] = {
    "end_turn": StopReason.END,
    "stop_sequence": StopReason.END,
    "max_tokens": StopReason.MAX_TOKENS,
    "tool_use": StopReason.TOOL_USE,
    "refusal": StopReason.REFUSAL,
    "model_context_window_exceeded": StopReason.CONTEXT_FULL,
    "pause_turn": StopReason.OTHER,
}

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


class AnthropicProvider:
    """Calls the Messages API; `spec.region` asks for an `inference_geo`.

    `spec.options`: `prompt_cache: false` leaves out the cache breakpoint (a write costs a quarter more than plain
    input and pays from the second request within five minutes on).
    """

    OPTIONS: ClassVar[Mapping[str, type]] = {"prompt_cache": bool}

    def __init__(self, spec: ProviderSpec, outside: base.Outside) -> None:
        self._spec, self._timing = spec, Timing(outside.clock, outside.turns)
        self._options = base.checked_options(spec, self.OPTIONS)
        self._key = base.key_of(spec, outside.env, "ANTHROPIC_API_KEY")
        # An explicit timeout also lifts the SDK's refusal of long answers without streaming.
        timeout = httpx2.Timeout(spec.timeout_s, connect=min(base.CONNECT_TIMEOUT_S, spec.timeout_s))
        self._client = anthropic.AsyncAnthropic(
            api_key=self._key,
            base_url=base.checked_url(spec, spec.base_url),
            max_retries=0,  # the wire's loop owns latency and cost
            timeout=timeout,
            http_client=anthropic.DefaultAioHttpClient(timeout=timeout, event_hooks=self._timing.hooks),
        )
        # Here and not at the first reply: the SDK imports its parts when they are touched, which is no latency.
        self._create = self._client.messages.create

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
            raise self._error(problem, request.model) from None  # the chain would show the far side's text unredacted
        return self._read(answer, timed.latency_s)

    async def probe(self, model: str) -> Probed:
        """Ask `GET /v1/models/{id}`.

        Raises:
            ProviderError: whatever went wrong, in the project's words; ModelNotFound for a model it does not have.
        """
        try:
            told = await self._client.models.retrieve(model)
        except RAISED as problem:
            raise self._error(problem, model) from None
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
        await self._client.close()

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

    def _read(self, answer: Any, latency_s: float) -> Reply:
        """Turn the SDK's answer into a reply; the SDK does not validate it, so every field may be absent or odd."""
        if isinstance(answer, str):  # what the SDK makes of a 200 that is not labelled as JSON
            raise errors.BrokenReply(base.far_text(f"not JSON: {answer}", self._key), provider=self._spec.name)
        try:
            stop = STOP_REASONS.get(base.typed(answer.stop_reason, str), StopReason.OTHER)
            reply = Reply(
                text="".join(base.typed(block.text, str) for block in answer.content if block.type == "text"),
                stop_reason=stop,
                served_model=base.typed(answer.model, str),
                usage=_usage(answer.usage),
                latency_s=latency_s,
                detail=_detail(answer, stop),
            )
        except (AttributeError, TypeError, ValueError) as problem:
            shown = base.far_text(f"not a message: {problem}", self._key)
            raise errors.BrokenReply(shown, provider=self._spec.name) from None
        return reply

    def _error(self, problem: Exception, model: str) -> errors.ProviderError:
        """One of the project's errors for whatever the SDK raised."""
        if isinstance(problem, anthropic.APIStatusError):
            shown = base.far_text(problem.api_message or problem.message, self._key)
            return error_class(problem)(
                f"{problem.status_code} for model '{model}': {shown}",
                provider=self._spec.name,
                status=problem.status_code,
                retry_after_s=base.retry_after_s(problem.response.headers),
            )
        cause = problem.__cause__ or problem
        shown = base.far_text(f"{type(cause).__name__}: {cause}", self._key)
        return error_class(problem)(shown, provider=self._spec.name)


def error_class(problem: Exception) -> type[errors.ProviderError]:
    """Class of error for anything in `RAISED`."""
    if isinstance(problem, anthropic.APIStatusError):
        for code in (problem.error_code, problem.type):
            if code and code in BY_CODE:
                return BY_CODE[code]
        return base.error_for_status(problem.status_code)
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


def _usage(usage: Any) -> Usage:
    """The API counts cache reads and writes apart from `input_tokens`; `Usage` counts them in."""
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return base.counted(usage.input_tokens + read + written, output=usage.output_tokens, read=read, written=written)


def _detail(answer: Any, stop: StopReason) -> str:
    """The refusal's category, or the stop reason that we have no word for."""
    if stop is StopReason.REFUSAL:
        details = answer.stop_details
        return base.far_text(details.category) if details and details.category else ""
    return base.far_text(answer.stop_reason) if stop is StopReason.OTHER else ""
