"""Turns paired differences into means with standard errors, noisy ones of several classes into what to believe of each.

`paired_mean`: differences of one class -> mean and standard error; `shrink`: a mean of each class -> all of them pulled
to what they have in common; `stratified`: means of classes -> the mean of their mix. It knows numbers only: no case, no
class, no candidate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.paired import unit_sums
from routerctl.statistics.tails import Probabilities

_LEVEL = 0.95  # of an interval
_LEAST_NOISE = 1e-12  # squared standard error of a value without any: its weight stays a number


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunken:
    """Random effects: what classes have in common, how much they truly differ, and what to believe of each."""

    overall: float  # mean of the classes' true values
    tau2: float  # variance of the classes' true values around it
    values: tuple[float, ...]  # of each class, in the order given
    errors: tuple[float, ...]  # standard error of each, tau2 taken as known


# --- one class --------------------------------------------------------------------------------------------------------


def paired_mean(
    differences: Sequence[float], weights: Sequence[float] | None = None, clusters: Sequence[str] | None = None
) -> tuple[float, float]:
    """Return the weighted mean of differences in [-1, 1] and its standard error.

    `weights`, `clusters`: of each case, same length. Clusters are the units of the variance, by linearisation
    (Cochran, Sampling Techniques, 1977, 6.3). To the squares of the units half a discordant unit each way is added, so
    that units without any discordance do not seem to be free of error: n equal 0/1 cases without one have the error
    1 / n, about that of n cases with a single one. `paired.least_detectable_shift` takes the same for noise.

    Raises: ValueError where no case weighs anything.
    """
    values = np.asarray(differences, dtype=float)
    each = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    whole = float(each.sum())
    if whole <= 0:
        raise ValueError("a mean needs a case that weighs something")
    mean = float((each * values).sum()) / whole
    off = unit_sums((each * (values - mean)).tolist(), clusters)
    sizes = unit_sums(each.tolist(), clusters)
    return mean, math.sqrt(_squares(off, sizes)) / whole


def _squares(off: Probabilities, sizes: Probabilities) -> float:
    """The variance of a sum over units, of which `off` are the deviations; a single unit may be off by its size."""
    units = len(sizes)
    discordant = float((sizes**2).mean())
    return float((off**2).sum()) * (units / (units - 1) if units > 1 else 1.0) + discordant


# --- several classes --------------------------------------------------------------------------------------------------


def shrink(values: Sequence[float], errors: Sequence[float]) -> Shrunken:
    """Return each value pulled to what all have in common by its own noise: g + (d - g) tau2 / (tau2 + se^2).

    tau2 is what the values vary beyond their standard errors, at least 0; where it is 0 all become g. A single value is
    its own g and stays; one without error stays where values differ.
    Source: DerSimonian & Laird, Controlled Clinical Trials 7 (1986); Morris, JASA 78 (1983), for the errors.

    Raises: ValueError where there is no value, not one error for each, or a negative one.
    """
    d, se = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    if not len(d) or d.shape != se.shape or (se < 0).any():
        raise ValueError(f"{len(d)} values and {len(se)} standard errors, which are at least 0, cannot be shrunk")
    noise = np.maximum(se**2, _LEAST_NOISE)
    tau2 = _between(d, noise)
    known = 1 / (tau2 + noise)
    overall, of_overall = float(np.average(d, weights=known)), 1 / float(known.sum())
    own = tau2 * known
    return Shrunken(
        overall=overall,
        tau2=tau2,
        values=tuple((overall + (d - overall) * own).tolist()),
        errors=tuple(np.sqrt(own * noise + (1 - own) ** 2 * of_overall).tolist()),
    )


def _between(d: Probabilities, noise: Probabilities) -> float:
    """Cochran's Q less what noise alone gives it, by what a unit of tau2 adds to it."""
    weights = 1 / noise
    q = float((weights * (d - np.average(d, weights=weights)) ** 2).sum())
    per_tau2 = float(weights.sum() - (weights**2).sum() / weights.sum())
    return max(0.0, (q - (len(d) - 1)) / per_tau2) if per_tau2 > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A mean over the mix of several classes."""

    mean: float
    error: float  # standard error
    interval: tuple[float, float]  # (low, high), 95 %


def stratified(means: Sequence[float], errors: Sequence[float], shares: Sequence[float]) -> Mix:
    """Return the mean over a mix of classes whose means are known independently, with its normal 95 % interval.

    `shares`: of each class, at least 0, in any unit: they are divided by their sum.

    Raises: ValueError where no class has a share or a share is negative.
    """
    w = np.asarray(shares, dtype=float)
    if not (w >= 0).all() or w.sum() <= 0:
        raise ValueError("a mix needs shares that are at least 0, one of them above")
    w = w / w.sum()
    mean, error = float(w @ np.asarray(means, dtype=float)), float(np.linalg.norm(w * np.asarray(errors, dtype=float)))
    off = -float(special.ndtri((1 - _LEVEL) / 2)) * error
    return Mix(mean=mean, error=error, interval=(mean - off, mean + off))
