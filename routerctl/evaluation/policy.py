"""A project and the runs of a table -> the policy that is compiled into it: what the table says beside its evidence.

Candidates that serve beside the ladder (successors, a model that classifies) come with their providers and prices,
since `route` needs nothing but the table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from routerctl.classify.classifier import digest_of, load_classifier
from routerctl.classify.classifier.calibrated import check_priors
from routerctl.errors import InputError, nearest
from routerctl.evaluation.project import PROJECT_FILE, Project
from routerctl.evaluation.project_routing import DEFAULT
from routerctl.evaluation.run.header import pinned_candidate, place_prices_of, prices_of, providers_of
from routerctl.providers.retirements import retirements_of
from routerctl.providers.thinking import LITTLE_ROOM, reply_limit, thinks
from routerctl.types import (
    Candidate,
    Classifier,
    EvalSet,
    Objective,
    Policy,
    ProviderSpec,
    Routing,
    Run,
    Table,
    with_policy_of,
)
from routerctl.words import listed

_JUDGE = "judge"
_SHOWN = 5  # names of a long list
_ASKED_FOR = ("openai", "local")  # kinds of provider that give log-probabilities where the option says so
_NEVER = ("anthropic", "fake")  # kinds that have none to give


def compile_policy(project: Project, root: Path, runs: Mapping[str, Run]) -> Policy:
    """Compile what routerctl.yaml says of serving; prices are those of the newest run's day.

    Raises: InputError for a classifier's file that is not there or could not serve, an alias, a model without a price.
    """
    headers = [run.header for run in runs.values()]
    names = _beside(project.routing, project.classifier, project.candidates)
    beside = {name: pinned_candidate(project, name) for name in names}
    on = max((date.fromisoformat(header.created_at[:10]) for header in headers), default=date.min)
    measured = {name: one for header in headers for name, one in header.candidates.items()}
    now = beside | {name: pinned_candidate(project, name) for name in measured if name in project.candidates}
    return Policy(
        rules=project.rules,
        default_class=project.default_class,
        classifier=_pinned_classifier(project.classifier, root, runs),
        routing=project.routing,
        retirements=retirements_of(
            (*beside.values(), *(with_policy_of(one, now.get(name)) for name, one in measured.items())),
            project.providers,
        ),
        beside=tuple(beside),
        providers=providers_of(project, now),
        candidates=now,
        prices=prices_of(project, beside, on) | place_prices_of(project, now, on),
        objective=objective_of(project),
    )


def objective_of(project: Project) -> Objective | None:
    """Give what the table as a whole is to reach, naming today's candidate: it means the same when that changes."""
    aim = project.objective
    return replace(aim, of=project.today) if aim and aim.of == "today" and project.today else aim


def policy_of(table: Table) -> Policy:
    """Give the policy that a table was built with, so that another can be built with the same."""
    return Policy(
        rules=table.rules,
        default_class=table.default_class,
        classifier=table.classifier,
        routing=table.routing,
        retirements=table.retirements,
        beside=tuple(_beside(table.routing, table.classifier, table.candidates)),
        providers=table.providers,
        candidates=table.candidates,
        prices=table.prices,
        objective=table.objective,
    )


def uncompiled(project: Project) -> Policy:
    """Give the part of a project's policy that names task classes."""
    return Policy(
        rules=project.rules,
        default_class=project.default_class,
        classifier=project.classifier,
        routing=project.routing,
    )


def _beside(routing: Routing, classifier: Classifier | None, candidates: Mapping[str, Candidate]) -> list[str]:
    """Name what may serve without being on a ladder: successors, cheap ones of budgets, the model that classifies."""
    named = [*routing.successors.values(), *(name for budget in routing.budgets for name in budget.cheap)]
    if classifier and classifier.candidate:
        named.append(classifier.candidate)
    reached = [escalation.to for name in named if (escalation := candidates[name].escalation)]
    return sorted({*named, *reached})


def _pinned_classifier(classifier: Classifier | None, root: Path, classes: Collection[str]) -> Classifier | None:
    if classifier is None or classifier.file is None:
        return classifier
    if not (root / classifier.file).exists():
        problem = f"classifier.file: no file {classifier.file!r} here; `routerctl train` writes one"
        raise InputError(problem, file=PROJECT_FILE)
    pinned = replace(classifier, digest=digest_of(root / classifier.file))
    _learned(pinned, root, classes)
    return pinned


def _learned(classifier: Classifier, root: Path, classes: Collection[str]) -> tuple[str, ...]:
    """Load a classifier's file as `route` will and give the classes that it tells apart.

    Raises: InputError where it cannot be read, names a class that there is not, or lacks one that has a prior.
    """
    file = classifier.file or ""
    try:
        learned = load_classifier(root / file, classifier.digest).classes
    except InputError as error:  # without the path of this machine
        raise InputError(error.problem, file=file, line=error.line) from None
    for name in learned:
        if name not in classes:
            raise InputError(f"names the class {name!r}, which has no eval set; run `routerctl train`", file=file)
    try:
        check_priors(classifier.priors, learned)
    except InputError as error:
        raise InputError(error.problem, file=PROJECT_FILE) from None
    return learned


def classifier_warnings(classifier: Classifier | None, root: Path, classes: Collection[str]) -> Iterator[str]:
    """Say which classes the classifier's file does not know, or that there is none yet.

    Raises: InputError where the file is there and could not serve.
    """
    if classifier is None or classifier.file is None:
        return
    if not (root / classifier.file).exists():
        yield f"{classifier.file}: not there yet; `routerctl train` writes it"
        return
    learned = _learned(classifier, root, classes)
    for name in sorted(set(classes) - set(learned)):
        yield (
            f"{classifier.file}: does not know the class {name!r}: where no rule names it, its prompts are taken for "
            "another class or unknown; `routerctl train` learns it from its eval set"
        )


def policy_warnings(project: Project, scorers: Mapping[str, str]) -> Iterator[str]:
    """Name settings without effect, a line each, starting with its place; `scorers`: the scorer's name by class."""
    yield from _thresholds(project, scorers)
    for candidate in project.candidates.values():
        if candidate.escalation:
            place = f"candidates.{candidate.name}.escalation.below"
            yield from _of_classes(place, candidate.escalation.below, scorers)
            yield from _of_candidates(place, candidate.escalation.below, [candidate], project)
    models = {pinned_candidate(project, name).model for name in project.candidates}
    for model in project.routing.successors:
        if model not in models:
            near = nearest(model, models)
            yield f"routing.successors: no candidate has the model {model!r}, nothing is redirected{near}"


def _thresholds(project: Project, scorers: Mapping[str, str]) -> Iterator[str]:
    below_top = dict.fromkeys(name for ladder in project.ladders.values() for name in ladder[:-1])
    climbing = [project.candidates[name] for name in below_top]
    thresholds = project.routing.thresholds
    for name, below in thresholds.items():
        place = f"routing.thresholds.{name}"
        of = [one for one in scorers if one not in thresholds] if name == DEFAULT else [name]
        yield from _of_classes(place, below, {one: scorers[one] for one in of if one in scorers})
        yield from _of_candidates(place, below, climbing, project)


def _of_classes(place: str, below: Mapping[str, float], scorers: Mapping[str, str]) -> Iterator[str]:
    """Name the classes without a judge where escalation is by a judge's score."""
    without = [name for name, scorer in scorers.items() if scorer != _JUDGE]
    if _JUDGE in below and without:
        yield f"{place}: {_JUDGE} never escalates for {listed(without, _SHOWN)}, whose scorer is no judge"


def _of_candidates(
    place: str, below: Mapping[str, float], asked: Sequence[Candidate], project: Project
) -> Iterator[str]:
    """Name the candidates that never have a signal."""
    single = [one.name for one in asked if one.strategy.name != "self_consistency"]
    if "agreement" in below and single:
        who = listed(single, _SHOWN)
        yield f"{place}: agreement never escalates for {who}: only self_consistency has samples that agree"
    unknown = [one.name for one in asked if not _may_tell_logprob(one, project)]
    if "logprob" in below and unknown:
        yield (
            f"{place}: logprob never escalates for {listed(unknown, _SHOWN)}: it takes a provider with `options: "
            "{logprobs: true}` (kinds openai and local) and a strategy of one reply"
        )


def _may_tell_logprob(candidate: Candidate, project: Project) -> bool:
    if candidate.strategy.name != "single_shot":
        return False  # of several replies none is measured
    names = (candidate.provider, *(place.provider for place in candidate.also))
    return any(_gives_logprobs(project.providers[name]) for name in names)


def _gives_logprobs(provider: ProviderSpec) -> bool:
    if provider.kind in _ASKED_FOR:
        return bool(provider.options.get("logprobs"))
    return provider.kind not in _NEVER


def limit_notes(project: Project, eval_sets: Sequence[EvalSet]) -> Iterator[str]:
    """Say of each candidate which limit holds where a class has another one."""
    for candidate in project.candidates.values():
        own, place = candidate.max_tokens, f"candidates.{candidate.name}.max_tokens"
        kept: dict[bool, list[str]] = defaultdict(list)  # whether the candidate's own holds -> the classes
        for one in eval_sets:
            if own not in (None, one.reply.max_tokens):
                kept[reply_limit(candidate, one.reply) == own].append(f"{one.name} ({one.reply.max_tokens})")
        if kept[True]:
            why = "what it thinks counts too" if thinks(candidate) else "the smaller one"
            yield f"{place}: {own} holds for {listed(kept[True], _SHOWN)}: {why}"
        if kept[False]:
            yield f"{place}: not {own} but the class's limit holds for {listed(kept[False], _SHOWN)}: the smaller one"


def limit_warnings(project: Project, eval_sets: Sequence[EvalSet]) -> Iterator[str]:
    """Name the candidates that think first and have little room for it."""
    for candidate in project.candidates.values():
        names = [one.name for one in eval_sets if reply_limit(candidate, one.reply) < LITTLE_ROOM]
        if names and thinks(candidate):
            yield (
                f"candidates.{candidate.name}: it thinks within max_tokens, which is less than {LITTLE_ROOM} for "
                f"{listed(names, _SHOWN)}: replies may be cut off before the answer; give the candidate a max_tokens"
            )
