"""`routerctl runs`: what is kept below reports/, and letting go of what nothing rests on."""

from __future__ import annotations

from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import AsJson, DryRun

app = typer.Typer(help="List the runs below reports/; remove those that nothing rests on.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the runs, newest first: what each asked whom, what it paid, its size, and what it is kept for.

    [bold]Examples[/bold]

        routerctl runs list

        routerctl runs list --json
    """
    from routerctl.cli.output.runs import print_runs

    print_runs(as_json=as_json)


@app.command("prune")
def prune(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN", help="Remove these runs; an import even if it is the newest.", autocompletion=completion.runs
        ),
    ] = None,
    older_than: Annotated[
        float | None, typer.Option("--older-than", metavar="DAYS", min=0, help="Remove what is older.")
    ] = None,
    keep: Annotated[int | None, typer.Option(min=0, help="Keep the N newest runs, whatever rests on them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Remove everything that nothing rests on.")] = False,
    dry_run: DryRun = False,
    sure: Annotated[bool, typer.Option("--yes", "-y", help="Remove them without asking, as in a script.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove runs that nothing rests on.

    Kept, however old: the runs of routes.yaml, here and as committed, and of any other table beside it, the newest
    finished run of each class and ladder, and those that count as attempts, since what was tried must not be
    forgotten. A wrong import that no table rests on goes by its id; the same files imported again take its place
    anyhow. A terminal is asked first; a script says --yes.

    [bold]Examples[/bold]

        routerctl runs prune 20261123-033100-048213

        routerctl runs prune --older-than 30 --keep 5

        routerctl runs prune --all --dry-run

        routerctl runs prune --all --yes
    """
    from routerctl.cli.output.runs import prune_runs

    prune_runs(
        tuple(runs or ()),
        older_than,
        newest=keep,
        everything=everything,
        dry_run=dry_run,
        sure=sure,
        as_json=as_json,
    )
