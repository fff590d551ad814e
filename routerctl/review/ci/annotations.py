"""Turns checks into GitHub workflow commands, which put a line at an eval set's file in a pull request.

Format and escaping: docs.github.com, "Workflow commands for GitHub Actions", and toCommandProperties in
actions/toolkit: `%`, CR and LF everywhere, `:` and `,` in properties too. GitHub shows ten errors and ten warnings a
step, so of more than ten the last one shown counts the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from routerctl.review.ci.checks import Check, CheckOutcome
from routerctl.words import one_line, visible

SHOWN = 10  # of each level
_LEVEL = {CheckOutcome.FAILED: "error", CheckOutcome.ERROR: "error", CheckOutcome.SKIPPED: "warning"}
_WIDTH = 2000  # characters of a message


def annotation_lines(checks: Sequence[Check], *, files: Mapping[str, str] | None = None) -> list[str]:
    """Return one command line per check that did not pass; `files`: each class's eval set, where it is known."""
    lines = []
    for level in ("error", "warning"):
        found = [check for check in checks if _LEVEL.get(check.outcome) == level]
        lines += _lines(level, found, files or {})
    return lines


def _lines(level: str, checks: Sequence[Check], files: Mapping[str, str]) -> list[str]:
    if len(checks) <= SHOWN:
        return [_command(level, check, files) for check in checks]
    shown, rest = checks[: SHOWN - 1], checks[SHOWN - 1 :]
    names = ", ".join(check.name for check in rest)
    last = f"::{level} title=routerctl::{_data(f'{len(rest)} more: {names}')}"
    return [*(_command(level, check, files) for check in shown), last]


def _command(level: str, check: Check, files: Mapping[str, str]) -> str:
    file = files.get(check.task_class)
    properties = [f"file={_property(file)}"] if file else []
    properties.append(f"title={_property(f'{check.name}: {check.what}')}")
    return f"::{level} {','.join(properties)}::{_data(check.reason)}"


def _data(text: str) -> str:
    flat = one_line(visible(text), _WIDTH)
    return flat.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
