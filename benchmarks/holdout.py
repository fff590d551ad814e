"""Measures whether what is chosen on one half of recorded outcomes holds on the half that nobody looked at.

    python benchmarks/holdout.py [--quick] [--json] [--data FILE]

The data: 14,042 recorded outcomes of two models on 57 subjects (`mmlu_outcomes.csv.gz`, from the RouteLLM project's
published responses, Apache-2.0), looked for in `*/data/` beside the repository; where they are not there, one line says
so and the exit code is 0. The subject high_school_mathematics is left out: its answers were extracted wrongly.

Each subject's cases are halved at random, 50 times. One half goes through the project's own code (the importer's run,
`build.evidence_of`, `selection.choose`); the candidate that it chooses as passing is then looked at on the other half.
Beside the rule stands the point rule ("at least bar of these cases pass"), on the same halves.

What is promised: for each class, before its cases are seen, the candidate that is chosen as passing has a true
accuracy below the bar with probability at most `risk` (5 %). It is not promised that 95 % of the *choices* are right:
where few candidates qualify, most of the few choices may be wrong. Hence every share asserted is one of all classes
and splits, not of the choices. Two things are asserted for the rule, and none for the point rule:

1. A subject's whole set is taken for the traffic, so that the truth is known: the accuracy on all of it. Drawing half
   of a finite set without replacement scatters less than drawing from endless traffic, so if the promise holds there,
   the rate of choices below the bar stays within `risk` here; for each subject the count over the splits must stay
   within what chance allows (binomial, one in a thousand over all subjects and bars together).
2. A subject's set is taken for a sample, which it is: the unseen half then is a noisy look at a truth that nobody
   knows. It may be significantly below the bar (exact binomial test at 5 %) because the choice was wrong (at most
   `risk`) or by chance though it was right (at most 5 %): together at most 10 % of all classes and splits.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.build import evidence_of
from routerctl.importers import read_outcomes
from routerctl.importers.arranging import Arranged, arrange
from routerctl.importers.base import Columns
from routerctl.importers.costing import Costed, Told, cost
from routerctl.importers.imported import Lineup, Policy, make_run
from routerctl.scorers import IMPORTED
from routerctl.selection import choose
from routerctl.types import Candidate, Mode, ProviderSpec, Run

MODELS = {"mixtral-8x7b-instruct-v0.1": Decimal("0.00024"), "gpt-4-1106-preview": Decimal("0.0247")}  # USD a case
BARS = (0.5, 0.6, 0.7, 0.8)
MODES: tuple[Mode, ...] = ("proven", "point")
RISK, LEVEL, CHANCE = 0.05, 0.05, 0.001
LEFT_OUT = "high_school_mathematics"
FILE = "mmlu_outcomes.csv.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen for one class on one half, and what the rest says of it."""

    task_class: str
    truth: float  # accuracy on all cases of the class
    passes: int  # on the unseen half
    cases: int

    def below(self, bar: float) -> bool:
        """Whether the truth is below the bar."""
        return self.truth < bar - 1e-9

    def significantly_below(self, bar: float) -> bool:
        """Whether the unseen half alone shows that it is: exact binomial test."""
        return float(special.bdtr(self.passes, self.cases, bar)) <= LEVEL


def main() -> int:
    """Measure, print, assert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="10 splits instead of 50")
    parser.add_argument("--data", type=Path, help=f"the recorded outcomes, {FILE}")
    options = parser.parse_args()
    data = options.data or next(iter(sorted(Path(__file__).resolve().parents[2].glob(f"*/data/{FILE}"))), None)
    if data is None or not data.exists():
        print(f"skipped: no {FILE} here (--data says where it is)")
        return 0
    started, splits = time.perf_counter(), 10 if options.quick else 50
    classes, costed = load(data)
    rows = [summed(bar, mode, choices, classes, splits) for bar, mode, choices in measured(classes, costed, splits)]
    found = {"benchmark": "holdout", "quick": options.quick, "splits": splits, "classes": len(classes), "rows": rows}
    found["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(found) if options.json else table_of(found))
    for row in rows:
        if row["rule"] == "proven":
            check(row, len(classes), splits)
    return 0


def load(data: Path) -> tuple[list[Arranged], Costed]:
    """Read the outcomes, and what they cost, as `routerctl import` does."""
    readings = read_outcomes([data], "auto", Columns())
    told = {name: Told(cost_usd=cost_usd) for name, cost_usd in MODELS.items()}
    costed = cost(readings, told, datetime.now(UTC).date())
    return [item for item in arrange(readings, None) if item.task_class != LEFT_OUT], costed


def measured(classes: Sequence[Arranged], costed: Costed, splits: int) -> Iterator[tuple[float, Mode, list[Choice]]]:
    """Give the choices of every bar and rule; all of them see the same halves."""
    runs = [(item, seen, half_run(item, costed, seen)) for item in classes for seen in _halves(item, splits)]
    for bar in BARS:
        for mode in MODES:
            found = (chosen(item, seen, run, bar, mode) for item, seen, run in runs)
            yield bar, mode, [choice for choice in found if choice is not None]


def _halves(item: Arranged, splits: int) -> Iterator[frozenset[str]]:
    for split in range(splits):
        ids = [case.id for case in item.cases]
        random.Random(f"{item.task_class}:{split}").shuffle(ids)  # noqa: S311 - a draw that can be repeated, no secret
        yield frozenset(ids[: len(ids) // 2])


def half_run(item: Arranged, costed: Costed, seen: frozenset[str]) -> Run:
    """The run that importing this half alone would have made."""
    half = replace(item, cases=tuple(case for case in item.cases if case.id in seen))
    lineup = Lineup(
        ladder_name=IMPORTED,
        ladder=tuple(MODELS),
        rungs=(),
        providers={IMPORTED: ProviderSpec(name=IMPORTED, kind=IMPORTED)},
        candidates={name: Candidate(name=name, provider=IMPORTED, model=name) for name in MODELS},
        prices={},
        names={name: name for name in MODELS},
    )
    policy = Policy(
        bar=BARS[0],
        pass_at=1.0,
        measure="pass_rate",
        mode="proven",
        risk=RISK,
        margin=0.03,
        seed=0,
        top_rung="report",
    )
    return make_run([half], [], lineup, policy, datetime(2026, 11, 24, tzinfo=UTC), costed=costed)


def chosen(item: Arranged, seen: frozenset[str], run: Run, bar: float, mode: Mode) -> Choice | None:
    """Judge a half at a bar by a rule; None where no candidate passes."""
    of_class = replace(run.header.classes[item.task_class], bar=bar)
    header = replace(run.header, mode=mode, classes={item.task_class: of_class})
    evidence = evidence_of(replace(run, header=header), item.task_class)
    name, passing, _ = choose(header.ladder, {one.candidate: one for one in evidence})
    if not passing:
        return None
    right = {case.id: bool(item.replies[name, case.id][0].score) for case in item.cases}
    unseen = [passed for case, passed in right.items() if case not in seen]
    return Choice(
        task_class=item.task_class, truth=sum(right.values()) / len(right), passes=sum(unseen), cases=len(unseen)
    )


def summed(
    bar: float, mode: Mode, choices: Sequence[Choice], classes: Sequence[Arranged], splits: int
) -> dict[str, Any]:
    """One row: shares of all classes and splits, and of the choices."""
    every, made = len(classes) * splits, max(len(choices), 1)
    below = [choice for choice in choices if choice.below(bar)]
    per_class = [sum(choice.task_class == item.task_class for choice in below) for item in classes]
    return {
        "bar": bar,
        "rule": mode,
        "chosen": len(choices) / every,
        "below_of_all": len(below) / every,
        "below_of_choices": len(below) / made,
        "most_below_in_a_class": max(per_class) / splits,
        "unseen_reaches_bar": sum(choice.passes >= bar * choice.cases - 1e-9 for choice in choices) / made,
        "unseen_below_of_all": sum(choice.significantly_below(bar) for choice in choices) / every,
        "unseen_below_of_choices": sum(choice.significantly_below(bar) for choice in choices) / made,
        "unseen_margin": sum(choice.passes / choice.cases - bar for choice in choices) / made,
    }


def check(row: dict[str, Any], classes: int, splits: int) -> None:
    """Assert what the docstring says."""
    most = next(k for k in range(splits + 1) if special.bdtrc(k, splits, RISK) <= CHANCE / (classes * len(BARS)))
    where = f"bar {row['bar']}"
    assert row["below_of_all"] <= RISK, f"{where}: {row['below_of_all']:.1%} of all choices below, at most {RISK:.0%}"
    assert row["most_below_in_a_class"] * splits <= most, f"{where}: one class was wrong in {row} (chance: {most})"
    assert row["unseen_below_of_all"] <= RISK + LEVEL, (
        f"{where}: unseen halves below in {row['unseen_below_of_all']:.1%}"
    )


def table_of(found: dict[str, Any]) -> str:
    """The rows as text."""
    columns = {
        "chosen": "chosen",
        "below_of_all": "false",
        "most_below_in_a_class": "worst class",
        "below_of_choices": "of choices",
        "unseen_reaches_bar": "unseen>=bar",
        "unseen_below_of_all": "unseen<<bar",
        "unseen_margin": "unseen-bar",
    }
    lines = [f"{found['classes']} classes x {found['splits']} half splits, percent"]
    lines.append(f"{'bar':>5} {'rule':8}" + "".join(f"{head:>13}" for head in columns.values()))
    lines += [
        f"{row['bar']:5.2f} {row['rule']:8}" + "".join(f"{100 * row[name]:13.2f}" for name in columns)
        for row in found["rows"]
    ]
    lines.append(f"promised (proven): false at most {100 * RISK:g}, unseen<<bar at most {100 * (RISK + LEVEL):g}")
    return "\n".join([*lines, f"{found['seconds']:.1f} s"])


if __name__ == "__main__":
    sys.exit(main())
