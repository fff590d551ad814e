"""A family and groups -> logits of every text from a fit that saw neither it nor anything like it.

Folds keep the classes' shares and never split a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from routerctl.tuning.classifier.calibration import (
    Reliability,
    fit_temperature,
    least_known,
    probabilities,
    reliability,
)
from routerctl.tuning.classifier.families import Family, sample_weights
from routerctl.tuning.classifier.metrics import Scores, score

FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """What is known of a family from texts that it was not fitted on; the background is left out of every figure."""

    family: str
    scores: Scores
    reliability: Reliability
    temperature: float
    least_known: float
    abstained: float  # share of the classes' texts that are unknown
    abstained_right: float  # of those whose likeliest class is theirs: at most the stated rate
    abstained_of: tuple[float, ...]  # of each class's
    answered_right: float  # accuracy on the others
    background_abstained: float | None  # share of the background that is unknown; None: the family cannot tell
    known: Any  # float64 (texts,)


def make_folds(labels: Sequence[int], groups: Sequence[int], seed: int) -> list[tuple[list[int], list[int]]]:
    """Split places into (fit on, score) pairs; every place is scored once."""
    split = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(labels, labels, groups)
    return [([int(one) for one in fit], [int(one) for one in scored]) for fit, scored in split]


def validate(
    name: str,
    family: Family,
    labels: Sequence[int],
    groups: Sequence[int],
    *,
    classes: int,
    rate: float | None,
    seed: int,
) -> Validated:
    """Cross-validate; `labels`: a class's number, or `classes` for a text of the background.

    `rate`: share of the texts named right that may be called unknown; None: a baseline, which learns no "none of them".
    """
    given: Any = np.asarray(labels)
    tied: Any = np.asarray(groups)
    inside, outside = np.flatnonzero(given != classes), np.flatnonzero(given == classes)
    truth, used = given[inside], inside if rate is None else np.arange(len(given))
    logits = out_of_fold(family, labels, groups, used, classes=classes, seed=seed)
    temperature = fit_temperature(logits[used], given[used], sample_weights(given[used], classes))
    joint = probabilities(logits, temperature)
    known = joint[:, :classes].max(1)
    shares = joint[inside, :classes] / np.maximum(joint[inside, :classes].sum(1, keepdims=True), 1e-300)
    right = shares.argmax(1) == truth
    least = least_known([float(value) for value in known[inside][right]], rate or 0.0)
    unknown = known[inside] < least
    return Validated(
        family=name,
        scores=score(truth, shares.argmax(1), tied[inside], classes, seed),
        reliability=reliability(shares, truth),
        temperature=temperature,
        least_known=least,
        abstained=float(unknown.mean()),
        abstained_right=float(unknown[right].mean()) if right.any() else 0.0,
        abstained_of=tuple(float(unknown[truth == number].mean()) for number in range(classes)),
        answered_right=float(right[~unknown].mean()),
        background_abstained=float((known[outside] < least).mean()) if rate is not None and len(outside) else None,
        known=known[inside],
    )


def out_of_fold(
    family: Family, labels: Sequence[int], groups: Sequence[int], used: Any, *, classes: int, seed: int
) -> Any:
    """Give each text's logits, float64 (texts, classes + 1), fitted on what is `used` (places) of the other folds."""
    logits, usable = np.zeros((len(labels), classes + 1)), set(used.tolist())
    for fit, scored in make_folds(labels, groups, seed):
        places = [place for place in fit if place in usable]
        logits[scored] = family(places, [labels[place] for place in places], scored)
    return logits
