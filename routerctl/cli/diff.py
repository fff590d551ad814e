"""`routerctl diff`: two routing tables, compared in words and money."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A routes.yaml, or a git revision that has one.")] = "HEAD",
    after: Annotated[
        str | None, typer.Argument(metavar="B", help="The same; the routes.yaml in this folder if left out.")
    ] = None,
    form: Annotated[
        Literal["text", "markdown", "json"],
        typer.Option("--format", help="markdown: for a comment on a pull request."),
    ] = "text",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 3 if anything differs, or the project is newer than its table.")
    ] = False,
) -> None:
    """Compare two routing tables: per class the choice, verdict, score, money and prompt; then the sum.

    A file of that name wins over a revision. A table that was edited by hand is compared too, with a warning. Where B
    is the table of this folder, what has changed in the project since it was built is listed too.

    [bold]Examples[/bold]

        routerctl diff

        routerctl diff origin/main --format markdown

        routerctl diff v1.2 HEAD~2 --exit-code

        routerctl diff routes.yaml reports/20261123-033100-048213/routes.proposed.yaml
    """
    from routerctl.cli.output.diff import print_diff

    print_diff(before, after, form="json" if as_json else form, exit_code=exit_code)
