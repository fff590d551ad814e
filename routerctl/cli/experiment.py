"""`routerctl experiment`: a table tried on a share of the traffic, compared, and put in force or given up."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import AsJson, dollars

app = typer.Typer(
    help="Try another table on a share of the traffic, and decide by what came of it.", no_args_is_help=True
)

Tenant = Annotated[
    str | None,
    typer.Option(help="The experiment of this tenant; if left out, the project's.", autocompletion=completion.tenants),
]


@app.command("start")
def start(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called in the log.")],
    table: Annotated[
        Path, typer.Option(help="The table to try, in the folder of routes.yaml.", autocompletion=completion.tables)
    ],
    share: Annotated[float, typer.Option(min=0.001, max=0.9, help="The share of traffic that it gets.")] = 0.1,
    key: Annotated[str, typer.Option(help="What stays in one arm: user, tenant, id, or a feature's name.")] = "user",
    least_difference: Annotated[
        float, typer.Option(min=0.001, max=1, help="The least difference of mean feedback to detect.")
    ] = 0.05,
    margin: Annotated[
        float | None,
        typer.Option(min=0.001, max=1, help="Differences up to this do not matter; 'alike' is a verdict then."),
    ] = None,
    window_hours: Annotated[
        float, typer.Option(min=0, help="How long the feedback of one key is pooled, from its first.")
    ] = 0.0,
    more_cost: Annotated[float, typer.Option(min=0, help="Guardrail: it may cost this much more (0.5 = half).")] = 0.5,
    more_errors: Annotated[
        float, typer.Option(min=0, max=1, help="Guardrail: it may fail this much more often.")
    ] = 0.05,
    more_slow: Annotated[
        float, typer.Option(min=0, max=1, help="Guardrail: it may be slow this much more often.")
    ] = 0.1,
    slow_s: Annotated[
        float | None,
        typer.Option(min=0.001, help="What is slow, in seconds; if left out, the slowest p95 of routes.yaml."),
    ] = None,
    cost_cap_usd: Annotated[
        Decimal | None,
        typer.Option(
            parser=dollars,
            metavar="USD",
            help="An answer's cost counts up to this; if left out, ten times the dearest candidate's.",
        ),
    ] = None,
    tenant: Tenant = None,
) -> None:
    """Give another table a sticky share of the traffic, from now on, in every process that serves.

    The difference to detect and the guardrails are fixed here, so that the answer holds whenever one looks.
    Feedback (routerctl log feedback) decides on quality; cost, errors and latency can stop it at once.

    [bold]Examples[/bold]

        routerctl experiment start cheaper --table routes.proposed.yaml --share 0.2

        routerctl experiment start eu --table routes.eu.yaml --key tenant --more-cost 0.1
    """
    from routerctl.cli.output.terminal import say
    from routerctl.routing.experiments import lifecycle

    options = lifecycle.ExperimentOptions(
        name=name,
        table=table,
        share=share,
        key=key,
        least_difference=least_difference,
        margin=margin,
        window_s=window_hours * 3600,
        more_cost=more_cost,
        more_errors=more_errors,
        more_slow=more_slow,
        slow_s=slow_s,
        cost_cap_usd=cost_cap_usd,
    )
    say(lifecycle.start(Path.cwd(), options, tenant))


@app.command("status")
def status(tenant: Tenant = None, as_json: AsJson = False) -> None:
    """Say how the experiment stands: better, worse, alike or undecided, with its interval, and each guardrail.

    [bold]Examples[/bold]

        routerctl experiment status

        routerctl experiment status --json | jq .standing
    """
    from routerctl.cli.output.experiment import print_status

    print_status(tenant, as_json=as_json)


@app.command("promote")
def promote(
    force: Annotated[bool, typer.Option("--force", help="Even if B is not shown to be as good.")] = False,
    tenant: Tenant = None,
) -> None:
    """Put the tried table in force as the next version of routes.yaml, and end the experiment.

    Exit 3 if it is not shown to be better, or alike within the margin.

    [bold]Examples[/bold]

        routerctl experiment promote
    """
    from routerctl.cli.output.terminal import say
    from routerctl.routing.experiments import lifecycle

    say(lifecycle.promote(Path.cwd(), tenant, force=force))


@app.command("abort")
def abort(
    why: Annotated[str, typer.Option(help="What to write down.")] = "by hand",
    tenant: Tenant = None,
) -> None:
    """End the experiment: everything is served by routes.yaml again, in every process within seconds.

    [bold]Examples[/bold]

        routerctl experiment abort --why "support complains"
    """
    from routerctl.cli.output.terminal import say
    from routerctl.routing.experiments import lifecycle

    say(lifecycle.abort(Path.cwd(), tenant, why))
