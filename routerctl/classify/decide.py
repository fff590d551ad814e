"""An inquiry and the table -> its task class, who named it, and the rungs: a decision without a call.

The order is fixed: the caller, the first rule that holds, the classifier, the default. On the hot path of every
request, so only the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from routerctl.classify.rules import first_match, inquiry_text
from routerctl.errors import InputError, nearest
from routerctl.types import Decision, Inquiry, Table

if TYPE_CHECKING:
    from routerctl.classify.classifier import Classified

NOT_ASKED: Mapping[str, float] = {}


class TextClassifier(Protocol):
    """A classifier that needs no call."""

    def classify(self, text: str, priors: Mapping[str, float]) -> Classified:
        """Name the class of a text, or say that it is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassDecision:
    """A task class and who named it."""

    task_class: str
    decided_by: str
    scores: Mapping[str, float] = field(default_factory=dict)  # the classifier's, also where it said "unknown"
    known: float | None = None  # how sure it was, and had to be; None: it was not asked
    least_known: float | None = None


def named_at_once(table: Table, inquiry: Inquiry) -> ClassDecision | None:
    """Name the class where the caller or a rule does.

    Raises: InputError for a class that the table does not have.
    """
    if inquiry.task_class is not None:
        if inquiry.task_class not in table.routes:
            raise InputError(f"no task class {inquiry.task_class!r}{nearest(inquiry.task_class, table.routes)}")
        return ClassDecision(task_class=inquiry.task_class, decided_by="caller")
    rule = first_match(table.rules, inquiry)
    return ClassDecision(task_class=rule.task_class, decided_by=f"rule {rule.name}") if rule else None


def named_by_classifier(
    table: Table,
    task_class: str | None,
    scores: Mapping[str, float],
    sure: tuple[float | None, float | None] = (None, None),
    *,
    unasked: str = "",
) -> ClassDecision:
    """Name the class as the classifier did, else the default; `sure`: how sure it was, and had to be.

    `unasked`: why the classifier was not asked.
    Raises: InputError where nothing names one.
    """
    known, least_known = sure
    if task_class is not None and task_class in table.routes:
        return ClassDecision(
            task_class=task_class, decided_by="classifier", scores=scores, known=known, least_known=least_known
        )
    if table.default_class:
        return ClassDecision(
            task_class=table.default_class, decided_by="default", scores=scores, known=known, least_known=least_known
        )
    knows_not = f"no rule matches the prompt, {unasked or 'the classifier does not know it'}"
    who = knows_not if table.classifier else "no rule matches it"
    raise InputError(f"{who} and there is no default_class; name the class with --class")


def name_class(table: Table, inquiry: Inquiry, classifier: TextClassifier | None) -> ClassDecision:
    """Name the class of an inquiry without a call.

    Raises: InputError for an unknown class, or where nothing names one.
    """
    named = named_at_once(table, inquiry)
    if named:
        return named
    if classifier is None:
        return named_by_classifier(table, None, NOT_ASKED)
    priors = table.classifier.priors if table.classifier else NOT_ASKED
    prediction = classifier.classify(inquiry_text(inquiry.prompt), priors)
    return named_by_classifier(
        table, prediction.task_class, prediction.probabilities, (prediction.known, prediction.least_known)
    )


def decide(table: Table, inquiry: Inquiry, classifier: TextClassifier | None = None) -> Decision:
    """Decide without a call; a classifier that is a model is not asked.

    Raises: InputError as `name_class`.
    """
    return decision_of(table, name_class(table, inquiry, classifier))


def decision_of(
    table: Table, named: ClassDecision, *, decision_id: str = "", decision_s: float | None = None
) -> Decision:
    """Give the decision that follows from a named class."""
    return Decision(
        id=decision_id,
        decision_s=decision_s,
        task_class=named.task_class,
        decided_by=named.decided_by,
        rungs=table.routes[named.task_class].rungs,
        hops=(),
        table_version=table.table_version,
        table_digest=table.digest,
        level=table.routes[named.task_class].level,
        scores=named.scores,
        known=named.known,
        least_known=named.least_known,
    )


def classifier_of(table: Table, folder: Path) -> TextClassifier | None:
    """Load the trained classifier that a table names, from the table's folder.

    Raises: InputError where it is missing or another one than the table is pinned to.
    """
    named = table.classifier
    if named is None or named.file is None:
        return None
    from routerctl.classify.classifier import load_classifier  # only where there is one

    return load_classifier(folder / named.file, named.digest)
