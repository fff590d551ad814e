"""Turns measured evidence into what a routing table is worth: its cost per correct answer, and against one model.

`figures`: price, price per correct answer and wrong answers delivered, of a class and of the table; `grid`: results as
matrices; `choosers`, `objective`: how candidates are chosen on them; `crossfit`: what that does on other cases; `gaps`,
`against`: the table beside each candidate serving every class; `told`: money and risk in words; `answering`, `reasons`:
whether it is worth it; `frontier`: the picture's points; `cascades`: a cheap candidate whose doubtful answers the next
one gives. It knows no file, no network and no clock. What needs numpy is imported when it is asked for: most commands
want the figures only.
"""

from routerctl.evaluation.worth.against import Constant
from routerctl.evaluation.worth.cascades import Cascade, Replies, cascade, replies_of, share_interval
from routerctl.evaluation.worth.choosers import floor_of
from routerctl.evaluation.worth.figures import (
    THOUSAND,
    Figures,
    Volumes,
    Weighting,
    class_figures,
    evaluation_usd,
    exact,
    table_figures,
    weighting,
    wrong_per_thousand,
)
from routerctl.evaluation.worth.grid import Grid, grid_of
from routerctl.evaluation.worth.reasons import Worth, weigh
from routerctl.evaluation.worth.told import Told, beside_words, told, told_words, weighed_by
from routerctl.levels import chosen_evidence, evidence_for
