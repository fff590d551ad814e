"""A project and the runs of a table -> the policy that is compiled into it: what the table says beside its evidence.

Candidates that serve beside the ladder (successors, a model that classifies) come with their providers and prices,
since `route` needs nothing but the table. Place: the evaluation line, before the build.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from routerctl.classify.classifier import digest_of, load_classifier
from routerctl.classify.classifier.calibrated import check_priors
from routerctl.errors import InputError
from routerctl.evaluation.project import PROJECT_FILE, Project
from routerctl.evaluation.run.header import pinned_candidate, place_prices_of, prices_of, providers_of
from routerctl.providers.lifecycle import retires_on
from routerctl.types import Candidate, Classifier, Objective, Policy, Routing, Run, Table, with_policy_of


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
            project, beside | {name: with_policy_of(one, now.get(name)) for name, one in measured.items()}
        ),
        beside=tuple(beside),
        providers=providers_of(project, now),
        candidates=now,
        prices=prices_of(project, beside, on) | place_prices_of(project, now, on),
        objective=objective_of(project),
    )


def objective_of(project: Project) -> Objective | None:
    """Give what the table as a whole is to reach, who serves today by name: it means the same when that changes."""
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
    """Name who may serve without standing on a ladder: successors, who is cheap, and the model that classifies."""
    named = [*routing.successors.values(), *(name for budget in routing.budgets for name in budget.cheap)]
    if classifier and classifier.candidate:
        named.append(classifier.candidate)
    reached = [escalation.to for name in named if (escalation := candidates[name].escalation)]
    return sorted({*named, *reached})


def _pinned_classifier(classifier: Classifier | None, root: Path, classes: Collection[str]) -> Classifier | None:
    if classifier is None or classifier.file is None:
        return classifier
    if not (root / classifier.file).exists():
        raise InputError(
            f"classifier.file: no file {classifier.file!r} here; `routerctl train` writes one", file=PROJECT_FILE
        )
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
    except InputError as error:
        raise InputError(
            error.problem, file=file, line=error.line
        ) from None  # a table and its checks hold no path of a machine
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
            f"{classifier.file}: does not know the class {name!r}: a prompt of it is taken for another or unknown, "
            "where no rule names it; `routerctl train` learns it from its eval set"
        )


def retirements_of(project: Project, candidates: Mapping[str, Candidate]) -> dict[str, str]:
    """Give the day on which each model ends that has one, as the installed SDK knows it."""
    days = {}
    for one in candidates.values():
        for provider, model in [(one.provider, one.model), *((at.provider, at.model or one.model) for at in one.also)]:
            spec = project.providers.get(provider)
            end = retires_on(model, spec.kind) if spec else None
            if end:
                days[model] = end.isoformat()
    return dict(sorted(days.items()))
