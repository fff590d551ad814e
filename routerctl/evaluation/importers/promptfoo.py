"""promptfoo's results (`-o results.json` or `-o results.jsonl`) -> records: one a row.

A row's `success` is its score unless --score-column asks for `score` or a named score. A failed assertion stands in
`error` just as a failed call does: only failureReason 2 is a failed call. `testIdx` is no id (`--repeat` numbers the
repeats on), so the case is its metadata's id, else its variables and assertions. Its input is the prompt as it was
sent; where several prompts are compared, the variables, which they have in common. Latency includes the client's queue.
Checked against promptfoo 0.121.20.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from routerctl.errors import nearest
from routerctl.evaluation.importers.base import Columns, Reading, Record, SourceFile, check_fields
from routerctl.evaluation.importers.values import as_cost, as_count, as_number, as_score, as_text, failed_or, inner
from routerctl.types import StopReason
from routerctl.words import plural

_FAILED_CALL = 2  # promptfoo's ResultFailureReason: 0 none, 1 assertion, 2 error
_STOPS = {
    "stop": StopReason.END,
    "end_turn": StopReason.END,
    "length": StopReason.MAX_TOKENS,
    "max_tokens": StopReason.MAX_TOKENS,
    "content_filter": StopReason.REFUSAL,
    "refusal": StopReason.REFUSAL,
    "tool_calls": StopReason.TOOL_USE,
    "tool_use": StopReason.TOOL_USE,
}
Row = Mapping[str, Any]


def recognises(source: SourceFile) -> bool:
    """Tell the whole file by its evaluation's id, the lines by their prompt's number."""
    return {"promptIdx", "testIdx"} <= source.keys or {"evalId", "results"} <= source.keys


def read(source: SourceFile, columns: Columns) -> Reading:
    """Read one file of results.

    Raises: InputError where it is not promptfoo's or its scores are not between 0 and 1.
    """
    lines = _rows(source)
    rows = [row for _, row in lines]
    given = [inner(row, *path) for row in rows for path in (("vars",), ("testCase", "metadata"))]
    check_fields(columns, (name for one in given if isinstance(one, dict) for name in one), source)
    _check_score(columns.score, rows, source)
    names, alike = _names(rows), _asked_alike(rows, columns)
    records = tuple(_record(row, line, names, source, columns, alike=alike) for line, row in lines)
    return Reading(
        file=source.shown,
        format="promptfoo",
        digest=source.digest,
        scorer=columns.score or "success",
        records=records,
        notes=tuple(_notes(rows, names)),
    )


def _rows(source: SourceFile) -> list[tuple[int | None, Row]]:
    if "promptIdx" in source.keys:
        rows: list[tuple[int | None, Any]] = list(source.lines())
    else:
        found = inner(source.value, "results", "results")
        if not isinstance(found, list):
            raise source.error("not promptfoo's results: expected results.results")
        rows = [(None, row) for row in found]
    for line, row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("success"), bool):
            raise source.error("not a row of promptfoo's results: expected `success` true or false", line)
    return rows


def _check_score(wanted: str | None, rows: Sequence[Row], source: SourceFile) -> None:
    named = [row["namedScores"] for row in rows if isinstance(row.get("namedScores"), dict)]
    known = {"score", *(name for scores in named for name in scores)}
    if wanted is not None and wanted not in known:
        raise source.error(f"no score {wanted!r}{nearest(wanted, known)}")


def _names(rows: Sequence[Row]) -> dict[int, str]:
    """Name what was asked by its prompt number: the provider's label or id, told apart where one was asked twice."""
    providers: dict[int, str] = {}
    for row in rows:
        provider = row.get("provider")
        name = as_text(inner(provider, "label") or inner(provider, "id") or provider)
        providers.setdefault(as_count(row.get("promptIdx")), name)
    asked = defaultdict(list)
    for number, name in sorted(providers.items()):
        asked[name].append(number)
    return {
        number: name if len(asked[name]) == 1 else f"{name} #{asked[name].index(number) + 1}"
        for number, name in providers.items()
    }


def _asked_alike(rows: Sequence[Row], columns: Columns) -> bool:
    """Tell whether each case was always asked in the same words."""
    first: dict[str, Any] = {}
    asked = ((_case(row, columns), inner(row, "prompt", "raw")) for row in rows)
    return all(first.setdefault(case, words) == words for case, words in asked if case and words)


def _record(
    row: Row, line: int | None, names: Mapping[int, str], source: SourceFile, columns: Columns, *, alike: bool
) -> Record:
    error = as_text(row.get("error") or "unknown") if row.get("failureReason") == _FAILED_CALL else ""
    score = None if error else as_score(_value(row, columns.score), source, columns.score or "success", line)
    cached = inner(row, "response", "cached") is True
    variables = row.get("vars")
    cost_usd, latency_ms = as_cost(row.get("cost"), source, "cost", line), as_number(row.get("latencyMs"))
    return Record(
        task=as_text(_named(row, columns.task_class)),
        model=names[as_count(row.get("promptIdx"))],
        case=_case(row, columns),
        status=failed_or(score, error),
        score=score,
        input=(inner(row, "prompt", "raw") or variables) if alike else variables or None,
        expected=_expected(row),
        reply=as_text(inner(row, "response", "output")),
        explanation=as_text(inner(row, "gradingResult", "reason")),
        error=error,
        stop_reason=None if error else _stop(row),
        input_tokens=as_count(inner(row, "response", "tokenUsage", "prompt")),
        output_tokens=as_count(inner(row, "response", "tokenUsage", "completion")),
        cost_usd=cost_usd if cost_usd != Decimal(0) else None,  # 0 stands for a model without a price, too
        latency_s=None if error or cached or latency_ms is None else latency_ms / 1000,
        cached=cached,
        cluster=as_text(_named(row, columns.cluster)) or None,
        line=line,
    )


def _value(row: Row, name: str | None) -> Any:
    if name is None:
        return row["success"]
    return row.get("score") if name == "score" else inner(row, "namedScores", name)


def _case(row: Row, columns: Columns) -> str:
    """What the user names, the test's own id, else a digest of its variables and assertions: as in every repeat."""
    if columns.case:
        return as_text(_named(row, columns.case))
    given = inner(row, "testCase", "metadata", "id")
    if given is not None:
        return as_text(given)
    content = json.dumps([row.get("vars"), inner(row, "testCase", "assert")], sort_keys=True)
    return f"test-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _expected(row: Row) -> Any:
    """What the assertions compare with: the one value, or all of them."""
    asserted = inner(row, "testCase", "assert")
    values = [inner(item, "value") for item in asserted] if isinstance(asserted, list) else []
    return values[0] if len(values) == 1 else values or None


def _named(row: Row, name: str | None) -> Any:
    """A variable of the test or a field of its metadata."""
    if not name:
        return None
    found = inner(row, "vars", name)
    return inner(row, "testCase", "metadata", name) if found is None else found


def _stop(row: Row) -> StopReason | None:
    if inner(row, "response", "isRefusal") is True:
        return StopReason.REFUSAL
    reason = inner(row, "response", "finishReason")
    return _STOPS.get(reason, StopReason.OTHER) if isinstance(reason, str) else None


def _notes(rows: Sequence[Row], names: Mapping[int, str]) -> list[str]:
    notes = ["latency includes the client's queue"]
    cached = sum(inner(row, "response", "cached") is True for row in rows)
    if cached:
        notes.append(
            f"{plural(cached, 'reply', 'replies')} from promptfoo's cache: latency left out; one without a cost counts "
            "the mean of the model's other replies"
        )
    if any("#" in name for name in names.values()):
        notes.append("a provider was asked in several ways (prompts, settings): each counts as a model, #1, #2, ...")
    return notes
