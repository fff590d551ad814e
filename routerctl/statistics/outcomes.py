"""Turns several candidates' outcomes on the same cases into their paired differences, from the cases that both have.

`Outcomes` is one task's matrix of values and costs; `contrast` compares every row with one of them; `folds` cuts the
cases into parts that can be looked at after a choice was made on the others. It knows numbers only: rows and columns,
no names, no verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routerctl.statistics.tails import Counts

Matrix = NDArray[np.float64]  # NaN: nothing is known there
Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]
Entry = tuple[int, int, int, float, float]  # row, column, epoch, value, cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What several candidates (rows) made of the same cases (columns); NaN: not run, or its cost is not known."""

    values: Matrix  # in [0, 1]
    costs: Matrix
    weights: Vector  # of the cases, above 0
    clusters: Counts | None = None  # of the cases, numbered from 0; None: they are independent

    @property
    def cases(self) -> int:
        """How many cases there are."""
        return int(self.values.shape[1])

    def part(self, kept: Mask) -> Outcomes:
        """Give the outcomes of some of the cases."""
        clusters = None if self.clusters is None else self.clusters[kept]
        return Outcomes(
            values=self.values[:, kept], costs=self.costs[:, kept], weights=self.weights[kept], clusters=clusters
        )

    def common(self, rows: Sequence[int]) -> Outcomes:
        """Give the outcomes of the cases that all of these rows have; all cases where there is none such."""
        kept = np.asarray(~np.isnan(self.values[list(rows)]).any(axis=0))
        return self.part(kept) if kept.any() else self

    def means(self) -> Vector:
        """Give each row's weighted mean value over its own cases; NaN without one."""
        return weighted_means(self.values, self.weights)

    def mean_costs(self) -> Vector:
        """Give each row's weighted mean cost over its own cases; NaN without one."""
        return weighted_means(self.costs, self.weights)

    def unpriced(self) -> bool:
        """Whether some case's cost is not known though it was run."""
        return bool((np.isnan(self.costs) & ~np.isnan(self.values)).any())

    def counts(self) -> Counts:
        """Count each row's cases."""
        return np.asarray((~np.isnan(self.values)).sum(axis=1))

    def complete(self) -> Mask:
        """Tell which rows have a value for every case."""
        return np.asarray(~np.isnan(self.values).any(axis=1))


def outcomes_of(
    entries: Iterable[Entry], shape: tuple[int, int, int], weights: Sequence[float], clusters: Sequence[str] | None
) -> Outcomes:
    """Put single replies together; `shape`: rows, columns, epochs.

    A case counts for a row when all its epochs are there, with their mean value and mean cost; of several entries of
    one epoch the last counts. Columns that no row has are left out. `weights`, `clusters`: of the columns.
    """
    values, costs = np.full(shape, np.nan), np.full(shape, np.nan)
    for row, column, epoch, value, cost in entries:
        values[row, column, epoch], costs[row, column, epoch] = value, cost
    means = values.mean(axis=2)  # NaN where an epoch is missing
    there = ~np.isnan(means).all(axis=0)
    whole = Outcomes(
        values=means,
        costs=np.where(np.isnan(means), np.nan, costs.mean(axis=2)),
        weights=np.asarray(weights, dtype=float),
        clusters=None if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1],
    )
    return whole.part(there)


def spliced(outcomes: Outcomes, parts: Sequence[tuple[Mask, int]]) -> tuple[Vector, Vector]:
    """Give values and costs of the row that was picked for each part of the cases; NaN outside the parts."""
    values, costs = np.full(outcomes.cases, np.nan), np.full(outcomes.cases, np.nan)
    for part, row in parts:
        values[part], costs[part] = outcomes.values[row, part], outcomes.costs[row, part]
    return values, costs


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Every row's mean difference to one row, over the cases that both have."""

    mean: Vector  # NaN: no case in common
    se: Vector  # NaN likewise
    cases: Counts


def weighted_means(rows: Matrix, weights: Vector) -> Vector:
    """Return each row's weighted mean over what is known of it; NaN where nothing is."""
    known = ~np.isnan(rows)
    return _over(np.where(known, rows, 0.0) @ weights, known @ weights)


def common_means(rows: Matrix, one: int, other: int, weights: Vector) -> tuple[float, float] | None:
    """Return two rows' weighted means over what is known of both; None where nothing is."""
    both = ~np.isnan(rows[one]) & ~np.isnan(rows[other])
    if not both.any():
        return None
    means = weighted_means(rows[[one, other]][:, both], weights[both])
    return float(means[0]), float(means[1])


def contrast(
    rows: Matrix, base: Vector, weights: Vector, clusters: Counts | None = None, *, floor: float = 1.0
) -> Contrast:
    """Return the weighted mean of `rows - base` with its standard error: `paired_mean` of every row at once.

    `floor`: the difference of the half discordant unit each way that is added to the squares.
    """
    differences = rows - base
    known = ~np.isnan(differences)
    mass = np.where(known, weights, 0.0)
    total = mass.sum(axis=1)
    mean = _over((mass * np.where(known, differences, 0.0)).sum(axis=1), total)
    apart = mass * np.where(known, differences - mean[:, None], 0.0)
    sizes, sums = (each if clusters is None else _per_cluster(each, clusters) for each in (mass, apart))
    units = (sizes > 0).sum(axis=1)
    freed = np.divide(units, units - 1, out=np.ones(len(rows)), where=units > 1)
    squares = (sums**2).sum(axis=1) * freed + floor**2 * _over((sizes**2).sum(axis=1), units)
    return Contrast(mean=mean, se=_over(np.sqrt(squares), total), cases=known.sum(axis=1))


def _over(sums: Vector, sizes: Vector | Counts) -> Vector:
    """Divide; NaN where there is nothing to divide by."""
    shares: Vector = np.divide(sums, sizes, out=np.full(len(sums), np.nan), where=sizes > 0)
    return shares


def _per_cluster(rows: Matrix, clusters: Counts) -> Matrix:
    """Sum the columns of each cluster."""
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    summed: Matrix = np.add.reduceat(rows[:, order], starts, axis=1)
    return summed


def folds(outcomes: Outcomes, count: int) -> list[Mask]:
    """Cut the cases into parts and tell for each which cases are in it; clusters stay whole.

    Cases are dealt out as they come: their order must not depend on the outcomes. A planned order is drawn by lot.
    """
    dealt = np.arange(outcomes.cases)
    if outcomes.clusters is not None:
        _, first, member = np.unique(outcomes.clusters, return_index=True, return_inverse=True)
        dealt = np.argsort(np.argsort(first))[member]
    return [dealt % count == part for part in range(count)]
