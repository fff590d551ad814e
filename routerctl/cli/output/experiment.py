"""What `routerctl experiment status` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import typer

from routerctl.cli.output.terminal import folded
from routerctl.errors import InputError
from routerctl.routing.experiments.assignment import experiment_document
from routerctl.routing.experiments.lifecycle import latest_experiment, open_experiment
from routerctl.routing.experiments.trial import Stand
from routerctl.routing.experiments.wording import comparison_words, guard_words
from routerctl.types import Experiment
from routerctl.words import count, percent, usd


def print_status(tenant: str | None, *, as_json: bool) -> None:
    """Print how the experiment stands.

    Raises: InputError where none is on and none ended last; StateDown.
    """
    with open_experiment(Path.cwd(), tenant) as files:
        experiment = files.active or latest_experiment(files.store)
        if experiment is None:
            raise InputError("no experiment is running; `routerctl experiment start` begins one")
        stand = files.stand(experiment)
    if as_json:
        typer.echo(json.dumps(_json(experiment, stand), ensure_ascii=False))
        return
    for line in _lines(experiment, stand, files.file):
        typer.echo("\n".join(folded(line)))


def _lines(experiment: Experiment, stand: Stand | None, file: str) -> Iterator[str]:
    ended_words = f"; {experiment.ended} at {experiment.ended_at}: {experiment.why}" if experiment.ended else ""
    yield f"{experiment.name}, since {experiment.started_at}{ended_words}"
    yield f"A {file}, B {experiment.table}: {percent(experiment.share)} of the traffic, by {experiment.key}"
    if stand is None:
        yield "No decision yet."
        return
    yield f"Decisions: A {count(stand.decisions_a)}, B {count(stand.decisions_b)}."
    yield from comparison_words(stand.comparison, measure="feedback")
    if stand.decisions_a + stand.decisions_b and not stand.comparison.count_a + stand.comparison.count_b:
        yield "No answer was rated yet: routerctl log feedback ID good|bad."
    yield (
        f"Guardrails, each against the cap or limit fixed at the start (cost {usd(experiment.cost_cap_usd)}, slow "
        f"beyond {experiment.slow_s:.3g} s):"
    )
    yield from (f"  {guard_words(one)}" for one in stand.guarded)


def _json(experiment: Experiment, stand: Stand | None) -> dict[str, object]:
    shown = {key: value for key, value in experiment_document(experiment).items() if key != "salt"}
    if stand is None:
        return {**shown, "standing": "undecided", "decisions_a": 0, "decisions_b": 0}
    comparison = asdict(stand.comparison)
    return {
        **shown,
        "decisions_a": stand.decisions_a,
        "decisions_b": stand.decisions_b,
        **comparison,
        "guardrails": [{**asdict(one), "broken": one.broken} for one in stand.guarded],
    }
