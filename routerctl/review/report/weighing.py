"""Turns what a table is worth into the rows of the report's section on it, and results into rows of cascades.

`routerctl.evaluation.worth` computes; this file lays side by side.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import get_args

import pandas as pd

from routerctl.evaluation.worth import (
    Cascade,
    Constant,
    Figures,
    Replies,
    Worth,
    cascade,
    chosen_evidence,
    class_figures,
    evidence_for,
    replies_of,
)
from routerctl.review.report.answers import Answers
from routerctl.strategies.confidence import SIGNALS, first_below, form_below, recorded_values
from routerctl.types import Evidence, Level, Result, Route, Status, Table, Verdict

SHOWN_CASCADES, MOST_CASCADES = 8, 48  # before a fold, and with it
SHOWN_CONSTANTS = 12
_LOOKED_AT = (*form_below(SIGNALS), "agreement", "logprob")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class: what the table serves beside the best constant."""

    route: Route
    requests: float | None  # per month; None: not known
    measured: bool  # the requests were counted in the decision log, not stated
    table: Figures | None
    constant: Figures | None  # None: it was not run on this class


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeRow:
    """One cascade that the results of a class allow to count."""

    task_class: str
    first: str
    second: str
    check: str
    counted: Cascade
    reaches: bool  # the bar, on these cases

    @property
    def finding(self) -> str:
        """Say what came of it."""
        if not self.counted.cheaper:
            return f"no cheaper than {self.second} alone"
        if not self.reaches:
            return f"cheaper than {self.second} alone, but below the bar here"
        return f"cheaper than {self.second} alone, and reaches the bar here"


def class_rows(table: Table, worth: Worth) -> list[ClassRow]:
    """Put each class's own figures beside those of the best constant."""
    best, of = (worth.constants[0] if worth.constants else None), worth.weighting
    return [
        ClassRow(
            route=route,
            requests=of.requests.get(name),
            measured=name in of.measured,
            table=class_figures(route, chosen_evidence(route), of),
            constant=class_figures(route, evidence_for(route, best.candidate), of) if best else None,
        )
        for name, route in table.routes.items()
    ]


def shown_constants(worth: Worth) -> list[Constant]:
    """List the constants to print: the most accurate, the one that money is told against, then the others."""
    first = [*worth.constants[:1], *([worth.against] if worth.against else [])]
    return [*dict.fromkeys(first), *(one for one in worth.constants if one not in first)]


def cascade_rows(table: Table, answers: Answers) -> list[CascadeRow]:
    """Count the cascades of two rungs that the results allow: first those that pay, then by price."""
    rows = [row for route in table.routes.values() for row in _of_class(route, table.ladder, answers)]
    return sorted(rows, key=lambda one: not (one.counted.cheaper and one.reaches))


def _of_class(route: Route, ladder: Sequence[str], answers: Answers) -> list[CascadeRow]:
    """Count the cascades with the choice, and of the others those that cost less than it and reach the bar."""
    results = {name: answers.of(route.task_class, name) for name in ladder if evidence_for(route, name)}
    if not any(one.reply for ones in results.values() for one in ones):  # recorded outcomes seldom have one to look at
        return []
    replies, names = {name: replies_of(ones) for name, ones in results.items()}, list(results)
    rows = [row for place, first in enumerate(names) for row in _from(route, first, names[place + 1 :], replies)]
    chosen = chosen_evidence(route)
    cost_usd = chosen.cost_per_case_usd if chosen else None
    return sorted((one for one in rows if _matters(one, route, cost_usd)), key=lambda one: one.counted.cost_usd)


def _from(route: Route, first: str, seconds: Sequence[str], replies: Mapping[str, Replies]) -> Iterator[CascadeRow]:
    """Count a candidate's cascades by each check to each dearer one."""
    answers = [one for one in replies[first].results if one]
    values = {one.index: recorded_values(one, route.reply, route.scorer, _LOOKED_AT) for one in answers}
    for check, below in _checks(values.values()).items():
        accepted = replies[first].where(partial(_accepts, values, below))
        for second in seconds if accepted else ():
            counted = cascade(replies[first], replies[second], accepted)
            if counted and counted.accepted > 0:
                yield CascadeRow(
                    task_class=route.task_class,
                    first=first,
                    second=second,
                    check=check,
                    counted=counted,
                    reaches=counted.correct >= route.target - 1e-9,
                )


def _checks(values: Collection[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """List the thresholds that a candidate's signals allow, set without a look at right and wrong.

    One tuned on the cases it is then measured on would promise too much; `calibrate` proves those that it finds. So
    agreement must be complete, and of the log-probabilities the upper half is accepted.
    """
    form = form_below({name for one in values for name in one})
    found = {"form": form} if form else {}
    if any("agreement" in one for one in values):
        found["form, agreement 1"] = form | {"agreement": 1.0}
    if known := [one["logprob"] for one in values if "logprob" in one]:
        middle = statistics.median(known)
        found[f"form, logprob {middle:.2g}, the median"] = form | {"logprob": middle}
    return found


def _accepts(values: Mapping[int, Mapping[str, float]], below: Mapping[str, float], one: Result) -> bool:
    return one.status is not Status.FAILED and first_below(values[one.index], below) is None


def _matters(one: CascadeRow, route: Route, chosen_usd: Decimal | None) -> bool:
    """Tell a cascade that could serve in the choice's place from one of two candidates that nobody chose."""
    cheaper = chosen_usd is not None and one.counted.cost_usd < chosen_usd
    return route.chosen in (one.first, one.second) or (cheaper and one.reaches)


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
