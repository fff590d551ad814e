"""Several replies of a model to one case -> those that count: retries once, repeats as epochs, none for its place.

A failed call that was repeated is left out, what it had used stays. Where a case has more replies than others, the
first by time and epoch count; where neither tells which these are and they differ, nothing does. It knows no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from routerctl.errors import InputError
from routerctl.evaluation.importers.base import Record
from routerctl.types import Status

Answers = Mapping[str, Mapping[str, Sequence[Record]]]  # by model and case
Replies = tuple[Record, ...]


def without_retries(answers: Answers) -> dict[str, dict[str, list[Record]]]:
    """Leave out a failed call where the case was asked again and answered, whichever stands first.

    Where every model has equally many replies to every case these are epochs, and a call of one that failed counts;
    unless without the failed ones, too, all have equally many: then each of these was made good.
    """
    kept = {model: {key: _answered(records) for key, records in cases.items()} for model, cases in answers.items()}
    asked, made_good = ({len(records) for cases in of.values() for records in cases.values()} for of in (answers, kept))
    if len(asked) == 1 and len(made_good) > 1:
        return {model: {key: list(records) for key, records in cases.items()} for model, cases in answers.items()}
    return kept


def with_failed(
    replies: Mapping[tuple[str, str], Replies], everything: Answers, answers: Answers
) -> dict[tuple[str, str], Replies]:
    """Add what a failed call had used to the reply that made it good: it was paid for."""
    found = dict(replies)
    for (model, key), kept in replies.items():
        asked = everything[model].get(key, ())
        if len(asked) > len(answers[model].get(key, asked)):
            good = {id(record) for record in answers[model][key]}
            failed = [record for record in asked if id(record) not in good]
            found[model, key] = (_with_usage(kept[0], failed), *kept[1:])
    return found


def _with_usage(record: Record, failed: Sequence[Record]) -> Record:
    costs = [one.cost_usd for one in failed if one.cost_usd is not None]
    return replace(
        record,
        input_tokens=record.input_tokens + sum(one.input_tokens for one in failed),
        cached_tokens=record.cached_tokens + sum(one.cached_tokens for one in failed),
        output_tokens=record.output_tokens + sum(one.output_tokens for one in failed),
        cost_usd=None if record.cost_usd is None else record.cost_usd + sum(costs, Decimal(0)),
        retries=record.retries + len(failed),
    )


def _answered(records: Sequence[Record]) -> list[Record]:
    """The replies without the failed calls that were made good: in the same epoch, where the file tells these apart."""
    if len(records) == 1:
        return list(records)
    good = {record.epoch for record in records if record.status is not Status.FAILED}
    return [record for record in records if record.status is not Status.FAILED or record.epoch not in good]


def epochs_of(
    name: str, answers: Answers, common: Sequence[str], made_at: Mapping[int, str]
) -> tuple[int, dict[tuple[str, str], Replies]]:
    """Give the number of replies that each case has in common, and these replies.

    An id that repeats is a case asked again. An input that repeats, without an id, is one only where all of them do
    so equally often; else they are different cases with the same words, the k-th occurrence the k-th case.
    """
    counts = {key: min(len(cases[key]) for cases in answers.values()) for key in common}
    uneven = len({len(cases[key]) for cases in answers.values() for key in common}) > 1
    apart = uneven and not any(record.case for record in next(iter(answers.values()))[common[0]])
    epochs = 1 if apart else min(counts.values())
    replies: dict[tuple[str, str], Replies] = {}
    for key in common:
        for model, cases in answers.items():
            kept = _oldest(cases[key], counts[key] if apart else epochs, made_at, f"class {name}: {model}")
            for place, several in enumerate([(record,) for record in kept] if apart else [kept], 1):
                replies[model, f"{key}-{place}" if place > 1 else key] = several
    return epochs, replies


def _oldest(records: Sequence[Record], most: int, made_at: Mapping[int, str], whose: str) -> Replies:
    """Keep the first replies by their file's time and their epoch.

    Raises: InputError where these do not say which are first, and the replies differ.
    """
    if len(records) <= most:
        return tuple(records)
    ranked = [((made_at.get(id(record), ""), record.epoch), record) for record in records]
    ranked.sort(key=lambda pair: pair[0])
    last = ranked[most - 1][0]
    tied = {(record.status, record.score) for rank, record in ranked if rank == last}
    if ranked[most][0] == last and len(tied) > 1:
        first = records[0]
        where = f" (line {first.line})" if first.line else ""
        called = f"the case {first.case[:40]!r}" if first.case else "one case"
        raise InputError(
            f"{whose} has {len(records)} replies to {called}{where} where {most} would count, and their scores differ: "
            "which counts must not hang on the order of the rows; number them in a column `epoch`, tell the cases "
            "apart (--case-column), or leave the others out"
        )
    return tuple(record for _, record in ranked[:most])
