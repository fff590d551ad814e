"""Measures what the rule promises where cases are not plain 0/1 coin tosses, through the project's own stopping rule.

    python benchmarks/edge_cases.py [--quick] [--json]

1. Values: 0/1, means over 5 epochs, graded scores, and unequal weights, tested by bets.
2. Epochs: 40 cases x 5 epochs counted as 200 cases, beside averaged within their case.
3. Clusters: 40 clusters of 5 cases, taken for independent, beside the Korn-Graubard rule; and few clusters.
4. A set that grows from 100 to 500 cases: tested anew each time, at alpha / 2^r each time, and as one planned test.

Every row is a share of simulated runs that pass: with the true mean at the bar a false pass, above it the power. Beside
it stands what another program computed, where it did. "Bound" is what must not be exceeded. The candidates' answers are
random numbers: this measures the rule, no model.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerctl.evaluation.selection import Outcome, Question, alpha_of_attempt, judge, rule_of

Values = NDArray[np.float64]
Draw = Callable[[np.random.Generator, float, int], Values]  # (random numbers, true mean, cases) -> a value per case

ALPHA = 0.05
BAR = 0.9
SEED = 21


def coins(rng: np.random.Generator, p: float, n: int) -> Values:
    """0/1 cases."""
    return (rng.random(n) < p).astype(float)


def epochs(rng: np.random.Generator, p: float, n: int) -> Values:
    """Means over 5 epochs; a case's own rate is Beta with concentration 1.2."""
    return rng.binomial(5, rng.beta(1.2 * p, 1.2 * (1 - p), n)) / 5


def graded(rng: np.random.Generator, p: float, n: int) -> Values:
    """Graded scores, Beta with concentration 8."""
    return rng.beta(8 * p, 8 * (1 - p), n)


def passes(values: Values, question: Question, weights: Values | None = None, size: int = 0) -> bool:
    """Feed one simulated run to the rule; `size` > 0: so many cases in a row are one cluster."""
    rule = rule_of(question)
    for index, value in enumerate(values.tolist()):
        weight = 1.0 if weights is None else float(weights[index])
        cluster = str(index // size) if size else None
        if rule.feed(Outcome(value=value, weight=weight, cluster=cluster)) is not None:
            break
    return rule.standing.proven


def row(part: str, what: str, p: float, hits: int, trials: int, **known: float | None) -> dict[str, Any]:
    """One line of the table; `known`: bound (of a false pass) and page (the other program's figure)."""
    return {"part": part, "what": what, "p": p, "passes": hits / trials, "trials": trials, **known}


def valued(draw: Draw, p: float, n: int, trials: int) -> int:
    """Count the runs of a drawn kind that pass the bets."""
    rng, question = np.random.default_rng(SEED), Question(n=n, bar=BAR, alpha=ALPHA, method="betting")
    return sum(passes(draw(rng, p, n), question) for _ in range(trials))


def values(trials: int) -> Iterator[dict[str, Any]]:
    """Part 1."""
    kinds: dict[str, tuple[Draw, float | None]] = {
        "0/1, bets": (coins, 0.61),
        "means over 5 epochs, bets": (epochs, 0.91),
        "graded scores, bets": (graded, 1.0),
    }
    for name, (draw, page) in kinds.items():
        yield row("values", name, BAR, valued(draw, BAR, 200, trials), trials, bound=ALPHA, page=None)
        yield row("values", name, BAR + 0.05, valued(draw, BAR + 0.05, 200, trials), trials, bound=None, page=page)
    for p in (BAR, BAR + 0.05):
        bound = ALPHA if p == BAR else None
        yield row("values", "0/1, weights 1 and 4, bets", p, weighted(p, trials), trials, bound=bound, page=None)


def weighted(p: float, trials: int) -> int:
    """Cases of weight 4, a quarter of them, do worse than those of weight 1; their weighted mean is p."""
    rng = np.random.default_rng(SEED)
    hits = 0
    for _ in range(trials):
        weights = np.where(rng.random(200) < 0.25, 4.0, 1.0)
        # weights 4 and 1 carry 4/7 and 3/7 of the traffic: .03 less on the one, .04 more on the other
        truth = np.where(weights == 4, p - 0.03, min(p + 0.04, 1.0))
        question = Question(
            n=200, bar=BAR, alpha=ALPHA, method="betting", max_weight=4.0, total_weight=float(weights.sum())
        )
        hits += passes((rng.random(200) < truth).astype(float), question, weights)
    return hits


def repeated(trials: int) -> Iterator[dict[str, Any]]:
    """Part 2: 40 cases x 5 epochs at the bar; a case's own rate is Beta with concentration 1."""
    rng = np.random.default_rng(SEED)
    naive = averaged = 0
    for _ in range(trials):
        rates = rng.beta(BAR, 1 - BAR, 40)
        answers = (rng.random((40, 5)) < rates[:, None]).astype(float)
        naive += passes(rng.permutation(answers.ravel()), Question(n=200, bar=BAR, alpha=ALPHA))
        averaged += passes(answers.mean(axis=1), Question(n=40, bar=BAR, alpha=ALPHA, method="betting", epochs=5))
    yield row("epochs", "each epoch counted as a case", BAR, naive, trials, bound=None, page=0.20)
    yield row("epochs", "averaged within the case", BAR, averaged, trials, bound=ALPHA, page=None)


def clustered(trials: int) -> Iterator[dict[str, Any]]:
    """Part 3: beta-binomial clusters with an intraclass correlation."""
    figures = {0.1: (0.082, 0.042, 0.66), 0.3: (0.129, 0.052, 0.46), 0.5: (0.174, 0.049, 0.37)}
    for icc, (naive, level, power) in figures.items():
        found = taken_for_independent(icc, trials)
        yield row("clusters", f"40 x 5, ICC {icc}, taken for independent", BAR, found, trials, bound=None, page=naive)
        found = korn_graubard(BAR, 40, icc, trials)
        yield row("clusters", f"40 x 5, ICC {icc}, clusters", BAR, found, trials, bound=0.055, page=level)
        found = korn_graubard(BAR + 0.05, 40, icc, trials)
        yield row("clusters", f"40 x 5, ICC {icc}, clusters", BAR + 0.05, found, trials, bound=None, page=power)
    for count, level in ((12, 0.074), (30, 0.061), (60, 0.045)):
        found = korn_graubard(BAR, count, 0.5, trials)
        yield row("clusters", f"{count} x 5, ICC 0.5, the bound alone", BAR, found, trials, bound=None, page=level)


def clusters_of(rng: np.random.Generator, p: float, count: int, icc: float) -> Values:
    """0/1 cases, five to a cluster."""
    rest = 1 / icc - 1
    rates = rng.beta(p * rest, (1 - p) * rest, count)
    return (rng.random((count, 5)) < rates[:, None]).astype(float).ravel()


def taken_for_independent(icc: float, trials: int) -> int:
    """Count the runs at the bar that pass the exact test, as if no two cases resembled each other."""
    rng, question = np.random.default_rng(SEED), Question(n=200, bar=BAR, alpha=ALPHA)
    return sum(passes(rng.permutation(clusters_of(rng, BAR, 40, icc)), question) for _ in range(trials))


def korn_graubard(p: float, count: int, icc: float, trials: int) -> int:
    """Count the runs that pass the rule for clusters."""
    rng = np.random.default_rng(SEED)
    # 12 perfect clusters could not prove .9: nothing would be run. Announcing more shows the bound's level.
    question = Question(n=5 * count, bar=BAR, alpha=ALPHA, method="clusters", clusters=max(count, 29))
    return sum(passes(clusters_of(rng, p, count, icc), question, size=5) for _ in range(trials))


def growing(trials: int) -> Iterator[dict[str, Any]]:
    """Part 4: 100 to 500 cases in steps of 100, tested after each step until it passes."""
    plans: dict[str, tuple[Callable[[int], float], float]] = {
        "tested anew, alpha each time": (lambda _: ALPHA, 0.094),
        "tested anew, alpha / 2^r": (lambda r: alpha_of_attempt(ALPHA, r, grows=True), 0.031),
    }
    for name, (share, page) in plans.items():
        found = sum(grown(run, share) for run in runs(BAR, trials))
        yield row("growing", name, BAR, found, trials, bound=ALPHA if "2^r" in name else None, page=page)
    planned = Question(n=500, bar=BAR, alpha=ALPHA)
    found = sum(as_it_grows(run, planned) for run in runs(BAR, trials))
    yield row("growing", "max_cases 500 declared up front", BAR, found, trials, bound=ALPHA, page=0.05)
    share = plans["tested anew, alpha / 2^r"][0]
    found = sum(grown(run, share) for run in runs(0.94, trials))
    yield row("growing", "tested anew, alpha / 2^r", 0.94, found, trials, bound=None, page=0.704)
    found = sum(as_it_grows(run, planned) for run in runs(0.94, trials))
    yield row("growing", "max_cases 500 declared up front", 0.94, found, trials, bound=None, page=0.947)


def runs(p: float, trials: int) -> Iterator[Values]:
    """Runs of 500 0/1 cases, the same for every way to test them."""
    rng = np.random.default_rng(SEED)
    return (coins(rng, p, 500) for _ in range(trials))


def grown(run: Values, share: Callable[[int], float]) -> bool:
    """Whether one of the tests of 100, 200, ... 500 cases passes."""
    return any(passes(run[: 100 * r], Question(n=100 * r, bar=BAR, alpha=share(r))) for r in range(1, 6))


def as_it_grows(run: Values, planned: Question) -> bool:
    """Whether one of the looks at 100, 200, ... cases of the one planned test passes."""
    outcomes = [Outcome(value=value) for value in run.tolist()]
    return any(judge(outcomes[:count], planned).verdict.proven for count in range(100, 501, 100))


def check(found: dict[str, Any]) -> None:
    """The claims a reader relies on; a miss ends the benchmark."""
    for one in found["rows"]:
        noise = 3 * math.sqrt(max(one["passes"] * (1 - one["passes"]), 0.01) / one["trials"])
        if one["bound"] is not None:
            assert one["passes"] <= one["bound"] + noise, one
    by_name = {(one["what"], one["p"]): one["passes"] for one in found["rows"]}
    assert by_name["each epoch counted as a case", BAR] > 2 * by_name["averaged within the case", BAR]
    for icc in (0.1, 0.3, 0.5):
        naive, whole = (by_name[f"40 x 5, ICC {icc}, {how}", BAR] for how in ("taken for independent", "clusters"))
        assert naive > whole, (icc, naive, whole)
    by_attempt, at_once = (
        by_name[how, 0.94] for how in ("tested anew, alpha / 2^r", "max_cases 500 declared up front")
    )
    assert at_once > by_attempt


def print_table(found: dict[str, Any]) -> None:
    """Print one line a row; in brackets what another program computed."""
    print(f"Share of {found['trials']} runs that pass, bar {BAR}, alpha {ALPHA} [another program's figure]")
    for one in found["rows"]:
        page = "" if one["page"] is None else f"[{one['page']:.3f}]"
        bound = "" if one["bound"] is None else f"bound {one['bound']:.3f}"
        print(f"{one['part']:9}{one['what']:44} p {one['p']:.2f} {one['passes']:7.4f} {page:8} {bound}")
    print(f"\n{found['seconds']:.1f} s")


def main() -> int:
    """Run all parts; `--quick` simulates fewer runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer simulated runs: under a minute")
    options = parser.parse_args()
    started, trials = time.perf_counter(), 500 if options.quick else 5_000
    found: dict[str, Any] = {"benchmark": "edge_cases", "quick": options.quick, "trials": trials, "seed": SEED}
    parts = (values, repeated, clustered, growing)
    found["rows"] = [one for part in parts for one in part(trials)]
    found["seconds"] = round(time.perf_counter() - started, 1)
    check(found)
    if options.json:
        print(json.dumps(found))
    else:
        print_table(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
