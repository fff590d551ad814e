"""Measures what the regression alarm promises and what it finds, through the project's own tests and pairs.

    python benchmarks/regression.py [--quick] [--json]

1. Ten classes of 200 cases, 5 % rerun noise: how often an unchanged run raises a false alarm, how often one class that
   fell by 10 points is found, and all classes that fell by 3. Counted over simulated runs through `judge_regression`.
   Beside it the same runs with the exact McNemar test in place of mid-p, which the reference figures are for.
2. Epochs: one class of 100 cases that fell by 6 points, 1, 3 and 5 replies a case, each case with a chance of its own.
3. A screen of one epoch, then three where it finds p <= 0.25: power, replies asked and false alarms, beside always 3.
4. The least drop that a set notices with 80 % power.
5. Epochs of unequal number: false alarms of the sign-flip test if they were not cut to the baseline's.
6. A baseline that is the very run in which the candidate was chosen, for passing the sequential test of a bar of 90 %:
   false alarms though nothing changed: of one class, of ten with their pairs pooled as if it were any baseline, and
   of ten with the rule for such classes (not pooled, p counts four times). At 5 % rerun noise the rule is asserted to
   stay within alpha; the rows of 10 % noise show how far it carries. Last, what the rule costs: one class -10 points.

The answers are coin tosses: this measures the test, no model.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.evaluation.regression import Pair, Pairing, Regression, judge_regression, screen
from routerctl.statistics.paired import holm, least_detectable_drop, mcnemar_midp, sign_flip
from routerctl.statistics.sequential import plan

ALPHA, CLASSES, CASES, NOISE = 0.05, 10, 200, 0.05
CHOSEN_AT = ((NOISE, 0.92), (NOISE, 0.93), (NOISE, 0.95), (0.1, 0.92), (0.1, 0.93))  # rerun noise, true accuracy
SEED = 7
Grid = NDArray[np.int64]

# What another program computed, for Bonferroni's form and the exact McNemar test.
PAGE = {
    "unchanged": {"raw": 0.218, "holm": 0.016, "pooled": 0.040, "alarm": 0.026},
    "one class -10 points": {"holm": 0.864, "pooled": 0.524, "alarm": 0.834},
    "all classes -3 points": {"holm": 0.590, "pooled": 0.998, "alarm": 0.997},
}
PAGE_EPOCHS = {1: 0.36, 3: 0.82, 5: 0.94}
PAGE_SCREEN = {"power": 0.767, "power_always": 0.824, "cost": 1.41, "false_alarm": 0.033}
PAGE_DROPS = {
    50: (12.7, 15.0, 17.6, 22.0, 24.0),
    100: (7.2, 8.9, 11.0, 14.2, 14.1),
    200: (4.2, 5.5, 7.1, 9.4, 8.6),
    500: (2.2, 3.1, 4.2, 5.6, 4.6),
    1000: (1.4, 2.1, 2.8, 3.8, 3.0),
}


# --- pairs from counts ------------------------------------------------------------------------------------------------


@cache
def pair(number: int, before: float, after: float, before_epochs: int = 1, after_epochs: int = 1) -> Pair:
    """One pair, made once: simulated runs share them."""
    return Pair(
        case_id=f"{number:04d}",
        cluster=None,
        before=before,
        after=after,
        before_epochs=before_epochs,
        after_epochs=after_epochs,
    )


def counted(broke: int, fixed: int, n: int, *, chosen_there: bool = False) -> Pairing:
    """A class of n binary pairs of which so many broke and were fixed."""
    moved = [pair(k, 1.0, 0.0) for k in range(broke)] + [pair(k, 0.0, 1.0) for k in range(broke, broke + fixed)]
    pairs = (*moved, *(pair(k, 1.0, 1.0) for k in range(broke + fixed, n)))
    return Pairing(pairs=pairs, chosen_there=chosen_there)


def averaged(before: Grid, after: Grid) -> Pairing:
    """A class from the replies [cases, epochs] of both runs."""
    epochs = (before.shape[1], after.shape[1])
    means = zip(before.mean(axis=1).tolist(), after.mean(axis=1).tolist(), strict=True)
    return Pairing(pairs=tuple(pair(k, old, new, *epochs) for k, (old, new) in enumerate(means)))


def judged(pairings: Sequence[Pairing]) -> Regression:
    """Judge classes that have no names of their own."""
    return judge_regression({str(k): one for k, one in enumerate(pairings)}, baseline="simulated", alpha=ALPHA)


# --- 1: ten classes ---------------------------------------------------------------------------------------------------


def worlds(runs: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """One row per world and form of the test: shares of runs in which each part raises the alarm."""
    one, everywhere = np.zeros(CLASSES), np.full(CLASSES, 0.03)
    one[0] = 0.10
    for name, drops in (("unchanged", np.zeros(CLASSES)), ("one class -10 points", one), (list(PAGE)[2], everywhere)):
        broke, fixed = changes(runs, drops, rng)
        found = [midp_run(b, f) for b, f in zip(broke.tolist(), fixed.tolist(), strict=True)]
        yield {"world": name, "test": "mid-p", **shares(found), "reference": PAGE[name]}
        exact = [exact_run(b, f) for b, f in zip(broke.tolist(), fixed.tolist(), strict=True)]
        yield {"world": name, "test": "exact", **shares(exact), "reference": PAGE[name]}


def changes(runs: int, drops: NDArray[np.float64], rng: np.random.Generator) -> tuple[Grid, Grid]:
    """Broken and fixed cases, [runs, classes]: noise changes as many each way, the drop comes on top."""
    broke = rng.binomial(CASES, np.broadcast_to(NOISE / 2 + drops, (runs, CLASSES)))
    fixed = rng.binomial(CASES - broke, (NOISE / 2) / (1 - NOISE / 2 - drops))
    return broke, fixed


def midp_run(broke: list[int], fixed: list[int]) -> dict[str, bool]:
    """One run through the project's own alarm; Holm and the pooled test alone have all of alpha."""
    found = judged([counted(b, f, CASES) for b, f in zip(broke, fixed, strict=True)])
    return {
        "raw": any(one.p_value <= ALPHA for one in found.classes),
        "holm": any(one.adjusted_p <= ALPHA for one in found.classes),
        "pooled": found.pooled_p is not None and found.pooled_p <= ALPHA,
        "alarm": found.alarm,
    }


def exact_run(broke: list[int], fixed: list[int]) -> dict[str, bool]:
    """The same with the exact McNemar test."""
    p_values = [exact(b, f) for b, f in zip(broke, fixed, strict=True)]
    least, pooled = min(holm(p_values)), exact(sum(broke), sum(fixed))
    return {
        "raw": min(p_values) <= ALPHA,
        "holm": least <= ALPHA,
        "pooled": pooled <= ALPHA,
        "alarm": least <= ALPHA / 2 or pooled <= ALPHA / 2,
    }


@cache
def exact(broke: int, fixed: int) -> float:
    """P(Bin(broke + fixed, 1/2) >= broke)."""
    return float(special.betainc(broke, fixed + 1, 0.5)) if broke else 1.0


def shares(found: Sequence[dict[str, bool]]) -> dict[str, float]:
    """The share of runs in which each part is true."""
    return {name: sum(one[name] for one in found) / len(found) for name in found[0]}


# --- 2, 3 and 5: epochs -----------------------------------------------------------------------------------------------


def replies(
    drop: float, n: int, epochs: tuple[int, int], rng: np.random.Generator, mean: float = 0.9
) -> tuple[Grid, Grid]:
    """Replies [cases, epochs] before and after: chances are Beta with concentration 1.2, the drop scales them all."""
    chance = rng.beta(1.2 * mean, 1.2 * (1 - mean), (n, 1))
    worse = chance * (1 - drop / mean)
    before, after = (rng.random((n, k)) < p for k, p in zip(epochs, (chance, worse), strict=True))
    return before.astype(np.int64), after.astype(np.int64)


def epoch_rows(runs: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Power at a drop of 6 points by the number of epochs."""
    for epochs, figure in PAGE_EPOCHS.items():
        pairs = (replies(0.06, 100, (epochs, epochs), rng) for _ in range(runs))
        flips = sum(sign_flip((old.mean(axis=1) - new.mean(axis=1)).tolist()) <= ALPHA for old, new in pairs)
        yield {"epochs": epochs, "power": flips / runs, "reference": figure}


def screened(runs: int, rng: np.random.Generator) -> dict[str, Any]:
    """Power, false alarms and replies per case of a screen that may be followed by two more epochs."""
    found: dict[str, Any] = {"reference": PAGE_SCREEN}
    for name, drop in (("power", 0.06), ("false_alarm", 0.0)):
        rows = [screened_run(drop, rng) for _ in range(runs)]
        found[name], found[f"{name}_always"], cost = (sum(column) / runs for column in zip(*rows, strict=True))
    found["cost"] = cost  # of the unchanged world, which comes last
    return found


def screened_run(drop: float, rng: np.random.Generator) -> tuple[bool, bool, int]:
    """One class of 100 cases, three epochs stored: (alarm after the screen, alarm of three epochs, epochs asked)."""
    before, after = replies(drop, 100, (3, 3), rng)
    named = screen({"0": averaged(before, after[:, :1])})
    whole = judge_regression({"0": averaged(before, after)}, baseline="", alpha=ALPHA).alarm
    part = {"0": averaged(before, after if named else after[:, :1])}
    return judge_regression(part, baseline="", alpha=ALPHA, confirmed=named).alarm, whole, 3 if named else 1


def unequal(runs: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """False alarms of one class when the new run's epochs are not cut to the baseline's."""
    for epochs in ((1, 1), (3, 3), (3, 1), (1, 3), (1, 5)):
        pairs = (replies(0.0, 50, epochs, rng, mean=0.95) for _ in range(runs))
        flips = sum(sign_flip((old.mean(axis=1) - new.mean(axis=1)).tolist()) <= ALPHA for old, new in pairs)
        yield {"before": epochs[0], "after": epochs[1], "false_alarm": flips / runs}


# --- 4: what a set can show -------------------------------------------------------------------------------------------


def drops() -> Iterator[dict[str, Any]]:
    """The least detectable drop in points: four levels of noise at alpha, and 5 % at a tenth of alpha."""
    for n, figures in PAGE_DROPS.items():
        found = [least_detectable_drop(n, noise, ALPHA) for noise in (0.02, 0.05, 0.1, 0.2)]
        points = [100 * (one or 1) for one in (*found, least_detectable_drop(n, 0.05, ALPHA / CLASSES))]
        yield {"n": n, "points": points, "reference": figures}


# --- 6: baselines that chose ------------------------------------------------------------------------------------------


def chosen(groups: int, rng: np.random.Generator, *, quick: bool) -> Iterator[dict[str, Any]]:
    """False alarms of ten unchanged classes by where their baseline comes from."""
    for noise, accuracy in CHOSEN_AT[: 3 if quick else 5]:
        for kind in ("a run of its own", "stopped early, any verdict", "all cases, passed", "stopped early, passed"):
            table = baselines(kind, accuracy, noise, groups * CLASSES, rng)
            rows = [run.tolist() for run in np.split(table, groups)]
            naive = [judged([counted(b, f, n) for b, f, n in run]) for run in rows]
            ruled = [judged([counted(b, f, n, chosen_there=True) for b, f, n in run]) for run in rows]
            yield {
                "baseline": kind,
                "noise": noise,
                "accuracy": accuracy,
                "flattery_points": 100 * float(((table[:, 0] - table[:, 1]) / table[:, 2]).mean()),
                "one_class": sum(mcnemar_midp(b, f) <= ALPHA for run in rows for b, f, _ in run) / len(table),
                "pooled": sum(one.pooled_alarm for one in naive) / groups,
                "alarm": sum(one.alarm for one in naive) / groups,
                "alarm_with_rule": sum(one.alarm for one in ruled) / groups,
            }


def baselines(kind: str, accuracy: float, noise: float, wanted: int, rng: np.random.Generator) -> Grid:
    """[wanted, 3]: broken cases, fixed cases and pairs of unchanged classes with such a baseline; 3 rungs share 5 %."""
    made = plan(CASES, 0.9, ALPHA / 3)
    kept: list[Grid] = []
    share = noise / (2 * accuracy * (1 - accuracy))  # of the variance of a reply that a rerun changes
    size = share / (1 - share)
    while sum(len(rows) for rows in kept) < wanted:
        chance = rng.beta(accuracy * size, (1 - accuracy) * size, (2000, CASES))
        before, after = rng.random(chance.shape) < chance, rng.random(chance.shape) < chance
        passes = before.cumsum(axis=1)
        passing, failing = (first(crossed) for crossed in (passes >= made.up[1:], passes <= made.low[1:]))
        last = np.minimum(passing, failing) if kind.startswith("stopped") else np.full(len(before), CASES - 1)
        seen = np.arange(CASES) <= last[:, None]
        rows = np.stack([(before & ~after & seen).sum(1), (after & ~before & seen).sum(1), seen.sum(1)], axis=1)
        chosen_by = {"stopped early, passed": passing < failing, "all cases, passed": passes[:, -1] >= made.need}
        kept.append(rows[chosen_by.get(kind, np.ones(len(rows), dtype=bool))])
    return np.concatenate(kept)[:wanted]


def price_of_rule(runs: int, rng: np.random.Generator) -> dict[str, float]:
    """How often one class of ten that fell by 10 points is found, by whether the baselines are runs of their own."""
    drop = np.zeros(CLASSES)
    drop[0] = 0.10
    broke, fixed = changes(runs, drop, rng)
    found = {}
    for name, chosen_there in (("a run of its own", False), ("the run that chose", True)):
        classes = (
            [counted(b, f, CASES, chosen_there=chosen_there) for b, f in zip(*run, strict=True)]
            for run in zip(broke.tolist(), fixed.tolist(), strict=True)
        )
        found[name] = sum(judged(one).alarm for one in classes) / runs
    return found


def first(crossed: NDArray[np.bool_]) -> Grid:
    """The first case at which each run crosses; CASES where none does."""
    return np.where(crossed.any(axis=1), crossed.argmax(axis=1), CASES)


# --- the claims, and printing -----------------------------------------------------------------------------------------


def check(found: dict[str, Any]) -> None:
    """The claims a reader relies on; a miss ends the benchmark. Simulated shares may be off by 3 standard errors."""
    off = 3 * (0.25 / found["runs"]) ** 0.5
    by = {(row["world"], row["test"]): row for row in found["worlds"]}
    assert by["unchanged", "mid-p"]["alarm"] <= ALPHA
    for (world, test), row in by.items():
        for name, figure in row["reference"].items():
            if test == "exact":
                assert abs(row[name] - figure) <= 0.03 + (off if found["quick"] else 0), row
            elif world != "unchanged":
                assert row[name] >= figure - 0.03, row
    for row in found["epochs"]:
        assert abs(row["power"] - row["reference"]) <= 0.03 + off, row
    one = found["screen"]
    assert one["false_alarm"] <= one["false_alarm_always"] <= ALPHA + 3 * (ALPHA / found["runs"]) ** 0.5, one
    for name in ("power", "power_always"):
        assert abs(one[name] - one["reference"][name]) <= 0.03 + off, one
    for row in found["drops"]:
        assert all(abs(a - b) <= 0.2 for a, b in zip(row["points"], row["reference"], strict=True)), row
    for row in found["chosen"]:
        if row["noise"] == NOISE:
            assert row["alarm_with_rule"] <= ALPHA, row


def print_tables(found: dict[str, Any]) -> None:
    """Print every part; in brackets what another program computed."""
    print(f"{CLASSES} classes x {CASES} cases, {NOISE:.0%} rerun noise, {found['runs']} runs: share with an alarm")
    for row in found["worlds"]:
        cells = (
            f"{name} {row[name]:.3f}" + (f" [{row['reference'][name]:.3f}]" if name in row["reference"] else "")
            for name in ("raw", "holm", "pooled", "alarm")
        )
        print(f"  {row['world']:22} {row['test']:6} " + "   ".join(cells))
    print("\nOne class of 100 cases, -6 points: power by epochs")
    print("  " + "   ".join(f"{row['epochs']}: {row['power']:.3f} [{row['reference']}]" for row in found["epochs"]))
    one, page = found["screen"], PAGE_SCREEN
    print(
        f"  screen: power {one['power']:.3f} [{page['power']}], always three {one['power_always']:.3f} "
        f"[{page['power_always']}]; epochs asked when nothing changed {one['cost']:.2f} [{page['cost']}], "
        f"false alarms {one['false_alarm']:.3f} [{page['false_alarm']}], always three {one['false_alarm_always']:.3f}"
    )
    print("\nLeast drop noticed with 80 % power, points: noise 2, 5, 10, 20 %; 5 % at a tenth of alpha")
    for row in found["drops"]:
        cells = (f"{a:6.2f} [{b:4.1f}]" for a, b in zip(row["points"], row["reference"], strict=True))
        print(f"  n={row['n']:5d} " + " ".join(cells))
    print("\nFalse alarms of one class of 50 cases by epochs before/after, uncut")
    print("  " + "   ".join(f"{row['before']}/{row['after']}: {row['false_alarm']:.3f}" for row in found["unequal"]))
    print(f"\nFalse alarms of {CLASSES} unchanged classes by their baseline, bar 90 %, {found['groups']} groups")
    print(
        f"  {'baseline':28}{'noise':>6}{'accuracy':>9}{'points':>8}{'1 class':>9}{'pooled':>8}{'alarm':>8}{'rule':>8}"
    )
    for row in found["chosen"]:
        figures = (row["flattery_points"], row["one_class"], row["pooled"], row["alarm"], row["alarm_with_rule"])
        head = f"  {row['baseline']:28}{row['noise']:6.2f}{row['accuracy']:9.2f}{figures[0]:8.2f}{figures[1]:9.3f}"
        print(head + three(figures[2:]))
    print("  one class -10 points found: " + ", ".join(f"{name} {one:.3f}" for name, one in found["price"].items()))
    print(f"\n{found['seconds']:.1f} s")


def three(figures: Sequence[float]) -> str:
    """Shares in columns."""
    return "".join(f"{figure:8.3f}" for figure in figures)


def main() -> int:
    """Run all parts; `--quick` simulates fewer runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer simulated runs: under a minute")
    options = parser.parse_args()
    started, rng = time.perf_counter(), np.random.default_rng(SEED)
    runs, groups = (500, 200) if options.quick else (2000, 1000)
    found: dict[str, Any] = {"benchmark": "regression", "quick": options.quick, "runs": runs, "groups": groups}
    found["worlds"] = list(worlds(runs, rng))
    found["epochs"] = list(epoch_rows(runs, rng))
    found["screen"] = screened(runs, rng)
    found["drops"] = list(drops())
    found["unequal"] = list(unequal(runs, rng))
    found["chosen"] = list(chosen(groups, rng, quick=options.quick))
    found["price"] = price_of_rule(runs, rng)
    found["seconds"] = round(time.perf_counter() - started, 1)
    if options.json:
        print(json.dumps(found))
    else:
        print_tables(found)
    check(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
