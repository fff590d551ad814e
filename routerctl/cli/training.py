"""What `routerctl train` does once its options are read."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from routerctl.classifier import digest_of
from routerctl.classifier.embedding import missing
from routerctl.cli.outputs import check_output
from routerctl.console import print_table, say
from routerctl.errors import InputError
from routerctl.results import REPORTS_FOLDER, write_atomically
from routerctl.words import percent, plain, spread

if TYPE_CHECKING:
    from routerctl.training import Trained
    from routerctl.training.validating import Validated

REPORT_FILE = "classifier.html"
_NEEDED = ("sklearn", "threadpoolctl")


def run_training(
    *,
    features: Literal["ngrams", "embedding"],
    decisions: Path | None,
    unknown_rate: float,
    seed: int,
    output: Path,
    as_json: bool,
) -> None:
    """Train, write the classifier and its report, and print the figures.

    Raises: InputError.
    """
    _check_packages(features)
    check_output(output)
    from routerctl.training import classifier_text, load_background, load_labelled, train
    from routerctl.training.page import compared, likeness, render_classifier

    material = load_labelled(Path.cwd(), decisions)
    other: Literal["ngrams", "embedding"] = "embedding" if features == "ngrams" else "ngrams"
    compare = () if other == "embedding" and missing() else (other,)
    say(f"{len(material.texts)} texts of {len(material.classes)} classes, five folds")
    trained = train(material, load_background(), features=features, compare=compare, rate=unknown_rate, seed=seed)
    write_atomically(output, classifier_text(trained))
    digest = digest_of(output)
    report = Path.cwd() / REPORTS_FOLDER / REPORT_FILE
    report.parent.mkdir(exist_ok=True)
    write_atomically(report, render_classifier(trained, digest=digest, size=output.stat().st_size))
    if as_json:
        typer.echo(json.dumps(figures(trained, digest, output), ensure_ascii=False))
    else:
        _print(trained)
        say(" ".join(plain(part) for part in (compared(trained), likeness(trained.alike)) if part))
    say(f"{output}: {digest}; report: {report.relative_to(Path.cwd())}")


def _check_packages(features: str) -> None:
    absent = [name for name in _NEEDED if find_spec(name) is None]
    if absent:
        raise InputError(f"training needs {', '.join(absent)}: pip install 'routerctl[train]'")
    if features == "embedding" and missing():
        wanted = ", ".join(name.replace("_", "-") for name in missing())
        raise InputError(f"--features embedding needs {wanted}: pip install 'routerctl[embedding]'")


def _print(trained: Trained) -> None:
    """Print the families, then the chosen one's classes, each in 80 columns."""
    columns = ["features", "macro-F1", "interval", "accuracy", "cal. error", "answered"]
    print_table(columns, [_row(one) for one in (trained.chosen, *trained.others)], right=columns[1:])
    scores, rows = trained.chosen.scores, []
    for place, name in enumerate(trained.classes):
        wrong = [(cell, other) for other, cell in enumerate(scores.confusion[place]) if other != place and cell]
        taken = ", ".join(f"{trained.classes[other]} {cell}" for cell, other in sorted(wrong, reverse=True)[:2])
        figure = [percent(values[place]) for values in (scores.f1, scores.precision, scores.recall)]
        rows.append([name, str(sum(scores.confusion[place])), *figure, taken])
    typer.echo()
    print_table(["class", "texts", "F1", "precision", "recall", "taken for"], rows, right=["texts", "F1", "recall"])
    chosen = trained.chosen
    if chosen.background_abstained is not None:
        typer.echo(
            f"\nunknown: below {chosen.least_known:.3f}; {percent(chosen.abstained)} of the classes' prompts, "
            f"{percent(chosen.background_abstained)} of the background\n"
            f"right where a class is named: {percent(chosen.answered_right)}"
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


def figures(trained: Trained, digest: str, output: Path) -> dict[str, Any]:
    """Give every figure as JSON has it."""
    return {
        "file": str(output),
        "digest": digest,
        "bytes": output.stat().st_size,
        "classes": list(trained.classes),
        "texts": len(trained.material.texts),
        "groups": trained.groups,
        "alike": trained.alike,
        "seed": trained.seed,
        "unknown_rate": trained.rate,
        "written": trained.chosen.family,
        "families": [_figures(one) for one in (trained.chosen, *trained.others)],
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
        "answered_right": one.answered_right,
        "background_abstained": one.background_abstained,
    }
