"""`routerctl build-table`: evidence -> routes.yaml and the report."""

from __future__ import annotations

from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import AsJson, Ladder, MaxCost, Strict


def build_table(
    run: Annotated[
        list[str] | None,
        typer.Option(
            help="Use this run's evidence for the classes it has; else each class's newest run.",
            autocompletion=completion.runs,
        ),
    ] = None,
    ladder: Ladder = None,
    tier: Annotated[
        str | None,
        typer.Option(
            help="Write the table of this tier of routerctl.yaml, for the tier's ladder.",
            autocompletion=completion.tiers,
        ),
    ] = None,
    strict: Strict = None,
    propose: Annotated[
        str | None,
        typer.Option(
            metavar="CANDIDATE",
            help="Evaluate this candidate beside those of routes.yaml and print the difference.",
            autocompletion=completion.candidates,
        ),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="RUNG",
            help="With --propose: its place on the ladder; else by price.",
            autocompletion=completion.candidates,
        ),
    ] = None,
    max_cost_usd: MaxCost = None,
    as_json: AsJson = False,
) -> None:
    """Pick the cheapest candidate of each class that is proven or provisional; write routes.yaml and the HTML report.

    Where none reaches the bar, the best available serves and is flagged. The same evidence always gives the same bytes.
    With --propose, routes.yaml is left alone: the proposed table goes to the run's folder, for `routerctl diff`.

    [bold]Examples[/bold]

        routerctl build-table

        routerctl build-table --strict

        routerctl build-table --run 20261123-033100-048213

        routerctl eval --ladder frontier && routerctl build-table --tier gold

        routerctl build-table --propose haiku --max-cost-usd 5
    """
    from routerctl.errors import InputError

    if propose is not None:
        from routerctl.cli.output.proposal import propose_table

        if run or ladder or tier or strict:
            raise InputError(
                "--propose takes classes and ladder from routes.yaml: leave out --run, --ladder, --tier, --strict"
            )
        propose_table(propose, after=after, max_cost_usd=max_cost_usd, as_json=as_json)
        return
    if after is not None or max_cost_usd is not None:
        raise InputError("--after and --max-cost-usd need --propose: without it no model is called")
    if tier and ladder:
        raise InputError("--tier takes its ladder from routerctl.yaml: leave out --ladder")
    from routerctl.cli.output.table import build

    build(tier=tier, ladder=ladder, wanted=tuple(run or ()), strict=strict, as_json=as_json)
