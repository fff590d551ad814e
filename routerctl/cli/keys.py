"""`routerctl keys`: creates, lists and revokes the API keys of the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import AsJson, TableFile

app = typer.Typer(help="Create, list and revoke the API keys of `routerctl serve`.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name for `list` and `revoke`; logs show its id.")],
    tenant: Annotated[
        str | None, typer.Option(help="The tenant that the key is for.", autocompletion=completion.tenants)
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="When it expires: 12h, 90d, 4w, or its last day, 2027-01-31 (UTC)."),
    ] = None,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            help="Allow only this task class; may be repeated.",
            autocompletion=completion.classes,
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Allow only this candidate or pinned model id; may be repeated.",
            autocompletion=completion.candidates,
        ),
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Requests in any 60 seconds.")
    ] = None,
    tokens_per_minute: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Tokens in any 60 seconds, input and output.")
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, metavar="N", help="Requests at the same time.")] = None,
    table: TableFile = Path("routes.yaml"),
    as_json: AsJson = False,
) -> None:
    """Create an API key. Its secret is printed once, alone on stdout; only its digest is kept.

    Every process that serves the project accepts the key at once, and together they enforce its limits.

    [bold]Examples[/bold]

        KEY=$(routerctl keys create app)

        routerctl keys create batch --tenant acme --class extract --expires 90d
    """
    from routerctl.cli.output.keys import print_created

    print_created(
        table,
        as_json=as_json,
        name=name,
        tenant=tenant,
        expires=expires,
        classes=tuple(classes or ()),
        models=tuple(models or ()),
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        concurrency=concurrency,
    )


@app.command("list")
def list_(table: TableFile = Path("routes.yaml"), as_json: AsJson = False) -> None:
    """List the keys, oldest first: what each allows, and whether it is live, expired or revoked.

    [bold]Examples[/bold]

        routerctl keys list

        routerctl keys list --json
    """
    from routerctl.cli.output.keys import print_keys

    print_keys(table, as_json=as_json)


@app.command("revoke")
def revoke(
    which: Annotated[str, typer.Argument(metavar="ID_OR_NAME", help="The key's id or name.")],
    table: TableFile = Path("routes.yaml"),
) -> None:
    """Revoke a key: every process that serves the project refuses it within two seconds.

    [bold]Examples[/bold]

        routerctl keys revoke app
    """
    from routerctl.cli.output.keys import revoke_key

    revoke_key(table, which)
