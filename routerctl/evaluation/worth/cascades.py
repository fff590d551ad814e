"""Turns two candidates' results on the same cases into a cascade: the first answers, the second what a check rejects.

Everything is counted on those cases. The share that the second gets right is taken where the first was rejected:
what is hard for one is hard for the other, so its overall share would flatter the cascade. Source: per task, with
accepted share a, price of the check g and q = P(second right | first rejected): cost c1 + g + (1 - a) c2, right
p1 TPR + (1 - a) q. Sets of cases are bits of whole numbers: a ladder of 71 candidates has 2,485 pairs to count. It
knows results, neither tables nor runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import compress

from routerctl.evaluation.worth.grid import delivered
from routerctl.types import Result

LEAST_REJECTED = 10  # with fewer rejected cases q is a guess
LEVEL = 0.95  # of the interval of q


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """One candidate's replies to a class, one a case; bit k of a set stands for case k of the planned order."""

    results: tuple[Result | None, ...]  # by place; None: it has none
    cases: int  # set: those it has a reply to
    passed: int  # set
    wrong: int  # set: delivered though wrong, neither failed nor refused
    total_usd: Decimal

    def where(self, holds: Callable[[Result], bool]) -> int:
        """Give the set of the cases whose reply has a property."""
        return _as_set(one is not None and holds(one) for one in self.results)

    def cost_usd(self, cases: int) -> Decimal:
        """Add up what the replies to a set of cases cost."""
        if cases == self.cases:
            return self.total_usd
        chosen = compress(self.results, map(int, reversed(f"{cases:b}")))
        return sum((one.cost_usd for one in chosen if one), Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """A cascade of two rungs as counted on the cases that both were run on; shares are of these cases."""

    cases: int
    rejected: int  # of those, by the check of the first answer
    rescued: int  # of the rejected, right in the second
    q: float  # rescued / rejected
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
    def q_interval(self) -> tuple[float, float]:
        """Bound q at level 95 % (Clopper-Pearson, two-sided)."""
        return share_interval(self.rescued, self.rejected, 1 - LEVEL)

    @property
    def accepted(self) -> float:
        """The share of the first's answers that the check accepts."""
        return 1 - self.rejected / self.cases

    @property
    def cheaper(self) -> bool:
        """Whether it costs less than the second alone: c1 + g < a c2 where every case costs the second the same."""
        return self.cost_usd < self.second_usd


def replies_of(results: Iterable[Result]) -> Replies:
    """Take one reply a case: of several epochs the first, of a case asked twice the last result."""
    last = {(one.index, one.epoch): one for one in results}
    by_place: dict[int, Result] = {}
    for place in sorted(last):
        by_place.setdefault(place[0], last[place])
    listed = tuple(by_place.get(place) for place in range(max(by_place, default=-1) + 1))
    return Replies(
        results=listed,
        cases=_as_set(one is not None for one in listed),
        passed=_as_set(one is not None and one.passed for one in listed),
        wrong=_as_set(one is not None and delivered(one) and not one.passed for one in listed),
        total_usd=sum((one.cost_usd for one in by_place.values()), Decimal(0)),
    )


def _as_set(flags: Iterable[bool]) -> int:
    return int("".join("1" if flag else "0" for flag in flags)[::-1] or "0", 2)


def cascade(
    first: Replies,
    second: Replies,
    accepted: int,
    *,
    check_usd: Decimal = Decimal(0),
    least_rejected: int = LEAST_REJECTED,
) -> Cascade | None:
    """Count a cascade on the cases that both candidates were run on; `accepted`: the set whose first reply is served.

    `check_usd` is per task. None where the check rejected fewer than `least_rejected` of the cases.
    """
    both = first.cases & second.cases
    kept, rejected = both & accepted, both & ~accepted
    cases, climbed = both.bit_count(), rejected.bit_count()
    if not cases or climbed < least_rejected:
        return None
    right, rescued = first.passed & both, (second.passed & rejected).bit_count()
    first_usd = first.cost_usd(both) / cases
    return Cascade(
        cases=cases,
        rejected=climbed,
        rescued=rescued,
        q=rescued / climbed,
        tpr=_share(right & kept, right),
        fpr=_share(kept & ~right, both & ~right),
        first_usd=first_usd,
        second_usd=second.cost_usd(both) / cases,
        cost_usd=first_usd + check_usd + second.cost_usd(rejected) / cases,
        first_correct=right.bit_count() / cases,
        second_correct=(second.passed & both).bit_count() / cases,
        correct=((first.passed & kept).bit_count() + rescued) / cases,
        first_wrong=(first.wrong & both).bit_count() / cases,
        second_wrong=(second.wrong & both).bit_count() / cases,
        wrong=((first.wrong & kept) | (second.wrong & rejected)).bit_count() / cases,
    )


def _share(part: int, whole: int) -> float | None:
    return part.bit_count() / whole.bit_count() if whole else None


def share_interval(hits: int, n: int, alpha: float) -> tuple[float, float]:
    """Return the two-sided interval of a share at level 1 - alpha; n at least 1, not stopped early.

    Source: Clopper & Pearson, Biometrika 26 (1934).
    """
    from routerctl.statistics.calibration import accuracy_lower, accuracy_upper  # numpy: only a cascade needs it

    return accuracy_lower(hits, n, alpha / 2), accuracy_upper(hits, n, alpha / 2)
