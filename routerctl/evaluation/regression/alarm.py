"""Turns pairs into p-values, and these into one alarm for the whole run.

One class of 0/1 cases with one reply each is tested by McNemar's mid-p test, any other by sign flips per case (per
cluster where cases resemble each other). The alarm has two halves, each with half of alpha: Holm's procedure over the
classes, which finds one class that fell far, and one test of all pairs together, which finds a small drop everywhere.

A class whose baseline run also chose its candidate is treated apart. It was chosen for passing, so its baseline is
better than a rerun even when nothing changed: with 5 % rerun noise by about a point, whether its test stopped early or
ran all cases. Ten such classes together would raise a false alarm in most runs, so they stay out of the second half;
and each one's own p-value counts four times (`FLATTERED`). `benchmarks/regression.py` measures both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from routerctl.evaluation.regression.pairs import Pair, Pairing
from routerctl.statistics import paired
from routerctl.words import plural

TestMethod = Literal["mcnemar mid-p", "sign-flip"]

# P(p <= x, given that the baseline passed) is at most x / P(it passes): four times p is a p-value for every candidate
# that had at least one chance in four to pass.
FLATTERED = 4
SCREENED = 0.25  # the level at which a class deserves more epochs: where nothing got worse, about so many do


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRegression:
    """What the pairs of one class say."""

    task_class: str
    candidate: str
    n: int  # pairs
    broke: tuple[str, ...]  # ids of cases that passed in more than half of their epochs and no longer do, worst first
    fixed: tuple[str, ...]  # the reverse
    before: float  # mean over the pairs
    after: float
    method: TestMethod
    p_value: float  # 1 where the screen found nothing
    adjusted_p: float  # Holm's over the classes, after `FLATTERED` where the baseline run also chose the candidate
    alarm: bool
    least_detectable_drop: float | None  # with 80 % power at this class's share of alpha; None: not even a large one
    screened: bool = False  # True: one epoch gave no reason for more, the class counts as unchanged
    chosen_there: bool = False  # the baseline run also chose this candidate
    changed: int = 0  # cases left out because their input or expected answer changed
    failed: int = 0  # cases left out because their calls failed
    foreign: tuple[str, ...] = ()  # sentences: another model than the pin answered, on one of the two sides
    notes: tuple[str, ...] = ()

    @property
    def too_few(self) -> bool:
        """Whether the pairs are too few for its test to notice any drop, so that its silence says nothing."""
        return bool(self.n) and not self.alarm and self.least_detectable_drop is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """What two runs on the same cases say of one question: did it get worse."""

    baseline: str  # what the new run was compared with
    classes: tuple[ClassRegression, ...]
    pooled_p: float | None  # all pairs together; None: one class only, or no class whose baseline is fit for it
    alpha: float  # of the whole alarm
    level: float  # what adjusted p-values, and the pooled one, are compared with
    only_before: int = 0
    only_after: int = 0

    @property
    def pooled_alarm(self) -> bool:
        """Whether all pairs together got worse."""
        return self.pooled_p is not None and self.pooled_p <= self.level

    @property
    def alarm(self) -> bool:
        """Whether any class got worse, or all together did."""
        return self.pooled_alarm or any(one.alarm for one in self.classes)


# --- the tests --------------------------------------------------------------------------------------------------------


def screen(pairings: Mapping[str, Pairing]) -> set[str]:
    """Return the classes that deserve more epochs: those at p <= SCREENED, or all where all pairs together are.

    The first epoch and the further ones then go through `judge_regression` together. It can raise an alarm only where
    it would have without a screen, so the screen costs a little power and no false alarm.
    """
    pooled = _pooled(pairings, pairings)
    if pooled is not None and pooled <= SCREENED:
        return set(pairings)
    return {name for name, one in pairings.items() if _p_value(one.pairs) <= SCREENED}


def judge_regression(
    pairings: Mapping[str, Pairing],
    *,
    baseline: str,
    alpha: float = 0.05,
    confirmed: Collection[str] | None = None,
    candidates: Mapping[str, str] | None = None,
) -> Regression:
    """Judge whether a run got worse than its baseline; `pairings` and `candidates` go by task class.

    `confirmed`: the classes that `screen` named and that ran further epochs; None: there was no screen. The others
    count as p = 1, and the test of all pairs counts only where every class was confirmed.

    Raises: ValueError where alpha is not a probability.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is a probability, not {alpha}")
    kept = set(pairings) if confirmed is None else set(confirmed)
    tested = _p_values(pairings, kept)
    # With one class the two halves would be the same test twice; it then has all of alpha.
    alone = len(tested) == 1 and not any(pairings[name].chosen_there for name in tested)
    level = alpha if alone else alpha / 2
    classes = tuple(_classes(pairings, tested, kept, level, candidates or {}))
    return Regression(
        baseline=baseline,
        classes=classes,
        pooled_p=_pooled(pairings, kept),
        alpha=alpha,
        level=level,
        only_before=sum(one.only_before for one in pairings.values()),
        only_after=sum(one.only_after for one in pairings.values()),
    )


def _p_values(pairings: Mapping[str, Pairing], kept: Collection[str]) -> dict[str, tuple[float, float]]:
    """The p-value of each class that has pairs, 1 where the screen passed it, and Holm's for all of them together."""
    found = {name: _p_value(one.pairs) if name in kept else 1.0 for name, one in pairings.items() if one.pairs}
    adjusted = paired.holm([min(p_value * _times(pairings[name]), 1.0) for name, p_value in found.items()])
    return dict(zip(found, zip(found.values(), adjusted, strict=True), strict=True))


def _pooled(pairings: Mapping[str, Pairing], kept: Collection[str]) -> float | None:
    """The p-value of all pairs together, 1 unless all are kept; without classes whose baseline run chose as well."""
    members = [name for name, one in pairings.items() if one.pairs and not one.chosen_there]
    if not members or sum(bool(one.pairs) for one in pairings.values()) < 2:
        return None
    if not all(name in kept for name in members):
        return 1.0
    return _test([(name, pair) for name in members for pair in pairings[name].pairs])


def _times(one: Pairing) -> int:
    return FLATTERED if one.chosen_there else 1


def _p_value(pairs: Sequence[Pair]) -> float:
    return _test([("", pair) for pair in pairs])


def _test(pairs: Sequence[tuple[str, Pair]]) -> float:
    """Test pairs that carry their class's name: a cluster's name means something within its class only."""
    if _method([pair for _, pair in pairs]) == "mcnemar mid-p":
        broke = sum(pair.before > pair.after for _, pair in pairs)
        return paired.mcnemar_midp(broke, sum(pair.before < pair.after for _, pair in pairs))
    return paired.sign_flip([pair.before - pair.after for _, pair in pairs], clusters=_clusters(pairs))


def _method(pairs: Sequence[Pair]) -> TestMethod:
    """One reply each side, passed or not, and no cluster: then counts say all there is."""
    simple = all(
        pair.before_epochs == pair.after_epochs == 1
        and pair.cluster is None
        and {pair.before, pair.after} <= {0.0, 1.0}
        for pair in pairs
    )
    return "mcnemar mid-p" if simple else "sign-flip"


def _clusters(pairs: Sequence[tuple[str, Pair]]) -> list[str] | None:
    if all(pair.cluster is None for _, pair in pairs):
        return None
    return [repr((name, pair.cluster, "" if pair.cluster else pair.case_id)) for name, pair in pairs]


# --- one class --------------------------------------------------------------------------------------------------------


def _classes(
    pairings: Mapping[str, Pairing],
    tested: Mapping[str, tuple[float, float]],
    kept: Collection[str],
    level: float,
    candidates: Mapping[str, str],
) -> Iterator[ClassRegression]:
    """Put each class's answer together; `level`: what adjusted p-values are compared with, `tested` as `_p_values`."""
    for name, one in pairings.items():
        p_value, adjusted_p = tested.get(name, (1.0, 1.0))
        yield ClassRegression(
            task_class=name,
            candidate=candidates.get(name, ""),
            n=len(one.pairs),
            broke=_moved(one.pairs, worse=True),
            fixed=_moved(one.pairs, worse=False),
            before=_mean([pair.before for pair in one.pairs]),
            after=_mean([pair.after for pair in one.pairs]),
            method=_method(one.pairs),
            p_value=p_value,
            adjusted_p=adjusted_p,
            alarm=bool(one.pairs) and adjusted_p <= level,
            least_detectable_drop=_least_drop(one.pairs, level / max(len(tested), 1) / _times(one)),
            screened=name not in kept,
            chosen_there=one.chosen_there,
            changed=one.changed,
            failed=one.failed,
            notes=_notes(one),
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _moved(pairs: Sequence[Pair], *, worse: bool) -> tuple[str, ...]:
    moved = [pair for pair in pairs if (pair.before > 0.5) != (pair.after > 0.5) and (pair.before > 0.5) == worse]
    worst_first = sorted(moved, key=lambda pair: (-abs(pair.before - pair.after), pair.case_id))
    return tuple(pair.case_id for pair in worst_first)


def _least_drop(pairs: Sequence[Pair], alpha: float) -> float | None:
    """The drop this class would have shown 4 times in 5, from the rerun noise seen in it."""
    if not pairs:
        return None
    if _method(pairs) == "sign-flip":
        clusters = _clusters([("", pair) for pair in pairs])
        units = paired.unit_sums([pair.before - pair.after for pair in pairs], clusters)
        return paired.least_detectable_shift(units, paired.unit_sums([1.0] * len(pairs), clusters), alpha)
    broke = sum(pair.before > pair.after for pair in pairs)
    fixed = sum(pair.before < pair.after for pair in pairs)
    # Noise changes as many cases each way; what one way has more of is drop or gain. Half a case, so that a lucky
    # rerun without any change does not count as a promise of none.
    noise = min((2 * min(broke, fixed) + 1) / (len(pairs) + 1), 0.9)
    return paired.least_detectable_drop(len(pairs), noise, alpha)


def _notes(one: Pairing) -> tuple[str, ...]:
    found = []
    if not (one.pairs or one.changed or one.failed):
        found.append("no case is common to both runs")
    if one.changed:
        found.append(f"{plural(one.changed, 'case')} changed in input or expected answer and left out")
    if one.failed:
        found.append(f"{plural(one.failed, 'case')} left out because the calls failed, which is no regression")
    if one.unscored:
        found.append(f"{plural(one.unscored, 'case')} could not be scored now, which counts as not passed")
    if one.spare_epochs:
        found.append(f"{plural(one.spare_epochs, 'reply', 'replies')} left out: the baseline has fewer epochs")
    if one.chosen_there and one.pairs:
        found.append(
            "the baseline run also chose this candidate, so a rerun looks a little worse even if nothing changed; "
            f"its p counts {FLATTERED} times and it is left out of the test of all classes together; "
            "a baseline from a run of its own would see smaller drops"
        )
    return tuple(found)
