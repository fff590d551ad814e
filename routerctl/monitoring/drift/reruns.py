"""Runs that are newer than the table -> how its pinned candidates do now on the cases that they were chosen by.

Only replies that were paid for count: one from the cache says nothing of today. Cases whose question changed are no
pairs, and a run with another prompt or scorer is another measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from routerctl.errors import InputError
from routerctl.evaluation.evidence import Evidences
from routerctl.evaluation.regression import pairs_of
from routerctl.evaluation.run_files import read_header, run_folders
from routerctl.notices import warn
from routerctl.types import Candidate, Route, RunHeader, Status, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """One class asked again."""

    run_id: str
    before_cases: int
    before_passes: int
    cases: int
    passes: int
    pairs: tuple[int, int, int] | None  # (broke, fixed, all) on the same cases; None: the first run is not here


class Reruns:
    """The runs below a folder's reports/."""

    def __init__(self, root: Path, table: Table, since: datetime, evidences: Evidences) -> None:
        """Read the headers of runs made at `since` or later."""
        self._table, self._evidences = table, evidences
        self._headers = [
            header for header in _headers(root) if datetime.fromisoformat(header.created_at) >= since
        ]  # newest first

    def of(self, name: str, route: Route) -> Rerun | None:
        """Give the newest run of a class's pinned candidate that is not its evidence; None where there is none."""
        for header in self._headers:
            if header.run_id > route.run_id and self._fits(header, name, route):
                found = self._measured(header, name, route)
                if found:
                    return found
        return None

    def _fits(self, header: RunHeader, name: str, route: Route) -> bool:
        of_class, candidate = header.classes.get(name), header.candidates.get(route.chosen)
        return (
            of_class is not None
            and candidate is not None
            and _pin(candidate) == _pin(self._table.candidates[route.chosen])
            and of_class.prompt == route.prompt
            and of_class.scorer == route.scorer
        )

    def _measured(self, header: RunHeader, name: str, route: Route) -> Rerun | None:
        results = self._evidences.results(header.run_id, name, route.chosen)
        after = [one for one in results if not one.cached]
        answered = [one for one in after if one.status is not Status.FAILED]
        before = self._evidences.results(route.run_id, name, route.chosen)
        if not answered:
            return None
        pairs = pairs_of(before, after, measure=header.classes[name].measure, chosen_there=True).pairs
        if pairs:
            broke, fixed = (sum(one.after < one.before for one in pairs), sum(one.after > one.before for one in pairs))
            return Rerun(
                run_id=header.run_id,
                before_cases=len(pairs),
                before_passes=round(sum(one.before for one in pairs)),
                cases=len(pairs),
                passes=round(sum(one.after for one in pairs)),
                pairs=(broke, fixed, len(pairs)),
            )
        evidence = next((one.judgement for one in route.evidence if one.candidate == route.chosen), None)
        if evidence is None or header.classes[name].digest != route.eval_set_digest:
            return None
        return Rerun(
            run_id=header.run_id,
            before_cases=evidence.cases,
            before_passes=evidence.passes,
            cases=len(answered),
            passes=sum(one.passed for one in answered),
            pairs=None,
        )


def _pin(candidate: Candidate) -> tuple[object, ...]:
    """What makes a candidate the same one."""
    return (candidate.provider, candidate.model, candidate.effort, candidate.strategy, candidate.sampling)


def _headers(root: Path) -> Iterator[RunHeader]:
    for folder in run_folders(root):
        try:
            yield read_header(folder)
        except InputError as error:  # a damaged run must not hide the others
            warn(str(error))
