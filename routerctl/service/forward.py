"""Calls one place with a client's request: untouched where the provider has the same API, otherwise translated.

The candidate stays what was evaluated: its effort and sampling are added unless the application sets its own. A
candidate that is called several times for an answer (self-consistency, reflexion), or whose provider has neither
vendor's API, is called through `strategies` with the text alone. Place: handed to `routing`, which calls it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from routerctl.errors import BrokenReply, OverBudget, ProviderError
from routerctl.providers.base import far_text
from routerctl.providers.pins import served_of
from routerctl.providers.reading import Odd
from routerctl.routing.hops import (
    NO_ANSWER,
    OVER_BUDGET,
    SKIPPED,
    HopResult,
    ask_place,
    empty,
    idle_hop,
    recorded,
)
from routerctl.service.body import edited, most_input_tokens
from routerctl.service.body import written as written_body
from routerctl.service.reply_limits import bounds, choices, overruled, stated_limit
from routerctl.service.request import ClientRequest, api_format_of
from routerctl.service.tracing import RequestSpan, UpstreamCall, vendor_of
from routerctl.types import (
    Answer,
    ApiFormat,
    Candidate,
    Json,
    Message,
    Prompt,
    RawReply,
    RawRequest,
    RawWire,
    Reply,
    Route,
    Serving,
    StopReason,
)

if TYPE_CHECKING:
    from routerctl.providers.base import Forwarding
    from routerctl.providers.wire import Wire
    from routerctl.routing.context import Context
    from routerctl.routing.noted_calls import PlaceCalls
    from routerctl.routing.steps import Place
    from routerctl.service.translate import NeutralReply, NeutralRequest, UpstreamRequest

UNTRANSLATABLE = "Untranslatable"  # the outcome of a hop whose API cannot express the request


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedReply:
    """A whole reply that was read."""

    replied: NeutralReply
    body: dict[str, Any] | None  # in the client's format; None: the client wants a stream


class Forwarder:
    """Calls places with one client's request."""

    def __init__(
        self,
        client_request: ClientRequest,
        serving: Serving,
        wire: Wire,
        span: RequestSpan,
        *,
        budgeted: bool,
        keep_text: bool,
    ) -> None:
        """`budgeted`: calls are paid from budgets, so each needs a limit; `keep_text`: of streams, for the log."""
        self._span, self._is_traced = span, type(span) is not RequestSpan  # the base class records nothing
        self._client_request, self._serving, self._wire = client_request, serving, wire
        self._budgeted, self._keep_text = budgeted, keep_text
        self._neutral_request: NeutralRequest | None = None
        self._most_input = most_input_tokens(client_request.raw)
        self._stated_limit = stated_limit(client_request.wire, client_request.body)
        self.written: UpstreamRequest | None = None  # for the place that served, where it was translated
        self.parsed: ParsedReply | None = None  # likewise, where the client does not get the reply as it came
        self.overruled: tuple[str, ...] = ()  # fields of the last request that were not left to the application
        self.served: tuple[Candidate, PlaceCalls, str] | None = None  # the candidate, its calls, and why it was tried
        self.untranslatable: Exception | None = None  # why the last place could not be called
        self.key_problem = ""  # what the key did not allow, if anything
        self.is_budget_unknown = False  # of the last place that could not be paid for
        self.retry_after_s: float | None = None  # as the last place asked for
        self.waited_s = 0.0  # for providers

    @property
    def whole(self) -> bool:
        """Whether it waits for whole replies."""
        return not self._client_request.stream

    @property
    def may_be_cut(self) -> bool:
        """Whether the application itself limits the reply."""
        return self._stated_limit > 0

    async def __call__(
        self, context: Context, route: Route, place: Place, *, until: float, why: str, calls: PlaceCalls
    ) -> HopResult:
        """Call one place."""
        candidate = place.candidate
        key = self._client_request.key
        if key and (against := key.problem(route.task_class, candidate)):
            self.key_problem = against
            return HopResult(hop=idle_hop(place, SKIPPED, against, why))
        began = context.clock()
        try:
            provider = self._wire.forwarding(candidate.provider)
            if provider is None or candidate.strategy.name != "single_shot":
                return await self._by_text(context, route, place, until=until, why=why, calls=calls)
            request, written = self._request(provider, candidate, route)
            ask = recorded(context, candidate, calls, until)
            reply = await (self._traced(candidate, request, ask) if self._is_traced else ask(request))
            if reply.raw is not None and reply.raw.stream is not None and route.task_class in self._serving.buffer:
                reply = await _whole(reply)
            parsed = self._parse_reply(candidate, reply.raw, written)
        except ProviderError as error:
            self.retry_after_s = error.retry_after_s
            return HopResult(hop=calls.hop(type(error).__name__, str(error), why), problem=error)
        except OverBudget as error:
            self.is_budget_unknown = error.is_unknown
            return HopResult(hop=calls.hop(OVER_BUDGET, str(error), why), problem=error)
        except self._refusals() as error:
            self.untranslatable = error
            return HopResult(hop=calls.hop(UNTRANSLATABLE, str(error), why))
        finally:
            self.waited_s += context.clock() - began
        return self._result(candidate, calls, why, reply, (written, parsed))

    async def _traced(
        self, candidate: Candidate, request: RawRequest, ask: Callable[[RawRequest], Awaitable[Reply]]
    ) -> Reply:
        """Call within a span, which for a stream lasts until its end."""
        spec = self._wire.spec(candidate.provider)
        vendor = vendor_of(spec.name, spec.kind, spec.base_url)
        called = UpstreamCall(candidate=candidate.name, model=candidate.model, provider=vendor, base_url=spec.base_url)
        hop = self._span.call(called)

        def ended(end: Reply | ProviderError) -> None:
            if isinstance(end, ProviderError):
                hop.end(error=type(end).__name__, status=end.status, cost_usd=end.cost_usd)
            else:
                hop.end(status=200, served_model=end.served_model, usage=end.usage, cost_usd=end.cost_usd)

        try:
            reply = await ask(replace(request, headers={**request.headers, **hop.headers()}))
        except BaseException as error:
            hop.end(error=type(error).__name__, status=getattr(error, "status", None))
            raise
        if reply.raw is not None and reply.raw.stream is not None:
            reply.raw.stream.then(ended)
        else:
            ended(reply)
        return reply

    def _result(
        self,
        candidate: Candidate,
        calls: PlaceCalls,
        why: str,
        reply: Reply,
        words: tuple[UpstreamRequest | None, ParsedReply | None],
    ) -> HopResult:
        answer = Answer(text=reply.text, replies=(reply,), stop_reason=reply.stop_reason, latency_s=reply.latency_s)
        served = served_of(candidate.model, answer.replies)
        if reply.raw is not None and not reply.raw.has_content:
            said = empty(answer)
            return HopResult(hop=calls.hop(NO_ANSWER, said, why, served_model=served, latency_s=reply.latency_s))
        self.served, (self.written, self.parsed) = (candidate, calls, why), words
        hop = calls.hop("served", "", why, served_model=served, latency_s=reply.latency_s)
        return HopResult(hop=hop, answer=answer)

    def _parse_reply(
        self, candidate: Candidate, raw: RawReply | None, written: UpstreamRequest | None
    ) -> ParsedReply | None:
        """Parse a whole reply that is translated for the client, or sent as the stream that it asked for.

        Raises: BrokenReply where that cannot be done: another place may reply better.
        """
        to, stream = self._client_request.wire, self._client_request.stream
        if raw is None or not raw.has_content or not came_whole(raw) or not (stream or raw.wire != to):
            return None
        from routerctl.service.translate import read_reply, write_reply

        asked = self.neutral_request()
        try:
            if raw.wire == "responses":
                raise Odd("a whole response, and a stream was asked for")
            replied = read_reply(of_provider(raw), json.loads(raw.body))
            if not replied.blocks and replied.stop is not StopReason.REFUSAL:
                raise Odd("nothing of it can be carried to another API")
            replied = replace(replied, model=replied.model or candidate.model)
            created = int(time.time())
            body = (
                None
                if stream
                else write_reply(replied, api_format_of(to), written=written, asked=asked, created=created)
            )
        except (ValueError, RecursionError) as problem:
            shown = far_text(problem, "") if isinstance(problem, Odd) else "it cannot be read"
            raise BrokenReply(shown, provider=candidate.provider) from None
        return ParsedReply(replied=replied, body=body)

    # --- what is sent -------------------------------------------------------------------------------------------------

    def _request(
        self, provider: Forwarding, candidate: Candidate, route: Route
    ) -> tuple[RawRequest, UpstreamRequest | None]:
        """Write the request for one provider; raises Untranslatable."""
        client_request = self._client_request
        wire: RawWire = client_request.wire
        limit = self._limit(candidate)
        if wire in provider.wires:
            written, raw, body = None, client_request.raw, client_request.body
        else:
            written = self._written(provider, candidate, limit)
            wire, raw, body = self._other_wire(provider), b"", written.body
        fields = self._fields(wire, body, candidate, limit, provider.additions(wire))
        raw = edited(raw, body, fields) if raw else written_body({**body, **fields})
        return RawRequest(
            model=candidate.model,
            wire=wire,
            body=raw,
            most_input_tokens=self._most_input,
            most_output_tokens=limit * choices(client_request.wire, client_request.body),
            price=self._wire.pricer(candidate.provider, candidate.model),
            headers=client_request.headers if wire in ("messages", "count_tokens") else {},
            query=client_request.query if wire == client_request.wire else "",
            stream=client_request.stream,
            keep_text=self._keep_text or route.task_class in self._serving.buffer,
            first_s=self._serving.first_token_s if client_request.stream else None,
            idle_s=self._serving.idle_s if client_request.stream else None,
        ), written

    def _fields(
        self,
        wire: RawWire,
        body: Mapping[str, Json],
        candidate: Candidate,
        limit: int,
        additions: Mapping[str, Json],
    ) -> dict[str, Json]:
        """Give the fields to be set: the model, and what the application does not set itself."""
        fields: dict[str, Json] = {"model": candidate.model}
        if candidate.effort and wire in _EFFORT:
            fields |= _EFFORT[wire](body, candidate.effort)
        sampling = candidate.sampling
        for name in ("temperature", "top_p", "seed"):
            value = getattr(sampling, name)
            if value is not None and name not in body and wire in ("chat", "messages"):
                fields[name] = value
        if self._budgeted:
            fields |= bounds(wire, body, limit)
        if wire == "chat" and self._client_request.stream:
            options = body.get("stream_options")
            told: dict[str, Json] = options if isinstance(options, dict) else {}
            if told.get("include_usage") is not True:
                fields["stream_options"] = {**told, "include_usage": True}
        if self._client_request.routerctl_metadata and wire == self._client_request.wire:
            fields["metadata"] = self._client_request.own_metadata or None
        self.overruled = overruled(wire, body, additions)
        fields |= {name: value for name, value in additions.items() if name not in body or name in self.overruled}
        return fields | {name: None for name in self.overruled if name not in additions}

    def _limit(self, candidate: Candidate) -> int:
        """Give the most tokens that one choice of the reply can have: the application's limit, or the candidate's."""
        return self._stated_limit or candidate.max_tokens or self._serving.max_tokens

    # --- translated ---------------------------------------------------------------------------------------------------

    def _other_wire(self, provider: Forwarding) -> RawWire:
        return "messages" if "messages" in provider.wires else "chat"

    def neutral_request(self) -> NeutralRequest:
        """Give the request in its neutral form; raises Untranslatable."""
        from routerctl.service.translate import read_request

        if self._neutral_request is None:
            asked = self._client_request
            body = dict(asked.body)
            if asked.routerctl_metadata and not asked.own_metadata:
                del body["metadata"]
            self._neutral_request = read_request(api_format_of(asked.wire), body)
        return self._neutral_request

    def _written(self, provider: Forwarding, candidate: Candidate, limit: int) -> UpstreamRequest:
        from routerctl.service.translate import Untranslatable, write_request

        if self._client_request.wire in ("embeddings", "count_tokens"):
            raise Untranslatable(f"{candidate.provider} has no {self._client_request.wire}", param="model")
        to: ApiFormat = "messages" if self._other_wire(provider) == "messages" else "chat"
        return write_request(
            self.neutral_request(), to, model=candidate.model, max_tokens=limit, accepts=candidate.accepts
        )

    def _refusals(self) -> type[Exception]:
        from routerctl.service.translate import Untranslatable

        return Untranslatable

    async def _by_text(
        self, context: Context, route: Route, place: Place, *, until: float, why: str, calls: PlaceCalls
    ) -> HopResult:
        """Call through the candidate's strategy; raises Untranslatable where the request has more than text."""
        from routerctl.service.translate import Untranslatable, plain_turns

        if self._client_request.wire in ("embeddings", "count_tokens"):
            raise Untranslatable(f"{place.candidate.name} has no {self._client_request.wire}", param="model")
        system, turns = plain_turns(self.neutral_request(), why=f"{place.candidate.name} takes text only")
        prompt = Prompt(system=system, messages=tuple(Message(role=role, content=text) for role, text in turns))
        limit = self._limit(place.candidate)
        reply = replace(route.reply, max_tokens=limit, choices=(), json_schema=None)
        result = await ask_place(context, replace(route, reply=reply), place, prompt, until=until, why=why, calls=calls)
        if isinstance(result.problem, OverBudget):
            self.is_budget_unknown = result.problem.is_unknown
        if result.answer:
            self.served, self.written, self.parsed = (place.candidate, calls, why), None, None
        return result


def of_provider(raw: RawReply) -> ApiFormat:
    """Give the wire whose words a reply is in."""
    return "messages" if raw.wire == "messages" else "chat"


def came_whole(raw: RawReply) -> bool:
    """Whether a reply is no stream, nor one that was held to its end."""
    return raw.stream is None and "event-stream" not in raw.headers.get("content-type", "")


async def _whole(reply: Reply) -> Reply:
    """Buffer a stream to its end; raises ProviderError where it breaks off, as the client has seen none of it."""
    raw = reply.raw
    if raw is None or raw.stream is None:
        return reply
    ends: list[Reply] = []
    raw.stream.then(lambda end: ends.append(end) if isinstance(end, Reply) else None)
    pieces = [piece async for piece in raw.stream]
    return replace(ends[0], raw=replace(raw, body=raw.body + b"".join(pieces), stream=None))


def _effort_of_chat(body: Mapping[str, Json], effort: str) -> dict[str, Json]:
    return {} if "reasoning_effort" in body else {"reasoning_effort": effort}


def _effort_of_responses(body: Mapping[str, Json], effort: str) -> dict[str, Json]:
    reasoning = body.get("reasoning")
    told: dict[str, Json] = reasoning if isinstance(reasoning, dict) else {}
    return {} if "effort" in told else {"reasoning": {**told, "effort": effort}}


def _effort_of_messages(body: Mapping[str, Json], effort: str) -> dict[str, Json]:
    config = body.get("output_config")
    told: dict[str, Json] = config if isinstance(config, dict) else {}
    return {} if "effort" in told else {"output_config": {**told, "effort": effort}}


_EFFORT = {"chat": _effort_of_chat, "responses": _effort_of_responses, "messages": _effort_of_messages}
