"""Turns checks into the error that a gate ends with, so that the exit code says what JUnit and the annotations say.

Policy is data: which error a check asks for stands in `checks`, its exit code in `errors`. One line names everything
that stops the gate; the exit code is that of the gravest: quality, then the far side, then what could not be decided.
"""

from __future__ import annotations

from collections.abc import Sequence

from routerctl.errors import GateError, Inconclusive, ProviderError, RouterctlError
from routerctl.gate.checks import FAR_SIDE, NOTHING, TOO_FEW, UNSCORED, Check, Strict, checks_of
from routerctl.regression import Regression
from routerctl.types import Table

_GRAVEST_FIRST: tuple[type[RouterctlError], ...] = (GateError, ProviderError, Inconclusive)
_UNDECIDED = {
    FAR_SIDE: "the calls failed for",
    UNSCORED: "the replies could not be scored for",
    TOO_FEW: "too few cases to decide for",
    NOTHING: "nothing to compare for",
}


def gate_error(
    table: Table | None, regression: Regression | None = None, *, strict: Strict | None = None
) -> RouterctlError | None:
    """Return the error that says no for a table and a comparison; None where nothing stands against them."""
    minded = [(check.error, check) for check in checks_of(table, regression, strict=strict) if check.error]
    if not minded:
        return None
    minded.sort(key=lambda one: _GRAVEST_FIRST.index(one[0]))
    found: dict[str, list[Check]] = {}
    for _, check in minded:
        found.setdefault(_head(check, regression), []).append(check)
    gravest, _ = minded[0]
    return gravest("; ".join(f"{head} {_names(same)}" for head, same in found.items()))


def _head(check: Check, regression: Regression | None) -> str:
    if check.error is not GateError:
        return _UNDECIDED[check.what]
    if regression is not None and check.kind == "regression":
        return f"worse than {regression.baseline}:"
    return "provisional, not proven:" if check.what == "provisional" else "no candidate reaches the bar of"


def _names(checks: Sequence[Check]) -> str:
    """The classes; all together only where none fell alone."""
    return ", ".join(check.task_class for check in checks if check.task_class) or "all classes together"
