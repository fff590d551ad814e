"""Logits of one text -> calibrated probabilities, and the class or "unknown".

Pure arithmetic; it knows no text.

The last logit is that of "none of the classes", learned from texts of no particular class. Probabilities of the classes
are given for the case that it is one of them; whether it is, decides the threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp

from routerctl.errors import InputError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """What a classifier says of one text."""

    task_class: str | None  # None: unknown
    probabilities: dict[str, float]  # of each class if it is one of them, sum 1
    known: float  # in [0, 1]: probability of the likeliest class, with "none of them" among the choices, before priors
    least_known: float  # with less it is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """What turns logits into a decision; part of the classifier's file."""

    classes: tuple[str, ...]
    temperature: float  # logits are divided by it (Guo et al. 2017, arXiv 1706.04599)
    least_known: float  # below: unknown
    priors: Mapping[str, float]  # share of each class among the training texts

    def decide(self, logits: Sequence[float], priors: Mapping[str, float]) -> Classified:
        """Decide by the logits of the classes and of "none of them", which stands last.

        Raises: InputError where `priors` names an unknown class or a share that is not above 0.
        """
        shares = self.shares(logits)
        known = max(shares[:-1])
        if priors:
            shares = self._reweighed(shares, priors)
        total = sum(shares[:-1]) or 1.0
        probabilities = {name: share / total for name, share in zip(self.classes, shares, strict=False)}
        best = max(probabilities, key=probabilities.__getitem__)
        return Classified(
            task_class=best if known >= self.least_known else None,
            probabilities=probabilities,
            known=known,
            least_known=self.least_known,
        )

    def shares(self, logits: Sequence[float]) -> list[float]:
        """Give the calibrated probabilities of the classes and, last, of none of them."""
        top = max(logits)
        parts = [exp((logit - top) / self.temperature) for logit in logits]
        total = sum(parts)
        return [part / total for part in parts]

    def _reweighed(self, shares: Sequence[float], priors: Mapping[str, float]) -> list[float]:
        """Multiply by new prior / training prior (Saerens et al. 2002); a class that is not named keeps its own."""
        check_priors(priors, self.classes)
        weights = [priors.get(name, self.priors[name]) / self.priors[name] for name in self.classes]
        return [share * weight for share, weight in zip(shares, [*weights, 1.0], strict=True)]


def check_priors(priors: Mapping[str, float], classes: Sequence[str]) -> None:
    """See that priors fit the classes.

    Raises: InputError naming the class.
    """
    for name, share in priors.items():
        if name not in classes:
            raise InputError(f"classifier.priors: no class {name!r} in the classifier{nearest(name, classes)}")
        if not 0 < share < float("inf"):
            raise InputError(f"classifier.priors.{name}: expected a share above 0, got {share:g}")
