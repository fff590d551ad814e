"""An inquiry and the table -> an answer and the decision that says why.

Reads in the order in which things happen: the class is named, its route gives the steps, each step's places are asked
until one replies, its reply is accepted or the next step is asked, all before one deadline. Place: the request line; it
needs routes.yaml, and nothing of the evaluation line.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from routerctl.confidence import delivered_of_answer, first_below, signal_values
from routerctl.errors import BudgetSpent, EveryRungFailed, ModelNotFound, OverBudget, ProviderError
from routerctl.router.asking import OVER_BUDGET, Line, Tried, ask_hedged, ask_spot, idle_hop, recorded
from routerctl.router.deciding import NOT_ASKED, Named, decision_of, name_class, named_at_once, named_by_guess
from routerctl.router.steps import Spot, Step, allowed_regions, no_place, redirect, spots_of, steps_of
from routerctl.rules import inquiry_text
from routerctl.types import Answer, Decision, Hop, Inquiry, Reply, Table

_SHARE = 0.5  # of the time that is left: what one place may take while there are others to ask


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


async def route(table: Table, line: Line, inquiry: Inquiry) -> Routed:
    """Serve one inquiry.

    Raises: InputError; AllRungsFailed and NoBudgetLeft naming what each rung said, `decision` holding the hops.
    """
    began = line.clock()
    until = began + table.routing.deadline_s if table.routing.deadline_s else math.inf
    named, hops = await _named(table, line.paid_by(inquiry, None), inquiry, until)
    decision = replace(
        decision_of(table, named),
        id=line.new_id(),
        decision_s=line.clock() - began,
        arm=line.arm,
        unit=line.unit,
        propensity=_propensity(line, named.task_class, table),
    )
    paid = line.paid_by(inquiry, named.task_class)
    serving = _Serving(table, paid, inquiry, decision=decision, until=until, hops=hops)
    answer = await serving.answer()
    whole = replace(decision, hops=tuple(serving.hops), total_s=line.clock() - began)
    if answer is None:
        unpaid = any(hop.outcome == OVER_BUDGET for hop in whole.hops)
        raise (NoBudgetLeft if unpaid else AllRungsFailed)(whole, tuple(serving.alarms))
    return Routed(answer=answer, decision=whole, alarms=tuple(serving.alarms))


def _propensity(line: Line, task_class: str, table: Table) -> float:
    """The chance of the class's first rung: the arm's share, unless the other arm chooses the same."""
    other = line.rival.routes.get(task_class) if line.rival else None
    same = other is not None and other.rungs[:1] == table.routes[task_class].rungs[:1]
    return 1.0 if same else line.propensity


async def _named(table: Table, line: Line, inquiry: Inquiry, until: float) -> tuple[Named, list[Hop]]:
    """Name the class; a model that classifies is asked only where neither caller nor rule has named it."""
    asked = table.classifier.candidate if table.classifier else None
    if asked is None:
        return name_class(table, inquiry, line.guesser), []
    named = named_at_once(table, inquiry)
    if named:
        return named, []
    from routerctl.classifier.model import ask_class

    classes = {name: item.description for name, item in table.routes.items()}
    candidate, paid = table.candidates[asked], list[Reply]()
    ask = recorded(line, candidate, paid, until)
    spot = Spot(candidate=candidate, region=candidate.region)
    try:
        task_class = await ask_class(ask, candidate, classes, inquiry_text(inquiry.prompt))
    except (ProviderError, OverBudget) as error:
        hop = idle_hop(spot, type(error).__name__, str(error), "classify")
        return named_by_guess(table, None, NOT_ASKED), [hop]
    hop = replace(
        idle_hop(spot, "classified", "", "classify"),
        served_model=paid[-1].served_model if paid else None,
        cost_usd=sum((reply.cost_usd for reply in paid), Decimal(0)),
        latency_s=sum(reply.latency_s for reply in paid),
        attempts=sum(reply.attempts for reply in paid),
    )
    return named_by_guess(table, task_class, NOT_ASKED), [hop]


class _Serving:
    """One inquiry on its way down its route."""

    def __init__(
        self, table: Table, line: Line, inquiry: Inquiry, *, decision: Decision, until: float, hops: list[Hop]
    ) -> None:
        self._table, self._line, self._inquiry, self._decision, self._until = table, line, inquiry, decision, until
        self._route = table.routes[decision.task_class]
        self._allowed = allowed_regions(table.routing.residency, inquiry, decision.task_class)
        self._steps = deque(steps_of(table, decision, line.today()))
        self._passed_by: list[tuple[Step, Spot]] = []  # not called because something was known against them
        self.hops = hops
        self.alarms: list[str] = []

    async def answer(self) -> Answer | None:
        """Ask step by step; None where nobody replied.

        Raises: InputError where no place may answer.
        """
        if not any(self._spots(step) for step in self._steps):
            raise no_place(self._decision, self._allowed)
        why, kept = "first", None
        while self._steps and not self._late():
            step = self._steps.popleft()
            self.alarms += step.notes
            tried = await self._step(step, why if step.why == "fallback" else step.why)
            if tried is None or tried.answer is None:
                why = "fallback"
                self._redirect(step, tried)
                self._save(tried)
                continue
            signal = await self._doubt(step, tried)
            if signal is None:
                return tried.answer
            kept, why = tried, "escalation"
        if kept is None:
            return await self._last_resort()
        return self._served_anyway(kept)

    def _late(self) -> bool:
        return self._line.clock() >= self._until

    def _spots(self, step: Step) -> tuple[Spot, ...]:
        return spots_of(self._table, step, self._allowed, lambda at, model: self._line.watch.latency_s(at, model, 0.5))

    async def _step(self, step: Step, why: str) -> Tried | None:
        """Ask a step's places until one replies; give the last one asked, None where none was."""
        spots, last = self._spots(step), None
        asked: set[tuple[str, str]] = set()
        for number, spot in enumerate(spots):
            if self._late():
                break
            if spot.key in asked:  # as the other half of a hedge
                continue
            against = self._against(spot, others=len(spots) > number + 1 or bool(self._steps))
            if against:
                self.hops.append(idle_hop(spot, "skipped", against, why))
                self._passed_by.append((step, spot))
                continue
            more = len(spots) > number + 1 or bool(self._steps)
            ended = await self._ask(spot, (*spots[number + 1 :], spot)[0], why, more=more)
            self.hops += [one.hop for one in ended]
            asked |= {(one.hop.provider, one.hop.model) for one in ended}
            last, why = ended[-1], "fallback"
            if last.answer:
                self._check_pin(last.hop, last.answer)
                return last
            if isinstance(
                last.problem, OverBudget
            ):  # so is the same model elsewhere, at the same price or a higher one
                break
        return last

    def _against(self, spot: Spot, *, others: bool) -> str | None:
        """Say what speaks against calling a place now."""
        if others and self._table.routing.spill and self._line.warm and not self._line.warm(*spot.key):
            return "is not loaded yet; it is being loaded"
        if self._line.watch.allows(*spot.key):
            return None
        return self._line.watch.skipped(*spot.key) or "is not well"

    async def _ask(self, spot: Spot, other: Spot, why: str, *, more: bool) -> tuple[Tried, ...]:
        left_s = self._until - self._line.clock()
        until = self._line.clock() + left_s * _SHARE if more and math.isfinite(left_s) else self._until

        async def ask(at: Spot, because: str) -> Tried:
            return await ask_spot(self._line, self._route, at, self._inquiry.prompt, until=until, why=because)

        after_s = self._p95_s(spot) if self._table.routing.hedge else None
        if after_s is None:
            return (await ask(spot, why),)
        return await ask_hedged(ask, spot, other, why, after_s)

    def _p95_s(self, spot: Spot) -> float | None:
        """The place's measured p95, else that of the candidate's evidence."""
        measured = self._line.watch.latency_s(*spot.key, 0.95)
        evidence = next((one for one in self._route.evidence if one.candidate == spot.candidate.name), None)
        return measured or (evidence.latency_p95_s if evidence else None)

    def _check_pin(self, hop: Hop, answer: Answer) -> None:
        for served in sorted({reply.served_model for reply in answer.replies} - {hop.model}):
            self.alarms.append(f"{hop.candidate} is pinned to {hop.model}, but the provider says it served {served}")

    def _redirect(self, step: Step, tried: Tried | None) -> None:
        """Put the successor next where the provider no longer knows the model."""
        if tried and isinstance(tried.problem, ModelNotFound):
            instead = redirect(self._table, step, f"{tried.hop.model} is not found at {tried.hop.provider}")
            if instead and all(hop.candidate != instead.candidate for hop in self.hops):
                self._steps.appendleft(instead)

    def _save(self, tried: Tried | None) -> None:
        """Put the candidates next that may serve over the cap of a budget that has no room."""
        if tried and isinstance(tried.problem, OverBudget):
            asked = {hop.candidate for hop in self.hops}
            cheap = [name for name in tried.problem.cheap if name not in asked]
            rest = [step for step in self._steps if step.candidate not in cheap]
            self._steps = deque([*(Step(candidate=name, why="budget") for name in cheap), *rest])

    async def _doubt(self, step: Step, tried: Tried) -> str | None:
        """Name the signal that is below its threshold, where there is a next step to ask."""
        if not step.below or tried.answer is None:
            return None
        values = await self._values(step.below, tried.answer)
        signal = first_below(values, step.below) if self._steps else None
        outcome, detail = "served", ""
        if signal is not None:
            outcome, detail = "not confident", f"{signal} is {values[signal]:.3g}, below {step.below[signal]:g}"
        self.hops[-1] = replace(self.hops[-1], outcome=outcome, detail=detail, confidence=values)
        return signal

    async def _values(self, below: Mapping[str, float], answer: Answer) -> Mapping[str, float]:
        delivered = delivered_of_answer(answer, self._route.reply, self._route.scorer)
        if "judge" in below:
            delivered = replace(delivered, judge_score=await self._judged(answer))
        if "schema" in below:  # a schema with a costly pattern is given seconds, in which others are served
            return await asyncio.to_thread(signal_values, delivered, below)
        return signal_values(delivered, below)

    async def _judged(self, answer: Answer) -> float | None:
        """Have the class's own judge score the reply; None where it gives no verdict."""
        from routerctl.judge import judge_named, judge_reply
        from routerctl.scorers import Unscorable

        scorer, paid = self._route.scorer, list[Reply]()
        judge = judge_named(scorer, self._table.candidates)
        ask = recorded(self._line, judge, paid, self._until)
        try:
            score, _ = await judge_reply(ask, judge, scorer, self._inquiry.prompt, None, answer.text)
        except (Unscorable, ProviderError, OverBudget):
            return None
        finally:
            cost_usd = sum((reply.cost_usd for reply in paid), self.hops[-1].cost_usd)
            self.hops[-1] = replace(self.hops[-1], cost_usd=cost_usd)
        return score.value

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
            if self._late():
                return None
            more = len(self._passed_by) > number + 1
            (tried,) = (await self._ask(spot, spot, "fallback", more=more))[-1:]
            self.hops.append(tried.hop)
            if tried.answer:
                self._check_pin(tried.hop, tried.answer)
                return tried.answer
        return None
