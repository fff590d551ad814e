"""Turns a question into what its set can prove, before the first answer costs anything.

The head of a run, the estimate and `check` say it. The arithmetic is the test's own: what `needed_cases` says after a
run is said here for a model as good as one may hope for.
"""

from __future__ import annotations

from routerctl.evaluation.selection.question import Question
from routerctl.evaluation.selection.stopping import rule_of
from routerctl.statistics import betting_needed_cases, needed_cases, provable_accuracy
from routerctl.statistics.noninferiority_power import cases_for_noninferiority, noninferiority_power
from routerctl.words import as_written, percent, points_as_written

HOPE = 0.75  # of the way from the bar to perfection: a good model for the class
DISCORDANCE = 0.1  # share of cases on which exactly one of two models is right, where no pair has been seen
_OFTEN, _MOSTLY = 0.9, 0.8  # power


def provable_words(question: Question) -> str:
    """Say what a set that is too small for a good model can prove, and how many cases it takes; "" where it is not."""
    if question.mode == "point" or question.is_reference:
        return ""
    if question.of:
        return _beside(question)
    if question.bar == 1:
        return ""
    hope = question.proof_bar + HOPE * (1 - question.proof_bar)
    mostly, often = (_enough(question, hope, power) for power in (_MOSTLY, _OFTEN))
    if mostly <= _surely(question):
        return ""
    what = " clusters, or fewer where their cases differ" if question.method == "clusters" else ""
    return (
        f"{_can(question)}; for one that is right {as_written(hope)} of the time it takes {often}{what} ({mostly} to "
        f"prove it 8 times in 10 instead of 9).{_unproven(question)}"
    )


def _surely(question: Question) -> int:
    """The independent cases that a set surely counts as: of a cluster whose cases are all alike one."""
    return question.all_clusters if question.method == "clusters" else question.n


def _unproven(question: Question) -> str:
    """What serves a class whose candidates are not proven; a test that ended before the first case proves nothing."""
    if question.when_unproven != "top_rung":
        return " Below that it can still be provisional."
    ended = rule_of(question).stopped_at == 0
    return " Nothing but proof counts here, so the top rung serves, and it alone is run." if ended else ""


def _can(question: Question) -> str:
    n, few, bar = f"{question.n} cases", _surely(question), as_written(question.proof_bar)
    if question.method == "betting":
        return f"{n} are few to prove {bar}"
    if question.method == "clusters":
        n += f" in {few} clusters, which count as {few} where those of one are alike,"
    best = provable_accuracy(few, question.proof_bar, question.alpha, _OFTEN)
    if best is None:
        return f"{n} cannot prove {bar}, not even with a perfect score"
    return f"{n} can prove {bar} only for a model that is right {percent(best)} of the time"


def _enough(question: Question, hope: float, power: float) -> int:
    """Enough cases if the true accuracy is `hope`; of values other than 0/1 the most spread that it allows."""
    bar, alpha = question.proof_bar, question.alpha
    if question.method != "betting":
        return needed_cases(bar, hope, alpha, power)
    deviation = (hope * (1 - hope)) ** 0.5
    return betting_needed_cases(bar, hope, deviation, alpha, power=power, mean_weight=question.weight_share)


def _beside(question: Question) -> str:
    """What pairs can prove for a model that is as good as the reference."""
    alpha, within = question.alpha, question.within
    enough = cases_for_noninferiority(DISCORDANCE, 0.0, within, alpha, _MOSTLY)
    if enough is None or enough <= question.n:
        return ""
    power = noninferiority_power(question.n, DISCORDANCE, 0.0, within, alpha)
    return (
        f"{question.n} cases prove that a model as good as {question.of} is at most {points_as_written(within)} worse "
        f"{percent(power)} of the time, if they differ on {as_written(DISCORDANCE)} of the cases; to prove it 8 times "
        f"in 10 takes {enough}.{_unproven(question)}"
    )
