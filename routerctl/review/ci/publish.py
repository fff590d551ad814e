"""What CI sees of a table and a comparison: JUnit XML where it is asked for, and GitHub's summary and annotations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from routerctl.evaluation.eval_sets import EVALS_FOLDER
from routerctl.evaluation.regression import Regression
from routerctl.evaluation.unpinned import ADVICE, unpinned_in
from routerctl.files.writing import check_place, write_atomically
from routerctl.notices import info, warn
from routerctl.redaction import redacted
from routerctl.review.ci import Check, annotation_lines, gate_error, junit_xml, next_steps, step_summary
from routerctl.types import RunHeader, Table


def check_outputs(junit: Path | None) -> None:
    """See before anything is asked that what CI wants to see can be written.

    Raises: InputError.
    """
    check_place(junit, makes_folders=True)
    summary = Path(os.environ.get("GITHUB_STEP_SUMMARY") or os.devnull)
    if summary.is_dir() or not summary.exists():  # it is added to, which a device allows
        check_place(summary)


def publish(
    table: Table | None,
    regression: Regression | None,
    checks: Sequence[Check],
    header: RunHeader,
    *,
    junit: Path | None,
    baseline_days: float | None = None,
) -> None:
    """Write JUnit XML to `junit`; under GitHub Actions also the step summary and an annotation per failed check."""
    if junit is not None:
        junit.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(junit, junit_xml(checks, created_at=header.created_at))
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(redacted(step_summary(table, regression, checks, baseline_days=baseline_days)))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        files = {name: f"{EVALS_FOLDER}/{name}.yaml" for name in header.classes}
        for line in annotation_lines(checks, files=files):
            info(line)


def end_gate(checks: Sequence[Check], *, baseline: str = "") -> None:
    """Say what to do about whatever stops the gate, and stop it.

    Raises: GateError, ProviderError, Inconclusive.
    """
    problem = gate_error(checks, baseline=baseline)
    if problem is None:
        return
    for step in next_steps(checks):
        info(f"next: {step}")
    raise problem


def warn_of_models(table: Table) -> None:
    """Say which evidence is of another model than the pin."""
    for words in unpinned_in(table):
        warn(f"{words}; {ADVICE}")
