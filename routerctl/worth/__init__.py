"""Turns measured evidence into what a routing table is worth: its cost per correct answer, and against one model.

`figures`: price, price per correct answer and wrong answers delivered, of a class, of the table, of one candidate for
all; `standings`: the same by verdicts alone, where no cost is known; `reasons`: when routing is not worth it, and when
it is; `cascades`: a cheap candidate whose doubtful answers the next one gives. Place: arithmetic, above the report and
the terminal, which print it. Pure: it knows no file, no network and no clock, and it estimates nothing: what was not
run has no figure.
"""

from routerctl.worth.cascades import (
    Accept,
    Cascade,
    Check,
    Replies,
    agreement_at_least,
    cascade,
    checks_for,
    logprob_at_least,
    replies_of,
    share_interval,
    usable,
)
from routerctl.worth.figures import (
    THOUSAND,
    Constant,
    Figures,
    Volumes,
    Weighting,
    chosen_evidence,
    class_figures,
    constants,
    evaluation_usd,
    evidence_for,
    priced,
    table_cost,
    table_figures,
    weighting,
    wrong_per_thousand,
)
from routerctl.worth.reasons import Reason, Worth, weigh, when_not_to_bother
from routerctl.worth.standings import Standing, standings

__all__ = [
    "THOUSAND",
    "Accept",
    "Cascade",
    "Check",
    "Constant",
    "Figures",
    "Reason",
    "Replies",
    "Standing",
    "Volumes",
    "Weighting",
    "Worth",
    "agreement_at_least",
    "cascade",
    "checks_for",
    "chosen_evidence",
    "class_figures",
    "constants",
    "evaluation_usd",
    "evidence_for",
    "logprob_at_least",
    "priced",
    "replies_of",
    "share_interval",
    "standings",
    "table_cost",
    "table_figures",
    "usable",
    "weigh",
    "weighting",
    "when_not_to_bother",
    "wrong_per_thousand",
]
