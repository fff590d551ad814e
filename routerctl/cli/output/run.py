"""What `routerctl eval` does once its options are read; apart, so that reading options stays quick."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer

from routerctl.cli.output.as_json import evidence_json, worth_json
from routerctl.cli.output.estimate import head_line, show_estimates
from routerctl.cli.output.run_view import RunView, told
from routerctl.cli.output.table import print_routes, say_unproven, say_worth
from routerctl.cli.output.terminal import say
from routerctl.errors import RouterctlError
from routerctl.evaluation.build import build_table
from routerctl.evaluation.labels import read_labels
from routerctl.evaluation.ladder_order import costs_behind, order_warning
from routerctl.evaluation.policy import objective_of
from routerctl.evaluation.run.cached_call import Spending
from routerctl.evaluation.run.climb import Evaluation, Watcher
from routerctl.evaluation.run.estimate import Estimate
from routerctl.evaluation.run.session import (
    EvalOptions,
    Finished,
    Planned,
    estimate_run,
    plan_run,
    provable,
    run_eval,
    warnings_of,
)
from routerctl.evaluation.run_files import read_run
from routerctl.evaluation.worth import evaluation_usd, weigh
from routerctl.files.writing import write_atomically
from routerctl.providers.base import Outside
from routerctl.review.ci import Strict, changed_choices, checks_of, latencies_of
from routerctl.review.ci.publish import check_outputs, end_gate, publish, warn_of_models
from routerctl.review.report import render_report
from routerctl.routing.decision_log.volumes import asked_of
from routerctl.table import TABLE_FILE, load_table
from routerctl.types import Policy, Result, Run, Table
from routerctl.words import plain, plural, usd

Work = tuple[Watcher, Callable[[Evaluation], Awaitable[None]]]


def now() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)


def print_estimate(options: EvalOptions, *, as_json: bool) -> None:
    """Print the estimate of a run."""
    planned = plan_run(Path.cwd(), options, now)
    _warn_of_order(planned)
    for line in provable(planned):
        say(line)
    show_estimates(estimate_run(planned, now), as_json=as_json)


def run_evals(options: EvalOptions, *, strict: Strict | None, junit: Path | None, as_json: bool) -> None:
    """Do what `routerctl eval` says: run, write the report, print the verdicts, tell CI.

    Raises: InputError; GateError, ProviderError, Inconclusive under `strict`; whatever ends a run early.
    """
    check_outputs(junit)
    planned = plan_run(Path.cwd(), options, now)
    finished = ask(planned, estimate_run(planned, now))
    evidence = read_run(finished.folder)
    # A part of the classes or of the ladder says nothing of a table that is chosen as a whole.
    whole = not finished.header.rungs and not options.only
    objective = objective_of(planned.project) if whole else None
    table = _proposal(evidence, Policy(objective=objective))
    if table:
        worth = weigh(table, [evidence], evaluation_usd(table, [evidence]), asked_of(Path.cwd()))
        report = render_report(table, [evidence], _previous(Path.cwd()), worth=worth)
        write_atomically(finished.folder / "report.html", report)
        beyond = _beyond(evidence, table)
        if as_json:
            _print_json(finished, table, beyond, None if finished.header.rungs else worth_json(worth))
        else:
            _print(finished, table, beyond)
            if not finished.header.rungs:
                say_worth(worth)
        warn_of_models(table)
    if finished.interrupted:
        raise KeyboardInterrupt
    # A part of the ladder, or another one, tells nothing of who would serve.
    alone = finished.header.rungs or (planned.project.objective and not whole)
    present = None if alone else _previous(Path.cwd())
    for name, (was, now_) in changed_choices(table, present).items() if table else ():
        say(f"the choice would change: {name} {was} -> {now_}")
    if table:
        times = latencies_of(evidence.results)
        checks = checks_of(table, None, strict=strict, latencies_s=times, present=present)
        publish(table, None, checks, evidence.header, junit=junit)
        if strict:
            end_gate(checks)


def ask(planned: Planned, estimates: Sequence[Estimate], work: Callable[[RunView], Work] | None = None) -> Finished:
    """Run what was planned under the eyes of the user, who is told first what it may take.

    `work`: what to ask instead of climbing the ladders.
    """
    header = planned.header
    of = plural(len(header.classes), "class", "classes"), plural(sum(len(job.cases) for job in planned.jobs), "case")
    say(f"run {header.run_id}: ladder {header.ladder_name} ({', '.join(planned.rungs)}), {plain(', '.join(of))}")
    say(head_line(estimates, planned.options.max_cost_usd))
    try:
        return asyncio.run(_run(planned, work))
    except asyncio.CancelledError:  # the second Ctrl-C
        raise KeyboardInterrupt from None


async def _run(planned: Planned, work: Callable[[RunView], Work] | None) -> Finished:
    spending = Spending(limit_usd=planned.options.max_cost_usd)
    for warning in warnings_of(planned):
        say(f"warning: {warning}")
    if work is None:
        _warn_of_order(planned)
    for line in provable(planned):
        say(line)
    try:
        with RunView(planned.header, spending) as view, told(view):
            watcher, climb = work(view) if work else (view, None)
            return await run_eval(
                planned,
                watcher,
                Outside(env=os.environ),
                spending=spending,
                now=now,
                on_stop=lambda: say("stopping: waiting for the calls in flight (Ctrl-C again to abandon them)"),
                work=climb,
            )
    except (RouterctlError, asyncio.CancelledError):  # who finishes says what it paid with its results
        if spending.paid_calls or spending.spent_usd:
            calls = plain(plural(spending.paid_calls, "call"))
            say(f"the run ended early; it paid {usd(spending.spent_usd)} for {calls}")
        raise
    finally:
        _say_unseen(spending)


def _say_unseen(spending: Spending) -> None:
    """Say what may be billed though no reply came."""
    if spending.perhaps_usd:
        say(f"attempts without a reply may be billed too: {usd(spending.perhaps_usd)} at most")


def _warn_of_order(planned: Planned) -> None:
    header, project = planned.header, planned.project
    costs = costs_behind(project.root, project, header.candidates)
    words = order_warning(header.ladder_name, planned.rungs, header.candidates, header.prices, costs)
    if words:
        say(f"warning: {words}")


def _proposal(evidence: Run, policy: Policy) -> Table | None:
    """Build the table that this run alone would give; None where it was stopped before the first result.

    Of the policy only what chooses plays a part. A finished run may have classes without a result: too few cases to
    prove anything.
    """
    tried = {result.task_class for result in evidence.results}
    runs = {name: evidence for name in evidence.header.classes if evidence.header.finished or name in tried}
    stakes = {name: one.stakes for name, one in evidence.header.classes.items()}
    previous = _previous(Path.cwd())
    labels = {name: read_labels(Path.cwd(), name) for name in runs}
    if not runs:
        return None
    return build_table(runs, policy=policy, previous=previous, stakes=stakes, labels=labels)


def _previous(root: Path) -> Table | None:
    try:
        return load_table(root / TABLE_FILE)
    except RouterctlError:  # none yet, or one that `check` will name: a run does not depend on it
        return None


def _beyond(evidence: Run, table: Table) -> list[Result]:
    """List the results that no test needed: asked for ahead, to find the best, or as the whole grid was wanted."""
    stops = {
        (name, one.candidate): one.judgement.stopped_at
        for name, route in table.routes.items()
        for one in route.evidence
        if one.judgement.stopped_at is not None
    }
    never = len(evidence.results)
    return [one for one in evidence.results if one.index >= stops.get((one.task_class, one.candidate), never)]


def _print_json(finished: Finished, table: Table, beyond: Sequence[Result], worth: Mapping[str, Any] | None) -> None:
    """Print a run as one object; `worth`: None where only some candidates were wanted."""
    classes = {
        name: {
            "chosen": route.chosen,
            "level": route.level,
            "candidates": [evidence_json(item) for item in route.evidence],
        }
        for name, route in table.routes.items()
    }
    said = {
        "run_id": finished.header.run_id,
        "finished": finished.header.finished,
        **finished.paid,
        "perhaps_usd": str(finished.spending.perhaps_usd),
        "lost_calls": finished.spending.lost_calls,
        "beyond_the_stop": len(beyond),
        "classes": classes,
        "worth": worth,
    }
    typer.echo(json.dumps(said))


def _print(finished: Finished, table: Table, beyond: Sequence[Result]) -> None:
    print_routes(table)
    say_unproven(table)
    if beyond and not finished.header.full:  # of a full run they were asked for
        worth_usd = sum((one.cost_usd + one.judge_usd for one in beyond), Decimal(0))
        say(f"{plain(plural(len(beyond), 'reply', 'replies'))}, worth {usd(worth_usd)}, came after a test had ended")
    say(f"{finished.paid_words}; report: {finished.folder.relative_to(Path.cwd())}/report.html")
