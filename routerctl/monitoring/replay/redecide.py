"""A log's decisions and a changed table -> the cells of a replay, with the classes that the changed table would name.

The class can be named anew where the prompt was kept and no caller had named it; all others keep the class that was
logged, which the engine counts by itself. A classifier that is a model is not asked: where no rule matches, the class
stays.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from routerctl.classify.decide import TextClassifier, classifier_of, name_class, named_at_once
from routerctl.errors import InputError
from routerctl.monitoring.replay import Cell
from routerctl.monitoring.warehouse import kept_prompts, replay_cells
from routerctl.monitoring.warehouse.cells import arm_of, logged_policy, units_of_sums
from routerctl.types import Inquiry, Table
from routerctl.words import count, plural

if TYPE_CHECKING:
    import ibis.expr.types as ir

_Key = tuple[str, str, str, str, str, str, float]  # class, policy, arm, digest, candidate, pin, propensity
_SHOWN = 5  # moves from a class to another
_SAID_FROM = 10_000  # prompts: fewer are done before one has read the line


@dataclass(slots=True)
class _Sums:
    """A cell in the making, or a unit's part of it."""

    requests: int = 0
    cost: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # sum, of squares, of cubes
    scored: int = 0
    score: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def add(self, cost_usd: float, score: float | None) -> None:
        """Count one request."""
        self.requests += 1
        self.cost = [known + cost_usd**power for power, known in enumerate(self.cost, 1)]
        if score is not None:
            self.scored += 1
            self.score = [known + score**power for power, known in enumerate(self.score, 1)]


def cells_of(
    decisions: ir.Table, table: Table, folder: Path | None, say: Callable[[str], None]
) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """Give the cells, and what is to be said of classes; `folder`: the table's, None = all classes stay as logged.

    Raises: InputError for a classifier that is not there.
    """
    kept = None if folder is None else kept_prompts(decisions)
    prompts = 0 if kept is None else int(kept.wanted.count().to_pyarrow().as_py())
    if kept is None or folder is None or not prompts:
        found = replay_cells(decisions)
        return found.cells, (_as_logged(folder), *_left_out(found.left_out))
    if prompts >= _SAID_FROM:
        say(f"{count(prompts)} kept prompts are classified again by the table (--keep-classes prevents it)")
    rest = replay_cells(kept.rest)
    anew, moves = _anew(kept.rows(), table, classifier_of(table, folder))
    words = _mix_words(prompts, sum(cell.requests for cell in rest.cells), moves)
    return (*rest.cells, *anew), (words, *_left_out(rest.left_out))


def _as_logged(folder: Path | None) -> str:
    why = "as --keep-classes says" if folder is None else "no prompt was kept that could be classified again"
    return f"The class mix is the logged one: {why}."


def _left_out(number: int) -> Iterator[str]:
    if number:
        yield f"{plural(number, 'decision')} left out: class, choice or cost is missing, or the propensity is invalid."


def _mix_words(prompts: int, rest: int, moves: Mapping[tuple[str, str], int]) -> str:
    others = f"; {plural(rest, 'other')} keep the class that was logged" if rest else ""
    if not moves:
        return f"The changed table names the same class for all {count(prompts)} prompts that were kept{others}."
    ordered = sorted(moves.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{old} -> {new} {count(number)}" for (old, new), number in ordered[:_SHOWN])
    more = f" and {count(len(ordered) - _SHOWN)} more kinds" if len(ordered) > _SHOWN else ""
    moved = sum(moves.values())
    return f"Of {count(prompts)} prompts that were kept, {count(moved)} change class ({shown}{more}){others}."


def _anew(
    rows: Iterator[Mapping[str, Any]], table: Table, classifier: TextClassifier | None
) -> tuple[tuple[Cell, ...], Mapping[tuple[str, str], int]]:
    sums: dict[_Key, dict[str, _Sums]] = defaultdict(lambda: defaultdict(_Sums))
    moves: Counter[tuple[str, str]] = Counter()
    for row in rows:
        named = _class_of(row, table, classifier)
        if named != row["task_class"]:
            moves[row["task_class"], named] += 1
        who = (row["table_digest"] or "", row["chosen"], row["pin"])
        key = (named, logged_policy(row), arm_of(row), *who, row["propensity"])
        sums[key][row.get("unit") or ""].add(row["cost_nano_usd"] / 1e9, row["feedback"])
    return tuple(_cell(key, units) for key, units in sorted(sums.items(), key=lambda item: item[0])), moves


def _cell(key: _Key, units: Mapping[str, _Sums]) -> Cell:
    parts = list(units.values())
    by_unit = "" not in units
    return Cell(
        task_class=key[0],
        policy=key[1],
        arm=key[2],
        digest=key[3],
        candidate=key[4],
        pin=key[5],
        propensity=key[6],
        requests=sum(one.requests for one in parts),
        cost_usd=math.fsum(one.cost[0] for one in parts),
        cost_usd_2=math.fsum(one.cost[1] for one in parts),
        cost_usd_3=math.fsum(one.cost[2] for one in parts),
        scored=sum(one.scored for one in parts),
        score=math.fsum(one.score[0] for one in parts),
        score_2=math.fsum(one.score[1] for one in parts),
        cost_units=units_of_sums([(one.requests, one.cost[0]) for one in parts]) if by_unit else None,
        score_units=units_of_sums([(one.scored, one.score[0]) for one in parts if one.scored]) if by_unit else None,
    )


def _prompt(text: str) -> Any:
    """Read a kept prompt; Parquet of an older export has a plain one as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _class_of(row: Mapping[str, Any], table: Table, classifier: TextClassifier | None) -> str:
    """Name the class as the changed table would; the logged one where nothing names any."""
    logged = str(row["task_class"])
    inquiry = Inquiry(
        prompt=_prompt(row["prompt"]),
        tenant=row["tenant"],
        step=row.get("step"),
        features=json.loads(row.get("features") or "{}"),
        attachments=tuple(json.loads(row.get("attachments") or "[]")),
    )
    if table.classifier and table.classifier.candidate:
        named = named_at_once(table, inquiry)
        return named.task_class if named else logged
    try:
        return name_class(table, inquiry, classifier).task_class
    except InputError:
        return logged
