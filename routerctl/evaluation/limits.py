"""Checks what routerctl.yaml says of budgets, tiers and tenants.

Place: the files floor, called by `project`. What the books of a budget say is the arithmetic's (`budgets`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import PurePath
from zoneinfo import ZoneInfo, available_timezones

from routerctl.errors import nearest
from routerctl.files.codec import require
from routerctl.files.yaml import Document, PathParts
from routerctl.types import Budget, Candidate, ProviderSpec, Routing

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_STATE = re.compile(r"(\$[A-Za-z_][A-Za-z0-9_]*|rediss?://[^\s/@?#]+(/[0-9]*)?(#[^\s@]*)?)\Z")
_TAKEN = ("routes.yaml", "routerctl.yaml")  # `build-table --tier` writes the file
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")  # it names a folder


def check_limits(
    routing: Routing,
    ladders: Collection[str],
    candidates: Mapping[str, Candidate],
    providers: Mapping[str, ProviderSpec],
    document: Document,
) -> None:
    """Refuse a budget, tier or tenant that names nobody or could not be meant.

    Raises: InputError with file, line and what was expected.
    """
    for number, budget in enumerate(routing.budgets):
        path: PathParts = ("routing", "budgets", number)
        twice = any(other.name == budget.name for other in routing.budgets[:number])
        require(not twice, document, (*path, "name"), f"two budgets are named {budget.name!r}")
        _check_budget(budget, candidates, document, path)
    if routing.state is not None:
        # Not shown: it may hold a password, which would go into routes.yaml, too.
        require(
            bool(_STATE.match(routing.state)),
            document,
            ("routing", "state"),
            "expected redis://HOST:PORT/0#PROJECT without a password and without options after a question mark, or "
            "$VARIABLE for a variable that holds the address",
        )
    for name, tier in routing.tiers.items():
        path = ("routing", "tiers", name)
        plain = PurePath(tier.table).name == tier.table and tier.table.endswith(".yaml")
        plain = plain and tier.table not in _TAKEN
        require(plain, document, (*path, "table"), "expected a file name such as routes.gold.yaml, beside routes.yaml")
        known = tier.ladder is None or tier.ladder in ladders
        require(known, document, (*path, "ladder"), f"no ladder {tier.ladder!r}{nearest(str(tier.ladder), ladders)}")
    for name, tenant in routing.tenants.items():
        path = ("routing", "tenants", name)
        require(bool(_TENANT.match(name)), document, path, "a tenant's name is 1 to 64 letters, digits and . _ -")
        known = tenant.tier is None or tenant.tier in routing.tiers
        require(known, document, (*path, "tier"), f"no tier {tenant.tier!r}{nearest(str(tenant.tier), routing.tiers)}")
        for provider, variable in tenant.keys.items():
            at = (*path, "keys", provider)
            require(provider in providers, document, at, f"no provider {provider!r}{nearest(provider, providers)}")
            # Not shown: what stands there by mistake is a key.
            require(bool(_VARIABLE.match(variable)), document, at, "expected the name of a variable that holds the key")


def _check_budget(budget: Budget, candidates: Mapping[str, Candidate], document: Document, path: PathParts) -> None:
    require(budget.cap_usd >= 0, document, (*path, "cap_usd"), f"expected dollars from 0, got {budget.cap_usd}")
    require(
        _is_zone(budget.time_zone),
        document,
        (*path, "time_zone"),
        f"no time zone {budget.time_zone!r}{_near_zone(budget.time_zone)}",
    )
    require(
        (budget.over == "cheap") == bool(budget.cheap),
        document,
        path,
        "`over: cheap` and `cheap: [candidates that still serve]` belong together",
    )
    for number, name in enumerate(budget.cheap):
        at = (*path, "cheap", number)
        require(name in candidates, document, at, f"no candidate {name!r}{nearest(name, candidates)}")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # a folder, a strange path, ZoneInfoNotFoundError
        return False
    return True


def _near_zone(name: str) -> str:
    """The nearest name, but not all six hundred."""
    hint = nearest(name, available_timezones())
    return hint if hint.startswith("; did") else "; expected an IANA name such as Europe/Berlin"
