"""Texts -> groups that must not be split between fitting and scoring: near-duplicates, and the cases' own clusters.

Two texts are near-duplicates when their sets of 5-character pieces overlap by half (Jaccard); groups are what is linked
through any chain of such pairs. A class whose texts are all alike ("What is 3 + 4?") would be one group, which no fold
can be without: then the measure is raised step by step, and said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix  # type: ignore[import-untyped]  # scipy ships no type information
from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]  # scipy ships no type information

PIECE = 5  # characters
ALIKE = 0.5  # Jaccard similarity from which two texts belong together
_STEPS = (ALIKE, 0.7, 0.9, None)  # None: only what is the same text, case and spaces apart, or shares a cluster
_HEAD = 2_000  # characters of a text that are compared
_ROWS = 512  # compared with all others at once, which bounds the memory


def pieces(text: str) -> frozenset[int]:
    """Give the hashed pieces of a text, whatever its case, its digits and its spaces."""
    flat = " ".join(text[:_HEAD].lower().split())
    flat = "".join("0" if character.isdigit() else character for character in flat)
    last = max(1, len(flat) - PIECE + 1)
    return frozenset(crc32(flat[at : at + PIECE].encode("utf-8", "replace")) for at in range(last))


def group_for_folds(
    texts: Sequence[str], clusters: Sequence[str], labels: Sequence[int], *, classes: int, folds: int
) -> tuple[list[int], float | None]:
    """Give each text the number of its group, and the likeness that it took for every class to have `folds` groups.

    `labels`: a class's number, or `classes` for a text of none.
    A class with fewer clusters than folds keeps too few groups; the caller sees to that.
    """
    groups: list[int] = []
    for alike in _STEPS:
        groups = group_texts(texts, clusters, alike)
        if min(groups_of(groups, labels)[:classes], default=folds) >= folds:
            return groups, alike
    return groups, None


def groups_of(groups: Sequence[int], labels: Sequence[int]) -> list[int]:
    """Count the groups of each label, in the labels' order."""
    found: dict[int, set[int]] = defaultdict(set)
    for group, label in zip(groups, labels, strict=True):
        found[label].add(group)
    return [len(found[label]) for label in sorted(found)]


def group_texts(texts: Sequence[str], clusters: Sequence[str], alike: float | None = ALIKE) -> list[int]:
    """Give each text the number of its group; `clusters`: names that tie texts together, "" ties nothing."""
    flat = [" ".join(text.lower().split()) for text in texts]
    links = [*(_near(texts, alike) if alike is not None else _same(flat)), *_same(clusters)]
    count = len(texts)
    left, right = zip(*links, strict=True) if links else ((), ())
    graph = coo_matrix((np.ones(len(links)), (left, right)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    return [int(label) for label in labels]


def _near(texts: Sequence[str], alike: float) -> list[tuple[int, int]]:
    sets = [pieces(text) for text in texts]
    columns: dict[int, int] = {}
    indices = [columns.setdefault(piece, len(columns)) for one in sets for piece in sorted(one)]
    starts = np.concatenate(([0], np.cumsum([len(one) for one in sets])))
    matrix = csr_matrix((np.ones(len(indices), dtype=np.float32), indices, starts), shape=(len(sets), len(columns)))
    sizes = np.asarray([len(one) for one in sets])
    found: list[tuple[int, int]] = []
    for start in range(0, len(sets), _ROWS):
        found += _alike(matrix, sizes, start, alike)
    return found


def _alike(matrix: Any, sizes: Any, start: int, alike: float) -> list[tuple[int, int]]:
    shared = (matrix[start : start + _ROWS] @ matrix.T).tocoo()
    rows, columns, overlap = shared.row + start, shared.col, shared.data
    similar = overlap >= alike * (sizes[rows] + sizes[columns] - overlap) - 1e-6
    kept = similar & (rows < columns)
    return [(int(row), int(column)) for row, column in zip(rows[kept], columns[kept], strict=True)]


def _same(clusters: Sequence[str]) -> list[tuple[int, int]]:
    first: dict[str, int] = {}
    return [(first.setdefault(name, place), place) for place, name in enumerate(clusters) if name]
