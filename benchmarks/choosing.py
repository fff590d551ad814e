"""Measures what each way to choose comes to: how often right, at what cost, below the bar how often and how far.

    python benchmarks/choosing.py [--quick] [--json]

Three candidates at costs 1:3:5, every non-decreasing triple of accuracies from bar + {-.15, -.10, -.05, -.02, 0, +.02,
+.04, +.06, +.08} (165, at most .995), bars .8, .9 and .95, sets of 24 to 500 cases, a risk of 5 % a class, independent
cases; 400 runs a triple. The lines that tests walk along, and the best available, which says who runs on, come from
`routerctl.evaluation.selection`; the walk itself is done for all runs at once, and compared with the stopping rule's
own. Three policies on the same outcomes:

- proof, else the top rung: `when_unproven: top_rung`, the dearest serves where nothing is proven;
- score only: the cheapest whose score reaches the bar, else the best score (`mode: point`);
- three levels: the cheapest that is proven or provisional, else the best available (the default).

Asserted of the three levels at 100 cases: the cheapest qualifying candidate chosen in at least 70 % of the triples that
have one, deployed cost at most 1.15 times the oracle's, shortfall at most 1.1 points, at most 50 % of the grid spent;
and at every size, for every triple, proven though below the bar in at most the class's risk plus three standard errors.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerctl.evaluation.selection import Outcome, Question, Shown, best_available, judge, rule_of
from routerctl.statistics import hopeless, plan, point_plan
from routerctl.types import Verdict, WhenUnproven

SIZES, BARS, COSTS, RISK, RUNS = (24, 50, 100, 200, 500), (0.8, 0.9, 0.95), (1.0, 3.0, 5.0), 0.05, 400
STEPS = (-0.15, -0.10, -0.05, -0.02, 0.0, 0.02, 0.04, 0.06, 0.08)
POLICIES = ("proof, else the top rung", "score only", "three levels")
PASS = (Outcome(value=0.0), Outcome(value=1.0))
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What the test of one candidate came to in each run, [runs]."""

    proven: Flags
    at_bar: Flags  # all cases ran, and the score reaches the bar
    cases: Counts  # when the test ended


@dataclass(slots=True, kw_only=True)
class Sums:
    """One policy at one size, summed over bars and triples."""

    triples: int = 0
    qualifying: int = 0
    proven: float = 0.0
    provisional: float = 0.0
    proven_below: float = 0.0
    worst_below: float = 0.0  # of a triple
    provisional_below: float = 0.0
    cheapest: float = 0.0
    deployed: float = 0.0
    shortfall: float = 0.0
    spend: float = 0.0


def main() -> int:
    """Simulate, print, assert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="sets of 24 and 100 cases, 100 runs a triple")
    options = parser.parse_args()
    started = time.perf_counter()
    sizes, runs = ((24, 100), 100) if options.quick else (SIZES, RUNS)
    check_walk()
    rows = [row for n in sizes for row in rows_of(n, runs)]
    found = {"benchmark": "choosing", "quick": options.quick, "runs": runs, "rows": rows}
    found["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(found) if options.json else table_of(found))
    check_promises(rows, runs)
    return 0


# --- one policy -------------------------------------------------------------------------------------------------------


def rows_of(n: int, runs: int) -> list[dict[str, Any]]:
    """Simulate every bar and triple at one size; the policies see the same outcomes."""
    sums = {policy: Sums() for policy in POLICIES}
    rng = np.random.default_rng(n)
    for bar in BARS:
        for triple in triples(bar):
            passed = [rng.random((runs, n)) < p for p in triple]
            for policy in POLICIES:
                add(sums[policy], simulate(policy, passed, n, bar), triple, bar)
    return [row_of(policy, n, one) for policy, one in sums.items()]


def triples(bar: float) -> list[tuple[float, float, float]]:
    """Give the non-decreasing triples of accuracies around a bar."""
    levels = [min(bar + step, 0.995) for step in STEPS]
    return [
        (levels[a], levels[b], levels[c])
        for a in range(len(STEPS))
        for b in range(a, len(STEPS))
        for c in range(b, len(STEPS))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Who serves in each run, how, and what was spent, [runs]."""

    chosen: Counts
    level: Counts  # 2 proven, 1 provisional, 0 best available
    spend: NDArray[np.float64]  # of the whole grid


def simulate(policy: str, passed: Sequence[Flags], n: int, bar: float) -> Runs:
    """Climb the ladder in every run at once; what no verdict settles is settled run by run."""
    runs = len(passed[0])
    walks = [walk(policy, one, n, bar) for one in passed]
    chosen, level = np.full(runs, -1), np.zeros(runs, dtype=np.int64)
    spent = np.zeros(runs)
    for place, one in enumerate(walks):
        open_ = chosen < 0
        spent += np.where(open_, COSTS[place] * one.cases, 0.0)
        serves = open_ & (one.proven if policy == POLICIES[0] else one.proven | one.at_bar)
        chosen[serves] = place
        level[serves] = np.where(one.proven[serves], 2, 1)
    for run in np.flatnonzero(chosen < 0):
        if policy == POLICIES[0]:
            chosen[run] = len(passed) - 1
            continue
        cases = [int(one.cases[run]) for one in walks]
        whole = cases if policy == POLICIES[1] else raced([one[run] for one in passed], cases)
        spent[run] += sum(COSTS[k] * (whole[k] - cases[k]) for k in range(len(passed)))
        shown = {str(k): shown_of(one[run][: whole[k]], COSTS[k]) for k, one in enumerate(passed)}
        chosen[run] = best(shown) if policy == POLICIES[1] else int(best_available(list(shown), shown)[0])
    return Runs(chosen=chosen, level=level, spend=spent / (n * sum(COSTS)))


def walk(policy: str, passed: Flags, n: int, bar: float) -> Walked:
    """Walk every run along the lines of the policy's stopping rule."""
    made, reach = plan(n, bar, RISK / len(COSTS)), point_plan(n, bar)
    counts, looks = passed.cumsum(axis=1), np.arange(1, n + 1)
    never = np.full(len(passed), n + 1)
    out = first(counts <= hopeless(reach)[looks], never)
    if policy == POLICIES[1]:
        reached = first(counts >= reach.up[looks], never)
        return Walked(proven=np.zeros(len(passed), dtype=bool), at_bar=reached <= n, cases=np.minimum(reached, out))
    proof = first(counts >= made.up[looks], never) if made.decidable else never
    if policy == POLICIES[0]:
        out = first(counts <= made.low[looks], never) if made.decidable else np.zeros(len(passed), dtype=np.int64)
    proven = proof < out
    at_bar = counts[:, -1] >= reach.need
    cases = np.minimum(np.minimum(proof, out), n)
    return Walked(
        proven=proven, at_bar=at_bar & ~proven & (cases == n) if policy == POLICIES[2] else proven, cases=cases
    )


def first(holds: Flags, never: Counts) -> Counts:
    """Give the first look, from 1, at which something holds."""
    return np.where(holds.any(axis=1), holds.argmax(axis=1) + 1, never)


def raced(passed: Sequence[Flags], cases: Sequence[int]) -> list[int]:
    """Run those that are as good as the best so far on all cases, cheapest first."""
    n, run = len(passed[0]), list(cases)
    while True:
        shown = {str(k): shown_of(one[: run[k]], COSTS[k]) for k, one in enumerate(passed) if run[k]}
        alike = [int(name) for name in best_available(list(shown), shown)[1]]
        left = [k for k in alike if run[k] < n]
        if len(alike) < 2 or not left:
            return run
        run[left[0]] = n


def shown_of(passed: Flags, cost: float) -> Shown:
    """Put a candidate's outcomes as the choice takes them."""
    outcomes = {index: PASS[value] for index, value in enumerate(passed.tolist())}
    return Shown(verdict=Verdict.NOT_REACHED, outcomes=outcomes, costs=dict.fromkeys(outcomes, Decimal(cost)))


def best(shown: Mapping[str, Shown]) -> int:
    """Give the candidate with the highest score, the cheapest between equals."""
    return int(max(shown, key=lambda k: sum(one.value for one in shown[k].outcomes.values()) / len(shown[k].outcomes)))


# --- sums -------------------------------------------------------------------------------------------------------------


def add(sums: Sums, runs: Runs, triple: Sequence[float], bar: float) -> None:
    """Add one triple's runs."""
    accuracies = np.asarray(triple)[runs.chosen]
    below, cost = accuracies < bar - 1e-9, np.asarray(COSTS)[runs.chosen]
    sums.triples += 1
    sums.proven += float((runs.level == 2).mean())
    sums.provisional += float((runs.level == 1).mean())
    false = float(((runs.level == 2) & below).mean())
    sums.proven_below += false
    sums.worst_below = max(sums.worst_below, false)
    sums.provisional_below += float(((runs.level == 1) & below).mean())
    sums.shortfall += float(np.maximum(bar - accuracies, 0).mean())
    sums.spend += float(runs.spend.mean())
    oracle = next((k for k, p in enumerate(triple) if p >= bar - 1e-9), None)
    if oracle is not None:
        sums.qualifying += 1
        sums.cheapest += float((runs.chosen == oracle).mean())
        sums.deployed += float(cost.mean()) / COSTS[oracle]


def row_of(policy: str, n: int, sums: Sums) -> dict[str, Any]:
    """Average over bars and triples; shares in percent, the shortfall in points."""
    names = ("proven", "provisional", "proven_below", "provisional_below", "shortfall", "spend")
    row = {name: round(100 * getattr(sums, name) / sums.triples, 2) for name in names}
    return {
        "n": n,
        "policy": policy,
        **row,
        "worst_below": round(100 * sums.worst_below, 2),
        "cheapest": round(100 * sums.cheapest / sums.qualifying, 1),
        "deployed": round(sums.deployed / sums.qualifying, 3),
    }


# --- checks -----------------------------------------------------------------------------------------------------------


def check_walk() -> None:
    """Compare the walk of many runs at once with the project's stopping rule and its judgement."""
    rng = np.random.default_rng(7)
    kinds: tuple[tuple[str, WhenUnproven], ...] = ((POLICIES[0], "top_rung"), (POLICIES[2], "provisional"))
    for policy, when in kinds:
        for n, bar, p in ((24, 0.8, 0.85), (50, 0.9, 0.9), (100, 0.95, 0.97), (100, 0.8, 0.7)):
            passed = rng.random((25, n)) < p
            found = walk(policy, passed, n, bar)
            question = Question(n=n, bar=bar, alpha=RISK / len(COSTS), when_unproven=when)
            for run, one in enumerate(passed.tolist()):
                rule = rule_of(question)
                outcomes = [PASS[value] for value in one]
                while rule.verdict is None:
                    rule.feed(outcomes[rule.cases])
                judged = judge(outcomes[: rule.cases], question)
                assert rule.cases == found.cases[run], (policy, n, bar, one)
                assert judged.verdict.proven == found.proven[run], (policy, n, bar, one)
                if when == "provisional":
                    assert (judged.verdict is Verdict.PROVISIONAL) == found.at_bar[run], (policy, n, bar, one)


def check_promises(rows: Sequence[Mapping[str, Any]], runs: int) -> None:
    """Assert what the module's docstring promises."""
    for row in rows:
        if row["policy"] != POLICIES[1]:
            most = 100 * (RISK + 3 * math.sqrt(RISK * (1 - RISK) / runs))
            assert row["worst_below"] <= most, row
        if row["policy"] == POLICIES[2] and row["n"] == 100:
            assert row["cheapest"] >= 70, row
            assert row["deployed"] <= 1.15, row
            assert row["shortfall"] <= 1.1, row
            assert row["spend"] <= 50, row


def table_of(found: Mapping[str, Any]) -> str:
    """The rows as text."""
    heads = ("proven", "provis.", "p<bar", "worst", "prov<bar", "cheapest", "deployed", "short", "spend")
    keys = ["proven", "provisional", "proven_below", "worst_below", "provisional_below", "cheapest", "deployed"]
    keys += ["shortfall", "spend"]
    lines = [f"{'n':>4} {'policy':26}" + "".join(f"{head:>9}" for head in heads)]
    lines += [f"{row['n']:4} {row['policy']:26}" + "".join(f"{row[key]:9}" for key in keys) for row in found["rows"]]
    lines.append(
        "p<bar: proven though below the bar, %; worst: of a triple; short: shortfall, points; spend: % of the grid"
    )
    return "\n".join([*lines, f"{found['runs']} runs a triple, {found['seconds']:.1f} s"])


if __name__ == "__main__":
    sys.exit(main())
