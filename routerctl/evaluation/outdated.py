"""A project and a table -> what has changed in the project since the table was built, and the command that follows it.

It reads no run, so it works in a clone that has no reports. `check` stops at the first thing found here, `diff` says
all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from routerctl.evaluation.eval_sets import EVALS_FOLDER, load_eval_sets
from routerctl.evaluation.labels import labels_digest, read_labels
from routerctl.evaluation.policy import objective_of
from routerctl.evaluation.project import PROJECT_FILE, Project, load_project
from routerctl.evaluation.repricing import is_restated, is_same, restated
from routerctl.evaluation.run.header import place_prices_of
from routerctl.scorers import IMPORTED
from routerctl.table import TABLE_FILE
from routerctl.types import Candidate, EvalSet, Table, evidence_part

_JUDGE = "judge"  # the scorer whose verdicts human labels are held against


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """A table's file, and the commands that make it and its evidence."""

    file: str
    build: str = "routerctl build-table"
    eval: str = "routerctl eval"
    ladder: str | None = None  # that it has to be of; None: any


def places(project: Project | None) -> Iterator[TableFile]:
    """Give the places of all tables, routes.yaml first, then the tiers'."""
    yield TableFile(file=TABLE_FILE)
    for name, tier in (project.routing.tiers if project else {}).items():
        asked = f"routerctl eval --ladder {tier.ladder}" if tier.ladder else "routerctl eval"
        yield TableFile(file=tier.table, build=f"routerctl build-table --tier {name}", eval=asked, ladder=tier.ladder)


def since_built(root: Path, table: Table, file: str) -> tuple[str, ...]:
    """Say all that has changed in the project in `root` since its table was built; nothing where there is no project.

    Raises: InputError where the project cannot be read.
    """
    if not (root / PROJECT_FILE).exists():
        return ()
    project = load_project(root)
    at = next((one for one in places(project) if one.file == file), None)
    if at is None:
        return ()
    eval_sets = load_eval_sets(root) if any((root / EVALS_FOLDER).glob("*.yaml")) else ()
    imported = {name for name, route in table.routes.items() if route.scorer.name == IMPORTED}
    judged = [name for name, route in table.routes.items() if route.scorer.name == _JUDGE]
    return (
        *other_classes(table, eval_sets, imported, at),
        *other_sets(table, eval_sets, imported, at),
        *other_labels(table, judged, root, at),
        *other_evidence(project, table, at, own_ladder=len(imported) == len(table.routes)),
        *other_policy(project, table, eval_sets, at),
    )


def other_classes(
    table: Table, eval_sets: Sequence[EvalSet], imported: Collection[str], at: TableFile
) -> Iterator[str]:
    """Name the classes that only the table or only evals/ has; `imported` ones need no eval set."""
    names = {item.name for item in eval_sets}
    odd = sorted(names - table.routes.keys() | (table.routes.keys() - names - set(imported)))
    if odd:
        yield f"{at.file} and evals/ do not have the same classes: {', '.join(odd)}; run `{at.build}`"


def other_sets(table: Table, eval_sets: Sequence[EvalSet], imported: Collection[str], at: TableFile) -> Iterator[str]:
    """Name the eval sets that are not what the table rests on."""
    for item in eval_sets:
        route = table.routes.get(item.name)
        if route and item.name not in imported and route.eval_set_digest != item.digest:
            yield f"{at.file}: {item.name} rests on another version of {item.file}; run `{at.eval}`"


def other_labels(table: Table, judged: Collection[str], root: Path, at: TableFile) -> Iterator[str]:
    """Name the `judged` classes whose human labels are not those that the table rests on.

    Raises: InputError where a file of labels cannot be read.
    """
    for name in judged:
        if name in table.routes and labels_digest(read_labels(root, name)) != table.routes[name].labels_digest:
            yield f"{at.file}: the human labels of {name} have changed; run `{at.build}`"


def other_evidence(project: Project, table: Table, at: TableFile, *, own_ladder: bool) -> Iterator[str]:
    """Name the settings, ladder, providers and candidates that are not what the evidence was made with.

    `own_ladder`: all evidence was imported, and may stand on a ladder that the project does not have.
    Raises: InputError for a candidate that pins nothing.
    """
    again = "import the outcomes again" if own_ladder else f"run `{at.eval}`"
    settings = {"mode": project.mode, "risk": project.risk_per_class(len(table.routes)), "margin": project.margin}
    for name, now in {**settings, "seed": project.seed, "top_rung": project.top_rung}.items():
        was = getattr(table, name)
        if now != was:
            yield f"{name} is now {now}, {at.file} was built with {was}; {again}"
    stranger = own_ladder and table.ladder_name not in project.ladders
    if not stranger and project.ladders.get(table.ladder_name) != table.ladder:
        yield f"ladder {table.ladder_name!r} is not what {at.file} was built with; run `{at.eval}`"
    own = _own_candidates(table)
    for name in sorted({item.provider for item in own.values()}):
        spec = project.providers.get(name)
        if spec is None or evidence_part(spec) != evidence_part(table.providers[name]):
            yield f"provider {name!r} is not what {at.file} was built with; run `{at.eval}`"
    for name, one in own.items():
        if not is_same(project, name, one):
            yield f"candidate {name!r} is not what {at.file} was built with; run `{at.eval}`"


def _own_candidates(table: Table) -> dict[str, Candidate]:
    return {name: item for name, item in table.candidates.items() if table.providers[item.provider].kind != IMPORTED}


def other_prices(project: Project, table: Table, at: TableFile) -> Iterator[str]:
    """Name the candidates and other places whose price the user has changed; a price list's own changes do not count.

    Raises: InputError for a candidate that pins nothing or has no price.
    """
    own = _own_candidates(table)
    same = {name: one for name, one in own.items() if is_same(project, name, one)}
    for key in (*restated(project, own, table.prices), *_other_place_prices(project, same, table)):
        yield _follow(f"price of {key}", at)


def _follow(what: str, at: TableFile) -> str:
    return f"{what}: changed since {at.file} was built; run `{at.build}`"


def other_policy(project: Project, table: Table, eval_sets: Sequence[EvalSet], at: TableFile) -> Iterator[str]:
    """Name what routerctl.yaml and the eval sets say of serving and the table does not; the evidence stays valid."""
    changed = [name for name in ("rules", "default_class", "routing") if getattr(project, name) != getattr(table, name)]
    changed += ["objective"] if objective_of(project) != table.objective else []
    changed += [f"today of {name}" for name in _other_today(project, table, eval_sets)]
    ours = [(item, table.routes[item.name]) for item in eval_sets if item.name in table.routes]
    changed += [f"stakes of {item.name}" for item, route in ours if route.stakes != item.stakes]
    unproven = [item.name for item, route in ours if route.when_unproven != project.unproven_of(item)]
    changed += [f"when_unproven of {name}" for name in unproven]
    own = {name: one for name, one in _own_candidates(table).items() if is_same(project, name, one)}
    changed += [f"other places of {name}" for name, one in own.items() if project.candidates[name].also != one.also]
    changed += [f"settings of provider {name}" for name in _other_limits(project, table)]
    yield from (_follow(what, at) for what in changed)
    yield from other_prices(project, table, at)


def _other_today(project: Project, table: Table, eval_sets: Sequence[EvalSet]) -> Iterator[str]:
    """Name the classes that another candidate serves now; where none is named, the run's stays."""
    own = {item.name: item.today for item in eval_sets}
    for name, route in table.routes.items():
        now = own.get(name) or project.today
        if now and now != route.today:
            yield name


def _other_limits(project: Project, table: Table) -> Iterator[str]:
    for name, was in table.providers.items():
        now = project.providers.get(name)
        if now is not None and now != was and evidence_part(now) == evidence_part(was):
            yield name


def _other_place_prices(project: Project, candidates: Mapping[str, Candidate], table: Table) -> Iterator[str]:
    """Name the other places that have another price now; a listed one is that of the day the table has it from."""
    for name, candidate in candidates.items():
        for place in candidate.also:
            key, alone = f"{name}@{place.provider}", {name: candidate}
            was = table.prices[key]
            if place.provider in project.providers and is_restated(
                was, place_prices_of(project, alone, date.fromisoformat(was.date))[key]
            ):
                yield key
