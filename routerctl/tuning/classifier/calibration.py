"""Logits of texts that were not fitted on -> a temperature, reliability bins, and the threshold of "unknown".

Pure arithmetic. Sources: temperature scaling, Guo et al. 2017 (arXiv 1706.04599); the threshold as in split-conformal
prediction: the k-th least score of n texts that were not fitted on, k = floor(rate x (n + 1)), so that a further text
of their kind falls below it with probability `rate` at most (Vovk et al. 2005). Their kind is the texts that are named
right, as in Averly and Chao 2023 (arXiv 2304.06813): to name a text wrong is no gain that a lower threshold could be
worth, and a class that hardly differs from the background would lower it for all the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]  # scipy ships no type information
from scipy.special import log_softmax, softmax  # type: ignore[import-untyped]  # scipy ships no type information

BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Texts whose most likely class got a probability in [low, high)."""

    low: float
    high: float
    count: int
    said: float  # mean probability; 0 where there are none
    right: float  # share that was right


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """What the probabilities are worth."""

    bins: tuple[Bin, ...]
    error: float  # expected calibration error: mean of |said - right|, weighed by count
    log_loss: float  # mean negative natural log of the probability of the true class


def fit_temperature(logits: Any, labels: Sequence[int], weights: Sequence[float]) -> float:
    """Find the temperature in [0.02, 20] with the least log loss."""
    places = np.arange(len(labels))
    weight = np.asarray(weights) / np.sum(weights)

    def loss(log_temperature: float) -> float:
        chosen = log_softmax(logits / math.exp(log_temperature), axis=1)[places, labels]
        return -float(weight @ chosen)

    found = minimize_scalar(loss, bounds=(math.log(0.02), math.log(20)), method="bounded", options={"xatol": 1e-4})
    return round(math.exp(found.x), 6)


def probabilities(logits: Any, temperature: float) -> Any:
    """Give the probabilities of all logits."""
    return softmax(logits / temperature, axis=1)


def reliability(shares: Any, labels: Sequence[int]) -> Reliability:
    """Compare what was said with what was right, in ten equal bins; `shares`: of the classes, rows sum to 1."""
    truth = np.asarray(labels)
    said, right = shares.max(1), shares.argmax(1) == truth
    places = np.minimum((said * BINS).astype(int), BINS - 1)
    bins = tuple(_bin(place, said[places == place], right[places == place]) for place in range(BINS))
    chosen = np.maximum(shares[np.arange(len(truth)), truth], 1e-12)
    return Reliability(
        bins=bins,
        error=sum(one.count * abs(one.said - one.right) for one in bins) / len(truth),
        log_loss=-float(np.log(chosen).mean()),
    )


def _bin(place: int, said: Any, right: Any) -> Bin:
    count = len(said)
    return Bin(
        low=place / BINS,
        high=(place + 1) / BINS,
        count=count,
        said=float(said.mean()) if count else 0.0,
        right=float(right.mean()) if count else 0.0,
    )


def least_known(scores: Sequence[float], rate: float) -> float:
    """Give the threshold below which at most a share `rate` of further texts falls that are like those scored."""
    rank = math.floor(rate * (len(scores) + 1))
    return math.floor(float(sorted(scores)[rank - 1]) * 1e6) / 1e6 if rank else 0.0  # down: that one is known
