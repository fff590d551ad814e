"""`routerctl models`: the candidates with price, pin and lifecycle; and the local models' weights."""

from __future__ import annotations

from typing import Annotated

import typer

from routerctl.cli.options import AsJson

app = typer.Typer(help="List the candidates with price, pin and lifecycle; bring local models.", no_args_is_help=False)


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List the candidates of routerctl.yaml with price, pin and lifecycle; `models pull` brings local models.

    [bold]Examples[/bold]

        routerctl models

        routerctl models pull smollm2-135m qwen2.5-coder-0.5b
    """
    if context.invoked_subcommand is None:
        from routerctl.cli.output.models import print_models

        print_models(as_json=as_json)


@app.command("pull")
def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names from the catalog; if left out, the catalog is printed.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE|URL", help="Take the weights from here; they are verified as always."),
    ] = None,
) -> None:
    """Bring the weights of local models into the user's cache folder, verified by sha256; resumes where it stopped.

    [bold]Examples[/bold]

        routerctl models pull smollm2-135m

        routerctl models pull qwen2.5-coder-0.5b --from ~/Downloads/qwen.gguf
    """
    from routerctl.cli.output.models import print_catalog, pull_one
    from routerctl.errors import InputError

    if not names:
        print_catalog()
        return
    if source and len(names) > 1:
        raise InputError("--from gives one model's weights: name one model")
    for name in names:
        pull_one(name, source)
