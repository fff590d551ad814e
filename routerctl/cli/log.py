"""`routerctl log`: what was served and why, read, rated, exported and pruned."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import AsJson, Candidate, Since, TaskClass, Tenant

app = typer.Typer(
    help="Read the decision log: what was served and why; rate, export and prune it.", no_args_is_help=True
)

OfTenant = Annotated[
    str | None,
    typer.Option(help="In the log of this tenant, where it has one of its own.", autocompletion=completion.tenants),
]
Outcome = Annotated[
    str | None,
    typer.Option(
        help="Only these: served, failed, refused, cancelled, truncated, fallback, escalated, redirected, or unpinned "
        "(another model than the pin served)."
    ),
]


class Format(StrEnum):
    """What an export is written as."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


@app.command("list")
def list_(
    task_class: TaskClass = None,
    tenant: Tenant = None,
    candidate: Candidate = None,
    outcome: Outcome = None,
    since: Since = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest decisions, newest first; --json gives one object a line.

    [bold]Examples[/bold]

        routerctl log list --since 2h

        routerctl log list --class extract --outcome escalated -n 100

        routerctl log list --json | jq .served
    """
    from routerctl.cli.output.log import print_list, wanted_of

    print_list(wanted_of(task_class, tenant, candidate, outcome, since), limit=limit, as_json=as_json)


@app.command("show")
def show(
    decision: Annotated[str, typer.Argument(metavar="ID", help="The decision's id, or its beginning.")],
    tenant: OfTenant = None,
    as_json: AsJson = False,
) -> None:
    """Tell the whole story of one decision: who named the class, who was tried, what it cost, how it was rated.

    [bold]Examples[/bold]

        routerctl log show 3f2a9c1b

        routerctl log show 3f2a9c1b --json
    """
    from routerctl.cli.output.log import print_story

    print_story(decision, tenant, as_json=as_json)


@app.command("tail")
def tail(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing as decisions are written.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many to start with.")] = 10,
    task_class: TaskClass = None,
    tenant: Tenant = None,
    candidate: Candidate = None,
    outcome: Outcome = None,
    as_json: AsJson = False,
) -> None:
    """Print the latest decisions, oldest first, a line each; -f waits for more.

    [bold]Examples[/bold]

        routerctl log tail -f

        routerctl log tail -f --outcome failed --json
    """
    from routerctl.cli.output.log import print_tail, wanted_of

    wanted = wanted_of(task_class, tenant, candidate, outcome, None)
    print_tail(wanted, limit=limit, follow=follow, as_json=as_json)


@app.command("stats")
def stats(
    task_class: TaskClass = None,
    tenant: Tenant = None,
    candidate: Candidate = None,
    outcome: Outcome = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Sum up each class: decisions, who named it, who served it, escalations, fallbacks, cost, latency, feedback.

    [bold]Examples[/bold]

        routerctl log stats --since 7d

        routerctl log stats --tenant acme --json
    """
    from routerctl.cli.output.log import print_stats, wanted_of

    print_stats(wanted_of(task_class, tenant, candidate, outcome, since), as_json=as_json)


@app.command("export")
def export(
    format_: Annotated[
        Format | None, typer.Option("--format", help="If left out, by the file's ending, else jsonl.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file to write; else stdout.")
    ] = None,
    labelled: Annotated[
        bool,
        typer.Option(
            "--labelled",
            help="Only decisions with a kept prompt and a right class: the one that feedback names, else the "
            "decision's own where feedback called it good.",
        ),
    ] = False,
    task_class: TaskClass = None,
    tenant: Tenant = None,
    candidate: Candidate = None,
    outcome: Outcome = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    r"""Write decisions to a file, oldest first, every column with the latest feedback.

    JSON lines of --labelled have "prompt" and "class": exactly what `routerctl train --decisions FILE` reads. Prompts
    are there where routerctl.yaml says routing: log_prompts. A CSV cell that a spreadsheet would run as a formula
    starts with an apostrophe, and control characters stand as their escapes. Parquet needs
    pip install 'routerctl\[import]'. --json says what was written.

    [bold]Examples[/bold]

        routerctl log export --since 7d -o decisions.parquet

        routerctl log export --format csv > decisions.csv

        routerctl log export --labelled -o labelled.jsonl && routerctl train --decisions labelled.jsonl
    """
    from routerctl.cli.output.log import wanted_of
    from routerctl.cli.output.log_export import export_decisions

    wanted = wanted_of(task_class, tenant, candidate, outcome, since)
    export_decisions(wanted, format_ and format_.value, output, labelled=labelled, as_json=as_json)


@app.command("feedback")
def feedback(
    decision: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="The decision's id, or its beginning; if left out, JSON lines on stdin."),
    ] = None,
    score: Annotated[str | None, typer.Argument(metavar="good|bad|0..1", help="How good the answer was.")] = None,
    note: Annotated[str, typer.Option(help="Why, in words.")] = "",
    task_class: Annotated[
        str | None,
        typer.Option("--class", help="The task class that would have been right.", autocompletion=completion.classes),
    ] = None,
    tenant: OfTenant = None,
    as_json: AsJson = False,
) -> None:
    """Rate the answer to one decision; earlier feedback is kept, the latest counts.

    Many at once are read from stdin, an object a line: {"id": "3f2a9c1b", "feedback": "good"}, where wanted with
    "class" and "note". A line that cannot be recorded is reported by its number, the others are kept; then exit 2.

    [bold]Examples[/bold]

        routerctl log feedback 3f2a9c1b good

        routerctl log feedback 3f2a9c1b bad --class extract --note "wanted fields, got a summary"

        routerctl log feedback < ratings.jsonl
    """
    from routerctl.cli.output.feedback import Said, rate

    said = Said(score=score, note=note, task_class=task_class)
    rate(decision, said, tenant=tenant, as_json=as_json)


@app.command("prune")
def prune(
    older_than: Annotated[
        float | None, typer.Option("--older-than", metavar="DAYS", min=0, help="Drop what is older.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Drop everything.")] = False,
    tenant: OfTenant = None,
    as_json: AsJson = False,
) -> None:
    """Drop old decisions with their texts and feedback; their bytes leave the file too.

    routing: log_days in routerctl.yaml does the same automatically.

    [bold]Examples[/bold]

        routerctl log prune --older-than 30

        routerctl log prune --all
    """
    from routerctl.cli.output.log_export import prune_decisions

    prune_decisions(older_than, everything=everything, tenant=tenant, as_json=as_json)
