"""The routing table and the decisions made by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from routerctl.types.asking import Candidate, Price, PromptSpec, ProviderSpec, ReplySpec, ScorerSpec
from routerctl.types.evaluation import Evidence, Mode, Stakes, TopRung


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
    top_rung: TopRung = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One rung tried for one prompt."""

    candidate: str
    served_model: str | None
    outcome: str  # "served", or the error's class name
    cost_usd: Decimal
    latency_s: float | None
    attempts: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was served for one prompt and why."""

    task_class: str
    decided_by: str  # "caller", "rule <name>" or "default"
    rungs: tuple[str, ...]  # the alternatives, in the order in which they would be tried
    hops: tuple[Hop, ...]  # () = explained, not called
    table_version: int
    table_digest: str
