"""`routerctl eval` as one function: project -> plan -> cache, wire and writer opened -> results under reports/.

It opens and closes what a run needs. `climb` asks the cases; the terminal is the caller's business.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from routerctl.costs import pricer_for, pricers_of
from routerctl.errors import InputError, nearest
from routerctl.evaluation.cache import ReplyCache
from routerctl.evaluation.eval_sets import eval_set_files, load_eval_sets, scorer_at
from routerctl.evaluation.project import PROJECT_FILE, Project, load_project
from routerctl.evaluation.run.cached_call import Caller, Spending
from routerctl.evaluation.run.candidate_test import untested_rung
from routerctl.evaluation.run.case import Job
from routerctl.evaluation.run.climb import Evaluation, Watcher, plan_jobs
from routerctl.evaluation.run.estimate import Estimate, Estimator, ceiling_of
from routerctl.evaluation.run.header import judge_of, make_header, pin_warnings, pinned_candidate
from routerctl.evaluation.run.measured import measure
from routerctl.evaluation.run.retests import Past, attempt_words, attempts_of, with_attempts
from routerctl.evaluation.run_files import REPORTS_FOLDER, RunWriter
from routerctl.evaluation.selection import provable_words, question_of
from routerctl.notices import warn
from routerctl.providers.base import Outside, Provider
from routerctl.providers.wire import Wire
from routerctl.redaction import learn_tenants
from routerctl.scorers.python_code import unheld_words
from routerctl.strategies.judge import self_judging
from routerctl.types import Candidate, ClassHeader, RunHeader
from routerctl.types.evaluation import LoggedUsage
from routerctl.words import count, grouped, plain, plural, usd

_MANY_RUNGS = 6  # with six near-equal rungs half as many classes find their candidate as with three
STATE_FOLDER = ".routerctl"
CACHE_FILE = "cache.sqlite"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalOptions:
    """What the user asked of one run."""

    ladder: str | None = None
    only: tuple[str, ...] = ()  # task classes; () = all
    candidates: tuple[str, ...] = ()  # of the ladder; () = all
    ladder_rungs: tuple[str, ...] = ()  # a ladder that routerctl.yaml does not have; `ladder` is its name then
    full: bool = False
    compare_today: bool = False  # the model that serves today is asked every case, too
    max_cost_usd: Decimal | None = None
    use_cache: bool = True
    max_age: timedelta | None = None  # a cached reply older than this is asked for anew
    logged: tuple[LoggedUsage, ...] = ()  # for the estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A run that can start: everything the user wrote has been checked."""

    project: Project
    header: RunHeader
    jobs: tuple[Job, ...]
    rungs: tuple[str, ...]  # candidates to run
    options: EvalOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A run that has ended; `interrupted` = the user stopped it."""

    header: RunHeader
    folder: Path
    spending: Spending
    paid_usd: Decimal  # for its results, judging included
    interrupted: bool

    @property
    def paid(self) -> dict[str, str | int]:
        """What it paid, as plain values."""
        names = ("paid_calls", "cached_calls", "repeated_calls")
        return {"paid_usd": str(self.paid_usd), **{name: getattr(self.spending, name) for name in names}}

    @property
    def paid_words(self) -> str:
        """What it paid, in words."""
        spending = self.spending
        calls = [f"paid {usd(self.paid_usd)} for {plain(plural(spending.paid_calls, 'call'))}"]
        calls += [f"{count(spending.cached_calls)} came from the cache"] if spending.cached_calls else []
        calls += (
            [f"{count(spending.repeated_calls)} had been asked in this run already"] if spending.repeated_calls else []
        )
        return ", ".join(calls)


def plan_run(root: Path, options: EvalOptions, now: Callable[[], datetime]) -> Planned:
    """Check everything and write the run's header, without a call.

    Raises: InputError.
    """
    project = load_project(root)
    eval_sets = load_eval_sets(root, options.only)
    judges = {item.name: judge for item in eval_sets if (judge := judge_of(project, item))}
    scorers = {item.name: scorer_at(item, root) for item in eval_sets}
    jobs = plan_jobs(eval_sets, scorers, project.seed, judges)
    header = make_header(
        project,
        jobs,
        ladder=options.ladder,
        rungs=options.ladder_rungs,
        full=options.full or project.objective is not None,
        moment=now(),
    )
    header = replace(header, classes=_with_attempts(root, jobs, header))
    for name in options.candidates:
        if name not in header.ladder:
            known = nearest(name, header.ladder)
            raise InputError(f"no candidate {name!r} on ladder {header.ladder_name!r}{known}", file=PROJECT_FILE)
    header = replace(header, compares_today=options.compare_today)
    _check_today(header)
    rungs = tuple(name for name in header.ladder if not options.candidates or name in options.candidates)
    header = replace(header, rungs=rungs if options.candidates else ())
    return Planned(project=project, header=header, jobs=jobs, rungs=rungs, options=options)


def _check_today(header: RunHeader) -> None:
    """Refuse to compare with a model that nobody has named, or that is not on this ladder.

    Raises: InputError.
    """
    for name, one in header.classes.items() if header.compares_today else ():
        if not one.today:
            raise InputError(f"--compare-today: write `today: CANDIDATE` (what serves {name} now)", file=PROJECT_FILE)
        if one.today not in header.ladder:
            problem = f"no candidate {one.today!r} on ladder {header.ladder_name!r}{nearest(one.today, header.ladder)}"
            raise InputError(f"today: {problem}", file=PROJECT_FILE)


def warnings_of(planned: Planned) -> list[str]:
    """Say what a user should know of a run before it starts: candidates that judge themselves, attempts."""
    many = len(planned.header.ladder)
    shared = f"{many} candidates share each class's risk: prune the ladder, or expect to need larger sets"
    found = [shared] if many >= _MANY_RUNGS else []
    found += pin_warnings(planned.header.candidates, planned.header.providers)
    rungs = [planned.header.candidates[name] for name in planned.rungs]
    found += [words for words in (unheld_words(job.scorer.name for job in planned.jobs),) if words]
    for job in planned.jobs:
        selves = self_judging(rungs, job.judge) if job.judge else ()
        if selves:
            found.append(f"{job.eval_set.name}: {', '.join(selves)} would be judged by the same model")
        found += attempt_words(planned.header.classes[job.eval_set.name], planned.rungs)
    return found


def provable(planned: Planned) -> list[str]:
    """Say of each set that is small what it can prove, and how many cases it takes."""
    header = planned.header
    said = {name: provable_words(question_of(one, header)) for name, one in header.classes.items()}
    return [f"{name}: {grouped(words)}" for name, words in said.items() if words]


def counted_runs(root: Path) -> dict[str, list[str]]:
    """Name the earlier runs that count as attempts on the eval sets as they are now, each with its classes.

    Raises: InputError where the project cannot be read.
    """
    planned = plan_run(root, EvalOptions(), lambda: datetime.now(UTC))
    past = Past(root, eval_set_files(root), planned.header)
    everybody = {name: pinned_candidate(planned.project, name) for name in planned.project.candidates}
    found: dict[str, list[str]] = {}
    for job in planned.jobs:
        for run_id in attempts_of(past, job, planned.header.classes[job.eval_set.name], everybody).runs:
            found.setdefault(run_id, []).append(job.eval_set.name)
    return found


def _with_attempts(root: Path, jobs: Sequence[Job], header: RunHeader) -> dict[str, ClassHeader]:
    past = Past(root, eval_set_files(root), header)
    ladder = {name: header.candidates[name] for name in header.ladder}
    classes = [(job, header.classes[job.eval_set.name]) for job in jobs]
    return {one.task_class: with_attempts(one, attempts_of(past, job, one, ladder)) for job, one in classes}


def estimate_run(planned: Planned, now: Callable[[], datetime], rungs: Sequence[str] | None = None) -> list[Estimate]:
    """Estimate each class x candidate of a planned run; `rungs`: the candidates asked, instead of those of a climb.

    Raises: InputError where the cache cannot be read.
    """
    measured = measure(planned.project.root, planned.header, planned.options.logged)
    untested = untested_rung(planned.header)
    asked = [name for name in planned.rungs if name != untested] if rungs is None else rungs
    with _cache(planned, now()) as cache:
        estimator = Estimator(planned.header, cache=cache, measured=measured, classes=len(planned.jobs))
        return [one for job in planned.jobs for one in estimator.estimate(job, asked)]


@contextmanager
def _cache(planned: Planned, moment: datetime) -> Iterator[ReplyCache | None]:
    options = planned.options
    if not options.use_cache:
        yield None
        return
    not_before = None if options.max_age is None else moment - options.max_age
    with ReplyCache(planned.project.root / STATE_FOLDER / CACHE_FILE, not_before=not_before) as cache:
        yield cache


async def run_eval(
    planned: Planned,
    watcher: Watcher,
    outside: Outside,
    *,
    spending: Spending,
    now: Callable[[], datetime],
    ready: dict[str, Provider] | None = None,
    on_stop: Callable[[], None] = lambda: None,
    work: Callable[[Evaluation], Awaitable[None]] | None = None,
) -> Finished:
    """Run what was planned and write it down; `work`: what to ask instead of climbing the ladders.

    The first Ctrl-C stops further calls and waits for those in flight (`on_stop` is told); the second ends at once.
    Raises: ProviderError, BudgetSpent, InputError, CancelledError where it was stopped before its first result; what
    was paid for is in the cache and the results then, too.
    """
    header = planned.header
    learn_tenants(planned.project.routing, outside.env)
    with _cache(planned, now()) as cache, RunWriter(planned.project.root / REPORTS_FOLDER, header) as writer:
        spending.lost_calls = cache.take_lost(_tell_lost) if cache else 0
        async with Wire(header.providers.values(), outside, pricer_for(header), ready=ready) as wire:
            callers = _callers(header, wire, cache, spending, now)
            evaluation = Evaluation(
                header, caller_for=callers, keep=writer.append, watcher=watcher, rungs=planned.rungs
            )
            with _stop_on_interrupt(evaluation, on_stop):
                await (work(evaluation) if work else evaluation.run(planned.jobs))
        if evaluation.stopped and writer.is_empty:
            raise asyncio.CancelledError  # as after a second Ctrl-C: nothing was asked, nothing is left
        finished = replace(header, finished=not evaluation.stopped, perhaps_usd=spending.perhaps_usd)
        writer.write_header(finished)
        return Finished(
            header=finished,
            folder=writer.folder,
            spending=spending,
            paid_usd=writer.paid_usd,
            interrupted=evaluation.stopped,
        )


def _tell_lost(calls: int) -> None:
    lost = plain(plural(calls, "call was", "calls were"))
    warn(f"{lost} in flight when an earlier run was killed: perhaps paid for, without a reply")


def _callers(
    header: RunHeader, wire: Wire, cache: ReplyCache | None, spending: Spending, now: Callable[[], datetime]
) -> Callable[[Candidate], Caller]:
    """Give the function that makes a candidate's caller, one a case."""
    pricers, ceiling = pricers_of(header), ceiling_of(header)
    return lambda candidate: Caller(
        candidate,
        header.providers[candidate.provider],
        call=wire.call,
        cache=cache,
        spending=spending,
        pricer=pricers[candidate.name],
        ceiling=ceiling,
        now=now,
    )


@contextmanager
def _stop_on_interrupt(evaluation: Evaluation, on_stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C stop the run between calls; a second one cancels it. Only in the main thread are there signals."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupted() -> None:
        if evaluation.stopped and task:
            task.cancel()
            return
        evaluation.stop()
        on_stop()

    try:
        loop.add_signal_handler(signal.SIGINT, interrupted)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
