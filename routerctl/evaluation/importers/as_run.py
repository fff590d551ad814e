"""Arranged cases and a ladder -> a `Run`, as if its calls had been made here: the same header, the same results.

The order of the cases is drawn anew from the seed and their ids: a file may be sorted by topic or difficulty, and the
rule must not see that. It knows neither project nor prices; the ladder is handed in.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any

from routerctl.costs import known_prices
from routerctl.errors import InputError
from routerctl.evaluation.importers.base import Reading, Record
from routerctl.evaluation.importers.cases import Arranged
from routerctl.evaluation.importers.prices import Costed
from routerctl.evaluation.run_files import RunWriter, new_run_id, utc_text
from routerctl.evaluation.selection import planned_order
from routerctl.files.codec import encode
from routerctl.scorers import IMPORTED
from routerctl.types import (
    Bar,
    Candidate,
    Case,
    ClassHeader,
    Measure,
    Mode,
    Price,
    PromptSpec,
    ProviderSpec,
    ReplySpec,
    Result,
    Run,
    RunHeader,
    ScorerSpec,
    Status,
    TopRung,
    WhenUnproven,
)
from routerctl.version import __version__

_EXPLANATION_CHARS = 500
_FILE = "imported "  # before each file's name in `software`, with its digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """Who the models are: the ladder that the run stands on."""

    ladder_name: str
    ladder: tuple[str, ...]  # candidate names, cheapest first
    rungs: tuple[str, ...]  # those with outcomes, where not all have some; else ()
    providers: Mapping[str, ProviderSpec]
    candidates: Mapping[str, Candidate]
    prices: Mapping[str, Price]  # by candidate
    names: Mapping[str, str]  # by model: its candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPolicy:
    """At what bar and risk the outcomes are to be judged."""

    bar: Bar
    pass_at: float
    measure: Measure
    mode: Mode
    risk: float
    margin: float
    seed: int
    top_rung: TopRung
    when_unproven: WhenUnproven
    today: str  # the candidate that serves now; "": not known


def make_run(
    classes: Sequence[Arranged],
    readings: Sequence[Reading],
    lineup: Lineup,
    policy: ImportPolicy,
    moment: datetime,
    *,
    costed: Costed,
) -> Run:
    """Make the run that these outcomes are."""
    readings = [reading for reading in readings if reading.records]
    files = tuple(_recorded_name(reading.file) for reading in readings)
    digests = {f"{_FILE}{name}": reading.digest for name, reading in zip(files, readings, strict=True)}
    header = RunHeader(
        run_id=new_run_id(moment),
        created_at=utc_text(moment),
        finished=True,
        seed=policy.seed,
        mode=policy.mode,
        risk=policy.risk,
        margin=policy.margin,
        full=True,
        ladder_name=lineup.ladder_name,
        ladder=lineup.ladder,
        providers=lineup.providers,
        candidates=lineup.candidates,
        prices=lineup.prices,
        classes={item.task_class: _class_header(item, policy) for item in classes},
        software={"routerctl": __version__, "python": platform.python_version(), **digests},
        rungs=lineup.rungs,
        top_rung=policy.top_rung,
        imported=files,
    )
    results = (result for item in classes for result in _results(item, costed, lineup, policy))
    return Run(header=header, results=tuple(results))


def write_run(run: Run, reports: Path) -> None:
    """Write the run's folder; only once every result is in it does the header say that the run is finished.

    Raises: InputError where the run exists.
    """
    with RunWriter(reports, replace(run.header, finished=False)) as writer:
        writer.extend(run.results)
        writer.write_header(run.header)


def supersedes(later: RunHeader, earlier: RunHeader) -> bool:
    """Tell whether a run imports the outcomes of an earlier one again, with other options, and so replaces it.

    Other scores of the same files, and the same ones on another ladder of the project, are kept beside the earlier.
    """
    scorers = [one.scorer for one in later.classes.values()]
    return (
        bool(earlier.imported)
        and later.finished
        and later.run_id > earlier.run_id
        and earlier.ladder_name in (later.ladder_name, IMPORTED)
        and _digests(earlier) <= _digests(later)
        and all(one.scorer in scorers for one in earlier.classes.values())
    )


def check_agree(runs: Mapping[str, Run]) -> None:
    """Refuse imported outcomes that stand on another ladder than the rest of the table.

    Raises: InputError naming two such runs and what to do; `build_table` does so for all that was run here.
    """
    headers = {run.header.run_id: run.header for run in runs.values()}
    if not any(header.imported for header in headers.values()):
        return
    newest = headers[max(headers)]
    for header in headers.values():
        for name in ("ladder", "providers", "candidates", "prices", "mode", "risk", "margin", "seed"):
            if not _agree(getattr(header, name), getattr(newest, name), name):
                classes = ", ".join(sorted(key for key, run in runs.items() if run.header.run_id == header.run_id)[:3])
                other = (header if header.imported else newest).run_id
                raise InputError(
                    f"runs {header.run_id} (the evidence of {classes}) and {newest.run_id} have different {name} and "
                    f"cannot be in one table; import all files in one command, {_reordered(header, newest)}name one "
                    f"run with --run, or remove one: `routerctl runs prune {other}`"
                )


def _agree(one: Any, other: Any, name: str) -> bool:
    """Tell whether two runs say the same; a price that only one of them knows is no contradiction."""
    if name == "prices":
        one, other = known_prices(one), known_prices(other)
        return all(one[key] == other[key] for key in one.keys() & other.keys())
    return bool(one == other)


def _reordered(one: RunHeader, other: RunHeader) -> str:
    """Offer, in an error, the order of models in which one run's files fit beside the other run."""
    for again, kept in ((one, other), (other, one)):
        strangers = {name for name, item in again.candidates.items() if item.provider == IMPORTED}
        if again.imported and again.ladder != kept.ladder and strangers.issuperset(kept.ladder):
            files = ", ".join(again.imported)
            return f"import {files} again with `--order {shlex.quote(','.join(kept.ladder))}`, "
    return ""


def _digests(header: RunHeader) -> set[str]:
    return {digest for name, digest in header.software.items() if name.startswith(_FILE)}


def _recorded_name(file: str) -> str:
    """The name as it was given, but not where on this machine it lay."""
    path = PurePath(file)
    return path.name if path.is_absolute() else path.as_posix()


def _class_header(item: Arranged, policy: ImportPolicy) -> ClassHeader:
    clustered = any(case.cluster is not None for case in item.cases)
    return ClassHeader(
        task_class=item.task_class,
        description=f"Imported from {', '.join(_recorded_name(file) for file in item.files)}.",
        digest=_digest(item, policy),
        bar=policy.bar,
        pass_at=policy.pass_at,
        n=len(item.cases),
        prompt=PromptSpec(),
        reply=ReplySpec(),
        scorer=ScorerSpec(name=IMPORTED, params={"format": " ".join(item.formats), "score": " ".join(item.scorers)}),
        measure=policy.measure,
        epochs=item.epochs,
        clusters=len({_cluster(case) for case in item.cases}) if clustered else 0,
        when_unproven=policy.when_unproven,
        today=policy.today,
    )


def _cluster(case: Case) -> tuple[str, str]:
    return ("alone", case.id) if case.cluster is None else ("cluster", case.cluster)


def _digest(item: Arranged, policy: ImportPolicy) -> str:
    """Digest what a verdict depends on: the cases, how their scores became passes, and the bar."""
    cases = sorted([case.id, case.input, case.expected, case.cluster] for case in item.cases)
    content = [encode(policy.bar), policy.pass_at, policy.measure, item.epochs, item.formats, item.scorers, cases]
    text = json.dumps(content, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _results(item: Arranged, costed: Costed, lineup: Lineup, policy: ImportPolicy) -> Iterator[Result]:
    cases = planned_order(item.cases, policy.seed)
    for model in sorted(item.models, key=lambda name: lineup.ladder.index(lineup.names[name])):
        for index, case in enumerate(cases):
            for epoch, record in enumerate(item.replies[model, case.id]):
                yield _result(
                    record,
                    costed,
                    task_class=item.task_class,
                    candidate=lineup.names[model],
                    case=case,
                    index=index,
                    epoch=epoch,
                    pass_at=policy.pass_at,
                )


def _result(
    record: Record,
    costed: Costed,
    *,
    task_class: str,
    candidate: str,
    case: Case,
    index: int,
    epoch: int,
    pass_at: float,
) -> Result:
    answered = record.status is not Status.FAILED
    return Result(
        task_class=task_class,
        candidate=candidate,
        case_id=case.id,
        index=index,
        input=case.input,
        expected=case.expected,
        status=record.status,
        passed=record.score is not None and record.score >= pass_at,
        score=record.score,
        extracted=record.extracted,
        explanation=record.explanation[:_EXPLANATION_CHARS],
        reply=record.reply,
        stop_reason=record.stop_reason if answered else None,
        served_model=record.served_model,
        calls=1,
        input_tokens=record.input_tokens,
        output_tokens=record.output_tokens,
        cost_usd=costed.cost_usd(record) or Decimal(0),
        latency_s=costed.latency_s(record) if answered else None,
        cached=record.cached,
        error=record.error,
        epoch=epoch,
        cluster=case.cluster,
        retries=record.retries,
    )
