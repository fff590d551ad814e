"""`routerctl health`: whether every place that may serve is up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import AsJson, TableFile


def health(
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep probing, every --interval seconds, until Ctrl-C.")
    ] = False,
    interval: Annotated[float, typer.Option(help="Seconds between two rounds of --watch.", min=1.0)] = 60.0,
    generate: Annotated[
        bool,
        typer.Option(
            "--generate", help="Have each model give a short reply, at its price; else only ask whether it is there."
        ),
    ] = False,
    tenant: Annotated[
        str | None,
        typer.Option(help="Probe as this tenant: its table, keys and breakers.", autocompletion=completion.tenants),
    ] = None,
    as_json: AsJson = False,
    table: TableFile = Path("routes.yaml"),
) -> None:
    """Probe every place of the table and show its circuit breaker, which all processes of the project share.

    Exits with 5 if a place is down: its probe failed, or its breaker keeps calls away.

    [bold]Examples[/bold]

        routerctl health

        routerctl health --generate --json

        routerctl health --watch --interval 30
    """
    from routerctl.cli.output.health import check_health

    every_s = interval if watch else None
    raise typer.Exit(check_health(table, tenant=tenant, every_s=every_s, generate=generate, as_json=as_json))
