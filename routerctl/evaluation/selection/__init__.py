"""Turns cases' outcomes in planned order into a verdict per candidate, and verdicts into one route's rungs.

`order` fixes the order before the first answer; `question` says what is asked of a candidate; `boundaries` and
`stopping` take outcome by outcome until it is answered; `judge` says what was found; `choose` makes a route of it,
`wording` and `levels` put it in words. It knows no model, no reply, no file and no clock; `statistics` computes the
boundaries.

Two rules make the error probability true, and both are kept here: the order of the cases is fixed before the first
answer (`planned_order`), and the test sees answers in that order only (`Reorder`). Wrong answers tend to be slow:
fed in order of arrival, a test would first see too many right ones.
"""

from routerctl.evaluation.selection.choose import (
    Choice,
    Shown,
    best_available,
    choose,
    contenders,
    qualifies,
    served_by,
)
from routerctl.evaluation.selection.judge import judge
from routerctl.evaluation.selection.levels import (
    bar_change_words,
    chosen_words,
    nobody_words,
    not_asked_words,
    unproven_words,
)
from routerctl.evaluation.selection.order import planned_order
from routerctl.evaluation.selection.provable import provable_words
from routerctl.evaluation.selection.question import (
    Outcome,
    Question,
    alpha_of_attempt,
    alpha_per_candidate,
    method_of,
    outcome_of,
    question_of,
    total_alpha,
)
from routerctl.evaluation.selection.rounding import rounded
from routerctl.evaluation.selection.stopping import Reorder, rule_of
from routerctl.evaluation.selection.wording import hope_words, interval_note, two_sentences, verdict_words
