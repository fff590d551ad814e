"""What `routerctl eval` does once its options are read; apart, so that reading options stays quick."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from routerctl.build import build_table
from routerctl.codec import encode, json_default
from routerctl.console import RunView, evidence_json, print_estimates, print_routes, say, unproven_words
from routerctl.errors import GateError, Inconclusive, RouterctlError
from routerctl.providers.base import Outside
from routerctl.report import render_report
from routerctl.results import read_run, write_atomically
from routerctl.run.caller import Spending
from routerctl.run.session import EvalOptions, Finished, Planned, estimate_run, plan_run, run_eval
from routerctl.table import TABLE_FILE, load_table
from routerctl.types import Route, Run, Table, Verdict
from routerctl.words import usd


def _now() -> datetime:
    return datetime.now(UTC)


def print_estimate(options: EvalOptions, *, as_json: bool) -> None:
    """Print the estimate of a run."""
    planned = plan_run(Path.cwd(), options, _now)
    estimates = estimate_run(planned)
    if as_json:
        typer.echo(json.dumps([encode(item, keep_defaults=True) for item in estimates], default=json_default))
        return
    print_estimates(estimates)
    say("calls: least (no miss) - most (every case); tokens, dollars, minutes: at most; cached replies are free")


def run(options: EvalOptions, *, strict: bool, as_json: bool) -> None:
    """Run the eval, write the report, print the verdicts.

    Raises: GateError, Inconclusive under `strict`; whatever ends a run early.
    """
    planned = plan_run(Path.cwd(), options, _now)
    try:
        finished = asyncio.run(_run(planned))
    except asyncio.CancelledError:  # the second Ctrl-C
        raise KeyboardInterrupt from None
    evidence = read_run(finished.folder)
    table = _proposal(evidence)
    if table:
        report = render_report(table, [evidence], _previous(Path.cwd()))
        write_atomically(finished.folder / "report.html", report)
        _print(finished, table, as_json=as_json)
    if finished.interrupted:
        raise KeyboardInterrupt
    if strict and table:
        gate(list(table.routes.values()))


async def _run(planned: Planned) -> Finished:
    spending = Spending(limit_usd=planned.options.max_cost_usd)
    header = planned.header
    say(
        f"run {header.run_id}: ladder {header.ladder_name} ({', '.join(planned.rungs)}), "
        f"{len(header.classes)} classes, {sum(item.n for item in header.classes.values())} cases"
    )
    with RunView(header, spending) as view:
        return await run_eval(
            planned,
            view,
            Outside(env=os.environ),
            spending=spending,
            now=_now,
            on_stop=lambda: say("stopping: waiting for the calls in flight (Ctrl-C again to leave them)"),
        )


def _proposal(evidence: Run) -> Table | None:
    """Build the table that this run alone would give; None where it was stopped before the first result.

    Its rules play no part. A finished run may have classes without a result: too few cases to prove anything.
    """
    tried = {result.task_class for result in evidence.results}
    runs = {name: evidence for name in evidence.header.classes if evidence.header.finished or name in tried}
    return build_table(runs, rules=(), default_class=None, previous=_previous(Path.cwd())) if runs else None


def _previous(root: Path) -> Table | None:
    try:
        return load_table(root / TABLE_FILE)
    except RouterctlError:  # none yet, or one that `check` will name: a run does not depend on it
        return None


def _print(finished: Finished, table: Table, *, as_json: bool) -> None:
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "run_id": finished.header.run_id,
                    "finished": finished.header.finished,
                    "paid_usd": str(finished.spending.spent_usd),
                    "paid_calls": finished.spending.paid_calls,
                    "cached_calls": finished.spending.cached_calls,
                    "classes": {
                        name: {
                            "chosen": route.chosen,
                            "passing": route.passing,
                            "candidates": [evidence_json(item) for item in route.evidence],
                        }
                        for name, route in table.routes.items()
                    },
                }
            )
        )
        return
    print_routes(table)
    for route in table.routes.values():
        if not route.passing:
            say(unproven_words(route))
    spending = finished.spending
    say(
        f"paid {usd(spending.spent_usd)} for {spending.paid_calls} calls, {spending.cached_calls} came from the cache; "
        f"report: {finished.folder.relative_to(Path.cwd())}/report.html"
    )


def gate(routes: Sequence[Route]) -> None:
    """Be strict: every class must have a passing candidate.

    Raises: GateError where a class is known to have none, Inconclusive where there were too few cases to tell.
    """
    failing = [route for route in routes if not route.passing]
    undecided = [route.task_class for route in failing if _undecided(route)]
    missing = [route.task_class for route in failing if not _undecided(route)]
    if missing:
        raise GateError(f"no candidate passes for {', '.join(missing)}")
    if undecided:
        raise Inconclusive(f"too few cases to decide for {', '.join(undecided)}")


def _undecided(route: Route) -> bool:
    """Tell whether some candidate might pass with more cases: none of the evidence is against it."""
    return not route.evidence or any(
        item.judgement.verdict is Verdict.NOT_PROVEN
        and (item.judgement.cases == 0 or (item.judgement.score or 0) >= route.bar)
        for item in route.evidence
    )
