"""Turns a set size, a bar and an error probability into the boundaries at which a test of 0/1 cases stops.

It knows counts only: no case, no candidate, no verdict, no money. Cases are taken as independent draws from the traffic
the set stands for, looked at in an order that has nothing to do with their outcome; where that does not hold, neither
does the error probability.

The sequential test is the exact binomial one of Jennison & Turnbull, Group Sequential Methods (2000), ch. 12.
Walks are counted in failures: a run that can still pass has few of them, which keeps the arrays short.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.tails import Counts, Probabilities, bisect, check, least_passes, tails

POWER = 0.9  # a candidate is "good enough" when it passes this often
FUTILITY = 0.05  # a run is given up when a good enough candidate would pass from here less often than this
_BISECTIONS = 26  # 2^-26 of the bracket: no digit that anybody reads, and no alpha worth having, lies below it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoppingPlan:
    """The two stopping lines of one test; compared by identity, the arrays are read-only.

    After `t` cases of which `s` passed, the test passes when `s >= up[t]` and is given up when `s <= low[t]`.
    A line above t or below 0 cannot be reached. Every plan is decided by case n, an undecidable one by case 0.
    """

    n: int  # cases planned
    bar: float
    alpha: float  # promised: P(pass) of a candidate below the bar
    need: int  # passes that suffice once all n cases ran; n + 1: no score on n cases suffices
    up: Counts  # [n + 1]
    low: Counts  # [n + 1]
    good_enough: float | None  # accuracy that passes with probability POWER, if no run were given up; None: none does

    @property
    def decidable(self) -> bool:
        """Whether any score on n cases passes."""
        return self.need <= self.n


# --- plans ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def plan(n: int, bar: float, alpha: float) -> StoppingPlan:
    """Plan the exact sequential test of "accuracy >= bar": what passes a fixed Clopper-Pearson test passes here too.

    1. `need` is the least k with P(Bin(n, bar) >= k) <= alpha.
    2. The alpha that this leaves over buys early passes: up to case t the walk may have passed with probability
       c (t / n)^2 at accuracy == bar, with the largest c, found by bisection, whose exact total stays within alpha.
    3. A run is given up where a good enough candidate would pass from there with probability below FUTILITY. This
       only takes passes away: it cannot raise the error.

    Raises: ValueError where n < 1 or bar or alpha is out of range.
    """
    check(n, bar, alpha)
    need = int(least_passes(np.asarray(n), bar, alpha))
    if need > n:
        looks = np.arange(n + 1, dtype=np.int64)
        # low[0] = 0: given up before the first case
        never = StoppingPlan(n=n, bar=bar, alpha=alpha, need=need, up=looks + 1, low=looks, good_enough=None)
        return _frozen(never)
    up = np.arange(n + 1, dtype=np.int64) - _spend(n, bar, need, alpha)
    up[need:] = np.minimum(up[need:], need)  # with `need` passes in hand the last look is already won
    early = StoppingPlan(n=n, bar=bar, alpha=alpha, need=need, up=up, low=_hopeless(n, need), good_enough=None)
    good = _accuracy_for(POWER, _chances(early))
    return _frozen(replace(early, low=_futile(early, good), good_enough=good))


@lru_cache(maxsize=256)
def point_plan(n: int, bar: float) -> StoppingPlan:
    """Plan the curtailed point rule "at least bar of these n cases pass": it stops once the answer cannot change.

    It promises nothing about other cases: alpha is 1.

    Raises: ValueError where n < 1 or bar is out of range.
    """
    check(n, bar, 0.5)
    need = math.ceil(bar * n - 1e-9)  # a score equal to the bar reaches it; 0.55 * 100 is 55.00000000000001
    up = np.full(n + 1, need, dtype=np.int64)
    good = float(special.betaincinv(need, n - need + 1, POWER))
    return _frozen(StoppingPlan(n=n, bar=bar, alpha=1.0, need=need, up=up, low=_hopeless(n, need), good_enough=good))


def _frozen(made: StoppingPlan) -> StoppingPlan:
    made.up.setflags(write=False)  # plans are cached: a caller's edit would reach every later caller
    made.low.setflags(write=False)
    return made


def _step(alive: Probabilities, p: float) -> None:
    """Move every walk on by one case, in place; walks that fail off the end can no longer pass."""
    failing = alive[:-1] * (1 - p)
    alive *= p
    alive[1:] += failing


def _spend(n: int, bar: float, need: int, alpha: float) -> Counts:
    """The failures allowed to pass at each look, [n + 1], -1 = none; exactly, they spend at most alpha."""
    walks = _Walks(bar, n - need)
    best, _ = _allowed(walks, n, need, 0.0)
    low, high = 0.0, alpha
    for _ in range(_BISECTIONS):
        budget = (low + high) / 2
        tried, spent = _allowed(walks, n, need, budget)
        if spent <= alpha:
            best, low = tried, budget
        else:
            high = budget
    return best


class _Walks:
    """P(f failures in t cases) at one accuracy, by t, for f up to `most`; only what is asked for is made and kept.

    Looks stand close together but for a few, so few and short rows are asked for: all of them would take n * `most`.
    """

    def __init__(self, accuracy: float, most: int) -> None:
        self.accuracy = accuracy
        self._most = most
        self._rows: dict[int, Probabilities] = {0: np.ones(1)}

    def __getitem__(self, cases: int) -> Probabilities:
        """Give the row [min(t, most) + 1] of t cases."""
        if cases not in self._rows:
            start = max(done for done in self._rows if done < cases)
            row = np.zeros(min(cases, self._most) + 1)
            row[: len(self._rows[start])] = self._rows[start]
            for _ in range(cases - start):
                _step(row, self.accuracy)
            self._rows[cases] = row
        return self._rows[cases]


def _allowed(walks: _Walks, n: int, need: int, budget: float) -> tuple[Counts, float]:
    """See `_spend`: with this budget, walking from one look at which walks pass to the next.

    n - need failures suffice: a look that let one more pass would by itself spend P(Bin(n, bar) >= need - 1) > alpha.
    """
    budgets = (budget * (np.arange(n + 1) / n) ** 2).tolist()
    bar = walks.accuracy
    alive = np.zeros(n - need + 1)  # from the fewest failures that any walk still running has
    alive[0] = 1.0
    allowed = np.full(n + 1, n - need, dtype=np.int64)
    spent, passed, t = 0.0, 0, 0  # so many failures or fewer, less one, have passed: no walk is left there
    while len(alive):
        fewest, look = float(alive[0]) * bar, t + 1
        while look < n and fewest > budgets[look] - spent:  # of them alone more are left than may pass
            fewest *= bar
            look += 1
        alive = np.convolve(alive, walks[look - t])[: len(alive)]
        sums = alive.cumsum()
        passing = len(alive) if look == n else int(sums.searchsorted(budgets[look] - spent, side="right"))
        allowed[t + 1 : look] = passed - 1
        allowed[look] = passed + passing - 1
        if passing:
            spent += float(sums[passing - 1])
        alive, passed, t = alive[passing:], passed + passing, look
    allowed[0] = -1
    return allowed, spent


def hopeless(made: StoppingPlan) -> Counts:
    """Give the lower line [n + 1] of pure curtailment: a run at it cannot pass any more, whatever comes."""
    return _hopeless(made.n, made.need)


def _hopeless(n: int, need: int) -> Counts:
    """low[t] of pure curtailment: even if all cases to come passed, `need` would be missed."""
    return np.maximum(np.arange(n + 1, dtype=np.int64) - (n - need + 1), -1)


def _futile(made: StoppingPlan, accuracy: float) -> Counts:
    """low[t], [n + 1]: the most passes from which a candidate of this accuracy passes with probability < FUTILITY."""
    n, most = made.n, made.n - made.need
    low = made.low.copy()
    chance = np.ones(most + 1)  # P(pass) by failures so far, backwards from the last look, where all of them pass
    for t in range(n - 1, 0, -1):
        chance[:-1] = accuracy * chance[:-1] + (1 - accuracy) * chance[1:]
        chance[-1] *= accuracy
        chance[: max(t - int(made.up[t]) + 1, 0)] = 1.0
        low[t] = max(t - int((chance >= FUTILITY).sum()), -1)  # falls with failures: so many of them may go on
    return low


def _accuracy_for(power: float, chance: Callable[[float], float]) -> float:
    """The least accuracy with chance(accuracy) >= power, for a chance that rises from 0 to 1."""
    return bisect(lambda accuracy: chance(accuracy) >= power, 0.0, 1.0, _BISECTIONS)[1]


# --- what a plan does -------------------------------------------------------------------------------------------------


def pass_probability(made: StoppingPlan, p: float) -> tuple[float, float]:
    """Return exactly (P(pass), expected cases) of a candidate with true accuracy p."""
    passed = cases = 0.0
    for _, running, passing in _walk(made, p):
        passed += float(passing.sum())
        cases += running
    return passed, cases


def _walk(made: StoppingPlan, p: float) -> Iterator[tuple[int, float, Probabilities]]:
    """Per case t: P(case t is run), and P(the plan passes there with f failures) for f = 0, 1, ..."""
    if not made.decidable:
        return
    alive = np.zeros(made.n - made.need + 1)
    alive[0] = 1.0
    for t in range(1, made.n + 1):
        running = float(alive.sum())
        _step(alive, p)
        first_running = max(t - int(made.up[t]) + 1, 0)
        yield t, running, alive[:first_running].copy()
        alive[:first_running] = 0.0
        alive[t - int(made.low[t]) :] = 0.0


def _chances(proof: StoppingPlan, then_reach: int = 0) -> Callable[[float], float]:
    """P(`proof` passes and at least `then_reach` of all n cases pass) as a function of the accuracy.

    One walk serves every accuracy: a path with s passes and f failures that has probability m at the bar has
    m (p / bar)^s ((1 - p) / (1 - bar))^f at p.
    """
    # Most numbers of failures had passed at an earlier look: no walk arrives there.
    looks = [(t, walked := np.flatnonzero(passing), passing[walked]) for t, _, passing in _walk(proof, proof.bar)]
    failures = np.concatenate([walked for _, walked, _ in looks])
    passes = np.repeat([t for t, _, _ in looks], [len(walked) for _, walked, _ in looks]) - failures
    # Logarithms: m may be 1e-300 where the rest is 1e300.
    log_mass = np.log(np.concatenate([mass for _, _, mass in looks]))
    missing, left = then_reach - passes, proof.n - passes - failures

    def chance(p: float) -> float:
        ratio = passes * math.log(p / proof.bar) + failures * math.log((1 - p) / (1 - proof.bar))
        reached = np.exp(log_mass + ratio)
        return float((reached * tails(missing, left, p) if then_reach else reached).sum())

    return chance


def without_futility(made: StoppingPlan) -> StoppingPlan:
    """Return the plan of which a run goes on as long as it can still pass."""
    return replace(made, low=hopeless(made)) if made.decidable else made


@lru_cache(maxsize=256)
def provable_accuracy(n: int, bar: float, alpha: float, power: float) -> float | None:
    """The least true accuracy that proves the bar on n cases with this power, if no run is given up; None: none does.

    `StoppingPlan.good_enough` is that of POWER. Exact, as `plan` is.
    """
    proof = plan(n, bar, alpha)
    return _accuracy_for(power, _chances(without_futility(proof))) if proof.decidable else None


@lru_cache(maxsize=256)
def margin_good_enough(n: int, bar: float, proof_bar: float, alpha: float) -> float | None:
    """The accuracy that with probability POWER both scores `bar` on n cases and proves `proof_bar`; None: none does."""
    proof = plan(n, proof_bar, alpha)
    if not proof.decidable:
        return None
    endless = without_futility(proof)  # like Plan.good_enough: as if no run were given up
    return _accuracy_for(POWER, _chances(endless, then_reach=point_plan(n, bar).need))
