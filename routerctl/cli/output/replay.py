"""What `routerctl replay` does once its options are read: cells of a log or of outcomes -> estimates -> words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import typer

from routerctl.cli.output.terminal import folded, print_table, say
from routerctl.errors import InputError, nearest
from routerctl.evaluation.evidence import Evidences
from routerctl.files.codec import json_default
from routerctl.monitoring.replay import Cell, ClassReplay, EstimateBasis, Replay, replay_log, replay_words
from routerctl.monitoring.replay.estimate import cost_evidence
from routerctl.monitoring.replay.same_policy import own_cells
from routerctl.routing.decision_log.places import log_place, moment_of
from routerctl.table import load_table
from routerctl.types import Table
from routerctl.words import percent, plain, usd

_THOUSAND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What the command line says."""

    table: Path
    log: str | None
    outcomes: tuple[str, ...]
    same: tuple[str, ...]  # --as
    since: str | None
    task_class: str | None
    tenant: str | None
    keep_classes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What is replayed: its cells, and what a reader has to know of them."""

    cells: tuple[Cell, ...]
    notes: tuple[str, ...]
    source: str  # where they are from
    intervals: str = "the 95% intervals"  # which ones are shown


def print_replay(options: ReplayOptions, *, as_json: bool) -> None:
    """Do what `routerctl replay` says: replay and print.

    Raises: InputError.
    """
    _check(options)
    table = load_table(options.table)
    choices = {name: route.chosen for name, route in table.routes.items()}
    evidence = Evidences(options.table.absolute().parent, table)
    replayed = _of_outcomes(options, table) if options.outcomes else _of_log(options, table)
    if not replayed.cells:
        raise InputError("no decision there can be replayed", file=replayed.source)
    found = replay_log(replayed.cells, choices, cost_evidence(table, evidence))
    if as_json:
        typer.echo(json.dumps(_json(found, replayed), default=json_default, ensure_ascii=False))
    else:
        _print(found, replayed)


def _check(options: ReplayOptions) -> None:
    if options.outcomes and (options.log or options.since or options.tenant):
        raise InputError("--outcomes replaces the log: leave out --log, --since and --tenant")
    if options.same and not options.outcomes:
        raise InputError("--as names a model of --outcomes")


def _of_log(options: ReplayOptions, table: Table) -> Replayed:
    from routerctl.monitoring.replay.redecide import cells_of
    from routerctl.monitoring.warehouse import Slice, open_decisions, shown_place

    where = log_place(options.log, options.tenant, Path.cwd())
    wanted = Slice(
        task_class=options.task_class,
        tenant=where.tenant,
        since=None if options.since is None else moment_of(options.since, datetime.now(UTC)),
    )
    folder = None if options.keep_classes else options.table.absolute().parent
    with open_decisions(where.place, wanted, texts=not options.keep_classes) as decisions:
        cells, notes = cells_of(decisions, table, folder, say)
    cells, others = own_cells(cells, table, Path.cwd())
    return Replayed(cells=cells, notes=(*notes, *others), source=shown_place(where.place))


def _of_outcomes(options: ReplayOptions, table: Table) -> Replayed:
    from routerctl.monitoring.replay.outcomes import cells_of_outcomes, constant_words, outcomes_of

    outcomes = outcomes_of(options.outcomes, options.same, table, Path.cwd(), say)
    if options.task_class is not None:
        known = {one.task_class for one in outcomes}
        if options.task_class not in known:
            raise InputError(
                f"no task class {options.task_class!r} in the outcomes{nearest(options.task_class, known)}"
            )
        outcomes = tuple(one for one in outcomes if one.task_class == options.task_class)
    notes = ("The class mix is that of the recorded cases.", *constant_words(outcomes))
    return Replayed(
        cells=cells_of_outcomes(outcomes, table),
        notes=notes,
        source=", ".join(options.outcomes),
        intervals="95% intervals (those of\na table hold whenever its test ends, so they are wider)",
    )


# --- what is printed --------------------------------------------------------------------------------------------------

_COLUMNS = ("class", "choice", "asked", "logged", "would cost", "quality", "cost is")


def _print(found: Replay, replayed: Replayed) -> None:
    print_table(_COLUMNS, [_row(one) for one in found.classes], right=_COLUMNS[2:6])
    typer.echo(f"logged, would cost: USD per 1,000 requests; in brackets {replayed.intervals}")
    for sentence in (*replay_words(found), *replayed.notes):
        typer.echo("\n".join(folded(sentence)))


def _row(one: ClassReplay) -> list[str]:
    cost, score = one.cost_usd, one.score
    return [
        one.task_class,
        one.candidate or "no route",
        f"{one.requests:,}",
        _per_1000(one.logged_usd),
        f"{_per_1000(cost.value)} ({_per_1000(cost.low)[1:]}\u2013{_per_1000(cost.high)[1:]})" if cost else "unknown",
        f"{percent(score.value)} ({100 * score.low:.0f}\u2013{100 * score.high:.0f}%)" if score else "unknown",
        _kind(one.cost_basis),
    ]


def _per_1000(amount: float) -> str:
    return usd(Decimal(repr(amount)) * _THOUSAND)


def _kind(basis: EstimateBasis) -> str:
    """Say in a word what the most part of a class's cost rests on."""
    words = {"measured": basis.matched, "weighted": basis.weighted, "carried": basis.carried}
    words |= {"modelled": basis.modelled, "unknown": basis.unknown}
    return max(words, key=lambda word: words[word])


def _json(found: Replay, replayed: Replayed) -> Mapping[str, object]:
    words: Sequence[str] = [plain(sentence) for sentence in (*replay_words(found), *replayed.notes)]
    return {"source": replayed.source, **asdict(found), "words": words}
