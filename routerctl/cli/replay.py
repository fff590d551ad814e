"""`routerctl replay`: what a changed table would have cost, and how good it would have been, on what was recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli import completion
from routerctl.cli.options import AsJson, Log, Same, Since, TaskClass, Tenant


def replay(
    table: Annotated[Path, typer.Option(metavar="FILE", help="The changed table.", autocompletion=completion.tables)],
    log: Log = None,
    outcomes: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|RUN", help="Recorded outcomes instead of a log, as `import` reads them, or a run."),
    ] = None,
    as_: Same = None,
    since: Since = None,
    task_class: TaskClass = None,
    tenant: Tenant = None,
    keep_classes: Annotated[
        bool,
        typer.Option(
            "--keep-classes", help="Keep the logged classes: the table's rules and classifier do not name them again."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    r"""Replay a decision log, or recorded outcomes, against a changed table: cost, quality, class mix. Calls no model.

    What was chosen there is measured; what only had a chance (an experiment) is weighted by it; cost that was never
    seen is modelled from the eval sets, quality never is: where nothing overlaps, it is called unknown.

    Where the log keeps prompts (routing: log_prompts), the changed table classifies them again.

    Needs pip install 'routerctl\[log]'. WHERE may be an engine's URL, the table after #:
    clickhouse://reader@host/llm#decisions.

    [bold]Examples[/bold]

        routerctl replay --table routes.proposed.yaml --since 7d

        routerctl replay --table routes.new.yaml --log 'archive/2026-1*.parquet' --json

        routerctl replay --table routes.new.yaml --outcomes outcomes.csv.gz
    """
    from routerctl.cli.output.replay import ReplayOptions, print_replay

    options = ReplayOptions(
        table=table,
        log=log,
        outcomes=tuple(outcomes or ()),
        same=tuple(as_ or ()),
        since=since,
        task_class=task_class,
        tenant=tenant,
        keep_classes=keep_classes,
    )
    print_replay(options, as_json=as_json)
