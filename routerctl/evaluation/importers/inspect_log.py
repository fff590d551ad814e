"""Inspect's logs (`.eval`, or `.json`) -> records: one a sample and epoch.

An `.eval` is a zip of JSON members packed with zstd, which Python's zipfile learns in 3.14: `backports.zstd` until
then. Of an `.eval` only header.json and summaries.json are read; they hold scores, tokens and times but not the whole
reply. Latency is the model call's own time where the log has it, else the sample's working time, scoring included.
A retry keeps its task's id, so a sample and epoch of it is the same work in both logs.
Checked against inspect_ai 0.3.285.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from routerctl.evaluation.importers.base import MAX_BYTES, Columns, Reading, Record, SourceFile, check_fields
from routerctl.evaluation.importers.values import (
    as_cost,
    as_count,
    as_number,
    as_score,
    as_text,
    failed_or,
    inner,
    lone_message,
)
from routerctl.types import StopReason

_ATTACHMENT = "attachment://"
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

    source: SourceFile
    columns: Columns
    task: str
    task_id: str
    model: str
    scorer: str


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
    log = _Log(
        source=source,
        columns=columns,
        task=task,
        task_id=as_text(inner(header, "eval", "task_id")),
        model=model,
        scorer=scorer,
    )
    rows = [(number, row) for number, row in enumerate(samples, 1) if isinstance(row, dict)]
    given = [one for _, row in rows for one in (row, row.get("metadata")) if isinstance(one, dict)]
    check_fields(columns, (name for one in given for name in one), source)
    return Reading(
        file=source.shown,
        format="inspect",
        digest=source.digest,
        scorer=scorer,
        records=tuple(_record(row, number, log) for number, row in rows),
        made_at=_moment(inner(header, "eval", "created")),
        notes=tuple(_notes(header, samples, scorer, packed=source.content.startswith(_ZIP))),
    )


def _opened(source: SourceFile) -> tuple[Any, Any]:
    if not source.content.startswith(_ZIP):
        return source.value, inner(source.value, "samples")
    with _zip(source) as archive:
        return _member(archive, "header.json", source), _member(archive, "summaries.json", source)


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
    """Name whose scores count: the one asked for, else the first; `name.key` where a score has several values."""
    known = _scorers(header)
    used = [name for row in samples for name in _scores(row)]
    names = list(dict.fromkeys([*known, *used]))
    if wanted and wanted not in names and wanted.partition(".")[0] not in names:
        raise source.error(f"no scorer {wanted!r} in it; it has: {', '.join(names) or 'none'}")
    return wanted or next((name for name in names if name in used), names[0] if names else "none")


def _scorers(header: Any) -> list[str]:
    """The scorers as the log's results name them."""
    found = inner(header, "results", "scores")
    return [as_text(inner(item, "name")) for item in found] if isinstance(found, list) else []


def _scores(row: Any) -> Mapping[str, Any]:
    """A sample's scores by scorer."""
    found = inner(row, "scores")
    return found if isinstance(found, Mapping) else {}


def _moment(created: Any) -> str:
    """When the log was begun, in UTC: a retry may run where the clock shows another time."""
    try:
        return datetime.fromisoformat(created).astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        return ""


def _record(row: Mapping[str, Any], number: int, log: _Log) -> Record:
    columns = log.columns
    name, _, key = (log.scorer, "", "") if log.scorer in _scores(row) else log.scorer.partition(".")
    score = inner(row, "scores", name)
    value = inner(score, "value", key) if key else inner(score, "value")
    error = as_text(inner(row, "error", "message") or row.get("error"))
    found = None if error else _value(value, log.source, name, number)
    usage = _usage(row)
    return Record(
        task=as_text(_named(row, columns.task_class)) or log.task,
        model=log.model,
        case=as_text(_named(row, columns.case)) if columns.case else as_text(row.get("id")),
        status=failed_or(found, error),
        score=found,
        input=lone_message(row.get("input")),
        expected=row.get("target"),
        reply=_reply(row),
        extracted=None if inner(score, "answer") is None else as_text(inner(score, "answer")),
        explanation=as_text(inner(score, "explanation")),
        error=error,
        stop_reason=None if error else _stop(row),
        served_model=inner(row, "output", "model") if isinstance(inner(row, "output", "model"), str) else None,
        input_tokens=sum(as_count(one.get("input_tokens")) for one in usage)
        + sum(as_count(one.get(f"input_tokens_cache_{way}")) for one in usage for way in ("read", "write")),
        output_tokens=sum(as_count(one.get("output_tokens")) for one in usage),
        cost_usd=_cost(usage, log.source, number),
        latency_s=None if error else as_number(inner(row, "output", "time") or row.get("working_time")),
        cluster=as_text(_named(row, columns.cluster)) or None,
        retries=as_count(row.get("retries")),
        work=as_text([log.task_id, log.model, row.get("id"), row.get("epoch")]) if log.task_id else "",
    )


def _named(row: Mapping[str, Any], field: str | None) -> Any:
    """A field of the sample or of its metadata."""
    return (row.get(field) if field in row else inner(row, "metadata", field)) if field else None


def _value(value: Any, source: SourceFile, scorer: str, number: int) -> float | None:
    if isinstance(value, dict):
        keys = ", ".join(f"{scorer}.{key}" for key in value)
        raise source.error(f"scorer {scorer} gives several values; name one with --score-column: {keys}")
    if isinstance(value, str) and value in _LETTERS:
        return _LETTERS[value]
    return as_score(value, source, f"sample {number}, scorer {scorer}")


def _usage(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = row.get("model_usage")
    return [one for one in found.values() if isinstance(one, dict)] if isinstance(found, dict) else []


def _cost(usage: list[Mapping[str, Any]], source: SourceFile, number: int) -> Decimal | None:
    costs = [as_cost(one.get("total_cost"), source, f"sample {number}, total_cost") for one in usage]
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if known and len(known) == len(costs) else None


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


def _notes(header: Any, samples: list[Any], scorer: str, *, packed: bool) -> list[str]:
    notes = []
    status = as_text(inner(header, "status"))
    planned = as_count(inner(header, "results", "total_samples")) or len(samples)
    if status != "success" or planned > len(samples):
        notes.append(f"the log's status is {json.dumps(status)}: {len(samples)} of {planned} samples are in it")
    others = sorted(set(_scorers(header)) - {scorer, scorer.partition(".")[0]})
    if others:
        notes.append(f"scores are those of {scorer}; left out: {', '.join(others)} (--score-column)")
    if packed:
        notes.append("latency is each sample's working time, scoring included; replies and refusals are not read")
    return notes
