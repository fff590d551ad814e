"""Where a decision log lives -> what `replay` and `drift` count of it: queries written once, run wherever the log is.

`open`: a local SQLite log, Parquet files, or an engine's URL -> an ibis table with the log's columns; `columns`: which
columns those are, and that they are of the right kind; `histogram`: values -> histograms, since every engine can group
and no two agree about quantiles; `counts`: what drift looks at; `cells`: what a replay rests on. It only reads, and
nothing else knows ibis and DuckDB, which are imported when a log is opened.
"""

from routerctl.monitoring.warehouse.cells import kept_prompts, replay_cells
from routerctl.monitoring.warehouse.counts import ClassCounts, ServedRequests, counted
from routerctl.monitoring.warehouse.histogram import Histogram
from routerctl.monitoring.warehouse.open import open_decisions, shown_place
from routerctl.monitoring.warehouse.slice import Slice
