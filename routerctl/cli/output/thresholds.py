"""What `routerctl calibrate` does once its options are read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from routerctl.cli.output.terminal import PER_1000, folded, print_table
from routerctl.evaluation.labels import read_labels
from routerctl.evaluation.project import PROJECT_FILE, load_project
from routerctl.evaluation.repricing import at_present_prices
from routerctl.files.codec import encode, json_default
from routerctl.tuning.thresholds import (
    ClassFinding,
    PairFinding,
    SignalFinding,
    calibrate_class,
    calibration_sentences,
    thresholds_yaml,
)
from routerctl.tuning.thresholds.runs import runs_of
from routerctl.tuning.thresholds.wording import THOUSAND, cascade_name, is_callable, needed_words
from routerctl.types import RunHeader
from routerctl.words import as_written, clean, plural, usd

_COLUMNS = ("signal", "below", "right", "wrong", "sent on", "score", "least", PER_1000, "verdict")


def print_thresholds(*, classes: tuple[str, ...], run_id: str | None, risk: float | None, as_json: bool) -> None:
    """Do what `routerctl calibrate` says: calibrate classes and print what was found.

    Raises: InputError.
    """
    root = Path.cwd()
    project = load_project(root) if (root / PROJECT_FILE).exists() else None
    found = []
    for name, run in runs_of(root, classes, run_id).items():
        priced = at_present_prices(run, project)
        finding = calibrate_class(priced, name, read_labels(root, name), risk=risk)
        found.append((finding, priced.header))
    if as_json:
        told = [class_json(finding, header) for finding, header in found]
        typer.echo(json.dumps({"classes": told}, default=json_default, ensure_ascii=False))
        return
    for number, (finding, header) in enumerate(found):
        if number:
            typer.echo()
        _print(finding, header)


def _print(found: ClassFinding, header: RunHeader) -> None:
    """Print a table a pair, in 80 columns, what it comes to, and the lines to paste."""
    for pair in found.pairs:
        typer.echo("\n".join(folded(_headline(found, pair))))
        if pair.signals:
            print_table(_COLUMNS, [_row(one) for one in pair.signals], right=_COLUMNS[1:-1])
        for sentence in calibration_sentences(found, pair):
            typer.echo("\n".join(folded(sentence)))
        lines = thresholds_yaml(found, pair, header)
        if lines:
            place = f"# routerctl.yaml; where {pair.first} serves and {pair.second} stands behind it:"
            if is_callable(pair, header):
                place = f"# routerctl.yaml; {cascade_name(pair)} belongs on the ladder before {pair.second}"
            typer.echo("\n" + "\n".join(clean(line) for line in (place, *lines.splitlines())))


def _headline(found: ClassFinding, pair: PairFinding) -> str:
    first = f"{pair.first} alone {pair.first_score:.3f}{_price(pair.first_usd)}"
    second = f"{pair.second} alone {pair.second_score:.3f}{_price(pair.second_usd)}"
    return (
        f"{found.task_class}, {pair.first} then {pair.second}: {plural(pair.cases, 'case')}, "
        f"bar {as_written(found.bar)}; {first}; {second}"
    )


def _price(cost_usd: Any) -> str:
    return "" if cost_usd is None else f" at {usd(cost_usd * THOUSAND)} per 1,000 requests"


def _row(one: SignalFinding) -> list[str]:
    best = one.best
    if best is None:
        return [one.signal, *[""] * 7, one.promise.value]
    thresholds = set(best.below.values())
    return [
        one.signal,
        f"{min(thresholds):g}",
        _share(best.tpr),
        _share(best.fpr),
        _share(best.escalated),
        f"{best.score:.3f}",
        f"{best.lower:.3f}",
        "" if best.cost_usd is None else usd(best.cost_usd * THOUSAND),
        needed_words(one) or one.promise.value,
    ]


def _share(share: float | None) -> str:
    return "" if share is None else f"{share * 100:.0f}%"


def class_json(found: ClassFinding, header: RunHeader) -> Mapping[str, Any]:
    """Give everything as JSON has it, every threshold of every signal, the sentences and the lines to paste."""
    told: dict[str, Any] = encode(found, keep_defaults=True)
    for row, pair in zip(told["pairs"], found.pairs, strict=True):
        row["best"] = pair.best.signal if pair.best else None
        row["sentences"] = calibration_sentences(found, pair)
        row["yaml"] = thresholds_yaml(found, pair, header)
    return told
