"""What `routerctl train` does once its options are read."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from routerctl.classify.classifier import digest_of
from routerctl.cli.output.terminal import print_table, say
from routerctl.errors import GateError, InputError
from routerctl.evaluation.run_files import REPORTS_FOLDER
from routerctl.files.writing import check_place, write_atomically
from routerctl.words import count, percent, plain, spread

if TYPE_CHECKING:
    from routerctl.tuning.classifier import Trained
    from routerctl.tuning.classifier.cross_validation import Validated

REPORT_FILE = "classifier.html"
_NEEDED = ("sklearn", "threadpoolctl")


def run_training(
    *,
    decisions: Path | None,
    unknown_rate: float,
    seed: int,
    output: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Do what `routerctl train` says: train, write the classifier and its report, print the figures.

    Raises: InputError; GateError, with nothing written, where it is worthless and `force` is not given.
    """
    _check_packages()
    check_place(output)
    from routerctl.tuning.classifier import classifier_text, load_background, load_labelled, train
    from routerctl.tuning.classifier.page import likeness, render_classifier

    material = load_labelled(Path.cwd(), decisions)
    say(f"{count(len(material.texts))} texts of {len(material.classes)} classes, five folds")
    trained = train(material, load_background(), rate=unknown_rate, seed=seed)
    if not (trained.is_worthwhile or force):
        _show(trained, None, as_json=as_json)
        raise GateError(f"{_worthless(trained)}: nothing is written; add cases, or write it anyway with --force")
    write_atomically(output, classifier_text(trained))
    digest = digest_of(output)
    report = Path.cwd() / REPORTS_FOLDER / REPORT_FILE
    report.parent.mkdir(exist_ok=True)
    write_atomically(report, render_classifier(trained, digest=digest, size=output.stat().st_size))
    _show(trained, output, as_json=as_json)
    if told := likeness(trained.alike):
        say(plain(told))
    for name in trained.mostly_unknown:
        say(f"warning: most prompts of {name!r} are called unknown: add cases, or labelled decisions with --decisions")
    if not trained.is_worthwhile:
        say(f"warning: {_worthless(trained)}")
    say(f"{output}: {digest}; report: {report.relative_to(Path.cwd())}")


def _worthless(trained: Trained) -> str:
    priors = trained.priors
    ours, theirs = (percent(one.scores.accuracy) for one in (trained.ngrams, trained.majority))
    return (
        f"the classifier names {ours} of unseen prompts correctly, and always saying "
        f"{max(priors, key=priors.__getitem__)!r} {theirs}"
    )


def _show(trained: Trained, output: Path | None, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures(trained, output), ensure_ascii=False))
    else:
        _print(trained)


def _check_packages() -> None:
    absent = [name for name in _NEEDED if find_spec(name) is None]
    if absent:
        raise InputError(f"training needs {', '.join(absent)}: pip install 'routerctl[train]'")


def _print(trained: Trained) -> None:
    """Print the n-grams beside the baselines, then their classes, each in 80 columns."""
    columns = ["features", "macro-F1", "interval", "accuracy", "cal. error", "answered"]
    print_table(columns, [_row(one) for one in (trained.ngrams, *trained.baselines)], right=columns[1:])
    scores, rows = trained.ngrams.scores, []
    for place, name in enumerate(trained.classes):
        wrong = [(cell, other) for other, cell in enumerate(scores.confusion[place]) if other != place and cell]
        taken = ", ".join(f"{trained.classes[other]} {cell}" for cell, other in sorted(wrong, reverse=True)[:2])
        of_class = (scores.f1, scores.precision, scores.recall, trained.ngrams.abstained_of)
        figure = [percent(values[place]) for values in of_class]
        rows.append([name, count(sum(scores.confusion[place])), *figure, taken])
    typer.echo()
    columns = ["class", "texts", "F1", "precision", "recall", "unknown", "taken for"]
    print_table(columns, rows, right=columns[1:-1])
    ngrams = trained.ngrams
    if ngrams.background_abstained is not None:
        typer.echo(
            f"\nunknown: below {ngrams.least_known:.3f}; {percent(ngrams.abstained)} of the classes' prompts, "
            f"{percent(ngrams.abstained_right)} of those named right,\n"
            f"{percent(ngrams.background_abstained)} of the background\n"
            f"right where a class is named: {percent(ngrams.answered_right)}"
        )


def _row(one: Validated) -> list[str]:
    scores = one.scores
    return [
        one.family,
        percent(scores.macro_f1),
        spread(scores.interval),
        percent(scores.accuracy),
        percent(one.reliability.error),
        percent(1 - one.abstained),
    ]


def figures(trained: Trained, output: Path | None) -> dict[str, Any]:
    """Give every figure as JSON has it; `output`: the file, None where none was written."""
    return {
        "file": None if output is None else str(output),
        "digest": None if output is None else digest_of(output),
        "bytes": None if output is None else output.stat().st_size,
        "classes": list(trained.classes),
        "texts": len(trained.material.texts),
        "groups": trained.groups,
        "alike": trained.alike,
        "seed": trained.seed,
        "unknown_rate": trained.rate,
        "families": [_figures(one) for one in (trained.ngrams, *trained.baselines)],
    }


def _figures(one: Validated) -> dict[str, Any]:
    scores = one.scores
    return {
        "features": one.family,
        "macro_f1": scores.macro_f1,
        "interval": list(scores.interval),
        "accuracy": scores.accuracy,
        "f1": list(scores.f1),
        "confusion": [list(row) for row in scores.confusion],
        "calibration_error": one.reliability.error,
        "log_loss": one.reliability.log_loss,
        "temperature": one.temperature,
        "least_known": one.least_known,
        "abstained": one.abstained,
        "abstained_right": one.abstained_right,
        "abstained_of": list(one.abstained_of),
        "answered_right": one.answered_right,
        "background_abstained": one.background_abstained,
    }
