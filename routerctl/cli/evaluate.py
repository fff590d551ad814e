"""`routerctl eval`: run the eval sets against the ladder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import AsJson, Candidates, DryRun, Ladder, MaxCost, Strict, TaskClasses
from routerctl.errors import InputError

_EPOCHS, _ALPHA = 3, 0.05  # of a comparison, where nothing else is said


def _age(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    hours = {"m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0}.get(unit)
    if text == "0":
        return timedelta()
    if hours is None or not number.isdigit():
        raise typer.BadParameter(f"expected an age like 90m, 24h, 7d or 0, got {text!r}")
    return timedelta(hours=int(number) * hours)


def _refuse(given: Mapping[str, object], why: str) -> None:
    """Refuse options that would be ignored.

    Raises: InputError.
    """
    for name, value in given.items():
        if value:
            raise InputError(f"{name} {why}")


def evaluate(
    ladder: Ladder = None,
    task_class: TaskClasses = None,
    candidate: Candidates = None,
    full: Annotated[bool, typer.Option("--full", help="Run the whole grid, without early stopping.")] = False,
    compare_today: Annotated[
        bool,
        typer.Option(
            "--compare-today",
            help="Also run all cases on the model that serves today, to compare money and risk with it.",
        ),
    ] = False,
    dry_run: DryRun = False,
    max_cost_usd: MaxCost = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep replies in the cache.")] = False,
    max_age: Annotated[
        timedelta | None,
        typer.Option(
            parser=_age, metavar="AGE", help="Ask again what was answered longer ago: 24h, 7d, 0 = everything."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|TABLE",
            help="Ask the models that serve in this run or routes.yaml again; exit 3 if they got worse.",
            autocompletion=completion.baselines,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, show_default=str(_EPOCHS), help="With --baseline: replies to each case of a class that looks worse."
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            min=0.0001,
            max=0.5,
            show_default=str(_ALPHA),
            help="With --baseline: chance of a false alarm over all classes.",
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the gate's verdicts as JUnit XML to this file.")] = None,
    strict: Strict = None,
    as_json: AsJson = False,
) -> None:
    """Run the eval sets against the ladder, cheapest candidate first, and stop as soon as the evidence suffices.

    Replies are cached: running again, also after Ctrl-C, pays nothing twice.

    [bold]Examples[/bold]

        routerctl eval --dry-run

        routerctl eval --max-cost-usd 5

        routerctl eval --class extract --ladder claude --strict

        routerctl eval --baseline routes.yaml --max-age 24h --junit gate.xml
    """
    from routerctl.cli.output.run import print_estimate, run_evals
    from routerctl.evaluation.run.session import EvalOptions
    from routerctl.routing.decision_log.usage import logged_usage

    options = EvalOptions(
        ladder=ladder,
        only=tuple(task_class or ()),
        candidates=tuple(candidate or ()),
        full=full,
        compare_today=compare_today,
        max_cost_usd=max_cost_usd,
        use_cache=not no_cache,
        max_age=max_age,
        logged=logged_usage(Path.cwd()),
    )
    if baseline is None:
        _refuse({"--epochs": epochs, "--alpha": alpha}, "is for a comparison: give --baseline")
        if dry_run:
            print_estimate(options, as_json=as_json)
        else:
            run_evals(options, strict=strict, junit=junit, as_json=as_json)
        return
    from routerctl.cli.output.comparison import compare_with_baseline, print_comparison_estimate

    _refuse(
        {"--candidate": candidate, "--compare-today": compare_today or None},
        "does not apply to a comparison: the models that serve in the baseline are asked again",
    )
    wanted_epochs = epochs or _EPOCHS
    if dry_run:
        print_comparison_estimate(options, baseline, epochs=wanted_epochs, as_json=as_json)
    else:
        compare_with_baseline(
            options, baseline, epochs=wanted_epochs, alpha=alpha or _ALPHA, junit=junit, strict=strict, as_json=as_json
        )
