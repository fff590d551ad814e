"""A table, its runs and what was counted of the log -> both sides of a drift report: baselines and windows.

Which baseline is fair. The served id is held against the pin, always, of whoever served. A score on the eval set is
held against the score on the same cases. What depends on what people ask (latency, cost, refusals, feedback, the mix of
classes) is held against earlier traffic, since prompts of an eval set have other lengths and subjects. Where there is
too little earlier traffic, refusals, latency and cost are held against the eval set's all the same, but latency and
cost only as far as that is fair: prompts of traffic are easily half as long again or half as long, so only more than
twice counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

from routerctl.evaluation.evidence import Evidences, case_costs
from routerctl.monitoring.drift import ClassBaseline, Floors, Spread, Tail, TailLimits, Window, limits
from routerctl.monitoring.drift.reruns import Rerun, Reruns
from routerctl.monitoring.warehouse import ClassCounts, Histogram, ServedRequests
from routerctl.types import Candidate, Evidence, Route, Table

LEAST_TRAFFIC = 100  # earlier requests from which a class's own traffic is its baseline
FEEDBACK = " (feedback)"  # no class has such a name
BY = " (by {})"  # likewise: what another candidate of the table served of a class
_OF_TRAFFIC = Floors()
_OF_EVALS = Floors(slower=1.0, dearer=1.0)
_MICRO, _NANO = 1e6, 1e9


@dataclass(slots=True, kw_only=True)
class Sides:
    """What is compared, by class and by class with `FEEDBACK` or `BY`, and where each baseline is from."""

    baselines: dict[str, ClassBaseline] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)
    of_evals: list[str] = field(default_factory=list)  # classes whose latency and cost are held against the eval set's
    shadows: dict[str, str] = field(default_factory=dict)  # class -> run
    other_pins: dict[str, int] = field(default_factory=dict)  # class -> requests that its candidate served under others
    named_beside: set[str] = field(default_factory=set)  # what is no class, but compared like one

    def beside(self, name: str, baseline: ClassBaseline, window: Window) -> None:
        """Compare something else of a class."""
        self.baselines[name], self.windows[name] = baseline, window
        self.named_beside.add(name)


def sides_of(
    table: Table,
    before: Mapping[str, ClassCounts],
    now: Mapping[str, ClassCounts],
    evidences: Evidences,
    shadows: Reruns,
) -> Sides:
    """Put both sides together; classes that only the log has are part of the mix."""
    sides = Sides()
    mixed = sum(one.requests for one in before.values()) >= LEAST_TRAFFIC
    for name, route in table.routes.items():
        _add(sides, name, route, table, (before.get(name), now.get(name)), (evidences, shadows.of(name, route)), mixed)
    for name in {*before, *now} - set(table.routes):
        sides.windows[name] = Window(requests=now[name].requests if name in now else 0)
        if mixed and name in before:
            sides.baselines[name] = ClassBaseline(candidate="", pin="", requests=before[name].requests)
    return sides


def _add(
    sides: Sides,
    name: str,
    route: Route,
    table: Table,
    counts: tuple[ClassCounts | None, ClassCounts | None],
    measured: tuple[Evidences, Rerun | None],
    mixed: bool,
) -> None:
    candidate, (evidences, shadow) = table.candidates[route.chosen], measured
    earlier, current = (_own(one, candidate) for one in counts)
    usual = counts[0].requests if counts[0] and mixed else 0
    baseline, floors = _baseline(route, candidate, earlier, usual, shadow, evidences)
    baseline, diverted = _fates(baseline, route, counts)
    sides.baselines[name] = baseline
    sides.windows[name] = _window(counts[1], current, diverted, shadow, limits(baseline, floors))
    if floors is _OF_EVALS and current.replies:
        sides.of_evals.append(name)
    if shadow:
        sides.shadows[name] = shadow.run_id
    served = counts[1].served if counts[1] else {}
    others = sum(
        one.replies for (who, pin), one in served.items() if who == candidate.name and not _is_pin(candidate, pin)
    )
    if others:
        sides.other_pins[name] = others
    _add_beside(sides, name, candidate, table, counts[1])
    if earlier.rated and current.rated:
        baseline = ClassBaseline(
            candidate=candidate.name, pin=candidate.model, cases=earlier.rated, passes=earlier.good, flattered=False
        )
        sides.beside(name + FEEDBACK, baseline, Window(cases=current.rated, passes=current.good))


def _add_beside(sides: Sides, name: str, candidate: Candidate, table: Table, counts: ClassCounts | None) -> None:
    """Hold what other candidates of the table served of a class against their own pins."""
    names = {who for who, _ in counts.served} if counts else set()
    for who in sorted(names & set(table.candidates) - {candidate.name}):
        other = table.candidates[who]
        window = Window(served=_own(counts, other).models)
        sides.beside(name + BY.format(who), ClassBaseline(candidate=who, pin=other.model), window)


# --- whose requests ---------------------------------------------------------------------------------------------------


def _is_pin(candidate: Candidate, pin: str) -> bool:
    """Whether a model id that was asked for is the table's; "" is what an old log has, where it is not known."""
    return pin in ("", candidate.model, *(place.model for place in candidate.also))


def _own(counts: ClassCounts | None, candidate: Candidate) -> ServedRequests:
    """What a candidate served under the table's pin, wherever; a model id that is right there is called by the pin."""
    found = [
        _called(one, candidate.model, pin or candidate.model)
        for (name, pin), one in (counts.served if counts else {}).items()
        if name == candidate.name and _is_pin(candidate, pin)
    ]
    return reduce(ServedRequests.__add__, found, ServedRequests())


def _called(one: ServedRequests, pin: str, asked: str) -> ServedRequests:
    models: dict[str, int] = {}
    for model, number in one.models.items():
        name = pin if model == asked else model
        models[name] = models.get(name, 0) + number
    return ServedRequests(models=models) + ServedRequests(
        replies=one.replies,
        refused=one.refused,
        rated=one.rated,
        good=one.good,
        latency_us=one.latency_us,
        cost_nano_usd=one.cost_nano_usd,
    )


# --- the two sides of one class ---------------------------------------------------------------------------------------


def _baseline(
    route: Route,
    candidate: Candidate,
    earlier: ServedRequests,
    requests: int,
    shadow: Rerun | None,
    evidences: Evidences,
) -> tuple[ClassBaseline, Floors]:
    evidence = next((one for one in route.evidence if one.candidate == route.chosen), None)
    latency: Spread | None
    cost: Spread | None
    of_traffic = min(earlier.latency_us.n, earlier.cost_nano_usd.n) >= LEAST_TRAFFIC
    if of_traffic:
        replies, refused = earlier.replies, earlier.refused
        latency, cost = _spread(earlier.latency_us, _MICRO), _spread(earlier.cost_nano_usd, _NANO)
    else:
        replies = evidence.judgement.cases - evidence.failed if evidence else 0
        refused = evidence.refused if evidence else 0
        latency, cost = _measured(route, evidence, evidences)
    baseline = ClassBaseline(
        candidate=route.chosen,
        pin=candidate.model,
        cases=shadow.before_cases if shadow else 0,
        passes=shadow.before_passes if shadow else 0,
        replies=replies,
        refused=refused,
        latency=latency,
        cost=cost,
        requests=requests,
    )
    return baseline, _OF_TRAFFIC if of_traffic else _OF_EVALS


def _fates(
    baseline: ClassBaseline, route: Route, counts: tuple[ClassCounts | None, ClassCounts | None]
) -> tuple[ClassBaseline, int]:
    """Add who answered earlier; and give how many requests of the window another one served, to be held against it.

    Where there is too little earlier traffic, the failed calls of the eval set say how often nobody or another one has
    to serve; it knows nothing of escalations, which are then not counted.
    """
    earlier, now = counts
    if earlier and earlier.requests >= LEAST_TRAFFIC:
        known = replace(baseline, asked=earlier.requests, unanswered=earlier.unanswered, diverted=earlier.diverted)
        return known, now.diverted if now else 0
    evidence = next((one for one in route.evidence if one.candidate == route.chosen), None)
    asked, failed = (evidence.judgement.cases, evidence.failed) if evidence else (0, 0)
    known = replace(baseline, asked=asked, unanswered=failed, diverted=failed)
    return known, now.diverted - now.escalated if now else 0


def _spread(values: Histogram, unit: float) -> Spread:
    return Spread(n=values.n, p50=values.quantile(0.5) / unit, p95=values.quantile(0.95) / unit)


def _measured(route: Route, evidence: Evidence | None, evidences: Evidences) -> tuple[Spread | None, Spread | None]:
    """Latency and cost on the eval set: of its run where that is here, else the table's two quantiles of latency."""
    if evidence is None:
        return None, None
    results = evidences.results(route.run_id, route.task_class, route.chosen)
    fresh = [one.latency_s for one in results if one.latency_s is not None]
    latency = _ranked(fresh)
    if latency is None and evidence.latency_p50_s is not None and evidence.latency_p95_s is not None:
        n = evidence.judgement.cases - evidence.failed
        latency = Spread(n=n, p50=evidence.latency_p50_s, p95=evidence.latency_p95_s)
    return latency, _ranked(case_costs(results).costs)


def _ranked(values: Sequence[float]) -> Spread | None:
    ordered, n = sorted(values), len(values)
    if not n:
        return None
    return Spread(n=n, p50=ordered[math.ceil(0.5 * n) - 1], p95=ordered[math.ceil(0.95 * n) - 1])


def _window(
    counts: ClassCounts | None, current: ServedRequests, diverted: int, shadow: Rerun | None, least: TailLimits
) -> Window:
    return Window(
        requests=counts.requests if counts else 0,
        unanswered=counts.unanswered if counts else 0,
        diverted=diverted,
        served=current.models,
        cases=shadow.cases if shadow else 0,
        passes=shadow.passes if shadow else 0,
        pairs=shadow.pairs if shadow else None,
        replies=current.replies,
        refused=current.refused,
        latency=_tail(current.latency_us, _MICRO, (least.slow_p50_s, least.slow_p95_s, None)),
        cost=_tail(current.cost_nano_usd, _NANO, (least.dear_p50_usd, least.dear_p95_usd, least.cheap_p50_usd)),
    )


def _tail(values: Histogram, unit: float, least: tuple[float | None, float | None, float | None]) -> Tail | None:
    above_p50, above_p95, below_p50 = (None if one is None else one * unit for one in least)
    if not values.n:
        return None
    return Tail(
        n=values.n,
        above_p50=0 if above_p50 is None else values.above(above_p50),
        above_p95=0 if above_p95 is None else values.above(above_p95),
        below_p50=0 if below_p50 is None else values.below(below_p50),
        p50=values.quantile(0.5) / unit,
        p95=values.quantile(0.95) / unit,
        mean=values.mean / unit,
    )
