"""The options that several commands have, each spelt and explained once; and how options look in a help page."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from routerctl.cli import completion
from routerctl.errors import nearest

LEVELS = ("proven", "provisional")  # that `--strict` may ask for; alone it asks for the first
_METAVARS: dict[Any, str] = {int: "N", float: "X", Path: "FILE"}


def _shown_plainly(params: list[Any]) -> list[Any]:
    """Let a help page show a flag by its name alone, and of other options what to put in the value's place."""
    for one in params:
        if isinstance(one, TyperOption) and one.metavar is None:
            last_word = (one.name or "").rpartition("_")[2].upper()
            one.metavar = "" if one.is_flag else _METAVARS.get(one.type_descriptor.annotation, last_word)
    return params


class Command(TyperCommand):
    """A command with a plain help page."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Give the parameters, `--help` among them."""
        return _shown_plainly(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands, likewise."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Give the parameters, `--help` among them."""
        return _shown_plainly(super().get_params(ctx))


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


def _level(text: str) -> str:
    if text not in LEVELS:
        raise typer.BadParameter(f"no level {text!r}{nearest(text, LEVELS)}")
    return text


_AGAIN = "; may be given several times"
_MOMENT = "from then on: 30m, 2h, 7d, 2w ago, or 2026-11-01T12:00 (UTC)."

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what it would do or take, without doing it.")]
TaskClass = Annotated[
    str | None,
    typer.Option("--class", metavar="CLASS", help="Only this task class.", autocompletion=completion.classes),
]
TaskClasses = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="CLASS", help=f"Only this task class{_AGAIN}.", autocompletion=completion.classes),
]
Candidate = Annotated[str | None, typer.Option(help="Only this candidate.", autocompletion=completion.candidates)]
Candidates = Annotated[
    list[str] | None,
    typer.Option(
        "--candidate",
        metavar="CANDIDATE",
        help=f"Only this candidate of the ladder{_AGAIN}.",
        autocompletion=completion.candidates,
    ),
]
Ladder = Annotated[
    str | None,
    typer.Option(help="A ladder of routerctl.yaml; its default if left out.", autocompletion=completion.ladders),
]
TableFile = Annotated[Path, typer.Option("--table", help="The routing table.", autocompletion=completion.tables)]
Tenant = Annotated[
    str | None,
    typer.Option(
        help="Only this tenant; its own log, table and keys where it has them.", autocompletion=completion.tenants
    ),
]
Since = Annotated[str | None, typer.Option(metavar="TIME", help=f"Only what came {_MOMENT}")]
Log = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE",
        help="A SQLite log, Parquet (file, folder, pattern) or an engine's URL; if left out, the project's log.",
    ),
]
Same = Annotated[
    list[str] | None,
    typer.Option("--as", metavar="MODEL=CANDIDATE", help=f"Which candidate a model of the file is{_AGAIN}."),
]
MaxCost = Annotated[Decimal | None, typer.Option(parser=dollars, metavar="USD", help="Never spend more than this.")]
Strict = Annotated[
    Literal["proven", "provisional"] | None,
    typer.Option(
        parser=_level,
        metavar="[=LEVEL]",
        help="Exit 3 if a class is not proven (with =provisional: neither proven nor provisional) or, after eval, if "
        "the choice would change; 5 if failed calls decided that; 7 if it is undecided or could not be compared.",
    ),
]
