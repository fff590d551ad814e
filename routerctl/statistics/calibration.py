"""A judge's values and human labels on some of them -> bounds for the accuracy that the humans would have found.

Two bounds: the exact one of the labels alone, and one of the judge's mean corrected by them. It knows numbers only: no
judge, no case, no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.tails import Probabilities


def accuracy_lower(passes: int, cases: int, alpha: float) -> float:
    """Return the exact one-sided lower bound for the accuracy, level 1 - alpha, on a number of cases fixed beforehand.

    Source: Clopper & Pearson, Biometrika 26 (1934).

    Raises: ValueError where the counts do not fit or alpha is out of range.
    """
    _check(passes, cases, alpha)
    return float(special.betaincinv(passes, cases - passes + 1, alpha)) if passes else 0.0


def accuracy_upper(passes: int, cases: int, alpha: float) -> float:
    """Return the exact one-sided upper bound for the accuracy, level 1 - alpha; source and errors as above."""
    return 1.0 - accuracy_lower(cases - passes, cases, alpha)


def corrected_mean(judged: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the judge's mean over all cases plus the mean error that the labels show in it.

    `judged`: the judge's values in [0, 1] of all cases, in random order; `labels`: the humans' on the first ones.
    Source: prediction-powered inference, Angelopoulos et al., Science 382 (2023), without a tuned weight.

    Raises: ValueError where there is no label, or there are more labels than cases.
    """
    values, errors = _values(judged, labels)
    return float(values.mean() + errors.mean())


def corrected_lower(judged: Sequence[float], labels: Sequence[bool], alpha: float, bar: float) -> float:
    """Return a lower bound for the accuracy, level 1 - alpha, made to be compared with `bar`.

    The normal bound of the corrected mean holds its level only while errors of the judge are plenty: where the labels
    happen to show none of them, it takes the judge at its word (3.8 times alpha measured with 200 labels among 5,000
    cases, a bar of 0.95 and a judge that passes one wrong reply in ten). So the bound counts one more label than there
    is, on which the judge passed what the human did not, and takes the spread of the judge's values to be at least that
    of a candidate at the bar. It is never above the plain bound. `benchmarks/judge_noise.py` measures both.

    Raises: ValueError as `corrected_mean` does, or where alpha is out of range.
    """
    values, errors = _values(judged, labels)
    _check(0, len(values), alpha)
    z = -float(special.ndtri(alpha))
    warier = np.append(errors, -1.0)
    spread = max(float(values.var()), bar * (1 - bar))
    plain = _normal_lower(values.mean() + errors.mean(), values.var() / len(values), errors, z)
    return min(plain, _normal_lower(values.mean() + warier.mean(), spread / len(values), warier, z))


def _normal_lower(mean: float, variance: float, errors: Probabilities, z: float) -> float:
    """The labelled cases are among the judged ones; taking both means as independent errs to the safe side mostly."""
    of_errors = float(errors.var(ddof=1)) / len(errors) if len(errors) > 1 else math.inf
    return max(0.0, float(mean) - z * math.sqrt(float(variance) + of_errors))


def _values(judged: Sequence[float], labels: Sequence[bool]) -> tuple[Probabilities, Probabilities]:
    if not 0 < len(labels) <= len(judged):
        raise ValueError(f"{len(labels)} labels for {len(judged)} judged cases")
    values = np.asarray(judged, dtype=np.float64)
    return values, np.asarray(labels, dtype=np.float64) - values[: len(labels)]


def _check(passes: int, cases: int, alpha: float) -> None:
    if not 0 <= passes <= cases or cases < 1 or not 0 < alpha < 1:
        raise ValueError(f"a bound needs 0 <= passes <= cases >= 1 and 0 < alpha < 1, not {passes}, {cases}, {alpha}")
