"""Turns counts and values of cases into error probabilities, lines to stop at, intervals and set sizes.

`sequential`: the exact test of 0/1 cases; `anytime`: evidence and intervals that hold at any stopping time; `clusters`:
dependent cases; `paired`: before against after; `sizes`: how many cases. Place: arithmetic, below selection, which
feeds real results in. It knows numbers only: no case, no candidate, no verdict, no money.
"""

from routerctl.statistics.anytime import anytime_interval, below_line, log_evidence_below
from routerctl.statistics.clusters import korn_graubard_lower
from routerctl.statistics.paired import mcnemar_midp
from routerctl.statistics.sequential import (
    FUTILITY,
    POWER,
    Plan,
    margin_good_enough,
    pass_probability,
    plan,
    point_plan,
)
from routerctl.statistics.sizes import least_cases, needed_cases
from routerctl.statistics.tails import ENOUGH

__all__ = [
    "ENOUGH",
    "FUTILITY",
    "POWER",
    "Plan",
    "anytime_interval",
    "below_line",
    "korn_graubard_lower",
    "least_cases",
    "log_evidence_below",
    "margin_good_enough",
    "mcnemar_midp",
    "needed_cases",
    "pass_probability",
    "plan",
    "point_plan",
]
