"""Turns the outcomes of two arms into an answer to "is B better than A?" that holds at any moment of looking.

`assigning`: key -> arm, sticky; `comparing`: outcomes -> better, worse, equivalent or undecided; `guarding`: what B may
not cost, fail or take more than A; `sentences`: the answer in plain words. Place: arithmetic, above `statistics`, whose
bets it places. It knows no file, no log, no clock: what an outcome is, and when an experiment ends, is for the caller.

Only `assigning` is imported here: the request line needs it, and must start without numpy.
"""

from routerctl.routing.experiments.assignment import Arm, arm_of, point_of
