"""Turns verdicts alone into how each candidate would stand as the one choice for all, where nobody knows a cost.

Outcomes that come without costs still say which single candidate passes most bars, and where it is worse than the
table's choices. Place: beside `figures`, which does the same with money; `reasons` asks this where that has nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routerctl.types import Evidence, Route, Table
from routerctl.worth.figures import alike, apart_from, as_good, chosen_evidence, evidence_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One candidate serving every class, as far as it was run, beside the table on the same classes; no money."""

    candidate: str
    passes: int  # classes whose bar it passed
    table_passes: int  # of the same classes
    covered: int  # classes it was run on
    of: int  # classes of the table
    correct: float  # mean score over the classes it was run on, each weighing the same, in [0, 1]
    table_correct: float  # of the table's choices on the same classes
    worse: tuple[str, ...]  # classes on which it is not as good
    apart: tuple[str, ...]  # classes on which it is not alike
    untold: tuple[str, ...]  # classes on which nothing tells how it compares

    @property
    def everywhere(self) -> bool:
        """Whether every class tells how it compares: both were run on it, or it is the choice itself."""
        return not self.untold


def standings(table: Table) -> list[Standing]:
    """List every candidate that was run as the one choice for all, the best first.

    Best: most bars passed, then fewest classes on which it is worse, then most classes run, then ladder order.
    """
    chosen = ((route, chosen_evidence(route)) for route in table.routes.values())
    rows = [(route, choice) for route, choice in chosen if choice and _scored(choice)]
    found = [one for name in table.ladder if (one := _standing(name, table, rows))]
    return sorted(found, key=lambda one: (-one.passes, len(one.worse), -one.covered))


def _standing(name: str, table: Table, rows: Sequence[tuple[Route, Evidence]]) -> Standing | None:
    run = [(route, one, choice) for route, choice in rows if (one := evidence_for(route, name)) and _scored(one)]
    if not run:
        return None
    alone = apart_from(name, table, [route for route, _, _ in run])
    return Standing(
        candidate=name,
        passes=sum(one.judgement.verdict.passes for one in (*(one for _, one, _ in run), *alone.shown)),
        table_passes=sum(choice.judgement.verdict.passes for _, _, choice in run),
        covered=len(run) + len(alone.shown),
        of=len(table.routes),
        correct=_mean_score([one for _, one, _ in run]),
        table_correct=_mean_score([choice for _, _, choice in run]),
        worse=(*(route.task_class for route, one, choice in run if not as_good(one, choice)), *alone.worse),
        apart=(*(route.task_class for route, one, choice in run if not alike(one, choice)), *alone.worse),
        untold=alone.untold,
    )


def _scored(one: Evidence) -> bool:
    return one.judgement.score is not None


def _mean_score(shown: Sequence[Evidence]) -> float:
    return sum(one.judgement.score or 0.0 for one in shown) / len(shown)
