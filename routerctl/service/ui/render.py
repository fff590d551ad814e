"""What was read -> the HTML of each page.

`routerctl.pages` escapes foreign text; a page's words are in its template. Nothing here blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from itertools import groupby

from jinja2 import Environment

from routerctl import pages, words
from routerctl.levels import chosen_evidence
from routerctl.routing import budgets
from routerctl.routing.decision_log import wording as told
from routerctl.routing.decision_log.spending import Spending
from routerctl.routing.health import PlaceStatus
from routerctl.routing.health.wording import breaker_words
from routerctl.service.ui.source import OpenBooks, ShownPlace
from routerctl.types import Budget, Json, Table

THOUSAND = 1000
SHOWN_TENANTS = 20  # those that spent most; the others share one row
SHOWN_PURSES = 100  # of one budget
_MOST_TEXT = 20_000  # characters of a prompt or a reply
_SIGNS = {"closed": "proven", "half_open": "not-proven", "open": "not-reached"}  # the symbol of a breaker's state


@dataclass(frozen=True, slots=True, kw_only=True)
class Purses:
    """The purses of one budget, the fullest first."""

    budget: Budget
    shown: OpenBooks
    more: int  # not shown


def render(template: str, **values: object) -> str:
    """Give a page."""
    return _environment().get_template(template).render(**values)


@cache
def style_sheet() -> bytes:
    """Give the style sheet: the one shared by all pages, then that of these."""
    return f"{pages.style()}\n{_own('ui.css')}".encode()


@cache
def icon() -> bytes:
    """Give the icon in the browser's tab."""
    return _own("icon.svg").encode()


def _own(name: str) -> str:
    return (files("routerctl.service.ui") / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    made = pages.environment("service/ui")
    made.filters |= {"grouped": words.grouped, "listed": lambda names: words.listed(names, 8)}
    made.globals |= {
        "SHOWN_TENANTS": SHOWN_TENANTS,
        "THOUSAND": THOUSAND,
        "attention": attention,
        "breaker": _breaker,
        "breaker_sign": lambda status: _SIGNS[status.state],
        "budgets": budgets,
        "chosen_evidence": chosen_evidence,
        "cut": cut,
        "decimal": Decimal,
        "moment_of": _moment_of,
        "spent": _spent,
        "told": told,
        "with_others": with_others,
    }
    return made


def attention(table: Table, places: Sequence[ShownPlace]) -> list[tuple[str, str]]:
    """List what needs attention, each under a name: classes below their bar, places with an open breaker."""
    found = [
        (one.task_class, f"no candidate reaches its bar of {words.bar_words(one.bar, one.target)}; {one.chosen} serves")
        for one in table.routes.values()
        if not one.passing
    ]
    shut = [one for one in places if one.status.state == "open"]
    return found + [
        (f"{one.place.key.provider}/{one.place.key.model}", f"its breaker is open{_after(one.status)}") for one in shut
    ]


def _after(status: PlaceStatus) -> str:
    return f" after {status.error}{f' ({status.words})' if status.words else ''}" if status.error else ""


def purses_of(books: OpenBooks) -> list[Purses]:
    """Group purses by budget."""
    found = []
    for budget, group in groupby(books, key=lambda one: one[0]):
        mine = sorted(group, key=lambda one: one[1].spent_usd + one[1].held_usd, reverse=True)
        found.append(Purses(budget=budget, shown=mine[:SHOWN_PURSES], more=max(0, len(mine) - SHOWN_PURSES)))
    return found


def cut(value: Json) -> tuple[str, int]:
    """Give the beginning of a text, and how many characters are left out."""
    text = words.as_text(value)
    return text[:_MOST_TEXT], max(0, len(text) - _MOST_TEXT)


def with_others(by_tenant: dict[str | None, tuple[Spending, ...]]) -> Iterator[tuple[str, tuple[Spending, ...]]]:
    """Give the tenants that spent most, then all others together."""
    items = list(by_tenant.items())
    for name, since in items[:SHOWN_TENANTS]:
        yield name or "(none)", since
    rest = [since for _, since in items[SHOWN_TENANTS:]]
    if rest:
        sums = tuple(sum(column, Spending()) for column in zip(*rest, strict=True))
        yield words.plural(len(rest), "other"), sums


def _spent(one: Spending) -> str:
    return words.usd_to(one.cost_usd, one.cost_usd + one.perhaps_usd)


def _breaker(status: PlaceStatus, now_s: float) -> str:
    for_s = None if status.since is None else max(0.0, now_s - status.since)
    return breaker_words(status.state, for_s, status.error)


def _moment_of(at_s: float | None) -> str:
    return pages.dash("nothing has happened") if at_s is None else f"{datetime.fromtimestamp(at_s, UTC):%m-%d %H:%M:%S}"
