"""Eval sets, scores, results, runs and what is concluded from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from routerctl.types.asking import Candidate, Json, Price, PromptSpec, ProviderSpec, ReplySpec, ScorerSpec, StopReason

Mode = Literal["proven", "margin", "point"]
Measure = Literal["pass_rate", "mean_score"]  # what the bar is compared with
Method = Literal["exact", "betting", "clusters"]  # 0/1 cases; values in [0, 1] or weights; dependent cases
Trust = Literal["scorer", "judge", "labels"]  # whose word a verdict is: a program's, a model's, a human sample's
TopRung = Literal["report", "skip"]  # whether the last rung is tested too
WhenUnproven = Literal["provisional", "top_rung"]  # who serves where nothing is proven
# How well the candidate that serves a class is shown; the reference of a relative bar is at it by definition.
Level = Literal["proven", "reference", "provisional", "best available"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeBar:
    """A bar against a model: on the same cases, at most so much worse than it."""

    within: float  # share of cases (or of the mean score), in (0, 1)
    of: str  # the reference, a candidate of the ladder


Bar = float | RelativeBar  # least pass rate or mean score, in (0, 1]; or less a share than a model's


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What the table as a whole is to reach: an accuracy at most so much below a reference's, at the least cost."""

    within: float  # share of requests, in [0, 1)
    of: str  # a candidate's name; "today": the one that serves now; "best": the most accurate one for all


class Status(StrEnum):
    """What became of a case: FAILED the call failed, UNSCORED the scorer could not decide; both count as not passed."""

    SCORED = "scored"
    FAILED = "failed"
    UNSCORED = "unscored"


class Verdict(StrEnum):
    """What the rule says of one candidate on one class.

    PROVEN: the test passed; WITHIN_MARGIN, in mode `margin`: the score reaches the bar, and bar - margin is proven.
    REFERENCE: a relative bar is set by this very candidate, which is not worse than itself: nothing was tested.
    PROVISIONAL: not proven, but every planned case was run and the score on them reaches the bar. NOT_REACHED: on the
    planned cases the score does not reach the bar, or cannot any more; BELOW: there is evidence that the true accuracy
    does not either. NOT_PROVEN: open, as cases are missing. Mode `point` asks for no proof: PROVISIONAL or NOT_REACHED.
    """

    PROVEN = "proven"
    WITHIN_MARGIN = "within margin"
    REFERENCE = "reference"
    PROVISIONAL = "provisional"
    BELOW = "below"
    NOT_PROVEN = "not proven"
    NOT_REACHED = "not reached"

    @property
    def proven(self) -> bool:
        """Whether a proof stands behind it."""
        return self in (Verdict.PROVEN, Verdict.WITHIN_MARGIN)

    @property
    def settled(self) -> bool:
        """Whether no proof is missing: there is one, or the bar is the candidate's own."""
        return self.proven or self is Verdict.REFERENCE

    @property
    def passes(self) -> bool:
        """Whether a candidate with this verdict may be chosen for its cost."""
        return self.settled or self is Verdict.PROVISIONAL

    @property
    def missed(self) -> bool:
        """Whether the bar was missed, on the planned cases or beyond them."""
        return self in (Verdict.BELOW, Verdict.NOT_REACHED)

    @property
    def level(self) -> Level:
        """The level of a class that a candidate with this verdict serves."""
        if self is Verdict.REFERENCE:
            return "reference"
        return "proven" if self.proven else "provisional" if self.passes else "best available"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question with its expected answer."""

    id: str
    input: Json
    expected: Json
    tags: tuple[str, ...] = ()
    cluster: str | None = None  # cases of one cluster resemble each other (one document, one customer)
    weight: float = 1.0  # its share of the traffic, relative to the others
    batch: int = 1  # with which addition it came: later batches come after earlier ones in the planned order
    line: int = field(default=0, metadata={"file": False})  # in the file it came from, 1-based


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """What a task class is worth to whoever routes it; no verdict depends on it."""

    requests_per_month: float | None = None
    wrong_answer_usd: Decimal | None = None  # what one undetected wrong answer costs
    quality_critical: bool = False  # True: do not save on this class


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSet:
    """The cases, scorer and bar of one task class."""

    name: str  # the task class
    description: str
    prompt: PromptSpec
    reply: ReplySpec
    scorer: ScorerSpec
    bar: Bar
    pass_at: float  # a case passes when its score is at least this, in (0, 1]
    cases: tuple[Case, ...]
    max_cases: int | None  # the most cases this set will ever have: planned for from the start
    digest: str  # sha256:... of everything above and of the files the scorer reads
    file: str
    measure: Measure = "pass_rate"
    epochs: int = 1  # replies to each case, averaged within it
    grows: bool = False  # the set may grow to a size not known yet: attempt r gets alpha / 2^r
    stakes: Stakes = Stakes()
    when_unproven: WhenUnproven | None = None  # None: as routerctl.yaml says
    today: str | None = None  # the candidate that serves the class now; None: as routerctl.yaml says
    # Of the settings in the file, by their path: ("bar", "of") -> 7.
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict, compare=False, repr=False)


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
    expected: Json = None
    status: Status
    passed: bool
    score: float | None  # None unless SCORED
    extracted: str | None = None
    explanation: str = ""
    reply: str = ""
    stop_reason: StopReason | None = None  # None when FAILED
    served_model: str | None = None  # who answered, by the provider's word: of several calls another than the pin first
    calls: int
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal  # what the calls cost at the run's prices
    latency_s: float | None = None  # of the whole strategy; None when FAILED
    cached: bool = False  # True: no call of the candidate was made in this run
    error: str = ""
    epoch: int = 0  # which reply to the case, 0-based
    weight: float = 1.0  # the case's
    cluster: str | None = None  # the case's
    retries: int = 0  # attempts that failed before the calls succeeded
    agreement: float | None = None  # share of samples that agree with the vote, where there was one
    mean_logprob: float | None = None  # of the delivered reply, where the API gives it
    judge_calls: int = 0
    judge_usd: Decimal = Decimal(0)  # what judging cost, beside `cost_usd`
    judge_served: str | None = None  # the id that judged, where it is not the judge's pin
    served_by: str = ""  # whom a cascade escalated to; "" = it did not
    # What this run paid, where it is neither all nor nothing: a vote may find some of its samples in the cache.
    paid_calls: int | None = None  # of `calls`; None: all, or none where `cached`
    paid_usd: Decimal | None = None  # of `cost_usd`; None: likewise
    judge_paid_usd: Decimal | None = None  # of `judge_usd`; None: likewise
    judge_paid_calls: int | None = None  # of `judge_calls`; None: likewise
    recorded_usd: Decimal | None = field(default=None, metadata={"file": False})  # `cost_usd` in the file; None: this

    @property
    def made_usd(self) -> Decimal:
        """What its calls cost in their run, whatever the price has become since."""
        return self.cost_usd if self.recorded_usd is None else self.recorded_usd

    @property
    def calls_made(self) -> int:
        """How many of its calls were made in this run, the judge's not included."""
        paid = 0 if self.cached else self.calls
        return paid if self.paid_calls is None else self.paid_calls

    @property
    def judge_calls_made(self) -> int:
        """How many of the judge's calls were made in this run."""
        paid = 0 if self.cached else self.judge_calls
        return paid if self.judge_paid_calls is None else self.judge_paid_calls

    @property
    def spent_usd(self) -> Decimal:
        """What this run paid for it, judging included; the rest of what it cost had been paid before."""
        reply_usd, judge_usd = (Decimal(0), Decimal(0)) if self.cached else (self.made_usd, self.judge_usd)
        reply_usd = reply_usd if self.paid_usd is None else self.paid_usd
        return reply_usd + (judge_usd if self.judge_paid_usd is None else self.judge_paid_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassHeader:
    """What a run's header says of one eval set."""

    task_class: str
    description: str
    digest: str  # of the eval set
    bar: Bar
    pass_at: float
    n: int  # cases planned
    prompt: PromptSpec
    reply: ReplySpec
    scorer: ScorerSpec
    measure: Measure = "pass_rate"
    epochs: int = 1
    clusters: int = 0  # of the cases that are there; 0 = cases are independent
    max_weight: float = 1.0  # of a case
    total_weight: float = 0.0  # of the cases that are there; 0 = they weigh the same
    attempt: int = 1  # the greatest of `attempts`
    attempts: Mapping[str, int] = field(default_factory=dict)  # by candidate, this one included; () = the same for all
    lowered_from: Bar | None = None  # the highest bar that was tested before and not proven; None: none was higher
    lowered_score: float | None = None  # what that one came to on its cases, where it was against a model
    grows: bool = False
    judge: str = ""  # the candidate that judges, where the scorer is one
    stakes: Stakes = Stakes()
    cases: int = 0  # of the n planned, those that are there; 0 = all of them
    when_unproven: WhenUnproven = "provisional"
    today: str = ""  # the candidate that serves the class now; "": not known

    @property
    def weighted(self) -> bool:
        """Whether its cases weigh differently."""
        return self.total_weight > 0


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
    rungs: tuple[str, ...] = ()  # the candidates that were run, where only a part of the ladder was asked for
    top_rung: TopRung = "report"
    imported: tuple[str, ...] = ()  # the files that the outcomes came from, where no call was made
    baseline: str = ""  # the run or table it was made to be compared with
    speculation: int | None = None  # cases in flight that may prove needless; None: as many as concurrency allows
    compares_today: bool = False  # True: who serves a class today is asked all its cases, whatever the tests say
    perhaps_usd: Decimal = Decimal(0)  # the most that its attempts without a reply may be billed, beside what it paid


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as read back: its header and results in the order they were written."""

    header: RunHeader
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """What a candidate showed beside the reference of a relative bar, on the cases that both have."""

    reference: str  # the candidate that the others are compared with
    itself: bool  # True: this is the reference
    within: float
    pairs: int
    lost: float  # summed over the pairs: by how much the reference did better; cases, where these are 0/1
    gained: float  # likewise, by how much the candidate did better
    difference: float  # (weighted) mean of candidate - reference
    interval: tuple[float, float]  # of it, level 1 - alpha

    @property
    def hoped(self) -> float | None:
        """The difference at which `needed_cases` would prove it, as `Judgement.hoped`; None: nothing gives hope."""
        if self.difference >= -self.within - 1e-9:
            return max(self.difference, 0.01 - self.within)
        return self.interval[1] if self.interval[1] > -self.within else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on one candidate and what it rests on."""

    verdict: Verdict
    cases: int  # planned cases with an outcome, those after the end of the test included
    passes: int  # of those; with epochs: passed in more than half of them
    n: int  # cases planned
    bar: float  # of a relative bar: the reference's score on the same cases less what it allows
    alpha: float  # this candidate's share of the class's risk
    interval: tuple[float, float]  # valid at any stopping time, level 1 - alpha (Robbins 1970)
    good_enough: float | None  # true accuracy that is proven 9 times in 10; None: the set is too small
    least_cases: int | None  # a perfect score proves the bar from here on; None: bar 1 cannot be proven
    needed_cases: int | None  # enough to prove it with 80 % power at `hoped`; None: proven, or no set size will
    stopped_at: int | None = None  # cases after which the test had ended; None: not before the last, or none was held
    risk: float | None = None  # of a provisional one: P(a candidate at the bar does as well), the level that proves it
    margin: float = 0.0  # mode margin: bar - margin is what is to be proven; 0 in the other modes
    method: Method = "exact"
    mean: float | None = None  # method betting and clusters: the (weighted) mean that was compared with the bar
    clusters: int = 0  # method clusters: clusters looked at
    attempt: int = 1
    total_alpha: float | None = None  # error over all attempts, where there was more than one
    trust: Trust = "scorer"
    labels: int = 0  # trust labels: human labels that the verdict rests on
    labels_passed: int = 0  # of these
    corrected: float | None = None  # the judge's score corrected by the labels (PPI)
    corrected_low: float | None = None  # its lower bound at level 1 - alpha
    against: Against | None = None  # where the bar is relative

    @property
    def score(self) -> float | None:
        """What is compared with the bar: share of cases passed, or their mean; None before the first."""
        if self.mean is not None:
            return self.mean
        return self.passes / self.cases if self.cases else None

    @property
    def seen(self) -> float | None:
        """What hope rests on: the share of labels that passed, where these decide, else the score."""
        return self.labels_passed / self.labels if self.trust == "labels" and self.labels else self.score

    @property
    def hoped(self) -> float | None:
        """The accuracy at which `needed_cases` would prove it; None where nothing was seen or nothing gives hope.

        What was seen, where that reaches the bar (at least a point above it: at the bar itself no number of cases would
        do), else the most that the interval allows.
        """
        if self.seen is None:
            return None
        if self.seen >= self.bar - 1e-9:
            return min(max(self.seen, self.bar + 0.01), 1.0)
        return self.interval[1] if self.interval[1] > self.bar else None


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
    judge_served: tuple[str, ...] = ()  # ids that judged and are not the judge's pin
    cost_per_case_usd: Decimal | None  # None without a case
    cost_per_accepted_usd: Decimal | None  # None without a pass
    latency_p50_s: float | None
    latency_p95_s: float | None
    output_tokens_p99: int | None = None  # of one case, all its calls; None: not known
    retries: int = 0
    escalated: int = 0  # of a cascade: cases that the second candidate answered
    wrong_per_thousand: float | None = None  # delivered though wrong: not passed, neither failed nor refused


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedUsage:
    """What the answers of one candidate to one class took by the decision log, on average."""

    task_class: str
    candidate: str
    model: str  # the pin
    decisions: int
    calls: float
    input_tokens: float
    output_tokens: float
    latency_s: float
