"""What `routerctl eval` does once its options are read; apart, so that reading options stays quick."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from routerctl.cli.output.as_json import evidence_json, worth_json
from routerctl.cli.output.estimate import head_line, show_estimates
from routerctl.cli.output.table import print_routes, say_unproven, say_worth
from routerctl.cli.output.terminal import console_for, is_live, say
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
from routerctl.evaluation.selection import verdict_words
from routerctl.evaluation.worth import evaluation_usd, weigh
from routerctl.files.writing import write_atomically
from routerctl.providers.base import Outside
from routerctl.review.ci import Strict, changed_choices, checks_of, latencies_of
from routerctl.review.ci.publish import check_outputs, end_gate, publish, warn_of_models
from routerctl.review.report import render_report
from routerctl.routing.decision_log.volumes import asked_of
from routerctl.table import TABLE_FILE, load_table
from routerctl.types import Judgement, Policy, Result, Run, RunHeader, Table
from routerctl.words import clean, missing_words, plain, plural, usd

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_MARK = {True: "+", False: "-"}

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
    with RunView(planned.header, spending) as view:
        watcher, climb = work(view) if work else (view, None)
        finished = await run_eval(
            planned,
            watcher,
            Outside(env=os.environ),
            spending=spending,
            now=now,
            on_stop=lambda: say("stopping: waiting for the calls in flight (Ctrl-C again to abandon them)"),
            work=climb,
        )
    if spending.perhaps_usd:
        say(f"attempts without a reply may be billed too: {usd(spending.perhaps_usd)} at most")
    return finished


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


class RunView:
    """Watches a run: one moving line a class on a terminal, else a plain line a verdict."""

    def __init__(self, header: RunHeader, spending: Spending) -> None:
        self._header, self._spending = header, spending
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._cases: dict[tuple[str, str], int] = {}
        self._worth_usd: dict[tuple[str, str], Decimal] = {}  # of the replies, wherever they came from
        self._missing: dict[tuple[str, str], list[tuple[int, str]]] = {}  # index and status of what has no score

    def __enter__(self) -> RunView:
        if is_live(sys.stderr):
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                TextColumn("{task.description:<14.14}"),
                BarColumn(bar_width=18),
                TextColumn("{task.fields[state]}"),
                TimeElapsedColumn(),
                console=console_for(sys.stderr),
            )
            self._progress.start()
            for name, header in self._header.classes.items():
                self._tasks[name] = self._progress.add_task(name, total=header.n, state="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()

    def result(self, result: Result) -> None:
        """See one result."""
        key = (result.task_class, result.candidate)
        self._cases[key] = self._cases.get(key, 0) + 1
        self._worth_usd[key] = result.cost_usd + result.judge_usd + self._worth_usd.get(key, 0)
        if result.status != "scored":
            self._missing.setdefault(key, []).append((result.index, result.status))
        if self._progress:
            state = f"{result.candidate} {self._cases[key]} cases, {usd(self._spending.spent_usd)} spent"
            self._progress.update(self._tasks[result.task_class], completed=self._cases[key], state=clean(state))

    def verdict(self, task_class: str, candidate: str, judgement: Judgement) -> None:
        """See the verdict on one candidate."""
        known = self._missing.get((task_class, candidate), ())
        looked_at = [status for index, status in known if index < judgement.cases]
        missing = plain(missing_words(looked_at.count("failed"), looked_at.count("unscored")))
        found = f"{verdict_words(judgement)}{f' Counted as not passed: {missing}.' if missing else ''}"
        if worth_usd := self._worth_usd.get((task_class, candidate)):
            spent_usd = self._spending.spent_usd
            found += f" Its replies are worth {usd(worth_usd)}; the run has spent {usd(spent_usd)} so far."
        line = clean(f"{_MARK[judgement.verdict.passes]} {task_class}, {candidate}: {found}")
        if self._progress:
            self._progress.console.print(line, markup=False)
        else:
            say(line)
