"""OpenAI evals' record (JSON lines of events) -> records: a `match` event joined to its sample's `sampling` event.

The first line is the specification, which names the evaluation and the model. There are neither costs nor tokens, and
no time but each event's own, which is not the call's. A sample that was asked and never matched is unscored; an
`error` event is a failed call. Place: one format of `routerctl.importers`. By the schema of evals/record.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from routerctl.importers.base import Columns, Reading, Record, Source, as_score, as_text, failed_or, inner
from routerctl.types import Json

Row = Mapping[str, Any]
_DECIDES = ("match", "error")


def recognises(source: Source) -> bool:
    """Tell the record by its specification or by its events."""
    return {"spec"} == source.keys or {"run_id", "event_id", "sample_id", "type"} <= source.keys


def read(source: Source, columns: Columns) -> Reading:
    """Read one record.

    Raises: InputError where the specification is missing or a line is no event.
    """
    rows = [(line, row) for line, row in source.lines() if isinstance(row, dict)]
    spec = next((row["spec"] for _, row in rows if "spec" in row), None)
    model = as_text(inner(spec, "completion_fns", 0) or inner(spec, "model_name"))
    if not model:
        raise source.error("no line has the specification with completion_fns, which names the model", 1)
    events = [(line, row) for line, row in rows if isinstance(row.get("sample_id"), str)]
    task = as_text(inner(spec, "base_eval") or inner(spec, "eval_name")).partition(".")[0]
    records = tuple(_records(events, task=task, model=model, source=source, columns=columns))
    finished = any("final_report" in row for _, row in rows)
    return Reading(
        file=source.shown,
        format="openai-evals",
        digest=source.digest,
        scorer=columns.score or "correct",
        records=records,
        notes=() if finished else ("no final report: the run may have been cut off",),
    )


def _records(
    events: Sequence[tuple[int, Row]], *, task: str, model: str, source: Source, columns: Columns
) -> Iterator[Record]:
    sampled = {row["sample_id"]: row for _, row in events if row.get("type") == "sampling"}
    decided = {row["sample_id"] for _, row in events if row.get("type") in _DECIDES}
    for line, row in events:
        sample = row["sample_id"]
        if row.get("type") in _DECIDES:
            asked = sampled.get(sample)
        elif sample not in decided and row is sampled.get(sample):  # asked, never decided
            asked = row
        else:
            continue
        yield _record(row, asked, line, task=task, model=model, source=source, columns=columns)


def _record(
    row: Row, sampling: Row | None, line: int, *, task: str, model: str, source: Source, columns: Columns
) -> Record:
    error = as_text(inner(row, "data", "message") or inner(row, "data", "error") or "unknown")
    error = error if row.get("type") == "error" else ""
    name = columns.score or "correct"
    score = None if error else as_score(inner(row, "data", name), source, name, line)
    picked = inner(row, "data", "picked")
    return Record(
        task=task,
        model=model,
        case=as_text(row.get("sample_id")),
        status=failed_or(score, error),
        score=score,
        input=_prompt(inner(sampling, "data", "prompt")),
        expected=inner(row, "data", "expected"),
        reply=_reply(inner(sampling, "data", "sampled")),
        extracted=None if picked is None else as_text(picked),
        error=error,
        line=line,
    )


def _prompt(value: Any) -> Json:
    """A lone message as its text; a conversation as it is."""
    if isinstance(value, list) and len(value) == 1 and isinstance(inner(value, 0, "content"), str):
        return inner(value, 0, "content")
    return value


def _reply(sampled: Any) -> str:
    return as_text(sampled[0]) if isinstance(sampled, list) and sampled else as_text(sampled)
