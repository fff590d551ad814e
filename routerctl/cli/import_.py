"""`routerctl import`: other runners' outcomes -> a run with evidence, without a call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli.options import AsJson, Ladder, Same


def import_(
    files: Annotated[list[Path], typer.Argument(help="Result files, or folders of Inspect's or lm-eval's.")],
    format_: Annotated[
        str, typer.Option("--format", help="auto, inspect, promptfoo, lm-eval, openai-evals or table.")
    ] = "auto",
    task_class: Annotated[
        str | None,
        typer.Option(
            "--class", metavar="CLASS", help="The task class of everything in the files; else as they name it."
        ),
    ] = None,
    class_column: Annotated[str | None, typer.Option(help="Column or field that names the task class.")] = None,
    case_column: Annotated[str | None, typer.Option(help="Column or field that identifies a case.")] = None,
    model_column: Annotated[str | None, typer.Option(help="Column that names the model.")] = None,
    score_column: Annotated[
        str | None, typer.Option(help="Column of the score; also which scorer, metric or named score.")
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            metavar="HIGH|LOW-HIGH", help="The scale of the scores, as 10, 100 (percent) or 1-5; else 0 to 1."
        ),
    ] = None,
    cost_column: Annotated[str | None, typer.Option(help="Column of the reply's cost in USD.")] = None,
    latency_column: Annotated[str | None, typer.Option(help="Column of seconds; milliseconds if named ..._ms.")] = None,
    cluster_column: Annotated[
        str | None, typer.Option(help="Column or field that groups cases which are alike: a document, a customer.")
    ] = None,
    bar: Annotated[
        str,
        typer.Option(
            metavar="SHARE|within=SHARE:MODEL",
            help="Least pass rate or mean score, above 0 and below 1; or at most so much below a model's.",
        ),
    ] = "0.8",
    today: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="The model that serves now: money and risk are compared with it."),
    ] = None,
    pass_at: Annotated[float | None, typer.Option(help="A case passes at this score; 1 if left out.")] = None,
    mean_score: Annotated[
        bool, typer.Option("--mean-score", help="Compare the mean score with the bar, not the pass rate.")
    ] = False,
    cost: Annotated[list[str] | None, typer.Option(metavar="MODEL=USD", help="What a case costs.")] = None,
    price: Annotated[
        list[str] | None, typer.Option(metavar="MODEL=INPUT,OUTPUT", help="USD per million tokens.")
    ] = None,
    latency: Annotated[list[str] | None, typer.Option(metavar="MODEL=SECONDS", help="How long a reply takes.")] = None,
    order: Annotated[
        str | None, typer.Option(metavar="MODEL,...", help="The ladder, cheapest first; other models are left out.")
    ] = None,
    as_: Same = None,
    ladder: Ladder = None,
    as_json: AsJson = False,
) -> None:
    """Make a run from outcomes that another runner recorded; build-table uses it like any other.

    Reads logs of Inspect, promptfoo, lm-evaluation-harness and OpenAI evals, and tables (CSV, JSON, Parquet): long
    (a row per case and model) or wide (a column per model). Failed calls and empty cells count as not passed; repeats
    become epochs, retries count once.

    [bold]Examples[/bold]

        routerctl import logs/2026-11-24T04-31-26_addition.eval --bar 0.9

        routerctl import results.json --class-column topic --price openai:chat:small=0.25,2

        routerctl import outcomes.csv.gz --cost small=0.00024 --cost large=0.0247

        routerctl import outcomes.csv.gz --bar within=0.02:large --today large
    """
    from routerctl.cli.output.imported import ImportOptions, import_files
    from routerctl.evaluation.importers.base import Columns
    from routerctl.evaluation.importers.values import read_scale

    import_files(
        ImportOptions(
            files=tuple(files),
            format=format_,
            task_class=task_class,
            columns=Columns(
                task_class=class_column,
                case=case_column,
                model=model_column,
                score=score_column,
                cost=cost_column,
                latency=latency_column,
                cluster=cluster_column,
                scale=read_scale(scale),
            ),
            bar=bar,
            today=today,
            pass_at=pass_at,
            mean_score=mean_score,
            cost=tuple(cost or ()),
            price=tuple(price or ()),
            latency=tuple(latency or ()),
            order=order,
            same=tuple(as_ or ()),
            ladder=ladder,
        ),
        as_json=as_json,
    )
