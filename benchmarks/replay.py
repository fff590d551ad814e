"""Measures whether a replay's intervals hold what a changed table is then measured to cost, and its true quality.

    python benchmarks/replay.py [--quick] [--json]

A seeded world of four classes whose costs are heavy-tailed (a lognormal length that all candidates share, times a
lognormal number of reply tokens of their own):

    extract     the changed table keeps the candidate: measured
    classify    its candidate had a chance of 5 % in an experiment all the time: inverse propensity
    summarise   its candidate had a chance of 30 % in the last third of the log: carried over to the rest
    plan        its candidate never served: modelled from an eval set of 200 shorter cases, off by a few per cent

One trial logs 20,000 requests under table A, replays them against table B, then serves 20,000 new requests by B and
measures. Reported is the share of trials in which the measured cost is within the interval, all together and class by
class, beside two peers: the plain average of what the candidate cost where it served with a normal interval, and list
price scaling (the eval set's cost per case times requests, without an interval). Nominal coverage is 95 %.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from routerctl.monitoring.replay import Cell, CostEvidence, Replay, replay_log

SEED, REQUESTS, NOMINAL = 7, 20_000, 0.95
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A candidate on one class, as it truly is."""

    usd: float  # per request of ordinary length
    tail: float  # standard deviation of its own lognormal factor
    quality: float


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One class: its share of the traffic, who serves under A (with chances by third of the log), who under B."""

    share: float
    length: float  # standard deviation of the lognormal length that all candidates share
    arms: dict[str, Arm]
    chances: tuple[dict[str, float], ...]  # of each third of the log
    b: str


SMALL, MIDDLE, LARGE = (
    Arm(usd=0.0004, tail=0.6, quality=0.85),
    Arm(usd=0.002, tail=0.7, quality=0.92),
    Arm(usd=0.01, tail=0.8, quality=0.95),
)
ARMS = {"small": SMALL, "middle": MIDDLE, "large": LARGE}
WORLDS = {
    "extract": World(share=0.4, length=0.9, arms=ARMS, chances=({"small": 1.0},) * 3, b="small"),
    "classify": World(share=0.3, length=0.7, arms=ARMS, chances=({"large": 0.95, "small": 0.05},) * 3, b="small"),
    "summarise": World(
        share=0.2,
        length=1.0,
        arms=ARMS,
        chances=({"large": 1.0}, {"large": 1.0}, {"large": 0.7, "middle": 0.3}),
        b="middle",
    ),
    "plan": World(share=0.1, length=1.1, arms=ARMS, chances=({"large": 1.0},) * 3, b="middle"),
}
SCORED = 0.1  # share of the requests whose quality is known
CASES, EVAL_LENGTH, MISFIT = 200, 0.7, 0.1  # eval sets: cases, length beside traffic's, log deviation of each candidate


def costs(world: World, name: str, lengths: Values, rng: np.random.Generator) -> Values:
    """What a candidate costs on requests of these lengths."""
    arm = world.arms[name]
    return np.asarray(arm.usd * lengths * rng.lognormal(0, arm.tail, len(lengths)))


def log(rng: np.random.Generator) -> list[Cell]:
    """Counts of a log made under table A."""
    cells = []
    for task_class, world in WORLDS.items():
        for third, chances in enumerate(world.chances):
            names = list(chances)
            lengths = rng.lognormal(0, world.length, rng.binomial(REQUESTS, world.share / 3))
            drawn = rng.choice(len(names), size=len(lengths), p=list(chances.values()))
            for place, name in enumerate(names):
                cost = costs(world, name, lengths[drawn == place], rng)
                scored = rng.random(len(cost)) < SCORED
                right = float((rng.random(int(scored.sum())) < world.arms[name].quality).sum())
                cells.append(
                    Cell(
                        task_class=task_class,
                        policy=f"{third}",
                        candidate=name,
                        propensity=chances[name],
                        requests=len(cost),
                        cost_usd=float(cost.sum()),
                        cost_usd_2=float((cost**2).sum()),
                        cost_usd_3=float((cost**3).sum()),
                        scored=int(scored.sum()),
                        score=right,
                        score_2=right,
                    )
                )
    return cells


def evidence(rng: np.random.Generator) -> dict[tuple[str, str], CostEvidence]:
    """Costs on eval sets: shorter cases, the same for all candidates, and a misfit of each candidate's own."""
    found = {}
    for task_class, world in WORLDS.items():
        lengths = EVAL_LENGTH * rng.lognormal(0, world.length, CASES)
        for name in world.arms:
            cost = costs(world, name, lengths, rng) * math.exp(rng.normal(0, MISFIT))
            found[task_class, name] = CostEvidence(
                cases=CASES, mean_usd=float(cost.mean()), deviation_usd=float(cost.std(ddof=1))
            )
    return found


def measured(rng: np.random.Generator) -> dict[str, float]:
    """What each class's requests cost a request when B serves as many new ones; "" is all of them together."""
    found, total = {}, 0.0
    for task_class, world in WORLDS.items():
        cost = costs(world, world.b, rng.lognormal(0, world.length, round(REQUESTS * world.share)), rng)
        found[task_class] = float(cost.mean())
        total += float(cost.sum())
    return {**found, "": total}


# --- trials -----------------------------------------------------------------------------------------------------------


def trial(rng: np.random.Generator) -> dict[str, Any]:
    """One log, one replay, one measurement."""
    cells, known, truth = log(rng), evidence(rng), measured(rng)
    replay = replay_log(cells, {name: world.b for name, world in WORLDS.items()}, known)
    assert replay.cost_usd is not None
    # The measurement has exactly REQUESTS requests in exactly these shares, the log nearly so: compare a request.
    value, low, high = (float(amount) / replay.requests for amount in replay.cost_usd)
    whole = truth.pop("") / REQUESTS
    row: dict[str, Any] = {
        "all": low <= whole <= high,
        "all_width": (high - low) / value,
        "all_error": value / whole - 1,
        "list_error": listed(known) / whole - 1,
    }
    return row | classes(replay, truth) | naive(cells, truth)


def classes(replay: Replay, truth: dict[str, float]) -> dict[str, Any]:
    """Whether each class's intervals hold the measured cost and the true quality."""
    found: dict[str, Any] = {}
    for one in replay.classes:
        assert one.cost_usd is not None
        found[f"cost {one.task_class}"] = one.cost_usd.low <= truth[one.task_class] <= one.cost_usd.high
        found[f"width {one.task_class}"] = (one.cost_usd.high - one.cost_usd.low) / one.cost_usd.value
        quality = WORLDS[one.task_class].arms[WORLDS[one.task_class].b].quality
        found[f"quality {one.task_class}"] = one.score and one.score.low <= quality <= one.score.high
    bounds = replay.score_bounds
    overall = sum(world.share * world.arms[world.b].quality for world in WORLDS.values())
    return found | {"bounds": bounds[0] <= overall <= bounds[1]}


def naive(cells: list[Cell], truth: dict[str, float]) -> dict[str, bool]:
    """The peer: the average where the candidate served, and 1.96 standard errors of that average."""
    found = {}
    for task_class, world in WORLDS.items():
        own = [cell for cell in cells if cell.task_class == task_class and cell.candidate == world.b]
        n = sum(cell.requests for cell in own)
        if n:
            mean = sum(cell.cost_usd for cell in own) / n
            error = math.sqrt((sum(cell.cost_usd_2 for cell in own) / n - mean**2) / n)
            found[f"naive {task_class}"] = abs(truth[task_class] - mean) <= 1.959963984540054 * error
    return found


def listed(known: dict[tuple[str, str], CostEvidence]) -> float:
    """The other peer: the eval sets' cost per case, taken for traffic's."""
    return sum(world.share * known[name, world.b].mean_usd for name, world in WORLDS.items())


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares of trials, means of widths and of absolute errors."""
    found: dict[str, Any] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name.endswith("error"):
            found[name] = float(np.mean(np.abs(values)))
        else:
            found[name] = None if None in values else float(np.mean(values))
    return found


# --- the claims, and printing -----------------------------------------------------------------------------------------


def check(found: dict[str, Any]) -> None:
    """The claims a reader relies on; a miss ends the benchmark."""
    rows, off = found["coverage"], 3 * math.sqrt(NOMINAL * (1 - NOMINAL) / found["trials"])
    assert found["first_hundred"] >= 90, found["first_hundred"]
    assert rows["all"] >= 0.9, rows
    for name in WORLDS:
        assert rows[f"cost {name}"] >= 0.9 - off, (name, rows)
    assert rows["quality plan"] is None, rows  # nobody could know
    assert all(rows[f"quality {name}"] >= NOMINAL - off for name in WORLDS if name != "plan"), rows


def print_tables(found: dict[str, Any]) -> None:
    """Print every part."""
    rows = found["coverage"]
    print(
        f"{found['trials']} trials of {REQUESTS:,} requests: share within the 95 % interval (of the first 100: ", end=""
    )
    print(f"{found['first_hundred']})")
    print(
        f"  all classes together {rows['all']:.3f}; interval {rows['all_width']:.1%} wide, mean error "
        f"{rows['all_error']:.1%}; list-price scaling is off by {rows['list_error']:.1%}"
    )
    print(f"  {'class':12}{'cost':>8}{'width':>8}{'naive':>8}{'quality':>9}")
    for name in WORLDS:
        quality = rows[f"quality {name}"]
        plain = rows.get(f"naive {name}")
        print(
            f"  {name:12}{rows[f'cost {name}']:8.3f}{rows[f'width {name}']:8.1%}"
            + (f"{plain:8.3f}" if plain is not None else f"{'none':>8}")
            + (f"{quality:9.3f}" if quality is not None else f"{'unknown':>9}")
        )
    print(f"  bounds of the quality of all requests hold it: {rows['bounds']:.3f}")
    print(f"\n{found['seconds']:.1f} s")


def main() -> int:
    """Run the trials; `--quick` runs fewer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="100 trials: under a minute")
    options = parser.parse_args()
    started, trials = time.perf_counter(), 100 if options.quick else 2000
    rows = [trial(np.random.default_rng([SEED, number])) for number in range(trials)]
    found: dict[str, Any] = {"benchmark": "replay", "quick": options.quick, "trials": trials}
    found["first_hundred"] = sum(row["all"] for row in rows[:100])
    found["coverage"] = summary(rows)
    found["seconds"] = round(time.perf_counter() - started, 1)
    if options.json:
        print(json.dumps(found))
    else:
        print_tables(found)
    check(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
