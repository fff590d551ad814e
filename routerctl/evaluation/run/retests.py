"""Earlier runs of a project -> how often each candidate had a chance to be proven on an eval set, this time included.

Changing a set until something is proven is another chance each time, and the rule pays for it: attempt r of a candidate
gets alpha / 2^r. A chance counts where it was one and was not used: of a candidate that was tested, could have been
proven and was not. That keeps the promise, which is about a candidate below its bar ever being proven. If that happens
at all, it happens a first time, and every earlier test of it was a chance not used, so this one is at alpha / 2^r with
its own r; whatever is tested after a proof adds nothing to the event. So the sum over r bounds it (`total_alpha`), as
long as what a set becomes is decided before its new cases are asked. Each candidate counts for itself: that one is
proven again and again must give no further chance at full alpha to a cheaper one that keeps failing beside it.

A lowered bar is the same question asked more easily, and counts likewise, whether the bar itself moves, the score at
which a case passes, or the margin below it; a raised one asks more than was looked at. Another seed puts the same
outcomes into another order, in which a test may end otherwise: another chance. A greater risk is none: what was proven
at the smaller one is proven at it too, so the one that is told holds for both. Outcomes that are imported again are a
new test for the same reasons only. It reads headers and results.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from routerctl.errors import InputError, RouterctlError
from routerctl.evaluation.build import evidence_of
from routerctl.evaluation.eval_sets import eval_set_error
from routerctl.evaluation.labels import read_labels
from routerctl.evaluation.run.case import Job
from routerctl.evaluation.run_files import read_header, read_run, run_folders
from routerctl.files.codec import encode, json_text
from routerctl.table import TABLE_FILE, load_table
from routerctl.types import (
    Bar,
    Candidate,
    ClassHeader,
    Evidence,
    Json,
    RelativeBar,
    Result,
    Route,
    Run,
    RunHeader,
    Table,
    evidence_part,
)
from routerctl.words import lowered_words

_DESIGN = ("n", "bar", "pass_at", "measure", "epochs")  # what stays as it is while a declared set grows
_SETTINGS = (*_DESIGN, "clusters", "max_weight", "total_weight")
_Posed = tuple[ClassHeader | Route, RunHeader | Table]  # a class's question, and the run or table that poses it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tested:
    """A bar that scores were seen at and did not prove."""

    bar: Bar
    score: float | None  # that it asked for on its cases, where it is against a model

    @classmethod
    def of(cls, bar: Bar | None, score: float | None) -> _Tested | None:
        """Put the two together; None where there is no bar."""
        return None if bar is None else cls(bar=bar, score=score)

    @property
    def height(self) -> float:
        """By which bars of both kinds are put in order: a score, as far as it is known."""
        if not isinstance(self.bar, RelativeBar):
            return self.bar
        return 1 - self.bar.within if self.score is None else self.score


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """What is known of earlier tests of a class."""

    by_candidate: Mapping[str, int]  # candidate of the ladder -> number of the coming attempt, from 1
    missed: _Tested | None = None  # the highest bar that scores were seen at and did not prove; None: none was higher
    runs: tuple[str, ...] = ()  # ids of the earlier runs that count


class Past:
    """A project's earlier runs and its present table, each read once and only when it is asked for."""

    def __init__(self, root: Path, classes: Collection[str], now: RunHeader) -> None:
        """`classes`: those that have an eval set now; a test of another name may be of a set that was renamed.

        `now`: of the coming run.
        """
        self._root, self._classes, self.now = root, classes, now
        self._read: dict[Path, Run] = {}

    def tests_of(self, job: Job, present: ClassHeader) -> Iterator[tuple[Run, ClassHeader]]:
        """Give the earlier tests of other versions of a set: same question, and cases in common.

        Raises: InputError where a declared set grew in the middle of its planned order.
        """
        for folder, header in self._headers:
            for name, earlier in header.classes.items():
                renamed = name not in self._classes
                posed = (earlier, header), (present, self.now)
                if not (renamed or name == present.task_class) or not _same_question(*posed):
                    continue
                alike = not renamed and design_of(earlier, header) == design_of(present, self.now)
                if alike and earlier.digest == present.digest:
                    continue
                run = self._run(folder)
                if alike and job.eval_set.max_cases is not None:
                    _check_appended(run, job)
                elif _shares_cases(_results(run, name), job, by_id=not renamed):
                    yield run, earlier

    @cached_property
    def _headers(self) -> list[tuple[Path, RunHeader]]:
        """The headers of runs that were to prove something; a damaged one is no evidence, `build-table` names it."""
        found = []
        for folder in run_folders(self._root):
            with contextlib.suppress(RouterctlError):
                found.append((folder, read_header(folder)))
        return [(folder, header) for folder, header in found if not header.imported and header.mode != "point"]

    def _run(self, folder: Path) -> Run:
        if folder not in self._read:
            self._read[folder] = read_run(folder)
        return self._read[folder]

    def evidence(self, run: Run, earlier: ClassHeader) -> tuple[Evidence, ...]:
        """Judge an earlier test as it was judged, labels included; a damaged one is no evidence."""
        labels = read_labels(self._root, earlier.task_class)
        with contextlib.suppress(InputError):
            return evidence_of(run, earlier.task_class, labels)
        return ()

    def recorded(self, present: ClassHeader, candidates: Mapping[str, Candidate]) -> Attempts:
        """Read the attempts off the present table, whose runs may be gone."""
        try:
            table = load_table(self._root / TABLE_FILE)
        except RouterctlError:  # none yet, or one that `check` will name
            return Attempts(by_candidate={})
        route = self._route(table, present)
        if route is None or table.mode == "point":
            return Attempts(by_candidate={})
        names = _renamed(table.candidates, candidates)
        # Under whatever name: neither digest nor planned order know it.
        same = route.eval_set_digest == present.digest and _same_test_of((route, table), (present, self.now))
        known = [one for one in route.evidence if one.candidate in names]
        counted = {names[one.candidate]: one.judgement.attempt + (not same and _unused(one)) for one in known}
        missed = [_of_evidence(route.bar, known), _Tested.of(route.lowered_from, route.lowered_score)]
        return Attempts(by_candidate=counted, missed=_highest(missed, present.bar))

    def _route(self, table: Table, present: ClassHeader) -> Route | None:
        """Find the class in a table, or one that is gone from evals/ and had the same cases or described itself so."""
        found = table.routes.get(present.task_class)
        if found is None:
            gone = [one for name, one in table.routes.items() if name not in self._classes]
            alike = (one for one in gone if one.eval_set_digest == present.digest)
            found = next(alike, next((one for one in gone if one.description == present.description), None))
        return found if found and _same_question((found, table), (present, self.now)) else None


def attempts_of(past: Past, job: Job, present: ClassHeader, candidates: Mapping[str, Candidate]) -> Attempts:
    """Count each candidate's chances on this set, the coming one included; `candidates`: of the ladder.

    An edited prompt, reply or scorer asks another question, and another model is another candidate; another name is
    neither. A set whose growth was declared (`max_cases`) is one test.
    Raises: InputError where a declared set grew in the middle of its planned order.
    """
    tests = [
        (run, earlier, past.evidence(run, earlier))
        for run, earlier in past.tests_of(job, present)
        if not _is_the_same_test(run, earlier, job, (present, past.now))
    ]
    return _counted(tests, past.recorded(present, candidates), present, candidates)


def of_imports(folders: Sequence[Path], present: ClassHeader, header: RunHeader) -> Attempts:
    """Count likewise where the outcomes of an import were imported before, in the runs of these folders.

    They come again as they were, so only a bar that was lowered after they had been seen, or another order, is another
    chance. A class that is gone and had as many cases is the same one under another name.
    """
    candidates = {name: header.candidates[name] for name in header.ladder}
    alike = [
        (folder, before, earlier)
        for folder, before in zip(folders, map(read_header, folders), strict=True)
        for name, earlier in before.classes.items()
        if name == present.task_class or (name not in header.classes and earlier.n == present.n)
        if _same_question((earlier, before), (present, header))
    ]
    carried = dict.fromkeys(candidates, 1)
    for _, before, earlier in alike:
        for name, now in _renamed(before.candidates, candidates).items():
            carried[now] = max(carried[now], earlier.attempts.get(name, earlier.attempt))
    lowered = [
        (read_run(folder), earlier)
        for folder, before, earlier in alike
        if design_of(earlier, before) != design_of(present, header)
    ]
    tests = [(run, earlier, evidence_of(run, earlier.task_class)) for run, earlier in lowered]
    missed = [_Tested.of(earlier.lowered_from, earlier.lowered_score) for _, _, earlier in alike]
    return _counted(tests, Attempts(by_candidate=carried, missed=_highest(missed, present.bar)), present, candidates)


def _counted(
    tests: Sequence[tuple[Run, ClassHeader, tuple[Evidence, ...]]],
    recorded: Attempts,
    present: ClassHeader,
    candidates: Mapping[str, Candidate],
) -> Attempts:
    """Count the earlier tests that were chances, and no fewer than are recorded; `candidates`: of the ladder."""
    chances: dict[str, set[tuple[str, int, Bar]]] = {name: set() for name in candidates}
    missed, runs = [recorded.missed], list[str]()
    for run, earlier, evidence in tests:
        names = _renamed(run.header.candidates, candidates)
        known = [one for one in evidence if one.candidate in names]
        for one in filter(_unused, known):
            chances[names[one.candidate]].add((earlier.digest, run.header.seed, _least(earlier, run.header)))
        missed.append(_of_evidence(earlier.bar, known))
        runs += [run.header.run_id] if any(map(_unused, known)) else []
    return Attempts(
        by_candidate={name: max(1 + len(seen), recorded.by_candidate.get(name, 1)) for name, seen in chances.items()},
        missed=_highest(missed, present.bar),
        runs=tuple(runs),
    )


def with_attempts(of_class: ClassHeader, found: Attempts) -> ClassHeader:
    """Give a class's header with what was counted."""
    most = max(found.by_candidate.values())
    by_candidate = found.by_candidate if len(set(found.by_candidate.values())) > 1 else {}
    bar, score = (found.missed.bar, found.missed.score) if found.missed else (None, None)
    return replace(of_class, attempt=most, attempts=by_candidate, lowered_from=bar, lowered_score=score)


def attempt_words(of_class: ClassHeader, rungs: Sequence[str]) -> Iterator[str]:
    """Say which candidates' test is not the first, what that costs, and that the bar was higher then."""
    numbers = {name: of_class.attempts.get(name, of_class.attempt) for name in rungs}
    for attempt in sorted(set(numbers.values())):
        who = "" if len(set(numbers.values())) == 1 else f" of {', '.join(n for n in rungs if numbers[n] == attempt)}"
        if attempt > 1 or of_class.grows:
            why = "on a set that grows" if attempt == 1 else "after tests that did not prove it"
            yield f"{of_class.task_class}: attempt {attempt}{who} {why}: alpha is divided by {2**attempt}"
    if of_class.lowered_from is not None:
        yield f"{of_class.task_class}: {lowered_words(of_class.lowered_from, of_class.bar, of_class.lowered_score)}"


def _unused(one: Evidence) -> bool:
    """Whether a test was a chance that did not end in a proof; where even a perfect score proves nothing it is none."""
    judged = one.judgement
    possible = judged.least_cases is not None and judged.least_cases <= judged.n
    return possible and not judged.verdict.settled


def _missed(one: Evidence) -> bool:
    """Whether a score was seen that did not prove the bar: to lower that now is to choose it by the score."""
    return one.judgement.cases > 0 and not one.judgement.verdict.settled


def _same_question(earlier: _Posed, present: _Posed) -> bool:
    """Whether the same was asked, and no more is to be proven now than was then."""
    questions = [(one.prompt, one.reply, one.scorer) for one, _ in (earlier, present)]
    passes = [one.pass_at for one, _ in (earlier, present) if isinstance(one, ClassHeader)]  # a table does not say
    return (
        questions[0] == questions[1] and passes[-1] <= passes[0] and not _is_above(_least(*present), _least(*earlier))
    )


def _same_test_of(earlier: _Posed, present: _Posed) -> bool:
    """Whether as much is to be proven as was, on cases in the same order."""
    return earlier[1].seed == present[1].seed and _least(*earlier) == _least(*present)


def design_of(one: ClassHeader, made: RunHeader) -> tuple[object, ...]:
    """Give what makes a class's test the same one in two runs, but for which cases there are yet."""
    return (made.seed, _least(one, made), *(getattr(one, name) for name in _DESIGN))


def _least(one: ClassHeader | Route, made: RunHeader | Table) -> Bar:
    """What is to be proven: the bar, in mode margin less than it."""
    if isinstance(one.bar, RelativeBar) or made.mode != "margin" or one.bar == 1:
        return one.bar
    return round(one.bar - made.margin, 12)


def _is_above(one: Bar, other: Bar) -> bool:
    """Whether a bar asks for more than another; between a number and a model, or two models, that is not known."""
    if isinstance(one, RelativeBar) and isinstance(other, RelativeBar):
        return one.of == other.of and one.within < other.within
    return not isinstance(one, RelativeBar) and not isinstance(other, RelativeBar) and one > other


def _of_evidence(bar: Bar, known: Sequence[Evidence]) -> _Tested | None:
    """Give a bar that scores were seen at and did not prove, with the score it asked for; None: there were none."""
    missed = next((one.judgement for one in known if _missed(one)), None)
    return None if missed is None else _Tested(bar=bar, score=missed.bar if isinstance(bar, RelativeBar) else None)


def _highest(missed: Sequence[_Tested | None], present: Bar) -> _Tested | None:
    """Give the bar that was lowered: of those missed the highest that is another one than the present."""
    return max((one for one in missed if one and one.bar != present), key=lambda one: one.height, default=None)


def _renamed(earlier: Mapping[str, Candidate], present: Mapping[str, Candidate]) -> dict[str, str]:
    """Give the present name of each earlier candidate that is still there, under whatever name."""
    now = {_nameless(one): name for name, one in present.items()}
    known = {name: now.get(_nameless(one)) for name, one in earlier.items()}
    return {name: found for name, found in known.items() if found is not None}


def _nameless(one: Candidate) -> str:
    return json_text(encode(replace(evidence_part(one), name="")))


def _shares_cases(results: Sequence[Result], job: Job, *, by_id: bool) -> bool:
    """Tell whether a case that a run asked is still in the set: taking others out does not undo the look.

    `by_id`: a case that was edited is the same one; ids of another class say nothing.
    """
    ids = {case.id for case in job.cases} if by_id else set()
    contents = {_content(case.input, case.expected) for case in job.cases}
    return any(one.case_id in ids or _content(one.input, one.expected) in contents for one in results)


def _is_the_same_test(run: Run, earlier: ClassHeader, job: Job, present: tuple[ClassHeader, RunHeader]) -> bool:
    """Whether all cases that were asked stand where they stood, under the same settings: its outcomes come again."""
    settings = all(getattr(earlier, name) == getattr(present[0], name) for name in _SETTINGS)
    if not settings or _least(earlier, run.header) != _least(*present):
        return False
    here = {place: _content(case.input, case.expected) for place, case in enumerate(job.cases)}
    return all(here.get(one.index) == _content(one.input, one.expected) for one in _results(run, earlier.task_class))


def _content(given: Json, expected: Json) -> str:
    return json_text([given, expected])


def _results(run: Run, task_class: str) -> list[Result]:
    return [one for one in run.results if one.task_class == task_class]


def _check_appended(run: Run, job: Job) -> None:
    """Check that cases added to a declared set come after those that were tested before.

    Raises: InputError.
    """
    places = {case.id: place for place, case in enumerate(job.cases)}
    for one in _results(run, job.eval_set.name):
        if one.case_id in places and places[one.case_id] != one.index:
            moved = job.cases[one.index].id if one.index < len(job.cases) else one.case_id
            raise eval_set_error(
                job.eval_set,
                "cases",
                f"case {moved!r} was added since run {run.header.run_id}: give the added cases `batch: 2` (or the next "
                "number), so that the test continues after the cases it has seen",
            )
