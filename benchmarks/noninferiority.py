"""Measures what "not worse than the reference by more than a margin" promises on pairs, and what it finds.

    python benchmarks/noninferiority.py [--quick] [--json]

1. The exact test: its greatest error over all discordances, by enumeration on discordances that it did not look at
   itself, asserted to be within alpha; beside it that of Tango's score test, which is near alpha on either side.
2. How often a candidate that is just as good as the reference is proven to be within the margin: the exact test and
   Tango's by enumeration, bets (the test of values other than 0/1) by simulation. Over all discordances Tango's
   exceeds alpha in every row, so cells are told apart by its error at their own. Asserted: at least 0.9 times its power
   in every cell where it has 0.2 or more, and on average over all cells; mean and least ratio are printed for the cells
   where it keeps alpha, and for all.
3. The number of cases that would do: its exact power.
4. Clusters of 0/1 pairs that resemble each other: the error of the exact test at effective numbers, simulated for
   candidates that are worse by just the margin, and of the exact test that does not know of the clusters.

No model is asked: pairs are drawn from their probabilities.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.statistics.noninferiority import chances, lost_within, most_lost, noninferiority_p, window
from routerctl.statistics.noninferiority_power import cases_for_noninferiority, critical_lost, noninferiority_power
from routerctl.statistics.noninferiority_values import clustered_noninferiority_p, noninferiority_bets

ALPHAS = (0.025, 0.05 / 3)
MARGINS = (0.02, 0.03, 0.05)
DISCORDANCES = (0.05, 0.075, 0.1, 0.15, 0.2)
SIZES, QUICK_SIZES = (100, 200, 300, 500, 1000), (100, 200, 500)
TELLING = 0.2  # below this power a cell hangs on single outcomes
RATIO = 0.9
CLUSTERS, EACH, CLUSTER_MARGIN = 100, 5, 0.05
SEED = 11
Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


# --- the error --------------------------------------------------------------------------------------------------------


def greatest_error(n: int, margin: float, most: Counts) -> tuple[float, float]:
    """The greatest P(pass) of a candidate worse by the margin, and the discordance of it: a coarse grid, a fine one."""
    found, at = 0.0, margin
    steps = math.ceil(math.pi * math.sqrt(n) / 0.23)  # of standard errors: not the steps of the test
    low, high = 0.0, math.pi / 2
    for count in (steps, 60, 60):
        angles = np.linspace(low, high, count + 1)
        errors = np.array([passing(n, margin, -margin, angle, most) for angle in angles])
        best = int(errors.argmax())
        if errors[best] > found:
            found, at = float(errors[best]), discordance_at(margin, angles[best])
        low, high = angles[max(best - 1, 0)], angles[min(best + 1, count)]
    return found, at


def discordance_at(margin: float, angle: float) -> float:
    """From the margin at 0 to 1 at a right angle."""
    return margin + (1 - margin) * math.sin(angle) ** 2


def passing(n: int, margin: float, difference: float, angle: float, most: Counts) -> float:
    """P(pass) at the discordance of this angle."""
    return power(n, discordance_at(margin, angle), difference, most)


def power(n: int, discordance: float, difference: float, most: Counts) -> float:
    """P(at most `most[discordant]` lost)."""
    discordant = window(n, discordance, discordance)
    each = chances(n, discordant, discordance) * lost_within(most[discordant], discordant, difference, discordance)
    return float(each.sum())


def sizes(alpha: float, cases: tuple[int, ...], runs: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """A row for each number of cases, margin and discordance."""
    for n in cases:
        for margin in MARGINS:
            ours = critical_lost(n, margin, alpha, 0, n)
            tango = most_lost(n, margin, np.arange(n + 1), -float(special.ndtri(alpha)))
            (error, where), (tango_error, _) = (greatest_error(n, margin, most) for most in (ours, tango))
            for discordance in DISCORDANCES:
                draws = signs(rng.random((runs, n)), discordance / 2, discordance / 2)
                yield {
                    "alpha": alpha,
                    "n": n,
                    "margin": margin,
                    "discordance": discordance,
                    "error": error,
                    "error_at": where,
                    "tango_error": tango_error,
                    "tango_error_here": power(n, discordance, -margin, tango),
                    "power": power(n, discordance, 0.0, ours),
                    "tango_power": power(n, discordance, 0.0, tango),
                    "bets_power": bets_power(draws, margin, alpha),
                }


def bets_power(draws: Counts, margin: float, alpha: float) -> float:
    """The share of simulated runs, [runs, n], in which the bets win."""
    return sum(noninferiority_bets(row, margin, alpha) <= alpha for row in draws.tolist()) / len(draws)


# --- how many ---------------------------------------------------------------------------------------------------------


def enough(quick: bool) -> Iterator[dict[str, Any]]:
    """The number of cases said to do, and the exact power there and 5 % further on."""
    questions = [(0.05, 0.0, 0.05), (0.1, 0.0, 0.05), (0.1, 0.02, 0.03)]
    for discordance, difference, margin in questions if quick else [*questions, (0.1, 0.0, 0.03), (0.11, 0.0, 0.02)]:
        n = cases_for_noninferiority(discordance, difference, margin, ALPHAS[0])
        assert n is not None
        there, further = (
            noninferiority_power(count, discordance, difference, margin, ALPHAS[0]) for count in (n, n + n // 20)
        )
        yield {
            "discordance": discordance,
            "difference": difference,
            "margin": margin,
            "cases": n,
            "power": there,
            "power_further_on": further,
        }


# --- clusters ---------------------------------------------------------------------------------------------------------


def clusters(runs: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """How often a candidate that is worse by the margin passes, by how the cases of a cluster hang together."""
    names = [str(number) for number in range(CLUSTERS) for _ in range(EACH)]
    for noise in (0.0, 0.05):
        for kind in ("independent", "whole clusters", "half of a cluster", "a chance for each cluster"):
            known = unaware = 0
            for _ in range(runs):
                drawn = differences(kind, noise, rng)
                lost, gained = int((drawn < 0).sum()), int((drawn > 0).sum())
                p = clustered_noninferiority_p(drawn.tolist(), names, CLUSTER_MARGIN, ALPHAS[0])
                known += p <= ALPHAS[0]
                unaware += noninferiority_p(len(names), lost, gained, CLUSTER_MARGIN) <= ALPHAS[0]
            yield {"kind": kind, "gained": noise / 2, "error": known / runs, "unaware_error": unaware / runs}


def differences(kind: str, noise: float, rng: np.random.Generator) -> Counts:
    """Candidate - reference of every case, cluster by cluster; the mean is -CLUSTER_MARGIN."""
    losing, gaining = noise / 2 + CLUSTER_MARGIN, noise / 2
    shape = (CLUSTERS, EACH)
    if kind == "independent":
        return signs(rng.random(shape), losing, gaining).ravel()
    if kind == "a chance for each cluster":
        own_losing, own_gaining = (beta(mean, rng) for mean in (losing, gaining))
        return signs(rng.random(shape), own_losing, np.minimum(own_gaining, 1 - own_losing)).ravel()
    half = kind.startswith("half")
    whole = signs(rng.random((CLUSTERS, 1)), losing * (1 + half), gaining * (1 + half))
    return (whole * (rng.random(shape) < (0.5 if half else 1.0))).ravel()


def beta(mean: float, rng: np.random.Generator) -> Floats:
    """A chance for each cluster, of concentration 3."""
    return rng.beta(3 * mean, 3 * (1 - mean), (CLUSTERS, 1)) if mean else np.zeros((CLUSTERS, 1))


def signs(draws: Floats, losing: float | Floats, gaining: float | Floats) -> Counts:
    """-1 below `losing`, 1 above 1 - `gaining`, else 0."""
    return (draws > 1 - gaining).astype(np.int64) - (draws < losing)


# --- the claims, and printing -----------------------------------------------------------------------------------------


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """How the power compares with Tango's over several kinds of cells."""
    telling = [row for row in rows if row["tango_power"] >= TELLING]
    kinds = {
        "all": rows,
        "telling": telling,
        "telling, Tango's keeps alpha": [row for row in telling if row["tango_error_here"] <= row["alpha"]],
        "telling, Tango's exceeds alpha": [row for row in telling if row["tango_error_here"] > row["alpha"]],
    }
    return {kind: ratios(cells) for kind, cells in kinds.items() if cells}


def ratios(cells: list[dict[str, Any]]) -> dict[str, float]:
    """Number of cells, least and mean power divided by Tango's."""
    each = [row["power"] / row["tango_power"] for row in cells]
    return {"cells": len(cells), "least": min(each), "mean": float(np.mean(each))}


def check(found: dict[str, Any]) -> None:
    """The claims a reader relies on; a miss ends the benchmark. Simulated shares may be off by 3 standard errors."""
    for row in found["rows"]:
        assert row["error"] <= row["alpha"], row
        assert row["power"] >= row["bets_power"] - 3 * (0.25 / found["runs"]) ** 0.5, row
    assert found["summary"]["telling"]["least"] >= RATIO, found["summary"]
    assert found["summary"]["all"]["mean"] >= RATIO, found["summary"]
    for row in found["enough"]:
        assert row["power"] >= 0.8, row
        assert row["power_further_on"] >= 0.79, row
    for row in found["clusters"]:
        assert row["error"] <= ALPHAS[0] + 3 * (ALPHAS[0] / found["cluster_runs"]) ** 0.5, row


def print_tables(found: dict[str, Any]) -> None:
    """Print every part."""
    print("Power of a candidate as good as the reference, by discordance: exact / Tango's / bets (simulated)")
    print(f"{'alpha':>7}{'n':>6}{'margin':>8}{'error':>8}{'Tango':>8}  " + "".join(f"{d:^21.1%}" for d in DISCORDANCES))
    for start in range(0, len(found["rows"]), len(DISCORDANCES)):
        cells = found["rows"][start : start + len(DISCORDANCES)]
        row = cells[0]
        head = f"{row['alpha']:7.4f}{row['n']:6d}{row['margin']:8.2f}{row['error']:8.4f}{row['tango_error']:8.4f}  "
        powers = (f"{one['power']:.3f} / {one['tango_power']:.3f} / {one['bets_power']:.2f}" for one in cells)
        print(head + " ".join(f"{one:^20}" for one in powers))
    print(f"\nPower divided by Tango's; telling: where that is {TELLING} or more")
    for kind, one in found["summary"].items():
        print(f"  {kind:32} {one['cells']:4d} cells: least {one['least']:.3f}, mean {one['mean']:.3f}")
    print(f"\nEnough cases for a power of 0.8, alpha {ALPHAS[0]}")
    for row in found["enough"]:
        print(
            f"  discordance {row['discordance']:.2f}, difference {row['difference']:.2f}, margin {row['margin']:.2f}: "
            f"{row['cases']:5d} cases, power {row['power']:.3f}, 5 % further on {row['power_further_on']:.3f}"
        )
    print(
        f"\n{CLUSTERS} clusters of {EACH}, worse by {CLUSTER_MARGIN}, {found['cluster_runs']} runs: passed, alpha .025"
    )
    for row in found["clusters"]:
        print(f"  {row['kind']:28} gained {row['gained']:.3f}: {row['error']:.4f}, unaware {row['unaware_error']:.4f}")
    print(f"\n{found['seconds']:.1f} s")


def main() -> int:
    """Run all parts; `--quick` takes fewer numbers of cases and simulates fewer runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and simulated runs: under a minute")
    options = parser.parse_args()
    started, rng = time.perf_counter(), np.random.default_rng(SEED)
    cases, runs, cluster_runs = (QUICK_SIZES, 40, 200) if options.quick else (SIZES, 400, 2000)
    found: dict[str, Any] = {
        "benchmark": "noninferiority",
        "quick": options.quick,
        "runs": runs,
        "cluster_runs": cluster_runs,
        "rows": [row for alpha in ALPHAS for row in sizes(alpha, cases, runs, rng)],
        "enough": list(enough(options.quick)),
        "clusters": list(clusters(cluster_runs, rng)),
    }
    found["summary"] = summary(found["rows"])
    found["seconds"] = round(time.perf_counter() - started, 1)
    if options.json:
        print(json.dumps(found))
    else:
        print_tables(found)
    check(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
