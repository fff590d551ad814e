"""What is sent to a model and what comes back, and who may be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, Protocol

Effort = Literal["low", "medium", "high", "xhigh", "max"]
RawWire = Literal["chat", "responses", "messages", "count_tokens", "embeddings"]  # OpenAI's, Anthropic's
ApiFormat = Literal["chat", "responses", "messages"]  # of requests and replies, their streams and errors
StrategyName = Literal["single_shot", "self_consistency", "reflexion"]
Json = Any  # what json.loads gives
POLICY: Mapping[str, Any] = {"policy": True}  # marks a setting that changes no reply


class StopReason(StrEnum):
    """Why a reply ended, in one vocabulary for all providers."""

    END = "end"
    MAX_TOKENS = "max_tokens"
    REFUSAL = "refusal"
    TOOL_USE = "tool_use"
    CONTEXT_FULL = "context_full"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is sent: the last message is the user's."""

    system: str  # "" = none
    messages: tuple[Message, ...]
    shared: int = 0  # how many leading messages every request of the task class has in common (prompt-cache breakpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySpec:
    """What shape of reply is asked for; a provider that can constrain the reply to it does."""

    max_tokens: int = 1024  # visible reply and thinking together
    choices: tuple[str, ...] = ()  # () = free text
    json_schema: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Sampling parameters, for providers that take them (OpenAI-compatible and local; Claude 5.x does not)."""

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One call to one pinned model, free of any provider's vocabulary."""

    model: str
    prompt: Prompt
    reply: ReplySpec
    effort: Effort | None = None
    sampling: Sampling = Sampling()
    sample: int = 0  # 0-based number of the sample of a strategy: makes repeated calls distinct in the cache
    epoch: int = 0  # 0-based number of the reply to the same case: likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRequest:
    """One call to one pinned model in the words of a vendor's API, as an application wrote it."""

    model: str
    wire: RawWire  # whose words they are
    body: bytes  # JSON
    most_input_tokens: int  # that the prompt can be
    most_output_tokens: int  # that the reply can have
    price: Callable[[Usage, float], Decimal]  # of tokens and seconds, in USD
    headers: Mapping[str, str] = field(default_factory=dict)  # to be sent beside the provider's own
    query: str = ""  # behind the path; "" = none
    stream: bool = False
    keep_text: bool = False  # of a stream: what it says is wanted at its end
    first_s: float | None = None  # of a stream: until its first content; None: as long as any attempt may take
    idle_s: float | None = None  # likewise: the longest silence after that


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call. `input_tokens` counts every input token, cached ones included (OpenAI's convention)."""

    input_tokens: int = 0
    output_tokens: int = 0  # thinking included: it is billed as output
    cache_read_tokens: int = 0  # part of input_tokens
    cache_write_tokens: int = 0  # part of input_tokens
    estimated: bool = False  # the provider did not count all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered to one call; a refusal is a reply, not an error."""

    text: str
    stop_reason: StopReason
    served_model: str  # the id the provider says it served; "" = it does not say
    usage: Usage
    latency_s: float  # around the successful request itself: no queueing, no retries
    cost_usd: Decimal = Decimal(0)
    attempts: int = 1  # 1 = no retry
    lost_s: float = 0.0  # seconds of the attempts that failed before it: where time is the price, they cost as well
    failed_usd: Decimal = Decimal(0)  # beside `cost_usd`: of the attempts that failed before it and told their tokens
    perhaps_usd: Decimal = Decimal(0)  # likewise, at most, of those that may be billed and told none
    mean_logprob: float | None = None  # mean natural-log probability of the reply's tokens, where the API gives it
    detail: str = ""  # e.g. the refusal's category
    raw: RawReply | None = None  # of a `RawRequest`: what came


class ReplyStream(Protocol):
    """The rest of a reply that is still coming, in pieces as they come."""

    priced: Callable[[Any], Any]  # what the wire makes of its end, before anybody is told
    ended: Any  # its end, once it has one
    began: Any  # of OpenAI's Responses: the response as it was when it began

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give what comes; raises ProviderError where it breaks off."""

    def then(self, told: Callable[[Any], None]) -> None:
        """Have somebody told of its end, once: the whole `Reply`, or the `ProviderError` that ended it."""

    def abort(self, problem: Any = None) -> None:
        """End it: nobody wants the rest any more, or `problem` (a ProviderError) is in its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReply:
    """What a far side sent in answer to a `RawRequest`, as it sent it."""

    wire: RawWire
    headers: Mapping[str, str]  # whatever the case of their names
    body: bytes  # all of it; of a stream what came up to its first content
    has_content: bool  # a text, a tool call or a refusal stands in it
    stream: ReplyStream | None = None  # None: `body` is all


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a strategy delivered for one input, with every call it made."""

    text: str
    replies: tuple[Reply, ...]
    stop_reason: StopReason
    latency_s: float  # of the whole strategy: calls made side by side count once; no queueing, no retries
    agreement: float | None = None  # self_consistency: share of samples that agree with the vote, in [0, 1]
    served_by: str = ""  # the candidate that a cascade escalated to; "" = it did not
    confidence: Mapping[str, float] = field(default_factory=dict)  # of a cascade's first reply, by signal, in [0, 1]

    @property
    def is_coming(self) -> bool:
        """Whether the rest of it is still to come."""
        return any(reply.raw is not None and reply.raw.stream is not None for reply in self.replies)

    @property
    def cost_usd(self) -> Decimal:
        """The summed cost of all calls."""
        return sum((reply.cost_usd for reply in self.replies), Decimal(0))

    @property
    def usage(self) -> Usage:
        """The summed tokens of all calls."""
        if len(self.replies) == 1:
            return self.replies[0].usage
        names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
        counts = {name: sum(getattr(reply.usage, name) for reply in self.replies) for name in names}
        return Usage(**counts, estimated=any(reply.usage.estimated for reply in self.replies))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """Who is called and how; never holds the key itself, only the name of its variable."""

    name: str
    kind: str  # anthropic, openai, local, fake, or a plug-in's
    base_url: str | None = None
    api_key_env: str | None = field(default=None, metadata=POLICY)
    region: str | None = None
    concurrency: int = field(default=8, metadata=POLICY)  # calls in flight at once
    timeout_s: float = field(default=60.0, metadata=POLICY)  # for one attempt
    max_attempts: int = field(default=4, metadata=POLICY)  # 1 = no retry
    usd_per_hour: Decimal | None = field(default=None, metadata=POLICY)  # self-hosted: priced by time, not by tokens
    options: Mapping[str, Json] = field(default_factory=dict)  # kind-specific, checked by the provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How a model is asked; `samples` is k of self_consistency, else 1."""

    name: StrategyName = "single_shot"
    samples: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """What makes a candidate a cascade: who is asked instead where its own reply is not confident."""

    to: str  # a candidate
    below: Mapping[str, float]  # confidence signal -> threshold: any signal below its threshold escalates


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherPlace:
    """Another provider of a candidate's model: the same weights, so the same evidence."""

    provider: str
    model: str | None = None  # the model's pinned id there; None = the same
    region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Provider + pinned model id + effort + strategy (+ region) that may serve."""

    name: str
    provider: str
    model: str
    effort: Effort | None = None
    strategy: Strategy = Strategy()
    region: str | None = None
    sampling: Sampling = Sampling()
    max_tokens: int | None = None  # the smaller of this and the eval set's holds; this one where the model thinks
    also: tuple[OtherPlace, ...] = field(
        default=(), metadata=POLICY
    )  # where else it may serve; evidence is of `provider`
    escalation: Escalation | None = None
    # Sampling parameters (temperature, top_p, top_k) that its model takes from an application on Anthropic's wire.
    accepts: tuple[str, ...] = field(default=(), metadata=POLICY)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """USD per million tokens that every token of a call costs whose prompt is longer than a number of tokens.

    In routerctl.yaml the tiers of a price stand below it, the shorter prompts first, each with all that it charges:

        tiers:
        - {above_input_tokens: 200000, input_mtok_usd: 6, output_mtok_usd: 22.5, cache_read_mtok_usd: 0.6}
    """

    above_input_tokens: int  # cached ones included
    input_mtok_usd: Decimal
    output_mtok_usd: Decimal
    cache_read_mtok_usd: Decimal | None = None  # None: as any input of this tier
    cache_write_mtok_usd: Decimal | None = None  # likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per million tokens, or per hour for a self-hosted model, with its date and source."""

    date: str  # ISO day on which the price was true
    source: str  # "genai-prices 0.2.3", "routerctl.yaml: <what the user wrote>", ...
    input_mtok_usd: Decimal | None = None
    output_mtok_usd: Decimal | None = None
    cache_read_mtok_usd: Decimal | None = None
    cache_write_mtok_usd: Decimal | None = None
    request_usd: Decimal | None = None  # a call, beside its tokens
    tiers: tuple[PriceTier, ...] = ()  # what longer prompts cost, the shorter ones first
    usd_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One few-shot example: an input in the template's shape and the reply it should get."""

    input: Json
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSpec:
    """How a case's input becomes a prompt."""

    system: str = ""
    template: str = "{{ input }}"  # jinja2, sandboxed
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerSpec:
    """A scorer's registered name and its parameters."""

    name: str
    params: Mapping[str, Json] = field(default_factory=dict, metadata={"rest": True})
