"""An experiment and the log -> what its arms say so far, and whether a guardrail is broken.

The log and the statistics know nothing of each other; `routerctl experiment` shows what they say together, and `active`
asks whether the experiment must stop by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from routerctl.routing.decision_log.arms import ArmRow, Rated, arm_rows, rated
from routerctl.routing.decision_log.reader import LogReader
from routerctl.routing.experiments.compare import (
    ArmComparison,
    ExperimentDesign,
    LoggedOutcome,
    UnitOutcomes,
    compare,
    in_order,
)
from routerctl.routing.experiments.guardrails import Guarded, Guardrail, capped, guard
from routerctl.types import Experiment


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """How an experiment stands."""

    decisions_a: int
    decisions_b: int
    comparison: ArmComparison
    guarded: tuple[Guarded, ...]

    @property
    def broken(self) -> Guarded | None:
        """The first guardrail that is broken."""
        return next((one for one in self.guarded if one.broken), None)


def question_of(experiment: Experiment) -> ExperimentDesign:
    """Give what the experiment is to find."""
    return ExperimentDesign(
        least_difference=experiment.least_difference,
        share=experiment.share,
        alpha=experiment.alpha,
        margin=experiment.margin,
        deviation=experiment.deviation,
    )


def stand_of(experiment: Experiment, log: Path) -> Stand:
    """Say how an experiment stands by a log.

    Raises: InputError where there is no log.
    """
    with LogReader(log) as reader, reader.snapshot():
        decided, said = list(arm_rows(reader, experiment.name)), list(rated(reader, experiment.name))
    in_b = sum(row.in_b for row in decided)
    return Stand(
        decisions_a=len(decided) - in_b,
        decisions_b=in_b,
        comparison=compare(_feedback(experiment, said), question_of(experiment)),
        guarded=tuple(_guarded(experiment, decided)),
    )


def _feedback(experiment: Experiment, said: Iterable[Rated]) -> UnitOutcomes:
    return in_order(
        (
            LoggedOutcome(key=one.unit, arm="B" if one.in_b else "A", value=one.score, at_s=_at_s(one.at))
            for one in said
        ),
        window_s=experiment.window_s,
    )


def _guarded(experiment: Experiment, rows: Sequence[ArmRow]) -> Iterable[Guarded]:
    """A guardrail counts every unit once, by its first decision: it must be quick, and needs no window."""
    timed = [row for row in rows if row.total_s is not None]
    costs = capped((row.cost_usd for row in rows), float(experiment.cost_cap_usd))
    values = {
        "cost": (rows, costs, experiment.more_cost, True),
        "errors": (rows, [float(row.failed) for row in rows], experiment.more_errors, False),
        "slow": (
            timed,
            [float((row.total_s or 0.0) > experiment.slow_s) for row in timed],
            experiment.more_slow,
            False,
        ),
    }
    for name, (of, seen, allowed, relative) in values.items():
        units = in_order(
            LoggedOutcome(key=row.unit, arm="B" if row.in_b else "A", value=value, at_s=_at_s(row.at))
            for row, value in zip(of, seen, strict=True)
        )
        yield guard(units, Guardrail(name=name, share=experiment.share, allowed=allowed, relative=relative))


def _at_s(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
