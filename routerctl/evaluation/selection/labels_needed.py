"""A judge's verdict -> how many human labels it takes to prove the same, said before the first one is given.

Labels replace the judge's word as soon as there is one: a class that is proven by the judge is provisional until there
are enough. What the judge found is not shown, since it would sway the person who labels. The bounds are those of
`judge_correction`.
"""

from __future__ import annotations

from dataclasses import dataclass

from routerctl.statistics.sizes import least_cases, needed_cases
from routerctl.types import Judgement
from routerctl.words import as_written, count


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelNeed:
    """How many labels prove the bar, by the exact bound of the labels alone."""

    least: int | None  # if all of them pass; None: no number proves a bar of 1
    enough: int | None  # 8 times in 10, if humans pass as many as the judge did; None: no number does then


def label_need(judgement: Judgement) -> LabelNeed:
    """Compute the numbers; `judgement`: the judge's own, without labels."""
    bar, alpha = judgement.bar, judgement.alpha
    target = round(bar - judgement.margin, 12)
    share = judgement.passes / judgement.cases if judgement.cases else None
    least, enough = least_cases(target, alpha), None
    if least is not None and share is not None and share > bar:  # the score of the labels has to reach the bar as well
        enough = max(needed_cases(target, share, alpha), needed_cases(bar, share, 0.5))
    return LabelNeed(least=least, enough=enough)


def need_words(judgement: Judgement, replies: int, task_class: str, *, asked: int = 0) -> str:
    """Say how many labels it takes, what fewer do, and where the run has too few `replies` for it or those `asked`."""
    need, bar = label_need(judgement), as_written(judgement.bar)
    fewer = "with fewer the class is provisional, for as long as the labels reach the bar, whatever the judge said"
    if need.least is None:
        return f"no number of labels proves a bar of {bar}; {fewer}"
    likely = "none do if humans pass no more of them than the judge"
    if need.enough is not None:
        likely = f"{count(need.enough)} do 8 times in 10 if humans pass as many of them as the judge"
    said = f"labels can prove the bar of {bar} from {count(need.least)} on, if all of them pass; {likely}; {fewer}"
    return said + _too_few(need.enough or need.least, asked, judgement.n, replies, task_class)


def _too_few(needed: int, asked: int, planned: int, replies: int, task_class: str) -> str:
    """Say what to do first where there is too little to label, or all of it is to be labelled.

    Labels on all replies of a test that the judge ended early are held to a stricter bound: it chose how many.
    """
    if needed > planned:
        return f". The set has {count(planned)} cases: it takes more of them"
    if replies < planned and max(needed, asked) >= replies:
        others = f"`routerctl eval --full --class {task_class}` asks for the others first"
        return f". The judge's test ended after {count(replies)} replies; labels on all of these prove less: {others}"
    return ""
