"""evals/<class>.labels.jsonl: human labels of replies, read, matched with a run's results, and added to.

A label is for one reply of one candidate to one case: the digests in it say which. It knows no judge and no verdict;
`selection` decides what labels prove.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from routerctl.evaluation.eval_sets import EVALS_FOLDER, sha256_of
from routerctl.files.codec import decode, encode, json_text
from routerctl.files.document import Document
from routerctl.files.yaml import parse_json_lines, read_text
from routerctl.types import Json, Result, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One line of the file: whether a human passed one reply."""

    case: str  # its id
    candidate: str
    reply: str  # sha256:... of the reply's text
    passed: bool
    asked: str = ""  # sha256:... of the case's input and expected answer; "" = written by hand, fits any
    by: str = ""  # the human

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is for. The candidate is part of it: see `labels_of`."""
        return (self.case, self.candidate, self.reply, self.asked)


def labels_file(root: Path, task_class: str) -> Path:
    """Say where the labels of a task class are kept."""
    return root / EVALS_FOLDER / f"{task_class}.labels.jsonl"


def read_labels(root: Path, task_class: str) -> tuple[Label, ...]:
    """Read the labels of a task class; none where there is no file.

    Raises: InputError for a line that is not a label, and where two lines contradict each other.
    """
    path = labels_file(root, task_class)
    if not path.exists():
        return ()
    shown = path.relative_to(root).as_posix()
    found: dict[tuple[str, str, str, str], tuple[Label, int]] = {}
    for row in parse_json_lines(read_text(path, shown), shown):
        label = decode(Label, row)
        _check_label(label, row)
        earlier, line = found.get(label.key, (label, 0))
        problem = f"case {label.case!r}: line {line} says the opposite of the same reply; keep one of them"
        row.require(earlier.passed == label.passed, (), problem)
        found.setdefault(label.key, (label, row.line(()) or 0))
    return tuple(label for label, _ in found.values())


def _check_label(label: Label, at: Document) -> None:
    """Refuse what is not a digest.

    Raises: InputError.
    """
    for name in ("reply", "asked"):
        value = getattr(label, name)
        is_digest = value.startswith("sha256:") and len(value) == 71
        at.require(is_digest or (name == "asked" and not value), (name,), "expected sha256: and 64 hexadecimal digits")


def add_labels(root: Path, task_class: str, labels: Sequence[Label]) -> None:
    """Append labels in one write, each a line, and have them on the disk before returning."""
    path = labels_file(root, task_class)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json_text(encode(label)) + "\n" for label in labels)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # an editor may leave the last line open
                lines = "\n" + lines
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())


def reply_digest(text: str) -> str:
    """Digest a reply's text."""
    return sha256_of(text.encode("utf-8", "surrogatepass"))


def asked_digest(given: Json, expected: Json) -> str:
    """Digest what a reply was judged against, so that a label does not outlive a change of its case."""
    return sha256_of(json_text([given, expected]).encode())


def label_of(result: Result, *, passed: bool, by: str = "") -> Label:
    """Make the label of one result."""
    return Label(
        case=result.case_id,
        candidate=result.candidate,
        reply=reply_digest(result.reply),
        asked=asked_digest(result.input, result.expected),
        passed=passed,
        by=by,
    )


def first_replies(results: Iterable[Result], candidate: str) -> list[Result]:
    """Give one candidate's first reply to each case, in planned order up to the first gap."""
    by_index = {item.index: item for item in results if item.candidate == candidate and item.epoch == 0}
    found: list[Result] = []
    while len(found) in by_index:
        found.append(by_index[len(found)])
    return found


def labels_of(labels: Iterable[Label], results: Iterable[Result], candidate: str) -> dict[int, bool]:
    """Match labels with one candidate's results of one class: place in the planned order -> whether a human passed it.

    A failed call before the last labelled case needs no human: it has not passed. A label of another candidate does
    not count, be the reply the same: the cases on which two candidates agree are no random sample of either's.
    """
    known = {label.key: label.passed for label in labels}
    found: dict[int, bool] = {}
    failed: list[int] = []
    for result in first_replies(results, candidate):
        passed = known_label(known, result)
        if result.status is Status.FAILED:
            failed.append(result.index)
        elif passed is not None:
            found |= dict.fromkeys(failed, False) | {result.index: passed}
            failed = []
    return found


def known_label(known: Mapping[tuple[str, str, str, str], bool], result: Result) -> bool | None:
    """Find the label of one result among `known`, which is by `Label.key`."""
    exact = label_of(result, passed=False).key
    return known.get(exact, known.get((*exact[:3], "")))


def labels_digest(labels: Iterable[Label]) -> str:
    """Digest what labels say, regardless of their order and of who gave them; "" where there is none."""
    said = sorted([*label.key, label.passed] for label in labels)
    return sha256_of(json_text(said).encode()) if said else ""
