"""Which logged decisions are the changed table's own: the same model, asked in the same way, at the same price.

A decision names its table by digest: where that table is at hand (routes.yaml, a tier's, or the changed one itself),
what has changed since is known; of another table only the pin is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from routerctl.costs import rise
from routerctl.errors import RouterctlError
from routerctl.evaluation.project_routing import DEFAULT
from routerctl.monitoring.replay import Cell
from routerctl.table import TABLE_FILE, load_table
from routerctl.types import Table
from routerctl.words import count


def own_cells(cells: Sequence[Cell], table: Table, root: Path) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """Give the cells as the changed table sees them, and what a reader has to know of them.

    A candidate that is another model now, or is asked otherwise, has its name in common with what was logged and no
    more: its cells get a name of their own. Where only its price moved, its costs move with it.
    """
    tables = {one.digest: one for one in (table, *_at_hand(root, table))}
    kept, other, moved, unseen = [], Counter[str](), Counter[str](), 0
    for cell in cells:
        before = tables.get(cell.digest)
        unseen += 0 if before else cell.requests
        why = _pin_words(cell, table) or (_changed(cell, before, table) if before else "")
        if why:
            kept.append(replace(cell, candidate=f"{cell.candidate} ({why})"))
            other[f"{cell.candidate} {why} in {cell.task_class}"] += cell.requests
            continue
        times = _price_times(cell, before, table) if before else 1.0
        if times != 1:
            moved[f"{cell.candidate} at {'other prices' if times is None else f'{times:g} times the price'}"] += (
                cell.requests
            )
        kept.append(replace(cell, price=times))
    return tuple(kept), (*_notes(other, moved, unseen),)


def _at_hand(root: Path, table: Table) -> Iterator[Table]:
    for name in (TABLE_FILE, *(tier.table for tier in table.routing.tiers.values())):
        try:
            yield load_table(root / name)
        except RouterctlError:  # none there, or one that `check` names
            continue


def _pin_words(cell: Cell, table: Table) -> str:
    candidate = table.candidates.get(cell.candidate)
    pins = {candidate.model, *(place.model for place in candidate.also)} if candidate else set()
    return "" if candidate is None or cell.pin in {"", *pins} else f"by {cell.pin}"


def _changed(cell: Cell, before: Table, after: Table) -> str:
    """Say what an answer of this candidate depends on and is not as it was; "" = nothing."""
    name, was, now = cell.candidate, before.routes.get(cell.task_class), after.routes.get(cell.task_class)
    if was is None or now is None or name not in before.candidates or name not in after.candidates:
        return ""
    if (was.prompt, was.reply) != (now.prompt, now.reply):
        return "with another prompt"
    settings = [replace(one.candidates[name], provider="", also=()) for one in (before, after)]  # at any place
    if settings[0] != settings[1]:
        return "with other settings"
    limits = [_thresholds(one, cell.task_class) for one in (before, after)]
    if limits[0] != limits[1] or (limits[0] and was.rungs != now.rungs):
        return "with other escalation"
    return ""


def _thresholds(table: Table, task_class: str) -> Mapping[str, float]:
    found = table.routing.thresholds
    return found.get(task_class, found.get(DEFAULT, {}))


def _price_times(cell: Cell, before: Table, after: Table) -> float | None:
    """By how much the candidate's price has risen; None where its parts moved apart."""
    was, now = before.prices.get(cell.candidate), after.prices.get(cell.candidate)
    if was is None or now is None:
        return 1.0
    times = rise(was, now)
    return None if times is None else float(times)


def _notes(other: Mapping[str, int], moved: Mapping[str, int], unseen: int) -> Iterator[str]:
    if other:
        yield f"Served differently than by the changed table, so not counted as its own: {_listed(other)} requests."
    if moved:
        yield f"Prices have moved since: {_listed(moved)} requests."
    if unseen:
        yield (
            f"{count(unseen)} requests were decided by tables that are not here: of these only the model is compared, "
            "not its prompt or price."
        )


def _listed(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count(number)}" for name, number in Counter(found).most_common())
