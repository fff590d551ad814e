"""Turns two candidates' results on the same cases into a cascade: the first answers, the second what a check rejects.

Everything is counted on those cases. The share that the second gets right is taken where the first was rejected:
what is hard for one is hard for the other, so its overall share would flatter the cascade. Source: per task, with
accepted share a, price of the check g and q = P(second right | first rejected): cost c1 + g + (1 - a) c2, right
p1 TPR + (1 - a) q. Place: the folder's second file; knows results, neither tables nor runs.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from routerctl.types import Result, Status, StopReason

Accept = Callable[[Result], bool]  # whether a reply would be served, as far as can be told without knowing the answer

LEAST_REJECTED = 10  # with fewer rejected cases q is a guess
LEVEL = 0.95  # of the interval of q


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A way to tell an answer that may be served from one that may not."""

    name: str
    accept: Accept


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """A cascade of two rungs as counted on the cases that both were run on; shares are of these cases."""

    cases: int
    rejected: int  # of those, by the check of the first answer
    rescued: int  # of the rejected, right in the second
    q: float  # rescued / rejected
    q_interval: tuple[float, float]  # Clopper-Pearson, two-sided
    tpr: float | None  # share of the first's right answers that the check accepts; None: it had none
    fpr: float | None  # share of the first's wrong answers that the check accepts; None: it had none
    first_usd: Decimal  # per task, the first alone
    second_usd: Decimal  # per task, the second alone
    cost_usd: Decimal  # per task, the cascade: first, check, and the second where the first was rejected
    first_correct: float
    second_correct: float
    correct: float
    first_wrong: float  # delivered though wrong: neither failed nor refused
    second_wrong: float
    wrong: float

    @property
    def accepted(self) -> float:
        """The share of the first's answers that the check accepts."""
        return 1 - self.rejected / self.cases

    @property
    def cheaper(self) -> bool:
        """Whether it costs less than the second alone: c1 + g < a c2 where every case costs the second the same."""
        return self.cost_usd < self.second_usd


# --- checks -----------------------------------------------------------------------------------------------------------


def usable(result: Result) -> bool:
    """Accept what came back whole: the call succeeded, was not refused or cut off, and an answer was found in it."""
    whole = result.status is not Status.FAILED and result.stop_reason not in _UNFIT
    return whole and result.extracted is not None


_UNFIT = (StopReason.REFUSAL, StopReason.MAX_TOKENS)


def agreement_at_least(threshold: float) -> Accept:
    """Make the check that accepts a usable answer on which at least this share of the samples agree."""
    return lambda result: usable(result) and result.agreement is not None and result.agreement >= threshold - 1e-9


def logprob_at_least(threshold: float) -> Accept:
    """Make the check that accepts a usable answer whose mean log-probability per token is at least this."""
    return lambda result: usable(result) and result.mean_logprob is not None and result.mean_logprob >= threshold


def checks_for(results: Sequence[Result]) -> list[Check]:
    """List the checks that a candidate's results allow, with thresholds chosen without a look at right and wrong.

    A threshold tuned on the cases it is then measured on would promise too much: agreement must be complete, and of
    the log-probabilities the upper half is accepted.
    """
    found = [Check(name="usable", accept=usable)]
    if any(one.agreement is not None for one in results):
        found.append(Check(name="all samples agree", accept=agreement_at_least(1.0)))
    known = [one.mean_logprob for one in results if one.mean_logprob is not None]
    if known:
        middle = statistics.median(known)
        name = f"mean log-probability at least {middle:.2g}, the median"
        found.append(Check(name=name, accept=logprob_at_least(middle)))
    return found


# --- counting ---------------------------------------------------------------------------------------------------------


def cascade(
    first: Sequence[Result],
    second: Sequence[Result],
    accept: Accept = usable,
    *,
    check_usd: Decimal = Decimal(0),
    least_rejected: int = LEAST_REJECTED,
) -> Cascade | None:
    """Count a cascade on the cases that both candidates were run on, one reply a case; `check_usd` is per task.

    None where the check rejected fewer than `least_rejected` of them.
    """
    pairs = _pairs(first, second)
    rejected = [not accept(one) for one, _ in pairs]
    if not pairs or sum(rejected) < least_rejected:
        return None
    cases, kept = len(pairs), list(zip(pairs, rejected, strict=True))
    served = [other if climbs else one for (one, other), climbs in kept]
    rescued = sum(other.passed for (_, other), climbs in kept if climbs)
    climbed_usd = sum((other.cost_usd for (_, other), climbs in kept if climbs), Decimal(0))
    firsts, seconds = [one for one, _ in pairs], [other for _, other in pairs]
    return Cascade(
        cases=cases,
        rejected=sum(rejected),
        rescued=rescued,
        q=rescued / sum(rejected),
        q_interval=share_interval(rescued, sum(rejected), 1 - LEVEL),
        tpr=_share(not climbs for (one, _), climbs in kept if one.passed),
        fpr=_share(not climbs for (one, _), climbs in kept if not one.passed),
        first_usd=_cost(firsts),
        second_usd=_cost(seconds),
        cost_usd=_cost(firsts) + check_usd + climbed_usd / cases,
        first_correct=_right(firsts),
        second_correct=_right(seconds),
        correct=_right(served),
        first_wrong=_wrong(firsts),
        second_wrong=_wrong(seconds),
        wrong=_wrong(served),
    )


def _pairs(first: Iterable[Result], second: Iterable[Result]) -> list[tuple[Result, Result]]:
    """Pair the two by case; of several epochs the first that both have, of a case asked twice the last result."""
    left, right = _by_place(first), _by_place(second)
    found: dict[int, tuple[Result, Result]] = {}
    for place in sorted(left.keys() & right.keys()):
        found.setdefault(place[0], (left[place], right[place]))
    return list(found.values())


def _by_place(results: Iterable[Result]) -> dict[tuple[int, int], Result]:
    return {(one.index, one.epoch): one for one in results}


def _share(flags: Iterable[bool]) -> float | None:
    found = list(flags)
    return sum(found) / len(found) if found else None


def _cost(results: Sequence[Result]) -> Decimal:
    return sum((one.cost_usd for one in results), Decimal(0)) / len(results)


def _right(results: Sequence[Result]) -> float:
    return sum(one.passed for one in results) / len(results)


def _wrong(results: Sequence[Result]) -> float:
    delivered = (one.status is not Status.FAILED and one.stop_reason is not StopReason.REFUSAL for one in results)
    return sum(came and not one.passed for one, came in zip(results, delivered, strict=True)) / len(results)


def share_interval(hits: int, n: int, alpha: float) -> tuple[float, float]:
    """Return the two-sided interval of a share at level 1 - alpha; n at least 1, not stopped early.

    Source: Clopper & Pearson, Biometrika 26 (1934).
    """
    from routerctl.statistics.calibration import accuracy_lower, accuracy_upper  # numpy: only a cascade needs it

    return accuracy_lower(hits, n, alpha / 2), accuracy_upper(hits, n, alpha / 2)
