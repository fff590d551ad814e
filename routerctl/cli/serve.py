"""`routerctl serve`: the requests of applications over HTTP, served by the table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from routerctl.cli.options import TableFile


def serve(
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen on; one that others can reach needs API keys (routerctl keys create)."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Worker processes, about one per core.")] = 1,
    require_keys: Annotated[
        bool, typer.Option("--require-keys", help="Require an API key even if only this machine can connect.")
    ] = False,
    access_log: Annotated[
        Literal["json", "text", "off"],
        typer.Option(
            metavar="json|text|off",
            help="Log a line per request to stderr, without any prompt text: JSON, or text for people.",
        ),
    ] = "json",
    ui: Annotated[
        bool, typer.Option("--ui", help="Serve read-only web pages at /ui: decisions, health, budgets.")
    ] = False,
    drain_s: Annotated[
        int, typer.Option("--drain-s", min=0, help="Seconds that requests under way have to finish after SIGTERM.")
    ] = 120,
    table: TableFile = Path("routes.yaml"),
) -> None:
    """Serve applications over HTTP: set their base URL to this address, and the model to "auto".

    OpenAI's APIs (/v1/chat/completions, /v1/responses, /v1/embeddings) and Anthropic's (/v1/messages) are served, with
    streaming, whichever API the table's candidates have. The model may also be "class:NAME", a candidate's name or a
    pinned model id. A changed table is picked up at once; one that cannot be served changes nothing.

    [bold]Examples[/bold]

        routerctl serve

        routerctl serve --workers 4 --host 0.0.0.0 --port 8080

        curl localhost:8080/v1/responses --json '{"input": "Hello"}'
    """
    from routerctl.cli.output.serve import run_service

    run_service(
        table,
        host=host,
        port=port,
        workers=workers,
        require_keys=require_keys,
        access_log=access_log,
        ui=ui,
        drain_s=drain_s,
    )
