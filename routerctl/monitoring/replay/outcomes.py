"""Recorded outcomes, a case answered by several models -> the cells of a replay.

Here everything overlaps: each case has the outcome of each model, so what the changed table chooses was measured on
every case. A case counts once, whatever its epochs. The scores are those of the file; a failed call scores 0.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from routerctl.costs import pricer_for
from routerctl.errors import InputError, nearest
from routerctl.evaluation.importers import AUTO, read_outcomes
from routerctl.evaluation.importers.base import Columns, Record
from routerctl.evaluation.importers.cases import arrange
from routerctl.evaluation.repricing import at_prices_of
from routerctl.evaluation.run_files import REPORTS_FOLDER, is_run, read_run, run_folder
from routerctl.monitoring.replay import Cell
from routerctl.monitoring.warehouse.cells import units_of_sums
from routerctl.statistics.weighting import Units
from routerctl.types import Status, Table, Usage
from routerctl.words import percent, plural, usd


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOutcome:
    """One case answered by one candidate."""

    task_class: str
    candidate: str  # of the table; a model that is none of it keeps its own name
    case_id: str
    cost_usd: float
    score: float  # in [0, 1]
    weight: float = 1.0  # the case's


def outcomes_of(
    places: Sequence[str], same: Sequence[str], table: Table, root: Path, say: Callable[[str], None]
) -> tuple[RecordedOutcome, ...]:
    """Read outcomes of files, or of runs below reports/.

    Raises: InputError for a file that is not there, a model or candidate of `--as` that is not, a cost nobody knows.
    """
    runs = [place for place in places if is_run(root, place)]
    files = [Path(place) for place in places if place not in runs]
    for path in files:
        if not path.exists():
            raise InputError(f"neither a file nor a run in {REPORTS_FOLDER}/", file=str(path))
    found = [outcome for run_id in runs for outcome in _of_run(root, run_id, table)]
    return (*found, *(_of_files(files, same, table, say) if files else ()))


def _of_run(root: Path, run_id: str, table: Table) -> Iterator[RecordedOutcome]:
    run = at_prices_of(read_run(run_folder(root, run_id)), table)
    by_case: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
    weights: dict[tuple[str, str], float] = {}
    for one in run.results:
        of_class = run.header.classes[one.task_class]
        score = (one.score or 0.0) if of_class.measure == "mean_score" else float(one.passed)
        by_case[one.task_class, one.candidate, one.case_id].append((float(one.cost_usd), score))
        weights[one.task_class, one.case_id] = one.weight if of_class.weighted else 1.0
    return (replace(_averaged(key, values), weight=weights[key[0], key[2]]) for key, values in by_case.items())


def _averaged(key: tuple[str, str, str], values: Sequence[tuple[float, float]]) -> RecordedOutcome:
    task_class, candidate, case_id = key
    return RecordedOutcome(
        task_class=task_class,
        candidate=candidate,
        case_id=case_id,
        cost_usd=math.fsum(cost for cost, _ in values) / len(values),
        score=math.fsum(score for _, score in values) / len(values),
    )


# --- files ------------------------------------------------------------------------------------------------------------


def _of_files(
    files: Sequence[Path], same: Sequence[str], table: Table, say: Callable[[str], None]
) -> Iterator[RecordedOutcome]:
    readings = read_outcomes(files, AUTO, Columns())
    classes = arrange(readings, None)
    models = list(dict.fromkeys(model for item in classes for model in item.models))
    names = _names(models, same, table)
    for notes in [*(one.notes for one in readings), *(one.notes for one in classes)]:
        for note in notes:
            say(note)
    unknown = [model for model in models if names[model] not in table.candidates]
    if unknown:
        say(f"not in the table: {', '.join(unknown)} (--as MODEL=CANDIDATE says which candidate a model is)")
    costs = _Costs(table, say)
    for item in classes:
        costs.record((names[model], reply) for (model, _), replies in item.replies.items() for reply in replies)
        for (model, case_id), replies in item.replies.items():
            values = [(costs.of(reply, item.task_class, names[model]), reply.score or 0.0) for reply in replies]
            yield _averaged((item.task_class, names[model], case_id), values)


def _names(models: Sequence[str], same: Sequence[str], table: Table) -> Mapping[str, str]:
    """Say which candidate each model is: the one of its name, or whose pin it is."""
    pins = {one.model: name for name, one in reversed(list(table.candidates.items()))}
    names = {model: model if model in table.candidates else pins.get(model, model) for model in models}
    for pair in same:
        model, equals, candidate = pair.rpartition("=")
        if not equals or model not in models:
            raise InputError(f"--as: expected MODEL=CANDIDATE, got {pair!r}{nearest(model or pair, models)}")
        if candidate not in table.candidates:
            raise InputError(f"--as: no candidate {candidate!r} in the table{nearest(candidate, table.candidates)}")
        names[model] = candidate
    return names


class _Costs:
    """What a reply cost: as the file says, else by the table's price, else as others of the candidate on the class.

    Where the file has a cost of none of these, the table's evidence stands for them.
    """

    def __init__(self, table: Table, say: Callable[[str], None]) -> None:
        self._table, self._say = table, say
        self._price = pricer_for(table)
        self._recorded: dict[str, list[float]] = {}  # of the class at hand, by candidate
        self._assumed: set[tuple[str, str]] = set()

    def record(self, replies: Iterable[tuple[str, Record]]) -> None:
        """Take the replies to a class, each with its candidate, before they are costed."""
        self._recorded = defaultdict(list)
        for candidate, reply in replies:
            cost_usd = self._own(reply, candidate)
            if cost_usd is not None and reply.status is not Status.FAILED:
                self._recorded[candidate].append(cost_usd)

    def of(self, reply: Record, task_class: str, candidate: str) -> float:
        """Give the cost in USD.

        Raises: InputError where nobody knows it.
        """
        own = self._own(reply, candidate)
        if own is not None:
            return own
        others = self._recorded.get(candidate)
        if others:
            cost_usd = math.fsum(others) / len(others)
            source = f"each reply of {candidate} cost; the others' mean is taken where it does not"
        else:
            cost_usd = self._of_evidence(task_class, candidate)
            source = f"{candidate} cost; taken from the table's evidence"
        if (task_class, candidate) not in self._assumed:
            self._assumed.add((task_class, candidate))
            self._say(f"{task_class}: the file does not say what {source}")
        return cost_usd

    def _own(self, reply: Record, candidate: str) -> float | None:
        """What is known of the very reply; a call that failed is not billed."""
        if reply.cost_usd is not None:
            return float(reply.cost_usd)
        if reply.status is Status.FAILED:
            return 0.0
        one = self._table.candidates.get(candidate)
        if one is None or not (reply.input_tokens or reply.output_tokens):
            return None
        usage = Usage(input_tokens=reply.input_tokens, output_tokens=reply.output_tokens)
        return float(self._price(self._table.providers[one.provider], one.model)(usage, reply.latency_s or 0.0))

    def _of_evidence(self, task_class: str, candidate: str) -> float:
        route = self._table.routes.get(task_class)
        known = {one.candidate: one.cost_per_case_usd for one in route.evidence} if route else {}
        mean_usd = known.get(candidate)
        if mean_usd is None:
            raise InputError(
                f"class {task_class}: the cost of {candidate} is not known: the file has neither its cost nor its "
                "tokens, and the table no evidence"
            )
        return float(mean_usd)


# --- outcomes -> cells ------------------------------------------------------------------------------------------------


def cells_of_outcomes(outcomes: Sequence[RecordedOutcome], table: Table) -> tuple[Cell, ...]:
    """Give one cell a class: of the candidate that the table chooses, else of the one with the most outcomes."""
    by_class: dict[str, dict[str, list[RecordedOutcome]]] = defaultdict(lambda: defaultdict(list))
    for one in outcomes:
        by_class[one.task_class][one.candidate].append(one)
    cells = []
    for name, found in by_class.items():
        chosen = table.routes[name].chosen if name in table.routes else None
        most = max(sorted(found), key=lambda candidate: len(found[candidate]))
        cells.append(_cell(found[chosen] if chosen in found else found[most]))
    return tuple(cells)


def _cell(outcomes: Sequence[RecordedOutcome]) -> Cell:
    """Count the outcomes of a class; where cases have weights each is a unit of as many requests, on average one."""
    mean = math.fsum(one.weight for one in outcomes) / len(outcomes)
    weights = [one.weight / mean for one in outcomes]
    costs, scores = ([getattr(one, name) for one in outcomes] for name in ("cost_usd", "score"))
    alike = len(set(weights)) == 1

    def summed(values: Sequence[float], power: int) -> float:
        return math.fsum(weight * value**power for weight, value in zip(weights, values, strict=True))

    return Cell(
        task_class=outcomes[0].task_class,
        policy="recorded outcomes",
        candidate=outcomes[0].candidate,
        propensity=1.0,
        requests=len(outcomes),
        cost_usd=summed(costs, 1),
        cost_usd_2=summed(costs, 2),
        cost_usd_3=summed(costs, 3),
        scored=len(outcomes),
        score=summed(scores, 1),
        score_2=summed(scores, 2),
        cost_units=None if alike else _units(weights, costs),
        score_units=None if alike else _units(weights, scores),
    )


def _units(weights: Sequence[float], values: Sequence[float]) -> Units:
    return units_of_sums([(weight, weight * value) for weight, value in zip(weights, values, strict=True)])


def constant_words(outcomes: Iterable[RecordedOutcome]) -> Iterator[str]:
    """Say what each single candidate would have cost and scored on the same cases."""
    by_candidate: dict[str, list[RecordedOutcome]] = defaultdict(list)
    for one in outcomes:
        by_candidate[one.candidate].append(one)
    for name, found in sorted(by_candidate.items()):
        whole = math.fsum(one.weight for one in found)
        cost = Decimal(repr(math.fsum(one.weight * one.cost_usd for one in found) * len(found) / whole))
        score = math.fsum(one.weight * one.score for one in found) / whole
        yield f"Always {name}: {usd(cost)}, quality {percent(score)} on {plural(len(found), 'recorded case')}."
