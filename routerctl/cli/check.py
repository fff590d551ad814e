"""`routerctl check`: validate everything without a call."""

from __future__ import annotations

import typer

from routerctl.cli.options import AsJson


def check(as_json: AsJson = False) -> None:
    """Validate the project without a call; fail if routes.yaml does not follow from its evidence.

    All that is wrong is said, a line each with its file and line. Exit 2 where a file is wrong; 3 where the files are
    in order and a table does not follow from its evidence.

    [bold]Examples[/bold]

        routerctl check

        routerctl -C services/support check --json
    """
    from datetime import UTC, datetime
    from pathlib import Path

    from routerctl.cli.output.check import print_checked
    from routerctl.evaluation.check import check_project

    checked = check_project(Path.cwd(), datetime.now(UTC).date())
    print_checked(checked, as_json=as_json)
    raise typer.Exit(checked.exit_code)
