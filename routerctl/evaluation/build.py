"""Runs -> `Table`: the evidence of each class, its chosen candidate and the rungs above it.

Pure: the same runs, rules and previous table give the same table, byte for byte.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

from routerctl.costs import is_known
from routerctl.errors import InputError, raise_all
from routerctl.evaluation.labels import Label, first_replies, labels_digest, labels_of
from routerctl.evaluation.objective import best_by_all_classes, chosen_as_a_whole
from routerctl.evaluation.pinning import disagreement, pins_of
from routerctl.evaluation.project_routing import class_problems
from routerctl.evaluation.selection import (
    Choice,
    Shown,
    choose,
    chosen_words,
    judge,
    outcome_of,
    question_of,
    rounded,
    two_sentences,
)
from routerctl.evaluation.selection.judge_correction import calibrate, why_not
from routerctl.evaluation.worth.grid import delivered
from routerctl.table import same_content, with_digest
from routerctl.types import (
    ClassHeader,
    Evidence,
    Judgement,
    Policy,
    RelativeBar,
    Result,
    Route,
    Run,
    RunHeader,
    Stakes,
    Status,
    StopReason,
    Table,
    WhenUnproven,
)

_CENT_OF_A_MICRODOLLAR = Decimal("1e-10")
_NO_POLICY = Policy()
_ByCandidate = Mapping[str, Mapping[int, tuple[Result, ...]]]  # candidate -> place in the planned order -> its epochs


def evidence_of(run: Run, task_class: str, labels: Sequence[Label] = ()) -> tuple[Evidence, ...]:
    """Judge every candidate that a run tried on a class, in ladder order; `labels`: those of its replies."""
    header = run.header.classes[task_class]
    cases = cases_by_candidate(run, task_class)
    return tuple(_evidence(name, cases, header, run.header, labels) for name in run.header.ladder if cases.get(name))


def cases_by_candidate(run: Run, task_class: str) -> dict[str, dict[int, tuple[Result, ...]]]:
    """Give each candidate's cases on a class by their place in the planned order, each as its epochs' results.

    A case counts when all its epochs are there; of several results of one epoch the last counts.
    """
    found: dict[str, dict[tuple[int, int], Result]] = defaultdict(dict)
    for result in run.results:
        if result.task_class == task_class:
            found[result.candidate][result.index, result.epoch] = result
    epochs = max(run.header.classes[task_class].epochs, 1)
    return {name: _whole_cases(results, epochs) for name, results in found.items()}


def planned_prefix(results: Iterable[Result], epochs: int = 1) -> list[tuple[Result, ...]]:
    """Give one candidate's cases in planned order up to the first gap, each as its epochs' results in order."""
    cases = _whole_cases({(result.index, result.epoch): result for result in results}, epochs)
    return [cases[place] for place in itertools.takewhile(cases.__contains__, itertools.count())]


def _whole_cases(results: Mapping[tuple[int, int], Result], epochs: int) -> dict[int, tuple[Result, ...]]:
    if epochs == 1:
        return {index: (results[index, epoch],) for index, epoch in sorted(results) if epoch == 0}
    places = sorted({index for index, _ in results})
    cases = {index: tuple(results.get((index, epoch)) for epoch in range(epochs)) for index in places}
    return {index: tuple(one for one in case if one) for index, case in cases.items() if None not in case}


def _evidence(
    name: str, cases: _ByCandidate, of_class: ClassHeader, header: RunHeader, labels: Sequence[Label]
) -> Evidence:
    judgement = _judged(name, cases, of_class, header)
    used = [result for case in cases[name].values() for result in case]
    if of_class.judge and labels and not why_not(of_class):
        judgement = _held_to(labels, judgement, used, name, header)
    judgement = rounded(judgement)
    cost_usd = _weighed(used, of_class, lambda one: one.cost_usd)
    whole = _weighed(used, of_class, lambda _: 1)
    # Imported outcomes without a cost are not free; where one model's is not known, no costs are compared.
    known = is_known(header.prices)
    latencies_s = sorted(result.latency_s for result in used if result.latency_s is not None)
    return Evidence(
        candidate=name,
        judgement=judgement,
        failed=sum(result.status is Status.FAILED for result in used),
        unscored=sum(result.status is Status.UNSCORED for result in used),
        refused=sum(result.stop_reason is StopReason.REFUSAL for result in used),
        truncated=sum(result.stop_reason is StopReason.MAX_TOKENS for result in used),
        served_models=tuple(sorted({result.served_model for result in used if result.served_model})),
        judge_served=tuple(sorted({result.judge_served for result in used if result.judge_served})),
        cost_per_case_usd=_share(cost_usd, whole if known else Decimal(0)),
        cost_per_accepted_usd=_share(cost_usd, _accepted(used, of_class) if known else Decimal(0)),
        latency_p50_s=_quantile(latencies_s, 0.5),
        latency_p95_s=_quantile(latencies_s, 0.95),
        output_tokens_p99=round(_quantile(sorted(result.output_tokens for result in used), 0.99) or 0) or None,
        retries=sum(result.retries for result in used),
        escalated=sum(bool(result.served_by) for result in used),
        wrong_per_thousand=_wrong_per_thousand(used, of_class),
    )


def _judged(name: str, cases: _ByCandidate, of_class: ClassHeader, header: RunHeader) -> Judgement:
    """Judge the cases up to the first gap and those beyond it: a cut-off run may have gaps, the rule may not.

    Beside a reference only cases count that it has too.
    """
    try:
        outcomes = {index: outcome_of(case, of_class.measure) for index, case in cases[name].items()}
        theirs: dict[int, float] = {}
        if isinstance(of_class.bar, RelativeBar):
            reference = cases.get(of_class.bar.of, {})
            theirs = {index: outcome_of(case, of_class.measure).value for index, case in reference.items()}
            outcomes = {
                index: replace(one, reference=theirs[index]) for index, one in outcomes.items() if index in theirs
            }
        gap = next(place for place in itertools.count() if place not in outcomes)
        listed = list(outcomes.values())  # in planned order
        values = [theirs[index] for index in sorted(theirs)] if len(theirs) == (of_class.cases or of_class.n) else []
        return judge(listed[:gap], question_of(of_class, header, name, values), listed[gap:])
    except ValueError as error:  # no run writes what the rule refuses: the file was edited
        raise InputError(f"run {header.run_id}, class {of_class.task_class}: {error}") from None


def _held_to(
    labels: Sequence[Label], judgement: Judgement, results: Sequence[Result], name: str, header: RunHeader
) -> Judgement:
    """Replace the judge's verdict by the one that human labels of the same replies allow."""
    judged = [result.passed for result in first_replies(results, name)]
    known = labels_of(labels, results, name)
    return calibrate(judgement, judged, known, judgement.alpha, judgement.bar, mode=header.mode)


def _weighed(used: Sequence[Result], of_class: ClassHeader, of: Callable[[Result], Decimal | int]) -> Decimal:
    """Sum over replies, each by its case's weight; Decimal takes a number by its shortest decimal digits."""
    if not of_class.weighted:
        return Decimal(sum(map(of, used)))
    return sum((Decimal(repr(one.weight)) * of(one) for one in used), Decimal(0))


def _right(result: Result, of_class: ClassHeader) -> Decimal | int:
    """How right a reply is, by what the bar of its class is on: 0 or 1, or its score."""
    return Decimal(repr(result.score or 0.0)) if of_class.measure == "mean_score" else int(result.passed)


def _accepted(used: Sequence[Result], of_class: ClassHeader) -> Decimal:
    """Count the replies that passed, or add up their scores where the bar is on these."""
    return _weighed(used, of_class, lambda one: _right(one, of_class))


def _wrong_per_thousand(used: Sequence[Result], of_class: ClassHeader) -> float | None:
    """Count the replies that would have been delivered though they are wrong, per 1,000; None without a reply."""
    whole = _weighed(used, of_class, lambda _: 1)
    wrong = _weighed(used, of_class, lambda one: 1 - _right(one, of_class) if delivered(one) else 0)
    return round(float(1000 * wrong / whole), 1) if whole else None


def _share(total_usd: Decimal, count: Decimal) -> Decimal | None:
    return (total_usd / count).quantize(_CENT_OF_A_MICRODOLLAR).normalize() if count else None


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Give the nearest-rank quantile: a value that was really measured."""
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 4) if ordered else None


def build_table(
    runs: Mapping[str, Run],
    *,
    previous: Table | None,
    policy: Policy = _NO_POLICY,
    stakes: Mapping[str, Stakes] = MappingProxyType({}),
    labels: Mapping[str, Sequence[Label]] = MappingProxyType({}),
    unproven: Mapping[str, WhenUnproven] = MappingProxyType({}),
    today: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    """Make the table in which each class rests on its run; `runs`, `stakes`, human `labels` are by task class.

    `unproven`: what serves where nothing is proven, likewise; as the run has it where a class is missing. `today`: the
    candidate that serves now, likewise.

    A table equal to the previous one but for its version keeps that version.
    Raises: InputError where the runs do not agree on how they were made, or a rule names a class without a route.
    """
    _check_agreement(runs)
    raise_all([*class_problems(runs, policy)])
    own = _own_results(runs)
    routes = {
        name: replace(
            _route(name, own[name], stakes.get(name, Stakes()), labels.get(name, ()), unproven.get(name)),
            today=today.get(name) or runs[name].header.classes[name].today,
        )
        for name in sorted(runs)
    }
    table = _with_policy(routes, [run.header for run in runs.values()], policy)
    table = replace(table, routes=best_by_all_classes(table, own))
    if policy.objective:
        table = replace(table, routes=chosen_as_a_whole(table, own, policy.objective))
    return numbered(table, previous)


def _with_policy(routes: Mapping[str, Route], headers: Sequence[RunHeader], policy: Policy) -> Table:
    """Put routes, what their runs have in common and the project's policy into a table without a version."""
    first, pins = headers[0], pins_of(headers, policy)
    return Table(
        table_version=0,
        digest="",
        ladder_name=first.ladder_name,
        ladder=first.ladder,
        mode=first.mode,
        risk=first.risk,
        margin=first.margin,
        seed=first.seed,
        rules=policy.rules,
        default_class=policy.default_class,
        classifier=policy.classifier,
        routing=policy.routing,
        retirements=policy.retirements,
        providers=pins.providers,
        candidates=pins.candidates,
        prices=pins.prices,
        routes=routes,
        top_rung=first.top_rung,
        objective=policy.objective,
    )


def _own_results(runs: Mapping[str, Run]) -> dict[str, Run]:
    """Give each class's run with the results of that class alone; a run of many classes is read through once."""
    by_class: dict[tuple[int, str], list[Result]] = defaultdict(list)
    for run in {id(run): run for run in runs.values()}.values():
        for result in run.results:
            by_class[id(run), result.task_class].append(result)
    return {name: replace(run, results=tuple(by_class[id(run), name])) for name, run in runs.items()}


def numbered(table: Table, previous: Table | None) -> Table:
    """Give a table its version: the previous one's where nothing changed, else the next."""
    version = 1 if previous is None else previous.table_version + (0 if same_content(table, previous) else 1)
    return with_digest(replace(table, table_version=version))


def _check_agreement(runs: Mapping[str, Run]) -> None:
    """Refuse evidence from runs that differ in what the table can say only once."""
    if not runs:
        raise InputError("no evidence: run `routerctl eval` first")
    names = ("ladder_name", "ladder", "mode", "risk", "margin", "seed", "top_rung")
    headers = {run.header.run_id: run.header for run in runs.values()}
    newest = headers[max(headers)]
    for header in headers.values():
        for name in names:
            if getattr(header, name) != getattr(newest, name):
                raise disagreement(header, newest, name)


def _route(task_class: str, run: Run, stakes: Stakes, labels: Sequence[Label], unproven: WhenUnproven | None) -> Route:
    header = run.header.classes[task_class]
    when_unproven = unproven or header.when_unproven
    evidence = evidence_of(run, task_class, labels)
    choice = choice_of(run, task_class, evidence, when_unproven=when_unproven)
    return Route(
        task_class=task_class,
        description=header.description,
        bar=header.bar,
        chosen=choice.chosen,
        level=choice.level,
        verdict=chosen_words(choice.chosen, evidence),
        rule=_rule(choice.chosen, evidence, run.header, top_rung=when_unproven == "top_rung"),
        rungs=choice.rungs,
        evidence=evidence,
        run_id=run.header.run_id,
        eval_set_digest=header.digest,
        prompt=header.prompt,
        reply=header.reply,
        scorer=header.scorer,
        stakes=stakes,
        labels_digest=labels_digest(labels) if header.judge else "",
        lowered_from=header.lowered_from,
        lowered_score=header.lowered_score,
        when_unproven=when_unproven,
    )


def choice_of(
    run: Run,
    task_class: str,
    evidence: Iterable[Evidence],
    *,
    ladder: Sequence[str] | None = None,
    when_unproven: WhenUnproven | None = None,
) -> Choice:
    """Choose what serves a class by a run's evidence; `ladder`: a part of the run's, None = all of it.

    `when_unproven`: what serves where nothing is proven; None = as the run has it.
    """
    header = run.header
    untested = header.ladder[-1:] if header.top_rung == "skip" else ()
    policy = when_unproven or header.classes[task_class].when_unproven
    shown = _shown(run, task_class, evidence)
    return choose(ladder or header.ladder, shown, when_unproven=policy, untested=untested)


def _shown(run: Run, task_class: str, evidence: Iterable[Evidence]) -> dict[str, Shown]:
    """Put each verdict beside the candidate's outcomes and costs, case by case."""
    cases, measure = cases_by_candidate(run, task_class), run.header.classes[task_class].measure
    known = is_known(run.header.prices)

    def shown(one: Evidence) -> Shown:
        own = cases[one.candidate]
        costs = {index: sum((reply.cost_usd for reply in case), Decimal(0)) for index, case in own.items()}
        outcomes = {index: outcome_of(case, measure) for index, case in own.items()}
        return Shown(verdict=one.judgement.verdict, outcomes=outcomes, costs=costs if known else None)

    return {one.candidate: shown(one) for one in evidence}


def _rule(chosen: str, evidence: Sequence[Evidence], header: RunHeader, *, top_rung: bool) -> str:
    """Give the sentences on the verdicts; of a class's candidates only labels and attempts make them differ."""
    if not evidence:
        return ""
    judgement = next((one for one in evidence if one.candidate == chosen), evidence[0]).judgement
    length = len(header.ladder)
    return two_sentences(judgement, mode=header.mode, risk=header.risk, ladder_length=length, top_rung=top_rung)
