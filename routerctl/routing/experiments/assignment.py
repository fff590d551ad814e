"""An inquiry and the experiment that is on -> its arm, and the experiment as the shared state keeps it.

The same key gets the same arm in every process, and keeps B when B's share grows. Documents of the state:
`experiment/active` is the one that is on, `experiment/ended/<name>` those that were. Pure: it reads and writes nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Literal

from routerctl.types import Experiment, Inquiry, Json

Arm = Literal["A", "B"]  # A: the table that serves; B: the one that is tried
Documents = Mapping[str, Json | None]

ACTIVE = "experiment/active"
ENDED = "experiment/ended/"
_DIGITS = 14  # of a point in [0, 1): what it can be told apart by
_BITS = 52  # more would not be told apart by a float, and could round up to 1


def arm_of(salt: bytes, key: str, share: float) -> Arm:
    """Return the arm of a key where B gets this share of all keys, in [0, 1]; who is in B stays there when it grows.

    The salt belongs to one experiment: two experiments divide the same keys independently of each other.
    """
    return "B" if point_of(salt, key) < share else "A"


def point_of(salt: bytes, key: str) -> float:
    """Return a key's point in [0, 1), uniform over keys; nobody without the salt can choose a key by its point."""
    digest = hmac.digest(salt, key.encode("utf-8", "surrogatepass"), "sha256")
    return float((int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / (1 << _BITS))


def key_of(experiment: Experiment, inquiry: Inquiry) -> str | None:
    """Give what an inquiry is split by; None where it does not say it."""
    own = {"user": inquiry.user, "tenant": inquiry.tenant, "id": inquiry.id}
    found = own[experiment.key] if experiment.key in own else inquiry.features.get(experiment.key)
    return None if found is None else str(found)


def assigned(experiment: Experiment, key: str) -> tuple[Arm, str, float]:
    """Give the arm of a key, the digest that stands for it in the log, and the chance that it had of this arm."""
    salt = bytes.fromhex(experiment.salt)
    arm = arm_of(salt, key, experiment.share)
    unit = f"{point_of(salt, key):.{_DIGITS}f}"[2:]
    return arm, unit, experiment.share if arm == "B" else 1 - experiment.share


def experiment_document(experiment: Experiment) -> dict[str, Json]:
    """Give an experiment as the shared state keeps it."""
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(experiment).items()}


def experiment_of_document(document: Json | None) -> Experiment | None:
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
        on = experiment_of_document(documents[ACTIVE])
        if on is None or on.salt != experiment.salt:
            return {}, False
        return {ACTIVE: None, kept: experiment_document(replace(on, ended_at=at, ended=how, why=why))}, True

    return [ACTIVE, kept], change
