"""Whether a candidate fell behind a baseline: pairs of results, the tests on them, the screen, and the words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routerctl.evaluation.regression import (
    Pair,
    Pairing,
    class_words,
    judge_regression,
    pairs_of,
    regression_words,
    screen,
)
from routerctl.statistics.paired import mcnemar_midp, sign_flip
from routerctl.types import Result, Status, StopReason


def pair(
    case_id: str = "c", before: float = 1.0, after: float = 1.0, *, cluster: str | None = None, epochs: int = 1
) -> Pair:
    """One pair; passed before and after unless said otherwise."""
    return Pair(case_id=case_id, cluster=cluster, before=before, after=after, before_epochs=epochs, after_epochs=epochs)


def pairing(
    broke: int,
    fixed: int,
    n: int,
    *,
    only_before: int = 0,
    only_after: int = 0,
    changed: int = 0,
    chosen_there: bool = False,
) -> Pairing:
    """`n` binary pairs of which `broke` broke and `fixed` were fixed; the rest passed twice."""
    moved = [pair(f"b{k:03d}", 1.0, 0.0) for k in range(broke)] + [pair(f"f{k:03d}", 0.0, 1.0) for k in range(fixed)]
    return Pairing(
        pairs=(*moved, *(pair(f"s{k:03d}") for k in range(n - broke - fixed))),
        only_before=only_before,
        only_after=only_after,
        changed=changed,
        chosen_there=chosen_there,
    )


def result(
    case_id: str, *, passed: bool = True, status: Status = Status.SCORED, epoch: int = 0, **changes: Any
) -> Result:
    """One result of the candidate `small` on the class `sums`."""
    made = Result(
        task_class="sums",
        candidate="small",
        case_id=case_id,
        index=0,
        input="1+1",
        expected="2",
        status=status,
        passed=passed and status is Status.SCORED,
        score=(1.0 if passed else 0.25) if status is Status.SCORED else None,
        extracted=None,
        explanation="",
        reply="",
        stop_reason=StopReason.END,
        served_model=None,
        calls=1,
        input_tokens=1,
        output_tokens=1,
        cost_usd=Decimal(0),
        latency_s=1.0,
        cached=False,
        epoch=epoch,
    )
    return replace(made, **changes)


# --- pairs ------------------------------------------------------------------------------------------------------------


def test_pairs_are_the_common_cases() -> None:
    """A case that one run lacks, or that asks something else now, is counted and not paired."""
    before = [result("a"), result("b"), result("gone"), result("new question"), result("new answer")]
    after = [
        result("b", passed=False),
        result("a"),
        result("added"),
        result("new question", input="1+2"),
        result("new answer", expected="3"),
    ]
    found = pairs_of(before, after)
    assert {(one.case_id, one.before, one.after) for one in found.pairs} == {("a", 1, 1), ("b", 1, 0)}
    assert (found.only_before, found.only_after, found.changed, found.failed) == (1, 1, 2, 0)


def test_a_failed_call_is_no_regression() -> None:
    """A case whose calls all failed in either run is left out and counted; an unscored reply counts as 0."""
    before = [result("a"), result("b", status=Status.FAILED), result("c")]
    after = [result("a", status=Status.FAILED), result("b"), result("c", status=Status.UNSCORED)]
    found = pairs_of(before, after)
    assert [(one.case_id, one.before, one.after) for one in found.pairs] == [("c", 1, 0)]
    assert found.failed == 2


def test_all_calls_failed_raises_no_alarm() -> None:
    """A far side that is down for the whole run leaves nothing to compare, and that is said."""
    down = pairs_of([result(str(k)) for k in range(50)], [result(str(k), status=Status.FAILED) for k in range(50)])
    found = judge_regression({"sums": down}, baseline="base")
    assert not found.alarm
    assert found.classes[0].failed == 50
    assert "50\u00a0cases left out because the calls failed" in class_words(found.classes[0])
    assert regression_words(found)[0] == "Nothing could be compared against base: the calls of 50\u00a0cases failed."
    assert "no case is common" not in "".join(regression_words(found))


def test_epochs_are_averaged() -> None:
    """Each side is the mean of its answered epochs, in any order; of two with the same number the later one counts."""
    before = [result("a", epoch=2, passed=False), result("a", epoch=0), result("a", epoch=1)]
    after = [
        result("a", epoch=0, passed=False),
        result("a", epoch=0),
        result("a", epoch=1, status=Status.FAILED),
        result("a", epoch=2, passed=False),
    ]
    (found,) = pairs_of(before, after).pairs
    assert found.before == pytest.approx(2 / 3)
    assert found.after == 0.5
    assert (found.before_epochs, found.after_epochs) == (3, 2)


def test_no_more_epochs_than_the_baseline_has() -> None:
    """A baseline of one epoch is compared with one epoch; the replies left out are counted."""
    found = pairs_of([result("a")], [result("a", epoch=k, passed=k > 0) for k in range(3)])
    assert (found.pairs[0].after, found.pairs[0].after_epochs, found.spare_epochs) == (0.0, 1, 2)


def test_mean_scores() -> None:
    """Where the mean score is what is measured, it is what is compared."""
    (found,) = pairs_of([result("a")], [result("a", passed=False)], measure="mean_score").pairs
    assert (found.before, found.after) == (1.0, 0.25)


@pytest.mark.parametrize(
    ("before", "after"),
    [([result("a", task_class="x")], [result("a")]), ([result("a", candidate="x"), result("b")], [result("a")])],
)
def test_pairs_of_mixed_results(before: list[Result], after: list[Result]) -> None:
    """Results of two classes, or of two candidates on one side, are no pairs."""
    with pytest.raises(ValueError, match="pair"):
        pairs_of(before, after)


def test_another_candidate_may_be_compared() -> None:
    """The new run may be of another candidate: that is the comparison a change of the table asks for."""
    assert len(pairs_of([result("a")], [result("a", candidate="large")]).pairs) == 1


# --- the tests --------------------------------------------------------------------------------------------------------


def test_one_class() -> None:
    """One binary class: McNemar's mid-p at the whole of alpha, and no test of all classes beside it."""
    found = judge_regression({"a": pairing(9, 2, 100)}, baseline="base", candidates={"a": "small"})
    (one,) = found.classes
    assert one.p_value == one.adjusted_p == pytest.approx(mcnemar_midp(9, 2))
    assert one.method == "mcnemar mid-p"
    assert (one.n, one.candidate, one.before, one.after) == (100, "small", 0.98, 0.91)
    assert one.broke == tuple(f"b{k:03d}" for k in range(9))
    assert one.fixed == ("f000", "f001")
    assert found.alarm
    assert one.alarm
    assert found.level == 0.05
    assert found.pooled_p is None


@pytest.mark.parametrize(
    ("pairs", "method"),
    [
        ([pair()], "mcnemar mid-p"),
        ([pair(cluster="doc")], "sign-flip"),
        ([pair(epochs=3)], "sign-flip"),
        ([pair(before=0.4)], "sign-flip"),
    ],
)
def test_method(pairs: list[Pair], method: str) -> None:
    """Clusters, epochs and scores between 0 and 1 go to the sign-flip test."""
    (one,) = judge_regression({"a": Pairing(pairs=tuple(pairs))}, baseline="").classes
    assert one.method == method


def test_epochs_go_through_the_sign_flip_test() -> None:
    """The p-value is that of the differences of means; a case broke when most of its epochs passed and now do not."""
    pairs = [pair(f"c{k}", 1.0, 1 / 3, epochs=3) for k in range(6)] + [pair("d", 1.0, 2 / 3, epochs=3)]
    (one,) = judge_regression({"a": Pairing(pairs=tuple(pairs))}, baseline="").classes
    assert one.p_value == pytest.approx(sign_flip([2 / 3] * 6 + [1 / 3]))
    assert one.broke == tuple(f"c{k}" for k in range(6))


def test_clusters_count_once() -> None:
    """Twenty broken cases of one document are no proof; clusters of the same name in two classes are two."""
    one_document = Pairing(pairs=tuple(pair(f"c{k}", 1.0, 0.0, cluster="doc") for k in range(20)))
    found = judge_regression({"a": one_document, "b": one_document}, baseline="")
    assert [one.p_value for one in found.classes] == [0.5, 0.5]
    assert found.pooled_p == 0.25


def test_cases_without_a_cluster_stand_alone() -> None:
    """Where only some cases name a cluster, the others are each their own."""
    mixed = [pair("a", 1.0, 0.0, cluster="doc"), pair("b", 1.0, 0.0), pair("c", 1.0, 0.0)]
    (one,) = judge_regression({"a": Pairing(pairs=tuple(mixed))}, baseline="").classes
    assert one.p_value == 1 / 8


def test_one_class_that_fell_is_found_by_its_own_test() -> None:
    """Among ten classes the one that fell raises the alarm, and only that one."""
    pairings = {f"c{k}": pairing(5, 5, 200) for k in range(9)} | {"bad": pairing(24, 4, 200)}
    found = judge_regression(pairings, baseline="base")
    assert [one.task_class for one in found.classes if one.alarm] == ["bad"]
    assert found.level == 0.025
    assert found.classes[-1].adjusted_p == pytest.approx(10 * mcnemar_midp(24, 4))


def test_a_small_drop_everywhere_is_found_by_the_pooled_test() -> None:
    """No class alone, but all together: the pooled test is there for that."""
    found = judge_regression({f"c{k}": pairing(9, 4, 200) for k in range(10)}, baseline="base")
    assert not any(one.alarm for one in found.classes)
    assert found.pooled_alarm
    assert found.alarm
    assert found.pooled_p == pytest.approx(mcnemar_midp(90, 40))
    assert "no class alone, but all together went from 98.0% to 95.5%" in regression_words(found)[0]


def test_a_baseline_that_chose_its_candidate_stays_out_of_the_pooled_test() -> None:
    """Its luck is known to have been good: ten such classes would add up to a false alarm."""
    pairings = {f"c{k}": pairing(9, 4, 200, chosen_there=True) for k in range(10)}
    found = judge_regression(pairings, baseline="base")
    assert not found.alarm
    assert found.pooled_p is None
    assert "a baseline from a run of its own would see smaller drops" in class_words(found.classes[0])
    mixed = pairings | {"fresh": pairing(3, 3, 100)}
    assert judge_regression(mixed, baseline="base").pooled_p == pytest.approx(mcnemar_midp(3, 3))


def test_a_baseline_that_chose_its_candidate_counts_four_times() -> None:
    """Its p-value counts four times, at half of alpha, and the drop it can show is larger by that."""
    chose, fresh = (
        judge_regression({"a": pairing(9, 2, 100, chosen_there=one)}, baseline="base").classes[0]
        for one in (True, False)
    )
    assert chose.p_value == fresh.p_value
    assert chose.adjusted_p == pytest.approx(4 * mcnemar_midp(9, 2))
    assert (fresh.alarm, chose.alarm) == (True, False)
    assert chose.least_detectable_drop is not None
    assert fresh.least_detectable_drop is not None
    assert chose.least_detectable_drop > fresh.least_detectable_drop
    worst = judge_regression({"a": pairing(25, 0, 100, chosen_there=True)}, baseline="base")
    assert worst.level == 0.025
    assert worst.alarm


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 5])
def test_alpha_is_a_probability(alpha: float) -> None:
    """Alpha outside (0, 1) is refused."""
    with pytest.raises(ValueError, match="alpha"):
        judge_regression({}, baseline="", alpha=alpha)


def test_nothing_to_compare() -> None:
    """No class at all: no alarm, and a sentence that says so."""
    found = judge_regression({}, baseline="base")
    assert not found.alarm
    assert regression_words(found) == ("Nothing could be compared against base: no case is common to both runs.",)
    apart = judge_regression({"a": Pairing(pairs=(), only_before=2, only_after=2)}, baseline="base")
    assert class_words(apart.classes[0]) == "a: not compared; no case is common to both runs."
    edited = judge_regression({"a": Pairing(pairs=(), changed=27)}, baseline="base")
    assert regression_words(edited)[0].endswith("base: 27\u00a0cases changed in input or expected answer.")


@pytest.mark.parametrize("clustered", [False, True])
def test_an_unchanged_class_says_what_would_have_shown(*, clustered: bool) -> None:
    """Replies that did not move at all, over epochs or in clusters: the drop is told all the same."""
    if clustered:
        same = [pair(f"c{k}", cluster=f"k{k // 2}") for k in range(60)]
    else:
        same = [pair(f"c{k}", epochs=3) for k in range(60)]
    (one,) = judge_regression({"a": Pairing(pairs=tuple(same))}, baseline="base").classes
    assert one.method == "sign-flip"
    assert one.least_detectable_drop is not None
    assert 0.1 < one.least_detectable_drop < 0.25
    assert "would have been noticed 4 times in 5" in class_words(one)


def test_too_few_pairs_are_said() -> None:
    """Where not even a drop to nothing would show, the sentence says so instead of nothing."""
    (few,) = judge_regression({"a": pairing(0, 0, 2)}, baseline="base").classes
    assert few.too_few
    assert "too few cases: not even a drop to nothing would have been noticed" in class_words(few)


def test_unscored_replies_are_named() -> None:
    """A fall that comes from replies which nobody could score is told from one of the model."""
    before = [result(str(k)) for k in range(30)]
    found = pairs_of(before, [result(str(k), status=Status.UNSCORED) for k in range(30)])
    assert found.unscored == 30
    (one,) = judge_regression({"sums": found}, baseline="base").classes
    assert "30\u00a0cases could not be scored now, which counts as not passed" in class_words(one)


# --- the screen -------------------------------------------------------------------------------------------------------


def test_screen() -> None:
    """Suspicious classes are confirmed; all of them where all pairs together are suspicious."""
    calm, odd = pairing(4, 6, 200), pairing(6, 3, 200)
    assert screen({"a": calm, "b": calm, "odd": odd}) == {"odd"}
    assert screen({"a": pairing(5, 4, 200), "b": pairing(5, 4, 200), "c": pairing(5, 4, 200)}) == set()
    assert screen({f"c{k}": pairing(6, 4, 200) for k in range(9)}) == {f"c{k}" for k in range(9)}


def test_an_unconfirmed_class_counts_as_unchanged() -> None:
    """What was not confirmed has p = 1, and the pooled test needs every class."""
    pairings = {"a": pairing(20, 1, 200), "b": pairing(20, 1, 200)}
    found = judge_regression(pairings, baseline="base", confirmed={"a"})
    assert [(one.p_value == 1, one.screened, one.alarm) for one in found.classes] == [
        (False, False, True),
        (True, True, False),
    ]
    assert (found.pooled_p, found.pooled_alarm) == (1.0, False)
    assert "no sign of a drop in the first epoch" in class_words(found.classes[1])


counts = st.tuples(st.integers(0, 25), st.integers(0, 25))


@settings(max_examples=60, deadline=None)
@given(st.lists(counts, min_size=1, max_size=5), st.sets(st.integers(0, 4)))
def test_a_screen_never_adds_an_alarm(changes: list[tuple[int, int]], confirmed: set[int]) -> None:
    """Whatever was confirmed, an alarm after a screen is one without it too: so the screen adds no false alarm."""
    pairings = {str(k): pairing(broke, fixed, 60) for k, (broke, fixed) in enumerate(changes)}
    whole = judge_regression(pairings, baseline="")
    part = judge_regression(pairings, baseline="", confirmed={str(k) for k in confirmed if k < len(changes)})
    assert whole.alarm or not part.alarm
    assert {one.task_class for one in part.classes if one.alarm} <= {
        one.task_class for one in whole.classes if one.alarm
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(counts, min_size=1, max_size=5), st.randoms())
def test_order_does_not_matter(changes: list[tuple[int, int]], random: Random) -> None:
    """Neither the order of classes nor that of pairs changes a p-value."""
    pairings = {str(k): pairing(broke, fixed, 60) for k, (broke, fixed) in enumerate(changes)}
    names = list(pairings)
    random.shuffle(names)
    shuffled = {name: Pairing(pairs=tuple(random.sample(pairings[name].pairs, 60))) for name in names}
    first, second = (judge_regression(one, baseline="") for one in (pairings, shuffled))
    assert first.pooled_p == second.pooled_p
    assert {one.task_class: one for one in first.classes}.keys() == {one.task_class for one in second.classes}
    for one in second.classes:
        same = next(other for other in first.classes if other.task_class == one.task_class)
        assert (one.p_value, one.broke, one.alarm) == (same.p_value, same.broke, same.alarm)


@settings(max_examples=60, deadline=None)
@given(broke=st.integers(0, 24), fixed=st.integers(0, 25))
def test_one_more_broken_case_never_helps(broke: int, fixed: int) -> None:
    """The p-value falls when one more case breaks."""
    fewer, more = (judge_regression({"a": pairing(b, fixed, 60)}, baseline="").classes[0] for b in (broke, broke + 1))
    assert more.p_value < fewer.p_value


# --- words ------------------------------------------------------------------------------------------------------------


def test_words_of_an_alarm() -> None:
    """The sentence names what fell, from what to what, how surely, and the first ten broken cases."""
    found = judge_regression({"a": pairing(24, 2, 200)}, baseline="run 7", candidates={"a": "small"})
    head, one = regression_words(found)
    assert head == "Regression against run 7 in a."
    assert one.startswith(
        "a (small): dropped from 99.0% to 88.0% on 200\u00a0common cases, 24 broke, 2 fixed (p < 0.0001"
    )
    assert "newly broken: b000, b001," in one
    assert "b009 and 14 more" in one


def test_words_without_an_alarm() -> None:
    """Without an alarm the sentence says which drop would have shown: absence of evidence has a size."""
    found = judge_regression({"a": pairing(5, 5, 200)}, baseline="run 7")
    head, one = regression_words(found)
    assert head == "No regression found against run 7 in 1\u00a0class."
    assert "no regression found, 97.5% before, 97.5% now on 200\u00a0common cases, 5 broke, 5 fixed (p = 0.5)" in one
    assert "a drop of 5.7\u00a0points would have been noticed 4 times in 5" in one


@pytest.mark.parametrize(("days", "said"), [(None, False), (10, False), (90, False), (91, True), (400, True)])
def test_a_stale_baseline_is_named(days: int | None, said: bool) -> None:
    """A baseline older than 90 days gets a sentence."""
    words = regression_words(judge_regression({"a": pairing(1, 1, 50)}, baseline="x"), baseline_days=days)
    assert ("promote a newer run" in words[-1]) == said


def test_cases_without_a_counterpart_are_named() -> None:
    """What was not compared is said."""
    found = judge_regression({"a": pairing(1, 1, 50, only_before=3, only_after=1, changed=2)}, baseline="x")
    words = regression_words(found)
    assert "3\u00a0cases of the baseline and 1\u00a0case of this run" in words[-1]
    assert "2\u00a0cases changed in input or expected answer" in words[1]
