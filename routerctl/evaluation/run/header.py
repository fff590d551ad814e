"""A project and its eval sets -> the header of a run.

Whatever can be refused (an alias, a model without a price) is refused here, before the first call is paid for.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version

from routerctl.costs import price_of
from routerctl.errors import InputError, nearest, raise_all
from routerctl.evaluation.eval_sets import eval_set_error, eval_set_files
from routerctl.evaluation.project import PROJECT_FILE, Project
from routerctl.evaluation.run.case import Job
from routerctl.evaluation.run_files import new_run_id, utc_text
from routerctl.providers.pins import alias_problem, moving_warning
from routerctl.providers.weights import digests_of, pin_of
from routerctl.strategies.judge import judge_named
from routerctl.types import Candidate, ClassHeader, EvalSet, Price, ProviderSpec, RelativeBar, RunHeader

_SOFTWARE = ("routerctl", "anthropic", "openai", "xllamacpp", "genai-prices", "numpy", "scipy")


def make_header(
    project: Project,
    jobs: Sequence[Job],
    *,
    ladder: str | None,
    rungs: tuple[str, ...] = (),
    full: bool,
    moment: datetime,
) -> RunHeader:
    """Write down everything needed to say later what a number of this run was.

    `rungs`: a ladder that the project does not have, `ladder` being its name; () = the project's.
    Raises: InputError for an unknown ladder, an alias in place of a pinned id, a model without a price, a margin that
    leaves nothing of a bar, or a bar that nothing can prove.
    """
    ladder_name, rungs = (ladder or "", rungs) if rungs else project.ladder_named(ladder)
    raise_all([*set_problems(project, [job.eval_set for job in jobs], ladder_name, rungs)])
    candidates = _asked(project, jobs, rungs)
    providers = providers_of(project, candidates)
    return RunHeader(
        run_id=new_run_id(moment),
        created_at=utc_text(moment),
        finished=False,
        seed=project.seed,
        mode=project.mode,
        risk=project.risk_per_class(len(eval_set_files(project.root))),
        margin=project.margin,
        full=full,
        ladder_name=ladder_name,
        ladder=rungs,
        providers=providers,
        candidates=candidates,
        prices=prices_of(project, candidates, moment.astimezone(UTC).date()),
        classes={job.eval_set.name: _class_header(job, project) for job in jobs},
        software=_software(candidates, providers),
        top_rung=project.top_rung,
        speculation=project.speculation,
    )


def _asked(project: Project, jobs: Sequence[Job], rungs: Sequence[str]) -> dict[str, Candidate]:
    """Give whoever may be asked: the rungs, those that they escalate to, and the judges."""
    candidates = {name: pinned_candidate(project, name) for name in rungs}
    reached = [one.escalation.to for one in candidates.values() if one.escalation]
    candidates |= {name: pinned_candidate(project, name) for name in reached}
    return candidates | {job.judge.name: job.judge for job in jobs if job.judge}


def providers_of(project: Project, candidates: Mapping[str, Candidate]) -> dict[str, ProviderSpec]:
    """Give the providers at which any of the candidates may be asked."""
    names = [name for one in candidates.values() for name in (one.provider, *(place.provider for place in one.also))]
    return {name: project.providers[name] for name in dict.fromkeys(names)}


def pinned_candidate(project: Project, name: str) -> Candidate:
    """Give a candidate whose model id pins its weights: a local one by its file's digest.

    Raises: InputError for an id that may move to other weights, naming the pinned one.
    """
    candidate = project.candidates[name]
    provider = project.providers[candidate.provider]
    if provider.kind == "local":
        try:
            return replace(candidate, model=pin_of(candidate.model))
        except InputError as error:
            raise project.error(("candidates", name, "model"), error.problem) from None
    if problem := alias_problem(candidate.model, provider.kind):
        raise project.error(("candidates", name, "model"), problem)
    for number, place in enumerate(candidate.also):
        problem = place.model and alias_problem(place.model, project.providers[place.provider].kind)
        if problem:
            raise project.error(("candidates", name, "also", number, "model"), problem)
    return candidate


def pin_warnings(candidates: Mapping[str, Candidate], providers: Mapping[str, ProviderSpec]) -> Iterator[str]:
    """Name the ids that are no aliases and yet may move, as far as their vendors say, a line each."""
    for name, one in candidates.items():
        asked = [(one.provider, one.model), *((place.provider, place.model) for place in one.also)]
        for provider, model in dict.fromkeys(asked):
            warning = model and moving_warning(model, providers[provider].kind)
            if warning:
                yield f"candidates.{name}: {warning}"


def set_problems(
    project: Project, eval_sets: Sequence[EvalSet], ladder_name: str, rungs: Sequence[str]
) -> Iterator[InputError]:
    """Name what eval sets and project ask of each other that cannot be: bars, references, the objective."""
    for one in eval_sets:
        yield from _bar_problems(project, one)
        yield from _reference_problems(one, ladder_name, rungs)
    yield from _objective_problems(project, ladder_name, rungs)


def _bar_problems(project: Project, eval_set: EvalSet) -> Iterator[InputError]:
    bar = eval_set.bar
    if isinstance(bar, RelativeBar):
        return
    if project.mode == "proven" and bar == 1:
        yield eval_set_error(
            eval_set,
            "bar",
            "no number of cases proves that a model is always right; write a bar below 1 such as 0.99, or "
            f"`mode: point` in {PROJECT_FILE}, which speaks of these cases only",
        )
    if project.mode == "margin" and project.margin >= bar:
        what = f"{project.margin:g} is not below the bar of {eval_set.name} ({bar:g})"
        yield project.error(("margin",), f"{what}: nothing would be proven")


def prices_of(project: Project, candidates: Mapping[str, Candidate], on: date) -> dict[str, Price]:
    """Find the price of each candidate's model on a day; of its other places by "candidate@provider".

    Raises: InputError for a model without a price.
    """
    own = {name: (name, item.provider, item.model) for name, item in candidates.items()}
    return _prices(project, own, on) | place_prices_of(project, candidates, on)


def place_prices_of(project: Project, candidates: Mapping[str, Candidate], on: date) -> dict[str, Price]:
    """Find the prices of each candidate's other places on a day, by "candidate@provider".

    Raises: InputError for a model without a price.
    """
    places = {
        f"{name}@{place.provider}": (name, place.provider, place.model or item.model)
        for name, item in candidates.items()
        for place in item.also
    }
    return _prices(project, places, on)


def _prices(project: Project, asked: Mapping[str, tuple[str, str, str]], on: date) -> dict[str, Price]:
    """Find the prices of models on a day; `asked`: candidate, provider and model of each."""
    stated = {
        (item.provider, item.model): Price(
            date=item.date,
            source=f"{PROJECT_FILE}: {item.source}",
            input_mtok_usd=item.input_mtok_usd,
            output_mtok_usd=item.output_mtok_usd,
            cache_read_mtok_usd=item.cache_read_mtok_usd,
            cache_write_mtok_usd=item.cache_write_mtok_usd,
            request_usd=item.request_usd,
            tiers=item.tiers,
        )
        for item in project.prices
    }
    prices = {}
    for key, (name, provider, model) in asked.items():
        try:
            prices[key] = price_of(project.providers[provider], model, stated, on)
        except InputError as error:
            raise project.error(("candidates", name, "model"), error.problem) from None
    return prices


def judge_of(project: Project, eval_set: EvalSet) -> Candidate | None:
    """Give the pinned candidate that judges a set's replies; None where a program scores them.

    Raises: InputError for a candidate that routerctl.yaml does not have.
    """
    if eval_set.scorer.name != "judge":
        return None
    try:
        return pinned_candidate(project, judge_named(eval_set.scorer, project.candidates).name)
    except InputError as error:
        raise error if error.file else eval_set_error(eval_set, "scorer.candidate", error.problem) from None


def _reference_problems(eval_set: EvalSet, ladder_name: str, rungs: Sequence[str]) -> Iterator[InputError]:
    """Refuse a bar against a model that is not on the ladder, and a today's model that is not: neither would be run."""
    bar, today = eval_set.bar, eval_set.today
    named = {"bar.of": bar.of if isinstance(bar, RelativeBar) else None, "today": today}
    for field, name in named.items():
        if name is not None and name not in rungs:
            problem = f"no candidate {name!r} on ladder {ladder_name!r}{nearest(name, rungs)}"
            yield eval_set_error(eval_set, field, problem)


def _objective_problems(project: Project, ladder_name: str, rungs: Sequence[str]) -> Iterator[InputError]:
    """Refuse an objective against a candidate that is not on the ladder, before anything is paid for."""
    aim = project.objective
    of = "best" if aim is None else (project.today or "best") if aim.of == "today" else aim.of
    if of not in ("best", *rungs):
        yield project.error(("objective", "of"), f"no candidate {of!r} on ladder {ladder_name!r}{nearest(of, rungs)}")


def _class_header(job: Job, project: Project) -> ClassHeader:
    eval_set, cases = job.eval_set, job.cases
    weights = [case.weight for case in cases]
    clusters = {case.cluster for case in cases if case.cluster is not None}
    alone = sum(case.cluster is None for case in cases)  # each is a cluster of its own where others are not
    return ClassHeader(
        task_class=eval_set.name,
        description=eval_set.description,
        digest=eval_set.digest,
        bar=eval_set.bar,
        pass_at=eval_set.pass_at,
        n=max(len(cases), eval_set.max_cases or 0),
        prompt=eval_set.prompt,
        reply=eval_set.reply,
        scorer=eval_set.scorer,
        measure=eval_set.measure,
        epochs=eval_set.epochs,
        clusters=len(clusters) + alone if len(clusters) + alone < len(cases) else 0,
        max_weight=max(weights),
        total_weight=sum(weights) if len(set(weights)) > 1 else 0.0,
        grows=eval_set.grows,
        judge=job.judge.name if job.judge else "",
        stakes=eval_set.stakes,
        cases=len(cases),
        when_unproven=project.unproven_of(eval_set),
        today=eval_set.today or project.today or "",
    )


def _software(candidates: Mapping[str, Candidate], providers: Mapping[str, ProviderSpec]) -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}"}
    for package in _SOFTWARE:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # an extra that is not installed made no number either
            continue
    local = [item.model for item in candidates.values() if providers[item.provider].kind == "local"]
    return found | digests_of(local)
