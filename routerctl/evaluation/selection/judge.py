"""Turns a candidate's outcomes in planned order into a judgement: verdict, counts, interval, what would settle it.

It feeds the stopping rule once more with all that is there, and knows neither replies nor money.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from routerctl.evaluation.selection.boundaries import bets_of
from routerctl.evaluation.selection.paired import judge_beside, more_than_seen
from routerctl.evaluation.selection.question import Outcome, Question
from routerctl.evaluation.selection.stopping import BarRule, count_rule
from routerctl.evaluation.selection.tally import Tally
from routerctl.statistics import (
    anytime_interval,
    betting_interval,
    betting_least_cases,
    betting_needed_cases,
    design_effect,
    korn_graubard_level,
    least_cases,
    margin_good_enough,
    needed_cases,
    plan,
)
from routerctl.statistics.tails import tail
from routerctl.types import Judgement, Verdict

_Z_80 = 0.8416212335729143  # of the power that `needed_cases` asks for


def judge(outcomes: Sequence[Outcome], question: Question, beyond: Sequence[Outcome] = ()) -> Judgement:
    """Judge one candidate by all its outcomes: the gap-free prefix in planned order, and those `beyond` the first gap.

    The verdict is the rule's, fed with the whole prefix; the end of a live test hides no outcome. So a full run, an
    import and one that stopped early agree on what the test saw, and a full run cannot shop for the better of two
    verdicts: a proof found after the end is one, as the line to cross allows for every look. Counts and interval are
    of all outcomes; where these show that the bar is missed, a proof on the first of them is none.

    Raises: ValueError where more outcomes than planned cases are given, or as `rule_of` does.
    """
    if question.of:
        return judge_beside(outcomes, question, beyond)
    verdict, ended, seen = _tested(outcomes, question, beyond)
    used = [*outcomes, *beyond]
    interval = _interval(used, seen, question)
    if verdict.proven and _contradicts(interval, seen.mean or 0.0, question.proof_bar):
        verdict = Verdict.BELOW  # as after an outage; this can only withdraw a proof
    judgement = Judgement(
        verdict=verdict,
        cases=seen.cases,
        passes=seen.passes,
        n=question.n,
        bar=question.bar,
        alpha=question.alpha,
        interval=interval,
        good_enough=_good_enough(question),
        least_cases=_least(question),
        needed_cases=None,
        stopped_at=None if ended in (0, seen.cases) else ended,  # 0: no score would have proven anything
        risk=_risk(used, seen, question) if verdict is Verdict.PROVISIONAL else None,
        margin=question.margin if question.mode == "margin" else 0.0,
        method=question.method,
        mean=None if question.method == "exact" else seen.mean,
        clusters=len(seen.clusters),
        attempt=question.attempt_shown,
        total_alpha=question.total_alpha,
        trust=question.trust,
    )
    needed = None if verdict.proven else _needed(used, seen, question, judgement.hoped)
    return replace(judgement, needed_cases=more_than_seen(needed, verdict, seen.cases))


def _tested(
    outcomes: Sequence[Outcome], question: Question, beyond: Sequence[Outcome]
) -> tuple[Verdict, int | None, Tally]:
    """Give the rule's verdict on the prefix, the case at which its live test ended, and the counts of all outcomes."""
    if (count := len(outcomes) + len(beyond)) > question.there:
        raise ValueError(f"{count} results for {question.there} planned cases")
    rule = _fed(count_rule(question, binding=False), outcomes)
    verdict, ended = rule.standing, rule.stopped_at
    for outcome in beyond:
        rule.seen.take(outcome)
    if question.when_unproven == "top_rung":
        ended = _fed(count_rule(question), outcomes).stopped_at
    return verdict, ended, rule.seen


def _fed(rule: BarRule, outcomes: Sequence[Outcome]) -> BarRule:
    for outcome in outcomes:
        rule.feed(outcome)
    return rule


def _contradicts(interval: tuple[float, float], mean: float, bar: float) -> bool:
    """Whether an interval is below the bar; bets won on both sides leave nothing, their interval is around that."""
    return interval[1] < bar or mean < interval[0] < bar


def _risk(used: Sequence[Outcome], seen: Tally, question: Question) -> float:
    """The level at which what was seen would prove the bar: how often a candidate at the bar does as well."""
    bar = question.proof_bar
    match question.method:
        case "exact":
            return tail(seen.passes, seen.cases, bar)
        case "betting":
            return _betting_level(used, question)
        case "clusters":
            values, sizes = zip(*seen.clusters.values(), strict=True)
            return korn_graubard_level(values, sizes, bar, seen.effective)


def _betting_level(used: Sequence[Outcome], question: Question) -> float:
    """The inverse of the greatest wealth (Ville), which a mean at the bar brings at most so often."""
    bets, most = bets_of(question), 0.0
    for one in used:
        bets.bet(one.value, question.weight_of(one))
        most = max(most, bets.log_wealth)
    return math.exp(-most)


def _interval(used: Sequence[Outcome], seen: Tally, question: Question) -> tuple[float, float]:
    """The interval that holds at any stopping time; of a cluster that was broken off nothing is known."""
    match question.method:
        case "exact":
            return anytime_interval(seen.passes, seen.cases, question.alpha)
        case "betting":
            weights, values = [question.weight_of(one) for one in used], [one.value for one in used]
            return betting_interval(values, weights, question.alpha, question.n, question.greatest_weight)
        case "clusters":
            whole = [pair for pair in list(seen.clusters.values())[: seen.closed] if pair[1]]
            means, sizes = [value / size for value, size in whole], [size for _, size in whole]
            return betting_interval(means, sizes, question.alpha, question.all_clusters)


def _good_enough(question: Question) -> float | None:
    """The accuracy that passes nine times in ten; for other values than 0/1 it depends on how they vary."""
    if question.method != "exact":
        return None
    n, bar, alpha = question.n, question.bar, question.alpha
    if question.mode == "margin":
        return margin_good_enough(n, bar, question.proof_bar, alpha)
    return plan(n, bar, alpha).good_enough


def _least(question: Question) -> int | None:
    """The cases with which a perfect score passes."""
    bar, alpha = question.proof_bar, question.alpha
    if question.method == "betting":
        return betting_least_cases(bar, alpha, question.weight_share)
    least = least_cases(bar, alpha)
    if question.method == "exact" or least is None:
        return least
    return math.ceil(least * question.n / question.all_clusters)  # a perfect score counts each cluster as one case


# --- what would settle it ---------------------------------------------------------------------------------------------


def _needed(used: Sequence[Outcome], seen: Tally, question: Question, hoped: float | None) -> int | None:
    """Enough cases for 80 % power if the true accuracy is what there is hope for; None: there is none.

    Proving bar - margin is not all: the score must also reach the bar. Both are "at least k of n", so the larger n
    serves for both. At alpha = 0.5 the formula says when the score alone gets there.
    """
    mean, bar, proof_bar, alpha = seen.mean, question.bar, question.proof_bar, question.alpha
    if hoped is None or mean is None or proof_bar == 1 or hoped <= bar:
        return None
    independent = max(needed_cases(proof_bar, hoped, alpha), needed_cases(bar, hoped, 0.5))
    if question.method == "exact":
        return independent
    if question.method == "clusters":
        values, sizes = zip(*seen.clusters.values(), strict=True)
        return max(math.ceil(independent * design_effect(values, sizes, seen.effective)), _least(question) or 0)
    deviation = _deviation(used, seen, question, mean)
    score_alone = math.ceil((_Z_80 * deviation / (hoped - bar)) ** 2)
    return max(betting_needed_cases(proof_bar, hoped, deviation, alpha, mean_weight=question.weight_share), score_alone)


def _deviation(used: Sequence[Outcome], seen: Tally, question: Question, mean: float) -> float:
    """The standard deviation of weight * (value - mean), the mean weight being 1, from the cases and five at the bar.

    The five are what the test itself starts from: few cases that came out alike do not show that all will.
    """
    bar, unit = question.proof_bar, seen.weight / seen.cases
    weights = [question.weight_of(one) for one in used]
    squares = sum((w / unit * (one.value - mean)) ** 2 for w, one in zip(weights, used, strict=True))
    return math.sqrt((5 * bar * (1 - bar) + squares) / (5 + seen.cases))
