"""What `routerctl build-table --propose` does: a candidate beside the pinned ones -> a proposed table and its diff.

The run is one like any other but for its ladder, which has a name of its own: neither `check` nor a later
`build-table` takes it for evidence of a ladder of routerctl.yaml. Nothing is put in force here.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer

from routerctl.cli.output.estimate import show_estimates
from routerctl.cli.output.run import ask, now
from routerctl.cli.output.terminal import say
from routerctl.errors import InputError, nearest
from routerctl.evaluation.build import build_table
from routerctl.evaluation.eval_sets import EVALS_FOLDER, eval_set_files
from routerctl.evaluation.labels import read_labels
from routerctl.evaluation.ladder_place import LadderPlace, ladder_place
from routerctl.evaluation.policy import policy_of
from routerctl.evaluation.project import load_project
from routerctl.evaluation.run.estimate import Estimate
from routerctl.evaluation.run.session import EvalOptions, Finished, Planned, estimate_run, plan_run
from routerctl.evaluation.run_files import read_run
from routerctl.evaluation.worth import evidence_for
from routerctl.files.codec import json_default
from routerctl.files.writing import write_atomically
from routerctl.review.ci.publish import warn_of_models
from routerctl.review.diff import TableChanges, compare
from routerctl.review.diff.render import ComparedTables, text, values
from routerctl.review.report import render_report
from routerctl.routing.decision_log.usage import logged_usage
from routerctl.routing.decision_log.volumes import asked_of
from routerctl.table import TABLE_FILE, load_table, table_text, with_digest
from routerctl.types import Route, Run, Table
from routerctl.words import as_written, clean, odds, plural

PROPOSED_FILE = "routes.proposed.yaml"


def propose_table(candidate: str, *, after: str | None, max_cost_usd: Decimal | None, as_json: bool) -> None:
    """Do what `build-table --propose` says: evaluate a candidate, write the table that would follow, print the diff.

    Raises: InputError; whatever ends a run early.
    """
    root = Path.cwd()
    present = load_table(root / TABLE_FILE)
    _check_sets(root, present)
    placed = ladder_place(candidate, load_project(root), present, after=after, today=now().date())
    options = EvalOptions(
        ladder=f"{present.ladder_name}+{candidate}",
        ladder_rungs=placed.rungs,
        only=tuple(present.routes),
        max_cost_usd=max_cost_usd,
        logged=logged_usage(root),
    )
    planned = plan_run(root, options, now)
    estimates = estimate_run(planned, now)
    _announce(planned, placed, present, estimates)
    evidence, finished = _evaluated(planned, estimates)
    table = _table(evidence, present)
    write_atomically(finished.folder / PROPOSED_FILE, _first_line(candidate) + table_text(table))
    write_atomically(finished.folder / "report.html", render_report(table, [evidence], present))
    _print(compare(present, table), placed, finished, as_json=as_json)
    warn_of_models(table)


def _check_sets(root: Path, present: Table) -> None:
    files = eval_set_files(root)
    for name in present.routes:
        if name not in files:
            problem = f"class {name!r} of {TABLE_FILE} no longer has an eval set{nearest(name, files)}"
            raise InputError(f"{problem}; put it back, or run `routerctl build-table` first", file=f"{EVALS_FOLDER}/")
    new = [name for name in files if name not in present.routes]
    if new:
        say(f"note: left out, since {TABLE_FILE} does not have them yet: {', '.join(new)}")


def _first_line(candidate: str) -> str:
    return f"# A proposal with {candidate}, not in force: compare it by `routerctl diff {TABLE_FILE} <this file>`.\n"


# --- the run ----------------------------------------------------------------------------------------------------------


def _announce(planned: Planned, placed: LadderPlace, present: Table, estimates: Sequence[Estimate]) -> None:
    """Say what will be asked, and what it may cost, before the first call; all of it on stderr."""
    header = planned.header
    say(f"run {header.run_id}: {placed.candidate} beside {TABLE_FILE}: ladder {', '.join(header.ladder)}")
    say(f"its place: {placed.why}")
    moved = [name for name, one in header.classes.items() if one.digest != present.routes[name].eval_set_digest]
    if moved:
        say(f"note: the cases are not those behind {TABLE_FILE}, so that differs too: {', '.join(moved)}")
    with redirect_stdout(sys.stderr):
        show_estimates(estimates, as_json=False)


def _evaluated(planned: Planned, estimates: Sequence[Estimate]) -> tuple[Run, Finished]:
    """Run it and read it back.

    Raises: KeyboardInterrupt where the user stopped it: half a run proposes nothing.
    """
    finished = ask(planned, estimates)
    if finished.interrupted:
        say("nothing is proposed; what was paid for is in the cache: run again to continue")
        raise KeyboardInterrupt
    return read_run(finished.folder), finished


def _table(evidence: Run, present: Table) -> Table:
    """Build the table of this run alone under the present rules: only the candidate is new.

    Who is seen to miss a bar by the present table serves nobody here either, though this run did not get to it.
    """
    classes = evidence.header.classes
    table = build_table(
        dict.fromkeys(classes, evidence),
        policy=policy_of(present),
        previous=present,
        stakes={name: one.stakes for name, one in classes.items()},
        labels={name: read_labels(Path.cwd(), name) for name in classes},
    )
    routes = {name: _without_missed(route, present.routes[name]) for name, route in table.routes.items()}
    return with_digest(replace(table, routes=routes))


def _without_missed(route: Route, present: Route) -> Route:
    if route.eval_set_digest != present.eval_set_digest:
        return route
    missed = {
        one.candidate
        for one in present.evidence
        if one.judgement.verdict.missed and evidence_for(route, one.candidate) is None
    }
    rungs = tuple(name for name in route.rungs if name == route.chosen or name not in missed)
    return replace(route, rungs=rungs)


# --- what is said of it -----------------------------------------------------------------------------------------------


def _print(found: TableChanges, placed: LadderPlace, finished: Finished, *, as_json: bool) -> None:
    folder = finished.folder.relative_to(Path.cwd())
    shown = ComparedTables(found=found, names=(TABLE_FILE, f"{folder}/{PROPOSED_FILE}"), asked=asked_of(Path.cwd()))
    notes = [*_notes(found, placed), _next_step(found, placed)]
    if as_json:
        proposal = {"proposal": _values(found, placed, finished, notes)}
        typer.echo(json.dumps(proposal | values(shown), default=json_default))
    else:
        typer.echo(text(shown))
        typer.echo(f"\n{clean(_verdict(found, placed))}")
        for note in notes:
            say(note)
    say(
        f"{finished.paid_words}; {TABLE_FILE} is unchanged; "
        f"proposed: {folder}/{PROPOSED_FILE}; report: {folder}/report.html"
    )


def _choosing(found: TableChanges) -> list[str]:
    return [one.task_class for one in found.classes if one.chooses]


def _taking(found: TableChanges, candidate: str) -> list[str]:
    return [name for name, route in found.after.routes.items() if route.chosen == candidate and route.passing]


def _not_run(found: TableChanges, candidate: str) -> list[str]:
    return [name for name, route in found.after.routes.items() if evidence_for(route, candidate) is None]


def _verdict(found: TableChanges, placed: LadderPlace) -> str:
    """Say whether any class would choose otherwise."""
    changed = _choosing(found)
    if not changed:
        return f"With {placed.candidate} on the ladder, no class would choose differently."
    classes = plural(len(found.classes), "class", "classes")
    how = f"{len(changed)} of {classes} would choose differently: {_list(changed)}."
    return f"With {placed.candidate} on the ladder, {how}"


def _notes(found: TableChanges, placed: LadderPlace) -> list[str]:
    """Say what a reader of the difference must know: who was not asked, and what one candidate more costs in proof."""
    name, notes = placed.candidate, []
    if not_run := _not_run(found, name):
        notes.append(f"{name} was not run on {_list(not_run)}: a rung before it passes there, or it is not tested")
    flagged = [one for one, route in found.after.routes.items() if route.chosen == name and not route.passing]
    if flagged:
        notes.append(f"{name} would serve {_list(flagged)} as the best available: no candidate reaches the bar there")
    others = [one for one in _choosing(found) if found.after.routes[one].chosen != name]
    if others:
        notes.append(f"{_list(others)}: changed by the stricter proof or by new cases, not by {name}")
    before, after = (_alphas(table) for table in (found.before, found.after))
    if before and after:
        notes.append(
            f"one candidate more makes each proof stricter: error probability {odds(after)} each, {odds(before)} today "
            f"(the risk of {as_written(found.after.risk)} per class is divided by {len(placed.rungs)} candidates)"
        )
    return notes


def _alphas(table: Table) -> float | None:
    """Give the largest share of the risk that a candidate of the table was tested at."""
    return max((one.judgement.alpha for route in table.routes.values() for one in route.evidence), default=None)


def _next_step(found: TableChanges, placed: LadderPlace) -> str:
    where, ladder = f"after {placed.before}" if placed.before else "first", found.before.ladder_name
    return (
        f"to accept it: put {placed.candidate} {where} on ladder {ladder} in routerctl.yaml, then `routerctl eval "
        f"--ladder {ladder}` and `routerctl build-table --ladder {ladder}`; every reply is in the cache"
    )


def _values(found: TableChanges, placed: LadderPlace, finished: Finished, notes: Sequence[str]) -> dict[str, Any]:
    folder = finished.folder.relative_to(Path.cwd())
    return {
        "candidate": placed.candidate,
        "ladder": list(placed.rungs),
        "place": placed.why,
        "changes": _choosing(found),
        "chosen_for": _taking(found, placed.candidate),
        "not_run": _not_run(found, placed.candidate),
        "words": clean(_verdict(found, placed)),
        "notes": list(notes),
        "run_id": finished.header.run_id,
        "file": f"{folder}/{PROPOSED_FILE}",
        "report": f"{folder}/report.html",
        **finished.paid,
    }


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
