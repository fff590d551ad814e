"""Turns a set size, a bar and an error probability into the lines at which a test of 0/1 cases stops.

Place: arithmetic, below selection, which feeds real results to these lines. It knows counts only: no case, no
candidate, no verdict, no money. Cases are taken as independent draws from the traffic the set stands for, looked
at in an order that has nothing to do with their outcome; whoever breaks that breaks the error probability.

The sequential test is the exact binomial one of Jennison & Turnbull, Group Sequential Methods (2000), ch. 12.
Walks are counted in failures: a run that can still pass has few of them, which keeps the arrays short.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

Counts = NDArray[np.int64]
Probabilities = NDArray[np.float64]

POWER = 0.9  # a candidate is "good enough" when it passes this often
FUTILITY = 0.05  # a run is given up when a good enough candidate would pass from here less often than this
ENOUGH = 1.12  # normal approximation -> a set size from which the exact power stays reached
_BISECTIONS = 26  # 2^-26 of the bracket: no digit that anybody reads, and no alpha worth having, lies below it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
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
    alpha_used: float  # exact: P(pass) at accuracy == bar, if no run were given up
    good_enough: float | None  # accuracy that passes with probability POWER, if no run were given up; None: none does

    @property
    def decidable(self) -> bool:
        """Whether any score on n cases passes."""
        return self.need <= self.n


# --- plans ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def plan(n: int, bar: float, alpha: float) -> Plan:
    """Plan the exact sequential test of "accuracy >= bar": what passes a fixed Clopper-Pearson test passes here too.

    1. `need` is the least k with P(Bin(n, bar) >= k) <= alpha.
    2. The alpha that this leaves over buys early passes: up to case t the walk may have passed with probability
       c (t / n)^2 at accuracy == bar, with the largest c, found by bisection, whose exact total stays within alpha.
    3. A run is given up where a good enough candidate would pass from there with probability below FUTILITY. This
       only takes passes away: it cannot raise the error.

    Raises: ValueError where n < 1 or bar or alpha is out of range.
    """
    _check(n, bar, alpha)
    need = _least_passes(n, bar, alpha)
    if need > n:
        looks = np.arange(n + 1, dtype=np.int64)
        # low[0] = 0: given up before the first case
        never = Plan(n=n, bar=bar, alpha=alpha, need=need, up=looks + 1, low=looks, alpha_used=0.0, good_enough=None)
        return _frozen(never)
    allowed, used = _spend(n, bar, need, alpha)
    up = np.arange(n + 1, dtype=np.int64) - allowed
    up[need:] = np.minimum(up[need:], need)  # with `need` passes in hand the last look is already won
    early = Plan(n=n, bar=bar, alpha=alpha, need=need, up=up, low=_hopeless(n, need), alpha_used=used, good_enough=None)
    good = _accuracy_for(POWER, _chances(early))
    return _frozen(replace(early, low=_futile(early, good), good_enough=good))


@lru_cache(maxsize=256)
def point_plan(n: int, bar: float) -> Plan:
    """Plan the curtailed point rule "at least bar of these n cases pass": it stops once the answer cannot change.

    It promises nothing about other cases: alpha is 1, and `alpha_used` says how often a candidate at the bar passes.

    Raises: ValueError where n < 1 or bar is out of range.
    """
    _check(n, bar, 0.5)
    need = math.ceil(bar * n - 1e-9)  # a score equal to the bar reaches it; 0.55 * 100 is 55.00000000000001
    up = np.full(n + 1, need, dtype=np.int64)
    good = float(special.betaincinv(need, n - need + 1, POWER))
    made = Plan(n=n, bar=bar, alpha=1.0, need=need, up=up, low=_hopeless(n, need), alpha_used=0.0, good_enough=good)
    return _frozen(replace(made, alpha_used=_tail(need, n, bar)))


def _check(n: int, bar: float, alpha: float) -> None:
    if n < 1 or not 0 < bar <= 1 or not 0 < alpha < 1:
        raise ValueError(f"a test needs n >= 1, 0 < bar <= 1 and 0 < alpha < 1, not {n}, {bar}, {alpha}")


def _frozen(made: Plan) -> Plan:
    made.up.setflags(write=False)  # plans are cached: a caller's edit would reach every later caller
    made.low.setflags(write=False)
    return made


def _tails(k: Counts, n: Counts, p: float) -> Probabilities:
    """P(Bin(n, p) >= k), elementwise."""
    inside = special.betainc(np.clip(k, 1, None), np.clip(n - k + 1, 1, None), p)
    result: Probabilities = np.where(k <= 0, 1.0, np.where(k > n, 0.0, inside))
    return result


def _tail(k: int, n: int, p: float) -> float:
    return float(_tails(np.asarray(k), np.asarray(n), p))


def _least_passes(n: int, bar: float, alpha: float) -> int:
    passes = np.arange(1, n + 1)
    within = _tails(passes, np.full(n, n), bar) <= alpha
    return int(passes[within][0]) if within.any() else n + 1


def _step(alive: Probabilities, p: float) -> None:
    """Move every walk on by one case, in place; walks that fail off the end can no longer pass."""
    alive[1:] = alive[1:] * p + alive[:-1] * (1 - p)
    alive[0] *= p


def _spend(n: int, bar: float, need: int, alpha: float) -> tuple[Counts, float]:
    """The failures allowed to pass at each look, [n + 1], -1 = none, and the exact total that this spends."""
    best = _allowed(n, bar, need, 0.0)
    low, high = 0.0, alpha
    for _ in range(_BISECTIONS):
        budget = (low + high) / 2
        tried = _allowed(n, bar, need, budget)
        if tried[1] <= alpha:
            best, low = tried, budget
        else:
            high = budget
    return best


def _allowed(n: int, bar: float, need: int, budget: float) -> tuple[Counts, float]:
    # n - need failures suffice: a look that let one more pass would by itself spend P(Bin(n, bar) >= need - 1) > alpha.
    alive = np.zeros(n - need + 1)
    alive[0] = 1.0
    allowed = np.full(n + 1, -1, dtype=np.int64)
    spent = 0.0
    for t in range(1, n + 1):
        _step(alive, bar)
        cumulated = alive.cumsum()
        left = budget * (t / n) ** 2 - spent
        most = n - need if t == n else int(cumulated.searchsorted(left, side="right")) - 1
        if most >= 0:
            spent += float(cumulated[most])
            alive[: most + 1] = 0.0
            allowed[t] = most
    return allowed, spent


def _hopeless(n: int, need: int) -> Counts:
    """low[t] of pure curtailment: even if all cases to come passed, `need` would be missed."""
    return np.maximum(np.arange(n + 1, dtype=np.int64) - (n - need + 1), -1)


def _futile(made: Plan, accuracy: float) -> Counts:
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
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if chance(middle) >= power else (middle, high)
    return high


# --- what a plan does -------------------------------------------------------------------------------------------------


def pass_probability(made: Plan, p: float) -> tuple[float, float]:
    """Return exactly (P(pass), expected cases) of a candidate with true accuracy p."""
    passed = cases = 0.0
    for _, running, passing in _walk(made, p):
        passed += float(passing.sum())
        cases += running
    return passed, cases


def _walk(made: Plan, p: float) -> Iterator[tuple[int, float, Probabilities]]:
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


def _chances(proof: Plan, then_reach: int = 0) -> Callable[[float], float]:
    """P(`proof` passes and at least `then_reach` of all n cases pass) as a function of the accuracy.

    One walk serves every accuracy: a path with s passes and f failures that has probability m at the bar has
    m (p / bar)^s ((1 - p) / (1 - bar))^f at p.
    """
    looks = [(t, passing) for t, _, passing in _walk(proof, proof.bar)]
    mass = np.concatenate([passing for _, passing in looks])
    failures = np.concatenate([np.arange(len(passing)) for _, passing in looks])
    passes = np.repeat([t for t, _ in looks], [len(passing) for _, passing in looks]) - failures
    missing, left = then_reach - passes, proof.n - passes - failures

    def chance(p: float) -> float:
        ratio = passes * math.log(p / proof.bar) + failures * math.log((1 - p) / (1 - proof.bar))
        return float((mass * np.exp(ratio) * _tails(missing, left, p)).sum())

    return chance


@lru_cache(maxsize=256)
def margin_good_enough(n: int, bar: float, proof_bar: float, alpha: float) -> float | None:
    """The accuracy that with probability POWER both scores `bar` on n cases and proves `proof_bar`; None: none does."""
    proof = plan(n, proof_bar, alpha)
    if not proof.decidable:
        return None
    endless = replace(proof, low=_hopeless(n, proof.need))  # like Plan.good_enough: as if no run were given up
    return _accuracy_for(POWER, _chances(endless, then_reach=point_plan(n, bar).need))


# --- how many cases ---------------------------------------------------------------------------------------------------


def least_cases(bar: float, alpha: float) -> int | None:
    """The set size from which a perfect score proves the bar: bar^n <= alpha; None for bar 1, which nothing proves."""
    _check(1, bar, alpha)
    return None if bar == 1 else max(1, math.ceil(math.log(alpha) / math.log(bar) - 1e-12))


def needed_cases(bar: float, p: float, alpha: float, power: float = 0.8) -> int:
    """Return a set size that is enough to prove the bar with this power if the true accuracy is p > bar.

    Source: the normal approximation n = ((z_alpha sd(bar) + z_power sd(p)) / (p - bar))^2, times ENOUGH, since exact
    power goes up and down with n and the formula gives about where it first gets there. A test checks it exactly.

    Raises: ValueError where p does not exceed the bar.
    """
    least = least_cases(bar, alpha)
    if least is None or not bar < p <= 1:
        raise ValueError(f"no number of cases proves {bar} at a true accuracy of {p}")
    z_alpha, z_power = -float(special.ndtri(alpha)), float(special.ndtri(power))
    root = (z_alpha * math.sqrt(bar * (1 - bar)) + z_power * math.sqrt(p * (1 - p))) / (p - bar)
    return max(math.ceil(ENOUGH * root**2), least)


# --- evidence that holds at any stopping time -------------------------------------------------------------------------


def log_evidence_below(passes: int, cases: int, bar: float) -> float:
    """Return the log e-value against "accuracy >= bar": at or above log(1 / alpha) at any look, the bar is missed.

    A candidate at or above the bar ever gets there with probability at most alpha (Ville), whenever one stops.
    Source: the likelihood ratio against the bar, mixed uniformly over the accuracies below it (Robbins 1970).
    """
    return float(_log_evidence(np.asarray(passes), np.asarray(cases), bar))


def _log_evidence(passes: Counts, cases: Counts, bar: float) -> Probabilities:
    failures = cases - passes
    share = special.betainc(1 + passes, 1 + failures, bar)
    with np.errstate(divide="ignore"):  # share 0: so far above the bar that it underflows; -inf = no evidence is right
        mixture = special.betaln(1 + passes, 1 + failures) + np.log(share) - math.log(bar)
    result: Probabilities = mixture - special.xlogy(passes, bar) - special.xlog1py(failures, -bar)
    return result


@lru_cache(maxsize=256)
def below_line(n: int, bar: float, alpha: float) -> Counts:
    """The most passes after each look at which `log_evidence_below` reaches log(1 / alpha), [n + 1], -1 = none."""
    _check(n, bar, alpha)
    cases = np.arange(n + 1, dtype=np.int64)
    reached, missed = np.full(n + 1, -1, dtype=np.int64), cases.copy()  # all passed is never evidence
    while (missed - reached > 1).any():
        middle = (reached + missed) // 2
        enough = _log_evidence(np.maximum(middle, 0), cases, bar) >= -math.log(alpha)
        enough |= middle < 0
        reached, missed = np.where(enough, middle, reached), np.where(enough, missed, middle)
    reached.setflags(write=False)
    return reached


def anytime_interval(passes: int, cases: int, alpha: float) -> tuple[float, float]:
    """Return the interval (low, high) that holds the true accuracy at all looks at once with probability 1 - alpha.

    After an early stop the usual interval is too narrow and off centre; this one is not. It keeps every p whose
    likelihood is within a factor alpha of the uniform mixture's.
    Source: Robbins, Annals of Mathematical Statistics 41 (1970): the beta-binomial confidence sequence.
    """
    failures = cases - passes
    floor = math.lgamma(1 + passes) + math.lgamma(1 + failures) - math.lgamma(2 + cases) + math.log(alpha)

    def kept(p: float) -> bool:
        return float(special.xlogy(passes, p) + special.xlog1py(failures, -p)) > floor

    best = passes / cases if cases else 0.5
    return _edge(best, 0.0, kept), _edge(best, 1.0, kept)


def _edge(inside: float, end: float, kept: Callable[[float], bool]) -> float:
    """Where `kept` ends between a point inside and an end of [0, 1]; rounded outwards."""
    if kept(end):
        return end
    outside = end
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if kept(middle) else (inside, middle)
    return outside


# --- cases that come in clusters, and pairs ---------------------------------------------------------------------------


def korn_graubard_lower(cluster_passes: Sequence[float], cluster_sizes: Sequence[int], alpha: float) -> float:
    """Return a one-sided lower bound, level 1 - alpha, for the accuracy when cases of one cluster resemble each other.

    `cluster_passes`, `cluster_sizes`: passed cases and cases of each cluster, same length. The Clopper-Pearson bound
    at the effective sample size; with fewer than two clusters nothing is known and the bound is 0.
    Source: Korn & Graubard, Survey Methodology 24 (1998), one-sided. A perfect score has no spread to estimate a
    design effect from: then each cluster counts as one case.
    """
    passes, sizes = np.asarray(cluster_passes, dtype=float), np.asarray(cluster_sizes, dtype=float)
    clusters, n = len(passes), float(sizes.sum())
    p = float(passes.sum()) / n if n else 0.0
    if clusters < 2 or p <= 0:
        return 0.0
    if p >= 1:
        return float(alpha ** (1 / clusters))
    spread = float(((passes - p * sizes) ** 2).sum()) * clusters / (clusters - 1) / n**2
    design_effect = max(spread / (p * (1 - p) / n), 1.0)  # below 1 is luck with few clusters, not extra knowledge
    quantiles = float(special.stdtrit(n - 1, alpha) / special.stdtrit(clusters - 1, alpha))
    effective = n / design_effect * quantiles**2
    return float(special.betaincinv(p * effective, effective - p * effective + 1, alpha))


def mcnemar_midp(broke: int, fixed: int) -> float:
    """Return the one-sided mid-p value for "things got worse" on paired cases.

    `broke` cases passed before and fail now, `fixed` ones the reverse; the unchanged ones say nothing.
    Source: Fagerland, Lydersen & Laake, BMC Medical Research Methodology 13:91 (2013).
    """
    changed = broke + fixed
    if changed == 0:
        return 1.0
    return (_tail(broke, changed, 0.5) + _tail(broke + 1, changed, 0.5)) / 2
