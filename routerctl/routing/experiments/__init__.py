"""Turns the outcomes of two arms into an answer to "is B better than A?" that holds at any moment of looking.

`assignment`: key -> arm, sticky; `compare`: outcomes -> better, worse, equivalent or undecided; `guardrails`: what B
may not cost, fail or take more than A; `wording`: the answer in plain words. These know no file, no log, no clock;
`trial` reads an experiment's outcomes from the log, `active` ends it.

Only `assignment` is imported here: serving needs it, and must start without numpy.
"""

from routerctl.routing.experiments.assignment import arm_of, point_of
