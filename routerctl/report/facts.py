"""Turns a table, its runs and the table before it into the figures of a report.

Everything is computed from measured results; what was not measured is None, never estimated. Place: the report's
second step; pandas does the grouping; knows nothing of HTML.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd

from routerctl.types import Evidence, Result, Route, Run, Table, Verdict

THOUSAND = 1000  # requests to which costs are scaled


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """One candidate serving every class, where that was measured."""

    candidate: str
    passes: int  # priced classes whose bar it passed
    cost_usd: Decimal  # per request, the classes weighing the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What the results of one class, or of all, took."""

    results: int
    grid: int  # results of the full grid: cases planned x candidates on the ladder
    calls: int  # made in the run
    cached_calls: int  # served from the cache
    input_tokens: int
    output_tokens: int
    paid_usd: Decimal  # in the run
    cached_usd: Decimal  # what the cached calls cost when they were made
    beyond: int  # results after the stop: asked for in advance, or because the whole grid was wanted
    beyond_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One class before and after; None on the side where the class is missing."""

    task_class: str
    before: Route | None
    after: Route | None
    what: tuple[str, ...]  # what differs, in words; () = nothing


# --- the table's own figures ------------------------------------------------------------------------------------------


def chosen_evidence(route: Route) -> Evidence | None:
    """Find what the chosen candidate was chosen on; None where it was not run."""
    return next((one for one in route.evidence if one.candidate == route.chosen), None)


def verdict_counts(table: Table) -> list[tuple[Verdict | None, int]]:
    """Count the chosen candidates' verdicts, in the order of `Verdict`; None: the candidate was not run."""
    found = Counter(one.judgement.verdict if (one := chosen_evidence(r)) else None for r in table.routes.values())
    return [(verdict, found[verdict]) for verdict in (*Verdict, None) if found[verdict]]


def priced(table: Table) -> list[Route]:
    """List the routes whose chosen candidate has a measured cost."""
    return [r for r in table.routes.values() if (one := chosen_evidence(r)) and one.cost_per_case_usd is not None]


def table_cost(table: Table) -> Decimal | None:
    """Average the chosen candidates' cost per request over the priced classes; None where there are none."""
    return _mean([one.cost_per_case_usd for route in priced(table) if (one := chosen_evidence(route))])


def constants(table: Table) -> list[Constant]:
    """List the candidates measured on every priced class: most passes first, then the cheapest, then the ladder."""
    found, routes = [], priced(table)
    for name in table.ladder:
        row = [one for route in routes for one in route.evidence if one.candidate == name]
        cost = _mean([one.cost_per_case_usd for one in row])
        if len(row) == len(routes) and cost is not None:
            passes = sum(one.judgement.verdict.passes for one in row)
            found.append(Constant(candidate=name, passes=passes, cost_usd=cost))
    return sorted(found, key=lambda one: (-one.passes, one.cost_usd))


def _mean(costs: Sequence[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) / len(known) if known and len(known) == len(costs) else None


def matrix(table: Table) -> list[tuple[Route, list[Evidence | None]]]:
    """Pivot the evidence: a row per class, a column per candidate of the ladder; None where it was not run."""
    rows = [(name, one.candidate, one) for name, route in table.routes.items() for one in route.evidence]
    frame = pd.DataFrame(rows, columns=["task_class", "candidate", "evidence"], dtype=object)
    grid = frame.pivot(index="task_class", columns="candidate", values="evidence")
    grid = grid.reindex(index=list(table.routes), columns=list(table.ladder))
    cells = [[cell if isinstance(cell, Evidence) else None for cell in row] for row in grid.to_numpy().tolist()]
    return list(zip(table.routes.values(), cells, strict=True))


# --- results ----------------------------------------------------------------------------------------------------------


class Answers:
    """The results that a table rests on, grouped; texts stay in the results, the frame holds names and numbers."""

    def __init__(self, table: Table, runs: Sequence[Run]) -> None:
        """Keep the results of each route's own run and class; where a case was asked twice, the last counts."""
        wanted = {(route.run_id, route.task_class) for route in table.routes.values()}
        self._table = table
        self._results = [one for run in runs for one in run.results if (run.header.run_id, one.task_class) in wanted]
        self._frame = pd.DataFrame([self._row(one) for one in self._results], columns=_COLUMNS, dtype=object)
        self._frame["beyond"] = self._frame["index"] >= self._stops()
        self._last = ~self._frame.duplicated(["task_class", "candidate", "index"], keep="last")

    @staticmethod
    def _row(one: Result) -> tuple[object, ...]:
        return tuple(getattr(one, name) for name in _COLUMNS)

    def _stops(self) -> pd.Series[int]:
        stops = {
            (name, one.candidate): one.judgement.cases for name, r in self._table.routes.items() for one in r.evidence
        }
        keys = zip(self._frame["task_class"], self._frame["candidate"], strict=True)
        return pd.Series([stops.get(key, 0) for key in keys], index=self._frame.index, dtype=object)

    def not_passed(self, task_class: str, candidate: str) -> list[Result]:
        """List a candidate's cases that did not pass, in planned order."""
        mine = (self._frame["task_class"] == task_class) & (self._frame["candidate"] == candidate)
        chosen = self._frame[mine & self._last & (self._frame["passed"] == False)]  # noqa: E712 - a column, not a bool
        return [self._results[row] for row in chosen.sort_values("index").index]

    def spend(self, task_class: str, grid: int) -> Spend:
        """Sum what one class took; `grid`: results of its full grid."""
        return self._sum(self._frame[self._frame["task_class"] == task_class], grid)

    @staticmethod
    def _sum(frame: pd.DataFrame, grid: int) -> Spend:
        cached, beyond = frame["cached"].astype(bool), frame["beyond"].astype(bool)
        return Spend(
            results=len(frame),
            grid=grid,
            calls=int(frame.loc[~cached, "calls"].sum()),
            cached_calls=int(frame.loc[cached, "calls"].sum()),
            input_tokens=int(frame["input_tokens"].sum()),
            output_tokens=int(frame["output_tokens"].sum()),
            paid_usd=sum(frame.loc[~cached, "cost_usd"], Decimal(0)),
            cached_usd=sum(frame.loc[cached, "cost_usd"], Decimal(0)),
            beyond=int(beyond.sum()),
            beyond_usd=sum(frame.loc[beyond, "cost_usd"], Decimal(0)),
        )

    def disagreements(self) -> list[str]:
        """Recount every line of evidence from its results; name those that do not come out the same."""
        counted = self._frame[self._last & ~self._frame["beyond"].astype(bool)]
        groups = counted.groupby(["task_class", "candidate"])["passed"].agg(["size", "sum"]).reset_index()
        recount = {(row[0], row[1]): (int(row[3]), int(row[2])) for row in groups.to_numpy().tolist()}
        wrong = []
        for name, route in self._table.routes.items():
            for one in route.evidence:
                told = one.judgement.passes, one.judgement.cases
                found = recount.get((name, one.candidate), (0, 0))
                if found != told:
                    told_and_found = "the table says {} of {}, the results {} of {}".format(*told, *found)
                    wrong.append(f"{name}, {one.candidate}: {told_and_found}")
        return wrong


_COLUMNS = [
    "task_class",
    "candidate",
    "index",
    "passed",
    "calls",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "cached",
]


def total(spends: Sequence[Spend]) -> Spend:
    """Add up the classes."""
    return Spend(
        results=sum(one.results for one in spends),
        grid=sum(one.grid for one in spends),
        calls=sum(one.calls for one in spends),
        cached_calls=sum(one.cached_calls for one in spends),
        input_tokens=sum(one.input_tokens for one in spends),
        output_tokens=sum(one.output_tokens for one in spends),
        paid_usd=sum((one.paid_usd for one in spends), Decimal(0)),
        cached_usd=sum((one.cached_usd for one in spends), Decimal(0)),
        beyond=sum(one.beyond for one in spends),
        beyond_usd=sum((one.beyond_usd for one in spends), Decimal(0)),
    )


# --- before and after -------------------------------------------------------------------------------------------------


def changes(previous: Table, table: Table) -> list[Change]:
    """Compare two tables class by class: the new table's order, then the classes that are gone."""
    names = [*table.routes, *(name for name in previous.routes if name not in table.routes)]
    return [_change(name, previous, table) for name in names]


def _change(name: str, previous: Table, table: Table) -> Change:
    before, after = previous.routes.get(name), table.routes.get(name)
    if before is None or after is None:
        return Change(task_class=name, before=before, after=after, what=("new class",) if after else ("class removed",))
    old, new = chosen_evidence(before), chosen_evidence(after)
    compared = {
        "other candidate": (before.chosen, after.chosen),
        "other pin or settings": (previous.candidates[before.chosen], table.candidates[after.chosen]),
        "other verdict": (old and old.judgement.verdict, new and new.judgement.verdict),
        "other bar": (before.bar, after.bar),
        "other eval set": (before.eval_set_digest, after.eval_set_digest),
        "other fallbacks": (before.rungs[1:], after.rungs[1:]),
    }
    what = tuple(words for words, (left, right) in compared.items() if left != right)
    if before.chosen != after.chosen:  # another candidate has other settings and fallbacks: saying so adds nothing
        what = tuple(words for words in what if words not in ("other pin or settings", "other fallbacks"))
    return Change(task_class=name, before=before, after=after, what=what)
