"""Measures what the sequential test promises and what it saves, through the project's own plans and tests.

    python benchmarks/sequential.py [--quick] [--json]

1. False passes of a candidate exactly at the bar: computed exactly, and counted over simulated runs that are fed
   case by case to the project's rule.
2. Whole ladders: 3 candidates, every non-decreasing triple of true accuracies out of nine offsets from the bar, three
   bars, four set sizes, all weighted equally. The ladder is climbed cheapest first and stops at the first candidate
   that passes. Computed exactly (no simulation), with cases and candidates independent.
3. In the same run, on the same triples: the score alone and a fixed Clopper-Pearson bound on the full grid, and the
   score alone on a ladder that stops when the score is certain.

"Full grid" is every candidate on every case: 3 n calls. "Calls" are expected calls in per cent of that; "spend" weights
each candidate's calls with its price per call, in per cent of the full grid's price. Where no score on n cases could
prove the bar (n = 50 at bar 0.95) nothing is run: no calls, nothing picked; `calls_decidable` leaves these ladders out.
The candidates' answers are coin tosses: this measures the rule, no model.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.evaluation.selection import Outcome, Question, alpha_per_candidate, rule_of
from routerctl.statistics import pass_probability, plan, point_plan

BARS = (0.8, 0.9, 0.95)
SIZES = (50, 100, 200, 500)
OFFSETS = (-0.15, -0.10, -0.05, -0.02, 0.0, 0.02, 0.04, 0.06, 0.08)  # true accuracy minus bar
HIGHEST = 0.995  # nobody is better than this
RUNGS = 3
RISK = 0.05
PRICES = {"calls": (1.0, 1.0, 1.0), "spend_1_3_5": (1.0, 3.0, 5.0), "spend_1_3.75_18.75": (1.0, 3.75, 18.75)}
MOST_CALLS = 42.0  # per cent of the full grid: more than this and the rule does not earn its place
SEED = 20
OUTCOMES = {passed: Outcome(value=float(passed)) for passed in (False, True)}


@dataclass(frozen=True)
class Policy:
    """How a candidate is tested, and what another program computed for the same table (per cent)."""

    name: str
    test: Callable[[int, float, float], tuple[float, float]]  # (n, bar, true accuracy) -> (P(pass), expected cases)
    stops_climbing: bool  # False: every candidate is run, whatever the ones before it did
    reference: dict[str, float]


def fixed(alpha: float | None) -> Callable[[int, float, float], tuple[float, float]]:
    """All n cases, then the score (alpha None) or the one-sided Clopper-Pearson bound against the bar."""

    def test(n: int, bar: float, p: float) -> tuple[float, float]:
        need = point_plan(n, bar).need if alpha is None else plan(n, bar, alpha).need
        return (float(special.betainc(need, n - need + 1, p)) if need <= n else 0.0), float(n)

    return test


def sequential(alpha: float) -> Callable[[int, float, float], tuple[float, float]]:
    """The project's default test at this alpha per candidate."""
    return cache(lambda n, bar, p: pass_probability(plan(n, bar, alpha), p))


def reference(*figures: float) -> dict[str, float]:
    """Name a row of figures in the order of the columns."""
    return dict(zip(COLUMNS, figures, strict=True))


COLUMNS = ("false_pass", "worst", "over", "missed", "correct", "spend_1_3_5", "spend_1_3.75_18.75", "calls")
POLICIES = (
    Policy("full grid, score >= bar", fixed(None), False, reference(11.13, 82.9, 10.5, 3.9, 74.5, 100, 100, 100)),
    Policy("full grid, Clopper-Pearson", fixed(RISK), False, reference(0.26, 6.8, 22.0, 35.4, 42.4, 100, 100, 100)),
    Policy(
        "stopped ladder, score >= bar",
        cache(lambda n, bar, p: pass_probability(point_plan(n, bar), p)),
        True,
        reference(11.13, 82.9, 10.5, 3.9, 74.5, 49.4, 43.3, 55.6),
    ),
    Policy(
        "sequential, alpha 5 % each", sequential(RISK), True, reference(0.38, 7.2, 21.8, 34.2, 43.6, 40.0, 40.0, 38.3)
    ),
    Policy(
        "sequential, risk 5 % split",
        sequential(alpha_per_candidate(RISK, RUNGS)),
        True,
        reference(0.10, 2.1, 19.9, 44.4, 35.6, 37.2, 38.4, 34.4),
    ),
)


# --- 1: one candidate at the bar --------------------------------------------------------------------------------------


def false_passes(trials: int) -> Iterator[dict[str, Any]]:
    """One row per (alpha, bar, n): the exact and the counted share of runs at the bar that pass."""
    rng = np.random.default_rng(SEED)
    for alpha, bar, n in itertools.product((RISK, alpha_per_candidate(RISK, RUNGS)), BARS, SIZES):
        exact, cases = pass_probability(plan(n, bar, alpha), bar)
        counted = sum(passes(run, n, bar, alpha) for run in (rng.random((trials, n)) < bar)) / trials
        row = {"alpha": round(alpha, 4), "bar": bar, "n": n, "exact": exact, "counted": counted, "cases": cases}
        assert exact <= alpha + 1e-12, row
        assert counted <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / trials), row
        assert abs(counted - exact) <= 4 * math.sqrt(exact * (1 - exact) / trials) + 1 / trials, row
        yield row


def passes(run: np.ndarray[Any, np.dtype[np.bool_]], n: int, bar: float, alpha: float) -> bool:
    """Feed one simulated run to the rule until it decides."""
    rule = rule_of(Question(n=n, bar=bar, alpha=alpha))
    outcomes = iter(run.tolist())
    while rule.verdict is None:
        rule.feed(OUTCOMES[next(outcomes)])
    return rule.verdict.proven


# --- 2 and 3: whole ladders -------------------------------------------------------------------------------------------


def climb(policy: Policy, n: int, bar: float, offsets: tuple[float, ...]) -> dict[str, float]:
    """What becomes of one ladder: shares of outcomes, and expected calls and spend as shares of the full grid."""
    tests = [policy.test(n, bar, min(bar + offset, HIGHEST)) for offset in offsets]
    reached = list(itertools.accumulate((1 - chance for chance, _ in tests), lambda a, b: a * b, initial=1.0))
    picked = [share * chance for share, (chance, _) in zip(reached, tests, strict=False)]
    best = next((rung for rung, offset in enumerate(offsets) if offset >= 0), len(offsets))
    none = reached[-1]
    found = {
        "false_pass": sum(picked[:best]),  # picked, though its true accuracy is below the bar
        "over": sum(picked[best + 1 :]),  # picked one that qualifies, but a cheaper one does too
        "missed": none if best < len(offsets) else 0.0,  # one qualifies, nothing was picked
        "correct": picked[best] if best < len(offsets) else none,
    }
    run = reached if policy.stops_climbing else [1.0] * len(tests)
    for name, prices in PRICES.items():
        spent = sum(share * price * cases for share, price, (_, cases) in zip(run, prices, tests, strict=False))
        found[name] = spent / (sum(prices) * n)
    return found


def ladders(policy: Policy) -> dict[str, Any]:
    """One policy's row: per cent, mean over all ladders; `worst` is the largest false pass of any one."""
    triples = list(itertools.combinations_with_replacement(OFFSETS, RUNGS))
    cells = {(n, bar): [climb(policy, n, bar, triple) for triple in triples] for n in SIZES for bar in BARS}
    rows = [row for cell in cells.values() for row in cell]
    row: dict[str, Any] = {name: mean(rows, name) for name in rows[0]}
    row["worst"] = 100 * max(one["false_pass"] for one in rows)
    row["calls_by_n"] = {n: mean([one for bar in BARS for one in cells[n, bar]], "calls") for n in SIZES}
    row["calls_decidable"] = mean([one for one in rows if one["calls"] > 0], "calls")
    return {"policy": policy.name, "ladders": len(rows), **row, "reference": policy.reference}


def mean(rows: list[dict[str, float]], name: str) -> float:
    """The mean of one column in per cent."""
    return 100 * sum(row[name] for row in rows) / len(rows)


def check(table: list[dict[str, Any]]) -> None:
    """The claims a reader relies on; a miss ends the benchmark."""
    for row in table:
        assert abs(row["false_pass"] + row["over"] + row["missed"] + row["correct"] - 100) < 1e-6, row
        for column, figure in row["reference"].items():
            assert abs(row[column] - figure) <= 0.1, (row["policy"], column, row[column], figure)
        if row["policy"].startswith("sequential"):
            assert row["calls"] <= MOST_CALLS, row
    by_name = {row["policy"]: row for row in table}
    assert by_name["sequential, risk 5 % split"]["worst"] <= 100 * RISK
    # Same alpha: the sequential test finds at least as often the right candidate as the fixed one, for fewer calls.
    assert by_name["sequential, alpha 5 % each"]["correct"] >= by_name["full grid, Clopper-Pearson"]["correct"]


# --- printing ---------------------------------------------------------------------------------------------------------


def print_tables(found: dict[str, Any]) -> None:
    """Print both tables; in brackets what another program computed."""
    print(f"A candidate exactly at the bar, {found['trials']} runs per row: share that passes")
    print(f"{'alpha':>7}{'bar':>6}{'n':>5}{'exact':>9}{'counted':>9}{'cases':>8}")
    for row in found["false_passes"]:
        figures = f"{row['exact']:9.4f}{row['counted']:9.4f}{row['cases']:8.1f}"
        print(f"{row['alpha']:7.4f}{row['bar']:6.2f}{row['n']:5d}{figures}")
    print(f"\nWhole ladders ({found['ladders'][0]['ladders']} per row), per cent [reference]")
    print(" " * 30 + "".join(f"{column.replace('spend_', '').replace('_', ' '):>16}" for column in COLUMNS))
    for row in found["ladders"]:
        print(f"{row['policy']:30}" + "".join(f"{row[name]:9.2f} [{row['reference'][name]:4.4g}]" for name in COLUMNS))
    for row in found["ladders"]:
        by_n = ", ".join(f"n={n}: {share:.1f}" for n, share in row["calls_by_n"].items())
        print(f"{row['policy']:30} calls {by_n}; where the set can decide: {row['calls_decidable']:.1f}")
    print(f"\n{found['seconds']:.1f} s")


def main() -> int:
    """Run all parts; `--quick` simulates fewer runs, the exact parts are the same."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer simulated runs: under a minute")
    options = parser.parse_args()
    started, trials = time.perf_counter(), 2_000 if options.quick else 20_000
    found: dict[str, Any] = {"benchmark": "sequential", "quick": options.quick, "trials": trials, "seed": SEED}
    found["false_passes"] = list(false_passes(trials))
    found["ladders"] = [ladders(policy) for policy in POLICIES]
    check(found["ladders"])
    found["seconds"] = round(time.perf_counter() - started, 1)
    if options.json:
        print(json.dumps(found))
    else:
        print_tables(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
