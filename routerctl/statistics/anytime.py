"""Evidence on 0/1 cases that holds at any stopping time: against the bar, and an interval for the true accuracy."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.tails import Counts, Probabilities, check, edge

_BISECTIONS = 60


def log_evidence_below(passes: Counts, cases: Counts, bar: float) -> Probabilities:
    """Return the log e-values against "accuracy >= bar": at or above log(1 / alpha) at any look, the bar is missed.

    A candidate at or above the bar ever gets there with probability at most alpha (Ville), whenever one stops.
    Source: the likelihood ratio against the bar, mixed uniformly over the accuracies below it (Robbins 1970).
    """
    failures = cases - passes
    share = special.betainc(1 + passes, 1 + failures, bar)
    with np.errstate(divide="ignore"):  # share 0: so far above the bar that it underflows; -inf = no evidence is right
        mixture = special.betaln(1 + passes, 1 + failures) + np.log(share) - math.log(bar)
    result: Probabilities = mixture - special.xlogy(passes, bar) - special.xlog1py(failures, -bar)
    return result


@lru_cache(maxsize=256)
def below_line(n: int, bar: float, alpha: float) -> Counts:
    """The most passes after each look at which `log_evidence_below` reaches log(1 / alpha), [n + 1], -1 = none."""
    check(n, bar, alpha)
    cases = np.arange(n + 1, dtype=np.int64)
    reached, missed = np.full(n + 1, -1, dtype=np.int64), cases.copy()  # all passed is never evidence
    while (missed - reached > 1).any():
        middle = (reached + missed) // 2
        enough = log_evidence_below(np.maximum(middle, 0), cases, bar) >= -math.log(alpha)
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
    return edge(kept, 0.0, best, _BISECTIONS), edge(kept, 1.0, best, _BISECTIONS)
