"""Earlier runs of a project -> how often an eval set has been tested, having grown in between.

Growing a set until something passes is another chance each time; the rule pays for it with a smaller share of the
risk. Place: the evaluation line, beside the plan; it reads headers and results, and judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from routerctl.errors import InputError, RouterctlError
from routerctl.results import read_header, read_run, run_folders
from routerctl.run.asking import Job
from routerctl.table import TABLE_FILE, load_table
from routerctl.types import ClassHeader, Route, RunHeader


def attempt_of(root: Path, job: Job, present: ClassHeader) -> int:
    """Count the tests of this set, the coming one included: each earlier, smaller set of the same question is one.

    An edited prompt, scorer or bar asks another question; a set whose growth was declared (`max_cases`) is one test.
    Raises: InputError where a declared set grew in the midst of its planned order.
    """
    digests = set()
    for folder, header in _headers(root):
        earlier = header.classes.get(present.task_class)
        if earlier is None or earlier.digest == present.digest or not _same_question(earlier, present):
            continue
        if earlier.n < present.n and earlier.digest not in digests and _shares_cases(folder, job):
            digests.add(earlier.digest)
        if earlier.n == present.n and job.eval_set.max_cases is not None:
            _check_appended(folder, job, header)
    return max(1 + len(digests), _recorded(root, present))


def _headers(root: Path) -> Iterator[tuple[Path, RunHeader]]:
    for folder in run_folders(root):
        try:
            header = read_header(folder)
        except RouterctlError:  # a damaged run is evidence of nothing; `build-table` names it
            continue
        if not header.imported:
            yield folder, header


def _same_question(earlier: ClassHeader | Route, present: ClassHeader) -> bool:
    def asked(one: ClassHeader | Route) -> tuple[object, ...]:
        return one.prompt, one.reply, one.scorer, one.bar

    return asked(earlier) == asked(present)


def _shares_cases(folder: Path, job: Job) -> bool:
    """Tell whether a case that a run asked is still in the set: taking one out does not undo the look."""
    now = {case.id for case in job.cases}
    asked = {one.case_id for one in read_run(folder).results if one.task_class == job.eval_set.name}
    return bool(asked & now)


def _check_appended(folder: Path, job: Job, header: RunHeader) -> None:
    """See to it that cases added to a declared set come after those that were tested before.

    Raises: InputError.
    """
    places = {case.id: place for place, case in enumerate(job.cases)}
    for one in read_run(folder).results:
        if one.task_class == job.eval_set.name and one.case_id in places and places[one.case_id] != one.index:
            moved = job.cases[one.index].id if one.index < len(job.cases) else one.case_id
            raise InputError(
                f"case {moved!r} was added since run {header.run_id}: give the added cases `batch: 2` (or the next "
                "number), so that the test goes on after the cases it has seen",
                file=job.eval_set.file,
            )


def _recorded(root: Path, present: ClassHeader) -> int:
    """Read the attempt off the present table, whose runs may be gone."""
    try:
        route = load_table(root / TABLE_FILE).routes.get(present.task_class)
    except RouterctlError:  # none yet, or one that `check` will name
        return 1
    if route is None or not route.evidence or not _same_question(route, present):
        return 1
    judged = route.evidence[0].judgement
    if route.eval_set_digest == present.digest:
        return judged.attempt
    return judged.attempt + 1 if judged.n < present.n else 1
