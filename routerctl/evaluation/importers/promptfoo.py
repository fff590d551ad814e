"""promptfoo's results (`-o results.json` or `-o results.jsonl`) -> records: one a row.

A row's `success` is its score unless --score-column asks for `score` or a named score. A failed assertion stands in
`error` just as a failed call does: only failureReason 2 is a failed call. `testIdx` is no id (`--repeat` numbers the
repeats on), so the case is its metadata's id, else its variables and assertions. Its input is the prompt as it was
sent; where several prompts are compared, the variables, which they have in common. A provider that was asked some case
in several ways (prompts, settings) is a model for each; where each case was asked with one prompt, the prompt is a part
of the case. Rows of results of version 2 have no promptIdx: their prompt's id or label stands for it. Latency includes
the client's queue. Checked against promptfoo 0.121.20.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from routerctl.errors import nearest
from routerctl.evaluation.importers.base import Columns, Reading, Record, SourceFile, check_fields
from routerctl.evaluation.importers.values import (
    Scores,
    as_cost,
    as_count,
    as_number,
    as_text,
    failed_or,
    inner,
    scores_of,
)
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
    """Tell the whole file by its evaluation's id, the lines by what each row has."""
    whole = ({"evalId", "results"}, {"shareableUrl", "results", "config"})  # the latter: before there was an id
    return {"provider", "success", "vars"} <= source.keys or any(keys <= source.keys for keys in whole)


def read(source: SourceFile, columns: Columns) -> Reading:
    """Read one file of results.

    Raises: InputError where it is not promptfoo's or its scores are not between 0 and 1.
    """
    lines = _rows(source)
    rows = [row for _, row in lines]
    given = [inner(row, *path) for row in rows for path in (("vars",), ("testCase", "metadata"))]
    check_fields(columns, (name for one in given if isinstance(one, dict) for name in one), source)
    _check_score(columns.score, rows, source)
    asked = _asked(lines, source)
    cases = [_case(row, columns) or _question(row) for row in rows]
    names, alike = _names(cases, asked), _asked_alike(cases, rows)
    scores = scores_of((_value(row, columns.score) for row in rows if not _error(row)), source, columns.scale)
    records = tuple(
        _record(row, line, names[one], scores, columns, alike=alike)
        for (line, row), one in zip(lines, asked, strict=True)
    )
    return Reading(
        file=source.shown,
        format="promptfoo",
        digest=source.digest,
        scorer=columns.score or "success",
        records=records,
        rows=len(records),
        notes=tuple(_notes(rows, names)),
    )


def _rows(source: SourceFile) -> list[tuple[int | None, Row]]:
    if "success" in source.keys:
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


class _Way(NamedTuple):
    """What was asked, and in which way."""

    provider: str
    number: int | None  # promptIdx
    prompt: str  # the prompt's id or label; "" = the row does not say


class _Name(NamedTuple):
    """What a way is called: the model, and what tells it from the provider's other ways."""

    model: str
    plain: str
    way: str


def _asked(lines: Sequence[tuple[int | None, Row]], source: SourceFile) -> list[_Way]:
    """Say of each row what was asked.

    Raises: InputError where rows do not tell several ways of a provider apart.
    """
    ways = [_way(row) for _, row in lines]
    prompts: dict[tuple[str, int], str] = {}
    for way in ways:
        if way.number is not None:
            prompts.setdefault((way.provider, way.number), way.prompt)
    ways = [way if way.number is None else way._replace(prompt=prompts[way.provider, way.number]) for way in ways]
    numbered = any(way.number is not None for way in ways)
    for place, ((line, _), way) in enumerate(zip(lines, ways, strict=True), 1):
        if numbered and way.number is None:
            raise source.error(f"row {place} has no promptIdx, as the others have: it may be anyone's", line)
    results = None if "success" in source.keys else source.value.get("results")
    head = inner(results, "prompts") or inner(results, "table", "head", "prompts")
    asked = Counter(as_text(inner(item, "provider")) for item in head) if isinstance(head, list) else Counter()
    told = Counter(way.provider for way in set(ways))
    for provider in told:
        if not numbered and asked[provider] > told[provider]:
            raise source.error(
                f"{provider} was asked in {asked[provider]} ways, and the rows do not say in which (no promptIdx); "
                "give the providers labels and run it again"
            )
    return ways


def _way(row: Row) -> _Way:
    provider = row.get("provider")
    number = row.get("promptIdx")
    prompt = row.get("promptId") or inner(row, "prompt", "id") or inner(row, "prompt", "label")
    return _Way(
        provider=as_text(inner(provider, "label") or inner(provider, "id") or provider),
        number=number if isinstance(number, int) and not isinstance(number, bool) else None,
        prompt=as_text(prompt),
    )


def _names(cases: Sequence[str], asked: Sequence[_Way]) -> dict[_Way, _Name]:
    """Name what was asked: the provider's label or id, told apart where a case was asked in several of its ways."""
    ways: dict[str, list[_Way]] = defaultdict(list)
    for way in sorted(set(asked), key=lambda way: (way.number or 0, way.prompt)):
        ways[way.provider].append(way)
    of_case: dict[tuple[str, str], set[_Way]] = defaultdict(set)
    for case, way in zip(cases, asked, strict=True):
        of_case[way.provider, case].add(way)
    several = {provider for (provider, _), found in of_case.items() if len(found) > 1}
    names = {}
    for provider, found in ways.items():
        prompts = [way.prompt for way in found]
        split = provider in several or not all(prompts) or len(set(prompts)) < len(prompts)
        for place, way in enumerate(found):
            mark = "#" if f"{provider} #{place + 1}" not in ways else "##"  # no other provider's name
            model = f"{provider} {mark}{place + 1}" if split and len(found) > 1 else provider
            told = f"{way.prompt or place} {prompts[:place].count(way.prompt)}"  # the same prompt in other settings
            names[way] = _Name(model=model, plain=provider, way=told)
    return names


def _asked_alike(cases: Sequence[str], rows: Sequence[Row]) -> bool:
    """Tell whether each case was always asked in the same words."""
    first: dict[str, Any] = {}
    asked = ((case, inner(row, "prompt", "raw")) for case, row in zip(cases, rows, strict=True))
    return all(first.setdefault(case, words) == words for case, words in asked if case and words)


def _error(row: Row) -> str:
    return as_text(row.get("error") or "unknown") if row.get("failureReason") == _FAILED_CALL else ""


def _record(row: Row, line: int | None, name: _Name, scores: Scores, columns: Columns, *, alike: bool) -> Record:
    source, error = scores.source, _error(row)
    score = None if error else scores.read(_value(row, columns.score), columns.score or "success", line)
    cached = inner(row, "response", "cached") is True
    variables = row.get("vars")
    cost_usd, latency_ms = as_cost(row.get("cost"), source, "cost", line), as_number(row.get("latencyMs"))
    return Record(
        task=as_text(_named(row, columns.task_class)),
        model=name.model,
        plain=name.plain,
        way=name.way,
        case=_case(row, columns),
        question=_question(row),
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
    """What the user names, else the test's own id; "" where it has none."""
    if columns.case:
        return as_text(_named(row, columns.case))
    return as_text(inner(row, "testCase", "metadata", "id"))


def _question(row: Row) -> str:
    """What tells a test without an id from others, in every repeat: its variables and assertions."""
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


def _notes(rows: Sequence[Row], names: Mapping[_Way, _Name]) -> list[str]:
    notes = ["latency includes the client's queue"]
    cached = sum(inner(row, "response", "cached") is True for row in rows)
    if cached:
        notes.append(
            f"{plural(cached, 'reply', 'replies')} from promptfoo's cache: latency left out; one without a cost counts "
            "the mean of the model's other replies"
        )
    if any(name.model != name.plain for name in names.values()):
        notes.append("a provider was asked in several ways (prompts, settings): each counts as a model, #1, #2, ...")
    elif len(names) > len({name.model for name in names.values()}):
        notes.append("each case was asked with one of the prompts, so the prompt is a part of the case")
    return notes
