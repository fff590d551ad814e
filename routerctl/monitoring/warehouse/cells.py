"""Decisions -> the cells that a replay rests on: counts and sums per class, policy, chosen candidate, pin and chance.

One query for every engine; `monitoring.replay` says what follows from the cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from routerctl.monitoring.replay.cells import Cell
from routerctl.statistics.weighting import Units

if TYPE_CHECKING:
    import ibis.expr.types as ir

_KEYS = ("task_class", "table_digest", "arm", "chosen", "propensity", "pin")
_NANO = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """What was counted, and what could not be."""

    cells: tuple[Cell, ...]
    left_out: int  # decisions that name no class, choice or cost, or whose propensity is none


def replay_cells(decisions: ir.Table) -> Cells:
    """Count decisions for a replay."""
    usable = _with_pin(decisions.filter(_fit(decisions)))
    if "unit" in usable.columns:
        queries = [_summed(usable.filter(usable.unit.fill_null("") == "")), _by_unit(usable.filter(usable.unit != ""))]
    else:
        queries = [_summed(usable)]
    rows: list[dict[str, Any]] = [row for query in queries for row in query.to_pyarrow().to_pylist()]
    cells = tuple(sorted((_cell(row) for row in rows), key=_order))
    everything = int(decisions.count().to_pyarrow().as_py())
    return Cells(cells=cells, left_out=everything - sum(cell.requests for cell in cells))


def _with_pin(decisions: ir.Table) -> ir.Table:
    """Add the model id that the chosen candidate was asked as; where another one served it is not known."""
    own = (decisions.served == decisions.chosen).fill_null(False)
    return decisions.mutate(pin=own.ifelse(decisions.pinned_model.fill_null(""), ""))


def _summed(usable: ir.Table, *more: str) -> ir.Table:
    cost = usable.cost_nano_usd.cast("float64") / _NANO
    score = usable.feedback.clip(0.0, 1.0)
    return usable.group_by(*_KEYS, *more).aggregate(
        requests=usable.count(),
        cost=cost.sum(),
        cost_2=(cost * cost).sum(),
        cost_3=(cost * cost * cost).sum(),
        scored=usable.feedback.count(),
        score=score.sum().fill_null(0.0),
        score_2=(score * score).sum().fill_null(0.0),
    )


_SUMS = ("requests", "cost", "cost_2", "cost_3", "scored", "score", "score_2")


def _by_unit(usable: ir.Table) -> ir.Table:
    """The same sums, and those over units: requests of one user resemble each other."""
    found = _summed(usable, "unit")
    powers = {
        f"{kind}_{name}": value.sum()
        for kind, n, total in (("cost", found.requests, found.cost), ("score", found.scored, found.score))
        for name, value in power_sums(n.cast("float64"), total).items()
    }
    return found.group_by(*_KEYS).aggregate(
        cost_units=found.count(),
        score_units=(found.scored > 0).ifelse(1, 0).sum(),
        **{name: found[name].sum() for name in _SUMS},
        **powers,
    )


def power_sums(n: Any, total: Any) -> dict[str, Any]:
    """Give what is added up over units, of numbers or of expressions: see `Units`."""
    return {
        "n_2": n * n,
        "n_3": n * n * n,
        "total_n": total * n,
        "total_n_2": total * n * n,
        "total_2": total * total,
        "total_2_n": total * total * n,
        "total_3": total * total * total,
    }


def units_of_sums(pairs: Sequence[tuple[float, float]]) -> Units:
    """Add up units that are at hand, each as (requests, their summed cost or score)."""
    powers = [power_sums(float(n), total) for n, total in pairs]
    return Units(units=len(pairs), **{name: math.fsum(one[name] for one in powers) for name in power_sums(0.0, 0.0)})


def _fit(decisions: ir.Table) -> ir.BooleanValue:
    chance = decisions.propensity
    known = decisions.task_class.notnull() & decisions.chosen.notnull() & decisions.cost_nano_usd.notnull()
    return known & ((chance > 0) & (chance <= 1)).fill_null(False)


def _order(cell: Cell) -> tuple[str, str, str, float, str, str]:
    return cell.task_class, cell.policy + cell.arm, cell.candidate, cell.propensity, cell.digest, cell.pin


def logged_policy(row: Mapping[str, Any]) -> str:
    """Name what chose in a logged decision: the table, or the experiment of two tables, for a class.

    Both arms of an experiment are one policy: an inquiry had its chance of either.
    """
    experiment = (row["arm"] or "").rpartition(":")[0]
    who = f"experiment {experiment}" if experiment else row["table_digest"]
    return f"{who} {row['task_class']}"


def arm_of(row: Mapping[str, Any]) -> str:
    """Name the arm of the experiment that a decision was in; "" = none."""
    return (row["arm"] or "").rpartition(":")[2] if ":" in (row["arm"] or "") else ""


def _cell(row: Mapping[str, Any]) -> Cell:
    return Cell(
        task_class=row["task_class"],
        policy=logged_policy(row),
        candidate=row["chosen"],
        propensity=row["propensity"],
        arm=arm_of(row),
        requests=row["requests"],
        cost_usd=row["cost"],
        cost_usd_2=row["cost_2"],
        cost_usd_3=row["cost_3"],
        scored=row["scored"],
        score=row["score"],
        score_2=row["score_2"],
        cost_units=units_of(row, "cost"),
        score_units=units_of(row, "score"),
        digest=row["table_digest"] or "",
        pin=row["pin"],
    )


def units_of(row: Mapping[str, Any], kind: str) -> Units | None:
    """Read the sums over units of costs or scores; None where each value is its own."""
    if row.get(f"{kind}_units") is None:
        return None
    return Units(**{field.name: row[f"{kind}_{field.name}"] for field in fields(Units)})


# --- prompts that were kept -------------------------------------------------------------------------------------------

_PROMPT_COLUMNS = ("tenant", "step", "prompt", "features", "attachments", "unit", *_KEYS, "cost_nano_usd", "feedback")
_CHUNK = 20_000  # rows in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPrompts:
    """The decisions whose class can be named anew, and the others."""

    wanted: ir.Table
    rest: ir.Table

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Give the first ones, one by one."""
        names = [name for name in _PROMPT_COLUMNS if name in self.wanted.columns]
        for batch in batches(self.wanted.select(*names)):
            yield from batch.to_pylist()


def kept_prompts(decisions: ir.Table) -> KeptPrompts | None:
    """Part decisions by whether their class can be named anew: the prompt was kept, and no caller had named the class.

    None where the table has no prompts at all.
    """
    if "prompt" not in decisions.columns:
        return None
    anew = decisions.prompt.notnull() & (decisions.source != "caller").fill_null(True) & _fit(decisions)
    return KeptPrompts(wanted=_with_pin(decisions.filter(anew)), rest=decisions.filter(~anew))


def batches(query: ir.Table) -> Iterator[Any]:
    """Give a query's rows in Arrow batches."""
    backend: Any = query.get_backend()
    if backend.name == "duckdb":  # ibis 12 asks DuckDB for batches by a name that DuckDB 2 no longer has
        return iter(backend.con.sql(backend.compile(query)).to_arrow_reader(_CHUNK))
    return iter(query.to_pyarrow_batches(chunk_size=_CHUNK))
