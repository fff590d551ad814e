"""A decision -> who would be asked in which order, and where: steps (candidates) and their places.

A step is one candidate with the thresholds that its reply has to meet; a cascade is two steps. A place is where a
step's model can be asked. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from routerctl.classify.rules import holds
from routerctl.types import Candidate, Decision, Inquiry, PlaceKey, Price, Residency, Table

Latency = Callable[[str, str], float | None]  # (provider, model) -> measured median seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class RungStep:
    """One candidate to ask; `below`: a signal below its threshold leads to the next step."""

    candidate: str
    below: Mapping[str, float] = field(default_factory=dict)
    why: str = "fallback"  # what it is where it is not the first
    notes: tuple[str, ...] = ()  # what a person should hear, loudly


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place at which a step's model is asked."""

    candidate: Candidate  # with the provider and model id of this place
    region: str | None

    @property
    def key(self) -> PlaceKey:
        """What health is kept of."""
        return PlaceKey(self.candidate.provider, self.candidate.model)


def steps_of(table: Table, decision: Decision, today: date) -> tuple[RungStep, ...]:
    """Give the route's candidates in order, cascades taken apart and retired models replaced by their successors."""
    thresholds = table.routing.thresholds
    of_class = thresholds.get(decision.task_class, thresholds.get("default", {}))
    steps: list[RungStep] = []
    for rung in decision.rungs:
        steps += _of_rung(table, rung, of_class)
    return tuple(_once([_redirected(table, step, today) for step in steps]))


def _of_rung(table: Table, rung: str, of_class: Mapping[str, float]) -> list[RungStep]:
    escalation = table.candidates[rung].escalation
    if escalation is None:
        return [RungStep(candidate=rung, below=of_class)]
    return [
        RungStep(candidate=rung, below={**of_class, **escalation.below}),
        RungStep(candidate=escalation.to, below=of_class),
    ]


def _redirected(table: Table, step: RungStep, today: date) -> RungStep:
    """Follow the successors of retired models; where they lead in a circle, up to the last one before it closes."""
    seen: set[str] = set()
    instead: RungStep | None = step
    while instead and instead.candidate not in seen:
        step = instead
        seen.add(step.candidate)
        model = table.candidates[step.candidate].model
        end = table.retirements.get(model)
        gone = end is not None and date.fromisoformat(end) <= today
        instead = redirect(table, step, f"{model} was retired on {end}") if gone else None
    return step


def redirect(table: Table, step: RungStep, because: str) -> RungStep | None:
    """Give the step that takes the place of one whose model is gone; None where no successor is named."""
    successor = table.routing.successors.get(table.candidates[step.candidate].model)
    if successor is None:
        return None
    note = f"{because}: {step.candidate} is redirected to {successor}; evaluate it and rebuild the table"
    return replace(step, candidate=successor, why="redirect", notes=(*step.notes, note))


def _once(steps: Sequence[RungStep]) -> Iterator[RungStep]:
    """Drop a candidate's second step: what failed or was not confident once is not asked again."""
    seen: set[str] = set()
    for step in steps:
        if step.candidate not in seen:
            seen.add(step.candidate)
            yield step


def places_for(table: Table, step: RungStep, allowed: frozenset[str] | None, latency: Latency) -> tuple[Place, ...]:
    """Give the places of a step, the cheapest first, then the fastest as measured, then as written.

    A place is preferred for what is known of it: among equals one that was never measured comes last, and one whose
    price is by the hour, where the candidate's own is by tokens or the other way round, is not known to be cheaper.
    `allowed`: the regions that may answer; None = all. `latency`: None where nothing was measured.
    """
    candidate = table.candidates[step.candidate]
    places = [own_place(table, candidate)]
    for other in candidate.also:
        elsewhere = replace(
            candidate, provider=other.provider, model=other.model or candidate.model, region=other.region
        )
        places.append(own_place(table, elsewhere))
    kept = [place for place in places if allowed is None or place.region in allowed]
    if len(kept) == 1:
        return tuple(kept)
    own = table.prices.get(step.candidate)

    def order(place: Place) -> tuple[bool, Decimal, bool, float]:
        price, seconds = table.prices.get(f"{step.candidate}@{place.candidate.provider}", own), latency(*place.key)
        return _by_hour(price) != _by_hour(own), _amount(price), seconds is None, seconds or 0.0

    return tuple(sorted(kept, key=order))


def own_place(table: Table, candidate: Candidate) -> Place:
    """Give the place that a candidate names itself."""
    return Place(candidate=candidate, region=candidate.region or table.providers[candidate.provider].region)


def _by_hour(price: Price | None) -> bool:
    return price is not None and price.usd_per_hour is not None


def _amount(price: Price | None) -> Decimal:
    """A place's price as one number, to order by: what a million tokens each way cost, or an hour."""
    if price is None:
        return Decimal(0)
    return (price.input_mtok_usd or Decimal(0)) + (price.output_mtok_usd or Decimal(0)) + (price.usd_per_hour or 0)


def allowed_regions(rules: Sequence[Residency], inquiry: Inquiry, task_class: str | None) -> frozenset[str] | None:
    """Give the regions that may answer an inquiry: those that all residency rules that hold allow; None: any.

    `task_class` None: not known yet, so a rule that is about some classes may be about this inquiry.
    """
    allowed: frozenset[str] | None = None
    for rule in rules:
        of_class = not rule.task_class or task_class is None or task_class in rule.task_class
        if of_class and holds(rule.when, inquiry):
            regions = frozenset(rule.regions)
            allowed = regions if allowed is None else allowed & regions
    return allowed


def regions_words(allowed: frozenset[str] | None) -> str:
    """Name the regions that a residency rule leaves."""
    return f"{', '.join(sorted(allowed or ())) or 'no region at all'} (routing.residency)"
