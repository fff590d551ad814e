"""Tests on pairs: the same cases answered before and after."""

from __future__ import annotations

from routerctl.statistics.tails import tail


def mcnemar_midp(broke: int, fixed: int) -> float:
    """Return the one-sided mid-p value for "things got worse" on paired cases.

    `broke` cases passed before and fail now, `fixed` ones the reverse; the unchanged ones say nothing.
    Source: Fagerland, Lydersen & Laake, BMC Medical Research Methodology 13:91 (2013).
    """
    changed = broke + fixed
    if changed == 0:
        return 1.0
    return (tail(broke, changed, 0.5) + tail(broke + 1, changed, 0.5)) / 2
