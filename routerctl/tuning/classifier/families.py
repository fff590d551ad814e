"""Texts and classes -> logits of further texts: by hashed n-grams, and by the two baselines that these must beat.

The only file that fits with scikit-learn. The baselines are the length of the prompt and the most frequent class. Every
fit is deterministic. The last logit is that of "none of the classes", fitted on the background; baselines have none.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # scipy ships no type information
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

LEAST_TEXTS = 2  # in which a feature must stand: half of all features stand in one text only and decide nothing
MOST_FEATURES = 60_000  # with eight classes 1.7 MB of file
BACKGROUND_SHARE = 1.5  # weight of the whole background, in classes of mean size
_STRENGTH = 10.0  # inverse of the L2 penalty of the n-grams

Matrix = Any  # numpy array or scipy.sparse matrix, a row a text
# (places of texts to fit on, their labels, places to score) -> logits, float64 (scored, classes + 1)
Family = Callable[[Sequence[int], Sequence[int], Sequence[int]], Any]


@dataclass(frozen=True, slots=True)
class Linear:
    """Weights and bias over the columns of a matrix; `vocabulary`: which column stands for a feature of the n-grams."""

    weights: Any  # float64 (logits, columns)
    bias: Any  # float64 (logits,)
    vocabulary: Mapping[int, int] = field(default_factory=dict)

    def logits(self, rows: Matrix) -> Any:
        """Weigh the rows: float64, shape (rows, classes + 1)."""
        return np.asarray(rows @ self.weights.T) + self.bias


def fit_linear(rows: Matrix, labels: Sequence[int], weights: Sequence[float], count: int, strength: float) -> Linear:
    """Fit a multinomial logistic regression; `count`: logits, also those that no row has (they get -30)."""
    with threadpool_limits(1), warnings.catch_warnings():  # one thread: the same sums in the same order
        warnings.simplefilter("ignore", ConvergenceWarning)  # what 300 steps leave is below what is exported
        fit = LogisticRegression(C=strength, max_iter=300, tol=1e-4).fit(rows, labels, sample_weight=weights)
    coefficients, bias = np.zeros((count, rows.shape[1])), np.full(count, -30.0)
    if len(fit.classes_) == 2:  # one row of weights for the two of them
        coefficients[fit.classes_], bias[fit.classes_] = (
            np.vstack([-fit.coef_, fit.coef_]) / 2,
            np.array([-1, 1]) * fit.intercept_[0] / 2,
        )
    else:
        coefficients[fit.classes_], bias[fit.classes_] = fit.coef_, fit.intercept_
    return Linear(coefficients, bias)


def sample_weights(labels: Sequence[int], none: int) -> list[float]:
    """Give every text weight 1, and the background together that of one and a half classes of mean size."""
    counts = Counter(labels)
    background = counts.pop(none, 0)
    each = BACKGROUND_SHARE * (sum(counts.values()) / len(counts)) / background if background else 0.0
    return [min(1.0, each) if label == none else 1.0 for label in labels]


# --- n-grams ----------------------------------------------------------------------------------------------------------


def fit_ngrams(documents: Sequence[Mapping[int, float]], labels: Sequence[int], none: int) -> Linear:
    """Fit on the features of texts, each weighed by its rarity (idf), which goes into the weights."""
    seen = Counter(key for document in documents for key in document)
    frequent = sorted(seen, key=lambda key: (-seen[key], key))[:MOST_FEATURES]
    kept = sorted(key for key in frequent if seen[key] >= LEAST_TEXTS)
    vocabulary = {key: place for place, key in enumerate(kept)}
    weight = rarity(len(documents), [seen[key] for key in kept])
    rows = feature_rows(documents, vocabulary).multiply(weight).tocsr()
    fit = fit_linear(rows, labels, sample_weights(labels, none), none + 1, _STRENGTH)
    return Linear(fit.weights * weight, fit.bias, vocabulary)


def rarity(texts: int, seen: Sequence[int]) -> Any:
    """Give each feature's inverse document frequency, smoothed, 1 on average; `seen`: in how many texts it stands."""
    found = np.log((1 + texts) / (1 + np.asarray(seen, dtype=float))) + 1
    return found / found.mean()


def feature_rows(documents: Sequence[Mapping[int, float]], vocabulary: Mapping[int, int]) -> Any:
    """Arrange features as a sparse matrix; what the vocabulary lacks is left out."""
    rows, columns, values = [], [], []
    for row, document in enumerate(documents):
        for key, value in document.items():
            if key in vocabulary:
                rows.append(row)
                columns.append(vocabulary[key])
                values.append(value)
    return csr_matrix((values, (rows, columns)), shape=(len(documents), len(vocabulary)))


# --- one way to call all of them --------------------------------------------------------------------------------------


def ngrams(documents: Sequence[Mapping[int, float]], none: int) -> Family:
    """Tell texts by their features; `none`: the label of the background."""

    def logits(places: Sequence[int], labels: Sequence[int], scored: Sequence[int]) -> Any:
        fitted = fit_ngrams([documents[place] for place in places], labels, none)
        return fitted.logits(feature_rows([documents[place] for place in scored], fitted.vocabulary))

    return logits


def length(texts: Sequence[str], none: int) -> Family:
    """Tell texts by the number of their characters and words, a baseline."""
    sizes = np.array([[math.log1p(len(text)), math.log1p(len(text.split()))] for text in texts])
    rows = np.hstack([sizes, sizes**2])

    def logits(places: Sequence[int], labels: Sequence[int], scored: Sequence[int]) -> Any:
        fitted = fit_linear(rows[list(places)], labels, sample_weights(labels, none), none + 1, 1.0)
        return fitted.logits(rows[list(scored)])

    return logits


def majority(none: int) -> Family:
    """Say the most frequent class of any text, a baseline."""

    def logits(_places: Sequence[int], labels: Sequence[int], scored: Sequence[int]) -> Any:
        counts = Counter(labels)
        return np.tile([math.log(counts[one] or 1e-9) for one in range(none + 1)], (len(scored), 1))

    return logits
