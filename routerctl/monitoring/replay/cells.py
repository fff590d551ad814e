"""What is counted of a decision log for a replay: one row per class, policy, arm, chosen candidate and chance.

    SELECT task_class, coalesce(experiment, table_digest) AS policy, arm, chosen AS candidate, propensity,
           count(*), sum(cost), sum(cost * cost), sum(cost * cost * cost),
           count(score), sum(score), sum(score * score) ... GROUP BY 1, 2, 3, 4, 5

Amounts are floats: they are estimated with, not booked.
"""

from __future__ import annotations

from dataclasses import dataclass

from routerctl.statistics.weighting import Sums, Units


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Decisions that have class, policy, chosen candidate and propensity in common."""

    task_class: str  # as the changed table has it; as logged where that cannot be known any more
    # What chose: the experiment's name, else the table's digest. One policy gives every inquiry of a class the same
    # chances: both arms of an experiment are one policy.
    policy: str
    candidate: str  # the first rung that was chosen, whoever served in the end: that is what a table decides
    propensity: float  # chance that an inquiry of this class had of getting `candidate` in this arm, in (0, 1]
    requests: int
    cost_usd: float  # sum over requests, all hops of each
    cost_usd_2: float  # sum of squares
    cost_usd_3: float  # sum of cubes
    arm: str = ""  # of the experiment that the policy is; where both arms chose `candidate`, its chance is their sum
    scored: int = 0  # requests whose quality is known: feedback, shadow evals
    score: float = 0.0  # sum of their scores, each in [0, 1]
    score_2: float = 0.0  # sum of squares
    cost_units: Units | None = None  # where an experiment was split by user or the like: costs by unit
    score_units: Units | None = None
    digest: str = ""  # of the table that chose
    pin: str = ""  # model id that `candidate` was asked as; "" = not known
    price: float | None = 1.0  # a cost at the changed table's prices, as a multiple of the logged one; None: not known

    @property
    def costs(self) -> Sums:
        """The costs at the changed table's prices, where these are known, with their chance."""
        times = 1.0 if self.price is None else self.price
        return Sums(
            chance=self.propensity,
            n=self.requests,
            total=self.cost_usd * times,
            squares=self.cost_usd_2 * times**2,
            cubes=self.cost_usd_3 * times**3,
            units=self.cost_units and self.cost_units.times(times),
        )

    @property
    def scores(self) -> Sums:
        """The scores with their chance; that a request was scored must not depend on who served it."""
        return Sums(
            chance=self.propensity, n=self.scored, total=self.score, squares=self.score_2, units=self.score_units
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEvidence:
    """What a candidate cost on the cases of a class's eval set."""

    cases: int
    mean_usd: float  # per case
    deviation_usd: float | None = None  # of one case; None: not kept, then as large as the mean
