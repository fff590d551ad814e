"""Material -> the chosen family fitted on all of it, with every family's figures beside it.

Place: training's one function; the command calls it, then writes what it gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from routerctl.errors import InputError
from routerctl.tuning.classifier.corpus import Labelled, Material
from routerctl.tuning.classifier.cross_validation import FOLDS, Validated, validate
from routerctl.tuning.classifier.families import Family, Linear
from routerctl.tuning.classifier.groups import group_for_folds, groups_of

Features = Literal["ngrams", "embedding"]
BASELINES = ("length", "majority")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A classifier that is ready to be written, and what is known of it."""

    material: Material
    background: tuple[str, ...]
    classes: tuple[str, ...]
    chosen: Validated
    others: tuple[Validated, ...]  # the other family, where it was compared, and the baselines
    fitted: Linear
    groups: int  # of texts that are not near-duplicates of each other
    alike: float | None  # likeness from which texts were one group; None: only equal texts were, see `groups`
    seed: int
    rate: float  # stated share of the classes' texts that may be called unknown

    @property
    def priors(self) -> dict[str, float]:
        """Each class's share of the texts."""
        counts = Counter(text.task_class for text in self.material.texts)
        return {name: counts[name] / len(self.material.texts) for name in self.classes}

    @property
    def majority(self) -> Validated:
        """What always saying the most frequent class comes to."""
        return next(one for one in self.others if one.family == "majority")

    @property
    def is_worthwhile(self) -> bool:
        """Whether it names more of the prompts right that it had not seen than always saying one class does."""
        return self.chosen.scores.accuracy > self.majority.scores.accuracy

    def nearest_threshold(self, count: int) -> list[tuple[Labelled, float]]:
        """Give the texts whose score lies nearest to the threshold of "unknown", with the score."""
        least = self.chosen.least_known
        order = sorted(range(len(self.material.texts)), key=lambda at: (abs(self.chosen.known[at] - least), at))
        return [(self.material.texts[at], float(self.chosen.known[at])) for at in order[:count]]


def train(
    material: Material,
    background: Sequence[str],
    *,
    features: Features = "ngrams",
    compare: Sequence[Features] = (),
    rate: float = 0.05,
    seed: int = 0,
) -> Trained:
    """Cross-validate the chosen family, those to compare and the baselines, then fit the chosen one on everything.

    Raises: InputError where the embedding is wanted and its packages are missing, or a class is too few clusters.
    """
    classes = material.classes
    texts = [*(text.text for text in material.texts), *background]
    labels = [*(classes.index(text.task_class) for text in material.texts), *([len(classes)] * len(background))]
    clusters = [*(text.cluster for text in material.texts), *([""] * len(background))]
    groups, alike = group_for_folds(texts, clusters, labels, classes=len(classes), folds=FOLDS)
    _check_groups(groups, labels, classes)
    names = (features, *(name for name in compare if name != features), *BASELINES)
    families = {name: Family(name, texts) for name in names}
    found = [
        validate(family, labels, groups, classes=len(classes), rate=rate, seed=seed) for family in families.values()
    ]
    return Trained(
        material=material,
        background=tuple(background),
        classes=classes,
        chosen=found[0],
        others=tuple(found[1:]),
        fitted=families[features].fit(range(len(texts)), labels, len(classes)),
        groups=len(set(groups[: len(material.texts)])),
        alike=alike,
        seed=seed,
        rate=rate,
    )


def _check_groups(groups: Sequence[int], labels: Sequence[int], classes: Sequence[str]) -> None:
    counts = groups_of(groups, labels)[: len(classes)]
    name, least = min(zip(classes, counts, strict=True), key=lambda item: item[1])
    if least < FOLDS:
        raise InputError(
            f"class {name!r} has {least} different texts or clusters, at least {FOLDS} are needed: a fold that "
            "scores some must leave others to learn from"
        )
