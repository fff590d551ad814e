"""Who may spend how much, and who gets which table: budgets, tiers, tenants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from routerctl.types.asking import Json

Period = Literal["hour", "day", "week", "month"]
OverCap = Literal["refuse", "cheap"]
WhenDown = Literal["fail_open", "fail_closed"]
UnknownTenant = Literal["refuse", "warn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What inquiries of a kind may cost in a calendar period; every budget that applies must have room."""

    name: str
    cap_usd: Decimal
    period: Period = "month"
    time_zone: str = "UTC"  # IANA name: in it a day begins at midnight, a week on Monday
    tenant: tuple[str, ...] = ()  # only inquiries of these; () = all
    task_class: tuple[str, ...] = ()  # only inquiries of these; () = all
    features: Mapping[str, Json] = field(default_factory=dict)  # only where each equals the inquiry's
    per: str | None = None  # "tenant", "user", "class" or a feature's name: each value has a cap of its own
    over: OverCap = "refuse"
    cheap: tuple[str, ...] = ()  # candidates that still serve over the cap: what they cost is booked beyond it
    when_down: WhenDown = "fail_open"  # where the state store cannot be reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A kind of tenant: the table it is served by."""

    name: str
    table: str  # file beside routes.yaml
    ladder: str | None = None  # `build-table --tier` builds the table for it; None: the project's


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """Who asks, kept apart from the others: log, budgets, health, and keys where it has its own."""

    name: str
    tier: str | None = None  # None: routes.yaml itself
    keys: Mapping[str, str] = field(default_factory=dict)  # provider -> variable that holds this tenant's key
