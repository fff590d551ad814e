"""Inspect's logs (`.eval`, or `.json`) -> records: one a sample and epoch.

An `.eval` is a zip of JSON members packed with zstd, which Python's zipfile learns in 3.14: `backports.zstd` until
then. summaries.json has scores, tokens and times (before April 2025 scores alone); replies, refusals and what a scorer
asked stand in samples/*.json, which are read where they are not too large. Tokens and costs are those of the log's own
model without the calls that scorers made (`inspect_usage`). Latency is the model call's own time where the log has it,
else the sample's working time, scoring included. A sample with a score counts by it even where it has an error, too
(`score_on_error`), as in Inspect. A retry keeps its task's id, so a sample and epoch of it is the same work in both
logs. Checked against inspect_ai 0.3.285.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from routerctl.evaluation.importers.base import (
    MAX_BYTES,
    NO_OBJECT,
    Columns,
    Reading,
    Record,
    SourceFile,
    check_fields,
)
from routerctl.evaluation.importers.inspect_usage import roles_of, usage_notes, usage_of, without_events
from routerctl.evaluation.importers.values import (
    Scores,
    as_cost,
    as_count,
    as_number,
    as_text,
    failed_or,
    inner,
    lone_message,
    scores_of,
)
from routerctl.types import StopReason
from routerctl.words import plural

_ATTACHMENT = "attachment://"
_SUMMARIES = "summaries.json"
_MOST_SAMPLES = 2**28  # bytes of all members of samples, unpacked: of agents they may be gigabytes
_ZIP = b"PK\x03\x04"
_LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}  # inspect_ai.scorer.value_to_float
_STOPS = {
    "stop": StopReason.END,
    "max_tokens": StopReason.MAX_TOKENS,
    "model_length": StopReason.CONTEXT_FULL,
    "content_filter": StopReason.REFUSAL,
    "tool_calls": StopReason.TOOL_USE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Log:
    """What the samples of one log have in common."""

    scores: Scores
    columns: Columns
    task: str
    task_id: str
    model: str
    roles: Mapping[str, str]  # each role's model
    scorer: str
    key: str  # of the scorer's values, where it gives several; else ""


def recognises(source: SourceFile) -> bool:
    """Tell a log by its zip or by its keys."""
    return source.content.startswith(_ZIP) or {"eval", "status"} <= source.keys


def read(source: SourceFile, columns: Columns) -> Reading:
    """Read one log.

    Raises: InputError where it is no log, is damaged, or its scores are not between 0 and 1.
    """
    header, samples = _opened(source)
    task = as_text(inner(header, "eval", "task_display_name") or inner(header, "eval", "task")).rpartition("/")[2]
    model = as_text(inner(header, "eval", "model"))
    if not isinstance(samples, list) or not model:
        raise source.error("not a log of Inspect: expected eval.model and samples")
    scorer = _scorer(header, samples, source, columns.score)
    rows = [(number, row) for number, row in enumerate(samples, 1) if isinstance(row, dict)]
    name, key = _parts(scorer, [row for _, row in rows])
    log = _Log(
        scores=scores_of((_given(row, name, key) for _, row in rows), source, columns.scale),
        columns=columns,
        task=task,
        task_id=as_text(inner(header, "eval", "task_id")),
        model=model,
        roles=roles_of(inner(header, "eval", "model_roles")),
        scorer=name,
        key=key,
    )
    given = [one for _, row in rows for one in (row, row.get("metadata")) if isinstance(one, dict)]
    check_fields(columns, (name for one in given for name in one), source)
    records = tuple(_record(row, number, log) for number, row in rows)
    return Reading(
        file=source.shown,
        format="inspect",
        digest=source.digest,
        scorer=scorer,
        records=records,
        rows=len(samples),
        left={NO_OBJECT: len(samples) - len(rows)} if len(rows) < len(samples) else {},
        made_at=_moment(inner(header, "eval", "created")),
        notes=(*_notes(header, samples, scorer, source), *usage_notes([row for _, row in rows], model, log.roles)),
    )


def _opened(source: SourceFile) -> tuple[Any, Any]:
    if not source.content.startswith(_ZIP):
        return source.value, inner(source.value, "samples")
    with _zip(source) as archive:
        header = _member(archive, "header.json", source)
        summaries = _member(archive, _SUMMARIES, source) if _SUMMARIES in archive.namelist() else []
        return header, _joined(summaries, _samples(archive, source)) if isinstance(summaries, list) else None


def _samples(archive: zipfile.ZipFile, source: SourceFile) -> Iterator[dict[str, Any]]:
    """Give the samples' own members without their transcripts; none where they are too large to read them all."""
    members = [item for item in archive.infolist() if item.filename.startswith("samples/")]
    if sum(item.file_size for item in members) > _MOST_SAMPLES:
        return
    for item in members:
        sample = _member(archive, item.filename, source)
        if isinstance(sample, dict):
            yield without_events(sample)


def _joined(summaries: list[Any], samples: Iterable[dict[str, Any]]) -> list[Any]:
    """Put what a summary and a sample say of the same together, in the order of the summaries."""
    found = {as_text([sample.get("id"), sample.get("epoch")]): sample for sample in samples}
    keys = [as_text([inner(row, "id"), inner(row, "epoch")]) for row in summaries]
    joined = [
        row | found[key] if isinstance(row, dict) and key in found else row
        for row, key in zip(summaries, keys, strict=True)
    ]
    return joined + [sample for key, sample in found.items() if key not in keys]


def _zip(source: SourceFile) -> zipfile.ZipFile:
    with_zstd: Any = zipfile
    if sys.version_info < (3, 14):
        try:
            from backports.zstd import zipfile as with_zstd
        except ImportError:
            raise source.error("its members are packed with zstd: `pip install 'routerctl[import]'` reads it") from None
    try:
        archive: Any = with_zstd.ZipFile(io.BytesIO(source.content))
    except Exception as error:  # noqa: BLE001 - a damaged directory fails in many ways
        raise source.error(f"not a whole zip: {error}") from None
    return archive  # type: ignore[no-any-return]  # a copy of the standard class, not a subclass


def _member(archive: zipfile.ZipFile, name: str, source: SourceFile) -> Any:
    """Read one member as JSON, up to a bound: a small archive can hold any amount of nothing."""
    if name not in archive.namelist():
        # An unfinished log has only its journal; so has a zip that is something else.
        problem = f"no {name} in it: not a finished log of Inspect (`inspect log recover` ends one that was cut off)"
        raise source.error(problem)
    try:
        with archive.open(name) as member:
            content = member.read(MAX_BYTES + 1)
    except Exception as error:  # noqa: BLE001 - each compression has errors of its own; all mean a damaged file
        raise source.error(f"{name} cannot be unpacked: {type(error).__name__}: {error}") from None
    if len(content) > MAX_BYTES:
        raise source.error(f"{name} unpacks to more than {MAX_BYTES >> 20} MiB")
    return source.parsed(content)


def _scorer(header: Any, samples: Any, source: SourceFile, wanted: str | None) -> str:
    """Name whose scores count: the one asked for, else the first; `name.key` where a score has several values.

    Raises: InputError where no sample has a score, or none of the scorer that is asked for.
    """
    used = dict.fromkeys(name for row in samples for name in _scores(row))
    names = list(dict.fromkeys([*_scorers(header), *used]))
    if wanted and wanted not in names and wanted.partition(".")[0] not in names:
        raise source.error(f"no scorer {wanted!r} in it; it has: {', '.join(names) or 'none'}")
    if samples and not used and not any(_failed(row) for row in samples):
        raise source.error("no sample has a score (a log of --no-score?): `inspect score` scores it")
    return wanted or next((name for name in names if name in used), names[0] if names else "none")


def _scorers(header: Any) -> list[str]:
    """The scorers as the log's results name them."""
    found = inner(header, "results", "scores")
    return [as_text(inner(item, "name")) for item in found] if isinstance(found, list) else []


def _scores(row: Any) -> Mapping[str, Any]:
    """A sample's scores by scorer."""
    found = inner(row, "scores")
    return found if isinstance(found, Mapping) else {}


def _parts(scorer: str, rows: Sequence[Any]) -> tuple[str, str]:
    """Part the name of a scorer from that of one of its values."""
    if any(scorer in _scores(row) for row in rows):
        return scorer, ""
    name, _, key = scorer.partition(".")
    return name, key


def _given(row: Any, name: str, key: str) -> Any:
    """What the scorer gave a sample."""
    value = inner(row, "scores", name, "value")
    return inner(value, key) if key else value


def _failed(row: Any) -> str:
    return as_text(inner(row, "error", "message") or inner(row, "error"))


def _moment(created: Any) -> str:
    """When the log was begun, in UTC: a retry may run where the clock shows another time."""
    try:
        return datetime.fromisoformat(created).astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        return ""


def _record(row: Mapping[str, Any], number: int, log: _Log) -> Record:
    columns, source = log.columns, log.scores.source
    score = inner(row, "scores", log.scorer)
    found = _value(_given(row, log.scorer, log.key), log, number)
    error = _failed(row) if found is None else ""
    usage = usage_of(row, log.model, log.roles)
    answer = inner(score, "answer")
    return Record(
        task=as_text(_named(row, columns.task_class)) or log.task,
        model=log.model,
        case=as_text(_named(row, columns.case)) if columns.case else as_text(row.get("id")),
        status=failed_or(found, error),
        score=found,
        input=lone_message(row.get("input")),
        expected=row.get("target"),
        reply=_reply(row),
        extracted=None if answer is None else as_text(answer),
        explanation=as_text(inner(score, "explanation")),
        error=error,
        stop_reason=None if error else _stop(row),
        served_model=inner(row, "output", "model") if isinstance(inner(row, "output", "model"), str) else None,
        input_tokens=usage.input_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=as_cost(usage.cost, source, f"sample {number}, total_cost"),
        latency_s=None if error else as_number(inner(row, "output", "time") or row.get("working_time")),
        cluster=as_text(_named(row, columns.cluster)) or None,
        epoch=as_count(row.get("epoch")),
        retries=as_count(row.get("retries")),
        work=as_text([log.task_id, log.model, row.get("id"), row.get("epoch")]) if log.task_id else "",
    )


def _named(row: Mapping[str, Any], field: str | None) -> Any:
    """A field of the sample or of its metadata."""
    return (row.get(field) if field in row else inner(row, "metadata", field)) if field else None


def _value(value: Any, log: _Log, number: int) -> float | None:
    if isinstance(value, dict):
        keys = ", ".join(f"{log.scorer}.{key}" for key in value)
        raise log.scores.source.error(f"scorer {log.scorer} gives several values; name one with --score-column: {keys}")
    if isinstance(value, str) and value in _LETTERS:
        return _LETTERS[value]
    return log.scores.read(value, f"sample {number}, scorer {log.scorer}")


def _reply(row: Mapping[str, Any]) -> str:
    """The reply's text; only a .json log has it."""
    content = inner(row, "output", "choices", 0, "message", "content")
    parts = [inner(part, "text") for part in content] if isinstance(content, list) else [content]
    return "".join(_whole(as_text(part), row) for part in parts)


def _whole(text: str, row: Mapping[str, Any]) -> str:
    """A long text stands among the sample's attachments."""
    kept = inner(row, "attachments", text.removeprefix(_ATTACHMENT)) if text.startswith(_ATTACHMENT) else None
    return kept if isinstance(kept, str) else text


def _stop(row: Mapping[str, Any]) -> StopReason | None:
    stop = inner(row, "output", "choices", 0, "stop_reason")
    return _STOPS.get(stop, StopReason.OTHER) if isinstance(stop, str) else None


def _notes(header: Any, samples: list[Any], scorer: str, source: SourceFile) -> list[str]:
    notes = []
    status = as_text(inner(header, "status"))
    planned = as_count(inner(header, "results", "total_samples")) or len(samples)
    if status != "success" or planned > len(samples):
        notes.append(f"the log's status is {json.dumps(status)}: {len(samples)} of {planned} samples are in it")
    others = sorted(set(_scorers(header)) - {scorer, scorer.partition(".")[0]})
    if others:
        notes.append(f"scores are those of {scorer}; left out: {', '.join(others)} (--score-column)")
    both = sum(bool(_failed(row)) and bool(_scores(row)) for row in samples)
    if both:
        notes.append(f"{plural(both, 'sample has', 'samples have')} an error and a score: the score counts")
    if source.content.startswith(_ZIP) and not any(isinstance(inner(row, "output"), dict) for row in samples):
        notes.append("latency is each sample's working time, scoring included; replies and refusals are not read")
    return notes
