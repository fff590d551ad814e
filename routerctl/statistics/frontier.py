"""Turns what each option of several tasks costs and brings into the best that all of them can bring at each price.

`descent` walks from the best options to the cheapest ones, always giving up the least for the money: the solutions of
"maximise gain - lambda x cost" for every lambda, in at most tasks x (options - 1) steps. `mixed` is what a random mix
between options brings. It knows numbers only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

CostGain = tuple[float, float]  # cost, gain


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierStep:
    """One choice of an option for every task, and what they come to together."""

    choices: tuple[int, ...]  # option of each task
    cost: float  # weighted
    gain: float
    slope: float  # gain given up per cost saved, at which this choice begins to be the best; 0 for the first


def descent(options: Sequence[Sequence[CostGain | None]], weights: Sequence[float]) -> list[FrontierStep]:
    """List the choices that maximise gain - lambda x cost, from lambda = 0 upwards; None: not to be chosen.

    Exact: each task walks down the upper convex hull of its own options, and all of their edges are taken in order of
    slope. Edges of one slope are taken together, since no lambda separates them.

    Raises: ValueError where a task has no option.
    """
    hulls = [hull([(place, one) for place, one in enumerate(each) if one is not None]) for each in options]
    if not all(hulls):
        raise ValueError("every task needs an option")
    at = [len(each) - 1 for each in hulls]
    edges = sorted(
        (_slope(each[place - 1][1], each[place][1]), task)
        for task, each in enumerate(hulls)
        for place in range(1, len(each))
    )
    steps = [_step(hulls, at, weights, 0.0)]
    for place, (slope, task) in enumerate(edges):
        at[task] -= 1
        if place + 1 == len(edges) or not math.isclose(slope, edges[place + 1][0], rel_tol=1e-9):
            steps.append(_step(hulls, at, weights, slope))
    return steps


def _step(
    hulls: Sequence[Sequence[tuple[int, CostGain]]], at: Sequence[int], weights: Sequence[float], slope: float
) -> FrontierStep:
    taken = [each[place] for each, place in zip(hulls, at, strict=True)]
    return FrontierStep(
        choices=tuple(option for option, _ in taken),
        cost=sum(weight * cost for weight, (_, (cost, _)) in zip(weights, taken, strict=True)),
        gain=sum(weight * gain for weight, (_, (_, gain)) in zip(weights, taken, strict=True)),
        slope=slope,
    )


def hull(points: Sequence[tuple[int, CostGain]]) -> list[tuple[int, CostGain]]:
    """Return the options on the upper convex hull, dearer and better from one to the next.

    Of equal ones the first stays; of three on a line the middle one goes.
    """
    kept: list[tuple[int, CostGain]] = []
    for option, point in sorted(points, key=lambda one: (one[1][0], -one[1][1], one[0])):
        if kept and point[1] <= kept[-1][1][1]:
            continue  # no cheaper, and no better
        while len(kept) > 1 and _slope(kept[-2][1], kept[-1][1]) <= _slope(kept[-1][1], point) * (1 + 1e-12):
            kept.pop()
        kept.append((option, point))
    return kept


def _slope(low: CostGain, high: CostGain) -> float:
    """Gain per cost; of options that cost the same the better is had for nothing."""
    return (high[1] - low[1]) / (high[0] - low[0]) if high[0] > low[0] else math.inf


def mixed(points: Sequence[CostGain], cost: float) -> float | None:
    """Return the most gain that a random mix of options brings at this cost on average; None: all are dearer."""
    line = [point for _, point in hull(list(enumerate(points)))]
    if not line or cost < line[0][0]:
        return None
    for low, high in itertools.pairwise(line):
        if cost <= high[0]:
            return low[1] + (cost - low[0]) * (high[1] - low[1]) / (high[0] - low[0])
    return line[-1][1]
