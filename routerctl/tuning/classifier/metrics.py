"""Classes and predictions -> accuracy, F1, confusion, and an interval that respects groups.

Pure arithmetic. F1 of a class: the harmonic mean of precision and recall; macro-F1: their mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """How well predictions fit, with 95% intervals from a bootstrap over groups."""

    accuracy: float
    macro_f1: float
    interval: tuple[float, float]  # of macro_f1
    precision: tuple[float, ...]  # per class
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    confusion: tuple[tuple[int, ...], ...]  # [true][predicted]


def score(truth: Sequence[int], predicted: Sequence[int], groups: Sequence[int], count: int, seed: int) -> Scores:
    """Score predictions of `count` classes; whole groups are drawn again, since what is in one is not independent."""
    confusion = _confusion(truth, predicted, count)
    f1 = _f1(confusion)
    rows = np.diag(confusion) / np.maximum(confusion.sum(1), 1)
    columns = np.diag(confusion) / np.maximum(confusion.sum(0), 1)
    return Scores(
        accuracy=float(np.trace(confusion) / max(1, confusion.sum())),
        macro_f1=float(f1.mean()),
        interval=_interval(truth, predicted, groups, count, seed),
        precision=tuple(float(value) for value in columns),
        recall=tuple(float(value) for value in rows),
        f1=tuple(float(value) for value in f1),
        confusion=tuple(tuple(int(value) for value in row) for row in confusion),
    )


def _confusion(truth: Sequence[int], predicted: Sequence[int], count: int) -> Any:
    flat = np.asarray(truth) * count + np.asarray(predicted)
    return np.bincount(flat, minlength=count * count).reshape(count, count)


def _f1(confusion: Any) -> Any:
    """F1 of each class; confusion may have leading axes."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return 2 * hits / np.maximum(confusion.sum(-1) + confusion.sum(-2), 1)


def _interval(
    truth: Sequence[int], predicted: Sequence[int], groups: Sequence[int], count: int, seed: int
) -> tuple[float, float]:
    """Percentile bootstrap over groups (Efron and Tibshirani 1993, chapter 13)."""
    names, places = np.unique(np.asarray(groups), return_inverse=True)
    cells = np.zeros((len(names), count * count))
    np.add.at(cells, (places, np.asarray(truth) * count + np.asarray(predicted)), 1)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    values = _f1((draws @ cells).reshape(RESAMPLES, count, count)).mean(-1)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
