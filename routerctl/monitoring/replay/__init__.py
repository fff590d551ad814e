"""Turns a decision log and a changed table's choices into what that table would have cost, and how good it would be.

`cells`: what is counted of the log, small enough for a database to count it; `estimate`: cells + choices -> cost and
quality of each class with intervals, and which part of them is measured, weighted, carried over, modelled or unknown;
`wording`: that in plain words. Cells come from a log (`redecide`, `same_policy`) or from recorded outcomes
(`outcomes`).
"""

from routerctl.monitoring.replay.cells import Cell, CostEvidence
from routerctl.monitoring.replay.estimate import ClassReplay, EstimateBasis, Replay, replay_log
from routerctl.monitoring.replay.wording import replay_words
