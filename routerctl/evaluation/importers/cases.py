"""Records -> the cases of each task class, with every model's replies to each in order.

A case is known by the file's id, else by its input. Only cases that every model answered are kept, each with the same
number of replies, so that models are compared on the same questions. What is left out is counted, by its reason; where
the order of the rows alone would say which outcome counts, nothing does. It knows no candidate, no bar and no price.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from routerctl.errors import InputError
from routerctl.evaluation.importers.base import Reading, Record, plain_text
from routerctl.evaluation.importers.repeats import Answers, Replies, epochs_of, with_failed, without_retries
from routerctl.types import Case, Json, Status
from routerctl.words import plain, plural

_Rank = tuple[bool, str, str]  # whether it was answered, when the file was made, the file's digest
_NOT_IN_A_CLASS = re.compile(r"[^a-z0-9_-]+")
_ID_CHARS = 200
_ID_DIGITS = 16
_MOST_PAIRED = 40  # models among which a pair is looked for
_MOST_NAMED = 8
_SORTED = json.JSONEncoder(sort_keys=True, default=str)  # kept: making one for each reply takes longer than its work
_DIGEST = "case-"
_Question = tuple[str, str | None]  # and its answer

FAILED_AND_REPEATED = "failed calls that were repeated"
NOT_COMMON = "to cases that not every model answered"
MORE = "more than others have to the same case"
ELSEWHERE = "asked again or carried over in another file"
NOT_ORDERED = "of models that are not in --order"


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
    left: Mapping[str, int]  # why some replies are left out -> how many
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
    made_at: dict[int, str] = {}  # by the record's id(), where its file says so
    for reading in sorted(readings, key=lambda reading: (reading.made_at, reading.digest)):
        for record in reading.records:
            task = task_class or record.task or PurePath(reading.file).name.partition(".")[0]
            name = named.get(task)
            if name is None:
                name = named[task] = _class_name(task, named, reading.file)
            found[name][record.model].append(record)
            used[name][reading.file] = reading
            if reading.made_at:
                made_at[id(record)] = reading.made_at
    if not found:
        raise InputError("it holds no outcome", file=readings[0].file if len(readings) == 1 else None)
    return tuple(
        _arranged(name, by_model, list(used[name].values()), made_at) for name, by_model in sorted(found.items())
    )


def _class_name(task: str, named: Mapping[str, str], file: str) -> str:
    """Write a task's name as a task class may be called."""
    name = _NOT_IN_A_CLASS.sub("-", task.lower()).strip("-_")[:64].rstrip("-_")
    if not name:
        raise InputError(f"the task {task!r} gives no class name (a-z, 0-9, _, -); name one with --class", file=file)
    other = next((other for other, taken in named.items() if taken == name), None)
    if other is not None:
        raise InputError(f"the tasks {other!r} and {task!r} would both be the class {name!r}", file=file)
    return name


def _arranged(
    name: str, by_model: Mapping[str, Sequence[Record]], readings: Sequence[Reading], made_at: Mapping[int, str]
) -> Arranged:
    digests: dict[_Question, str] = {}
    everything = {model: _by_case(records, digests) for model, records in by_model.items()}
    _check_same_cases(name, everything)
    answers = without_retries(everything)
    common = [key for key in _first(answers) if all(key in cases for cases in answers.values())]
    if not common:
        raise InputError(
            f"class {name}: no case was answered by each of {_listed(list(answers))}; {_in_pairs(answers)}"
        )
    epochs, replies = epochs_of(name, answers, common, made_at)
    identities = dict.fromkeys(identity for _, identity in replies)
    left = {
        FAILED_AND_REPEATED: _count(everything) - _count(answers),
        NOT_COMMON: _count(answers) - _count(answers, common),
        MORE: _count(answers, common) - sum(map(len, replies.values())),
    }
    if left[FAILED_AND_REPEATED]:
        replies = with_failed(replies, everything, answers)
    return Arranged(
        task_class=name,
        cases=tuple(_case(identity, [replies[model, identity] for model in answers]) for identity in identities),
        models=tuple(answers),
        replies=replies,
        epochs=epochs,
        formats=_each(reading.format for reading in readings),
        scorers=_each(reading.scorer for reading in readings),
        files=_each(reading.file for reading in readings),
        left={reason: number for reason, number in left.items() if number},
        notes=tuple(_notes(name, answers, common, left, epochs)),
    )


def _count(answers: Answers, keys: Sequence[str] | None = None) -> int:
    return sum(len(cases[key]) for cases in answers.values() for key in (cases if keys is None else keys))


def _notes(name: str, answers: Answers, common: Sequence[str], left: Mapping[str, int], epochs: int) -> Iterator[str]:
    everything = {key for cases in answers.values() for key in cases}
    if len(common) < len(everything):
        few = len(everything) - len(common)
        yield f"{name}: {few} of {len(everything)} cases left out: not every model answered them"
        if 2 * few >= len(everything) and len(answers) > 2:
            yield f"{name}: {_in_pairs(answers)}"
    if left[FAILED_AND_REPEATED]:
        failed = plural(left[FAILED_AND_REPEATED], "failed call", "failed calls")
        yield plain(f"{name}: {failed} left out, since the case was asked again")
    if left[MORE]:
        more = plain(plural(left[MORE], "reply", "replies"))
        yield f"{name}: {more} left out: {epochs} of each model count for every case"


def _in_pairs(answers: Answers) -> str:
    """Name the two models that have the most cases in common, and the flag that compares them."""
    pairs = [
        (sum(key in answers[other] for key in answers[one]), one, other)
        for one, other in itertools.combinations(list(answers)[:_MOST_PAIRED], 2)
    ]
    most, one, other = max(pairs, key=lambda pair: pair[0], default=(0, "", ""))
    if not most:
        return "each was asked other cases, so there is nothing to compare: import them one by one with --order"
    return f"{plain(plural(most, 'case'))} in common have --order {shlex.quote(f'{one},{other}')}"


def _listed(models: Sequence[str]) -> str:
    more = f" and {len(models) - _MOST_NAMED} more" if len(models) > _MOST_NAMED else ""
    return ", ".join(models[:_MOST_NAMED]) + more


def _each(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _first(answers: Answers) -> Mapping[str, Sequence[Record]]:
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
    asked, expected = record.question or record.input, record.expected
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


def _check_same_cases(name: str, answers: Answers) -> None:
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


def _case(identity: str, replies: Sequence[Replies]) -> Case:
    """The case, each part as the first record that has it says."""
    records = [record for several in replies for record in several]
    return Case(
        id=identity,
        input=next((record.input for record in records if record.input is not None), None),
        expected=next((record.expected for record in records if record.expected is not None), None),
        cluster=next((record.cluster for record in records if record.cluster is not None), None),
    )


def check_ways(readings: Sequence[Reading]) -> None:
    """Refuse files in which a model of one name was asked in different ways: they are two models.

    Raises: InputError.
    """
    asked: dict[str, tuple[str, str]] = {}
    for reading in readings:
        ways = {record.model: record.way for record in reading.records if record.model != record.plain and record.plain}
        for model, way in ways.items():
            first, file = asked.setdefault(model, (way, reading.file))
            if first != way:
                raise InputError(
                    f"{model} was asked in another way (prompt, settings) than in {file}: import the files one by one, "
                    "or give the providers labels",
                    file=reading.file,
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
    return replace(reading.without(kept, ELSEWHERE), notes=(*reading.notes, *notes))


def of_models(readings: Sequence[Reading], models: Collection[str]) -> tuple[Reading, ...]:
    """Leave out, and count, the records of other models."""
    return tuple(
        reading.without(tuple(record for record in reading.records if record.model in models), NOT_ORDERED)
        for reading in readings
    )


def by_plain_names(readings: Sequence[Reading], names: Collection[str]) -> tuple[Reading, ...]:
    """Make one model of all the ways in which a model of these names was asked: the way then belongs to the case."""
    return tuple(
        replace(
            reading,
            records=tuple(_plain(record) if record.plain in names else record for record in reading.records),
        )
        for reading in readings
    )


def _plain(record: Record) -> Record:
    case = f"{record.case} ({record.way})" if record.case else ""
    return replace(record, model=record.plain, case=case, question=f"{record.question} ({record.way})")
