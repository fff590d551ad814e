"""Turns the results of one class in two runs into pairs: the same case before and after, averaged over its epochs.

Three things are left out and counted: a case that only one run has, a case whose input or expected answer differs
(it is another question now), and a case whose every call failed in either run. A failed call says that the provider
was down, not that the model got worse. A reply that could not be scored counts as 0, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from routerctl.types import Measure, Result, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One case answered before and after."""

    case_id: str
    cluster: str | None
    before: float  # mean over the epochs of passed (0 or 1), or of the score; in [0, 1]
    after: float  # likewise
    before_epochs: int
    after_epochs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """The pairs of one class, and what is not among them."""

    pairs: tuple[Pair, ...]
    only_before: int = 0  # cases that the new run did not ask
    only_after: int = 0  # cases that the baseline did not ask
    changed: int = 0  # cases with another input or expected answer: not pairs
    failed: int = 0  # cases without a pair because every call failed in one of the runs
    unscored: int = 0  # cases of a pair with a reply of the new run that no scorer could decide on: it counts as 0
    spare_epochs: int = 0  # replies of the new run left out because the baseline has fewer epochs
    # The baseline run is also the one that chose this candidate. It was chosen for passing there, so its luck there
    # was good more often than bad, and a rerun looks worse by a point or two though nothing changed.
    chosen_there: bool = False


def pairs_of(
    before: Sequence[Result],
    after: Sequence[Result],
    *,
    measure: Measure = "pass_rate",
    chosen_there: bool = False,
) -> Pairing:
    """Pair the results of one class by case id; `chosen_there`: the baseline run chose this candidate.

    No more epochs of the new run are used than the baseline has of that case: the sign-flip test wants differences
    that are symmetric when nothing changed, and one reply against the mean of three is not.

    Raises: ValueError where the results are of more than one class, or those of one run of more than one candidate.
    """
    _check(before, after)
    old, new = _by_case(before), _by_case(after)
    common = [case_id for case_id in new if case_id in old]
    same = [case_id for case_id in common if _same(old[case_id][0], new[case_id][0])]
    pairs, spare, unscored = [], 0, 0
    for case_id in same:
        olds, news = (_answered(results[case_id]) for results in (old, new))
        if olds and news:
            used = news[: len(olds)]
            spare += len(news) - len(used)
            unscored += any(result.status is Status.UNSCORED for result in used)
            pairs.append(_pair(olds, used, measure))
    return Pairing(
        pairs=tuple(pairs),
        only_before=len(old.keys() - new.keys()),
        only_after=len(new.keys() - old.keys()),
        changed=len(common) - len(same),
        failed=len(same) - len(pairs),
        unscored=unscored,
        spare_epochs=spare,
        chosen_there=chosen_there,
    )


def _check(before: Sequence[Result], after: Sequence[Result]) -> None:
    classes = {result.task_class for result in (*before, *after)}
    if len(classes) > 1:
        raise ValueError(f"pairs are of one class, not of {', '.join(sorted(classes))}")
    for run in (before, after):
        if len({result.candidate for result in run}) > 1:
            raise ValueError("each side of a pair is one candidate")


def _by_case(results: Sequence[Result]) -> Mapping[str, list[Result]]:
    """Each case's results in the order of epochs; of two with the same epoch the later one counts."""
    epochs: dict[str, dict[int, Result]] = {}
    for result in results:
        epochs.setdefault(result.case_id, {})[result.epoch] = result
    return {case_id: [found[epoch] for epoch in sorted(found)] for case_id, found in epochs.items()}


def _same(old: Result, new: Result) -> bool:
    return bool(old.input == new.input and old.expected == new.expected)


def _answered(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.status is not Status.FAILED]


def _pair(olds: Sequence[Result], news: Sequence[Result], measure: Measure) -> Pair:
    return Pair(
        case_id=news[0].case_id,
        cluster=news[0].cluster,
        before=_mean(olds, measure),
        after=_mean(news, measure),
        before_epochs=len(olds),
        after_epochs=len(news),
    )


def _mean(results: Sequence[Result], measure: Measure) -> float:
    if measure == "mean_score":
        return sum(result.score or 0.0 for result in results) / len(results)
    return sum(result.passed for result in results) / len(results)
