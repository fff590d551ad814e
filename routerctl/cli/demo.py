"""`routerctl demo`: the line from outcomes to a served prompt, on outcomes that ship with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    folder: Annotated[
        Path | None, typer.Argument(help="A new or empty folder to work in; one for temporary files if left out.")
    ] = None,
) -> None:
    """Make a routing table of recorded outcomes of two models, in seconds: no key, no download, no project.

    Runs import, build-table, check and route on 12,382 exam questions of twelve fields, as the RouteLLM project
    published who answered them. Each command is printed before it runs; its files stay in the folder.

    [bold]Examples[/bold]

        routerctl demo

        routerctl demo recorded && routerctl -C recorded build-table --json
    """
    from routerctl.cli.output.demo import demonstrate

    demonstrate(folder)
