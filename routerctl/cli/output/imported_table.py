"""A run that was imported -> what `routerctl import` prints on stdout: a line a class and candidate, or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import typer

from routerctl.cli.output.terminal import PER_1000, print_table, say
from routerctl.costs import is_known
from routerctl.files.codec import json_default
from routerctl.types import ClassHeader, Result, Run, Status, StopReason
from routerctl.words import count, percent, usd

_MOST_LINES = 200  # one a class and candidate; of more, one a candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """One candidate's outcomes on one class, or on several."""

    headers: tuple[ClassHeader, ...]
    candidate: str
    results: tuple[Result, ...]


def print_imported(run: Run, rows: int, left: Mapping[str, int], *, as_json: bool) -> None:
    """Print a line a class and candidate, or one JSON object; `rows` and `left`: the replies in the files."""
    by_both = _grouped(run, lambda result: (result.task_class, result.candidate))
    if as_json:
        content = {
            "run_id": run.header.run_id,
            "imported": list(run.header.imported),
            "ladder": list(run.header.ladder),
            "replies": rows,
            "left_out": left,
            "outcomes": [_as_json(item) for item in by_both],
        }
        typer.echo(json.dumps(content, default=json_default))
        return
    if len(by_both) > _MOST_LINES:
        say(f"one line per candidate; --json has all {len(by_both)} of each class and candidate")
    shown = by_both if len(by_both) <= _MOST_LINES else _grouped(run, lambda result: result.candidate)
    columns = ("class", "candidate", "cases", "epochs", "replies", "passed", "score", "failed", PER_1000)
    print_table(columns, [_row(item, known=is_known(run.header.prices)) for item in shown], right=columns[2:])


def _grouped(run: Run, key: Callable[[Result], Hashable]) -> list[_Counted]:
    groups: dict[Hashable, list[Result]] = {}
    for result in run.results:
        groups.setdefault(key(result), []).append(result)
    return [
        _Counted(
            headers=tuple(run.header.classes[name] for name in dict.fromkeys(row.task_class for row in rows)),
            candidate=rows[0].candidate,
            results=tuple(rows),
        )
        for rows in groups.values()
    ]


def _as_json(item: _Counted) -> dict[str, object]:
    (header,), rows = item.headers, item.results
    return {
        "class": header.task_class,
        "candidate": item.candidate,
        "cases": header.n,
        "epochs": header.epochs,
        "replies": len(rows),
        "passed": sum(row.passed for row in rows),
        "mean_score": sum(row.score or 0.0 for row in rows) / len(rows),
        "failed": sum(row.status is Status.FAILED for row in rows),
        "unscored": sum(row.status is Status.UNSCORED for row in rows),
        "refused": sum(row.stop_reason is StopReason.REFUSAL for row in rows),
        "input_tokens": sum(row.input_tokens for row in rows),
        "output_tokens": sum(row.output_tokens for row in rows),
        "cost_usd": sum(row.cost_usd for row in rows),
    }


def _row(item: _Counted, *, known: bool) -> list[str]:
    replies, passed = len(item.results), sum(row.passed for row in item.results)
    epochs = sorted({header.epochs for header in item.headers})
    mean = item.headers[0].measure == "mean_score"  # of one import, all have the same
    total_usd = sum((row.cost_usd for row in item.results), Decimal(0))
    return [
        item.headers[0].task_class if len(item.headers) == 1 else f"all {len(item.headers)}",
        item.candidate,
        count(sum(header.n for header in item.headers)),
        str(epochs[0]) if len(epochs) == 1 else f"{epochs[0]} to {epochs[-1]}",
        count(replies),
        count(passed),
        percent(sum(row.score or 0.0 for row in item.results) / replies if mean else passed / replies),
        count(sum(row.status is Status.FAILED for row in item.results)),
        usd(1000 * total_usd / replies) if known else "not known",
    ]
