"""Turns judgements into the sentences that a report and a terminal print about them; it computes nothing that decides.

Tables keep some of these sentences: a change of their words makes every table made before differ from its evidence.
"""

from __future__ import annotations

from collections.abc import Iterable

from routerctl.evaluation.selection.judge_correction import LEAST_FOR_CORRECTION
from routerctl.evaluation.selection.paired_wording import found_words, test_words
from routerctl.statistics import FUTILITY, POWER, least_cases
from routerctl.types import Judgement, Method, Mode, Trust, Verdict
from routerctl.words import ends

FEW_CLUSTERS = 30  # below, Korn-Graubard's level was measured up to 7.4 % for 5 %


# --- what passing means -----------------------------------------------------------------------------------------------


def two_sentences(judgement: Judgement, *, mode: Mode, risk: float, ladder_length: int, top_rung: bool = False) -> str:
    """Say in a few sentences what the verdicts mean for the class that this judgement is from.

    `top_rung`: nothing but proof counts in this class. The last sentence says who decides what passes, where that is
    not a program, or warns where there are too few clusters for the level to be exact.
    """
    if judgement.against:
        said = test_words(judgement, judgement.against, _share(judgement, risk, ladder_length), mode)
        return said + _WHOSE_WORD[judgement.trust]
    if mode == "point":
        return _scored(judgement, mode)
    if too_small(judgement):
        return f"{_undecidable(judgement)} {_TOP_RUNG_SERVES if top_rung else _scored(judgement, mode)}"
    share = _share(judgement, risk, ladder_length)
    match judgement.method:
        case "exact":
            said = _exact_test(judgement, share, mode)
        case "betting":
            said = _betting_test(judgement, share, mode)
        case "clusters":
            said = _cluster_test(judgement, share, mode) + _few_clusters(judgement)
    then = _given_up(judgement, mode) if top_rung else _scored(judgement, mode)
    return f"{said} {then}{_WHOSE_WORD[judgement.trust]}"


_WHOSE_WORD: dict[Trust, str] = {
    "scorer": "",
    "judge": " Whether a case passed is the word of a judge, a model: what is proven is proven according to it.",
    "labels": " This test is the judge's, a model; proven is only what the human labels on the first cases prove.",
}


def _scored(judgement: Judgement, mode: Mode) -> str:
    """What provisional means, and when a test ends without it."""
    bar, target = _exact(judgement.bar), _exact(judgement.bar - judgement.margin)
    exact = judgement.method == "exact"
    if mode == "point":
        what = f"at least {bar} of these {judgement.n} cases pass"
        what = what if exact else f"the mean over these {judgement.n} cases is at least {bar}"
        when = f"as soon as it is certain that {what}, which promises nothing about any others"
    else:
        what = f"at least {bar} of them passed" if exact else f"their mean is at least {bar}"
        when = f"when all cases were run and {what}"
    return (
        f"A candidate is PROVISIONAL {when}; its risk is the probability that a candidate at exactly {target} does as "
        "well. It is DROPPED as soon as the cases left cannot bring it there."
    )


_TOP_RUNG_SERVES = (
    "Nothing but proof counts here, so the top rung serves, unproven; it is run so that its score is known."
)


def _given_up(judgement: Judgement, mode: Mode) -> str:
    """When a test ends where nothing but proof counts."""
    if judgement.method == "clusters":
        when = "even independent cases could not prove it any more"
    else:
        good = f" ({_percent(judgement.good_enough)})" if judgement.good_enough is not None else ""
        when = (
            f"even a candidate good enough to be proven {_exact(POWER)} of the time{good} would have less than a "
            f"{_exact(FUTILITY)} chance of getting there"
        )
    also = ", or its score cannot reach the bar any more" if mode == "margin" else ""
    return f"It is DROPPED as soon as {when}{also}: nothing but proof counts here, else the top rung serves."


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
    on = " on a set that may grow" if judgement.attempt == 1 else ""
    return said + (f", and by {parts} in attempt {judgement.attempt}{on})" if again else ")")


def _exact_test(judgement: Judgement, share: str, mode: Mode) -> str:
    bar, target = _exact(judgement.bar), _exact(judgement.bar - judgement.margin)
    when = "as soon as its count of passed cases reaches a line"
    if mode == "margin":
        when = f"once at least {bar} of all {judgement.n} cases pass and its count of passed cases reached a line"
    return (
        f"Cases run in a fixed random order; a candidate is PROVEN {when} drawn beforehand, which a candidate with "
        f"true accuracy below {target} would ever reach with at most {share}."
    )


def _betting_test(judgement: Judgement, share: str, mode: Mode) -> str:
    target = _exact(judgement.bar - judgement.margin)
    also = (
        f"the mean over these {judgement.n} cases is at least {_exact(judgement.bar)} and " if mode == "margin" else ""
    )
    return (
        "Cases run in a fixed random order, each giving one value between 0 and 1 (the mean over its epochs, with its "
        f"weight); a candidate is PROVEN when {also}a bettor who bets on each value beforehand that the mean is above "
        f"{target} has multiplied his stake by {1 / judgement.alpha:.4g}, which a candidate with a true mean "
        f"of no more than {target} would ever let him do with at most {share}."
    )


def _cluster_test(judgement: Judgement, share: str, mode: Mode) -> str:
    target = _exact(judgement.bar - judgement.margin)
    also = f" and the mean over them is at least {_exact(judgement.bar)}" if mode == "margin" else ""
    return (
        "Whole clusters of cases that resemble each other run in a fixed random order; a candidate is PROVEN when, "
        f"after all {judgement.n} cases, the lower bound for its true mean (Korn-Graubard, which counts resembling "
        f"cases for less than independent ones) is at least {target}{also}, which a candidate below {target} reaches "
        f"with about {share}."
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
    """Say in plain words what was found, on how many cases, how surely, by whose word, and what would settle it."""
    if judgement.cases == 0:
        return _without_a_case(judgement)
    warning = _few_clusters(judgement) if judgement.method == "clusters" and judgement.verdict.proven else ""
    return _found(judgement) + _stopped(judgement) + warning + _attempts(judgement)


def _found(judgement: Judgement) -> str:
    if judgement.against:
        return found_words(
            judgement, judgement.against, _counts(judgement), f"{_truth(judgement)} {_interval(judgement)}"
        )
    bar, counts, word = _exact(judgement.bar), _counts(judgement), _word(judgement)
    match judgement.verdict:
        case Verdict.PROVEN:
            return f"Proven{word}: {counts}; {_proof(judgement)}."
        case Verdict.WITHIN_MARGIN:
            return f"Within the margin{word}: {counts}, so the score reaches {bar}; {_proof(judgement)}."
        case Verdict.PROVISIONAL:
            return f"Provisional{word}: {counts}, so the score reaches {bar}; {_risk(judgement)}."
        case Verdict.BELOW:
            wider = f" (an interval that {_WIDER})" if judgement.interval[1] > judgement.bar else ""
            return f"Below the bar{word}: {counts}; {_truth(judgement)} is below {bar}, {_interval(judgement)}{wider}."
        case Verdict.NOT_REACHED:
            return f"Bar of {bar} not reached{word}: {counts}; {_missed(judgement)}."
        case Verdict.NOT_PROVEN | Verdict.REFERENCE:  # only of a relative bar there is a reference
            return f"Not decided{word}: {counts}; {_open(judgement)}."


_WIDER = "holds at any stopping time, so it is wider than the test"


def _missed(judgement: Judgement) -> str:
    """What a score that misses the bar leaves open of the truth, and what would settle it."""
    if judgement.interval[1] < judgement.bar:
        return _open(judgement)
    truth = f"the score misses it, the {_truth(judgement)} may not: {_interval(judgement)}"
    return f"{truth}; {_what_would_settle(judgement)}"


def interval_note(judgements: Iterable[Judgement]) -> str:
    """Say why intervals reach across a bar that is proven, or that a score misses; "" where none of these does."""
    judged = [one for one in judgements if one.cases]
    below = any(one.verdict.proven and one.interval[0] < one.bar for one in judged)
    above = any(one.verdict.missed and one.interval[1] > one.bar for one in judged)
    found = ["below a bar that is proven"] if below else []
    found += ["above one that is missed" if below else "above a bar that is missed"] if above else []
    if not found:
        return ""
    return f"an interval holds whenever the test ends, so it is wider than the test: it may reach {' or '.join(found)}"


def _risk(judgement: Judgement) -> str:
    """What is not proven of a provisional candidate, and what would prove it."""
    if failures := _all_passed(judgement):
        return failures
    target, risk = _exact(judgement.bar - judgement.margin), judgement.risk or 0.0
    said = f"not proven: a candidate at {target} would do as well with {_nearly(judgement)}{_percent(risk)} probability"
    if risk <= judgement.alpha:  # mode point, or a plan whose proof is looked for once more of its cases are there
        return f"{said}; no proof was asked for on these cases"
    return f"{said}, and proof takes {_percent(judgement.alpha)} or less; {_what_would_settle(judgement)}"


def _nearly(judgement: Judgement) -> str:
    """How exact a risk is: of bets it is a bound, of clusters an approximation."""
    words: dict[Method, str] = {"exact": "", "betting": "at most ", "clusters": "about "}
    return words[judgement.method] if judgement.trust != "labels" else ""


def _open(judgement: Judgement) -> str:
    return f"{_truth(judgement)} {_interval(judgement)}; {_what_would_settle(judgement)}"


def _stopped(judgement: Judgement) -> str:
    """That the test had ended before the last of the cases that are counted."""
    at = judgement.stopped_at
    if at is None or judgement.trust == "labels":
        return ""
    return f" The test had ended after {at} cases."


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
    target = judgement.bar - judgement.margin
    proven = f"{_truth(judgement)} is at least {_exact(target)} at error probability {_percent(judgement.alpha)}"
    if judgement.trust == "labels":
        return proven
    wider = f", which {_WIDER}" if judgement.interval[0] < target else ""
    return f"{proven} (interval {ends(judgement.interval)}{wider})"


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
    return f"{ends(judgement.interval)} at error probability {_percent(judgement.alpha)}"


def hope_words(judgement: Judgement) -> str:
    """Say at which accuracy `needed_cases` would prove the bar: as seen, a point above it, or the most there is."""
    hoped, seen = judgement.hoped, judgement.seen
    if hoped is None or seen is None or abs(hoped - seen) < 1e-9:
        return "what was seen"
    if seen < judgement.bar - 1e-9:
        return f"as high as {_percent(hoped)}, the end of its interval"
    return f"{_percent(hoped)}, a point above the bar" if hoped < 1 else _percent(hoped)


def _what_would_settle(judgement: Judgement) -> str:
    if failures := _all_passed(judgement):
        return failures
    noun, what = _noun(judgement), "labels" if judgement.trust == "labels" else "cases"
    if judgement.needed_cases is None:
        return f"its {noun} would have to change: no number of {what} proves the bar otherwise"
    if judgement.trust != "labels" and judgement.needed_cases <= judgement.cases < judgement.n:
        return f"{judgement.n - judgement.cases} of the planned cases are still to be run"
    hope = f"if its {noun} is {hope_words(judgement)}"
    return f"{hope}, {judgement.needed_cases} {what} in all would prove it (power 80%)"


def _attempts(judgement: Judgement) -> str:
    if judgement.total_alpha is None or judgement.verdict.missed or judgement.verdict is Verdict.REFERENCE:
        return ""
    most = f"a candidate below the bar is proven with at most {_percent(judgement.total_alpha)}"
    if judgement.attempt == 1:
        return f" Attempt 1 on a set that may grow: in it {most}."
    over = "both" if judgement.attempt == 2 else f"all {judgement.attempt}"
    return f" Attempt {judgement.attempt} after tests that did not prove it: over {over} attempts {most}."


# --- sets that cannot decide ------------------------------------------------------------------------------------------


def too_small(judgement: Judgement) -> bool:
    """Tell whether even a perfect score on all cases planned would not be a proof."""
    if judgement.against:
        return False
    if judgement.method == "exact":
        return judgement.good_enough is None
    return judgement.least_cases is None or judgement.n < judgement.least_cases


def _without_a_case(judgement: Judgement) -> str:
    if too_small(judgement):
        return _undecidable(judgement)
    return f"{judgement.verdict.capitalize()}: no case has been looked at."


def _undecidable(judgement: Judgement) -> str:
    target, alpha = _exact(judgement.bar - judgement.margin), _percent(judgement.alpha)
    if judgement.least_cases is None:
        return "No number of cases proves a bar of 100%."
    if judgement.method == "clusters":
        need = least_cases(judgement.bar - judgement.margin, judgement.alpha)
        return (
            f"Even a perfect score on these {judgement.n} cases would not prove {target} at error "
            f"probability {alpha}; it takes at least {need} clusters, each of which may count as a single case."
        )
    return (
        f"Even {judgement.n} passes in {judgement.n} cases would not prove {target} at error probability "
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
