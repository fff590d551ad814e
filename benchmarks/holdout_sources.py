"""The cases that `holdout.py` halves: recorded outcomes of real models, and simulated worlds whose truth is known.

Recorded: 14,042 outcomes of two models on 57 subjects (`mmlu_outcomes.csv.gz`, from the RouteLLM project's published
responses, Apache-2.0). The subject high_school_mathematics is left out: its answers were extracted wrongly.

Worlds: 12 classes x 4 candidates, 200 cases a class. Cases differ in difficulty, so that the candidates' answers are
correlated; abilities are drawn apart from prices, so that some candidates are dearer and worse; and classes differ in
who is good at them not at all, little, more or much, world by world.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.evaluation.importers import read_outcomes
from routerctl.evaluation.importers.as_run import ImportPolicy, Lineup, make_run
from routerctl.evaluation.importers.base import Columns, Reading, Record
from routerctl.evaluation.importers.cases import Arranged, arrange
from routerctl.evaluation.importers.prices import Costed, StatedModel, cost
from routerctl.scorers import IMPORTED
from routerctl.types import Candidate, Case, ProviderSpec, Run, Status

MODELS = {"mixtral-8x7b-instruct-v0.1": Decimal("0.00024"), "gpt-4-1106-preview": Decimal("0.0247")}  # USD a case
RISK = 0.05  # of a class
LEFT_OUT = "high_school_mathematics"
FILE = "mmlu_outcomes.csv.gz"
CLASSES, CASES, PRICES = 12, 200, (1.0, 4.0, 8.0, 20.0)  # of a world
APART = (0.0, 0.2, 0.4, 0.6)  # how much classes differ in who is good at them, by world in turn
Matrix = NDArray[np.float64]
_DAY = date(2026, 11, 24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Cases with every candidate's outcome."""

    name: str
    ladder: tuple[str, ...]  # cheapest first
    classes: tuple[Arranged, ...]
    costed: Costed
    truth: tuple[Matrix, Matrix] | None = None  # accuracy and cost, classes x ladder; None: not known


def load(data: Path) -> Source:
    """Read the recorded outcomes as `routerctl import` does."""
    readings = read_outcomes([data], "auto", Columns())
    told = {name: StatedModel(cost_usd=cost_usd) for name, cost_usd in MODELS.items()}
    costed = cost(readings, told, _DAY)
    classes = tuple(item for item in arrange(readings, None) if item.task_class != LEFT_OUT)
    return Source(name="recorded", ladder=tuple(MODELS), classes=classes, costed=costed)


def world(number: int) -> Source:
    """Draw a world. A case of difficulty z is answered rightly with logit ability + class + interaction + 1.5 z."""
    rng, count = np.random.default_rng([11, number]), len(PRICES)
    ladder = tuple(f"candidate-{place}" for place in range(count))
    ability = np.sort(rng.normal(0, 0.8, count))
    if rng.random() < 0.5:  # somebody dearer is worse
        one, other = rng.choice(count, 2, replace=False)
        ability[[one, other]] = ability[[other, one]]
    interaction = rng.normal(0, APART[number % len(APART)], (CLASSES, count))
    logits = 1.6 * (rng.normal(1.3, 0.9, CLASSES)[:, None] + ability + interaction)
    costs = np.exp(rng.normal(0, 0.2, CLASSES))[:, None] * PRICES * np.exp(rng.normal(0, 0.3, count))
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    right = special.expit(logits[:, :, None] + 1.5 * nodes) @ (weights / weights.sum())
    cheapest_first = np.argsort(costs.mean(axis=0))
    logits, costs, right = logits[:, cheapest_first], costs[:, cheapest_first], right[:, cheapest_first]
    classes = tuple(_class(f"class-{place:02}", ladder, logits[place], costs[place], rng) for place in range(CLASSES))
    records = tuple(record for item in classes for replies in item.replies.values() for record in replies)
    drawn = Reading(file="drawn", format="drawn", digest="", scorer="drawn", records=records, rows=len(records))
    costed = cost([drawn], {}, _DAY)
    return Source(name=f"world {number}", ladder=ladder, classes=classes, costed=costed, truth=(right, costs))


def _class(name: str, ladder: Sequence[str], logits: Matrix, costs: Matrix, rng: np.random.Generator) -> Arranged:
    chances = special.expit(logits[:, None] + 1.5 * rng.normal(0, 1, CASES))
    passed = rng.random((len(ladder), CASES)) < chances
    priced = costs[:, None] * np.exp(rng.normal(0, 0.3, (len(ladder), CASES)) - 0.045)  # of mean 1
    replies = {
        (model, str(case)): (
            Record(
                task=name,
                model=model,
                case=str(case),
                status=Status.SCORED,
                score=float(passed[place, case]),
                cost_usd=Decimal(repr(round(float(priced[place, case]), 6))),
            ),
        )
        for place, model in enumerate(ladder)
        for case in range(CASES)
    }
    cases = tuple(Case(id=str(case), input=str(case), expected=None) for case in range(CASES))
    return Arranged(
        task_class=name,
        cases=cases,
        models=tuple(ladder),
        replies=replies,
        epochs=1,
        formats=("drawn",),
        scorers=("drawn",),
        files=("drawn",),
        left={},
        notes=(),
    )


# --- halves -----------------------------------------------------------------------------------------------------------


def halves(source: Source, splits: int) -> Iterator[tuple[Run, dict[str, frozenset[str]]]]:
    """Give the run that importing one half of every class would have made, and which cases that is."""
    for split in range(splits):
        seen = {item.task_class: _half(source, item, split) for item in source.classes}
        parts = [
            replace(item, cases=tuple(case for case in item.cases if case.id in seen[item.task_class]))
            for item in source.classes
        ]
        moment = datetime(2026, 11, 24, tzinfo=UTC)
        yield make_run(parts, [], _lineup(source.ladder), _POLICY, moment, costed=source.costed), seen


def _half(source: Source, item: Arranged, split: int) -> frozenset[str]:
    ids = [case.id for case in item.cases]
    random.Random(f"{source.name}:{item.task_class}:{split}").shuffle(ids)  # noqa: S311 - can be repeated, no secret
    return frozenset(ids[: len(ids) // 2])


def _lineup(ladder: tuple[str, ...]) -> Lineup:
    return Lineup(
        ladder_name=IMPORTED,
        ladder=ladder,
        rungs=(),
        providers={IMPORTED: ProviderSpec(name=IMPORTED, kind=IMPORTED)},
        candidates={name: Candidate(name=name, provider=IMPORTED, model=name) for name in ladder},
        prices={},
        names={name: name for name in ladder},
    )


_POLICY = ImportPolicy(
    bar=0.5,
    pass_at=1.0,
    measure="pass_rate",
    mode="proven",
    risk=RISK,
    margin=0.03,
    seed=0,
    top_rung="report",
    when_unproven="provisional",
    today="",
)
