"""Human labels and the table that they are in -> what they changed, in words.

A judge's verdict and a human's are two things: who labels a class sees here what became of its choice, and what would
prove it again. It reads the runs of one table with and without labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from routerctl.evaluation.build import choice_of, evidence_of
from routerctl.review.diff.wording import moved
from routerctl.types import Evidence, Run, Table
from routerctl.words import plain, plural


def label_words(previous: Table | None, table: Table, runs: Mapping[str, Run]) -> Iterator[str]:
    """Say of each class whose labels are not those of the table before what they make of the judge's word."""
    for name, route in table.routes.items():
        before = previous.routes.get(name) if previous else None
        told = before is not None and before.labels_digest == route.labels_digest
        labelled = [one for one in route.evidence if one.judgement.trust == "labels"]
        if labelled and not told:
            yield _words(name, table, runs[name], labelled)


def _words(name: str, table: Table, run: Run, labelled: list[Evidence]) -> str:
    route = table.routes[name]
    judged = evidence_of(run, name)
    alone = choice_of(run, name, judged, when_unproven=route.when_unproven)
    one = next((item for item in labelled if item.candidate == alone.chosen), labelled[0])
    was = next(item for item in judged if item.candidate == one.candidate).judgement
    labels = plain(plural(one.judgement.labels, "human label"))
    verdicts = moved(was.verdict.value, one.judgement.verdict.value)
    said = f"{name}: {labels} in place of the judge's word on {one.candidate}: {verdicts}"
    choice = moved(f"{alone.chosen} ({alone.level})", f"{route.chosen} ({route.level})")
    enough = one.judgement.needed_cases
    more = f"; about {enough} labels in all would prove it" if enough else ""
    return f"{said}; serves: {choice}{more}{_unasked(name, table)}"


def _unasked(name: str, table: Table) -> str:
    """Name the dearer candidates that the judge's verdict spared, where nobody else qualifies now."""
    route = table.routes[name]
    known = {one.candidate for one in route.evidence}
    left = [rung for rung in table.ladder if rung not in known]
    if route.passing or not left:
        return ""
    return f"; {', '.join(left)} not run: `routerctl eval --full --class {name}` asks all"
