"""Eval sets and a run's header -> results, climbing each class's ladder until a candidate passes.

Classes run side by side and share a provider's concurrency. Within a class the cases are asked in planned order and
the rule sees their outcomes in that order, whatever order the replies come in. It knows neither the terminal nor the
table.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Protocol

from routerctl.errors import ProviderError
from routerctl.evaluation.run.cached_call import Caller
from routerctl.evaluation.run.candidate_test import CandidateTest, unfinished_contenders, untested_rung
from routerctl.evaluation.run.case import CaseAttempt, Failure, Job, Needless
from routerctl.evaluation.run.concurrency import Places, Share
from routerctl.evaluation.selection import planned_order, rounded
from routerctl.types import Candidate, EvalSet, Judgement, RelativeBar, Result, RunHeader, ScorerSpec

_OUTAGE = 10  # so many failed cases of one candidate in a row are an outage, not evidence


class Watcher(Protocol):
    """Sees a run as it goes."""

    def testing(self, task_class: str, candidate: str, needed: Callable[[], int]) -> None:
        """See that a candidate is asked a class's cases; `needed`: those that the end of this takes at least."""

    def result(self, result: Result) -> None:
        """See one result."""

    def verdict(self, task_class: str, candidate: str, judgement: Judgement) -> None:
        """See the verdict on one candidate."""


class Evaluation:
    """One run in progress."""

    def __init__(
        self,
        header: RunHeader,
        *,
        caller_for: Callable[[Candidate], Caller],
        keep: Callable[[Result], None],
        watcher: Watcher,
        rungs: Sequence[str],
    ) -> None:
        """`keep` writes a result down; `rungs` are the candidates to run, a part of the header's ladder."""
        self._header, self._caller_for, self._keep, self._watcher = header, caller_for, keep, watcher
        self._rungs = [name for name in header.ladder if name in rungs]
        self._places = {name: Places(spec.concurrency) for name, spec in header.providers.items()}
        self._failed_in_row: Counter[str] = Counter()  # candidate -> failed cases since the last that did not fail
        self._last_failure: dict[str, ProviderError] = {}  # by candidate
        self._stopping = False

    def stop(self) -> None:
        """Start no further call; those in flight are waited for, since they are paid for."""
        self._stopping = True

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    async def run(self, jobs: Sequence[Job]) -> None:
        """Climb the ladders of all classes side by side.

        Raises: ProviderError where every further call would fail too, BudgetSpent, InputError.
        """
        await self._side_by_side([self._climb(job) for job in jobs])

    async def ask_all(self, jobs: Sequence[Job], serving: Mapping[str, str], epochs: range) -> None:
        """Ask each class's serving candidate all cases, once an epoch, whatever the outcomes.

        Raises: as `run` does.
        """

        async def one(job: Job) -> None:
            name, left = job.eval_set.name, set(range(len(job.cases)))
            candidate = self._header.candidates[serving[name]]
            self._watcher.testing(name, candidate.name, lambda: len(left))

            def take(results: tuple[Result, ...]) -> None:
                self._take(results)
                left.discard(results[0].index)

            await self._work(
                job,
                candidate,
                epochs,
                take=take,
                decided=lambda: False,
                asked_at_most=lambda: len(job.cases),
                places=range(len(job.cases)),
            )

        await self._side_by_side([one(job) for job in jobs])

    async def _side_by_side(self, work: Sequence[Coroutine[None, None, None]]) -> None:
        tasks = [asyncio.ensure_future(one) for one in work]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            self.stop()  # the other classes finish what is in flight, then end
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def _climb(self, job: Job) -> None:
        """Test the candidates until one serves, and ask today's model the rest of the cases where that is wanted."""
        tests: list[CandidateTest] = []
        beside = await self._find(job, tests)
        today = self._header.classes[job.eval_set.name].today if self._header.compares_today else ""
        if not today or self._stopping:
            return
        known = (one for one in (*tests, beside) if one and one.name == today)
        test = next(known, None) or CandidateTest(today, self._header, job, beside)
        if not test.complete and (judgement := await self._run_test(job, test, whole=True)):
            self._watcher.verdict(job.eval_set.name, test.name, rounded(judgement))

    async def _find(self, job: Job, tests: list[CandidateTest]) -> CandidateTest | None:
        """Test the candidates, cheapest first, until one serves; where none does, tell the best of them apart.

        Those that were tested are added to `tests`; given is the reference of a relative bar.
        """
        untested = untested_rung(self._header)
        beside = await self._reference(job)
        if beside is not None and not beside.complete:
            return beside
        for name in self._rungs:
            if name == untested:
                continue
            test = beside if beside and name == beside.name else CandidateTest(name, self._header, job, beside)
            tests.append(test)
            judgement = test.judgement() if test is beside else await self._run_test(job, test)
            if judgement is None:
                return beside
            self._watcher.verdict(job.eval_set.name, name, rounded(judgement))
            if test.serves(judgement) and not self._header.full:
                return beside
        if untested is None:
            await self._race(job, tests)
        return beside

    async def _reference(self, job: Job) -> CandidateTest | None:
        """Run the reference of a relative bar on all cases, before anybody is compared with it; None: there is none."""
        bar = self._header.classes[job.eval_set.name].bar
        if not isinstance(bar, RelativeBar):
            return None
        test = CandidateTest(bar.of, self._header, job)
        await self._run_test(job, test, whole=True)
        return test

    async def _race(self, job: Job, tests: Sequence[CandidateTest]) -> None:
        """Run those that may be the best on all cases, cheapest first, before one of them is called so.

        A test ends as soon as the bar is out of reach, so early that scores hardly differ from luck.
        """
        while contender := next(iter(unfinished_contenders(tests)), None):
            judgement = await self._run_test(job, contender, whole=True)
            if judgement is None or not contender.complete:
                return
            self._watcher.verdict(job.eval_set.name, contender.name, rounded(judgement))

    async def _run_test(self, job: Job, test: CandidateTest, *, whole: bool = False) -> Judgement | None:
        """Run one candidate's cases until its test has ended, or all of them; None where the run was stopped before."""

        def take(results: tuple[Result, ...]) -> None:
            self._take(results)
            test.take(results)

        def asked_at_most() -> int:
            """So many cases may be asked: those that any verdict needs, and a few that may prove needless."""
            if whole or self._header.full or self._header.speculation is None:
                return len(job.cases)
            return test.rule.cases + test.rule.surely_needed() + self._header.speculation

        def decided() -> bool:
            return test.rule.verdict is not None and not whole and not self._header.full

        def needed() -> int:
            return len(job.cases) - len(test.outcomes) if whole or self._header.full else test.rule.surely_needed()

        self._watcher.testing(job.eval_set.name, test.name, needed)
        candidate, epochs = self._header.candidates[test.name], range(self._header.classes[job.eval_set.name].epochs)
        places = [place for place in range(len(job.cases)) if place not in test.outcomes]
        await self._work(job, candidate, epochs, take=take, decided=decided, asked_at_most=asked_at_most, places=places)
        if self._stopping and (test.rule.verdict is None or whole):
            return None
        if test.failed and test.failed == len(test.outcomes):  # decided before an outage's number was reached
            raise self._outage(test.name, test.failed)
        return test.judgement()

    def _take(self, results: tuple[Result, ...]) -> None:
        for result in results:
            self._keep(result)
            self._watcher.result(result)

    async def _work(
        self,
        job: Job,
        candidate: Candidate,
        epochs: range,
        *,
        take: Callable[[tuple[Result, ...]], None],
        decided: Callable[[], bool],
        asked_at_most: Callable[[], int],
        places: Sequence[int],
    ) -> None:
        """Keep this class's share of the provider's concurrency busy, in planned order, until decided.

        Cases beyond that whose replies were paid for before are taken too: they are evidence like those that landed
        late, and another run gives the same. `places`: in the planned order, of the cases to ask.
        """
        problems: list[Exception] = []
        to_ask = deque(places)

        def needless() -> bool:
            return decided() or self._stopping or bool(problems)

        async with self._places[candidate.provider].share() as share:
            while True:
                most = len(job.cases) if decided() else min(len(job.cases), asked_at_most())
                while to_ask and to_ask[0] < most and share.has_room and not (self._stopping or problems):
                    index = to_ask.popleft()
                    share.start(index, self._case(job, candidate, index, epochs, share=share, needless=needless))
                if not share.flying:
                    break
                for place, task in await share.landed():
                    try:
                        if results := task.result():
                            take(results)
                    except Exception as error:  # noqa: BLE001 - raised below, once the calls in flight are kept
                        problems.append(error)
                    share.settled(place)
        if problems:
            raise problems[0]

    def _outage(self, candidate: str, count: int) -> ProviderError:
        error = self._last_failure[candidate]
        return type(error)(
            f"{candidate}: {count} cases in a row failed, the last one: {error.problem}; "
            "this is an outage, not evidence. What was paid for is kept, and running again continues from there",
            provider=error.provider,
            status=error.status,
        )

    async def _case(
        self, job: Job, candidate: Candidate, index: int, epochs: range, *, share: Share, needless: Callable[[], bool]
    ) -> tuple[Result, ...] | None:
        """Ask and score one case, once an epoch; None where that became needless before anything was paid for.

        Raises: ProviderError where the failure is one that ends the run, BudgetSpent.
        """
        opened = False

        async def gate() -> None:
            nonlocal opened  # by one epoch for all: what was begun is paid for, and counts
            if not opened:
                await share.must_pay(index)
                if needless() and not opened:
                    raise Needless
                opened = True

        asking = [
            CaseAttempt(
                job=job,
                candidate=candidate,
                index=index,
                epoch=epoch,
                caller=self._caller_for(candidate),
                judge_caller=self._caller_for(job.judge) if job.judge else None,
                then=self._then(candidate),
                gate=gate,
            )
            for epoch in epochs
        ]
        ended = await asyncio.gather(*(one.result() for one in asking), return_exceptions=True)
        results = [self._survived(job, candidate, one) for one in ended]
        whole = tuple(one for one in results if one is not None)
        return whole if len(whole) == len(results) else None

    def _then(self, candidate: Candidate) -> tuple[Candidate, Caller] | None:
        if candidate.escalation is None:
            return None
        other = self._header.candidates[candidate.escalation.to]
        return other, self._caller_for(other)

    def _survived(self, job: Job, candidate: Candidate, ended: Result | BaseException) -> Result | None:
        """Give what is evidence of how a case ended; None where it became needless.

        Raises: what ends the run.
        """
        if isinstance(ended, Needless):
            return None
        if not isinstance(ended, Result | Failure):
            raise ended
        if isinstance(ended, Result) or ended.who != candidate.name:
            self._failed_in_row[candidate.name] = 0
        if isinstance(ended, Result):
            if job.judge:
                self._failed_in_row[job.judge.name] = 0
            return ended
        self._failed_in_row[ended.who] += 1
        self._last_failure[ended.who] = ended.problem
        if ended.problem.ends_run:
            raise ended.problem
        if self._failed_in_row[ended.who] >= _OUTAGE:
            raise self._outage(ended.who, _OUTAGE) from None
        return ended.result


def plan_jobs(
    eval_sets: Sequence[EvalSet],
    scorers: Mapping[str, ScorerSpec],
    seed: int,
    judges: Mapping[str, Candidate] | None = None,
) -> tuple[Job, ...]:
    """Put each eval set's cases into their planned order; `judges`: who judges, by task class."""
    return tuple(
        Job(
            eval_set=eval_set,
            scorer=scorers[eval_set.name],
            cases=planned_order(eval_set.cases, seed, eval_set.max_cases),
            judge=(judges or {}).get(eval_set.name),
        )
        for eval_set in eval_sets
    )
