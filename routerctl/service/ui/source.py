"""Where the pages get their data: functions that the service passes in, and the usual ones of a project.

Each may block; the pages call them in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from routerctl.routing.budgets import Books
from routerctl.routing.health import Health, PlaceStatus
from routerctl.routing.health.probes import Probable, places_of
from routerctl.routing.tenants import DECISIONS_FILE, folder_of
from routerctl.types import Budget, Table, Tenant

LogFiles = Mapping[str | None, Path]  # by the tenant that has a log to itself; None: everybody else's
OpenBooks = Sequence[tuple[Budget, Books]]


def _no_tiers() -> dict[str, Table]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPlace:
    """A place of the table with what is known of its health."""

    place: Probable
    status: PlaceStatus
    tenant: str | None = None  # whose calls it was seen by; None: everybody's without an entry


@dataclass(frozen=True, slots=True, kw_only=True)
class UiSource:
    """What the pages show."""

    table: Callable[[], Table]  # the project's own
    logs: Callable[[], LogFiles]  # a file need not exist
    places: Callable[[], Sequence[ShownPlace]]
    books: Callable[[], OpenBooks]  # may raise StateDown
    now: Callable[[], datetime]  # with its offset
    tiers: Callable[[], Mapping[str, Table]] = _no_tiers  # their tables, by tier


def log_files(table: Table, root: Path) -> dict[str | None, Path]:
    """Name the logs of a project: its own, and one for each tenant that the table names."""
    tenants: list[Tenant | None] = [None, *table.routing.tenants.values()]
    return {one.name if one else None: folder_of(root, one) / DECISIONS_FILE for one in tenants}


def shown_places(table: Table, health: Health, tenant: str | None = None) -> list[ShownPlace]:
    """Give the places of a table as a tenant's calls saw them."""
    return [ShownPlace(place=one, status=health.shown(one.key), tenant=tenant) for one in places_of(table)]
