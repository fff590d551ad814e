"""`routerctl label`: a human's word on replies that a judge has judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli import completion


def label(
    task_class: Annotated[
        str,
        typer.Option(
            "--class",
            metavar="CLASS",
            help="The task class whose replies are labelled.",
            autocompletion=completion.classes,
        ),
    ],
    candidate: Annotated[
        str | None,
        typer.Option(
            help="Whose replies; if left out, those of the candidate that the run chooses.",
            autocompletion=completion.candidates,
        ),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, help="How many cases, from the first of the planned order on.")
    ] = 50,
    run: Annotated[
        str | None,
        typer.Option(
            help="The run they come from; if left out, the newest of the class.", autocompletion=completion.runs
        ),
    ] = None,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who labels; kept beside each label.")] = "",
    export_to: Annotated[
        Path | None,
        typer.Option("--export", help="Write the open cases to a new .csv or .jsonl, to be filled elsewhere."),
    ] = None,
    import_from: Annotated[
        Path | None, typer.Option("--import", help="Read such a file back; lines left open are skipped.")
    ] = None,
) -> None:
    """Ask a human which replies pass, so that a judge's verdicts can be checked.

    The cases are the first of the planned order, which is random: so they are a random sample. Decide how many you will
    label before you start, and leave none out: what labels prove ends at the first case without one. The judge's own
    verdict is not shown, because it would sway yours. Labels are kept in evals/CLASS.labels.jsonl, and a labelled reply
    is not asked about again. Without a terminal the open cases are printed as JSON lines.

    [bold]Examples[/bold]

        routerctl label --class summary

        routerctl label --class summary --candidate haiku -n 200 --by ana

        routerctl label --class summary --export todo.csv

        routerctl label --class summary --import todo.csv --by ana
    """
    from routerctl.cli.output.label import LabelOptions, label_replies

    label_replies(
        LabelOptions(task_class=task_class, candidate=candidate, count=count, run_id=run, by=by),
        export_to=export_to,
        import_from=import_from,
    )
