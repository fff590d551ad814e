"""A prompt and the table -> an answer and the decision that says why.

Reads in the order in which things happen: rule or default names the task class, the class's route gives the rungs,
each rung is tried until one answers, the decision is written down. Place: the request line; it needs routes.yaml and
nothing of the evaluation line. Deciding imports neither SDK nor template engine; only a call does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from routerctl.errors import EveryRungFailed, InputError, ProviderError, nearest
from routerctl.rules import failing_condition, first_match
from routerctl.types import Answer, Candidate, Decision, Hop, Json, Reply, Request, Route, Table

Call = Callable[[str, Request], Awaitable[Reply]]  # (provider name, request) -> priced reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What one prompt got."""

    answer: Answer
    decision: Decision
    alarms: tuple[str, ...]  # what a person must look at: a served model that is not the pinned one


def classify(table: Table, value: Json, task_class: str | None = None) -> tuple[str, str]:
    """Name the task class of an input and who decided: "caller", "rule <name>" or "default".

    Raises: InputError for an unknown class, or where nothing names one.
    """
    if task_class is not None:
        if task_class not in table.routes:
            raise InputError(f"no task class {task_class!r}{nearest(task_class, table.routes)}")
        return task_class, "caller"
    rule = first_match(table.rules, input_text(value))
    if rule:
        return rule.task_class, f"rule {rule.name}"
    if table.default_class:
        return table.default_class, "default"
    raise InputError("no rule matches the prompt and there is no default_class; name the class with --class")


def input_text(value: Json) -> str:
    """Give the text that rules look at: the input itself, or the texts of its fields, one a line."""
    if isinstance(value, dict):
        return "\n".join(str(part) for part in value.values())
    return str(value)


def decide(table: Table, value: Json, task_class: str | None = None) -> Decision:
    """Decide without a call.

    Raises: InputError as `classify`.
    """
    name, decided_by = classify(table, value, task_class)
    return Decision(
        task_class=name,
        decided_by=decided_by,
        rungs=table.routes[name].rungs,
        hops=(),
        table_version=table.table_version,
        table_digest=table.digest,
    )


def explain(table: Table, value: Json, decision: Decision) -> list[str]:
    """Say in lines why a decision fell as it did: each rule's outcome, then the rungs with their evidence."""
    lines = []
    text = input_text(value)
    if decision.decided_by != "caller":
        for rule in table.rules:
            failed = failing_condition(rule, text)
            lines.append(f"rule {rule.name}: no, the prompt {failed}" if failed else f"rule {rule.name}: yes")
            if not failed:
                break
    route = table.routes[decision.task_class]
    lines.append(f"class: {decision.task_class} (by {decision.decided_by})")
    lines += [f"rung {place}: {rung_words(table, route, name)}" for place, name in enumerate(decision.rungs, 1)]
    return lines


def rung_words(table: Table, route: Route, name: str) -> str:
    """Say what a rung is and what is known of it."""
    candidate = table.candidates[name]
    evidence = next((item for item in route.evidence if item.candidate == name), None)
    if evidence is None:
        why = ": a cheaper one had passed" if route.passing else ""
        return f"{name} ({pinned(candidate)}), not run for this class{why}"
    judgement = evidence.judgement
    low, high = judgement.interval
    return (
        f"{name} ({pinned(candidate)}), {judgement.verdict.value}: {judgement.passes} of {judgement.cases} cases "
        f"[{low:.1%} - {high:.1%}], bar {judgement.bar:.0%}"
    )


def pinned(candidate: Candidate) -> str:
    """Write a candidate's pins in one line: model, effort, strategy."""
    parts = [candidate.model, candidate.effort]
    if candidate.strategy.name != "single_shot":
        parts.append(f"{candidate.strategy.name} x{candidate.strategy.samples}")
    return ", ".join(part for part in parts if part)


async def route(table: Table, call: Call, value: Json, task_class: str | None = None) -> Routed:
    """Serve one input from the first rung that answers.

    Raises: InputError; EveryRungFailed naming what each rung said, with `decision` holding the hops.
    """
    decision = decide(table, value, task_class)
    hops: list[Hop] = []
    for name in decision.rungs:
        hop, answer = await try_rung(table, call, decision.task_class, name, value)
        hops.append(hop)
        if answer is not None:
            served = replace(decision, hops=tuple(hops))
            return Routed(answer=answer, decision=served, alarms=tuple(_alarms(table, answer, name)))
    raise AllRungsFailed(replace(decision, hops=tuple(hops)))


def _alarms(table: Table, answer: Answer, name: str) -> Iterator[str]:
    pin = table.candidates[name].model
    for served in sorted({reply.served_model for reply in answer.replies} - {pin}):
        yield f"{name} is pinned to {pin}, but the provider says it served {served}"


class AllRungsFailed(EveryRungFailed):
    """Every rung of a route failed; `decision` tells the hops."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        said = "; ".join(f"{hop.candidate}: {hop.detail}" for hop in decision.hops)
        super().__init__(f"every rung of {decision.task_class} failed: {said}")


async def try_rung(table: Table, call: Call, task_class: str, name: str, value: Json) -> tuple[Hop, Answer | None]:
    """Ask one rung as its evidence was made: same prompt, same strategy; a failed call is a hop, not an error.

    Raises: InputError where the input does not fit the class's template.
    """
    from routerctl import strategies  # with the template engine: 0.1 s that deciding alone does not need
    from routerctl.prompts import render_prompt

    entry, candidate = table.routes[task_class], table.candidates[name]
    prompt = render_prompt(entry.prompt, value)
    paid: list[Reply] = []

    async def ask(request: Request) -> Reply:
        reply = await call(candidate.provider, request)
        paid.append(reply)
        return reply

    try:
        answer = await strategies.answer(ask, candidate, prompt, entry.reply, entry.scorer)
    except ProviderError as error:
        if not error.falls_back:
            raise
        return _failed_hop(name, error, paid), None
    return _served_hop(name, answer), answer


def _served_hop(name: str, answer: Answer) -> Hop:
    return Hop(
        candidate=name,
        served_model=answer.replies[-1].served_model,
        outcome="served",
        cost_usd=answer.cost_usd,
        latency_s=answer.latency_s,
        attempts=sum(reply.attempts for reply in answer.replies),
    )


def _failed_hop(name: str, error: ProviderError, paid: Sequence[Reply]) -> Hop:
    """A strategy may fail after some of its calls were paid for: their cost stays in the books."""
    return Hop(
        candidate=name,
        served_model=None,
        outcome=type(error).__name__,
        cost_usd=sum((reply.cost_usd for reply in paid), Decimal(0)),
        latency_s=None,
        attempts=len(paid) + 1,
        detail=str(error),
    )
