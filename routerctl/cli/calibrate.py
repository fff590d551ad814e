"""`routerctl calibrate`: a run's evidence -> thresholds of confidence signals, and what a cascade with them costs."""

from __future__ import annotations

from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import AsJson, TaskClasses


def calibrate(
    task_class: TaskClasses = None,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="This run's evidence; else the newest that has two candidates.",
            autocompletion=completion.runs,
        ),
    ] = None,
    risk: Annotated[
        float | None,
        typer.Option(min=0.0001, max=0.5, help="Probability that any proof of a class is wrong; else the run's own."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find the threshold of each confidence signal that provably keeps a class at its bar when the rest escalates.

    Looks at cases that a cheap candidate and a better one both answered;
    `routerctl eval --full` makes many of them. No model is asked.

    "right", "wrong": shares of the cheap one's right and wrong answers that
    are accepted. "sent on": share of cases that escalate. "least": the lower
    bound of the cascade's score, which has to reach the bar.

    `eval` on the same cases would measure the cascade on the cases that its
    threshold was chosen on. The bound printed here allows for the choice.

    [bold]Examples[/bold]

        routerctl eval --full && routerctl calibrate

        routerctl calibrate --class extract --risk 0.01

        routerctl calibrate --run 20261123-033100-048213 --json
    """
    from routerctl.cli.output.thresholds import print_thresholds

    print_thresholds(classes=tuple(task_class or ()), run_id=run, risk=risk, as_json=as_json)
