"""`routerctl budget`: what is spent, held and left of each budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import AsJson, TableFile


def budget(
    tenant: Annotated[
        str | None, typer.Option(help="Only this tenant's own budgets.", autocompletion=completion.tenants)
    ] = None,
    user: Annotated[str | None, typer.Option(help="Only this user's; the books have a digest of each name.")] = None,
    past: Annotated[bool, typer.Option("--past", help="Include past periods.")] = False,
    table: TableFile = Path("routes.yaml"),
    as_json: AsJson = False,
) -> None:
    """Show what is spent, held by calls under way, and left of each budget in its current period.

    Budgets are set in routerctl.yaml under routing: and compiled into routes.yaml by build-table.

    [bold]Examples[/bold]

        routerctl budget

        routerctl budget --tenant acme --json

        routerctl budget --tenant acme --user ann
    """
    from routerctl.cli.output.budget import print_budgets

    print_budgets(table, tenant=tenant, user=user, past=past, as_json=as_json)
