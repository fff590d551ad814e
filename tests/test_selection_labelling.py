"""How many human labels prove what a judge found, told before the first one is given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from routerctl.evaluation.selection.judge_correction import calibrate
from routerctl.evaluation.selection.labels_needed import label_need, need_words
from routerctl.types import Judgement, Verdict

JUDGED = Judgement(
    verdict=Verdict.PROVEN,
    cases=300,
    passes=288,
    n=300,
    bar=0.9,
    alpha=0.05 / 3,
    interval=(0.9, 1.0),
    good_enough=0.95,
    least_cases=39,
    needed_cases=None,
    trust="judge",
)


def proven(judgement: Judgement, passed: int, labels: int) -> bool:
    """Whether so many labels, so many of which pass, prove the bar."""
    said = {index: index < passed for index in range(labels)}
    found = calibrate(judgement, [1.0] * judgement.n, said, judgement.alpha, judgement.bar)
    return found.verdict in (Verdict.PROVEN, Verdict.WITHIN_MARGIN)


@pytest.mark.parametrize(("bar", "margin"), [(0.8, 0.0), (0.9, 0.0), (0.9, 0.03), (0.95, 0.0)])
def test_the_least_number_is_exact(bar: float, margin: float) -> None:
    """With as many labels that all pass it is proven, with one less it is not."""
    judgement = replace(JUDGED, bar=bar, margin=margin)
    least = label_need(judgement).least
    assert least is not None
    assert proven(judgement, least, least)
    assert not proven(judgement, least - 1, least - 1)


def test_as_many_as_the_judge_passed_prove_it() -> None:
    """With the number that is enough the judge's share of them proves the bar, with the least number it does not."""
    need = label_need(JUDGED)
    assert need.enough is not None
    assert need.least is not None
    assert proven(JUDGED, round(0.96 * need.enough), need.enough)
    assert not proven(JUDGED, round(0.96 * need.least), need.least)


@pytest.mark.parametrize("passes", [250, 270])
def test_what_only_reaches_the_bar_cannot_be_proven(passes: int) -> None:
    """A judge that passed no more than the bar asks for gives no hope, and is not quoted."""
    judgement = replace(JUDGED, passes=passes, verdict=Verdict.PROVISIONAL)
    assert label_need(judgement).enough is None
    assert "none do if humans pass no more of them than the judge" in need_words(judgement, 300, "sums")


def test_what_is_missing_is_named_first() -> None:
    """More cases, or the replies that the judge's test did not ask for: all of them are held to a stricter bound."""
    assert need_words(JUDGED, 300, "sums").endswith("whatever the judge said")
    enough = label_need(JUDGED).enough
    assert enough is not None
    early = need_words(replace(JUDGED, cases=50, passes=48), 50, "sums")
    assert early.endswith(
        "The judge's test ended after 50 replies; labels on all of these prove less: "
        "`routerctl eval --full --class sums` asks for the others first"
    )
    whole = need_words(replace(JUDGED, cases=200, passes=192), 200, "sums", asked=200)
    assert "labels on all of these prove less" in whole
    assert "prove less" not in need_words(replace(JUDGED, cases=200, passes=192), 200, "sums", asked=199)
    small = replace(JUDGED, n=enough - 1)
    assert need_words(small, enough - 1, "sums").endswith(f"The set has {enough - 1} cases: it takes more of them")


def test_the_judge_s_share_is_not_told() -> None:
    """It would sway who labels."""
    assert "96" not in need_words(JUDGED, 300, "sums")


def test_a_bar_of_one_is_never_proven() -> None:
    """No number of labels shows that nothing ever fails."""
    assert need_words(replace(JUDGED, bar=1.0), 300, "sums").startswith(
        "no number of labels proves a bar of 100%; with"
    )
