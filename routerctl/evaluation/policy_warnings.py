"""A project's policy -> what in it does nothing: thresholds that never escalate, successors that redirect nobody.

And which of two token limits holds, a candidate's or a class's.

Place: beside `policy`, for `check`. Every warning is certain; what a plug-in's provider can do is not known here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from routerctl.errors import nearest
from routerctl.evaluation.project import Project
from routerctl.evaluation.project_routing import DEFAULT
from routerctl.evaluation.run.header import pinned_candidate
from routerctl.providers.thinking import LITTLE_ROOM, reply_limit, thinks
from routerctl.types import Candidate, EvalSet, ProviderSpec

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
            yield f"{place}: {own} holds for {_names(kept[True])}: {why}"
        if kept[False]:
            yield f"{place}: not {own} but the class's limit holds for {_names(kept[False])}: the smaller one"


def limit_warnings(project: Project, eval_sets: Sequence[EvalSet]) -> Iterator[str]:
    """Name the candidates that think first and have little room for it."""
    for candidate in project.candidates.values():
        names = [one.name for one in eval_sets if reply_limit(candidate, one.reply) < LITTLE_ROOM]
        if names and thinks(candidate):
            yield (
                f"candidates.{candidate.name}: it thinks within max_tokens, which is less than {LITTLE_ROOM} for "
                f"{_names(names)}: replies may be cut off before the answer; give the candidate a max_tokens"
            )


def _names(names: Iterable[str]) -> str:
    first, rest = list(names)[:_SHOWN], list(names)[_SHOWN:]
    return ", ".join(first) + (f" and {len(rest)} more" if rest else "")
