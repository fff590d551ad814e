"""`routerctl train`: eval sets and labelled decisions -> classifier.json and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from routerctl.cli.options import AsJson


def train(
    decisions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help='Learn from these as well: JSON lines of {"prompt": ..., "class": ...}.'),
    ] = None,
    unknown_rate: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="Share of correctly named prompts that may be called unknown.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the folds.")] = 0,
    output: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")] = Path("classifier.json"),
    force: Annotated[
        bool, typer.Option("--force", help="Write it even if it is no better than always naming one class.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    r"""Train the classifier that names the class of a prompt which no rule names.

    It learns from the inputs of the eval sets. Every figure is of prompts that the fit had not seen, nor anything
    like them. A classifier that is no better than always naming the most frequent class is not written (exit 3).
    The same data and seed give the same bytes. Needs pip install 'routerctl\[train]'; serving does not.

    [bold]Examples[/bold]

        routerctl train

        routerctl train --decisions labelled.jsonl --unknown-rate 0.1

        routerctl train --json
    """
    from routerctl.cli.output.classifier import run_training

    run_training(decisions=decisions, unknown_rate=unknown_rate, seed=seed, output=output, force=force, as_json=as_json)
