"""Turns a table into the figures that its own lines give: verdicts counted, a grid of class x candidate, its risk.

Everything is read off the table; what was not measured is None, never estimated. What answers are worth computes
`evaluation.worth`, what differs from the table before `review.diff`. Place: the report's second step; pandas does the
grouping; knows nothing of HTML.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import get_args

import pandas as pd

from routerctl.evaluation.worth import chosen_evidence
from routerctl.types import Evidence, Level, Route, Table, Verdict


def level_counts(table: Table) -> list[tuple[str, int]]:
    """Count the levels of the classes, the surest first; last those whose candidate was not run."""
    found = Counter(route.level if chosen_evidence(route) else "not run" for route in table.routes.values())
    return [(level, found[level]) for level in (*get_args(Level), "not run") if found[level]]


def matrix(table: Table) -> list[tuple[Route, list[Evidence | None]]]:
    """Pivot the evidence: a row per class, a column per candidate of the ladder; None where it was not run."""
    rows = [(name, one.candidate, one) for name, route in table.routes.items() for one in route.evidence]
    frame = pd.DataFrame(rows, columns=["task_class", "candidate", "evidence"], dtype=object)
    grid = frame.pivot(index="task_class", columns="candidate", values="evidence")
    grid = grid.reindex(index=list(table.routes), columns=list(table.ladder))
    cells = [[cell if isinstance(cell, Evidence) else None for cell in row] for row in grid.to_numpy().tolist()]
    return list(zip(table.routes.values(), cells, strict=True))


def timed(table: Table) -> bool:
    """Tell whether any latency is known."""
    return any(one.latency_p50_s is not None for route in table.routes.values() for one in route.evidence)


def leading(route: Route, most: int) -> tuple[str, ...]:
    """Name the candidates of a class in the order of its evidence: all, or of more than `most` the leading ones.

    These are the chosen one, the cheapest that is proven, and near the choice those that score higher than all cheaper.
    """
    names = [one.candidate for one in route.evidence]
    if len(names) <= most:
        return tuple(names)
    by_cost = sorted(route.evidence, key=lambda one: one.cost_per_case_usd or Decimal(0))
    best, climbing = -1.0, list[str]()
    for one in by_cost:
        if (score := one.judgement.score) is not None and score > best:
            best = score
            climbing.append(one.candidate)
    proven = [one.candidate for one in by_cost if one.judgement.verdict is Verdict.PROVEN][:1]
    leads = [name for name in names if name in {route.chosen, *climbing, *proven}]
    near = nearest_to(route.chosen, leads, most)
    kept = near if set(proven) <= set(near) else (*nearest_to(route.chosen, leads, most - 1), *proven)
    return tuple(sorted(kept, key=names.index))


def nearest_to(chosen: str, names: Sequence[str], most: int) -> tuple[str, ...]:
    """Keep of the names those nearest to one of them, in their order; of the last where it is not among them."""
    place = names.index(chosen) if chosen in names else len(names) - 1
    kept = sorted(range(len(names)), key=lambda other: abs(other - place))[:most]
    return tuple(names[other] for other in sorted(kept))


def false_picks(table: Table) -> float:
    """Bound the expected number of choices that pass though their candidate is below the bar: the sum of the risks.

    A class tested several times as its set grew counts with its error over all attempts.
    """
    return sum(min(1.0, max(table.risk, _over_attempts(route, table))) for route in table.routes.values())


def _over_attempts(route: Route, table: Table) -> float:
    errors = [one.judgement.total_alpha or 0.0 for one in route.evidence]
    return max(errors, default=0.0) * len(table.ladder)
