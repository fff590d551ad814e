"""Turns judgements into the sentences that a report and a terminal print about them.

Place: the end of selection. It computes nothing that decides: what passed has passed before it is put in words.
"""

from __future__ import annotations

from routerctl.selection.calibrating import LEAST_FOR_CORRECTION
from routerctl.statistics import FUTILITY, POWER, independent_need, least_cases, plan, point_plan
from routerctl.types import Judgement, Mode, Trust, Verdict

FEW_CLUSTERS = 30  # below, Korn-Graubard's level was measured up to 7.4 % for 5 %


# --- what passing means -----------------------------------------------------------------------------------------------


def two_sentences(judgement: Judgement, *, mode: Mode, risk: float, ladder_length: int) -> str:
    """Say in two sentences what passing and being dropped mean for the class that this judgement is from.

    A third one says whose word a pass is where it is not a program's, or warns where there are too few clusters for the
    level to be exact.
    """
    if mode == "point":
        return _point(judgement)
    if _too_small(judgement):
        then = "What was run is shown, but" if judgement.cases else "No case is run and"
        return f"{_undecidable(judgement)} {then} the top rung serves, unproven."
    share = _share(judgement, risk, ladder_length)
    match judgement.method:
        case "exact":
            said = _exact_test(judgement, share, mode)
        case "betting":
            said = _betting_test(judgement, share, mode)
        case "clusters":
            said = _cluster_test(judgement, share, mode) + _few_clusters(judgement)
    return said + _WHOSE_WORD[judgement.trust]


_WHOSE_WORD: dict[Trust, str] = {
    "scorer": "",
    "judge": " Whether a case passed is the word of a judge, a model: what is proven is proven according to it.",
    "labels": " This test is the judge's, a model; proven is only what the human labels on the first cases prove.",
}


def _point(judgement: Judgement) -> str:
    bar, n = _exact(judgement.bar), judgement.n
    when = f"at least {bar} of these {n} cases pass" if judgement.method == "exact" else _mean_reaches(judgement)
    return (
        f"A candidate PASSES when {when}, and stops as soon as the cases "
        "left cannot change that. This speaks of these cases only: it promises nothing about any others."
    )


def _mean_reaches(judgement: Judgement) -> str:
    return f"the mean over these {judgement.n} cases is at least {_exact(judgement.bar)}"


def _share(judgement: Judgement, risk: float, ladder_length: int) -> str:
    """The error probability and where it comes from; whether the last rung took no share of it, alpha tells."""
    again = judgement.total_alpha is not None
    parts = 2**judgement.attempt if again else 1
    untested = ladder_length > 1 and round(risk / (judgement.alpha * parts)) == ladder_length - 1
    said = f"{_percent(judgement.alpha)} probability (the {_exact(risk)} risk of the class"
    if untested:
        said += f", divided by the {ladder_length - 1} of its {ladder_length} candidates that are tested"
    elif ladder_length > 1:
        said += f", divided by its {ladder_length} candidates"
    else:
        said += ", which has one candidate"
    return said + (f", and by {parts} in attempt {judgement.attempt} on a set that grows)" if again else ")")


def _exact_test(judgement: Judgement, share: str, mode: Mode) -> str:
    bar, target = _exact(judgement.bar), _exact(judgement.bar - judgement.margin)
    passes_when, or_when = "as soon as its count of passed cases reaches a line", ""
    if mode == "margin":
        passes_when = (
            f"once at least {bar} of all {judgement.n} cases pass and its count of passed cases reached a line"
        )
        or_when = " or its score cannot reach the bar any more"
    return (
        f"Cases run in a fixed random order; a candidate PASSES {passes_when} drawn beforehand, which a candidate with "
        f"true accuracy below {target} would ever reach with at most {share}. "
        f"It is DROPPED as soon as even a candidate good enough to pass this test {_exact(POWER)} of the time "
        f"({_percent(judgement.good_enough or 1.0)}) would have less than a {_exact(FUTILITY)} chance of still "
        f'reaching that line{or_when}; "dropped" means not proven on these {judgement.n} cases, not proven bad.'
    )


def _betting_test(judgement: Judgement, share: str, mode: Mode) -> str:
    target = _exact(judgement.bar - judgement.margin)
    also, or_when = "", ""
    if mode == "margin":
        also = f"{_mean_reaches(judgement)} and "
        or_when = ", or its mean cannot reach the bar any more"
    return (
        "Cases run in a fixed random order, each giving one value between 0 and 1 (the mean over its epochs, with its "
        f"weight); a candidate PASSES when {also}a bettor who bets on each value beforehand that the mean is above "
        f"{target} has multiplied his stake by {1 / judgement.alpha:.4g}, which a candidate with a true mean "
        f"of no more than {target} would ever let him do with at most {share}. "
        f"It is DROPPED as soon as a perfect rest would not do, or a candidate good enough to pass this test "
        f"{_exact(POWER)} of the time would have less than about a {_exact(FUTILITY)} chance from there{or_when}; "
        f'"dropped" means not proven on these {judgement.n} cases, not proven bad.'
    )


def _cluster_test(judgement: Judgement, share: str, mode: Mode) -> str:
    target = _exact(judgement.bar - judgement.margin)
    also = f" and {_mean_reaches(judgement)}" if mode == "margin" else ""
    return (
        "Whole clusters of cases that resemble each other run in a fixed random order; a candidate PASSES when, after "
        f"all {judgement.n} cases, the lower bound for its true mean (Korn-Graubard, which counts resembling cases for "
        f"less than independent ones) is at least {target}{also}, which a candidate below {target} reaches with "
        f"about {share}. It is DROPPED as soon as even independent cases could not pass any more; "
        f'"dropped" means not proven on these {judgement.n} cases, not proven bad.'
    )


def _few_clusters(judgement: Judgement) -> str:
    planned = _planned_clusters(judgement)
    if not 0 < planned < FEW_CLUSTERS:
        return ""
    few = f"{planned} clusters are few: below {FEW_CLUSTERS} the error probability is only approximate"
    return f" {few} (7.4% instead of 5% was measured with 12)."


def _planned_clusters(judgement: Judgement) -> int:
    """Clusters of the whole plan, from those looked at: they come one after the other."""
    return round(judgement.clusters * judgement.n / judgement.cases) if judgement.cases else 0


# --- what was found ---------------------------------------------------------------------------------------------------


def verdict_words(judgement: Judgement) -> str:
    """Say in plain words what was found, on how many cases, how surely, on whose word, and what would settle it."""
    if judgement.cases == 0:
        return _without_a_case(judgement)
    if judgement.verdict is Verdict.NOT_PROVEN and _too_small(judgement):
        return f"{_undecidable(judgement)} Seen: {_counts(judgement)}; {_shown(judgement)}."
    warning = _few_clusters(judgement) if judgement.method == "clusters" and judgement.verdict in _PROOFS else ""
    return _found(judgement) + warning + _attempts(judgement)


_PROOFS = (Verdict.PROVEN, Verdict.WITHIN_MARGIN)


def _found(judgement: Judgement) -> str:
    bar, target = _exact(judgement.bar), _exact(judgement.bar - judgement.margin)
    counts, truth, word = _counts(judgement), _truth(judgement), _word(judgement)
    here = (
        _all_passed(judgement) or f"on other cases its {_noun(judgement)} may be anything from {_interval(judgement)}"
    )
    match judgement.verdict:
        case Verdict.PROVEN:
            return f"Proven{word}: {counts}; {_proof(judgement)}."
        case Verdict.WITHIN_MARGIN:
            return f"Within the margin{word}: {counts}, so the score reaches {bar}; {_proof(judgement)}."
        case Verdict.MET:
            return f"Met{word}: {_these_cases(judgement, 'at least')}, {counts}; {here}."
        case Verdict.NOT_MET:
            return f"Not met{word}: {_these_cases(judgement, 'less than')}, {counts}; {here}."
        case Verdict.BELOW:
            return f"Below the bar{word}: {counts}; {truth} is below {bar}, {_interval(judgement)}."
        case Verdict.NOT_PROVEN:
            both = f" together with a score of {bar}" if judgement.margin else ""
            found = f"Not proven to reach {target}{both}{word}{_so_far(judgement)} {counts}; "
            return found + f"{truth} {_interval(judgement)}; {_what_would_settle(judgement)}."


def _word(judgement: Judgement) -> str:
    """Whose word the verdict is."""
    words: dict[Trust, str] = {
        "scorer": "",
        "judge": " according to the judge",
        "labels": f" on {judgement.labels} human labels",
    }
    return words[judgement.trust]


def _noun(judgement: Judgement) -> str:
    return "accuracy" if judgement.method == "exact" else "mean"


def _truth(judgement: Judgement) -> str:
    return f"true {_noun(judgement)}"


def _counts(judgement: Judgement) -> str:
    said = "passed"
    if judgement.trust == "labels":
        said = "passed the judge"
    if judgement.method == "exact" or judgement.mean is None:
        counts = f"{judgement.passes} of {judgement.cases} cases {said} ({judgement.n} planned)"
    else:
        among = f" in {judgement.clusters} clusters" if judgement.method == "clusters" else ""
        whose = "the judge's mean score" if judgement.trust == "labels" else "mean"
        counts = f"{whose} {_percent(judgement.mean)} over {judgement.cases} cases{among} ({judgement.n} planned)"
    return counts + _corrected(judgement)


def _corrected(judgement: Judgement) -> str:
    """What the labels make of the judge's score."""
    if judgement.corrected is None:
        return ""
    said = f", corrected by the labels {_percent(judgement.corrected)}"
    if judgement.corrected_low is None or judgement.labels < LEAST_FOR_CORRECTION:
        return said  # the bound is a normal approximation: not said where it is not to be trusted
    return f"{said}, at least {_percent(judgement.corrected_low)}"


def _proof(judgement: Judgement) -> str:
    target = _exact(judgement.bar - judgement.margin)
    proven = f"{_truth(judgement)} is at least {target} at error probability {_percent(judgement.alpha)}"
    if judgement.trust == "labels":
        return proven
    low, high = (_percent(end) for end in judgement.interval)
    # The interval must hold at every look and on both sides: it may reach below a bar that is proven.
    return f"{proven} (the interval {low} to {high} holds at any stopping time, so it is wider than the test)"


def _these_cases(judgement: Judgement, how: str) -> str:
    if judgement.method == "exact":
        return f"{how} {_exact(judgement.bar)} of these cases pass"
    return f"the mean over these cases is {how} {_exact(judgement.bar)}"


def _all_passed(judgement: Judgement) -> str:
    """What no failure says of a bar of 100 %, which nothing proves; "" for other bars or where one failed."""
    if judgement.bar < 1 or judgement.score is None or judgement.score < 1:
        return ""
    count = judgement.clusters or judgement.cases
    most = _percent(1 - judgement.alpha ** (1 / count))
    where = f"{count} clusters" if judgement.clusters else f"{count}"
    return (
        f"0 failures seen in {where}: true failure rate at most {most} at error probability {_percent(judgement.alpha)}"
    )


def _interval(judgement: Judgement) -> str:
    low, high = judgement.interval
    return f"{_percent(low)} to {_percent(high)} at error probability {_percent(judgement.alpha)}"


def _shown(judgement: Judgement) -> str:
    """What cases say that cannot prove the bar."""
    return _all_passed(judgement) or f"{_truth(judgement)} {_interval(judgement)}"


def _what_would_settle(judgement: Judgement) -> str:
    if failures := _all_passed(judgement):
        return failures
    if judgement.needed_cases is None:
        return f"if its {_noun(judgement)} is what was seen, no number of cases would be enough"
    what = "labels" if judgement.trust == "labels" else "cases"
    return f"if its {_noun(judgement)} is what was seen, {judgement.needed_cases} {what} would be enough (power 80%)"


def _so_far(judgement: Judgement) -> str:
    """That the plan is not done: its other cases are not there yet, or the run was cut off."""
    there = f", so far: {judgement.cases} of {judgement.n} planned cases are there;"
    return there if _goes_on(judgement) else ":"


def _goes_on(judgement: Judgement) -> bool:
    """Whether the test had not stopped at its last case, as far as counts tell: bets do not follow from counts."""
    cases, n, proof_bar, alpha = judgement.cases, judgement.n, _proof_bar(judgement), judgement.alpha
    if judgement.method == "betting" or judgement.trust == "labels" or cases >= n or _too_small(judgement):
        return False
    if judgement.method == "clusters":
        possible = (judgement.mean or 0.0) * cases + n - cases
        needs = (independent_need(n, proof_bar, alpha), judgement.bar * n if judgement.margin else 0.0)
        return possible >= max(needs) - 1e-6
    lines = [plan(n, proof_bar, alpha), *([point_plan(n, judgement.bar)] if judgement.margin else [])]
    return all(judgement.passes > line.low[cases] for line in lines)


def _proof_bar(judgement: Judgement) -> float:
    return judgement.bar if judgement.bar == 1 else round(judgement.bar - judgement.margin, 12)


def _attempts(judgement: Judgement) -> str:
    if judgement.total_alpha is None or judgement.verdict not in (*_PROOFS, Verdict.NOT_PROVEN):
        return ""
    most = f"a candidate below the bar passes with at most {_percent(judgement.total_alpha)}"
    if judgement.attempt == 1:
        return f" Attempt 1 on a set that may grow: in it {most}."
    over = "both" if judgement.attempt == 2 else f"all {judgement.attempt}"
    return f" Attempt {judgement.attempt} on a set that grew: over {over} attempts {most}."


# --- sets that cannot decide ------------------------------------------------------------------------------------------


def _too_small(judgement: Judgement) -> bool:
    """Whether even a perfect score on all cases planned would not pass."""
    if judgement.method == "exact":
        return judgement.good_enough is None
    return judgement.least_cases is None or judgement.n < judgement.least_cases


def _without_a_case(judgement: Judgement) -> str:
    too_small = judgement.least_cases is None or judgement.n < judgement.least_cases
    if judgement.verdict is Verdict.NOT_PROVEN and too_small:
        return _undecidable(judgement)
    return f"{judgement.verdict.capitalize()}: no case has been looked at."


def _undecidable(judgement: Judgement) -> str:
    target, alpha = _exact(judgement.bar - judgement.margin), _percent(judgement.alpha)
    if judgement.least_cases is None:
        return "Not proven: no number of cases proves a bar of 100%."
    if judgement.method == "clusters":
        need = least_cases(_proof_bar(judgement), judgement.alpha)
        return (
            f"Not proven: even a perfect score on these {judgement.n} cases would not prove {target} at error "
            f"probability {alpha}; it takes at least {need} clusters, each of which may count as a single case."
        )
    return (
        f"Not proven: even {judgement.n} passes in {judgement.n} cases would not prove {target} at error probability "
        f"{alpha}; it takes at least {judgement.least_cases} cases."
    )


def _exact(share: float) -> str:
    """A share that a person wrote, with all its digits: 0.985 -> 98.5%."""
    return f"{100 * share:.10g}%"


def _percent(share: float) -> str:
    """A measured share with three digits, more where rounding would claim certainty: 0.99973 -> 99.97%."""
    for digits in range(3, 12):
        text = f"{100 * share:.{digits}g}"
        if share in (0, 1) or text not in ("0", "100"):
            return f"{text}%"
    return f"{100 * share}%"
