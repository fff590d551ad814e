"""Measures what an experiment promises, through the functions that the command uses, on simulated outcomes.

    python benchmarks/experiments.py [--quick] [--json]

1. Worlds with a true difference of 3 points and with none, 1,000 experiments each: how often B is said to be better or
   worse, after how many outcomes, within the sample that the plan states; without a difference watched for twice that.
   Beside it the two-proportion z-test on the same outcomes: looked at once at the end, and once a day (a fourteenth of
   the plan). Its one look is the cheapest there is; its daily looks are what people do.
2. Intervals: how often the true difference is ever outside, looked at after each day.
3. Guardrails: how often a B that keeps to what is allowed is aborted, and how soon one that does not.
4. Sticky assignment: shares of keys, and who keeps B when its share grows.

Outcomes are coin tosses, graded scores and heavy-tailed costs: this measures the test, no model.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerctl.routing.experiments import arm_of
from routerctl.routing.experiments.compare import (
    ArmComparison,
    ExperimentDesign,
    Standing,
    UnitOutcomes,
    compare,
    planned_outcomes,
)
from routerctl.routing.experiments.guardrails import Guardrail, capped, guard

SEED, ALPHA, Z = 7, 0.05, 1.959963984540054
DAYS = 14  # into which the plan is divided
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Two arms as they truly are."""

    name: str
    a: float  # true means
    b: float
    share: float = 0.5
    graded: bool = False  # values are Beta with concentration 4 instead of 0 and 1

    def question(self) -> ExperimentDesign:
        """What is asked: 3 points, with a guess at the deviation as one has it from an eval."""
        middle = (self.a + self.b) / 2
        spread = math.sqrt(middle * (1 - middle) / (5 if self.graded else 1))
        return ExperimentDesign(least_difference=0.03, share=self.share, alpha=ALPHA, deviation=spread)

    def draw(self, n: int, rng: np.random.Generator) -> UnitOutcomes:
        """So many units of both arms."""
        in_b = rng.random(n) < self.share
        mean = np.where(in_b, self.b, self.a)
        values = rng.beta(4 * mean, 4 * (1 - mean)) if self.graded else (rng.random(n) < mean).astype(float)
        return UnitOutcomes(values=values, in_b=in_b)


WORLDS = (
    World(name="+3 points", a=0.87, b=0.90),
    World(name="-3 points", a=0.90, b=0.87),
    World(name="+3 points, B 10 %", a=0.87, b=0.90, share=0.1),
    World(name="+3 points, near 60 %", a=0.60, b=0.63),
    World(name="+3 points, graded", a=0.70, b=0.73, graded=True),
    World(name="no difference", a=0.885, b=0.885),
    World(name="no difference, B 10 %", a=0.885, b=0.885, share=0.1),
    World(name="no difference, near 1", a=0.99, b=0.99),
    World(name="no difference, graded", a=0.70, b=0.70, graded=True),
)


# --- 1: power and false alarms ----------------------------------------------------------------------------------------


def worlds(runs: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """One row per world: shares of experiments that say each thing, beside the z-test."""
    for world in WORLDS:
        question = world.question()
        planned = planned_outcomes(question)
        n = planned if world.a != world.b else 2 * planned
        found, once, daily, daily_at = [], 0, 0, []
        for _ in range(runs):
            drawn = world.draw(n, rng)
            found.append(compare(drawn, question))
            looks = np.arange(1, DAYS * n // planned + 1) * planned // DAYS
            alarms = np.abs(z_test(drawn, looks)) >= Z
            once += bool(alarms[DAYS - 1])
            daily += bool(alarms.any())
            daily_at.append(int(looks[alarms.argmax()]) if alarms.any() else n)
        yield {
            "world": world.name,
            "differs": world.a != world.b,
            "planned": planned,
            "watched": n,
            **said(found, right=Standing.BETTER if world.b > world.a else Standing.WORSE, n=n),
            "z_once": once / runs,
            "z_daily": daily / runs,
            "z_planned": z_sample(question),
        }


def said(found: list[ArmComparison], *, right: Standing, n: int) -> dict[str, float]:
    """Shares of what was said, and the outcomes it took, those not decided counting as all of them."""
    ends = [one.decided_at or n for one in found]
    return {
        "right": sum(one.standing is right for one in found) / len(found),
        "alarm": sum(one.standing is not Standing.UNDECIDED for one in found) / len(found),
        "mean_outcomes": float(np.mean(ends)),
        "median_outcomes": float(np.median(ends)),
    }


def z_test(drawn: UnitOutcomes, looks: NDArray[np.int64]) -> Values:
    """The two-sample z statistic after so many units, with the variance of the values so far."""
    values, in_b = np.asarray(drawn.values), np.asarray(drawn.in_b)
    columns = (in_b, ~in_b, values * in_b, values * ~in_b, values**2 * in_b, values**2 * ~in_b)
    n_b, n_a, s_b, s_a, q_b, q_a = (np.cumsum(column)[looks - 1].astype(float) for column in columns)
    n_a, n_b = np.maximum(n_a, 1), np.maximum(n_b, 1)
    spread = (q_a / n_a - (s_a / n_a) ** 2) / n_a + (q_b / n_b - (s_b / n_b) ** 2) / n_b
    return np.asarray((s_b / n_b - s_a / n_a) / np.sqrt(np.maximum(spread, 1e-12)))


def z_sample(question: ExperimentDesign) -> int:
    """Units of both arms that one look of the z-test needs for the same power."""
    per_unit = question.deviation**2 * (1 / question.share + 1 / (1 - question.share))
    return math.ceil(((Z + 1.2815515655446004) / question.least_difference) ** 2 * per_unit)


# --- 2: intervals -----------------------------------------------------------------------------------------------------


def intervals(runs: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """How often the true difference is outside the interval at any day of twice the plan."""
    for world in (WORLDS[0], WORLDS[5]):
        question = world.question()
        planned, missed, widths = planned_outcomes(question), 0, []
        for _ in range(runs):
            drawn = world.draw(2 * planned, rng)
            ends = [planned // DAYS * day for day in range(1, 2 * DAYS + 1)]
            kept = [
                compare(UnitOutcomes(values=drawn.values[:end], in_b=drawn.in_b[:end]), question).interval
                for end in ends
            ]
            missed += any(not low <= world.b - world.a <= high for low, high in kept)
            widths.append([high - low for low, high in kept])
        wide = np.mean(widths, axis=0)
        picked = {"a fourteenth": 0, "half": DAYS // 2 - 1, "all": DAYS - 1, "twice": 2 * DAYS - 1}
        yield {
            "world": world.name,
            "runs": runs,
            "ever_outside": missed / runs,
            "width_points": {name: 100 * float(wide[place]) for name, place in picked.items()},
        }


# --- 3: guardrails ----------------------------------------------------------------------------------------------------

ERRORS = Guardrail(name="errors", share=0.5, allowed=0.01, deviation=0.14)
COST = Guardrail(name="cost", share=0.5, allowed=0.2, relative=True)


def guardrails(runs: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Aborts among so many experiments of 20,000 units, and the median unit at which they come."""
    n = 20_000
    errors = (("as A, 1 %", 0.01), ("just allowed, 2 %", 0.02), ("5 %", 0.05), ("20 %", 0.20))
    costs = (("as A", 1.0), ("just allowed, x 1.2", 1.2), ("x 1.5", 1.5), ("x 3", 3.0))
    rows = [("errors", name, rate) for name, rate in errors] + [("cost", name, times) for name, times in costs]
    for kind, name, true in rows:
        ends = []
        for _ in range(runs):
            in_b = rng.random(n) < 0.5
            if kind == "errors":
                values = (rng.random(n) < np.where(in_b, true, 0.01)).astype(float).tolist()
            else:  # lognormal: the mean of A is a twentieth of the cap
                values = capped((rng.lognormal(-0.5, 1.0, n) * np.where(in_b, true, 1.0)).tolist(), 20.0)
            guarded = guard(UnitOutcomes(values=np.asarray(values), in_b=in_b), ERRORS if kind == "errors" else COST)
            ends.append(guarded.broken_at)
        broken = [end for end in ends if end is not None]
        yield {
            "guardrail": kind,
            "b": name,
            "aborted": len(broken) / runs,
            "median_at": float(np.median(broken)) if broken else None,
            "keeps": "as A" in name or "just" in name,
        }


# --- 4: assignment ----------------------------------------------------------------------------------------------------


def assignment(keys: int) -> dict[str, Any]:
    """Shares of B among keys, who left B when its share grew, and how fast a key is placed."""
    names, salt = [f"user-{number}" for number in range(keys)], b"salt of one experiment"
    started = time.perf_counter()
    small = {name for name in names if arm_of(salt, name, 0.1) == "B"}
    each_us = (time.perf_counter() - started) / keys * 1e6
    large = {name for name in names if arm_of(salt, name, 0.5) == "B"}
    other = {name for name in names if arm_of(b"salt of another", name, 0.5) == "B"}
    return {
        "keys": keys,
        "share_at_10": len(small) / keys,
        "share_at_50": len(large) / keys,
        "left_b": len(small - large),
        "in_b_of_both_experiments": len(large & other) / keys,
        "microseconds": each_us,
    }


# --- the claims, and printing -----------------------------------------------------------------------------------------


def check(found: dict[str, Any]) -> None:
    """The claims a reader relies on; a miss ends the benchmark. Simulated shares may be off by 3 standard errors."""
    runs = found["runs"]
    for row in found["worlds"]:
        if row["differs"]:
            assert row["right"] >= 0.9 - (3 * math.sqrt(0.09 / runs) if found["quick"] else 0), row
        else:
            assert row["alarm"] <= ALPHA + (3 * math.sqrt(ALPHA / runs) if found["quick"] else 0), row
            assert row["z_daily"] > 2 * ALPHA, row  # looking daily at a test for one look
    for row in found["intervals"]:
        assert row["ever_outside"] <= ALPHA + (3 * math.sqrt(ALPHA / row["runs"]) if found["quick"] else 0), row
    for row in found["guardrails"]:
        assert row["aborted"] <= 0.01 + 3 * math.sqrt(0.01 / runs) if row["keeps"] else row["aborted"] >= 0.9, row
    one = found["assignment"]
    assert one["left_b"] == 0, one
    assert abs(one["share_at_10"] - 0.1) <= 4 * math.sqrt(0.09 / one["keys"]), one


def print_tables(found: dict[str, Any]) -> None:
    """Print every part."""
    print(f"{found['runs']} experiments each; alpha {ALPHA:.0%} over all looks, power 90 % for 3 points")
    print(
        f"  {'world':24}{'plan':>8}{'watched':>9}{'right':>8}{'alarm':>8}{'mean n':>9}"
        f"{'z: plan':>9}{'once':>7}{'daily':>7}"
    )
    for row in found["worlds"]:
        right = f"{row['right']:8.3f}" if row["differs"] else f"{'':8}"
        print(
            f"  {row['world']:24}{row['planned']:8,}{row['watched']:9,}{right}{row['alarm']:8.3f}"
            f"{row['mean_outcomes']:9,.0f}{row['z_planned']:9,}{row['z_once']:7.3f}{row['z_daily']:7.3f}"
        )
    print("\nIntervals, looked at daily for twice the plan")
    for row in found["intervals"]:
        wide = ", ".join(f"{name} {width:.1f}" for name, width in row["width_points"].items())
        print(f"  {row['world']:24} ever outside {row['ever_outside']:.3f}; width in points after {wide}")
    print("\nGuardrails: errors at most 1 point more, cost at most 20 % more; error 1 % each; 20,000 units")
    for row in found["guardrails"]:
        at = f"at unit {row['median_at']:,.0f}" if row["median_at"] else ""
        print(f"  {row['guardrail']:8}{row['b']:22} aborted {row['aborted']:.3f} {at}")
    one = found["assignment"]
    print(
        f"\n{one['keys']:,} keys: B {one['share_at_10']:.4f} at 10 %, {one['share_at_50']:.4f} at 50 %, left B "
        f"{one['left_b']}, in B of two experiments {one['in_b_of_both_experiments']:.4f}, {one['microseconds']:.1f} us"
    )
    print(f"\n{found['seconds']:.1f} s")


def main() -> int:
    """Run all parts; `--quick` simulates fewer experiments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer experiments: under a minute")
    options = parser.parse_args()
    started, rng = time.perf_counter(), np.random.default_rng(SEED)
    runs = 120 if options.quick else 1000
    found: dict[str, Any] = {"benchmark": "experiments", "quick": options.quick, "runs": runs}
    found["worlds"] = list(worlds(runs, rng))
    found["intervals"] = list(intervals(20 if options.quick else 300, rng))
    found["guardrails"] = list(guardrails(60 if options.quick else 500, rng))
    found["assignment"] = assignment(20_000 if options.quick else 200_000)
    found["seconds"] = round(time.perf_counter() - started, 1)
    if options.json:
        print(json.dumps(found))
    else:
        print_tables(found)
    check(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
