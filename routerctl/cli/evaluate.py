"""`routerctl eval`: run the eval sets against the ladder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

import typer

from routerctl.cli import LEVELS
from routerctl.errors import InputError, nearest

_EPOCHS, _ALPHA = 3, 0.05  # of a comparison, where nothing else is said


def dollars(text: str) -> Decimal:
    """Read an amount of an option.

    Raises: typer.BadParameter.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"expected an amount like 2.50, got {text!r}") from None
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter(f"expected an amount from 0, got {text!r}")
    return amount


def _age(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    hours = {"m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0}.get(unit)
    if text == "0":
        return timedelta()
    if hours is None or not number.isdigit():
        raise typer.BadParameter(f"expected an age like 90m, 24h, 7d or 0, got {text!r}")
    return timedelta(hours=int(number) * hours)


def strict_level(text: str) -> str:
    """Read the level of `--strict`.

    Raises: typer.BadParameter with the nearest right name.
    """
    if text not in LEVELS:
        raise typer.BadParameter(f"no level {text!r}{nearest(text, LEVELS)}")
    return text


def _refuse(given: Mapping[str, object], why: str) -> None:
    """Refuse options that would be ignored.

    Raises: InputError.
    """
    for name, value in given.items():
        if value:
            raise InputError(f"{name} {why}")


def evaluate(
    ladder: Annotated[
        str | None, typer.Option(help="The ladder of routerctl.yaml to climb; its default if left out.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this task class; may be given several times.")] = None,
    candidates: Annotated[
        list[str] | None, typer.Option(help="Only this candidate of the ladder; may be given several times.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Run the whole grid, without early stopping.")] = False,
    compare_today: Annotated[
        bool,
        typer.Option(
            "--compare-today", help="Ask who serves today every case, too: money and risk are told against it."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what it may take, and call nobody.")] = False,
    max_cost_usd: Annotated[
        Decimal | None, typer.Option(parser=dollars, metavar="USD", help="Never spend more than this.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep replies in the cache.")] = False,
    max_age: Annotated[
        timedelta | None,
        typer.Option(
            parser=_age, metavar="AGE", help="Ask anew what was answered longer ago: 24h, 7d, 0 = everything."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|TABLE", help="Ask what serves in this run or routes.yaml again; exit 3 if it got worse."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, show_default=str(_EPOCHS), help="With --baseline: replies to each case of a class that looks worse."
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            min=0.0001,
            max=0.5,
            show_default=str(_ALPHA),
            help="With --baseline: chance of a false alarm over all classes.",
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the gate's verdicts as JUnit XML to this file.")] = None,
    strict: Annotated[
        Literal["proven", "provisional"] | None,
        typer.Option(
            parser=strict_level,
            metavar="[=LEVEL]",
            help="Exit 3 if a class is not proven (with =provisional: neither proven nor provisional) or the "
            "choice would change, 5 if failed calls decided that, 7 if it is undecided; "
            "with --baseline also 7 if a class could not be compared.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run the eval sets against the ladder, cheapest candidate first, and stop as soon as the evidence suffices.

    Replies are cached: running again, also after Ctrl-C, pays nothing twice.

    [bold]Examples[/bold]

        routerctl eval --dry-run

        routerctl eval --max-cost-usd 5

        routerctl eval --only extract --ladder claude --strict

        routerctl eval --baseline routes.yaml --max-age 24h --junit gate.xml
    """
    from routerctl.cli.output import run as evaluating
    from routerctl.evaluation.run.session import EvalOptions
    from routerctl.routing.decision_log.usage import logged_usage

    options = EvalOptions(
        ladder=ladder,
        only=tuple(only or ()),
        candidates=tuple(candidates or ()),
        full=full,
        compare_today=compare_today,
        max_cost_usd=max_cost_usd,
        use_cache=not no_cache,
        max_age=max_age,
        logged=logged_usage(Path.cwd()),
    )
    if baseline is None:
        _refuse({"--epochs": epochs, "--alpha": alpha}, "is for a comparison: give --baseline")
        if dry_run:
            evaluating.print_estimate(options, as_json=as_json)
        else:
            evaluating.run(options, strict=strict, junit=junit, as_json=as_json)
        return
    from routerctl.cli.output import comparison as comparing

    _refuse(
        {"--candidates": candidates, "--compare-today": compare_today or None},
        "has no part in a comparison: who serves in the baseline is asked again",
    )
    wanted_epochs = epochs or _EPOCHS
    if dry_run:
        comparing.print_estimate(options, baseline, epochs=wanted_epochs, as_json=as_json)
    else:
        comparing.compare(
            options, baseline, epochs=wanted_epochs, alpha=alpha or _ALPHA, junit=junit, strict=strict, as_json=as_json
        )
