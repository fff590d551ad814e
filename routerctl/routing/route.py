"""An inquiry and the table -> an answer and the decision that says why.

Reads in the order in which things happen: the class is named, its route gives the steps, each step's places are asked
until one replies, its reply is accepted or the next step is asked, all before one deadline. Place: the request line; it
needs routes.yaml, and nothing of the evaluation line.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from routerctl.classify.decide import decision_of
from routerctl.errors import BudgetSpent, EveryRungFailed, InputError, ModelNotFound, OverBudget
from routerctl.providers.pins import foreign_words
from routerctl.routing.hops import OVER_BUDGET, SKIPPED, Deadline, Line, Tried, ask_hedged, ask_spot, idle_hop
from routerctl.routing.name_class import judged, named
from routerctl.routing.steps import (
    Spot,
    Step,
    allowed_regions,
    own_spot,
    redirect,
    regions_words,
    spots_of,
    steps_of,
)
from routerctl.strategies.confidence import delivered_of_answer, first_below, signal_values
from routerctl.types import Answer, Decision, Hop, Inquiry, Table

_NO_PLACE = "has no place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What one inquiry got."""

    answer: Answer
    decision: Decision
    alarms: tuple[str, ...]  # what a person must look at: another model than the pinned one, a retired one


class AllRungsFailed(EveryRungFailed):
    """Every rung of a route failed; `decision` tells the hops."""

    def __init__(self, decision: Decision, alarms: tuple[str, ...] = ()) -> None:
        self.decision, self.alarms = decision, alarms
        said = "; ".join(f"{hop.candidate}: {hop.detail}" for hop in decision.hops if hop.detail)
        super().__init__(f"every rung of {decision.task_class} failed: {said or 'no time was left'}")


class NoBudgetLeft(BudgetSpent):
    """No rung of a route could be paid for; `decision` tells the hops."""

    def __init__(self, decision: Decision, alarms: tuple[str, ...] = ()) -> None:
        self.decision, self.alarms = decision, alarms
        said = next(hop.detail for hop in decision.hops if hop.outcome == OVER_BUDGET)
        super().__init__(f"{decision.task_class} is not served: {said}")


class NoPlaceAllowed(InputError):
    """The residency rules leave no place to any rung of a route; `decision` tells the hops."""

    def __init__(self, decision: Decision, alarms: tuple[str, ...] = ()) -> None:
        self.decision, self.alarms = decision, alarms
        said = next(hop.detail for hop in decision.hops if hop.why != "classify")
        super().__init__(f"{decision.task_class}: no rung of its route may answer{said.removeprefix(_NO_PLACE)}")


UNSERVED = (AllRungsFailed, NoBudgetLeft, NoPlaceAllowed)  # each with its decision


async def route(table: Table, line: Line, inquiry: Inquiry) -> Routed:
    """Serve one inquiry.

    Raises: InputError; those of `UNSERVED` naming what each rung said, `decision` holding the hops.
    """
    began = line.clock()
    deadline = line.deadline(table.routing.deadline_s)
    by, hops = await named(table, line.paid_by(inquiry, None), inquiry, deadline)
    decision = replace(
        decision_of(table, by),
        id=line.new_id(),
        decision_s=line.clock() - began,
        arm=line.arm,
        unit=line.unit,
        propensity=_propensity(line, by.task_class, table),
    )
    paid = line.paid_by(inquiry, by.task_class)
    serving = _Serving(table, paid, inquiry, decision=decision, deadline=deadline, hops=hops)
    answer = await serving.answer()
    whole = replace(decision, hops=tuple(serving.hops), total_s=line.clock() - began)
    if answer is None:
        raise serving.failure()(whole, tuple(serving.alarms))
    return Routed(answer=answer, decision=whole, alarms=tuple(serving.alarms))


def _propensity(line: Line, task_class: str, table: Table) -> float:
    """The chance of the class's first rung: the arm's share, unless the other arm chooses the same."""
    other = line.rival.routes.get(task_class) if line.rival else None
    same = other is not None and other.rungs[:1] == table.routes[task_class].rungs[:1]
    return 1.0 if same else line.propensity


class _Serving:
    """One inquiry on its way down its route."""

    def __init__(
        self, table: Table, line: Line, inquiry: Inquiry, *, decision: Decision, deadline: Deadline, hops: list[Hop]
    ) -> None:
        self._table, self._line, self._inquiry, self._deadline = table, line, inquiry, deadline
        self._route = table.routes[decision.task_class]
        self._allowed = allowed_regions(table.routing.residency, inquiry, decision.task_class)
        self._steps = deque(steps_of(table, decision, line.today()))
        self._forbidden = False
        self._passed_by: list[tuple[Step, Spot]] = []  # not called because something was known against them
        self.hops = hops
        self.alarms: list[str] = []

    async def answer(self) -> Answer | None:
        """Ask step by step; None where nobody replied."""
        if not any(self._spots(step) for step in self._steps):
            self._forbid()
        why, kept = "first", None
        while self._steps and not self._deadline.is_over():
            step = self._steps.popleft()
            self.alarms += step.notes
            tried = await self._step(step, why if step.why == "fallback" else step.why)
            if not tried or tried[-1].answer is None:
                why = "fallback"
                self._redirect(step, tried)
                self._save(tried)
                continue
            signal = await self._doubt(step, tried[-1].answer)
            if signal is None:
                return tried[-1].answer
            kept, why = tried[-1], "escalation"
        if kept is None:
            return await self._last_resort()
        return self._served_anyway(kept)

    def failure(self) -> type[AllRungsFailed | NoBudgetLeft | NoPlaceAllowed]:
        """Say what it is that there is no answer."""
        if self._forbidden:
            return NoPlaceAllowed
        return NoBudgetLeft if any(hop.outcome == OVER_BUDGET for hop in self.hops) else AllRungsFailed

    def _forbid(self) -> None:
        """Note of every step that no place of it may answer."""
        self._forbidden = True
        for step in self._steps:
            spot, against = own_spot(self._table, self._table.candidates[step.candidate]), regions_words(self._allowed)
            self.hops.append(idle_hop(spot, SKIPPED, f"{_NO_PLACE} in {against}", step.why))
        self._steps.clear()

    def _spots(self, step: Step) -> tuple[Spot, ...]:
        own = own_spot(self._table, self._table.candidates[step.candidate])

        def median_s(provider: str, model: str) -> float | None:
            measured = self._line.watch.latency_s(provider, model, 0.5)
            return measured or (self._evidence_s(own, 0.5) if (provider, model) == own.key else None)

        return spots_of(self._table, step, self._allowed, median_s)

    async def _step(self, step: Step, why: str) -> list[Tried]:
        """Ask a step's places until one replies; give those that were asked, the one that counts last."""
        spots, tried = self._spots(step), list[Tried]()
        asked: set[tuple[str, str]] = set()
        for number, spot in enumerate(spots):
            if self._deadline.is_over():
                break
            if spot.key in asked:  # as the other half of a hedge
                continue
            more = len(spots) > number + 1 or bool(self._steps)
            against = self._line.speaks_against(spot, spill=more and self._table.routing.spill)
            if against:
                self._pass_by(step, spot, against, why)
                continue
            ended = await self._ask(spot, spots[number + 1 :], why, more=more)
            self.hops += [one.hop for one in ended]
            asked |= {(one.hop.provider, one.hop.model) for one in ended}
            tried, why = [*tried, *ended], "fallback"
            if ended[-1].answer:
                self._check_pin(ended[-1].hop, ended[-1].answer)
                break
            if isinstance(ended[-1].problem, OverBudget):  # so is the same model elsewhere, as cheap or dearer
                break
        return tried

    def _pass_by(self, step: Step, spot: Spot, against: str, why: str) -> None:
        self.hops.append(idle_hop(spot, SKIPPED, against, why))
        if all(spot.key != other.key for _, other in self._passed_by):
            self._passed_by.append((step, spot))

    async def _ask(self, spot: Spot, others: Sequence[Spot], why: str, *, more: bool) -> tuple[Tried, ...]:
        """Ask a place; `others`: of the same model, for a hedge."""
        await self._line.make_ready(spot, self._deadline)
        until = self._deadline.share() if more else self._deadline.at

        async def ask(at: Spot, because: str) -> Tried:
            await self._line.make_ready(at, self._deadline)
            return await ask_spot(self._line, self._route, at, self._inquiry.prompt, until=until, why=because)

        after_s = self._p95_s(spot) if self._table.routing.hedge else None
        if after_s is None:
            return (await ask(spot, why),)
        spill = self._table.routing.spill

        def other() -> Spot:
            return next((one for one in others if not self._line.speaks_against(one, spill=spill)), spot)

        return await ask_hedged(ask, spot, other, why, after_s)

    def _p95_s(self, spot: Spot) -> float | None:
        """The place's measured p95, else that of the candidate's evidence."""
        return self._line.watch.latency_s(*spot.key, 0.95) or self._evidence_s(spot, 0.95)

    def _evidence_s(self, spot: Spot, share: float) -> float | None:
        """The quantile of a candidate's latency in its evidence; None: it was not run on this class."""
        evidence = next((one for one in self._route.evidence if one.candidate == spot.candidate.name), None)
        if evidence is None:
            return None
        return evidence.latency_p95_s if share > 0.5 else evidence.latency_p50_s

    def _check_pin(self, hop: Hop, answer: Answer) -> None:
        served = {reply.served_model for reply in answer.replies} - {hop.model}
        if served:
            self.alarms.append(foreign_words(hop.candidate, hop.model, served))

    def _redirect(self, step: Step, tried: Sequence[Tried]) -> None:
        """Put the successor next where a place no longer has the model, as it said now or said to a probe."""
        gone = [f"is not found at {one.hop.provider}" for one in tried if isinstance(one.problem, ModelNotFound)]
        gone += [f"{since} at {spot.key[0]}" for spot in self._spots(step) if (since := self._retired(spot))]
        if gone:
            model = self._table.candidates[step.candidate].model
            instead = redirect(self._table, replace(step, notes=()), f"{model} {gone[0]}")
            self._put_first([instead] if instead else [])

    def _retired(self, spot: Spot) -> str | None:
        return self._line.watch.retired(*spot.key)

    def _save(self, tried: Sequence[Tried]) -> None:
        """Put the candidates next that may serve over the cap of a budget that has no room."""
        problem = tried[-1].problem if tried else None
        if isinstance(problem, OverBudget):
            self._put_first([Step(candidate=name, why="budget") for name in problem.cheap])

    def _put_first(self, steps: Sequence[Step]) -> None:
        """Put steps next, but for those that were asked; to name the class or to be skipped is not to be asked."""
        asked = {hop.candidate for hop in self.hops if hop.why != "classify" and hop.outcome != SKIPPED}
        first = [step for step in steps if step.candidate not in asked]
        names = {step.candidate for step in first}
        self._steps = deque([*first, *(step for step in self._steps if step.candidate not in names)])

    async def _doubt(self, step: Step, answer: Answer) -> str | None:
        """Name the signal that is below its threshold, where there is a next step to ask."""
        if not step.below:
            return None
        more = any(self._spots(after) for after in self._steps)
        # A judge costs a call: it is asked only where its word can change what is served.
        below = {name: least for name, least in step.below.items() if more or name != "judge"}
        values, detail = await self._values(below, answer)
        signal = first_below(values, below) if more else None
        outcome = "served"
        if signal is not None:
            outcome, detail = "not confident", f"{signal} is {values[signal]:.3g}, below {below[signal]:g}"
        self.hops[-1] = replace(self.hops[-1], outcome=outcome, detail=detail, confidence=values)
        return signal

    async def _values(self, below: Mapping[str, float], answer: Answer) -> tuple[Mapping[str, float], str]:
        """Measure the signals that have a threshold; give them, and why a judge gave no verdict."""
        delivered, detail = delivered_of_answer(answer, self._route.reply, self._route.scorer), ""
        if "judge" in below:
            said = await judged(self._table, self._line, self._route, self._inquiry, answer, self._deadline)
            delivered, detail = replace(delivered, judge_score=said.value), said.detail
            self.hops[-1] = replace(self.hops[-1], cost_usd=self.hops[-1].cost_usd + said.cost_usd)
        if "schema" in below:  # a schema with a costly pattern is given seconds, in which others are served
            return await asyncio.to_thread(signal_values, delivered, below), detail
        return signal_values(delivered, below), detail

    def _served_anyway(self, kept: Tried) -> Answer | None:
        """Serve the last reply that was not confident: everybody above it failed."""
        place = max(number for number, hop in enumerate(self.hops) if hop.outcome == "not confident")
        hop = self.hops[place]
        self.hops[place] = replace(hop, outcome="served", detail=f"{hop.detail}; served, since everybody after failed")
        self.alarms.append(f"{hop.candidate} was not confident ({hop.detail}), but nobody after it replied")
        return kept.answer

    async def _last_resort(self) -> Answer | None:
        """Ask whom something was known against: better than nobody."""
        for number, (_, spot) in enumerate(self._passed_by):
            if self._deadline.is_over():
                return None
            more = len(self._passed_by) > number + 1
            (tried,) = (await self._ask(spot, (), "fallback", more=more))[-1:]
            self.hops.append(tried.hop)
            if tried.answer:
                self._check_pin(tried.hop, tried.answer)
                return tried.answer
        return None
