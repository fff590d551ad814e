"""Readings of work that was done again -> the same readings with each piece of work once.

A retry of Inspect writes a log of its own beside the one that failed, with what it carries over and what it asks again;
a second run of lm-eval leaves its samples in the same folder. Neither is a repeat that was meant as one. What did not
fail counts, then what is newest, whatever order the files come in. Place: the files floor, between the formats and
`arranging`; it knows no class and no case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from routerctl.evaluation.importers.base import Reading
from routerctl.types import Status
from routerctl.words import plural

_Rank = tuple[bool, str, str]  # whether it was answered, when the file was made, the file's digest


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
