"""`routerctl build-table`: evidence -> routes.yaml and the report."""

from __future__ import annotations

from typing import Annotated

import typer


def build_table(
    run: Annotated[
        list[str] | None,
        typer.Option(help="Use this run's evidence for the classes it has; else each class's newest run."),
    ] = None,
    ladder: Annotated[
        str | None, typer.Option(help="The ladder to build for; the project's default if left out.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 3 if a class has no passing candidate, 7 if that is undecided.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the choices as JSON.")] = False,
) -> None:
    """Pick the cheapest passing candidate of each class and write routes.yaml and the HTML report.

    Where nothing passes, the top rung serves and is flagged. The same evidence always gives the same bytes.

    [bold]Examples[/bold]

        routerctl build-table

        routerctl build-table --strict

        routerctl build-table --run 20261123-033100-048213
    """
    from routerctl.cli import building

    building.build(ladder=ladder, wanted=tuple(run or ()), strict=strict, as_json=as_json)
