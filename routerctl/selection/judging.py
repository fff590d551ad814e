"""Turns a candidate's outcomes in planned order into a judgement: verdict, counts, interval, what would settle it.

Place: after the rule, which it walks once more; before the table, which keeps what it says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from routerctl.selection.question import Outcome, Question
from routerctl.selection.rules import rule_of
from routerctl.selection.tally import Tally
from routerctl.statistics import (
    anytime_interval,
    betting_interval,
    betting_least_cases,
    betting_needed_cases,
    design_effect,
    least_cases,
    margin_good_enough,
    needed_cases,
    plan,
    point_plan,
)
from routerctl.types import Judgement

_Z_80 = 0.8416212335729143  # of the power that `needed_cases` asks for


def judge(outcomes: Sequence[Outcome], question: Question) -> Judgement:
    """Judge one candidate by its gap-free prefix of outcomes in planned order.

    Outcomes beyond the case at which the rule stops play no part in verdict, counts and interval. So a full run and
    one that stopped early agree, and a full run cannot shop for the better of two verdicts. A prefix that ends
    before the rule stops (an interrupted run, a set that has not got all its cases yet) is judged as far as it goes:
    nothing is shown yet, hence NOT_PROVEN or NOT_MET, or BELOW where the evidence already suffices.

    Raises: ValueError where more outcomes than planned cases are given, or as `rule_of` does.
    """
    if len(outcomes) > question.n:
        raise ValueError(f"{len(outcomes)} results for {question.n} planned cases")
    rule = rule_of(question)
    if rule.verdict is not None:  # no number of passes would do; what was run all the same is counted and shown
        for outcome in outcomes:
            rule.seen.take(outcome)
    for outcome in outcomes:
        if rule.feed(outcome) is not None:
            break
    seen, again = rule.seen, question.total_alpha is not None
    return Judgement(
        verdict=rule.standing,
        cases=seen.cases,
        passes=seen.passes,
        n=question.n,
        bar=question.bar,
        alpha=question.alpha,
        interval=_interval(outcomes[: seen.cases], seen, question),
        good_enough=_good_enough(question),
        least_cases=_least(question),
        needed_cases=None if rule.standing.passes else _needed(outcomes[: seen.cases], seen, question),
        margin=question.margin if question.mode == "margin" else 0.0,
        method=question.method,
        mean=None if question.method == "exact" else seen.mean,
        clusters=len(seen.clusters),
        attempt=question.attempt if again else 1,
        total_alpha=question.total_alpha,
        trust=question.trust,
    )


def _interval(used: Sequence[Outcome], seen: Tally, question: Question) -> tuple[float, float]:
    """The interval that holds at any stopping time; of a cluster that was broken off nothing is known."""
    match question.method:
        case "exact":
            return anytime_interval(seen.passes, seen.cases, question.alpha)
        case "betting":
            weights = [one.weight if question.weighted else 1.0 for one in used]
            values = [one.value for one in used]
            return betting_interval(values, weights, question.alpha, question.n, question.greatest_weight)
        case "clusters":
            whole = [pair for pair in list(seen.clusters.values())[: seen.closed] if pair[1]]
            means, sizes = [value / size for value, size in whole], [size for _, size in whole]
            return betting_interval(means, sizes, question.alpha, question.clusters or question.n)


def _good_enough(question: Question) -> float | None:
    """The accuracy that passes nine times in ten; for other values than 0/1 it depends on how they vary."""
    if question.method != "exact":
        return None
    n, bar, alpha = question.n, question.bar, question.alpha
    if question.mode == "margin":
        return margin_good_enough(n, bar, question.proof_bar, alpha)
    return (point_plan(n, bar) if question.mode == "point" else plan(n, bar, alpha)).good_enough


def _least(question: Question) -> int | None:
    """The cases with which a perfect score passes."""
    bar, alpha = question.proof_bar, question.alpha
    if question.method == "betting":
        return betting_least_cases(bar, alpha, round(question.mean_weight / question.greatest_weight, 9))
    least = least_cases(bar, alpha)
    if question.method == "exact" or least is None or not question.clusters:
        return least
    return math.ceil(least * question.n / question.clusters)  # a perfect score counts each cluster as one case


# --- what would settle it ---------------------------------------------------------------------------------------------


def _needed(used: Sequence[Outcome], seen: Tally, question: Question) -> int | None:
    """Enough cases for 80 % power if the truth is what was seen; None: nothing was seen, or a score below the bar."""
    mean, bar, proof_bar, alpha = seen.mean, question.bar, question.proof_bar, question.alpha
    if mean is None or proof_bar == 1 or seen.value < bar * seen.weight - 1e-9:
        return None
    # A score at the bar itself would need endless cases; a point above it is the nearest question with an answer.
    truth = min(max(mean, bar + 0.01), 1.0)
    # Proving bar - margin is not all: the score must also reach the bar. Both are "at least k of n", so the larger n
    # serves for both. At alpha = 0.5 the formula says when the score alone gets there.
    independent = max(needed_cases(proof_bar, truth, alpha), needed_cases(bar, truth, 0.5))
    if question.method == "exact":
        return independent
    if question.method == "clusters":
        values, sizes = zip(*seen.clusters.values(), strict=True)
        return max(math.ceil(independent * design_effect(values, sizes, seen.effective)), _least(question) or 0)
    deviation = _deviation(used, seen, question, mean)
    share = round(question.mean_weight / question.greatest_weight, 9)
    score_alone = math.ceil((_Z_80 * deviation / (truth - bar)) ** 2)
    return max(betting_needed_cases(proof_bar, truth, deviation, alpha, mean_weight=share), score_alone)


def _deviation(used: Sequence[Outcome], seen: Tally, question: Question, mean: float) -> float:
    """The standard deviation of weight * (value - mean), the mean weight being 1, from the cases and five at the bar.

    The five are what the test itself starts from: few cases that came out alike do not show that all will.
    """
    bar, unit = question.proof_bar, seen.weight / seen.cases
    weights = [one.weight if question.weighted else 1.0 for one in used]
    squares = sum((w / unit * (one.value - mean)) ** 2 for w, one in zip(weights, used, strict=True))
    return math.sqrt((5 * bar * (1 - bar) + squares) / (5 + seen.cases))
