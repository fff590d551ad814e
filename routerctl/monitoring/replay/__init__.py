"""Turns a decision log and a changed table's choices into what that table would have cost, and how good it would be.

`cells`: what is counted of the log, small enough for a database to count it; `estimating`: cells + choices -> cost and
quality of each class with intervals, and which part of them is measured, weighted, carried over, modelled or unknown;
`sentences`: that in plain words. Place: arithmetic, above `statistics`. It knows no file, no table, no clock.
"""

from routerctl.monitoring.replay.cells import Cell, CostEvidence
from routerctl.monitoring.replay.estimate import ClassReplay, EstimateBasis, MeanEstimate, Replay, replay_log
from routerctl.monitoring.replay.wording import replay_words
