"""What `routerctl import` does once its options are read: read, price, line up, arrange, write, print."""

from __future__ import annotations

import contextlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from routerctl.cli.output.imported_table import print_imported
from routerctl.cli.output.terminal import say
from routerctl.costs import is_known
from routerctl.errors import InputError, in_percent
from routerctl.evaluation.eval_sets import EVALS_FOLDER
from routerctl.evaluation.importers import read_outcomes
from routerctl.evaluation.importers.as_run import ImportPolicy, Lineup, make_run, supersedes, write_run
from routerctl.evaluation.importers.base import Columns, Reading
from routerctl.evaluation.importers.cases import Arranged, arrange, by_plain_names, of_models
from routerctl.evaluation.importers.ladder import known_model, line_up, project_here, told
from routerctl.evaluation.importers.prices import Costed, cost
from routerctl.evaluation.project import Project
from routerctl.evaluation.run.retests import attempt_words, of_imports, with_attempts
from routerctl.evaluation.run_files import REPORTS_FOLDER, read_header, run_folders
from routerctl.evaluation.unpinned import unpinned_results
from routerctl.scorers import IMPORTED
from routerctl.types import Bar, Mode, RelativeBar, Result, Run, RunHeader, Status
from routerctl.words import count, percent, plural, usd


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What the command line says."""

    files: tuple[Path, ...]
    format: str
    task_class: str | None
    columns: Columns
    bar: str  # a share, or within=SHARE:MODEL
    today: str | None  # a model
    pass_at: float | None
    mean_score: bool
    cost: tuple[str, ...]
    price: tuple[str, ...]
    latency: tuple[str, ...]
    order: str | None
    same: tuple[str, ...]  # --as
    ladder: str | None


def import_files(options: ImportOptions, *, as_json: bool) -> None:
    """Do what `routerctl import` says: write the run that the files hold and print a line a class and candidate.

    Raises: InputError, before anything is written.
    """
    root, moment = Path.cwd(), datetime.now(UTC)
    project = project_here(root)
    _check(options)
    readings = read_outcomes(options.files, options.format, options.columns)
    _say_what_was_read(readings)
    readings = _with_plain_names(readings, options.order)
    models = _models(readings, options.order)
    counted = of_models(readings, models) if options.order else readings
    costed = cost(
        counted,
        told(models, options.cost, options.price, options.latency, project, options.same, moment.date()),
        moment.date(),
    )
    classes = arrange(counted, options.task_class)
    lineup = line_up(
        models,
        costed,
        project,
        root,
        ladder=options.ladder,
        ordered=options.order is not None,
        same=options.same,
        on=moment.date(),
    )
    policy = _policy(options, project, root, classes, lineup)
    _check_reference(policy.bar, classes, lineup)
    run = make_run(classes, readings, lineup, policy, moment, costed=costed)
    before = list(_before(root, run.header))
    run = _with_attempts(run, before)
    write_run(run, root / REPORTS_FOLDER)
    _say_what_was_made(classes, costed, lineup, run, options)
    say(_books(counted, classes, run))
    _say_what_it_is(run, before)
    print_imported(run, *books_of(counted, classes), as_json=as_json)


def _mode(project: Project | None) -> Mode:
    return project.mode if project else "proven"


def _bar(text: str, mode: Mode, names: Mapping[str, str]) -> Bar:
    """Read `--bar`; `names`: each model's candidate.

    Raises: InputError with what was expected, or the nearest right name.
    """
    relative = re.fullmatch(r"\s*within\s*=([^:]*):(.+)", text)
    written = relative[1] if relative else text
    share, hint = _share(written), in_percent(written)
    if relative:
        if not 0 < share < 1:
            raise InputError(f"--bar: expected within=SHARE:MODEL with a share above 0 and below 1, got {text!r}{hint}")
        return RelativeBar(within=share, of=names[known_model(relative[2], names, "--bar")])
    if share == 1 and mode == "proven":
        raise InputError("--bar: expected a number below 1, got 1: no number of cases proves a model always right")
    if not 0 < share <= 1:
        most = "below 1" if mode == "proven" else "up to 1"
        raise InputError(f"--bar: expected a number above 0 and {most}, or within=SHARE:MODEL, got {text}{hint}")
    return share


def _check_reference(bar: Bar, classes: Sequence[Arranged], lineup: Lineup) -> None:
    """Refuse a bar against a model that has no outcome on some class: nothing could be compared there.

    Raises: InputError naming such a class.
    """
    if not isinstance(bar, RelativeBar):
        return
    for item in classes:
        if bar.of not in {lineup.names[model] for model in item.models}:
            raise InputError(
                f"--bar: {bar.of} has no outcome on the class {item.task_class}; leave the class out, or compare with "
                "another model"
            )


def _share(text: str) -> float:
    """Read a number; what is none is out of every range."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _check(options: ImportOptions) -> None:
    if options.pass_at is not None and not 0 < options.pass_at <= 1:
        hint = in_percent(options.pass_at)
        hint += " The scores of a file are from 0 to 1, too: divide those in percent by 100" if hint else ""
        raise InputError(f"--pass-at: expected a number above 0 and up to 1, got {options.pass_at:g}{hint}")
    if options.task_class and options.columns.task_class:
        raise InputError("--class and --class-column exclude each other")


def _with_plain_names(readings: tuple[Reading, ...], order: str | None) -> tuple[Reading, ...]:
    """Where --order names a model without the way in which it was asked, take all these ways together."""
    asked = {name.strip() for name in order.split(",")} if order else set()
    models = {record.model for reading in readings for record in reading.records}
    plain = {record.plain for reading in readings for record in reading.records} & (asked - models) - {""}
    if not plain:
        return readings
    names = ", ".join(sorted(plain))
    say(f"all the ways in which {names} was asked are taken together: prompt and settings are a part of the case")
    return by_plain_names(readings, plain)


def _models(readings: Sequence[Reading], order: str | None) -> tuple[str, ...]:
    """Name the models in the order in which the files do, or in the one asked for.

    Raises: InputError for a name that no file has.
    """
    found = tuple(dict.fromkeys(record.model for reading in readings for record in reading.records))
    if order is None:
        return found
    asked = tuple(known_model(name, found, "--order") for name in order.split(","))
    if len(set(asked)) < len(asked):
        raise InputError("--order: a model is named twice")
    left = [name for name in found if name not in asked]
    if left:
        say(f"left out, not in --order: {', '.join(left)}")
    return asked


def _policy(
    options: ImportOptions, project: Project | None, root: Path, classes: Sequence[Arranged], lineup: Lineup
) -> ImportPolicy:
    """Judge as the project does; where there is none, by its defaults."""
    names = {item.task_class for item in classes} | {path.stem for path in (root / EVALS_FOLDER).glob("*.yaml")}
    return ImportPolicy(
        bar=_bar(options.bar, _mode(project), lineup.names),
        pass_at=1.0 if options.pass_at is None else options.pass_at,
        measure="mean_score" if options.mean_score else "pass_rate",
        mode=_mode(project),
        risk=project.risk_per_class(len(names)) if project else 0.05,
        margin=project.margin if project else 0.03,
        seed=project.seed if project else 0,
        top_rung=project.top_rung if project else "report",
        when_unproven=project.when_unproven if project else "provisional",
        today=lineup.names[known_model(options.today, lineup.names, "--today")] if options.today else "",
    )


def _before(root: Path, header: RunHeader) -> Iterator[Path]:
    """Find the earlier imports of the same outcomes, newest first."""
    for folder in run_folders(root):
        with contextlib.suppress(InputError):  # a damaged run is no evidence
            if supersedes(header, read_header(folder)):
                yield folder


def _with_attempts(run: Run, before: Sequence[Path]) -> Run:
    """Count how often each candidate was tested on the same outcomes, at a higher bar; `before`: those imports."""
    header = run.header
    if header.mode == "point" or not before:
        return run
    classes = {name: with_attempts(one, of_imports(before, one, header)) for name, one in header.classes.items()}
    return replace(run, header=replace(header, classes=classes))


# --- on stderr --------------------------------------------------------------------------------------------------------


def _say_what_was_read(readings: Sequence[Reading]) -> None:
    for reading in readings:
        statuses = Counter(record.status for record in reading.records)
        say(f"{reading.file}: {reading.format}, {plural(len(reading.records), 'reply', 'replies')}")
        if statuses[Status.FAILED]:
            failed = plural(
                statuses[Status.FAILED], "row with an error is a failed call", "rows with errors are failed calls"
            )
            say(f"  {failed}: not passed, and not wrong either")
        if statuses[Status.UNSCORED]:
            say(
                f"  {plural(statuses[Status.UNSCORED], 'row', 'rows')} without a score: unscored, counted as not passed"
            )
        for note in reading.notes:
            say(f"  {note}")


def _say_what_was_made(
    classes: Sequence[Arranged], costed: Costed, lineup: Lineup, run: Run, options: ImportOptions
) -> None:
    for item in classes:
        for note in item.notes:
            say(note)
    if len(classes) == 1 and not (options.task_class or _names_tasks(classes[0])):
        say(f"nothing names the class, so everything is one class, {classes[0].task_class} (--class-column, --class)")
    between = sum(result.score is not None and 0 < result.score < 1 for result in run.results)
    if between and options.pass_at is None and not options.mean_score:
        say(f"{plural(between, 'score')} between 0 and 1 count as not passed; --pass-at or --mean-score changes that")
    for line in _cost_words(costed):
        say(line)
    if lineup.ladder_name == IMPORTED:
        otherwise = "" if options.order else " (--order changes it)"
        say(f"ladder, {_order_words(costed, options)}: {', '.join(lineup.ladder)}{otherwise}")
    by_class: dict[str, list[Result]] = defaultdict(list)
    for result in run.results:
        by_class[result.task_class].append(result)
    for name, results in by_class.items():
        for words in unpinned_results(run.header, results, name):
            say(f"warning: {name}: {words}")


def _names_tasks(item: Arranged) -> bool:
    return any(record.task for several in item.replies.values() for record in several)


def books_of(readings: Sequence[Reading], classes: Sequence[Arranged]) -> tuple[int, Counter[str]]:
    """Count the outcomes of all files, and why which of them are left out; the others are in the run."""
    left = Counter[str]()
    for why in (*(reading.left for reading in readings), *(item.left for item in classes)):
        left.update(why)
    return sum(reading.rows for reading in readings), left


def _books(readings: Sequence[Reading], classes: Sequence[Arranged], run: Run) -> str:
    """Say in one line what became of the files' outcomes, and what those that count used."""
    rows, left = books_of(readings, classes)
    results = run.results
    why = ", ".join(f"{count(number)} {reason}" for reason, number in left.items())
    told = [f"{count(len(results))} of {plural(rows, 'reply', 'replies')} count{f'; left out: {why}' if why else ''}"]
    tokens = [sum(getattr(one, f"{way}_tokens") for one in results) for way in ("input", "output")]
    if any(tokens):
        told.append(f"{count(tokens[0])} tokens in and {count(tokens[1])} out")
    if is_known(run.header.prices):
        told.append(f"{usd(sum((one.cost_usd for one in results), Decimal(0)))} in all")
    return "; ".join(told)


_MOST_SAID = 10  # lines about attempts


def _say_what_it_is(run: Run, before: Sequence[Path]) -> None:
    header = run.header
    rungs = header.rungs or header.ladder
    attempts = [words for of_class in header.classes.values() for words in attempt_words(of_class, rungs)]
    for words in attempts[:_MOST_SAID]:
        say(words)
    if len(attempts) > _MOST_SAID:
        say(f"and {len(attempts) - _MOST_SAID} more such lines, as the report has them")
    if before:
        say(f"the same outcomes as in run {before[0].name}, which no longer counts")
    say(f"run {header.run_id}: {REPORTS_FOLDER}/{header.run_id}; `routerctl build-table` makes the table")


def _cost_words(costed: Costed) -> Iterator[str]:
    """Say which costs of the files do not count, which are not known, and which flag gives them."""
    if costed.replaced:
        yield f"--cost or --price replaces the costs that the files have of {', '.join(costed.replaced)}"
    for model, share in costed.at_full_price.items():
        yield (
            f"{percent(share)} of the input tokens of {model} came from its vendor's prompt cache, and --price counts "
            "them at the full price: where they cost less, give --cost"
        )
    for model, lacking in costed.lacking.items():
        what = f"the {lacking.what} of {count(lacking.replies)} of {plural(lacking.of, 'reply', 'replies')} of {model}"
        said = f"{what} {'is' if lacking.what == 'cost' else 'are'} not in the file"
        if model not in costed.missing:
            yield f"{said}: counted at the mean of the others"
        elif lacking.replies < lacking.of:
            yield f"{said} (first {lacking.first}): too many for a mean of the others"
    for model in costed.missing:
        flag = f"--cost {model}=USD (a case)"
        if model in costed.tokens:
            flag += f" or --price {model}=INPUT,OUTPUT (USD per million tokens)"
        yield f"the cost of {model} is not known: {flag}"
    if costed.missing:
        yield (
            "warning: until every model's cost is known no cost is used, and the order of the ladder alone decides "
            "which is cheapest"
        )


def _order_words(costed: Costed, options: ImportOptions) -> str:
    if options.order:
        return "as --order says"
    if not costed.missing:
        return "cheapest first"
    known = ", those of known cost cheapest first" if len(costed.mean_usd) > 1 else ""
    return f"as the files name them{known}"
