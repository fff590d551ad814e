"""What commands print with `--json` of evidence and of what a table is worth: plain values, money as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routerctl.evaluation.worth import THOUSAND, Told, Worth, told, weighed_by
from routerctl.types import Evidence


def evidence_json(evidence: Evidence) -> Mapping[str, Any]:
    """Give the numbers of one candidate as JSON has them."""
    judgement, accepted_usd = evidence.judgement, evidence.cost_per_accepted_usd
    return {
        "candidate": evidence.candidate,
        "verdict": judgement.verdict.value,
        "risk": judgement.risk,
        "stopped_at": judgement.stopped_at,
        "passes": judgement.passes,
        "cases": judgement.cases,
        "planned": judgement.n,
        "score": judgement.score,
        "interval": list(judgement.interval),
        "bar": judgement.bar,
        "alpha": judgement.alpha,
        "needed_cases": judgement.needed_cases,
        "failed": evidence.failed,
        "unscored": evidence.unscored,
        "refused": evidence.refused,
        "cost_per_accepted_usd": None if accepted_usd is None else str(accepted_usd),
        "latency_p50_s": evidence.latency_p50_s,
        "served_models": list(evidence.served_models),
    }


def worth_json(worth: Worth) -> Mapping[str, Any]:
    """Give what `worth_line` says, and the reasons behind it, as JSON has them."""
    return {
        "answer": worth.answer,
        "advice": worth.advice,
        "text": worth.told,
        "weighed_by": weighed_by(worth.weighting),
        "procedure": worth.procedure,
        "against": told_json(told(worth.against, worth.weighting, today=worth.against is worth.today))
        if worth.against
        else None,
        "best_constant": _best_json(worth),
        "reasons": [
            {"kind": one.kind, "decides": one.decides, "class": one.task_class, "text": one.text}
            for one in worth.reasons
        ],
        "to_run": [
            {
                "class": gap.task_class,
                "candidate": gap.candidate,
                "cases": gap.cases,
                "usd": None if gap.price_usd is None else str(gap.price_usd),
            }
            for gap in worth.gaps
        ],
    }


def told_json(found: Told) -> Mapping[str, Any]:
    """Give money and risk against one candidate for all; money is USD a month, or per 1,000 requests (`per`).

    The price of wrong answers is in what is saved where classes state one, and never in `calls_cost_share`. Wrong
    answers are None where no case was run with both.
    """
    return {
        "candidate": found.candidate,
        "today": found.today,
        "saved_usd": None if found.saved_usd is None else str(found.saved_usd),
        "saved_interval_usd": [str(end) for end in found.saved_interval_usd] if found.saved_interval_usd else None,
        "per": found.per,
        "wrong_answers_counted": found.counted,
        "calls_cost_share": found.cost_share,
        "estimated": bool(found.estimated_on),
        "more_wrong_per_1000": found.more_wrong if found.measured else None,
        "more_wrong_interval": list(found.more_wrong_interval) if found.measured else None,
    }


def _best_json(worth: Worth) -> Mapping[str, Any] | None:
    """The most accurate single candidate; None where none was run, no money where no cost is known."""
    best = next(iter(worth.constants), None)
    if best is None:
        return None
    return {
        "candidate": best.candidate,
        "passes": best.passes,
        "classes": best.covered,
        "classes_of_table": best.of,
        "usd_per_1000": str(best.figures.cost_usd * THOUSAND) if best.figures else None,
        "table_usd_per_1000": str(best.table.cost_usd * THOUSAND) if best.table else None,
    }
