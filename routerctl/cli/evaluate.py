"""`routerctl eval`: run the eval sets against the ladder."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer


def _dollars(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"expected an amount like 2.50, got {text!r}") from None
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter(f"expected an amount from 0, got {text!r}")
    return amount


def evaluate(
    ladder: Annotated[
        str | None, typer.Option(help="The ladder of routerctl.yaml to climb; its default if left out.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this task class; may be given several times.")] = None,
    candidates: Annotated[
        list[str] | None, typer.Option(help="Only this candidate of the ladder; may be given several times.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Run the whole grid, without early stopping.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what it may take, and call nobody.")] = False,
    max_cost_usd: Annotated[
        Decimal | None, typer.Option(parser=_dollars, metavar="USD", help="Never spend more than this.")
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep replies in the cache.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 3 if a class has no passing candidate, 7 if that is undecided.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run the eval sets against the ladder, cheapest candidate first, and stop as soon as the evidence suffices.

    Replies are cached: running again, also after Ctrl-C, pays nothing twice.

    [bold]Examples[/bold]

        routerctl eval --dry-run

        routerctl eval --max-cost-usd 5

        routerctl eval --only extract --ladder claude --strict
    """
    from routerctl.cli import evaluating
    from routerctl.run.session import EvalOptions

    options = EvalOptions(
        ladder=ladder,
        only=tuple(only or ()),
        candidates=tuple(candidates or ()),
        full=full,
        max_cost_usd=max_cost_usd,
        use_cache=not no_cache,
    )
    if dry_run:
        evaluating.print_estimate(options, as_json=as_json)
    else:
        evaluating.run(options, strict=strict, as_json=as_json)
