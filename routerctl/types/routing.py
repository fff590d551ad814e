"""The nouns of `routing`: what a caller asks, who may serve it under which policy, and what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from routerctl.types.asking import Candidate, Json, Price, PromptSpec, ProviderSpec, ReplySpec, ScorerSpec
from routerctl.types.evaluation import (
    Bar,
    Evidence,
    Level,
    Mode,
    Objective,
    RelativeBar,
    Stakes,
    TopRung,
    WhenUnproven,
)
from routerctl.types.limits import Budget, Tenant, Tier, UnknownTenant, WhenDown

UnknownModel = Literal["refuse", "auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What a caller hands in: a line of `route --jsonl`. Rules see all of it; a model sees only the prompt."""

    prompt: Json  # a text, or an object with the template's fields
    task_class: str | None = None
    id: str | None = None
    tenant: str | None = None
    user: str | None = None  # of the tenant: budgets may be per user
    step: str | None = None  # of an agent's toolchain: plan, extract, write, ...
    features: Mapping[str, Json] = field(default_factory=dict)  # whatever the application knows: plan, locale, flag
    attachments: tuple[str, ...] = ()  # what comes beside the text, by kind: image, pdf, audio, ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What may be said of an inquiry; everything given must hold."""

    min_chars: int | None = None
    max_chars: int | None = None
    min_words: int | None = None
    max_words: int | None = None
    keywords: tuple[
        str, ...
    ] = ()  # any of them; letters at their ends are ends of words, case and kind of blank say nothing
    regex: str | None = None  # RE2 syntax, which takes linear time on any text
    is_json: bool | None = None
    has_code: bool | None = None
    language: tuple[str, ...] = ()  # any of these ISO 639-1 codes; a text too short to tell is none of them
    tenant: tuple[str, ...] = ()  # any of them
    step: tuple[str, ...] = ()  # any of them
    features: Mapping[str, Json] = field(default_factory=dict)  # each equal to the inquiry's; a list: any of it
    attachments: tuple[str, ...] = ()  # any of them is there
    has_attachment: bool | None = None
    all_of: tuple[Condition, ...] = ()
    any_of: tuple[Condition, ...] = ()
    none_of: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition on the inquiry that names its task class."""

    name: str
    task_class: str
    when: Condition = field(default_factory=Condition, metadata={"inline": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Residency:
    """Where inquiries of a kind may be answered: only by providers of these regions."""

    name: str
    regions: tuple[str, ...]
    task_class: tuple[str, ...] = ()  # any of these classes; () = any class
    when: Condition = field(default_factory=Condition, metadata={"inline": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier:
    """What names the class of a prompt that no rule names: a trained file, or a candidate that is asked."""

    file: str | None = None  # beside the table; `routerctl train` writes it
    digest: str = ""  # sha256:... of the file, pinned in the table
    candidate: str | None = None  # a model classifies instead
    priors: Mapping[str, float] = field(default_factory=dict)  # class -> share of the traffic; () = as trained


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How `routerctl serve` treats the requests of applications."""

    unknown_model: UnknownModel = "refuse"  # one that is no candidate, pinned id, class or "auto"
    buffer: tuple[str, ...] = ()  # classes whose streams are held until the whole reply has been checked
    max_tokens: int = 8192  # of a reply to which neither the application nor its candidate sets a limit
    first_token_s: float | None = None  # until a stream's first content at one place; None: the provider's timeout_s
    idle_s: float = 60.0  # the longest silence of a stream after that
    total_s: float = 600.0  # the longest that a request takes, its stream included
    keepalive_s: float = 15.0  # after so long a silence a client is told that its stream lives
    max_body_mb: float = 32.0  # of a request
    max_in_flight: int = 1000  # requests of one worker at once; more are asked to come again
    limits_when_down: WhenDown = "fail_open"  # limits of keys, where the shared state cannot be reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """How prompts are served; part of routerctl.yaml and of the table."""

    deadline_s: float | None = None  # for one inquiry, shared by all its hops; None: the providers' own limits
    hedge: bool = False  # after the candidate's measured p95, ask the next place as well; the first reply wins
    spill: bool = False  # a local model is passed by while it loads, where a later place answers at once
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # class or "default" -> signal -> least
    residency: tuple[Residency, ...] = ()
    successors: Mapping[str, str] = field(default_factory=dict)  # retired model id -> candidate that takes its place
    state: str | None = None  # redis://host/0#project, or $VARIABLE that holds it; None: a file beside the table
    budgets: tuple[Budget, ...] = ()
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    unknown_tenant: UnknownTenant = "refuse"  # one that nothing here names, where `tenants` names some
    serve: Serving = Serving()
    log: bool = True  # keep the decision log at all
    log_prompts: bool = False  # keep prompt and reply in the decision log
    log_days: int | None = None  # how long decisions are kept; None: for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a table says beside its evidence, compiled from the project."""

    rules: tuple[Rule, ...] = ()
    default_class: str | None = None
    classifier: Classifier | None = None
    routing: Routing = Routing()
    retirements: Mapping[str, str] = field(default_factory=dict)  # model id -> ISO day
    beside: tuple[str, ...] = ()  # candidates that serve without standing on a ladder
    # As they are now; of what has evidence only the policy counts (`with_policy_of`, prices of other places).
    providers: Mapping[str, ProviderSpec] = field(default_factory=dict)
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)
    objective: Objective | None = None  # what its candidates are chosen by, beside the bars


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One class's part of the table."""

    task_class: str
    description: str
    bar: Bar
    chosen: str  # candidate name
    level: Level  # of the chosen candidate's evidence
    verdict: str = ""  # what was found of the chosen candidate, in words
    rule: str = ""  # what passing and being dropped mean here, in two sentences; "" where nothing was run
    rungs: tuple[str, ...]  # serving order: the chosen candidate, then its fallbacks up the ladder
    evidence: tuple[Evidence, ...]  # ladder order; only candidates that were run
    run_id: str
    eval_set_digest: str
    prompt: PromptSpec
    reply: ReplySpec
    scorer: ScorerSpec  # its extraction is what self_consistency votes on
    stakes: Stakes = Stakes()
    labels_digest: str = ""  # of the human labels that the judge's verdicts were held to
    when_unproven: WhenUnproven = "provisional"
    lowered_from: Bar | None = None  # the highest bar that was tested before and not proven; None: none was higher
    lowered_score: float | None = None  # what that one came to on its cases, where it was against a model
    today: str = ""  # the candidate that serves the class now, against which money and risk are told; "": not known

    @property
    def target(self) -> float:
        """The bar as a score: of a relative one the reference's on these cases, less what it allows."""
        if not isinstance(self.bar, RelativeBar):
            return self.bar
        known = (one.judgement.bar for one in self.evidence if one.judgement.cases)
        return next(known, 1 - self.bar.within)

    @property
    def passing(self) -> bool:
        """Whether the chosen candidate is at its bar: proven, its reference, or provisional."""
        return self.level != "best available"

    @property
    def settled(self) -> bool:
        """Whether no proof is missing: there is one, or the chosen candidate is the reference of its own bar."""
        return self.level in ("proven", "reference")


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
    classifier: Classifier | None = None
    routing: Routing = Routing()
    retirements: Mapping[str, str] = field(default_factory=dict)  # model id -> ISO day of its end, as known when built
    providers: Mapping[str, ProviderSpec]
    candidates: Mapping[str, Candidate]
    prices: Mapping[str, Price]  # by candidate; of its other places by "candidate@provider"
    routes: Mapping[str, Route]
    top_rung: TopRung = "report"
    objective: Objective | None = None  # what the candidates were chosen by; None: class by class


class PlaceKey(NamedTuple):
    """Where a model is asked: what health is kept of."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One call of one candidate at one place, for one inquiry."""

    candidate: str
    served_model: str | None
    # "served", "not confident", "no answer", "skipped", "over budget", "classified", "cancelled" (nobody waited for the
    # reply: the other one of a hedge won, Ctrl-C, the process ended), or the error's class name
    outcome: str
    cost_usd: Decimal  # as far as it is known
    latency_s: float | None
    attempts: int
    detail: str = ""
    provider: str = ""
    model: str = ""  # the pin that was asked for
    why: str = "first"  # first, retry elsewhere, fallback, escalation, hedge, spill, redirect
    confidence: Mapping[str, float] = field(default_factory=dict)  # of the signals that have a threshold, in [0, 1]
    perhaps_usd: Decimal = Decimal(0)  # beside `cost_usd`, at most: of calls whose tokens nobody told


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was served for one inquiry and why."""

    task_class: str
    decided_by: str  # "caller", "rule <name>", "classifier" or "default"
    rungs: tuple[str, ...]  # the alternatives, in the order in which they would be tried
    hops: tuple[Hop, ...]  # () = explained, not called
    table_version: int
    table_digest: str
    id: str = ""  # in the decision log; "" = explained, not served
    scores: Mapping[str, float] = field(default_factory=dict)  # the classifier's probability of each class
    known: float | None = None  # how sure it was of its likeliest class, none of them being a choice; None: not asked
    least_known: float | None = None  # with less it says "unknown"
    propensity: float = 1.0  # chance that this inquiry had of getting this class's first rung
    arm: str = ""  # "<experiment>:A" or "<experiment>:B", where there is one
    unit: str = ""  # digest of what the experiment splits by: inquiries of one unit have one arm
    decision_s: float | None = None  # time to decide, calls apart
    total_s: float | None = None  # from the inquiry to the answer
    level: Level | None = None  # how well the class's first rung was shown by that table; None: not known

    @property
    def candidate(self) -> str | None:
        """The candidate that served; None where nobody did, or nobody was asked."""
        return next((hop.candidate for hop in self.hops if hop.outcome == "served"), None)

    @property
    def places_called(self) -> int:
        """How many places were called, whatever came of it."""
        return sum([1 for hop in self.hops if hop.attempts])

    @property
    def cost_usd(self) -> Decimal:
        """What the inquiry cost as far as it is known, hops that gave nothing included."""
        return sum((hop.cost_usd for hop in self.hops), Decimal(0))

    @property
    def perhaps_usd(self) -> Decimal:
        """What it may have cost beside that, at most: calls whose tokens nobody told."""
        return sum((hop.perhaps_usd for hop in self.hops), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A table that is tried on a share of the traffic; everything that its statistics need was fixed at its start."""

    name: str
    table: str  # B's file, beside routes.yaml
    digest_a: str  # of routes.yaml when it began
    digest_b: str
    share: float  # B's, in (0, 1)
    key: str  # what the split is by: "user", "tenant", "id" or a feature's name
    salt: str  # hexadecimal
    started_at: str  # ISO 8601, UTC
    least_difference: float  # of the feedback's means: what is to be found
    window_s: float  # for how long a key's feedback counts together, from its first
    cost_cap_usd: Decimal  # an answer's cost counts as a share of it
    slow_s: float  # an answer that takes longer is slow
    deviation: float = 0.5  # guess at one feedback's standard deviation; decides how soon, not whether rightly
    margin: float | None = None  # differences up to it do not matter
    alpha: float = 0.05
    more_cost: float = 0.5  # guardrails: B may cost so much more, relative to A,
    more_errors: float = 0.05  # fail so much more often, as a difference of shares,
    more_slow: float = 0.1  # and be slow so much more often
    ended_at: str = ""  # "" = it is on
    ended: str = ""  # promoted or aborted
    why: str = ""
