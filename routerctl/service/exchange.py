"""A parsed request -> routed, answered in the format of the client's API, and settled, however it ends.

Reads in the order in which things happen. Nothing is sent before the first content, so until then any place may be
tried; after that no other is. Whatever happens (an error, a deadline, a client that disconnects), every call is paid
for, logged and counted once. Place: between `app`, which speaks HTTP, and `routing`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from routerctl.errors import ProviderError, RouterctlError
from routerctl.notices import alarm
from routerctl.providers.pins import foreign_of, served_of, unpinned_words
from routerctl.routing.runtime import BeginOptions, Begun
from routerctl.service.forward import Forwarder, ParsedReply, of_provider
from routerctl.service.problems import Problem
from routerctl.service.request import ClientRequest, api_format_of, candidate_named
from routerctl.service.response import WholeEvents, WithoutUsage, response_failed_event
from routerctl.service.stream_transform import StreamTransform, TranslatedEvents
from routerctl.service.tracing import RequestSpan
from routerctl.types import Answer, Decision, RawReply, Reply, ReplyStream, Usage

if TYPE_CHECKING:
    from routerctl.service.translate import NeutralReply, NeutralRequest, StreamWriter, UpstreamRequest
    from routerctl.service.worker import Worker


@dataclass(slots=True, kw_only=True)
class Facts:
    """What is known of an exchange when it has ended, for metrics, spans and the access log."""

    decision: Decision | None = None
    usage: Usage | None = None
    cost_usd: Decimal = Decimal(0)
    perhaps_usd: Decimal = Decimal(0)
    first_token_s: float | None = None
    waited_s: float = 0.0  # for providers, until the first content
    streamed_s: float = 0.0  # from then to the end of a stream
    estimated: bool = False
    cancelled: bool = False


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One request on its way."""

    worker: Worker
    request: ClientRequest
    span: RequestSpan
    forwarder: Forwarder | None = None
    begun: Begun | None = None
    facts: Facts = field(default_factory=Facts)
    began: float = 0.0  # on the worker's clock
    writer: StreamWriter | None = None  # of the client's stream, where it is translated
    passed: WholeEvents | None = None  # where it is passed through
    has_ended: bool = False

    async def begin(self) -> RawReply | Answer:
        """Route it, up to the whole reply or a stream's first content.

        Raises: RouterctlError: nobody served it; `facts.decision` tells what was tried.
        """
        router = self.worker.router
        runtime, clock = router.runtime(), self.worker.clock
        opened = await runtime.router_for(router.tables, self.request.inquiry)
        table = opened[1].table
        candidate = candidate_named(self.request, table)
        serving = table.routing.serve
        self.forwarder = Forwarder(
            self.request,
            serving,
            opened[1].wire,
            self.span,
            budgeted=opened[1].context.budget_gate is not None,
            keep_text=table.routing.log_prompts,
        )
        how = BeginOptions(ask=self.forwarder, candidate=candidate, deadline_s=self._deadline_s(serving.total_s))
        self.began = clock()
        try:
            self.begun = await runtime.begin(router.tables, self.request.inquiry, opened=opened, how=how)
        except RouterctlError as error:
            self.facts.decision = error.decision
            raise
        finally:
            self.facts.waited_s = self.forwarder.waited_s
        self.facts.decision = self.begun.routed.decision
        self.facts.first_token_s = clock() - self.began
        for words in self.begun.routed.alarms:
            alarm(words)
        answer = self.begun.routed.answer
        raw = answer.replies[-1].raw if answer.replies else None
        return answer if raw is None else raw

    def _deadline_s(self, total_s: float) -> float:
        own = self.request.deadline_s
        return total_s if own is None else min(own, total_s)

    # --- in the client's format ---------------------------------------------------------------------------------------

    def transform_for(self, raw: RawReply) -> StreamTransform:
        """Give the transform that makes the client's stream of this one."""
        request = self.request
        if raw.wire != request.wire:
            from routerctl.service.translate import StreamReader

            return TranslatedEvents(StreamReader(of_provider(raw), has_content=raw.has_content), self._writer())
        options = request.body.get("stream_options")
        wants_usage = isinstance(options, dict) and options.get("include_usage") is True
        self.passed = WholeEvents() if request.wire != "chat" or wants_usage else WithoutUsage()
        return self.passed

    def translated_reply(self, answer: RawReply | Answer) -> dict[str, Any]:
        """Give a whole reply in the client's format."""
        from routerctl.service.translate import write_reply

        parsed = self._parsed()
        if parsed is not None and parsed.body is not None:
            return parsed.body
        return write_reply(
            self._replied(answer),
            api_format_of(self.request.wire),
            written=self._written(),
            asked=self._asked(),
            created=int(time.time()),
        )

    def as_stream(self, answer: RawReply | Answer) -> bytes:
        """Give a whole reply as the client's stream."""
        from routerctl.service.translate import events_of

        return b"".join(map(self._writer().write, events_of(self._replied(answer))))

    def failure_event(self, problem: Problem) -> bytes:
        """Give the error event of the client's API."""
        stream = _stream_of(self.begun.routed.answer) if self.begun else None
        if stream is not None and self.request.wire == "responses" and self.passed is not None:
            return response_failed_event(stream.began, self.passed.last, problem)
        return self._writer(self._unread()).fail(problem.status, problem.code, problem.message)

    def tokens(self) -> int:
        """Give the tokens that count against a key's limit: input and output; 0 where nothing was used.

        Where they are not known, as the client disconnected or the reply broke off, they are those of its admission.
        """
        facts = self.facts
        if facts.usage:
            return facts.usage.input_tokens + facts.usage.output_tokens
        was_used = facts.cancelled or (facts.decision and (facts.decision.cost_usd or facts.decision.perhaps_usd))
        return self.request.estimated_tokens if was_used else 0

    def _replied(self, answer: RawReply | Answer) -> NeutralReply:
        from routerctl.service.translate import plain_reply

        if (parsed := self._parsed()) is not None:
            return parsed.replied
        if isinstance(answer, RawReply):
            raise TypeError("a reply that came whole is parsed before it is an answer")
        whose = self.forwarder.served if self.forwarder else None
        served = answer.replies[-1].served_model or (whose[0].model if whose else "")
        return plain_reply(
            answer.text,
            answer.stop_reason,
            model=served,
            usage=answer.usage,
            id=self.facts.decision.id if self.facts.decision else "",
        )

    def _writer(self, asked: NeutralRequest | None = None) -> StreamWriter:
        from routerctl.service.translate import StreamWriter

        if self.writer is None:
            model = self.forwarder.served[0].model if self.forwarder and self.forwarder.served else self.request.model
            self.writer = StreamWriter(
                api_format_of(self.request.wire),
                asked or self._asked(),
                model=model,
                written=self._written(),
                input_tokens=self.request.estimated_tokens,
                created=int(time.time()),
            )
        return self.writer

    def _unread(self) -> NeutralRequest:
        """Give what was asked as far as an error needs it: what passed as it was need not be readable here."""
        from routerctl.service.translate import NeutralRequest

        return NeutralRequest(wire=api_format_of(self.request.wire), turns=(), body=self.request.body)

    def _parsed(self) -> ParsedReply | None:
        return self.forwarder.parsed if self.forwarder else None

    def _written(self) -> UpstreamRequest | None:
        return self.forwarder.written if self.forwarder else None

    def _asked(self) -> NeutralRequest:
        from routerctl.service.translate import read_request

        return (
            self.forwarder.neutral_request()
            if self.forwarder
            else read_request(api_format_of(self.request.wire), self.request.body)
        )

    # --- its end ------------------------------------------------------------------------------------------------------

    async def end(self) -> None:
        """Settle and log it, once; also where a stream is no longer read."""
        begun = self.begun
        if self.has_ended or begun is None:
            return
        self.has_ended = True
        answer, decision, stream = begun.routed.answer, begun.routed.decision, _stream_of(begun.routed.answer)
        final: Answer | None = answer
        if stream is not None:
            stream.abort()  # does nothing once it has ended
            end = stream.ended
            final = None if isinstance(end, ProviderError) else _whole(answer, end)
            decision = self._settled(decision, final, end)
        self.facts.decision = decision
        self.facts.cost_usd, self.facts.perhaps_usd = decision.cost_usd, decision.perhaps_usd
        if final is not None:
            self.facts.usage, self.facts.estimated = final.usage, final.usage.estimated
        await begun.end(decision, final)

    def _settled(self, decision: Decision, final: Answer | None, end: object) -> Decision:
        """Give the decision with the final cost of the stream, and how it ended."""
        if self.forwarder is None or self.forwarder.served is None:
            return decision
        candidate, calls, why = self.forwarder.served
        outcome, detail, served, latency_s = "served", "", None, None
        if isinstance(end, ProviderError):
            outcome, detail = type(end).__name__, f"broke off midway: {end}"
        elif self.facts.cancelled:
            detail = "the client disconnected before the end"
        if final is not None:
            served, latency_s = served_of(candidate.model, final.replies), final.latency_s
            if foreign := foreign_of(candidate.model, final.replies):
                alarm(unpinned_words(candidate.name, candidate.model, foreign))
        hop = calls.hop(outcome, detail, why, served_model=served, latency_s=latency_s)
        hops = tuple(hop if one.outcome == "served" else one for one in decision.hops)
        return replace(decision, hops=hops, total_s=self.worker.clock() - self.began)


def _stream_of(answer: Answer) -> ReplyStream | None:
    raw = answer.replies[-1].raw if answer.replies else None
    return raw.stream if raw else None


def _whole(answer: Answer, end: Reply) -> Answer:
    """Give the answer with what its stream brought."""
    return replace(answer, text=end.text, replies=(end,), stop_reason=end.stop_reason, latency_s=end.latency_s)
