"""What `routerctl eval --baseline` does: who serves is asked again, and it is told whether that got worse."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import typer

from routerctl.cli.output.as_json import told_json
from routerctl.cli.output.estimate import show_estimates
from routerctl.cli.output.run import Work, ask, now
from routerctl.cli.output.run_view import RunView
from routerctl.cli.output.terminal import say
from routerctl.errors import InputError
from routerctl.evaluation.project import Project
from routerctl.evaluation.regression import Regression, regression_words
from routerctl.evaluation.regression.baseline import Baseline, Comparison, against, estimate_comparison, load_baseline
from routerctl.evaluation.repricing import at_present_prices
from routerctl.evaluation.run.session import EvalOptions, Finished, Planned, plan_run
from routerctl.evaluation.unpinned import ADVICE
from routerctl.evaluation.worth import told_words
from routerctl.files.codec import json_default
from routerctl.review.ci import Strict, checks_of, to_json
from routerctl.review.ci.publish import check_outputs, end_gate, publish
from routerctl.words import clean


def print_comparison_estimate(options: EvalOptions, wanted: str, *, epochs: int, as_json: bool) -> None:
    """Print the estimate of a comparison.

    Raises: InputError.
    """
    planned, baseline = _planned(options, wanted)
    show_estimates(
        estimate_comparison(planned, baseline, now, epochs=epochs),
        calls="every class looks worse: every epoch, max_tokens, every attempt",
        as_json=as_json,
    )


def compare_with_baseline(
    options: EvalOptions,
    wanted: str,
    *,
    epochs: int,
    alpha: float,
    junit: Path | None,
    strict: Strict | None,
    as_json: bool,
) -> None:
    """Do what `eval --baseline` says: ask who serves there again, print what changed, and raise the alarm.

    Raises: GateError where it got worse; ProviderError where the calls of a class failed; Inconclusive where nothing
    could be compared, under `strict` a class; InputError; whatever ends a run early.
    """
    check_outputs(junit)
    planned, baseline = _planned(options, wanted)
    found: list[Comparison] = []

    def work(view: RunView) -> Work:
        comparison = Comparison(planned, baseline, view, epochs=epochs, alpha=alpha, screened=not options.full)
        found.append(comparison)
        return comparison, comparison.work

    finished = ask(planned, estimate_comparison(planned, baseline, now, epochs=epochs), work)
    regression = found[0].regression
    if regression is None:
        raise KeyboardInterrupt
    days = (now() - datetime.fromisoformat(baseline.created_at)).total_seconds() / 86_400
    _print(finished, found[0], regression, days, as_json=as_json)
    checks = checks_of(None, regression, strict=strict)
    publish(None, regression, checks, finished.header, junit=junit, baseline_days=days)
    end_gate(checks, baseline=regression.baseline)


def _planned(options: EvalOptions, wanted: str) -> tuple[Planned, Baseline]:
    root = Path.cwd()
    baseline = load_baseline(root, wanted)
    planned, left_out = against(plan_run(root, options, now), baseline, every_case=options.full)
    if left_out:
        say(f"left out, not measured on both sides: {', '.join(left_out)}")
    return planned, _at_present_prices(baseline, planned.project)


def _at_present_prices(baseline: Baseline, project: Project) -> Baseline:
    """Count what the earlier replies cost at the prices that the newer ones have; else no money is told of them."""
    try:
        runs = {name: at_present_prices(run, project) for name, run in baseline.runs.items()}
    except InputError as error:
        say(f"warning: today's model is left out: {error}")
        return replace(baseline, table=None)
    return replace(baseline, runs=runs)


def _print(finished: Finished, found: Comparison, regression: Regression, days: float, *, as_json: bool) -> None:
    today = found.beside_today
    if as_json:
        answer = {"run_id": finished.header.run_id, **finished.paid, **to_json(regression)}
        answer |= {"against_today": told_json(today) if today else None}
        typer.echo(json.dumps(answer, default=json_default))
    else:
        for sentence in regression_words(regression, baseline_days=days):
            typer.echo(clean(sentence))
        if today:
            typer.echo(
                clean(f"{told_words(today)} (by these replies, and those of {today.candidate} in the baseline).")
            )
    for one in regression.classes:
        for words in one.foreign:
            say(f"warning: {one.task_class}: {words}; {ADVICE}")
    if not finished.spending.paid_calls:
        say("every reply came from the cache: prompts and scorers are compared, not the models (--max-age 0 asks them)")
    say(f"{finished.paid_words}; run {finished.header.run_id}")
