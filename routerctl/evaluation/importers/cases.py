"""Records -> the cases of each task class, with every model's replies to each in order.

A case is known by the file's id, else by its input. Only cases that every model answered are kept, each with the same
number of replies, so that models are compared on the same questions. It knows no candidate, no bar and no price.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from routerctl.errors import InputError
from routerctl.evaluation.importers.base import Reading, Record, plain_text
from routerctl.types import Case, Json, Status
from routerctl.words import plain, plural

_Rank = tuple[bool, str, str]  # whether it was answered, when the file was made, the file's digest
_NOT_IN_A_CLASS = re.compile(r"[^a-z0-9_-]+")
_ID_CHARS = 200
_ID_DIGITS = 16
_SORTED = json.JSONEncoder(sort_keys=True, default=str)  # kept: making one for each reply takes longer than its work
_DIGEST = "case-"
Replies = tuple[Record, ...]
_Question = tuple[str, str | None]  # and its answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Arranged:
    """One task class: its cases, and by (model, case id) as many replies as there are epochs."""

    task_class: str
    cases: tuple[Case, ...]
    models: tuple[str, ...]
    replies: Mapping[tuple[str, str], Replies]
    epochs: int
    formats: tuple[str, ...]
    scorers: tuple[str, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]


def arrange(readings: Sequence[Reading], task_class: str | None) -> tuple[Arranged, ...]:
    """Put the records of all files together, class by class.

    `task_class` names the class of everything; else each record's task does, and where it has none the file's name.
    The oldest file comes first, however they are given: where a case has more replies than count, the first ones do.
    Raises: InputError where nothing is left, two tasks get one class name, or one id stands for different cases.
    """
    named: dict[str, str] = {}
    found: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    used: dict[str, dict[str, Reading]] = defaultdict(dict)
    for reading in sorted(readings, key=lambda reading: (reading.made_at, reading.digest)):
        for record in reading.records:
            task = task_class or record.task or PurePath(reading.file).name.partition(".")[0]
            name = named.get(task)
            if name is None:
                name = named[task] = _class_name(task, named, reading.file)
            found[name][record.model].append(record)
            used[name][reading.file] = reading
    if not found:
        raise InputError("it holds no outcome", file=readings[0].file if len(readings) == 1 else None)
    return tuple(_arranged(name, by_model, list(used[name].values())) for name, by_model in sorted(found.items()))


def _class_name(task: str, named: Mapping[str, str], file: str) -> str:
    """Write a task's name as a task class may be called."""
    name = _NOT_IN_A_CLASS.sub("-", task.lower()).strip("-_")[:64].rstrip("-_")
    if not name:
        raise InputError(f"the task {task!r} gives no class name (a-z, 0-9, _, -); name one with --class", file=file)
    other = next((other for other, taken in named.items() if taken == name), None)
    if other is not None:
        raise InputError(f"the tasks {other!r} and {task!r} would both be the class {name!r}", file=file)
    return name


def _arranged(name: str, by_model: Mapping[str, Sequence[Record]], readings: Sequence[Reading]) -> Arranged:
    notes: list[str] = []
    digests: dict[_Question, str] = {}
    answers = {model: _by_case(records, digests) for model, records in by_model.items()}
    _check_same_cases(name, answers)
    common = [key for key in _first(answers) if all(key in cases for cases in answers.values())]
    everything = {key for cases in answers.values() for key in cases}
    if len(common) < len(everything):
        left = len(everything) - len(common)
        notes.append(f"{name}: {left} of {len(everything)} cases left out: not every model answered them")
    if not common:
        raise InputError(f"class {name}: no case was answered by each of {', '.join(answers)}")
    epochs, replies, left = _epochs(answers, common)
    if left:
        replies_left = plain(plural(left, "reply", "replies"))
        notes.append(f"{name}: {replies_left} left out: {epochs} of each model count for every case")
    identities = dict.fromkeys(identity for _, identity in replies)
    cases = [_case(identity, [replies[model, identity] for model in answers]) for identity in identities]
    return Arranged(
        task_class=name,
        cases=tuple(cases),
        models=tuple(answers),
        replies=replies,
        epochs=epochs,
        formats=_each(reading.format for reading in readings),
        scorers=_each(reading.scorer for reading in readings),
        files=_each(reading.file for reading in readings),
        notes=tuple(notes),
    )


def _each(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _first(answers: Mapping[str, Mapping[str, list[Record]]]) -> Mapping[str, list[Record]]:
    return next(iter(answers.values()))


def _by_case(records: Iterable[Record], digests: dict[_Question, str]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        found[_key(record, digests)].append(record)
    return dict(found)


def _key(record: Record, digests: dict[_Question, str]) -> str:
    """The file's id, else a digest of the question and its answer; `digests`: those made, as every model was asked."""
    if record.case:
        return _short(plain_text(record.case))
    asked, expected = record.input, record.expected
    if not (isinstance(asked, str) and (expected is None or isinstance(expected, str))):
        return _digest(asked, expected)
    if (asked, expected) not in digests:
        digests[asked, expected] = _digest(asked, expected)
    return digests[asked, expected]


def _digest(asked: Json, expected: Json) -> str:
    content = _SORTED.encode([asked, expected])
    return f"{_DIGEST}{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _short(identity: str) -> str:
    """A long id cut; ids may have a long start in common, so a digest of the whole tells them apart."""
    if len(identity) <= _ID_CHARS:
        return identity
    digest = hashlib.sha256(identity.encode()).hexdigest()[:_ID_DIGITS]
    return f"{identity[: _ID_CHARS - _ID_DIGITS - 1]}-{digest}"


def _check_same_cases(name: str, answers: Mapping[str, Mapping[str, Sequence[Record]]]) -> None:
    """Refuse an id under which two models were asked different questions."""
    first: dict[str, Record] = {}
    for cases in answers.values():
        for key, records in cases.items():
            for record in records:
                other = first.setdefault(key, record)
                if not (_agree(record.input, other.input) and _agree(record.expected, other.expected)):
                    raise InputError(
                        f"class {name}: the id {key[:40]!r} stands for different cases ({other.model} and "
                        f"{record.model} differ in input or expected); ids must tell cases apart (--case-column)"
                    )


def _agree(one: Json, other: Json) -> bool:
    """Whether two values may belong to one case: a failed call's row often has neither input nor answer."""
    return one is None or other is None or one == other


def _epochs(
    answers: Mapping[str, Mapping[str, list[Record]]], common: Sequence[str]
) -> tuple[int, dict[tuple[str, str], Replies], int]:
    """Give the replies a case has in common, the replies themselves and how many more there were.

    An id that repeats is a case asked again. An input that repeats, without an id, is one only where all of them do
    so equally often; else they are different cases with the same words.
    """
    counts = {len(cases[key]) for cases in answers.values() for key in common}
    if len(counts) > 1 and not any(record.case for record in _first(answers)[common[0]]):
        return 1, *_told_apart(answers, common)
    epochs = min(counts)
    replies = {(model, key): tuple(cases[key][:epochs]) for model, cases in answers.items() for key in common}
    left = sum(len(cases[key]) - epochs for cases in answers.values() for key in common)
    return epochs, replies, left


def _told_apart(
    answers: Mapping[str, Mapping[str, list[Record]]], common: Sequence[str]
) -> tuple[dict[tuple[str, str], Replies], int]:
    """Make the k-th occurrence of an input its k-th case."""
    replies: dict[tuple[str, str], Replies] = {}
    left = 0
    for key in common:
        most = min(len(cases[key]) for cases in answers.values())
        for model, cases in answers.items():
            left += len(cases[key]) - most
            for place, record in enumerate(cases[key][:most]):
                replies[model, key if place == 0 else f"{key}-{place + 1}"] = (record,)
    return replies, left


def _case(identity: str, replies: Sequence[Replies]) -> Case:
    """The case, each part as the first record that has it says."""
    records = [record for several in replies for record in several]
    return Case(
        id=identity,
        input=next((record.input for record in records if record.input is not None), None),
        expected=next((record.expected for record in records if record.expected is not None), None),
        cluster=next((record.cluster for record in records if record.cluster is not None), None),
    )


def each_once(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """Leave out, with a note, the records whose work another reading has better or newer."""
    best: dict[str, _Rank] = {}
    for reading in readings:
        for record in reading.records:
            if record.work:
                rank = (record.status is not Status.FAILED, reading.made_at, reading.digest)
                best[record.work] = max(best.get(record.work, rank), rank)
    winners = {work: rank[2] for work, rank in best.items()}
    files = {reading.digest: reading.file for reading in readings}
    return tuple(_without_reruns(reading, winners, files) for reading in readings)


def _without_reruns(reading: Reading, winners: Mapping[str, str], files: Mapping[str, str]) -> Reading:
    """Keep the records that have no better one elsewhere; `winners`: by work, the digest of the file that counts."""
    digests = [winners.get(record.work, reading.digest) for record in reading.records]
    elsewhere = Counter(files[digest] for digest in digests if digest != reading.digest)
    if not elsewhere:
        return reading
    kept = tuple(record for record, digest in zip(reading.records, digests, strict=True) if digest == reading.digest)
    notes = [
        f"{plural(count, 'reply', 'replies')} left out: asked again, or carried over, in {file}"
        for file, count in elsewhere.items()
    ]
    return replace(reading, records=kept, notes=(*reading.notes, *notes))
