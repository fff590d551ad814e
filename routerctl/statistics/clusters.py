"""A lower bound for the accuracy where cases come in clusters that resemble each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special  # type: ignore[import-untyped]  # scipy ships no type information


def korn_graubard_lower(cluster_passes: Sequence[float], cluster_sizes: Sequence[int], alpha: float) -> float:
    """Return a one-sided lower bound, level 1 - alpha, for the accuracy when cases of one cluster resemble each other.

    `cluster_passes`, `cluster_sizes`: passed cases and cases of each cluster, same length. The Clopper-Pearson bound
    at the effective sample size; with fewer than two clusters nothing is known and the bound is 0.
    Source: Korn & Graubard, Survey Methodology 24 (1998), one-sided. A perfect score has no spread to estimate a
    design effect from: then each cluster counts as one case.
    """
    passes, sizes = np.asarray(cluster_passes, dtype=float), np.asarray(cluster_sizes, dtype=float)
    clusters, n = len(passes), float(sizes.sum())
    p = float(passes.sum()) / n if n else 0.0
    if clusters < 2 or p <= 0:
        return 0.0
    if p >= 1:
        return float(alpha ** (1 / clusters))
    spread = float(((passes - p * sizes) ** 2).sum()) * clusters / (clusters - 1) / n**2
    design_effect = max(spread / (p * (1 - p) / n), 1.0)  # below 1 is luck with few clusters, not extra knowledge
    quantiles = float(special.stdtrit(n - 1, alpha) / special.stdtrit(clusters - 1, alpha))
    effective = n / design_effect * quantiles**2
    return float(special.betaincinv(p * effective, effective - p * effective + 1, alpha))
