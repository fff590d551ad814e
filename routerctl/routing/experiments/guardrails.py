"""Turns what B cost, failed or took beside A into "within what is allowed" or "proven to be beyond it": then abort.

A guardrail looks at values in [0, 1]: errors are 0 or 1, a slow answer (slower than a limit fixed beforehand) is 0 or
1, a cost is divided by a cap fixed beforehand and counts as 1 beyond it, so that one freak answer cannot decide. Pure;
`compare`'s rules for units and their order hold here too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from routerctl.routing.experiments.compare import UnitOutcomes
from routerctl.statistics.two_arms import Gambles, block_deviation, block_sizes, blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """How much worse than A B may be, in one respect; smaller values are better. Fixed before the first outcome."""

    name: str  # errors, cost, slow, refusals
    share: float  # B's share of the units, in (0, 1)
    allowed: float  # B - A; where `relative`, B / A - 1
    relative: bool = False
    alpha: float = 0.01  # chance that a B which keeps to what is allowed is ever aborted for this
    tuned_to: int = 2000  # units within which a breach is to be seen: fewer see only gross ones, but soon
    deviation: float = 0.25  # guess at one value's standard deviation; counts as a few values

    @property
    def goal(self) -> float:
        """Log of the wealth that proves a breach: one-sided, a B that is better is no breach."""
        return math.log(1 / self.alpha)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """What a guardrail has seen so far."""

    name: str
    broken_at: int | None  # units of both arms that had come when the breach was proven; None: it is not
    count_a: int
    count_b: int
    mean_a: float | None  # of values in [0, 1]; None without any
    mean_b: float | None
    allowed: float
    relative: bool
    alpha: float

    @property
    def broken(self) -> bool:
        """Whether B is proven to be worse than allowed."""
        return self.broken_at is not None


def capped(amounts: Iterable[float], cap: float) -> list[float]:
    """Return amounts, dollars or seconds, as shares of a cap: at or above it they are 1.

    Raises: ValueError where the cap is not positive or an amount is negative.
    """
    if cap <= 0:
        raise ValueError(f"a cap is positive, not {cap}")
    found = [min(amount / cap, 1.0) for amount in amounts]
    if any(value < 0 for value in found):
        raise ValueError("an amount is not negative")
    return found


def guard(outcomes: UnitOutcomes, guardrail: Guardrail) -> Guarded:
    """Say whether B is proven to be worse than A by more than is allowed.

    Relative guardrails compare B with (1 + allowed) A, block by block, so that A's own mean need not be known.

    Raises: ValueError where a value is outside [0, 1], or what is allowed is negative.
    """
    if guardrail.allowed < 0:
        raise ValueError(f"a guardrail allows 0 or more, not {guardrail.allowed}")
    made = blocks(outcomes.values, outcomes.in_b, guardrail.share)
    times, allowed = (1 + guardrail.allowed, 0.0) if guardrail.relative else (1.0, guardrail.allowed)
    gambles = Gambles(
        made.b - times * made.a,
        low=-times,
        high=1.0,
        deviation=block_deviation(times * guardrail.deviation, guardrail.deviation, guardrail.share),
        n=guardrail.tuned_to / sum(block_sizes(guardrail.share)),
        goal=guardrail.goal,
    )
    block = gambles.won_above(allowed)
    return Guarded(
        name=guardrail.name,
        broken_at=None if block is None else int(made.ends[block]),
        count_a=made.counts[0],
        count_b=made.counts[1],
        mean_a=made.means[0],
        mean_b=made.means[1],
        allowed=guardrail.allowed,
        relative=guardrail.relative,
        alpha=guardrail.alpha,
    )
