"""lm-evaluation-harness's samples (`--log_samples`: samples_<task>_<time>.jsonl) -> records: one a document.

A document has a row a filter: the first filter counts, or the one that --score-column names as `metric,filter`. The
first metric counts, unless it is no score (a perplexity) and a single other is one. The model stands in
results_<time>.json beside the samples, else the folder has its name; of one model's several times with a task the
newest counts. There are neither costs nor tokens nor latencies, and no failed calls, since one ends the run.
Checked against lm-eval 0.4.13.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from routerctl.errors import InputError, nearest
from routerctl.evaluation.importers.base import (
    NO_OBJECT,
    Columns,
    Reading,
    Record,
    Scale,
    SourceFile,
    check_fields,
    open_source,
)
from routerctl.evaluation.importers.values import (
    Scores,
    as_text,
    failed_or,
    inner,
    is_missing,
    score_of,
    scores_of,
)

_NAME = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT[\d.:-]+)\.jsonl(\.gz)?\Z")
# Of these, a smaller number is a better one, or it says nothing of right and wrong.
_NO_SCORES = frozenset(
    (
        *("perplexity", "word_perplexity", "byte_perplexity", "bits_per_byte", "likelihood_diff"),
        *("brier_score", "ter", "bypass", "weighted_perplexity"),
    )
)
_NO_METRICS = frozenset(("doc_id", "metrics", "filter", "target", "doc_hash", "prompt_hash", "target_hash"))
Row = Mapping[str, Any]


def recognises(source: SourceFile) -> bool:
    """Tell the samples by their document's number and replies, the results by their configurations."""
    return {"doc_id", "resps"} <= source.keys or {"results", "configs", "versions"} <= source.keys


def read(source: SourceFile, columns: Columns) -> Reading:
    """Read the samples of one task and model.

    Raises: InputError where they are not lm-eval's, or the metric is not between 0 and 1.
    """
    if "doc_id" not in source.keys:
        raise source.error(
            "has no outcomes of single cases; name the samples_*.jsonl beside it (made by --log_samples)"
        )
    lines = list(source.lines())
    rows = [(line, row) for line, row in lines if isinstance(row, dict)]
    docs = [row["doc"] for _, row in rows if isinstance(row.get("doc"), dict)]
    check_fields(columns, (name for doc in docs for name in doc), source)
    filters = list(dict.fromkeys(as_text(row.get("filter")) for _, row in rows))
    named = [row["metrics"] for _, row in rows if isinstance(row.get("metrics"), list)]
    metrics = list(dict.fromkeys(str(name) for names in named for name in names)) or _unnamed(rows)
    metric, kept = _chosen(columns, metrics, filters, rows, source)
    found = _NAME.search(source.path.name)
    task, made_at = (found["task"], found["time"]) if found else ("", "")
    model = _model(source, made_at)
    counted = [(line, row) for line, row in rows if as_text(row.get("filter")) == kept]
    scores = scores_of((row.get(metric) for _, row in counted), source, columns.scale)
    records = [
        _record(row, line, task=task, model=model, metric=metric, scores=scores, columns=columns)
        for line, row in counted
    ]
    left = {"of other filters": len(rows) - len(counted), NO_OBJECT: len(lines) - len(rows)}
    others = [f"{metric},{name}" for name in filters if name != kept] + [name for name in metrics if name != metric]
    left_out = f"scores are those of {metric},{kept}; left out: {', '.join(others)} (--score-column)"
    return Reading(
        file=source.shown,
        format="lm-eval",
        digest=source.digest,
        scorer=f"{metric},{kept}",
        records=tuple(records),
        rows=len(lines),
        left={reason: number for reason, number in left.items() if number},
        notes=(left_out,) if others else (),
        made_at=made_at,
    )


def _unnamed(rows: Sequence[tuple[int, Row]]) -> list[str]:
    """The metrics of rows of before 0.4.3, which do not name them: what has a number in each."""
    kept = [row for _, row in rows]
    return [
        name
        for name in (kept[0] if kept else ())
        if name not in _NO_METRICS and all(_has_number(row, name) for row in kept)
    ]


def _has_number(row: Row, name: str) -> bool:
    return isinstance(row.get(name), int | float) and not isinstance(row.get(name), bool)


def _chosen(
    columns: Columns, metrics: list[str], filters: list[str], rows: Sequence[tuple[int, Row]], source: SourceFile
) -> tuple[str, str]:
    if not metrics:
        raise source.error("no row names its metrics, and none has a number in each row")
    name, _, kept = (columns.score or "").partition(",")
    if name and name not in metrics:
        raise source.error(f"no metric {name!r}{nearest(name, metrics)}")
    if kept and kept not in filters:
        raise source.error(f"no filter {kept!r}{nearest(kept, filters)}")
    return name or _metric(columns.scale, metrics, rows, source), kept or filters[0]


def _metric(scale: Scale | None, metrics: list[str], rows: Sequence[tuple[int, Row]], source: SourceFile) -> str:
    """Give the first metric, or the only one that is a score.

    Raises: InputError where the first is none and several others are.
    """
    values = {name: [row.get(name) for _, row in rows if not is_missing(row.get(name))] for name in metrics}
    scores = {name: [score_of(value, scale) is not None for value in of] for name, of in values.items()}
    if metrics[0] not in _NO_SCORES and any(scores[metrics[0]]):
        return metrics[0]
    fitting = [name for name, of in scores.items() if name not in _NO_SCORES and of and all(of)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise source.error(f"{metrics[0]} is no score; name the metric with --score-column: {', '.join(fitting)}")
    if metrics[0] in _NO_SCORES:
        raise source.error(f"{metrics[0]} is no score; its metrics are {', '.join(metrics)} (--score-column)")
    return metrics[0]  # reading its first value says what is wrong with it


def _model(source: SourceFile, time: str) -> str:
    """The model as the results of the same run name it, else as the folder does."""
    for ending in (".json", ".json.gz"):
        beside = source.path.with_name(f"results_{time}{ending}")
        if time and beside.exists():
            try:
                value = open_source(beside).value
            except InputError:
                continue
            name = inner(value, "model_name")
            if isinstance(name, str) and name:
                return name
    folder = source.path.resolve().parent.name
    if not folder:
        raise source.error("no model is named: expected results_*.json beside the samples, or a folder of its name")
    return folder.replace("__", "/")  # how lm-eval writes a model's name as a folder


def _record(row: Row, line: int, *, task: str, model: str, metric: str, scores: Scores, columns: Columns) -> Record:
    score = scores.read(row.get(metric), f"metric {metric} (--score-column)", line)
    doc = row.get("doc")
    fields = (columns.task_class, columns.case, columns.cluster)
    own_task, case, cluster = (as_text(inner(doc, field)) if field else "" for field in fields)
    return Record(
        task=own_task or task,
        model=model,
        case=case or as_text(row.get("doc_id")),
        status=failed_or(score, ""),
        score=score,
        input=doc,
        expected=row.get("target"),
        reply=_reply(row.get("resps")),
        extracted=as_text(inner(row, "filtered_resps", 0)) or None,
        cluster=cluster or None,
        line=line,
        work=as_text([task, model]) if task else "",
    )


def _reply(replies: Any) -> str:
    """The first reply; a multiple-choice row has log-likelihoods instead."""
    first = inner(replies, 0, 0)
    return first if isinstance(first, str) else json.dumps(replies)[:500] if replies else ""
