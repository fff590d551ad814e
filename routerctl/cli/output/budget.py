"""What `routerctl budget` prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import typer

from routerctl.cli.output.terminal import print_table, say
from routerctl.routing.budgets import (
    BOOKS,
    Books,
    beyond_words,
    books_of,
    left_usd,
    plain_value,
    user_value,
    whose_words,
)
from routerctl.routing.tenants import known_tenant, state_of
from routerctl.routing.user_salt import salt_of
from routerctl.table import load_table
from routerctl.types import Budget, Json, Table
from routerctl.words import clean, usd

Purse = tuple[Budget, Books]  # one purse of a budget


def print_budgets(path: Path, *, tenant: str | None, user: str | None, past: bool, as_json: bool) -> None:
    """Print every purse that something was paid from, and the budgets from which nothing was; of a `user`, its own.

    Raises: InputError; StateDown.
    """
    table = load_table(path)
    known_tenant(table, tenant)
    lines = list(_lines(table, path.absolute().parent, tenant, user, past=past, now=datetime.now(UTC)))
    if as_json:
        whole = json.dumps([_json(*line) for line in lines], ensure_ascii=False)
        typer.echo(whole.encode(errors="backslashreplace").decode())  # half a character is written as JSON writes it
    elif not table.routing.budgets:
        say("routes.yaml has no budgets; set them in routerctl.yaml under routing:")
    else:
        heads = ["budget", "whose", "spent", "held", "left", "cap", "resets (UTC)"]
        print_table(heads, [_cells(*line) for line in lines], right=["spent", "held", "left", "cap"], width=80)
        for words in dict.fromkeys(beyond_words(budget) for budget, _ in lines if budget.over == "cheap"):
            say(clean(words))


def _lines(
    table: Table, root: Path, tenant: str | None, user: str | None, *, past: bool, now: datetime
) -> Iterator[Purse]:
    budgets = [one for one in table.routing.budgets if tenant is None or _is_own(one, tenant)]
    store = state_of(table, root, None)
    try:
        documents = store.scan(BOOKS)
        names = _names_of(tenant, user, salt_of(store)) if user is not None else []
    finally:
        store.close()
    for one in budgets:
        for books in books_of(one, documents, now, past=past):
            is_own = tenant is None or one.per != "tenant" or books.value == tenant
            if is_own and (user is None or (one.per == "user" and books.value in names)):
                yield one, replace(books, value=names[-1]) if user is not None else books


def _names_of(tenant: str | None, user: str, salt: bytes) -> list[str]:
    """Name a user as books do: by the digest, and as an earlier version did."""
    return [plain_value(user_value(tenant, user, one) or "") for one in (salt, None)]


def _is_own(budget: Budget, tenant: str) -> bool:
    """Tell whether a budget says nothing of anybody else's spending."""
    return budget.tenant == (tenant,) or (budget.per == "tenant" and (not budget.tenant or tenant in budget.tenant))


def _cells(one: Budget, books: Books) -> list[str]:
    amounts = [usd(amount) for amount in (books.spent_usd, books.held_usd, left_usd(one, books), one.cap_usd)]
    return [one.name, whose_words(one, books), *amounts, f"{books.until:%Y-%m-%d %H:%M}"]


def _json(one: Budget, books: Books) -> dict[str, Json]:
    return {
        "budget": one.name,
        "per": one.per,
        "value": books.value if one.per else None,
        "period": one.period,
        "begins": books.begins.isoformat(),
        "until": books.until.isoformat(),
        "spent_usd": f"{books.spent_usd:f}",
        "held_usd": f"{books.held_usd:f}",
        "cap_usd": f"{one.cap_usd:f}",
        "over": one.over,
        "beyond_the_cap": list(one.cheap) if one.over == "cheap" else [],
    }
