"""`routerctl route`: prompts on stdin, answers on stdout, reasons on stderr."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def route(
    task_class: Annotated[
        str | None, typer.Option("--class", help="The task class; else rules or the default name it.")
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Each line of stdin is a prompt; one line of answer each.")
    ] = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Each line is a JSON object: prompt, and perhaps class, tenant, id.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print answer and decision as one JSON object a prompt.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say what would be decided and why; call nobody.")] = False,
    table: Annotated[Path, typer.Option(help="The routing table.")] = Path("routes.yaml"),
) -> None:
    """Route prompts from stdin by the table: the answer alone on stdout, the reason on stderr.

    A rung whose call fails is followed by the next. Each decision is logged to .routerctl/decisions.sqlite.

    [bold]Examples[/bold]

        echo "How many orders are open?" | routerctl route --class sql

        routerctl route --lines < prompts.txt | head -3

        git diff | routerctl route --explain

        routerctl route --jsonl --json < prompts.jsonl
    """
    from routerctl.cli import routing

    prompts = routing.read_prompts(lines=lines, jsonl=jsonl, task_class=task_class)
    if explain:
        routing.explain_prompts(table, prompts, as_json=as_json)
    else:
        routing.route_prompts(table, prompts, as_json=as_json, one_line=lines or jsonl)
