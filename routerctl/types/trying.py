"""What is tried on a share of the traffic. Not part of a table, so whoever only reads one does not load it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


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
