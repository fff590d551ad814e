"""What a command says of a log -> where it is: the project's, a tenant's, or wherever --log points."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from routerctl.cli.output.log import since_moment
from routerctl.evaluation.worth import Volumes
from routerctl.routing.decision_log import DECISIONS_FILE, volumes
from routerctl.routing.tenants import folder_of, known_tenant
from routerctl.table import TABLE_FILE, load_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a log is, and whose decisions of it are meant."""

    place: str
    tenant: str | None  # None = everybody's there


def log_place(where: str | None, tenant: str | None, root: Path) -> Place:
    """Find the log: a tenant of routerctl.yaml has a file of its own, in which nobody else's decisions are.

    Raises: InputError for a tenant that nobody knows.
    """
    if where is not None:
        return Place(place=where, tenant=tenant)
    if tenant is None:
        return Place(place=DECISIONS_FILE, tenant=None)
    known = known_tenant(load_table(root / TABLE_FILE), tenant)
    return Place(place=str((folder_of(root, known) / DECISIONS_FILE).relative_to(root)), tenant=tenant)


def moment_of(text: str, now: datetime) -> datetime:
    """Read `7d` or a moment.

    Raises: InputError.
    """
    return datetime.fromisoformat(since_moment(text, now))


def asked_of(root: Path) -> Volumes:
    """Give how often each class of a project is asked in a month, as its own decision log counts it.

    Until midnight it is one moment that counts, so that building twice gives the same report.
    """
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return volumes(root / DECISIONS_FILE, now=midnight)
