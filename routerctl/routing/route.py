"""An inquiry and the table -> an answer and the decision that says why.

Reads in the order in which things happen: the class is named, its route gives the steps, each step's places are asked
until one replies, its reply is accepted or the next step is asked, all before one deadline. It needs routes.yaml, and
nothing of `evaluation`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from routerctl.classify.decide import decision_of, named_at_once
from routerctl.errors import BudgetSpent, EveryRungFailed, InputError, KeyMissing, ModelNotFound, OverBudget
from routerctl.routing.context import Context
from routerctl.routing.doubt import doubt, unfinished
from routerctl.routing.hops import OVER_BUDGET, SKIPPED, AskPlace, AskWithTemplate, HopResult, idle_hop
from routerctl.routing.name_class import named
from routerctl.routing.noted_calls import NotedCalls
from routerctl.routing.places import PlaceCaller
from routerctl.routing.steps import RungStep, own_place, redirect, regions_words
from routerctl.scorers import IMPORTED
from routerctl.types import Answer, Decision, Inquiry, PromptSpec, ReplySpec, Route, ScorerSpec, Table

if TYPE_CHECKING:
    from routerctl.routing.tables import Assigned

_NO_PLACE = "has no place"
CALLERS_MODEL = "model named by the caller"  # who decided where no class did
_NO_CLASS = Route(
    task_class="",
    description="",
    bar=0.0,
    chosen="",
    level="best available",
    rungs=(),
    evidence=(),
    run_id="",
    eval_set_digest="",
    prompt=PromptSpec(),
    reply=ReplySpec(),
    scorer=ScorerSpec(name=IMPORTED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What one inquiry got."""

    answer: Answer
    decision: Decision
    table: Table  # that served: the project's, the tier's or an experiment's
    alarms: tuple[
        str, ...
    ]  # what a person must look at: another model than the pinned one, a retired one, half a reply
    unfinished: str = ""  # what the answer lacks to be a whole one; "" = nothing

    @property
    def text(self) -> str:
        """The answer's text."""
        return self.answer.text

    @property
    def cost_usd(self) -> Decimal:
        """What the inquiry cost as far as it is known, hops that gave nothing included."""
        return self.decision.cost_usd

    @property
    def perhaps_usd(self) -> Decimal:
        """What it may have cost beside that, at most: calls whose tokens nobody told."""
        return self.decision.perhaps_usd

    @property
    def refused(self) -> bool:
        """Whether the provider says that the model refused, or the answer begins by refusing."""
        from routerctl.strategies.confidence import is_refusal

        return is_refusal(self.answer)


class AllRungsFailed(EveryRungFailed):
    """Every rung of a route failed; `decision` tells the hops."""

    decision: Decision

    def __init__(self, decision: Decision, alarms: tuple[str, ...] = ()) -> None:
        self.decision, self.alarms = decision, alarms
        super().__init__(_failed_words(decision))


class NoKeySet(InputError):
    """No rung of a route could be asked, as the variables that hold the keys are not set; `decision` tells the hops."""

    decision: Decision

    def __init__(self, decision: Decision, alarms: tuple[str, ...] = ()) -> None:
        self.decision, self.alarms = decision, alarms
        super().__init__(_failed_words(decision))


class NoBudgetLeft(BudgetSpent):
    """No rung of a route could be paid for; `decision` tells the hops."""

    decision: Decision

    def __init__(self, decision: Decision, alarms: tuple[str, ...] = ()) -> None:
        self.decision, self.alarms = decision, alarms
        hops = [hop for hop in decision.hops if hop.detail and hop.why != "classify"]
        alone = all(hop.outcome in (OVER_BUDGET, SKIPPED) for hop in hops)
        short = next(hop.detail for hop in hops if hop.outcome == OVER_BUDGET)
        said = short if alone else "; ".join(f"{hop.candidate}: {hop.detail}" for hop in hops)
        whose = decision.task_class or decision.hops[-1].candidate  # no class where a candidate was asked for
        super().__init__(f"{whose} is not served: {said}")


class NoPlaceAllowed(InputError):
    """The residency rules leave no place to any rung of a route; `decision` tells the hops."""

    decision: Decision

    def __init__(self, decision: Decision, alarms: tuple[str, ...] = ()) -> None:
        self.decision, self.alarms = decision, alarms
        said = next(hop.detail for hop in decision.hops if hop.why != "classify")
        super().__init__(f"{decision.task_class}: no rung of its route may answer{said.removeprefix(_NO_PLACE)}")


UNSERVED = (AllRungsFailed, NoKeySet, NoBudgetLeft, NoPlaceAllowed)  # each with its decision


def _failed_words(decision: Decision) -> str:
    said = "; ".join(f"{hop.candidate}: {hop.detail}" for hop in decision.hops if hop.detail)
    return f"every rung of {decision.task_class} failed: {said or 'no time was left'}"


async def route(
    table: Table,
    context: Context,
    inquiry: Inquiry,
    *,
    assigned: Assigned | None = None,
    calls: NotedCalls | None = None,
    ask: AskPlace | None = None,
    candidate: str | None = None,
    deadline_s: float | None = None,
) -> Routed:
    """Serve one inquiry.

    `assigned`: what serves, where an experiment may decide it; `calls`: of this inquiry, none made yet; `ask`: how a
    place is asked, None: with the class's template; `candidate`: the one that the caller names; `deadline_s`: its own.
    Raises: InputError; those of `UNSERVED` naming what each rung said, `decision` holding the hops.
    """
    began, decision_id = context.clock(), context.new_id()
    deadline = context.deadline(table.routing.deadline_s, deadline_s)
    calls = calls or NotedCalls(context.call, context.most_usd)
    if candidate is None:
        calls.decision = _undecided(table, inquiry, decision_id) if table.classifier else None
        by, hops = await named(table, context, calls, inquiry, deadline)
        decision = decision_of(table, by, decision_id=decision_id, decision_s=context.clock() - began)
        decision = assigned.with_arm(decision) if assigned else decision
    else:
        decision, hops = _of_caller(table, inquiry, candidate, decision_id), []
    calls.decided(decision, hops)
    budgeted = context.with_budget(inquiry, decision.task_class or None)
    asks: AskPlace = AskWithTemplate(inquiry.prompt) if ask is None else ask
    of_class = table.routes.get(decision.task_class) or _NO_CLASS
    caller = PlaceCaller(table, budgeted, calls, inquiry, of_class, ask=asks, deadline=deadline)
    serving = _Serving(table, budgeted, inquiry, decision, caller)
    answer = await serving.answer()
    whole = replace(decision, hops=tuple(caller.hops), total_s=context.clock() - began)
    if answer is None:
        raise serving.failure()(whole, tuple(caller.alarms))
    half = "" if caller.may_be_cut else unfinished(table, caller.route, answer)
    alarms = tuple(filter(None, (*caller.alarms, half)))
    return Routed(answer=answer, decision=whole, table=table, alarms=alarms, unfinished=half)


def _undecided(table: Table, inquiry: Inquiry, decision_id: str) -> Decision:
    """Give what is known before the class is: who asks a classifier pays for it, whatever comes of it."""
    return Decision(
        id=decision_id,
        task_class=inquiry.task_class or table.default_class or next(iter(table.routes)),
        decided_by="classifier",
        rungs=(),
        hops=(),
        table_version=table.table_version,
        table_digest=table.digest,
    )


def _of_caller(table: Table, inquiry: Inquiry, candidate: str, decision_id: str) -> Decision:
    """Give the decision of an inquiry whose caller named the candidate; it has a class where the caller named it, too.

    Raises: InputError for a class that the table does not have.
    """
    by = named_at_once(table, inquiry) if inquiry.task_class is not None else None
    return Decision(
        id=decision_id,
        task_class=by.task_class if by else "",
        decided_by=CALLERS_MODEL,
        rungs=(candidate,),
        hops=(),
        table_version=table.table_version,
        table_digest=table.digest,
    )


class _Serving:
    """One inquiry on its way down its route."""

    def __init__(
        self, table: Table, context: Context, inquiry: Inquiry, decision: Decision, caller: PlaceCaller
    ) -> None:
        self._table, self._context, self._inquiry, self._caller = table, context, inquiry, caller
        self._steps = deque(context.steps_of(table, decision))
        self._forbidden = False

    async def answer(self) -> Answer | None:
        """Ask step by step; None where nobody replied."""
        if self._caller.allowed is not None and not any(self._caller.of(step) for step in self._steps):
            self._forbid()
        why, kept = "first", None
        while self._steps and not self._caller.deadline.is_over():
            step = self._steps.popleft()
            self._caller.alarms += step.notes
            why = why if step.why == "fallback" else step.why
            tried = await self._caller.ask(step, why, after=tuple(self._steps))
            if not tried or tried[-1].answer is None:
                why = "fallback"
                self._redirect(step, tried)
                self._save(tried)
                continue
            answer = tried[-1].answer
            if await doubt(self._table, self._context, self._inquiry, self._caller, step, answer, more=self._more):
                kept, why = tried[-1], "escalation"
                continue
            return answer
        return self._served_anyway(kept) if kept else await self._caller.ask_passed_by()

    def _more(self) -> bool:
        """Tell whether another step could be asked."""
        return any(self._caller.of(after) for after in self._steps)

    def failure(self) -> type[AllRungsFailed | NoKeySet | NoBudgetLeft | NoPlaceAllowed]:
        """Say what it is that there is no answer."""
        if self._forbidden:
            return NoPlaceAllowed
        if {hop.outcome for hop in self._caller.hops if hop.why != "classify"} == {KeyMissing.__name__}:
            return NoKeySet
        return NoBudgetLeft if any(hop.outcome == OVER_BUDGET for hop in self._caller.hops) else AllRungsFailed

    def _forbid(self) -> None:
        """Note of every step that no place of it may answer."""
        self._forbidden = True
        against = f"{_NO_PLACE} in {regions_words(self._caller.allowed)}"
        for step in self._steps:
            place = own_place(self._table, self._table.candidates[step.candidate])
            self._caller.hops.append(idle_hop(place, SKIPPED, against, step.why))
        self._steps.clear()

    def _redirect(self, step: RungStep, tried: Sequence[HopResult]) -> None:
        """Put the successor next where a place no longer has the model, as it said now or said to a probe."""
        gone = [f"is not found at {one.hop.provider}" for one in tried if isinstance(one.problem, ModelNotFound)]
        gone += self._caller.retired(step)
        if gone:
            model = self._table.candidates[step.candidate].model
            instead = redirect(self._table, replace(step, notes=()), f"{model} {gone[0]}")
            self._put_first([instead] if instead else [])

    def _save(self, tried: Sequence[HopResult]) -> None:
        """Put the candidates next that may serve over the cap of a budget that has no room."""
        problem = tried[-1].problem if tried else None
        if isinstance(problem, OverBudget):
            self._put_first([RungStep(candidate=name, why="budget") for name in problem.cheap])

    def _put_first(self, steps: Sequence[RungStep]) -> None:
        """Put steps next, but for those that were asked; to name the class or to be skipped is not to be asked."""
        asked = {hop.candidate for hop in self._caller.hops if hop.why != "classify" and hop.outcome != SKIPPED}
        first = [step for step in steps if step.candidate not in asked]
        names = {step.candidate for step in first}
        self._steps = deque([*first, *(step for step in self._steps if step.candidate not in names)])

    def _served_anyway(self, kept: HopResult) -> Answer | None:
        """Serve the last reply that was not confident: everybody above it failed."""
        hops = self._caller.hops
        number = max(number for number, hop in enumerate(hops) if hop.outcome == "not confident")
        hop = hops[number]
        hops[number] = replace(hop, outcome="served", detail=f"{hop.detail}; served, as every later rung failed")
        self._caller.alarms.append(f"{hop.candidate} was not confident ({hop.detail}), but no later rung replied")
        return kept.answer
