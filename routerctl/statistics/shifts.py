"""Turns counts before and counts now into p-values for "it moved", which count the error of both sides.

`exceeding`: how many values lie beyond an order statistic of the baseline; `fewer_midp`, `more_exact`: two shares;
`mix_p`, `stability_index`: shares of several kinds; `weighted_holm`: many tests at one error. It knows numbers only.
Every function works on counts, so that a database can do the counting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.tails import Probabilities, bisect

_POWER = 0.8
_TERMS = 100_000  # of a tail that are summed exactly; beyond, counts are so large that the normal tail is as good
_LEAST_EXPECTED = 5.0  # in a cell of a table, for chi-squared to be its distribution (Cochran 1954)


def exceeding(count: int, n: int, rank: int, baseline_n: int) -> float:
    """Return P(at least `count` of n new values exceed the `rank`-th smallest of `baseline_n` old ones) if none moved.

    Exact for any continuous distribution: the number is beta-binomial, so the error of the baseline's quantile is in
    it. Ties make it smaller than that: the p-value is then too large, never too small. For values below the quantile
    call it with the rank from above.
    Source: Gastwirth & Dempsey's exceedance tests; Wilks, Annals of Mathematical Statistics 13 (1942).

    Raises: ValueError where a count is out of range.
    """
    if not 0 <= count <= n or not 1 <= rank <= baseline_n:
        raise ValueError(f"no {count} of {n} values exceed number {rank} of {baseline_n}")
    if count == 0:
        return 1.0
    # P(K >= count): the count-th largest new value exceeds the rank-th old one. Merged, that is a hypergeometric event:
    # among the largest `baseline_n - rank + count` of all values there are at least `count` new ones.
    return _hypergeometric_from(count, n, baseline_n, baseline_n - rank + count)


def _hypergeometric_from(least: int, marked: int, others: int, drawn: int) -> float:
    """P(at least `least` marked ones among `drawn` of marked + others); summed on the shorter side."""
    most, fewest = min(marked, drawn), max(0, drawn - others)
    if least <= fewest:
        return 1.0
    if least > most:
        return 0.0
    if min(most - least, least - fewest) > _TERMS:
        return _normal_from(least, marked, others, drawn)
    if most - least <= least - fewest:
        return min(1.0, _hypergeometric_sum(least, most, marked, others, drawn))
    return max(0.0, 1.0 - _hypergeometric_sum(fewest, least - 1, marked, others, drawn))


def _hypergeometric_sum(first: int, last: int, marked: int, others: int, drawn: int) -> float:
    """Sum P(first) ... P(last): ratios of neighbours are exact, one logarithm of each end fixes their height."""
    k = np.arange(first, last + 1, dtype=float)
    ratios = np.log((marked - k[:-1]) * (drawn - k[:-1])) - np.log((k[:-1] + 1) * (others - drawn + k[:-1] + 1))
    steps = np.concatenate([[0.0], np.cumsum(ratios)])
    height = _log_choose(marked, first) + _log_choose(others, drawn - first) - _log_choose(marked + others, drawn)
    greatest = float(steps.max())
    return math.exp(height + greatest) * float(np.exp(steps - greatest).sum())


def _log_choose(n: float, k: float) -> float:
    return float(-special.betaln(n - k + 1, k + 1) - math.log(n + 1))


def _normal_from(least: int, marked: int, others: int, drawn: int) -> float:
    total = marked + others
    mean = drawn * marked / total
    variance = mean * others / total * (total - drawn) / max(total - 1, 1)
    return float(special.ndtr(-(least - 0.5 - mean) / math.sqrt(variance)))


# --- shares -----------------------------------------------------------------------------------------------------------


def more_exact(before: int, before_n: int, now: int, now_n: int) -> float:
    """Return the one-sided p-value of Fisher's exact test for "the share has grown".

    Raises: ValueError where a count is out of range.
    """
    _check(before, before_n, now, now_n)
    return _hypergeometric_from(now, now_n, before_n, before + now)


def fewer_midp(before: int, before_n: int, now: int, now_n: int) -> float:
    """Return the one-sided mid-p value of Fisher's test for "the share has fallen".

    Half the probability of what was seen is taken off: the exact test wastes about that much of its level.
    Source: Lancaster, JASA 56 (1961); Hirji, Tan & Elashoff, Statistics in Medicine 10 (1991) for its level.

    Raises: ValueError where a count is out of range.
    """
    _check(before, before_n, now, now_n)
    missed = now_n - now, before_n - before
    at_least = _hypergeometric_from(missed[0], now_n, before_n, sum(missed))
    return (at_least + _hypergeometric_from(missed[0] + 1, now_n, before_n, sum(missed))) / 2


def _check(before: int, before_n: int, now: int, now_n: int) -> None:
    if not 0 <= before <= before_n or not 0 <= now <= now_n:
        raise ValueError(f"no shares: {before} of {before_n}, {now} of {now_n}")


def noticed_fall(share: float, before_n: int, now_n: int, alpha: float) -> float | None:
    """Return the fall of a share that the test of two samples notices with 80 % power; None: not even all of it.

    Source: the usual normal approximation, solved by bisection.
    """
    if not before_n or not now_n:
        return None
    z_alpha, z_power = -float(special.ndtri(alpha)), float(special.ndtri(_POWER))

    def noticed(fall: float) -> bool:
        now = share - fall
        pooled = (share * before_n + now * now_n) / (before_n + now_n)
        null = math.sqrt(pooled * (1 - pooled) * (1 / before_n + 1 / now_n))
        true = math.sqrt(share * (1 - share) / before_n + now * (1 - now) / now_n)
        return fall >= z_alpha * null + z_power * true

    return bisect(noticed, 0.0, share, 30)[1] if noticed(share) else None


# --- several kinds ----------------------------------------------------------------------------------------------------


def mix_p(before: Sequence[int], now: Sequence[int]) -> float:
    """Return the p-value of chi-squared for "the shares of the kinds differ"; rare kinds are counted as one.

    Kinds are rare by both sides together, which says nothing about their difference. 1 where there is nothing to test.
    """
    old, new = _merged(np.asarray(before, dtype=float), np.asarray(now, dtype=float))
    totals = np.array([old.sum(), new.sum()])
    if len(old) < 2 or not totals.all():
        return 1.0
    both = old + new
    expected = np.outer(totals, both / both.sum())
    statistic = float(((np.stack([old, new]) - expected) ** 2 / expected).sum())
    return float(special.chdtrc(len(old) - 1, statistic))


def _merged(old: Probabilities, new: Probabilities) -> tuple[Probabilities, Probabilities]:
    """The kinds with enough on both sides to be expected, and what is left of them as one."""
    both = old + new
    smaller = min(old.sum(), new.sum()) / max(both.sum(), 1.0)
    common = both * smaller >= _LEAST_EXPECTED
    rest = float(old[~common].sum()), float(new[~common].sum())
    old, new = old[common], new[common]
    if not sum(rest):
        return old, new
    if sum(rest) * smaller >= _LEAST_EXPECTED or len(old) < 1:
        return np.append(old, rest[0]), np.append(new, rest[1])
    least = int((old + new).argmin())  # what is left is too little for a kind of its own
    old[least], new[least] = old[least] + rest[0], new[least] + rest[1]
    return old, new


def stability_index(before: Sequence[int], now: Sequence[int]) -> float:
    """Return the population stability index of two mixes: 0 none, 0.1 a change, 0.25 a large one.

    Half a count is added to each kind, so that a new kind counts much but not infinitely.
    Source: Siddiqi, Credit Risk Scorecards (2006), for the usual readings.
    """
    old, new = np.asarray(before, dtype=float) + 0.5, np.asarray(now, dtype=float) + 0.5
    old, new = old / old.sum(), new / new.sum()
    return float(((new - old) * np.log(new / old)).sum())


# --- many tests -------------------------------------------------------------------------------------------------------


def weighted_holm(p_values: Sequence[float], weights: Sequence[float]) -> tuple[float, ...]:
    """Return the p-values adjusted for all of them together, in the order given; a greater weight costs less.

    The family's error holds for any dependence, as long as the weights are fixed beforehand. Equal weights: Holm's.
    Source: Holm, Scandinavian Journal of Statistics 6 (1979), section 4.

    Raises: ValueError where a weight is not positive.
    """
    if any(weight <= 0 for weight in weights):
        raise ValueError("every test has a positive weight")
    order = sorted(range(len(p_values)), key=lambda place: p_values[place] / weights[place])
    adjusted, largest, left = [1.0] * len(p_values), 0.0, math.fsum(weights)
    for place in order:
        largest = max(largest, min(p_values[place] / weights[place] * left, 1.0))
        adjusted[place] = largest
        left = max(left - weights[place], weights[place] * 1e-12)
    return tuple(adjusted)
