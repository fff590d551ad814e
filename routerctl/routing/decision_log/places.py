"""What a command says of a log -> where it is: the project's, a tenant's, or wherever --log points."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from routerctl.errors import InputError
from routerctl.routing.decision_log.rows import stamp
from routerctl.routing.tenants import DECISIONS_FILE, TENANTS_FOLDER, folder_of, known_tenant, stranger
from routerctl.table import TABLE_FILE, load_table

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """Where a log is, and whose decisions of it are meant."""

    place: str
    tenant: str | None  # None = everybody's there


def log_place(where: str | None, tenant: str | None, root: Path) -> LogFile:
    """Find the log: a tenant of routerctl.yaml has a file of its own, in which nobody else's decisions are.

    Raises: InputError for a tenant that nobody knows.
    """
    if where is not None:
        return LogFile(place=where, tenant=tenant)
    if tenant is None:
        return LogFile(place=DECISIONS_FILE, tenant=None)
    known = known_tenant(load_table(root / TABLE_FILE), tenant)
    return LogFile(place=str((folder_of(root, known) / DECISIONS_FILE).relative_to(root)), tenant=tenant)


def moment_of(text: str, now: datetime) -> datetime:
    """Read `7d` or a moment.

    Raises: InputError.
    """
    return datetime.fromisoformat(since_moment(text, now))


def log_path(tenant: str | None = None) -> Path:
    """Give the log of the project in the current folder, or the one that a tenant has to itself.

    Raises: InputError for a tenant that neither the table nor a log of its own knows.
    """
    if tenant is None:
        return Path(DECISIONS_FILE)
    own = Path(TENANTS_FOLDER, Path(tenant).name, DECISIONS_FILE)
    if Path(tenant).name == tenant and own.is_file():
        return own
    problem = ""
    with suppress(InputError):  # without a table that can be read nothing speaks against the name
        problem = stranger(load_table(Path(TABLE_FILE), verify=False), tenant)
    if problem:
        raise InputError(problem)
    return Path(DECISIONS_FILE)


def since_moment(text: str, now: datetime) -> str:
    """Turn `2h` or a day or moment into one as the log writes it.

    Raises: InputError.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return stamp((now - timedelta(seconds=float(ago[1]) * _UNITS_S[ago[2]])).isoformat())
        return stamp(text.strip())
    except (ValueError, OverflowError):
        raise InputError(f"--since: expected 30m, 2h, 7d, 2w or a moment like 2026-11-01, got {text!r}") from None
