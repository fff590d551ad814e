"""`routerctl drift`: what moved since the table was made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def drift(
    table: Annotated[Path, typer.Option(help="The routing table.")] = Path("routes.yaml"),
    log: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="A SQLite log, Parquet (file, folder, pattern) or an engine's URL; left out: the project's log.",
        ),
    ] = None,
    since: Annotated[
        str, typer.Option(help="Look at what came from then on: 12h, 7d, 2w ago, or 2026-11-01T12:00 (UTC).")
    ] = "7d",
    against: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Compare with so much of the log before that; left out: four times as much. 0d: none."
        ),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="This tenant's log; of a log elsewhere: its decisions.")] = None,
    alpha: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Chance that undisturbed traffic gives any alarm at one look.")
    ] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    r"""Look whether what serves still is what was measured; exit 3 with the name of what moved. Asks nobody.

    Served model ids are held against the pins, new runs of the eval sets (routerctl eval --baseline routes.yaml)
    against the table's evidence, feedback, refusals, latency, cost and class mix against the log's earlier weeks.

    Where there are none yet, refusals, latency and cost are held against the eval sets', whose prompts have other
    lengths than traffic's: then only more than twice the latency or cost counts.

    Needs pip install 'routerctl\[log]'. WHERE may be an engine's URL, the table after #:
    clickhouse://reader@host/llm#decisions. Under GitHub Actions the step's summary is written too.

    [bold]Examples[/bold]

        routerctl drift

        routerctl drift --since 1d --against 30d --json

        routerctl drift --log 'archive/2026-1*.parquet' --since 2026-11-01
    """
    from routerctl.cli.output import drift as drifting

    options = drifting.DriftOptions(table=table, log=log, since=since, against=against, tenant=tenant, alpha=alpha)
    drifting.look_for_drift(options, as_json=as_json)
