"""`routerctl drift`: what moved since the table was made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli.options import AsJson, Log, TableFile, Tenant


def drift(
    table: TableFile = Path("routes.yaml"),
    log: Log = None,
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="Look at what came since: 12h, 7d, 2w ago, or 2026-11-01T12:00 (UTC)."),
    ] = "7d",
    against: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Compare with this much of the log before; if left out, four times as much. 0d: none."
        ),
    ] = None,
    tenant: Tenant = None,
    alpha: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Chance that undisturbed traffic raises any alarm in one report.")
    ] = 0.05,
    as_json: AsJson = False,
) -> None:
    r"""Check whether what serves is still what was measured; exit 3 naming what moved. Calls no model.

    Served model ids are compared with the pins, new runs of the eval sets (routerctl eval --baseline routes.yaml)
    with the table's evidence; feedback, refusals, latency, cost and class mix with the log's earlier weeks.

    Where there are none yet, refusals, latency and cost are compared with the eval sets', whose prompts have other
    lengths than traffic's: then only more than twice the latency or cost counts.

    Needs pip install 'routerctl\[log]'. WHERE may be an engine's URL, the table after #:
    clickhouse://reader@host/llm#decisions. Under GitHub Actions the step's summary is written too.

    [bold]Examples[/bold]

        routerctl drift

        routerctl drift --since 1d --against 30d --json

        routerctl drift --log 'archive/2026-1*.parquet' --since 2026-11-01
    """
    from routerctl.cli.output.drift import DriftOptions, look_for_drift

    options = DriftOptions(table=table, log=log, since=since, against=against, tenant=tenant, alpha=alpha)
    look_for_drift(options, as_json=as_json)
