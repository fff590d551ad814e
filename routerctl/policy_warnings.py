"""A project's policy -> what in it does nothing: thresholds that never escalate, successors that redirect nobody.

Place: beside `policy`, for `check`. Every warning is certain; what a plug-in's provider can do is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from routerctl.errors import nearest
from routerctl.project import Project
from routerctl.routing_policy import DEFAULT
from routerctl.run.plan import pinned_candidate
from routerctl.types import Candidate, ProviderSpec

_JUDGE = "judge"
_SHOWN = 5  # names of a long list
_ASKED_FOR = ("openai", "local")  # kinds of provider that give log-probabilities where the option says so
_NEVER = ("anthropic", "fake")  # kinds that have none to give


def policy_warnings(project: Project, scorers: Mapping[str, str]) -> Iterator[str]:
    """Say what does nothing, one line each, which starts with its place; `scorers`: the name of each class's scorer."""
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
            yield f"routing.successors: no candidate has the model {model!r}, nobody is redirected{near}"


def _thresholds(project: Project, scorers: Mapping[str, str]) -> Iterator[str]:
    climbing = [
        project.candidates[name]
        for name in dict.fromkeys(name for ladder in project.ladders.values() for name in ladder[:-1])
    ]
    thresholds = project.routing.thresholds
    for name, below in thresholds.items():
        place = f"routing.thresholds.{name}"
        of = [one for one in scorers if one not in thresholds] if name == DEFAULT else [name]
        yield from _of_classes(place, below, {one: scorers[one] for one in of if one in scorers})
        yield from _of_candidates(place, below, climbing, project)


def _of_classes(place: str, below: Mapping[str, float], scorers: Mapping[str, str]) -> Iterator[str]:
    """Name the classes whose scorer is no judge where a judge's word is waited for."""
    without = [name for name, scorer in scorers.items() if scorer != _JUDGE]
    if _JUDGE in below and without:
        yield f"{place}: {_JUDGE} never escalates for {_names(without)}, whose scorer is no judge"


def _of_candidates(
    place: str, below: Mapping[str, float], asked: Iterable[Candidate], project: Project
) -> Iterator[str]:
    """Name the candidates of which a signal can never be told."""
    asked = list(asked)
    single = [one.name for one in asked if one.strategy.name != "self_consistency"]
    if "agreement" in below and single:
        yield f"{place}: agreement never escalates for {_names(single)}: only self_consistency has samples that agree"
    unknown = [one.name for one in asked if not _may_tell_logprob(one, project)]
    if "logprob" in below and unknown:
        yield (
            f"{place}: logprob never escalates for {_names(unknown)}: it takes a provider with `options: "
            "{logprobs: true}` (kinds openai and local) and a strategy of one reply"
        )


def _may_tell_logprob(candidate: Candidate, project: Project) -> bool:
    if candidate.strategy.name != "single_shot":
        return False  # of several replies none is measured
    return any(
        _gives_logprobs(project.providers[at])
        for at in (candidate.provider, *(place.provider for place in candidate.also))
    )


def _gives_logprobs(provider: ProviderSpec) -> bool:
    if provider.kind in _ASKED_FOR:
        return bool(provider.options.get("logprobs"))
    return provider.kind not in _NEVER


def _names(names: Iterable[str]) -> str:
    first, rest = list(names)[:_SHOWN], list(names)[_SHOWN:]
    return ", ".join(first) + (f" and {len(rest)} more" if rest else "")
