"""Turns checks into the error that a gate ends with, so that the exit code says what JUnit and the annotations say.

Policy is data: which error a check asks for stands in `checks`, its exit code in `errors`. One line names everything
that stops the gate; the exit code is that of the gravest: quality, then the far side, then what could not be decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from routerctl.errors import GateError, Inconclusive, ProviderError, RouterctlError
from routerctl.evaluation.regression import Regression
from routerctl.evaluation.served import ADVICE
from routerctl.review.ci.checks import FAR_SIDE, NOT_ASKED, NOTHING, TOO_FEW, UNSCORED, Check, Strict, checks_of
from routerctl.types import Table

_GRAVEST_FIRST: tuple[type[RouterctlError], ...] = (GateError, ProviderError, Inconclusive)
_HEADS = {"model": "another model than the pin answered for", "choice": "the choice would change:"}
# By the kind of check, or by what could not be decided.
_NEXT = {
    "regression": "`routerctl eval` asks the other candidates too and `routerctl build-table` takes who passes; or go "
    "back to what changed: prompt, scorer, cases, or the model",
    "model": f"{ADVICE}, then `routerctl build-table`",
    "choice": "`routerctl build-table` takes the new choice: commit routes.yaml and the run in reports/ with it",
    "bar": "the report says what each class lacks: cases, a better prompt, a stronger candidate, or a lower bar",
    TOO_FEW: "add cases: the report says how many are enough",
    NOT_ASKED: "`routerctl eval` runs the candidates that were not asked",
    FAR_SIDE: "run again once the provider answers: what was paid for is in the cache",
    UNSCORED: "mend the scorer: the report shows the replies that it could not score",
    NOTHING: "`routerctl eval` and `routerctl build-table` make evidence that can be compared with",
}
_UNDECIDED = {
    FAR_SIDE: "the calls failed for",
    UNSCORED: "the replies could not be scored for",
    TOO_FEW: "too few cases to decide for",
    NOT_ASKED: "not all candidates were run for",
    NOTHING: "nothing to compare for",
}


def gate_error(
    table: Table | None,
    regression: Regression | None = None,
    *,
    strict: Strict | None = None,
    present: Table | None = None,
) -> RouterctlError | None:
    """Return the error that says no for a table and a comparison; None where nothing stands against them."""
    checks = checks_of(table, regression, strict=strict, present=present)
    minded = [(check.error, check) for check in checks if check.error]
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
    if check.kind in _HEADS:
        return _HEADS[check.kind]
    if regression is not None and check.kind == "regression":
        return f"worse than {regression.baseline}:"
    return "provisional, not proven:" if check.what == "provisional" else "no candidate reaches the bar of"


def _names(checks: Sequence[Check]) -> str:
    """The classes; all together only where none fell alone."""
    named = (f"{one.task_class} {one.what}" if one.kind == "choice" else one.task_class for one in checks)
    return ", ".join(filter(None, named)) or "all classes together"


def next_steps(checks: Iterable[Check]) -> list[str]:
    """Say what to do about the checks that stop a gate, a sentence for each kind of them."""
    stopping = [check for check in checks if check.error]
    kinds = {check.what if check.error is not GateError else check.kind for check in stopping}
    return [step for kind, step in _NEXT.items() if kind in kinds]
