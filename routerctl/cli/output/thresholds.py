"""What `routerctl calibrate` does once its options are read."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from routerctl.cli.output.terminal import PER_1000, clean, print_table, say
from routerctl.errors import InputError, RouterctlError, nearest
from routerctl.evaluation.eval_sets import EVALS_FOLDER, load_eval_set
from routerctl.evaluation.labels import read_labels
from routerctl.evaluation.project import PROJECT_FILE, load_project
from routerctl.evaluation.repricing import at_present_prices
from routerctl.evaluation.run_files import REPORTS_FOLDER, read_header, read_run, run_folder, run_folders
from routerctl.files.codec import encode, json_default
from routerctl.tuning.thresholds import ClassFinding, PairFinding, SignalFinding, calibrate_class, sentences_of, yaml_of
from routerctl.tuning.thresholds.wording import THOUSAND, cascade_name, is_callable, needed_words
from routerctl.types import Run, RunHeader
from routerctl.words import as_written, plain, plural, usd

_COLUMNS = ("signal", "below", "right", "wrong", "sent on", "score", "least", PER_1000, "verdict")


def calibrate(*, classes: tuple[str, ...], run_id: str | None, risk: float | None, as_json: bool) -> None:
    """Calibrate classes and print what was found.

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


# --- which run --------------------------------------------------------------------------------------------------------


def runs_of(root: Path, classes: Sequence[str], run_id: str | None) -> Mapping[str, Run]:
    """Find the run of each class: the wanted one, else the newest with two candidates on its eval set as it is now.

    Raises: InputError where there is none.
    """
    if run_id:
        run = read_run(run_folder(root, run_id))
        _check_known(classes, run.header.classes, f"run {run_id} has no class")
        wanted = classes or [name for name in run.header.classes if _has_two(run, name)]
        if not wanted:
            raise InputError(f"run {run_id} has no class with two candidates' results: a cascade needs two")
        return dict.fromkeys(wanted, run)
    known = sorted(path.stem for path in (root / EVALS_FOLDER).glob("*.yaml"))
    wanted = [name for name in known if not classes or name in classes]
    digests = {name: load_eval_set(root / EVALS_FOLDER / f"{name}.yaml", root).digest for name in wanted}
    found = _newest(root, classes, digests)
    of_runs = {*known, *found}
    _check_known(classes, of_runs, "no task class")
    missing = [name for name in classes if name not in found]
    if missing or not found:
        only = f" --only {missing[0]}" if missing else ""
        what = f" of {missing[0]}" if missing else ""
        raise InputError(
            f"no run has two candidates' results{what} as it is now; `routerctl eval --full{only}` makes one",
            file=f"{REPORTS_FOLDER}/",
        )
    return found


def _check_known(classes: Sequence[str], known: Any, problem: str) -> None:
    for name in classes:
        if name not in known:
            raise InputError(f"{problem} {name!r}{nearest(name, known)}")


def _newest(root: Path, classes: Sequence[str], digests: Mapping[str, str]) -> dict[str, Run]:
    found: dict[str, Run] = {}
    for folder in run_folders(root):
        try:
            header = read_header(folder)
        except RouterctlError as error:  # a damaged run must not hide the others
            say(f"routerctl: {error}")
            continue
        open_ = {name: of for name, of in header.classes.items() if name not in found}
        fitting = [
            name
            for name, of in open_.items()
            if (not classes or name in classes) and digests.get(name, of.digest) == of.digest
        ]
        if fitting:
            run = read_run(folder)
            found |= {name: run for name in fitting if _has_two(run, name)}
    return {name: found[name] for name in sorted(found)}


def _has_two(run: Run, task_class: str) -> bool:
    asked = {one.candidate for one in run.results if one.task_class == task_class}
    return sum(run.header.candidates[name].escalation is None for name in asked) > 1


# --- what is printed --------------------------------------------------------------------------------------------------


def _print(found: ClassFinding, header: RunHeader) -> None:
    """Print a table a pair, in 80 columns, what it comes to, and the lines to paste."""
    for pair in found.pairs:
        _say_wrapped(plain(_headline(found, pair)))
        if pair.signals:
            print_table(_COLUMNS, [_row(one) for one in pair.signals], right=_COLUMNS[1:-1])
        for sentence in sentences_of(found, pair):
            _say_wrapped(sentence)
        lines = yaml_of(found, pair, header)
        if lines:
            place = f"# routerctl.yaml; where {pair.first} serves and {pair.second} stands behind it:"
            if is_callable(pair, header):
                place = f"# routerctl.yaml; {cascade_name(pair)} belongs on the ladder before {pair.second}"
            typer.echo("\n" + "\n".join(clean(line) for line in (place, *lines.splitlines())))


def _say_wrapped(text: str) -> None:
    typer.echo("\n".join(textwrap.wrap(clean(text), 79, subsequent_indent="  ")))


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
        row["sentences"] = sentences_of(found, pair)
        row["yaml"] = yaml_of(found, pair, header)
    return told
