"""Eval sets, a file of labelled decisions and the shipped background -> texts with their class.

It checks that there is enough to learn from; it knows no feature.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from routerctl.classify.rules import inquiry_text
from routerctl.errors import InputError, nearest
from routerctl.evaluation.eval_sets import EVALS_FOLDER, load_eval_sets
from routerctl.files.document import Document
from routerctl.files.yaml import parse_json_lines, read_text

LEAST_CASES = 10  # of a class: two for each of five folds


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One text whose class is known."""

    text: str
    task_class: str
    origin: str  # where it stands: evals/sql.jsonl:12, or the decisions' file and line
    cluster: str = ""  # the case's own, made unique by its class; "" = none


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """All that is learned from."""

    texts: tuple[Labelled, ...]
    descriptions: Mapping[str, str]  # of the classes
    digests: Mapping[str, str] = field(default_factory=dict)  # of what was read, by file

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes in alphabetical order."""
        return tuple(sorted({text.task_class for text in self.texts}))


def load_labelled(root: Path, decisions: Path | None = None) -> Material:
    """Read the inputs of a project's eval sets and, with `decisions`, JSON lines of {"prompt", "class"}.

    Raises: InputError naming file and line; where there are fewer than two classes or ten texts of one.
    """
    sets = load_eval_sets(root)
    texts = [
        Labelled(
            text=inquiry_text(case.input),
            task_class=one.name,
            origin=f"{one.file} {case.id}",
            cluster=f"{one.name}/{case.cluster}" if case.cluster is not None else "",
        )
        for one in sets
        for case in one.cases
    ]
    descriptions = {one.name: one.description for one in sets}
    digests = {one.file: one.digest for one in sets}
    if decisions is not None:
        content = read_text(decisions)
        texts += read_decisions(content, str(decisions), tuple(descriptions))
        digests["decisions"] = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
    check_enough(texts)
    return Material(texts=tuple(texts), descriptions=descriptions, digests=digests)


def read_decisions(content: str, shown: str, classes: Sequence[str]) -> list[Labelled]:
    """Read labelled decisions; other keys of a line are passed over, as an export of the log has many.

    Raises: InputError naming the line.
    """
    return [_decision(row, classes) for row in parse_json_lines(content, shown)]


def _decision(row: Document, classes: Sequence[str]) -> Labelled:
    value = row.value
    if not isinstance(value, dict) or "prompt" not in value or "class" not in value:
        raise row.error((), 'expected {"prompt": ..., "class": ...}')
    prompt, name = value["prompt"], value["class"]
    if not isinstance(prompt, str | dict):
        raise row.error(("prompt",), "expected a text or an object with the template's fields")
    if not isinstance(name, str) or name not in classes:
        raise row.error(("class",), f"no task class {str(name)[:80]!r}{nearest(str(name), classes)}")
    return Labelled(text=inquiry_text(prompt), task_class=name, origin=f"{row.file}:{row.line(())}")


def check_enough(texts: Sequence[Labelled]) -> None:
    """See that there is something to tell apart, and enough of each class.

    Raises: InputError.
    """
    counts = Counter(text.task_class for text in texts)
    if len(counts) < 2:
        have = ", ".join(counts) or "none"
        raise InputError(f"a classifier needs at least two task classes, got: {have}", file=f"{EVALS_FOLDER}/")
    name, least = min(counts.items(), key=lambda item: (item[1], item[0]))
    if least < LEAST_CASES:
        raise InputError(
            f"task class {name!r} has {least} texts, at least {LEAST_CASES} are needed: add cases, or labelled "
            "decisions with --decisions",
            file=f"{EVALS_FOLDER}/",
        )


def load_background() -> tuple[str, ...]:
    """Give the shipped texts of no particular class, from which "none of the classes" is learned."""
    content = (files("routerctl.tuning.classifier") / "background.txt").read_text(encoding="utf-8")
    return tuple(line for line in content.splitlines() if line and not line.startswith("#"))
