"""What `routerctl drift` does once its options are read: count, compare, print, say by the exit code what moved."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import typer

from routerctl.cli.output.terminal import folded, print_table
from routerctl.errors import GateError, InputError
from routerctl.evaluation.evidence import Evidences
from routerctl.monitoring.drift import Alarm, Drift, drift_words, look
from routerctl.monitoring.drift.baselines import Sides, sides_of
from routerctl.monitoring.drift.reruns import Reruns
from routerctl.monitoring.warehouse import ClassCounts, Slice, counted, open_decisions, shown_place
from routerctl.redaction import redacted
from routerctl.routing.decision_log.places import log_place, moment_of
from routerctl.routing.decision_log.rows import stamp
from routerctl.table import load_table
from routerctl.types import Table
from routerctl.words import count, percent, plain, plural, seconds, usd

_THOUSAND = 1000
_BEGIN = datetime.min.replace(tzinfo=UTC)
_TIMES = 4  # the earlier window is so many times as long, where nobody says how long


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftOptions:
    """What the command line says."""

    table: Path
    log: str | None
    since: str
    against: str | None
    tenant: str | None
    alpha: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """What one look found, and of what."""

    drift: Drift
    sides: Sides
    source: str
    earliest: datetime
    since: datetime
    before: int  # requests
    now: int
    left_out: int  # decisions


def look_for_drift(options: DriftOptions, *, as_json: bool, now: datetime | None = None) -> None:
    """Do what `routerctl drift` says: compare, print, and exit 3 where something moved.

    Raises: GateError naming what moved; InputError.
    """
    table = load_table(options.table)
    moment = now or datetime.now(UTC)
    report = _report(options, table, moment.replace(microsecond=moment.microsecond // 1000 * 1000))  # as the log has it
    if as_json:
        typer.echo(json.dumps(_json(report), ensure_ascii=False))
    else:
        print_table(_COLUMNS, list(_rows(report)), right=_COLUMNS[1:-1])
        typer.echo("p50, p95: seconds, and USD per 1,000 requests; !: moved")
        typer.echo("\n".join(_lines(report)))
    _summarize(report)
    moved = [_name(one) for one in report.drift.alarms]
    if moved:
        raise GateError(f"moved: {', '.join(moved)}")


def _report(options: DriftOptions, table: Table, now: datetime) -> _Report:
    since = moment_of(options.since, now)
    earliest = _earliest(options.against, since, now)
    where = log_place(options.log, options.tenant, Path.cwd())
    root = options.table.absolute().parent
    with open_decisions(where.place, Slice(tenant=where.tenant, since=earliest)) as decisions:
        before, current, left_out = counted(decisions, since)
    if not current:
        raise InputError(f"no decision since {stamp(since.isoformat())}", file=shown_place(where.place))
    evidences = Evidences(root, table)
    sides = sides_of(table, before, current, evidences, Reruns(root, table, since, evidences))
    found = look(sides.baselines, sides.windows, alpha=options.alpha)
    unasked = tuple(one for one in found.not_looked_at if one.partition(":")[0] in table.routes)
    return _Report(
        drift=replace(found, not_looked_at=unasked),
        sides=sides,
        source=shown_place(where.place),
        earliest=earliest,
        since=since,
        before=_requests(before),
        now=_requests(current),
        left_out=left_out,
    )


def _earliest(against: str | None, since: datetime, now: datetime) -> datetime:
    """Give the moment from which on the log is looked at."""
    long = _TIMES * max(now - since, timedelta()) if against is None else now - moment_of(against, now)
    return since - min(long, since - _BEGIN)


def _requests(counts: Mapping[str, ClassCounts]) -> int:
    return sum(one.requests for one in counts.values())


# --- in words ---------------------------------------------------------------------------------------------------------

_COLUMNS = ("class", "requests", "score", "refused", "p50", "p95", "cost p50", "cost p95", "against")


def _rows(report: _Report) -> Iterator[list[str]]:
    """A row a class: how it is now, with a mark where it moved."""
    sides = report.sides
    moved = {(one.task_class, one.quantity.removeprefix("lower ")) for one in report.drift.alarms}
    for name, window in sides.windows.items():
        if name in sides.named_beside:
            continue
        baseline = sides.baselines.get(name)
        shadow = report.sides.shadows.get(name)
        cells = {
            "score": percent(window.passes / window.cases) if shadow and window.cases else "",
            "refusals": percent(window.refused / window.replies) if window.replies else "",
            "latency p50": _seconds(window.latency.p50 if window.latency else None),
            "latency p95": _seconds(window.latency.p95 if window.latency else None),
            "cost p50": _usd(window.cost.p50 if window.cost else None),
            "cost p95": _usd(window.cost.p95 if window.cost else None),
        }
        marked = [f"{text}!" if (name, quantity) in moved else text for quantity, text in cells.items()]
        against = "eval set" if name in sides.of_evals else "earlier" if baseline and baseline.cost else ""
        asked = count(window.requests) + "!" * bool({(name, "unanswered"), (name, "served by another")} & moved)
        yield [f"{name}!" if (name, "served model") in moved else name, asked, *marked, against]


def _seconds(value: float | None) -> str:
    return "" if value is None else plain(seconds(value))


def _usd(value: float | None) -> str:
    return "" if value is None else usd(Decimal(repr(value)) * _THOUSAND)


def _lines(report: _Report) -> Iterator[str]:
    """Everything that is said, wrapped to 80 columns."""
    for sentence in (*drift_words(report.drift), *_notes(report)):
        yield from folded(sentence)


def _notes(report: _Report) -> Iterator[str]:
    sides = report.sides
    earlier = f"{plural(report.before, 'request')} from {_minute(report.earliest)} on" if report.before else "none"
    yield f"Looked at: {plural(report.now, 'request')} since {_minute(report.since)}; earlier ones: {earlier}."
    if sides.of_evals:
        yield (
            f"Too little earlier traffic of {', '.join(sides.of_evals)}: refusals, latency and cost are compared with "
            "the eval set's. Its prompts have other lengths, so only more than twice the latency or cost counts."
        )
    if sides.shadows:
        runs = ", ".join(f"{name} {run_id}" for name, run_id in sides.shadows.items())
        yield f"Scores are of new runs of the eval sets: {runs}."
    for name, number in sides.other_pins.items():
        yield f"{name}: {plural(number, 'request')} served under another pin than the table's, not counted."
    if report.left_out:
        yield f"{plural(report.left_out, 'decision')} left out: they name no class."


def _minute(moment: datetime) -> str:
    return f"{moment.replace(tzinfo=None).isoformat(' ', 'minutes')} UTC"


def _name(one: Alarm) -> str:
    where = f"{one.task_class} " if one.task_class else ""
    of = f" ({one.names[0]})" if one.quantity == "class mix" and one.names else ""
    return f"{where}{one.quantity}{of}"


def _json(report: _Report) -> Mapping[str, object]:
    return {
        "source": report.source,
        "since": stamp(report.since.isoformat()),
        "against_from": stamp(report.earliest.isoformat()),
        "requests": report.now,
        "earlier_requests": report.before,
        "left_out": report.left_out,
        "moved": [_name(one) for one in report.drift.alarms],
        **asdict(report.drift),
        "against_eval_sets": report.sides.of_evals,
        "shadow_runs": report.sides.shadows,
        "words": [plain(sentence) for sentence in (*drift_words(report.drift), *_notes(report))],
    }


def _summarize(report: _Report) -> None:
    """Under GitHub Actions, add to the page of the run; a fence is the one place where no text is Markdown."""
    place = os.environ.get("GITHUB_STEP_SUMMARY")
    if not place:
        return
    verdict = "moved" if report.drift.alarms else "nothing moved"
    text = "\n".join(_lines(report)).replace("`", "'")
    with Path(place).open("a", encoding="utf-8") as file:
        file.write(redacted(f"## routerctl drift: {verdict}\n\n```text\n{text}\n```\n"))
