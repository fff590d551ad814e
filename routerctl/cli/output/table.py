"""What `routerctl build-table` does once its options are read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from routerctl.cli.output.as_json import evidence_json, worth_json
from routerctl.cli.output.terminal import print_routes, say, say_lowered, say_unproven, say_worth
from routerctl.errors import InputError, nearest
from routerctl.evaluation.check import assemble
from routerctl.evaluation.ladder_order import measured_costs, order_warning
from routerctl.evaluation.outdated import since_built
from routerctl.evaluation.project import PROJECT_FILE, load_project
from routerctl.evaluation.run_files import REPORTS_FOLDER, write_atomically
from routerctl.evaluation.worth import evaluation_usd, weigh
from routerctl.review.ci import Strict
from routerctl.review.ci.publish import end_gate, warn_of_models
from routerctl.review.diff.labels import label_words
from routerctl.review.report import render_report
from routerctl.routing.decision_log.places import asked_of
from routerctl.table import TABLE_FILE, load_table, table_text, version_to_follow, with_digest
from routerctl.types import Run, Table, Tier


def build(
    *, ladder: str | None, wanted: tuple[str, ...], strict: Strict | None, as_json: bool, tier: str | None = None
) -> None:
    """Write routes.yaml, or the table of a tier, and the report, and print the choices.

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
        say(f"{file}: cannot be read as it is; made anew from the evidence")
        table = with_digest(replace(table, table_version=older + 1))
    newest = max(route.run_id for route in table.routes.values())
    report = root / REPORTS_FOLDER / newest / "report.html"
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
        end_gate(table, strict=strict)


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
