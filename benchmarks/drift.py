"""Measures what a drift report promises: its rate of false alarms, and what it finds within how many weeks.

    python benchmarks/drift.py [--quick] [--json]

Five classes, each with a baseline of 200 cases (score, latency, cost, refusals, who answered) and a mix of 20,000
requests; a week is 4,000 requests a class at most and a shadow eval of 200 cases. Everything goes through
`routerctl.monitoring.drift.look`.

1. Undisturbed: for each of many baselines 100 weeks; the share of weeks with any alarm, and by quantity. Baselines: an
   eval run of its own; the very run that chose the candidates, for passing; a week of the log. Beside it what people
   do: each figure by a one-sample test at 5 % against the baseline's figure, taken as exact.
2. Disturbed: how often one look finds it, and how many weekly looks it takes.
3. The fall of a score by 10 points in one class of ten or alone, by cases of the shadow eval, paired and unpaired.
4. Rates at ten million requests, where trivial changes must not alarm.

Answers are coin tosses, latencies and costs lognormal: this measures the test, no model.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information

from routerctl.monitoring.drift import ALPHA, ClassBaseline, Drift, Spread, Tail, Window, limits, look
from routerctl.statistics.sequential import plan

SEED, CASES, WEEKS = 7, 200, 100
SHARES = (0.4, 0.25, 0.2, 0.1, 0.05)
PER_WEEK = 10_000
ACCURACY, NOISE, REFUSALS, UNANSWERED, DIVERTED = 0.93, 0.05, 0.005, 0.002, 0.02
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What has changed in the first class (the mix: in all); 1 and 0 are as the baseline was."""

    name: str = "undisturbed"
    fall: float = 0.0  # of the score
    fall_everywhere: float = 0.0
    latency: float = 1.0
    cost: float = 1.0
    refusals: float = REFUSALS
    unanswered: float = UNANSWERED
    diverted: float = DIVERTED
    mix: tuple[float, ...] = SHARES
    served: str = "pin"


DISTURBED = (
    World(name="score -10 points", fall=0.10),
    World(name="score -3 points everywhere", fall_everywhere=0.03),
    World(name="latency x 1.5", latency=1.5),
    World(name="latency x 2", latency=2.0),
    World(name="cost x 1.5", cost=1.5),
    World(name="cost x 2", cost=2.0),
    World(name="cost / 2", cost=0.5),
    World(name="refusals 0.5 % -> 3 %", refusals=0.03),
    World(name="unanswered 0.2 % -> 2 %", unanswered=0.02),
    World(name="served by another 2 % -> 8 %", diverted=0.08),
    World(name="mix 40 % -> 25 %", mix=(0.25, 0.40, 0.2, 0.1, 0.05)),
    World(name="another model id", served="other"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Baselines, and the chances of each of their cases, which a shadow eval asks again."""

    baselines: dict[str, ClassBaseline]
    chances: list[Values]
    before: list[NDArray[np.bool_]]


# --- baselines and weeks ----------------------------------------------------------------------------------------------


def made(kind: str, rng: np.random.Generator, classes: int = len(SHARES), cases: int = CASES) -> Made:
    """Baselines of a kind."""
    found, chances, before = {}, [], []
    (apart,) = rng.spawn(1)
    for place in range(classes):
        chance, passed = answered(cases, rng)
        while kind == "the run that chose" and passed.sum() < plan(cases, 0.9, ALPHA / 3).need:
            chance, passed = answered(cases, rng)
        n = cases if kind != "a week of the log" else int(PER_WEEK * SHARES[place])
        latency, cost = (spread(rng.lognormal(0, sigma, n)) for sigma in (0.6, 1.0))
        found[f"class {place}"] = ClassBaseline(
            candidate="small",
            pin="pin",
            cases=cases,
            passes=int(passed.sum()),
            flattered=kind == "the run that chose",
            replies=n,
            refused=int(rng.binomial(n, REFUSALS)),
            asked=n,
            unanswered=int(apart.binomial(n, UNANSWERED)),
            diverted=int(apart.binomial(n, DIVERTED)),
            latency=latency,
            cost=cost,
            requests=round(2 * PER_WEEK * SHARES[place]) if classes == len(SHARES) else 0,
        )
        chances.append(chance)
        before.append(passed)
    if classes == len(SHARES):
        counts = rng.multinomial(2 * PER_WEEK, SHARES).tolist()
        found = {name: replace(one, requests=count) for (name, one), count in zip(found.items(), counts, strict=True)}
    return Made(baselines=found, chances=chances, before=before)


def answered(cases: int, rng: np.random.Generator) -> tuple[Values, NDArray[np.bool_]]:
    """Chances of cases such that a rerun changes the share NOISE of them, and one run."""
    share = NOISE / (2 * ACCURACY * (1 - ACCURACY))
    size = share / (1 - share)
    chance = rng.beta(ACCURACY * size, (1 - ACCURACY) * size, cases)
    return chance, rng.random(cases) < chance


def spread(values: Values) -> Spread:
    """The quantiles of a baseline, by nearest rank."""
    ordered = np.sort(values)
    n = len(ordered)
    return Spread(n=n, p50=float(ordered[math.ceil(n / 2) - 1]), p95=float(ordered[math.ceil(0.95 * n - 1e-9) - 1]))


def week(baseline: Made, world: World, rng: np.random.Generator, *, paired: bool = True) -> dict[str, Window]:
    """One week of a world: requests by class, and a shadow eval of each."""
    counts = rng.multinomial(PER_WEEK, world.mix).tolist()
    (apart,) = rng.spawn(1)
    windows = {}
    for place, name in enumerate(baseline.baselines):
        here = world if place == 0 else World()
        n = counts[place] if place < len(counts) else 0
        one = baseline.baselines[name]
        fall = here.fall + world.fall_everywhere
        windows[name] = Window(
            requests=n,
            served={here.served: n} if n else {},
            replies=n,
            refused=int(rng.binomial(n, here.refusals)),
            unanswered=int(apart.binomial(n, here.unanswered)),
            diverted=int(apart.binomial(n, here.diverted)),
            latency=latencies(one, here.latency * rng.lognormal(0, 0.6, n)),
            cost=costs(one, here.cost * rng.lognormal(0, 1.0, n)),
            **evaluated(baseline, place, fall, rng, paired=paired),
        )
    return windows


def latencies(baseline: ClassBaseline, values: Values) -> Tail | None:
    """Counts beyond the limits, as a database makes them."""
    line = limits(baseline)
    if not len(values) or line.slow_p50_s is None or line.slow_p95_s is None:
        return None
    p50, p95 = np.quantile(values, (0.5, 0.95)).tolist()
    above = int((values > line.slow_p50_s).sum()), int((values > line.slow_p95_s).sum())
    return Tail(n=len(values), above_p50=above[0], above_p95=above[1], p50=p50, p95=p95)


def costs(baseline: ClassBaseline, values: Values) -> Tail | None:
    """Likewise."""
    line = limits(baseline)
    if not len(values) or line.dear_p50_usd is None or line.dear_p95_usd is None or line.cheap_p50_usd is None:
        return None
    p50, p95 = np.quantile(values, (0.5, 0.95)).tolist()
    above = int((values > line.dear_p50_usd).sum()), int((values > line.dear_p95_usd).sum())
    below = int((values < line.cheap_p50_usd).sum())
    return Tail(n=len(values), above_p50=above[0], above_p95=above[1], below_p50=below, p50=p50, p95=p95)


def evaluated(baseline: Made, place: int, fall: float, rng: np.random.Generator, *, paired: bool) -> dict[str, Any]:
    """A shadow eval of as many cases as the baseline has: the same ones, or others like them."""
    chance, before = baseline.chances[place], baseline.before[place]
    n = len(chance)
    if not paired:
        return {"cases": n, "passes": int(rng.binomial(n, ACCURACY - fall))}
    after = (rng.random(n) < chance) & (rng.random(n) >= fall / ACCURACY)
    return {"pairs": (int((before & ~after).sum()), int((after & ~before).sum()), n)}


# --- 1 and 2: weeks ---------------------------------------------------------------------------------------------------

KINDS = ("a run of its own", "the run that chose", "a week of the log")


def undisturbed(baselines: int, weeks: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Share of undisturbed weeks with an alarm, and the worst hundred of them."""
    for kind in KINDS:
        for paired in (True, False):
            alarms, naive, by, hundreds = 0, 0, Counter[str](), []
            for _ in range(baselines):
                made_here = made(kind, rng)
                found = [week(made_here, World(), rng, paired=paired) for _ in range(weeks)]
                drifts = [look(made_here.baselines, one) for one in found]
                hundreds.append(sum(bool(one.alarms) for one in drifts))
                by.update(alarm.quantity for one in drifts for alarm in one.alarms)
                naive += sum(one_sample(made_here, one) for one in found)
                alarms += hundreds[-1]
            yield {
                "baseline": kind,
                "paired": paired,
                "weeks": baselines * weeks,
                "alarm": alarms / (baselines * weeks),
                "baselines_with_any": sum(bool(one) for one in hundreds) / baselines,
                "quantities": dict(by),
                "one_sample": naive / (baselines * weeks),
            }


def one_sample(baseline: Made, windows: dict[str, Window]) -> bool:
    """The peer: any of the same figures beyond 1.645 standard errors of the window alone, at 5 % each."""
    for name, one in baseline.baselines.items():
        window = windows[name]
        share = min(max(one.passes / one.cases, 0.5 / one.cases), 1 - 0.5 / one.cases)
        seen = share - (window.pairs[0] - window.pairs[1]) / window.pairs[2] if window.pairs else None
        seen = window.passes / window.cases if seen is None else seen
        if seen < share - 1.645 * math.sqrt(share * (1 - share) / CASES):
            return True
        refused = max(one.refused / one.replies, 0.5 / one.replies)
        if window.refused / window.replies > refused + 1.645 * math.sqrt(refused * (1 - refused) / window.replies):
            return True
    return False


def disturbed(runs: int, most: int, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """How often the first look finds it, names it, and the weekly looks it takes, by baseline."""
    for world in DISTURBED:
        row: dict[str, Any] = {"world": world.name, "weeks": most}
        for kind in (KINDS[0], KINDS[2]):
            found = [searched(kind, world, most, rng) for _ in range(runs)]
            delays = [delay for delay, _ in found]
            row[kind] = {
                "first_look": delays.count(1) / runs,
                "median_weeks": float(np.median(delays)),
                "within": sum(one <= most for one in delays) / runs,
                "named": sum(named for _, named in found) / max(sum(one <= most for one in delays), 1),
            }
        yield row


def searched(kind: str, world: World, most: int, rng: np.random.Generator) -> tuple[int, bool]:
    """The weekly looks until an alarm, `most` + 1 where there is none, and whether it names what moved."""
    baseline = made(kind, rng)
    for number in range(1, most + 1):
        found = look(baseline.baselines, week(baseline, world, rng))
        if found.alarms:
            return number, right(world, found)
    return most + 1, False


def right(world: World, drift: Drift) -> bool:
    """Whether what moved is among what the report names."""
    first = world.name.split()[0]
    quantity = {"another": "served", "mix": "class mix"}.get(first, first)
    return any(quantity in alarm.quantity for alarm in drift.alarms)


# --- 3: the fall of a score -------------------------------------------------------------------------------------------


def falls(runs: int, sizes: Sequence[int], rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Power for 10 points, scores alone being looked at: one class alone and one of ten; false alarms beside it."""
    for classes in (1, 10):
        for cases in sizes:
            row: dict[str, Any] = {"classes": classes, "cases": cases}
            for kind in KINDS[:2]:
                for paired in (True, False):
                    for fall in (0.10, 0.0):
                        found = sum(
                            scores_alarm(kind, classes, cases, fall, paired=paired, rng=rng) for _ in range(runs)
                        )
                        row[f"{kind}|{'paired' if paired else 'unpaired'}|{fall}"] = found / runs
            yield row


def scores_alarm(kind: str, classes: int, cases: int, fall: float, *, paired: bool, rng: np.random.Generator) -> bool:
    """Whether one look at the scores alone alarms; the first class fell."""
    if kind == KINDS[1] and plan(cases, 0.9, ALPHA / 3).need > cases:
        return False  # no run of so few cases chooses anybody
    baseline = made(kind, rng, classes, cases)
    bare = {
        name: replace(one, latency=None, cost=None, replies=0, asked=0, requests=0)
        for name, one in baseline.baselines.items()
    }
    windows = {
        name: Window(**evaluated(baseline, place, fall if place == 0 else 0.0, rng, paired=paired))
        for place, name in enumerate(bare)
    }
    return bool(look(bare, windows).alarms)


# --- 4: ten million requests ------------------------------------------------------------------------------------------


def millions(rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Trivial and real changes between two windows of ten million requests; tails from the distribution itself."""
    n = 10_000_000
    rows = (
        ("latency + 10 %", 1.1, 1.0, 0.005, 0.93),
        ("cost + 10 %", 1.0, 1.1, 0.005, 0.93),
        ("refusals 0.5 % -> 0.6 %", 1.0, 1.0, 0.006, 0.93),
        ("score -1 point", 1.0, 1.0, 0.005, 0.92),
        ("latency + 40 %", 1.4, 1.0, 0.005, 0.93),
        ("cost + 40 %", 1.0, 1.4, 0.005, 0.93),
        ("refusals 0.5 % -> 1.5 %", 1.0, 1.0, 0.015, 0.93),
        ("score -4 points", 1.0, 1.0, 0.005, 0.89),
    )
    tail = math.exp(1.6448536269514722 * 0.6), math.exp(1.6448536269514722)
    base = ClassBaseline(
        candidate="small",
        pin="pin",
        cases=n,
        passes=int(0.93 * n),
        flattered=False,
        replies=n,
        refused=int(0.005 * n),
        latency=Spread(n=n, p50=1.0, p95=tail[0]),
        cost=Spread(n=n, p50=1.0, p95=tail[1]),
    )
    for name, latency, cost, refusals, score in rows:
        started = time.perf_counter()
        drift = look({"all": base}, {"all": large(base, n, (latency, cost, refusals, score), rng)})
        yield {
            "change": name,
            "alarms": [alarm.quantity for alarm in drift.alarms],
            "milliseconds": 1000 * (time.perf_counter() - started),
        }


def large(base: ClassBaseline, n: int, world: tuple[float, float, float, float], rng: np.random.Generator) -> Window:
    """A window of n requests, its counts drawn from their distributions."""
    latency, cost, refusals, score = world
    line = limits(base)

    def beyond(limit: float | None, times: float, sigma: float) -> float:
        return float(special.ndtr(-math.log((limit or 1.0) / times) / sigma))

    slow = [int(rng.binomial(n, beyond(limit, latency, 0.6))) for limit in (line.slow_p50_s, line.slow_p95_s)]
    dear = [int(rng.binomial(n, beyond(limit, cost, 1.0))) for limit in (line.dear_p50_usd, line.dear_p95_usd)]
    cheap = int(rng.binomial(n, 1 - beyond(line.cheap_p50_usd, cost, 1.0)))
    return Window(
        cases=n,
        passes=int(rng.binomial(n, score)),
        replies=n,
        refused=int(rng.binomial(n, refusals)),
        latency=Tail(n=n, above_p50=slow[0], above_p95=slow[1]),
        cost=Tail(n=n, above_p50=dear[0], above_p95=dear[1], below_p50=cheap),
    )


# --- the claims, and printing -----------------------------------------------------------------------------------------


def check(found: dict[str, Any]) -> None:
    """The claims a reader relies on; a miss ends the benchmark. Simulated shares may be off by 3 standard errors."""
    off = 3 * math.sqrt(0.16 / found["runs"])
    for row in found["undisturbed"]:
        assert row["alarm"] <= ALPHA, row
    by = {row["world"]: row for row in found["disturbed"]}
    for kind in (KINDS[0], KINDS[2]):
        assert by["another model id"][kind]["first_look"] == 1.0, by
        assert by["score -10 points"][kind]["first_look"] >= 0.8 - off, by
        assert all(row[kind]["named"] >= 0.9 - off for row in by.values() if row[kind]["within"] >= 0.5), by
    for row in found["falls"]:
        # Of 50 or 100 cases only the luckiest runs pass this bar: more luck than is allowed for is shown, not claimed.
        few = row["cases"] < 200
        quiet = [share for name, share in row.items() if str(name).endswith("|0.0") and not (few and KINDS[1] in name)]
        assert max(quiet) <= ALPHA + 3 * math.sqrt(ALPHA / found["runs"]), row
        if not few:
            assert row["a run of its own|paired|0.1"] >= 0.8 - off, row
    quiet, loud = found["millions"][:4], found["millions"][4:]
    assert not any(row["alarms"] for row in quiet), quiet
    assert all(row["alarms"] for row in loud), loud


def print_tables(found: dict[str, Any]) -> None:
    """Print every part."""
    print(f"Undisturbed weeks with any alarm; stated is at most {ALPHA:.0%} of looks")
    for row in found["undisturbed"]:
        pairs = "the same cases" if row["paired"] else "other cases"
        print(
            f"  {row['baseline']:20}{pairs:16}{row['weeks']:7,} weeks {row['alarm']:7.4f}; baselines with any "
            f"{row['baselines_with_any']:.2f}; one-sample tests {row['one_sample']:.3f} {row['quantities'] or ''}"
        )
    print("\nOne thing moved in one class of five: found by the first weekly look, within 4 looks (and rightly named)")
    print(f"  {'':28}{'baseline: 200 cases':>26}{'baseline: a week of the log':>30}")
    for row in found["disturbed"]:
        one, other = (row[kind] for kind in (KINDS[0], KINDS[2]))
        cells = [f"{cell['first_look']:.3f} {cell['within']:.3f} ({cell['named']:.3f})" for cell in (one, other)]
        print(f"  {row['world']:28}{cells[0]:>26}{cells[1]:>30}")
    print("\nA fall of 10 points found by one look at the scores (and false alarms)")
    print(f"  {'':16}{'own run, paired':>18}{'unpaired':>18}{'run that chose, paired':>24}{'unpaired':>18}")
    for row in found["falls"]:
        cells = []
        for kind in KINDS[:2]:
            names = [f"{kind}|{paired}" for paired in ("paired", "unpaired")]
            cells += [f"{row[f'{name}|0.1']:.3f} ({row[f'{name}|0.0']:.3f})" for name in names]
        head = f"{row['classes']} x {row['cases']} cases"
        print(f"  {head:16}{cells[0]:>18}{cells[1]:>18}{cells[2]:>24}{cells[3]:>18}")
    print("\nTen million requests on both sides")
    for row in found["millions"]:
        said = ", ".join(row["alarms"]) or "no alarm"
        print(f"  {row['change']:26} {said} ({row['milliseconds']:.1f} ms)")
    print(f"\n{found['seconds']:.1f} s")


def main() -> int:
    """Run all parts; `--quick` simulates fewer weeks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer weeks: under a minute")
    options = parser.parse_args()
    started, rng = time.perf_counter(), np.random.default_rng(SEED)
    baselines, weeks, runs = (4, 25, 25) if options.quick else (10, WEEKS, 150)
    found: dict[str, Any] = {"benchmark": "drift", "quick": options.quick, "runs": runs}
    found["undisturbed"] = list(undisturbed(baselines, weeks, rng))
    found["disturbed"] = list(disturbed(runs, 4, rng))
    found["falls"] = list(falls(runs, (100, 200) if options.quick else (50, 100, 200, 500), rng))
    found["millions"] = list(millions(rng))
    found["seconds"] = round(time.perf_counter() - started, 1)
    if options.json:
        print(json.dumps(found))
    else:
        print_tables(found)
    check(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
