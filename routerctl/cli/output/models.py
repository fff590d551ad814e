"""What `routerctl models` prints and pulls."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import typer

from routerctl.cli.output.terminal import is_live, print_table, say
from routerctl.evaluation.project import load_project
from routerctl.evaluation.run.header import pinned_candidate, prices_of
from routerctl.files.codec import encode, json_default
from routerctl.notices import warn
from routerctl.providers import weights
from routerctl.providers.retirements import list_of, missing_lists, retires_on
from routerctl.types import Candidate, Price, PriceTier, ProviderSpec
from routerctl.words import count, usd


def print_models(*, as_json: bool) -> None:
    """Print each candidate with its pin, price, lifecycle and the ladders it stands on."""
    project = load_project(Path.cwd())
    today = datetime.now(UTC).date()
    pinned = {name: pinned_candidate(project, name) for name in project.candidates}
    prices = prices_of(project, pinned, today)
    rows = []
    for name, candidate in pinned.items():
        provider = project.providers[candidate.provider]
        rows.append(
            {
                "candidate": name,
                "provider": provider.name,
                "model": candidate.model,
                "asked": _asked(candidate),
                "price": encode(prices[name]),
                "price_words": _price_words(prices[name]),
                "lifecycle": _lifecycle(candidate, provider, today),
                "ladders": [ladder for ladder, rungs in project.ladders.items() if name in rungs],
            }
        )
    for words in missing_lists(project.providers.values()):
        warn(words)
    if as_json:
        typer.echo(json.dumps(rows, default=json_default, ensure_ascii=False))
        return
    columns = ["candidate", "model (pin)", "asked", "per Mtok in / out", "lifecycle"]
    print_table(
        columns, [[row["candidate"], row["model"], row["asked"], row["price_words"], row["lifecycle"]] for row in rows]
    )


def _asked(candidate: Candidate) -> str:
    strategy = candidate.strategy
    words = {"single_shot": "", "self_consistency": f"vote of {strategy.samples}"}.get(strategy.name, strategy.name)
    return ", ".join(part for part in (words, candidate.effort) if part)


def _lifecycle(candidate: Candidate, provider: ProviderSpec, today: date) -> str:
    end = retires_on(candidate.model, provider)
    if end is None:
        return _at_hand(candidate, provider)
    return f"retired since {end.isoformat()}" if end <= today else f"retires {end.isoformat()}"


def _price_words(price: Price) -> str:
    if price.usd_per_hour is not None:
        return f"{usd(price.usd_per_hour)} an hour"
    tiers = [f"above {count(one.above_input_tokens)}: {_both_ways(one)}" for one in price.tiers]
    return "; ".join((_both_ways(price), *tiers))


def _both_ways(price: Price | PriceTier) -> str:
    return f"{usd(price.input_mtok_usd or Decimal(0))} / {usd(price.output_mtok_usd or Decimal(0))}"


def _at_hand(candidate: Candidate, provider: ProviderSpec) -> str:
    if provider.kind != "local":
        listed = list_of(provider)
        return f"no end known on {listed.as_of}" if listed else "nobody lists ends here"
    name, _ = weights.split_pin(candidate.model)
    if name not in {model.name for model in weights.catalog()}:
        return "your own file"
    return "pulled" if weights.find(candidate.model) else "not pulled yet"


def print_catalog() -> None:
    """Print the local models that can be pulled."""
    rows = [
        [model.name, f"{model.size_bytes / 1e6:,.0f} MB", model.licence, "yes" if weights.find(model.name) else "no"]
        for model in weights.catalog()
    ]
    print_table(["model", "size", "licence", "pulled"], rows, right=["size"])


def pull_one(name: str, source: str | None) -> None:
    """Do what `models pull` says: bring one model's weights, with a progress bar on a terminal."""
    path = weights.fetch(weights.local_model(name), source=source, progress=_progress(name), say=say)
    if is_live(sys.stderr):
        sys.stderr.write("\n")
    typer.echo(str(path))


def _progress(name: str) -> Callable[[int, int], None]:
    """Make a one-line progress bar: a library's would cost more start-up than the bar is worth."""
    if not is_live(sys.stderr):
        return lambda _done, _total: None
    shown = -1

    def show(done: int, total: int) -> None:
        nonlocal shown
        share = done * 1000 // max(total, 1)
        if share != shown:
            shown = share
            bar = "#" * (share // 40)
            sys.stderr.write(f"\r{name} [{bar:<25}] {done / 1e6:,.0f} of {total / 1e6:,.0f} MB")
            sys.stderr.flush()

    return show
