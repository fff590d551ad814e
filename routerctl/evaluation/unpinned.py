"""Evidence of a table, or a run's results -> sentences on models that answered and are not the pinned ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from routerctl.providers.pins import as_pinned, unpinned_words
from routerctl.scorers import IMPORTED
from routerctl.types import Candidate, ProviderSpec, Result, Route, RunHeader, Table

ADVICE = "pin the id that is served, or ask again with `routerctl eval --max-age 0`"


def unpinned_evidence(table: Table, route: Route) -> tuple[str, ...]:
    """Say of each candidate that the route's evidence tells of, and of its judge, that another model answered."""
    judge = str(route.scorer.params.get("candidate", "")) if route.scorer.name == "judge" else ""
    found: list[str] = []
    for one in route.evidence:
        found += _foreign(one.candidate, one.served_models, table.candidates, table.providers)
        if one.judge_served and judge in table.candidates:
            found.append(unpinned_words(judge, table.candidates[judge].model, one.judge_served))
    return tuple(dict.fromkeys(found))


def unpinned_in(table: Table) -> Iterator[str]:
    """Say the same of every class of a table, a line each."""
    for name, route in table.routes.items():
        yield from (f"{name}: {words}" for words in unpinned_evidence(table, route))


def unpinned_results(header: RunHeader, results: Iterable[Result], task_class: str) -> tuple[str, ...]:
    """Say it of one class's results, where there is no table of them."""
    served: dict[str, set[str]] = defaultdict(set)
    judged: set[str] = set()
    for one in results:
        served[one.candidate] |= {one.served_model} if one.served_model else set()
        judged |= {one.judge_served} if one.judge_served else set()
    found = [
        words
        for name, models in served.items()
        for words in _foreign(name, models, header.candidates, header.providers)
    ]
    judge = header.classes[task_class].judge if task_class in header.classes else ""
    if judged and judge:
        found.append(unpinned_words(judge, header.candidates[judge].model, judged))
    return tuple(found)


def _foreign(
    name: str, served: Iterable[str], candidates: Mapping[str, Candidate], providers: Mapping[str, ProviderSpec]
) -> Iterator[str]:
    candidate = candidates.get(name)
    if candidate is None:  # a table that was written by hand: reading it says so
        return
    pins = {candidate.model, *([candidates[candidate.escalation.to].model] if candidate.escalation else [])}
    others = {one for one in served if all(as_pinned(pin, one) != pin for pin in pins)}
    spec = providers.get(candidate.provider)
    if spec and spec.kind == IMPORTED:  # the file's name of a model: what was served is its pin
        if len(set(served)) > 1:
            yield f"{name} is one model in the imported outcomes, but was served by {', '.join(sorted(set(served)))}"
    elif others:
        yield unpinned_words(name, candidate.model, others)
