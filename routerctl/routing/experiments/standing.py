"""The experiment that is on, as the shared state keeps it, and the arm of an inquiry.

Documents of the state: `experiment/active` is the one that is on, `experiment/ended/<name>` those that were. Place:
arithmetic over documents; who reads and writes them is the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from decimal import Decimal

from routerctl.routing.experiments.assignment import Arm, arm_of, place_of
from routerctl.types import Inquiry, Json
from routerctl.types.trying import Experiment

Documents = Mapping[str, Json | None]

ACTIVE = "experiment/active"
ENDED = "experiment/ended/"
_DIGITS = 14  # of a place in [0, 1): what it can be told apart by


def key_of(experiment: Experiment, inquiry: Inquiry) -> str | None:
    """Give what an inquiry is split by; None where it does not say it."""
    own = {"user": inquiry.user, "tenant": inquiry.tenant, "id": inquiry.id}
    found = own[experiment.key] if experiment.key in own else inquiry.features.get(experiment.key)
    return None if found is None else str(found)


def assigned(experiment: Experiment, key: str) -> tuple[Arm, str, float]:
    """Give the arm of a key, the digest that stands for it in the log, and the chance that it had of this arm."""
    salt = bytes.fromhex(experiment.salt)
    arm = arm_of(salt, key, experiment.share)
    unit = f"{place_of(salt, key):.{_DIGITS}f}"[2:]
    return arm, unit, experiment.share if arm == "B" else 1 - experiment.share


def to_document(experiment: Experiment) -> dict[str, Json]:
    """Give the document that the shared state keeps."""
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(experiment).items()}


def from_document(document: Json | None) -> Experiment | None:
    """Read it; None where there is none."""
    if document is None:
        return None
    return Experiment(**{**document, "cost_cap_usd": Decimal(document["cost_cap_usd"])})


def ended(
    experiment: Experiment, how: str, why: str, at: str
) -> tuple[list[str], Callable[[Documents], tuple[Documents, bool]]]:
    """Give the keys and the change that end an experiment; it does nothing where another process was first.

    `how`: promoted or aborted. The change's result tells whether it was the one that ended it.
    """
    kept = ENDED + experiment.name

    def change(documents: Documents) -> tuple[Documents, bool]:
        on = from_document(documents[ACTIVE])
        if on is None or on.salt != experiment.salt:
            return {}, False
        return {ACTIVE: None, kept: to_document(replace(on, ended_at=at, ended=how, why=why))}, True

    return [ACTIVE, kept], change
