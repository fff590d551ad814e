"""Turns a table and its results into the answer to "is it worth it?": reasons against first, then what it brings.

The least to beat is one candidate for all, since that needs no table. It judges no candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from routerctl.evaluation.worth.against import Beside, Constant, constants, today_of
from routerctl.evaluation.worth.answering import (
    NO_TABLE,
    Answer,
    Number,
    Reason,
    Scene,
    answer_of,
    beside_others,
    break_even,
)
from routerctl.evaluation.worth.choosers import by_bars, floor_of
from routerctl.evaluation.worth.crossfit import ServedCases, cross_fitted
from routerctl.evaluation.worth.figures import (
    THOUSAND,
    Figures,
    Volumes,
    Weighting,
    exact,
    priced,
    table_figures,
    weighting,
)
from routerctl.evaluation.worth.gaps import Gap
from routerctl.evaluation.worth.grid import Grid, grid_of
from routerctl.evaluation.worth.told import (
    Told,
    gap_words,
    procedure_words,
    saved_words,
    settling,
    told,
    wrong_words,
)
from routerctl.levels import chosen_evidence, evidence_for
from routerctl.types import Evidence, Route, Run, Table
from routerctl.words import count, percent, plural, usd

if TYPE_CHECKING:
    from routerctl.evaluation.worth.frontier import Frontier

LITTLE_USD = Decimal(1)  # a month: a saving below this is not worth a thought


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What the table is worth against one candidate for all."""

    answer: Answer
    text: str  # why, in a sentence or two
    beside: tuple[str, ...]  # the table beside today's model and the best constant, where `text` does not tell
    settle: str  # what would settle it; "" where it is settled
    advice: str  # what to use: "the table" or "always <candidate>"; "" where nothing is settled
    reasons: tuple[Reason, ...]
    weighting: Weighting
    figures: Figures | None  # the table's own; None: no choice has a measured cost
    constants: tuple[Constant, ...]  # the most accurate first
    against: Constant | None  # what the table's money and risk are told against
    today: Constant | None  # what serves now, where every class says it
    procedure: str  # how the rule does on cases it did not choose on, or why that is not known; "" = nothing to say
    gaps: tuple[Gap, ...]  # what to run to settle it
    frontier: Frontier | None  # the picture's points; None: nothing to draw

    @property
    def told(self) -> str:
        """Why, the comparisons, and what would settle it: one paragraph."""
        return " ".join(part for part in (self.text, *self.beside, self.settle) if part)


def weigh(
    table: Table,
    runs: Sequence[Run] = (),
    spend_usd: Decimal | None = None,
    volumes: Volumes | None = None,
) -> Worth:
    """Say whether the table is worth it.

    `runs`: those that the table rests on; `spend_usd`: what the evaluation cost; `volumes`: measured requests per
    month.
    """
    of = weighting(table, volumes)
    beside, lacking = _beside(table, runs, of)
    ranked = tuple(constants(beside)) if beside.grid.classes else ()
    today = today_of(beside)
    scene = Scene(table=table, of=of, ranked=ranked, against=_against(ranked, today), today=today, spend_usd=spend_usd)
    reasons = _reasons(scene)
    deciding = next((one for one in reasons if one.decides), None)
    answer, advice, text = answer_of(scene, deciding)
    gaps = settling(scene.open) if answer == "not settled" else ()
    without_table = deciding is not None and deciding.kind in NO_TABLE
    imported = any(run.header.imported for run in runs)
    return Worth(
        answer=answer,
        text=text,
        beside=beside_others(scene, answer, deciding),
        settle=_settle(scene, gaps) if answer == "not settled" else "",
        advice=advice,
        reasons=tuple(reasons),
        weighting=of,
        figures=table_figures(table, of),
        constants=ranked,
        against=scene.against,
        today=today,
        procedure="" if without_table else _procedure(scene, lacking=lacking, imported=imported),
        gaps=gaps,
        frontier=_frontier(beside),
    )


# --- what is compared -------------------------------------------------------------------------------------------------


def _beside(table: Table, runs: Sequence[Run], of: Weighting) -> tuple[Beside, bool]:
    """Lay the table out beside its results; and whether outcomes are lacking for cross-fitting."""
    by_id = {run.header.run_id: run for run in runs}
    own = {name: by_id[route.run_id] for name, route in table.routes.items() if route.run_id in by_id}
    others = [name for route in table.routes.values() for name in (route.chosen, route.today) if name]
    names = tuple(dict.fromkeys((*table.ladder, *others)))
    weights = {name: of.share(name) for name in own}
    grid = grid_of(own, names, weights)
    prices = {name: usd_ for name, route in table.routes.items() if (usd_ := route.stakes.wrong_answer_usd)}
    in_all = grid_of(own, names, weights, prices) if prices else None
    lacking = _lacks(table, grid)
    procedure = _cross_fitted(table, in_all or grid) if not lacking and len(grid.classes) > 1 else None
    return Beside(table=table, of=of, runs=own, grid=grid, in_all=in_all, procedure=procedure), lacking


def _frontier(beside: Beside) -> Frontier | None:
    if len(beside.grid.classes) < 2:
        return None
    from routerctl.evaluation.worth.frontier import frontier

    routes = beside.table.routes
    now = {name: routes[name].today for name in beside.grid.classes}
    chosen = beside.grid.rows({name: routes[name].chosen for name in beside.grid.classes})
    return frontier(beside.grid, chosen, beside.grid.rows(now) if all(now.values()) else None)


def _lacks(table: Table, grid: Grid) -> bool:
    """Tell whether the rule might choose a candidate that was not run on every case."""
    for name, outcomes in zip(grid.classes, grid.outcomes, strict=True):
        seen = {one.candidate for one in table.routes[name].evidence if one.judgement.verdict.missed}
        whole = {row for row, good in enumerate(outcomes.complete()) if good}
        open_ = [row for row, one in enumerate(grid.candidates) if one in table.ladder and one not in seen]
        if not whole.issuperset(open_):
            return True
    return False


def _cross_fitted(table: Table, grid: Grid) -> ServedCases:
    floors = [floor_of(table.routes[name], grid.candidates) for name in grid.classes]
    if table.objective is None:
        return cross_fitted(grid, by_bars(floors))
    from routerctl.evaluation.worth.objective import by_objective

    of = table.objective.of
    reference = None if of == "best" else grid.candidates.index(of)
    return cross_fitted(grid, by_objective(table.objective.within, reference, floors))


def _procedure(scene: Scene, *, lacking: bool, imported: bool) -> str:
    if lacking and imported:
        return "How the choice does on other cases cannot be estimated: not every candidate has every case."
    if lacking:
        return "`routerctl eval --full` would also estimate how the choice does on other cases."
    against = scene.against
    return procedure_words(against, scene.of, today=against is scene.today) if against else ""


def _against(ranked: Sequence[Constant], today: Constant | None) -> Constant | None:
    """Find what to compare money and risk with: today's model, else the cheapest as accurate one, else the best."""
    if today is not None and not today.same:
        return today
    others = [one for one in ranked if not one.same]
    as_good = [one for one in others if one.right.mean <= 0 and one.priced]
    cheapest = min(as_good, key=lambda one: one.saved_in_all.mean, default=None)
    return cheapest or next(iter(others), None)


def _settle(scene: Scene, gaps: Sequence[Gap]) -> str:
    return gap_words(gaps) or ("More cases would tell." if scene.rival and not scene.unpriced else "")


# --- reasons ----------------------------------------------------------------------------------------------------------


def _reasons(scene: Scene) -> list[Reason]:
    """List the reasons against the table, the deciding ones first."""
    found = [
        *_one_class(scene.table),
        *_one_choice(scene.table),
        *_dominated(scene),
        *_too_little(scene),
        *_quality(scene.table),
    ]
    if not any(one.kind == "volume" for one in found):  # where all classes together save little, each of them does
        found += _small_classes(scene)
    return sorted(found, key=lambda one: not one.decides)


def _one_class(table: Table) -> Iterator[Reason]:
    if len(table.routes) == 1:
        (route,) = table.routes.values()
        text = f"There is one task class, so {route.chosen} serves every request: a table has nothing to route."
        yield Reason(kind="one class", text=text, numbers={"classes": 1}, decides=True)


def _one_choice(table: Table) -> Iterator[Reason]:
    chosen = {route.chosen for route in table.routes.values()}
    if len(table.routes) > 1 and len(chosen) == 1:
        (name,) = chosen
        text = f"Every class chose {name}: use {name} alone, which needs no table."
        yield Reason(kind="one choice", text=text, numbers={"classes": len(table.routes)}, decides=True)


def _dominated(scene: Scene) -> Iterator[Reason]:
    """The most accurate of those that cost no more and are no worse on what was measured."""
    one = next((one for one in scene.ranked if one.dominates and not one.gaps), None)
    if one is not None:
        found = told(one, scene.of)
        low, high = found.more_wrong_interval
        risk = wrong_words(-found.more_wrong, (-high, -low))
        text = f"Always {one.candidate}{_no_dearer(found)} is no worse than the table: {risk}. Use it alone."
        numbers: dict[str, Number] = {"candidate": one.candidate, "more_wrong_per_1000": -found.more_wrong}
        numbers |= {} if found.saved_usd is None else {"saved_usd": -found.saved_usd}
        yield Reason(kind="dominated", text=text, numbers=numbers, decides=True)


def _no_dearer(found: Told) -> str:
    if found.saved_usd is None:
        return ""
    counted = ", its wrong answers counted," if found.counted else ""
    return f" costs {saved_words(found)} less {found.per}{counted} and" if found.saved_usd else " costs the same and"


def _too_little(scene: Scene) -> Iterator[Reason]:
    """A saving per month that is next to nothing, or less than a monthly eval would cost; it must be all there is."""
    of, against, spend_usd = scene.of, scene.against, scene.spend_usd
    if against is None or not of.by_volume or against.right.mean > 0 or against.dominates:
        return
    found, requests = told(against, of), sum(of.requests.values())
    if found.saved_usd is None or found.saved_usd < 0:
        return
    numbers: dict[str, Number] = {"saved_usd_per_month": found.saved_usd, "requests_per_month": requests}
    head = (
        f"At {count(round(requests))} requests a month the table saves {saved_words(found)} a month against always "
        f"{against.candidate}"
    )
    if found.saved_usd < LITTLE_USD:
        yield Reason(kind="volume", text=f"{head}: less than {usd(LITTLE_USD)}.", numbers=numbers, decides=True)
    elif spend_usd is not None and found.saved_usd < spend_usd:
        needed = break_even(spend_usd, exact(against.saved_in_all.mean))
        text = (
            f"{head}, less than the evaluation costs ({usd(spend_usd)}): run once a month, it pays from "
            f"{plural(needed, 'request')} a month."
        )
        yield Reason(kind="eval cost", text=text, numbers=numbers | {"break_even_requests": needed}, decides=True)


def _small_classes(scene: Scene) -> Iterator[Reason]:
    """Classes whose own saving is next to nothing, against the constant or else the top rung where it was run."""
    of, classes = scene.of, len(scene.table.routes)
    small = [(name, saved) for name, saved in _class_savings(scene) if 0 <= saved < LITTLE_USD]
    if not small:
        return
    said = ", ".join(f"{name} {usd(saved)} ({count(round(of.requests[name]))} requests)" for name, saved in small)
    saves = plural(len(small), f"of {classes} classes saves", f"of {classes} classes save")
    text = f"{saves} less than {usd(LITTLE_USD)} a month: {said}."
    yield Reason(kind="volume", text=text, numbers=dict(small), decides=False)


def _class_savings(scene: Scene) -> Iterator[tuple[str, Decimal]]:
    other = scene.against.candidate if scene.against else scene.table.ladder[-1]
    for route in priced(scene.table):
        theirs, ours = evidence_for(route, other), chosen_evidence(route)
        if route.task_class not in scene.of.requests or theirs is None or ours is None or other == route.chosen:
            continue
        if theirs.cost_per_case_usd is not None and ours.cost_per_case_usd is not None:
            saved = theirs.cost_per_case_usd - ours.cost_per_case_usd
            yield route.task_class, saved * exact(scene.of.requests[route.task_class])


def _quality(table: Table) -> Iterator[Reason]:
    critical = [route for route in table.routes.values() if route.stakes.quality_critical]
    for route in critical:
        text, numbers = _strongest(route, table)
        decides = len(critical) == len(table.routes)
        yield Reason(kind="quality critical", text=text, numbers=numbers, decides=decides, task_class=route.task_class)


def _strongest(route: Route, table: Table) -> tuple[str, dict[str, Number]]:
    head = f"{route.task_class} is quality critical: do not save on it."
    passing = [one for one in route.evidence if one.judgement.verdict.passes]
    not_run = [name for name in table.ladder if evidence_for(route, name) is None]
    rest = f" {', '.join(not_run)} {'was' if len(not_run) == 1 else 'were'} not run on it." if not_run else ""
    if not passing:
        return f"{head} Nothing has passed its bar yet.{rest}", {}
    best = max(passing, key=lambda one: (one.judgement.score or 0.0, table.ladder.index(one.candidate)))
    numbers: dict[str, Number] = {"strongest": best.candidate, "score": best.judgement.score or 0.0}
    verdict = f"of those that passed, the strongest is {best.candidate} ({_scored(best)})"
    if best.candidate == route.chosen:
        return f"{head} The table serves it by {route.chosen}; {verdict}.{rest}", numbers
    chosen = evidence_for(route, route.chosen)
    serves = f"{route.chosen} ({_scored(chosen)})" if chosen else route.chosen
    return f"{head} The table serves it by {serves}; {verdict}: use that.{rest}", numbers


def _scored(one: Evidence) -> str:
    cost = "" if one.cost_per_case_usd is None else f", {usd(one.cost_per_case_usd * THOUSAND)} per 1,000 requests"
    return f"score {percent(one.judgement.score or 0.0)}{cost}"
