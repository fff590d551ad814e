"""Turns an eval set's cases into the random order in which every candidate meets them.

It looks at ids, batches and clusters, never at what a case asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from routerctl.types import Case

_Key = tuple[int, bytes, str]


def planned_order(cases: Iterable[Case], seed: int, max_cases: int | None = None) -> tuple[Case, ...]:
    """Return the cases in the random order in which every candidate meets them, cut to `max_cases`.

    Batches come one after the other. Within a batch the place of a case depends on the seed and its id alone: neither
    on the file's order nor on the other cases. Cases of one cluster stay together, at the place that the cluster's name
    gives it in the first of its batches; the cut leaves a cluster out that it would go through, unless it is the first.
    """
    groups = _groups(cases, seed)
    if max_cases is None:
        return tuple(case for group in groups for case in group)
    kept: list[Case] = []
    for group in groups:
        if kept and len(kept) + len(group) > max_cases:
            break  # no later, smaller cluster instead: which cases are seen may not depend on a cluster's size
        kept += group
    return tuple(kept)


def _groups(cases: Iterable[Case], seed: int) -> list[list[Case]]:
    """The clusters in planned order, their cases likewise; a case without a cluster is its own."""
    named: dict[str, list[Case]] = {}
    groups: list[tuple[_Key, list[Case]]] = []
    for case in sorted(cases, key=lambda case: _key(0, case.id, seed)):
        if case.cluster is None:
            groups.append((_key(case.batch, case.id, seed), [case]))
        else:
            named.setdefault(case.cluster, []).append(case)
    for name, group in named.items():
        groups.append((_key(min(case.batch for case in group), name, seed), group))
    return [group for _, group in sorted(groups, key=lambda entry: (entry[0], entry[1][0].id))]


def _key(batch: int, name: str, seed: int) -> _Key:
    return batch, hashlib.sha256(f"{seed}:{name}".encode()).digest(), name
