"""Turns a judgement beside a reference into the sentences that report and terminal print about it.

`wording` asks here where a bar is relative. It computes nothing that decides.
"""

from __future__ import annotations

from routerctl.types import Against, Judgement, Mode, Verdict
from routerctl.words import percent, points, points_as_written


def test_words(judgement: Judgement, against: Against, share: str, mode: Mode) -> str:
    """Say in a few sentences what the verdicts mean; `share`: the error probability and where it comes from."""
    margin, of = points_as_written(against.within), against.reference
    proven = (
        f"A candidate is PROVEN when, after all {judgement.n} cases, the test of the pairs shows that it is at most "
        f"{margin} worse than {of}, which one that is worse than that reaches with at most {share}. "
    )
    return (
        f"{of} runs on all cases first; the others are compared with it case by case, in a fixed random order. "
        f"{'' if mode == 'point' else proven}"
        f"A candidate is PROVISIONAL when all cases were run and its score is at most {margin} below that of {of}; its "
        "risk is the probability that one worse by just so much does as well. It is DROPPED as soon as the cases left "
        "cannot bring it there."
    )


def found_words(judgement: Judgement, against: Against, counts: str, interval: str) -> str:
    """Say what was found beside the reference; `counts`: what the candidate passed, in words, `interval`: likewise."""
    margin, of = points_as_written(against.within), against.reference
    if against.itself:
        return f"Reference: {counts}, {interval}; the others are compared with it, it is not tested."
    beside = (
        f"{counts}, {points(against.difference)} against {of} ({points(against.interval[0])} to "
        f"{points(against.interval[1])}; {against.gained:g} gained, {against.lost:g} lost)"
    )
    match judgement.verdict:
        case Verdict.PROVEN:
            return f"Proven: {beside}; at most {margin} worse at error probability {percent(judgement.alpha)}."
        case Verdict.PROVISIONAL:
            risk = f"one worse by {margin} would do as well with {percent(judgement.risk or 0.0)} probability"
            return (
                f"Provisional: {beside}; not proven: {risk}, and proof takes {percent(judgement.alpha)} or less; "
                f"{settle_words(judgement, against)}."
            )
        case Verdict.NOT_REACHED:
            missed = f"Not reached, more than {margin} below {of} on these cases"
            return f"{missed}: {beside}; {settle_words(judgement, against)}."
        case _:
            return f"Not decided: {beside}; {settle_words(judgement, against)}."


def settle_words(judgement: Judgement, against: Against) -> str:
    """Say how many pairs would prove the margin, if the difference is what there is hope for."""
    if judgement.needed_cases is None:
        return f"more cases would not prove it, unless it comes nearer to {against.reference}"
    hope, seen = against.hoped or 0.0, against.difference
    if seen < -against.within - 1e-9:
        said = f"as high as {points(hope)}, the end of its interval"
    else:
        said = "what was seen" if abs(hope - seen) < 1e-9 else f"{points(hope)}, a point above the margin"
    return f"if the difference is {said}, {judgement.needed_cases} cases in all would prove it (power 80%)"
