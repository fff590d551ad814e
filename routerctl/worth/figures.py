"""Turns a table's evidence into three numbers: price per task, price per correct answer, wrong answers per 1,000 tasks.

They are given for one class, for several weighed together, and for one candidate serving every class (a constant).
Source of the price per correct answer: Cost-of-Pass (arXiv 2504.13359), C / p; of the total with the price L of a wrong
answer: c + (wrong answers delivered per task) x L. Place: the folder's first file; everything comes from measured
evidence, and a candidate that was not run on a class has no figure there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from routerctl.types import Evidence, Route, Run, Table, Verdict

THOUSAND = 1000  # tasks to which costs are scaled
Volumes = Mapping[str, float]  # requests per month, by task class
Row = tuple[Route, Evidence]  # a class and what serves it


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighting:
    """How much each class counts in a figure of several: its requests per month, where all priced classes have them."""

    requests: Volumes  # of the classes where it is known: stated in the eval set, else measured
    measured: frozenset[str]  # of those, the ones taken from the decision log
    by_volume: bool  # False: the classes weigh the same

    def share(self, task_class: str) -> float:
        """Weigh one class against the others; not yet divided by their sum."""
        return self.requests.get(task_class, 0.0) if self.by_volume else 1.0


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
        return None if self.requests_per_month is None else self.cost_usd * _exact(self.requests_per_month)

    @property
    def month_total_usd(self) -> Decimal | None:
        """What the calls of a month and its wrong answers cost."""
        known = self.requests_per_month is not None and self.total_usd is not None
        return self.total_usd * _exact(self.requests_per_month or 0) if known and self.total_usd is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """One candidate serving every class, as far as that was measured, beside the table on the same classes.

    It is alike on a class where its score lies within the interval of the table's choice and the choice's within its
    own, unless it alone is seen to miss the bar: these cases do not tell the two apart. It is as good on a class where
    it passes the bar like the choice, or where the choice has not passed and the two are alike.
    """

    candidate: str
    figures: Figures
    table: Figures  # the table on the same classes
    passes: int  # classes whose bar it passed
    table_passes: int  # of the same classes
    covered: int  # classes it was run on
    of: int  # classes of the table
    worse: tuple[str, ...]  # classes on which it is not as good
    apart: tuple[str, ...]  # classes on which it is not alike
    untold: tuple[str, ...]  # classes on which nothing tells how it compares

    @property
    def everywhere(self) -> bool:
        """Whether every class tells how it compares: both were run on it, or it is the choice itself."""
        return not self.untold

    @property
    def saved_usd(self) -> Decimal:
        """What the table's calls save per task against it, on the classes measured; negative: what they cost more."""
        return self.figures.cost_usd - self.table.cost_usd

    @property
    def saved_in_all_usd(self) -> Decimal:
        """The same with the price of wrong answers, where classes state one."""
        if self.figures.total_usd is None or self.table.total_usd is None:
            return self.saved_usd
        return self.figures.total_usd - self.table.total_usd


# --- one class --------------------------------------------------------------------------------------------------------


def chosen_evidence(route: Route) -> Evidence | None:
    """Find what the chosen candidate was chosen on; None where it was not run."""
    return evidence_for(route, route.chosen)


def evidence_for(route: Route, candidate: str) -> Evidence | None:
    """Find what one candidate showed on a class; None where it was not run."""
    return next((one for one in route.evidence if one.candidate == candidate), None)


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
    """Weigh the classes by volume, stated or else measured (`volumes`), where every priced class has one."""
    stated = {name: route.stakes.requests_per_month for name, route in table.routes.items()}
    requests = {name: number for name, number in stated.items() if number is not None}
    measured = {name: n for name, n in (volumes or {}).items() if name in table.routes and name not in requests}
    requests |= measured
    names = [route.task_class for route in priced(table)]
    known = bool(names) and all(name in requests for name in names)
    by_volume = known and sum(requests[name] for name in names) > 0
    return Weighting(requests=requests, measured=frozenset(measured), by_volume=by_volume)


def table_figures(table: Table, of: Weighting) -> Figures | None:
    """Give the figures of the table over its priced classes; None where it has none."""
    return _together(_chosen_rows(priced(table)), of)


def table_cost(table: Table, volumes: Volumes | None = None) -> Decimal | None:
    """Average the chosen candidates' cost per task over the priced classes; None where there are none."""
    figures = table_figures(table, weighting(table, volumes))
    return figures.cost_usd if figures else None


def constants(table: Table, of: Weighting) -> list[Constant]:
    """List every candidate with a measured class as the one choice for all, the best first.

    Best: most bars passed, then fewest classes on which it is worse, then most classes measured, then the cheapest
    against the table on the same classes, then ladder order.
    """
    found = [one for name in table.ladder if (one := _constant(name, table, of))]
    return sorted(found, key=lambda one: (-one.passes, len(one.worse), -one.covered, _dearness(one)))


def _dearness(one: Constant) -> tuple[Decimal, Decimal]:
    """Compare costs that were measured on different classes: each against the table's on the same ones."""
    ours = one.table.cost_usd
    return (one.figures.cost_usd / ours if ours else Decimal(0)), one.figures.cost_usd


def _constant(name: str, whole: Table, of: Weighting) -> Constant | None:
    rows = [(route, one) for route in priced(whole) if (one := evidence_for(route, name)) and _measured(one)]
    ours = _chosen_rows([route for route, _ in rows])
    figures, table = _together(rows, of), _together(ours, of)
    if figures is None or table is None:
        return None
    both = [(route, one, choice) for (route, one), (_, choice) in zip(rows, ours, strict=True)]
    alone = apart_from(name, whole, [route for route, _ in rows])
    return Constant(
        candidate=name,
        figures=figures,
        table=table,
        passes=sum(one.judgement.verdict.passes for one in (*(one for _, one in rows), *alone.shown)),
        table_passes=sum(one.judgement.verdict.passes for _, one in ours),
        covered=len(rows) + len(alone.shown),
        of=len(whole.routes),
        worse=(*(route.task_class for route, one, choice in both if not as_good(one, choice)), *alone.worse),
        apart=(*(route.task_class for route, one, choice in both if not alike(one, choice)), *alone.worse),
        untold=alone.untold,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alone:
    """What the classes say of a candidate on which it cannot be compared with the choice: one of them was not run."""

    shown: tuple[Evidence, ...]  # what it showed where the choice was not run
    worse: tuple[str, ...]  # of these, where it is seen to miss the bar, which the choice is not
    untold: tuple[str, ...]  # where it could be as good or not


def apart_from(name: str, table: Table, compared: Sequence[Route]) -> Alone:
    """Look at the classes beside those on which a candidate is compared; where it is the choice itself, all is told."""
    shown, worse, untold = [], [], []
    for route in table.routes.values():
        if route in compared or route.chosen == name:
            continue
        one = evidence_for(route, name) if chosen_evidence(route) is None else None
        if one is not None and one.judgement.score is not None:
            shown.append(one)
        if one is not None and one.judgement.verdict in _BELOW:
            worse.append(route.task_class)
        elif one is None or not one.judgement.verdict.passes:
            untold.append(route.task_class)
    return Alone(shown=tuple(shown), worse=tuple(worse), untold=tuple(untold))


def as_good(one: Evidence, choice: Evidence) -> bool:
    """Say whether a candidate passes like the choice or, where that has not passed, is alike."""
    return one.judgement.verdict.passes if choice.judgement.verdict.passes else alike(one, choice)


def alike(one: Evidence, choice: Evidence) -> bool:
    """Say whether each score lies within the other's interval, and both or neither are seen to miss the bar."""
    if one.candidate == choice.candidate:
        return True
    (low, high), (other_low, other_high) = one.judgement.interval, choice.judgement.interval
    score, other = one.judgement.score or 0.0, choice.judgement.score or 0.0
    below = one.judgement.verdict in _BELOW and choice.judgement.verdict not in _BELOW
    return low <= other <= high and other_low <= score <= other_high and not below


_BELOW = (Verdict.BELOW, Verdict.NOT_REACHED)


def _chosen_rows(routes: Sequence[Route]) -> list[Row]:
    return [(route, one) for route in routes if (one := chosen_evidence(route))]


def _together(rows: Sequence[Row], of: Weighting) -> Figures | None:
    """Weigh measured rows together; a set of classes that nobody asks is weighed evenly."""
    if not rows:
        return None
    weights = [_exact(of.share(route.task_class)) for route, _ in rows]
    weights = weights if sum(weights) else [Decimal(1)] * len(rows)
    costs = [one.cost_per_case_usd or Decimal(0) for _, one in rows]
    cost = _mean(costs, weights)
    correct = _mean([_exact(one.judgement.score or 0.0) for _, one in rows], weights)
    per_correct = rows[0][1].cost_per_accepted_usd if len(rows) == 1 else cost / correct if correct else None
    wrongs = [wrong_per_thousand(one) for _, one in rows]
    known = [wrong for wrong in wrongs if wrong is not None]
    losses = [_loss(route, wrong) for (route, _), wrong in zip(rows, wrongs, strict=True)]
    names = tuple(route.task_class for route, _ in rows)
    return Figures(
        classes=names,
        cost_usd=cost,
        correct=float(correct),
        per_correct_usd=per_correct,
        wrong_per_thousand=float(_mean([_exact(one) for one in known], weights)) if len(known) == len(rows) else None,
        total_usd=cost + _mean([loss or Decimal(0) for loss in losses], weights)
        if any(loss is not None for loss in losses)
        else None,
        requests_per_month=sum(of.requests[name] for name in names) if all(n in of.requests for n in names) else None,
    )


def _loss(route: Route, wrong: float | None) -> Decimal | None:
    """What the wrong answers of one task cost on average; None where nobody said, or nobody counted."""
    each = route.stakes.wrong_answer_usd
    return None if each is None or wrong is None else each * _exact(wrong) / THOUSAND


def _mean(values: Sequence[Decimal], weights: Sequence[Decimal]) -> Decimal:
    pairs = zip(values, weights, strict=True)
    return sum((value * weight for value, weight in pairs), Decimal(0)) / sum(weights, Decimal(0))


def _exact(number: float) -> Decimal:
    return Decimal(repr(float(number)))


# --- the evaluation ---------------------------------------------------------------------------------------------------


def evaluation_usd(table: Table, runs: Sequence[Run]) -> Decimal | None:
    """Sum what the results that the table rests on cost when they were made, judging included; None: no run at hand.

    Cached replies count with their price: without the cache they would have to be paid again.
    """
    wanted = {(route.run_id, route.task_class) for route in table.routes.values()}
    by_id = {run.header.run_id: run for run in runs}
    kept = [one for run_id, run in by_id.items() for one in run.results if (run_id, one.task_class) in wanted]
    known = any(route.run_id in by_id for route in table.routes.values())
    return sum((one.cost_usd + one.judge_usd for one in kept), Decimal(0)) if known else None
