"""The decision log -> what an experiment's arms did, in the order in which it became known.

For the statistics of experiments, which know no log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from routerctl.routing.decision_log.reader import LogReader


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """One decision of an experiment."""

    unit: str  # digest of what the split is by
    in_b: bool
    at: str  # ISO 8601, UTC
    failed: bool  # nobody replied
    cost_usd: float
    total_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """The first feedback on one decision of an experiment."""

    unit: str
    in_b: bool
    at: str  # when it was given
    score: float  # in [0, 1]


def arm_rows(log: LogReader, experiment: str) -> Iterator[ArmRow]:
    """Give the decisions of an experiment in the order of writing."""
    rows = log.query(
        "SELECT unit, arm, at, served IS NULL, cost_nano_usd + perhaps_nano_usd, total_s FROM decisions "
        "WHERE arm IN (?, ?) AND arm <> '' ORDER BY number",
        _arms(experiment),
    )
    for unit, arm, at, failed, nano_usd, total_s in rows:
        yield ArmRow(
            unit=unit,
            in_b=arm.endswith(":B"),
            at=at,
            failed=bool(failed),
            cost_usd=nano_usd / 1e9,
            total_s=total_s,
        )


def rated(log: LogReader, experiment: str) -> Iterator[Rated]:
    """Give each decision's first feedback in the order in which it was given.

    The first and not the latest: what was looked at once must not change afterwards.
    """
    rows = log.query(
        "SELECT d.unit, d.arm, f.at, f.score FROM feedback f JOIN decisions d ON d.id = f.decision "
        "WHERE d.arm IN (?, ?) AND d.arm <> '' AND f.number = (SELECT min(number) FROM feedback WHERE decision = d.id) "
        "ORDER BY f.number",
        _arms(experiment),
    )
    for unit, arm, at, score in rows:
        yield Rated(unit=unit, in_b=arm.endswith(":B"), at=at, score=score)


def _arms(experiment: str) -> tuple[str, str]:
    return f"{experiment}:A", f"{experiment}:B"
