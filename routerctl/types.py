"""The nouns of the project: from them one can guess the program.

A run turns `EvalSet`s and `Candidate`s into `Result`s; selection turns results into `Judgement`s and these
into the `Route`s of a `Table`; the router turns a prompt and a table into a `Decision`. Everything here is
frozen data; place: the first floor; knows no file, no network, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

Effort = Literal["low", "medium", "high", "xhigh", "max"]
Mode = Literal["proven", "margin", "point"]
StrategyName = Literal["single_shot", "self_consistency", "reflexion"]
Json = Any  # what json.loads gives


class StopReason(StrEnum):
    """Why a reply ended, in one vocabulary for all providers."""

    END = "end"
    MAX_TOKENS = "max_tokens"
    REFUSAL = "refusal"
    TOOL_USE = "tool_use"
    CONTEXT_FULL = "context_full"
    OTHER = "other"


class Status(StrEnum):
    """What became of one case: `FAILED` the call failed, `UNSCORED` the scorer could not decide; both count as not passed."""

    SCORED = "scored"
    FAILED = "failed"
    UNSCORED = "unscored"


class Verdict(StrEnum):
    """What the rule says of one candidate on one class.

    Mode `proven`: PROVEN, BELOW or NOT_PROVEN. Mode `margin`: WITHIN_MARGIN (the score reaches the bar and
    bar - margin is proven), else BELOW or NOT_PROVEN. Mode `point`: MET or NOT_MET, which speak of these cases only.
    """

    PROVEN = "proven"
    WITHIN_MARGIN = "within margin"
    MET = "met"
    BELOW = "below"
    NOT_PROVEN = "not proven"
    NOT_MET = "not met"

    @property
    def passes(self) -> bool:
        """Whether a candidate with this verdict may be chosen."""
        return self in (Verdict.PROVEN, Verdict.WITHIN_MARGIN, Verdict.MET)


# --- asking a model ---------------------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call. `input_tokens` counts every input token, cached ones included (OpenAI's convention)."""

    input_tokens: int = 0
    output_tokens: int = 0  # thinking included: it is billed as output
    cache_read_tokens: int = 0  # part of input_tokens
    cache_write_tokens: int = 0  # part of input_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model answered to one call; a refusal is a reply, not an error."""

    text: str
    stop_reason: StopReason
    served_model: str  # the id the provider says it served
    usage: Usage
    latency_s: float  # around the successful request itself: no queueing, no retries
    cost_usd: Decimal = Decimal(0)
    attempts: int = 1  # 1 = no retry
    mean_logprob: float | None = None  # mean natural-log probability of the reply's tokens, where the API gives it
    detail: str = ""  # e.g. the refusal's category


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a strategy delivered for one input, with every call it made."""

    text: str
    replies: tuple[Reply, ...]
    stop_reason: StopReason
    agreement: float | None = None  # self_consistency: share of samples that agree with the vote, in [0, 1]

    @property
    def cost_usd(self) -> Decimal:
        """The summed cost of all calls."""
        return sum((reply.cost_usd for reply in self.replies), Decimal(0))


# --- who may serve ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """Who is called and how; never holds the key itself, only the name of its variable."""

    name: str
    kind: str  # anthropic, openai, local, fake, or a plug-in's
    base_url: str | None = None
    api_key_env: str | None = None
    region: str | None = None
    concurrency: int = 8  # calls in flight at once
    timeout_s: float = 60.0  # for one attempt
    max_attempts: int = 4  # 1 = no retry
    usd_per_hour: Decimal | None = None  # self-hosted: priced by time instead of tokens
    options: Mapping[str, Json] = field(default_factory=dict)  # kind-specific, checked by the provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How a model is asked; `samples` is k of self_consistency, else 1."""

    name: StrategyName = "single_shot"
    samples: int = 1


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
    max_tokens: int | None = None  # overrides the eval set's, e.g. to leave room for thinking


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per million tokens, or per hour for a self-hosted model, with its date and source."""

    date: str  # ISO day on which the price was true
    source: str  # "genai-prices 0.2.3", "routerctl.yaml: <what the user wrote>", ...
    input_mtok_usd: Decimal | None = None
    output_mtok_usd: Decimal | None = None
    cache_read_mtok_usd: Decimal | None = None
    cache_write_mtok_usd: Decimal | None = None
    usd_per_hour: Decimal | None = None


# --- eval sets --------------------------------------------------------------------------------------------------------


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
    params: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question with its expected answer."""

    id: str
    input: Json
    expected: Json
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    weight: float = 1.0
    line: int = 0  # in the file it came from, 1-based


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSet:
    """The cases, scorer and bar of one task class."""

    name: str  # the task class
    description: str
    prompt: PromptSpec
    reply: ReplySpec
    scorer: ScorerSpec
    bar: float  # least pass rate, in (0, 1]
    pass_at: float  # a case passes when its score is at least this, in (0, 1]
    cases: tuple[Case, ...]
    max_cases: int | None
    digest: str  # sha256:... of everything above and of the files the scorer reads
    file: str


# --- scores and results -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a scorer says of one reply."""

    value: float  # in [0, 1]
    extracted: str | None  # the answer found in the reply, as text; None = none found
    explanation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One case answered by one candidate: one line of results.jsonl."""

    task_class: str
    candidate: str
    case_id: str
    index: int  # place in the planned order, 0-based
    input: Json  # the case's, so that evidence can be read without the eval set it came from
    expected: Json
    status: Status
    passed: bool
    score: float | None  # None unless SCORED
    extracted: str | None
    explanation: str
    reply: str
    stop_reason: StopReason | None  # None when FAILED
    served_model: str | None
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: Decimal  # what the calls cost when they were made
    latency_s: float | None  # of the whole strategy; None when FAILED
    cached: bool  # True: nothing was paid in this run
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassHeader:
    """What a run's header says of one eval set."""

    task_class: str
    description: str
    digest: str  # of the eval set
    bar: float
    pass_at: float
    n: int  # cases planned
    prompt: PromptSpec
    reply: ReplySpec
    scorer: ScorerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHeader:
    """run.json: everything needed to say what a number of the run was."""

    run_id: str
    created_at: str  # ISO 8601, UTC
    finished: bool  # False: interrupted, or still running
    seed: int
    mode: Mode
    risk: float  # per class, divided by the candidates of the ladder
    margin: float
    full: bool  # True: the whole grid, no early stopping
    ladder_name: str
    ladder: tuple[str, ...]  # candidate names, cheapest first
    providers: Mapping[str, ProviderSpec]
    candidates: Mapping[str, Candidate]
    prices: Mapping[str, Price]  # by candidate
    classes: Mapping[str, ClassHeader]
    software: Mapping[str, str]  # routerctl, Python, SDKs, platform, local weights' digests


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as read back: its header and results in the order they were written."""

    header: RunHeader
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on one candidate and what it rests on."""

    verdict: Verdict
    cases: int  # cases the rule looked at before it stopped
    passes: int  # of those
    n: int  # cases planned
    bar: float
    alpha: float  # this candidate's share of the class's risk
    interval: tuple[float, float]  # valid at any stopping time, level 1 - alpha (Robbins 1970)
    good_enough: float | None  # true accuracy that passes this test 90 % of the time; None: the set is too small
    least_cases: int | None  # a perfect score proves the bar from here on; None: bar 1 cannot be proven
    needed_cases: int | None  # enough to prove it with 80 % power if the truth is what was seen; None: no set size will

    @property
    def score(self) -> float | None:
        """Share of cases passed; None before the first."""
        return self.passes / self.cases if self.cases else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one class's run says of one candidate."""

    candidate: str
    judgement: Judgement
    failed: int
    unscored: int
    refused: int
    truncated: int
    served_models: tuple[str, ...]
    cost_per_case_usd: Decimal | None  # None without a case
    cost_per_accepted_usd: Decimal | None  # None without a pass
    latency_p50_s: float | None
    latency_p95_s: float | None


# --- the table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition on the prompt that names its task class; every condition given must hold."""

    name: str
    task_class: str
    min_chars: int | None = None
    max_chars: int | None = None
    regex: str | None = None
    keywords: tuple[str, ...] = ()  # any of them, as whole words, case-insensitive
    is_json: bool | None = None
    has_code: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One class's part of the table."""

    task_class: str
    description: str
    bar: float
    chosen: str  # candidate name
    passing: bool  # False: nothing passed, the top rung serves, flagged
    rungs: tuple[str, ...]  # serving order: the chosen candidate, then its fallbacks up the ladder
    evidence: tuple[Evidence, ...]  # ladder order; only candidates that were run
    run_id: str
    eval_set_digest: str
    prompt: PromptSpec
    reply: ReplySpec
    scorer: ScorerSpec  # its extraction is what self_consistency votes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`routes.yaml`: the lock file for model choice."""

    table_version: int
    digest: str  # sha256 over everything else
    ladder_name: str
    ladder: tuple[str, ...]  # candidate names, cheapest first
    mode: Mode
    risk: float  # per class
    margin: float
    seed: int
    rules: tuple[Rule, ...]
    default_class: str | None
    providers: Mapping[str, ProviderSpec]
    candidates: Mapping[str, Candidate]
    prices: Mapping[str, Price]  # by candidate
    routes: Mapping[str, Route]
