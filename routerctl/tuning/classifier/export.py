"""A trained classifier -> the text of classifier.json.

The same material and seed give the same bytes: no clock, no path, no version of a package.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

import numpy as np

from routerctl.classify.classifier.files import file_text
from routerctl.tuning.classifier.families import Linear
from routerctl.tuning.classifier.train import Trained

_MOST = 32_767  # of int16


def classifier_text(trained: Trained) -> str:
    """Write the classifier's file."""
    return file_text(_about(trained) | _weights(trained))


def _about(trained: Trained) -> dict[str, Any]:
    ngrams = trained.ngrams
    background = "\n".join(trained.background).encode()
    return {
        "classes": list(trained.classes),
        "priors": {name: round(share, 6) for name, share in trained.priors.items()},
        "temperature": ngrams.temperature,
        "unknown": {
            "rate": trained.rate,
            "least_known": ngrams.least_known,
            "abstained": _short(ngrams.abstained),
            "background_abstained": _short(ngrams.background_abstained or 0.0),
        },
        "trained_on": {
            "texts": len(trained.material.texts),
            "groups": trained.groups,
            "seed": trained.seed,
            "digests": dict(sorted(trained.material.digests.items())),
            "background": "sha256:" + hashlib.sha256(background).hexdigest(),
        },
        "cross_validation": {
            "macro_f1": _short(ngrams.scores.macro_f1),
            "interval": [_short(value) for value in ngrams.scores.interval],
            "accuracy": _short(ngrams.scores.accuracy),
            "calibration_error": _short(ngrams.reliability.error),
            "baselines": {one.family: _short(one.scores.macro_f1) for one in trained.baselines},
        },
        "reliability": [
            {"from": one.low, "to": one.high, "count": one.count, "said": _short(one.said), "right": _short(one.right)}
            for one in ngrams.reliability.bins
            if one.count
        ],
    }


def _weights(trained: Trained) -> dict[str, Any]:
    fitted = trained.fitted
    scale = quantum(fitted)
    numbers = np.rint(fitted.weights / scale).astype("<i2").T  # a row a feature
    keys = np.fromiter(fitted.vocabulary, dtype="<u4", count=len(fitted.vocabulary))
    return {
        "bias": [round(float(value), 6) for value in fitted.bias],
        "scale": scale,
        "keys": b64encode(keys.tobytes()).decode(),
        "weights": b64encode(np.ascontiguousarray(numbers).tobytes()).decode(),
    }


def quantum(fitted: Linear) -> float:
    """Give the weight that the number 1 stands for: a 32,767th of the greatest."""
    greatest = float(np.abs(fitted.weights).max()) if fitted.weights.size else 0.0
    return float(f"{(greatest or 1.0) / _MOST:.9g}") * (1 + 1e-8)


def _short(value: float) -> float:
    return round(value, 4)
