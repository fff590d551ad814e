"""Checks what routerctl.yaml says of serving: places, cascades, thresholds, residency, successors, classifier.

Called by `project`. It knows neither what a model id pins and costs nor, before `class_problems`, the task classes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from zoneinfo import ZoneInfo, available_timezones

from routerctl.classify.rules.problems import condition_problems
from routerctl.errors import InputError, close_to, nearest
from routerctl.files.document import Document, PathParts
from routerctl.strategies.confidence import SIGNALS
from routerctl.types import Budget, Candidate, Classifier, Policy, ProviderSpec, Routing, Serving

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_STATE = re.compile(r"(\$[A-Za-z_][A-Za-z0-9_]*|rediss?://[^\s/@?#]+(/[0-9]*)?(#[^\s@]*)?)\Z")
_STATE_EXPECTED = (
    "expected redis://HOST:PORT/0#PROJECT without a password and without options after a question mark, or "
    "$VARIABLE for a variable that holds the address"
)
_TAKEN = ("routes.yaml", "routerctl.yaml")  # `build-table --tier` writes the file
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")  # it names a folder
DEFAULT = "default"  # thresholds of every class that has none of its own


def check_serving(
    candidates: Mapping[str, Candidate],
    providers: Mapping[str, ProviderSpec],
    routing: Routing,
    classifier: Classifier | None,
    document: Document,
) -> None:
    """Refuse unknown names and settings that make no sense."""
    for candidate in candidates.values():
        _check_places(candidate, providers, document)
        _check_escalation(candidate, candidates, document)
    _check_routing(routing, candidates, providers, document)
    if classifier:
        _check_classifier(classifier, candidates, document)


def require_known(name: str, known: Collection[str], kind: str, document: Document, path: PathParts) -> bool:
    """Refuse a name that is not among the known ones with the nearest right one; tell whether it is."""
    return name in known or document.require(False, path, f"no {kind} {name!r}{nearest(name, known)}")


def _check_places(candidate: Candidate, providers: Mapping[str, ProviderSpec], document: Document) -> None:
    taken = {candidate.provider}
    for number, place in enumerate(candidate.also):
        path = ("candidates", candidate.name, "also", number)
        document.require(place.provider not in taken, path, f"{place.provider!r} is named twice")
        if require_known(place.provider, providers, "provider", document, (*path, "provider")):
            elsewhere = providers[place.provider].kind != "local"
            document.require(elsewhere, path, "a local model is pinned by its weights, which no other provider has")
        taken.add(place.provider)


def _check_escalation(candidate: Candidate, candidates: Mapping[str, Candidate], document: Document) -> None:
    escalation = candidate.escalation
    if escalation is None:
        return
    path = ("candidates", candidate.name, "escalation")
    if require_known(escalation.to, candidates, "candidate", document, (*path, "to")) and document.require(
        escalation.to != candidate.name, (*path, "to"), "a candidate cannot escalate to itself"
    ):
        document.require(
            candidates[escalation.to].escalation is None,
            (*path, "to"),
            f"{escalation.to!r} escalates itself: a cascade has two candidates, longer ones are ladders",
        )
    document.require(bool(escalation.below), (*path, "below"), "expected at least one signal with its threshold")
    _check_thresholds(escalation.below, document, (*path, "below"))


def _check_thresholds(below: Mapping[str, float], document: Document, path: PathParts) -> None:
    for signal, least in below.items():
        require_known(signal, SIGNALS, "signal", document, (*path, signal))
        least_of_all = 0 if signal == "complete" else None  # 0: half an answer will do
        document.require(
            0 < least <= 1 or least == least_of_all,
            (*path, signal),
            f"expected a number above 0 and up to 1, got {least}",
        )


def _check_routing(
    routing: Routing,
    candidates: Mapping[str, Candidate],
    providers: Mapping[str, ProviderSpec],
    document: Document,
) -> None:
    deadline, days = routing.deadline_s, routing.log_days
    _check_service(routing.serve, document)
    in_time = deadline is None or deadline > 0
    document.require(in_time, ("routing", "deadline_s"), "expected a number of seconds above 0")
    document.require(days is None or days >= 1, ("routing", "log_days"), "expected a whole number of days from 1")
    for name, below in routing.thresholds.items():
        _check_thresholds(below, document, ("routing", "thresholds", name))
    for model, name in routing.successors.items():
        path = ("routing", "successors", model)
        if require_known(name, candidates, "candidate", document, path):
            document.require(candidates[name].model != model, path, f"{name!r} is this very model")
    others = [place.region for item in candidates.values() for place in item.also]
    named = [*(item.region for item in providers.values()), *(item.region for item in candidates.values()), *others]
    regions = {region for region in named if region}
    for number, rule in enumerate(routing.residency):
        at = ("routing", "residency", number, "regions")
        document.require(bool(rule.regions), at, "expected at least one region")
        for inside, problem in condition_problems(rule.when):
            document.note(("routing", "residency", number, *inside), problem)
        for region in rule.regions:
            if region not in regions:
                document.note(at, f"no provider or candidate is in region {region!r}{nearest(region, regions)}")


def _check_service(serve: Serving, document: Document) -> None:
    for name in ("first_token_s", "idle_s", "total_s", "keepalive_s", "max_body_mb"):
        value = getattr(serve, name)
        document.require(value is None or value > 0, ("routing", "serve", name), "expected a number above 0")
    for name in ("max_tokens", "max_in_flight"):
        document.require(getattr(serve, name) >= 1, ("routing", "serve", name), "expected a whole number from 1")


def _check_classifier(classifier: Classifier, candidates: Mapping[str, Candidate], document: Document) -> None:
    path: PathParts = ("classifier",)
    document.require(
        (classifier.file is None) != (classifier.candidate is None),
        path,
        "expected either file (which `routerctl train` writes) or candidate (a model that is asked)",
    )
    can_be = classifier.file is None or _can_be_a_path(classifier.file)
    document.require(can_be, (*path, "file"), "expected the name of a file")
    if classifier.candidate:
        require_known(classifier.candidate, candidates, "candidate", document, (*path, "candidate"))
        document.require(not classifier.priors, (*path, "priors"), "a model that is asked takes no priors")
    for name, share in classifier.priors.items():
        document.require(share > 0, (*path, "priors", name), f"expected a number above 0, got {share}")
    document.require(not classifier.digest, (*path, "digest"), "leave it out: build-table pins the file")


def _can_be_a_path(name: str) -> bool:
    """Tell whether a file of this name can be: others are an error of the system where they are looked for."""
    return "\0" not in name and all(len(part.encode()) <= 255 for part in PurePath(name).parts) and len(name) < 2000


def class_problems(
    classes: Collection[str], policy: Policy, lines: Mapping[PathParts, int] | None = None
) -> Iterator[InputError]:
    """Name each rule, default, threshold, budget or prior that names a class which is none.

    `lines`: where the project's values stand, where that is known.
    """
    at = Document(file="routerctl.yaml", value=None, lines=lines or {})
    for path, who, task_class in _named_classes(policy):
        if task_class not in classes:
            near = close_to(task_class, classes)
            hint = f"; did you mean {near!r}?" if near else ""
            problem = f"{who} names the class {task_class!r}, which has no eval set{hint}"
            yield InputError(problem, file=at.file, line=at.line(path))


def _named_classes(policy: Policy) -> Iterator[tuple[PathParts, str, str]]:
    """Give where a class is named, by whom, and which."""
    for number, rule in enumerate(policy.rules):
        yield ("rules", number, "class"), f"rule {rule.name!r}", rule.task_class
    if policy.default_class:
        yield ("default_class",), "default_class", policy.default_class
    for name in policy.routing.thresholds:
        if name != DEFAULT:
            yield ("routing", "thresholds", name), "routing.thresholds", name
    for number, budget in enumerate(policy.routing.budgets):
        for place, name in enumerate(budget.task_class):
            yield ("routing", "budgets", number, "class", place), f"budget {budget.name!r}", name
    for number, residency in enumerate(policy.routing.residency):
        for place, name in enumerate(residency.task_class):
            yield ("routing", "residency", number, "class", place), f"residency {residency.name!r}", name
    buffered = enumerate(policy.routing.serve.buffer)
    yield from ((("routing", "serve", "buffer", place), "routing.serve.buffer", name) for place, name in buffered)
    priors = policy.classifier.priors if policy.classifier else ()
    yield from ((("classifier", "priors", name), "classifier.priors", name) for name in priors)


def check_limits(
    routing: Routing,
    ladders: Collection[str],
    candidates: Mapping[str, Candidate],
    providers: Mapping[str, ProviderSpec],
    document: Document,
) -> None:
    """Refuse a budget, tier or tenant that has an unknown name or makes no sense."""
    for number, budget in enumerate(routing.budgets):
        path: PathParts = ("routing", "budgets", number)
        twice = any(other.name == budget.name for other in routing.budgets[:number])
        document.require(not twice, (*path, "name"), f"two budgets are named {budget.name!r}")
        _check_budget(budget, candidates, document, path)
    if routing.state is not None:
        # Not shown: it may hold a password, which would go into routes.yaml, too.
        document.require(bool(_STATE.match(routing.state)), ("routing", "state"), _STATE_EXPECTED)
    for name, tier in routing.tiers.items():
        path = ("routing", "tiers", name)
        plain = PurePath(tier.table).name == tier.table and tier.table.endswith(".yaml") and tier.table not in _TAKEN
        plain = plain and _can_be_a_path(tier.table)
        document.require(plain, (*path, "table"), "expected a file name such as routes.gold.yaml, beside routes.yaml")
        if tier.ladder is not None:
            require_known(tier.ladder, ladders, "ladder", document, (*path, "ladder"))
    for name, tenant in routing.tenants.items():
        path = ("routing", "tenants", name)
        document.require(bool(_TENANT.match(name)), path, "a tenant's name is 1 to 64 letters, digits and . _ -")
        if tenant.tier is not None:
            require_known(tenant.tier, routing.tiers, "tier", document, (*path, "tier"))
        for provider, variable in tenant.keys.items():
            at = (*path, "keys", provider)
            require_known(provider, providers, "provider", document, at)
            # Not shown: what stands there by mistake is a key.
            document.require(bool(VARIABLE.match(variable)), at, "expected the name of a variable that holds the key")


def _check_budget(budget: Budget, candidates: Mapping[str, Candidate], document: Document, path: PathParts) -> None:
    document.require(budget.cap_usd >= 0, (*path, "cap_usd"), f"expected dollars from 0, got {budget.cap_usd}")
    if not _is_zone(budget.time_zone):
        document.note((*path, "time_zone"), f"no time zone {budget.time_zone!r}{_near_zone(budget.time_zone)}")
    both_or_none = (budget.over == "cheap") == bool(budget.cheap)
    document.require(both_or_none, path, "`over: cheap` and `cheap: [candidates that still serve]` belong together")
    for number, name in enumerate(budget.cheap):
        require_known(name, candidates, "candidate", document, (*path, "cheap", number))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a folder, a strange path, ZoneInfoNotFoundError
        return False
    return True


def _near_zone(name: str) -> str:
    """The nearest name, but not all six hundred."""
    hint = nearest(name, available_timezones())
    return hint if hint.startswith("; did") else "; expected an IANA name such as Europe/Berlin"
