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
    cheap: tuple[str, ...] = ()  # candidates that still serve over the cap; what they cost is booked all the same
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A table that is tried on a share of the traffic; everything that its statistics need was fixed at its start."""

    name: str
    table: str  # B's file, beside routes.yaml
    digest_a: str  # of routes.yaml when it began
    digest_b: str
    share: float  # B's, in (0, 1)
    key: str  # what the split is by: "user", "tenant", "id" or a feature's name
    salt: str  # hexadecimal
    started_at: str  # ISO 8601, UTC
    least_difference: float  # of the feedback's means: what is to be found
    window_s: float  # for how long a key's feedback counts together, from its first
    cost_cap_usd: Decimal  # an answer's cost counts as a share of it
    slow_s: float  # an answer that takes longer is slow
    deviation: float = 0.5  # guess at one feedback's standard deviation; decides how soon, not whether rightly
    margin: float | None = None  # differences up to it do not matter
    alpha: float = 0.05
    more_cost: float = 0.5  # guardrails: B may cost so much more, relative to A,
    more_errors: float = 0.05  # fail so much more often, as a difference of shares,
    more_slow: float = 0.1  # and be slow so much more often
    ended_at: str = ""  # "" = it is on
    ended: str = ""  # promoted or aborted
    why: str = ""
