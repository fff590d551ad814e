"""Turns counts and values of cases into error probabilities, stopping boundaries, intervals and set sizes.

`sequential`: the exact test of 0/1 cases; `betting`: the test of other values in [0, 1], weighted or not; `anytime`:
evidence and intervals that hold at any stopping time; `clusters`: dependent cases; `paired`: before against after;
`noninferiority`: a candidate against a reference; `shrinkage`: noisy differences of classes; `sizes`: how many cases.
It knows numbers only: no case, no candidate, no verdict, no money.
"""

from routerctl.statistics.anytime import anytime_interval, below_line
from routerctl.statistics.betting import Bets, betting_decidable, betting_interval
from routerctl.statistics.clusters import design_effect, independent_need, korn_graubard_level, korn_graubard_lower
from routerctl.statistics.paired import mcnemar_midp
from routerctl.statistics.sequential import (
    FUTILITY,
    POWER,
    StoppingPlan,
    hopeless,
    margin_good_enough,
    pass_probability,
    plan,
    point_plan,
    provable_accuracy,
    without_futility,
)
from routerctl.statistics.sizes import betting_least_cases, betting_needed_cases, least_cases, needed_cases
from routerctl.statistics.tails import ENOUGH
