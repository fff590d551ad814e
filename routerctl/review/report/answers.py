"""Turns the results of a table's runs into what they took, and recounts the table's evidence from them.

pandas does the grouping; texts stay in the results, the frame holds names and numbers. It judges nothing: where a test
stopped comes with the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from operator import attrgetter
from typing import Any

import pandas as pd

from routerctl.evaluation.selection import qualifies
from routerctl.types import ClassHeader, Evidence, Judgement, Measure, Result, Run, Table
from routerctl.words import count

_ROUNDED = 1e-6  # a mean in the table is rounded; what differs by more is another mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What the results of one class, or of all, took."""

    results: int
    grid: int  # results of the full grid: cases planned x epochs x candidates on the ladder
    calls: int  # made in the run, judging not included
    cached_calls: int  # served from the cache
    input_tokens: int
    output_tokens: int
    paid_usd: Decimal  # in the run, judging included
    cached_usd: Decimal  # what the cached calls cost when they were made, judging included
    beyond: int  # results after the stop: asked for in advance, or because more than the test was wanted
    beyond_usd: Decimal
    retries: int = 0  # attempts that failed before the calls succeeded
    judge_calls: int = 0
    judge_calls_made: int = 0  # of these, in the run
    judge_usd: Decimal = Decimal(0)  # part of paid_usd and cached_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReplay:
    """What the stopping rule alone would have asked for, of what a run of the whole grid did ask for."""

    task_class: str
    grid_calls: int  # made, or served from the cache; judging included
    grid_usd: Decimal
    needed_calls: int  # up to each test's stop, and of no candidate after the first that may serve by its verdict
    needed_usd: Decimal
    pick: str  # what it would have chosen
    chosen: str  # what was chosen


class Answers:
    """The results that a table rests on, grouped."""

    def __init__(self, table: Table, runs: Sequence[Run]) -> None:
        """Keep the results of each route's own run and class; where a case was asked twice, the last counts."""
        wanted = {(route.run_id, route.task_class) for route in table.routes.values()}
        self._table = table
        self._headers = _headers(table, runs)
        self._results = [one for run in runs for one in run.results if (run.header.run_id, one.task_class) in wanted]
        columns = zip(*map(_FIGURES, self._results), strict=True) if self._results else [()] * len(_FIELDS)
        values = [_value(one, self._measure(one.task_class)) for one in self._results]
        named = dict(zip(_FIELDS, map(list, columns), strict=True))
        self._frame = pd.DataFrame({**named, "value": values}, dtype=object)
        stops, epochs = self._stops(), {name: header.epochs for name, header in self._headers.items()}
        never = len(self._results)  # no place in a planned order is so late
        stop = self._by_row(stops.get((one.task_class, one.candidate), never) for one in self._results)
        # A comparison with a baseline may have asked for more epochs than the test counts.
        planned = self._frame["epoch"] < self._by_row(epochs.get(one.task_class, 1) for one in self._results)
        self._frame["beyond"] = (self._frame["index"] >= stop) | ~planned
        repeated = self._frame.duplicated(["task_class", "candidate", "index", "epoch"], keep="last")
        self._last = ~repeated & planned
        self._classes = dict(list(self._frame.groupby("task_class", sort=False)))
        # Once, not by comparing two columns of text for each class and candidate.
        self._rows = self._frame[self._last].groupby(["task_class", "candidate"], sort=False).groups

    def _measure(self, task_class: str) -> Measure:
        header = self._headers.get(task_class)
        return header.measure if header else "pass_rate"

    def _stops(self) -> dict[tuple[str, str], int]:
        routes = self._table.routes.items()
        ended = ((name, one.candidate, one.judgement.stopped_at) for name, r in routes for one in r.evidence)
        return {(name, candidate): at for name, candidate, at in ended if at is not None}

    def _by_row(self, numbers: Iterable[int]) -> pd.Series[int]:
        return pd.Series(list(numbers), index=self._frame.index, dtype=object)

    def of(self, task_class: str, candidate: str) -> list[Result]:
        """List a candidate's results on a class in planned order, those after its test's stop too."""
        rows = self._rows.get((task_class, candidate), ())
        return sorted((self._results[row] for row in rows), key=lambda one: (one.index, one.epoch))

    def not_passed(self, task_class: str, candidate: str) -> list[Result]:
        """List a candidate's replies that did not pass, in planned order."""
        return [one for one in self.of(task_class, candidate) if not one.passed]

    # --- what they took -----------------------------------------------------------------------------------------------

    def spend(self, task_class: str, grid: int) -> Spend:
        """Sum what one class took; `grid`: results of its full grid."""
        return _sum(self._of_class(task_class), grid)

    def _of_class(self, task_class: str) -> pd.DataFrame:
        return self._classes.get(task_class, self._frame.iloc[:0])

    def replay(self, task_class: str) -> RuleReplay:
        """Count what the stopping rule alone would have asked for on one class, climbing the ladder."""
        route = self._table.routes[task_class]
        climbed: list[str] = []
        pick = route.chosen  # where nobody serves by a verdict
        for one in sorted(route.evidence, key=lambda each: self._table.ladder.index(each.candidate)):
            climbed.append(one.candidate)
            if qualifies(one.judgement.verdict, route.when_unproven):
                pick = one.candidate
                break
        frame = self._of_class(task_class)
        needed = frame[frame["candidate"].isin(climbed) & ~frame["beyond"].astype(bool)]
        return RuleReplay(
            task_class=task_class,
            grid_calls=_calls(frame),
            grid_usd=_money(frame),
            needed_calls=_calls(needed),
            needed_usd=_money(needed),
            pick=pick,
            chosen=route.chosen,
        )

    # --- the recount --------------------------------------------------------------------------------------------------

    def disagreements(self) -> list[str]:
        """Recount every line of evidence from its results; name those that do not come out the same."""
        recount = self._recount()
        found = []
        for name, route in self._table.routes.items():
            for one in route.evidence:
                passes, cases, mean = recount.get((name, one.candidate), (0, 0, 0.0))
                judged = one.judgement
                told = f"{name}, {one.candidate}: the table says"
                if (passes, cases) != (judged.passes, judged.cases):
                    ours = f"{count(passes)} of {count(cases)}"
                    found.append(f"{told} {count(judged.passes)} of {count(judged.cases)}, the results {ours}")
                elif _other_mean(judged, mean):
                    found.append(f"{told} a mean of {judged.mean:.4f}, the results {mean:.4f}")
        return found

    def _recount(self) -> dict[tuple[str, str], tuple[int, int, float]]:
        """(passes, cases, weighted mean) of each class and candidate; a case is the mean of its epochs, all there.

        A case passes with more than half of its epochs, or with a mean score above one half.
        """
        counted = self._frame[self._last]
        epochs = counted["task_class"].map({name: header.epochs for name, header in self._headers.items()}).fillna(1)
        counted = counted[counted.groupby(_CASE, sort=False)["epoch"].transform("size") == epochs]
        numbers = counted[_CASE].assign(value=counted["value"].astype(float), weight=counted["weight"].astype(float))
        cases = numbers.groupby(_CASE, sort=False).mean().reset_index()
        cases = cases.assign(n=1, passed=cases["value"] > 0.5, weighted=cases["value"] * cases["weight"])
        sums = cases.groupby(_CASE[:2], sort=False)[["passed", "n", "weighted", "weight"]].sum().reset_index()
        return {
            (name, candidate): (int(passes), int(n), weighted / weight if weight else 0.0)
            for name, candidate, passes, n, weighted, weight in sums.to_numpy().tolist()
        }


_CASE = ["task_class", "candidate", "index"]


def _headers(table: Table, runs: Sequence[Run]) -> dict[str, ClassHeader]:
    """The header of each class in its own run, where that is at hand."""
    by_id = {run.header.run_id: run.header.classes for run in runs}
    found = {name: by_id.get(route.run_id, {}).get(name) for name, route in table.routes.items()}
    return {name: header for name, header in found.items() if header}


def _value(one: Result, measure: Measure) -> float:
    """What one reply counts: a failed or unscored one nothing."""
    return one.score or 0.0 if measure == "mean_score" else float(one.passed)


_FIELDS = (
    "task_class",
    "candidate",
    "index",
    "epoch",
    "weight",
    "calls",
    "retries",
    "judge_calls",
    "judge_calls_made",
    "input_tokens",
    "output_tokens",
    "made_usd",
    "judge_usd",
    "calls_made",
    "spent_usd",
)
_FIGURES = attrgetter(*_FIELDS)


def _other_mean(judged: Judgement, mean: float) -> bool:
    return judged.mean is not None and judged.cases > 0 and abs(judged.mean - mean) > _ROUNDED


def _calls(frame: pd.DataFrame) -> int:
    return int(frame["calls"].sum() + frame["judge_calls"].sum())


def _money(frame: pd.DataFrame) -> Decimal:
    return sum(frame["made_usd"], Decimal(0)) + sum(frame["judge_usd"], Decimal(0))


def _sum(frame: pd.DataFrame, grid: int) -> Spend:
    beyond, made = frame["beyond"].astype(bool), int(frame["calls_made"].sum())
    paid_usd = sum(frame["spent_usd"], Decimal(0))
    return Spend(
        results=len(frame),
        grid=grid,
        calls=made,
        cached_calls=int(frame["calls"].sum()) - made,
        input_tokens=int(frame["input_tokens"].sum()),
        output_tokens=int(frame["output_tokens"].sum()),
        paid_usd=paid_usd,
        cached_usd=_money(frame) - paid_usd,
        beyond=int(beyond.sum()),
        beyond_usd=_money(frame[beyond]),
        retries=int(frame["retries"].sum()),
        judge_calls=int(frame["judge_calls"].sum()),
        judge_calls_made=int(frame["judge_calls_made"].sum()),
        judge_usd=sum(frame["judge_usd"], Decimal(0)),
    )


def total(spends: Sequence[Spend]) -> Spend:
    """Add up the classes."""
    names = [field.name for field in fields(Spend)]
    starts: dict[str, Any] = {name: Decimal(0) if name.endswith("_usd") else 0 for name in names}
    return Spend(**{name: sum((getattr(one, name) for one in spends), start) for name, start in starts.items()})


def grid_results(table: Table, header: ClassHeader | None, evidence: Sequence[Evidence], *, skips_top: bool) -> int:
    """Count the results of one class's full grid: cases planned x epochs x candidates that are tested."""
    cases = header.n * header.epochs if header else max((one.judgement.n for one in evidence), default=0)
    return cases * (len(table.ladder) - (1 if skips_top and len(table.ladder) > 1 else 0))
