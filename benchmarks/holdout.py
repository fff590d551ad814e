"""Measures whether what is chosen on one half of the cases holds on the half that nobody looked at.

    python benchmarks/holdout.py [--quick] [--json] [--data FILE]

The cases are those of `holdout_sources`: recorded outcomes, skipped where they are not at hand, and simulated worlds,
whose truth is known. All goes through the project's own code: the importer's run, `build_table`, `weigh`.

Each class's cases are halved at random, 50 times. A table is made on one half, by the policy of before (the cheapest
that is proven, else the dearest), by bars and by the objective; then its choices are looked at on the other half, and
in the worlds on the truth. It is *dominated* where one candidate for all is no dearer and no worse.

Asserted, beside what the docstrings of `check_promise` and `check_tables` say: nothing of the policy of before.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from holdout_sources import FILE, RISK, Matrix, Source, halves, load, world
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.evaluation.build import build_table
from routerctl.evaluation.importers.cases import Arranged
from routerctl.evaluation.worth import weigh
from routerctl.statistics.frontier import mixed
from routerctl.types import (
    Bar,
    Evidence,
    Objective,
    RelativeBar,
    Route,
    Run,
    Table,
    Verdict,
)
from routerctl.types import Policy as Served

RECORDED_BARS, WORLD_BARS, WITHIN = (0.5, 0.6, 0.7, 0.8), (0.7, 0.8, 0.9), (0.0, 0.01, 0.03)
LEVEL, CHANCE = 0.05, 0.001
WORST = 0.005  # points by which the objective's table may be dominated


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One table as the unseen cases, or the truth, show it."""

    dominated: float | None  # by how many points at most; None: it is not
    over_mix: float | None  # accuracy above the best lot drawn between constants at its cost; None: cheaper than any
    right: float  # accuracy above the most accurate constant's
    cost: float  # as a share of that one's


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One table, what was said of it, and what it turned out to be."""

    worth: bool
    constant: bool
    unseen: Looked
    true: Looked | None


def main() -> int:
    """Measure, print, assert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="2 splits instead of 50, 1 of each world")
    parser.add_argument("--data", type=Path, help=f"the recorded outcomes, {FILE}")
    options = parser.parse_args()
    started, splits = time.perf_counter(), 2 if options.quick else 50
    data = options.data or next(iter(sorted(Path(__file__).resolve().parents[2].glob(f"*/data/{FILE}"))), None)
    found: dict[str, Any] = {"benchmark": "holdout", "quick": options.quick, "splits": splits}
    recorded = load(data) if data and data.exists() else None
    found["promise"] = promise(recorded, splits) if recorded else []
    found["recorded"] = tables([recorded], RECORDED_BARS, splits, 1) if recorded else []
    worlds = [world(number) for number in range(20)]
    found["worlds"] = tables(worlds, WORLD_BARS, *((1, 2) if options.quick else (splits, len(worlds))))
    found["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(found) if options.json else text_of(found))
    if recorded:
        check_promise(found["promise"], len(recorded.classes), splits)
    check_tables([*found["recorded"], *found["worlds"]])
    return 0


# --- tables -----------------------------------------------------------------------------------------------------------


def table_at(run: Run, bar: Bar, objective: Objective | None = None) -> Table:
    """Build the table of a run at a bar."""
    classes = {name: replace(of_class, bar=bar) for name, of_class in run.header.classes.items()}
    again = replace(run, header=replace(run.header, classes=classes))
    return build_table(dict.fromkeys(classes, again), previous=None, policy=Served(objective=objective))


# --- the promise of "proven" ------------------------------------------------------------------------------------------


def promise(source: Source, splits: int) -> list[dict[str, Any]]:
    """Look at what was chosen as proven, and beside it at what was chosen as proven or provisional."""
    right = {item.task_class: _outcomes(source, item) for item in source.classes}
    rows = []
    runs = list(halves(source, splits))
    for bar in RECORDED_BARS:
        tables_ = [(table_at(run, bar), seen) for run, seen in runs]
        for levels in (("proven",), ("proven", "provisional")):
            found = [
                (name, *_look(right[name][route.chosen], seen[name]))
                for table, seen in tables_
                for name, route in table.routes.items()
                if route.level in levels
            ]
            rows.append(_promise_row(bar, " or ".join(levels), found, len(source.classes), splits))
    return rows


def _outcomes(source: Source, item: Arranged) -> dict[str, dict[str, bool]]:
    return {
        model: {case.id: bool(item.replies[model, case.id][0].score) for case in item.cases} for model in source.ladder
    }


def _look(right: Mapping[str, bool], seen: frozenset[str]) -> tuple[float, int, int]:
    """Accuracy on all cases; passes and number of the unseen ones."""
    unseen = [passed for case, passed in right.items() if case not in seen]
    return sum(right.values()) / len(right), sum(unseen), len(unseen)


def _promise_row(
    bar: float, levels: str, found: Sequence[tuple[str, float, int, int]], classes: int, splits: int
) -> dict[str, Any]:
    every, below = classes * splits, [name for name, truth, _, _ in found if truth < bar - 1e-9]
    late = [float(special.bdtr(passes, cases, bar)) <= LEVEL for _, _, passes, cases in found]
    return {
        "bar": bar,
        "level": levels,
        "chosen": len(found) / every,
        "below_of_all": len(below) / every,
        "most_below_in_a_class": max((below.count(name) for name in set(below)), default=0) / splits,
        "below_of_choices": len(below) / max(len(found), 1),
        "unseen_below_of_all": sum(late) / every,
    }


def check_promise(rows: Sequence[Mapping[str, Any]], classes: int, splits: int) -> None:
    """Assert what is promised of "proven": for each class, before its cases are seen, an error of at most `risk`.

    Not that 95 % of the *choices* are right: where few candidates qualify, most of the few choices may be wrong. Hence
    every share is one of all classes and splits.

    1. A subject's whole set is taken for the traffic, so that the truth is known: the accuracy on all of it. Drawing
       half of a finite set scatters less than drawing from endless traffic, so the rate of choices below the bar stays
       within `risk`; for each subject the count over the splits within what chance allows (one in a thousand over all).
    2. It is taken for a sample. The unseen half may be significantly below the bar (exact binomial test at 5 %) because
       the choice was wrong (at most `risk`) or by chance though it was right (at most 5 %).
    """
    most = next(k for k in range(splits + 1) if special.bdtrc(k, splits, RISK) <= CHANCE / (classes * len(rows)))
    for row in (row for row in rows if row["level"] == "proven"):
        where = f"bar {row['bar']}: {row}"
        assert row["below_of_all"] <= RISK, f"{where}: at most {RISK:.0%} of all choices below"
        assert row["most_below_in_a_class"] * splits <= most, f"{where}: at most {most} of one class by chance"
        assert row["unseen_below_of_all"] <= RISK + LEVEL, f"{where}: unseen halves below"


# --- the table as a whole ---------------------------------------------------------------------------------------------


def tables(sources: Sequence[Source], bars: Sequence[float], splits: int, relative: int) -> list[dict[str, Any]]:
    """Make every policy's tables on all halves and look at them; those of bars against a model in so many sources."""
    found: dict[str, list[Made]] = {}
    for source in sources:
        for run, seen in halves(source, splits):
            unseen = _unseen(source, seen)
            for bar in bars:
                table = table_at(run, bar)
                found.setdefault(f"before, bar {bar:g}", []).append(_made_before(table, source, unseen))
                found.setdefault(f"bar {bar:g}", []).append(_made(table, run, source, unseen))
            if any(source is one for one in sources[:relative]):
                table = table_at(run, RelativeBar(within=0.02, of=source.ladder[-1]))
                found.setdefault("bar 0.02 below dearest", []).append(_made(table, run, source, unseen))
            for within in WITHIN:  # the least bar: none
                table = table_at(run, 0.01, Objective(within=within, of="best"))
                found.setdefault(f"objective within {within:g}", []).append(_made(table, run, source, unseen))
    return [_table_row(policy, made) for policy, made in found.items()]


def _unseen(source: Source, seen: Mapping[str, frozenset[str]]) -> tuple[Matrix, Matrix]:
    """Accuracy and cost on the unseen half, classes x ladder."""
    rest = [[case.id for case in item.cases if case.id not in seen[item.task_class]] for item in source.classes]
    cells = [
        [[item.replies[model, case][0] for case in cases] for model in source.ladder]
        for item, cases in zip(source.classes, rest, strict=True)
    ]
    right = np.array([[np.mean([one.score or 0.0 for one in cell]) for cell in row] for row in cells])
    cost = source.costed.cost_usd
    costs = np.array([[np.mean([float(cost(one) or 0) for one in cell]) for cell in row] for row in cells])
    return right, costs


def _made(table: Table, run: Run, source: Source, unseen: tuple[Matrix, Matrix]) -> Made:
    chosen = {name: route.chosen for name, route in table.routes.items()}
    return _seen(chosen, weigh(table, [run]).answer == "worth it", source, unseen)


def _seen(chosen: Mapping[str, str], worth: bool, source: Source, unseen: tuple[Matrix, Matrix]) -> Made:
    rows = [source.ladder.index(chosen[item.task_class]) for item in source.classes]
    # The mix of classes is the file's, as it is for the table.
    weights = np.array([len(item.cases) for item in source.classes], dtype=float)
    weights /= weights.sum()
    return Made(
        worth=worth,
        constant=len(set(rows)) == 1,
        unseen=_looked(rows, weights, *unseen),
        true=_looked(rows, weights, *source.truth) if source.truth else None,
    )


def _looked(rows: Sequence[int], weights: Matrix, right: Matrix, costs: Matrix) -> Looked:
    places = np.arange(len(rows))
    ours, our_cost = float(weights @ right[places, rows]), float(weights @ costs[places, rows])
    theirs, their_costs = weights @ right, weights @ costs
    same = {rows[0]} if len(set(rows)) == 1 else set()
    better = [
        float(theirs[row]) - ours
        for row in set(range(len(theirs))) - same
        if their_costs[row] <= our_cost + 1e-12 and theirs[row] >= ours - 1e-12
    ]
    line = mixed(list(zip(their_costs.tolist(), theirs.tolist(), strict=True)), our_cost)
    best = int(np.argmax(theirs))
    return Looked(
        dominated=max(better, default=None),
        over_mix=None if line is None else ours - line,
        right=ours - float(theirs[best]),
        cost=our_cost / float(their_costs[best]),
    )


def _table_row(policy: str, made: Sequence[Made]) -> dict[str, Any]:
    row: dict[str, Any] = {"policy": policy, "tables": len(made), "constant": _share(one.constant for one in made)}
    row["worth"] = _share(one.worth for one in made)
    for name, looks in (("unseen", [one.unseen for one in made]), ("true", [one.true for one in made if one.true])):
        if looks:
            over = [look.over_mix for look in looks if look.over_mix is not None]
            called = [look for one, look in zip(made, looks, strict=True) if one.worth]
            row[name] = {
                "dominated": _share(look.dominated is not None for look in looks),
                "dominated_by": max(look.dominated or 0.0 for look in looks),
                "called_worth_it": len(called),
                "of_these_dominated": _share(look.dominated is not None for look in called),
                "over_mix": float(np.mean(over)) if over else None,
                "right": float(np.mean([look.right for look in looks])),
                "cost": float(np.mean([look.cost for look in looks])),
            }
    return row


def _share(flags: Iterator[bool] | Any) -> float:
    found = list(flags)
    return sum(found) / len(found) if found else 0.0


def check_tables(rows: Sequence[Mapping[str, Any]]) -> None:
    """Assert of every policy but that of before: of the tables called worth it at most 5 % are dominated after all.

    And of the objective within one point, in the worlds: at most 5 % of its tables are dominated, none by half a point.
    """
    for row in rows:
        if row["policy"].startswith("before"):
            continue
        for name in ("unseen", "true"):
            if name in row and row[name]["called_worth_it"] >= 20:
                assert row[name]["of_these_dominated"] <= RISK, f"called worth it though dominated ({name}): {row}"
        if "true" in row and row["policy"] == "objective within 0.01":
            assert row["true"]["dominated"] <= RISK, f"dominated: {row}"
            assert row["true"]["dominated_by"] <= WORST, f"dominated by too much: {row}"


# --- the policy of before ---------------------------------------------------------------------------------------------


def _made_before(table: Table, source: Source, unseen: tuple[Matrix, Matrix]) -> Made:
    """The cheapest that is proven, else the dearest; worth it where no constant of its verdicts was as good."""
    chosen = {name: _before(route, source.ladder) for name, route in table.routes.items()}
    return _seen(chosen, _worth_before(table, chosen), source, unseen)


def _before(route: Route, ladder: Sequence[str]) -> str:
    proven = [one for one in route.evidence if one.judgement.verdict is Verdict.PROVEN]
    return min(proven, key=lambda one: one.cost_per_accepted_usd or 0).candidate if proven else ladder[-1]


def _worth_before(table: Table, chosen: Mapping[str, str]) -> bool:
    shown = {
        name: {one.candidate: one for one in route.evidence if one.cost_per_case_usd is not None}
        for name, route in table.routes.items()
    }
    able = [one for one in table.ladder if all(_as_good(rows[one], rows[chosen[name]]) for name, rows in shown.items())]
    saved = [sum(_cost(rows[one]) - _cost(rows[chosen[name]]) for name, rows in shown.items()) for one in able]
    return len(set(chosen.values())) > 1 and all(amount > 0 for amount in saved)


def _cost(one: Evidence) -> Decimal:
    return one.cost_per_case_usd or Decimal(0)


def _as_good(one: Evidence, choice: Evidence) -> bool:
    if choice.judgement.verdict is Verdict.PROVEN or one.candidate == choice.candidate:
        return one.judgement.verdict is Verdict.PROVEN or one.candidate == choice.candidate
    (low, high), (other_low, other_high) = one.judgement.interval, choice.judgement.interval
    score, other = one.judgement.score or 0.0, choice.judgement.score or 0.0
    below = one.judgement.verdict is Verdict.BELOW and choice.judgement.verdict is not Verdict.BELOW
    return low <= other <= high and other_low <= score <= other_high and not below


# --- print ------------------------------------------------------------------------------------------------------------


def text_of(found: Mapping[str, Any]) -> str:
    """The rows as text."""
    lines = [f"{found['splits']} half splits; percent"]
    if not found["promise"]:
        lines.append(f"skipped: no {FILE} here (--data says where it is)")
    lines += _promise_lines(found["promise"]) if found["promise"] else []
    for name in ("recorded", "worlds"):
        for look in ("unseen", "true"):
            rows = [row for row in found[name] if look in row]
            if rows:
                lines += ["", f"{name}, {'the unseen half' if look == 'unseen' else 'the truth'}", *_lines(rows, look)]
    return "\n".join([*lines, f"{found['seconds']:.1f} s"])


def _promise_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    heads = ("chosen", "below_of_all", "most_below_in_a_class", "below_of_choices", "unseen_below_of_all")
    titles = ("chosen", "false", "worst class", "of choices", "unseen<<bar")
    lines = [f"{'bar':>5} {'level':22}" + "".join(f"{title:>13}" for title in titles)]
    lines += [
        f"{row['bar']:5.2f} {row['level']:22}" + "".join(f"{100 * row[head]:13.2f}" for head in heads) for row in rows
    ]
    return [*lines, f"promised (proven): false at most {100 * RISK:g}, unseen<<bar at most {100 * (RISK + LEVEL):g}"]


def _lines(rows: Sequence[Mapping[str, Any]], look: str) -> list[str]:
    heads = ("dominated", "dominated_by", "of_these_dominated", "over_mix", "right", "cost")
    titles = ("dominated", "at most by", "worth, dom.", "over mix", "right", "cost")
    lines = [f"{'policy':24}{'constant':>12}{'worth it':>12}" + "".join(f"{title:>12}" for title in titles)]
    for row in rows:
        numbers = [row["constant"], row["worth"], *(row[look][head] or 0.0 for head in heads)]
        lines.append(f"{row['policy']:24}" + "".join(f"{100 * number:12.2f}" for number in numbers))
    return lines


if __name__ == "__main__":
    sys.exit(main())
