"""Where a decision log lives -> what `replay` and `drift` count of it: queries written once, run wherever the log is.

`opening`: a local SQLite log, Parquet files, or an engine's URL -> an ibis table with the log's columns; `columns`:
which columns those are, and that they are of the right kind; `bins`: values -> histograms, since every engine can group
and no two agree about quantiles; `counting`: what drift looks at; `cells`: what a replay rests on.
Place: the files floor, after the log. It only reads, and it is the only place that knows ibis and DuckDB, which are
imported when a log is opened.
"""

from routerctl.monitoring.warehouse.cells import Cells, KeptPrompts, kept_prompts, replay_cells
from routerctl.monitoring.warehouse.counts import ClassCounts, ServedRequests, counted
from routerctl.monitoring.warehouse.histogram import Histogram
from routerctl.monitoring.warehouse.open import open_decisions, shown_place
from routerctl.monitoring.warehouse.slice import Slice
