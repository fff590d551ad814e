"""routerctl.yaml -> a `Project`: candidates, ladders, risks, and the rules that name a task class.

It checks that the file is whole and that its parts agree, not whether a model id is pinned and has a price.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from routerctl.classify.rules.problems import condition_problems
from routerctl.errors import InputError, in_percent, nearest
from routerctl.evaluation.project_routing import VARIABLE, check_limits, check_serving, require_known
from routerctl.files.codec import decode
from routerctl.files.document import Document, PathParts, check_schema_version
from routerctl.files.yaml import parse_yaml, read_text
from routerctl.providers.addresses import ENDPOINT
from routerctl.types import (
    Candidate,
    Classifier,
    Condition,
    EvalSet,
    Mode,
    Objective,
    PriceTier,
    ProviderSpec,
    Routing,
    Rule,
    Sampling,
    TopRung,
    WhenUnproven,
)

PROJECT_FILE = "routerctl.yaml"
SCHEMA_VERSION = 1
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_ADDRESS = re.compile(r"https?://[^\s/@]+(/\S*)?\Z")
_NO_SAMPLING = ("anthropic",)  # its API has no sampling parameters (SDK 2.x)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceOverride:
    """A price the user states; it wins over the price list's. What longer prompts cost is in `tiers` (`PriceTier`)."""

    provider: str  # a name from `providers`
    model: str
    input_mtok_usd: Decimal
    output_mtok_usd: Decimal
    date: str  # ISO day
    source: str  # where the user has it from
    cache_read_mtok_usd: Decimal | None = None
    cache_write_mtok_usd: Decimal | None = None
    request_usd: Decimal | None = None  # a call, beside its tokens
    tiers: tuple[PriceTier, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What routerctl.yaml says."""

    schema_version: int
    ladder: str  # the ladder used unless --ladder names another
    ladders: Mapping[str, tuple[str, ...]]  # candidate names, cheapest first
    providers: Mapping[str, ProviderSpec]
    candidates: Mapping[str, Candidate]
    mode: Mode = "proven"
    risk: float = 0.05  # of choosing a candidate below the bar, per task class
    family_risk: float | None = None  # of doing so in any of the classes; divided by them it takes the place of `risk`
    margin: float = 0.03  # of mode `margin`
    seed: int = 0  # of the cases' order
    top_rung: TopRung = "report"  # skip: the last rung is not tested, and serves where nothing passes
    when_unproven: WhenUnproven = "provisional"  # top_rung: it serves where nothing is proven; an eval set may override
    today: str | None = None  # the candidate that serves now, with which money and risk are compared; likewise
    objective: Objective | None = None  # what the table as a whole is to reach; the bars hold as floors
    speculation: int | None = None  # cases in flight that may prove needless; None: as many as concurrency allows
    prices: tuple[PriceOverride, ...] = ()
    rules: tuple[Rule, ...] = ()
    default_class: str | None = None
    classifier: Classifier | None = None  # asked where no rule holds
    routing: Routing = Routing()  # how prompts are served
    root: Path = field(default=Path(), metadata={"file": False})
    lines: Mapping[PathParts, int] = field(default_factory=dict, metadata={"file": False}, compare=False, repr=False)

    def ladder_named(self, name: str | None) -> tuple[str, tuple[str, ...]]:
        """Give the name and the candidates of a ladder, the default one for None.

        Raises: InputError with the nearest right name.
        """
        chosen = name or self.ladder
        if chosen not in self.ladders:
            raise InputError(f"no ladder {chosen!r}{nearest(chosen, self.ladders)}", file=PROJECT_FILE)
        return chosen, self.ladders[chosen]

    def risk_per_class(self, classes: int) -> float:
        """Give the risk of each of so many task classes."""
        return self.risk if self.family_risk is None else self.family_risk / classes

    def unproven_of(self, eval_set: EvalSet) -> WhenUnproven:
        """Say what serves a class where nothing is proven: its eval set says so, or that quality is critical."""
        critical = "top_rung" if eval_set.stakes.quality_critical else self.when_unproven
        return eval_set.when_unproven or critical

    def error(self, path: PathParts, problem: str) -> InputError:
        """Make the error that points at `path`."""
        return Document(file=PROJECT_FILE, value=None, lines=self.lines).error(path, problem)


def load_project(root: Path) -> Project:
    """Read and check routerctl.yaml in `root`.

    Raises: InputError with file, line and what was expected; all that is wrong is in it and its `more`.
    """
    project, document = noted_project(root)
    document.raise_noted()
    return project


def noted_project(root: Path) -> tuple[Project, Document]:
    """Read routerctl.yaml in `root`; all that is wrong is noted. A value that could not be read is some other one.

    Raises: InputError where nothing can be said of its parts: there is no such file, or it is not YAML.
    """
    path = root / PROJECT_FILE
    if not path.exists():
        raise InputError("no such file here; `routerctl init` writes one", file=PROJECT_FILE)
    document = parse_yaml(read_text(path, PROJECT_FILE), PROJECT_FILE).noting()
    check_schema_version(document, SCHEMA_VERSION)
    project = _with_defaults(decode(Project, document), document)
    if not any(map(document.cannot_name, ("providers", "candidates", "ladders"))):
        _check_project(project, document)
    return replace(project, root=root, lines=document.lines), document


def _check_project(project: Project, document: Document) -> None:
    _check_policy(project, document)
    _check_today(project, document)
    for provider in project.providers.values():
        _check_provider(provider, document)
    for candidate in project.candidates.values():
        _check_candidate(candidate, project, document)
    _check_ladders(project, document)
    _check_prices(project, document)
    check_rules(project.rules, document)
    check_serving(project.candidates, project.providers, project.routing, project.classifier, document)
    check_limits(project.routing, project.ladders, project.candidates, project.providers, document)


def _with_defaults(project: Project, document: Document) -> Project:
    """Let a local model answer one request at a time unless the user says otherwise: more would wait for the cores."""
    providers = {
        name: replace(item, concurrency=1)
        if item.kind == "local" and ("providers", name, "concurrency") not in document.lines
        else item
        for name, item in project.providers.items()
    }
    return replace(project, providers=providers)


def _check_policy(project: Project, document: Document) -> None:
    family = project.family_risk
    for name, share in (("risk", project.risk), ("margin", project.margin), ("family_risk", family)):
        expected = f"expected a number between 0 and 1, got {share}{in_percent(share or 0)}"
        document.require(share is None or 0 < share < 1, (name,), expected)
    alone = family is None or ("risk",) not in document.lines
    document.require(alone, ("family_risk",), "risk and family_risk exclude each other")
    _check_objective(project, document)
    few = project.speculation
    document.require(few is None or few >= 0, ("speculation",), "expected a whole number from 0")
    require_known(project.ladder, project.ladders, "ladder", document, ("ladder",))


def _check_objective(project: Project, document: Document) -> None:
    aim = project.objective
    if aim is None:
        return
    path = ("objective",)
    expected = f"expected a share from 0 to below 1, got {aim.within}{in_percent(aim.within)}"
    document.require(0 <= aim.within < 1, (*path, "within"), expected)
    known = ["best", "today", *project.candidates]
    require_known(aim.of, known, "candidate", document, (*path, "of"))
    told = aim.of != "today" or project.today is not None
    document.require(told, (*path, "of"), "no candidate serves today: write `today: NAME` beside it")


def _check_today(project: Project, document: Document) -> None:
    if project.today is not None:
        require_known(project.today, project.candidates, "candidate", document, ("today",))


def _check_provider(provider: ProviderSpec, document: Document) -> None:
    path = ("providers", provider.name)
    document.require(provider.concurrency >= 1, (*path, "concurrency"), "expected a whole number from 1")
    document.require(provider.max_attempts >= 1, (*path, "max_attempts"), "expected a whole number from 1")
    document.require(provider.timeout_s > 0, (*path, "timeout_s"), "expected a number of seconds above 0")
    usd = provider.usd_per_hour
    document.require(usd is None or usd >= 0, (*path, "usd_per_hour"), "expected a number from 0")
    # Neither is shown: what stands there by mistake is a key or a password, and both fields go into routes.yaml.
    variable, address = provider.api_key_env, provider.base_url
    document.require(
        variable is None or bool(VARIABLE.match(variable)),
        (*path, "api_key_env"),
        "expected the name of an environment variable, like MY_API_KEY; the key itself stands in no file",
    )
    document.require(
        address is None or bool(_ADDRESS.match(address)),
        (*path, "base_url"),
        "expected an address like https://host/v1, without user name or password",
    )
    document.require(
        address is None or not ENDPOINT.search(address),
        (*path, "base_url"),
        "expected the address that the endpoint is added to, like https://host/v1, not the endpoint's own",
    )


def _check_candidate(candidate: Candidate, project: Project, document: Document) -> None:
    path = ("candidates", candidate.name)
    require_known(candidate.provider, project.providers, "provider", document, (*path, "provider"))
    kind = project.providers[candidate.provider].kind if candidate.provider in project.providers else ""
    samples, sampling = candidate.strategy.samples, candidate.sampling
    consistency = candidate.strategy.name == "self_consistency"
    document.require(
        samples % 2 == 1 and samples >= 3 if consistency else samples == 1,
        (*path, "strategy", "samples"),
        "self_consistency votes among an odd number of samples from 3; other strategies take none",
    )
    document.require(
        kind not in _NO_SAMPLING or sampling == Sampling(),
        (*path, "sampling"),
        "this provider's API has no sampling parameters; leave it out",
    )
    document.require(
        not (consistency and kind == "local" and not sampling.temperature),
        (*path, "sampling"),
        "self_consistency on a local model needs a temperature above 0, or all samples are the same",
    )
    _check_sampling(sampling, document, (*path, "sampling"))
    most = candidate.max_tokens
    document.require(most is None or most >= 1, (*path, "max_tokens"), "expected a whole number from 1")


def _check_sampling(sampling: Sampling, document: Document, path: PathParts) -> None:
    temperature, top_p = sampling.temperature, sampling.top_p
    in_range = temperature is None or 0 <= temperature <= 2
    document.require(in_range, (*path, "temperature"), f"expected a number from 0 to 2, got {temperature}")
    in_range = top_p is None or 0 < top_p <= 1
    document.require(in_range, (*path, "top_p"), f"expected a number above 0 and up to 1, got {top_p}")


def _check_ladders(project: Project, document: Document) -> None:
    for name, rungs in project.ladders.items():
        path = ("ladders", name)
        document.require(bool(rungs), path, "expected at least one candidate")
        for place, rung in enumerate(rungs):
            require_known(rung, project.candidates, "candidate", document, (*path, place))
            document.require(rung not in rungs[:place], (*path, place), f"{rung!r} stands on the ladder twice")


def _check_prices(project: Project, document: Document) -> None:
    for place, price in enumerate(project.prices):
        path = ("prices", place)
        require_known(price.provider, project.providers, "provider", document, (*path, "provider"))
        day = f"expected a day like 2026-11-23, got {price.date!r}"
        document.require(_is_day(price.date), (*path, "date"), day)
        earlier = [(other.provider, other.model) for other in project.prices[:place]]
        twice = f"two prices of {price.model!r} of provider {price.provider!r}"
        document.require((price.provider, price.model) not in earlier, path, twice)
        _check_amounts(price, document, path)
        for number, tier in enumerate(price.tiers):
            at, below = (*path, "tiers", number), price.tiers[number - 1] if number else price
            _check_amounts(tier, document, at)
            _check_tier(tier, below, document, at)


_AMOUNTS = ("input_mtok_usd", "output_mtok_usd", "cache_read_mtok_usd", "cache_write_mtok_usd")


def _check_amounts(price: PriceOverride | PriceTier, document: Document, path: PathParts) -> None:
    for name in (*_AMOUNTS, "request_usd"):
        amount = getattr(price, name, None)
        document.require(amount is None or amount >= 0, (*path, name), "a price cannot be negative")


def _check_tier(tier: PriceTier, below: PriceOverride | PriceTier, document: Document, path: PathParts) -> None:
    """Refuse a tier that does not begin above the one before it, or costs less: budgets reserve by the last one."""
    least = below.above_input_tokens if isinstance(below, PriceTier) else 0
    expected = (
        f"expected more tokens than {least}, got {tier.above_input_tokens}; the tiers stand shortest prompt first"
    )
    document.require(tier.above_input_tokens > least, (*path, "above_input_tokens"), expected)
    for name in _AMOUNTS:
        amount, less = (_or_input(one, name) for one in (tier, below))
        problem = f"a longer prompt cannot cost less than a shorter one: {name} is {amount}, and {less} before"
        document.require(amount >= less, (*path, name), problem)


def _or_input(price: PriceOverride | PriceTier, name: str) -> Decimal:
    """Give a part of a price; a cached token without a price of its own costs what any input does."""
    amount: Decimal | None = getattr(price, name)
    return price.input_mtok_usd if amount is None else amount


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.match(text)) and bool(date.fromisoformat(text))
    except ValueError:
        return False


def check_rules(rules: tuple[Rule, ...], document: Document) -> None:
    """Refuse a rule that has no condition, makes no sense, or repeats a name."""
    for place, rule in enumerate(rules):
        path = ("rules", place)
        document.require(rule.when != Condition(), path, f"rule {rule.name!r} has no condition")
        unique = all(other.name != rule.name for other in rules[:place])
        document.require(unique, path, f"two rules are named {rule.name!r}")
        for inside, problem in condition_problems(rule.when):
            document.note((*path, *inside), problem)
