"""Turns a comparison into plain values for `--json`: strings, numbers, lists, and nothing that JSON cannot say."""

from __future__ import annotations

from typing import Any

from routerctl.evaluation.regression import ClassRegression, Regression


def to_json(regression: Regression) -> dict[str, Any]:
    """Return a comparison as plain values; shares are in [0, 1], an unknown number is None."""
    return {
        "baseline": regression.baseline,
        "alarm": regression.alarm,
        "alpha": regression.alpha,
        "level": regression.level,
        "pooled": {"p_value": regression.pooled_p, "alarm": regression.pooled_alarm},
        "only_before": regression.only_before,
        "only_after": regression.only_after,
        "classes": {one.task_class: _class(one) for one in regression.classes},
    }


def _class(one: ClassRegression) -> dict[str, Any]:
    return {
        "candidate": one.candidate,
        "alarm": one.alarm,
        "pairs": one.n,
        "before": one.before if one.n else None,
        "after": one.after if one.n else None,
        "method": one.method,
        "p_value": one.p_value,
        "adjusted_p": one.adjusted_p,
        "screened": one.screened,
        "chosen_in_baseline": one.chosen_there,
        "changed": one.changed,
        "failed": one.failed,
        "another_model": list(one.foreign),
        "broke": list(one.broke),
        "fixed": list(one.fixed),
        "least_detectable_drop": one.least_detectable_drop,
        "notes": list(one.notes),
    }
