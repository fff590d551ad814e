"""`routerctl check`: validate everything without a call."""

from __future__ import annotations

import typer


def check() -> None:
    """Validate the project without a call; fail if routes.yaml does not follow from its evidence.

    [bold]Examples[/bold]

        routerctl check

        routerctl -C services/support check
    """
    from datetime import UTC, datetime
    from pathlib import Path

    from routerctl.cli.output.terminal import say
    from routerctl.evaluation.check import check_project

    checked = check_project(Path.cwd(), datetime.now(UTC).date())
    for warning in checked.warnings:
        say(f"warning: {warning}")
    for note in checked.notes:
        typer.echo(f"ok: {note}")
