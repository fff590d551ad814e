"""Turns cells of a decision log and a changed table's choices into cost and quality, and says what each rests on.

For each class the changed table chooses one candidate. What the log has of that candidate is used, weighted by the
inverse of the chance it had. Where it had none, cost is modelled: what the candidates that did serve cost in traffic,
times the ratio of both candidates' costs on the eval set. Quality is never modelled: a score on an eval set is not one
in traffic; without overlap it is not known, and said to be so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal

from routerctl.evaluation.evidence import Evidences, case_costs
from routerctl.monitoring.replay.cells import Cell, CostEvidence
from routerctl.statistics.weighting import (
    Weighted,
    amount_interval,
    combine,
    ips_mean,
    ratio_interval,
    share_interval,
    weighted,
)
from routerctl.types import Table

LEVEL = 0.95
# How far a ratio of costs in traffic may be from the ratio on the eval set, as a standard deviation of its logarithm:
# prompts and replies of traffic have other lengths. An assumption, said beside each modelled figure.
TRANSFER = 0.2
BARE_TRANSFER = 0.5  # the same for the eval set's cost itself, where nobody's cost on both sides is known
LEAST_SEEN = 30  # decisions of a candidate, among those of others, from which its costs are taken from the log alone


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateBasis:
    """The requests of a class by what their estimate rests on; they add up to all of its requests."""

    matched: int = 0  # the same candidate was chosen: measured
    weighted: int = 0  # another one was, but the same policy gave this one a chance: measured by inverse propensity
    carried: int = 0  # a policy without a chance for it: taken to be like the requests where it had one
    modelled: int = 0  # cost only: it was never chosen here, the eval set's costs stand for it
    unknown: int = 0  # nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanEstimate:
    """A mean per request with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassReplay:
    """What a changed table does to one class."""

    task_class: str
    candidate: str | None  # the changed table's choice; None: it has no route for the class
    requests: int
    logged_usd: float  # measured mean per request, as logged
    logged_score: float | None  # likewise; None: nothing was scored
    cost_usd: MeanEstimate | None  # mean per request that as many requests will be measured to have; None: unknown
    cost_ips_usd: float | None  # plain inverse-propensity figure over the policies with a chance, for comparison
    cost_basis: EstimateBasis
    score: MeanEstimate | None  # true mean; None: it cannot be known from this log
    scored: int  # scores that it rests on
    score_basis: EstimateBasis


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a changed table would have done with a log."""

    classes: tuple[ClassReplay, ...]  # in the order of their names
    requests: int
    logged_usd: Decimal  # all requests, as logged
    cost_usd: tuple[Decimal, Decimal, Decimal] | None  # value, low, high for all requests; None: a class is unknown
    cost_basis: EstimateBasis
    score: MeanEstimate | None  # over the requests whose quality is known; None: over none
    score_bounds: tuple[float, float]  # over all requests, whatever the unknown part is like
    score_basis: EstimateBasis
    level: float

    def share(self, requests: int) -> float:
        """A part of the requests as a share of all."""
        return requests / self.requests if self.requests else 0.0


def replay_log(
    cells: Iterable[Cell],
    choices: Mapping[str, str],
    evidence: Mapping[tuple[str, str], CostEvidence] | None = None,
    *,
    level: float = LEVEL,
) -> Replay:
    """Estimate what a table with these choices (class -> candidate) would have cost, and how good it would have been.

    `evidence`: (class, candidate) -> costs on the eval set. Intervals of cost are for what as many requests will be
    measured to cost, intervals of quality for the true mean.

    Raises: ValueError where a propensity is not in (0, 1].
    """
    by_class: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.requests:
            by_class.setdefault(cell.task_class, []).append(cell)
    known = evidence or {}
    classes = tuple(_class(name, by_class[name], choices.get(name), known, level) for name in sorted(by_class))
    return _whole(classes, level)


def _class(
    name: str,
    cells: Sequence[Cell],
    candidate: str | None,
    evidence: Mapping[tuple[str, str], CostEvidence],
    level: float,
) -> ClassReplay:
    own = _with_chances([cell for cell in cells if cell.candidate == candidate])
    requests, scored = sum(cell.requests for cell in cells), sum(cell.scored for cell in cells)
    modelled = None if candidate is None else _modelled(name, cells, candidate, evidence, level)
    priced = [cell for cell in own if cell.price is not None]
    cost, cost_basis = _cost(cells, priced, modelled, level)
    score, score_basis = _score(cells, own, level)
    return ClassReplay(
        task_class=name,
        candidate=candidate,
        requests=requests,
        logged_usd=math.fsum(cell.cost_usd for cell in cells) / requests,
        logged_score=math.fsum(cell.score for cell in cells) / scored if scored else None,
        cost_usd=cost,
        cost_ips_usd=ips_mean([cell.costs for cell in priced], _reach(cells, priced)) if priced else None,
        cost_basis=cost_basis,
        score=score,
        scored=sum(cell.scored for cell in own),
        score_basis=score_basis,
    )


def _with_chances(own: Sequence[Cell]) -> list[Cell]:
    """The candidate's cells with its whole chance: where several arms of a policy chose it, each of them counts."""
    arms: dict[str, dict[str, float]] = {}
    for cell in own:
        of_policy = arms.setdefault(cell.policy, {})
        of_policy[cell.arm] = max(of_policy.get(cell.arm, 0.0), cell.propensity)
    return [
        replace(cell, propensity=min(1.0, math.fsum(arms[cell.policy].values())))
        if len(arms[cell.policy]) > 1
        else cell
        for cell in own
    ]


def _reach(cells: Sequence[Cell], own: Sequence[Cell]) -> int:
    """Requests of the policies that gave the candidate a chance."""
    policies = {cell.policy for cell in own}
    return sum(cell.requests for cell in cells if cell.policy in policies)


def _basis(cells: Sequence[Cell], own: Sequence[Cell]) -> EstimateBasis:
    matched, reach, requests = (sum(cell.requests for cell in own), _reach(cells, own), _requests(cells))
    return EstimateBasis(matched=matched, weighted=reach - matched, carried=requests - reach)


def _requests(cells: Iterable[Cell]) -> int:
    return sum(cell.requests for cell in cells)


# --- cost -------------------------------------------------------------------------------------------------------------


def _cost(
    cells: Sequence[Cell], own: Sequence[Cell], modelled: MeanEstimate | None, level: float
) -> tuple[MeanEstimate | None, EstimateBasis]:
    """Measured where enough was seen or nothing else was asked, else modelled, else measured from the little there is.

    Where the candidate itself was asked every time, all that its requests cost is recorded, however few they are: a
    model of other candidates' costs could only be further from it.
    """
    requests, seen_requests = _requests(cells), _requests(own)
    if own and (seen_requests >= LEAST_SEEN or seen_requests == requests or modelled is None):
        seen = weighted([cell.costs for cell in own])
        low, high = amount_interval(seen, future=requests, level=level)
        if seen_requests == 1 and modelled and modelled.value:  # one amount tells nothing of how amounts differ
            low, high = (seen.mean * bound / modelled.value for bound in (modelled.low, modelled.high))
        return MeanEstimate(value=seen.mean, low=low, high=high), _basis(cells, own)
    if modelled is None:
        return None, EstimateBasis(unknown=requests)
    return modelled, EstimateBasis(modelled=requests)


def _modelled(
    name: str,
    cells: Sequence[Cell],
    candidate: str,
    evidence: Mapping[tuple[str, str], CostEvidence],
    level: float,
) -> MeanEstimate | None:
    """What the most frequent candidate with evidence cost in traffic, times the ratio on the eval set."""
    target = evidence.get((name, candidate))
    if target is None:
        return None
    served = {cell.candidate for cell in cells if (name, cell.candidate) in evidence and cell.candidate != candidate}
    priced = {one: [cell.costs for cell in cells if cell.candidate == one and cell.price is not None] for one in served}
    known = {one: weighted(costs) for one, costs in priced.items() if costs}
    usable = {one: seen for one, seen in known.items() if seen.mean > 0 and evidence[name, one].mean_usd > 0}
    requests = _requests(cells)
    if not usable or target.mean_usd <= 0:
        spread = math.sqrt(_relative(target) + BARE_TRANSFER**2)
        return _around(target.mean_usd, spread, level)
    best = max(sorted(usable), key=lambda one: usable[one].n)
    base, seen = evidence[name, best], usable[best]
    mean = seen.mean * target.mean_usd / base.mean_usd
    later = (seen.deviation / seen.mean) ** 2 / requests
    squares = _relative_of(seen) + _relative(target) + _relative(base) + later + TRANSFER**2
    return _around(mean, math.sqrt(squares), level)


def _relative(evidence: CostEvidence) -> float:
    """The squared relative error of a mean on an eval set."""
    if evidence.mean_usd <= 0:
        return 0.0
    deviation = evidence.mean_usd if evidence.deviation_usd is None else evidence.deviation_usd
    return (deviation / evidence.mean_usd) ** 2 / max(evidence.cases, 1)


def _relative_of(seen: Weighted) -> float:
    return seen.variance / seen.mean**2


def _around(mean: float, spread: float, level: float) -> MeanEstimate:
    low, high = ratio_interval(mean, spread, level=level)
    return MeanEstimate(value=mean, low=low, high=high)


# --- quality ----------------------------------------------------------------------------------------------------------


def _score(cells: Sequence[Cell], own: Sequence[Cell], level: float) -> tuple[MeanEstimate | None, EstimateBasis]:
    scored = [cell for cell in own if cell.scored]
    if not scored:
        return None, EstimateBasis(unknown=_requests(cells))
    seen = weighted([cell.scores for cell in scored])
    low, high = share_interval(seen, level=level)
    return MeanEstimate(value=seen.mean, low=low, high=high), _basis(cells, own)


# --- all classes together ---------------------------------------------------------------------------------------------


def _whole(classes: Sequence[ClassReplay], level: float) -> Replay:
    requests = sum(one.requests for one in classes)
    scored = [(one.requests, one.score) for one in classes if one.score is not None]
    known = sum(count for count, _ in scored)
    score = _together((count / known, estimate) for count, estimate in scored) if known else None
    share = known / requests if requests else 0.0
    least, most = (score.low * share, score.high * share) if score else (0.0, 0.0)
    return Replay(
        classes=tuple(classes),
        requests=requests,
        logged_usd=_dollars(math.fsum(one.logged_usd * one.requests for one in classes)),
        cost_usd=_total(classes),
        cost_basis=_added(one.cost_basis for one in classes),
        score=score,
        score_bounds=(max(least, 0.0), min(most + 1 - share, 1.0)),
        score_basis=_added(one.score_basis for one in classes),
        level=level,
    )


def _total(classes: Sequence[ClassReplay]) -> tuple[Decimal, Decimal, Decimal] | None:
    estimates = [(float(one.requests), one.cost_usd) for one in classes if one.cost_usd is not None]
    if len(estimates) < len(classes):
        return None
    whole = _together(estimates)
    return _dollars(whole.value), _dollars(max(whole.low, 0.0)), _dollars(whole.high)


def _together(parts: Iterable[tuple[float, MeanEstimate]]) -> MeanEstimate:
    value, (low, high) = combine((weight, one.value, (one.low, one.high)) for weight, one in parts)
    return MeanEstimate(value=value, low=low, high=high)


def _added(parts: Iterable[EstimateBasis]) -> EstimateBasis:
    kept = tuple(parts)
    return EstimateBasis(**{kind.name: sum(getattr(one, kind.name) for one in kept) for kind in fields(EstimateBasis)})


def _dollars(amount: float) -> Decimal:
    """A float amount, to the nano-dollar."""
    return Decimal(repr(amount)).quantize(Decimal("1e-9"))


def cost_evidence(table: Table, evidences: Evidences) -> Mapping[tuple[str, str], CostEvidence]:
    """Give what each candidate cost on each class's cases, by (class, candidate)."""
    return {
        (name, one.candidate): CostEvidence(
            cases=one.judgement.cases,
            mean_usd=float(one.cost_per_case_usd),
            deviation_usd=case_costs(evidences.results(route.run_id, name, one.candidate)).deviation_usd,
        )
        for name, route in table.routes.items()
        for one in route.evidence
        if one.cost_per_case_usd is not None
    }
