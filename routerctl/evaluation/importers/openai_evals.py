"""OpenAI evals' record (JSON lines of events) -> records: what decides a sample joined to its `sampling` event.

A `match` event decides by `correct`; where a sample has none, its `metrics` event does, by `accuracy` (Includes) or
`score` (model-graded), unless --score-column names another value. A sample that was asked and never decided is
unscored; an `error` event is a failed call. The first line is the specification, which names the evaluation and the
model. Tokens are those of the candidate's `sampling`, where it has them. There are no costs, and no time but each
event's own, which is not the call's. By the schema of evals/record.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from routerctl.errors import nearest
from routerctl.evaluation.importers.base import NO_OBJECT, Columns, Reading, Record, SourceFile, check_fields
from routerctl.evaluation.importers.values import Scores, as_count, as_text, failed_or, inner, lone_message, scores_of
from routerctl.types import Status

Row = Mapping[str, Any]
Events = Sequence[tuple[int, Row]]
_MATCHED = "correct"
_METRICS = ("accuracy", "score")  # of a `metrics` event: the first that the record has


def recognises(source: SourceFile) -> bool:
    """Tell the record by its specification or by its events."""
    return {"spec"} == source.keys or {"run_id", "event_id", "sample_id", "type"} <= source.keys


def read(source: SourceFile, columns: Columns) -> Reading:
    """Read one record.

    Raises: InputError where the specification is missing or a line is no event.
    """
    check_fields(columns, (), source)
    lines = list(source.lines())
    rows = [(line, row) for line, row in lines if isinstance(row, dict)]
    spec = next((row["spec"] for _, row in rows if "spec" in row), None)
    model = as_text(inner(spec, "completion_fns", 0) or inner(spec, "model_name"))
    if not model:
        raise source.error("no line has the specification with completion_fns, which names the model", 1)
    events = [(line, row) for line, row in rows if all(isinstance(row.get(key), str) for key in ("sample_id", "type"))]
    task = as_text(inner(spec, "base_eval") or inner(spec, "eval_name")).partition(".")[0]
    names = _names(events, columns.score)
    values = (_value(row, names[row["type"]]) for _, row in events if row["type"] in names)
    scores = scores_of(values, source, columns.scale)
    records = tuple(_records(events, names, task=task, model=model, scores=scores))
    used = [names[kind] for kind in names if _deciders(events, kind, names[kind])]
    _check_scored(records, events, columns.score, source)
    finished = any("final_report" in row for _, row in rows)
    return Reading(
        file=source.shown,
        format="openai-evals",
        digest=source.digest,
        scorer=" ".join(dict.fromkeys(used)) or _MATCHED,
        records=records,
        rows=len(records) + len(lines) - len(rows),
        left={NO_OBJECT: len(lines) - len(rows)} if len(rows) < len(lines) else {},
        notes=() if finished else ("no final report: the run may have been cut off",),
    )


def _names(events: Events, wanted: str | None) -> dict[str, str]:
    """Name the value that decides, by the type of event: the one asked for, else the usual one."""
    had = {name for _, row in events if row["type"] == "metrics" for name in _METRICS if _value(row, name) is not None}
    metric = next((name for name in _METRICS if name in had), _METRICS[0])
    return {"match": wanted or _MATCHED, "metrics": wanted or metric}


def _value(row: Row, name: str) -> Any:
    return inner(row, "data", name)


def _deciders(events: Events, kind: str, name: str) -> set[str]:
    """The samples that an event of this type decides."""
    return {row["sample_id"] for _, row in events if row["type"] == kind and _value(row, name) is not None}


def _check_scored(records: Sequence[Record], events: Events, wanted: str | None, source: SourceFile) -> None:
    """Refuse a record without any score.

    Raises: InputError at the first sample that has none, with what the events have.
    """
    unscored = next((record for record in records if record.status is Status.UNSCORED), None)
    if unscored is None or any(record.status is Status.SCORED for record in records):
        return
    data = [inner(row, "data") for _, row in events if row["type"] in ("match", "metrics")]
    had = list(dict.fromkeys(str(name) for item in data if isinstance(item, Mapping) for name in item))
    if wanted:
        raise source.error(f"no sample has a value {wanted!r}{nearest(wanted, had)}", unscored.line)
    raise source.error(
        "no sample has a score: expected `correct` in a match or `accuracy` or `score` in metrics (--score-column); "
        f"its events have {', '.join(had) or 'no values'}",
        unscored.line,
    )


def _records(events: Events, names: Mapping[str, str], *, task: str, model: str, scores: Scores) -> Iterator[Record]:
    sampled: dict[str, list[Row]] = defaultdict(list)
    for _, row in events:
        if row["type"] == "sampling":
            sampled[row["sample_id"]].append(row)
    matched, measured = (_deciders(events, kind, names[kind]) for kind in ("match", "metrics"))
    decided = matched | measured | {row["sample_id"] for _, row in events if row["type"] == "error"}
    for line, row in events:
        sample, kind = row["sample_id"], row["type"]
        counts = kind == "match" or (kind == "metrics" and sample not in matched)
        if (
            kind == "error"
            or (counts and _value(row, names[kind]) is not None)
            or (sample not in decided and kind == "sampling" and row is sampled[sample][0])  # asked, never decided
        ):
            yield _record(row, sampled[sample], line, names.get(kind, ""), task=task, model=model, scores=scores)


def _record(row: Row, sampled: Sequence[Row], line: int, name: str, *, task: str, model: str, scores: Scores) -> Record:
    problem = inner(row, "data", "message") or inner(row, "data", "error") or "unknown"
    error = as_text(problem) if row["type"] == "error" else ""
    score = scores.read(_value(row, name), name, line) if name else None
    picked = inner(row, "data", "picked")
    # The first sampling has the question alone. Of several the last is the answer, but in metrics the grader's own.
    asked = sampled[:1] if row["type"] == "metrics" else sampled
    first, last = (asked[0], asked[-1]) if asked else (None, None)
    usages = [usage for one in asked if isinstance(usage := inner(one, "data", "usage"), dict)]
    return Record(
        task=task,
        model=model,
        case=as_text(row.get("sample_id")),
        status=failed_or(score, error),
        score=score,
        input=lone_message(inner(first, "data", "prompt")),
        expected=inner(row, "data", "expected"),
        reply=_reply(inner(last, "data", "sampled")),
        extracted=None if picked is None else as_text(picked),
        error=error,
        input_tokens=sum(as_count(usage.get("prompt_tokens")) for usage in usages),
        cached_tokens=sum(as_count(inner(usage, "prompt_tokens_details", "cached_tokens")) for usage in usages),
        output_tokens=sum(as_count(usage.get("completion_tokens")) for usage in usages),
        line=line,
    )


def _reply(sampled: Any) -> str:
    return as_text(sampled[0]) if isinstance(sampled, list) and sampled else as_text(sampled)
