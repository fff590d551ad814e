"""What `routerctl build-table` does once its options are read."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from routerctl.cli.output.as_json import evidence_json, worth_json
from routerctl.cli.output.terminal import PER_1000, folded, print_table, say
from routerctl.errors import InputError, nearest
from routerctl.evaluation.assemble import assemble
from routerctl.evaluation.ladder_order import measured_costs, order_warning
from routerctl.evaluation.outdated import since_built
from routerctl.evaluation.project import PROJECT_FILE, load_project
from routerctl.evaluation.run_files import REPORTS_FOLDER
from routerctl.evaluation.selection import (
    bar_change_words,
    interval_note,
    unproven_words,
)
from routerctl.evaluation.worth import Worth, chosen_evidence, evaluation_usd, weigh, weighed_by
from routerctl.files.writing import write_atomically
from routerctl.levels import level_name, risk_shown
from routerctl.review.ci import Strict, checks_of
from routerctl.review.ci.publish import end_gate, warn_of_models
from routerctl.review.diff.labels import label_words
from routerctl.review.report import render_report
from routerctl.routing.decision_log.volumes import asked_of
from routerctl.table import TABLE_FILE, load_table, table_text, version_to_follow, with_digest
from routerctl.types import Judgement, RelativeBar, Route, Run, Table, Tier
from routerctl.words import bar_words, grouped, out_of, points_as_written, spread, usd

_SAID = 10  # classes that are not proven and get a line of their own
_MARKS = {
    "j": "a judge's word",
    "h": "on human labels",
    "m": "a mean, not a count",
    "c": "cases in clusters",
    "a": "not the first attempt",
}


def build(
    *, ladder: str | None, wanted: tuple[str, ...], strict: Strict | None, as_json: bool, tier: str | None = None
) -> None:
    """Do what `build-table` says: write routes.yaml, or a tier's table, and the report, and print the choices.

    Raises: InputError; under `strict`, once both are written, GateError, ProviderError and Inconclusive.
    """
    root, file = Path.cwd(), TABLE_FILE
    if tier is not None:
        found = _tier_of(root, tier)
        file, ladder = found.table, found.ladder
    older = version_to_follow(root / file)
    # Not verified: a table that was edited by hand is what this command puts right.
    previous = load_table(root / file, verify=False) if older is None and (root / file).exists() else None
    table, runs = assemble(root, ladder=ladder, wanted=wanted, previous=previous)
    if older is not None:
        say(f"{file}: could not be read; rebuilt from the evidence")
        table = with_digest(replace(table, table_version=older + 1))
    report = root / REPORTS_FOLDER / max(route.run_id for route in table.routes.values()) / "report.html"
    evidence = list({run.header.run_id: run for run in runs.values()}.values())  # classes may share a run
    worth = weigh(table, evidence, evaluation_usd(table, evidence), asked_of(root))
    compared = _compared(report.with_name(f"{Path(file).stem}.before.yaml"), previous, table)
    write_atomically(report, render_report(table, evidence, compared, worth=worth))
    write_atomically(root / file, table_text(table))
    if as_json:
        _print_json(table, worth_json(worth))
    else:
        print_routes(table)
        say_unproven(table)
        say_lowered(table)
        say_worth(worth)
    for words in label_words(previous, table, runs):
        say(words)
    changed = "unchanged" if previous and previous.digest == table.digest else f"version {table.table_version}"
    for words in _warnings(root, file, table, runs):
        say(f"warning: {words}")
    say(f"{file}: {changed}; report: {report.relative_to(root)}")
    warn_of_models(table)
    if strict:
        end_gate(checks_of(table, None, strict=strict))


def _warnings(root: Path, file: str, table: Table, runs: Mapping[str, Run]) -> Iterator[str]:
    """Say what of the project the table does not follow, and where its ladder is not in order of price."""
    # Mode, risk, margin and seed are part of the test, fixed before the first answer: a table keeps those of its run.
    yield from since_built(root, table, file)
    costs = measured_costs(runs, table.candidates)
    order = order_warning(table.ladder_name, table.ladder, table.candidates, table.prices, costs)
    if order:
        yield order


def _compared(kept: Path, previous: Table | None, table: Table) -> Table | None:
    """Give the table that the report compares with: the one before this one, also where this one is built again.

    `kept`: where it stays for that, beside the report, since the new table takes its place.
    """
    if previous is not None and previous.digest != table.digest:
        write_atomically(kept, table_text(previous))
        return previous
    if previous is None:
        kept.unlink(missing_ok=True)
    with contextlib.suppress(InputError):  # none was kept, or it is of another version of this program
        return load_table(kept, verify=False)
    return None


def _tier_of(root: Path, name: str) -> Tier:
    tiers = load_project(root).routing.tiers
    if name not in tiers:
        raise InputError(f"no tier {name!r} under routing: tiers:{nearest(name, tiers)}", file=PROJECT_FILE)
    return tiers[name]


def _print_json(table: Table, worth: Mapping[str, Any]) -> None:
    choices = {
        name: {
            "chosen": route.chosen,
            "level": route.level,
            "rungs": list(route.rungs),
            "candidates": [evidence_json(item) for item in route.evidence],
        }
        for name, route in table.routes.items()
    }
    said = {"table_version": table.table_version, "digest": table.digest, "routes": choices, "worth": worth}
    typer.echo(json.dumps(said))


def print_routes(table: Table) -> None:
    """Print the choices of a table, a row a class; money is USD per 1,000 requests.

    What is not a program's count of passed cases carries a mark; lines below the table explain what is in it.
    """
    rows = [_route_row(route) for route in table.routes.values()]
    columns = ["class", "choice", "verdict", "passed", "interval", "bar", PER_1000]
    if bar := _shared_bar(table):
        columns, rows = [*columns[:5], PER_1000], [[*row[:5], row[6]] for row in rows]
    print_table(columns, rows, right=["passed", "interval", PER_1000])
    sys.stdout.writelines(f"{line}\n" for line in (*([f"bar: {bar}"] if bar else []), *_legend(table)))


def _shared_bar(table: Table) -> str:
    """The bar of all classes where it is one against a model, which is too long for a column; else ""."""
    bars = {route.bar for route in table.routes.values()}
    return bar_words(bars.pop()) if len(bars) == 1 and all(isinstance(bar, RelativeBar) for bar in bars) else ""


def _legend(table: Table) -> Iterator[str]:
    """Explain what this table's rows hold."""
    routes = list(table.routes.values())
    if table.objective:
        aim = f"at most {points_as_written(table.objective.within)} below {table.objective.of}"
        yield f"objective: {aim} over all classes; the bars hold as floors"
    used = {mark for route in routes if (one := chosen_evidence(route)) for mark in _marks(one.judgement)}
    if used:
        yield ", ".join(f"{mark}: {_MARKS[mark]}" for mark in _MARKS if mark in used)
    risks = [risk for route in routes if (risk := risk_shown(route))]
    if risks:
        bound = ", ≤ at most" if any(risk.startswith("≤") for risk in risks) else ""
        yield f"% after provisional{bound}: how often one exactly at the bar would do as well by luck"
    if any(route.level == "reference" for route in routes):
        yield "reference: the model that the bar is set by; it is compared with, not tested"
    yield from folded(interval_note(one.judgement for route in routes if (one := chosen_evidence(route))), "")


def _marks(judgement: Judgement) -> str:
    """The letters of what a verdict rests on, besides independent cases scored by a program."""
    found = {
        "j": judgement.trust == "judge",
        "h": judgement.trust == "labels",
        "m": judgement.mean is not None,
        "c": judgement.method == "clusters",
        "a": judgement.attempt > 1,
    }
    return "".join(mark for mark, holds in found.items() if holds)


def _route_row(route: Route) -> list[str]:
    evidence, risk = chosen_evidence(route), risk_shown(route)
    flag = "" if route.passing else "! "
    if evidence is None:
        return [route.task_class, flag + route.chosen, "not run", "", "", bar_words(route.bar), ""]
    judgement = evidence.judgement
    passed = out_of(judgement.passes, judgement.cases) if judgement.mean is None else f"{judgement.mean:.3f}"
    return [
        route.task_class,
        flag + route.chosen,
        f"{level_name(route)}{f', {risk}' if risk else ''} {_marks(judgement)}".rstrip(),
        passed,
        spread(judgement.interval),
        bar_words(route.bar),
        "" if evidence.cost_per_case_usd is None else usd(1000 * evidence.cost_per_case_usd),
    ]


def worth_line(worth: Worth) -> str:
    """Say in one line whether the table is worth it, and why: what it does beside today's model and the best constant.

    Then what would settle it, how the choice does on other cases, and by what the classes weigh.
    """
    several = worth.constants and len(worth.weighting.cases) > 1
    weighs = f"Classes weigh by {weighed_by(worth.weighting)}." if several else ""
    return f"{worth.answer}: {' '.join(part for part in (worth.told, worth.procedure, weighs) if part)}"


def say_worth(worth: Worth) -> None:
    """Print `worth_line` on stderr, wrapped to 80 columns."""
    for line in folded(worth_line(worth)):
        say(line)


def say_lowered(table: Table) -> None:
    """Say of each class that its bar was lowered, or changed for one of another kind, after scores had been seen."""
    for name, route in table.routes.items():
        _, words = bar_change_words(route)
        if words:
            say(f"warning: {name}: {words}")


def say_unproven(table: Table) -> None:
    """Say of each class that is not proven what serves and what would help; of many, name only the rest."""
    missing = [route for route in table.routes.values() if not route.settled]
    missing.sort(key=lambda route: route.passing)  # those where nobody reaches the bar first
    for route in missing[:_SAID]:
        say(grouped(unproven_words(route, table)))
    if len(missing) > _SAID:
        names = ", ".join(route.task_class for route in missing[_SAID:])
        say(f"and {len(missing) - _SAID} more classes that are not proven: {names}")
