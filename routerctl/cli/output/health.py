"""What `routerctl health` does: the places of the table, probed, as a table or JSON."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from routerctl.cli.output.terminal import print_table, say
from routerctl.costs import pricer_for
from routerctl.errors import InputError, KeyMissing, ProviderError
from routerctl.providers.base import Outside
from routerctl.providers.wire import Wire
from routerctl.routing.health import Health, PlaceStatus
from routerctl.routing.health.probes import Finding, Probable, places_of, probe
from routerctl.routing.health.wording import breaker_words
from routerctl.routing.state import StateStore
from routerctl.routing.tenants import known_tenant, state_of, table_of, with_own_key
from routerctl.table import load_table
from routerctl.types import Json, Table
from routerctl.words import clean, seconds

_COLUMNS = ["candidate", "place", "breaker", "p50 / p95", "probe"]


def check_health(path: Path, *, tenant: str | None, every_s: float | None, generate: bool, as_json: bool) -> int:
    """Do what `routerctl health` says, again every `every_s` seconds: probe all places, print, give the exit code.

    `tenant`: as it is served; None: as whoever routerctl.yaml does not name.
    Raises: InputError.
    """
    project, root = load_table(path), path.absolute().parent
    named = known_tenant(project, tenant)
    table = table_of(project, root, named)
    specs = [with_own_key(spec, named) for spec in table.providers.values()]
    table = replace(table, providers={spec.name: spec for spec in specs})
    places = places_of(table)
    if not places:
        raise InputError("no route has a candidate that can be called", file=str(path))
    state = state_of(project, root, named)
    try:
        return asyncio.run(_rounds(table, state, places, every_s, generate=generate, as_json=as_json))
    finally:
        state.close()


async def _rounds(
    table: Table,
    state: StateStore,
    places: Sequence[Probable],
    every_s: float | None,
    *,
    generate: bool,
    as_json: bool,
) -> int:
    health = Health(state, clock=time.time, rng=random.Random())  # noqa: S311 - jitter
    try:
        async with Wire(table.providers.values(), Outside(env=os.environ), pricer_for(table)) as wire:
            while True:
                findings = await asyncio.gather(*(_probed(wire, health, place, generate) for place in places))
                health.sync()
                rows = [_row(finding, health.shown(finding.place.key), time.time()) for finding in findings]
                _show(rows, as_json=as_json)
                if every_s is None:
                    return _exit_code([one.problem for one, row in zip(findings, rows, strict=True) if row["down"]])
                await asyncio.sleep(every_s)
    finally:
        health.close()


def _exit_code(problems: Sequence[ProviderError | None]) -> int:
    """Give the exit code for the places that are down, each with what its probe met; None: its breaker is open."""
    if not problems:
        return 0
    # Where nothing but keys is missing, no far side is down.
    return KeyMissing.exit_code if all(isinstance(one, KeyMissing) for one in problems) else ProviderError.exit_code


async def _probed(wire: Wire, health: Health, place: Probable, generate: bool) -> Finding:
    """Probe one place; what is wrong with one of them must not hide the others."""
    try:
        return await probe(wire, health, place, generate=generate)
    except InputError as error:
        return Finding(place=place, words=str(error), problem=ProviderError(str(error), provider=place.key.provider))


def _row(finding: Finding, shown: PlaceStatus, now: float) -> dict[str, Json]:
    place = finding.place
    return {
        "candidates": list(place.candidates),
        "provider": place.key.provider,
        "model": place.key.model,
        "region": place.region,
        "down": finding.problem is not None or shown.state == "open",
        "breaker": shown.state,
        "since": _moment(shown.since),
        "until": _moment(shown.until),
        "error": _error(shown),
        "latency": {"calls": shown.latency.calls, "p50_s": shown.latency.p50_s, "p95_s": shown.latency.p95_s},
        "probe": {
            "well": finding.problem is None,
            "words": finding.words,
            "error": type(finding.problem).__name__ if finding.problem else None,
            "took_s": finding.took_s,
            "warnings": list(finding.warnings),
        },
        "for_s": None if shown.since is None else max(0.0, now - shown.since),
    }


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _error(shown: PlaceStatus) -> dict[str, Json] | None:
    if shown.error is None:
        return None
    return {"name": shown.error, "words": shown.words, "at": _moment(shown.error_at)}


def _show(rows: Sequence[Mapping[str, Json]], *, as_json: bool) -> None:
    down = [row for row in rows if row["down"]]
    if as_json:
        sys.stdout.write(json.dumps({"well": not down, "places": rows}) + "\n")
    else:
        print_table(_COLUMNS, [_cells(row) for row in rows])
    sys.stdout.flush()
    for row in rows:
        for warning in row["probe"]["warnings"]:
            say(f"warning: {row['provider']}: {warning}")
    if down:
        names = ", ".join(f"{row['provider']}/{row['model']}" for row in down)
        say(f"routerctl: {len(down)} of {len(rows)} place{'s' if len(rows) > 1 else ''} down: {names}")


def _cells(row: Mapping[str, Json]) -> list[str]:
    latency = row["latency"]
    times = [_seconds(latency[name]) for name in ("p50_s", "p95_s")]
    region = f" ({row['region']})" if row["region"] else ""
    return [
        ", ".join(row["candidates"]),
        f"{row['provider']}/{row['model']}{region}",
        breaker_words(row["breaker"], row["for_s"], row["error"] and row["error"]["name"]),
        " / ".join(times),
        clean(row["probe"]["words"]),
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else seconds(value)
