"""Measures what `routerctl serve` costs and adds, beside the least that its stack can do and beside other gateways.

    python benchmarks/service.py [--quick] [--json] [--peers DIR] [--install-peers] [--soak MINUTES]

One upstream (`upstream/upstream.c`) answers after 20 ms: 500 bytes of JSON, or a stream of 50 pieces 2 ms apart. In
front of it stand, with one worker each: a bare pass-through on the same stack (`serving/passthrough.py`), our service
that is told the class and keeps no log, our service with ten rules, a trained classifier, a budget and the log, and
those peers that are installed below DIR (default: ~/.cache/routerctl-bench; `--install-peers` installs them): LiteLLM's
proxy and two gateways in Rust. Prompts have 500 characters and take turns.

- Answers per CPU second: `wrk` on 32 connections (LiteLLM: 4, and for longer, as it takes seconds for a stream there),
  in turns; the divisor is user and system time of the server's whole process tree. It hardly depends on what else the
  machine does, as answers per second would. `of bare` is the median over rounds of the ratio to the bare pass-through
  of the same round.
- Added milliseconds: a probe asks all at 50 requests a second in all, in turn (LiteLLM apart, more slowly, so that it
  does not disturb the others), and the median is of differences within a turn: JSON to its end, a stream to its first
  byte.
- MB: resident memory of the process tree after the load.

`--soak` puts only the full service under about half the load that it can take, half of it streams, and says whether its
memory is flat. Needs `wrk` and a C compiler. Asserted always: no request fails. In the full run also: the service that
is told the class gives at least 0.6 of the bare pass-through's answers per CPU second, the full one 0.3, and each 15
times LiteLLM's, in JSON and in streams. That the first adds at most 1 ms to the bare one is a goal beside its figure:
milliseconds are the machine's.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving import measures, targets
from serving.measures import Asked, Load, Timing
from serving.project import make_projects, prompts

DIRECT, BARE, TOLD, FOUND = "the upstream itself", "bare pass-through", targets.TOLD, targets.FOUND
LITELLM = "LiteLLM proxy"
KINDS = {"json": False, "stream": True}
LEAST_OF_BARE = {TOLD: 0.6, FOUND: 0.3}
LEAST_OF_LITELLM = 15.0
GOAL_MS = 1.0  # that being told the class may add to the bare pass-through
SLOW_RATE = {"json": 12.0, "stream": 3.0}  # requests a second of the probe that has LiteLLM in it
CACHE = Path.home() / ".cache/routerctl-bench"
FLAT = 0.02  # growth of memory over a soak, as a share of it, that still counts as flat
PROMPTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    rounds: int
    seconds: int
    slow_seconds: int  # of a peer that answers few requests a second
    turns: int
    slow_turns: int


FULL = Size(rounds=5, seconds=4, slow_seconds=12, turns=300, slow_turns=40)
QUICK = Size(rounds=2, seconds=1, slow_seconds=12, turns=40, slow_turns=20)


def main() -> int:
    """Measure, print, assert."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="short rounds; peers only with --peers: under a minute")
    parser.add_argument("--peers", type=Path, help=f"the folder of the peers' environments; default: {CACHE}")
    parser.add_argument("--install-peers", action="store_true", help="install the peers there (a gigabyte)")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="the full service under half its load, alone")
    options = parser.parse_args()
    if missing := [name for name in ("wrk", "cc") if not shutil.which(name)]:
        print(f"service: skipped, as there is no {' and no '.join(missing)} here (Debian: apt-get install wrk gcc)")
        return 0
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        found = soaked(Path(name), options.soak) if options.soak else measured(Path(name), options)
    found = {"benchmark": "service", "quick": options.quick, **found, "seconds": round(time.perf_counter() - began, 1)}
    show = soak_table if options.soak else table_of
    print(json.dumps(found) if options.json else show(found))
    assert not found["failed"], f"requests failed: {found['failed']}"
    if not options.quick and not options.soak:
        check(found["rows"])
    return 0


# --- measuring --------------------------------------------------------------------------------------------------------


def measured(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Start everything, measure it in turns, and give a row a target."""
    size = QUICK if options.quick else FULL
    asked_for = options.peers is not None or options.install_peers or not options.quick
    peers = targets.installed(options.peers or CACHE, install=options.install_peers) if asked_for else {}
    program, texts = targets.compiled("probe", folder), prompts(PROMPTS)
    with targets.upstream(folder) as direct:
        projects = make_projects(folder, direct.port)
        plans = {BARE: targets.passthrough(direct.port, folder), **targets.services(projects)}
        plans |= {name: targets.PEERS[name].plan(path, direct.port, folder) for name, path in peers.items()}
        with targets.all_running(plans, texts[0]) as started:
            everything = {DIRECT: direct, **started}
            loads = all_loads(everything, texts, folder, size)
            rss = {name: measures.rss_mb(asked.pid) for name, asked in everything.items()}
            added = all_added(program, everything, texts[0], size)
    rows = [row(name, loads, added, rss[name]) for name in everything]
    failed = {f"{name}, {kind}": sum(one.failed for one in loads[name, kind]) for name, kind in loads}
    missing = [] if options.quick else [name for name in targets.PEERS if name not in peers]
    return {"rows": rows, "failed": {key: count for key, count in failed.items() if count}, "missing": missing}


Loads = Mapping[tuple[str, str], Sequence[Load]]
Added = Mapping[tuple[str, str, str], float]  # target, kind, over whom -> median of the differences in milliseconds


def all_loads(everything: Mapping[str, Asked], texts: Sequence[str], folder: Path, size: Size) -> Loads:
    """Put every target under both loads, in turns that start with another target each round; a short one warms up."""
    loads: dict[tuple[str, str], list[Load]] = {}
    names = list(everything)
    for turn in range(-1, size.rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            for kind, stream in KINDS.items():
                usual = size.slow_seconds if is_slow(name) else size.seconds
                asked, seconds = everything[name], 1 if turn < 0 and not is_slow(name) else usual
                load = measures.put_under_load(asked, texts, folder, stream=stream, seconds=seconds)
                if turn >= 0:
                    loads.setdefault((name, kind), []).append(load)
    return loads


def all_added(program: Path, everything: Mapping[str, Asked], prompt: str, size: Size) -> Added:
    """Probe the quick targets together, and each slow one with the two that it is compared with."""
    added: dict[tuple[str, str, str], float] = {}
    quick = [name for name in everything if not is_slow(name)]
    groups = [quick, *([DIRECT, BARE, name] for name in everything if is_slow(name))]
    for names in groups:
        slow = names is not quick
        for kind, stream in KINDS.items():
            rate, turns = (SLOW_RATE[kind], size.slow_turns) if slow else (measures.RATE, size.turns)
            several = [everything[name] for name in names]
            timings = measures.probe(program, several, prompt, stream=stream, turns=turns, rate=rate)
            for over in (DIRECT, BARE):
                for name in names[2:] if slow else names:
                    added[name, kind, over] = difference(timings, names.index(name), names.index(over), stream=stream)
    return added


def difference(timings: Sequence[Timing], one: int, other: int, *, stream: bool) -> float:
    """Give the median of the differences within a turn, in milliseconds; turns with a failure are left out."""
    by = {
        (timing.server, timing.turn): timing.first_ms if stream else timing.total_ms
        for timing in timings
        if timing.status == 200
    }
    found = [by[one, turn] - by[other, turn] for server, turn in by if server == one and (other, turn) in by]
    assert len(found) * 10 >= 9 * len(timings) / len({timing.server for timing in timings}), "a probe failed"
    return statistics.median(found)


def row(name: str, loads: Loads, added: Added, rss_mb: float) -> dict[str, Any]:
    """Put together what was found of one target."""
    kinds: dict[str, Any] = {}
    for kind in KINDS:
        own = [one.per_cpu_s for one in loads[name, kind]]
        bare = [one.per_cpu_s for one in loads[BARE, kind]]
        kinds[kind] = {
            "per_cpu_s": statistics.median(own),
            "least": min(own),
            "most": max(own),
            "of_bare": statistics.median(a / b for a, b in zip(own, bare, strict=True)),
            "added_ms": added[name, kind, DIRECT],
            "over_bare_ms": added[name, kind, BARE],
        }
    return {"name": name, "rss_mb": round(rss_mb, 1), **kinds}


def is_slow(name: str) -> bool:
    """Tell whether a target is a peer that answers few requests a second."""
    return name in targets.PEERS and targets.PEERS[name].slow


def check(rows: Sequence[Mapping[str, Any]]) -> None:
    """See that what is promised holds."""
    by = {one["name"]: one for one in rows}
    for name, least in LEAST_OF_BARE.items():
        for kind in KINDS:
            got = by[name][kind]["of_bare"]
            assert got >= least, f"{name}, {kind}: {got:.2f} of the bare pass-through, {least} is promised"
            if LITELLM in by:
                times = by[name][kind]["per_cpu_s"] / by[LITELLM][kind]["per_cpu_s"]
                assert times >= LEAST_OF_LITELLM, f"{name}, {kind}: {times:.1f} times LiteLLM's"


def table_of(found: Mapping[str, Any]) -> str:
    """The rows as text."""
    heads = "".join(f"{kind + ' /CPU s':>15}{'of bare':>9}{'added ms':>10}{'over bare':>11}" for kind in KINDS)
    lines = [f"{'one worker, in front of one upstream':39}{heads}{'MB':>7}"]
    for one in found["rows"]:
        cells = "".join(
            f"{one[kind]['per_cpu_s']:15,.0f}{one[kind]['of_bare']:9.2f}{one[kind]['added_ms']:10.2f}"
            f"{one[kind]['over_bare_ms']:11.2f}"
            for kind in KINDS
        )
        lines.append(f"{one['name']:39}{cells}{one['rss_mb']:7.0f}")
    lines.append(f"\npromised of bare: {LEAST_OF_BARE[TOLD]} told the class, {LEAST_OF_BARE[FOUND]} with all else;")
    lines[-1] += f" {LEAST_OF_LITELLM:.0f} times LiteLLM's; the goal over bare is {GOAL_MS:.0f} ms"
    lines += [f"{name}: not installed (--install-peers)" for name in found["missing"]]
    return "\n".join([*lines, f"{found['seconds']} s"])


# --- the soak ---------------------------------------------------------------------------------------------------------


def soaked(folder: Path, minutes: float) -> dict[str, Any]:
    """Put the full service under half its load, half of it streams, and sample its memory."""
    texts = prompts(PROMPTS)
    with targets.upstream(folder) as direct:
        plans = {FOUND: targets.services(make_projects(folder, direct.port))[FOUND]}
        with targets.all_running(plans, texts[0]) as started:
            return soak(started[FOUND], texts, folder, 60 * minutes)


def soak(asked: Asked, texts: Sequence[str], folder: Path, seconds: float) -> dict[str, Any]:
    """Run both loads at once, each on as many connections as take a quarter of a core, and sample memory."""
    scripts, connections = {}, {}
    for kind, stream in KINDS.items():
        load = measures.put_under_load(asked, texts, folder, stream=stream, seconds=3)
        each_s = (targets.FIRST_MS + (targets.GAP_MS * (targets.PIECES + 1) if stream else 1)) / 1000
        connections[kind] = max(1, round(0.25 * load.per_cpu_s * each_s))
        scripts[kind] = measures.command_of(
            asked, texts, folder, stream=stream, seconds=round(seconds), connections=connections[kind]
        )
    used, began = measures.cpu_s(asked.pid), time.monotonic()
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in scripts.values()]
    samples: list[tuple[float, float]] = []
    while time.monotonic() - began < seconds:
        time.sleep(min(5.0, seconds / 60))
        samples.append((time.monotonic() - began, measures.rss_mb(asked.pid)))
    counts = [measures.counted(process.communicate()[0]) for process in running]
    took_s = time.monotonic() - began
    later = [one for one in samples if one[0] > seconds / 4]  # what is first filled once is no leak
    by_s, rss_mb = measures.slope(later), statistics.median(mb for _, mb in later)
    answers = sum(answers for answers, _ in counts)
    return {
        "minutes": seconds / 60, "answers": dict(zip(KINDS, (one for one, _ in counts), strict=True)),
        "connections": connections, "failed": sum(failed for _, failed in counts),
        "core": (measures.cpu_s(asked.pid) - used) / took_s, "first_mb": samples[0][1], "last_mb": samples[-1][1],
        "mb_per_hour": by_s * 3600, "bytes_per_answer": by_s * took_s * 2**20 / answers,
        "flat": by_s * (later[-1][0] - later[0][0]) < FLAT * rss_mb, "samples": samples,
    }  # fmt: skip


def soak_table(found: Mapping[str, Any]) -> str:
    """What came of a soak, as text."""
    answers = ", ".join(f"{count:,} {kind}" for kind, count in found["answers"].items())
    slope = f"{found['mb_per_hour']:+.1f} MB an hour, {found['bytes_per_answer']:+.0f} bytes an answer"
    lines = [
        f"{FOUND}, {found['minutes']:g} minutes at {found['core']:.0%} of a core: {answers}",
        f"resident memory {found['first_mb']:.1f} MB at first, {found['last_mb']:.1f} MB at the end",
        f"slope after the first quarter: {slope}: {'flat' if found['flat'] else 'growing'} (flat: below {FLAT:.0%})",
    ]
    return "\n".join([*lines, f"{found['seconds']} s"])


if __name__ == "__main__":
    sys.exit(main())
