"""A run or a table to compare with -> the serving candidates asked again on the same cases, and what got worse.

All classes are asked once; those that look worse are asked again, for as many epochs as were wanted. A screen can only
lead to an alarm that the full comparison gives too. `alarm` decides whether things got worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from routerctl.errors import InputError
from routerctl.evaluation.build import build_table
from routerctl.evaluation.regression import SCREENED, Pairing, Regression, judge_regression, pairs_of, screen
from routerctl.evaluation.run.case import Job
from routerctl.evaluation.run.climb import Evaluation, Watcher
from routerctl.evaluation.run.estimate import Estimate, between
from routerctl.evaluation.run.session import Planned, estimate_run
from routerctl.evaluation.run_files import read_run, run_folder
from routerctl.evaluation.unpinned import unpinned_results
from routerctl.evaluation.worth.renewed import renewed_beside_today
from routerctl.evaluation.worth.told import Told
from routerctl.table import TABLE_FILE, load_table
from routerctl.types import Judgement, Result, Run, RunHeader, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What the new run is compared with: per task class the candidate that serves, and its results then."""

    name: str  # a run id, or the table's file
    serving: Mapping[str, str]  # candidate by task class
    results: Mapping[str, tuple[Result, ...]]  # by task class
    runs: Mapping[str, Run]  # by task class
    table: Table | None  # that chose the candidates; None: the run was made to compare and chose none

    @property
    def headers(self) -> Mapping[str, RunHeader]:
        """Give the header of each class's run."""
        return {name: run.header for name, run in self.runs.items()}

    def epochs(self, task_class: str) -> int:
        """Count the replies that each case of a class has there, at most."""
        return 1 + max((one.epoch for one in self.results[task_class]), default=0)

    @property
    def created_at(self) -> str:
        """When the oldest of its runs was made, ISO 8601."""
        return min(header.created_at for header in self.headers.values())


def load_baseline(root: Path, wanted: str) -> Baseline:
    """Read the baseline: a run id, or the path of a table such as routes.yaml.

    Raises: InputError where neither is there, or the runs that the table names are gone.
    """
    if wanted.endswith((".yaml", ".yml")):
        table = load_table(root / wanted)
        runs = {name: read_run(run_folder(root, route.run_id)) for name, route in table.routes.items()}
        return _baseline(wanted, _serving(table), runs, table)
    run = read_run(run_folder(root, wanted))
    if run.header.baseline:  # made to compare: it asked only the candidates that served
        serving = {one.task_class: one.candidate for one in run.results}
        return _baseline(run.header.run_id, serving, dict.fromkeys(serving, run))
    runs = dict.fromkeys(run.header.classes, run)
    table = build_table(runs, previous=None)
    return _baseline(run.header.run_id, _serving(table), runs, table)


def _serving(table: Table) -> dict[str, str]:
    return {name: route.chosen for name, route in table.routes.items()}


def _baseline(name: str, serving: Mapping[str, str], runs: Mapping[str, Run], table: Table | None = None) -> Baseline:
    results = {
        task_class: tuple(
            one for one in runs[task_class].results if (one.task_class, one.candidate) == (task_class, candidate)
        )
        for task_class, candidate in serving.items()
    }
    return Baseline(
        name=name,
        serving=serving,
        results=results,
        runs={task_class: run for task_class, run in runs.items() if task_class in results},
        table=table,
    )


def against(planned: Planned, baseline: Baseline, *, every_case: bool) -> tuple[Planned, tuple[str, ...]]:
    """Plan the run that compares: the classes and serving candidates that both sides have; and the classes left out.

    `every_case`: also those that the baseline did not ask, which makes a run that is fit to be the next baseline.
    Raises: InputError where nothing is left.
    """
    known, ladder = planned.header.candidates, planned.header.ladder
    kept = {
        job.eval_set.name
        for job in planned.jobs
        if baseline.results.get(job.eval_set.name)
        and baseline.serving[job.eval_set.name] in ladder
        and (every_case or _asked_there(job, baseline).cases)
    }
    if not kept:
        where = TABLE_FILE if baseline.name == TABLE_FILE else f"baseline {baseline.name}"
        raise InputError("it measured no class and candidate of this run", file=where)
    jobs = tuple(
        job if every_case else _asked_there(job, baseline) for job in planned.jobs if job.eval_set.name in kept
    )
    serving = {name: candidate for name, candidate in baseline.serving.items() if name in kept}
    rungs = tuple(name for name in ladder if name in serving.values() and name in known)
    header = replace(
        planned.header,
        classes={name: one for name, one in planned.header.classes.items() if name in kept},
        rungs=rungs,
        full=True,
        baseline=baseline.name,
    )
    left_out = tuple(sorted((baseline.serving.keys() | planned.header.classes.keys()) - kept))
    return replace(planned, header=header, jobs=jobs, rungs=rungs), left_out


def _asked_there(job: Job, baseline: Baseline) -> Job:
    there = {one.case_id for one in baseline.results[job.eval_set.name]}
    return replace(job, cases=tuple(case for case in job.cases if case.id in there))


def estimate_comparison(
    planned: Planned, baseline: Baseline, now: Callable[[], datetime], *, epochs: int
) -> list[Estimate]:
    """Estimate what `against` planned: likely, a class looks worse by chance alone; at most, all epochs are asked."""
    found = []
    for job in planned.jobs:
        name, full = job.eval_set.name, planned.options.full
        most = epochs if full else min(epochs, baseline.epochs(name))
        once, whole = (
            estimate_run(replace(planned, jobs=(_with_epochs(job, each),)), now, (baseline.serving[name],))[0]
            for each in (most if full else 1, most)
        )
        found.append(replace(whole, likely=between(once.likely, whole.likely, SCREENED)))
    return found


def _with_epochs(job: Job, epochs: int) -> Job:
    return replace(job, eval_set=replace(job.eval_set, epochs=epochs))


class Comparison:
    """The asking of one comparison, and what it found."""

    def __init__(
        self,
        planned: Planned,
        baseline: Baseline,
        watcher: Watcher,
        *,
        epochs: int,
        alpha: float,
        screened: bool = True,
    ) -> None:
        """`epochs`: the most replies to a case; `alpha`: of a false alarm over all classes.

        `screened`: one epoch tells which classes get more, and no more than the baseline has; else all get all, which
        makes a run that is fit to be the next baseline.
        """
        self._planned, self._baseline, self._watcher = planned, baseline, watcher
        self._epochs, self._alpha, self._screened = epochs, alpha, screened
        self._after: dict[str, list[Result]] = {job.eval_set.name: [] for job in planned.jobs}
        self.regression: Regression | None = None  # None: stopped too early for an answer
        self.beside_today: Told | None = None  # by the newer replies; None: today's model is not known, or serves

    def testing(self, task_class: str, candidate: str, needed: Callable[[], int]) -> None:
        """Pass on that a class is asked."""
        self._watcher.testing(task_class, candidate, needed)

    def result(self, result: Result) -> None:
        """See one result, and pass it on."""
        self._after[result.task_class].append(result)
        self._watcher.result(result)

    def verdict(self, task_class: str, candidate: str, judgement: Judgement) -> None:
        """Pass a verdict on; a comparison gives none."""
        self._watcher.verdict(task_class, candidate, judgement)

    async def work(self, evaluation: Evaluation) -> None:
        """Ask once, screen, ask again what looks worse, compare."""
        serving = {name: self._baseline.serving[name] for name in self._after}
        await evaluation.ask_all(self._planned.jobs, serving, range(1))
        suspects = screen(self._pairings()) if self._screened else set(self._after)
        for wanted in range(2, self._epochs + 1):
            jobs = [job for job in self._planned.jobs if self._gets(job.eval_set.name, wanted, suspects)]
            if jobs and not evaluation.stopped:
                await evaluation.ask_all(jobs, serving, range(wanted - 1, wanted))
        if not evaluation.stopped:
            found = judge_regression(
                self._pairings(),
                baseline=self._baseline.name,
                alpha=self._alpha,
                confirmed=suspects,
                candidates=serving,
            )
            classes = tuple(replace(one, foreign=self._foreign(one.task_class)) for one in found.classes)
            self.regression = replace(found, classes=classes)
            self.beside_today = self._beside_today()

    def _beside_today(self) -> Told | None:
        """Tell money and risk against the model that serves today as the project has it, else as the table has."""
        table = self._baseline.table
        if table is None:
            return None
        now = {name: one.today for name, one in self._planned.header.classes.items() if one.today}
        routes = {name: replace(one, today=now.get(name, one.today)) for name, one in table.routes.items()}
        return renewed_beside_today(replace(table, routes=routes), self._baseline.runs, self._after)

    def _foreign(self, task_class: str) -> tuple[str, ...]:
        """Say that another model than the pin answered now, or in the baseline."""
        header = self._baseline.headers[task_class]
        now = unpinned_results(self._planned.header, self._after[task_class], task_class)
        before = unpinned_results(header, self._baseline.results[task_class], task_class)
        return (*now, *(f"{words} (in the baseline)" for words in before))

    def _gets(self, task_class: str, epochs: int, suspects: set[str]) -> bool:
        return not self._screened or (task_class in suspects and epochs <= self._baseline.epochs(task_class))

    def _pairings(self) -> dict[str, Pairing]:
        """Pair each class; a baseline that was itself made to compare chose no candidate."""
        return {
            name: pairs_of(
                self._baseline.results[name],
                after,
                measure=self._planned.header.classes[name].measure,
                chosen_there=not self._baseline.headers[name].baseline,
            )
            for name, after in self._after.items()
        }
