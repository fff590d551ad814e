"""A judge's verdict and human labels on some of its cases -> the verdict that the labels allow.

It knows neither who judged nor where labels come from. A judge may be lenient, and more cases only make a lenient judge
surer of itself; so its word alone proves nothing. What is proven rests on the labels, which must be a random sample:
the first cases of the planned order, without a gap, since somebody who may skip a case may skip the hard ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from routerctl.statistics.anytime import anytime_interval
from routerctl.statistics.calibration import accuracy_lower, accuracy_upper, corrected_lower, corrected_mean
from routerctl.statistics.sizes import needed_cases
from routerctl.statistics.tails import bisect
from routerctl.types import ClassHeader, Judgement, Mode, RelativeBar, Verdict

LEAST_FOR_CORRECTION = 200  # labels: the normal approximation is not to be trusted with fewer


def why_not(of_class: ClassHeader) -> str:
    """Say why labels cannot prove anything on a class; "" where they can."""
    if isinstance(of_class.bar, RelativeBar):
        return "its bar is relative to a model, and labels are of one candidate's replies"
    if of_class.clusters:
        return "its cases come in clusters, and labels are counted as independent"
    if of_class.weighted:
        return "its cases have different weights, and labels are counted as equal"
    if of_class.measure == "mean_score":
        return "its bar is a mean score, and a label only says passed or not"
    return ""


def labelled_prefix(labels: Mapping[int, bool]) -> list[bool]:
    """Give the labels (by place in the planned order) up to the first case without one."""
    return [labels[index] for index in itertools.takewhile(lambda index: index in labels, itertools.count())]


def calibrate(
    judgement: Judgement,
    judged: Sequence[float],
    labels: Mapping[int, bool],
    alpha: float,
    bar: float,
    *,
    mode: Mode = "proven",
) -> Judgement:
    """Replace a judge's verdict by the one that human labels allow; without a label it stays the judge's.

    `judged`: the judge's values in [0, 1] of all used cases in planned order, one a case (the first reply's, where
    there are epochs; whether each passed, where the bar is on the pass rate). `labels`: place in the planned order ->
    whether a human passed that reply. `alpha`, `bar`: the candidate's share of the risk and the class's bar.

    Below 200 labels, or where fewer than as many cases again were judged beside them, the exact bound of the labels
    alone decides; from there on the judge's mean corrected by the labels does. Which of the two is settled by these
    numbers, before any label is looked at. Either way the labels alone can show that the bar is missed. How many labels
    there are must have been chosen beforehand: stopping once they look good proves nothing. Where the labels prove
    nothing, a candidate that passes by the judge is provisional as long as they and the score that they correct reach
    the bar. Mode `point` speaks of these very cases, most of which no human saw: its verdict stays the judge's.

    Raises: ValueError where the cases are dependent (see `why_not`), or bar or alpha is out of range.
    """
    if judgement.method == "clusters":
        raise ValueError("labels on dependent cases prove nothing: ask `why_not` first")
    if not 0 < bar <= 1 or not 0 < alpha < 1:
        raise ValueError(f"a bar lies in (0, 1] and alpha in (0, 1), not {bar} and {alpha}")
    said = labelled_prefix(labels)
    if not said:
        return replace(judgement, trust="judge")
    target = round(bar - judgement.margin, 12)
    found = _corrected(judgement, judged, said[: len(judged)], alpha, target)
    return replace(found, trust="judge") if mode == "point" else _by_labels(found, judged, said, bar, target, alpha)


def _by_labels(  # noqa: PLR0917 - all that a verdict rests on
    found: Judgement, judged: Sequence[float], said: Sequence[bool], bar: float, target: float, alpha: float
) -> Judgement:
    """Give the verdict that the labels allow, `found` being the judge's with its corrected mean; see `calibrate`."""
    cut = len(judged) <= len(said) and len(judged) < found.n
    corrects = uses_correction(len(said), len(judged))

    def lower(level: float) -> float:
        return corrected_lower(judged, said, level, target) if corrects else _bounds(said, level, cut=cut)[0]

    upper = _bounds(said, alpha, cut=cut)[1]
    mean = (found.corrected or 0.0) if corrects else sum(said) / len(said)
    proven = lower(alpha) >= target and mean >= bar - 1e-9  # 1e-9: a share exactly at the bar reaches it
    reached = min(sum(said) - bar * len(said), mean - bar) >= -1e-9
    verdict = _verdict(found, proven=proven, missed=upper < bar, reached=reached)
    interval = anytime_interval(sum(said), len(said), alpha)
    # The interval is the labels', as the verdict is: not the judge's.
    found = replace(found, trust="labels", labels=len(said), labels_passed=sum(said), interval=interval)
    needed = None if proven else _needed_labels(found.hoped, alpha, bar, target)
    if needed is not None and cut:
        needed = max(needed, len(said) + 1)  # so many are there without a proof: it takes the replies that are not
    return replace(
        found,
        verdict=verdict,
        risk=_level(lower, target) if verdict is Verdict.PROVISIONAL else None,
        needed_cases=needed,
    )


def uses_correction(labels: int, judged: int) -> bool:
    """Tell which bound decides: the corrected mean's (True) or the exact one of the labels alone.

    With fewer unlabelled cases than labelled ones a correction knows little more than the labels, and says it less
    exactly.
    """
    return labels >= LEAST_FOR_CORRECTION and judged >= 2 * labels


def _corrected(
    judgement: Judgement, judged: Sequence[float], known: Sequence[bool], alpha: float, target: float
) -> Judgement:
    """Add the corrected mean and its bound, where there is a judged case to correct."""
    if not known:
        return judgement
    low, mean = corrected_lower(judged, known, alpha, target), corrected_mean(judged, known)
    return replace(judgement, corrected=min(1.0, max(0.0, mean)), corrected_low=low)


def _bounds(said: Sequence[bool], alpha: float, *, cut: bool) -> tuple[float, float]:
    """Give a lower and an upper bound from the labels alone, each at level 1 - alpha.

    Where the judge's test stopped early and every reply there is was labelled (`cut`), the judge chose how many, after
    looking. Then only bounds that hold at any stopping time do: the exact ones called up to 1.7 times alpha of the
    candidates at the bar proven there (measured, with a judge that passes one wrong reply in ten).
    """
    passes, cases = sum(said), len(said)
    if cut:
        return anytime_interval(passes, cases, alpha)
    return accuracy_lower(passes, cases, alpha), accuracy_upper(passes, cases, alpha)


def _level(lower: Callable[[float], float], target: float) -> float:
    """The level, to a millionth, at which a lower bound would prove the target."""
    return bisect(lambda level: lower(level) >= target, 0.0, 1.0, 20)[1]  # 2^-20


def _verdict(judgement: Judgement, *, proven: bool, missed: bool, reached: bool) -> Verdict:
    """Give the verdict that labels leave of the judge's; one on a test that has not ended stays open."""
    if proven:
        return Verdict.WITHIN_MARGIN if judgement.margin else Verdict.PROVEN
    if missed:
        return Verdict.BELOW
    if not judgement.verdict.passes:
        return Verdict.NOT_PROVEN if judgement.verdict is Verdict.NOT_PROVEN else Verdict.NOT_REACHED
    return Verdict.PROVISIONAL if reached else Verdict.NOT_REACHED


def _needed_labels(hoped: float | None, alpha: float, bar: float, target: float) -> int | None:
    """Give enough labels for 80 % power if the truth is what there is hope for; None: no number of them will do."""
    if target == 1 or hoped is None or hoped <= bar:
        return None
    return max(needed_cases(target, hoped, alpha), needed_cases(bar, hoped, 0.5) if bar < 1 else 1)
