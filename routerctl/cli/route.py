"""`routerctl route`: prompts on stdin, answers on stdout, reasons on stderr."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import TableFile


def route(
    task_class: Annotated[
        str | None,
        typer.Option(
            "--class",
            help="The task class; else rules, the classifier or the default name it.",
            autocompletion=completion.classes,
        ),
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line of stdin is a prompt, answered on one line.")
    ] = False,
    jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl",
            help="Each line is a JSON object: prompt, perhaps class, id, tenant, user, step, features, attachments.",
        ),
    ] = False,
    tenant: Annotated[
        str | None,
        typer.Option(help="Who asks; rules and residency may depend on it.", autocompletion=completion.tenants),
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="The user that the tenant asks for; budgets and experiments may be per user.")
    ] = None,
    step: Annotated[str | None, typer.Option(help="The step of an agent's toolchain, for rules.")] = None,
    feature: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="What the application knows, for rules.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print answer and decision as one JSON object a prompt.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what would be decided and why; call no model.")
    ] = False,
    table: TableFile = Path("routes.yaml"),
) -> None:
    """Route prompts from stdin by the table: the answer alone on stdout, the reason on stderr.

    A rung whose call fails, or whose reply is not confident, is followed by the next. Each decision is logged to
    .routerctl/decisions.sqlite before its answer is printed.

    [bold]Examples[/bold]

        echo "How many orders are open?" | routerctl route --class sql

        routerctl route --lines < prompts.txt | head -3

        git diff | routerctl route --step review --explain

        routerctl route --jsonl --json < prompts.jsonl
    """
    from routerctl.cli.output.route import explain_all, route_all
    from routerctl.cli.stdin import read_features, read_lines
    from routerctl.errors import InputError
    from routerctl.routing.router import Router
    from routerctl.types import Inquiry

    if lines and jsonl:
        raise InputError("--lines and --jsonl exclude each other")
    features = read_features(feature or ())
    given = Inquiry(prompt="", task_class=task_class, tenant=tenant, user=user, step=step, features=features)
    read, router = read_lines(given, lines=lines, jsonl=jsonl), Router.open(table)
    if explain:
        explain_all(router, read, as_json=as_json)
    else:
        route_all(router, read, as_json=as_json)
