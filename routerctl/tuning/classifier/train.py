"""Material -> the n-grams fitted on all of it, with their figures and those of the baselines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from routerctl.classify.classifier.features import features
from routerctl.errors import InputError
from routerctl.tuning.classifier.corpus import Labelled, Material
from routerctl.tuning.classifier.cross_validation import FOLDS, Validated, validate
from routerctl.tuning.classifier.families import Linear, fit_ngrams, length, majority, ngrams
from routerctl.tuning.classifier.groups import group_for_folds, groups_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A classifier that is ready to be written, and what is known of it."""

    material: Material
    background: tuple[str, ...]
    classes: tuple[str, ...]
    ngrams: Validated
    length: Validated  # the baselines: the prompt's length alone
    majority: Validated  # and always saying the most frequent class
    fitted: Linear
    groups: int  # of texts that are not near-duplicates of each other
    alike: float | None  # likeness from which texts were one group; None: only equal texts were, see `groups`
    seed: int
    rate: float  # stated share of the texts named right that may be called unknown

    @property
    def priors(self) -> dict[str, float]:
        """Each class's share of the texts."""
        counts = Counter(text.task_class for text in self.material.texts)
        return {name: counts[name] / len(self.material.texts) for name in self.classes}

    @property
    def baselines(self) -> tuple[Validated, ...]:
        """What it has to beat."""
        return self.length, self.majority

    @property
    def is_worthwhile(self) -> bool:
        """Whether it names more of the prompts right that it had not seen than always saying one class does."""
        return self.ngrams.scores.accuracy > self.majority.scores.accuracy

    @property
    def mostly_unknown(self) -> tuple[str, ...]:
        """The classes of whose own texts most are called unknown."""
        return tuple(name for name, share in zip(self.classes, self.ngrams.abstained_of, strict=True) if share > 0.5)

    def nearest_threshold(self, count: int) -> list[tuple[Labelled, float]]:
        """Give the texts whose score lies nearest to the threshold of "unknown", with the score."""
        least = self.ngrams.least_known
        order = sorted(range(len(self.material.texts)), key=lambda at: (abs(self.ngrams.known[at] - least), at))
        return [(self.material.texts[at], float(self.ngrams.known[at])) for at in order[:count]]


def train(material: Material, background: Sequence[str], *, rate: float = 0.05, seed: int = 0) -> Trained:
    """Cross-validate the n-grams and the baselines, then fit the n-grams on everything.

    Raises: InputError where a class has too few clusters.
    """
    classes = material.classes
    texts = [*(text.text for text in material.texts), *background]
    labels = [*(classes.index(text.task_class) for text in material.texts), *([len(classes)] * len(background))]
    clusters = [*(text.cluster for text in material.texts), *([""] * len(background))]
    groups, alike = group_for_folds(texts, clusters, labels, classes=len(classes), folds=FOLDS)
    _check_groups(groups, labels, classes)
    documents, none = [features(text) for text in texts], len(classes)
    families = {"ngrams": ngrams(documents, none), "length": length(texts, none), "majority": majority(none)}
    found = {
        name: validate(name, family, labels, groups, classes=none, rate=rate if name == "ngrams" else None, seed=seed)
        for name, family in families.items()
    }
    return Trained(
        material=material,
        background=tuple(background),
        classes=classes,
        ngrams=found["ngrams"],
        length=found["length"],
        majority=found["majority"],
        fitted=fit_ngrams(documents, labels, none),
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
