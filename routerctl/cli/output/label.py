"""What `routerctl label` does once its options are read: find the replies, ask a human, keep each answer at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from routerctl.cli.output.terminal import say
from routerctl.errors import InputError, nearest
from routerctl.evaluation.build import choice_of, evidence_of
from routerctl.evaluation.eval_sets import EVALS_FOLDER, load_eval_set
from routerctl.evaluation.label_files import check_kind, json_rows, read_filled, write_open
from routerctl.evaluation.labels import (
    Label,
    add_labels,
    first_replies,
    known_label,
    label_of,
    labels_file,
    read_labels,
)
from routerctl.evaluation.run_files import REPORTS_FOLDER, read_header, read_run, run_folder, run_folders
from routerctl.evaluation.selection.judge_correction import why_not
from routerctl.evaluation.selection.labels_needed import need_words
from routerctl.files.writing import check_place
from routerctl.types import ClassHeader, Evidence, Result, Run, Status
from routerctl.words import as_text, count, plural, visible

_ANSWERS = {"y": True, "yes": True, "n": False, "no": False}
_KEYS = "y = it passes, n = it does not, s = skip, q = quit"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOptions:
    """What is to be labelled, as the user said it."""

    task_class: str
    candidate: str | None = None  # None: the one that the run chooses
    count: int = 50
    run_id: str | None = None  # None: the newest run of the class
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The replies to be labelled."""

    run: Run
    of_class: ClassHeader
    evidence: Evidence  # of the candidate
    replies: tuple[Result, ...]  # first ones to the first cases of the planned order; failed calls among them
    open: tuple[Result, ...]  # those that a human is still to label


def label_replies(options: LabelOptions, *, export_to: Path | None, import_from: Path | None) -> None:
    """Do what `routerctl label` says: label replies on the terminal, or by way of a file.

    Raises: InputError.
    """
    root = Path.cwd()
    if export_to and import_from:
        raise InputError("--export and --import exclude each other")
    for path in (export_to, import_from):
        if path:
            check_kind(path)
    check_place(export_to)
    run = _run_of(root, options)
    if import_from:
        _import(root, run, options, import_from)
        return
    sample = find_sample(root, run, options)
    introduce(sample, options.count)
    if export_to:
        write_open(export_to, sample.open)
        say(f"{plural(len(sample.open), 'open case')} written to {export_to}: fill in `passed`, then --import it")
    elif sys.stdin.isatty() and sys.stdout.isatty():
        ask_human(root, sample, options.by, sys.stdin.readline)
    else:
        sys.stdout.write("".join(json_rows(sample.open)))


def _run_of(root: Path, options: LabelOptions) -> Run:
    """Read the wanted run, else the newest finished one that was made on the class's eval set as it is now.

    Raises: InputError where there is none.
    """
    if options.run_id:
        run = read_run(run_folder(root, options.run_id))
        if options.task_class in run.header.classes:
            return run
        known = nearest(options.task_class, run.header.classes)
        raise InputError(f"run {options.run_id} has no class {options.task_class!r}{known}")
    eval_set = root / EVALS_FOLDER / f"{options.task_class}.yaml"
    digest = load_eval_set(eval_set, root).digest if eval_set.exists() else None
    classes = {path.stem for path in (root / EVALS_FOLDER).glob("*.yaml")}
    for folder in run_folders(root):
        header = read_header(folder)
        classes |= header.classes.keys()
        of_class = header.classes.get(options.task_class)
        partly = bool(header.rungs) and options.candidate not in header.rungs
        if of_class and header.finished and not partly and digest in (None, of_class.digest):
            return read_run(folder)
    if options.task_class not in classes:
        raise InputError(f"no task class {options.task_class!r}{nearest(options.task_class, classes)}")
    problem = "no finished run has used the present version of this eval set"
    raise InputError(f"{problem}; `routerctl eval --class {options.task_class}` makes one", file=f"{REPORTS_FOLDER}/")


def find_sample(root: Path, run: Run, options: LabelOptions) -> Sample:
    """Take one candidate's first replies of a run, and tell which of them have no label yet.

    Raises: InputError for a candidate that the run has not tried.
    """
    evidence = {item.candidate: item for item in evidence_of(run, options.task_class)}
    name = options.candidate or choice_of(run, options.task_class, evidence.values()).chosen
    if name not in evidence:
        raise InputError(
            f"run {run.header.run_id} did not try {name!r} on {options.task_class}{nearest(name, evidence)}"
        )
    results = [item for item in run.results if item.task_class == options.task_class]
    replies = tuple(first_replies(results, name)[: options.count])
    known = {item.key: item.passed for item in read_labels(root, options.task_class)}
    return Sample(
        run=run,
        of_class=run.header.classes[options.task_class],
        evidence=evidence[name],
        replies=replies,
        open=tuple(item for item in replies if item.status is not Status.FAILED and known_label(known, item) is None),
    )


def introduce(sample: Sample, wanted: int) -> None:
    """Say what the sample is and what labels on it can prove."""
    of_class, judgement, cases = sample.of_class, sample.evidence.judgement, len(sample.replies)
    say(
        f"{of_class.task_class}: the first {plural(cases, 'case')} of the planned order, which is random, so they are "
        f"a random sample; replies of {sample.evidence.candidate} in run {sample.run.header.run_id}; "
        f"{count(len(sample.open))} to label"
    )
    counts = of_class.judge and not why_not(of_class)  # then `need_words` says what is missing
    if cases < min(wanted, of_class.n) and not counts:
        more = f"`routerctl eval --full --class {of_class.task_class}` asks for the others"
        say(f"note: the run has no more replies than these, of {count(of_class.n)} planned cases; {more}")
    if not of_class.judge:
        say(
            f"note: {of_class.task_class} is scored by {of_class.scorer.name}, not by a judge: labels change no verdict"
        )
    elif problem := why_not(of_class):
        say(f"note: labels cannot prove the bar of {of_class.task_class}: {problem}")
    else:
        replies = len(first_replies(sample.run.results, sample.evidence.candidate))
        say(need_words(judgement, replies, of_class.task_class, asked=wanted))
        say("decide how many you will label before you start")


def ask_human(root: Path, sample: Sample, by: str, read_line: Callable[[], str]) -> None:
    """Show each open reply, ask, and keep each answer before the next is shown; the judge's verdict is not shown."""
    if rubric := sample.of_class.scorer.params.get("rubric"):
        _show("rubric", str(rubric))
    written = skipped = 0
    for place, result in enumerate(sample.open, 1):
        say("")
        say(f"{place} of {len(sample.open)}: case {result.case_id}")
        _show("input", as_text(result.input))
        _show("expected", "(none)" if result.expected is None else as_text(result.expected))
        _show("reply", result.reply or "(empty)")
        answer = _answer(read_line)
        if answer == "quit":
            break
        if answer == "skip":
            skipped += 1
        else:
            add_labels(root, sample.of_class.task_class, [label_of(result, passed=answer == "pass", by=by)])
            written += 1
    _conclude(root, sample, written, skipped)


def _show(name: str, text: str) -> None:
    """Print foreign text behind a bar on each line, so that nothing in it can pass for a line of ours."""
    say(f"  {name}")
    for line in visible(text).split("\n"):
        say(f"  | {line}")


def _answer(read_line: Callable[[], str]) -> str:
    """Ask until the answer is one; the end of the input is a quit."""
    while True:
        say(f"does it pass? {_KEYS}")
        line = read_line()
        word = line.strip().lower()
        if not line or word in ("q", "quit"):
            return "quit"
        if word in ("s", "skip"):
            return "skip"
        if word in _ANSWERS:
            return "pass" if _ANSWERS[word] else "fail"


def _conclude(root: Path, sample: Sample, written: int, skipped: int) -> None:
    file = labels_file(root, sample.of_class.task_class).relative_to(root)
    left = len(sample.open) - written
    say("")
    still = f"{count(left)} of the first {count(len(sample.replies))} cases still open"
    say(f"{plural(written, 'label')} written to {file}; {still}")
    if skipped:
        say("what labels prove ends at the first case without one: come back to those you skipped")


def _import(root: Path, run: Run, options: LabelOptions, path: Path) -> None:
    """Add the labels of a filled file, all of them or, where one is wrong, none."""
    results = [item for item in run.results if item.task_class == options.task_class]
    names = {item.candidate for item in results}
    replies = {(item.case_id, name): item for name in names for item in first_replies(results, name)}
    known = {item.key: item.passed for item in read_labels(root, options.task_class)}
    file = labels_file(root, options.task_class).relative_to(root)
    new: list[Label] = []
    filled, left_open = read_filled(path, replies, options.by)
    for made, line in filled:
        earlier = known.get(made.key)
        if earlier is None:
            new.append(made)
            known[made.key] = made.passed
        elif earlier != made.passed:
            raise InputError(
                f"case {made.case!r}: contradicts an earlier label; keep one of them",
                file=str(path),
                line=line,
            )
    if new:
        add_labels(root, options.task_class, new)
    old = len(filled) - len(new)
    say(f"{plural(len(new), 'label')} written to {file}; {old} already existed, {left_open} left open")
