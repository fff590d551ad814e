"""`routerctl build-table`: evidence -> routes.yaml and the report."""

from __future__ import annotations

from typing import Annotated

import typer


def build_table(
    run: Annotated[
        list[str] | None,
        typer.Option(help="Use this run's evidence for the classes it has; else each class's newest run."),
    ] = None,
    ladder: Annotated[
        str | None, typer.Option(help="The ladder to build for; the project's default if left out.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 3 if a class has no passing candidate, 7 if that is undecided.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the choices as JSON.")] = False,
) -> None:
    """Pick the cheapest passing candidate of each class and write routes.yaml and the HTML report.

    Where nothing passes, the top rung serves and is flagged. The same evidence always gives the same bytes.

    [bold]Examples[/bold]

        routerctl build-table

        routerctl build-table --strict

        routerctl build-table --run 20261123-033100-5f2a1c
    """
    import json
    from pathlib import Path

    from routerctl.check import assemble
    from routerctl.cli.evaluating import gate
    from routerctl.console import evidence_json, print_routes, say, unproven_words
    from routerctl.report import render_report
    from routerctl.results import REPORTS_FOLDER, write_atomically
    from routerctl.table import TABLE_FILE, load_table, table_text

    root = Path.cwd()
    previous = load_table(root / TABLE_FILE) if (root / TABLE_FILE).exists() else None
    table, runs = assemble(root, ladder=ladder, wanted=tuple(run or ()), previous=previous)
    newest = max(route.run_id for route in table.routes.values())
    report = root / REPORTS_FOLDER / newest / "report.html"
    evidence = list({run.header.run_id: run for run in runs.values()}.values())  # classes may share a run
    write_atomically(report, render_report(table, evidence, previous))
    write_atomically(root / TABLE_FILE, table_text(table))
    if as_json:
        choices = {
            name: {
                "chosen": route.chosen,
                "passing": route.passing,
                "rungs": list(route.rungs),
                "candidates": [evidence_json(item) for item in route.evidence],
            }
            for name, route in table.routes.items()
        }
        typer.echo(json.dumps({"table_version": table.table_version, "digest": table.digest, "routes": choices}))
    else:
        print_routes(table)
        for route in table.routes.values():
            if not route.passing:
                say(unproven_words(route))
    changed = "unchanged" if previous and previous.digest == table.digest else f"version {table.table_version}"
    say(f"{TABLE_FILE}: {changed}; report: {report.relative_to(root)}")
    if strict:
        gate(list(table.routes.values()))
