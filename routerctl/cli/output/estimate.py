"""Estimates of a run -> the table of `--dry-run`, its JSON, and the line at the head of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import typer

from routerctl.cli.output.terminal import print_table, say
from routerctl.evaluation.run.estimate import Amount, Basis, Estimate, total
from routerctl.files.codec import encode, json_default
from routerctl.words import odds, plain, plural, usd

_FROM: Mapping[Basis, str] = {
    "class": "this class",
    "log": "the log",
    "candidate": "other classes",
    "others": "other candidates",
    "reply": "a guess",
}
_EVERY_CASE = "every case, max_tokens, every attempt"


def show_estimates(estimates: Sequence[Estimate], *, calls: str = _EVERY_CASE, as_json: bool) -> None:
    """Print estimates; `calls`: what the most of them is."""
    if as_json:
        typer.echo(json.dumps([encode(item, keep_defaults=True) for item in estimates], default=json_default))
        return
    print_estimates(estimates)
    for line in legend(estimates, calls):
        say(line)


def print_estimates(estimates: Sequence[Estimate]) -> None:
    """Print what a run is likely to take and takes at most, a row a class x candidate and the sum."""
    rows = [
        [one.task_class, one.candidate, _FROM[one.basis], odds(one.chance), *_cells(one.likely, one.at_most)]
        for one in estimates
    ]
    rows.append(["all", "", "", "", *_cells(*_totals(estimates))])
    columns = ["class", "candidate", "known from", "asked", "calls", "tokens", "dollars", "minutes"]
    print_table(columns, rows, right=columns[3:])


def legend(estimates: Sequence[Estimate], calls: str = _EVERY_CASE) -> list[str]:
    """Say what the figures of `print_estimates` are."""
    kept = plain(plural(sum(one.cached_calls for one in estimates), "call"))
    return [
        f"likely / at most ({calls}); asked: the chance that a candidate is, those before it coming first",
        f"likely figures are known from what was measured, where it was; {kept} in the cache: they cost nothing",
    ]


def head_line(estimates: Sequence[Estimate], limit_usd: Decimal | None) -> str:
    """Say in one line what a run is about to take."""
    likely, most = _totals(estimates)
    guessed = sum(one.basis == "reply" and one.likely.calls > 0 for one in estimates)
    basis = f"; {guessed} of {len(estimates)} rows are a guess, as nothing was measured" if guessed else ""
    most_usd = most.usd if limit_usd is None else min(most.usd, limit_usd)
    limit = " (--max-cost-usd)" if most_usd < most.usd else ""
    return (
        f"likely {usd(likely.usd)} for {_short(likely.calls)} calls, at most {usd(most_usd)}{limit} for "
        f"{_short(most.calls)}{basis}"
    )


def _totals(estimates: Sequence[Estimate]) -> tuple[Amount, Amount]:
    return total(one.likely for one in estimates), total(one.at_most for one in estimates)


def _cells(likely: Amount, most: Amount) -> list[str]:
    shown: Sequence[Callable[[Amount], str]] = (
        lambda one: _short(one.calls),
        lambda one: _short(one.input_tokens + one.output_tokens),
        lambda one: usd(one.usd),
        lambda one: "?" if one.seconds is None else f"{one.seconds / 60:.1f}",
    )
    return [f"{of(likely)} / {of(most)}" for of in shown]


def _short(number: float) -> str:
    """Write a count of calls or tokens with three digits: 14.7k, 1.25M."""
    for unit, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return f"{number:.3g}"
