"""What is said of a verdict: means, clusters, judges, labels, attempts, and what would settle it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from routerctl.evaluation.selection import Outcome, Question, judge, provable_words, two_sentences, verdict_words
from routerctl.types import Judgement, Mode, Verdict

ASKED = Question(n=200, bar=0.9, alpha=0.05 / 3)
GROUPED = replace(ASKED, method="clusters", clusters=40)


def _same(value: float, count: int, **question: Any) -> Judgement:
    return judge([Outcome(value=value)] * count, replace(ASKED, **question))


def _grouped(failed: Collection[int], count: int = 200, **question: Any) -> Judgement:
    """Clusters of five; the cases at the places `failed` do not pass."""
    outcomes = [Outcome(value=float(place not in failed), cluster=f"k{place // 5}") for place in range(count)]
    return judge(outcomes, replace(GROUPED, **question))


BETS = _same(0.98, 64, method="betting")
PROVEN = _same(1.0, 62)
OPEN = _same(1.0, 200, n=500, bar=0.98)
TWELFTHS = set(range(0, 200, 12))


@pytest.mark.parametrize(
    ("judgement", "start"),
    [
        (BETS, "Proven: mean 98% over 64 cases (200 planned); true mean is at least 90% at error probability 1.67% ("),
        (_same(0.3, 17, method="betting"), "Below the bar: mean 30% over 17 cases (200 planned); true mean is below"),
        (
            _same(0.91, 198, method="betting", mode="point"),
            (
                "Provisional: mean 91% over 198 cases (200 planned), so the score reaches 90%; not proven: a candidate "
                "at 90% would do as well with at most 19.4% probability, and proof takes 1.67% or less; if its mean is"
            ),
        ),
        (
            _same(0.8, 101, method="betting", mode="point"),
            "Bar of 90% not reached: mean 80% over 101 cases (200 planned); true mean ",
        ),
        (
            _same(0.95, 40, method="betting", n=40),
            (
                "Provisional: mean 95% over 40 cases (40 planned), so the score reaches 90%; not proven: a candidate "
                "at 90% would do as well with at most 19.5% probability, and proof takes 1.67% or less; if its mean is "
                "what was seen, 172 cases in all would prove it (power 80%)."
            ),
        ),
        (_grouped({3}), "Proven: mean 99.5% over 200 cases in 40 clusters (200 planned); true mean is at least 90% at"),
        (
            _grouped(TWELFTHS),
            (
                "Provisional: mean 91.5% over 200 cases in 40 clusters (200 planned), so the score reaches 90%; "
                "not proven: a candidate at 90% would do as well with about 28.7% probability, and proof takes 1.67% or"
            ),
        ),
        (
            _grouped(set(range(0, 200, 8))),
            (
                "Bar of 90% not reached: mean 87.5% over 200 cases in 40 clusters (200 planned); the score misses it, "
                "the true mean may not: 74.5% to 92.9% at error probability "
            ),
        ),
    ],
)
def test_other_methods_speak_of_means(judgement: Judgement, start: str) -> None:
    """Values are not "passed": their mean is what is told, and of clusters how many."""
    assert verdict_words(judgement).startswith(start)


@pytest.mark.parametrize(
    ("judgement", "settles"),
    [
        (OPEN, "if its accuracy is what was seen, 203 cases in all would prove it (power 80%)."),
        (_grouped({3}, 100), "if its mean is what was seen, 195 cases in all would prove it (power 80%)."),
        (_same(1.0, 100, mode="margin", margin=0.03), "100 of the planned cases are still to be run."),
        (
            _same(1.0, 199, bar=1.0),
            "0 failures seen in 199: true failure rate at most 2.04% at error probability 1.67%.",
        ),
    ],
)
def test_a_set_without_all_its_cases(judgement: Judgement, settles: str) -> None:
    """Where the plan goes on nothing is decided, and what was found says what would settle it."""
    said = verdict_words(judgement)
    assert said.startswith("Not decided: ")
    assert f"over {judgement.cases} cases" in said or f"of {judgement.cases} cases" in said
    assert said.endswith(settles)


@pytest.mark.parametrize(
    "judgement", [_same(0.0, 200, bar=0.3, alpha=1e-9), _grouped(set(range(0, 200, 8))), _grouped(set(range(21)), 25)]
)
def test_a_test_that_stopped_is_decided(judgement: Judgement) -> None:
    """Its bar was out of reach before the plan's end; what came later is counted, and where it had ended is told."""
    assert judgement.verdict in (Verdict.BELOW, Verdict.NOT_REACHED)
    assert "Not decided" not in verdict_words(judgement)
    assert verdict_words(judgement).endswith(f" The test had ended after {judgement.stopped_at} cases.")


def test_of_a_set_too_small_to_prove_anything_no_test_is_said_to_have_ended() -> None:
    """What was run to know its score, or came with an import, is shown with its risk and what would prove it."""
    said = verdict_words(_same(1.0, 20, n=20, when_unproven="top_rung"))
    assert said.startswith("Provisional: 20 of 20 cases passed (20 planned), so the score reaches 90%; not proven: ")
    assert said.endswith("39 cases in all would prove it (power 80%).")


@pytest.mark.parametrize(
    "judgement",
    [
        _same(1.0, 200, mode="point"),
        _same(1.0, 100, n=900, available=100, method="clusters", clusters=100),
    ],
)
def test_a_proof_that_was_not_asked_for_is_not_called_missing(judgement: Judgement) -> None:
    """Mode point, or a plan whose proof waits for cases to come: the risk is told, not that it is too great."""
    said = verdict_words(judgement)
    assert judgement.risk is not None
    assert judgement.risk < judgement.alpha
    assert "no proof was asked for on these cases" in said
    assert "proof takes" not in said


@pytest.mark.parametrize(
    ("judgement", "start"),
    [
        (_same(1.0, 62, trust="judge"), "Proven according to the judge: "),
        (_same(0.0, 200, trust="judge"), "Below the bar according to the judge: "),
        (_same(1.0, 20, trust="judge"), "Not decided according to the judge: 20 of 20 cases passed (200 planned)"),
        (_same(1.0, 200, trust="judge", mode="margin", margin=0.03), "Within the margin according to the judge: "),
        (_same(1.0, 20, n=20, trust="judge"), "Provisional according to the judge: 20 of 20 cases passed (20 pl"),
        (_grouped(set(range(0, 200, 8)), trust="judge"), "Bar of 90% not reached according to the judge: mean 87.5%"),
        (_same(1.0, 180, trust="judge", mode="point"), "Provisional according to the judge: "),
        (replace(PROVEN, trust="labels", labels=80), "Proven on 80 human labels: 62 of 62 cases passed the judge (200"),
        (
            replace(PROVEN, trust="labels", labels=80, corrected=0.94, corrected_low=0.91),
            "Proven on 80 human labels: 62 of 62 cases passed the judge (200 planned), corrected by the labels 94%; ",
        ),
        (
            replace(PROVEN, trust="labels", labels=250, corrected=0.94, corrected_low=0.91),
            "Proven on 250 human labels: 62 of 62 cases passed the judge (200 planned), corrected by the labels 94%",
        ),
    ],
)
def test_whose_word_it_is(judgement: Judgement, start: str) -> None:
    """A judge's verdict says so at once; labels say how many they are, and their bound where it can be trusted."""
    assert verdict_words(judgement).startswith(start)


def test_a_bound_of_labels_is_told_only_where_it_can_be_trusted() -> None:
    """The bound of the corrected mean is a normal approximation: told from 200 labels on."""
    many, few = (
        verdict_words(replace(PROVEN, trust="labels", labels=labels, corrected=0.94, corrected_low=0.912))
        for labels in (200, 199)
    )
    assert "corrected by the labels 94%, at least 91.2%; " in many
    assert "91.2%" not in few


def test_what_labels_would_settle() -> None:
    """The need is counted in labels, the judge's cases settle nothing."""
    judgement = replace(OPEN, trust="labels", bar=0.9, labels=80, labels_passed=76, needed_cases=300)
    said = verdict_words(judgement)
    assert said.endswith("if its accuracy is what was seen, 300 labels in all would prove it (power 80%).")
    for passed, hope in ((65, "81.2%"), (64, "81%, a point above the bar"), (60, "as high as")):
        said = verdict_words(replace(judgement, bar=0.8, labels_passed=passed))
        assert (f"if its accuracy is {hope}" in said) == (passed < 65), (
            said
        )  # not what the judge saw: what the labels did
    few = replace(judgement, needed_cases=90)
    assert "90 labels in all would prove it" in verdict_words(few)
    assert "still to be run" not in verdict_words(few)


@pytest.mark.parametrize(
    ("attempt", "grows", "said"),
    [
        (1, True, "Attempt 1 on a set that may grow: in it a candidate below the bar is proven with at most 2.08%."),
        (
            2,
            False,
            (
                "Attempt 2 after tests that did not prove it: over both attempts a candidate below the bar is proven "
                "with at most 2.08%."
            ),
        ),
        (3, False, "over all 3 attempts a candidate below the bar is proven with at most 2.08%."),
    ],
)
def test_attempts_are_told(attempt: int, grows: bool, said: str) -> None:
    """A reader sees what the attempts add up to, not only the share of the last."""
    judgement = _same(1.0, 62, attempt=attempt, total_alpha=0.05 / 3 * 1.25)
    assert verdict_words(judgement).endswith(said)
    assert "Attempt" not in verdict_words(PROVEN)


def test_nothing_failed_at_a_bar_of_one() -> None:
    """A bar of 100 % is never proven; what no failure says is told, for independent cases and for clusters."""
    said = "0 failures seen in 200: true failure rate at most 2.03% at error probability 1.67%"
    assert said in verdict_words(_same(1.0, 200, bar=1.0, mode="point"))
    assert "0 failures seen in 40 clusters: true failure rate at most 9.73%" in verdict_words(
        _grouped(set(), bar=1.0, mode="point")
    )
    assert "0 failures" not in verdict_words(_grouped({150}, bar=1.0, mode="point"))


@pytest.mark.parametrize(("clusters", "warned"), [(20, True), (29, True), (30, False), (40, False)])
def test_few_clusters_are_warned_of(clusters: int, warned: bool) -> None:
    """Below 30 clusters the level is only approximate: both texts say so."""
    judgement = _grouped({3}, 5 * clusters, n=5 * clusters, bar=0.75, clusters=clusters)
    assert judgement.verdict is Verdict.PROVEN
    said = f"{clusters} clusters are few: below 30 the error probability is only approximate"
    assert (said in verdict_words(judgement)) is warned
    assert (said in two_sentences(judgement, mode="proven", risk=0.05, ladder_length=3)) is warned


@pytest.mark.parametrize(
    ("judgement", "mode", "ladder", "parts"),
    [
        (BETS, "proven", 3, ["one value between 0 and 1", "multiplied his stake by 60", "at most 1.67% probability"]),
        (BETS, "proven", 4, ["divided by the 3 of its 4 candidates that are tested)"]),
        (_same(0.98, 200, method="betting", mode="margin", margin=0.03), "margin", 3, ["is at least 90% and", "87%"]),
        (
            _same(0.98, 200, method="betting", mode="point"),
            "point",
            3,
            ["the mean over these 200 cases is at least 90%", "promises nothing about any others"],
        ),
        (_grouped({3}), "proven", 3, ["after all 200 cases", "Korn-Graubard", "about 1.67% probability"]),
        (_grouped({3}, 20, n=20, clusters=4), "proven", 3, ["at least 39 clusters", "their mean is at least 90%"]),
        (_same(0.98, 20, n=20, method="betting"), "proven", 3, ["at least 52 cases", "their mean is at least 90%"]),
        (_same(1.0, 200, trust="judge"), "proven", 3, ["proven according to it"]),
        (
            _same(1.0, 200, alpha=0.05 / 12, attempt=2, total_alpha=0.025),
            "proven",
            3,
            ["divided by its 3 candidates, and by 4 in attempt 2)"],
        ),
        (
            _same(1.0, 200, alpha=0.05 / 8, attempt=2, total_alpha=0.03),
            "proven",
            3,
            ["divided by the 2 of its 3 candidates that are tested, and by 4 in attempt 2"],
        ),
    ],
)
def test_two_sentences_of_each_method(judgement: Judgement, mode: Mode, ladder: int, parts: list[str]) -> None:
    """What passing means is told in the method's own terms, with where its error probability comes from."""
    said = two_sentences(judgement, mode=mode, risk=0.05, ladder_length=ladder)
    for part in parts:
        assert part in said


@pytest.mark.parametrize(
    ("clusters", "said"),
    [
        (
            12,
            "60 cases in 12 clusters, which count as 12 where those of one are alike, cannot prove 80%",
        ),
        (
            40,
            "60 cases in 40 clusters, which count as 40 where those of one are alike, can prove 80%",
        ),
        (60, ""),
    ],
)
def test_what_so_few_clusters_can_prove_is_said_beforehand(clusters: int, said: str) -> None:
    """A cluster counts as one case at least and perhaps as no more; a perfect score on 12 proves nothing."""
    question = Question(n=60, bar=0.8, alpha=0.025, method="clusters", clusters=clusters)
    words = provable_words(question)
    assert words.startswith(said)
    assert ("55 clusters, or fewer where their cases differ" in words) == bool(said) == bool(words)
    perfect = [Outcome(value=1.0, cluster=str(k % clusters)) for k in range(60)]
    perfect.sort(key=lambda one: one.cluster or "")
    assert judge(perfect, question).verdict is (Verdict.PROVISIONAL if "cannot" in said else Verdict.PROVEN)
