"""Turns what was measured when a table was made, and a window of the log, into "it moved" or "nothing moved".

`windows`: what is counted, small enough for a database to count ten million requests; `detect`: baseline and window ->
one report with one false-alarm rate; `wording`: what moved, from what to what, in plain words. These know no file, no
log, no clock; `baselines` and `reruns` read the table, its runs and what the warehouse counted.
"""

from routerctl.monitoring.drift.detect import ALPHA, Alarm, Drift, look
from routerctl.monitoring.drift.windows import ClassBaseline, Floors, Spread, Tail, TailLimits, Window, limits
from routerctl.monitoring.drift.wording import drift_words
