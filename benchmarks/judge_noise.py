"""Measures what a lenient judge does to the promise, and what human labels make of it, through the project's own rule.

    python benchmarks/judge_noise.py [--quick] [--json]

1. Uncalibrated: a candidate below the bar, judged by a judge that passes a share of the wrong replies (FPR) and of the
   right ones (TPR). How often the sequential rule calls it proven: computed exactly. More cases make it worse.
2. Calibrated, a candidate exactly at the bar: how often `calibrate` says proven. `full`: every planned case was judged;
   `stopped`: only those up to where the judge's own test stopped. At most alpha is promised.
3. The bound that decides from 200 labels on, beside plain PPI with a normal quantile (what it starts from).
4. Power of a candidate above the bar: with m labels alone, and with the judge's values beside them.
5. Every reply labelled up to where the judge's own test stopped: the exact bound, and what `calibrate` makes of it.
6. What is not covered: labels added ten at a time, looking each time, until they prove the bar.

The candidates' replies, the judge and the human are coin tosses: this measures the rule, no model.
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
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.evaluation.selection.judge_correction import calibrate, uses_correction
from routerctl.statistics import pass_probability, plan
from routerctl.statistics.calibration import accuracy_lower, corrected_lower, corrected_mean
from routerctl.types import Judgement, Verdict

SEED = 21
JUDGES = {
    "lenient": (0.98, 0.5),
    "good": (0.98, 0.1),
    "close": (0.999, 0.02),
    "strict": (0.9, 0.05),
    "kind": (1.0, 0.1),
}  # (TPR, FPR)
UNCALIBRATED = ((200, 0.5, 22), (500, 0.5, 49), (200, 0.7, 72), (500, 0.7, 99))  # n, FPR, another program's per cent
CELLS = ((50, 200), (100, 500), (200, 200), (200, 500), (200, 1000), (200, 5000), (500, 2000))  # labels, planned cases
ALPHAS = (0.05, 0.05 / 3)

Draws = np.ndarray[Any, np.dtype[np.bool_]]


def uncalibrated() -> Iterator[dict[str, Any]]:
    """One row per set size and leniency: the exact chance of a false "proven" at a true accuracy of 0.88, bar 0.9.

    The other program's figures are for the fixed Clopper-Pearson test on all cases; the sequential test has more power,
    here too.
    """
    for n, fpr, reference in UNCALIBRATED:
        mean = 0.88 * 0.98 + 0.12 * fpr
        lines = plan(n, 0.9, 0.05)
        fixed = 100 * float(special.betainc(lines.need, n - lines.need + 1, mean))
        assert abs(fixed - reference) < 0.6, (n, fpr, fixed)
        sequential = 100 * pass_probability(lines, mean)[0]
        yield {"n": n, "fpr": fpr, "judge_mean": mean, "sequential": sequential, "fixed": fixed, "reference": reference}


def draw(
    rng: np.random.Generator, trials: int, n: int, accuracy: float, judge: tuple[float, float]
) -> tuple[Draws, Draws]:
    """What the human would say of each case, and what the judge says: [trials, n] each."""
    right = rng.random((trials, n)) < accuracy
    return right, rng.random((trials, n)) < np.where(right, *judge)


def stops(judged: Draws, n: int, bar: float, alpha: float) -> np.ndarray[Any, np.dtype[np.int64]]:
    """After how many cases the judge's own sequential test stops, per trial."""
    lines = plan(n, bar, alpha)
    counts = judged.cumsum(axis=1)
    out = (counts >= np.asarray(lines.up)[1:]) | (counts <= np.asarray(lines.low)[1:])
    first: np.ndarray[Any, np.dtype[np.int64]] = np.where(out.any(axis=1), out.argmax(axis=1) + 1, n)
    return first


def judgement(n: int, bar: float, alpha: float) -> Judgement:
    """What the judge's test said; `calibrate` does not rest on it."""
    return Judgement(
        verdict=Verdict.PROVEN, cases=n, passes=n, n=n, bar=bar, alpha=alpha, interval=(0.0, 1.0), good_enough=None,
        least_cases=None, needed_cases=None, trust="judge",
    )  # fmt: skip


def proven(right: Draws, judged: Draws, used: list[int], *, labels: int, bar: float, alpha: float) -> float:
    """The share of trials that `calibrate` calls proven; a human labels the first cases as far as there are replies."""
    before, count = judgement(right.shape[1], bar, alpha), 0
    for humans, values, cases in zip(right, judged, used, strict=True):
        said = dict(enumerate(humans[: min(labels, cases)].tolist()))
        count += calibrate(before, values[:cases].tolist(), said, alpha, bar).verdict is Verdict.PROVEN
    return count / len(used)


def calibrated(trials: int) -> Iterator[dict[str, Any]]:
    """One row per alpha, bar, cell and judge: false passes at the bar, on full runs and on stopped ones."""
    rng = np.random.default_rng(SEED)
    for alpha in ALPHAS:
        for bar in (0.9, 0.95):
            for labels, n in CELLS:
                for name, judge in JUDGES.items():
                    right, judged = draw(rng, trials, n, bar, judge)
                    row: dict[str, Any] = {"alpha": alpha, "bar": bar, "labels": labels, "n": n, "judge": name}
                    row["corrected"] = uses_correction(labels, n)
                    row["full"] = proven(right, judged, [n] * trials, labels=labels, bar=bar, alpha=alpha)
                    if n <= 1000:  # the plan of a larger set takes minutes
                        used = stops(judged, n, bar, alpha).tolist()
                        row["stopped"] = proven(right, judged, used, labels=labels, bar=bar, alpha=alpha)
                    noise = 3.5 * math.sqrt(alpha * (1 - alpha) / trials)
                    assert row["full"] <= alpha + noise, row
                    yield row


def bounds(trials: int) -> Iterator[dict[str, Any]]:
    """One row per cell and judge: false passes at the bar of the bound that is used and of plain PPI."""
    rng = np.random.default_rng(SEED + 1)
    for alpha in ALPHAS:
        z = -float(special.ndtri(alpha))
        for labels, n in ((200, 1000), (200, 5000)):
            for name, judge in JUDGES.items():
                right, judged = draw(rng, trials, n, 0.95, judge)
                count = plain = 0
                for humans, values in zip(right[:, :labels], judged.astype(float), strict=True):
                    errors = humans - values[:labels]
                    spread = math.sqrt(values.var() / n + errors.var(ddof=1) / labels)
                    plain += corrected_mean(values, humans) - z * spread >= 0.95
                    count += corrected_lower(values, humans, alpha, 0.95) >= 0.95
                yield {
                    "alpha": alpha,
                    "labels": labels,
                    "n": n,
                    "judge": name,
                    "used": count / trials,
                    "plain": plain / trials,
                }


def power(trials: int) -> Iterator[dict[str, Any]]:
    """One row per true accuracy, cell and judge: how often the bar of 0.9 is proven, and by the labels alone."""
    rng = np.random.default_rng(SEED + 2)
    for accuracy in (0.93, 0.95):
        for labels, n in ((100, 500), (200, 500), (200, 1000), (500, 2000)):
            need = next((k for k in range(labels + 1) if accuracy_lower(k, labels, 0.05) >= 0.9), labels + 1)
            alone = float(special.betainc(need, labels - need + 1, accuracy)) if need <= labels else 0.0
            for name, judge in JUDGES.items():
                right, judged = draw(rng, trials, n, accuracy, judge)
                share = proven(right, judged, [n] * trials, labels=labels, bar=0.9, alpha=0.05)
                yield {
                    "accuracy": accuracy,
                    "labels": labels,
                    "n": n,
                    "judge": name,
                    "proven": share,
                    "labels_alone": alone,
                }


def cut_short(trials: int) -> Iterator[dict[str, Any]]:
    """One row per alpha and judge: false passes at a bar of 0.9 where the judge's test ends the labelling."""
    rng = np.random.default_rng(SEED + 4)
    for alpha in ALPHAS:
        for name, judge in JUDGES.items():
            right, judged = draw(rng, trials, 500, 0.9, judge)
            used = stops(judged, 500, 0.9, alpha).tolist()
            exact = sum(
                accuracy_lower(int(humans[:cases].sum()), cases, alpha) >= 0.9
                for humans, cases in zip(right, used, strict=True)
            )
            share = proven(right, judged, used, labels=500, bar=0.9, alpha=alpha)
            assert share <= alpha + 3.5 * math.sqrt(alpha * (1 - alpha) / trials), (alpha, name, share)
            yield {"alpha": alpha, "judge": name, "exact": exact / trials, "used": share}


def peeking(trials: int) -> Iterator[dict[str, Any]]:
    """How often a candidate at the bar is ever "proven" by one who looks after every ten labels, up to 200."""
    rng = np.random.default_rng(SEED + 3)
    for alpha in ALPHAS:
        counts = (rng.random((trials, 200)) < 0.9).cumsum(axis=1)
        looks = range(10, 201, 10)
        need = {m: next((k for k in range(m + 1) if accuracy_lower(k, m, alpha) >= 0.9), m + 1) for m in looks}
        ever = np.logical_or.reduce([counts[:, m - 1] >= need[m] for m in looks])
        yield {
            "alpha": alpha,
            "looks": len(looks),
            "ever": float(ever.mean()),
            "once": float((counts[:, -1] >= need[200]).mean()),
        }


def print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows of one kind as a table."""
    print(f"\n{title}")
    names = list(rows[0])
    print("".join(f"{name:>13}" for name in names))
    for row in rows:
        cells = (row.get(name, "") for name in names)
        print("".join(f"{cell:>13.4f}" if isinstance(cell, float) else f"{cell!s:>13}" for cell in cells))


def main() -> int:
    """Run all parts; `--quick` simulates fewer runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer simulated runs: under a minute")
    options = parser.parse_args()
    started, trials = time.perf_counter(), 100 if options.quick else 1_000
    found: dict[str, Any] = {"benchmark": "judge_noise", "quick": options.quick, "trials": trials, "seed": SEED}
    found["uncalibrated"] = list(uncalibrated())
    found["calibrated"] = list(calibrated(trials))
    found["bounds"] = list(bounds(trials))
    found["power"] = list(power(trials))
    found["cut_short"] = list(cut_short(5 * trials))
    found["peeking"] = list(peeking(50 * trials))
    found["seconds"] = round(time.perf_counter() - started, 1)
    if options.json:
        print(json.dumps(found))
        return 0
    print_rows("Uncalibrated: true accuracy 0.88, bar 0.9, alpha 0.05; per cent called proven", found["uncalibrated"])
    print_rows("Calibrated, a candidate exactly at the bar: share called proven", found["calibrated"])
    print_rows("The bound from 200 labels on, at a bar of 0.95: false passes, beside plain PPI", found["bounds"])
    print_rows("Power at a bar of 0.9, alpha 0.05", found["power"])
    print_rows("Labelled up to where the judge stopped, of 500, bar 0.9: false passes", found["cut_short"])
    print_rows("Not covered: looking after every ten labels, bar 0.9", found["peeking"])
    print(f"\n{found['seconds']:.1f} s, {trials} runs a row")
    return 0


if __name__ == "__main__":
    sys.exit(main())
