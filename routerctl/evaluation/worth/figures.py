"""Turns a table's evidence into three numbers: price per task, price per correct answer, wrong answers per 1,000 tasks.

They are given for one class and for several weighed together, of what a table serves or of one candidate.
Source of the price per correct answer: Cost-of-Pass (arXiv 2504.13359), C / p; of the total with the price L of a wrong
answer: c + (wrong answers delivered per task) x L. Everything comes from measured evidence: a candidate that was not
run on a class has no figure there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from routerctl.levels import chosen_evidence, evidence_for
from routerctl.types import Evidence, Route, Run, Table

THOUSAND = 1000  # tasks to which costs are scaled
Volumes = Mapping[str, float]  # requests per month, by task class
Row = tuple[Route, Evidence]  # a class and what serves it


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighting:
    """How much each class counts in a figure of several: by its requests per month, where every class has them.

    Else by the number of its cases: the sets, or the file that was imported, were made with some mix in mind.
    """

    requests: Volumes  # of the classes where it is known: stated in the eval set, else measured
    measured: frozenset[str]  # of those, the ones taken from the decision log
    cases: Mapping[str, int]  # planned, by class; without one that was never run
    by_volume: bool  # False: by cases

    def share(self, task_class: str) -> float:
        """Weigh one class against the others; not yet divided by their sum."""
        return self.requests.get(task_class, 0.0) if self.by_volume else float(self.cases.get(task_class, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What answers cost and how good they are, over one class or several."""

    classes: tuple[str, ...]
    cost_usd: Decimal  # per task
    correct: float  # share of tasks, in [0, 1]; a mean score where the class's bar is one
    per_correct_usd: Decimal | None  # None: nothing was right
    wrong_per_thousand: float | None  # delivered though wrong, per 1,000 tasks; None: the evidence does not tell
    total_usd: Decimal | None  # per task with its wrong answers; None: no class says what one costs
    requests_per_month: float | None  # None: not known for every class

    @property
    def month_usd(self) -> Decimal | None:
        """What the calls of a month cost."""
        return None if self.requests_per_month is None else self.cost_usd * exact(self.requests_per_month)

    @property
    def month_total_usd(self) -> Decimal | None:
        """What the calls of a month and its wrong answers cost."""
        if self.requests_per_month is None or self.total_usd is None:
            return None
        return self.total_usd * exact(self.requests_per_month)


# --- one class --------------------------------------------------------------------------------------------------------


def wrong_per_thousand(one: Evidence) -> float | None:
    """Count the wrong answers delivered per 1,000 tasks: not passed, neither failed nor refused; None without a case.

    Where the evidence does not carry the figure, it follows from the counts of a class of one reply a case.
    """
    judged = one.judgement
    if one.wrong_per_thousand is not None or not judged.cases or judged.method != "exact":
        return one.wrong_per_thousand
    return THOUSAND * max(0, judged.cases - judged.passes - one.failed - one.refused) / judged.cases


def class_figures(route: Route, one: Evidence | None, of: Weighting) -> Figures | None:
    """Give the figures of one candidate on one class; None where it has no measured cost."""
    return _together([(route, one)], of) if one is not None and _measured(one) else None


def _measured(one: Evidence) -> bool:
    return one.cost_per_case_usd is not None and one.judgement.score is not None


# --- several classes --------------------------------------------------------------------------------------------------


def priced(table: Table) -> list[Route]:
    """List the routes whose chosen candidate has a measured cost."""
    return [route for route in table.routes.values() if (one := chosen_evidence(route)) and _measured(one)]


def weighting(table: Table, volumes: Volumes | None = None) -> Weighting:
    """Weigh the classes by volume, stated or else measured (`volumes`), where every class that was run has one."""
    stated = {name: route.stakes.requests_per_month for name, route in table.routes.items()}
    requests = {name: number for name, number in stated.items() if number is not None}
    measured = {name: n for name, n in (volumes or {}).items() if name in table.routes and name not in requests}
    requests |= measured
    cases = {name: route.evidence[0].judgement.n for name, route in table.routes.items() if route.evidence}
    known = bool(cases) and all(name in requests for name in cases)
    by_volume = known and sum(requests[name] for name in cases) > 0
    return Weighting(requests=requests, measured=frozenset(measured), cases=cases, by_volume=by_volume)


def table_figures(table: Table, of: Weighting) -> Figures | None:
    """Give the figures of the table over its priced classes; None where it has none."""
    return _together(_chosen_rows(priced(table)), of)


def constant_figures(table: Table, of: Weighting, candidate: str) -> tuple[Figures | None, Figures | None]:
    """Give the figures of one candidate over the classes where its cost is measured, and the table's on the same."""
    rows = [(route, one) for route in priced(table) if (one := evidence_for(route, candidate)) and _measured(one)]
    return _together(rows, of), _together(_chosen_rows([route for route, _ in rows]), of)


def _chosen_rows(routes: Sequence[Route]) -> list[Row]:
    return [(route, one) for route in routes if (one := chosen_evidence(route))]


def _together(rows: Sequence[Row], of: Weighting) -> Figures | None:
    """Weigh measured rows together; a set of classes that nobody asks is weighed evenly."""
    if not rows:
        return None
    weights = [exact(of.share(route.task_class)) for route, _ in rows]
    weights = weights if sum(weights) else [Decimal(1)] * len(rows)
    cost = _mean([one.cost_per_case_usd or Decimal(0) for _, one in rows], weights)
    correct = _mean([exact(one.judgement.score or 0.0) for _, one in rows], weights)
    per_correct = rows[0][1].cost_per_accepted_usd if len(rows) == 1 else cost / correct if correct else None
    wrongs = [wrong_per_thousand(one) for _, one in rows]
    known = [wrong for wrong in wrongs if wrong is not None]
    losses = [_loss(route, wrong) for (route, _), wrong in zip(rows, wrongs, strict=True)]
    counted = any(loss is not None for loss in losses)
    names = tuple(route.task_class for route, _ in rows)
    return Figures(
        classes=names,
        cost_usd=cost,
        correct=float(correct),
        per_correct_usd=per_correct,
        wrong_per_thousand=float(_mean([exact(one) for one in known], weights)) if len(known) == len(rows) else None,
        total_usd=cost + _mean([loss or Decimal(0) for loss in losses], weights) if counted else None,
        requests_per_month=sum(of.requests[name] for name in names) if all(n in of.requests for n in names) else None,
    )


def _loss(route: Route, wrong: float | None) -> Decimal | None:
    """What the wrong answers of one task cost on average; None where the price or the number is not known."""
    each = route.stakes.wrong_answer_usd
    return None if each is None or wrong is None else each * exact(wrong) / THOUSAND


def _mean(values: Sequence[Decimal], weights: Sequence[Decimal]) -> Decimal:
    pairs = zip(values, weights, strict=True)
    return sum((value * weight for value, weight in pairs), Decimal(0)) / sum(weights, Decimal(0))


def exact(number: float) -> Decimal:
    """Give the amount that a number's shortest digits say."""
    return Decimal(repr(float(number)))


# --- the evaluation ---------------------------------------------------------------------------------------------------


def evaluation_usd(table: Table, runs: Sequence[Run]) -> Decimal | None:
    """Sum what the results that the table rests on cost when they were made, judging included; None: none were here.

    Cached replies count with their price: without the cache they would have to be paid again. Imported ones do not
    count: their evaluation was not for this table.
    """
    wanted = {(route.run_id, route.task_class) for route in table.routes.values()}
    by_id = {run.header.run_id: run for run in runs if not run.header.imported}
    kept = [one for run_id, run in by_id.items() for one in run.results if (run_id, one.task_class) in wanted]
    known = any(route.run_id in by_id for route in table.routes.values())
    return sum((one.made_usd + one.judge_usd for one in kept), Decimal(0)) if known else None
